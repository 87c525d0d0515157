"""What kind of document a file is, by its first bytes where they are plain and else by its name's ending. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType

from app.errors import BadInput
from app.library.cleaning import clean

HEAD = 1024  # bytes in which a PDF's mark may stand
MAX_SHOWN = 120  # characters of a name in a sentence
READ = "PDF (.pdf), Word (.docx), HTML (.html), Markdown (.md), text (.txt) and JSON Lines (.jsonl) are read"


class Kind(enum.StrEnum):
    PDF = "pdf"
    DOCX = "docx"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"
    ROWS = "jsonl"  # one small document a line


ENDINGS: Mapping[str, Kind] = MappingProxyType(
    {
        "": Kind.TEXT,
        "pdf": Kind.PDF,
        "docx": Kind.DOCX,
        "docm": Kind.DOCX,
        "html": Kind.HTML,
        "htm": Kind.HTML,
        "xhtml": Kind.HTML,
        "md": Kind.MARKDOWN,
        "markdown": Kind.MARKDOWN,
        "txt": Kind.TEXT,
        "text": Kind.TEXT,
        "jsonl": Kind.ROWS,
        "ndjson": Kind.ROWS,
    }
)
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}>\s*)?<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)


def kind_of(name: str, raw: bytes) -> Kind:
    """
    Raises:
        BadInput: an empty file, or one of no kind that is read.
    """
    if not raw.strip(b"\x00\t\n\r "):
        raise refused(name, "it is empty. Add a file that holds text.")
    if b"%PDF-" in raw[:HEAD]:
        return Kind.PDF
    if raw.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
        return Kind.DOCX  # or another archive or Office file, which its parser tells in words
    kind = ENDINGS.get(ending := ending_of(name))
    if kind in (Kind.PDF, Kind.DOCX):
        raise refused(name, f"its name ends in .{ending}, but its content is no such file. Save it anew from its program.")
    if kind in (Kind.TEXT, None) and _PAGE.match(raw):
        return Kind.HTML
    if kind is None:
        raise refused(name, f"its ending .{ending[:20]} is not known. {READ}; save it as one of them.")
    return kind


def refused(name: str, reason: str) -> BadInput:
    return BadInput(f"{shown(name)} was not added: {reason}")


def shown(name: str) -> str:
    """A file's name as a sentence may carry it: on one line, nothing in it that hides or turns text, and not too long."""
    said = " ".join(clean(name).text.split()) or "A file without a name"
    return said if len(said) <= MAX_SHOWN else f"{said[: MAX_SHOWN // 2]}…{said[-MAX_SHOWN // 2 :]}"


def ending_of(name: str) -> str:
    """In small letters, without the point; "" for none."""
    last = clean(name).text.replace("\\", "/").rpartition("/")[2].strip()
    stem, point, ending = last.rpartition(".")
    return ending.lower() if stem and point else ""


def stem_of(name: str) -> str:
    """A title for a document that has none: its file's name without folders and ending."""
    last = clean(name).text.replace("\\", "/").rpartition("/")[2]
    stem = last[: -len(ending_of(name)) - 1] if ending_of(name) in ENDINGS and "." in last else last
    return " ".join(stem.split())[:MAX_SHOWN] or "Document"
