"""An answer that says the same again and again is noticed, and one that only sounds alike is not."""

from __future__ import annotations

import pytest

from app.engine.repetition import LONGEST, runs_away


@pytest.mark.parametrize("period", [1, 2, 7, 20, LONGEST])
def test_a_block_that_comes_again_and_again_runs_away(period: int) -> None:
    block = list(range(period))
    assert runs_away([900, 901, *block * (200 // period + 4)])


@pytest.mark.parametrize(
    "drawn",
    [
        [],
        list(range(500)),
        [5] * 60,
        list(range(30)) * 3,
        [5] * 200 + [6],
        [token for number in range(60) for token in (1, 2, 3, number)],
    ],
    ids=["nothing", "all different", "a table's dashes", "three times", "gone on", "a list whose items differ"],
)
def test_what_is_not_the_same_goes_on(drawn: list[int]) -> None:
    assert not runs_away(drawn)
