"""A question table's columns (CSV with a header) -> rows of our own layout; and what a cell may not begin with. Pure.

The key is a letter, an option's number or its text. It is never guessed: a cell that can mean two options is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from app.layouts import Numbered, content_id
from app.records import ANSWER_WORDS, OPTION_LETTERS, Question
from app.rowfiles import BadRow, Fault, Row

# What a column may be called, in any case and with any signs between, for each of our fields.
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("id", "questionid", "qid"),
        "stem": ("stem", "question", "vignette", "questiontext", "questionstem"),
        "objective": ("objective", "educationalobjective", "learningobjective"),
        "subject": ("subject", "subjectname", "discipline"),
        "system": ("system", "organsystem"),
        "step": ("step", "usmlestep"),
        "difficulty": ("difficulty",),
        "reasoning": ("reasoning",),
        "fact": ("fact",),
        "reference": ("reference",),
        "source": ("source",),
        "licence": ("licence", "license"),
        "context": ("context",),
        "explanation": ("explanation", "rationale", "exp"),  # of the key alone
    }
)
KEYS = ("key", "answer", "correct", "cop", "answerkey", "answeridx", "correctanswer", "correctoption", "correctchoice")
PRIVATE = "my"  # columns of our own export that tell of the learner's answers
_LISTS = ("options", "choices", "answers")  # one column with all options is not read
_OPTION = re.compile(r"(?:(?:answer)?(?:option|choice)|answer|op)([a-z]|\d{1,3})|([a-k])")
_EXPLANATION = re.compile(r"(?:explanation|rationale|exp)(?:option|choice)?([a-z]|\d{1,3})")
_HINT = re.compile(r"hint(\d{1,3})")
_LETTER = re.compile(r"(?:(?:option|choice)\s+)?\(?([A-Ja-j])[.):]?", re.IGNORECASE)
_NUMBER = re.compile(r"(?:(?:option|choice)\s+)?(\d{1,2})(?:\.0)?", re.IGNORECASE)
_LETTER_AND_TEXT = re.compile(r"\(?([A-Ja-j])[.):]\s+(\S.*)", re.DOTALL)
_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
_STEPS = MappingProxyType({"1": "1", "2": "2 CK", "2ck": "2 CK", "3": "3"})


@dataclass(frozen=True)
class Columns:
    """Where in a record each field stands. ``keys``: one or more columns that name the right option. ``unused``: the names of
    columns that are not known."""

    names: tuple[str, ...]
    fields: Mapping[str, int]
    options: Mapping[str, int]
    explanations: Mapping[str, int]
    hints: tuple[int, ...]
    keys: tuple[int, ...]
    unused: tuple[str, ...]


def guarded(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that begins with = + - @ gets an apostrophe before it, and so does
    one that begins with apostrophes and then such a sign, for ``unguarded`` to give back the very text."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def key_cell(question: Question) -> str:
    """What names a question's key and can mean nothing else: its letter, marked as one where an option's text is a letter too."""
    forms = (question.key, f"{question.key}.", f"({question.key})", f"{question.key})", f"Option {question.key}")
    return next((form for form in forms if _readings(form, question.options, None) == [question.key]), question.key)


def known_columns(header: Sequence[str]) -> int:
    """How many cells of a first record are names that are known here, or options too many."""
    return sum(map(_is_known, header))


def _is_known(name: str) -> bool:
    try:
        return _field(name) != ""
    except BadRow:
        return True


def read_header(header: Sequence[str]) -> Columns:
    """Raises BadRow where a needed column is missing, or two stand for the same."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(header):
        places.setdefault(_field(name), []).append(place)
    unused = [header[place].strip() for place in places.pop("", [])]
    keys = places.pop("key", [])
    for field, found in places.items():
        if len(found) > 1:
            both = " and ".join(repr(header[place]) for place in found)
            raise BadRow(field, f"the columns {both} stand for the same. Rename or remove one.", Fault.UNREADABLE)
    options = {field[-1]: place for field, (place,) in places.items() if field.startswith("option ")}
    lacking = [
        name
        for name, there in (("stem", "stem" in places), ("A, B, ... (the options)", len(options) > 1), ("key", bool(keys)))
        if not there
    ]
    if lacking:
        reason = (
            f"its first line has no column {' and no column '.join(lacking)}; it has {', '.join(header)[:200]}."
            " Name the columns in the first line: stem, A, B, C, D, E, key."
        )
        raise BadRow("", reason, Fault.UNREADABLE)
    return Columns(
        names=tuple(name.strip() for name in header),
        fields={field: found[0] for field, found in places.items() if field in NAMES},
        options=dict(sorted(options.items())),
        explanations={field[-1]: place for field, (place,) in places.items() if field.startswith("explanation ")},
        hints=tuple(place for _, place in sorted((f, p) for f, (p,) in places.items() if f.startswith("hint "))),
        keys=tuple(keys),
        unused=tuple(name for name in unused if name and not name.casefold().startswith(f"{PRIVATE}_")),
    )


def numbered_keys(columns: Columns, cells: Sequence[str]) -> Iterable[Numbered]:
    """The keys of a record that are numbers, and no option's text."""
    options = _options(columns, cells)
    texts = {_folded(text) for text in options.values()}
    for place in columns.keys:
        number = _NUMBER.fullmatch(_cell(cells, place))
        if number and _folded(_cell(cells, place)) not in texts:
            yield Numbered(columns.names[place], int(number[1]), len(options))


def own_row(columns: Columns, cells: Sequence[str], first: int | None) -> Row:
    """A record as a row of our own layout. ``first``: the number of the first option where keys are numbers, None where the file
    does not tell.

    Raises:
        BadRow: it has another number of cells than the header, or no key that can be told.
    """
    width = len(columns.names)
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        reason = f"it has {len(cells)} cells, the header has {width}. Put a cell with the separator in it between quotes."
        raise BadRow("", reason, Fault.UNREADABLE)
    options = _options(columns, cells)
    key = _key(columns, cells, options, first)
    row: dict[str, object] = {field: text for field, place in columns.fields.items() if (text := _cell(cells, place))}
    why = {letter: text for letter, place in columns.explanations.items() if (text := _cell(cells, place))}
    if general := row.pop("explanation", ""):
        why[key] = f"{general}\n\n{why[key]}" if key in why else str(general)
    if _worded(columns, cells, options):
        why = {options.get(letter, letter): text for letter, text in why.items()}
        key, options = options[key], {word: word for word in options.values()}
    row.setdefault("id", content_id("csv", str(row.get("stem")), *options.values()))
    if "step" in row:
        bare = re.sub(r"usmle|step|[\W_]+", "", str(row["step"]).casefold())
        row["step"] = _STEPS.get(bare, row["step"])
    hints = [text for place in columns.hints if (text := _cell(cells, place))]
    return {**row, "options": options or None, "key": key, "explanations": why or None, "hints": hints or None}


def _field(name: str) -> str:
    """The field that a column's name stands for: one of ours, "key", "option A", "explanation A", "hint 01", or "".

    Raises:
        BadRow: it is an option's column beyond the tenth, or counts from 0.
    """
    bare = re.sub(r"[\W_]+", "", name.casefold())
    named = "key" if bare in KEYS else next((field for field, names in NAMES.items() if bare in names), "")
    if named or bare in _LISTS:
        return named
    if hint := _HINT.fullmatch(bare):
        return f"hint {int(hint[1]):03}"
    for kind, pattern in (("option", _OPTION), ("explanation", _EXPLANATION)):
        if found := pattern.fullmatch(bare):
            return f"{kind} {_place(name, next(filter(None, found.groups())))}"
    return ""


def _place(name: str, mark: str) -> str:
    number = int(mark) if mark.isdigit() else ord(mark) - ord("a") + 1
    if not 1 <= number <= len(OPTION_LETTERS):
        reason = (
            f"the column {name!r:.40} is no option that can be read; expected A to J, or 1 to {len(OPTION_LETTERS)}. Rename it."
        )
        raise BadRow(name[:40], reason, Fault.UNREADABLE)
    return OPTION_LETTERS[number - 1]


def _cell(cells: Sequence[str], place: int) -> str:
    return unguarded(cells[place].strip()) if place < len(cells) else ""


def _options(columns: Columns, cells: Sequence[str]) -> dict[str, str]:
    return {letter: text for letter, place in columns.options.items() if (text := _cell(cells, place))}


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _worded(columns: Columns, cells: Sequence[str], options: Mapping[str, str]) -> bool:
    """Whether the question is answered with a word: options and key are such words themselves."""
    words = list(options.values())
    in_order = words == [word for word in ANSWER_WORDS if word in words]
    return in_order and any(_cell(cells, place) in ANSWER_WORDS for place in columns.keys)


def _key(columns: Columns, cells: Sequence[str], options: Mapping[str, str], first: int | None) -> str:
    """The letter that the key columns name, all of them alike."""
    meant = {place: _meant(columns.names[place], cell, options, first) for place in columns.keys if (cell := _cell(cells, place))}
    name = columns.names[columns.keys[0]]
    if not meant:
        raise BadRow(name, "it is missing; expected the letter of the right option.", Fault.MISSING)
    if len(set(meant.values())) > 1:
        said = ", ".join(f"{columns.names[place]} says {letter}" for place, letter in meant.items())
        raise BadRow(name, f"the columns of the key differ: {said}. Make them agree.", Fault.LABEL)
    return next(iter(meant.values()))


def _meant(name: str, cell: str, options: Mapping[str, str], first: int | None) -> str:
    found = _readings(cell, options, first)
    if first is None and _NUMBER.fullmatch(cell) and cell not in options.values():
        reason = f"it is {cell}. Whether this file counts its options from 0 or from 1 cannot be told. Write the option's letter."
        raise BadRow(name, reason, Fault.LABEL)
    if len(found) > 1:
        cure = f'Write the letter of the right option with a full stop, like "{found[0]}.", which can only be the letter.'
        raise BadRow(name, f"{cell!r:.60} can mean option {' or option '.join(found)}. {cure}", Fault.LABEL)
    if not found or found[0] not in options:
        reason = f"{cell!r:.60} is no option; expected one of {', '.join(options)}, or an option's number or text."
        raise BadRow(name, reason, Fault.LABEL)
    return found[0]


def _readings(cell: str, options: Mapping[str, str], first: int | None) -> list[str]:
    """Every letter that a cell can mean."""
    found: set[str] = set()
    if letter := _LETTER.fullmatch(cell):
        found.add(letter[1].upper())
    if number := _NUMBER.fullmatch(cell):
        places = {int(number[1]) - start for start in ((0, 1) if first is None else (first,))}
        found |= {OPTION_LETTERS[place] for place in places if 0 <= place < len(OPTION_LETTERS)}
    if (both := _LETTER_AND_TEXT.fullmatch(cell)) and _folded(options.get(both[1].upper(), "")) == _folded(both[2]):
        found.add(both[1].upper())
    exact = {letter for letter, text in options.items() if text == cell}
    alike = {letter for letter, text in options.items() if _folded(text) == _folded(cell)}
    return sorted(found | (exact or alike))
