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
    StreamEvent,
)
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


class FakeEngine:
    """Streams ``answer`` word by word. A token is a word; ``gate``, when given, is waited for before each word."""

    def __init__(
        self,
        answer: str = "Take a history first.",
        *,
        info: ModelInfo = FAKE_INFO,
        gate: Callable[[], None] | None = None,
        dies_after: int | None = None,
    ) -> None:
        self._answer = answer
        self._info = info
        self._gate = gate
        self._dies_after = dies_after
        self._lock = threading.Lock()
        self.failure = ""
        self.prompts: list[Prompt] = []
        self.closed_early = 0

    def status(self) -> EngineStatus:
        if self.failure:
            return EngineStatus(Phase.FAILED, self.failure)
        return EngineStatus(Phase.READY, model=self._info)

    def info(self) -> ModelInfo:
        if self.failure:
            raise EngineError(self.failure)
        return self._info

    def stream(self, prompt: Prompt, sampling: Sampling) -> Generator[StreamEvent, None, None]:
        self.info()
        with self._lock:
            self.prompts.append(prompt)
        total = self.count([prompt])[0]
        words = self._answer.split(" ")
        finished = False
        try:
            yield Queued(1)
            yield Prefilling(total, total)
            for number, word in enumerate(words[: sampling.max_tokens]):
                if self._gate is not None:
                    self._gate()
                if number == self._dies_after:
                    finished = True
                    raise EngineError("The fake engine died.")
                yield Piece(word if number == 0 else f" {word}")
            finished = True
            ending = Ending.LENGTH if len(words) > sampling.max_tokens else Ending.STOP
            yield Finished(ending, total, min(len(words), sampling.max_tokens), 100.0)
        finally:
            if not finished:
                self.closed_early += 1

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
