"""What the Evidence page's scripts call. Thin: every rule lives in `app.evidence` and in the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

import anyio
from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.errors import LlamaCareError
from app.evidence import Evidence, EvidenceEvent, LeftOut, Reading, Rests, Verdict, Weighing
from app.records import Passage
from app.ui.event_stream import EventSource, EventStream
from app.ui.readouts import readout_json
from app.ui.visitors import Visitor

MAX_PASSAGES = 20


class Passages(Protocol):
    """The library, as far as this page needs it."""

    def passage(self, owner: str, id: int) -> Passage:
        """Raises NotFound where it is absent, or another visitor's."""


class Weighed(BaseModel):
    """A question, and what it is weighed over: a pasted text, passages of the library, or both."""

    question: str
    text: str = ""
    passages: Annotated[list[int], Field(max_length=MAX_PASSAGES)] = Field(default_factory=list)
    careful: bool = False


def evidence_router(
    evidence: Evidence, library: Passages, owner_of: Callable[[int], str], limiter: anyio.CapacityLimiter
) -> APIRouter:
    """``limiter`` bounds the threads that readings may hold, so that other calls never wait for them."""
    router = APIRouter(prefix="/api/evidence")

    @router.post("")
    def weigh(body: Weighed, visitor: Visitor) -> EventStream:
        owner = owner_of(visitor)
        passages = [library.passage(owner, identity) for identity in dict.fromkeys(body.passages)]
        weighing = evidence.weigh(body.question, texts_of(body.text, passages), careful=body.careful)
        return EventStream(drawn(weighing), limiter, after=lambda: None)

    return router


def texts_of(pasted: str, passages: Sequence[Passage]) -> list[str]:
    return [pasted, *(passage.text for passage in passages)]


def drawn(weighing: Weighing) -> EventSource:
    """The events as the page reads them; a failure is the last one."""
    try:
        for event in weighing.events():
            yield event_json(event)
    except LlamaCareError as error:
        yield {"type": "failed", "sentence": error.sentence}


def event_json(event: EvidenceEvent) -> dict[str, Any]:
    match event:
        case Reading():
            return {"type": "reading"}
        case Verdict(readout, caution, removed, dropped):
            said = {"caution": caution, "removed": list(removed), "dropped": dropped}
            return {"type": "verdict", **readout_json(readout), **said}
        case LeftOut(done, total):
            return {"type": "sentence", "done": done, "total": total}
        case Rests(weights, context, dropped):
            rows = [
                {"start": one.start, "end": one.end, "text": one.text, "shift": one.shift, "rank": one.rank} for one in weights
            ]
            return {"type": "rests", "sentences": rows, "context": context, "dropped": dropped}
