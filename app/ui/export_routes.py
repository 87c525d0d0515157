"""Conversations as files to save: those that are kept, and private ones, which the page that holds them sends along."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.chat import MAX_CHARACTERS
from app.records import NO_SOURCE, Block, Claim, Found, Grounds, Message, Passage, Prose, Quote, Role, Status, Support
from app.store import Store
from app.ui.export import Form, as_json, as_markdown, file_name
from app.ui.visitors import Visitor

LongText = Annotated[str, Field(max_length=4 * MAX_CHARACTERS)]


class ToldPassage(BaseModel):
    """A passage as `passage_json` wrote it; its number is its place."""

    id: int
    document: str
    text: str
    title: str
    section: str = ""
    page: int | None = None
    date: str = ""
    licence: str = ""
    source: str = ""
    shared: bool = False
    sample: bool = False

    def found(self) -> Found:
        return Found(Passage(**self.model_dump(), place=0, start=0, end=len(self.text)), 0.0)


class ToldQuote(BaseModel):
    number: int
    start: int
    end: int
    text: str


class ToldBlock(BaseModel):
    heading: str
    sentences: list[ToldQuote]
    missing: str

    def block(self) -> Block:
        return Block(self.heading, tuple(Quote(**each.model_dump()) for each in self.sentences), self.missing)


class ToldClaim(BaseModel):
    start: int
    end: int
    text: str
    support: Support
    numbers: tuple[int, ...] = ()
    passage: int = 0
    quote: tuple[int, int] = (0, 0)
    why: str = ""


class ToldGrounds(BaseModel):
    """What an answer stands on, as `Drawer.grounds_json` wrote it, without its pictures."""

    found: bool
    sentence: str
    prose: Prose
    passages: list[ToldPassage] = Field(default_factory=list)
    short: list[ToldBlock] = Field(default_factory=list)
    claims: list[ToldClaim] = Field(default_factory=list)
    prose_why: str = ""
    template: str = ""
    assumptions: dict[str, str] = Field(default_factory=dict)
    expanded: tuple[str, ...] = ()
    draft_text: str = ""
    judged_by: str = ""
    removed: int = 0
    followups: tuple[str, ...] = ()
    erased: bool = False

    def grounds(self) -> Grounds:
        plain = self.model_dump(exclude={"passages", "short", "claims", "draft_text"})
        return Grounds(
            **plain,
            draft=self.draft_text,
            passages=tuple(each.found() for each in self.passages),
            short=tuple(each.block() for each in self.short),
            claims=tuple(Claim(**each.model_dump()) for each in self.claims),
        )


class ExportMessage(BaseModel):
    role: Literal["user", "assistant"]
    text: LongText
    id: str = ""
    reasoning: LongText = ""
    status: Status = Status.COMPLETE
    note: str = ""
    model: str = ""
    source: str = NO_SOURCE
    grounds: ToldGrounds | None = None

    def message(self) -> Message:
        role = Role(self.role)
        return Message(
            id=self.id,
            role=role,
            text=self.text,
            reasoning=self.reasoning,
            status=self.status,
            note=self.note,
            model=self.model,
            source="" if role is Role.USER else self.source,
            grounds=None if self.grounds is None else self.grounds.grounds(),
        )


class Export(BaseModel):
    """A private conversation, sent by the page that holds it, to be written as a file."""

    format: Form
    title: str = "Private conversation"
    messages: list[ExportMessage]


def export_router(store: Store) -> APIRouter:
    router = APIRouter()

    @router.get("/conversations/{identity}/export")
    def export(identity: str, visitor: Visitor, format: Form = "md") -> Response:
        found = store.conversation(visitor, identity)
        return _download(format, found.title, store.messages(visitor, identity), found.updated)

    @router.post("/export")
    def export_private(body: Export, visitor: Visitor) -> Response:
        return _download(body.format, body.title, [each.message() for each in body.messages], None)

    return router


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
