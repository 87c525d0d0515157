"""What the model's line on every page calls: the engine's state and figures, and another try. No text of anybody's."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from app.engine.base import Engine, EngineStatus, ModelInfo, Sight
from app.ui.visitors import Visitor

BYTES = ("B", "kB", "MB", "GB", "TB")
COUNTS = ("", "k", "M", "B", "T")


def engine_router(engine: Engine) -> APIRouter:
    router = APIRouter(prefix="/api/engine")

    @router.get("")
    def status(visitor: Visitor) -> dict[str, Any]:
        return status_json(engine.status())

    @router.post("/retry", status_code=204)
    def retry(visitor: Visitor) -> None:
        engine.retry()

    return router


def status_json(status: EngineStatus) -> dict[str, Any]:
    return {
        "state": status.phase,
        "sentence": status.sentence,
        "retry_in_s": status.retry_in,
        "waiting": status.waiting,
        "model": None if status.model is None else model_json(status.model),
        "restarts": status.restarts,
        "sight": None if status.sight is None else sight_json(status.sight),
    }


def model_json(model: ModelInfo) -> dict[str, Any]:
    return {
        "name": model.name,
        "file": model.file,
        "size": short(model.size, BYTES),
        "parameters": short(model.parameters, COUNTS),
        "quantisation": model.quantisation,
        "device": model.device,
        "context": model.context,
        "licence": model.licence,
        "demo": model.demo,
        "notice": model.notice,
    }


def sight_json(sight: Sight) -> dict[str, Any]:
    """The figures as they are, and bytes as short texts too."""
    return {
        **asdict(sight),
        "memory_text": short(sight.memory, BYTES),
        "kv_text": short(sight.kv_bytes, BYTES),
    }


def short(number: float, units: tuple[str, ...]) -> str:
    """A number with three digits and its unit, each unit a thousand of the one before."""
    for unit in units[:-1]:
        if number < 999.5:  # which three digits would make 1e+03
            return f"{number:.3g} {unit}".strip()
        number /= 1000
    return f"{number:.3g} {units[-1]}"
