"""What the Ask page's scripts call: conversations, turns, exports. Every rule lives in chat and store."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

import anyio
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.chat import MAX_CHARACTERS, Chat
from app.grounding import Wanted
from app.records import NO_SOURCE, Message, Role, Scope, Status
from app.shapes import ASSUMPTIONS, QUICK, TEMPLATES
from app.store import Store
from app.ui.drawer import Drawer, conversation_json
from app.ui.event_stream import EventStream
from app.ui.export import Form, as_json, as_markdown, file_name
from app.ui.visitors import Visitor


class Sources(BaseModel):
    """Which documents may answer; of those in ``documents`` alone, where any are named."""

    scope: Scope = Scope.ALL
    documents: list[str] = Field(default_factory=list, max_length=200)


class Ask(BaseModel):
    """One message to the model, in a kept conversation or in a private one that the page holds."""

    message: str
    conversation: str | None = None
    replace: str | None = None
    private: bool = False
    history: list[PastMessage] = Field(default_factory=list)
    sources: Sources = Field(default_factory=Sources)
    ungrounded: Literal["mark", "withhold"] = "mark"
    template: str = QUICK
    assumptions: dict[str, str] = Field(default_factory=dict)

    def wanted(self) -> Wanted:
        return Wanted(
            self.sources.scope,
            tuple(self.sources.documents),
            withhold=self.ungrounded == "withhold",
            template=self.template,
            assumptions=self.assumptions,
        )


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
            turn = chat.begin_private(visitor, body.message, history, body.wanted())
        else:
            turn = chat.begin(visitor, body.message, conversation=body.conversation, replace=body.replace, wanted=body.wanted())
        return EventStream(drawer.draw(turn), streams, after=turn.abandon)

    @router.get("/ask/shapes")
    def shapes(visitor: Visitor) -> dict[str, Any]:
        return {
            "templates": [{"id": each.id, "label": each.label, "hint": each.hint} for each in TEMPLATES],
            "assumptions": [
                {
                    "name": each.name,
                    "label": each.label,
                    "default": each.default,
                    "choices": [{"value": choice.value, "label": choice.label} for choice in each.choices],
                }
                for each in ASSUMPTIONS
            ],
        }

    @router.post("/turns/{turn}/stop", status_code=204)
    def stop(turn: str, visitor: Visitor) -> None:
        chat.stop(visitor, turn)

    return router


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
