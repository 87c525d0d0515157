"""The bytes of a text -> the text, and notes on what was guessed."""

from __future__ import annotations

import re

from app.library.parsed import Unreadable
from app.rowfiles import BadRow
from app.tables import Text, decode

_BROKEN = re.compile("[\udc80-\udcff]+")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_CONTROL_SHARE = 100  # one control character in so many is no text any more
WESTERN = "It is not UTF-8 and was read as Windows-1252; if letters with accents are wrong, save it as UTF-8 and add it again."


def text_of(raw: bytes) -> tuple[str, tuple[str, ...]]:
    """
    Raises:
        Unreadable: the bytes are no text.
    """
    try:
        found = decode(raw)
    except BadRow as bad:
        raise Unreadable(str(bad)) from bad
    controls = len(_CONTROL.findall(found.text))
    if controls * _CONTROL_SHARE > len(found.text) or "\x00\x00" in found.text:
        raise Unreadable("it is no text (it holds control characters, as programs and pictures do). Add the document itself.")
    text, broken = _BROKEN.subn("\ufffd", found.text)
    return text, _notes(found, broken)


def _notes(found: Text, broken: int) -> tuple[str, ...]:
    if found.encoding == "Windows-1252":
        return (WESTERN,)
    if broken:
        return (f"{broken:,} places that are not UTF-8 were replaced by \ufffd; save it as UTF-8 and add it again.",)
    return found.notes
