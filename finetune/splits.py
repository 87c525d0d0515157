"""Disjoint parts of a set of rows, and few-shot rows. Pure: the same rows and seed give the same parts."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.errors import BadInput
from app.records import Question
from finetune.overlap import same_row, words_of
from finetune.rows import QuestionRow, Row

STRATA = ("key", "subject", "system", "step")


@dataclass(frozen=True)
class Part:
    """A part and how much of the rows it shall have: a number of rows, a share of all, or None for what the others leave."""

    name: str
    size: int | float | None


def parse_parts(text: str) -> tuple[Part, ...]:
    """``train=200,test=100`` or ``train=0.8,test=rest``.

    Raises:
        BadInput: a part cannot be understood.
    """
    parts = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*([A-Za-z][\w-]*)\s*=\s*(?:(\d+)|(0?\.\d+)|(rest))\s*", piece)
        if not match or (match[2] or match[3] or "rest").strip("0.") == "":
            raise BadInput(
                f"The part {piece.strip()!r} is not understood; expected name=rows, name=share or name=rest, as train=0.8."
            )
        parts.append(Part(match[1], int(match[2]) if match[2] else float(match[3]) if match[3] else None))
    names = Counter(part.name for part in parts)
    if names.most_common(1)[0][1] > 1:
        raise BadInput(f"The part {names.most_common(1)[0][0]!r} stands twice. Give every part a name of its own.")
    if sum(part.size is None for part in parts) > 1:
        raise BadInput("Two parts ask for the rest. Give one of them a number.")
    return tuple(parts)


def sizes(parts: Sequence[Part], count: int) -> dict[str, int]:
    """How many of ``count`` rows each part gets. Shares that make up all leave no row over.

    Raises:
        BadInput: the parts ask for more rows than there are, or one would be empty.
    """
    shares = [part.size for part in parts if isinstance(part.size, float)]
    last = parts[-1].name if len(shares) == len(parts) and abs(sum(shares) - 1) < 1e-9 else None
    wanted = {
        part.name: 0 if part.size is None else part.size if isinstance(part.size, int) else round(part.size * count)
        for part in parts
    }
    left = {part.name for part in parts if part.size is None or part.name == last}
    taken = sum(size for name, size in wanted.items() if name not in left)
    wanted |= dict.fromkeys(left, count - taken)
    if taken > count or min(wanted.values()) < 1:
        asked = ", ".join(f"{name}={size}" for name, size in wanted.items() if name not in left)
        raise BadInput(
            f"The parts {asked} do not fit {count} different rows with a row for each part. Ask for less, or give more data."
        )
    return wanted


@dataclass(frozen=True)
class Twin:
    """A row that says the same as another. With ``agree`` it is dropped alone; two keys for one question drop both."""

    kept: str
    dropped: str
    agree: bool

    def __str__(self) -> str:
        if self.agree:
            return f"{self.dropped} is the same as {self.kept} and is left out"
        return f"{self.dropped} and {self.kept} are the same question with different keys; both are left out"


def without_duplicates(rows: Sequence[Row]) -> tuple[list[Row], list[Twin]]:
    """One of equal rows (normalised: see `overlap`), by id, and the twins."""
    first: dict[Hashable, Row] = {}
    twins: list[Twin] = []
    for row in sorted(rows, key=lambda row: row.id):  # the same one whatever the order of the files
        kept = first.setdefault(same_row(row), row)
        if kept is not row:
            twins.append(Twin(kept.id, row.id, _key(kept) == _key(row)))
    unsure = {twin.kept for twin in twins if not twin.agree}
    return [row for row in first.values() if row.id not in unsure], twins


def _key(row: Row) -> list[str]:
    return words_of(row.question.options[row.question.key]) if isinstance(row, QuestionRow) else []


def split_rows(rows: Sequence[Row], parts: Sequence[Part], *, seed: int, stratify: str | None) -> dict[str, list[Row]]:
    """Disjoint parts, each in an order of its own chance. With ``stratify`` each part has every value of that field in the share
    that it has in all rows, but for a row or two.

    Raises:
        BadInput: the parts do not fit.
    """
    counts = sizes(parts, len(rows))
    chance = random.Random(seed)
    strata: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):  # the same parts whatever the order of the files
        strata[_stratum(row, stratify)].append(row)
    # Every stratum is spread evenly over the whole, so any stretch of it holds each stratum in its share.
    spread: list[tuple[float, float, Row]] = []
    for name in sorted(strata):
        members = strata[name]
        chance.shuffle(members)
        spread += [((place + chance.random()) / len(members), chance.random(), row) for place, row in enumerate(members)]
    ordered = [row for _, _, row in sorted(spread, key=lambda entry: entry[:2])]
    split: dict[str, list[Row]] = {}
    start = 0
    for part in parts:
        split[part.name] = ordered[start : start + counts[part.name]]
        start += counts[part.name]
        chance.shuffle(split[part.name])
    return split


def default_stratum(rows: Iterable[Row]) -> str | None:
    """The key for questions answered with words, whose shares differ (PubMedQA: 55 % yes); nothing else needs it."""
    return "key" if all(isinstance(row, QuestionRow) and row.question.worded for row in rows) else None


def _stratum(row: Row, field: str | None) -> str:
    if field is None or not isinstance(row, QuestionRow):
        return ""
    return str(getattr(row.question, field))


@dataclass(frozen=True)
class Shots:
    """Few-shot rows, and the ids of those whose step had too few questions, so that other steps helped out."""

    rows: tuple[QuestionRow, ...]
    mixed: tuple[str, ...]


def few_shot_rows(questions: Sequence[Question], pool: Sequence[Question], *, shots: int, seed: int, balance: bool) -> Shots:
    """Each question with ``shots`` examples out of the pool: never itself, never one with its stem, and answered in the same
    way (letters or words). Where its step is known they are of that step. ``balance`` takes the keys in turn.

    A question's examples depend on it, the pool and the seed, not on the other questions.

    Raises:
        BadInput: the pool has too few questions for one of them.
    """
    by_stem: dict[str, Question] = {}
    for one in sorted(pool, key=lambda one: one.id):
        by_stem.setdefault(_stem(one), one)  # twins in the pool would stand side by side
    by_way: dict[tuple[bool, str], list[Question]] = defaultdict(list)
    for one in by_stem.values():
        for step in {"", one.step}:
            by_way[one.worded, step].append(one)
    draw = _balanced if balance else _plain
    rows, mixed = [], []
    for question in questions:
        chance = random.Random(f"{seed}:{question.id}")
        twin = by_stem.get(_stem(question))
        barred = {question.id, twin.id if twin else question.id}
        fitting = [one for one in by_way[question.worded, question.step] if one.id not in barred]
        if len(fitting) < shots and question.step:
            fitting = [one for one in by_way[question.worded, ""] if one.id not in barred]
            mixed.append(question.id)
        if len(fitting) < shots:
            raise BadInput(
                f"The pool has {len(fitting)} questions that can stand before {question.id!r}; expected at least {shots}. "
                "Give --pool a larger file of the same kind."
            )
        rows.append(QuestionRow(question, tuple(draw(fitting, shots, chance))))
    return Shots(tuple(rows), tuple(mixed))


def _stem(question: Question) -> str:
    return " ".join(words_of(question.stem))


def _plain(pool: Sequence[Question], count: int, chance: random.Random) -> list[Question]:
    return chance.sample(pool, count)


def _balanced(pool: Sequence[Question], count: int, chance: random.Random) -> list[Question]:
    """Keys in turn, from a random one on; a key that has run out is passed over."""
    by_key: dict[str, list[Question]] = defaultdict(list)
    for one in pool:
        by_key[one.key].append(one)
    keys = sorted(by_key)
    chance.shuffle(keys)
    drawn: list[Question] = []
    while len(drawn) < count:
        for key in keys:
            if by_key[key] and len(drawn) < count:
                drawn.append(by_key[key].pop(chance.randrange(len(by_key[key]))))
    chance.shuffle(drawn)
    return drawn


def per_field(questions: Iterable[Question], field: Callable[[Question], str]) -> Mapping[str, int]:
    """How many questions have each value, for what a command prints."""
    return dict(sorted(Counter(field(one) or "unknown" for one in questions).items()))
