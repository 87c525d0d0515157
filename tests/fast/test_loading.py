"""Where a model's layers go, and what is said of it. The trials themselves need a GPU; their order and words do not."""

from __future__ import annotations

import pytest

from app.engine.llama import Gpu
from app.engine.loading import ALL_LAYERS, layer_attempts, placement_notice

GB = 10**9
CARD = Gpu("Some card", 24 * GB)


def test_a_model_that_fits_is_tried_whole_first() -> None:
    assert next(iter(layer_attempts(-1, size=8 * GB, free=24 * GB))) == ALL_LAYERS


def test_the_last_attempt_is_always_the_cpu() -> None:
    for wanted in (-1, 0, 1, 20):
        for free in (0, GB, 24 * GB):
            attempts = list(layer_attempts(wanted, size=8 * GB, free=free))
            assert attempts[-1] == 0
            assert attempts == sorted(set(attempts), reverse=True)


def test_what_cannot_fit_is_not_tried() -> None:
    """Loading takes long: of a file four times as large as the memory, at most a quarter of the layers is tried."""
    attempts = list(layer_attempts(-1, size=40 * GB, free=10 * GB))
    assert max(attempts) <= 128 // 4
    assert len(attempts) > 3


@pytest.mark.parametrize(("wanted", "free"), [(0, 24 * GB), (-1, 0), (20, 0)])
def test_without_a_gpu_or_where_none_is_wanted_there_is_one_attempt(wanted: int, free: int) -> None:
    assert list(layer_attempts(wanted, size=8 * GB, free=free)) == [0]


def test_a_number_that_a_user_gave_is_the_most_that_is_tried() -> None:
    assert max(layer_attempts(20, size=8 * GB, free=24 * GB)) == 20


def notice(layers: int, *, wanted: int = -1, devices: tuple[Gpu, ...] = (CARD,), given_up: bool = False) -> str:
    return placement_notice(layers, 32, wanted=wanted, devices=devices, given_up=given_up)


def test_a_model_where_it_was_asked_for_needs_no_words() -> None:
    assert notice(33) == ""
    assert notice(20, wanted=20) == ""


def test_every_fallback_says_what_happened_and_what_to_do_or_expect() -> None:
    assert "finds none" in notice(0, devices=())
    assert "does not fit on Some card (24.0 GB free)" in notice(0)
    assert "18 of 32 layers fit on Some card" in notice(18)
    assert "18 of 32 layers fit" in notice(18, wanted=30)
    assert "crashed twice while loading" in notice(0, given_up=True)
