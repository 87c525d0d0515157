"""What attempts add up to: each sum is what one would count by hand, in whatever order they came."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.records import Attempt, Confidence, Miss, ModelView, Topic
from app.tallies import SLOWEST, Dimension, Sums, tally
from tests.conftest import MORNING

views = st.builds(
    ModelView,
    model=st.sampled_from(["One", "Two"]),
    choice=st.sampled_from("ABC"),
    probability=st.floats(0.0, 1.0),
    key_probability=st.floats(0.0, 1.0),
    earned=st.booleans(),
)
attempts = st.builds(
    Attempt,
    question=st.text(min_size=1, max_size=3),
    chosen=st.sampled_from("ABC"),
    key=st.sampled_from("ABC"),
    confidence=st.sampled_from(Confidence),
    seconds=st.floats(0.0, 2000.0),
    when=st.integers(0, 5).map(lambda days: MORNING + timedelta(days=days)),
    options=st.integers(2, 10),
    topic=st.builds(Topic, system=st.sampled_from(["", "renal", "blood"]), step=st.sampled_from(["1", "3"])),
    miss=st.none() | st.sampled_from(Miss),
    model=st.none() | views,
)


def made(**changes: object) -> Attempt:
    values = {"question": "q", "chosen": "A", "key": "A", "confidence": Confidence.SURE, "seconds": 30.0, "when": MORNING}
    return Attempt(**{**values, **changes})  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.lists(attempts, max_size=20))
def test_every_dimension_counts_every_attempt_once(some: list[Attempt]) -> None:
    found = tally(some)
    for dimension in (Dimension.SYSTEM, Dimension.STEP, Dimension.CONFIDENCE, Dimension.DAY, Dimension.SECONDS):
        sums = found.get(dimension, {}).values()
        assert sum(each.n for each in sums) == len(some)
        assert sum(each.correct for each in sums) == sum(attempt.correct for attempt in some)
        assert sum(each.seconds for each in sums) == pytest.approx(sum(attempt.seconds for attempt in some))
    misses = found.get(Dimension.MISS, {})
    assert sum(each.n for each in misses.values()) == sum(not attempt.correct for attempt in some)
    read = [attempt for attempt in some if attempt.model]
    for dimension in (Dimension.MODEL, Dimension.MODEL_BIN, Dimension.MODEL_SYSTEM):
        assert sum(each.n for each in found.get(dimension, {}).values()) == len(read)


@settings(deadline=None)
@given(st.lists(attempts, max_size=12), st.randoms())
def test_the_order_in_which_attempts_come_changes_nothing(some: list[Attempt], random: object) -> None:
    mixed = list(some)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, two = tally(some), tally(mixed)
    assert {d: set(names) for d, names in one.items()} == {d: set(names) for d, names in two.items()}
    for dimension, names in one.items():
        for name, sums in names.items():
            assert vars(two[dimension][name]) == pytest.approx(vars(sums))


@settings(deadline=None)
@given(attempts)
def test_what_is_added_and_taken_back_leaves_nothing(attempt: Attempt) -> None:
    for names in tally([attempt]).values():
        for sums in names.values():
            assert sums.plus(sums, -1) == Sums()


@pytest.mark.parametrize(
    ("confidence", "options", "said"),
    [(Confidence.GUESS, 5, 0.2), (Confidence.GUESS, 2, 0.5), (Confidence.UNSURE, 5, 0.6), (Confidence.SURE, 5, 0.9)],
)
def test_the_learners_words_stand_for_probabilities_and_their_squared_distance_to_the_truth(
    confidence: Confidence, options: int, said: float
) -> None:
    right, wrong = (tally([made(confidence=confidence, options=options, chosen=chosen)]) for chosen in "AB")
    for found, truth in ((right, 1), (wrong, 0)):
        sums = found[Dimension.CONFIDENCE][confidence]
        assert (sums.said, sums.error) == (pytest.approx(said), pytest.approx((said - truth) ** 2))


def test_a_wrong_answer_is_filed_under_its_kind_of_miss_and_a_right_one_under_none() -> None:
    found = tally([made(), made(chosen="B"), made(chosen="B", miss=Miss.MISREAD)])[Dimension.MISS]
    assert {name: sums.n for name, sums in found.items()} == {"": 1, "misread": 1}


@pytest.mark.parametrize(("seconds", "name"), [(0.2, "0"), (89.6, "90"), (SLOWEST, "600"), (99_999.0, "600")])
def test_times_are_counted_by_the_second_up_to_ten_minutes(seconds: float, name: str) -> None:
    assert list(tally([made(seconds=seconds)])[Dimension.SECONDS]) == [name]


@pytest.mark.parametrize(("probability", "tenth"), [(0.0, 0), (0.0999, 0), (0.1, 1), (0.95, 9), (1.0, 9)])
def test_the_models_probability_is_filed_by_its_tenth_and_judged_by_its_own_choice(probability: float, tenth: int) -> None:
    view = ModelView("One", "B", probability, 0.1, True)
    found = tally([made(model=view, topic=Topic("renal"))])
    assert list(found[Dimension.MODEL_BIN]) == [f"One/earned/{tenth}"]
    sums = found[Dimension.MODEL_SYSTEM]["One/earned/renal"]
    assert (sums.n, sums.correct, sums.said, sums.error) == (1, 0, probability, probability**2)


def test_earned_and_unearned_readings_are_kept_apart() -> None:
    some = [made(model=ModelView("One", "A", 0.5, 0.5, earned)) for earned in (True, False, False)]
    assert {name: sums.n for name, sums in tally(some)[Dimension.MODEL].items()} == {"One/earned": 1, "One/unearned": 2}
