"""The fake engine keeps the promises of an engine."""

from __future__ import annotations

from tests.engine_contract import EngineContract


class TestFakeEngine(EngineContract):
    """``engine`` comes from conftest."""
