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

from app.engine.base import Sight
from app.engine.loading import Loaded, load
from app.engine.pace import Pace
from app.engine.scheduler import Scheduler
from app.engine.sequences import Bounds, Sequences
from app.engine.wire import Frame, FrameWriter, pack_info, read_frames, unpack
from app.engine.work import works
from app.errors import ModelFileError

BATCH = 512  # tokens one llama_decode may hold
ACTIVE = 8  # requests computed side by side; more wait in the queue
KEPT = 8  # finished sequences whose cells stay for the next with the same prefix
# Their tokens, as a share of the KV store. Attention passes over kept cells for everybody: 2,000 of them cost the embedded
# model a fifth of its speed, so on a CPU few stay and the others are put aside in memory, a few milliseconds away.
KEPT_SHARE = 32
KEPT_SHARE_GPU = 4  # there it costs next to nothing, and putting aside goes over the bus
ASIDE_BYTES = 512 * 2**20  # the embedded model keeps 22,000 tokens in it, an 8B one 4,000
SIGHT_SECONDS = 1.0  # between two frames of figures while there is work
PR_SET_PDEATHSIG = 1


def main() -> NoReturn:
    writer = FrameWriter(_private_stdout())
    _die_with_parent()
    inbox: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(read_frames(sys.stdin.buffer), inbox), daemon=True).start()
    config = inbox.get()
    try:
        loaded = load(config, batch=BATCH, sequences=ACTIVE + KEPT)
    except ModelFileError as error:
        writer.write({"kind": "failed", "sentence": error.sentence})
        os._exit(1)
    writer.write({"kind": "ready", "info": pack_info(loaded.info)})
    try:
        serve(loaded, writer, reuse=config.get("reuse", True)).run(inbox)
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # an ordinary exit waits for the reader's lock on stdin and aborts


def serve(loaded: Loaded, writer: FrameWriter, *, reuse: bool) -> Service:
    """The loop over a loaded model. ``reuse`` False computes every prompt whole, for comparison."""
    model, context = loaded.model, loaded.context
    bounds = Bounds(
        active=ACTIVE,
        cells=context.cells,
        kept=KEPT,
        kept_cells=context.cells // (KEPT_SHARE_GPU if loaded.on_gpu else KEPT_SHARE) if reuse else 0,
        aside_bytes=ASIDE_BYTES if reuse else 0,
        whole_only=model.whole_only,
    )
    sequences = Sequences(context, bounds)
    scheduler = Scheduler(
        model,
        context,
        sequences=sequences,
        pace=Pace(BATCH),
        governor=loaded.governor,
        send=writer.write,
        follow=reuse and not model.whole_only,
    )
    return Service(loaded, sequences, scheduler, writer)


@dataclass
class Service:
    """What answers the application's frames once a model is loaded."""

    loaded: Loaded
    sequences: Sequences
    scheduler: Scheduler
    writer: FrameWriter
    told: float = 0.0  # when the figures were last sent
    changed: bool = False  # since then

    def run(self, inbox: queue.SimpleQueue[Frame]) -> NoReturn:
        """Takes what has come in, computes one batch, and so on for ever; sleeps while there is nothing to do."""
        while True:
            if self.scheduler.idle:
                self.take(inbox.get())
            while not inbox.empty():
                self.take(inbox.get())
            if not self.scheduler.idle:
                self.scheduler.step()
            self.tell()

    def take(self, frame: Frame) -> None:
        call = frame["id"]
        self.changed = self.changed or not self.scheduler.idle or frame["op"] in ("stream", "scores")
        if frame["op"] == "cancel":
            self.scheduler.cancel(call)
        elif frame["op"] == "count":
            counts = [len(self.encode(prompt)) for prompt in frame["prompts"]]
            self.writer.write({"kind": "counts", "id": call, "counts": counts})
        else:
            info = self.loaded.info
            head = info.eci.token_ids if info.eci else {}
            try:
                asked = list(works(frame, self.encode, head, info.context))
            except ValueError as error:
                self.writer.write({"kind": "refused", "id": call, "sentence": str(error)})
                return
            if asked:
                self.scheduler.add(asked)

    def encode(self, prompt: list[list[Any]]) -> list[int]:
        return self.loaded.model.encode(unpack(prompt))

    def tell(self) -> None:
        """Sends the figures, each second of work and at its end."""
        if self.changed and (self.scheduler.idle or time.monotonic() - self.told >= SIGHT_SECONDS):
            self.changed = not self.scheduler.idle
            self.told = time.monotonic()
            self.writer.write({"kind": "sight", **asdict(self.sight())})

    def sight(self) -> Sight:
        scheduler, sequences, chosen = self.scheduler, self.sequences, self.loaded.governor.chosen
        return Sight(
            active=scheduler.active,
            slots=ACTIVE,
            queued=scheduler.queued,
            cells=self.loaded.context.cells,
            cells_active=sequences.cells_active,
            cells_kept=sequences.cells_kept,
            prompt_rate=scheduler.prompt_rate.value,
            decode_rate=scheduler.decode_rate.value,
            threads_decode=chosen["single"],
            threads_prefill=chosen["prompt"],
            memory=_resident(),
            kv_bytes=self.loaded.log.kv_bytes,
            **asdict(scheduler.counts),
        )


def _resident() -> int:
    """Bytes of memory that this process holds, 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


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
