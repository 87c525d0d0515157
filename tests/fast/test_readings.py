"""How a question's labels are asked and put together, on a scorer whose scores are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from app.eci import FloatArray, probabilities
from app.engine.base import LabelRequest
from app.engine.fake import FAKE_INFO
from app.readings import form_of, gathered, labels_of, read_scores, requests_for, score, system_of
from app.records import Question

FORM = form_of(FAKE_INFO)
LETTERED = Question(id="l", stem="Which?", options={"A": "one", "B": "two", "C": "three"}, key="C", system="renal", subject="x")
WORDED = Question(id="w", context="Text.", stem="So?", options={"no": "no", "maybe": "maybe", "yes": "yes"}, key="yes")


class Texts:
    """Scores a label by the text that stands at it, a worded one by its word; counts its calls."""

    def __init__(self) -> None:
        self.calls: list[Sequence[LabelRequest]] = []

    def __call__(self, requests: Sequence[LabelRequest]) -> list[FloatArray]:
        self.calls.append(requests)
        return [np.array([_likes(request, label) for label in request.labels]) for request in requests]


LIKES = {"one": 0.0, "two": 1.0, "three": 2.0, "yes": 0.5, "no": 1.5, "maybe": -1.0}


def _likes(request: LabelRequest, label: str) -> float:
    text = "".join(segment.text for segment in request.prompt)
    return LIKES.get(label) or LIKES[text.partition(f"\n{label}. ")[2].partition("\n")[0]] if len(label) == 1 else LIKES[label]


def test_worded_labels_have_the_order_of_the_class_however_they_are_listed() -> None:
    assert labels_of(WORDED) == ("yes", "no", "maybe")
    assert labels_of(LETTERED) == ("A", "B", "C")


def test_the_careful_mode_asks_each_cyclic_order_once_as_it_stands_first() -> None:
    fast, careful = (requests_for(FORM, LETTERED, mode) for mode in ("fast", "careful"))
    assert fast == careful[:1]
    assert len({request.prompt for request in careful}) == 3


@pytest.mark.parametrize("question", [LETTERED, WORDED])
def test_a_scorer_that_reads_texts_gives_the_same_choice_fast_and_careful(question: Question) -> None:
    (read,) = read_scores(Texts(), FORM, [question], careful=True)
    assert read.careful is not None
    assert probabilities(read.careful) == pytest.approx(probabilities(read.fast))
    best = {"l": "C", "w": "no"}[question.id]
    assert labels_of(question)[int(read.fast.argmax())] == best


def test_many_questions_are_one_call_and_fast_ones_have_no_careful_scores() -> None:
    scorer = Texts()
    read = read_scores(scorer, FORM, [LETTERED, WORDED])
    assert [len(call) for call in scorer.calls] == [2]
    assert [each.careful for each in read] == [None, None]


def test_scores_are_gathered_by_label_set_with_truth_and_system() -> None:
    questions = [LETTERED, WORDED, LETTERED.in_order([2, 0, 1])]
    told: list[int] = []
    lettered, worded = score(Texts(), FORM, questions, careful=True, tell=told.append)
    assert told == [3]
    assert (lettered.labels, worded.labels) == (("A", "B", "C"), ("yes", "no", "maybe"))
    assert lettered.truth.tolist() == [2, 0]
    assert lettered.fast.argmax(axis=1).tolist() == [2, 0]
    assert lettered.careful is not None
    assert lettered.careful.shape == (2, 3)
    assert lettered.systems == ("renal", "renal")
    assert worded.systems == ("questions on a text",)
    assert gathered([], []) == []


def test_a_question_without_a_system_counts_under_its_subject() -> None:
    assert system_of(Question(id="s", stem="?", options={"A": "1", "B": "2"}, key="A", subject="anatomy")) == "anatomy"
