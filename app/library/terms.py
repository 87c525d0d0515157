"""Other words for the words of a question (``assets/terms.toml``): abbreviations, names of drugs and diseases, spellings, and the
words that answers to such a question use."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import BadInput
from app.words import Word, words

TERMS = Path(__file__).parents[2] / "assets" / "terms.toml"
MOST_SHOUTED = 3  # words in capitals alone that may all be abbreviations; more of them are a sentence in capitals
UNITS = frozenset({"MG", "MM"})  # after a number they are no abbreviations of diseases

_WRITTEN = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_Tables = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Expansion:
    """What is ``written`` from ``start`` to ``end`` of a question, and what ``others`` write for it."""

    start: int
    end: int
    written: str
    others: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"{self.written} = {' or '.join(self.others)}"


class Terms:
    """The tables, ready to look words up. Immutable: any thread may ask."""

    def __init__(
        self,
        *,
        abbreviations: _Tables,
        small: Iterable[str] = (),
        names: Iterable[Sequence[str]] = (),
        spellings: Iterable[tuple[str, str]] = (),
        related: Iterable[Sequence[str]] = (),
    ) -> None:
        """``small``: abbreviations that are also understood in small letters. ``names`` and ``related``: groups of texts that
        stand for each other. ``spellings``: British and American letters within a word, ^ its beginning, $ its end."""
        self._abbreviations = {**abbreviations, **{name.lower(): abbreviations[name] for name in small}}
        self._names = _by_stems(names)
        self._related = _by_stems(related)
        self._longest = max(map(len, self._names), default=0)
        pairs = list(spellings)
        self._american = [_replacement(british, american) for british, american in pairs]
        self._british = [_replacement(american, british) for british, american in pairs]

    def expand(self, text: str) -> tuple[Expansion, ...]:
        """The abbreviations and names in a text, in its order, each once, with all that each may stand for."""
        found = sorted([*self._expanded_names(text), *self._expanded_abbreviations(text)], key=lambda one: one.start)
        return tuple({one.written: one for one in reversed(found)}.values())[::-1]

    def spelled(self, word: str) -> tuple[str, ...]:
        """The word as it may be spelled across the ocean, without itself."""
        lower = word.casefold()
        american = lower
        for find, put in self._american:
            american = find.sub(put, american)
        if american != lower:
            return (american,)
        return tuple(dict.fromkeys(other for find, put in self._british if (other := find.sub(put, lower)) != lower))

    def related(self, word: str) -> tuple[str, ...]:
        """Words that an answer may use where a question has this one."""
        return self._related.get(_stems(words(word)), ())

    def _expanded_names(self, text: str) -> Iterator[Expansion]:
        found, place = words(text), 0
        while place < len(found):
            for length in range(self._longest, 0, -1):
                some = found[place : place + length]
                others = self._names.get(_stems(some)) if len(some) == length else None
                if others:
                    yield Expansion(some[0].start, some[-1].end, text[some[0].start : some[-1].end], others)
                    place += length - 1
                    break
            place += 1

    def _expanded_abbreviations(self, text: str) -> Iterator[Expansion]:
        found = list(_WRITTEN.finditer(text))
        shouted = len(found) > MOST_SHOUTED and text.upper() == text
        for match in found:
            if match.group() in UNITS and text[: match.start()].rstrip()[-1:].isdecimal():
                continue
            for start, written in _whole_and_parts(match):
                sought = written.lower() if shouted else written
                others = self._abbreviations.get(sought) or self._abbreviations.get(sought.removesuffix("s"))
                if others:
                    yield Expansion(start, start + len(written), written, others)
                    if start == match.start() and len(written) == len(match.group()):
                        break


def read_terms(path: Path = TERMS) -> Terms:
    """The tables of a TOML file.

    Raises:
        BadInput: the file cannot be read or a table is not as it should be; the sentence names it.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"The terms {path} cannot be read ({error.strerror}). Restore them from the repository.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The terms {path} are not TOML ({error}). Correct them, or restore them from the repository.") from error
    try:
        abbreviations = {name: tuple(others) for name, others in content["abbreviations"].items()}
        drugs = [group for name, others in content["drugs"].items() for group in _drug_groups(name, others)]
        names = [*drugs, *((name, *others) for name, others in content["names"].items())]
        return Terms(
            abbreviations=abbreviations,
            small=content["small"]["abbreviations"],
            names=names,
            spellings=[(british, american) for british, american in content["spellings"]["pairs"]],
            related=content["related"]["groups"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"The terms {path.name} are not as expected ({type(error).__name__}: {error}). There are the tables abbreviations,"
            " small, drugs, names, spellings and related. Restore them from the repository."
        ) from error


def _drug_groups(name: str, others: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A group for each brand, so that one is not taken for another; brands begin with a capital."""
    same = (name, *(other for other in others if not other[:1].isupper()))
    yield same
    yield from ((*same, brand) for brand in others if brand[:1].isupper())


def _by_stems(groups: Iterable[Sequence[str]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Every text of a group, by its stems, -> the others of all groups that it is in."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for group in groups:
        for text in group:
            stems = _stems(words(text))
            others = (other for other in group if _stems(words(other)) != stems)
            found[stems] = tuple(dict.fromkeys((*found.get(stems, ()), *others)))
    return found


def _stems(found: Iterable[Word]) -> tuple[str, ...]:
    return tuple(word.stem for word in found)


def _whole_and_parts(match: re.Match[str]) -> Iterator[tuple[int, str]]:
    """A word and, where hyphens join it, its parts, each with its start."""
    yield match.start(), match.group()
    if "-" in match.group():
        yield from ((match.start() + part.start(), part.group()) for part in re.finditer(r"[^-]+", match.group()))


def _replacement(find: str, put: str) -> tuple[re.Pattern[str], str]:
    """The letters to find as a pattern, and those to put there."""
    edges = {"^": find.startswith("^") or put.startswith("^"), "$": find.endswith("$") or put.endswith("$")}
    return re.compile(("^" if edges["^"] else "") + re.escape(find.strip("^$")) + ("$" if edges["$"] else "")), put.strip("^$")
