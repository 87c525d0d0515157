"""A sentence as what it says: its terms in their order, which of them are denied, in which clause each stands, its quantities.

Pure. Terms that mean the same share a root: forms of one word, British and American spellings, a small table of synonyms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from app.quantities import Quantity, quantities
from app.words import Word, is_common, is_stop, stem, words

# Each line: words of one meaning where medicine is written about. The first one's root stands for all.
_SYNONYMS = """
kidney renal
lack deficiency deficient
heart cardiac
lung pulmonary
adrenaline epinephrine
noradrenaline norepinephrine
salbutamol albuterol
paracetamol acetaminophen
rifampicin rifampin
child children pediatric paediatric
woman women
man men
lower reduce decrease diminish lessen reduction fall falls drop drops
raise increase elevate elevation rise rises
stop discontinue cease
start begin initiate commence
give given gave administer receive use used administration
take taken
check measure monitor measurement
cause causes produce provoke induce lead leads result
trigger precipitate
show shows indicate
contain hold
avoid contraindicated contraindication forbidden avoidance
usual typical common frequent often commonly frequently usually typically
rare uncommon infrequent rarely
week weekly
day daily
month monthly
hour hourly
surgery surgical operate operation operated
radiograph xray
sufficient enough
immediate immediately urgently
main chief leading major
drug medicine medication
treat treatment therapy treated
bleed bleeding haemorrhage
fever febrile pyrexia
itch pruritus
breathlessness dyspnoea
tiredness fatigue tired
require need necessary
continue goes
protect stabilise
severe serious
clot thrombus
duodenum duodenal
rectum rectal
brain cerebral
chest thoracic
abdomen abdominal
spine spinal
vein venous
vertebra vertebrae vertebral
uterus uterine
stomach gastric
skin cutaneous
pancreas pancreatic
inject injected injection
spasm bronchospasm
"""
_PHRASES = (
    (re.compile(r"\bcomputed tomography\b", re.IGNORECASE), "CT"),
    (re.compile(r"\bmagnetic resonance imaging\b", re.IGNORECASE), "MRI"),
    (re.compile(r"\bhigh blood pressure\b", re.IGNORECASE), "hypertension"),
    (re.compile(r"\bheart attack\b", re.IGNORECASE), "infarction"),
    (re.compile(r"\bnon-?steroidal anti-?inflammatory drugs?\b", re.IGNORECASE), "NSAID"),
    (re.compile(r"\bNSAIDs\b"), "NSAID"),
    (re.compile(r"\boperated on at once\b", re.IGNORECASE), "immediate surgery"),
    (re.compile(r"\bat once\b", re.IGNORECASE), "immediately"),
    (re.compile(r"\bfor life\b|\blifelong\b", re.IGNORECASE), "life long"),
)
_TAILS = ("atori", "ation", "ment", "anci", "enci", "anc", "enc", "ant", "ent", "ori", "iv", "ic", "al", "i", "e")
ROOT = 5  # characters that a root keeps at least when an ending is cut

DENIALS = frozenset({"not", "no", "without", "never", "cannot", "neither", "nor", "fail", "unabl"})
_SHUNNED = frozenset({"avoid", "withhold", "withheld", "unsaf", "useless", "ineffect"})
_OPENERS = frozenset(
    {
        "but",
        "whereas",
        "although",
        "though",
        "however",
        "because",
        "since",
        "so",
        "while",
        "unless",
        "except",
        "if",
        "when",
        "once",
    }
    | {"which", "who", "until", "rather", "instead"}
)
AUXILIARY = frozenset(
    {"must", "should", "may", "can", "could", "is", "are", "was", "were", "does", "do", "will", "might", "has", "have"}
)
_SHORT = re.compile(r"[A-Z]{3,6}s?\Z")
# Verbs by which a clause is told from a list: "A, B and C" is one, "A causes B, and C causes D" are two.
_VERBS = frozenset(
    {
        "affects",
        "affect",
        "allows",
        "appears",
        "attacks",
        "begins",
        "blocks",
        "block",
        "brings",
        "calls",
        "cause",
        "causes",
        "confirms",
    }
    | {
        "confirm",
        "comes",
        "contains",
        "decreases",
        "depends",
        "destroys",
        "develops",
        "drives",
        "excludes",
        "exclude",
        "finds",
        "find",
    }
    | {"follows", "follow", "forms", "form", "gets", "gives", "give", "grows", "happens", "helps", "help", "holds", "improves"}
    | {
        "includes",
        "include",
        "increases",
        "increase",
        "inhibits",
        "inhibit",
        "injures",
        "keeps",
        "lasts",
        "leads",
        "lead",
        "lies",
    }
    | {
        "lowers",
        "lower",
        "maintains",
        "maintain",
        "makes",
        "make",
        "means",
        "needs",
        "need",
        "occurs",
        "occur",
        "passes",
        "prevents",
    }
    | {"prevent", "produces", "produce", "prolongs", "protects", "protect", "raises", "raise", "reaches", "receives", "receive"}
    | {
        "reduces",
        "reduce",
        "relieves",
        "relieve",
        "removes",
        "remove",
        "requires",
        "require",
        "responds",
        "respond",
        "rises",
        "shows",
    }
    | {"show", "slows", "speaks", "spreads", "starts", "stays", "stimulates", "stops", "stop", "suggests", "suggest", "suppress"}
    | {
        "suppresses",
        "takes",
        "tells",
        "treats",
        "treat",
        "worsens",
        "works",
        "became",
        "becomes",
        "indicates",
        "indicate",
        "triggers",
    }
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

    def of_clause(self, clause: int) -> tuple[Term, ...]:
        return tuple(term for term in self.terms if term.clause == clause)


def statement(text: str) -> Statement:
    """What a sentence says."""
    for phrase, instead in _PHRASES:
        text = phrase.sub(instead, text)
    found = quantities(text)
    said = words(text)
    inside = _inside(said, found)
    kept = [word for word, quantity in zip(said, inside, strict=True) if quantity < 0]
    places = tuple(sum(word.start < quantity.start for word in kept) for quantity in found)
    return Statement(text, tuple(_denied(list(_terms(text, kept)))), tuple(found), places)


def is_verb(word: str) -> bool:
    """Whether a word is one of the verbs, or the auxiliaries, that part a clause's subject from what is said of it."""
    return word.casefold() in AUXILIARY or word.casefold() in _VERBS


def spelled_out(short: str, terms: Sequence[Term]) -> Sequence[Term]:
    """The terms in a row that a short form in capitals stands for, by their first letters; none where it is no short form."""
    if not _SHORT.match(short):
        return ()
    letters = short.removesuffix("s").casefold()
    at = "".join(term.word[0].casefold() for term in terms).find(letters)
    return terms[at : at + len(letters)] if at >= 0 else ()


def root_of(word: str) -> str:
    """What a word shares with its other forms and its synonyms."""
    return _root(word.casefold())


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
        joined = folded in ("and", "or") and (bool(ahead & AUXILIARY) or ("," in before and verbal))
        opens = (folded in _OPENERS or joined) and not (place and kept[place - 1].text.casefold() in _OPENERS)
        if place and (opens or _BREAK.search(before) or (subordinate and "," in before)):
            clause, verbal = clause + 1, False
        verbal = verbal or is_verb(word.text)
        subordinate = (folded in _OPENERS) if opens or (clause == 0 and place == 0) else subordinate and "," not in before
        content = not is_stop(word.stem) and not (before == "-" and folded == "free")
        root = root_of(word.text)
        specific = content and not is_common(word.stem) and not is_common(root)
        yield Term(place, word.text, root, clause, content, specific, hyphen=before == "-")


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
    return term.root in DENIALS or term.word.casefold().replace("’", "'").endswith("n't")


def _reach(denial: Term) -> int:
    """How many content words a denial covers: "without" the next three, "not" all the rest of its clause."""
    return 3 if denial.root in ("without", "no") else 99


def _freed(inside: Sequence[Term], place: int) -> bool:
    """Whether "-free" follows the term, as in "gluten-free"."""
    return place + 1 < len(inside) and inside[place + 1].hyphen and inside[place + 1].word.casefold() == "free"


@lru_cache(maxsize=20_000)
def _root(word: str) -> str:
    plain = _cut(stem(word))
    return _synonyms().get(plain, plain)


@lru_cache(maxsize=1)
def _synonyms() -> Mapping[str, str]:
    lines = [[_cut(stem(word)) for word in line.split()] for line in _SYNONYMS.strip().splitlines()]
    return {other: line[0] for line in reversed(lines) for other in line}


def _cut(stemmed: str) -> str:
    tail = next((t for t in _TAILS if stemmed.endswith(t) and len(stemmed) - len(t) >= ROOT), "")
    return stemmed.removesuffix(tail) if tail else stemmed
