"""A question as what is looked for: words of content, each with others for it, and an FTS5 expression of them all. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.library.terms import Expansion, Terms
from app.topics import STOP_WORDS
from app.words import LONGEST, is_common, is_stop, stem

MOST_CHARACTERS = 20_000  # of a question that are read: one half from its beginning, one from its end
MOST_WANTED = 32  # words of a question that are looked for
COMMON_WEIGHT = 0.25  # of a word that stands in medical texts of every topic; another one weighs 1

_WORD = re.compile(r"[^\W_]+")
_JOINED = re.compile(r"([^\W\d_]+)-([^\W\d_]+)")  # "pre-eclampsia", which others write without the hyphen
_KIND = re.compile(r"[^\W\d_]{2,} [a-e]")  # further letters are seldom a kind: T waves, K for potassium
_PIECE = re.compile(r"[^\W\d_]|\d+")  # a letter or a number: it means something only beside a word, as in "hepatitis B"


@dataclass(frozen=True)
class Wanted:
    """A word of the question. ``texts``, any of which may stand for it, its own first, and the stems of each as ``phrases``;
    ``related``: stems of words that an answer may use; ``place``: the word's, among all words of the question."""

    place: int
    texts: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]
    related: frozenset[str]
    weight: float

    @property
    def names(self) -> bool:
        """Whether it names what the question is about, rather than what of it is asked."""
        return self.weight == 1 and not self.related

    @property
    def is_kind(self) -> bool:
        """Whether it is a name and a letter, as "hepatitis E", which another letter makes another thing."""
        return self.names and _KIND.fullmatch(self.texts[0]) is not None


@dataclass(frozen=True)
class Asked:
    """``expression``: any of the words, for FTS5; "" where nothing is wanted."""

    wanted: tuple[Wanted, ...]
    expansions: tuple[Expansion, ...] = ()

    @property
    def expression(self) -> str:
        return " OR ".join(f'"{text}"' for text in dict.fromkeys(text for one in self.wanted for text in one.texts))


def asked(question: str, terms: Terms) -> Asked:
    """Reads any text."""
    if len(question) > MOST_CHARACTERS:
        question = f"{question[: MOST_CHARACTERS // 2]} {question[-MOST_CHARACTERS // 2 :]}"
    tokens = [token for token in _WORD.finditer(question) if len(token.group()) <= LONGEST]
    expansions = terms.expand(question)
    others = [(one.start, one.end, other) for one in expansions for other in one.others]
    others += [(joined.start(), joined.end(), joined[1] + joined[2]) for joined in _JOINED.finditer(question)]
    wanted = {one.texts[0]: one for one in reversed(list(_wanted(tokens, others, terms)))}
    chosen = sorted(wanted.values(), key=lambda one: (-len(one.phrases) * one.weight, -len(one.texts[0])))[:MOST_WANTED]
    return Asked(tuple(sorted(chosen, key=lambda one: one.place)), expansions)


def _wanted(tokens: Sequence[re.Match[str]], instead: Sequence[tuple[int, int, str]], terms: Terms) -> Iterator[Wanted]:
    """``instead``: from where to where in the question which other text is as good."""
    for place, token in enumerate(tokens):
        others = tuple(other for start, end, other in instead if start <= token.start() < end)
        if _says_something(token.group()) or others:
            yield _one(place, token.group(), others, terms)
        elif _PIECE.fullmatch(token.group()) and (phrase := _with_neighbour(tokens, place)):
            yield _one(place, phrase, (), terms)


def _one(place: int, text: str, others: Sequence[str], terms: Terms) -> Wanted:
    texts = tuple(dict.fromkeys(_plain(each) for each in (text, *terms.spelled(text), *others)))
    related = frozenset(stem(word) for other in terms.related(text) for word in _WORD.findall(other))
    weight = COMMON_WEIGHT if is_common(stem(text)) else 1.0
    return Wanted(place, texts, tuple(tuple(stem(word) for word in each.split()) for each in texts), related, weight)


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _says_something(word: str) -> bool:
    folded = word.casefold()
    return len(word) > 1 and not word.isdecimal() and not STOP_WORDS.fullmatch(folded) and not is_stop(stem(folded))


def _with_neighbour(tokens: Sequence[re.Match[str]], place: int) -> str:
    """A letter or number with the word that it belongs to: the one before, or the one after, as in "5-HT3"; "" where there is
    none. "a" and "I" are words of the language unless they are written otherwise."""
    piece = tokens[place].group()
    if piece in ("a", "I"):
        return ""
    before = tokens[place - 1].group() if place else ""
    after = tokens[place + 1].group() if place + 1 < len(tokens) else ""
    if before and (_says_something(before) or before.isdecimal()):
        return f"{before} {piece}"
    if after and (_says_something(after) or after.isdecimal()):
        return f"{piece} {after}"
    return "" if before or after else piece
