"""Question files -> Question. A bad row is refused by file, line, field and cure, and the others are kept.

``read_bank`` reads the application's own questions: JSON Lines with every field of DESIGN.md, Question. ``read_questions`` reads
what models are trained and judged on: our own layout with only id, stem, options and key required, and the public sets'
(`layouts.py`). Knows no database and no page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.layouts import Cells, Layout, cells, content_id, counted_from, numbered, recognise
from app.records import ANSWER_WORDS, OPTION_LETTERS, Question
from app.rowfiles import BadRow, Fault, Refusal, Row, read_objects, refusal

TEXTS = ("id", "stem", "key", "objective", "subject", "system", "step", "difficulty", "reasoning", "fact", "source", "licence")
HINTS = 3
STEPS = ("1", "2 CK", "3")
DIFFICULTIES = ("easy", "medium", "hard")
REASONINGS = ("mechanism", "diagnosis", "interpretation", "next step", "treatment", "prevention", "calculation", "ethics")
MAX_FACT = 200
MIN_OPTIONS = 2
NEEDED = frozenset({"stem", "options", "key"})  # and the id, which a public layout may lack


@dataclass(frozen=True)
class Bank:
    """The questions that could be read, in the order of their files, and the rows that could not."""

    questions: tuple[Question, ...]
    refusals: tuple[Refusal, ...] = ()


def read_bank(folder: Path) -> Bank:
    """Every ``*.jsonl`` of a folder, by name. An id that stands twice is kept once, the first time."""
    questions: dict[str, Question] = {}
    refusals: list[Refusal] = []
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        refusals.append(Refusal(str(folder), 0, "", "no question file (*.jsonl) is there. Put one in the folder."))
    for path in files:
        rows, refused = read_file(path)
        refusals += refused
        for line, question in rows:
            if question.id in questions:
                reason = f"{question.id!r} stands twice in the bank. Give each row an id of its own."
                refusals.append(Refusal(path.name, line, "id", reason, Fault.DUPLICATE))
            else:
                questions[question.id] = question
    return Bank(tuple(questions.values()), tuple(refusals))


def read_file(path: Path) -> tuple[list[tuple[int, Question]], list[Refusal]]:
    """The rows of one file with their line numbers, and what was refused. Never raises for what the file holds."""
    found, refusals = read_objects(path)
    rows: list[tuple[int, Question]] = []
    for line, row in found:
        try:
            rows.append((line, parse_row(row)))
        except BadRow as bad:
            refusals.append(refusal(path, line, bad))
    return rows, sorted(refusals, key=lambda refused: refused.line)


def read_questions(path: Path, *, layout: Layout | None = None) -> tuple[list[tuple[int, Question]], list[Refusal]]:
    """The questions of a file in any layout with their line numbers, and what was refused. Never raises for what it holds.

    Without ``layout`` the first row that any layout knows decides for the whole file. A file of ``.csv`` is MMLU's.
    """
    rows, refusals = read_objects(path)
    layout = layout or layout_of(rows)
    if layout is None and rows:
        return [], [unknown_layout(path.name, rows), *refusals]
    layout = layout or Layout.OWN
    # MedMCQA's own release numbers the options from 1, the hub's copy from 0; MMLU numbers from 0.
    first = counted_from(filter(None, (numbered(layout, row) for _, row in rows))) if layout is Layout.MEDMCQA else 0
    questions, refused = parse_rows(path.name, rows, layout, first=first or 0)
    return questions, sorted((*refusals, *refused), key=lambda refused: refused.line)


def layout_of(rows: Sequence[tuple[int, Row]]) -> Layout | None:
    """That of the first row that any layout knows."""
    return next((known for _, row in rows if (known := recognise(row))), None)


def unknown_layout(name: str, rows: Sequence[tuple[int, Row]]) -> Refusal:
    names = ", ".join(list(rows[0][1])[:8])
    reason = f"the layout is not known: the first row has the fields {names}. Name the layout: {', '.join(Layout)}."
    return Refusal(name, 0, "", reason, Fault.UNREADABLE)


def parse_rows(
    name: str, rows: Sequence[tuple[int, Row]], layout: Layout, *, first: int = 0
) -> tuple[list[tuple[int, Question]], list[Refusal]]:
    """The questions of a file's rows, and what was refused; ``first`` as for ``parse_question``."""
    questions: list[tuple[int, Question]] = []
    refusals: list[Refusal] = []
    seen: set[str] = set()
    for line, row in rows:
        try:
            question = parse_question(row, layout, first=first)
            if question.id in seen:
                raise BadRow("id", f"{question.id!r} stands twice in the file. Keep one.", Fault.DUPLICATE)
        except BadRow as bad:
            refusals.append(Refusal(name, line, bad.field, str(bad), bad.fault))
        else:
            seen.add(question.id)
            questions.append((line, question))
    return questions, refusals


def parse_row(row: Mapping[str, Any]) -> Question:
    """One row of the bank, complete and consistent."""
    texts = {field: _text(row, field) for field in TEXTS}
    options = _lettered(row, "options")
    if not MIN_OPTIONS <= len(options) <= len(OPTION_LETTERS):
        raise BadRow("options", f"it has {len(options)}; expected {MIN_OPTIONS} to {len(OPTION_LETTERS)}.")
    _no_repeat(options.values())
    if texts["key"] not in options:
        raise BadRow("key", f"{texts['key']!r} is no option; expected one of {', '.join(options)}.", Fault.LABEL)
    explanations = _lettered(row, "explanations")
    if explanations.keys() != options.keys():
        missing = sorted(options.keys() ^ explanations.keys())[0]
        raise BadRow(
            "explanations",
            f"option {missing} and its explanation do not go together. Explain every option, and no other.",
        )
    for field, allowed in (("step", STEPS), ("difficulty", DIFFICULTIES), ("reasoning", REASONINGS)):
        if texts[field] not in allowed:
            raise BadRow(field, f"it is {texts[field]!r:.40}; expected one of {', '.join(allowed)}.")
    if len(texts["fact"]) > MAX_FACT:
        raise BadRow("fact", f"it has {len(texts['fact'])} characters; expected one sentence of at most {MAX_FACT}.")
    hints = row.get("hints")
    if not isinstance(hints, list) or len(hints) != HINTS:
        raise BadRow("hints", f"expected a list of {HINTS} texts of growing strength.")
    return Question(
        **texts,
        options=options,
        explanations=explanations,
        hints=tuple(_clean("hints", "a hint", hint) for hint in hints),
        context=_text(row, "context") if "context" in row else "",
        reference=_text(row, "reference") if row.get("reference", "") != "" else "",
    )


def parse_question(row: Row, layout: Layout = Layout.OWN, *, first: int = 0) -> Question:
    """One row of a layout. Only id, stem, options and key are required, and the id where the layout has one.

    Raises:
        BadRow: it cannot be used.
    """
    named = cells(layout, row, first=first)
    options = _labelled(*named.get("options", ("options", None)))
    texts = {field: text for field in TEXTS if (text := _cell(named, field))}
    if texts["key"] not in options:
        name = named["key"][0]
        raise BadRow(name, f"{texts['key']!r} is no option; expected one of {', '.join(options)}.", Fault.LABEL)
    if layout is Layout.OWN and "id" not in texts:
        raise BadRow("id", "it is missing; expected a text that is not empty.", Fault.MISSING)
    if texts.get("step", STEPS[0]) not in STEPS:
        raise BadRow("step", f"it is {texts['step']!r}; expected one of {', '.join(STEPS)}.")
    return Question(
        **{"id": content_id(layout, texts["stem"], *options.values()), **texts},
        options=options,
        explanations=_explained(*named.get("explanations", ("explanations", None)), options),
        hints=_hints(named.get("hints", ("", None))[1]),
        context=_cell(named, "context"),
        reference=_cell(named, "reference"),
    )


def _cell(named: Cells, field: str) -> str:
    """The text of a field of ours, "" where it may be missing and is."""
    name, value = named.get(field, (field, None))
    if value is None and field in NEEDED:
        raise BadRow(name, "it is missing; expected a text that is not empty.", Fault.MISSING)
    return "" if value is None or (value == "" and field not in NEEDED) else _clean(name, "it", value)


def _labelled(name: str, value: object) -> dict[str, str]:
    """Options by letter, or the words of ANSWER_WORDS with themselves, in their order."""
    if value is None:
        raise BadRow(name, "it is missing; expected an object of labels and texts.", Fault.MISSING)
    if isinstance(value, dict) and value and value.keys() <= set(ANSWER_WORDS):
        options = {word: value[word] for word in ANSWER_WORDS if word in value}
        if any(word != text for word, text in options.items()):
            raise BadRow(name, 'an answer word stands for itself: expected "yes": "yes", and so for each word.')
    else:
        options = _lettered({name: value}, name)
    if not MIN_OPTIONS <= len(options) <= len(OPTION_LETTERS):
        raise BadRow(name, f"it has {len(options)}; expected {MIN_OPTIONS} to {len(OPTION_LETTERS)}.")
    for text in options.values():
        if list(options.values()).count(text) > 1:  # case counts: genotypes AA, Aa and aa are three options
            raise BadRow(name, f"{text[:60]!r} stands twice. Make every option different.")
    return options


def _explained(name: str, value: object, options: Mapping[str, str]) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not value.keys() <= options.keys():
        raise BadRow(name, f"expected an object of texts by label, of {', '.join(options)} alone.")
    return {label: _clean(name, label, text) for label, text in value.items()}


def _hints(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadRow("hints", "expected a list of texts of growing strength.")
    return tuple(_clean("hints", "a hint", hint) for hint in value)


def _text(row: Mapping[str, Any], field: str) -> str:
    if field not in row:
        raise BadRow(field, "it is missing; expected a text that is not empty.", Fault.MISSING)
    return _clean(field, "it", row[field])


def _clean(field: str, name: str, value: object) -> str:
    """A text without outer white space; ``name`` is what a refusal calls it."""
    if not isinstance(value, str) or not value.strip():
        raise BadRow(field, f"{name} is {value!r:.40}; expected a text that is not empty.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRow(field, f"{name} holds half of a character ({value[error.start]!r}). Write the character itself.") from error
    return value.strip()


def _lettered(row: Mapping[str, Any], field: str) -> dict[str, str]:
    value = row.get(field)
    if not isinstance(value, dict) or not value:
        raise BadRow(field, 'expected an object of letters and texts, like {"A": "...", "B": "..."}.')
    expected = OPTION_LETTERS[: len(value)]
    if sorted(value) != list(expected):
        raise BadRow(field, f"its letters are {', '.join(sorted(map(str, value)))}; expected {', '.join(expected)}.")
    return {letter: _clean(field, letter, value[letter]) for letter in expected}


def _no_repeat(options: Iterable[str]) -> None:
    seen: set[str] = set()
    for text in options:
        if text.casefold() in seen:
            raise BadRow("options", f"{text!r} stands twice. Make every option different.")
        seen.add(text.casefold())
