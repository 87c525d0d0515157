"""Text without what is invisible, steers a terminal or a page, or means something to a model's tokenizer. Pure.

Cleaning twice changes nothing more. Time is linear in the length, for texts made to be slow too.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from app.library.font_signs import with_signs

MOST_MARKS = 8  # accents that one letter may carry; more is a picture made of accents, and slow to normalise

_PLAIN = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f<\[]*+\Z")  # of ASCII
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_SOFT_HYPHEN = re.compile("\xad")
_REMOVED = (
    ("control characters", re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufff9-\ufffb]+")),
    ("broken characters", re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]+")),
    ("invisible tag characters", re.compile("[\U000e0000-\U000e007f]+")),
    (
        "invisible characters",
        re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u3164\ufeff\uffa0\ufffc\U000e0080-\U000e00ff]+"),
    ),
    ("marks of text direction", re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f]+")),
    # one may stand behind an emoji or a sign
    (
        "variation selectors",
        re.compile(
            "[\u180b-\u180d\u180f\ufe00-\ufe0d\U000e0100-\U000e0fff]+|(?<=[\ufe0e\ufe0f])[\ufe0e\ufe0f]+"
            "|(?<![\xa9\xae\u203c-\u2bff\u3030-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]+"
        ),
    ),
    # Persian and Indic spelling and emoji need them, no other text does
    (
        "invisible joiners",
        re.compile(
            "(?<![\u0600-\u1fff\u2190-\u2bff\u3030-\ufdff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]+"
            "|(?<=[\u200c\u200d])[\u200c\u200d]+"
        ),
    ),
)
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]+")  # what it was is its font's secret: perhaps a unit's letter
_MARK_RUN = re.compile(rf"[^\w\x00-\x7f]{{{MOST_MARKS + 1},}}")
# What the tokenizers of the models at hand read as one special token, and what chat templates write around a turn.
_TOKEN = re.compile(
    r"<[|｜][^|｜<>\s]{1,80}[|｜]>"
    r"|</?(?:s|bos|eos|pad|unk|mask|think|thinking|tool_call|tool_response|start_of_turn|end_of_turn|start_of_image|unused\d{1,4})>"
    r"|<</?SYS>>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK|gMASK|IMG)\]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Cleaned:
    """``removed`` names the kinds of what was taken out, for a notice: ("invisible characters", ...)."""

    text: str
    removed: tuple[str, ...] = ()


def clean(text: str) -> Cleaned:
    """The text in NFC, its lines parted by a line feed and its words by ordinary spaces. A special token's text leaves a space
    behind, so that nothing grows together to another one; a character of private use leaves U+FFFD, so that its lack is seen."""
    if text.isascii() and _PLAIN.match(text):
        return Cleaned(text)
    removed: list[str] = []
    text = _LINE_END.sub("\n", text)
    if not text.isascii():
        text, count = _PRIVATE_USE.subn("\ufffd", with_signs(_SOFT_HYPHEN.sub("", text)))
        if count:
            removed.append("characters of private use")
    for kind, pattern in _REMOVED:
        text, count = pattern.subn("", text)
        if count:
            removed.append(kind)
    if not text.isascii():
        text = _MARK_RUN.sub(_fewer_marks, text)
        text = _SPACE.sub(" ", unicodedata.normalize("NFC", text))
    text, count = _TOKEN.subn(" ", text)
    if count:
        removed.append("special tokens of language models")
    return Cleaned(text, tuple(removed))


def _fewer_marks(found: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in found[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)
