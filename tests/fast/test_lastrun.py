"""What was seen of a model's file stays for as long as the file does, and a broken memory of it harms nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.engine.base import EciHead, EngineStatus, Phase
from app.engine.fake import FAKE_INFO, FAKE_SIGHT
from app.lastrun import LastRun, LastRuns, labels_read

BUSY = replace(FAKE_SIGHT, prompt_rate=812.0, decode_rate=54.0, memory=500)
RAN = EngineStatus(Phase.READY, model=replace(FAKE_INFO, digest="d"), sight=BUSY)
SEEN = LastRun(digest="d", quantisation="F32", parameters=1_000, labels="plain", memory=500, prompt_rate=812.0, decode_rate=54.0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.fixture
def runs(tmp_path: Path) -> LastRuns:
    return LastRuns(tmp_path / "data" / "last_runs.json")


def test_figures_are_there_at_the_next_start(runs: LastRuns, model: Path, tmp_path: Path) -> None:
    runs.note(model, RAN)
    assert LastRuns(tmp_path / "data" / "last_runs.json").get(model) == SEEN


def test_a_start_without_work_keeps_the_figures_of_the_one_before(runs: LastRuns, model: Path) -> None:
    runs.note(model, RAN)
    runs.note(model, replace(RAN, sight=None))
    assert runs.get(model) == SEEN
    runs.note(model, replace(RAN, sight=replace(BUSY, decode_rate=None, memory=600)))
    assert runs.get(model) == replace(SEEN, memory=600)


def test_a_changed_file_was_never_seen(runs: LastRuns, model: Path) -> None:
    runs.note(model, RAN)
    model.write_bytes(b"GGUF anew")
    assert runs.get(model) is None


def test_nothing_is_kept_of_what_did_not_run_or_is_not_there(runs: LastRuns, model: Path) -> None:
    runs.note(model, EngineStatus(Phase.LOADING))
    runs.note(model.with_name("absent.gguf"), RAN)
    assert runs.get(model) is runs.get(model.with_name("absent.gguf")) is None


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 9, "runs": {}}', '{"version": 1, "runs": 3}', '{"version": 1, "runs": {"PATH": {"mark": 1}}}']
)
def test_a_memory_that_cannot_be_read_counts_as_none_and_is_written_anew(model: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "last_runs.json"
    path.write_text(text.replace("PATH", str(model)))
    runs = LastRuns(path)
    assert runs.get(model) is None
    runs.note(model, RAN)
    assert runs.get(model) == SEEN


def test_a_folder_that_cannot_be_written_costs_nothing_else(model: Path) -> None:
    runs = LastRuns(Path("/dev/null/nowhere/last_runs.json"))
    runs.note(model, RAN)
    assert runs.get(model) is None


def test_how_option_letters_are_read_is_one_of_three() -> None:
    heads = (None, EciHead({"A": 1}), EciHead({"A": 1}, trained=True))
    assert [labels_read(head) for head in heads] == ["none", "plain", "trained"]
