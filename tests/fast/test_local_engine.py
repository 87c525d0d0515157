"""The application's side of the engine's pipe, on a stand-in for the child: restarts, sight and the log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.engine.base import LabelRequest, Phase, Sampling
from app.engine.fake import FAKE_SIGHT
from app.engine.local import LocalEngine, LocalModel
from app.errors import Busy, EngineDied, EngineError
from app.records import Prompt, Segment

Wait = Callable[[Callable[[], bool]], None]
STUB = (sys.executable, "-m", "tests.stub_child")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, logger="llamacare")

    def lines() -> list[str]:
        records = caplog.get_records("setup") + caplog.get_records("call")
        return [record.getMessage() for record in records if record.name == "llamacare.engine"]

    return lines


@pytest.fixture
def engine(log: Callable[[], list[str]], wait_for: Wait) -> Iterator[LocalEngine]:
    engine = LocalEngine(LocalModel(path=Path("stub.gguf")), max_waiting=1, pauses=(0.01,), command=STUB)
    wait_for(lambda: engine.status().phase is Phase.READY)
    yield engine
    engine.close()


def asking(text: str) -> Prompt:
    return (Segment("<|user|>", True), Segment(f"patient Fontane {text}"))


def end_badly(engine: LocalEngine) -> None:
    with pytest.raises(EngineDied):
        list(engine.stream(asking("die"), Sampling()))


def test_what_the_child_has_in_sight_is_told_until_it_dies(engine: LocalEngine, wait_for: Wait) -> None:
    assert engine.status().sight is None
    list(engine.stream(asking("hello"), Sampling()))
    wait_for(lambda: engine.status().sight == FAKE_SIGHT)
    end_badly(engine)
    assert engine.status().sight is None


def test_each_start_after_the_first_is_a_restart(engine: LocalEngine, wait_for: Wait) -> None:
    assert engine.status().restarts == 0
    for count in (1, 2):
        end_badly(engine)
        wait_for(lambda count=count: (engine.status().restarts, engine.status().phase) == (count, Phase.READY))  # type: ignore[misc]


def test_every_end_of_a_request_is_one_line(engine: LocalEngine, log: Callable[[], list[str]]) -> None:
    list(engine.stream(asking("hello"), Sampling()))
    slow = engine.stream(asking("slow"), Sampling())
    next(slow)
    with pytest.raises(Busy):
        next(engine.stream(asking("hello"), Sampling()))
    slow.close()
    with pytest.raises(EngineError):
        list(engine.stream(asking("refuse"), Sampling()))
    engine.label_scores([LabelRequest(asking("hello"), ("A", "B"))] * 8)
    requests = [line for line in log() if not line.startswith("engine")]
    assert requests[:-1] == [
        "chat ended: stop, 210 prompt tokens (180 reused), 96 tokens, 54.2 tokens/s",
        "turned away: 1 request open already",
        "chat cancelled",
        "chat failed: EngineError",
    ]
    assert requests[-1].startswith("labels: 8 prompts in ")


def test_starts_ends_and_what_is_in_sight_are_lines_too(
    engine: LocalEngine, log: Callable[[], list[str]], wait_for: Wait
) -> None:
    list(engine.stream(asking("hello"), Sampling()))
    wait_for(lambda: engine.status().sight is not None)
    end_badly(engine)
    wait_for(lambda: engine.status().phase is Phase.READY)
    engine.close()
    engines = [line for line in log() if line.startswith("engine")]
    assert engines == [
        "engine starting: stub.gguf",
        "engine ready: Fake on none",
        "engine idle: Fake, 8 slots, 0 requests, 0 cancelled, prompts no rate, answers no rate, "
        "0 % of prompt tokens reused, 1 MB, 0 restarts",
        "engine ended: The model's process ended while it worked (exit status 3).",
        "engine starting again (restart 1): stub.gguf",
        "engine ready: Fake on none",
        "engine ended: the application is closing",
    ]


def test_no_word_of_a_question_or_an_answer_is_logged(
    engine: LocalEngine, caplog: pytest.LogCaptureFixture, log: Callable[[], list[str]]
) -> None:
    caplog.set_level(logging.DEBUG)
    answered = list(engine.stream(asking("hello"), Sampling()))
    assert "confidential answer" in str(answered)
    with pytest.raises(EngineError, match="Fontane"):
        list(engine.stream(asking("refuse"), Sampling()))
    end_badly(engine)
    written = caplog.text.lower()
    assert "chat ended" in written
    assert not [word for word in ("patient", "fontane", "hello", "refuse", "confidential", "answer ") if word in written]


def test_nobody_who_does_not_ask_for_the_log_sees_it(capfd: pytest.CaptureFixture[str], wait_for: Wait) -> None:
    """Python shows warnings of loggers that nobody set up; ours has none."""
    engine = LocalEngine(LocalModel(path=Path("stub.gguf")), pauses=(0.01,), command=STUB)
    wait_for(lambda: engine.status().phase is Phase.READY)
    end_badly(engine)
    engine.close()
    assert capfd.readouterr() == ("", "")
