"""The sentences of passages that answer a question best, as they stand there. Lexical, deterministic, in milliseconds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.records import Passage, Quote
from app.roots import root_of
from app.sentences import Span, sentences
from app.words import is_common, is_stop, words

LEAST = 0.35  # share of the question's weight that a sentence must carry, itself or by its section and title
OWN = 0.15  # and of that, what its own words must
SHORTEST, LONGEST = 4, 60  # words; a shorter one is a fragment, a longer one is no short answer
ALIKE = 0.7  # of the shorter one's words: from there on two sentences say the same
COMMON = 0.3  # what a word weighs that every medical text holds, of a specific one's weight
ABSENT = 0.3  # and one that no passage holds: people tell more than is asked
OTHERS = 0.95  # of the best sentence's score: what one of a document on something else must reach
SECTION, TITLE = 0.5, 0.4  # what a word counts that stands in the section or the title and not in the sentence
CUE, CUED_SECTION = 0.25, 0.35
FIRST_PASSAGE = 0.15  # for the best passage; each next one has less


@dataclass(frozen=True)
class _Candidate:
    number: int
    document: str
    named: bool  # all that its document's title names stands in the question
    span: Span
    roots: frozenset[str]
    score: float


def best_sentences(
    query: str, passages: Sequence[Passage], *, others: Sequence[str] = (), cues: Sequence[str] = (), most: int = 3
) -> list[Quote]:
    """The sentences that answer best, in reading order; none where nothing fits.

    Args:
        passages: best first; what a search found.
        others: other words for those of the question, any of which a sentence may have instead.
        cues: words or phrases that mark what is looked for, as "dose" or "findings for": they raise a sentence, in it or in its
            section's heading, and with cues a sentence without any is not chosen.
        most: how many sentences at most.
    """
    asked, instead = _roots(query), _roots(" ".join(others))
    cued = [_roots(cue) for cue in cues if _roots(cue)]
    weights = _weights(asked, instead, passages)
    found = [c for n, passage in enumerate(passages, 1) for c in _candidates(n, passage, weights, cued, len(passages))]
    chosen: list[_Candidate] = []
    for candidate in sorted(found, key=lambda c: (-c.score, c.number, c.span.start)):
        if (
            len(chosen) < most
            and not (chosen and _strays(candidate, chosen[0]))
            and not any(_alike(candidate, other) for other in chosen)
        ):
            chosen.append(candidate)
    chosen.sort(key=lambda c: (c.number, c.span.start))
    return [Quote(c.number, c.span.start, c.span.end, c.span.text) for c in chosen]


def _weights(asked: frozenset[str], instead: frozenset[str], passages: Sequence[Passage]) -> Mapping[str, float]:
    """How much each word of the question tells, or one that stands for it: the fewer sentences have it, the more; 1 in all
    together."""
    all_sentences = [_roots(span.text) for passage in passages for span in sentences(passage.text)]
    headings = frozenset[str]().union(*(_roots(f"{passage.title} {passage.section}") for passage in passages))
    df = Counter(root for roots in all_sentences for root in roots)
    known = headings | df.keys()
    n = len(all_sentences) + 1
    raw = {
        root: (COMMON if is_common(root) else 1.0)
        * (1.0 if root in known else ABSENT)
        * (0.3 + math.log(n / (df[root] + 0.5)) / math.log(2 * n))
        for root in asked | instead & known
    }
    total = sum(raw.values())
    return {root: weight / total for root, weight in raw.items()} if total else {}


def _candidates(
    number: int, passage: Passage, weights: Mapping[str, float], cued: Sequence[frozenset[str]], count: int
) -> list[_Candidate]:
    section, title = _roots(passage.section), _roots(passage.title)
    section_cued = any(cue <= section for cue in cued)
    found = []
    for place, span in enumerate(sentences(passage.text)):
        roots = _roots(span.text)
        own = sum(weight for root, weight in weights.items() if root in roots)
        around = sum(
            weight * (SECTION if root in section else TITLE)
            for root, weight in weights.items()
            if root in (section | title) - roots
        )
        hit = any(cue <= roots for cue in cued)
        if not _whole(span) or own + around < LEAST or (cued and not hit and not section_cued):
            continue
        if own < OWN and not (hit or section_cued or section & weights.keys()):
            continue
        score = own + around + CUE * hit + CUED_SECTION * section_cued + FIRST_PASSAGE * (1 - (number - 1) / count)
        score += 0.08 / (1 + place) - 0.1 * _hangs(span)
        found.append(_Candidate(number, passage.document, bool(title) and title <= weights.keys(), span, roots, score))
    return found


def _whole(span: Span) -> bool:
    """Whether it is a sentence that can stand alone: no heading, no fragment, no question, no lead of a list."""
    length = len(words(span.text))
    bare = span.text.rstrip("\"'”’)*_ ")
    begins = span.text.lstrip("\"'“‘(*_[")[:1]
    ends = bare[-1:] in (".", "!", "。") or (span.item and length >= SHORTEST)
    return not span.heading and SHORTEST <= length <= LONGEST and ends and not bare.endswith("?") and not begins.islower()


def _hangs(span: Span) -> bool:
    """Whether it begins with a word that points to the sentence before."""
    first = next(iter(words(span.text)), None)
    return first is not None and first.text.casefold() in (
        "it",
        "they",
        "this",
        "these",
        "those",
        "such",
        "he",
        "she",
        "however",
        "but",
    )


def _strays(candidate: _Candidate, best: _Candidate) -> bool:
    """Whether it is of another document, which may be on something else that shares words with the question."""
    return candidate.document != best.document and not candidate.named and candidate.score < OTHERS * best.score


def _alike(one: _Candidate, other: _Candidate) -> bool:
    shorter = min(len(one.roots), len(other.roots))
    return bool(shorter) and len(one.roots & other.roots) >= ALIKE * shorter


def _roots(text: str) -> frozenset[str]:
    return frozenset(root_of(word.text) for word in words(text) if not is_stop(word.stem))
