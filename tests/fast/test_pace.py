"""Prompt chunks are as large as nobody's waiting forbids, on machines made of two numbers."""

from __future__ import annotations

import pytest

from app.engine.pace import FIRST, GAP, LEAST, SLOWEST, Pace


def learned(*, per_token: float, step: float, most: int = 512) -> Pace:
    """A pace that has seen a machine of so many seconds a prompt token and a step of one writer."""
    pace = Pace(most)
    for _ in range(20):
        pace.observe(prompt=0, writers=1, seconds=step)
        pace.observe(prompt=64, writers=1, seconds=64 * per_token + step)
    return pace


def test_a_prompt_that_nobody_waits_beside_is_read_in_whole_batches() -> None:
    assert learned(per_token=0.001, step=0.01).chunk(readers=1, writers=0) == 512


def test_beside_a_stream_a_batch_takes_a_few_of_its_steps() -> None:
    chunk = learned(per_token=0.003, step=0.01).chunk(readers=1, writers=1)
    assert LEAST <= chunk <= GAP * 0.01 / 0.003 + 1


def test_where_more_wait_for_their_first_word_the_batch_grows() -> None:
    pace = learned(per_token=0.003, step=0.01)
    assert pace.chunk(readers=7, writers=1) >= 6 * pace.chunk(readers=1, writers=1)


@pytest.mark.parametrize("per_token", [0.05, 0.5])
def test_on_a_slow_machine_no_batch_takes_long(per_token: float) -> None:
    chunk = learned(per_token=per_token, step=0.3).chunk(readers=1, writers=0)
    assert chunk == LEAST or chunk * per_token <= SLOWEST * 1.01


def test_nothing_is_assumed_of_a_machine_that_was_not_measured() -> None:
    assert Pace(512).chunk(readers=1, writers=0) == FIRST
    assert Pace(32).chunk(readers=1, writers=3) == 32


def test_it_follows_a_machine_that_becomes_slower() -> None:
    pace = learned(per_token=0.001, step=0.01)
    before = pace.chunk(readers=1, writers=1)
    for _ in range(20):
        pace.observe(prompt=64, writers=1, seconds=64 * 0.01 + 0.01)
    assert pace.chunk(readers=1, writers=1) < before
