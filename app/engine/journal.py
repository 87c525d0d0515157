"""What an engine writes to the log ``llamacare.engine``, at INFO: figures and causes, never a word of anybody's text.

Whether and where it is shown is for the application's start to say.
"""

from __future__ import annotations

import logging

from app.engine.base import Finished, ModelInfo, Sight
from app.errors import EngineError

NAME = "llamacare.engine"


class Journal:
    """One line for each request that ends and for each start and end of the engine's process, and one of what the engine
    has in sight whenever it becomes idle."""

    def __init__(self) -> None:
        self._log = logging.getLogger(NAME)

    def starting(self, file: str, *, restarts: int) -> None:
        self._log.info("engine starting%s: %s", f" again (restart {restarts})" if restarts else "", file)

    def ready(self, info: ModelInfo) -> None:
        self._log.info("engine ready: %s on %s", info.name, info.device)

    def ended(self, sentence: str) -> None:
        self._log.info("engine ended: %s", sentence)

    def idle(self, name: str, sight: Sight, *, restarts: int) -> None:
        share = 100 * sight.reused_tokens / sight.prompt_tokens if sight.prompt_tokens else 0.0
        self._log.info(
            "engine idle: %s, %d slots, %s, %d cancelled, prompts %s, answers %s, %.0f %% of prompt tokens reused, %.0f MB, %s",
            name,
            sight.slots,
            _count(sight.requests, "request"),
            sight.cancelled,
            _rate(sight.prompt_rate),
            _rate(sight.decode_rate),
            share,
            sight.memory / 1e6,
            _count(restarts, "restart"),
        )

    def chat(self, end: Finished | EngineError | None) -> None:
        """``end`` None: the caller has gone."""
        if isinstance(end, Finished):
            self._log.info(
                "chat ended: %s, %s (%d reused), %s, %s",
                end.ending,
                _count(end.prompt_tokens, "prompt token"),
                end.reused,
                _count(end.tokens, "token"),
                _rate(end.tokens_per_second),
            )
        else:
            self._cut_short("chat", end)

    def labels(self, end: float | EngineError | None, *, prompts: int) -> None:
        """``end``: the seconds that they took, or why they were not read."""
        if isinstance(end, float):
            self._log.info("labels: %s in %.1f s", _count(prompts, "prompt"), end)
        else:
            self._cut_short("labels", end)

    def turned_away(self, waiting: int) -> None:
        self._log.info("turned away: %s open already", _count(waiting, "request"))

    def _cut_short(self, what: str, error: EngineError | None) -> None:
        # An error by its kind alone: the sentence of a refusal may tell of the request.
        if error is None:
            self._log.info("%s cancelled", what)
        else:
            self._log.info("%s failed: %s", what, type(error).__name__)


def _rate(rate: float | None) -> str:
    return "no rate" if rate is None else f"{rate:.1f} tokens/s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
