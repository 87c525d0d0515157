"""What the "ask about this item" panel calls. Every rule lives in tutor and chat."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import anyio
from fastapi import APIRouter
from pydantic import BaseModel

from app.tutor import Tutor, TutorTurn
from app.ui.drawer import Drawer
from app.ui.event_stream import EventStream
from app.ui.visitors import Visitor


class Asking(BaseModel):
    message: str


def tutor_router(tutor: Tutor, drawer: Drawer, streams: anyio.CapacityLimiter) -> APIRouter:
    """``streams`` bounds the threads that answers may hold, so that other calls never wait for them."""
    router = APIRouter(prefix="/api/practise/sessions/{session}/items/{position}/tutor")

    @router.get("")
    def messages(session: str, position: int, visitor: Visitor) -> dict[str, Any]:
        return {"messages": [drawer.message_json(message) for message in tutor.messages(visitor, session, position)]}

    @router.post("")
    def ask(session: str, position: int, body: Asking, visitor: Visitor) -> EventStream:
        turn = tutor.begin(visitor, session, position, body.message)
        return EventStream(_draw(turn, drawer), streams, after=turn.abandon)

    return router


def _draw(turn: TutorTurn, drawer: Drawer) -> Generator[dict[str, Any], None, None]:
    """The turn as the Ask page's are drawn, with the item's open hints after its start and the notice, if there is one, before
    its end."""
    for event in drawer.draw(turn):
        if event["type"] == "end" and turn.notice:
            yield {"type": "notice", "text": turn.notice}
        yield event
        if event["type"] == "turn":
            yield {"type": "hints", "hints": list(turn.hints)}
