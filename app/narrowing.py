"""How a passage's sentence says less than a claim: with a hedge, of one group, under a condition. Pure, lexical.

Each check answers in words, or "" where it finds nothing. They are made to find too much rather than too little: what they find
keeps a claim from being called supported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from app.clauses import apart, contrasted, main_clause
from app.quantities import bounds_differ, same
from app.roots import root_of
from app.statements import AUXILIARY, Statement, Term, listed

_HEDGES = frozenset(
    {"may", "might", "could", "can", "possible", "possibly", "sometimes", "occasionally", "rarely", "some", "few"}
)
# What keeps a claim as weak as a hedge does, where the passage has another word for it.
_HEDGELIKE = frozenset({"risk", "potential", "potentially", "likely", "chance"})
_SUPPOSING = (
    "probably presumably perhaps apparently reportedly allegedly theoretically ideally preferably seem seems seemed thought "
    "believed believe suspected supposed hypothesised hypothesized assumed proposed postulated controversial uncertain unclear "
    "unknown unproven debated disputed conflicting"
)
_PASSIVE = frozenset({"been", "be", "is", "are", "was", "were"})
_SLIGHT_STUDY = re.compile(
    r"\b(?:(?:one|single|small|pilot|uncontrolled|preliminary)[ -][\w -]{0,25}?|case )(?:study|trial|series|reports?)\b",
    re.IGNORECASE,
)
_AT_RISK = re.compile(
    r"\b(?:at (?:\w+ )?(?:high|higher|low|lower|increased|intermediate|average)|high|low)[ -]risk\b", re.IGNORECASE
)
# A group that the sentence itself defines, by what a claim may name instead.
_DEFINED = re.compile(
    r"\b(?:high|low|intermediate)[ -]risk (?:disease|patients|cases)(?=,? \(?(?:that is|i\.e\.|defined (?:by|as))\b)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]+")
_OPEN = frozenset({"if", "unless", "whether"})
# Words of time, and what stands for each of them.
_TIMES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "before": frozenset({"before", "until", "precede", "precedes", "preceded", "first"}),
        "after": frozenset({"after", "follow", "follows", "followed", "once", "when", "then", "since", "later"}),
        "during": frozenset({"during", "in", "while", "when", "throughout", "within"}),
        "until": frozenset({"until", "before", "till"}),
    }
)
# What a claim says that one thing does to another, and what a passage may say instead; any other of _DOINGS says another thing.
_INSTEAD = MappingProxyType({"cause": "trigger bring", "treat": "cure relieve correct control help reverse"})
_DOINGS = (
    "cause treat prevent cure correct relieve worsen lower raise trigger inhibit block reverse suppress abolish stop protect "
    "mimic complicate follow precede exclude confirm predict detect"
)
_HALTS = "stop pause omit withdraw"
_TOGETHER = "associated linked correlated related accompanied coincides"
_ABSOLUTES = frozenset({"all", "every", "always", "never", "only", "any", "each", "best", "first", "last", "most"})
_CONDITIONS = frozenset({"if", "unless", "except", "only", "when", "once", "where", "provided"})
_LIMITS = frozenset({"with", "without", "in", "among", "during"})
_AGES = frozenset({"after", "before", "under", "over", "below", "above", "until", "than", "aged", "age", "from", "between"})
_RESTRICTIONS = _LIMITS | frozenset({"after", "before", "at", "for", "than", "under", "until", "despite", "from", "over"})
_GROUPS = (
    "child infant newborn neonate adult woman man elderly adolescent smoker pregnant mild moderate severe stable unstable acute "
    "chronic outpatient inpatient trimester female male young healthy mouse mice rat animal vitro"
)


def narrows(claim: Statement, stretch: Statement, known: frozenset[str]) -> str:
    """How the stretch says less than the claim, as "it says 'may'"; "" where it does not. ``known``: roots of what the passage is
    about, which a claim need not repeat."""
    checks = (
        _hedge,
        _supposed,
        _halted,
        _left_open,
        _absolute,
        _group,
        _bound,
        _timed,
        _together,
        _done,
        _condition,
        contrasted,
        apart,
        _attached,
        _aged,
    )
    found = (said for check in checks if (said := check(claim, stretch)))
    return next(found, "") or _added(claim, stretch, known)


def _carrying(claim: Statement, stretch: Statement) -> set[int]:
    """The clauses of the stretch in which the claim's words stand: the one with most of them, and those with two or more."""
    mine = {term.root for term in claim.content}
    counted = Counter(term.clause for term in stretch.content if term.root in mine)
    return {clause for clause, count in counted.items() if count >= 2} | {main_clause(claim, stretch)}


def _hedge(claim: Statement, stretch: Statement) -> str:
    if _hedges_itself(claim, stretch):
        return ""
    carrying = _carrying(claim, stretch)
    hedge = next((t.word for t in stretch.terms if t.clause in carrying and t.word.casefold() in _HEDGES), "")
    return f"it says '{hedge}', which this leaves out" if hedge else ""


def _hedges_itself(claim: Statement, stretch: Statement) -> bool:
    """Whether the claim has a hedge too. A "risk" of which the stretch speaks as well is none: "may lower the risk"."""
    mine, theirs = {t.word.casefold() for t in claim.terms}, {t.word.casefold() for t in stretch.terms}
    return bool(mine & _HEDGES or mine & _HEDGELIKE - theirs)


def _supposed(claim: Statement, stretch: Statement) -> str:
    """The stretch only reports it: as thought, as seeming, as one small study's finding."""
    if _hedges_itself(claim, stretch) or any(t.word.casefold() in listed(_SUPPOSING) for t in claim.terms):
        return ""
    last = max(_carrying(claim, stretch))
    for place, term in enumerate(stretch.terms):
        word = term.word.casefold()
        before = stretch.terms[place - 1].word.casefold() if place else ""
        after = stretch.terms[place + 1].word.casefold() if place + 1 < len(stretch.terms) else ""
        passive = word == "suggested" and before in _PASSIVE
        appears = word in ("appear", "appears", "appeared") and after == "to"
        if term.clause <= last and (word in listed(_SUPPOSING) or passive or appears):
            return f"it says '{term.word}', which this leaves out"
    slight = _SLIGHT_STUDY.search(stretch.text)
    return f"it tells of '{slight.group()}', which this leaves out" if slight and not _SLIGHT_STUDY.search(claim.text) else ""


def _halted(claim: Statement, stretch: Statement) -> str:
    """The stretch says that something is stopped or put off, where the claim has no word of it."""
    main, halts = main_clause(claim, stretch), {root_of(word) for word in _HALTS.split()}
    under = any(t.clause == main and t.word.casefold() in _CONDITIONS for t in stretch.terms)
    within = {main, main - 1} if under else {main}
    found = next((t.word for t in stretch.content if t.clause in within and t.root in halts and not t.denied), "")
    return f"it says '{found}', which this leaves out" if found and not halts & claim.roots else ""


def _left_open(claim: Statement, stretch: Statement) -> str:
    """The stretch says it under "if" or "whether" and goes on to something else."""
    main = main_clause(claim, stretch)
    first = next((t.word.casefold() for t in stretch.terms if t.clause == main), "")
    if first not in _OPEN or first in {t.word.casefold() for t in claim.terms}:
        return ""
    beside = [t for t in stretch.content if t.clause == (main - 1 if main else 1)]
    if first == "whether" or any(t.root not in claim.roots for t in beside):
        return f"it says so only behind '{first}'"
    return ""


def _absolute(claim: Statement, stretch: Statement) -> str:
    absolutes = [t for t in claim.terms if t.word.casefold() in _ABSOLUTES and t.root not in stretch.roots]
    words = [each.word.casefold() for each in claim.terms]
    added = next((t.word for t in absolutes if t.word.casefold() != "last" or "the" in words[max(0, t.place - 1) : t.place]), "")
    return f"it does not say '{added}'" if added else ""


def _group(claim: Statement, stretch: Statement) -> str:
    carrying, groups = _carrying(claim, stretch), {root_of(word) for word in _GROUPS.split()}
    short = {term for mine in claim.terms for term in stretch.spelled_out(mine.word)}
    for term in stretch.terms:
        if term.clause in carrying and term.root in groups - claim.roots and term not in short:
            return f"it speaks of '{term.word}', which this leaves out"
    risk = _AT_RISK.search(_DEFINED.sub("", stretch.text))
    return f"it speaks of '{risk.group()}', which this leaves out" if risk and not _AT_RISK.search(claim.text) else ""


def _bound(claim: Statement, stretch: Statement) -> str:
    """A number is a floor or a ceiling in one of the two alone."""
    for quantity in claim.quantities:
        stated = [other for other in stretch.quantities if same(quantity, other)]
        if stated and all(bounds_differ(quantity, other) for other in stated):
            return f"it has '{stated[0].text}' with another bound"
    return ""


def _timed(claim: Statement, stretch: Statement) -> str:
    """The claim has a "before" or "after" that the stretch has not."""
    theirs = set(_WORD.findall(stretch.text.casefold()))
    for term in claim.terms:
        if not _TIMES.get(term.word.casefold(), theirs) & theirs and term.root not in stretch.roots:
            return f"it does not say '{term.word}'"
    return ""


def _together(claim: Statement, stretch: Statement) -> str:
    """The claim names a cause where the stretch says only that two things go together."""
    cause, together = root_of("cause"), {root_of(word) for word in _TOGETHER.split()}
    found = next((t.word for t in stretch.content if t.root in together), "")
    caused = cause in claim.roots and cause not in stretch.roots and not together & claim.roots
    return f"it says '{found}', not that one causes the other" if caused and found else ""


def _done(claim: Statement, stretch: Statement) -> str:
    """The claim says that one thing causes or treats another where the stretch says that it does something else."""
    main, doings = main_clause(claim, stretch), {root_of(word) for word in _DOINGS.split()}
    for word, instead in _INSTEAD.items():
        root = root_of(word)
        fitting = {root_of(each) for each in instead.split()} | {root}
        if root not in claim.roots or fitting & stretch.roots:
            continue
        other = next((t for t in stretch.content if t.clause == main and t.root in doings - claim.roots), None)
        if other:
            return f"it says '{other.word}', not '{claim.written({root})}'"
    return ""


def _condition(claim: Statement, stretch: Statement) -> str:
    """The stretch says it only under a condition of which the claim has no word."""
    main = main_clause(claim, stretch)
    for place, term in enumerate(stretch.terms):
        if term.word.casefold() not in _CONDITIONS:
            continue
        opens = place == 0 or stretch.terms[place - 1].clause != term.clause
        governed = term.clause if not opens else max(term.clause - 1, 0) if term.clause else 1
        under = [t for t in stretch.terms[place + 1 :] if t.clause == term.clause and t.content]
        kept = [t for t in under if t.root in claim.roots]
        if governed == main and len(kept) * 2 < len(under):
            condition = " ".join(t.word for t in stretch.terms[place : place + 4])
            return f"it says so with a condition ('{condition} …'), which this leaves out"
    return ""


def _added(claim: Statement, stretch: Statement, known: frozenset[str]) -> str:
    """What the stretch says it of, as "with aura" or "in smokers", of which the claim has no word."""
    main = main_clause(claim, stretch)
    named = claim.roots | known | {each.root for mine in claim.terms for each in stretch.spelled_out(mine.word)}
    for place, term in enumerate(stretch.terms):
        word = term.word.casefold()
        if term.clause != main or place == 0:
            continue
        before = stretch.terms[place - 1]
        if word in _RESTRICTIONS or (word == "of" and before.content and before.root in claim.roots):
            under = _after(stretch, place)
            if any(t.specific and t.root not in named for t in under):
                return f"it says so '{term.word} {' '.join(t.word for t in under)}', which this leaves out"
    return ""


def _aged(claim: Statement, stretch: Statement) -> str:
    """The stretch says it of an age, in months or years, that the claim has not."""
    main = main_clause(claim, stretch)
    for quantity, place in zip(stretch.quantities, stretch.places, strict=True):
        near = [t for t in stretch.terms[max(0, place - 4) : place] if t.clause == main and t.word.casefold() in _AGES]
        if near and quantity.dimension == "months" and not any(same(mine, quantity) for mine in claim.quantities):
            return f"it says so '{near[0].word} {quantity.text}', which this leaves out"
    return ""


def _attached(claim: Statement, stretch: Statement) -> str:
    """A word of the claim has another "in …" or "with …" behind it in the stretch than in the claim."""
    for place, term in enumerate(claim.terms):
        word = term.word.casefold()
        before = [t for t in claim.terms[:place] if t.content]
        if word not in _LIMITS or not before or not _after(claim, place):
            continue
        heads = [at for at, other in enumerate(stretch.terms) if other.root == before[-1].root]
        for at in heads:
            other = stretch.terms[at]
            follows = next((n for n in range(at, len(stretch.terms)) if stretch.terms[n].word.casefold() == word), None)
            under = _after(stretch, follows) if follows is not None else []
            if any(t.specific and t.root not in claim.roots for t in under):
                return f"it has '{other.word} {word} {' '.join(t.word for t in under)}'"
    return ""


def _after(stretch: Statement, place: int) -> list[Term]:
    """The content words right behind a preposition, three at most: "signs" and "sepsis" of "without signs of sepsis"."""
    under: list[Term] = []
    for term in stretch.terms[place + 1 : place + 7]:
        ends = (
            (under and term.comma)
            or term.clause != stretch.terms[place].clause
            or (under and not term.content and term.word.casefold() != "of")
        )
        if ends or term.word.casefold() in AUXILIARY:
            break
        under += [term] if term.content else []
    return under[:3]
