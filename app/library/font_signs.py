"""What Word and older PDFs make of signs in the fonts Symbol and Wingdings -> the signs themselves. Pure.

They write U+F000 plus the sign's code in its font, which no other font can show. Left out, 100 µg would be 100 g.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

FIRST = 0xF000
_ANY = re.compile("[\uf001-\uf0ff]")
# Signs that paragraphs begin with in Wingdings; within a line the same codes are Symbol's Greek letters.
_BULLET = re.compile("(?m)^([ \\t]*)[\uf06c\uf06e\uf06f\uf071\uf075\uf076\uf09f\uf0a8\uf0d8](?=\\s)")
_SYMBOL = (
    (0x20, " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾"),
    (0x61, "αβχδεφγηιϕκλµνοπθρστυϖωξψζ{|}∼"),
    (0xA0, "€ϒ′≤⁄∞ƒ•♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…"),
    (0xC6, "∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓"),
    (0x01, ("fi", "fl")),  # of older fonts
)
_WINGDINGS = ((0x9F, "•"), (0xE0, "→↑↓"), (0xE8, "→"), (0xFB, "✗✓☒☑"))
WINGDINGS: Mapping[int, str] = MappingProxyType(
    {start + place: sign for start, run in _WINGDINGS for place, sign in enumerate(run)}
)
SIGNS: Mapping[int, str] = MappingProxyType(
    {start + place: sign for start, run in (*_SYMBOL, *_WINGDINGS) for place, sign in enumerate(run)}
)


def with_signs(text: str) -> str:
    """Codes that stand for nothing known stay as they are."""
    return _ANY.sub(_sign, _BULLET.sub(r"\1•", text))


def _sign(found: re.Match[str]) -> str:
    return SIGNS.get(ord(found[0]) - FIRST, found[0])
