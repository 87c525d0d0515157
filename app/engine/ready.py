"""Waiting for an engine, for commands: they have nothing else to do until the model is loaded."""

from __future__ import annotations

import time

from app.engine.base import Engine, Phase
from app.errors import EngineError, ModelFileError

LOAD_SECONDS = 900.0  # a 70B file from a slow disk
POLL_SECONDS = 0.05


def await_ready(engine: Engine, name: str) -> None:
    """Returns once the model is loaded.

    Raises:
        ModelFileError: it cannot be; the sentence says why.
        EngineError: it takes longer than LOAD_SECONDS.
    """
    deadline = time.monotonic() + LOAD_SECONDS
    while (status := engine.status()).phase is not Phase.READY:
        if status.phase is Phase.FAILED:
            raise ModelFileError(status.sentence)
        if time.monotonic() > deadline:
            raise EngineError(f"{name} is still loading after {LOAD_SECONDS:.0f} s. Try again on an idle machine.")
        time.sleep(POLL_SECONDS)
