"""One request as it moves through the loop, and how the frames that ask for it are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.engine.base import Sampling
from app.engine.llama import Sampler
from app.engine.wire import Frame, unpack
from app.engine.writing import Writing


@dataclass(eq=False)
class Work:
    """One caller's request: a prompt to read, then tokens to draw or labels to read."""

    call: int
    tokens: list[int]
    room: int  # cells it may need in all: prompt and answer
    sampling: Sampling | None = None  # None: read labels instead of writing
    labels: list[int] = field(default_factory=list)
    part: int = 0  # which request of its call, for labels
    writing: Writing = field(default_factory=Writing)
    place: int = 0  # the last place in the queue that was reported
    sequence: int = -1
    cells: list[int] = field(default_factory=list)  # the token ids in its sequence, the batch's included
    reused: int = 0  # of the prompt's tokens, how many were not computed for this request
    leader: Work | None = None  # who computes the first ``shared`` tokens of the prompt, while this one waits for them
    shared: int = 0
    written: int = 0
    last: int = -1  # the drawn token that the next batch computes
    index: int = -1  # where in the batch this work's logits will be, -1 for none
    sampler: Sampler | None = None
    started_writing: float = 0.0

    @property
    def unread(self) -> int:
        """Tokens of its prompt that are still to be computed for it."""
        return max(0, len(self.tokens) - max(len(self.cells), self.shared if self.leader else 0))

    @property
    def reads(self) -> bool:
        """Whether its prompt can be gone on with in the next batch."""
        return self.leader is None and len(self.cells) < len(self.tokens)


def works(frame: Frame, encode: Callable[[list[list[Any]]], list[int]], head: dict[str, int], limit: int) -> Iterator[Work]:
    """The work that a frame asks for. ``limit`` is the context's size in tokens.

    Raises:
        ValueError: a prompt that leaves no room for one token of answer; the text is the sentence.
    """
    call = int(frame["id"])
    if frame["op"] == "stream":
        sampling = Sampling(**{**frame["sampling"], "stop": tuple(frame["sampling"].get("stop", ()))})
        tokens = _checked(encode(frame["prompt"]), limit)
        room = min(limit, len(tokens) + sampling.max_tokens)
        yield Work(call, tokens, room, sampling=sampling, writing=Writing(unpack(frame["prompt"]), sampling.stop))
        return
    for part, request in enumerate(frame["requests"]):
        tokens = _checked(encode(request["prompt"]), limit)
        yield Work(call, tokens, len(tokens), labels=[head[label] for label in request["labels"]], part=part)


def _checked(tokens: list[int], limit: int) -> list[int]:
    if not tokens:
        raise ValueError("The prompt is empty; expected at least one token.")
    if len(tokens) >= limit:
        raise ValueError(f"The prompt has {len(tokens):,} tokens; this model reads at most {limit - 1:,} here. Shorten it.")
    return tokens
