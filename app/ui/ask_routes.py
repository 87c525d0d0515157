"""What the Ask page's scripts call: conversations, turns, exports. Every rule lives in chat and store."""

from __future__ import annotations

import time
from collections.abc import Generator
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import quote

import anyio
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.chat import MAX_CHARACTERS, Begun, Chat, ChatEvent, Ended, Fitted, Grown
from app.engine.base import Engine, Prefilling, Queued
from app.errors import EngineError
from app.records import NO_SOURCE, Conversation, Message, Role, Speed, Status
from app.store import Store
from app.ui.event_stream import EventSource, EventStream
from app.ui.export import Form, as_json, as_markdown, file_name
from app.ui.markdown import AnswerMarkdown
from app.ui.visitors import Visitor

REDRAW_SECONDS = 0.09  # between two pictures of a growing answer: eleven a second


class Ask(BaseModel):
    """One message to the model, in a kept conversation or in a private one that the page holds."""

    message: str
    conversation: str | None = None
    replace: str | None = None
    private: bool = False
    history: list[PastMessage] = Field(default_factory=list)


class PastMessage(BaseModel):
    role: Literal["user", "assistant"]
    text: str = Field(max_length=4 * MAX_CHARACTERS)


class Title(BaseModel):
    title: str = Field(max_length=1000)


class ExportMessage(PastMessage):
    id: str = ""
    reasoning: str = Field(default="", max_length=4 * MAX_CHARACTERS)
    status: Status = Status.COMPLETE
    note: str = ""
    model: str = ""


class Export(BaseModel):
    """A private conversation, sent by the page that holds it, to be written as a file."""

    format: Form
    title: str = "Private conversation"
    messages: list[ExportMessage]


def ask_router(chat: Chat, store: Store, drawer: Drawer, streams: anyio.CapacityLimiter) -> APIRouter:
    """Routes over these parts. ``streams`` bounds the threads that answers may hold, so that other calls never wait for them."""
    router = APIRouter(prefix="/api")

    @router.get("/conversations")
    def conversations(visitor: Visitor, search: Annotated[str, Query(max_length=200)] = "") -> dict[str, Any]:
        return {"conversations": [conversation_json(found) for found in store.conversations(visitor, search)]}

    @router.get("/conversations/{identity}")
    def conversation(identity: str, visitor: Visitor) -> dict[str, Any]:
        found = store.conversation(visitor, identity)
        messages = store.messages(visitor, identity)
        return {
            "id": found.id,
            "title": found.title,
            "messages": [drawer.message_json(message) for message in messages],
            "context": drawer.context_json(messages),
        }

    @router.patch("/conversations/{identity}")
    def rename(identity: str, body: Title, visitor: Visitor) -> dict[str, Any]:
        return conversation_json(chat.rename(visitor, identity, body.title))

    @router.delete("/conversations/{identity}", status_code=204)
    def delete(identity: str, visitor: Visitor) -> None:
        chat.delete(visitor, identity)

    @router.get("/conversations/{identity}/export")
    def export(identity: str, visitor: Visitor, format: Form = "md") -> Response:
        found = store.conversation(visitor, identity)
        return _download(format, found.title, store.messages(visitor, identity), found.updated)

    @router.post("/export")
    def export_private(body: Export, visitor: Visitor) -> Response:
        messages = [
            Message(
                id=m.id,
                role=Role(m.role),
                text=m.text,
                reasoning=m.reasoning,
                status=m.status,
                note=m.note,
                model=m.model,
                source=_source(m.role),
            )
            for m in body.messages
        ]
        return _download(body.format, body.title, messages, None)

    @router.post("/ask")
    def ask(body: Ask, visitor: Visitor) -> EventStream:
        if body.private:
            history = [Message(id="", role=Role(past.role), text=past.text) for past in body.history]
            turn = chat.begin_private(visitor, body.message, history)
        else:
            turn = chat.begin(visitor, body.message, conversation=body.conversation, replace=body.replace)
        return EventStream(drawer.draw(turn), streams, after=turn.abandon)

    @router.post("/turns/{turn}/stop", status_code=204)
    def stop(turn: str, visitor: Visitor) -> None:
        chat.stop(visitor, turn)

    return router


class Drawn(Protocol):
    """A turn, as far as it is drawn."""

    def events(self) -> Generator[ChatEvent, None, None]: ...


class Drawer:
    """Turns chat records into what the page shows."""

    def __init__(self, markdown: AnswerMarkdown, engine: Engine) -> None:
        self._markdown = markdown
        self._engine = engine

    def draw(self, turn: Drawn) -> EventSource:
        """The turn's events as JSON; of a growing answer, a picture eleven times a second. Its reasoning is "" where it has
        not grown since the last one: it may be longer than the answer.
        """
        drawn_at = 0.0
        sent = ""
        events = turn.events()
        try:
            for event in events:
                if not isinstance(event, Grown):
                    yield self.event_json(event)
                elif time.monotonic() - drawn_at >= REDRAW_SECONDS:
                    drawn_at = time.monotonic()
                    yield self.event_json(Grown(event.text, event.reasoning if event.reasoning != sent else ""))
                    sent = event.reasoning
        finally:
            events.close()

    def event_json(self, event: ChatEvent) -> dict[str, Any]:
        match event:
            case Begun(turn, conversation, question):
                place = None if conversation is None else conversation_json(conversation)
                return {"type": "turn", "turn": turn, "conversation": place, "user": self.message_json(question)}
            case Fitted(dropped):
                return {"type": "fitted", "dropped_turns": dropped}
            case Queued(place_in_queue):
                return {"type": "queue", "place": place_in_queue}
            case Prefilling(done, total):
                return {"type": "prefill", "done": done, "total": total}
            case Grown(text, reasoning):
                return {"type": "text", "html": self._markdown.html(text), "reasoning": reasoning}
            case Ended(answer, used, size, dropped):
                context = None if used is None or size is None else {"used": used, "size": size}
                return {
                    "type": "end",
                    "message": self.message_json(answer),
                    "context": context,
                    "dropped_turns": dropped,
                }

    def message_json(self, message: Message) -> dict[str, Any]:
        return {
            "id": message.id,
            "role": message.role,
            "text": message.text,
            "reasoning": message.reasoning,
            "html": self._markdown.html(message.text) if message.role is Role.ASSISTANT else "",
            "status": message.status,
            "note": message.note,
            "model": message.model,
            "source": message.source,
            **speed_json(message.speed),
        }

    def context_json(self, messages: list[Message]) -> dict[str, int] | None:
        """How full the context was after the last answer; None while nothing is known."""
        used = next((message.context_used for message in reversed(messages) if message.context_used), None)
        try:
            size = self._engine.info().context
        except EngineError:
            return None
        return None if used is None else {"used": used, "size": size}


def speed_json(speed: Speed) -> dict[str, Any]:
    return {"first_token_s": speed.first_token, "tokens_per_s": speed.tokens_per_second, "tokens": speed.tokens}


def conversation_json(conversation: Conversation) -> dict[str, Any]:
    return {"id": conversation.id, "title": conversation.title, "updated": conversation.updated.isoformat()}


def _source(role: str) -> str:
    return NO_SOURCE if role == Role.ASSISTANT else ""


def _download(form: Form, title: str, messages: list[Message], updated: datetime | None) -> Response:
    text, kind = (
        (as_markdown(title, messages), "text/markdown")
        if form == "md"
        else (as_json(title, messages, updated), "application/json")
    )
    name = file_name(title, form)
    # Two names: plain ASCII for old clients, the true one by RFC 5987.
    disposition = f"attachment; filename=\"conversation.{form}\"; filename*=UTF-8''{quote(name)}"
    return Response(
        text,
        media_type=f"{kind}; charset=utf-8",
        headers={"content-disposition": disposition, "cache-control": "no-store"},
    )
