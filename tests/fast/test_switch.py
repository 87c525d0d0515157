"""Changing the model while it is used: no call is lost, the old model stays where the new one fails, nothing is left behind."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from app.engine.base import EngineStatus, Finished, LabelRequest, Phase, Piece, Queued, Sampling
from app.engine.fake import FAKE_INFO, FAKE_SIGHT, FakeEngine
from app.engine.local import LocalEngine, LocalModel
from app.engine.switch import SwitchingEngine, available_memory, fit_together, held
from app.errors import Conflict, EngineError
from app.records import Prompt, Segment
from tests.engine_contract import EngineContract

Wait = Callable[[Callable[[], bool]], None]
ASKED: Prompt = (Segment("<|user|>", True), Segment("What is asthma?"))
STUB = (sys.executable, "-m", "tests.stub_child")


class Model(FakeEngine):
    """A fake that loads until it is told to be ready or broken, and knows whether it is closed."""

    def __init__(self, model: LocalModel, phase: Phase) -> None:
        super().__init__(f"{model.name} says this.", info=replace(FAKE_INFO, name=model.name, device="CPU, 1 thread"))
        self.model = model
        self.phase = phase
        self.closed = False

    def status(self) -> EngineStatus:
        if self.phase is Phase.READY:
            return super().status()
        return EngineStatus(self.phase, "The file is damaged." if self.phase is Phase.FAILED else "")

    def close(self) -> None:
        super().close()
        self.closed = True


class Garage:
    """Starts the models: the first at once, those of ``broken`` in vain, each other as ``phase`` says."""

    def __init__(self) -> None:
        self.started: list[Model] = []
        self.phase = Phase.LOADING
        self.broken: set[str] = set()
        self.room = True
        self.engine = SwitchingEngine(model("a"), start=self._start, fits=lambda *_: self.room)

    def _start(self, wanted: LocalModel) -> Model:
        phase = Phase.FAILED if wanted.name in self.broken else self.phase if self.started else Phase.READY
        self.started.append(Model(wanted, phase))
        return self.started[-1]

    @property
    def last(self) -> Model:
        return self.started[-1]

    @property
    def running(self) -> list[str]:
        return [one.model.name for one in self.started if not one.closed]


def model(name: str) -> LocalModel:
    return LocalModel(path=Path(f"{name}.gguf"), name=name)


@pytest.fixture
def garage() -> Iterator[Garage]:
    garage = Garage()
    yield garage
    garage.engine.close()
    assert garage.running == []


def text(engine: SwitchingEngine) -> str:
    return "".join(event.text for event in engine.stream(ASKED, Sampling()) if isinstance(event, Piece))


def settled(engine: SwitchingEngine) -> bool:
    return engine.switching().path is None


class TestAsAnEngine(EngineContract):
    @pytest.fixture
    def engine(self, garage: Garage) -> SwitchingEngine:
        return garage.engine


def test_the_old_model_answers_while_the_new_one_loads(garage: Garage, wait_for: Wait) -> None:
    engine = garage.engine
    engine.switch(model("b"))
    wait_for(lambda: len(garage.started) == 2)
    assert text(engine) == "a says this."
    status = engine.status()
    assert (status.phase, status.model and status.model.name) == (Phase.READY, "a")
    assert status.sentence == "Loading b, 0 s so far. a answers until it is ready."
    assert engine.switching().path == Path("b.gguf")
    garage.last.phase = Phase.READY
    wait_for(lambda: settled(engine))
    assert text(engine) == "b says this."
    assert (engine.info().name, engine.status().sentence, engine.switching().sentence) == ("b", "", "")
    wait_for(lambda: garage.running == ["b"])


def test_an_answer_that_is_being_written_is_written_to_its_end_by_its_model(garage: Garage, wait_for: Wait) -> None:
    stream = garage.engine.stream(ASKED, Sampling())
    first = next(stream)
    garage.phase = Phase.READY
    garage.engine.switch(model("b"))
    wait_for(lambda: settled(garage.engine))
    assert text(garage.engine) == "b says this."
    assert garage.running == ["a", "b"]
    events = [first, *stream]
    assert "".join(event.text for event in events if isinstance(event, Piece)) == "a says this."
    assert isinstance(events[-1], Finished)
    wait_for(lambda: garage.running == ["b"])


def test_a_prompt_and_its_answer_stay_with_one_model(garage: Garage, wait_for: Wait) -> None:
    """A prompt is written in the template of a model; another model must not get it."""
    garage.phase = Phase.READY
    with held(garage.engine) as one:
        before = one.info().name
        garage.engine.switch(model("b"))
        wait_for(lambda: settled(garage.engine))
        answer = "".join(event.text for event in one.stream(ASKED, Sampling()) if isinstance(event, Piece))
        assert (before, answer) == ("a", "a says this.")
        assert garage.running == ["a", "b"]
    wait_for(lambda: garage.running == ["b"])
    fixed = FakeEngine()
    with held(fixed) as one:
        assert one is fixed


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_in_place(garage: Garage, wait_for: Wait) -> None:
    garage.phase = Phase.FAILED
    garage.engine.switch(model("b"))
    wait_for(lambda: settled(garage.engine))
    assert garage.engine.switching().sentence == "b was not loaded: The file is damaged. a goes on answering."
    assert text(garage.engine) == "a says this."
    assert garage.running == ["a"]
    garage.phase = Phase.READY
    garage.engine.switch(model("c"))
    wait_for(lambda: settled(garage.engine))
    assert (text(garage.engine), garage.engine.switching().sentence) == ("c says this.", "")


@pytest.fixture
def narrow(garage: Garage) -> Garage:
    garage.room = False
    return garage


def test_without_memory_for_two_the_old_one_ends_first_and_new_calls_wait(narrow: Garage, wait_for: Wait) -> None:
    engine = narrow.engine
    writing = engine.stream(ASKED, Sampling())
    next(writing)
    engine.switch(model("b"))
    wait_for(lambda: engine.status().phase is Phase.LOADING)
    assert "a ends its open answers first and new questions wait" in engine.status().sentence
    with pytest.raises(EngineError, match=r"Loading b.*Try again in a moment"):
        engine.info()
    waiting = engine.stream(ASKED, Sampling())
    assert next(waiting) == Queued(0)
    counted: list[int] = []
    counter = threading.Thread(target=lambda: counted.extend(engine.count([ASKED])))
    counter.start()
    assert [one.model.name for one in narrow.started] == ["a"]
    assert isinstance(list(writing)[-1], Finished)
    wait_for(lambda: narrow.running == ["b"])
    narrow.last.phase = Phase.READY
    assert "".join(event.text for event in waiting if isinstance(event, Piece)) == "b says this."
    counter.join()
    assert counted == [4]


def test_without_memory_for_two_a_failure_brings_the_old_one_back(narrow: Garage, wait_for: Wait) -> None:
    narrow.engine.switch(model("b"))
    wait_for(lambda: len(narrow.started) == 2)
    narrow.phase = Phase.READY
    narrow.last.phase = Phase.FAILED
    wait_for(lambda: settled(narrow.engine))
    assert narrow.engine.switching().sentence == "b was not loaded: The file is damaged. a goes on answering."
    assert text(narrow.engine) == "a says this."
    assert narrow.running == ["a"]


def test_one_change_at_a_time_and_none_to_what_answers_already(garage: Garage, wait_for: Wait) -> None:
    with pytest.raises(Conflict, match="a answers already"):
        garage.engine.switch(model("a"))
    garage.engine.switch(model("b"))
    with pytest.raises(Conflict, match=r"b is being loaded\. Wait for it"):
        garage.engine.switch(model("c"))
    wait_for(lambda: len(garage.started) == 2)
    garage.last.phase = Phase.READY
    wait_for(lambda: settled(garage.engine))
    assert garage.engine.info().name == "b"


def test_a_model_that_never_started_is_left_for_another_and_callers_wait_for_that(garage: Garage, wait_for: Wait) -> None:
    garage.started[0].phase = Phase.FAILED
    garage.engine.switch(model("b"))
    assert garage.engine.status().phase is Phase.LOADING
    wait_for(lambda: len(garage.started) == 2)
    garage.last.phase = Phase.READY
    wait_for(lambda: settled(garage.engine))
    assert garage.engine.status().phase is Phase.READY


@pytest.mark.parametrize("room", [True, False])
def test_closing_in_the_midst_of_a_change_leaves_nothing_behind(room: bool, wait_for: Wait) -> None:
    garage = Garage()
    garage.room = room
    writing = garage.engine.stream(ASKED, Sampling())
    next(writing)
    garage.engine.switch(model("b"))
    wait_for(lambda: garage.engine.switching().path is not None)
    garage.engine.close()
    assert garage.running == []
    assert [thread.name for thread in threading.enumerate() if thread.name == "switch"] == []
    with pytest.raises(EngineError, match="closing"):
        text(garage.engine)
    with pytest.raises(Conflict, match="closing"):
        garage.engine.switch(model("c"))
    writing.close()


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_order_of_calls_and_changes_every_call_gets_one_models_whole_answer(seed: int, wait_for: Wait) -> None:
    draw = random.Random(seed)
    garage = Garage()
    garage.phase = Phase.READY
    answers: list[str] = []
    lock = threading.Lock()

    def callers(count: int) -> None:
        for _ in range(count):
            scored = garage.engine.label_scores([LabelRequest(ASKED, ("A", "B"))])
            said = text(garage.engine)
            with lock:
                answers.append(said if len(scored) == 1 else "")

    threads = [threading.Thread(target=callers, args=(20,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(8):
        garage.room = draw.random() < 0.5
        garage.broken = {f"m{number}"} if draw.random() < 0.3 else set()
        garage.engine.switch(model(f"m{number}"))
        wait_for(lambda: settled(garage.engine))
        assert (garage.engine.info().name == f"m{number}") is not bool(garage.broken)
    for thread in threads:
        thread.join()
    names = {one.model.name for one in garage.started}
    assert len(answers) == 80
    assert {answer.removesuffix(" says this.") for answer in answers} <= names
    wait_for(lambda: len(garage.running) == 1)
    assert garage.running == [garage.engine.info().name]
    garage.engine.close()
    assert garage.running == []


def test_real_processes_are_one_after_a_change_and_none_after_the_end(wait_for: Wait) -> None:
    engine = SwitchingEngine(model("a"), start=lambda one: LocalEngine(one, pauses=(0.01,), command=STUB), fits=lambda *_: True)
    wait_for(lambda: engine.status().phase is Phase.READY)
    slow = engine.stream((Segment("slow"),), Sampling())
    next(slow)
    engine.switch(model("b"))
    wait_for(lambda: settled(engine))
    assert engine.current_model() == model("b")
    assert len(stubs()) == 2
    slow.close()
    wait_for(lambda: len(stubs()) == 1)
    engine.switch(model("c"))
    engine.close()
    assert stubs() == []


def stubs() -> list[str]:
    """The processes of this one that stand in for a model."""
    children = Path("/proc/self/task").glob("*/children")
    found = [child for path in children for child in path.read_text().split()]
    return [child for child in found if b"stub_child" in _command(child)]


def _command(process: str) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


CPU = replace(FAKE_INFO, device="CPU, 2 threads", size=40)
GPU = replace(FAKE_INFO, device="NVIDIA L4", size=40)


@pytest.mark.parametrize(
    ("size", "running", "available", "fit"),
    [
        (60, [CPU], 100, True),
        (61, [CPU], 100, False),
        (20, [CPU, CPU], 100, True),
        (21, [CPU, CPU], 100, False),
        (10**15, [CPU], None, True),
        (1, [GPU], 10**15, False),
        (100, [], 100, True),
    ],
)
def test_two_models_run_together_where_memory_holds_both(
    size: int, running: Sequence[object], available: int | None, fit: bool
) -> None:
    statuses = [EngineStatus(Phase.READY, model=info) for info in running]  # type: ignore[arg-type]
    assert fit_together(size, statuses, available) is fit


def test_what_a_running_model_really_holds_counts_more_than_its_file() -> None:
    status = EngineStatus(Phase.READY, model=CPU, sight=replace(FAKE_SIGHT, memory=90))
    assert not fit_together(60, [status], 100)


def test_the_memory_that_may_be_taken_is_what_the_system_says(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:       24000 kB\nMemAvailable:    1000 kB\n")
    assert available_memory(told) == 1_024_000
    assert available_memory(tmp_path / "absent") is None
