"""What the Library page's scripts and the document viewer call. Thin: every rule lives in the library."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from app.errors import BadInput, LlamaCareError
from app.library.adding import Added, Adding, Progress, Reading
from app.library.library import Erased, Erasing, ErasingStep, Library
from app.records import Document, Passage, Scope
from app.rowfiles import Refusal
from app.ui.event_stream import EventSource, EventStream
from app.ui.visitors import Visitor

SHOWN_REFUSALS = 500
MOST_DOCUMENTS = 200  # of one page of the list
MOST_PASSAGES = 200  # of one part of a document
MOST_FOUND = 50
MOST_ERASED = 10_000  # named in one call; all is another call


class Erase(BaseModel):
    """Documents to remove by their ids, or with ``all`` every one of the visitor's own."""

    documents: list[str] = Field(default_factory=list, max_length=MOST_ERASED)
    all: bool = False


def library_router(library: Library, owner_of: Callable[[int], str], streams: anyio.CapacityLimiter) -> APIRouter:
    """``owner_of`` gives the name under which a visitor owns documents. ``streams`` bounds the threads that adding and removing
    may hold, so that other calls never wait for them."""
    router = APIRouter(prefix="/api/library")

    @router.get("")
    def documents(
        visitor: Visitor,
        search: Annotated[str, Query(max_length=1000)] = "",
        offset: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=MOST_DOCUMENTS)] = 50,
    ) -> dict[str, Any]:
        owner = owner_of(visitor)
        found, total = library.documents(owner, search=search, offset=offset, count=count)
        counts = library.counts(owner)
        return {
            "documents": [document_json(document) for document in found],
            "total": total,
            "own": counts.own,
            "shared": counts.shared,
            "sample": counts.sample,
        }

    @router.post("/add")
    async def add(request: Request, visitor: Visitor, licence: str = "", date: str = "") -> EventStream:
        name, raw = _file_name(request), await request.body()
        events = _told(lambda: library.add(owner_of(visitor), name, raw, licence=licence, date=date), adding_json)
        return EventStream(events, streams, after=events.close)

    @router.post("/erase")
    def erase(body: Erase, visitor: Visitor) -> EventStream:
        if body.all == bool(body.documents):
            raise BadInput('Nothing says what to remove. Send either the ids as "documents" or "all": true.')
        events = _told(lambda: library.erase(owner_of(visitor), None if body.all else body.documents), erasing_json)
        return EventStream(events, streams, after=events.close)

    @router.get("/documents/{identity}/passages")
    def passages(
        identity: str,
        visitor: Visitor,
        around: int | None = None,
        start: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=MOST_PASSAGES)] = 40,
    ) -> dict[str, Any]:
        owner = owner_of(visitor)
        document = library.document(owner, identity)
        first, total, found = library.passages(owner, identity, around=around, start=start, count=count)
        return {
            "document": document_json(document),
            "start": first,
            "total": total,
            "passages": [_stretch_json(passage) for passage in found],
        }

    @router.get("/passages/{identity}")
    def passage(identity: int, visitor: Visitor) -> dict[str, Any]:
        return passage_json(library.passage(owner_of(visitor), identity))

    @router.get("/search")
    def search(
        visitor: Visitor,
        q: Annotated[str, Query(max_length=2000)] = "",
        scope: Literal["all", "own", "shared"] = "all",
        count: Annotated[int, Query(ge=1, le=MOST_FOUND)] = 10,
    ) -> dict[str, Any]:
        result = library.search(owner_of(visitor), q, limit=count, scope=Scope(scope))
        return {
            "passages": [passage_json(one.passage, number, one.marks) for number, one in enumerate(result.found, start=1)],
            "relevant": result.relevant,
            "expanded": list(result.expanded),
        }

    return router


def document_json(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "title": document.title,
        "kind": document.kind,
        "file": document.file,
        "date": document.date,
        "licence": document.licence,
        "source": document.source,
        "added": document.added.isoformat(),
        "passages": document.passages,
        "pages": document.pages,
        "characters": document.characters,
        "shared": document.shared,
        "sample": document.sample,
        "mine": not document.shared,
    }


def passage_json(passage: Passage, number: int = 0, marks: Sequence[tuple[int, int]] = ()) -> dict[str, Any]:
    """A passage with all that is said of it where it is cited. ``number``: the citation's, 0 for none; ``marks``: what to mark in
    its text."""
    return {
        "number": number,
        "id": passage.id,
        "document": passage.document,
        "title": passage.title,
        "section": passage.section,
        "page": passage.page,
        "date": passage.date,
        "licence": passage.licence,
        "source": passage.source,
        "sample": passage.sample,
        "shared": passage.shared,
        "text": passage.text,
        "marks": [list(mark) for mark in marks],
    }


def _stretch_json(passage: Passage) -> dict[str, Any]:
    """A passage among the others of its document, which is told beside them."""
    return {
        "id": passage.id,
        "place": passage.place,
        "section": passage.section,
        "page": passage.page,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
    }


def adding_json(event: Adding) -> dict[str, Any]:
    match event:
        case Reading():
            return {"type": "reading", "file": event.file}
        case Progress():
            return {"type": "progress", "done": event.done, "total": event.total, "unit": event.unit}
        case Added():
            return {
                "type": "added",
                "documents": event.documents,
                "passages": event.passages,
                "duplicates": event.duplicates,
                "updated": event.updated,
                "refused": [_refusal_json(refusal) for refusal in event.refused[:SHOWN_REFUSALS]],
                "refusals": len(event.refused),
                "sentence": event.sentence,
            }


def _refusal_json(refusal: Refusal) -> dict[str, Any]:
    field = f"field {refusal.field}: " if refusal.field else ""
    return {"line": refusal.line, "reason": _printable(field + refusal.reason)}


def erasing_json(event: ErasingStep) -> dict[str, Any]:
    match event:
        case Erasing():
            return {"type": "progress", "done": event.done, "total": event.total}
        case Erased():
            return {
                "type": "erased",
                "documents": event.documents,
                "answers": event.answers,
                "sentence": erased_sentence(event.documents, event.answers),
            }


def erased_sentence(documents: int, answers: int) -> str:
    what = "1 document is" if documents == 1 else f"{documents:,} documents are"
    if not answers:
        return f"{what} removed, with all passages, and can be found no more."
    whose = "one answer" if answers == 1 else f"{answers:,} answers"
    return f"{what} removed, with all passages, and can be found no more. What {whose} quoted from there is removed too."


def _told(begin: Callable[[], Generator[Any, None, None]], as_json: Callable[[Any], dict[str, Any]]) -> EventSource:
    """The events as JSON; what goes wrong is the last one, with its sentence."""
    try:
        with closing(begin()) as events:
            for event in events:
                yield as_json(event)
    except LlamaCareError as error:
        yield {"type": "failed", "sentence": _printable(error.sentence)}


def _file_name(request: Request) -> str:
    """The name that the file goes by, with its folders if it has any.

    Raises:
        BadInput: there is none.
    """
    name = _printable(unquote(request.headers.get("x-file-name", ""), errors="replace"))
    if not name:
        raise BadInput("The file has no name. Send one in the header X-File-Name, as encodeURIComponent writes it.")
    return name


def _printable(text: str) -> str:
    """A sentence quotes what it is about, which may hold half of a character."""
    return text.encode(errors="backslashreplace").decode()
