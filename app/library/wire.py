"""A parsed document as JSON lines, from the parsing process to the application: a head, then a line a block.

What is unpacked may have been written by a document that broke its parser, so each value's type is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.library.blocks import MAX_BLOCKS
from app.library.parsed import Block, Parsed, Unreadable

BROKEN = "its parser broke down on it. It is damaged, too large or made to do harm; save it anew from its program, or split it."
MAX_PAGE = 10**6


def packed(parsed: Parsed) -> bytes:
    head = {
        "title": parsed.title,
        "kind": parsed.kind,
        "pages": parsed.pages,
        "date": parsed.date,
        "licence": parsed.licence,
        "source": parsed.source,
        "notes": parsed.notes,
    }
    lines = [_line(head), *(_line([block.section, block.page, block.text]) for block in parsed.blocks)]
    return b"".join(lines)


def failed(refused: Unreadable) -> bytes:
    return _line({"failed": str(refused), "large": refused.large})


def unpacked(said: bytes) -> Parsed:
    """
    Raises:
        Unreadable: the file was refused, or what came is no document.
    """
    if said.count(b"\n") > MAX_BLOCKS + 1:
        raise Unreadable(BROKEN)
    head, *lines = [_value(line) for line in said.removesuffix(b"\n").split(b"\n")]
    if not isinstance(head, dict):
        raise Unreadable(BROKEN)
    if isinstance(head.get("failed"), str):
        raise Unreadable(head["failed"], large=head.get("large") is True)
    return Parsed(
        _text(head, "title"),
        _text(head, "kind"),
        tuple(_block(line) for line in lines),
        pages=_number(head.get("pages")),
        date=_text(head, "date"),
        licence=_text(head, "licence"),
        source=_text(head, "source"),
        notes=_texts(head.get("notes")),
    )


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"  # half a character travels too


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise Unreadable(BROKEN) from None


def _text(head: Mapping[str, Any], name: str) -> str:
    if not isinstance(head.get(name), str):
        raise Unreadable(BROKEN)
    return str(head[name])


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise Unreadable(BROKEN)
    return tuple(value)


def _number(value: Any) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= MAX_PAGE):
        return value
    raise Unreadable(BROKEN)


def _block(line: Any) -> Block:
    match line:
        case [str(section), page, str(text)]:
            return Block(section, _number(page), text)
    raise Unreadable(BROKEN)
