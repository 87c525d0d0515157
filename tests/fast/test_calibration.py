"""Calibration never makes a model worse, conformal sets cover what they say, and the record of both survives its file."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calibration import (
    MIN_CONFORMAL_ROWS,
    MIN_SCALE,
    STRENGTHS,
    Calibration,
    EciRecord,
    Threshold,
    conformal_set,
    conformal_threshold,
    fit_calibration,
    log_scores,
    read,
)
from app.eci import ANSWER_SET_MASS, answer_set, cyclic_orders, mean_over_orders, probabilities

LETTERS = ("A", "B", "C", "D")
FAVOUR = np.array([1.0, 0.3, -0.3, -1.0])


def identity(labels: tuple[str, ...] = LETTERS, n: int = 400) -> Calibration:
    return Calibration(labels, "fast", 1.0, (0.0,) * len(labels), n, "held-out MedQA")


# Simulated models: the truth is drawn from softmax(scores), then the scores are spoiled


def calibrated(draw: np.random.Generator, n: int, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    scores = spread * draw.normal(size=(n, 4))
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return scores, np.minimum((shares.cumsum(axis=1) < draw.random((n, 1))).sum(axis=1), 3)


def expert(draw: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated, and right on nine questions of ten."""
    return calibrated(draw, n, spread=7.0)


def overconfident(draw: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    scores, truth = calibrated(draw, n)
    return 3 * scores, truth


def underconfident(draw: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    scores, truth = calibrated(draw, n)
    return scores / 3, truth


def favouring(draw: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    scores, truth = calibrated(draw, n)
    return scores + 1.5 * FAVOUR, truth


def guessing(draw: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    return 1.5 * draw.normal(size=(n, 4)) + FAVOUR, draw.integers(0, 4, n)


def loss(shares: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(shares[np.arange(len(truth)), truth]).mean())


@functools.cache
def losses(model: Any, n: int) -> np.ndarray:
    """Held-out NLL, shape (samples, 2): with a calibration fitted on n rows, and without."""
    found = []
    for seed in range(16):
        draw = np.random.default_rng([seed, n])
        fitted = fit_calibration(*model(draw, n), LETTERS, "fast", "simulation")
        scores, truth = model(draw, 2000)
        found.append((loss(fitted.probabilities(scores), truth), loss(identity().probabilities(scores), truth)))
    return np.array(found)


# Fitting


@pytest.mark.parametrize("n", [25, 100, 400])
@pytest.mark.parametrize("model", [calibrated, expert, overconfident, underconfident, favouring, guessing])
def test_a_calibration_never_costs_more_than_one_percent_of_held_out_nll(model: Any, n: int) -> None:
    """In the mean over samples. In no one of these 16 is it over a quarter on 25 rows, or a tenth on more; one sample in some
    hundreds of 25 rows is worse than that, by chance."""
    found = losses(model, n)
    with_it, without = found.mean(axis=0)
    assert with_it <= 1.01 * without
    assert (found[:, 0] <= (1.25 if n == 25 else 1.1) * found[:, 1]).all()


@pytest.mark.parametrize(
    ("model", "n", "gain"),
    [
        (guessing, 25, 0.25),
        (guessing, 400, 0.35),
        (overconfident, 25, 0.10),
        (overconfident, 400, 0.30),
        (underconfident, 100, 0.05),
        (underconfident, 400, 0.12),
        (favouring, 25, 0.05),
        (favouring, 400, 0.25),
    ],
)
def test_where_a_model_is_miscalibrated_its_calibration_gains(model: Any, n: int, gain: float) -> None:
    with_it, without = losses(model, n).mean(axis=0)
    assert with_it <= (1 - gain) * without


def test_a_model_without_skill_is_flattened_to_the_frequencies_of_the_labels() -> None:
    draw = np.random.default_rng(3)
    scores = 4 * draw.normal(size=(2000, 3))
    truth = draw.choice(3, size=2000, p=[0.55, 0.35, 0.10])
    fitted = fit_calibration(scores, truth, ("yes", "no", "maybe"), "fast", "simulation")
    assert fitted.scale < 0.05
    assert fitted.probabilities(np.zeros(3)) == pytest.approx([0.55, 0.35, 0.10], abs=0.03)


def test_enough_rows_find_the_scale_and_the_favour_for_letters() -> None:
    scores, truth = calibrated(np.random.default_rng(4), 6000)
    fitted = fit_calibration(3 * scores + FAVOUR, truth, LETTERS, "fast", "simulation")
    assert fitted.scale == pytest.approx(1 / 3, abs=0.03)
    assert np.array(fitted.bias) == pytest.approx(-FAVOUR / 3, abs=0.1)


def test_what_is_fitted_is_the_minimum_of_the_penalised_loss() -> None:
    """Against a loss written out here, at points around what was found: likelihood, and pseudo-rows as the model stands."""
    draw = np.random.default_rng(5)
    for model in (overconfident, favouring, guessing):
        scores, truth = model(draw, 200)
        fitted = fit_calibration(scores, truth, LETTERS, "fast", "simulation")
        start = identity().probabilities(scores)

        def penalised(scale: float, bias: np.ndarray, strength: float, of: Any = (scores, truth, start)) -> float:
            shares = Calibration(LETTERS, "fast", scale, tuple(bias), 1, "x").probabilities(of[0])
            pseudo = -(of[2] * np.log(shares)).sum(axis=1).mean()
            return len(shares) * loss(shares, of[1]) + strength * float(pseudo)

        bias = np.array(fitted.bias)
        steps = 0.02 * draw.normal(size=(40, 5))
        assert any(
            all(
                penalised(max(fitted.scale + step[0], MIN_SCALE), bias + step[1:], strength)
                > penalised(fitted.scale, bias, strength) - 1e-4
                for step in steps
            )
            for strength in STRENGTHS
        )


def test_too_few_rows_leave_the_scores_as_they_are() -> None:
    scores, truth = guessing(np.random.default_rng(6), 19)
    fitted = fit_calibration(100 * scores, truth, LETTERS, "fast", "a handful")
    assert fitted.is_identity
    assert fitted.word == "uncalibrated (19 rows of a handful called for no change)"


def test_rows_that_the_model_gets_all_right_do_not_make_it_surer() -> None:
    draw = np.random.default_rng(7)
    truth = draw.integers(0, 4, 25)
    scores = 3 * np.eye(4)[truth] + 0.1 * draw.normal(size=(25, 4))
    assert fit_calibration(scores, truth, LETTERS, "fast", "simulation").scale < 1.5


def test_careful_scores_of_letters_are_never_biased_so_turning_the_options_turns_the_answer() -> None:
    draw = np.random.default_rng(8)
    scores, _ = overconfident(draw, 300)
    truth = np.where(draw.random(300) < 0.5, 2, scores.argmax(axis=1))  # an exam with half its keys at C
    fitted = fit_calibration(scores, truth, LETTERS, "careful", "simulation")
    assert fitted.bias == (0, 0, 0, 0)
    assert fitted.scale < 0.9
    texts = np.array([0.4, 2.0, -1.0, 0.0])
    shares, turned = (
        fitted.probabilities(log_scores(mean_over_orders([at[order] + FAVOUR for order in cyclic_orders(4)])))
        for at in (texts, np.roll(texts, 1))
    )
    assert turned == pytest.approx(np.roll(shares, 1))
    words = fit_calibration(scores, truth, ("yes", "no", "maybe", "never"), "careful", "simulation")
    assert words.bias[2] > 0.2, "words mean something, and a favour for one can be wrong in every order"


def test_a_question_without_a_label_gives_it_nothing() -> None:
    scores, truth = overconfident(np.random.default_rng(9), 300)
    scores[(truth < 3) & (np.arange(300) % 2 == 0), 3] = -math.inf
    fitted = fit_calibration(scores, truth, LETTERS, "fast", "simulation")
    shares = fitted.probabilities(scores)
    assert (shares[np.isneginf(scores)] == 0).all()
    assert shares.sum(axis=1) == pytest.approx(np.ones(300))
    assert fitted.probabilities([0.5, 0.1, 0.2, -math.inf])[:3] == pytest.approx(fitted.probabilities([0.5, 0.1, 0.2]))


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3, 9e5])
def test_scores_of_any_size_can_be_fitted(size: float) -> None:
    scores, truth = calibrated(np.random.default_rng(10), 100)
    fitted = fit_calibration(np.clip(size * scores, -9e5, 9e5), truth, LETTERS, "fast", "simulation")
    assert fitted.scale >= MIN_SCALE
    assert np.isfinite(fitted.probabilities(scores)).all()


@pytest.mark.parametrize("truth", [np.zeros(40, dtype=int), np.arange(40) % 2], ids=["one label", "two labels"])
def test_labels_that_never_are_true_keep_a_probability(truth: np.ndarray) -> None:
    scores = np.random.default_rng(11).normal(size=(40, 4))
    assert (fit_calibration(scores, truth, LETTERS, "fast", "simulation").probabilities(scores) > 0.001).all()


def test_the_same_rows_give_the_same_calibration() -> None:
    scores, truth = overconfident(np.random.default_rng(12), 100)
    assert fit_calibration(scores, truth, LETTERS, "fast", "x") == fit_calibration(scores.tolist(), truth, LETTERS, "fast", "x")


def test_a_fit_takes_less_than_50_ms_of_the_processor() -> None:
    scores, truth = overconfident(np.random.default_rng(13), 400)
    taken = []
    for _ in range(5):
        before = time.thread_time()
        fit_calibration(scores, truth, LETTERS, "fast", "simulation")
        taken.append(time.thread_time() - before)
    assert min(taken) < 0.05


@pytest.mark.parametrize(
    ("scores", "truth", "match"),
    [
        (np.zeros((3, 3)), [0, 1, 2], r"expected \(n, 4\)"),
        (np.zeros((0, 4)), np.zeros(0, dtype=int), "n is 0"),
        (np.zeros((2, 4)), [0], r"truth has shape \(1,\)"),
        (np.zeros((2, 4)), [0.0, 1.0], "of integers"),
        (np.zeros((2, 4)), [0, 4], "truth runs from 0 to 4"),
        (np.full((1, 4), math.nan), [0], "scores hold"),
        (np.array([[1e7, 0, 0, 0]]), [0], "scores hold"),
        (np.full((1, 4), -math.inf), [0], "without any label"),
        (np.array([[0, 0, 0, -math.inf]]), [3], "truth of row 0 is label 3"),
    ],
)
def test_rows_that_cannot_be_fitted_are_refused(scores: Any, truth: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        fit_calibration(scores, truth, LETTERS, "fast", "simulation")


# Conformal sets


@pytest.mark.parametrize("model", [calibrated, overconfident, guessing])
@pytest.mark.parametrize("level", [0.8, 0.9])
def test_sets_cover_what_they_say_however_wrong_the_probabilities_are(model: Any, level: float) -> None:
    covered = []
    for seed in range(40):
        draw = np.random.default_rng(seed)
        scores, truth = model(draw, 300)
        shares = identity().probabilities(scores)
        cut = conformal_threshold(shares[np.arange(100), truth[:100]], level, labels=LETTERS, mode="fast", name="simulation")
        covered.append(np.mean([key in conformal_set(row, cut) for row, key in zip(shares[100:], truth[100:], strict=True)]))
    error = np.std(covered, ddof=1) / math.sqrt(len(covered))
    assert np.mean(covered) >= level - 3 * error
    assert np.mean(covered) <= level + 1 / 101 + 3 * error, "and not by being needlessly large"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_of_the_rows_that_it_was_fitted_on_a_threshold_keeps_the_share_of_its_rank(truths: list[float], level: float) -> None:
    cut = conformal_threshold(truths, level, labels=LETTERS, mode="fast", name="x")
    kept = sum(1 - share <= cut.value for share in truths)
    assert kept >= min(len(truths), math.ceil((len(truths) + 1) * level - 1e-9))
    assert (cut.level, cut.n) == (level, len(truths))


def test_the_quantile_is_the_finite_sample_one() -> None:
    shares = np.arange(1, 20) / 20  # scores 0.05 ... 0.95, and (19 + 1) * 0.9 = 18 exactly
    assert conformal_threshold(shares, 0.9, labels=LETTERS, mode="fast", name="x").value == pytest.approx(0.90)
    assert conformal_threshold(shares, 0.95, labels=LETTERS, mode="fast", name="x").value == pytest.approx(0.95)
    assert conformal_threshold(shares, 0.96, labels=LETTERS, mode="fast", name="x").value == 1


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=8), st.floats(0, 1))
def test_a_set_holds_the_most_probable_labels_and_is_never_empty(scores: list[float], value: float) -> None:
    shares = probabilities(scores)
    chosen = conformal_set(shares, Threshold(LETTERS, "fast", 0.9, value, 200, "x"))
    assert 1 <= len(chosen) == len(set(chosen))
    assert list(chosen) == sorted(chosen, key=lambda label: (-shares[label], label))
    assert set(range(len(shares))) - set(chosen) == {label for label in range(len(shares)) if label not in chosen}
    assert all(shares[label] <= shares[chosen[-1]] for label in range(len(shares)) if label not in chosen)


@pytest.mark.parametrize("shares", [[], [1.2], [math.nan], [[0.5]]])
def test_a_threshold_of_what_are_no_probabilities_is_refused(shares: Any) -> None:
    with pytest.raises(ValueError, match="probabilities_of_truth"):
        conformal_threshold(shares, labels=LETTERS, mode="fast", name="x")


# Reading one question

SCORES = [2.0, 0.1, 0.0, -3.0]


def threshold(n: int = MIN_CONFORMAL_ROWS, value: float = 0.5) -> Threshold:
    return Threshold(LETTERS, "fast", 0.9, value, n, "held-out MedQA")


def test_without_a_calibration_a_reading_is_the_softmax_marked_uncalibrated() -> None:
    found = read(SCORES)
    assert found.probabilities == pytest.approx(probabilities(SCORES))
    assert found.answer_set == answer_set(probabilities(SCORES), ANSWER_SET_MASS)
    assert (found.coverage, found.calibration, found.abstains) == (None, "uncalibrated", False)


def test_a_calibrated_reading_names_its_data_and_its_rows() -> None:
    fitted = Calibration(LETTERS, "fast", 0.5, (0.0, 0.2, 0.0, -0.2), 60, "held-out MedQA")
    found = read(SCORES, fitted)
    assert found.probabilities == pytest.approx(probabilities(0.5 * np.array(SCORES) + np.array(fitted.bias)))
    assert found.calibration == "calibrated on held-out MedQA (n = 60)"
    assert read(SCORES[:3], fitted).probabilities == pytest.approx(probabilities([1.0, 0.25, 0.0]))


def test_coverage_is_claimed_from_a_hundred_rows_on_and_for_questions_with_just_its_labels() -> None:
    with_claim = read(SCORES, identity(), threshold())
    assert (with_claim.coverage, with_claim.answer_set) == (0.9, (0,))
    for scores, cut in ((SCORES, threshold(n=99)), (SCORES[:3], threshold())):
        found = read(scores, identity(), cut)
        assert found.coverage is None
        assert found.answer_set == answer_set(found.probabilities)


def test_a_reading_that_rules_nothing_out_abstains() -> None:
    assert read([0.0, 0.1, 0.0, 0.1]).abstains
    assert read(SCORES, identity(), threshold(value=1.0)).abstains
    assert not read([3.0]).abstains, "a question with one option has nothing to rule out"


def test_a_threshold_without_its_calibration_is_refused() -> None:
    other = dataclasses.replace(identity(), mode="careful")
    for calibration in (None, other):
        with pytest.raises(ValueError, match="expected the calibration of the same"):
            read(SCORES, calibration, threshold())


@pytest.mark.parametrize("scores", [[], [[1.0, 2.0]], [math.nan], [1.0] * 5, [1.0, -math.inf]])
def test_scores_that_cannot_be_read_are_refused(scores: Any) -> None:
    with pytest.raises(ValueError, match="scores"):
        read(scores, identity())


def test_careful_scores_of_vanished_options_stay_finite() -> None:
    assert np.isfinite(log_scores(np.array([1.0, 0.0]))).all()
    assert read(log_scores(np.array([0.7, 0.2, 0.1]))).probabilities == pytest.approx([0.7, 0.2, 0.1])


# The record


def a_record() -> EciRecord:
    words = ("yes", "no", "maybe")
    return EciRecord(
        labels=(*LETTERS, *words),
        token_ids=(11, 12, 13, 14, 21, 22, 23),
        prompt_digest="5f" * 32,
        calibrations=(identity(), Calibration(words, "careful", 0.1 + 0.2, (1e-17, -1 / 3, 2.5), 80, "PubMedQA")),
        thresholds=(threshold(),),
        skill={"MedQA": {"accuracy": 1 / 3, "n": 400, "auroc_error": None}},
    )


def test_a_record_comes_back_from_its_file_to_the_last_bit() -> None:
    record = a_record()
    assert EciRecord.from_json(record.to_json()) == record
    assert "\n" not in record.to_json()
    assert json.loads(record.to_json())["version"] == 1


@given(st.floats(MIN_SCALE, 1e9), st.lists(st.floats(-1e9, 1e9), min_size=4, max_size=4), st.text(min_size=1))
def test_floats_and_names_of_any_kind_come_back(scale: float, bias: list[float], name: str) -> None:
    fitted = Calibration(LETTERS, "fast", scale, tuple(bias), 50, name)
    record = dataclasses.replace(a_record(), calibrations=(fitted,), skill={name: {name: scale}})
    assert EciRecord.from_json(record.to_json()) == record


def test_a_record_finds_what_it_has_for_a_question() -> None:
    record = a_record()
    assert record.calibration(LETTERS, "fast") == identity()
    assert record.threshold(list(LETTERS), "fast") == threshold()
    assert record.calibration(LETTERS[:3], "fast") is None
    assert record.threshold(LETTERS, "careful") is None


def spoiled(path: str, value: Any) -> str:
    """The record's JSON with one value set, or removed where it is Ellipsis."""
    row = json.loads(a_record().to_json())
    *way, last = path.split("/")
    place = row
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    if value is ...:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return json.dumps(row)


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("version", 2, "version 2; this application reads version 1"),
        ("version", ..., "version None"),
        ("version", True, "version is True"),
        ("labels", ..., "the ECI record has the fields"),
        ("more", 1, "the ECI record has the fields"),
        ("labels", "ABCD", "the ECI record.labels is 'ABCD'"),
        ("labels/0", "B", "different word"),
        ("labels/0", 1, r"labels\[0\] is 1"),
        ("token_ids/0", 12, "token_ids"),
        ("token_ids/0", -1, "token_ids"),
        ("token_ids/0", 1.5, r"token_ids\[0\] is 1.5"),
        ("token_ids", [1, 2], "expected 7 different ones"),
        ("prompt_digest", "", "prompt_digest is empty"),
        ("prompt_digest", None, "prompt_digest is None"),
        ("calibrations/0/scale", 0.0, "scale is 0.0"),
        ("calibrations/0/scale", math.nan, "scale is nan"),
        ("calibrations/0/scale", math.inf, "scale is inf"),
        ("calibrations/0/scale", True, "scale is True"),
        ("calibrations/0/scale", 10**400, "scale is 1000"),
        ("calibrations/0/bias", [0.0], "bias"),
        ("calibrations/0/bias/1", math.nan, r"bias\[1\] is nan"),
        ("calibrations/0/mode", "slow", "mode is 'slow'"),
        ("calibrations/0/n", 0, "n is 0"),
        ("calibrations/0/name", "", "name is empty"),
        ("calibrations/0/labels/0", "E", "calibrations name the labels"),
        ("calibrations/0/hidden", 1, r"calibrations\[0\] has the fields"),
        ("calibrations/1", json.loads(a_record().to_json())["calibrations"][0], "at most one"),
        ("calibrations", [], "have no calibration"),
        ("thresholds/0/level", 1.0, "level is 1.0"),
        ("thresholds/0/value", 1.01, "value is 1.01"),
        ("thresholds/0/mode", "careful", "have no calibration"),
        ("skill", [], "skill is"),
        ("skill/MedQA/accuracy", "high", "accuracy is 'high'"),
        ("skill/MedQA/accuracy", -math.inf, "accuracy is -inf"),
        ("skill/MedQA/accuracy", {}, "accuracy is {}"),
    ],
)
def test_a_record_that_is_not_quite_right_is_refused_by_place_and_value(path: str, value: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        EciRecord.from_json(spoiled(path, value))


@pytest.mark.parametrize("text", ["", "null", "[]", "1", "{", "[" * 100_000, '{"version": NaN}', '{"version": 1}', "9" * 5000])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the ECI record"):
        EciRecord.from_json(text)


def test_a_record_with_a_figure_that_is_no_number_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="expected a finite number or null"):
        dataclasses.replace(a_record(), skill={"MedQA": {"auroc_error": math.nan}})
