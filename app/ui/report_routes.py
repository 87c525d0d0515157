"""What the report dialog calls. Every rule lives in `app.reporting`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.chat import MAX_CHARACTERS
from app.errors import BadInput
from app.report_store import Kind
from app.reporting import THANKS, Complaint, Private, Reports
from app.ui.visitors import Visitor

MAX_PASSAGES = 40
LongText = Annotated[str, Field(max_length=4 * MAX_CHARACTERS)]


class Kept(BaseModel):
    """A private answer, sent by the page that holds it. ``template`` is "" where the model alone was asked, None where
    the page does not say; the prompt is made anew only where it does."""

    question: LongText
    answer: LongText
    model: str = Field(default="", max_length=300)
    draft: LongText = ""
    passages: list[int] = Field(default_factory=list, max_length=MAX_PASSAGES)
    template: str | None = Field(default=None, max_length=60)
    assumptions: dict[str, str] = Field(default_factory=dict)

    def private(self) -> Private:
        return Private(
            question=self.question,
            answer=self.answer,
            model=self.model,
            draft=self.draft,
            passages=tuple(self.passages),
            template=self.template,
            assumptions=self.assumptions,
        )


class Sent(BaseModel):
    """What is wrong, and with which answer: one of a conversation, or a private one in ``kept``."""

    message: str | None = None
    conversation: str | None = None
    kinds: list[Kind] = Field(default_factory=list, max_length=20)
    text: str = ""
    kept: Kept | None = None


def report_router(reports: Reports) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.post("/reports")
    def report(body: Sent, visitor: Visitor) -> dict[str, str]:
        complaint = Complaint(tuple(body.kinds), body.text)
        if body.kept is not None:
            reports.private(visitor, body.kept.private(), complaint)
        elif body.message is not None and body.conversation is not None:
            reports.kept(visitor, body.conversation, body.message, complaint)
        else:
            raise BadInput("Nothing says which answer is meant. Send its id with its conversation's, or the answer itself.")
        return {"sentence": THANKS}

    return router
