"""Numbers with their units in a text, and whether two are the same: 1 g is 1000 mg, "twice daily" is 2 times a day. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

_SPELLED = MappingProxyType(
    {
        "two": 2,
        "three": 3,
        "four": 4,
        "five": 5,
        "six": 6,
        "seven": 7,
        "eight": 8,
        "nine": 9,
        "ten": 10,
        "eleven": 11,
        "twelve": 12,
        "thirteen": 13,
        "fourteen": 14,
        "fifteen": 15,
        "sixteen": 16,
        "eighteen": 18,
    }
    | {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
    | {"hundred": 100}
)
_TIMES = MappingProxyType({"once": 1, "twice": 2, "thrice": 3})

# Each unit by its spellings: what it measures, and how many of that dimension's least it is.
_UNITS: tuple[tuple[str, int, str], ...] = (
    ("mass", 1, "ng nanogram nanograms"),
    ("mass", 1000, "µg ug mcg microgram micrograms"),
    ("mass", 10**6, "mg milligram milligrams"),
    ("mass", 10**9, "g gram grams"),
    ("mass", 10**12, "kg kilogram kilograms"),
    ("volume", 1, "ml millilitre millilitres milliliter milliliters"),
    ("volume", 100, "dl decilitre deciliter"),
    ("volume", 1000, "l litre litres liter liters"),
    ("time", 1, "s sec second seconds"),
    ("time", 60, "min mins minute minutes"),
    ("time", 3600, "h hr hrs hour hours"),
    ("time", 86400, "d day days"),
    ("time", 604800, "wk week weeks"),
    ("months", 1, "mo month months"),
    ("months", 12, "y yr yrs year years"),
    ("amount", 1, "pmol"),
    ("amount", 1000, "nmol"),
    ("amount", 10**6, "µmol umol"),
    ("amount", 10**9, "mmol"),
    ("amount", 10**12, "mol"),
    ("equivalents", 1, "meq"),
    ("units", 1, "iu u unit units"),
    ("length", 1, "mm millimetre millimetres millimeter millimeters mm³ mm3"),
    ("length", 10, "cm centimetre centimetres centimeter centimeters"),
    ("length", 1000, "m metre metres meter meters m² m2"),
    ("pressure", 1, "mmhg"),
    ("pascal", 1, "kpa"),
    ("share", 1, "% percent"),
    ("times", 1, "times time fold"),
    ("temperature", 1, "°c ºc"),
    ("beats", 1, "bpm beats"),
)
_PERIODS = MappingProxyType({"daily": "day", "hourly": "hour", "weekly": "week", "monthly": "month", "yearly": "year"})

_NUMBER = re.compile(
    r"(?<![\w.,/])(?P<sign>[-−](?=\d))?(?P<digits>\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,18})(?P<rest>\.\d{1,9})?(?![\d]|[.,]\d)"
    r"|(?<=/)(?P<after>\d{1,6})(?!\d)"
    r"|\b(?P<spelled>once(?=\W*\Z|[.,;)]|\W+(?:daily|weekly|monthly|yearly|hourly|an?|per|every|each|only|or|more|at|by|for|and)\b)"
    r"|(?!once\b)[a-z]{3,8})\b",
    re.IGNORECASE,
)
_UNIT = re.compile(r"[ \t\u00a0\u202f-]{0,2}(%|mm[ ]?Hg\b|per[ ]cent\b|[µμ°º]?[A-Za-z]{1,12}[²³23]?(?![A-Za-z\d]))")
_PER = re.compile(
    r"[ \t]{0,2}(?:/[ \t]?|(?:per|a|an|each|every)[ \t]{1,2})([A-Za-zµ]{1,12}[²³23]?)|[ \t]{1,2}([a-z]{4,7}ly|daily)\b"
)
_LEAST = re.compile(
    r"(?:(?<!no )(?<!not )\b(?:more|greater|longer|older|higher) than|\b(?:at least|no less than|not less than|minimum(?: of)?"
    r"|above|over|exceeds?|exceeding)|[>≥]=?)[ \t]{0,2}(?:(?:an?|the)[ \t](?:[a-z]{2,12} of[ \t])?|about[ \t])?\Z",
    re.IGNORECASE,
)
_MOST = re.compile(
    r"(?:\b(?:less|fewer|shorter|younger|lower) than|\b(?:at most|no more than|not more than|maximum(?: of)?|up to|below|under)"
    r"|[<≤]=?)[ \t]{0,2}(?:(?:an?|the)[ \t](?:[a-z]{2,12} of[ \t])?|about[ \t])?\Z",
    re.IGNORECASE,
)
_OR_MORE = re.compile(r",?[ \t]{1,2}(?:or|and)[ \t](?:more|above|over|older|higher|longer|greater|better)\b", re.IGNORECASE)
_OR_LESS = re.compile(r",?[ \t]{1,2}(?:or|and)[ \t](?:less|fewer|below|under|younger|lower|shorter)\b", re.IGNORECASE)
_CHANGE = re.compile(r"[a-z)][ \t]{1,2}(by|to)[ \t]{1,2}(?:an?[ \t]|about[ \t])?\Z", re.IGNORECASE)
_NO_MORE_SAID = re.compile(
    r"\b(?:at least|at most|(?:no|not) (?:less|more) than|(?:minimum|maximum) of|up to)[ \t]{1,2}(?:about[ \t])?\Z", re.IGNORECASE
)
_BOUND = 32  # characters before a number in which its bound stands
_JOIN = re.compile(r"[ \t]{0,2}(?:-|–|−|/|to|and|or|bis)[ \t]{0,2}\Z")


@dataclass(frozen=True)
class Quantity:
    """A number from ``start`` to ``end`` of its text, its unit with it. ``value`` in the least unit of its ``dimension``, which
    is "" for a bare number; ``per``: what it is counted on, as "kg" or "day", or ""; ``bound``: "least" for "at least 5", "most"
    for "up to 5", "by" and "to" for what something changes by and to, or ""."""

    start: int
    end: int
    value: Fraction
    dimension: str = ""
    per: str = ""
    text: str = ""
    bound: str = ""


def quantities(text: str) -> list[Quantity]:
    """All numbers of the text in their order. In "5 to 10 mg" and "185/110 mmHg" the unit is that of both."""
    found = [quantity for match in _NUMBER.finditer(text) if (quantity := _read(text, match))]
    for place in range(len(found) - 2, -1, -1):
        now, after = found[place], found[place + 1]
        if not now.dimension and after.dimension and _JOIN.match(text, now.end, after.start):
            number, unit = _bare(after.text)
            value = now.value * after.value / number if number else now.value
            found[place] = replace(now, value=value, dimension=after.dimension, per=after.per, text=now.text + unit)
    return [_with_bound(text, quantity) for quantity in found]


def same(claimed: Quantity, stated: Quantity) -> bool:
    """Whether what is stated is what is claimed. What a claim counts on a time ("a day") may be left out of it, nothing else may;
    an age may stand without its years, a share without its sign."""
    if claimed.dimension != stated.dimension:
        if {claimed.dimension, stated.dimension} not in ({"months", ""}, {"share", ""}):
            return False
        loose = {(claimed.dimension, claimed.value), (stated.dimension, stated.value)}
        years = loose == {("months", max(claimed.value, stated.value)), ("", min(claimed.value, stated.value))}
        if years and max(claimed.value, stated.value) == 12 * min(claimed.value, stated.value):
            return True
        return not claimed.dimension and stated.dimension == "share" and claimed.value == stated.value
    if claimed.value != stated.value:
        return False
    return claimed.per == stated.per or (not claimed.per and stated.per in _PERIODS.values())


def rival(claimed: Quantity, stated: Quantity) -> bool:
    """Whether the two measure the same thing and differ."""
    return claimed.dimension == stated.dimension and claimed.dimension != "" and not same(claimed, stated)


def bounds_clash(claimed: Quantity, stated: Quantity) -> bool:
    """Whether one is a floor and the other a ceiling, or one a change and the other its result."""
    return {claimed.bound, stated.bound} in ({"least", "most"}, {"by", "to"})


def bounds_differ(claimed: Quantity, stated: Quantity) -> bool:
    """Whether one alone is a floor or a ceiling: "5" is neither "at least 5" nor "up to 5"."""
    return claimed.bound != stated.bound and not {claimed.bound, stated.bound}.isdisjoint({"least", "most"})


def _with_bound(text: str, quantity: Quantity) -> Quantity:
    """With its floor or ceiling, whose words belong to it: those of "at least 5", "5 or more"."""
    before = text[max(0, quantity.start - _BOUND) : quantity.start]
    ahead = _NO_MORE_SAID.search(before)
    behind = _OR_MORE.match(text, quantity.end) or _OR_LESS.match(text, quantity.end)
    start = quantity.start - len(ahead.group()) if ahead else quantity.start
    return replace(quantity, start=start, end=behind.end() if behind else quantity.end, bound=_bound(text, quantity))


def _bound(text: str, quantity: Quantity) -> str:
    before = text[max(0, quantity.start - _BOUND) : quantity.start]
    if _MOST.search(before) or _OR_LESS.match(text, quantity.end):
        return "most"
    if _LEAST.search(before) or _OR_MORE.match(text, quantity.end):
        return "least"
    changed = _CHANGE.search(before)
    return changed.group(1).casefold() if changed else ""


def _read(text: str, match: re.Match[str]) -> Quantity | None:
    spelled = (match.group("spelled") or "").casefold()
    value = _value(match)
    if value is None:
        return None
    if spelled in _TIMES:
        return _with_period(text, match, Quantity(match.start(), match.end(), value, "times", "", match.group()))
    unit = _UNIT.match(text, match.end())
    measured = _unit(unit.group(1)) if unit else None
    if unit is None or measured is None:
        return None if spelled == "one" else Quantity(match.start(), match.end(), value, "", "", match.group())
    dimension, factor = measured
    found = Quantity(match.start(), unit.end(), value * factor, dimension, "", text[match.start() : unit.end()])
    return _with_period(text, unit, found)


def _with_period(text: str, match: re.Match[str], found: Quantity) -> Quantity:
    counted = _PER.match(text, match.end())
    if counted is None:
        return found
    word = (counted.group(1) or counted.group(2)).casefold()
    per = _PERIODS.get(word) or _per(word)
    return Quantity(found.start, counted.end(), found.value, found.dimension, per, found.text) if per else found


def _per(word: str) -> str:
    """One spelling for what is counted on; "" for no unit."""
    for _, _, spellings in _UNITS:
        names = spellings.split()
        if word in names:
            return max((name.removesuffix("s") for name in names if name.isalpha() and name.isascii()), key=len, default=word)
    return ""


def _unit(spelling: str) -> tuple[str, int] | None:
    folded = spelling.replace("μ", "µ").casefold().replace("μ", "µ").replace("mm hg", "mmhg").replace("per cent", "percent")
    return _units().get(folded)


@lru_cache(maxsize=1)
def _units() -> Mapping[str, tuple[str, int]]:
    return {name: (dimension, factor) for dimension, factor, names in _UNITS for name in names.split()}


def _value(match: re.Match[str]) -> Fraction | None:
    if spelled := match.group("spelled"):
        folded = spelled.casefold()
        number = _TIMES.get(folded) or _SPELLED.get(folded) or (1 if folded == "one" else None)
        return None if number is None else Fraction(number)
    if after := match.group("after"):
        return Fraction(int(after))
    value = Fraction(match.group("digits").replace(",", "") + (match.group("rest") or ""))
    return -value if match.group("sign") else value


def _bare(text: str) -> tuple[Fraction, str]:
    """The number as it was written, and its unit."""
    match = _NUMBER.match(text)
    return ((_value(match) if match else None) or Fraction(0), text[match.end() :] if match else "")
