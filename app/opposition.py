"""Whether a stretch of a passage says otherwise than a claim, or says it only under a condition. Pure, lexical.

Each check answers in words, or "" where it finds nothing. They are made to find too much rather than too little: what they find
keeps a claim from being called supported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app.quantities import Quantity, rival, same
from app.statements import AUXILIARY, Statement, Term, root_of, spelled_out

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
)
_PREFIXES = (("hyper", "hypo"), ("tachy", "brady"), ("intra", "extra"), ("macro", "micro"), ("poly", "oligo"))
# What one thing does to another: (root, whether the agent stands behind it).
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
_HEDGES = frozenset(
    {"may", "might", "could", "can", "possible", "possibly", "sometimes", "occasionally", "rarely", "some", "few"}
)
_HEDGED = _HEDGES | frozenset(
    {"risk", "potential", "potentially", "likely", "chance"}
)  # what keeps a claim from being stronger than these
_ABSOLUTES = frozenset({"all", "every", "always", "never", "only", "any", "each", "best", "first", "last", "most"})
_CONDITIONS = frozenset({"if", "unless", "except", "only", "when", "once", "where", "provided"})
_LIMITS = frozenset({"with", "without", "in", "among", "during"})
_GROUPS = (
    "child infant newborn neonate adult woman man elderly adolescent smoker pregnant mild moderate severe stable unstable acute "
    "chronic outpatient inpatient trimester female male young healthy"
)


def contradicts(claim: Statement, stretch: Statement) -> str:
    """How the stretch says the opposite of the claim, as "it has 'not'"; "" where it does not."""
    return _denial(claim, stretch) or _opposite(claim, stretch) or _turned(claim, stretch) or _other_number(claim, stretch)


def narrows(claim: Statement, stretch: Statement, known: frozenset[str]) -> str:
    """How the stretch says less than the claim, as "it says 'may'"; "" where it does not. ``known``: roots of what the passage is
    about, which a claim need not repeat."""
    said = _hedge(claim, stretch) or _absolute(claim, stretch) or _group(claim, stretch)
    return said or _condition(claim, stretch) or _attached(claim, stretch) or _added(claim, stretch, known)


def _denial(claim: Statement, stretch: Statement) -> str:
    """A term that both have is denied in one alone, and none is denied in both."""
    shared = {term.root for term in claim.content} & {term.root for term in stretch.content}
    here = {term.root for term in claim.content if term.denied and term.root in shared}
    there = {term.root for term in stretch.content if term.denied and term.root in shared}
    plain = {term.root for term in stretch.content if not term.denied}
    if here and not there:
        return f"this sentence denies '{_word(claim, here)}', it does not"
    if there - here - plain and not here & there:
        return f"it denies '{_word(stretch, there - here - plain)}', this sentence does not"
    return ""


def _opposite(claim: Statement, stretch: Statement) -> str:
    mine, theirs = claim.roots, stretch.roots
    for one, other in _roots(_PAIRS):
        for a, b in ((one, other), (other, one)):
            if a not in mine or b in mine or b not in theirs:
                continue
            if a not in theirs or _stands_by_other(claim, stretch, a, b):
                return f"it has '{_word(stretch, {b})}' where this has '{_word(claim, {a})}'"
    for term in claim.content:
        for one, other in _PREFIXES:
            for a, b in ((one, other), (other, one)):
                turned = b + term.word.casefold().removeprefix(a)
                if term.word.casefold().startswith(a) and term.root not in theirs and root_of(turned) in theirs:
                    return f"it has '{turned}' where this has '{term.word}'"
    return _crossed(claim, stretch)


def _crossed(claim: Statement, stretch: Statement) -> str:
    """Both sides of a pair stand in both texts, by other neighbours: high sodium and low potassium."""
    for a, b in _roots(_PAIRS):
        if (
            {a, b} <= claim.roots & stretch.roots
            and _stands_by_other(claim, stretch, a, b)
            and _stands_by_other(claim, stretch, b, a)
        ):
            return f"'{_word(claim, {a})}' and '{_word(claim, {b})}' are the other way round in it"
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
                    return f"'{_word(claim, first)}' and '{_word(claim, second)}' stand the other way round in it"
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
    for quantity, place in zip(claim.quantities, claim.places, strict=True):
        where = [p for q, p in zip(stretch.quantities, stretch.places, strict=True) if same(quantity, q)]
        rivals = [(q, p) for q, p in zip(stretch.quantities, stretch.places, strict=True) if _rivals(claim, stretch, quantity, q)]
        if rivals and not where:
            return f"it has '{rivals[0][0].text}' where this has '{quantity.text}'"
        if rivals and _by_another(claim, stretch, place, where, [p for _, p in rivals]):
            return f"'{quantity.text}' belongs to something else in it"
    return ""


def _rivals(claim: Statement, stretch: Statement, quantity: Quantity, other: Quantity) -> bool:
    known = any(same(mine, other) for mine in claim.quantities)
    bare = quantity.dimension == other.dimension == "" and not same(quantity, other)
    return not known and (rival(quantity, other) or bare)


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


def _carrying(claim: Statement, stretch: Statement) -> set[int]:
    """The clauses of the stretch in which the claim's words stand: the one with most of them, and those with two or more."""
    mine = {term.root for term in claim.content}
    counted = Counter(term.clause for term in stretch.content if term.root in mine)
    return {clause for clause, count in counted.items() if count >= 2} | {_main(claim, stretch)}


def _hedge(claim: Statement, stretch: Statement) -> str:
    if {t.word.casefold() for t in claim.terms} & _HEDGED:
        return ""
    carrying = _carrying(claim, stretch)
    hedge = next((t.word for t in stretch.terms if t.clause in carrying and t.word.casefold() in _HEDGES), "")
    return f"it says '{hedge}', which this leaves out" if hedge else ""


def _absolute(claim: Statement, stretch: Statement) -> str:
    added = next((t.word for t in claim.terms if t.word.casefold() in _ABSOLUTES and t.root not in stretch.roots), "")
    return f"it does not say '{added}'" if added else ""


def _group(claim: Statement, stretch: Statement) -> str:
    carrying, groups = _carrying(claim, stretch), {root_of(word) for word in _GROUPS.split()}
    short = {term for mine in claim.terms for term in spelled_out(mine.word, stretch.terms)}
    for term in stretch.terms:
        if term.clause in carrying and term.root in groups - claim.roots and term not in short:
            return f"it speaks of '{term.word}', which this leaves out"
    return ""


def _condition(claim: Statement, stretch: Statement) -> str:
    """The stretch says it only under a condition of which the claim has no word."""
    main = _main(claim, stretch)
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
    main = _main(claim, stretch)
    for place, term in enumerate(stretch.terms):
        if term.word.casefold() not in _LIMITS or term.clause != main or place == 0:
            continue
        under = _after(stretch, place)
        if any(t.specific and t.root not in claim.roots | known for t in under):
            return f"it says so '{term.word} {' '.join(t.word for t in under)}', which this leaves out"
    return ""


def _attached(claim: Statement, stretch: Statement) -> str:
    """A word of the claim has another "in …" or "with …" behind it in the stretch than in the claim."""
    for place, term in enumerate(claim.terms):
        word = term.word.casefold()
        before = [t for t in claim.terms[:place] if t.content]
        if word not in _LIMITS or not before or not _after(claim, place):
            continue
        for at, other in enumerate(stretch.terms):
            follows = [n for n in range(at, len(stretch.terms)) if stretch.terms[n].word.casefold() == word]
            under = _after(stretch, follows[0]) if other.root == before[-1].root and follows else []
            if any(t.specific and t.root not in claim.roots for t in under):
                return f"it has '{other.word} {word} {' '.join(t.word for t in under)}'"
    return ""


def _after(stretch: Statement, place: int) -> list[Term]:
    """The content words right behind a preposition, three at most: "signs" and "sepsis" of "without signs of sepsis"."""
    under: list[Term] = []
    for term in stretch.terms[place + 1 : place + 7]:
        ends = term.clause != stretch.terms[place].clause or (under and not term.content and term.word.casefold() != "of")
        if ends or term.word.casefold() in AUXILIARY:
            break
        under += [term] if term.content else []
    return under[:3]


def _main(claim: Statement, stretch: Statement) -> int:
    """The clause of the stretch that has most of the claim's words; -1 for none."""
    mine = {term.root for term in claim.content}
    counted = Counter(term.clause for term in stretch.content if term.root in mine)
    return counted.most_common(1)[0][0] if counted else -1


def _word(said: Statement, roots: set[str] | frozenset[str]) -> str:
    """The first word of the sentence with one of the roots, as it is written."""
    return next((term.word for term in said.terms if term.root in roots), "")


def _roots(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(root_of(one), root_of(other)) for one, other in pairs]
