"""Measuring for the page: one measurement at a time, in a thread of its own, that can be stopped and goes on where it was.

`app.measure_sets` does it; `app.measure_command` is its command.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app.earned import Ledger
from app.engine.base import Engine
from app.errors import BadInput, Conflict, LlamaCareError, NotFound
from app.labelled import LabelledSet, read_labelled
from app.measure_sets import ModelSwitched, Wanted, measurable, measure_sets, summary

CLOSE_SECONDS = 5.0
STOPPING = "Stopping: the questions that are being read are read to their end first."
BANK = "question bank"
JOURNALS, LABELLED, MEASUREMENTS = "measuring", "labelled", "measurements"  # folders in the data folder


class MeasuringPhase(enum.StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class MeasuringStatus:
    """How the measurement stands, or how the last one ended. ``done`` of ``total`` questions; ``seconds_left`` None while there
    is nothing to judge by."""

    phase: MeasuringPhase
    set: str = ""
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    sentence: str = ""


class Measuring:
    """One measurement at a time, in a thread of its own, for the page. Callable from any thread."""

    def __init__(
        self, engine: Engine, ledger: Ledger, *, bank: Path, data_dir: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``bank``: the folder of the application's own questions. In ``data_dir`` are the user's sets, labelled/*.jsonl, and the
        journals."""
        self._engine = engine
        self._ledger = ledger
        self._bank = bank
        self._data_dir = data_dir
        self._clock = clock
        self._lock = threading.Lock()  # guards all below
        self._status = MeasuringStatus(MeasuringPhase.IDLE)
        self._begun: tuple[float, int] | None = None  # when the first question was asked, and how many were done then
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    def sets(self) -> list[LabelledSet]:
        """The question bank and the user's files, those with at least one question that can be used."""
        found = []
        for name, path in self._places().items():
            try:
                found.append(LabelledSet(name, path, len(read_labelled(path, name).questions)))
            except BadInput:
                continue  # the command says why
        return found

    def start(self, name: str, careful: bool = False) -> None:
        """Begins, or goes on with, the measurement of the loaded model on a set.

        Raises:
            NotFound: no such set. Conflict: one is running. BadInput: no question of the set can be used.
            EngineError: there is no model, or it cannot be measured.
        """
        path = self._places().get(name)
        if path is None:
            raise NotFound(f"There is no labelled set {name!r:.60}; expected one of {', '.join(self._places())}.")
        labelled = read_labelled(path, name)
        info, _ = measurable(self._engine)
        flags = " --careful" if careful else ""
        command = f"python -m app.models measure {info.file} --questions {path.name}{flags}"
        with self._lock:
            if self._closed:
                raise Conflict("The application is closing. Start the measurement again when it is open.")
            if self._status.phase is MeasuringPhase.RUNNING:
                raise Conflict(f"A measurement on {self._status.set} is running. Stop it first, or wait for its end.")
            self._stop = threading.Event()
            self._begun = None
            self._status = MeasuringStatus(MeasuringPhase.RUNNING, name, 0, len(labelled.questions))
            wanted = Wanted(sets=(labelled,), careful=careful, command=command)
            self._thread = threading.Thread(target=self._run, args=(wanted, self._stop), name="measuring", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the measurement after the questions that are being read; nothing where none runs."""
        with self._lock:
            self._stop.set()
            if self._status.phase is MeasuringPhase.RUNNING:
                self._status = replace(self._status, sentence=STOPPING)

    def status(self) -> MeasuringStatus:
        with self._lock:
            return self._status

    def close(self) -> None:
        """Stops, and waits a moment for the end. Close this before the engine."""
        with self._lock:
            self._closed = True
            self._stop.set()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_SECONDS)

    def _places(self) -> dict[str, Path]:
        files = sorted((self._data_dir / LABELLED).glob("*.jsonl"))
        return {BANK: self._bank} | {path.stem: path for path in files if path.stem != BANK}

    def _run(self, wanted: Wanted, stopped: threading.Event) -> None:
        try:
            found = measure_sets(self._engine, wanted, self._data_dir / JOURNALS, tell=self._tell, stopped=stopped)
            if found is None:
                self._end(MeasuringPhase.STOPPED, "Stopped. What was read is kept: start it again and it goes on.")
            else:
                self._ledger.put(found)
                self._end(MeasuringPhase.DONE, summary(found))
        except ModelSwitched as switched:
            self._end(MeasuringPhase.STOPPED, switched.sentence)
        except LlamaCareError as error:
            self._end(MeasuringPhase.FAILED, error.sentence)
        except BaseException:
            self._end(MeasuringPhase.FAILED, "The measurement ended by a fault of the application. Start it again: it goes on.")
            raise

    def _tell(self, done: int, total: int) -> None:
        now = self._clock()
        with self._lock:
            if self._begun is None:
                self._begun = (now, done)
            since, already = self._begun
            left = (now - since) / (done - already) * (total - done) if done > already else None
            self._status = replace(self._status, done=done, total=total, seconds_left=left)

    def _end(self, phase: MeasuringPhase, sentence: str) -> None:
        with self._lock:
            self._status = MeasuringStatus(phase, self._status.set, self._status.done, self._status.total, None, sentence)
