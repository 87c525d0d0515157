"""Candidates of a search in order: how much of the question a passage holds, and where. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.library.asking import Asked, Wanted
from app.records import Bearing, Passage
from app.words import stem

GAP = 2  # words from one word of the question to the next one, where they stand together
ANSWERS = 0.7  # share of the question, by the weight of its words, that a passage holds where an answer may stand on it ...
FORGIVEN = 4  # ... and of so many words that name what is asked one may be missing
LONG = ((3, 3, 0.15), (4, 2, 0.4))  # of a question that so many words name: so many of them, and such a share, are enough
NEAR = (2, 0.4)  # and any of these is worth a look
PREFIX = 2  # letters that a word shares with all of its forms; a word with none of the question's is not looked at any further

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Ranking:
    """What is added to a passage's BM25, in shares of the best one's: ``covered`` for all words of the question, ``close`` for
    words side by side as there, ``fitting`` for words that answers to such a question use. ``again``: what a further passage
    of a document keeps of its score. Tuned by tests/benchmarks/search.py."""

    covered: float = 0.5
    close: float = 0.75
    fitting: float = 0.4
    again: float = 0.8


@dataclass(frozen=True)
class Ranked:
    """``bm25`` as a share of the best candidate's; ``covered``: the share of the question, by the weight of its words, that the
    passage holds with its title and section, in these words or in related ones; ``close``: the share of neighbouring words that
    are neighbours there too; ``fitting``: of the words that have related ones, the share with one of these there, or with
    themselves in title or section. ``bearing``: by what is covered, and by whether the words that name what is asked are there
    themselves: of the treatment of gallbladder cancer, that of breast cancer covers most."""

    passage: Passage
    bm25: float
    covered: float
    close: float
    fitting: float
    bearing: Bearing
    score: float = 0.0


@dataclass(frozen=True)
class _Held:
    """Where a word of the question stands in a passage's text and in its title and section."""

    wanted: Wanted
    text: Sequence[int]
    head: Sequence[int]

    def beside(self, following: _Held) -> bool:
        both = (self.text, following.text), (self.head, following.head)
        return any(0 <= b - a <= GAP for first, second in both for a in first for b in second)


def ranked(question: Asked, candidates: Sequence[tuple[Passage, float]], limit: int, ranking: Ranking) -> list[Ranked]:
    """The best ``limit`` candidates, best first; of those with the same words only the first."""
    taken: list[Ranked] = []
    for one in _without_copies(in_order(read(question, candidates), ranking)):
        if len(taken) == limit:
            break
        taken.append(one)
    return taken


def read(question: Asked, candidates: Sequence[tuple[Passage, float]]) -> list[Ranked]:
    """Every candidate with what is in it, not yet with a score."""
    best = max((score for _, score in candidates), default=0.0) or 1.0
    prefixes = _prefixes(question)
    return [_read(question, prefixes, passage, score / best) for passage, score in candidates]


def in_order(found: Iterable[Ranked], ranking: Ranking) -> list[Ranked]:
    """With scores, best first, each further passage of a document with less."""
    scored = [
        replace(one, score=one.bm25 + ranking.covered * one.covered + ranking.close * one.close + ranking.fitting * one.fitting)
        for one in found
    ]
    seen: dict[str, int] = {}
    lowered = []
    for one in sorted(scored, key=lambda ranked: -ranked.score):
        times = seen.get(one.passage.document, 0)
        seen[one.passage.document] = times + 1
        lowered.append(replace(one, score=one.score * ranking.again**times))
    return sorted(lowered, key=lambda ranked: -ranked.score)


def marks(question: Asked, text: str) -> tuple[tuple[int, int], ...]:
    """Where in a text words of the question stand, or others for them, in order and without overlap."""
    found = list(_WORD.finditer(text))
    where = _places([match.group() for match in found], _prefixes(question))
    spans = [
        (found[place].start(), found[place + len(phrase) - 1].end())
        for one in question.wanted
        for phrase in one.phrases
        for place in _starts(phrase, where)
    ]
    apart: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not apart or start >= apart[-1][1]:
            apart.append((start, end))
    return tuple(apart)


def _read(question: Asked, prefixes: frozenset[str], passage: Passage, bm25: float) -> Ranked:
    text = _places(_WORD.findall(passage.text), prefixes)
    head = _places(_WORD.findall(f"{passage.title} {passage.section}"), prefixes)
    held = [_Held(one, _all_starts(one, text), _all_starts(one, head)) for one in question.wanted]
    others = [bool(one.related & text.keys()) for one in question.wanted]
    covers = [bool(each.text or each.head or other) for each, other in zip(held, others, strict=True)]
    fits = [
        bool(each.head or other or each.wanted.related & head.keys())
        for each, other in zip(held, others, strict=True)
        if each.wanted.related
    ]
    weights = [one.weight for one in question.wanted]
    pairs = [(held[n].beside(held[n + 1]), weights[n] + weights[n + 1]) for n in range(len(held) - 1)]
    covered = _share(zip(covers, weights, strict=True))
    return Ranked(passage, bm25, covered, _share(pairs), _share((fit, 1.0) for fit in fits), _bearing(covered, held))


def _bearing(covered: float, held: Sequence[_Held]) -> Bearing:
    """By rules that tests/benchmarks/search.py chose and measured. A short question wants nearly all of its words; a long one,
    as people write it, is never held whole, but chance seldom brings several of its names together."""
    naming = [bool(each.text or each.head) for each in held if each.wanted.names]
    there = sum(naming)
    whole = covered >= ANSWERS and len(naming) - there <= len(naming) // FORGIVEN
    enough = whole or any(len(naming) >= of and there >= least and covered >= share for of, least, share in LONG)
    if enough and not any(each.wanted.is_kind and not (each.text or each.head) for each in held):
        return Bearing.ANSWERS
    return Bearing.NEAR if there >= NEAR[0] or covered >= NEAR[1] else Bearing.FAR


def _share(found: Iterable[tuple[bool, float]]) -> float:
    """Of the weights, those that are so; 0 of none."""
    pairs = list(found)
    return sum(weight for so, weight in pairs if so) / (sum(weight for _, weight in pairs) or 1.0)


def _prefixes(question: Asked) -> frozenset[str]:
    """The beginnings of all words that any form of the question's words can have."""
    phrases = (word for one in question.wanted for text in one.texts for word in text.split())
    related = (of for one in question.wanted for of in one.related)
    return frozenset(word[:PREFIX] for word in (*phrases, *related))


def _places(found: Sequence[str], prefixes: frozenset[str]) -> dict[str, list[int]]:
    """Stems -> where they stand, of those words that may matter. Stemming all of them would take most of a search's time."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(found):
        if word[:PREFIX].casefold() in prefixes or not word.isascii():
            places.setdefault(stem(word.casefold()), []).append(place)
    return places


def _starts(phrase: Sequence[str], where: Mapping[str, Sequence[int]]) -> list[int]:
    """Where a phrase begins."""
    if not phrase or any(of not in where for of in phrase):
        return []
    rest = [frozenset(where[of]) for of in phrase[1:]]
    return [place for place in where[phrase[0]] if all(place + n in places for n, places in enumerate(rest, start=1))]


def _all_starts(one: Wanted, where: Mapping[str, Sequence[int]]) -> list[int]:
    return [place for phrase in one.phrases for place in _starts(phrase, where)]


def _without_copies(ordered: Iterable[Ranked]) -> Iterator[Ranked]:
    seen: set[tuple[str, str]] = set()
    for one in ordered:
        key = one.passage.title, one.passage.text
        if key not in seen:
            seen.add(key)
            yield one
