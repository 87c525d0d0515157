"""The engine's process: ``python -m app.engine.child``, frames on stdin and stdout, llama.cpp's words on stderr.

The first frame names the model; a ``ready`` or a ``failed`` frame answers it. The end of stdin means exit, at once,
whatever is being computed: the application has gone. Not for use by hand.
"""

from __future__ import annotations

import ctypes
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import llama_cpp
import numpy as np

from app.engine.base import EciHead, ModelInfo
from app.engine.llama import Context, Model, NativeLog, load_backends
from app.engine.scheduler import Scheduler, works
from app.engine.sequences import Sequences
from app.engine.threads import choose_decode_threads, usable_cores
from app.engine.wire import Frame, FrameWriter, read_frames, unpack
from app.errors import ModelFileError
from app.prompts import ANSWER_PREFIX
from app.records import OPTION_LETTERS

BATCH = 512  # tokens one llama_decode may hold
CHUNK = 128  # prompt tokens a batch: half a second on two old cores, which bounds a Stop and everybody's stall
ACTIVE = 8  # requests computed side by side; more wait in the queue
KEPT = 8  # finished sequences whose prefix may be used again
KEPT_SHARE = 4  # and at most a quarter of the KV store: attention runs over kept cells for everybody
PROOF = "The heart has four chambers"
PROOF_TOKENS = 4
MEASURED_STEPS = 4  # single tokens a number of threads
PR_SET_PDEATHSIG = 1


def main() -> NoReturn:
    writer = FrameWriter(_private_stdout())
    _die_with_parent()
    inbox: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(read_frames(sys.stdin.buffer), inbox), daemon=True).start()
    config = inbox.get()
    try:
        model, context, info = _load(config)
    except ModelFileError as error:
        writer.write({"kind": "failed", "sentence": error.sentence})
        os._exit(1)
    writer.write({"kind": "ready", "info": asdict(info)})
    sequences = Sequences(
        context,
        active=ACTIVE,
        kept=KEPT,
        cells=context.cells,
        kept_cells=context.cells // KEPT_SHARE,
        whole_only=model.whole_only,
    )
    scheduler = Scheduler(model, context, sequences=sequences, chunk=CHUNK, send=writer.write)
    try:
        Service(model, info, scheduler, writer).run(inbox)
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # an ordinary exit waits for the reader's lock on stdin and aborts


@dataclass(frozen=True)
class Service:
    """What answers the application's frames once a model is loaded."""

    model: Model
    info: ModelInfo
    scheduler: Scheduler
    writer: FrameWriter

    def run(self, inbox: queue.SimpleQueue[Frame]) -> NoReturn:
        """Takes what has come in, computes one batch, and so on for ever; sleeps while there is nothing to do."""
        while True:
            if self.scheduler.idle:
                self.take(inbox.get())
            while not inbox.empty():
                self.take(inbox.get())
            self.scheduler.step()

    def take(self, frame: Frame) -> None:
        call = frame["id"]
        if frame["op"] == "cancel":
            self.scheduler.cancel(call)
        elif frame["op"] == "count":
            counts = [len(self.encode(prompt)) for prompt in frame["prompts"]]
            self.writer.write({"kind": "counts", "id": call, "counts": counts})
        else:
            head = self.info.eci.token_ids if self.info.eci else {}
            try:
                for work in list(works(frame, self.encode, head, self.info.context)):
                    self.scheduler.add(work)
            except ValueError as error:
                self.writer.write({"kind": "refused", "id": call, "sentence": str(error)})

    def encode(self, prompt: list[list[Any]]) -> list[int]:
        return self.model.encode(unpack(prompt))


def _load(config: Frame) -> tuple[Model, Context, ModelInfo]:
    path = Path(config["path"])
    log = NativeLog()
    llama_cpp.llama_backend_init()
    load_backends()
    model = Model(path, gpu_layers=config["gpu_layers"], log=log)
    threads = config["threads"] or usable_cores()
    cells = min(config["context"], model.context_train) or config["context"]
    context = Context(model, cells=cells, batch=BATCH, sequences=ACTIVE + KEPT, threads=threads)
    _prove(model, context)
    if not config["threads"]:
        _measure_threads(model, context, threads)
    return model, context, _describe(model, context, config, threads)


def _prove(model: Model, context: Context) -> None:
    """Decodes a few tokens: a native library built for another CPU crashes here, where the page can say so.

    Raises:
        ModelFileError: the logits are not finite.
    """
    index = _decode(context, model.tokenize(PROOF, control=False)[:PROOF_TOKENS])
    finite = bool(np.isfinite(context.logits(index)).all())
    context.forget(0)
    if not finite:
        raise ModelFileError(
            f"{model.path.name} computes no finite numbers on this machine: the file is damaged or llama.cpp was built "
            "wrongly. Download the file again; if that does not help, run `make clean run` to build llama.cpp anew."
        )


def _decode(context: Context, tokens: list[int], *, first: int = 0) -> int:
    """One batch of sequence 0; returns the index of the last token's logits."""
    context.clear()
    for position, token in enumerate(tokens, start=first):
        index = context.add(token, position=position, sequence=0, output=True)
    context.decode()
    context.clear()
    return index


def _measure_threads(model: Model, context: Context, cores: int) -> None:
    """Sets the threads: all cores for prompts, for single tokens what is fastest."""
    token = model.tokenize(PROOF, control=False)[:1]

    def step_seconds(threads: int) -> float:
        context.set_threads(decode=threads, prefill=cores)
        _decode(context, token)  # the first step wakes the threads
        begun = time.monotonic()
        for position in range(1, MEASURED_STEPS + 1):
            _decode(context, token, first=position)
        context.forget(0)
        return (time.monotonic() - begun) / MEASURED_STEPS

    context.set_threads(decode=choose_decode_threads(cores, step_seconds), prefill=cores)


def _describe(model: Model, context: Context, config: Frame, threads: int) -> ModelInfo:
    gpu = config["gpu_layers"] != 0 and bool(llama_cpp.llama_supports_gpu_offload())
    return ModelInfo(
        name=config["name"] or model.metadata("general.name") or model.path.stem,
        file=model.path.name,
        size=model.path.stat().st_size,
        parameters=model.parameters,
        quantisation=model.quantisation(),
        device="GPU" if gpu else f"CPU, {threads} thread{'s' if threads > 1 else ''}",
        context=context.cells,
        licence=config["licence"] or model.metadata("general.license") or "licence not stated",
        demo=config["demo"],
        chat_template=model.chat_template(),
        bos=model.bos,
        eos=model.eos,
        eci=untrained_head(model),
    )


def untrained_head(model: Model) -> EciHead | None:
    """Label -> the one token by which ids(prefix + " A") extends ids(prefix), or None where that fails (DESIGN.md, ECI).

    The prefix is a segment of its own in every prompt, and segments are tokenized one by one, so this holds for all prompts.
    """
    prefix = model.tokenize(ANSWER_PREFIX, control=False)
    ids: dict[str, int] = {}
    for letter in OPTION_LETTERS:
        extended = model.tokenize(f"{ANSWER_PREFIX} {letter}", control=False)
        if len(extended) != len(prefix) + 1 or extended[:-1] != prefix:
            return None
        ids[letter] = extended[-1]
    return EciHead(ids) if len(set(ids.values())) == len(ids) else None


def _private_stdout() -> BinaryIO:
    """The pipe to the application under a number of its own, so that nothing printed natively can tear a frame."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return pipe


def _die_with_parent() -> None:
    """On Linux the kernel ends this process with its parent even while native code computes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 9)


def _read(frames: Iterator[Frame], inbox: queue.SimpleQueue[Frame]) -> None:
    for frame in frames:
        inbox.put(frame)
    os._exit(0)


if __name__ == "__main__":
    main()
