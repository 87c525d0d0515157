"""llama.cpp in a child process, seen from the application: starts it, speaks with it, starts it again.

Knows no llama_cpp. A child that dies takes its open calls with it and nothing else: each fails with a sentence, the
reason is read from how the child ended and from its last native words, and after a pause a new one is started.
"""

from __future__ import annotations

import itertools
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
from app.engine.obituary import obituary
from app.engine.wire import Frame, FrameWriter, pack, read_frames
from app.errors import Busy, EngineDied, EngineError, NoLabels
from app.records import Prompt

ROOT = Path(__file__).parents[2]
# Through env(1), since both are read when the native library is loaded:
# - OpenMP's threads else spin at every barrier, and one busy neighbour on two cores takes decoding of the embedded model from
#   105 tokens/s to 25 (40 with passive threads, 60 on a single one). What passive waiting costs on an idle machine,
#   app.engine.threads wins back.
# - A native abort would start gdb for a backtrace, two seconds a time; its assertion is all that the sentence needs.
COMMAND = ("env", "OMP_WAIT_POLICY=passive", "GGML_NO_BACKTRACE=1", sys.executable, "-m", "app.engine.child")
HEARTBEAT = 0.25  # seconds between two events of a stream at most, so that its caller can stop
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)  # seconds before each further start in a row
STARTS_THAT_FAIL = 4  # crashes while loading, in a row, before only the user can start it again
NATIVE_LINES = 40  # the child's last words that are kept
CLOSE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    """Which file to load and how. ``threads`` 0: chosen by the engine; ``gpu_layers`` -1: all of them."""

    path: Path
    name: str = ""
    licence: str = ""
    demo: bool = False
    context: int = 8192
    threads: int = 0
    gpu_layers: int = -1


class _Call:
    """One open request: the frames that came for it, or the error that ended it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.frames: queue.SimpleQueue[Frame | EngineError] = queue.SimpleQueue()

    def next(self, timeout: float | None) -> Frame | None:
        """The next frame, None after ``timeout`` seconds without one. Raises what ended the call."""
        try:
            frame = self.frames.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(frame, EngineError):
            raise frame
        if frame["kind"] == "refused":
            raise EngineError(frame["sentence"])
        return frame


class LocalEngine:
    """The Engine Protocol over a child process. Starts it at once; never blocks in the constructor."""

    def __init__(
        self,
        model: LocalModel,
        *,
        max_waiting: int = 32,
        pauses: Sequence[float] = PAUSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._max_open = max_waiting
        self._pauses = pauses
        self._clock = clock
        self._numbers = itertools.count(1)
        self._state = threading.Condition()  # guards all below
        self._phase = Phase.LOADING
        self._sentence = ""
        self._restart_at: float | None = None
        self._info: ModelInfo | None = None
        self._calls: dict[int, _Call] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: FrameWriter | None = None
        self._closed = False
        self._retry = False
        self._supervisor = threading.Thread(target=self._supervise, name="engine", daemon=True)
        self._supervisor.start()

    # The Protocol

    def status(self) -> EngineStatus:
        with self._state:
            left = None if self._restart_at is None else max(0.0, self._restart_at - self._clock())
            return EngineStatus(self._phase, self._sentence, left, len(self._calls), self._info)

    def info(self) -> ModelInfo:
        with self._state:
            if self._phase is not Phase.READY or self._info is None:
                raise EngineError(self._unavailable())
            return self._info

    def stream(self, prompt: Prompt, sampling: Sampling) -> Generator[StreamEvent, None, None]:
        call = self._open({"op": "stream", "prompt": pack(prompt), "sampling": asdict(sampling)})
        progress: StreamEvent = Queued(1)
        try:
            while True:
                frame = call.next(HEARTBEAT)
                if frame is None:
                    yield progress
                    continue
                event = _event(frame)
                if isinstance(event, Queued | Prefilling):
                    progress = event
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            self._end(call)

    def label_scores(self, requests: Sequence[LabelRequest]) -> list[npt.NDArray[np.float64]]:
        head = self.info().eci
        if head is None:
            raise NoLabels(
                "This model has no single token for each option letter, so it cannot score options. Choose another GGUF."
            )
        unknown = {label for request in requests for label in request.labels} - head.token_ids.keys()
        if unknown:
            raise NoLabels(f"This model has no label {sorted(unknown)[0]!r}; it reads {', '.join(head.token_ids)}.")
        asked = [{"prompt": pack(request.prompt), "labels": list(request.labels)} for request in requests]
        call = self._open({"op": "scores", "requests": asked})
        scores: dict[int, npt.NDArray[np.float64]] = {}
        try:
            while len(scores) < len(requests):
                frame = call.next(None)
                if frame is not None and frame["kind"] == "scores":
                    scores[frame["part"]] = np.asarray(frame["scores"], dtype=np.float64)
        finally:
            self._end(call)
        return [scores[part] for part in range(len(requests))]

    def count(self, prompts: Sequence[Prompt]) -> list[int]:
        call = self._open({"op": "count", "prompts": [pack(prompt) for prompt in prompts]}, bounded=False)
        try:
            frame = call.next(None)
            assert frame is not None
            return [int(count) for count in frame["counts"]]
        finally:
            self._end(call)

    def retry(self) -> None:
        with self._state:
            self._retry = self._phase in (Phase.FAILED, Phase.RESTARTING)
            self._state.notify_all()

    def close(self) -> None:
        with self._state:
            self._closed = True
            self._state.notify_all()
            process = self._process
        if process is not None and process.stdin is not None:
            try:
                process.stdin.close()  # end of file means exit
            except OSError:
                pass  # it has ended already
            try:
                process.wait(CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._supervisor.join(CLOSE_SECONDS)

    # Calls

    def _open(self, frame: Frame, *, bounded: bool = True) -> _Call:
        """``bounded``: the call computes, and so counts against the queue's limit."""
        with self._state:
            if self._phase is not Phase.READY or self._writer is None:
                raise EngineError(self._unavailable())
            if bounded and len(self._calls) >= self._max_open:
                raise Busy(f"{len(self._calls)} requests wait already, the most that this machine takes. Try again in a minute.")
            call = _Call(next(self._numbers))
            self._calls[call.number] = call
            writer = self._writer
        try:
            writer.write({**frame, "id": call.number})
        except (OSError, ValueError):
            pass  # the child is gone: the supervisor fails this call with the reason
        return call

    def _end(self, call: _Call) -> None:
        """Forgets a call; what is still being computed for it stops."""
        with self._state:
            unfinished = self._calls.pop(call.number, None) is not None
            writer = self._writer
        if unfinished and writer is not None:
            try:
                writer.write({"op": "cancel", "id": call.number})
            except (OSError, ValueError):
                pass  # gone with the child

    def _unavailable(self) -> str:
        if self._phase is Phase.LOADING:
            return "The model is still loading. Try again in a moment."
        return self._sentence or "The model is not available."

    # The child's life

    def _supervise(self) -> None:
        crashes = 0
        while True:
            was_ready, sentence, can_retry = self._live()
            crashes = 0 if was_ready else crashes + 1
            give_up = not can_retry or crashes >= STARTS_THAT_FAIL
            with self._state:
                if self._closed:
                    return
                if give_up:
                    self._set(Phase.FAILED, sentence)
                    self._state.wait_for(lambda: self._closed or self._retry)
                    crashes = 0
                else:
                    pause = self._pauses[min(crashes, len(self._pauses) - 1)]
                    self._restart_at = self._clock() + pause
                    self._set(Phase.RESTARTING, f"{sentence} It is being started again.")
                    self._state.wait_for(lambda: self._closed or self._retry, timeout=pause)
                if self._closed:
                    return
                self._retry = False
                self._restart_at = None
                self._set(Phase.LOADING if give_up else Phase.RESTARTING, "" if give_up else self._sentence)

    def _set(self, phase: Phase, sentence: str) -> None:
        self._phase, self._sentence = phase, sentence
        self._state.notify_all()

    def _live(self) -> tuple[bool, str, bool]:
        """One child from start to end: was it ever ready, what ended it in words, may it be started again by itself."""
        with self._state:
            if self._closed:
                return False, "", False
            process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
            assert process.stdin and process.stdout and process.stderr
            self._process = process
            writer = FrameWriter(process.stdin)
        native: deque[str] = deque(maxlen=NATIVE_LINES)
        listener = threading.Thread(target=_listen, args=(process.stderr, native), daemon=True)
        listener.start()
        refusal = ""
        ready = False
        try:
            writer.write({**asdict(self._model), "path": str(self._model.path.absolute())})
            for frame in read_frames(process.stdout):
                if frame["kind"] == "failed":
                    refusal = frame["sentence"]
                elif frame["kind"] == "ready":
                    ready = True
                    self._now_ready(frame["info"], writer)
                else:
                    self._deliver(frame)
        except (OSError, ValueError):
            pass  # the pipe broke: the child's exit status says why
        code = process.wait()
        listener.join(CLOSE_SECONDS)
        _close_pipes(process)
        sentence = refusal or obituary(code, list(native), loading=not ready, file=self._model.path.name)
        self._bury(sentence)
        return ready, sentence, not refusal

    def _now_ready(self, info: dict[str, Any], writer: FrameWriter) -> None:
        eci = info.pop("eci")
        with self._state:
            self._info = ModelInfo(**info, eci=EciHead(**eci) if eci else None)
            self._writer = writer
            self._set(Phase.READY, "")

    def _deliver(self, frame: Frame) -> None:
        with self._state:
            call = self._calls.get(frame["id"])
        if call is not None:  # else: its caller has gone
            call.frames.put(frame)

    def _bury(self, sentence: str) -> None:
        with self._state:
            self._info = self._writer = self._process = None
            calls = list(self._calls.values())
            self._calls.clear()
            if not self._closed:
                self._set(Phase.RESTARTING, sentence)
        for call in calls:
            call.frames.put(EngineDied(sentence or "The application is closing."))


def _event(frame: Frame) -> StreamEvent:
    kind = frame["kind"]
    if kind == "queued":
        return Queued(frame["place"])
    if kind == "prefill":
        return Prefilling(frame["done"], frame["total"])
    if kind == "piece":
        return Piece(frame["text"])
    return Finished(Ending(frame["ending"]), frame["prompt"], frame["tokens"], frame["rate"])


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        try:
            if pipe is not None:
                pipe.close()
        except OSError:
            pass  # what was still to be written has no reader any more


def _listen(pipe: Any, lines: deque[str]) -> None:
    for line in pipe:
        lines.append(line.decode("utf-8", "replace").rstrip())
