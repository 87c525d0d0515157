"""Which training rows hold what the model will be judged on. Pure: no files, no model.

Two questions are equal when stem and options are, without case, punctuation, spacing and the options' order. Beyond that the
runs of 13 words are compared, as GPT-3's contamination study did (Brown et al. 2020, appendix C): a run that an evaluation
question and a training row share is an overlap.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.records import Question
from app.rowfiles import Fault
from finetune.rows import ChatRow, QuestionRow, Row, Rows, TextRow

RUN = 13
# A piece of an evaluation question with fewer words than RUN is looked for as a whole, down to this many; below it, collisions
# are chance ("What is the most likely diagnosis") and only the equality of whole questions counts. The paper's least N is 8 too.
SHORTEST = 8
# A run in more rows than this, or in more evaluation questions, is a phrase of the trade ("which of the following is the most
# appropriate next step in the management of this patient") and tells nothing.
COMMON = 10
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Overlap:
    """``words``: the stem of equal questions, or the first run that both have, normalised.

    ``share`` of the evaluation question's words stand in shared runs: 1 for an equal one, near it for the same question in other
    words, a few hundredths where two vignettes only use the same turn of phrase.
    """

    train: str
    evaluation: str
    kind: Literal["exact", "ngram"]
    words: str
    share: float

    def __str__(self) -> str:
        how = "is" if self.kind == "exact" else f"shares {self.share:.0%} of the words of"
        return f"training row {self.train!r} {how} the evaluation question {self.evaluation!r}: {self.words!r:.160}"


def words_of(text: str) -> list[str]:
    """The words, letters and digits alone, without case."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def same_question(question: Question) -> tuple[str, tuple[str, ...]]:
    """Equal for two questions that are one: stem and options, normalised, the options in any order."""
    return " ".join(words_of(question.stem)), tuple(sorted(" ".join(words_of(text)) for text in question.options.values()))


def same_row(row: Row) -> tuple[str, tuple[str, ...]]:
    """``same_question`` for every kind of row: conversations and texts are equal by all of their words."""
    if isinstance(row, QuestionRow):
        return same_question(row.question)
    return " | ".join(" ".join(words_of(piece)) for piece in pieces(row)), ()


def pieces(row: Row) -> Iterator[str]:
    """The texts of a row. A run never reaches from one into the next."""
    match row:
        case QuestionRow(question, examples):
            for one in (question, *examples):
                yield from (one.context, one.stem, *one.options.values(), *one.explanations.values())
        case ChatRow(turns=turns):
            yield from (text for _, text in turns)
        case TextRow():
            yield row.passage


def _plain(rows: Sequence[Row]) -> Iterable[Row]:
    return rows


def find_overlap(
    train: Sequence[Row], evaluation: Sequence[Question], *, progress: Callable[[Sequence[Row]], Iterable[Row]] = _plain
) -> tuple[Overlap, ...]:
    """Every pair of a training row and an evaluation question that overlap, in the order of the training rows.

    The questions under test count with context, stem and options, without explanations. Few-shot examples of a training row
    count as part of it. Linear in the words of both: 10,000 rows against 5,000 questions take seconds.
    """
    equal: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for number, question in enumerate(evaluation):
        equal[same_question(question)].append(number)
    runs = _Runs(evaluation)
    exact: dict[tuple[int, int], str] = {}
    rows_of: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(progress(train)):
        for one in (row.question, *row.examples) if isinstance(row, QuestionRow) else ():
            exact |= {(place, number): same_question(one)[0] for number in equal.get(same_question(one), ())}
        for run in runs.found(row):
            rows_of[run].append(place)
    near: dict[tuple[int, int], list[str]] = defaultdict(list)
    for run, places in rows_of.items():
        if len(places) <= COMMON:
            for place in places:
                for number in runs.holders[run]:
                    near[place, number].append(run)
    return tuple(
        Overlap(train[place].id, evaluation[number].id, "exact", exact[place, number], 1.0)
        if (place, number) in exact
        else Overlap(
            train[place].id,
            evaluation[number].id,
            "ngram",
            near[place, number][0],
            _share(evaluation[number], set(near[place, number])),
        )
        for place, number in sorted(exact.keys() | near.keys())
    )


def _share(question: Question, shared: set[str]) -> float:
    """The share of a question's words that stand in ``shared`` runs or short pieces."""
    covered, total = 0, 0
    for piece in _asked(question):
        words = words_of(piece)
        total += len(words)
        if " ".join(words) in shared:
            covered += len(words)
        else:
            places = [place for place, run in enumerate(_runs(words, RUN)) if run in shared]
            covered += len({at for place in places for at in range(place, place + RUN)})
    return covered / total


def _asked(question: Question) -> tuple[str, ...]:
    return question.context, question.stem, *question.options.values()


class _Runs:
    """The runs of the evaluation questions, to be looked up in training rows. ``holders``: run -> the questions that have it."""

    def __init__(self, evaluation: Sequence[Question]) -> None:
        self.holders: dict[str, list[int]] = {}
        self._short: dict[str, set[str]] = defaultdict(set)  # first SHORTEST words -> whole short pieces
        holders: dict[str, set[int]] = defaultdict(set)
        for number, question in enumerate(evaluation):
            for piece in _asked(question):
                words = words_of(piece)
                if SHORTEST <= len(words) < RUN:
                    self._short[" ".join(words[:SHORTEST])].add(" ".join(words))
                    holders[" ".join(words)].add(number)
                for run in _runs(words, RUN):
                    holders[run].add(number)
        self.holders = {run: sorted(numbers) for run, numbers in holders.items() if len(numbers) <= COMMON}

    def found(self, row: Row) -> dict[str, None]:
        """The runs that a training row shares, each once, in its order."""
        shared: dict[str, None] = {}
        for piece in pieces(row):
            words = words_of(piece)
            shared |= {run: None for run in _runs(words, RUN) if run in self.holders}
            if self._short:
                shared |= {whole: None for whole in self._wholes(words) if whole in self.holders}
        return shared

    def _wholes(self, words: Sequence[str]) -> Iterator[str]:
        for place, head in enumerate(_runs(words, SHORTEST)):
            for whole in self._short.get(head, ()):
                if whole == " ".join(words[place : place + whole.count(" ") + 1]):
                    yield whole


def _runs(words: Sequence[str], length: int) -> Iterator[str]:
    return (" ".join(words[place : place + length]) for place in range(len(words) - length + 1))


def without_overlap(rows: Rows, overlaps: Sequence[Overlap], *, least_share: float = 0.0) -> Rows:
    """The rows that overlap with nothing, and the report with one reason for each row that was dropped.

    Vignettes of one school share phrases: of MedQA's 1,030 training questions 288 share a run with one of its 1,272 of the
    development set, 14 of them a fifth of its words. ``least_share`` keeps rows that share less; equal questions always go.
    """
    reasons: dict[str, str] = {}
    for overlap in overlaps:
        if overlap.share >= least_share:
            reasons.setdefault(overlap.train, f"{overlap}. It is left out of the training.")
    kept = tuple(row for row in rows.rows if row.id not in reasons)
    return Rows(kept, rows.report.adding(Fault.OVERLAP.value, tuple(reasons.values())))
