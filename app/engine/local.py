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
from app.engine.journal import Journal
from app.engine.obituary import obituary
from app.engine.wire import Frame, FrameWriter, pack, read_frames, unpack_info
from app.errors import Busy, EngineDied, EngineError, NoLabels
from app.records import Prompt

ROOT = Path(__file__).parents[2]
# A native abort would start gdb for a backtrace, two seconds a time; its assertion is all that the sentence needs. Through
# env(1), since it is read when the native library is loaded.
COMMAND = ("env", "GGML_NO_BACKTRACE=1", sys.executable, "-m", "app.engine.child")
HEARTBEAT = 0.25  # seconds between two events of a stream at most, so that its caller can stop
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)  # seconds before each further start in a row
STARTS_ON_GPU = 2  # crashes while loading, in a row, before it is tried without the GPU
STARTS_THAT_FAIL = 4  # crashes while loading, in a row, before only the user can start it again
NATIVE_LINES = 40  # the child's last words that are kept
CLOSE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    """Which file to load and how.

    ``threads`` 0: chosen by the engine, which remembers its measurement in ``thread_cache``, and the file's digest in
    ``digest_cache``; ``gpu_layers`` -1: all that fit; ``kv_type``: f16, q8_0 or q4_0; ``reuse`` False computes every prompt
    whole, to compare with.
    """

    path: Path
    name: str = ""
    licence: str = ""
    demo: bool = False
    context: int = 8192
    threads: int = 0
    thread_cache: Path | None = None
    digest_cache: Path | None = None
    gpu_layers: int = -1
    kv_type: str = "f16"
    reuse: bool = True


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
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._model = model
        self._command = command
        self._journal = Journal()
        self._max_open = max_waiting
        self._pauses = pauses
        self._clock = clock
        self._numbers = itertools.count(1)
        self._state = threading.Condition()  # guards all below
        self._phase = Phase.LOADING
        self._sentence = ""
        self._restart_at: float | None = None
        self._info: ModelInfo | None = None
        self._sight: Sight | None = None
        self._starts = 0
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
            return EngineStatus(
                self._phase,
                self._sentence,
                left,
                len(self._calls),
                self._info,
                restarts=max(0, self._starts - 1),
                sight=self._sight,
            )

    def info(self) -> ModelInfo:
        with self._state:
            if self._phase is not Phase.READY or self._info is None:
                raise EngineError(self._unavailable())
            return self._info

    def stream(self, prompt: Prompt, sampling: Sampling) -> Generator[StreamEvent, None, None]:
        call = self._open({"op": "stream", "prompt": pack(prompt), "sampling": asdict(sampling)})
        progress: StreamEvent = Queued(1)
        end: Finished | EngineError | None = None
        try:
            while True:
                frame = call.next(HEARTBEAT)
                if frame is None:
                    yield progress
                    continue
                event = _event(frame)
                if isinstance(event, Queued | Prefilling):
                    progress = event
                elif isinstance(event, Finished):
                    end = event
                yield event
                if isinstance(event, Finished):
                    return
        except EngineError as error:
            end = error
            raise
        finally:
            self._end(call, finished=end is not None)
            self._journal.chat(end)

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
        begun = self._clock()
        call = self._open({"op": "scores", "requests": asked})
        scores: dict[int, npt.NDArray[np.float64]] = {}
        end: float | EngineError | None = None
        try:
            while len(scores) < len(requests):
                frame = call.next(None)
                if frame is not None and frame["kind"] == "scores":
                    scores[frame["part"]] = np.asarray(frame["scores"], dtype=np.float64)
            end = self._clock() - begun
        except EngineError as error:
            end = error
            raise
        finally:
            self._end(call, finished=end is not None)
            self._journal.labels(end, prompts=len(requests))
        return [scores[part] for part in range(len(requests))]

    def count(self, prompts: Sequence[Prompt]) -> list[int]:
        call = self._open({"op": "count", "prompts": [pack(prompt) for prompt in prompts]}, bounded=False)
        try:
            frame = call.next(None)
            assert frame is not None
            return [int(count) for count in frame["counts"]]
        finally:
            self._end(call, finished=True)

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
        try:
            call, writer = self._register(bounded=bounded)
        except Busy:
            self._journal.turned_away(self._max_open)
            raise
        try:
            writer.write({**frame, "id": call.number})
        except (OSError, ValueError):
            pass  # the child is gone: the supervisor fails this call with the reason
        return call

    def _register(self, *, bounded: bool) -> tuple[_Call, FrameWriter]:
        with self._state:
            if self._phase is not Phase.READY or self._writer is None:
                raise EngineError(self._unavailable())
            if bounded and len(self._calls) >= self._max_open:
                raise Busy(f"{len(self._calls)} requests wait already, the most that this machine takes. Try again in a minute.")
            call = _Call(next(self._numbers))
            self._calls[call.number] = call
            return call, self._writer

    def _end(self, call: _Call, *, finished: bool) -> None:
        """Forgets a call; what is still being computed for it stops."""
        with self._state:
            known = self._calls.pop(call.number, None) is not None
            writer = self._writer
        if known and not finished and writer is not None:
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
            was_ready, sentence, can_retry = self._live(with_gpu=crashes < STARTS_ON_GPU)
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
        """Called with the state's lock held."""
        self._phase, self._sentence = phase, sentence
        self._state.notify_all()

    def _live(self, *, with_gpu: bool) -> tuple[bool, str, bool]:
        """One child from start to end: was it ever ready, what ended it in words, may it be started again by itself."""
        with self._state:
            if self._closed:
                return False, "", False
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
            )
            assert process.stdin and process.stdout and process.stderr
            self._process = process
            self._starts += 1
            writer = FrameWriter(process.stdin)
        self._journal.starting(self._model.path.name, restarts=self._starts - 1)
        native: deque[str] = deque(maxlen=NATIVE_LINES)
        listener = threading.Thread(target=_listen, args=(process.stderr, native), daemon=True)
        listener.start()
        refusal = ""
        ready = False
        try:
            writer.write(_config(self._model, with_gpu=with_gpu))
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
        loaded = unpack_info(info)
        with self._state:
            self._info = loaded
            self._writer = writer
            self._set(Phase.READY, "")
        self._journal.ready(loaded)

    def _deliver(self, frame: Frame) -> None:
        if frame["kind"] == "sight":
            self._see(Sight(**{name: value for name, value in frame.items() if name != "kind"}))
            return
        with self._state:
            call = self._calls.get(frame["id"])
        if call is not None:  # else: its caller has gone
            call.frames.put(frame)

    def _see(self, sight: Sight) -> None:
        with self._state:
            self._sight = sight
            name, restarts = (self._info.name if self._info else ""), self._starts - 1
        if not sight.active and not sight.queued:
            self._journal.idle(name, sight, restarts=restarts)

    def _bury(self, sentence: str) -> None:
        with self._state:
            self._info = self._writer = self._process = self._sight = None
            calls = list(self._calls.values())
            self._calls.clear()
            if not self._closed:
                self._set(Phase.RESTARTING, sentence)
            closing = self._closed
        self._journal.ended("the application is closing" if closing else sentence)
        for call in calls:
            call.frames.put(EngineDied(sentence or "The application is closing."))


def _config(model: LocalModel, *, with_gpu: bool) -> Frame:
    """The first frame to a child."""
    caches = {name: str(path.absolute()) if path else "" for name, path in _caches(model)}
    config = {**asdict(model), "path": str(model.path.absolute()), **caches}
    return config if with_gpu or not model.gpu_layers else {**config, "gpu_layers": 0, "gpu_given_up": True}


def _caches(model: LocalModel) -> tuple[tuple[str, Path | None], ...]:
    return ("thread_cache", model.thread_cache), ("digest_cache", model.digest_cache)


def _event(frame: Frame) -> StreamEvent:
    kind = frame["kind"]
    if kind == "queued":
        return Queued(frame["place"])
    if kind == "prefill":
        return Prefilling(frame["done"], frame["total"])
    if kind == "piece":
        return Piece(frame["text"])
    if kind == "thought":
        return Thought(frame["text"])
    return Finished(Ending(frame["ending"]), frame["prompt"], frame["tokens"], frame["rate"], frame.get("reused", 0))


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
