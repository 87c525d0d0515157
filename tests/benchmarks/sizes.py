"""How much a run does, and what it brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is done. Tokens, unless said otherwise; everything a round."""

    users: int = 8
    prompt: int = 200
    answer: int = 100
    turns: tuple[int, int] = (2, 20)  # the turns that are compared
    reply: int = 24
    questions: int = 3
    generated: int = 64  # tokens from which a letter is parsed
    careful: int = 2  # questions
    examples: int = 5
    shots: tuple[int, int] = (6, 2)  # questions with shared examples, and with examples computed each time
    long: int = 1500
    intruded: int = 80  # tokens of the stream that is disturbed
    busy: int = 32
    cancels: int = 2  # prompts
    seeded: int = 48
    # Rounds of the chat in which a slow peer without a target takes part; all others in all.
    rounds_of: Mapping[str, int] = field(default_factory=lambda: {"server": 1, "torch": 1})
    soak_chats: int = 1000  # once a run
    soak_users: int = 16
    soak_answer: int = 16


SMOKE = Sizes(
    users=3,
    prompt=100,
    answer=12,
    turns=(2, 4),
    reply=6,
    questions=2,
    generated=8,
    careful=1,
    examples=2,
    shots=(2, 1),
    long=400,
    intruded=12,
    busy=6,
    cancels=1,
    seeded=6,
    soak_chats=24,
    soak_users=4,
    soak_answer=6,
)


@dataclass
class Record:
    """What a run of one model has brought. ``notes`` are sentences about what went wrong or must be known."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    written: dict[str, list[int]] = field(default_factory=dict)  # peer -> tokens written, tokens asked for
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)  # scene -> time it took in all rounds
    others: list[float] = field(default_factory=list)  # processors used by others during each measurement
