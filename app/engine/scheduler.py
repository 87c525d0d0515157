"""The loop's heart: all callers' work in shared ``llama_decode`` calls. Knows no pipe and no process.

A request waits until a sequence and enough cells are free, begins behind the longest prefix that anybody else's sequence
holds, and enters in chunks of its prompt beside everybody's next token, so no stream stalls while a long prompt is read.
A prompt that shares its beginning with one that is being read waits for that part and takes it over. Cancelling takes
effect between two batches.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.engine.base import Ending
from app.engine.llama import Context, Model, Sampler
from app.engine.pace import Pace
from app.engine.repetition import runs_away
from app.engine.sequences import MIN_SHARED, Sequences, common_prefix
from app.engine.threads import TRIAL_CHUNK, Governor
from app.engine.wire import Frame
from app.engine.work import Work

LOOK_EVERY = 16  # tokens between two looks for an answer that repeats itself
HALF_LIFE = 20.0  # seconds of work after which a rate's measurement counts half
Send = Callable[[Frame], None]


class Rate:
    """Tokens per second of work, the older work counting less and less."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seconds = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        fade = 0.5 ** (seconds / HALF_LIFE)
        self._tokens = self._tokens * fade + tokens
        self._seconds = self._seconds * fade + seconds

    @property
    def value(self) -> float | None:
        return self._tokens / self._seconds if self._seconds > 0 else None


@dataclass
class Counts:
    """What the loop did since it began, in requests and tokens."""

    requests: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    answer_tokens: int = 0


class Scheduler:
    """Fills batches from all active work, decodes, and hands results to ``send``."""

    def __init__(
        self,
        model: Model,
        context: Context,
        *,
        sequences: Sequences,
        pace: Pace,
        governor: Governor,
        send: Send,
        follow: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``follow``: prompts may share with one that is still being read; not for models whose state can't be cut."""
        self._model = model
        self._context = context
        self._sequences = sequences
        self._pace = pace
        self._governor = governor
        self._send = send
        self._follow = follow
        self._clock = clock
        self._waiting: dict[int, deque[Work]] = {}  # call -> its work, first come first
        self._active: list[Work] = []  # in the order of admission
        self.counts = Counts()
        self.prompt_rate = Rate()
        self.decode_rate = Rate()

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._active

    @property
    def active(self) -> int:
        return len(self._active)

    @property
    def queued(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, works: Sequence[Work]) -> None:
        """Queues all the work of one call."""
        self._waiting[works[0].call] = deque(works)

    def cancel(self, call: int) -> None:
        """Drops all work of a call; its cells are there for whoever needs them in the next batch."""
        dropped = len(self._waiting.pop(call, ()))
        for work in [work for work in self._active if work.call == call]:
            self._leave(work)
            dropped += 1
        self.counts.cancelled += bool(dropped)

    def step(self) -> None:
        """One batch: admit, fill, decode, deliver."""
        self._admit()
        self._report_places()
        self._hand_over()
        writers = self._fill_writers()
        prompt = self._fill_readers(writers)
        if self._context.batch.used:
            self._decode(prompt, writers)
            for work in [work for work in self._active if work.index >= 0]:
                self._deliver(work)
        self._context.batch.clear()

    # Admission

    def _admit(self) -> None:
        while (work := self._next()) is not None:
            place = self._sequences.take(work.tokens, work.room)
            if place is None:
                return
            self._waiting[work.call].popleft()
            if not self._waiting[work.call]:
                del self._waiting[work.call]
            work.sequence = place.sequence
            work.reused = place.reused
            work.cells = work.tokens[: place.reused]
            self._active.append(work)
            self._find_leader(work)
            if work.sampling is not None:
                work.sampler = Sampler(work.sampling)
                self._report_reading(work)

    def _next(self) -> Work | None:
        """Whose turn it is: the call with the fewest requests in the works, so that one call of a thousand questions leaves
        room for everybody; of equals, who came first. Questions enter only as far as the next batches can read them, for
        cells that are held early slow all others."""
        active = Counter(work.call for work in self._active)
        enough = sum(work.unread for work in self._active) >= self._context.batch.size
        open_calls = [call for call, works in self._waiting.items() if works[0].sampling is not None or not enough]
        return self._waiting[min(open_calls, key=lambda call: active[call])][0] if open_calls else None

    def _report_places(self) -> None:
        for place, works in enumerate(self._waiting.values(), start=1):
            if works[0].sampling is not None and works[0].place != place:
                works[0].place = place
                self._send({"kind": "queued", "id": works[0].call, "place": place})

    # Prefixes that are still being read

    def _find_leader(self, work: Work) -> None:
        """Looks among those who were admitted earlier, so that nobody waits in a circle."""
        if not self._follow:
            return
        for other in self._active[: self._active.index(work)]:
            shared = common_prefix(work.tokens[:-1], other.tokens)
            if shared >= max(len(work.cells), work.shared) + MIN_SHARED:
                work.leader, work.shared = other, shared
        if work.leader is None:
            work.shared = 0

    def _hand_over(self) -> None:
        for work in self._active:
            if work.leader is not None and len(work.leader.cells) >= work.shared:
                self._catch_up(work)

    def _catch_up(self, work: Work) -> None:
        """Gives a follower what its leader has computed of the part that they share."""
        assert work.leader is not None
        length = min(work.shared, len(work.leader.cells))
        if length > len(work.cells):
            self._sequences.follow(work.sequence, work.leader.sequence, length)
            work.cells = work.tokens[:length]
            work.reused = length
            if work.sampling is not None:
                self._report_reading(work)
        work.leader, work.shared = None, 0

    # Batches

    def _fill_writers(self) -> int:
        """The next token of all who write; returns how many those are."""
        writers = 0
        for work in self._active:
            work.index = -1
            if work.last >= 0:
                work.index = self._add(work, [work.last], output=True)
                writers += 1
        return writers

    def _fill_readers(self, writers: int) -> int:
        """The prompts' chunk: half of it for who came first, the other half for who needs least, so that a long prompt
        goes on and a short one passes it. Returns its size in tokens."""
        readers = [work for work in self._active if work.reads]
        if not readers:
            return 0
        chunk = self._pace.chunk(readers=len(readers), writers=writers)
        if self._governor.tries_prompts:
            chunk = min(chunk, TRIAL_CHUNK)
        left = budget = min(chunk, self._context.batch.size - writers)
        shortest_first = sorted(readers, key=lambda work: work.unread)
        if shortest_first[0] is not readers[0]:
            left -= self._fill_prompt(readers[0], max(1, left // 2))
        for work in shortest_first:
            if left > 0 and work.reads:
                left -= self._fill_prompt(work, left)
        return budget - left

    def _fill_prompt(self, work: Work, share: int) -> int:
        begin = len(work.cells)
        end = min(len(work.tokens), begin + share)
        last = end == len(work.tokens)
        index = self._add(work, work.tokens[begin:end], output=last)
        if last:
            work.index = index
        if work.sampling is not None:
            self._report_reading(work)
        return end - begin

    def _report_reading(self, work: Work) -> None:
        self._send({"kind": "prefill", "id": work.call, "done": len(work.cells), "total": len(work.tokens)})

    def _add(self, work: Work, tokens: list[int], *, output: bool) -> int:
        index = self._context.batch.add(tokens, position=len(work.cells), sequence=work.sequence, output=output)
        work.cells.extend(tokens)
        return index

    def _decode(self, prompt: int, writers: int) -> None:
        tokens = self._context.batch.used
        threads = self._governor.threads(tokens)
        self._context.set_threads(threads)
        begun = self._clock()
        self._context.decode()
        seconds = self._clock() - begun
        if not (prompt and self._governor.tries_prompts):  # what other threads take is not this machine's pace
            self._pace.observe(prompt=prompt, writers=writers, seconds=seconds)
        self._governor.observe(tokens, threads, seconds)
        if prompt:
            self.prompt_rate.add(prompt, seconds)
        else:
            self.decode_rate.add(writers, seconds)

    # Results

    def _deliver(self, work: Work) -> None:
        if work.sampling is None:
            logits = self._context.logits(work.index)
            scores = [float(logits[label]) for label in work.labels]
            self._send({"kind": "scores", "id": work.call, "part": work.part, "scores": scores})
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
        self._write(work, token)
        ending = self._ending(work)
        if ending is not None:
            self._finish(work, ending)

    def _write(self, work: Work, token: int) -> None:
        raw = self._model.piece(token)
        for kind, text in work.writing.feed(raw) if raw else work.writing.feed_control(self._model.piece(token, special=True)):
            self._send({"kind": kind, "id": work.call, "text": text})

    def _ending(self, work: Work) -> Ending | None:
        """Why the answer ends with the token that was just written, None where it goes on."""
        assert work.sampling is not None
        if work.writing.stopped:
            return Ending.STOP
        if work.written >= work.sampling.max_tokens or len(work.tokens) + work.written >= work.room:
            return Ending.LENGTH
        if self._clock() - work.started_writing >= work.sampling.max_seconds:
            return Ending.TIME
        if work.written % LOOK_EVERY == 0 and runs_away(work.cells[len(work.tokens) :]):
            return Ending.REPETITION
        return None

    def _finish(self, work: Work, ending: Ending) -> None:
        for kind, text in work.writing.finish():
            self._send({"kind": kind, "id": work.call, "text": text})
        # The first token comes out of the prompt's own batch, so n tokens took n - 1 steps of decoding.
        seconds = self._clock() - work.started_writing
        rate = (work.written - 1) / seconds if work.written > 1 and seconds > 0 else None
        frame = {"ending": ending, "prompt": len(work.tokens), "tokens": work.written, "rate": rate, "reused": work.reused}
        self._send({"kind": "finished", "id": work.call, **frame})
        self._leave(work)

    def _leave(self, work: Work) -> None:
        """Ends a request. Those who wait for what it computes take what there is, and the first of them goes on for the
        others."""
        followers = [other for other in self._active if other.leader is work]
        for follower in followers:
            self._catch_up(follower)
        self._active.remove(work)
        wanted = self._wanted_next(work)
        if wanted >= MIN_SHARED:
            self._sequences.hold(work.sequence, work.cells[:wanted])
        else:
            self._sequences.keep(work.sequence, work.cells, spare=work.sampling is None)
        for follower in followers:
            self._find_leader(follower)
        if work.sampler is not None:
            work.sampler.close()
        self.counts.requests += 1
        self.counts.prompt_tokens += len(work.tokens)
        self.counts.reused_tokens += work.reused
        self.counts.answer_tokens += work.written

    def _wanted_next(self, work: Work) -> int:
        """How much of a label request the next one of its call begins with; 0 where that cannot be used or none waits."""
        waiting = self._waiting.get(work.call)
        return common_prefix(waiting[0].tokens[:-1], work.cells) if waiting and self._follow else 0
