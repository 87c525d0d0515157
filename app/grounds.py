"""What an answer stands on as JSON, for the database and for the page, and as text to read. No rule lives here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from app.records import Bearing, Block, Claim, Found, Grounds, Message, Passage, Prose, Quote, Status, Support

ERASED_NOTE = "This answer quoted a document that was erased, and was erased with it."


def grounds_text(grounds: Grounds | None) -> str:
    """As the database keeps it; "" for none."""
    return "" if grounds is None else json.dumps(asdict(replace(grounds, assumptions=dict(grounds.assumptions))))


def read_grounds(text: str) -> Grounds | None:
    """What ``grounds_text`` wrote."""
    if not text:
        return None
    row: dict[str, Any] = json.loads(text)
    return Grounds(
        **{
            **row,
            "passages": tuple(_found(each) for each in row["passages"]),
            "short": tuple(
                Block(each["heading"], tuple(Quote(**quote) for quote in each["quotes"]), each["missing"])
                for each in row["short"]
            ),
            "prose": Prose(row["prose"]),
            "expanded": tuple(row["expanded"]),
            "claims": tuple(_claim(each) for each in row["claims"]),
            "followups": tuple(row["followups"]),
        }
    )


def _found(row: dict[str, Any]) -> Found:
    return Found(Passage(**row["passage"]), row["score"], _spans(row["marks"]), Bearing(row.get("bearing", Bearing.ANSWERS)))


def _claim(row: dict[str, Any]) -> Claim:
    changed = {"support": Support(row["support"]), "numbers": tuple(row["numbers"]), "quote": tuple(row["quote"])}
    return Claim(**{**row, **changed})


def _spans(rows: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in rows)


def short_text(blocks: Sequence[Block]) -> str:
    """A short answer as Markdown, each sentence with the number of its passage."""
    parts: list[str] = []
    for block in blocks:
        if block.heading:
            parts.append(f"**{block.heading}**")
        said = " ".join(f"{quote.text} [{quote.number}]" for quote in block.quotes)
        parts.append(said or block.missing)
    return "\n\n".join(part for part in parts if part)


def cited_text(text: str, claims: Sequence[Claim]) -> str:
    """A model's text with the numbers of the passages that carry its sentences; only those that were found to."""
    parts, at = [], 0
    for claim in claims:
        marks = "".join(f" [{number}]" for number in claim.numbers) if claim.support is not Support.UNSUPPORTED else ""
        parts += [text[at : claim.end], marks]
        at = claim.end
    return "".join([*parts, text[at:]])


def whole_text(message: Message) -> str:
    """An answer as text to read elsewhere: with the numbers of its passages, and these below it."""
    grounds = message.grounds
    if grounds is None:
        return message.text
    text = message.text
    if grounds.prose is Prose.OPEN:
        said = short_text(grounds.short) if grounds.found else grounds.sentence
        text = "\n\n".join(part for part in (said, cited_text(message.text, grounds.claims)) if part)
    lines = source_lines(grounds)
    return "\n\n".join([text, "**Sources**", "\n".join(f"- {line}" for line in lines)]) if lines else text


def source_lines(grounds: Grounds) -> list[str]:
    """The passages that it stands on, numbered, each with all that is known of where it comes from."""
    lines = []
    for number, found in enumerate(grounds.stood_on, start=1):
        passage = found.passage
        page = f"page {passage.page}" if passage.page else ""
        facts = [passage.title, passage.section, page, passage.date, passage.licence, passage.source]
        lines.append(f"[{number}] " + ", ".join(fact for fact in facts if fact))
    return lines


def erased(answer: Message) -> Message:
    """What stays of an answer when a document that it quoted is erased."""
    grounds = Grounds(found=False, sentence=ERASED_NOTE, prose=Prose.NONE, erased=True)
    status = Status.STOPPED if answer.status is Status.STREAMING else answer.status
    return replace(answer, text="", reasoning="", status=status, note=ERASED_NOTE, source="", grounds=grounds)
