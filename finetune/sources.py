"""Foreign data -> training rows: public question sets, MedQuAD, OpenStax sections, plain text, Hugging Face hub sets."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from app.errors import BadInput
from app.layouts import Layout, content_id, recognise
from app.questions import parse_question, read_questions
from app.rowfiles import BadRow, Fault, Refusal, read_objects, refusal
from finetune.rows import ChatRow, QuestionRow, Reading, Row, TextRow, parse_training_row, read_path, text_of

PLAIN = (".txt", ".md")
Load = Callable[[str, str | None, str], Iterable[Mapping[str, Any]]]


class Source(enum.StrEnum):
    """What a file can be beside the question layouts."""

    AUTO = "auto"
    ROWS = "rows"
    MEDQUAD = "medquad"
    OPENSTAX = "openstax"
    TEXT = "text"


NAMES = (*Source, *Layout)


def read_source(path: Path, name: str = Source.AUTO) -> Reading:
    """A file of any kind as training rows. ``name`` is one of NAMES.

    Raises:
        BadInput: it cannot be opened.
    """
    if path.suffix.lower() in PLAIN:
        return _plain_text(path)
    as_rows = read_path(path)  # opens it, with a sentence where it cannot
    if name in tuple(Layout):
        questions, refusals = read_questions(path, layout=Layout(name))
        return Reading(str(path), [(line, QuestionRow(question)) for line, question in questions], refusals)
    if name == Source.ROWS:
        return as_rows
    found, refusals = read_objects(path)
    foreign = next((one for _, row in found if (one := _foreign(row))), None) if name == Source.AUTO else Source(name)
    if foreign is None:
        return as_rows
    rows: list[tuple[int, Row]] = []
    for line, row in found:
        try:
            rows.append((line, _parse(foreign, row)))
        except BadRow as bad:
            refusals.append(refusal(path, line, bad))
    return Reading(str(path), rows, refusals)


def _foreign(row: Mapping[str, Any]) -> Source | None:
    """What a row is whose fields are of no question layout and no training row."""
    if "kind" in row or recognise(row):
        return None
    if {"question", "answer"} <= row.keys():
        return Source.MEDQUAD
    if {"book", "text"} <= row.keys():
        return Source.OPENSTAX
    return Source.TEXT if "text" in row else None


def _parse(source: Source, row: Mapping[str, Any]) -> Row:
    """Ids come from the content: MedQuAD's own are not unique, and the same answer stands in several of its collections."""
    match source:
        case Source.MEDQUAD:
            question, answer = text_of(row, "question"), text_of(row, "answer")
            origin = " ".join(part for part in ("MedQuAD", _told(row, "url")) if part)
            turns = (("user", question), ("assistant", answer))
            return ChatRow(content_id("medquad", question, answer), turns, source=origin, licence="CC BY 4.0")
        case Source.OPENSTAX:
            text, title = text_of(row, "text"), _told(row, "heading")
            origin = f"OpenStax, {_told(row, 'book')}, {_told(row, 'url')}".strip(", ")
            return TextRow(content_id("openstax", title, text), text, title, source=origin, licence=_told(row, "license"))
        case _:
            text, title = text_of(row, "text"), _told(row, "title")
            named = row["id"] if isinstance(row.get("id"), str) and row["id"].strip() else content_id("text", title, text)
            return TextRow(named, text, title, source=_told(row, "source"), licence=_told(row, "licence"))


def _told(row: Mapping[str, Any], name: str) -> str:
    return text_of(row, name) if row.get(name) else ""


def _plain_text(path: Path) -> Reading:
    """A file is one row: training cuts it into pieces."""
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8").strip()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}). Check the path and its permissions.") from error
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8. Save the file as UTF-8."
        return Reading(str(path), [], [Refusal(path.name, 0, "", reason, Fault.UNREADABLE)])
    return Reading(str(path), [(1, TextRow(content_id("text", text), text, source=path.name))] if text else [], [])


def read_hub(name: str, split: str, load: Load) -> Reading:
    """A set of the Hugging Face hub: ``owner/name``, or ``owner/name:config``.

    Raises:
        BadInput: it cannot be fetched.
    """
    owner, _, config = name.partition(":")
    rows: list[tuple[int, Row]] = []
    refusals: list[Refusal] = []
    place = Path(f"{name} ({split})")
    for line, row in enumerate(load(owner, config or None, split), start=1):
        try:
            rows.append((line, _hub_row(row)))
        except BadRow as bad:
            refusals.append(refusal(place, line, bad))
    return Reading(str(place), rows, refusals)


def _hub_row(row: Mapping[str, Any]) -> Row:
    layout, foreign = recognise(row), _foreign(row)
    if "kind" in row:
        return parse_training_row(row)
    if layout:
        return QuestionRow(parse_question(row, layout))
    if foreign:
        return _parse(foreign, row)
    raise BadRow("", f"its fields are {', '.join(list(row)[:8])}; expected those of a known layout.", Fault.UNREADABLE)


def hub_loader() -> Load:
    """Hugging Face ``datasets``, for users who have it and a network.

    Raises:
        BadInput: it is not installed.
    """
    try:
        import datasets  # noqa: PLC0415  # heavy, and only this command needs it
    except ImportError as error:
        raise BadInput("--hub needs the package datasets, which is not installed. Run: pip install datasets") from error

    def load(name: str, config: str | None, split: str) -> Iterable[Mapping[str, Any]]:
        try:
            found: Iterable[Mapping[str, Any]] = datasets.load_dataset(name, config, split=split)
        except Exception as error:  # its exceptions are of many libraries; all mean that nothing could be fetched
            why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            raise BadInput(
                f"{name}, split {split!r}, cannot be fetched from the hub ({why:.200}). "
                "Check the name, the split and the network, or fetch the file yourself and give its path."
            ) from error
        return found

    return load
