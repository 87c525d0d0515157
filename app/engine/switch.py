"""One model after another behind one Engine: the new one is loaded while the old one answers, then takes its place.

A call that is open stays with the model that it began on, which is closed when the last such call has ended. Where the two do
not fit in memory together, the old one ends its open calls and is closed first, and new calls wait for the new one.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.engine.base import Engine, EngineStatus, LabelRequest, ModelInfo, Phase, Queued, Sampling, StreamEvent
from app.engine.local import HEARTBEAT, LocalModel
from app.errors import Conflict, EngineError
from app.records import Prompt

POLL_SECONDS = 0.1  # between two looks at a model that loads
CLOSING = "The application is closing."


@dataclass(frozen=True)
class Switch:
    """A change of models. ``path`` and ``seconds`` are those of the model that loads, None while none does; ``sentence`` says
    how it goes, or why the last one failed, and is empty when there is nothing to say."""

    path: Path | None = None
    seconds: float | None = None
    sentence: str = ""


class _Line:
    """One running engine and its open calls."""

    def __init__(self, model: LocalModel, engine: Engine) -> None:
        self.model = model
        self.engine = engine
        self.calls = 0

    @property
    def name(self) -> str:
        return called(self.model)


@dataclass(frozen=True)
class _Loading:
    model: LocalModel
    since: float
    old: str  # its name
    beside: bool


class SwitchingEngine:
    """The Engine Protocol over a model that can be changed for another while it runs."""

    def __init__(
        self,
        model: LocalModel,
        *,
        start: Callable[[LocalModel], Engine],
        fits: Callable[[LocalModel, Sequence[EngineStatus]], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``start`` begins to load a model and never blocks. ``fits``: whether a model can be loaded beside those that run;
        by what this machine has left if not given."""
        self._start = start
        self._fits = fits or _fits_here
        self._clock = clock
        self._state = threading.Condition()  # guards all below
        self._current: _Line | None = None  # None while the old model is gone and the new one not there yet
        self._lines: list[_Line] = []  # every engine that is not closed
        self._loading: _Loading | None = None
        self._failure = ""
        self._workers: list[threading.Thread] = []
        self._closed = False
        self._current = self._begin(model)

    # The Protocol

    def status(self) -> EngineStatus:
        with self._state:
            current, loading = self._current, self._loading
        if loading is None:
            assert current is not None, "without a model there is one that loads"
            return current.engine.status()
        sentence = self._told(loading)
        status = current.engine.status() if current is not None else EngineStatus(Phase.LOADING)
        if status.phase is Phase.READY:
            return replace(status, sentence=sentence)
        return EngineStatus(Phase.LOADING, sentence, waiting=status.waiting)

    def info(self) -> ModelInfo:
        with self._state:
            if self._closed:
                raise EngineError(CLOSING)
            current, loading = self._current, self._loading
        if current is None:
            assert loading is not None
            raise EngineError(f"{self._told(loading)} Try again in a moment.")
        return current.engine.info()

    def stream(self, prompt: Prompt, sampling: Sampling) -> Generator[StreamEvent, None, None]:
        while (line := self._enter(HEARTBEAT)) is None:
            yield Queued(0)
        try:
            yield from line.engine.stream(prompt, sampling)
        finally:
            self._leave(line)

    def label_scores(self, requests: Sequence[LabelRequest]) -> list[npt.NDArray[np.float64]]:
        with self.hold() as engine:
            return engine.label_scores(requests)

    def count(self, prompts: Sequence[Prompt]) -> list[int]:
        with self.hold() as engine:
            return engine.count(prompts)

    def retry(self) -> None:
        with self._state:
            current = self._current
        if current is not None:
            current.engine.retry()

    def close(self) -> None:
        with self._state:
            self._closed = True
            self._state.notify_all()
            lines, self._lines = self._lines, []
            workers = self._workers
        for line in lines:
            line.engine.close()
        for worker in workers:
            worker.join()

    # Changing the model

    @contextmanager
    def hold(self) -> Iterator[Engine]:
        """The model that answers now, which stays for as long as it is held; waits for one where the old one is gone.

        Raises:
            EngineError: the application is closing.
        """
        line = self._enter(None)
        assert line is not None
        try:
            yield line.engine
        finally:
            self._leave(line)

    def switch(self, model: LocalModel) -> None:
        """Begins to change to another model and returns at once; ``switching`` tells how it goes.

        If it cannot be loaded, the old model goes on answering.

        Raises:
            Conflict: another change is under way, this model answers already, or the application is closing.
        """
        with self._state:
            if self._closed:
                raise Conflict(CLOSING)
            if self._loading is not None:
                raise Conflict(f"{called(self._loading.model)} is being loaded. Wait for it, then choose again.")
            old = self._current
            assert old is not None
            statuses = [line.engine.status() for line in self._lines]
            if old.model.path == model.path and old.engine.status().phase is Phase.READY:
                raise Conflict(f"{called(model)} answers already.")
            beside = self._fits(model, statuses)
            self._loading = _Loading(model, self._clock(), old.name, beside)
            self._failure = ""
            worker = threading.Thread(target=self._work, args=(old, model, beside), name="switch", daemon=True)
            self._workers = [one for one in self._workers if one.is_alive()] + [worker]
            worker.start()

    def switching(self) -> Switch:
        """Never blocks."""
        with self._state:
            loading, failure = self._loading, self._failure
        if loading is None:
            return Switch(sentence=failure)
        return Switch(loading.model.path, self._clock() - loading.since, self._told(loading))

    def current_model(self) -> LocalModel | None:
        """What answers now, None between two models."""
        with self._state:
            return None if self._current is None else self._current.model

    def _told(self, loading: _Loading) -> str:
        begun = f"Loading {called(loading.model)}, {self._clock() - loading.since:.0f} s so far."
        if loading.beside:
            return f"{begun} {loading.old} answers until it is ready."
        return f"{begun} There is no room for two models, so {loading.old} ends its open answers first and new questions wait."

    def _work(self, old: _Line, model: LocalModel, beside: bool) -> None:
        if not beside and not self._make_room():
            return
        with self._state:
            if self._closed:
                return
            new = self._begin(model)
        status = self._settled(new)
        if status is None:
            return
        if status.phase is Phase.READY:
            self._settle(new)
            self._drained([old])
            self._end(old)
            return
        self._end(new)
        with self._state:
            if self._closed:
                return
            kept = old if beside else self._begin(old.model)
        self._settle(kept, failure=f"{called(model)} was not loaded: {status.sentence} {old.name} goes on answering.")

    def _make_room(self) -> bool:
        """Ends what runs, when its open calls have ended; False when the application closes before."""
        with self._state:
            self._current = None
            leaving = list(self._lines)
        if not self._drained(leaving):
            return False
        for line in leaving:
            self._end(line)
        return True

    def _begin(self, model: LocalModel) -> _Line:
        """Called with the state's lock held, or by the constructor."""
        line = _Line(model, self._start(model))
        self._lines.append(line)
        return line

    def _settled(self, line: _Line) -> EngineStatus | None:
        """Ready or failed; None when the application closes before."""
        while True:
            status = line.engine.status()
            if status.phase in (Phase.READY, Phase.FAILED):
                return status
            with self._state:
                if self._state.wait_for(lambda: self._closed, POLL_SECONDS):
                    return None

    def _settle(self, line: _Line, *, failure: str = "") -> None:
        with self._state:
            self._current, self._loading, self._failure = line, None, failure
            self._state.notify_all()

    def _drained(self, lines: Sequence[_Line]) -> bool:
        with self._state:
            self._state.wait_for(lambda: self._closed or not any(line.calls for line in lines))
            return not self._closed

    def _end(self, line: _Line) -> None:
        """Closes an engine, unless ``close`` does."""
        with self._state:
            if line not in self._lines:
                return
            self._lines.remove(line)
        line.engine.close()

    def _enter(self, timeout: float | None) -> _Line | None:
        """Opens a call on the model that answers now; None after ``timeout`` seconds without one."""
        with self._state:
            self._state.wait_for(lambda: self._closed or self._current is not None, timeout)
            if self._closed:
                raise EngineError(CLOSING)
            if self._current is not None:
                self._current.calls += 1
            return self._current

    def _leave(self, line: _Line) -> None:
        with self._state:
            line.calls -= 1
            self._state.notify_all()


@contextmanager
def held(engine: Engine) -> Iterator[Engine]:
    """One and the same model for several calls that belong together, as a prompt in a model's template and its answer."""
    if isinstance(engine, SwitchingEngine):
        with engine.hold() as one:
            yield one
    else:
        yield engine


def called(model: LocalModel) -> str:
    """What a model is called before it is loaded."""
    return model.name or model.path.stem


def fit_together(size: int, running: Sequence[EngineStatus], available: int | None) -> bool:
    """Whether a model can be loaded beside those that run.

    On a GPU never: the driver's memory is not told here, and a model that finds too little of it would go to the CPU.

    Args:
        size: of the new model's file, in bytes; it and what the running ones hold must be available.
        available: None where nobody knows, and it is then tried.
    """
    models = [status.model for status in running if status.model is not None]
    if any(not model.device.startswith("CPU") for model in models):
        return False
    held_now = sum(status.sight.memory if status.sight else status.model.size if status.model else 0 for status in running)
    return available is None or size + held_now <= available


def available_memory(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that programs may still take, None where the system does not say."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo.read_text(), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None


def _fits_here(model: LocalModel, running: Sequence[EngineStatus]) -> bool:
    try:
        size = model.path.stat().st_size
    except OSError:
        return True  # that the file is not there is the engine's to say
    return fit_together(size, running, available_memory())
