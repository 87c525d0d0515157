"""What the Practise page's scripts call: sessions, items, results. Thin: every rule lives in quiz and sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.deck import Counts, Shelves
from app.practice_store import Kept, Summary
from app.quiz import Opened, Progress, Quiz
from app.readout import Readout
from app.records import Attempt, Mode, Question, Topic
from app.reference import Group
from app.results import Suggestion
from app.review import Review, review_all, review_session, suggestion_of
from app.schedule import grade_of
from app.sessions import PACE, Asked, Block, Item, Selection, Session, Source, State
from app.stems import ImageBlock, TableBlock, TextBlock, stem_blocks
from app.ui.readouts import readout_json
from app.ui.visitors import Visitor

RECENT = 12  # sessions in the list of those that have ended
LISTED = 50  # items in the "sure and wrong" list and the disagreement deck
STEM_START = 140  # characters of a stem in a list
FIGURES = "/static/bank/"
Names = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)]


class Choice(BaseModel):
    """What a session is to be made of."""

    mode: Mode = Mode.TUTOR
    count: int = 10
    systems: Names = Field(default_factory=list)
    subjects: Names = Field(default_factory=list)
    steps: Names = Field(default_factory=list)
    statuses: list[Asked] = Field(default_factory=list, max_length=10)
    own: Source = Source.ALL
    topic: str = Field(default="", max_length=32_000)

    def selection(self) -> Selection:
        return Selection(
            mode=self.mode,
            count=self.count,
            systems=tuple(self.systems),
            subjects=tuple(self.subjects),
            steps=tuple(self.steps),
            statuses=tuple(self.statuses),
            own=self.own,
            topic=self.topic,
        )


class Doing(BaseModel):
    """What the learner did to an item; only what is named changes. ``seconds`` in view since the last call."""

    chosen: str | None = None
    confidence: str = ""
    struck: list[str] = Field(default_factory=list, max_length=10)
    highlights: list[tuple[int, int]] = Field(default_factory=list, max_length=1000)
    seconds: float = 0.0


class Commitment(BaseModel):
    """A learner's answer. ``seconds`` in view since the last call."""

    chosen: str
    confidence: str
    seconds: float
    struck: list[str] = Field(default_factory=list, max_length=10)


class Flagged(BaseModel):
    flagged: bool


class Note(BaseModel):
    text: str


class Hint(BaseModel):
    number: int


class Kind(BaseModel):
    kind: str


def practise_router(quiz: Quiz, reference: Sequence[Group], waiting: anyio.CapacityLimiter) -> APIRouter:
    """``waiting`` bounds the threads that wait for the model, so that the next question never waits for one of them."""
    router = APIRouter(prefix="/api/practise")

    @router.get("/overview")
    def overview(visitor: Visitor) -> dict[str, Any]:
        shelves = quiz.deck.shelves(visitor)
        return {
            "open": [summary_json(summary, quiz) for summary in quiz.open_sessions(visitor)],
            "recent": [summary_json(summary, quiz) for summary in quiz.recent_sessions(visitor, RECENT)],
            **shelves_json(shelves),
            "suggestion": suggestion_json(suggestion_of(quiz, visitor, shelves.all)),
        }

    @router.post("/matching")
    def matching(body: Choice, visitor: Visitor) -> dict[str, Any]:
        return {"matching": len(quiz.deck.matching(visitor, body.selection()))}

    @router.post("/sessions")
    def begin(body: Choice, visitor: Visitor) -> dict[str, Any]:
        return session_json(quiz.begin(visitor, body.selection()))

    @router.get("/sessions/{identity}")
    def session(identity: str, visitor: Visitor) -> dict[str, Any]:
        return session_json(quiz.progress(visitor, identity))

    @router.post("/sessions/{identity}/pause")
    def pause(identity: str, visitor: Visitor) -> dict[str, Any]:
        return session_json(quiz.pause(visitor, identity))

    @router.post("/sessions/{identity}/resume")
    def resume(identity: str, visitor: Visitor) -> dict[str, Any]:
        return session_json(quiz.resume(visitor, identity))

    @router.post("/sessions/{identity}/end")
    def end(identity: str, visitor: Visitor) -> dict[str, Any]:
        return session_json(quiz.end(visitor, identity))

    @router.post("/sessions/{identity}/blocks/{number}/start")
    def start_block(identity: str, number: int, visitor: Visitor) -> dict[str, Any]:
        return session_json(quiz.start_block(visitor, identity, number))

    @router.post("/sessions/{identity}/blocks/{number}/close")
    def close_block(identity: str, number: int, visitor: Visitor) -> dict[str, Any]:
        return session_json(quiz.close_block(visitor, identity, number))

    @router.get("/sessions/{identity}/items/{position}")
    def item(identity: str, position: int, visitor: Visitor) -> dict[str, Any]:
        return item_json(quiz.open(visitor, identity, position))

    @router.put("/sessions/{identity}/items/{position}")
    def keep(identity: str, position: int, body: Doing, visitor: Visitor) -> dict[str, Any]:
        named = body.model_dump(exclude_unset=True)
        return {"seconds": quiz.keep(visitor, identity, position, **named).seconds}

    @router.post("/sessions/{identity}/items/{position}/commit")
    def commit(identity: str, position: int, body: Commitment, visitor: Visitor) -> dict[str, Any]:
        graded = graded_json(quiz.commit(visitor, identity, position, **body.model_dump()))
        assert graded is not None
        return graded

    @router.post("/sessions/{identity}/items/{position}/hints")
    def hints(identity: str, position: int, body: Hint, visitor: Visitor) -> dict[str, Any]:
        return {"hints": list(quiz.hints(visitor, identity, position, body.number))}

    @router.put("/sessions/{identity}/items/{position}/miss", status_code=204)
    def miss(identity: str, position: int, body: Kind, visitor: Visitor) -> None:
        quiz.name_miss(visitor, identity, position, body.kind)

    @router.get("/sessions/{identity}/items/{position}/probabilities")
    async def readout(identity: str, position: int, visitor: Visitor, careful: bool = False) -> dict[str, Any]:
        reading = partial(quiz.readout, visitor, identity, position, careful=careful)
        found, opened = await anyio.to_thread.run_sync(reading, limiter=waiting)
        return opened_readout_json(found, opened)

    @router.put("/questions/{identity:path}/flag", status_code=204)
    def flag(identity: str, body: Flagged, visitor: Visitor) -> None:
        quiz.set_flag(visitor, identity, body.flagged)

    @router.put("/questions/{identity:path}/note", status_code=204)
    def note(identity: str, body: Note, visitor: Visitor) -> None:
        quiz.set_note(visitor, identity, body.text)

    @router.get("/reference")
    def reference_ranges(visitor: Visitor) -> dict[str, Any]:
        return {"groups": [asdict(group) for group in reference], "note": REFERENCE_NOTE}

    @router.get("/results")
    def results(visitor: Visitor, session: str = "") -> dict[str, Any]:
        review = review_session(quiz, visitor, session, LISTED) if session else review_all(quiz, visitor, LISTED)
        return review_json(review)

    return router


REFERENCE_NOTE = "Usual ranges of adults. Laboratories differ: use the range that stands on the report."


# Sessions


def session_json(progress: Progress) -> dict[str, Any]:
    session = progress.session
    running, following = session.running, session.next_block
    return {
        "id": session.id,
        "number": session.number,
        "title": session.title,
        "mode": session.mode,
        "state": _state(session),
        "created": session.created.isoformat(),
        "feedback": session.feedback,
        "hints": session.tutored,
        "tutor": session.feedback,
        "pausable": session.pausable,
        "pace": PACE,
        "block": running.number if running else None,
        "next_block": following.number if following and not running else None,
        "blocks": [_block_json(block, progress) for block in session.blocks],
        "items": [_grid_json(item, progress) for item in progress.items],
        "current": progress.current,
        "answered": sum(_is_answered(item, progress) for item in progress.items),
        "correct": sum(attempt.correct for attempt in progress.attempts.values()) if session.feedback else None,
    }


def _state(session: Session) -> str:
    if session.state is State.OPEN and session.blocks and session.running is None:
        return "break"
    return session.state


def _block_json(block: Block, progress: Progress) -> dict[str, Any]:
    return {
        "number": block.number,
        "first": block.first,
        "last": block.last,
        "state": block.state,
        "seconds_left": block.seconds_left(progress.now),
        "seconds_total": block.limit,
    }


def _is_answered(item: Item, progress: Progress) -> bool:
    return (
        item.chosen is not None
        if progress.session.state is not State.ENDED and item.block
        else item.position in progress.attempts
    )


def _grid_json(item: Item, progress: Progress) -> dict[str, Any]:
    topic = progress.topics.get(item.question, Topic())
    return {
        "position": item.position,
        "id": item.question,
        "block": item.block,
        "system": topic.system,
        "subject": topic.subject,
        "step": topic.step,
        "state": _item_state(item, progress),
        "flagged": item.question in progress.flags,
        "reachable": progress.session.reachable(item.block),
    }


def _item_state(item: Item, progress: Progress) -> str:
    attempt = progress.attempts.get(item.position)
    if progress.session.feedback and attempt is not None:
        return "right" if attempt.correct else "wrong"
    if progress.session.state is State.ENDED:
        return "omitted"
    return "answered" if item.block and item.chosen is not None else "open"


def summary_json(summary: Summary, quiz: Quiz) -> dict[str, Any]:
    session = summary.session
    running = session.running
    return {
        "id": session.id,
        "number": session.number,
        "title": session.title,
        "mode": session.mode,
        "state": _state(session),
        "answered": summary.answered,
        "total": summary.total,
        "correct": summary.correct if session.feedback else None,
        "created": session.created.isoformat(),
        "seconds_left": running.seconds_left(quiz.practice.now()) if running else None,
    }


def shelves_json(shelves: Shelves) -> dict[str, Any]:
    def named(groups: Mapping[str, Counts]) -> list[dict[str, Any]]:
        return [{"name": name, **asdict(counts)} for name, counts in groups.items()]

    return {
        "counts": asdict(shelves.all),
        "systems": named(shelves.systems),
        "subjects": named(shelves.subjects),
        "steps": named(shelves.steps),
        "own": shelves.own,
    }


# Items


def item_json(opened: Opened) -> dict[str, Any]:
    """An item without its key, explanations and unopened hints, unless its answer may be seen."""
    question, item = opened.question, opened.item
    return {
        "position": item.position,
        "id": question.id,
        "session": opened.session.id,
        "stem": stem_json(question),
        "options": dict(question.options),
        "system": question.system,
        "subject": question.subject,
        "step": question.step,
        "difficulty": question.difficulty,
        "reasoning": question.reasoning,
        "hints_total": len(question.hints),
        "hints": list(question.hints[: item.hints]),
        "flagged": opened.flagged,
        "note": opened.note,
        "chosen": item.chosen,
        "confidence": item.confidence,
        "struck": list(item.struck),
        "highlights": [list(span) for span in item.highlights],
        "seconds": item.seconds,
        "editable": opened.editable,
        "attempt": graded_json(opened),
    }


def stem_json(question: Question) -> list[dict[str, Any]]:
    text = f"{question.context}\n\n{question.stem}" if question.context else question.stem
    return [_stem_block(block) for block in stem_blocks(text)]


def _stem_block(block: TextBlock | TableBlock | ImageBlock) -> dict[str, Any]:
    match block:
        case TextBlock(text):
            return {"kind": "text", "text": text}
        case TableBlock(head, rows):
            return {"kind": "table", "head": list(head), "rows": [list(row) for row in rows]}
        case ImageBlock(source, alt):
            return {"kind": "image", "src": source if source.startswith("data:") else FIGURES + source, "alt": alt}


def graded_json(opened: Opened) -> dict[str, Any] | None:
    """The answer with its key and explanations; of an item that was left out too, after the end. None before."""
    if not opened.graded:
        return None
    question, attempt = opened.question, opened.attempt
    return {
        **_attempt_json(attempt),
        "omitted": attempt is None,
        "key": attempt.key if attempt else question.key,
        "explanations": dict(question.explanations),
        "objective": question.objective,
        "fact": question.fact,
        "reference": question.reference,
        "due": opened.memory.due.isoformat() if opened.memory else None,
    }


def _attempt_json(attempt: Attempt | None) -> dict[str, Any]:
    if attempt is None:
        nothing: dict[str, Any] = {"confidence": None, "seconds": 0.0, "hints": 0, "struck": [], "miss": "", "grade": None}
        return {"chosen": None, "correct": False, **nothing}
    return {
        "chosen": attempt.chosen,
        "correct": attempt.correct,
        "confidence": attempt.confidence,
        "seconds": attempt.seconds,
        "hints": attempt.hints,
        "struck": list(attempt.struck),
        "miss": attempt.miss or "",
        "grade": grade_of(attempt),
    }


def opened_readout_json(readout: Readout, opened: Opened) -> dict[str, Any]:
    return {**readout_json(readout), "agreement": agreement(readout, opened)}


def agreement(readout: Readout, opened: Opened) -> str:
    """Where model, key and learner are not all alike, in a sentence; "" where they are, and for a model without earned skill."""
    key, choice = opened.question.key, readout.choice
    learner = opened.attempt.chosen if opened.attempt else None
    if not readout.earned or (choice == key and learner in (key, None)):
        return ""
    prefers = f"the model prefers {choice} ({100 * readout.probabilities[choice]:.0f} %)"
    if choice == key:
        return f"Key and model agree on {key}; you chose {learner}."
    if learner == choice:
        return f"You and the model chose {choice}; the key is {key}. Read both explanations: a good trap, or an error in the key."
    mine = f" and you chose {learner}" if learner not in (key, None) else ""
    return f"The key is {key}; {prefers}{mine}. The key is what was reviewed; the model is right only as often as measured."


# Results


def review_json(review: Review) -> dict[str, Any]:
    return {
        "title": review.title,
        **review.results.as_dict(),
        "sure_wrong": [_listed(kept, review.questions) for kept in review.sure_wrong],
        "disagreements": [_listed(kept, review.questions) for kept in review.disagreements],
        "suggestion": suggestion_json(review.suggestion),
    }


def _listed(kept: Kept, questions: Mapping[str, Question]) -> dict[str, Any]:
    attempt = kept.attempt
    question = questions.get(attempt.question)
    stem = " ".join(question.stem.split()) if question else "This question was deleted."
    return {
        "session": kept.session,
        "position": kept.position,
        "id": attempt.question,
        "system": attempt.topic.system,
        "stem": stem[:STEM_START],
        "chosen": attempt.chosen,
        "key": attempt.key,
        "objective": question.objective if question else "",
        "model": attempt.model.choice if attempt.model else None,
        "probability": attempt.model.probability if attempt.model else None,
    }


def suggestion_json(suggestion: Suggestion | None) -> dict[str, Any] | None:
    if suggestion is None:
        return None
    return asdict(suggestion)
