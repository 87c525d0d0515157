"""Whether an answer has run away into saying the same again and again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 48  # tokens of what is repeated, about three lines
TIMES = 4
LEAST = 72  # tokens in all: a row of a table's dashes is shorter


def runs_away(drawn: Sequence[int]) -> bool:
    """Whether the last tokens are one block of up to LONGEST tokens, TIMES times or more, LEAST tokens or more in all."""
    return any(_ends_in_period(drawn, period) for period in range(1, LONGEST + 1))


def _ends_in_period(drawn: Sequence[int], period: int) -> bool:
    length = max(TIMES * period, LEAST)
    if len(drawn) < length:
        return False
    tail = drawn[-length:]
    return tail[period:] == tail[:-period]
