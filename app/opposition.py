"""Whether a passage's sentence says otherwise than a claim: the opposite, other roles, another number. Pure, lexical.

Each check answers in words, or "" where it finds nothing. They are made to find too much rather than too little: what they find
keeps a claim from being called supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from app.quantities import bounds_clash, rival, same
from app.roots import root_of
from app.statements import Statement, Term

_PAIRS = (
    ("raise", "lower"),
    ("high", "low"),
    ("higher", "lower"),
    ("more", "less"),
    ("more", "fewer"),
    ("before", "after"),
    ("above", "below"),
    ("over", "under"),
    ("early", "late"),
    ("left", "right"),
    ("acute", "chronic"),
    ("common", "rare"),
    ("better", "worse"),
    ("improve", "worsen"),
    ("better", "worsen"),
    ("positive", "negative"),
    ("benign", "malignant"),
    ("mild", "severe"),
    ("adult", "child"),
    ("woman", "man"),
    ("female", "male"),
    ("elderly", "young"),
    ("present", "absent"),
    ("start", "stop"),
    ("inhibit", "stimulate"),
    ("block", "stimulate"),
    ("inhibit", "activate"),
    ("agonist", "antagonist"),
    ("narrow", "widen"),
    ("dilate", "constrict"),
    ("arterial", "venous"),
    ("oral", "intravenous"),
    ("always", "never"),
    ("safe", "dangerous"),
    ("safe", "contraindicated"),
    ("recommend", "contraindicated"),
    ("indicated", "contraindicated"),
    ("maximum", "minimum"),
    ("short", "long"),
    ("fast", "slow"),
    ("gain", "loss"),
    ("viral", "bacterial"),
    ("proximal", "distal"),
    ("anterior", "posterior"),
    ("systolic", "diastolic"),
    ("sensitive", "specific"),
    ("most", "least"),
    ("more", "equally"),
    ("less", "equally"),
    ("useful", "useless"),
    ("superior", "inferior"),
    ("superficial", "deep"),
    ("bilateral", "unilateral"),
    ("dominant", "recessive"),
)
_PREFIXES = (("hyper", "hypo"), ("tachy", "brady"), ("intra", "extra"), ("macro", "micro"), ("poly", "oligo"))
# What one thing does to another.
_ACTS = (
    "cause",
    "treat",
    "prevent",
    "lower",
    "raise",
    "inhibit",
    "block",
    "activate",
    "stimulate",
    "worsen",
    "replace",
    "precede",
)
_ORDERS = ("than", "before", "after", "to", "over")


def contradicts(claim: Statement, stretch: Statement) -> str:
    """How the stretch says the opposite of the claim, as "it has 'not'"; "" where it does not."""
    return _denial(claim, stretch) or _opposite(claim, stretch) or _turned(claim, stretch) or _other_number(claim, stretch)


def _denial(claim: Statement, stretch: Statement) -> str:
    """A term that both have is denied in one alone, and none is denied in both."""
    shared = {term.root for term in claim.content} & {term.root for term in stretch.content}
    here = {term.root for term in claim.content if term.denied and term.root in shared}
    there = {term.root for term in stretch.content if term.denied and term.root in shared}
    plain = {term.root for term in stretch.content if not term.denied}
    if here and not there:
        return f"this sentence denies '{claim.written(here)}', it does not"
    if there - here - plain and not here & there:
        return f"it denies '{stretch.written(there - here - plain)}', this sentence does not"
    return ""


def _opposite(claim: Statement, stretch: Statement) -> str:
    mine, theirs = claim.roots, stretch.roots
    for one, other in _opposites():
        for a, b in ((one, other), (other, one)):
            if a not in mine or b in mine or b not in theirs:
                continue
            if a not in theirs or _stands_by_other(claim, stretch, a, b):
                return f"it has '{stretch.written({b})}' where this has '{claim.written({a})}'"
    for term in claim.content:
        for one, other in _PREFIXES:
            for a, b in ((one, other), (other, one)):
                turned = b + term.word.casefold().removeprefix(a)
                if term.word.casefold().startswith(a) and term.root not in theirs and root_of(turned) in theirs:
                    return f"it has '{turned}' where this has '{term.word}'"
    return _crossed(claim, stretch)


def _crossed(claim: Statement, stretch: Statement) -> str:
    """Both sides of a pair stand in both texts, by other neighbours: high sodium and low potassium."""
    for a, b in _opposites():
        if (
            {a, b} <= claim.roots & stretch.roots
            and _stands_by_other(claim, stretch, a, b)
            and _stands_by_other(claim, stretch, b, a)
        ):
            return f"'{claim.written({a})}' and '{claim.written({b})}' are the other way round in it"
    return ""


def _stands_by_other(claim: Statement, stretch: Statement, a: str, b: str) -> bool:
    """Whether a neighbour of ``a`` in the claim is in the stretch nearer to ``b``, on the same side."""
    pair = [term for term in stretch.terms if term.root in (a, b)]
    for place, term in enumerate(claim.terms):
        if term.root != a:
            continue
        left = next((t for t in reversed(claim.terms[:place]) if t.content and t.root in stretch.roots), None)
        right = next((t for t in claim.terms[place + 1 :] if t.content and t.root in stretch.roots), None)
        for neighbour, side in ((left, 1), (right, -1)):
            found = [t for t in stretch.terms if neighbour and t.root == neighbour.root]
            near = [(abs(p.place - t.place), p.root) for t in found for p in pair if (p.place - t.place) * side > 0]
            if near and min(near)[1] == b:
                return True
    return False


def _turned(claim: Statement, stretch: Statement) -> str:
    """Who does it and whom it is done to stand the other way round."""
    for word in (*_ACTS, *_ORDERS):
        root = root_of(word)
        for agents, patients in _roles(claim, root):
            for others, targets in _roles(stretch, root):
                first = (_all(agents) - _all(patients)) & (_all(targets) - _all(others))
                second = (_all(patients) - _all(agents)) & (_all(others) - _all(targets))
                if first and second:
                    return f"'{claim.written(first)}' and '{claim.written(second)}' stand the other way round in it"
    return ""


def _roles(said: Statement, root: str) -> list[tuple[list[Term], list[Term]]]:
    """For each place of an act in a sentence: the terms of who acts and of what is acted on, in their order."""
    roles = []
    for place, term in enumerate(said.terms):
        if root not in (term.root, term.word.casefold()):
            continue
        before = [t for t in said.terms[:place] if t.specific]
        after = [t for t in said.terms[place + 1 :] if t.specific]
        passive = any(t.word.casefold() == "by" for t in said.terms[place + 1 : place + 3])
        passive |= root == root_of("treat") and any(t.word.casefold() == "with" for t in said.terms[place + 1 : place + 3])
        roles.append((after, before) if passive else (before, after))
    return roles


def _all(terms: Sequence[Term]) -> set[str]:
    return {term.root for term in terms}


def _other_number(claim: Statement, stretch: Statement) -> str:
    """A number of the claim is another one in the stretch, or stands there by another word."""
    stated = list(zip(stretch.quantities, stretch.places, strict=True))
    foreign = [(q, place) for q, place in stated if not any(same(mine, q) for mine in claim.quantities)]
    for quantity, place in zip(claim.quantities, claim.places, strict=True):
        where = [(q, p) for q, p in stated if same(quantity, q)]
        rivals = [(q, p) for q, p in foreign if rival(quantity, q) or quantity.dimension == q.dimension == ""]
        if where and all(bounds_clash(quantity, q) for q, _ in where):
            return f"it has '{where[0][0].text}' as another bound or change"
        if rivals and not where:
            return f"it has '{rivals[0][0].text}' where this has '{quantity.text}'"
        if rivals and _by_another(claim, stretch, place, [p for _, p in where], [p for _, p in rivals]):
            return f"'{quantity.text}' belongs to something else in it"
    return ""


def _by_another(claim: Statement, stretch: Statement, place: int, where: Sequence[int], rivals: Sequence[int]) -> bool:
    """Whether most of the claim's words around its number stand in the stretch nearer to another number."""
    around = sorted((t for t in claim.content if t.root in stretch.roots), key=lambda t: abs(t.place + 0.5 - place))[:4]
    votes = 0
    for term in around:
        spots = [t.place + 0.5 for t in stretch.terms if t.root == term.root]
        own = min(abs(spot - p) for spot in spots for p in where)
        other = min(abs(spot - p) for spot in spots for p in rivals)
        votes += (other < own) - (own < other)
    return votes > 0


@lru_cache(maxsize=1)
def _opposites() -> tuple[tuple[str, str], ...]:
    """The roots of the pairs."""
    return tuple((root_of(one), root_of(other)) for one, other in _PAIRS)
