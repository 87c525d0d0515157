"""R: bare ``llama_decode`` loops over the low-level API, the bound. No server, no users, nothing between two batches.

Several prompts are one lock-step: the tokens that all share are read once and copied, the rest of all prompts in batches of
2,048 (llama.cpp's default), then one batch a step with the next token of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import llama_cpp

from app.engine.repetition import runs_away
from tests.benchmarks.prompts import REPEAT_PENALTY, Rendered, shared_length
from tests.benchmarks.worker import Setup, serve

BATCH = 2048  # tokens, llama.cpp's default
PENALTY_WINDOW = 64  # tokens, llama.cpp's default
Token = tuple[int, int, int, bool]  # id, position, sequence, whether its logits are wanted


class Raw:
    def __init__(self, setup: Setup) -> None:
        llama_cpp.llama_backend_init()
        model_params = llama_cpp.llama_model_default_params()
        model_params.n_gpu_layers = 0
        self._model = llama_cpp.llama_model_load_from_file(setup.model.encode(), model_params)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._n_vocab = llama_cpp.llama_vocab_n_tokens(self._vocab)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = setup.context
        params.n_batch = BATCH
        params.n_seq_max = max(setup.users, 1)
        params.kv_unified = True  # a partial copy between separate stores aborts
        params.n_threads = params.n_threads_batch = setup.threads
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(BATCH, 0, 1)

    @property
    def facts(self) -> Mapping[str, str]:
        return {"llama-cpp-python": llama_cpp.__version__}

    @property
    def ops(self) -> Mapping[str, Callable[..., Any]]:
        return {"users": self.users, "lasting": self.lasting, "prompt_speed": self.prompt_speed, "batch_time": self.batch_time}

    def users(self, prompts: Sequence[Mapping[str, Any]], tokens: int) -> dict[str, Any]:
        begun = time.monotonic()
        times: list[float] = []
        columns = self._write([Rendered.of(prompt) for prompt in prompts], tokens, lambda: times.append(time.monotonic() - begun))
        reader = {"start": 0.0, "times": times, "tokens": tokens, "text": "", "error": ""}
        return {"wall": time.monotonic() - begun, "users": [reader for _ in columns]}

    def lasting(self, prompts: Sequence[Mapping[str, Any]], tokens: int) -> list[bool]:
        """Which prompts have answers of at least ``tokens`` tokens that do not end or repeat themselves before. Not measured."""
        columns = self._write([Rendered.of(prompt) for prompt in prompts], tokens, lambda: None)
        return [not any(llama_cpp.llama_vocab_is_eog(self._vocab, i) for i in ids) and not runs_away(ids) for ids in columns]

    def prompt_speed(self, prompts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Tokens per second of reading: each prompt whole and from an empty cache, logits of its last token alone."""
        wall, count = 0.0, 0
        for prompt in prompts:
            self._clear()
            ids = prompt["ids"]
            begun = time.monotonic()
            self._decode([(token, place, 0, place == len(ids) - 1) for place, token in enumerate(ids)])
            llama_cpp.llama_synchronize(self._context)
            wall += time.monotonic() - begun
            count += len(ids)
        return {"wall": wall, "rate": count / wall}

    def batch_time(self, prompt: Mapping[str, Any], tokens: int) -> dict[str, Any]:
        """Seconds of one batch of ``tokens`` prompt tokens in the middle of a prompt."""
        self._clear()
        ids = prompt["ids"]
        half = max(1, (len(ids) - tokens) // 2)
        self._decode([(token, place, 0, False) for place, token in enumerate(ids[:half])])
        begun = time.monotonic()
        self._decode([(token, half + place, 0, False) for place, token in enumerate(ids[half : half + tokens])])
        llama_cpp.llama_synchronize(self._context)
        return {"wall": time.monotonic() - begun}

    def _write(self, prompts: Sequence[Rendered], tokens: int, mark: Callable[[], None]) -> list[list[int]]:
        """The answers' ids; ``mark`` is called as each step's tokens are there."""
        self._clear()
        samplers = [self._sampler() for _ in prompts]
        written: list[list[int]] = [[] for _ in prompts]
        rows = self._read(prompts)
        for step in range(tokens):
            for sampler, row, ids in zip(samplers, rows, written, strict=True):
                ids.append(llama_cpp.llama_sampler_sample(sampler, self._context, row))
            mark()
            if step + 1 < tokens:
                last = zip(prompts, written, strict=True)
                rows = self._decode(
                    [(ids[-1], len(prompt.ids) + step, sequence, True) for sequence, (prompt, ids) in enumerate(last)]
                )
        for sampler in samplers:
            llama_cpp.llama_sampler_free(sampler)
        return written

    def _read(self, prompts: Sequence[Rendered]) -> list[int]:
        """Reads all prompts; the batch index of each one's last token. All last tokens stand in the last batch."""
        shared = shared_length(prompts) if len(prompts) > 1 else 0
        shared = min(shared, min(len(prompt.ids) for prompt in prompts) - 1)
        if shared:
            self._decode([(token, place, 0, False) for place, token in enumerate(prompts[0].ids[:shared])])
            for sequence in range(1, len(prompts)):
                llama_cpp.llama_memory_seq_cp(self._memory, 0, sequence, 0, shared)
        body = [
            (prompt.ids[place], place, sequence, False)
            for sequence, prompt in enumerate(prompts)
            for place in range(shared, len(prompt.ids) - 1)
        ]
        last = [(prompt.ids[-1], len(prompt.ids) - 1, sequence, True) for sequence, prompt in enumerate(prompts)]
        room = BATCH - len(last)
        while len(body) > room:
            self._decode(body[:BATCH])
            body = body[BATCH:]
        return self._decode(body + last)

    def _decode(self, tokens: Sequence[Token]) -> list[int]:
        """One batch; the indices of the tokens whose logits are wanted."""
        batch = self._batch
        for place, (token, position, sequence, output) in enumerate(tokens):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = sequence
            batch.logits[place] = output
        batch.n_tokens = len(tokens)
        code = llama_cpp.llama_decode(self._context, batch)
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code} for {len(tokens)} tokens")
        return [place for place, token in enumerate(tokens) if token[3]]

    def _sampler(self) -> Any:
        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        penalties = llama_cpp.llama_sampler_init_penalties(self._n_vocab, PENALTY_WINDOW, REPEAT_PENALTY, 0.0, 0.0)
        llama_cpp.llama_sampler_chain_add(chain, penalties)
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_greedy())
        return chain

    def _clear(self) -> None:
        llama_cpp.llama_memory_clear(self._memory, False)

    def close(self) -> None:
        """Nothing: it ends with its process."""


if __name__ == "__main__":
    serve(Raw)
