"""What carries each sentence of an answer: the passages that say it, or the word that it stands on none.

Lexical and deterministic, a few milliseconds a sentence: a claim is supported where one sentence of a passage, or two that belong
together, has every specific word and every number of it and says nothing else; one of two statements, where each is. Whatever
stands against it makes it weak or unsupported: a false "supported" is the worst error here (tests/benchmarks/SUPPORT.md has the
figures).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from app.attribution import DRUG, Stretch, replaced, said_of_another, short, stands, subject_of, swapped, unnamed
from app.clauses import parts
from app.narrowing import narrows
from app.opposition import contradicts
from app.quantities import same
from app.records import Claim, Support
from app.roots import root_of
from app.sentences import Span, sentences
from app.statements import PRONOUNS, Statement, statement

SUPPORTED = 0.8  # share of a claim's weight that a stretch must carry
WEAK = 0.3
OPPOSED = 0.75  # from which share on a contradiction is one: of two sentences that share less, words cannot tell
CANDIDATES = 4  # stretches of one passage that are looked at closely
LONGEST = 120  # words and numbers of one sentence; a longer one says more than can be laid beside another
TOO_LONG = f"this sentence has more than {LONGEST} words and was not judged"
SHORT_ITEM = 5  # words that say something: an item with fewer is read with the line above its list
SPECIFIC, COMMON, SLIGHT = 2.5, 1.0, 0.5  # weights of words

_SAYS_NOTHING = re.compile(
    r"(?:here (?:is|are)|i hope|hope this|let me know|as an ai|thanks?|i(?:['’]m| am) (?:not|an|sorry)"
    r"|please (?:consult|speak|see|contact|talk|seek|ask)|based on the (?:passages|sources|documents)"
    r"|(?:you should )?(?:always )?(?:consult|talk to|speak to|speak with) (?:a|your)|this is not medical advice)\b"
    r"|in summary\W*\Z",
    re.IGNORECASE,
)
# What may stand before a claim and says nothing itself.
_OPENING = re.compile(r"(?:(?:sure|certainly|of course|absolutely|yes|no)[,.!:;]?\s+)+", re.IGNORECASE)
# What a sentence may say that its passage leaves unsaid: words that carry it and change nothing.
_LIGHT = (
    "patient people person individual case treatment treat give take drug recommend need require consider important include help "
    "disease disorder condition known called found present state say symptom level dose use can also possible possibly lead "
    "continue occur cause show follow start well age together last number target sign define develop line risk"
)
# A sentence that says of what the one before says when, to whom or how much.
_QUALIFIES = re.compile(
    r"(?:it|they|this|these) (?:is|are|should be|must be|can be|may be) "
    r"(?:indicated|given|used|recommended|advised|offered|needed|required|reserved|prescribed|taken|started)\b(?!.*\b(?:also|as|for|to|not)\b)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class _Claimed:
    """A sentence of the answer. ``about``: roots of what its "it" stands for, where it begins with one."""

    span: Span
    said: Statement
    about: frozenset[str]


@dataclass(frozen=True)
class _Verdict:
    support: Support
    share: float
    why: str
    stretch: Stretch | None = None
    on_it: bool = True  # half of the claim's own matter stands in the stretch itself, not only around it


def match(answer: str, passages: Sequence[str]) -> list[Claim]:
    """Each sentence of the answer that says something, with what carries it. Headings, questions and greetings are left out.

    The claim's offsets count characters of the answer, its quote's those of the passage. Where a passage says the opposite, the
    claim is unsupported, ``numbers`` is empty, and ``passage`` and ``quote`` name the place that says so.
    """
    stretches = [stretch for number, text in enumerate(passages, 1) for stretch in _stretches(number, text)]
    weights = _weights(stretches)
    return [_judged(claimed, stretches, weights) for claimed in _claims(answer)]


def _claims(answer: str) -> Iterator[_Claimed]:
    """The sentences to judge. An item of a list is read with the line above the list."""
    lead, subject = "", frozenset[str]()
    for span in sentences(answer):
        if span.heading or span.text.rstrip().endswith(":"):
            lead = span.text
            continue
        text = _OPENING.sub("", span.text, count=1) if _OPENING.match(span.text) else span.text
        own = statement(text)
        if span.text.rstrip("\"'”’)*_ ").endswith("?") or (_SAYS_NOTHING.match(text) and not _claims_something(own)):
            continue
        fragment = span.item and len(own.content) < SHORT_ITEM
        lead = lead if span.item else ""
        said = statement(f"{lead.rstrip(':')} {text}") if fragment and lead else own
        follows = any(term.word.casefold() in PRONOUNS for term in own.terms[:2])
        subject = subject if follows else frozenset(term.root for term in subject_of(said, 0))
        if any(term.specific for term in own.content) or own.quantities or len(own.content) >= 2:
            yield _Claimed(span, said, subject if follows else frozenset())


def _claims_something(said: Statement) -> bool:
    """Whether it says of a drug or with a number what a greeting or a caution would not."""
    return any(quantity.dimension for quantity in said.quantities) or any(DRUG.match(t.word.casefold()) for t in said.content)


def _stretches(number: int, passage: str) -> Iterator[Stretch]:
    spans = sentences(passage)
    said = [statement(span.text) for span in spans]
    topic, around = _topic(said)
    lead = ""
    subject, since = frozenset[str](), 0
    for place, (span, alone) in enumerate(zip(spans, said, strict=True)):
        lead = lead if span.item else ""
        fragment = lead and len(alone.content) < SHORT_ITEM
        one = statement(f"{lead.rstrip(':')} {span.text}") if fragment else alone
        follows = place > 0 and any(term.word.casefold() in PRONOUNS for term in one.terms[:3])
        if not follows:
            subject, since = frozenset(term.root for term in subject_of(one, 0)), span.start
        own = topic | (around if place else frozenset()) | (subject if follows else frozenset())
        yield Stretch(number, since, span.end, one, own | (statement(lead).roots if lead else frozenset()))
        if span.heading or span.text.rstrip().endswith(":"):
            lead = span.text
        link = subject if follows and _QUALIFIES.match(span.text) else frozenset[str]()
        if link and place:
            start = spans[place - 1].start
            joined = statement(passage[start : span.end])
            yield Stretch(number, start, span.end, joined, topic | (around if place > 1 else frozenset()), link)


def _topic(said: Sequence[Statement]) -> tuple[frozenset[str], frozenset[str]]:
    """The roots of what a passage is about: the subject of its first sentence, and what most sentences name; and, wider, the
    first specific words of that sentence, which those after it may leave unsaid."""
    counted = Counter(root for each in said for root in {term.root for term in each.content if term.specific})
    often = {root for root, count in counted.items() if count >= 3 and count * 2 >= len(said)}
    subject = {term.root for term in subject_of(said[0], 0)[:3]} if said else set()
    first = [term.root for term in said[0].content if term.specific][:3] if said else []
    return frozenset(often | subject), frozenset(first)


def _weights(stretches: Sequence[Stretch]) -> Mapping[str, float]:
    """How much a root tells: log(1 + n / df) over the sentences, from 0 to 1."""
    df = Counter(root for stretch in stretches for root in stretch.said.roots)
    n = max(len(stretches), 1)
    return {root: math.log(1 + n / count) / math.log(1 + n) for root, count in df.items()}


def _judged(claimed: _Claimed, stretches: Sequence[Stretch], weights: Mapping[str, float]) -> Claim:
    if len(claimed.said.terms) + len(claimed.said.quantities) > LONGEST:
        return _claim(claimed.span, _Verdict(Support.UNSUPPORTED, 0.0, TOO_LONG), ())
    verdicts = _verdicts(claimed, stretches, weights)
    best = _best(verdicts)
    if best.support is not Support.SUPPORTED and (whole := _in_parts(claimed, stretches, weights)):
        return _claim(claimed.span, whole, [whole])
    return _claim(claimed.span, best, verdicts)


def _best(verdicts: Sequence[_Verdict]) -> _Verdict:
    order = (Support.SUPPORTED, Support.WEAK, Support.UNSUPPORTED)
    best = min(verdicts, key=lambda v: (order.index(v.support), -v.share), default=_nothing())
    opposed = [v for v in verdicts if v.support is Support.UNSUPPORTED and v.stretch]
    against = max(opposed, key=lambda v: v.share, default=None)
    if best.support is Support.SUPPORTED:
        against = max((v for v in opposed if v.on_it and v.share >= SUPPORTED), key=lambda v: v.share, default=None)
        if against is None:
            return best
        if _overlap(best, against):
            return against
        return _Verdict(Support.WEAK, best.share, f"{best.why}, but {against.why}", best.stretch)
    if against and (against.share > best.share or best.stretch is None):
        return against
    return best


def _in_parts(claimed: _Claimed, stretches: Sequence[Stretch], weights: Mapping[str, float]) -> _Verdict | None:
    """A sentence that joins statements is supported where one passage says each of them; None where none does."""
    said = [_Claimed(claimed.span, statement(part), claimed.about) for part in parts(claimed.said.text)]
    if any(_best(_verdicts(part, stretches, weights)).support is not Support.SUPPORTED for part in said):
        return None
    for passage in dict.fromkeys(stretch.passage for stretch in stretches) if said else ():
        own = [stretch for stretch in stretches if stretch.passage == passage]
        found = [_best(_verdicts(part, own, weights)) for part in said]
        places = [verdict.stretch for verdict in found if verdict.stretch and verdict.support is Support.SUPPORTED]
        if len(places) == len(said):
            start, end = min(place.start for place in places), max(place.end for place in places)
            share = min(verdict.share for verdict in found)
            return _Verdict(Support.SUPPORTED, share, f"passage {passage} says this", replace(places[0], start=start, end=end))
    return None


def _overlap(one: _Verdict, other: _Verdict) -> bool:
    a, b = one.stretch, other.stretch
    return a is not None and b is not None and a.passage == b.passage and a.start < b.end and b.start < a.end


def _claim(span: Span, best: _Verdict, verdicts: Sequence[_Verdict]) -> Claim:
    carried = sorted((v for v in verdicts if v.support is best.support and v.stretch), key=lambda v: -v.share)
    numbers = tuple(dict.fromkeys(v.stretch.passage for v in carried if v.stretch))
    where = best.stretch
    return Claim(
        start=span.start,
        end=span.end,
        text=span.text,
        support=best.support,
        numbers=() if best.support is Support.UNSUPPORTED else numbers,
        passage=where.passage if where else 0,
        quote=(where.start, where.end) if where else (0, 0),
        why=best.why,
    )


def _nothing(share: float = 0.0) -> _Verdict:
    return _Verdict(Support.UNSUPPORTED, share, "no passage was found to say this")


def _verdicts(claimed: _Claimed, stretches: Sequence[Stretch], weights: Mapping[str, float]) -> list[_Verdict]:
    """What each passage's nearest stretches are worth for the claim."""
    mine = claimed.said.roots
    shares = [(_share(claimed.said, each, weights), each) for each in stretches if not each.link or each.link & mine]
    near: dict[int, list[tuple[float, Stretch]]] = {}
    for share, stretch in sorted(shares, key=lambda pair: -pair[0]):
        if share >= WEAK / 2 and len(near.setdefault(stretch.passage, [])) < CANDIDATES:
            near[stretch.passage].append((share, stretch))
    return [_verdict(claimed, stretch, share) for each in near.values() for share, stretch in each]


def _share(said: Statement, stretch: Stretch, weights: Mapping[str, float]) -> float:
    """The share of the claim's weight that stands in the stretch, 0 to 1."""
    light = _light()
    own = total = 0.0
    for term in said.content:
        weight = (SPECIFIC if term.specific else SLIGHT if term.root in light else COMMON) * (
            0.5 + 0.5 * weights.get(term.root, 1.0)
        )
        total += weight
        own += weight * stands(term, said, stretch)
    for quantity in said.quantities:
        total += COMMON
        own += COMMON * any(same(quantity, other) for other in stretch.said.quantities)
    return own / total if total else 0.0


def _verdict(claimed: _Claimed, stretch: Stretch, share: float) -> _Verdict:
    said, name = claimed.said, f"passage {stretch.passage}"
    if share < WEAK:
        return _nothing(share)
    if against := contradicts(said, stretch.said):
        return _opposed(said, share, f"{name} says otherwise: {against}", f"{name} may say otherwise: {against}", stretch)
    if other := swapped(said, stretch):
        return _opposed(said, share, f"{name} says this of '{other}'", f"{name} may say this of '{other}'", stretch)
    if less := _less(claimed, stretch):
        return _Verdict(Support.WEAK, share, f"{name} {less}", stretch)
    if share < SUPPORTED:
        return _Verdict(Support.WEAK, share, f"{name} has only a part of its words", stretch)
    return _Verdict(Support.SUPPORTED, share, f"{name} says this", stretch)


def _opposed(said: Statement, share: float, surely: str, perhaps: str, stretch: Stretch) -> _Verdict:
    """Unsupported where the two sentences share nearly all; else something to look at."""
    if share >= OPPOSED:
        own = [term.root in stretch.said.roots or short(term, said, stretch) for term in said.content if term.specific]
        return _Verdict(Support.UNSUPPORTED, share, surely, stretch, 2 * sum(own) >= len(own))
    return _Verdict(Support.WEAK, share, perhaps, stretch)


def _less(claimed: _Claimed, stretch: Stretch) -> str:
    """What the stretch leaves open of the claim; "" where it says all of it."""
    said = claimed.said
    light = _light()
    numbers = [q.text for q in said.quantities if not any(same(q, other) for other in stretch.said.quantities)]
    missing = [term.word for term in said.content if term.root not in light and not stands(term, said, stretch)]
    if claimed.about and not claimed.about & (stretch.said.roots | stretch.context):
        return "is close, but speaks of something else there"
    if unsaid := said_of_another(said, stretch):
        return f"is close, but does not say it of '{unsaid}'"
    missing += [term.word for term in said.content if unnamed(term, said, stretch)]
    if numbers or missing:
        return f"is close, but has not {_listed([*numbers, *missing])}"
    if instead := replaced(said, stretch, light):
        return f"is close, but has {instead}"
    narrower = narrows(said, stretch.said, stretch.context)
    return f"says less: {narrower}" if narrower else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3])


@lru_cache(maxsize=1)
def _light() -> frozenset[str]:
    return frozenset(root_of(word) for word in _LIGHT.split())
