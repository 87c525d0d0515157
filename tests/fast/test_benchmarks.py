"""The benchmark's arithmetic, on rounds that are made up. Nothing is measured here."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path

import pytest

from tests.benchmarks.figures import HIGHER, LOWER, SPECS, Figure, Spec, figures, percentile, ratio, show

HERE = Path(__file__).parents[1] / "benchmarks"
FAST = Spec("fast", "words a second", "a/ours/x", "a/peer/x", "P", 2.0, HIGHER, "words/s")
SHORT = Spec("short", "wait", "b/ours/x", "b/peer/x", "P", 0.5, LOWER, "s")
BESIDE = Spec("beside", "beside", "a/ours/x", "b/peer/x", "P", None, HIGHER, "s")


def figure(spec: Spec, ours: list[float], peer: list[float]) -> Figure:
    (row,) = figures({spec.ours: ours, spec.peer: peer}, "M", [spec])
    return row


def test_a_figure_is_the_ratio_of_medians_with_the_spread_of_both() -> None:
    row = figure(FAST, [30.0, 10.0, 20.0], [5.0, 8.0, 2.0, 8.0])
    assert (row.ours, row.peer, row.ratio) == (20.0, 6.5, 20.0 / 6.5)
    assert (row.ours_spread, row.peer_spread, row.n) == ((10.0, 30.0), (2.0, 8.0), 3)


@pytest.mark.parametrize(
    ("spec", "ours", "met"),
    [(FAST, 2.0, True), (FAST, 1.99, False), (SHORT, 0.5, True), (SHORT, 0.51, False), (BESIDE, 0.0, True)],
)
def test_higher_and_lower_figures_meet_their_target_on_their_own_side(spec: Spec, ours: float, met: bool) -> None:
    assert figure(spec, [ours], [1.0]).met is met


def test_a_missed_target_says_by_how_much_and_a_met_one_says_nothing() -> None:
    assert figure(FAST, [15.0], [10.0]).sentence == (
        "words a second (M): 1.50, where at least 2 is asked; missed by 0.500 (25% of the target)."
    )
    assert (
        figure(SHORT, [0.75], [1.0]).sentence
        == "wait (M): 0.750, where at most 0.5 is asked; missed by 0.250 (50% of the target)."
    )
    assert figure(FAST, [20.0], [10.0]).sentence == ""


def test_a_target_of_no_faults_is_missed_by_one_and_met_by_none() -> None:
    faults = next(spec for spec in SPECS if spec.target == 0)
    assert figure(faults, [0.0], [0.0]).met
    assert not figure(faults, [1.0], [0.0]).met
    assert json.loads(json.dumps(figure(faults, [1.0], [0.0]).record()))["ratio"] is None


def test_a_side_without_samples_makes_no_figure() -> None:
    assert figures({"a/ours/x": [1.0], "a/peer/x": []}, "M", [FAST, SHORT]) == []


def test_a_record_says_what_the_results_file_promises() -> None:
    record = figure(FAST, [3.0], [1.0]).record()
    assert {"figure", "ours", "peer", "ratio", "target", "better"} <= record.keys()
    assert (record["ratio"], record["better"], record["met"]) == (3.0, "higher", True)


def test_a_percentile_lies_between_its_neighbours() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([0.0, 10.0], 0.95) == pytest.approx(9.5)
    assert percentile([4.0], 0.95) == 4.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_nothing_against_nothing_is_no_ratio() -> None:
    assert (ratio(6.0, 3.0), ratio(0.0, 0.0), ratio(1.0, 0.0)) == (2.0, 0.0, math.inf)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123456, "0.0123"), (1.0, "1.00"), (12.345, "12.3"), (1234.5, "1,234"), (0.0, "0"), (math.inf, "endless")],
)
def test_a_number_is_shown_with_three_figures_that_count(value: float, text: str) -> None:
    assert show(value) == text


def test_every_figure_is_told_once() -> None:
    assert len({spec.id for spec in SPECS}) == len({spec.figure for spec in SPECS}) == len(SPECS)


def test_every_sample_of_a_figure_is_taken_in_some_round() -> None:
    """The names in figures.py against those that rounds.py writes: a slip would silently drop a row."""
    tree = ast.parse((HERE / "rounds.py").read_text(encoding="utf-8"))
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    for spec in SPECS:
        for name in (spec.ours, spec.peer):
            assert set(name.split("/")) <= words, name


def test_every_reason_belongs_to_a_figure() -> None:
    path = HERE / "reasons.json"
    reasons = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    assert reasons.keys() <= {spec.id for spec in SPECS} | {"remarks"}
