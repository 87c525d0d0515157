"""What the Models page's scripts call. Thin: every rule lives in the shelf, the engine and the measuring."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter
from pydantic import BaseModel

from app.catalogue import CONTEXT, CatalogueModel, Figure
from app.earned import LEAST, Earned, Skill
from app.lastrun import Labels, labels_read
from app.measuring import MeasuringPhase
from app.shelf import NOT_ALLOWED, Shelf, Shelved, by_mode
from app.ui.engine_routes import BYTES, COUNTS, short
from app.ui.visitors import Visitor

GET_COMMAND = "python -m app.models get"
MODES = (("fast", "One pass"), ("careful", "Every order of the options"))
LABELS: tuple[tuple[Labels, str], ...] = (
    ("trained", "trained for exam questions (ECI)"),
    ("plain", "reads option letters, not trained for it"),
    ("none", "cannot read option letters"),
)


class Chosen(BaseModel):
    """A model at hand, by the id that the page got."""

    id: str


class Wanted(BaseModel):
    """A labelled set by its name."""

    set: str
    careful: bool = False


def models_router(shelf: Shelf) -> APIRouter:
    router = APIRouter(prefix="/api/models")

    @router.get("")
    def models(visitor: Visitor) -> dict[str, Any]:
        return shelf_json(shelf)

    @router.get("/worth")
    def worth(visitor: Visitor) -> dict[str, Any]:
        found = shelf.worth()
        return {"sentence": found.sentence, "earned": found.earned}

    @router.post("/switch", status_code=202)
    def switch(body: Chosen, visitor: Visitor) -> dict[str, Any]:
        shelf.switch(body.id)
        return shelf_json(shelf)

    @router.get("/measure")
    def measuring(visitor: Visitor) -> dict[str, Any]:
        return {**measuring_json(shelf), "sets": [{"name": one.name, "n": one.n} for one in shelf.measuring.sets()]}

    @router.post("/measure", status_code=202)
    async def measure(body: Wanted, visitor: Visitor) -> dict[str, Any]:
        await anyio.to_thread.run_sync(partial(shelf.measure, body.set, careful=body.careful))
        return measuring_json(shelf)

    @router.delete("/measure")
    def stop(visitor: Visitor) -> dict[str, Any]:
        shelf.stop_measuring()
        return measuring_json(shelf)

    return router


def shelf_json(shelf: Shelf) -> dict[str, Any]:
    switch = shelf.switching()
    return {
        "allowed": shelf.may_switch,
        "why_not": "" if shelf.may_switch else NOT_ALLOWED,
        "switching": {"active": switch.path is not None, "seconds": switch.seconds, "sentence": switch.sentence},
        "models": [shelved_json(one) for one in shelf.models()],
        "catalogue": [entry_json(entry) for entry in shelf.elsewhere()],
        "measuring": measuring_json(shelf),
        "problems": list(shelf.problems),
    }


def shelved_json(one: Shelved) -> dict[str, Any]:
    entry, info, run = one.model.entry, one.info, one.run
    sight = one.status.sight if one.status is not None else None
    labels = labels_read(info.eci) if info is not None else run.labels if run is not None else None
    quantisation = info.quantisation if info is not None else run.quantisation if run is not None else None
    parameters = info.parameters if info is not None else run.parameters if run is not None else None
    return {
        "id": one.id,
        "name": one.model.name if info is None else info.name,
        "file": one.model.path.name,
        "size": short(one.model.size, BYTES),
        "demo": one.model.demo,
        "current": info is not None,
        "loading": one.loading,
        "parameters": None if parameters is None else short(parameters, COUNTS),
        "quantisation": quantisation or (entry.file.type if entry is not None else None),
        "licence": one.model.licence if info is None else info.licence,
        "terms": None if entry is None else {"url": entry.terms.url, "demands": entry.terms.demands},
        "memory": _memory(one),
        "labels": next((words for kind, words in LABELS if kind == labels), None),
        "measurable": info is not None and info.eci is not None,
        "prompt_rate": _rate(sight.prompt_rate if sight else None, run.prompt_rate if run else None),
        "decode_rate": _rate(sight.decode_rate if sight else None, run.decode_rate if run else None),
        "notice": "" if info is None else info.notice,
        "worth": worth_json(one.worth),
        "figures": [figure_json(figure) for figure in entry.figures] if entry is not None else [],
    }


def _memory(one: Shelved) -> str | None:
    """What it takes now, took last, or will take; the best of them that is known."""
    sight = one.status.sight if one.status is not None else None
    if sight is not None:
        return f"{short(sight.memory, BYTES)} now"
    if one.run is not None and one.run.memory is not None:
        return f"{short(one.run.memory, BYTES)} when it last ran"
    needed = one.model.entry.memory() if one.model.entry is not None else None
    return None if needed is None else f"about {short(needed, BYTES)} with {CONTEXT:,} tokens of context"


def entry_json(entry: CatalogueModel) -> dict[str, Any]:
    file, memory = entry.file, entry.memory()
    return {
        "id": entry.id,
        "name": entry.name,
        "parameters": short(1e9 * entry.parameters, COUNTS),
        "medical": entry.medical,
        "thinking": entry.kind == "thinking",
        "quantisation": file.type,
        "size": None if file.size is None else short(file.size, BYTES),
        "memory": None if memory is None else short(memory, BYTES),
        "licence": entry.licence,
        "terms": {"url": entry.terms.url, "demands": entry.terms.demands},
        "figures": [figure_json(figure) for figure in entry.figures],
        "checked": file.sha256 is not None,
        "command": f"{GET_COMMAND} {entry.id}" + ("" if file.sha256 is not None else " --unverified"),
    }


def figure_json(figure: Figure) -> dict[str, Any]:
    return {"set": figure.set, "value": figure.value, "how": figure.how, "source": figure.source}


def worth_json(worth: Earned) -> dict[str, Any]:
    names = dict(MODES)
    return {
        "sentence": worth.sentence,
        "modes": [
            {"mode": mode, "name": names[mode], "skills": [skill_json(skill) for skill in skills]}
            for mode, skills in by_mode(worth.skills)
        ],
    }


def skill_json(skill: Skill) -> dict[str, Any]:
    """Shares of 1. ``low`` and ``high`` are the 95 % interval's ends; ``few``: too few questions to tell anything but a great
    skill."""
    return {
        "name": skill.name,
        "n": skill.n,
        "accuracy": skill.accuracy,
        "low": skill.low,
        "high": skill.high,
        "chance": skill.chance,
        "earned": skill.earned,
        "few": skill.n < LEAST,
    }


def measuring_json(shelf: Shelf) -> dict[str, Any]:
    status = shelf.measuring_status()
    return {
        "running": status.phase is MeasuringPhase.RUNNING,
        "phase": status.phase,
        "set": status.set,
        "done": status.done,
        "total": status.total,
        "seconds_left": status.seconds_left,
        "sentence": status.sentence,
    }


def _rate(now: float | None, before: float | None) -> float | None:
    """Tokens/s with three digits, so that a figure on the page does not flicker."""
    rate = now or before
    return None if rate is None else float(f"{rate:.3g}")
