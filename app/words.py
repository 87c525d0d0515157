"""The words of a text and their stems: what two texts share, in whatever form or spelling. The only home of snowballstemmer.

``stem`` folds case, takes British and American spellings alike (oedema, edema) and cuts endings by Snowball's rules of English.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from snowballstemmer.english_stemmer import EnglishStemmer  # type: ignore[import-untyped]

LONGEST = 64  # characters of a word that count; what is longer is no word of a language

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_BRITISH = (
    (re.compile(r"[ao]e"), "e"),
    (re.compile(r"our"), "or"),
    (re.compile(r"(?<=[a-z]{3})is(?=(?:e|es|ed|ing|ation|ations)$)"), "iz"),
    (re.compile(r"lys(?=(?:e|es|ed|ing)$)"), "lyz"),
)

# Words that carry no content. Negations are among them: whoever compares meaning looks at those apart.
_STOP = """
a about above after again all also am an and any are as at be because been before being below between both but by can cannot
could did do does doing don't down during each either else even ever few for from further get gets got had has have having he
her here hers him his how however i if in into is isn't it its itself just let many may me might more most much must my
neither no nor not of off on once one ones only or other others our ours out over own per please rather same shall she should
so some such than that the their theirs them then there therefore these they this those though through thus to too under until
up upon us very was wasn't we were what when where whether which while who whom whose why will with within without would yes
yet you your yours
"""
# Words that any medical text may hold: that one of them is missing says little.
_COMMON = """
able according act action active add additional address administer administered advice advise affect age aged aim allow alone
already although always amount appear appears apply approach appropriate around assess associated available avoid base based
become becomes begin beginning begun benefit best better body bring calls care case cases cause causes certain change changes
check checked choice choose clinical close combination combined come comes common commonly compare complete condition confirm
consider considered contain contains continue continued control count course day days decrease define depend despite detect
determine develop develops diagnose diagnosis diagnostic difference different direct disease diseases disorder doctor done
dose drug drugs due early easy effect effective effects end enough especially essential establish evaluate evaluation evidence
examination examine example exclude experience fact factor factors feature features feel find finding findings first follow
followed following form found frequent frequently full general generally give given giving go goes good great greater group
happen hand hard help helps high higher history hold holds hour hours important improve improvement include includes including
increase indicate indicates individual individuals initial initially instead involve involved keep kept key kind know known
large last late later lead leads least length less level levels life like likely limit line list little long look low lower
made main mainly major make makes manage management mean means measure measured measurement medical medication medications
medicine method mild minute minutes moderate month months monitor monitored monitoring mostly name named necessary need needed
needs never new next normal normally note number occur occurs offer often old onset option order overall part particular
particularly patient patients people percent period persist person persons place point possible potential practice prefer
preferred presence present prevent prevention primary problem process produce promote protect provide purpose put raise range
rapid rapidly rare rarely rate reach read reason receive recommend recommended reduce reduces reduction refer regular
regularly relate related remain remove repeat repeated replace report require required requires respond response rest result
results right rise risk role rule safe safely second see seen sense serious set several severe severity show shows sign
significant significantly signs similar since single situation slow slowly small sometimes soon source specific stage standard
start started starting state stay step still stop stopping study sudden sufficient suggest suitable support suspect symptom
symptoms system take taken takes taking target tell test tested testing tests therapy third thing think three time times
together total treat treated treating treatment treatments treats try turn two type types typical typically unit use used
useful user uses using usual usually value values various view way week weekly weeks well whole wide work worse worsen year
years young
"""


@dataclass(frozen=True)
class Word:
    """A word from ``start`` to ``end`` of its text. A hyphen parts two words."""

    start: int
    end: int
    text: str
    stem: str


def words(text: str) -> list[Word]:
    """All words of the text in their order, numbers among them."""
    return [Word(m.start(), m.end(), m.group(), stem(m.group())) for m in _WORD.finditer(text)]


def specific(text: str) -> list[Word]:
    """The words that say something of a topic: they carry content, and do not stand in medical texts of every topic."""
    return [word for word in words(text) if not is_stop(word.stem) and not is_common(word.stem)]


def stem(word: str) -> str:
    """The word's stem, folded; a word with digits in it is only folded."""
    return _stem(word[:LONGEST])


def is_stop(of: str) -> bool:
    """Whether a stem carries no content."""
    return of in _stems(_STOP)


def is_common(of: str) -> bool:
    """Whether a stem stands in medical texts of every topic."""
    return of in _stems(_COMMON)


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    folded = unicodedata.normalize("NFKD", word).casefold().replace("’", "'")
    plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    if not plain.isalpha() and "'" not in plain:
        return plain
    if plain.endswith("itis"):  # the inflammation of an organ is not the organ: hepatitis, hepatic
        return plain
    for british, american in _BRITISH:
        plain = british.sub(american, plain)
    return str(EnglishStemmer().stemWord(plain.removesuffix("'s")))


@lru_cache(maxsize=4)
def _stems(listed: str) -> frozenset[str]:
    return frozenset(stem(word) for word in listed.split())
