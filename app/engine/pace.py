"""How many prompt tokens a batch may hold, so that prompts are read fast and nobody's stream stalls. Pure.

Prompts are read fastest in large batches (the embedded model on two AVX2 cores: 180 tokens/s in batches of 128, 250 in 512),
but whoever is being written to waits for the whole batch. So beside streams a batch is held to about ``GAP`` of their usual
steps for each request that waits for its first word: one long prompt does not stall a conversation, and when many come at once
all of them are served soonest by large batches.
"""

from __future__ import annotations

GAP = 6.0  # usual steps of the streams that a batch may take
SLOWEST = 1.5  # seconds; no batch is made to take longer, for a newcomer or a Stop waits for its end
FIRST = 64  # tokens, while nothing was measured yet
LEAST = 8
WEIGHT = 0.3  # of the newest measurement


class Pace:
    """Learns the machine's speed from the batches themselves. Times in seconds."""

    def __init__(self, most: int) -> None:
        """``most``: prompt tokens that a batch may hold at all."""
        self._most = most
        self._steps: dict[int, float] = {}  # writers -> time of a batch that only writes
        self._per_token: float | None = None  # of a prompt

    def chunk(self, *, readers: int, writers: int) -> int:
        """Prompt tokens for the next batch, in which ``writers`` tokens are drawn and ``readers`` prompts wait."""
        if self._per_token is None:
            return min(FIRST, self._most)
        seconds = SLOWEST
        if writers:
            step = self._step(writers)
            if step is None:
                return min(FIRST, self._most)
            seconds = min(SLOWEST, GAP * step * readers)
        return max(min(LEAST, self._most), min(self._most, int(seconds / self._per_token)))

    def observe(self, *, prompt: int, writers: int, seconds: float) -> None:
        """A batch of ``prompt`` prompt tokens and ``writers`` drawn ones took ``seconds``."""
        if prompt == 0:
            self._steps[writers] = _mixed(self._steps.get(writers), seconds)
        elif prompt >= LEAST or self._per_token is None:
            own = seconds - (self._step(writers) or 0.0) if writers else seconds
            self._per_token = _mixed(self._per_token, max(own, seconds / 10) / prompt)

    def _step(self, writers: int) -> float | None:
        """The usual time of a batch of so many writers, by the nearest number that was seen; in proportion, if that was less."""
        if not self._steps:
            return None
        nearest = min(self._steps, key=lambda known: abs(known - writers))
        return self._steps[nearest] * max(1.0, writers / nearest)


def _mixed(old: float | None, new: float) -> float:
    return new if old is None else (1 - WEIGHT) * old + WEIGHT * new
