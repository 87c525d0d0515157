"""Of whom or what a passage says a thing, against a claim: its subject, and a word in the place of another. Pure, lexical.

They are made to find too much rather than too little: what they find keeps a claim from being called supported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from itertools import pairwise

from app.roots import root_of
from app.statements import PRONOUNS, Statement, Term, is_verb

MOST_BETWEEN = 3  # words: two that stand further apart are not the neighbours of one between

_POINTING = PRONOUNS | frozenset({"them", "him", "her"})
_NAMELESS = frozenset({"disease", "condition", "disorder", "syndrome", "illness", "infection", "drug", "diagnosis"})
_OF_RISK = frozenset({"the", "this", "high", "low", "intermediate", "risk"})
_SAMPLES = frozenset({"serum"})  # of which a level is, where nothing else is named
_OTHER_SAMPLES = frozenset(
    {
        "urine",
        "urinary",
        "cerebrospinal",
        "fluid",
        "stool",
        "saliva",
        "salivary",
        "sweat",
        "tissue",
        "cell",
        "cells",
        "dietary",
        "capillary",
    }
)
_CHANGES = ("lower", "raise", "change", "affect", "alter", "improve", "prolong", "shorten")
_NO_EFFECT = re.compile(r"\bno effect on\b", re.IGNORECASE)
_JOINS = frozenset({"and", "or", "but", "while", "whereas"})
_PREPOSITIONS = frozenset({"in", "for", "during", "with", "of", "after", "before", "to"})
DRUG = re.compile(
    r"[a-z]{2,}(?:olol|pril|sartan|statin|mab|cillin|mycin|micin|azole|dipine|prazole|oxacin|tide|gliflozin|gliptin|xaban|parin|cycline"
    r"|triptan|setron|vir|nib|zepam|zolam|barbital|thiazide|semide|profen|sone|solone|lone|formin|phylline|terol|tropium|dronate"
    r"|gatran|idone|apine|azine|etine|triptyline|caine|curonium|penem|floxacin|purinol|xostat|warfarin)\Z"
)


@dataclass(frozen=True)
class Stretch:
    """One sentence of a passage, or two. ``context``: roots of the words that the passage is about, and of the line above a list;
    ``link``: of two sentences, the subject of the first, which a claim on both must name too."""

    passage: int
    start: int
    end: int
    said: Statement
    context: frozenset[str]
    link: frozenset[str] = frozenset()


def stands(term: Term, said: Statement, stretch: Stretch) -> bool:
    if term.root in stretch.said.roots or term.root in stretch.context or short(term, said, stretch):
        return True
    if term.root in _SAMPLES:
        return not any(each.word.casefold() in _OTHER_SAMPLES for each in stretch.said.terms)
    return term.denied and term.root in {root_of(word) for word in _CHANGES} and bool(_NO_EFFECT.search(stretch.said.text))


def short(term: Term, said: Statement, stretch: Stretch) -> bool:
    """Whether the term is short for words of the stretch, or one of the words that a short form there stands for."""
    if stretch.said.spelled_out(term.word):
        return True
    return any(term in said.spelled_out(short) for short in stretch.said.shorts)


def replaced(said: Statement, stretch: Stretch, light: Set[str]) -> str:
    """Another word that stands in the stretch, between the same neighbours, where the claim has one that a passage may leave
    unsaid: "stopped" for "continued"."""
    theirs = stretch.said.content
    for at, term in enumerate(said.content):
        if stands(term, said, stretch) or not at or at + 1 == len(said.content):
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


def unnamed(term: Term, said: Statement, stretch: Stretch) -> bool:
    """Whether a specific word, which only the passage around the stretch has, is what something is done to in the claim: the
    stretch has neither it nor a pronoun, and it stands behind no "in" or "of"."""
    if not term.specific or term.root in stretch.said.roots or short(term, said, stretch) or not stands(term, said, stretch):
        return False
    if _points(stretch.said) or term in subject_of(said, 0):
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


def swapped(said: Statement, stretch: Stretch) -> str:
    """The word that stands in the stretch where the claim has another one as its subject, or another drug; "" where none does."""
    mine = {term.root for term in said.content}
    drugs = [term for term in said.content if DRUG.match(term.word.casefold())]
    others = [t for t in stretch.said.content if DRUG.match(t.word.casefold()) and t.root not in mine]
    if others and any(not stands(term, said, stretch) for term in drugs):
        return others[0].word
    subject = {term.root for term in subject_of(said, 0)}
    counted = Counter(term.clause for term in stretch.said.content if term.root in mine - subject)
    if not subject or not counted:
        return ""
    own = {term.clause for term in stretch.said.content if term.root in subject}
    clause = max(counted, key=lambda each: (counted[each] + (each in own), -each))
    theirs = subject_of(stretch.said, clause)
    named = {term.root for term in theirs} | {term.root for term in stretch.said.of_clause(clause)}
    rivals = [term.word for term in theirs if term.root not in mine]
    return rivals[0] if rivals and subject - named else _beside(said, stretch)


def _beside(said: Statement, stretch: Stretch) -> str:
    """The subject of a part of the stretch that alone has a word of the claim, where the claim's subject is none of that part:
    "A does B and C does D" says nothing of A and D."""
    mine, subject = {term.root for term in said.content}, {term.root for term in subject_of(said, 0)}
    for clause in range(1, stretch.said.terms[-1].clause + 1 if stretch.said.terms else 0):
        inside = stretch.said.of_clause(clause)
        joined = inside[0].semicolon or inside[0].word.casefold() in _JOINS
        if not joined or any(term.root in subject for term in inside):
            continue
        outside = {term.root for term in stretch.said.terms if term.clause != clause}
        theirs = [term for term in subject_of(stretch.said, clause) if term.clause == clause and term.root not in mine]
        if theirs and subject & outside and any(t.specific and t.root in mine - outside for t in inside):
            return theirs[0].word
    return ""


def said_of_another(said: Statement, stretch: Stretch) -> str:
    """The claim's subject, where the stretch has another one and only the rest of its passage names the claim's."""
    own = [term for term in subject_of(said, 0) if term.root not in _SAMPLES]
    lead, theirs = next(iter(own), None), subject_of(stretch.said, 0)
    if lead is None or lead.root in stretch.said.roots or short(lead, said, stretch):
        return ""
    if not theirs:
        return lead.word if _qualified(said, stretch.said) else ""
    if lead.root in {term.root for term in theirs} or (_nameless(stretch.said) and lead.root in stretch.context):
        return ""
    before = {term.word.casefold() for term in said.terms[max(0, lead.place - 2) : lead.place]}
    return "" if before & _PREPOSITIONS else lead.word


def _nameless(said: Statement) -> bool:
    """Whether it begins with only "the disease" or "high-risk disease", which has the passage's name."""
    before = _before_name(said)
    return before is not None and all(word in _OF_RISK for word in before)


def _qualified(claim: Statement, said: Statement) -> bool:
    """Whether it begins with "early disease" or "another drug", of which the claim has no word."""
    mine = {term.word.casefold() for term in claim.terms}
    return any(word not in _OF_RISK | mine for word in _before_name(said) or ())


def _before_name(said: Statement) -> list[str] | None:
    """The words before a first "disease" or the like; None where it does not begin so."""
    head = [term.word.casefold() for term in said.terms[:4]]
    ends = next((n for n, word in enumerate(head) if word in _NAMELESS), None)
    return None if ends is None or any(is_verb(word) for word in head[:ends]) else head[:ends]


def subject_of(said: Statement, clause: int) -> list[Term]:
    """The specific words before a clause's first verb, or its first specific word; of the clause before it where it has none."""
    inside = said.of_clause(clause)
    place = next((n for n, term in enumerate(inside) if is_verb(term.word)), None)
    before = inside if place is None else inside[:place]
    if not any(term.specific for term in before):
        pronoun = any(term.word.casefold() in PRONOUNS for term in before)
        return [] if pronoun or clause == 0 else subject_of(said, clause - 1)
    specific = [term for term in before if term.specific]
    return specific[:1] if place is None else specific
