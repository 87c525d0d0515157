"""The reference values: what is shipped, how its units convert, and how a mistake in the file is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.errors import BadInput
from app.reference import Group, Row, read_reference

GROUPS = read_reference(Path(__file__).parents[2] / "assets" / "reference_ranges.toml")
ROWS = tuple(row for group in GROUPS for row in group.rows)

# conventional unit, SI unit -> how many of the second are one of the first, whatever the substance
UNITS = {
    ("%", ""): 0.01,
    ("g/dL", "g/L"): 10,
    ("mg/dL", "g/L"): 0.01,
    ("mg/dL", "mg/L"): 10,
    ("mg/24 h", "g/24 h"): 0.001,
    ("ng/mL", "ng/L"): 1000,
    ("ng/mL", "mg/L"): 0.001,
    ("/mm³", "× 10⁹/L"): 0.001,
    ("mm Hg", "kPa"): 0.133322,
    ("mm H₂O", "kPa"): 0.00980665,
    ("mL/min", "mL/s"): 1 / 60,
}
# The same number in another name.
EQUAL = {
    ("mEq/L", "mmol/L"),
    ("mOsm/kg", "mmol/kg"),
    ("pg/mL", "ng/L"),
    ("ng/mL", "µg/L"),
    ("million/mm³", "× 10¹²/L"),
    ("µm³", "fL"),
    ("/mm³", "× 10⁶/L"),
    ("µU/mL", "mU/L"),
    ("mIU/mL", "IU/L"),
    ("IU/mL", "kIU/L"),
    ("U/mL", "kU/L"),
    ("seconds", "s"),
}
# From mass to amount: the molar mass (g/mol) behind each substance's factor.
MOLAR = {
    "Calcium": 40.078,
    "Magnesium": 24.305,
    "Phosphorus": 30.974,
    "Urea nitrogen": 28.014,
    "Creatinine": 113.12,
    "Uric acid": 168.11,
    "Glucose": 180.16,
    "Lactate": 90.08,
    "Cholesterol": 386.65,
    "LDL": 386.65,
    "HDL": 386.65,
    "Non-HDL": 386.65,
    "Triglycerides": 885.4,
    "Bilirubin": 584.66,
    "Ammonia": 17.031,
    "Iron": 55.845,
    "Total iron-binding": 55.845,
    "Vitamin B12": 1355.4,
    "Folate": 441.4,
    "25-hydroxyvitamin D": 400.64,
    "Cortisol": 362.46,
    "Thyroxine": 776.87,
    "Triiodothyronine": 650.97,
    "Corticotropin": 4541,
    "Parathyroid": 9425,
    "Testosterone": 288.42,
    "C-peptide": 3020,
    "Gastrin": 2098,
}
GRAMS = {"mg": 1e-3, "µg": 1e-6, "ng": 1e-9, "pg": 1e-12}
MOLES = {"mmol": 1e-3, "µmol": 1e-6, "nmol": 1e-9, "pmol": 1e-12}
LITRES = {"dL": 0.1, "mL": 1e-3, "L": 1.0, "24 h": 1.0}


def split(text: str) -> tuple[list[float], list[float], str]:
    """The figures of a range, half a unit of each one's last digit, and what follows them."""
    found = list(re.finditer(r"[−+]?\d[\d,]*(?:\.\d+)?", re.sub(r"× 10[⁰¹²³⁴-⁹]+", "", text)))
    words = [match[0].replace(",", "").replace("−", "-") for match in found]
    unit = re.sub(r"^(?:[<≥]\s*)?[−+]?\d[\d.,]*(?:(?:–| to )[−+]?[\d.,]+)?", "", text).strip()
    if "24 h" in unit:
        words.pop()
    return [float(word) for word in words], [0.5 * 10 ** -len(word.partition(".")[2]) for word in words], unit


def molar_factor(row: Row, unit: str, si: str) -> float:
    (mass, _, of), (amount, _, in_) = unit.partition("/"), si.partition("/")
    grams = next(value for name, value in MOLAR.items() if row.name.startswith(name))
    return GRAMS[mass] / LITRES[of] / grams / (MOLES[amount] / LITRES[in_])


def converted(row: Row) -> list[float]:
    values, _, unit = split(row.conventional)
    _, _, si = split(row.si)
    if row.name == "Hemoglobin A1c":
        return [10.93 * value - 23.5 for value in values]  # NGSP to IFCC
    if row.name == "Body temperature":
        return [(value - 32) / 1.8 for value in values]
    if row.name == "Albumin to creatinine ratio":
        return [0.11312 * value for value in values]
    if unit == si or (unit, si) in EQUAL:
        return values
    factor = UNITS[unit, si] if (unit, si) in UNITS else molar_factor(row, unit, si)
    return [factor * value for value in values]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_both_units_say_the_same(row: Row) -> None:
    """To within the rounding of the SI figure, and two thousandths for the molar mass."""
    shown, halves, _ = split(row.si)
    computed = converted(row)
    assert len(shown) == len(computed) > 0
    for value, half, expected in zip(shown, halves, computed, strict=True):
        assert abs(value - expected) <= half * 1.001 + 0.002 * abs(expected), (row, computed)


def test_about_a_hundred_tests_are_there_each_under_its_own_name() -> None:
    assert len(ROWS) >= 80
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({group.name for group in GROUPS}) == len(GROUPS)


def test_every_range_runs_upwards() -> None:
    for row in ROWS:
        for text in (row.conventional, row.si):
            values = split(text)[0]
            assert values == sorted(values), row


def written(folder: Path, text: str) -> Path:
    path = folder / "ranges.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_groups_and_rows_are_read_in_their_order(tmp_path: Path) -> None:
    text = (
        '[[group]]\nname = "B"\nrows = [["x", "1 g", "2 g"]]\n[[group]]\nname = "A"\nrows = [["y", "1", "1"], ["z", "2", "2"]]\n'
    )
    assert read_reference(written(tmp_path, text)) == (
        Group("B", (Row("x", "1 g", "2 g"),)),
        Group("A", (Row("y", "1", "1"), Row("z", "2", "2"))),
    )


MISTAKES = {
    "no TOML": ("[[group", ("are not TOML", "ranges.toml")),
    "no group": ("", ("there is no group", "[[group]]")),
    "a group that is a figure": ("group = 3", ("there is no group",)),
    "a group without a name": ('[[group]]\nrows = [["a", "b", "c"]]', ("group 1", "name is None")),
    "an empty group": ('[[group]]\nname = "Serum"\nrows = []', ("group 1 (Serum)", "at least one row")),
    "a row of two": ('[[group]]\nname = "Serum"\nrows = [["a", "b"]]', ("(Serum), row 1", "['a', 'b']", "three texts")),
    "a row with a figure": ('[[group]]\nname = "Serum"\nrows = [["a", "b", 3]]', ("row 1", "three texts")),
    "an empty range": ('[[group]]\nname = "Serum"\nrows = [["a", " ", "c"]]', ("row 1", "three texts")),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    text, said = MISTAKES[name]
    with pytest.raises(BadInput) as refused:
        read_reference(written(tmp_path, text))
    for words in said:
        assert words in refused.value.sentence


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.toml cannot be read"):
        read_reference(tmp_path / "absent.toml")
