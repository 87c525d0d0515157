"""A sentence as what it says: its terms in their order, which of them are denied, in which clause each stands, its quantities.

Pure. Terms that mean the same share a root (`app.roots`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from app.phrases import plain
from app.quantities import Quantity, quantities
from app.roots import root_of
from app.words import Word, is_common, is_stop, words

DENIALS = frozenset({"not", "no", "without", "never", "cannot", "neither", "nor", "fail", "unabl"})
_ANYONE = frozenset({"anyone", "everyone", "someone", "every", "another"})
_SCARCELY = frozenset({"hardly", "scarcely", "barely", "seldom", "doubt", "doubtful", "unlike", "unlikely", "myth"})
_SHUNNED = frozenset({"avoid", "withhold", "withheld", "unsaf", "useless", "ineffect"})
_OPENING = (
    "but whereas although though however because since so while unless except if when once which who until rather instead yet "
    "whether unlike"
)
AUXILIARY = frozenset(
    {"must", "should", "may", "can", "could", "is", "are", "was", "were", "does", "do", "will", "might", "has", "have"}
)
PRONOUNS = frozenset({"it", "its", "they", "their", "this", "these", "those", "such", "he", "she", "both", "all"})
_SHORT = re.compile(r"[A-Z]{3,6}s?\Z")
# Verbs by which a clause is told from a list: "A, B and C" is one, "A causes B, and C causes D" are two.
_ACTIONS = (
    "accelerates activate activates affect affects alleviates allows antagonises antagonizes appears attacks became becomes "
    "begins binds block blocks brings calls carries cause causes clears closes comes competes confirm confirms constricts "
    "contains converts corrects covers crosses cure cures damages decreases delays depends destroys develops dilates "
    "doubled doubles drains drives eases elevates eliminates exclude excludes find finds follow follows form forms gets "
    "give gives grows halved halves happens help helps holds improves include includes increase increases indicate "
    "indicates inhibit inhibits injures innervates interferes keeps kill kills lasts lead leads lengthens lies lower lowers "
    "maintain maintains make makes means mimics narrows need needs occur occurs opens passes potentiates precedes predicts "
    "prevent prevents produce produces prolongs promote promotes protect protects raise raises reaches receive receives "
    "reduce reduces reflects relieve relieves remove removes replaces require requires resembles respond responds restores "
    "reverse reverses rises shortens show shows slows spares speaks spreads starts stays stimulates stop stops suggest "
    "suggests supplies suppress suppresses takes tells treat treats triggers widens works worsens"
)
_BREAK = re.compile(r"[;:()—\n]|[.!?]\s|\s[–-]\s")


@dataclass(frozen=True)
class Term:
    """One word: its ``place`` among all words of the sentence, its ``clause`` from 0. ``content``: it says something;
    ``specific``: it is none of the words that every medical text holds; ``denied``: under a "not" or its like."""

    place: int
    word: str
    root: str
    clause: int
    content: bool
    specific: bool
    denied: bool = False
    hyphen: bool = False  # a hyphen joins it to the word before
    comma: bool = False  # a comma parts it from the word before
    semicolon: bool = False


@dataclass(frozen=True)
class Statement:
    """``quantities`` stand at the places of the words that they follow: ``places[i]`` for ``quantities[i]``."""

    text: str
    terms: tuple[Term, ...]
    quantities: tuple[Quantity, ...] = ()
    places: tuple[int, ...] = ()

    @cached_property
    def content(self) -> tuple[Term, ...]:
        return tuple(term for term in self.terms if term.content)

    @cached_property
    def roots(self) -> frozenset[str]:
        """Of all words, of words that a hyphen parts as one (life-long, lifelong), and of what quantities are counted on."""
        parted = zip(self.terms, self.terms[1:], strict=False)
        joined = {root_of(one.word + two.word) for one, two in parted if two.hyphen}
        counted = {root_of(quantity.per) for quantity in self.quantities if quantity.per}
        return frozenset(joined | counted | {term.root for term in self.terms})

    @cached_property
    def shorts(self) -> tuple[str, ...]:
        """The short forms in capitals, as COPD."""
        return tuple(term.word for term in self.terms if _SHORT.match(term.word))

    @cached_property
    def _initials(self) -> str:
        return "".join(term.word[0].casefold()[:1] for term in self.terms)

    def spelled_out(self, short: str) -> tuple[Term, ...]:
        """The terms in a row that a short form in capitals stands for, by their first letters; none where it is no short form."""
        if not _SHORT.match(short):
            return ()
        letters = short.removesuffix("s").casefold()
        at = self._initials.find(letters)
        return self.terms[at : at + len(letters)] if at >= 0 else ()

    def written(self, roots: Set[str]) -> str:
        """The first word with one of the roots, as it is written; "" for none."""
        return next((term.word for term in self.terms if term.root in roots), "")

    def of_clause(self, clause: int) -> tuple[Term, ...]:
        return tuple(term for term in self.terms if term.clause == clause)


def statement(text: str) -> Statement:
    """What a sentence says."""
    text = plain(text)
    found = quantities(text)
    said = words(text)
    inside = _inside(said, found)
    kept = [word for word, quantity in zip(said, inside, strict=True) if quantity < 0]
    places = tuple(sum(word.start < quantity.start for word in kept) for quantity in found)
    return Statement(text, tuple(_denied(list(_terms(text, kept)))), tuple(found), places)


@lru_cache(maxsize=8)
def listed(words: str) -> frozenset[str]:
    """The words of a list as it is written in these modules, parted by spaces."""
    return frozenset(words.split())


def is_verb(word: str) -> bool:
    """Whether a word is one of the verbs, or the auxiliaries, that part a clause's subject from what is said of it."""
    return word.casefold() in AUXILIARY or word.casefold() in listed(_ACTIONS)


def _inside(said: Sequence[Word], found: Sequence[Quantity]) -> list[int]:
    """For each word the quantity that it belongs to, -1 for none."""
    owners, at = [], 0
    for word in said:
        while at < len(found) and found[at].end <= word.start:
            at += 1
        owners.append(at if at < len(found) and found[at].start < word.end else -1)
    return owners


def _terms(text: str, kept: Sequence[Word]) -> Iterator[Term]:
    clause, subordinate, verbal = 0, False, False
    for place, word in enumerate(kept):
        before = text[kept[place - 1].end : word.start] if place else ""
        folded = word.text.casefold()
        ahead = {later.text.casefold() for later in kept[place + 1 : place + 3]}
        joined = folded in ("and", "or") and (bool(ahead & AUXILIARY) or (verbal and ("," in before or _acts(kept, place))))
        opens = (folded in listed(_OPENING) or joined) and not (place and kept[place - 1].text.casefold() in listed(_OPENING))
        if place and (opens or _BREAK.search(before) or (subordinate and "," in before)):
            clause, verbal = clause + 1, False
        verbal = verbal or is_verb(word.text)
        subordinate = (folded in listed(_OPENING)) if opens or (clause == 0 and place == 0) else subordinate and "," not in before
        content = not is_stop(word.stem) and folded not in _ANYONE and not (before == "-" and folded == "free")
        root = root_of(word.text)
        specific = content and not is_common(word.stem) and not is_common(root)
        yield Term(
            place, word.text, root, clause, content, specific, hyphen=before == "-", comma="," in before, semicolon=";" in before
        )


def _acts(kept: Sequence[Word], place: int) -> bool:
    """Whether behind an "and" another subject and its verb follow: "and flumazenil reverses"."""
    later = [word.text.casefold() for word in kept[place + 2 : place + 4]]
    return any(word in listed(_ACTIONS) and word.endswith("s") for word in later) and not is_verb(kept[place + 1].text)


def _denied(terms: list[Term]) -> Iterator[Term]:
    """The terms, each with whether it is denied: after a "not" in its clause, or anywhere in a clause that warns."""
    for clause in range(terms[-1].clause + 1 if terms else 0):
        inside = [term for term in terms if term.clause == clause]
        shunned = any(term.root in _SHUNNED for term in inside)
        denied, left = False, 0
        for place, term in enumerate(inside):
            if _denies(inside, place):
                denied, left = not denied, _reach(term)
            yield replace(term, denied=(denied and left > 0) != shunned or _freed(inside, place))
            left -= term.content


def _denies(inside: Sequence[Term], place: int) -> bool:
    term = inside[place]
    after = inside[place + 1].word.casefold() if place + 1 < len(inside) else ""
    if term.word.casefold() in ("not", "no") and after in ("only", "longer", "other", "sooner", "more", "less"):
        return False
    word = term.word.casefold()
    if word in _SCARCELY or (word == "little" and not (place and inside[place - 1].word.casefold() == "a")):
        return True
    return term.root in DENIALS or term.word.casefold().replace("’", "'").endswith("n't")


def _reach(denial: Term) -> int:
    """How many content words a denial covers: "without" the next three, "not" all the rest of its clause."""
    return 3 if denial.root in ("without", "no", "unlik") else 99


def _freed(inside: Sequence[Term], place: int) -> bool:
    """Whether "-free" follows the term, as in "gluten-free"."""
    return place + 1 < len(inside) and inside[place + 1].hyphen and inside[place + 1].word.casefold() == "free"
