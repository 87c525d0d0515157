"""The embedded model in a real child process, started once for all tests that do not harm it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from app.engine.base import Phase
from app.engine.embedded import EMBEDDED_NAME, embedded_file
from app.engine.local import LocalEngine, LocalModel

LOAD_SECONDS = 120  # on a loaded machine; reaching it is a failure, not a measurement


def embedded(**changes: object) -> LocalModel:
    values = {"path": embedded_file(), "name": EMBEDDED_NAME, "demo": True, "context": 2048, **changes}
    return LocalModel(**values)  # type: ignore[arg-type]


def settle(engine: LocalEngine) -> LocalEngine:
    """Waits until the engine is ready or has given up."""
    deadline = time.monotonic() + LOAD_SECONDS
    while engine.status().phase not in (Phase.READY, Phase.FAILED):
        assert time.monotonic() < deadline, f"still {engine.status()} after {LOAD_SECONDS} s"
        time.sleep(0.05)
    return engine


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[LocalEngine]:
    engine = settle(LocalEngine(embedded()))
    assert engine.status().phase is Phase.READY, engine.status().sentence
    yield engine
    engine.close()


@pytest.fixture
def own_engine() -> Iterator[LocalEngine]:
    """An engine that the test may kill or close."""
    engine = settle(LocalEngine(embedded(), pauses=(0.05,)))
    yield engine
    engine.close()
