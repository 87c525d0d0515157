"""What a page hides from its readers: by attributes, by its elements' own styles, by simple rules of its style sheets.

Text that nobody sees is a way to give orders to a model. This is no browser: rules for elements within others are not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bs4.element import Tag

MAX_SHEET = 2**20  # characters of style sheets that are looked at
_COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)")  # one that is never closed goes to the end
_SELECTOR = re.compile(r"([a-z][a-z0-9]*|\*)?(?:([.#])([\w-]+))?", re.IGNORECASE)
_NOT_SHOWN = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|font-size\s*:\s*(?=[\d.])0*+(?:\.0++|1?(?:\.\d++)?px)?"
    r"(?:px|pt|em|rem|%)?|opacity\s*:\s*(?=[\d.])0*+(?:\.0*+)?%?)\s*(?:!\s*important\s*)?(?:;|$)"
)
_PUSHED_OUT = re.compile(r"text-indent\s*:\s*-\d{3,}")
_PLACED_OUT = re.compile(r"(?:left|top)\s*:\s*-\d{3,}")
_PLACED = re.compile(r"position\s*:\s*(?:absolute|fixed)")
_COLOUR = re.compile(r"(?:^|;)\s*color\s*:\s*([^;!]+)")
_BACKGROUND = re.compile(r"(?:^|;)\s*background(?:-color)?\s*:\s*([^;!]+)")
_WHITE = re.compile(
    r"white|snow|#fff[\da-f]?|#(?:f[a-f]){3}(?:[\da-f]{2})?|rgba?\(25[0-5],25[0-5],25[0-5](?:,[\d.]+)?\)"
    r"|transparent|rgba\([\d,]+,0?\.?0\)"
)


@dataclass(frozen=True)
class Rules:
    """Names that a style sheet hides: of elements, classes and ids, each with the element it is for, "" for any."""

    names: frozenset[tuple[str, str, str]] = frozenset()  # element, "." or "#" or "", class or id


@dataclass(frozen=True)
class Hidden:
    rules: Rules
    _coloured: dict[int, bool] = field(default_factory=dict)  # by the id of an element whose ground was looked for

    def hides(self, tag: Tag) -> bool:
        """Whether a reader does not see what this element holds, whatever is around it."""
        style = str(tag.get("style") or "").lower()
        return (
            tag.has_attr("hidden")
            or (tag.name == "font" and _is_white(str(tag.get("color") or "").lower()))
            or (bool(style) and (hides(style) or (_white_text(style) and not self._on_colour(tag))))
            or any(key in self.rules.names for key in _keys(tag))
        )

    def _on_colour(self, tag: Tag) -> bool:
        """Whether the element or one around it has a background of its own that is not white."""
        passed: list[int] = []
        around: Tag | None = tag
        coloured: bool | None = None
        while around is not None and coloured is None:
            coloured = self._coloured.get(id(around), _ground(around))
            passed.append(id(around))
            around = around.parent
        self._coloured.update(dict.fromkeys(passed, coloured is True))
        return coloured is True


def hidden_rules(sheets: Iterable[str]) -> Rules:
    """What simple selectors of a page's own style sheets hide on every screen."""
    whole = "\n".join(sheets)[:MAX_SHEET]
    found: set[tuple[str, str, str]] = set()
    for selectors, body in _top_rules(_COMMENT.sub(" ", whole)):
        if hides(body.lower()):
            for selector in selectors.split(","):
                match = _SELECTOR.fullmatch(selector.strip())
                if match and (match[1] or match[2]):
                    found.add(((match[1] or "").lower().replace("*", ""), match[2] or "", match[3] or ""))
    return Rules(frozenset(found - {("", "", "")}))


def hides(style: str) -> bool:
    """Whether these declarations, in small letters, make text invisible."""
    outside = _PUSHED_OUT.search(style) or (_PLACED.search(style) and _PLACED_OUT.search(style))
    return bool(outside or _NOT_SHOWN.search(style))


def _top_rules(sheet: str) -> Iterator[tuple[str, str]]:
    """Selectors and declarations of the rules that stand under no condition such as @media."""
    depth, begin, selectors = 0, 0, ""
    for found in re.finditer(r"[{}]", sheet):
        if found[0] == "{":
            if depth == 0:
                selectors = sheet[begin : found.start()].strip()
            depth, begin = depth + 1, found.end()
            continue
        if depth == 1 and not selectors.startswith("@"):
            yield selectors, sheet[begin : found.start()]
        depth, begin = max(0, depth - 1), found.end()


def _keys(tag: Tag) -> Iterator[tuple[str, str, str]]:
    """Under what a rule may name the element."""
    yield (tag.name, "", "")
    named = [(".", name) for name in tag.get_attribute_list("class")] + [("#", name) for name in tag.get_attribute_list("id")]
    for sign, name in named:
        yield ("", sign, str(name))
        yield (tag.name, sign, str(name))


def _white_text(style: str) -> bool:
    found = _COLOUR.search(style)
    return found is not None and _is_white(found[1])


def _is_white(colour: str) -> bool:
    return bool(_WHITE.fullmatch("".join(colour.split())))


def _ground(tag: Tag) -> bool | None:
    """Whether the element has a background of its own that is not white; None where it has none."""
    found = _BACKGROUND.search(str(tag.get("style") or "").lower())
    if found:
        return not _is_white(found[1])
    return not _is_white(str(tag["bgcolor"]).lower()) if tag.get("bgcolor") else None
