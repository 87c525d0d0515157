"""The number of threads for single tokens is what a measurement finds, and it is a short one."""

from __future__ import annotations

import pytest

from app.engine.threads import LONG_STEP, choose_decode_threads, usable_cores


def test_a_small_model_stays_on_one_thread_where_waking_costs_more_than_it_brings() -> None:
    assert choose_decode_threads(2, {1: 0.016, 2: 0.042}.__getitem__) == 1


def test_the_fastest_of_the_powers_of_two_and_all_cores_is_taken() -> None:
    assert choose_decode_threads(6, {1: 0.1, 2: 0.06, 4: 0.04, 6: 0.05}.__getitem__) == 4
    assert choose_decode_threads(6, {1: 0.1, 2: 0.06, 4: 0.04, 6: 0.03}.__getitem__) == 6


@pytest.mark.parametrize("cores", [1, 2, 12])
def test_a_large_model_takes_every_core_after_one_measurement(cores: int) -> None:
    asked: list[int] = []

    def slow(threads: int) -> float:
        asked.append(threads)
        return LONG_STEP * 2

    assert choose_decode_threads(cores, slow) == cores
    assert asked == [1]


def test_one_core_needs_no_choice() -> None:
    assert choose_decode_threads(1, lambda threads: 0.01) == 1


def test_there_is_at_least_one_core() -> None:
    assert usable_cores() >= 1
