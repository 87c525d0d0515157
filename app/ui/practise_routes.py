"""What the Practise page's scripts call. Thin: every rule lives in quiz."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.quiz import Progress, Quiz, Readout, Tally, tally_by_confidence, tally_by_system
from app.records import Attempt, Question
from app.ui.visitors import Visitor

UNCALIBRATED_NOTE = "{}, not calibrated: nobody has measured how often it is right when read like this. No second opinion."
MEASURED_NOTE = "{}. {}"
COVERAGE_NOTE = " Answer sets like this one hold the key in {:.0f} % of questions like those."


class Commitment(BaseModel):
    """A learner's answer. ``seconds`` counts while the item was in view."""

    round: str
    chosen: str
    confidence: str
    seconds: float
    struck: list[str] = Field(default_factory=list, max_length=10)
    hints: int = 0


class Flagged(BaseModel):
    flagged: bool


def practise_router(quiz: Quiz, waiting: anyio.CapacityLimiter) -> APIRouter:
    """``waiting`` bounds the threads that wait for the model, so that the next question never waits for one of them."""
    router = APIRouter(prefix="/api/practise")

    @router.get("/round")
    def current_round(visitor: Visitor) -> dict[str, Any]:
        return round_json(quiz.progress(visitor))

    @router.post("/round")
    def new_round(visitor: Visitor) -> dict[str, Any]:
        return round_json(quiz.new_round(visitor))

    @router.get("/items/{identity}")
    def item(identity: str, visitor: Visitor) -> dict[str, Any]:
        return item_json(quiz.question(identity), quiz.progress(visitor))

    @router.get("/items/{identity}/hints/{number}")
    def hint(identity: str, number: int, visitor: Visitor) -> dict[str, Any]:
        return {"hint": quiz.hint(identity, number)}

    @router.post("/items/{identity}/attempt")
    def commit(identity: str, body: Commitment, visitor: Visitor) -> dict[str, Any]:
        attempt = quiz.commit(
            visitor,
            identity,
            round_id=body.round,
            chosen=body.chosen,
            confidence=body.confidence,
            seconds=body.seconds,
            hints=body.hints,
            struck=body.struck,
        )
        return graded_json(quiz.question(identity), attempt)

    @router.get("/items/{identity}/probabilities")
    async def readout(identity: str, visitor: Visitor, careful: bool = False) -> dict[str, Any]:
        reading = partial(quiz.readout_after_commit, visitor, identity, careful=careful)
        return readout_json(await anyio.to_thread.run_sync(reading, limiter=waiting))

    @router.put("/items/{identity}/flag", status_code=204)
    def flag(identity: str, body: Flagged, visitor: Visitor) -> None:
        quiz.set_flag(visitor, identity, body.flagged)

    @router.get("/results")
    def results(visitor: Visitor) -> dict[str, Any]:
        progress = quiz.progress(visitor)
        attempts = progress.attempts
        known = [attempts[question.id] for question in progress.questions if question.id in attempts]
        return {
            "total": len(progress.questions),
            "answered": len(known),
            "correct": sum(attempt.correct for attempt in known),
            "systems": [{"system": tally.name, "total": tally.total, **_counts(tally)} for tally in tally_by_system(progress)],
            "confidence": [{"confidence": tally.name, **_counts(tally)} for tally in tally_by_confidence(progress)],
        }

    return router


def round_json(progress: Progress) -> dict[str, Any]:
    return {
        "round": progress.round.id,
        "current": progress.current,
        "items": [_grid_json(number, question, progress) for number, question in enumerate(progress.questions, start=1)],
    }


def _grid_json(number: int, question: Question, progress: Progress) -> dict[str, Any]:
    attempt = progress.attempts.get(question.id)
    return {
        "id": question.id,
        "number": number,
        "system": question.system,
        "subject": question.subject,
        "step": question.step,
        "flagged": question.id in progress.flags,
        "chosen": attempt.chosen if attempt else None,
        "correct": attempt.correct if attempt else None,
    }


def item_json(question: Question, progress: Progress) -> dict[str, Any]:
    """A question without its key, explanations and hints, unless it has been answered in this round."""
    attempt = progress.attempts.get(question.id)
    return {
        "id": question.id,
        "number": progress.questions.index(question) + 1,
        "stem": f"{question.context}\n\n{question.stem}" if question.context else question.stem,
        "options": dict(question.options),
        "system": question.system,
        "subject": question.subject,
        "step": question.step,
        "hints_total": len(question.hints),
        "flagged": question.id in progress.flags,
        "attempt": graded_json(question, attempt) if attempt else None,
    }


def graded_json(question: Question, attempt: Attempt) -> dict[str, Any]:
    return {
        "chosen": attempt.chosen,
        "key": question.key,
        "correct": attempt.chosen == question.key,
        "confidence": attempt.confidence,
        "seconds": attempt.seconds,
        "hints": attempt.hints,
        "struck": list(attempt.struck),
        "explanations": dict(question.explanations),
        "objective": question.objective,
    }


def readout_json(readout: Readout) -> dict[str, Any]:
    return {
        "probabilities": readout.probabilities,
        "answer_set": list(readout.answer_set),
        "mass": readout.mass,
        "sure": readout.sure,
        "calibration": readout.calibration,
        "model": readout.model,
        "orders": readout.orders,
        "coverage": readout.coverage,
        "measured": bool(readout.skill),
        "earned": readout.earned,
        "skill": readout.skill,
        "note": _note(readout),
    }


def _note(readout: Readout) -> str:
    how = "Read off in one pass" if readout.orders == 1 else f"The mean of {readout.orders} orders of the options"
    if not readout.skill and readout.coverage is None and readout.calibration == "uncalibrated":
        return UNCALIBRATED_NOTE.format(how)
    coverage = "" if readout.coverage is None else COVERAGE_NOTE.format(100 * readout.coverage)
    return MEASURED_NOTE.format(how, readout.source) + coverage


def _counts(tally: Tally) -> dict[str, int]:
    return {"answered": tally.answered, "correct": tally.correct}
