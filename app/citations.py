"""References that a model wrote into its answer: taken out, for the application sets its own. Pure; linear time on any text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_MONTHS = (
    r"January|February|March|April|May|June|July|August|September|October|November|December|Since|In|Until|From|Before|After"
)
_AUTHOR = r"[A-Z][\w'’.-]{0,30}(?: [A-Z][\w'’.-]{0,30}){0,4}(?:,? et al\.?|(?: and| &) [A-Z][\w'’-]{0,30})?"
_YEAR = r"(?:19|20)\d\d[a-z]?"
_MARK = re.compile(
    r"\[\^?\d{1,4}(?:[ ]?[,;–-][ ]?\^?\d{1,4}){0,20}\]"
    r"|【\d{1,4}[^】\n]{0,60}】"
    r"|\[(?:source|passage|citation|ref|reference)s?[: ]{0,2}\d{1,4}(?:, ?\d{1,4}){0,20}\]",
    re.IGNORECASE,
)
_LINK = re.compile(r"!?\[([^\[\]\n]{0,300})\]\((https?://[^\s()]{1,500}|[^\s()]{0,300})(?: \"[^\"\n]{0,200}\")?\)")
_INVENTED = re.compile(
    rf"[(\[](?:see )?(?!(?:{_MONTHS})\b){_AUTHOR},? {_YEAR}(?:[;,] ?{_AUTHOR},? {_YEAR}){{0,8}}[)\]]"
    rf"|(?<![\w(])[A-Z][\w'’-]{{1,30}}(?:,? et al\.?|(?: and| &) [A-Z][\w'’-]{{1,30}}) \({_YEAR}\)"
    r"|\(?\bPM(?:C)?ID:? ?(?:PMC)?\d{1,10}\b\)?|\bPMC\d{5,10}\b"
    r"|\(?\b(?:doi:? ?)?10\.\d{4,9}/[^\s()<>\[\]]{1,200}\)?"
    r"|<?\(?\b(?:https?://|www\.)[^\s()<>\[\]]{1,500}\)?>?"
)
_LIST_HEAD = re.compile(
    r"(?:#{1,6} *)?[*_]{0,3}(?:references?|sources?|citations?|bibliography|works cited|further reading)[*_:]{0,4}[ \t]*\Z",
    re.IGNORECASE,
)
_LISTED = re.compile(rf"[ \t]*(?:[-*+•]|\[?\d{{1,3}}[\].)])|.*(?:{_YEAR}|https?://|doi|www\.)", re.IGNORECASE)
# An interval stands in such brackets too: "95% CI [2, 7]".
_BEFORE_INTERVAL = re.compile(r"(?:\bCI|\bCrI|\bIQR|\b(?:interval|intervals|range))[ \t]{0,2}[:=,]?[ \t]{0,2}\Z", re.IGNORECASE)
_REFERENCE_LIKE = re.compile(rf"{_YEAR}|https?://|www\.|\bdoi\b|\bet al\b|\bPMID\b|journal|guideline|textbook", re.IGNORECASE)
_SOURCES = re.compile(r"\W*sources?\W*\Z", re.IGNORECASE)
_STANDING = "a reference that was removed"


@dataclass(frozen=True)
class _Cut:
    start: int
    end: int
    instead: str
    lost: int  # how many references did not resolve


def without_citations(text: str, count: int, *, passages: Sequence[str] = ()) -> tuple[str, int]:
    """The text without the marks ``[n]`` and references that a model wrote, and how many of them led nowhere.

    Args:
        count: how many passages the answer was given: a mark resolves from 1 to it.
        passages: a reference that stands in one of these was not invented and stays.
    """
    bare, lost = _without_list(text, passages)
    for find in (_links, _marks, _references):
        cuts = list(find(bare, count, passages))
        lost += sum(cut.lost for cut in cuts)
        bare = _cut(bare, cuts)
    return bare, lost


def _without_list(text: str, passages: Sequence[str]) -> tuple[str, int]:
    """Without a list of references at the end, and how many it held that stand in no passage."""
    lines = text.split("\n")
    for place in range(len(lines) - 1, -1, -1):
        if _LIST_HEAD.match(lines[place].strip()[:80]):
            listed = [line for line in lines[place + 1 :] if line.strip()]
            # "Sources" may head where a poison comes from as well; "References" heads nothing else.
            telling = _SOURCES.match(lines[place][:80]) is None or any(_REFERENCE_LIKE.search(line[:600]) for line in listed)
            if telling and listed and all(_LISTED.match(line[:600]) for line in listed):
                kept = sum(any(line.strip(" \t-*+•") in passage for passage in passages) for line in listed)
                return "\n".join(lines[:place]).rstrip(), len(listed) - kept
            break
    return text, 0


def _links(text: str, count: int, passages: Sequence[str]) -> Iterator[_Cut]:
    for match in _LINK.finditer(text):
        if not _known(match.group(2), passages):
            shown = match.group(1)
            marks = f"[{shown}]" if shown.isdigit() else shown
            yield _Cut(match.start(), match.end(), "" if _INVENTED.fullmatch(shown) else marks, int(not shown.isdigit()))


def _marks(text: str, count: int, passages: Sequence[str]) -> Iterator[_Cut]:
    for match in _MARK.finditer(text):
        if _BEFORE_INTERVAL.search(text, max(0, match.start() - 16), match.start()):
            continue
        numbers = [int(number) for number in re.findall(r"\d{1,4}", match.group().partition("†")[0])]
        yield _Cut(match.start(), match.end(), "", sum(not 1 <= number <= count for number in numbers))


def _references(text: str, count: int, passages: Sequence[str]) -> Iterator[_Cut]:
    for match in _INVENTED.finditer(text):
        whole = match.group().rstrip(".,;:")
        if _known(whole.strip("()<>"), passages):
            continue
        opens, closes = whole.count("("), whole.count(")")
        start = match.start() + (whole.startswith("(") and closes < opens)
        end = match.start() + len(whole) - (whole.endswith(")") and opens < closes)
        running = whole[0] not in "([" and re.search(rf" \({_YEAR}\)\Z", whole) is not None
        yield _Cut(start, end, _STANDING if running else "", 1)


def _known(reference: str, passages: Sequence[str]) -> bool:
    return bool(reference) and any(reference in passage for passage in passages)


def _cut(text: str, cuts: Sequence[_Cut]) -> str:
    """The text with each cut made, and the space before it where nothing or a sign follows."""
    pieces, at = [], 0
    for cut in cuts:
        piece = text[at : cut.start]
        if not cut.instead and text[cut.end : cut.end + 1] in ("", " ", "\n", ".", ",", ";", ":", "!", "?", ")", "["):
            piece = piece.rstrip(" \t")
        pieces += [piece, cut.instead]
        at = cut.end
    return "".join((*pieces, text[at:]))
