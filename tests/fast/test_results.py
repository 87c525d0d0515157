"""The results page's figures: each is what a reader would count by hand, and the next block is named with its reason."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.measure import wilson
from app.records import Attempt, Confidence, Miss, Mode, ModelView, Topic
from app.results import NOT_NAMED, TREND_DAYS, Results, Share, Suggestion, results, suggest
from app.sessions import Asked, Selection
from app.tallies import Dimension, parts, tally

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
COUNTS = {"total": 132, "unused": 100, "due": 0}


def attempt(correct: bool = True, **changes: Any) -> Attempt:
    given = {"question": "x", "confidence": Confidence.SURE, "seconds": 60.0, "when": NOON, "topic": Topic("renal"), **changes}
    return Attempt(chosen="A" if correct else "B", key="A", **given)


def attempts(right: int, wrong: int, **changes: Any) -> list[Attempt]:
    return [attempt(place < right, **changes) for place in range(right + wrong)]


def of(*made: Attempt, omitted: int = 0) -> Results:
    return results(tally(made), omitted=omitted)


def suggested(*made: Attempt, **counts: int) -> Suggestion:
    found = suggest(tally(made), {**COUNTS, **counts})
    assert found is not None
    return found


def test_a_share_stands_with_its_wilson_interval() -> None:
    low, high = wilson(3, 4)
    assert of(*attempts(3, 1)).score.of_all == Share(4, 3, 0.75, low, high)


def test_omitted_items_count_against_the_score_and_nowhere_else() -> None:
    found = of(*attempts(3, 1), omitted=4)
    assert (found.n, found.score.answered, found.score.omitted) == (4, 4, 4)
    assert (found.score.of_all.n, found.score.of_all.share) == (8, 3 / 8)
    assert found.by[Dimension.SYSTEM][0].of_all.share == 3 / 4


def test_of_nothing_every_figure_is_blank_and_none_is_invented() -> None:
    found = of().as_dict()
    assert found["score"] == {"n": 0, "correct": 0, "share": None, "low": None, "high": None, "omitted": 0}
    assert found["time"] == {"median": None, "mean": None, "over": 0, "pace": 90.0}
    assert found["learner"] == {"n": 0, "brier": None, "brier_base": None, "points": [], "systems": []}
    assert (found["model"], found["trend"], found["miss"], found["by"]["system"]) == (None, [], [], [])


def test_a_session_of_omitted_items_alone_scores_nought() -> None:
    assert of(omitted=5).score.of_all.share == 0


@settings(deadline=None)
@given(st.lists(st.floats(0, 600), min_size=1, max_size=40))
def test_the_median_time_is_exact_to_the_second(times: list[float]) -> None:
    time = of(*(attempt(seconds=seconds) for seconds in times)).time
    assert time.median == statistics.median(round(seconds) for seconds in times)
    assert time.mean == pytest.approx(statistics.mean(times))
    assert time.over == sum(round(seconds) > 90 for seconds in times)


def test_very_long_times_count_in_the_mean_as_they_were() -> None:
    time = of(attempt(seconds=30), attempt(seconds=5000)).time
    assert (time.median, time.mean, time.over) == (315, 2515, 1)


def test_rows_stand_in_the_order_that_people_expect() -> None:
    made = [
        attempt(topic=Topic("skin", "surgery", "3", "hard"), confidence=Confidence.SURE),
        attempt(topic=Topic("blood", "anatomy", "1", "easy"), confidence=Confidence.GUESS),
        attempt(topic=Topic("", "", "2 CK", "medium"), confidence=Confidence.UNSURE),
    ]
    rows = {dimension: [row.name for row in rows] for dimension, rows in of(*made).by.items()}
    assert rows == {
        Dimension.SYSTEM: ["blood", "skin", NOT_NAMED],
        Dimension.SUBJECT: ["anatomy", "surgery", NOT_NAMED],
        Dimension.STEP: ["1", "2 CK", "3"],
        Dimension.CONFIDENCE: ["guess", "unsure", "sure"],
        Dimension.DIFFICULTY: ["easy", "medium", "hard"],
    }


def test_misses_are_counted_by_what_the_learner_called_them() -> None:
    made = [attempt(False, miss=Miss.TIME), attempt(False), attempt(False, miss=Miss.KNOWLEDGE), attempt(False, miss=Miss.TIME)]
    assert of(*made, attempt()).misses == (("knowledge", 1), ("time", 2), (NOT_NAMED, 1))


def test_the_trend_has_a_point_for_each_of_the_last_days_with_answers() -> None:
    made = [attempt(day % 2 == 0, when=NOON + timedelta(days=2 * day)) for day in range(TREND_DAYS + 5)]
    trend = of(*made).trend
    assert len(trend) == TREND_DAYS
    assert (trend[0].when, trend[-1].when) == (made[5].when.date(), made[-1].when.date())
    assert [day.of_all.correct for day in trend[:3]] == [0, 1, 0]
    assert of(attempt()).as_dict()["trend"][0] | {"low": 0, "high": 1} == {
        "label": "4 Mar",
        "when": "2026-03-04",
        "n": 1,
        "correct": 1,
        "share": 1.0,
        "low": 0,
        "high": 1,
    }


def test_the_learners_brier_is_the_mean_squared_distance_of_what_was_said_to_the_truth() -> None:
    made = [
        attempt(),
        attempt(False),
        attempt(confidence=Confidence.UNSURE),
        attempt(False, confidence=Confidence.GUESS, options=4),
    ]
    learner = of(*made).learner
    assert learner.brier == pytest.approx((0.1**2 + 0.9**2 + 0.4**2 + 0.25**2) / 4)
    assert learner.base == 0.25  # of always saying 50 %
    assert [(point.name, point.said, point.of_all.share) for point in learner.points] == [
        ("guess", 0.25, 0),
        ("unsure", 0.6, 1),
        ("sure", 0.9, 0.5),
    ]


def test_the_learner_is_judged_in_every_system_alone() -> None:
    made = [*attempts(2, 0), *attempts(0, 2, topic=Topic("skin"))]
    assert [(judged.name, judged.n, judged.share, round(judged.brier, 2)) for judged in of(*made).learner.systems] == [
        ("renal", 2, 1, 0.01),
        ("skin", 2, 0, 0.81),
    ]


def read(choice: str, probability: float, *, earned: bool, model: str = "some/model", **changes: Any) -> Attempt:
    return attempt(model=ModelView(model, choice, probability, 0.1, earned), **changes)


def test_the_models_probability_is_held_against_the_truth_in_tenths() -> None:
    made = [read("A", 0.72, earned=True), read("B", 0.78, earned=True), read("A", 1.0, earned=True), attempt()]
    model = of(*made).model
    assert model is not None
    assert (model.name, model.earned, model.n) == ("some/model", True, 3)
    assert model.brier == pytest.approx((0.28**2 + 0.78**2 + 0) / 3)
    assert [(point.start, point.end, point.of_all.n, point.of_all.share) for point in model.points] == [
        (0.7, 0.8, 2, 0.5),
        (0.9, 1.0, 1, 1),
    ]
    assert model.points[0].said == pytest.approx(0.75)
    assert [judged.name for judged in model.systems] == ["renal"]
    asked = "some/model was asked about 3 of these items: 2 of 3 right (67 %, 21 to 94); it said 83 % on average."
    assert model.sentence.startswith(asked)


def test_readings_with_earned_skill_are_told_and_the_others_only_where_there_is_none() -> None:
    poor = [read("A", 0.9, earned=False) for _ in range(5)]
    good, other = read("A", 0.9, earned=True), read("A", 0.9, earned=True, model="other")
    for made, told in (
        ([*poor], ("some/model", False, 5)),
        ([*poor, good], ("some/model", True, 1)),
        ([good, other, other], ("other", True, 2)),
    ):
        model = of(*made).model
        assert model is not None
        assert (model.name, model.earned, model.n) == told
    assert "not measured to be better than chance" in of(*poor).as_dict()["model"]["sentence"]


def test_everything_goes_through_json() -> None:
    made = [read("A", 0.9, earned=True), attempt(False, miss=Miss.TIME)]
    found = json.loads(json.dumps(of(*made).as_dict(), allow_nan=False))
    assert set(found) == {"n", "score", "time", "by", "miss", "trend", "learner", "model"}
    assert set(found["by"]) == {"system", "subject", "step", "confidence", "difficulty"}
    assert set(found["by"]["system"][0]) == {"name", "n", "correct", "share", "low", "high", "seconds"}
    assert set(found["learner"]["points"][0]) == {"name", "said", "n", "correct", "share", "low", "high"}
    assert set(found["model"]["points"][0]) == {"from", "to", "said", "n", "correct", "share", "low", "high"}
    assert set(found["model"]["systems"][0]) == {"name", "n", "brier", "said", "share"}


def test_what_was_taken_back_is_gone() -> None:
    sums: dict[Dimension, dict[str, Any]] = {dimension: dict(names) for dimension, names in tally(attempts(1, 1)).items()}
    for dimension, name, part in parts(attempt(False)):
        sums[dimension][name] = sums[dimension][name].plus(part, -1)
    assert (results(sums).misses, results(sums).by, results(sums).score) == ((), of(attempt()).by, of(attempt()).score)


def test_without_an_answer_a_mixed_block_is_suggested() -> None:
    found = suggested()
    assert found.selection == Selection(mode=Mode.TUTOR, count=10)
    assert found.reason == "Nothing is answered yet: 10 mixed items, explained at once, show where you stand."
    assert suggested(total=3).selection.count == 3
    assert suggest({}, {"total": 0}) is None


def test_due_items_come_first_where_they_make_a_block() -> None:
    weak = attempts(0, 9)
    found = suggested(*weak, due=9)
    assert (found.selection, found.reason[:16]) == (Selection(count=9, statuses=(Asked.DUE,)), "9 items are due:")
    assert suggested(*weak, due=90).selection.count == 20
    assert suggested(*weak, due=4).selection.systems == ("renal",)


def test_the_system_whose_interval_ends_lowest_is_suggested_with_its_figures() -> None:
    made = [*attempts(4, 7, topic=Topic("cardiovascular")), *attempts(2, 3), *attempts(0, 4, topic=Topic("skin"))]
    found = suggested(*made)  # skin has too few answers; renal's interval, of 5, ends higher
    assert found.title == "Cardiovascular"
    assert found.selection == Selection(mode=Mode.TUTOR, count=10, systems=("cardiovascular",))
    assert found.reason == "Cardiovascular: 4 of 11 right (36 %, 15 to 65), the system that may be weakest."


@pytest.mark.parametrize(
    ("miss", "mode", "word"),
    [
        (Miss.KNOWLEDGE, Mode.TUTOR, "gaps in knowledge"),
        (Miss.MISREAD, Mode.TIMED, "trains reading"),
        (Miss.REASONING, Mode.TUTOR, "slips of reasoning"),
        (Miss.TIME, Mode.TIMED, "pace of 90 s"),
    ],
)
def test_the_kind_of_miss_shapes_the_block(miss: Miss, mode: Mode, word: str) -> None:
    others = [replace(each, miss=Miss(other)) for other in Miss if other is not miss for each in attempts(0, 1)]
    found = suggested(*attempts(0, 4, miss=miss), *others)
    assert (found.selection.mode, found.selection.systems) == (mode, ("renal",))
    assert "4 of your 7 named misses were" in found.reason
    assert word in found.reason


def test_two_named_misses_shape_nothing() -> None:
    assert suggested(*attempts(0, 5), *attempts(0, 2, miss=Miss.TIME)).selection.mode is Mode.TUTOR


def test_where_no_system_is_weak_what_is_unused_comes_next() -> None:
    found = suggested(*attempts(5, 0), attempt(False, topic=Topic("")))
    assert found.selection == Selection(count=10, statuses=(Asked.UNUSED,))
    assert "100 items are unused" in found.reason
    assert suggested(*attempts(5, 0), unused=0).selection == Selection(count=10)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["", "renal", "skin"]), st.sampled_from([None, *Miss])), max_size=30))
def test_the_same_sums_in_any_order_give_the_same_suggestion(drawn: list[tuple[bool, str, Miss | None]]) -> None:
    made = [attempt(right, topic=Topic(system), miss=miss) for right, system, miss in drawn]
    assert suggest(tally(made), COUNTS) == suggest(tally(made[::-1]), COUNTS)
