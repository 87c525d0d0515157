"""The loop's heart: all callers' work in shared ``llama_decode`` calls. Knows no pipe and no process.

A request waits (first come, first served) until a sequence and enough cells are free, begins behind the longest prefix that
is still in the KV store, and enters in chunks of its prompt beside everybody's next token, so no stream stalls while a
long prompt is read. Cancelling takes effect between two batches.
"""

from __future__ import annotations

import codecs
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.engine.base import Ending, Sampling
from app.engine.llama import Context, Model, Sampler
from app.engine.repetition import runs_away
from app.engine.sequences import Sequences
from app.engine.wire import Frame

LOOK_EVERY = 16  # tokens between two looks for an answer that repeats itself
Send = Callable[[Frame], None]


@dataclass
class Work:
    """One caller's request as it moves through the loop: a prompt to read, then tokens to draw or labels to read."""

    call: int
    tokens: list[int]
    room: int  # cells it may need in all: prompt and answer
    sampling: Sampling | None = None  # None: read labels instead of writing
    labels: list[int] = field(default_factory=list)
    part: int = 0  # which request of its call, for labels
    place: int = 0  # the last place in the queue that was reported
    sequence: int = -1
    cells: list[int] = field(default_factory=list)  # the token ids in its sequence, the batch's included
    written: int = 0
    last: int = -1  # the drawn token that the next batch computes
    index: int = -1  # where in the batch this work's logits will be, -1 for none
    sampler: Sampler | None = None
    started_writing: float = 0.0
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))


class Scheduler:
    """Fills batches from all active work, decodes, and hands results to ``send``."""

    def __init__(
        self,
        model: Model,
        context: Context,
        *,
        sequences: Sequences,
        chunk: int,
        send: Send,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._context = context
        self._chunk = chunk
        self._send = send
        self._clock = clock
        self._waiting: deque[Work] = deque()
        self._active: list[Work] = []
        self._sequences = sequences

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._active

    def add(self, work: Work) -> None:
        self._waiting.append(work)

    def cancel(self, call: int) -> None:
        """Drops all work of a call; its cells are there for whoever needs them in the next batch."""
        self._waiting = deque(work for work in self._waiting if work.call != call)
        for work in [work for work in self._active if work.call == call]:
            self._sequences.keep(work.sequence, work.cells)
            self._leave(work)

    def step(self) -> None:
        """One batch: admit, fill, decode, deliver."""
        self._admit()
        self._report_places()
        self._fill()
        if self._context.used:
            self._context.decode()
            for work in [work for work in self._active if work.index >= 0]:
                self._deliver(work)
        self._context.clear()

    def _admit(self) -> None:
        while self._waiting:
            work = self._waiting[0]
            place = self._sequences.take(work.tokens, work.room)
            if place is None:
                return
            self._waiting.popleft()
            work.sequence = place.sequence
            work.cells = work.tokens[: place.reused]
            if work.sampling is not None:
                work.sampler = Sampler(work.sampling, n_vocab=self._model.n_vocab)
                self._report_reading(work)
            self._active.append(work)

    def _report_places(self) -> None:
        for place, work in enumerate(self._waiting, start=1):
            if work.place != place:
                work.place = place
                self._send({"kind": "queued", "id": work.call, "place": place})

    def _fill(self) -> None:
        """Next tokens of all who write, then the prompts' chunk, shared evenly among those who read."""
        for work in self._active:
            work.index = -1
            if work.last >= 0:
                work.index = self._add(work, work.last, output=True)
        reading = [work for work in self._active if len(work.cells) < len(work.tokens)]
        left = self._chunk
        for waiting, work in zip(range(len(reading), 0, -1), reading, strict=True):
            left -= self._fill_prompt(work, max(1, left // waiting))
            if left <= 0:
                break

    def _fill_prompt(self, work: Work, share: int) -> int:
        begin = len(work.cells)
        end = min(len(work.tokens), begin + share)
        for token in work.tokens[begin:end]:
            index = self._add(work, token, output=len(work.cells) == len(work.tokens) - 1)
        if end == len(work.tokens):
            work.index = index
        if work.sampling is not None:
            self._report_reading(work)
        return end - begin

    def _report_reading(self, work: Work) -> None:
        self._send({"kind": "prefill", "id": work.call, "done": len(work.cells), "total": len(work.tokens)})

    def _add(self, work: Work, token: int, *, output: bool) -> int:
        index = self._context.add(token, position=len(work.cells), sequence=work.sequence, output=output)
        work.cells.append(token)
        return index

    def _deliver(self, work: Work) -> None:
        if work.sampling is None:
            logits = self._context.logits(work.index)
            self._send(
                {
                    "kind": "scores",
                    "id": work.call,
                    "part": work.part,
                    "scores": [float(logits[i]) for i in work.labels],
                }
            )
            self._sequences.drop(work.sequence)
            self._leave(work)
            return
        assert work.sampler is not None
        token = self._context.sample(work.sampler, work.index)
        if not work.written:
            work.started_writing = self._clock()
        if self._model.ends(token):
            self._finish(work, Ending.STOP)
            return
        work.written += 1
        work.last = token
        text = work.decoder.decode(self._model.piece(token))
        if text:
            self._send({"kind": "piece", "id": work.call, "text": text})
        if work.written >= work.sampling.max_tokens or len(work.tokens) + work.written >= work.room:
            self._finish(work, Ending.LENGTH)
        elif work.written % LOOK_EVERY == 0 and runs_away(work.cells[len(work.tokens) :]):
            self._finish(work, Ending.REPETITION)

    def _finish(self, work: Work, ending: Ending) -> None:
        text = work.decoder.decode(b"", final=True)
        if text:
            self._send({"kind": "piece", "id": work.call, "text": text})
        # The first token comes out of the prompt's own batch, so n tokens took n - 1 steps of decoding.
        seconds = self._clock() - work.started_writing
        rate = (work.written - 1) / seconds if work.written > 1 and seconds > 0 else None
        frame = {"ending": ending, "prompt": len(work.tokens), "tokens": work.written, "rate": rate}
        self._send({"kind": "finished", "id": work.call, **frame})
        self._sequences.keep(work.sequence, work.cells)
        self._leave(work)

    def _leave(self, work: Work) -> None:
        self._active.remove(work)
        if work.sampler is not None:
            work.sampler.close()


def works(frame: Frame, encode: Callable[[list[list[Any]]], list[int]], head: dict[str, int], limit: int) -> Iterator[Work]:
    """The work that a frame asks for. ``limit`` is the context's size in tokens.

    Raises:
        ValueError: a prompt that leaves no room for one token of answer; the text is the sentence.
    """
    call = int(frame["id"])
    if frame["op"] == "stream":
        sampling = Sampling(**frame["sampling"])
        tokens = _checked(encode(frame["prompt"]), limit)
        yield Work(call, tokens, min(limit, len(tokens) + sampling.max_tokens), sampling=sampling)
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
