"""What the Ask page's scripts call: conversations and turns. Every rule lives in chat and store."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.chat import MAX_CHARACTERS, Chat
from app.grounding import Wanted
from app.records import Message, Role, Scope
from app.shapes import ASSUMPTIONS, QUICK, TEMPLATES
from app.store import Store
from app.ui.drawer import Drawer, conversation_json
from app.ui.event_stream import EventStream
from app.ui.export_routes import export_router
from app.ui.visitors import Visitor


class Sources(BaseModel):
    """Which documents may answer; of those in ``documents`` alone, where any are named."""

    scope: Scope = Scope.ALL
    documents: list[str] = Field(default_factory=list, max_length=200)


class PastMessage(BaseModel):
    role: Literal["user", "assistant"]
    text: str = Field(max_length=4 * MAX_CHARACTERS)


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


class Title(BaseModel):
    title: str = Field(max_length=1000)


def ask_router(chat: Chat, store: Store, drawer: Drawer, streams: anyio.CapacityLimiter) -> APIRouter:
    """Routes over these parts. ``streams`` bounds the threads that answers may hold, so that other calls never wait for them."""
    router = APIRouter(prefix="/api")
    for part in (_conversations_router(chat, store, drawer), export_router(store), _turns_router(chat, drawer, streams)):
        router.include_router(part)
    return router


def _conversations_router(chat: Chat, store: Store, drawer: Drawer) -> APIRouter:
    router = APIRouter()

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

    return router


def _turns_router(chat: Chat, drawer: Drawer, streams: anyio.CapacityLimiter) -> APIRouter:
    router = APIRouter()

    @router.post("/ask")
    def ask(body: Ask, visitor: Visitor) -> EventStream:
        if body.private:
            history = [Message(id="", role=Role(past.role), text=past.text) for past in body.history]
            turn = chat.begin_private(visitor, body.message, history, body.wanted())
        else:
            turn = chat.begin(visitor, body.message, conversation=body.conversation, replace=body.replace, wanted=body.wanted())
        return EventStream(drawer.draw(turn), streams, after=turn.abandon)

    @router.post("/turns/{turn}/stop", status_code=204)
    def stop(turn: str, visitor: Visitor) -> None:
        chat.stop(visitor, turn)

    @router.get("/ask/shapes")
    def shapes(visitor: Visitor) -> dict[str, Any]:
        return shapes_json()

    return router


def shapes_json() -> dict[str, Any]:
    """What an answer can look like and assume, for the page to offer."""
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
