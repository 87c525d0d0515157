"""Other words for the words of a question: what is looked up, how it must be written, and that the table is in order."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from app.errors import BadInput
from app.library.terms import TERMS, Terms, read_terms

TABLES = tomllib.loads(TERMS.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def terms() -> Terms:
    return read_terms()


def said(terms: Terms, text: str) -> list[str]:
    return [one.sentence for one in terms.expand(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("treatment of MI", ["MI = myocardial infarction or heart attack"]),
        ("UTIs in men", ["UTIs = urinary tract infection"]),
        ("GLP-1 agonists", ["GLP-1 = glucagon like peptide 1"]),
        ("PPI-induced", ["PPI = proton pump inhibitor"]),
        ("copd and dka", ["copd = chronic obstructive pulmonary disease", "dka = diabetic ketoacidosis"]),
        ("MS", ["MS = multiple sclerosis or mitral stenosis or morphine sulfate"]),
        ("tylenol overdose", ["tylenol = acetaminophen or paracetamol"]),
        ("amlodipine", ["amlodipine = Norvasc"]),
        ("after a heart attack", ["heart attack = myocardial infarction"]),
        ("is it all in my mind or is he as ill", []),
        ("WHAT ARE ALL THE SIGNS OF STROKE", ["STROKE = cerebrovascular accident"]),
        ("amoxicillin 500 MG for a 5 MM lesion", ["amoxicillin = Amoxil"]),
        ("MG crisis", ["MG = myasthenia gravis"]),
        ("ST depression in V2", ["ST depression = ST segment depression"]),
        ("MI, and again MI", ["MI = myocardial infarction or heart attack"]),
        ("", []),
    ],
)
def test_abbreviations_and_names_are_taken_for_what_they_stand_for(terms: Terms, text: str, sentences: list[str]) -> None:
    assert said(terms, text) == sentences


def test_an_expansion_says_where_it_was_written(terms: Terms) -> None:
    text = "CKD and Lasix"
    assert [text[one.start : one.end] for one in terms.expand(text)] == ["CKD", "Lasix"]


def test_an_abbreviation_whose_letters_are_a_word_is_only_one_in_capitals(terms: Terms) -> None:
    assert said(terms, "all pet art") == []
    assert len(said(terms, "ALL PET ART")) == 3


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("anaemia", "anemia"),
        ("anemia", "anaemia"),
        ("oedema", "edema"),
        ("edema", "oedema"),
        ("haemorrhage", "hemorrhage"),
        ("Hemoglobin", "haemoglobin"),
        ("oesophageal", "esophageal"),
        ("diarrhea", "diarrhoea"),
        ("paediatric", "pediatric"),
        ("tumour", "tumor"),
        ("hospitalisation", "hospitalization"),
        ("oestrogen", "estrogen"),
        ("β", "beta"),
    ],
)
def test_both_spellings_are_looked_for(terms: Terms, word: str, other: str) -> None:
    assert other in terms.spelled(word)


def test_a_word_of_one_spelling_stays_as_it_is(terms: Terms) -> None:
    assert [terms.spelled(word) for word in ("kidney", "aspirin", "")] == [(), (), ()]


def test_words_of_one_kind_of_question_are_related_in_any_form(terms: Terms) -> None:
    assert "prognosis" in terms.related("outlook")
    assert {"therapy", "medication"} <= set(terms.related("treatments"))
    assert terms.related("aspirin") == ()


def test_a_brand_stands_for_its_drug_and_for_no_other_brand(terms: Terms) -> None:
    assert said(terms, "Plan B") == ["Plan B = levonorgestrel"]
    assert said(terms, "Prolia") == ["Prolia = denosumab"]
    assert said(terms, "denosumab") == ["denosumab = Prolia or Xgeva"]
    assert said(terms, "Synthroid") == ["Synthroid = levothyroxine or thyroxine"]
    assert said(terms, "Descovy") == ["Descovy = emtricitabine tenofovir alafenamide"]
    brands = {other for others in TABLES["drugs"].values() for other in others if other[0].isupper()}
    for brand in brands:
        for one in terms.expand(brand):
            assert one.written != brand or not brands & set(one.others), brand


def test_a_combined_drug_is_never_taken_for_one_of_its_parts(terms: Terms) -> None:
    for brand in ("Vicodin", "Percocet", "Augmentin", "Suboxone", "Entresto", "Advair", "Paxlovid"):
        [one] = terms.expand(brand)
        assert " " in one.others[0], brand


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("egfr", {"estimated glomerular filtration rate", "epidermal growth factor receptor"}),
        ("NPH", {"normal pressure hydrocephalus", "isophane insulin"}),
        ("CVA", {"stroke", "costovertebral angle"}),
        ("ICD", {"implantable cardioverter defibrillator", "International Classification of Diseases"}),
        ("PML", {"progressive multifocal leukoencephalopathy", "promyelocytic leukemia"}),
        ("MS", {"multiple sclerosis", "morphine sulfate"}),
    ],
)
def test_an_abbreviation_with_several_meanings_is_looked_up_in_all_of_them(terms: Terms, written: str, meant: set[str]) -> None:
    [one] = terms.expand(written)
    assert meant <= set(one.others)


def test_the_table_is_sorted_and_large_enough() -> None:
    for name, least in (("abbreviations", 250), ("drugs", 250)):
        keys = list(TABLES[name])
        assert keys == sorted(keys)
        assert len(keys) >= least


def test_nothing_in_the_table_stands_twice_or_for_itself() -> None:
    for name in ("abbreviations", "drugs", "names"):
        for key, others in TABLES[name].items():
            assert others
            assert len(set(others)) == len(others)
            assert key.casefold() not in [other.casefold() for other in others]
    brands = Counter(other.casefold() for others in TABLES["drugs"].values() for other in others)
    assert [brand for brand, times in brands.items() if times > 1] == []
    assert set(TABLES["small"]["abbreviations"]) <= set(TABLES["abbreviations"])


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"", "abbreviations"), (b"[abbreviations]\nMI = 3\n", "not as expected"), (b"= =", "not TOML"), (b"\xff", "not TOML")],
)
def test_a_broken_table_is_refused_by_name(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "terms.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=named):
        read_terms(path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.toml cannot be read"):
        read_terms(tmp_path / "none.toml")
