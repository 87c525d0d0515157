"""T: transformers on the CPU, opening the same GGUF (its weights are unpacked). All users in one ``generate``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.generation import StoppingCriteria, StoppingCriteriaList

from tests.benchmarks.prompts import REPEAT_PENALTY
from tests.benchmarks.worker import Setup, serve

DTYPES = (torch.float32, torch.bfloat16)
TRIAL_PROMPT, TRIAL_TOKENS = 64, 8
PAD = 0  # any id: what is padded is masked


class Clock(StoppingCriteria):  # type: ignore[misc]
    """Stops nothing and remembers when each token came."""

    def __init__(self, begun: float) -> None:
        self.times: list[float] = []
        self._begun = begun

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        self.times.append(time.monotonic() - self._begun)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool)


class Torch:
    def __init__(self, setup: Setup) -> None:
        torch.set_num_threads(setup.threads)
        path = Path(setup.model)
        trial = [{"ids": [1] * TRIAL_PROMPT}] * setup.users
        self._seconds: dict[str, float] = {}
        models = {}
        for dtype in DTYPES:
            name = str(dtype).removeprefix("torch.")
            self._model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=dtype).eval()
            self.users(trial, 2)
            self._seconds[name] = self.users(trial, TRIAL_TOKENS)["wall"]
            models[name] = self._model
        self._dtype = min(self._seconds, key=self._seconds.__getitem__)
        self._model = models[self._dtype]  # the slower one goes with ``models``

    @property
    def facts(self) -> Mapping[str, str]:
        tried = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self._seconds.items())
        return {
            "torch": torch.__version__,
            "transformers": version("transformers"),
            "settings": f"{self._dtype}, the faster of ({tried})",
        }

    @property
    def ops(self) -> Mapping[str, Callable[..., Any]]:
        return {"users": self.users}

    @torch.inference_mode()
    def users(self, prompts: Sequence[Mapping[str, Any]], tokens: int) -> dict[str, Any]:
        width = max(len(prompt["ids"]) for prompt in prompts)
        padded = [[PAD] * (width - len(prompt["ids"])) + list(prompt["ids"]) for prompt in prompts]
        mask = [[0] * (width - len(prompt["ids"])) + [1] * len(prompt["ids"]) for prompt in prompts]
        begun = time.monotonic()
        clock = Clock(begun)
        self._model.generate(
            torch.tensor(padded),
            attention_mask=torch.tensor(mask),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            repetition_penalty=REPEAT_PENALTY,
            pad_token_id=PAD,
            stopping_criteria=StoppingCriteriaList([clock]),
        )
        wall = time.monotonic() - begun
        reader = {"start": 0.0, "times": clock.times, "tokens": tokens, "text": "", "error": ""}
        return {"wall": wall, "users": [reader for _ in prompts]}

    def close(self) -> None:
        """Nothing: it ends with its process."""


if __name__ == "__main__":
    serve(Torch)
