"""An engine without a model, for tests: answers at once, in order, the same every time.

It keeps the Protocol's promises (events, stopping, errors) so that what is built on an engine can be tested in milliseconds.
It proves nothing about models.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Generator, Sequence

import numpy as np
import numpy.typing as npt

from app.engine.base import (
    EciHead,
    Ending,
    EngineStatus,
    Finished,
    LabelRequest,
    ModelInfo,
    Phase,
    Piece,
    Prefilling,
    Queued,
    Sampling,
    Sight,
    StreamEvent,
    Thought,
)
from app.engine.writing import Stretch, Writing, thinking_open
from app.errors import EngineError
from app.records import OPTION_LETTERS, Prompt

FAKE_INFO = ModelInfo(
    name="Fake",
    file="fake.gguf",
    size=1_000_000,
    parameters=1_000,
    quantisation="F32",
    device="none",
    context=512,
    licence="Apache-2.0",
    demo=True,
    chat_template="{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>",
    bos="",
    eos="<|end|>",
    eci=EciHead({letter: number for number, letter in enumerate(OPTION_LETTERS)}),
)


FAKE_SIGHT = Sight(
    active=0,
    slots=8,
    queued=0,
    cells=FAKE_INFO.context,
    cells_active=0,
    cells_kept=0,
    requests=0,
    cancelled=0,
    prompt_tokens=0,
    reused_tokens=0,
    answer_tokens=0,
    prompt_rate=None,
    decode_rate=None,
    threads_decode=1,
    threads_prefill=1,
    memory=FAKE_INFO.size,
    kv_bytes=0,
)


class FakeEngine:
    """Streams ``reasoning``, then ``answer``, word by word. A token is a word; ``gate``, when given, is waited for before each.

    ``ending``: why the last word is the last, where no limit and no stop text came before.
    """

    def __init__(
        self,
        answer: str = "Take a history first.",
        *,
        reasoning: str = "",
        ending: Ending = Ending.STOP,
        info: ModelInfo = FAKE_INFO,
        gate: Callable[[], None] | None = None,
        dies_after: int | None = None,
    ) -> None:
        self._answer = answer
        self._reasoning = reasoning
        self._ending = ending
        self._info = info
        self._gate = gate
        self._dies_after = dies_after
        self._lock = threading.Lock()
        self.failure = ""
        self.restarts = 0
        self.sight: Sight | None = FAKE_SIGHT
        self.prompts: list[Prompt] = []
        self.closed_early = 0

    def status(self) -> EngineStatus:
        if self.failure:
            return EngineStatus(Phase.FAILED, self.failure, restarts=self.restarts)
        return EngineStatus(Phase.READY, model=self._info, restarts=self.restarts, sight=self.sight)

    def info(self) -> ModelInfo:
        if self.failure:
            raise EngineError(self.failure)
        return self._info

    def stream(self, prompt: Prompt, sampling: Sampling) -> Generator[StreamEvent, None, None]:
        self.info()
        with self._lock:
            self.prompts.append(prompt)
        total = self.count([prompt])[0]
        finished = False
        try:
            yield Queued(1)
            yield Prefilling(total, total)
            writing = Writing(prompt, sampling.stop)
            ending, written = self._ending, 0
            for word in self._words(thinking=thinking_open(prompt)):
                if written == sampling.max_tokens:
                    ending = Ending.LENGTH
                    break
                if self._gate is not None:
                    self._gate()
                if written == self._dies_after:
                    finished = True
                    raise EngineError("The fake engine died.")
                written += 1
                yield from _events(writing.feed(word.encode()))
                if writing.stopped:
                    ending = Ending.STOP
                    break
            yield from _events(writing.finish())
            finished = True
            yield Finished(ending, total, written, 100.0)
        finally:
            if not finished:
                self.closed_early += 1

    def _words(self, *, thinking: bool) -> list[str]:
        """The words as a model writes them, each with the space before it. In a block that the prompt has opened, none is
        opened again."""
        if not self._reasoning:
            return _spaced(self._answer)
        reasoning = f"{self._reasoning}</think>"
        return [*_spaced(reasoning if thinking else f"<think>{reasoning}"), *_spaced(self._answer)]

    def label_scores(self, requests: Sequence[LabelRequest]) -> list[npt.NDArray[np.float64]]:
        self.info()
        return [self._scores(request) for request in requests]

    def _scores(self, request: LabelRequest) -> npt.NDArray[np.float64]:
        text = "".join(segment.text for segment in request.prompt)
        return np.asarray([zlib.crc32(f"{text}{label}".encode()) % 997 / 300 for label in request.labels], dtype=np.float64)

    def count(self, prompts: Sequence[Prompt]) -> list[int]:
        self.info()
        return [sum(len(segment.text.split()) for segment in prompt) for prompt in prompts]

    def retry(self) -> None:
        self.failure = ""

    def close(self) -> None:
        self.failure = "The fake engine is closed."


def _spaced(text: str) -> list[str]:
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


def _events(stretches: Sequence[Stretch]) -> list[StreamEvent]:
    return [Thought(text) if kind == "thought" else Piece(text) for kind, text in stretches]
