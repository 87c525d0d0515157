"""L: one ``Llama`` and a lock, as Gradio apps run llama.cpp. Default settings, OpenMP's default environment."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import llama_cpp
import numpy as np

from tests.benchmarks.prompts import REPEAT_PENALTY, Rendered
from tests.benchmarks.scenes import streaming_ops
from tests.benchmarks.worker import Setup, serve

LETTER = re.compile(r"\b([A-J])\b")


class Locked:
    def __init__(self, setup: Setup) -> None:
        self._llama = llama_cpp.Llama(
            setup.model, n_ctx=setup.context, n_threads=setup.threads, n_threads_batch=setup.threads, verbose=False
        )
        self._lock = threading.Lock()

    @property
    def facts(self) -> Mapping[str, str]:
        return {"llama-cpp-python": llama_cpp.__version__, "build": llama_cpp.llama_print_system_info().decode()}

    @property
    def ops(self) -> Mapping[str, Callable[..., Any]]:
        return {
            **streaming_ops(self.write),
            "generate_exactly": self.generate_exactly,
            "generate_until_end": self.generate_until_end,
            "likelihoods": self.likelihoods,
        }

    def write(self, prompt: Rendered, tokens: int) -> Generator[str, None, int]:
        written, ending = 0, None
        with self._lock:
            for chunk in self._complete(prompt.ids, tokens, stream=True):
                choice = chunk["choices"][0]
                written, ending = written + 1, choice["finish_reason"] or ending
                yield choice["text"]
        return tokens if ending == "length" else written

    def generate_exactly(self, prompts: Sequence[Mapping[str, Any]], tokens: int) -> dict[str, Any]:
        """A letter looked for in ``tokens`` tokens of text, none fewer: past the end of the answer too."""
        begun = time.monotonic()
        texts = []
        for prompt in prompts:
            stream = self._llama.generate(prompt["ids"], temp=0.0, repeat_penalty=REPEAT_PENALTY)
            ids = [next(stream) for _ in range(tokens)]
            texts.append(self._llama.detokenize(ids).decode("utf-8", "replace"))
        return {"wall": time.monotonic() - begun, "letters": [_letter(text) for text in texts]}

    def generate_until_end(self, prompts: Sequence[Mapping[str, Any]], tokens: int) -> dict[str, Any]:
        """The same, stopping where the model does."""
        begun = time.monotonic()
        answers = [self._complete(prompt["ids"], tokens, stream=False) for prompt in prompts]
        return {"wall": time.monotonic() - begun, "letters": [_letter(answer["choices"][0]["text"]) for answer in answers]}

    def likelihoods(self, prompts: Sequence[Mapping[str, Any]], labels: Sequence[Sequence[int]]) -> dict[str, Any]:
        """The log-likelihood of each option's letter, each in a pass of its own from an empty cache.

        The leanest form: the letter is one token, so its likelihood stands in the logits of the prompt's last token, and
        no further logits are kept.
        """
        begun = time.monotonic()
        best = []
        for prompt, ids in zip(prompts, labels, strict=True):
            values = []
            for label in ids:
                self._llama.reset()
                self._llama.eval(prompt["ids"])
                pointer = llama_cpp.llama_get_logits_ith(self._llama.ctx, -1)
                logits = np.ctypeslib.as_array(pointer, shape=(self._llama.n_vocab(),)).astype(np.float64)
                values.append(float(logits[label] - np.logaddexp.reduce(logits)))
            best.append(int(np.argmax(values)))
        return {"wall": time.monotonic() - begun, "best": best}

    def _complete(self, ids: Sequence[int], tokens: int, *, stream: bool) -> Any:
        return self._llama.create_completion(
            list(ids), max_tokens=tokens, temperature=0.0, repeat_penalty=REPEAT_PENALTY, stream=stream
        )

    def close(self) -> None:
        self._llama.close()


def _letter(text: str) -> str:
    found = LETTER.search(text)
    return found[1] if found else ""


if __name__ == "__main__":
    serve(Locked)
