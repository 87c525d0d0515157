"""What sums of attempts say: score, time, trend, both sides' calibration, and the next block with its reason. Pure.

Every share stands with its 95 % interval (Wilson). The cost is that of the sums, however many attempts they were made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from app.measure import wilson
from app.questions import DIFFICULTIES, STEPS
from app.records import Confidence, Miss, Mode
from app.sessions import PACE, Asked, Selection
from app.tallies import BINS, Dimension, Sums, Tallies

NOT_NAMED = "not named"  # what the attempts are filed under that nobody filed
TREND_DAYS = 60
ENOUGH = 5  # answers in a system before its share says anything about the next block; due items that make a block
BLOCK = 10
DUE_BLOCK = 20
NAMED_MISSES = 3  # before their kind shapes the next block
BY = (Dimension.SYSTEM, Dimension.SUBJECT, Dimension.STEP, Dimension.CONFIDENCE, Dimension.DIFFICULTY)


@dataclass(frozen=True)
class Share:
    """``correct`` of ``n`` with its interval; the shares are None of nothing."""

    n: int
    correct: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Score:
    """``answered`` were right or wrong and ``omitted`` were left out; those count in the share as not right."""

    answered: int
    omitted: int
    of_all: Share


@dataclass(frozen=True)
class Time:
    """Seconds an item; ``over``: how many took longer than ``pace``. The median is exact to the second."""

    median: float | None
    mean: float | None
    over: int
    pace: float = PACE


@dataclass(frozen=True)
class Row:
    """``seconds`` is the mean: sums by name keep no distribution."""

    name: str
    of_all: Share
    seconds: float


@dataclass(frozen=True)
class Day:
    when: date
    of_all: Share


@dataclass(frozen=True)
class Point:
    """One place of a reliability chart: ``said``, the mean stated probability, against the share that was right. ``start`` and
    ``end`` bound the stated probabilities that it joins."""

    name: str
    said: float
    of_all: Share
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True)
class Judged:
    """How stated probabilities of one's own choice held, in one system."""

    name: str
    n: int
    brier: float
    said: float
    share: float


@dataclass(frozen=True)
class Learner:
    """``brier`` is the mean squared distance of the stated probability to the truth, 0 the best; ``base`` what always saying
    one's own share of right answers would get."""

    n: int
    brier: float | None
    base: float | None
    points: tuple[Point, ...]
    systems: tuple[Judged, ...]


@dataclass(frozen=True)
class Machine:
    """The same of a model's probability of its own choice. ``earned``: better than chance where it was measured."""

    name: str
    earned: bool
    sentence: str
    n: int
    brier: float
    points: tuple[Point, ...]
    systems: tuple[Judged, ...]

    def as_dict(self) -> dict[str, Any]:
        points = [{"from": point.start, "to": point.end, "said": point.said, **asdict(point.of_all)} for point in self.points]
        return {**asdict(self), "points": points}


@dataclass(frozen=True)
class Suggestion:
    title: str
    reason: str
    selection: Selection


@dataclass(frozen=True)
class Results:
    n: int
    score: Score
    time: Time
    by: Mapping[Dimension, tuple[Row, ...]]
    misses: tuple[tuple[str, int], ...]
    trend: tuple[Day, ...]
    learner: Learner
    model: Machine | None

    def as_dict(self) -> dict[str, Any]:
        """As the results page reads it, without title, lists and suggestion."""
        return {
            "n": self.n,
            "score": {**asdict(self.score.of_all), "omitted": self.score.omitted},
            "time": asdict(self.time),
            "by": {
                dimension.value: [{"name": row.name, **asdict(row.of_all), "seconds": row.seconds} for row in rows]
                for dimension, rows in self.by.items()
            },
            "miss": [{"name": name, "n": n} for name, n in self.misses],
            "trend": [
                {"label": f"{day.when:%d %b}".lstrip("0"), "when": day.when.isoformat(), **asdict(day.of_all)}
                for day in self.trend
            ],
            "learner": {
                "n": self.learner.n,
                "brier": self.learner.brier,
                "brier_base": self.learner.base,
                "points": [{"name": point.name, "said": point.said, **asdict(point.of_all)} for point in self.learner.points],
                "systems": [asdict(judged) for judged in self.learner.systems],
            },
            "model": self.model.as_dict() if self.model else None,
        }


def results(tallies: Tallies, *, omitted: int = 0) -> Results:
    """``omitted``: items of ended blocks without an answer, which no sum knows of."""
    seconds = dict(_named(tallies, Dimension.SECONDS))
    all_sums = _total(seconds.values())
    return Results(
        n=all_sums.n,
        score=Score(all_sums.n, omitted, _share(all_sums.correct, all_sums.n + omitted)),
        time=_time(seconds, all_sums),
        by={dimension: tuple(_rows(tallies, dimension)) for dimension in BY},
        misses=tuple((name or NOT_NAMED, sums.n) for name, sums in _named(tallies, Dimension.MISS)),
        trend=tuple(
            Day(date.fromisoformat(day), _share(sums.correct, sums.n))
            for day, sums in _named(tallies, Dimension.DAY)[-TREND_DAYS:]
        ),
        learner=_learner(tallies, all_sums),
        model=_machine(tallies),
    )


def suggest(tallies: Tallies, counts: Mapping[str, int]) -> Suggestion | None:
    """The next block with its reason, None where there is nothing to practise.

    Due items come first where they make a block; then the system whose interval ends lowest, in the mode that the learner's
    named misses ask for. ``counts``: how many items there are, by "total" and by the names of ``Asked``.
    """
    total, due = counts.get("total", 0), counts.get(Asked.DUE, 0)
    if not total:
        return None
    if due >= ENOUGH:
        chosen = Selection(count=min(due, DUE_BLOCK), statuses=(Asked.DUE,))
        return Suggestion("Due items", f"{due} items are due: recalled today, they stay longest.", chosen)
    answered = _total(sums for _, sums in _named(tallies, Dimension.SYSTEM)).n
    if not answered:
        chosen = Selection(count=min(BLOCK, total))
        reason = f"Nothing is answered yet: {chosen.count} mixed items, explained at once, show where you stand."
        return Suggestion("A first block", reason, chosen)
    mode, trains = _mode(tallies)
    weakest = _weakest(tallies)
    if weakest is None:
        unused = counts.get(Asked.UNUSED, 0)
        chosen = Selection(mode=mode, count=min(BLOCK, unused or total), statuses=(Asked.UNUSED,) if unused else ())
        left = f"{unused} items are unused" if unused else f"{answered} answers so far"
        return Suggestion("A mixed block", _reason(f"{left}, and no system stands out as weak.", trains), chosen)
    name, share = weakest
    chosen = Selection(mode=mode, count=min(BLOCK, total), systems=(name,))
    figures = f"{_capital(name)}: {_figures(share)}, the system that may be weakest."
    return Suggestion(_capital(name), _reason(figures, trains), chosen)


def _reason(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _weakest(tallies: Tallies) -> tuple[str, Share] | None:
    """The system with answers enough whose interval ends lowest, where that end is below 1."""
    known = [
        (name, _share(sums.correct, sums.n)) for name, sums in _named(tallies, Dimension.SYSTEM) if name and sums.n >= ENOUGH
    ]
    weakest = min(known, key=lambda pair: (pair[1].high or 0.0, pair[0]), default=None)
    return weakest if weakest and (weakest[1].high or 0.0) < 1 else None


def _mode(tallies: Tallies) -> tuple[Mode, str]:
    """How the next block is best worked through, and the sentence that says why, "" where no kind of miss leads."""
    misses = {Miss(name): sums.n for name, sums in _named(tallies, Dimension.MISS) if name}
    named = sum(misses.values())
    if named < NAMED_MISSES:
        return Mode.TUTOR, ""
    leading = max(Miss, key=lambda kind: misses.get(kind, 0))
    share = f"{misses[leading]} of your {named} named misses"
    return {
        Miss.KNOWLEDGE: (Mode.TUTOR, f"{share} were gaps in knowledge: tutor mode explains every option at once."),
        Miss.MISREAD: (Mode.TIMED, f"{share} were misreadings: a timed block trains reading."),
        Miss.REASONING: (Mode.TUTOR, f"{share} were slips of reasoning: tutor mode shows the steps, hint by hint."),
        Miss.TIME: (Mode.TIMED, f"{share} were for lack of time: a timed block trains the pace of {PACE:.0f} s an item."),
    }[leading]


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _figures(share: Share) -> str:
    """ "4 of 11 right (36 %, 15 to 65)"."""
    low, middle, high = (round(100 * (value or 0.0)) for value in (share.low, share.share, share.high))
    return f"{share.correct} of {share.n} right ({middle} %, {low} to {high})"


def _named(tallies: Tallies, dimension: Dimension) -> list[tuple[str, Sums]]:
    """The names with attempts, in the dimension's own order and then by name; the blank one last."""
    order = _order(dimension)

    def place(pair: tuple[str, Sums]) -> tuple[int, str]:
        name = pair[0]
        return (order.index(name) if name in order else len(order) + (not name)), name

    return sorted(((name, sums) for name, sums in tallies.get(dimension, {}).items() if sums.n > 0), key=place)


def _order(dimension: Dimension) -> Sequence[str]:
    match dimension:
        case Dimension.STEP:
            return STEPS
        case Dimension.DIFFICULTY:
            return DIFFICULTIES
        case Dimension.CONFIDENCE:
            return list(Confidence)
        case Dimension.MISS:
            return list(Miss)
    return ()


def _total(parts: Iterable[Sums]) -> Sums:
    total = Sums()
    for sums in parts:
        total = total.plus(sums)
    return total


def _share(correct: int, n: int) -> Share:
    if not n:
        return Share(0, 0, None, None, None)
    low, high = wilson(correct, n)
    return Share(n, correct, correct / n, low, high)


def _time(by_second: Mapping[str, Sums], total: Sums) -> Time:
    if not total.n:
        return Time(None, None, 0)
    counted = sorted((int(name), sums.n) for name, sums in by_second.items())
    middle = (_at(counted, (total.n - 1) // 2) + _at(counted, total.n // 2)) / 2
    return Time(middle, total.seconds / total.n, sum(n for second, n in counted if second > PACE))


def _at(counted: Sequence[tuple[int, int]], place: int) -> int:
    """The value at a place, from 0, of values in order that are given as (value, how often)."""
    for value, n in counted:
        place -= n
        if place < 0:
            return value
    raise ValueError("the place lies beyond the last value")


def _rows(tallies: Tallies, dimension: Dimension) -> Iterator[Row]:
    for name, sums in _named(tallies, dimension):
        yield Row(name or NOT_NAMED, _share(sums.correct, sums.n), sums.seconds / sums.n)


def _learner(tallies: Tallies, total: Sums) -> Learner:
    right = total.correct / total.n if total.n else None
    return Learner(
        n=total.n,
        brier=total.error / total.n if total.n else None,
        base=right * (1 - right) if right is not None else None,
        points=tuple(_point(name, sums) for name, sums in _named(tallies, Dimension.CONFIDENCE)),
        systems=tuple(_judged(name, sums) for name, sums in _named(tallies, Dimension.SYSTEM)),
    )


def _machine(tallies: Tallies) -> Machine | None:
    """Of the readings with earned skill those of the model that has most, else of those without."""
    kinds = [(name.endswith("/earned"), sums.n, name) for name, sums in _named(tallies, Dimension.MODEL)]
    if not kinds:
        return None
    earned, n, kind = max(kinds)
    sums = tallies[Dimension.MODEL][kind]
    name = kind.rpartition("/")[0]
    bins = [(int(place), found) for place, found in _of_kind(tallies, Dimension.MODEL_BIN, kind)]
    return Machine(
        name=name,
        earned=earned,
        sentence=_worth(name, earned, sums),
        n=n,
        brier=sums.error / n,
        points=tuple(_point("", found, place / BINS, (place + 1) / BINS) for place, found in sorted(bins)),
        systems=tuple(_judged(system, found) for system, found in _of_kind(tallies, Dimension.MODEL_SYSTEM, kind)),
    )


def _of_kind(tallies: Tallies, dimension: Dimension, kind: str) -> list[tuple[str, Sums]]:
    head = f"{kind}/"
    return [(name.removeprefix(head), sums) for name, sums in _named(tallies, dimension) if name.startswith(head)]


def _worth(name: str, earned: bool, sums: Sums) -> str:
    right = _figures(_share(sums.correct, sums.n))
    said = f"{name} was asked about {sums.n} of these items: {right}; it said {100 * sums.said / sums.n:.0f} % on average."
    if earned:
        return f"{said} It was measured to be better than chance in these systems."
    return f"{said} It was not measured to be better than chance here: do not go by its probabilities."


def _point(name: str, sums: Sums, start: float = 0.0, end: float = 1.0) -> Point:
    return Point(name, sums.said / sums.n, _share(sums.correct, sums.n), start, end)


def _judged(name: str, sums: Sums) -> Judged:
    return Judged(name or NOT_NAMED, sums.n, sums.error / sums.n, sums.said / sums.n, sums.correct / sums.n)
