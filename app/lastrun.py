"""What was seen of model files when they last ran on this machine: speed, memory, and what was read in them. Kept as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from app.engine.base import EciHead, EngineStatus
from app.files import write_json

Labels = Literal["trained", "plain", "none"]
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class LastRun:
    """``labels``: whether option letters are read at trained tokens, at the model's own, or cannot be. ``memory`` in bytes, rates
    in tokens/s, each None where it was never seen."""

    digest: str
    quantisation: str
    parameters: int
    labels: Labels
    memory: int | None = None
    prompt_rate: float | None = None
    decode_rate: float | None = None


class LastRuns:
    """One a file, for as long as its size and its time of change stay. What cannot be read or kept counts as never seen: it is
    seen again at the next run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, model: Path) -> LastRun | None:
        entry = self._entries().get(str(model.absolute()))
        try:
            if not isinstance(entry, dict) or entry["mark"] != _mark(model):
                return None
            return LastRun(**entry["run"])
        except (OSError, KeyError, TypeError):
            return None

    def note(self, model: Path, status: EngineStatus) -> None:
        """Keeps what the status of a running model tells; figures that it lacks stay as they were seen before."""
        if status.model is None:
            return
        info, before = status.model, self.get(model)
        run = LastRun(
            digest=info.digest, quantisation=info.quantisation, parameters=info.parameters, labels=labels_read(info.eci)
        )
        if before is not None:
            run = replace(run, memory=before.memory, prompt_rate=before.prompt_rate, decode_rate=before.decode_rate)
        if status.sight is not None:
            sight = status.sight
            run = replace(
                run,
                memory=sight.memory,
                prompt_rate=sight.prompt_rate or run.prompt_rate,
                decode_rate=sight.decode_rate or run.decode_rate,
            )
        if run == before:
            return
        try:
            entries = {**self._entries(), str(model.absolute()): {"mark": _mark(model), "run": asdict(run)}}
            write_json(self._path, {"version": VERSION, "runs": entries})
        except OSError:
            pass  # a full disk costs a figure on a page and nothing else

    def _entries(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict) or kept.get("version") != VERSION or not isinstance(kept.get("runs"), dict):
            return {}
        return dict(kept["runs"])


def labels_read(head: EciHead | None) -> Labels:
    if head is None:
        return "none"
    return "trained" if head.trained else "plain"


def _mark(model: Path) -> list[int]:
    about = model.stat()
    return [about.st_size, about.st_mtime_ns]
