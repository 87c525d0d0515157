"""X: llama.cpp's own server as packaged in ``xllamacpp``, called in its process: parallel slots, prompt cache, no HTTP."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import xllamacpp

from tests.benchmarks.prompts import REPEAT_PENALTY, Rendered
from tests.benchmarks.scenes import streaming_ops
from tests.benchmarks.worker import Setup, serve

SLOT_CONTEXT = 2048  # tokens; the longest prompt here has 1,500


class Native:
    def __init__(self, setup: Setup) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = setup.model
        params.n_parallel = self._slots = setup.users
        # A store for each slot: 8 chats cost 19 s of processor time, with one store that all share 24 s (one thread, Q4_1).
        params.kv_unified = False
        params.n_ctx = SLOT_CONTEXT * setup.users
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = setup.threads
        params.verbosity = 0
        self._server = xllamacpp.Server(params)

    @property
    def facts(self) -> Mapping[str, str]:
        return {
            "xllamacpp": version("xllamacpp"),
            "build": xllamacpp.get_system_info(),
            "settings": f"{self._slots} slots, each with its store of {SLOT_CONTEXT}; cache_prompt",
        }

    @property
    def ops(self) -> Mapping[str, Callable[..., Any]]:
        return {**streaming_ops(self.write), "letters": self.letters}

    def write(self, prompt: Rendered, tokens: int) -> Generator[str, None, int]:
        frames: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        gone = threading.Event()

        def receive(frame: dict[str, Any]) -> bool:
            frames.put(frame)
            return gone.is_set()

        def run() -> None:
            try:
                self._server.handle_completions(self._asked(prompt.ids, tokens, stream=True), receive)
            finally:
                frames.put(None)

        thread = threading.Thread(target=run)
        thread.start()
        written = 0
        try:
            while (frame := frames.get()) is not None:
                written = _usage(frame, written)
                yield frame["choices"][0]["text"] if frame.get("choices") else ""
        finally:
            gone.set()
            thread.join()
        return written

    def letters(self, prompts: Sequence[Mapping[str, Any]], letters: Sequence[str]) -> dict[str, Any]:
        """One token a question, held to the option letters by a grammar; as many questions at once as there are slots."""

        def ask(prompt: Mapping[str, Any], options: str) -> str:
            answers: list[dict[str, Any]] = []
            asked = {**self._asked(prompt["ids"], 1, stream=False), "grammar": f"root ::= [{options}]"}
            self._server.handle_completions(asked, lambda frame: answers.append(frame) is not None)
            _usage(answers[-1], 0)
            return str(answers[-1]["choices"][0]["text"])

        begun = time.monotonic()
        with ThreadPoolExecutor(self._slots) as pool:
            answers = list(pool.map(ask, prompts, letters))
        return {"wall": time.monotonic() - begun, "letters": answers}

    def _asked(self, ids: Sequence[int], tokens: int, *, stream: bool) -> dict[str, Any]:
        return {
            "prompt": list(ids),
            "max_tokens": tokens,
            "temperature": 0.0,
            "repeat_penalty": REPEAT_PENALTY,
            "cache_prompt": True,
            "stream": stream,
        }

    def close(self) -> None:
        """Nothing: it ends with its process."""


def _usage(frame: Mapping[str, Any], written: int) -> int:
    if "choices" not in frame and "usage" not in frame:
        raise RuntimeError(f"xllamacpp answered {str(frame)[:300]}")
    return int(frame.get("usage", {}).get("completion_tokens", written)) if frame.get("usage") else written


if __name__ == "__main__":
    serve(Native)
