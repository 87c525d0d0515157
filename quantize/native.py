"""The process in which llama.cpp works for this package: ``python -m quantize.native REQUEST``.

Request and answer are JSON; the answer is one line on stdout, ``{"refused": SENTENCE}`` where the work cannot be done, and
llama.cpp's words go to stderr. The only home of llama_cpp here. Not for use by hand: ``compress`` and ``bench`` start it.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from app.engine.child import BATCH
from app.engine.llama import ERROR_LEVEL, load_backends
from app.engine.loading import Loaded, load
from app.engine.wire import unpack
from app.errors import LlamaCareError, ModelFileError

PR_SET_PDEATHSIG = 1
PREFIX = "llama_model_quantize: failed to quantize: "


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever native code prints must not tear the answer
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 9)  # this process ends with the one that began it, in native code too
    request = json.loads(sys.argv[1])
    works: dict[str, Callable[..., dict[str, Any]]] = {"quantise": quantise, "speed": speed, "read": read}
    work = works[request.pop("work")]
    try:
        answer = work(**request)
    except LlamaCareError as error:
        answer = {"refused": error.sentence}
    answers.write(json.dumps(answer))
    answers.flush()
    os._exit(0)  # freeing a large model natively takes long and changes nothing


class Voice:
    """Sends all that llama.cpp says to stderr and remembers its last errors."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=8)
        self._callback = llama_cpp.llama_log_callback(self._receive)  # kept: a collected callback crashes
        llama_cpp.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _receive(self, level: int, text: bytes, _user_data: Any) -> None:
        line = text.decode("utf-8", "replace")
        sys.stderr.write(line)
        sys.stderr.flush()
        if level == ERROR_LEVEL:
            self.errors.append(line.strip())


def quantise(source: str, target: str, ftype: int, threads: int, *, dry: bool, head: str) -> dict[str, Any]:
    """Writes ``source`` as a file of the type ``ftype``. ``dry``: only says how large its tensors would be. ``head``: which
    tensor stays in F16, "output", "embedding" (where the two are one) or "".

    Raises:
        ModelFileError: llama.cpp does not do it; the text is its reason.
    """
    voice = Voice()
    llama_cpp.llama_backend_init()
    load_backends()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.dry_run = ftype, threads, dry
    if head == "output":
        params.output_tensor_type = llama_cpp.GGML_TYPE_F16
    elif head == "embedding":
        params.token_embedding_type = llama_cpp.GGML_TYPE_F16
    if llama_cpp.llama_model_quantize(source.encode(), target.encode(), params):
        reason = next((line for line in reversed(voice.errors) if line.startswith(PREFIX)), "no reason given")
        raise ModelFileError(reason.removeprefix(PREFIX))
    return {}


def speed(path: str, threads: int, prompt_tokens: int, decode_tokens: int) -> dict[str, Any]:
    """One round: the model is loaded as the application loads it, reads a prompt and writes an answer of random tokens.

    Raises:
        ModelFileError: the file cannot be loaded, or has no room for so many tokens.
    """
    needed = prompt_tokens + decode_tokens
    config = {"path": path, "threads": threads, "context": needed, "gpu_layers": -1, "name": "", "licence": "", "demo": False}
    begun = time.monotonic()
    loaded = load(config, batch=BATCH, sequences=1)
    load_s = time.monotonic() - begun
    memory = _memory("VmRSS")
    if loaded.context.cells < needed:
        raise ModelFileError(
            f"{Path(path).name} has room for {loaded.context.cells} tokens, and {needed} are to be measured. Give fewer."
        )
    tokens = np.random.default_rng(0).integers(0, loaded.model.n_vocab, needed).tolist()
    chosen = loaded.governor.chosen
    loaded.context.set_threads(chosen["prompt"])
    prompt_s = _decode(loaded, tokens[:prompt_tokens], first=0, stride=BATCH)
    loaded.context.set_threads(chosen["single"])
    decode_s = _decode(loaded, tokens[prompt_tokens:], first=prompt_tokens, stride=1)
    return {
        "load_s": load_s,
        "prompt_per_s": prompt_tokens / prompt_s,
        "decode_per_s": decode_tokens / decode_s,
        "memory_loaded": memory,
        "memory_bytes": _memory("VmHWM"),
        "device": loaded.info.device,
        "threads": {"prompt": chosen["prompt"], "decode": chosen["single"]},
    }


def read(path: str, prompts: str, texts: int, longest: int, target: str) -> dict[str, Any]:
    """The token ids of each of ``prompts`` (a JSON file of packed prompts), and the logits after each token of the last ``texts``
    of them, of which ``longest`` tokens are read; into the file ``target``.

    Raises:
        ModelFileError: the file cannot be loaded.
    """
    asked = json.loads(Path(prompts).read_text(encoding="utf-8"))
    config = {
        "path": path,
        "threads": 0,
        "context": max(longest, 2 * BATCH),
        "gpu_layers": -1,
        "name": "",
        "licence": "",
        "demo": False,
    }
    loaded = load(config, batch=BATCH, sequences=1)
    ids = [loaded.model.encode(unpack(prompt)) for prompt in asked]
    arrays: dict[str, npt.NDArray[Any]] = {f"ids_{place:04}": np.array(row, np.int32) for place, row in enumerate(ids)}
    for place, row in enumerate(ids[len(ids) - texts :]):
        arrays[f"logits_{place:04}"] = _all_logits(loaded, row[:longest])
    np.savez(target, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own keywords
    model = loaded.model
    return {"template": model.chat_template(), "bos": model.bos, "eos": model.eos, "digest": loaded.info.digest}


def _all_logits(loaded: Loaded, tokens: list[int]) -> npt.NDArray[np.float32]:
    """Shape (tokens, vocabulary)."""
    context = loaded.context
    context.forget(0)
    context.batch.clear()
    places = [context.batch.add([token], position=place, sequence=0, output=True) for place, token in enumerate(tokens)]
    context.decode()
    rows = np.stack([context.logits(place) for place in places])
    context.batch.clear()
    return rows


def _decode(loaded: Loaded, tokens: list[int], *, first: int, stride: int) -> float:
    """Seconds for ``tokens``, ``stride`` at a time, the first at place ``first`` of the sequence."""
    context = loaded.context
    begun = time.monotonic()
    for start in range(0, len(tokens), stride):
        context.batch.clear()
        index = context.batch.add(tokens[start : start + stride], position=first + start, sequence=0, output=True)
        context.decode()
        float(context.logits(index)[0])  # waits for a device that computes on its own
    return time.monotonic() - begun


def _memory(name: str) -> int:
    """Bytes as Linux's /proc says them of this process alone; 0 elsewhere. (getrusage's peak begins with the parent's.)"""
    try:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return 0


if __name__ == "__main__":
    main()
