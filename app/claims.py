"""What carries each sentence of an answer: the passages that say it, or the word that it stands on none.

Lexical and deterministic, a few milliseconds a sentence: a claim is supported where one sentence of a passage, or two that belong
together, has every specific word and every number of it and says nothing else. Whatever stands against it makes it weak or
unsupported: a false "supported" is the worst error here (tests/benchmarks/SUPPORT.md has the figures).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from app.narrowing import narrows
from app.opposition import contradicts
from app.quantities import same
from app.records import Claim, Support
from app.roots import root_of
from app.sentences import Span, sentences
from app.statements import PRONOUNS, Statement, Term, is_verb, statement

SUPPORTED = 0.8  # share of a claim's weight that a stretch must carry
WEAK = 0.3
OPPOSED = 0.75  # from which share on a contradiction is one: of two sentences that share less, words cannot tell
CANDIDATES = 4  # stretches of one passage that are looked at closely
LONGEST = 120  # words and numbers of one sentence; a longer one says more than can be laid beside another
TOO_LONG = f"this sentence has more than {LONGEST} words and was not judged"
MOST_BETWEEN = 3  # words: two that stand further apart are not the neighbours of one between
SHORT_ITEM = 5  # words that say something: an item with fewer is read with the line above its list
SPECIFIC, COMMON = 2.5, 1.0  # weights of words

_SAYS_NOTHING = re.compile(
    r"(?:here (?:is|are)|i hope|hope this|let me know|as an ai|thank|i(?:'m| am) (?:not|an|sorry)"
    r"|please (?:consult|speak|see|contact|talk|seek|ask)|in summary\W*\Z|based on the (?:passages|sources|documents)"
    r"|(?:you should )?(?:always )?(?:consult|talk to|speak to|speak with) (?:a|your)|this is not medical advice)\b",
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
_POINTING = PRONOUNS | frozenset({"them", "him", "her"})
_NAMELESS = frozenset({"disease", "condition", "disorder", "syndrome", "illness", "infection", "drug", "diagnosis"})
_JOINS = frozenset({"and", "or", "but", "while", "whereas"})
_PREPOSITIONS = frozenset({"in", "for", "during", "with", "of", "after", "before", "to"})
_DRUG = re.compile(
    r"[a-z]{2,}(?:olol|pril|sartan|statin|mab|cillin|mycin|micin|azole|dipine|prazole|oxacin|tide|gliflozin|gliptin|xaban|parin|cycline"
    r"|triptan|setron|vir|nib|zepam|zolam|barbital|thiazide|semide|profen|sone|solone|lone|formin|phylline|terol|tropium|dronate"
    r"|gatran|idone|apine|azine|etine|triptyline|caine|curonium|penem|floxacin|purinol|xostat|warfarin)\Z"
)


@dataclass(frozen=True)
class _Stretch:
    """One sentence of a passage, or two. ``context``: roots of the words that the passage is about, and of the line above a list;
    ``link``: what two sentences both name, which a claim on both must name too."""

    passage: int
    start: int
    end: int
    said: Statement
    context: frozenset[str]
    link: frozenset[str] = frozenset()


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
    stretch: _Stretch | None = None


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
        subject = subject if follows else frozenset(term.root for term in _subject(said, 0))
        if any(term.specific for term in own.content) or own.quantities or len(own.content) >= 2:
            yield _Claimed(span, said, subject if follows else frozenset())


def _claims_something(said: Statement) -> bool:
    """Whether it says of a drug or with a number what a greeting or a caution would not."""
    return any(quantity.dimension for quantity in said.quantities) or any(_DRUG.match(t.word.casefold()) for t in said.content)


def _stretches(number: int, passage: str) -> Iterator[_Stretch]:
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
            subject, since = frozenset(term.root for term in _subject(one, 0)), span.start
        own = topic | (around if place else frozenset()) | (subject if follows else frozenset())
        yield _Stretch(number, since, span.end, one, own | (statement(lead).roots if lead else frozenset()))
        if span.heading or span.text.rstrip().endswith(":"):
            lead = span.text
        link = _named(said[place - 1]) & _named(one) if place and not follows else frozenset[str]()
        if link:
            start = spans[place - 1].start
            joined = statement(passage[start : span.end])
            yield _Stretch(number, start, span.end, joined, topic | (around if place > 1 else frozenset()), link)


def _named(said: Statement) -> frozenset[str]:
    return frozenset(term.root for term in said.content if term.specific)


def _topic(said: Sequence[Statement]) -> tuple[frozenset[str], frozenset[str]]:
    """The roots of what a passage is about: the subject of its first sentence, and what most sentences name; and, wider, the
    first specific words of that sentence, which those after it may leave unsaid."""
    counted = Counter(root for each in said for root in {term.root for term in each.content if term.specific})
    often = {root for root, count in counted.items() if count >= 3 and count * 2 >= len(said)}
    subject = {term.root for term in _subject(said[0], 0)[:3]} if said else set()
    first = [term.root for term in said[0].content if term.specific][:3] if said else []
    return frozenset(often | subject), frozenset(first)


def _weights(stretches: Sequence[_Stretch]) -> Mapping[str, float]:
    """How much a root tells: log(1 + n / df) over the sentences, from 0 to 1."""
    df = Counter(root for stretch in stretches for root in stretch.said.roots)
    n = max(len(stretches), 1)
    return {root: math.log(1 + n / count) / math.log(1 + n) for root, count in df.items()}


def _judged(claimed: _Claimed, stretches: Sequence[_Stretch], weights: Mapping[str, float]) -> Claim:
    if len(claimed.said.terms) + len(claimed.said.quantities) > LONGEST:
        return _claim(claimed.span, _Verdict(Support.UNSUPPORTED, 0.0, TOO_LONG), ())
    verdicts = _verdicts(claimed, stretches, weights)
    order = (Support.SUPPORTED, Support.WEAK, Support.UNSUPPORTED)
    best = min(verdicts, key=lambda v: (order.index(v.support), -v.share), default=_nothing())
    opposed = [v for v in verdicts if v.support is Support.UNSUPPORTED and v.stretch]
    against = max(opposed, key=lambda v: v.share, default=None)
    if best.support is Support.SUPPORTED and against and against.share >= SUPPORTED:
        best = (
            against
            if _overlap(best, against)
            else _Verdict(Support.WEAK, best.share, f"{best.why}, but {against.why}", best.stretch)
        )
    elif against and best.support is not Support.SUPPORTED and (against.share > best.share or best.stretch is None):
        best = against
    return _claim(claimed.span, best, verdicts)


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


def _verdicts(claimed: _Claimed, stretches: Sequence[_Stretch], weights: Mapping[str, float]) -> list[_Verdict]:
    """What each passage's nearest stretches are worth for the claim."""
    mine = claimed.said.roots
    shares = [(_share(claimed.said, each, weights), each) for each in stretches if not each.link or each.link & mine]
    near: dict[int, list[tuple[float, _Stretch]]] = {}
    for share, stretch in sorted(shares, key=lambda pair: -pair[0]):
        if share >= WEAK / 2 and len(near.setdefault(stretch.passage, [])) < CANDIDATES:
            near[stretch.passage].append((share, stretch))
    return [_verdict(claimed, stretch, share) for each in near.values() for share, stretch in each]


def _share(said: Statement, stretch: _Stretch, weights: Mapping[str, float]) -> float:
    """The share of the claim's weight that stands in the stretch, 0 to 1."""
    own = total = 0.0
    for term in said.content:
        weight = (SPECIFIC if term.specific else COMMON) * (0.5 + 0.5 * weights.get(term.root, 1.0))
        total += weight
        own += weight * _stands(term, said, stretch)
    for quantity in said.quantities:
        total += COMMON
        own += COMMON * any(same(quantity, other) for other in stretch.said.quantities)
    return own / total if total else 0.0


def _stands(term: Term, said: Statement, stretch: _Stretch) -> bool:
    return term.root in stretch.said.roots or term.root in stretch.context or _short(term, said, stretch)


def _short(term: Term, said: Statement, stretch: _Stretch) -> bool:
    """Whether the term is short for words of the stretch, or one of the words that a short form there stands for."""
    if stretch.said.spelled_out(term.word):
        return True
    return any(term in said.spelled_out(short) for short in stretch.said.shorts)


def _verdict(claimed: _Claimed, stretch: _Stretch, share: float) -> _Verdict:
    said, name = claimed.said, f"passage {stretch.passage}"
    if share < WEAK:
        return _nothing(share)
    if against := contradicts(said, stretch.said):
        return _opposed(share, f"{name} says otherwise: {against}", f"{name} may say otherwise: {against}", stretch)
    if swapped := _swapped(said, stretch):
        return _opposed(share, f"{name} says this of '{swapped}'", f"{name} may say this of '{swapped}'", stretch)
    if less := _less(claimed, stretch):
        return _Verdict(Support.WEAK, share, f"{name} {less}", stretch)
    if share < SUPPORTED:
        return _Verdict(Support.WEAK, share, f"{name} has only a part of its words", stretch)
    return _Verdict(Support.SUPPORTED, share, f"{name} says this", stretch)


def _opposed(share: float, surely: str, perhaps: str, stretch: _Stretch) -> _Verdict:
    """Unsupported where the two sentences share nearly all; else something to look at."""
    if share >= OPPOSED:
        return _Verdict(Support.UNSUPPORTED, share, surely, stretch)
    return _Verdict(Support.WEAK, share, perhaps, stretch)


def _less(claimed: _Claimed, stretch: _Stretch) -> str:
    """What the stretch leaves open of the claim; "" where it says all of it."""
    said = claimed.said
    light = {root_of(word) for word in _LIGHT.split()}
    numbers = [q.text for q in said.quantities if not any(same(q, other) for other in stretch.said.quantities)]
    missing = [term.word for term in said.content if term.root not in light and not _stands(term, said, stretch)]
    if claimed.about and not claimed.about & (stretch.said.roots | stretch.context):
        return "is close, but speaks of something else there"
    if unsaid := _said_of_another(said, stretch):
        return f"is close, but does not say it of '{unsaid}'"
    missing += [term.word for term in said.content if _unnamed(term, said, stretch)]
    if numbers or missing:
        return f"is close, but has not {_listed([*numbers, *missing])}"
    if replaced := _replaced(said, stretch, light):
        return f"is close, but has {replaced}"
    narrower = narrows(said, stretch.said, stretch.context)
    return f"says less: {narrower}" if narrower else ""


def _replaced(said: Statement, stretch: _Stretch, light: Set[str]) -> str:
    """Another word that stands in the stretch, between the same neighbours, where the claim has one that a passage may leave
    unsaid: "stopped" for "continued"."""
    theirs = stretch.said.content
    for at, term in enumerate(said.content):
        if _stands(term, said, stretch) or not at or at + 1 == len(said.content):
            continue
        before, after = said.content[at - 1].root, said.content[at + 1].root
        places = [
            (m, n) for m, one in enumerate(theirs) if one.root == before for n, two in enumerate(theirs) if two.root == after
        ]
        first, last = min(((m, n) for m, n in places if m < n), key=lambda pair: pair[1] - pair[0], default=(0, 0))
        others = [each for each in theirs[first + 1 : last] if each.root not in light | said.roots]
        if others and last - first <= MOST_BETWEEN:
            return f"'{others[0].word}' where this has '{term.word}'"
    return ""


def _unnamed(term: Term, said: Statement, stretch: _Stretch) -> bool:
    """Whether a specific word, which only the passage around the stretch has, is what something is done to in the claim: the
    stretch has neither it nor a pronoun, and it stands behind no "in" or "of"."""
    if not term.specific or term.root in stretch.said.roots or _short(term, said, stretch) or not _stands(term, said, stretch):
        return False
    if _points(stretch.said) or term in _subject(said, 0):
        return False
    before = {each.word.casefold() for each in said.terms[max(0, term.place - 3) : term.place]}
    after = said.terms[term.place + 1 : term.place + 2]
    compound = any(each.content and each.root in stretch.said.roots for each in after)
    return not compound and not before & _PREPOSITIONS


def _points(said: Statement) -> bool:
    """Whether it speaks of something by a pronoun, or as "the disease"."""
    for one, two in pairwise(said.terms):
        if one.word.casefold() == "the" and two.word.casefold() in _NAMELESS:
            return True
    return any(term.word.casefold() in _POINTING for term in said.terms)


def _swapped(said: Statement, stretch: _Stretch) -> str:
    """The word that stands in the stretch where the claim has another one as its subject, or another drug; "" where none does."""
    mine = {term.root for term in said.content}
    drugs = [term for term in said.content if _DRUG.match(term.word.casefold())]
    others = [t for t in stretch.said.content if _DRUG.match(t.word.casefold()) and t.root not in mine]
    if others and any(not _stands(term, said, stretch) for term in drugs):
        return others[0].word
    subject = {term.root for term in _subject(said, 0)}
    counted = Counter(term.clause for term in stretch.said.content if term.root in mine - subject)
    if not subject or not counted:
        return ""
    own = {term.clause for term in stretch.said.content if term.root in subject}
    clause = max(counted, key=lambda each: (counted[each] + (each in own), -each))
    theirs = _subject(stretch.said, clause)
    named = {term.root for term in theirs} | {term.root for term in stretch.said.of_clause(clause)}
    rivals = [term.word for term in theirs if term.root not in mine]
    return rivals[0] if rivals and subject - named else _beside(said, stretch)


def _beside(said: Statement, stretch: _Stretch) -> str:
    """The subject of a part of the stretch that alone has a word of the claim, where the claim's subject is none of that part:
    "A does B and C does D" says nothing of A and D."""
    mine, subject = {term.root for term in said.content}, {term.root for term in _subject(said, 0)}
    for clause in range(1, stretch.said.terms[-1].clause + 1 if stretch.said.terms else 0):
        inside = stretch.said.of_clause(clause)
        if inside[0].word.casefold() not in _JOINS or any(term.root in subject for term in inside):
            continue
        outside = {term.root for term in stretch.said.terms if term.clause != clause}
        theirs = [term for term in _subject(stretch.said, clause) if term.clause == clause and term.root not in mine]
        if theirs and subject & outside and any(t.specific and t.root in mine - outside for t in inside):
            return theirs[0].word
    return ""


def _said_of_another(said: Statement, stretch: _Stretch) -> str:
    """The claim's subject, where the stretch has another one and only the rest of its passage names the claim's."""
    lead = next((term for term in _subject(said, 0)), None)
    theirs = _subject(stretch.said, 0)
    if lead is None or not theirs or lead.root in stretch.said.roots or _short(lead, said, stretch):
        return ""
    before = {term.word.casefold() for term in said.terms[max(0, lead.place - 2) : lead.place]}
    return "" if before & _PREPOSITIONS or lead.root in {term.root for term in theirs} else lead.word


def _subject(said: Statement, clause: int) -> list[Term]:
    """The specific words before a clause's first verb, or its first specific word; of the clause before it where it has none."""
    inside = said.of_clause(clause)
    place = next((n for n, term in enumerate(inside) if is_verb(term.word)), None)
    before = inside if place is None else inside[:place]
    if not any(term.specific for term in before):
        pronoun = any(term.word.casefold() in PRONOUNS for term in before)
        return [] if pronoun or clause == 0 else _subject(said, clause - 1)
    specific = [term for term in before if term.specific]
    return specific[:1] if place is None else specific


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3])
