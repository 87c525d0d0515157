"""Overlap: a question that the model is judged on is found in the training data, in whatever dress it comes."""

from __future__ import annotations

import random
import time

import pytest

from app.records import Question
from finetune.overlap import COMMON, find_overlap, same_row, without_overlap
from finetune.rows import ChatRow, QuestionRow, Report, Row, Rows, TextRow

STEM = (
    "A gardener of 52 years comes with a red streak that climbs from a thorn prick on her thumb towards the elbow, "
    "with tender nodules along it. Which organism is it?"
)
NAMES = ("Sporothrix", "Candida", "Nocardia", "Aspergillus")
SHORT = "Which nerve makes the diaphragm move when we breathe?"  # 9 words
TINY = "Which nerve is cut?"
RUN = "a red streak that climbs from a thorn prick on her thumb towards the"  # 14 words


def question(stem: str, *options: str, name: str = "e1", context: str = "", key: str = "A") -> Question:
    return Question(id=name, stem=stem, options=dict(zip("ABCDE", options or NAMES, strict=False)), key=key, context=context)


def found(*train: Row, judged: Question) -> list[tuple[str, str]]:
    return [(overlap.train, overlap.kind) for overlap in find_overlap(train, [judged])]


@pytest.mark.parametrize(
    "dressed",
    [
        question(STEM, name="t"),
        question(STEM.upper().replace(",", " ;  ").replace("?", "??"), name="t"),
        question(STEM, *reversed(NAMES), name="t", key="D"),
        question(STEM, *(f" {name.lower()}." for name in NAMES), name="t"),
        question(STEM.replace(" ", "\u00a0"), name="t"),
    ],
    ids=["as it is", "case, punctuation, spaces", "options turned round", "options dressed", "hard spaces"],
)
def test_the_same_question_is_found_in_any_dress(dressed: Question) -> None:
    (overlap,) = find_overlap([QuestionRow(dressed)], [question(STEM)])
    assert (overlap.train, overlap.evaluation, overlap.kind, overlap.share) == ("t", "e1", "exact", 1.0)


def test_a_short_question_is_the_same_only_with_its_options() -> None:
    judged = question(TINY, "Ulnar", "Radial")
    assert found(QuestionRow(question(TINY, "Radial", "Ulnar", name="t")), judged=judged) == [("t", "exact")]
    assert found(QuestionRow(question(TINY, "Vagus", "Phrenic", name="t")), judged=judged) == []


def test_thirteen_words_in_a_row_are_found_and_twelve_are_not() -> None:
    words = RUN.split()
    thirteen, twelve = (TextRow(name, f"Once {' '.join(words[:count])} end.") for name, count in (("13", 13), ("12", 12)))
    assert found(thirteen, twelve, judged=question(STEM)) == [("13", "ngram")]


@pytest.mark.parametrize(
    "row",
    [
        QuestionRow(question(f"Later {RUN} shoulder?", "x", "y", name="t")),
        QuestionRow(question("Other?", f"It is {RUN} hip", "y", name="t")),
        QuestionRow(Question(id="t", stem="Other?", options={"A": "x", "B": "y"}, key="A", explanations={"A": RUN})),
        QuestionRow(question("Other?", "x", "y", name="t", context=RUN)),
        QuestionRow(question("Other?", "x", "y", name="t"), (question(STEM, name="shown"),)),
        ChatRow("t", (("user", f"I have {RUN} wrist."), ("assistant", "See a doctor."))),
        ChatRow("t", (("user", "Tell a case."), ("assistant", RUN.upper()))),
        TextRow("t", RUN),
        TextRow("t", "On skin.", title=RUN),
    ],
    ids=["stem", "option", "explanation", "context", "example", "asked in a chat", "said in a chat", "text", "title"],
)
def test_a_run_is_found_wherever_in_a_row_it_stands(row: Row) -> None:
    assert [name for name, _ in found(row, judged=question(STEM))] == ["t"]


def test_a_run_does_not_reach_from_one_text_into_the_next() -> None:
    halves = RUN.split()
    chat = ChatRow("t", (("user", " ".join(halves[:7])), ("assistant", " ".join(halves[7:]))))
    assert found(chat, judged=question(STEM)) == []


def test_a_context_is_judged_too() -> None:
    judged = question("Does it spread?", "yes", "no", context=RUN)
    assert found(TextRow("t", f"We saw {RUN} palm."), judged=judged) == [("t", "ngram")]


def test_of_eight_to_twelve_words_the_whole_stem_is_looked_for() -> None:
    judged = question(SHORT, "Phrenic", "Vagus")
    assert found(TextRow("t", f"Ask: {SHORT} The phrenic."), judged=judged) == [("t", "ngram")]
    assert found(TextRow("t", "Which nerve makes the diaphragm move when asleep?"), judged=judged) == []
    assert found(TextRow("t", "Which nerve is cut? None."), judged=question(TINY, "Ulnar", "Radial")) == []


def test_a_phrase_of_the_trade_is_no_overlap() -> None:
    phrase = "Which of the following is the most appropriate next step in the management of this patient"
    many: list[Row] = [TextRow(f"t{number}", f"Case {number}. {phrase}?") for number in range(COMMON + 1)]
    assert find_overlap(many, [question(f"She faints. {phrase}?")]) == ()
    assert len(find_overlap(many[:COMMON], [question(f"She faints. {phrase}?")])) == COMMON
    judged = [question(f"Case {number} faints. {phrase}?", name=f"e{number}") for number in range(COMMON + 1)]
    assert find_overlap(many[:1], judged) == ()


def test_the_share_tells_a_turn_of_phrase_from_the_same_question() -> None:
    near = QuestionRow(question(STEM.replace("52", "55"), *NAMES[:3], "Rhizopus", name="near"))
    turn = QuestionRow(question(f"He has {' '.join(RUN.split()[:13])} groin. What now?", "x", "y", name="turn"))
    shares = {overlap.train: overlap.share for overlap in find_overlap([near, turn], [question(STEM)])}
    assert shares["near"] > 0.7
    assert shares["turn"] < 0.5
    rows = Rows((near, turn), Report(2, 2))
    overlaps = find_overlap(rows.rows, [question(STEM)])
    assert [row.id for row in without_overlap(rows, overlaps, least_share=0.5).rows] == ["turn"]


def test_what_overlaps_is_dropped_and_reported_once_a_row() -> None:
    judged = [question(STEM), question(STEM, *NAMES[:3], name="e2")]
    rows = Rows((QuestionRow(question(STEM, name="t1")), TextRow("t2", "The spleen filters blood.")), Report(2, 2))
    clean = without_overlap(rows, find_overlap(rows.rows, judged))
    assert [row.id for row in clean.rows] == ["t2"]
    assert (clean.report.kept, dict(clean.report.counts)) == (1, {"overlap with evaluation": 1})
    assert clean.report.reasons[0].startswith("training row 't1' is the evaluation question 'e1': ")


def test_conversations_and_texts_are_equal_by_their_words() -> None:
    one, other = TextRow("a", "The spleen, it filters."), TextRow("b", "the spleen it FILTERS")
    assert same_row(one) == same_row(other) != same_row(TextRow("c", "The spleen"))


def test_ten_thousand_rows_against_five_thousand_questions_take_seconds() -> None:
    chance = random.Random(1)
    words = [f"w{number}" for number in range(5000)]

    def made(count: int, length: int) -> list[Question]:
        return [question(" ".join(chance.choices(words, k=length)), name=f"{count}-{place}") for place in range(count)]

    judged = made(5000, 60)
    train: list[Row] = [QuestionRow(one) for one in made(10_000, 60)]
    train[77] = QuestionRow(question(judged[4000].stem, *reversed(NAMES), name="hidden"))
    started = time.monotonic()
    overlaps = find_overlap(train, judged)
    assert [(overlap.train, overlap.kind) for overlap in overlaps] == [("hidden", "exact")]
    assert time.monotonic() - started < 60, "about 5 s on an idle core; a minute is quadratic work"
