"""Ours: ``LocalEngine`` through the Protocol, with its default settings and its own child process."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from app.engine.base import Finished, LabelRequest, Phase, Piece, Prefilling, Sampling
from app.engine.local import LocalEngine, LocalModel
from tests.benchmarks.machine import children, resident
from tests.benchmarks.prompts import REPEAT_PENALTY, Rendered
from tests.benchmarks.scenes import streaming_ops
from tests.benchmarks.soak import soak
from tests.benchmarks.worker import Setup, serve

LOAD_SECONDS = 180.0
CANCEL_AT = 0.3  # of the prompt


class Ours:
    def __init__(self, setup: Setup) -> None:
        # Threads are the engine's own choice, as a user has it.
        self._engine = LocalEngine(LocalModel(path=Path(setup.model), context=setup.context))
        deadline = time.monotonic() + LOAD_SECONDS
        while self._engine.status().phase is not Phase.READY:
            status = self._engine.status()
            if status.phase is Phase.FAILED or time.monotonic() > deadline:
                raise RuntimeError(f"the engine is {status.phase}: {status.sentence}")
            time.sleep(0.05)

    @property
    def facts(self) -> Mapping[str, str]:
        info = self._engine.info()
        return {"settings": f"{info.device}, {info.quantisation}, context {info.context}"}

    @property
    def ops(self) -> Mapping[str, Callable[..., Any]]:
        return {
            **streaming_ops(self.write),
            "scores": self.scores,
            "cancel": self.cancel,
            "seeded": self.seeded,
            "soak": lambda chats, users, tokens, seed: soak(
                self._engine, chats, users=users, tokens=tokens, seed=seed, memory=self.memory
            ),
        }

    def write(self, prompt: Rendered, tokens: int) -> Generator[str, None, int]:
        for event in self._engine.stream(prompt.prompt, greedy(tokens)):
            if isinstance(event, Piece):
                yield event.text
            elif isinstance(event, Finished):
                return event.tokens
        raise RuntimeError("the stream ended without its Finished")

    def scores(self, prompts: Sequence[Mapping[str, Any]], letters: Sequence[str]) -> dict[str, Any]:
        asked = [LabelRequest(Rendered.of(frame).prompt, tuple(options)) for frame, options in zip(prompts, letters, strict=True)]
        begun = time.monotonic()
        found = self._engine.label_scores(asked)
        wall = time.monotonic() - begun
        return {"wall": wall, "best": [int(scores.argmax()) for scores in found]}

    def cancel(self, long: Sequence[Mapping[str, Any]], tiny: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Seconds that a stream closed in its prefill costs the next caller: its time to the first token, less its usual one.

        ``tiny`` holds one prompt to warm up, then two for each of ``long``. ``batch``: prompt tokens that the engine read at a
        time, as its progress told.
        """
        self._first_token(tiny[0])
        extra: list[float] = []
        steps: list[int] = []
        for place, frame in enumerate(long):
            usual = self._first_token(tiny[1 + 2 * place])
            stream = self._engine.stream(Rendered.of(frame).prompt, greedy(8))
            done: list[int] = []
            for event in stream:
                if isinstance(event, Prefilling):
                    done.append(event.done)
                    if event.done >= CANCEL_AT * event.total:
                        break
            begun = time.monotonic()
            stream.close()
            self._first_token(tiny[2 + 2 * place])
            extra.append(time.monotonic() - begun - usual)
            steps += [later - earlier for earlier, later in itertools.pairwise(done) if later > earlier]
        return {"extra": statistics.median(extra), "batch": round(statistics.median(steps or done))}

    def seeded(self, prompts: Sequence[Mapping[str, Any]], tokens: int) -> dict[str, Any]:
        """How many sampled answers are the same when asked for again, alone and all at once, each with its seed."""
        rendered = [Rendered.of(frame) for frame in prompts]

        def sampled(place: int) -> str:
            events = self._engine.stream(rendered[place].prompt, Sampling(max_tokens=tokens, temperature=1.0, seed=place + 1))
            return "".join(event.text for event in events if isinstance(event, Piece))

        places = range(len(rendered))
        alone, again = ([sampled(place) for place in places] for _ in range(2))
        with ThreadPoolExecutor(len(rendered)) as pool:
            beside = list(pool.map(sampled, places))
        return {
            "again": sum(one == other for one, other in zip(alone, again, strict=True)),
            "beside": sum(one == other for one, other in zip(alone, beside, strict=True)),
            "again_words": statistics.median(map(_same_words, alone, again)),
            "beside_words": statistics.median(map(_same_words, alone, beside)),
        }

    def memory(self) -> int:
        """Bytes resident in the engine's process."""
        return sum(resident(process) for process in children())

    def _first_token(self, frame: Mapping[str, Any]) -> float:
        begun = time.monotonic()
        first = begun
        for event in self._engine.stream(Rendered.of(frame).prompt, greedy(1)):
            if isinstance(event, Piece | Finished):
                first = time.monotonic()
                break
        return first - begun

    def close(self) -> None:
        self._engine.close()


def _same_words(one: str, other: str) -> int:
    """How many first words are the same."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one.split(), other.split(), strict=False)))


def greedy(tokens: int) -> Sampling:
    return Sampling(max_tokens=tokens, temperature=0.0, repeat_penalty=REPEAT_PENALTY)


if __name__ == "__main__":
    serve(Ours)
