"""Reference values of laboratory tests (``assets/reference_ranges.toml``), for a learner to look up beside a question."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from app.errors import BadInput


@dataclass(frozen=True)
class Row:
    """One test, with its range in ``conventional`` and in ``si`` units, each with the unit."""

    name: str
    conventional: str
    si: str


@dataclass(frozen=True)
class Group:
    """Tests that are looked up together."""

    name: str
    rows: tuple[Row, ...]


def read_reference(path: Path) -> tuple[Group, ...]:
    """The groups of a TOML file, in its order.

    Raises:
        BadInput: the file cannot be read, or a group or row has a mistake; the sentence names both.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"The ranges {path} cannot be read ({error.strerror}). Restore them from the repository.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The ranges {path} are not TOML ({error}). Correct them, or restore them from the repository.") from error
    groups = content.get("group")
    if not isinstance(groups, list) or not groups:
        raise BadInput(f"{path.name}: there is no group. Begin each with [[group]].")
    return tuple(_group(f"{path.name}, group {number}", group) for number, group in enumerate(groups, start=1))


def _group(where: str, value: object) -> Group:
    name, rows = (value.get("name"), value.get("rows")) if isinstance(value, dict) else (None, None)
    if not isinstance(name, str) or not name.strip():
        raise BadInput(f"{where}: name is {name!r}; expected a text that is not empty. Correct it.")
    if not isinstance(rows, list) or not rows:
        raise BadInput(f"{where} ({name}): rows is {rows!r}; expected at least one row. Add it.")
    return Group(name, tuple(_row(f"{where} ({name}), row {number}", row) for number, row in enumerate(rows, start=1)))


def _row(where: str, value: object) -> Row:
    if isinstance(value, list) and len(value) == 3 and all(isinstance(text, str) and text.strip() for text in value):
        return Row(*value)
    raise BadInput(f"{where} is {value!r}; expected three texts: test, conventional range, SI range. Correct it.")
