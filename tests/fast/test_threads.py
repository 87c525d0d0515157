"""The number of threads is what batches show to be fastest, at start and while neighbours come and go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.engine.threads import (
    LONG_STEP,
    Governor,
    candidates,
    choose_decode_threads,
    remember,
    remembered,
    usable_cores,
)

TWO = {"single": 2, "few": 2, "prompt": 2}


class Machine:
    """Batches on ``cores`` cores, of which ``busy`` are taken by somebody who does not give way. A clock that only they move.

    Threads that spin at barriers beside a neighbour do a tenth of one thread's work, as measured.
    """

    def __init__(self, governor_of: Callable[[Callable[[], float]], Governor], *, cores: int) -> None:
        self.cores, self.busy, self.now = cores, 0, 0.0
        self.governor = governor_of(lambda: self.now)
        self.used: list[int] = []
        self.slows_every = 1  # batches, of those that are in the neighbour's way

    def batch(self, tokens: int = 1) -> float:
        threads = self.governor.threads(tokens)
        seconds = 0.016 * tokens / (threads * 0.8 + 0.2)
        if threads > self.cores - self.busy and len(self.used) % self.slows_every == 0:
            seconds *= 20
        self.now += seconds
        self.used.append(threads)
        self.governor.observe(tokens, threads, seconds)
        return seconds

    def run(self, seconds: float, tokens: int = 1) -> float:
        """Works so long; returns tokens per second."""
        end, done, begun = self.now + seconds, 0, self.now
        while self.now < end:
            self.batch(tokens)
            done += tokens
        return done / (self.now - begun)


def two_cores() -> Machine:
    return Machine(lambda clock: Governor((1, 2), TWO, clock), cores=2)


def test_on_an_idle_machine_trials_cost_next_to_nothing() -> None:
    machine = two_cores()
    machine.run(300)
    assert machine.governor.chosen == TWO
    assert machine.used.count(1) / len(machine.used) < 0.01


def test_a_neighbour_is_noticed_and_survived() -> None:
    machine = two_cores()
    idle = machine.run(10)
    machine.busy = 1
    beside = machine.run(10)
    assert machine.governor.chosen["single"] == 1
    assert beside > 0.45 * idle


def test_a_neighbour_that_slows_every_second_batch_is_noticed_too() -> None:
    machine = two_cores()
    idle = machine.run(10)
    machine.busy, machine.slows_every = 1, 2
    assert machine.run(5) > 0.45 * idle
    assert machine.governor.chosen["single"] == 1


def test_a_hiccup_now_and_then_changes_nothing() -> None:
    machine = two_cores()
    machine.run(10)
    machine.busy, machine.slows_every = 1, 20
    machine.used.clear()
    machine.run(20)
    assert machine.used.count(1) / len(machine.used) < 0.1


def test_a_core_that_becomes_free_is_found() -> None:
    machine = two_cores()
    machine.busy = 1
    machine.run(30)
    machine.busy = 0
    machine.run(30)
    assert machine.governor.chosen["single"] == 2


def test_prompts_and_single_tokens_have_threads_of_their_own() -> None:
    machine = two_cores()
    machine.run(5, tokens=512)
    machine.busy = 1
    machine.run(5, tokens=1)
    assert machine.governor.chosen["single"] == 1
    assert machine.governor.chosen["prompt"] == 2, "no prompt was read beside the neighbour yet"


def test_on_many_cores_a_trial_goes_to_the_neighbouring_numbers() -> None:
    machine = Machine(lambda clock: Governor(candidates(16), dict.fromkeys(("single", "few", "prompt"), 16), clock), cores=16)
    machine.run(60)
    assert set(machine.used) <= {8, 16}
    machine.busy = 9
    machine.run(30)
    assert machine.governor.chosen["single"] == 4


def test_threads_that_a_user_fixed_stay() -> None:
    machine = Machine(lambda clock: Governor((2,), TWO, clock), cores=2)
    machine.busy = 1
    machine.run(5)
    assert set(machine.used) == {2}


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
    assert candidates(1) == (1,)


def test_there_is_at_least_one_core() -> None:
    assert usable_cores() >= 1


def test_a_measurement_is_remembered_for_its_machine_model_and_build(tmp_path: Path) -> None:
    cache = tmp_path / "threads.json"
    remember(cache, "one", TWO)
    remember(cache, "other", {**TWO, "single": 1})
    assert remembered(cache, "one", (1, 2)) == TWO
    assert remembered(cache, "other", (1, 2)) == {**TWO, "single": 1}
    assert remembered(cache, "third", (1, 2)) is None
    assert list(tmp_path.iterdir()) == [cache]


@pytest.mark.parametrize("text", ["", "[]", '{"one": 3}', '{"one": {"single": "2"}}', json.dumps({"one": {**TWO, "few": 64}})])
def test_a_cache_that_makes_no_sense_is_measured_anew_and_written_over(tmp_path: Path, text: str) -> None:
    cache = tmp_path / "threads.json"
    cache.write_text(text)
    assert remembered(cache, "one", (1, 2)) is None
    remember(cache, "one", TWO)
    assert remembered(cache, "one", (1, 2)) == TWO


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    remember(tmp_path / "missing" / "threads.json", "one", TWO)
    remember(None, "one", TWO)
    assert remembered(None, "one", (1, 2)) is None
