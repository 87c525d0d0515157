"""The fake engine keeps the promises of an engine."""

from __future__ import annotations

from app.engine.base import Piece, Sampling, Thought
from app.engine.fake import FakeEngine
from tests.engine_contract import EngineContract


class TestFakeEngine(EngineContract):
    """``engine`` comes from conftest."""


def test_a_fake_that_thinks_says_so_first() -> None:
    events = list(FakeEngine("Yes.", reasoning="Let me see.").stream((), Sampling()))
    assert [event for event in events if isinstance(event, Thought | Piece)] == [
        Thought("Let"),
        Thought(" me"),
        Thought(" see."),
        Piece("Yes."),
    ]
