"""Own questions, files and backup: what the Practise page's scripts call for them. Thin: every rule lives below."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.backup_store import Backups
from app.errors import NotFound
from app.exports import as_apkg, as_csv, as_html, as_json
from app.imports import CSV, Upload, own_id, read_upload
from app.layouts import Layout
from app.own_store import Batch, OwnStore
from app.quiz import Quiz
from app.records import Question
from app.rowfiles import Fault, Refusal
from app.ui.visitors import Visitor

FIGURES = Path(__file__).parents[2] / "assets" / "bank" / "figures"
SHOWN_REFUSALS = 200
SHOWN_QUESTIONS = 10
AT_ONCE = 2  # files that are read or made at the same time
LayoutName = Literal["auto", "own", "medqa", "medmcqa", "csv"]
FormName = Literal["csv", "json", "apkg", "html"]
LAYOUTS: Mapping[str, Layout | Literal["csv"]] = MappingProxyType(  # "auto" is none
    {"own": Layout.OWN, "medqa": Layout.MEDQA, "medmcqa": Layout.MEDMCQA, "csv": CSV}
)
KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(  # the file's ending and type
    {
        "csv": ("csv", "text/csv; charset=utf-8"),
        "json": ("jsonl", "application/jsonl"),
        "apkg": ("apkg", "application/octet-stream"),
        "html": ("html", "text/html; charset=utf-8"),
    }
)
EXAMPLE = Question(
    id="example-1",
    stem=(
        "A 24-year-old woman has thirst and passes 6 L of dilute urine a day. After a night without water the urine stays dilute;"
        " one dose of desmopressin concentrates it. Which of the following is lacking?"
    ),
    options={
        "A": "Aldosterone",
        "B": "Atrial natriuretic peptide",
        "C": "Cortisol",
        "D": "Renin",
        "E": "Vasopressin",
    },
    key="E",
    explanations={
        "A": "Lack of aldosterone loses salt and keeps potassium.",
        "B": "This peptide makes the kidney lose salt; its lack causes no polyuria.",
        "C": "Lack of cortisol lets the body keep water.",
        "D": "Lack of renin lowers aldosterone.",
        "E": "The kidney answers to desmopressin, so the hormone itself is lacking: central diabetes insipidus.",
    },
    objective="Dilute urine that desmopressin concentrates means that vasopressin is lacking.",
    hints=("Which hormones make urine less dilute?", "The kidney can still answer.", "Desmopressin stands in for it."),
    subject="physiology",
    system="endocrine",
    step="1",
    difficulty="easy",
    source="LlamaCare's template",
    licence="Apache-2.0",
)


def own_router(quiz: Quiz, own: OwnStore, backups: Backups) -> APIRouter:
    """What reads or makes a whole file does so in threads of its own, a few at once."""
    router = APIRouter(prefix="/api/practise")
    limiter = anyio.CapacityLimiter(AT_ONCE)

    @router.post("/own/preview")
    async def preview(request: Request, visitor: Visitor, layout: LayoutName = "auto") -> dict[str, Any]:
        name, raw = _file_name(request), await request.body()
        return await anyio.to_thread.run_sync(
            lambda: upload_json(*_matched(own, visitor, _upload(name, raw, layout)), None), limiter=limiter
        )

    @router.post("/own/import")
    async def keep(request: Request, visitor: Visitor, layout: LayoutName = "auto") -> dict[str, Any]:
        name, raw = _file_name(request), await request.body()

        def kept() -> dict[str, Any]:
            upload, already = _matched(own, visitor, _upload(name, raw, layout))
            batch = own.add_batch(visitor, upload.file, [question for _, question in upload.questions])
            return upload_json(upload, already, batch)

        return await anyio.to_thread.run_sync(kept, limiter=limiter)

    @router.get("/own")
    def batches(visitor: Visitor) -> dict[str, Any]:
        return {"batches": [_batch_json(batch) for batch in own.batches(visitor)], "total": own.total(visitor)}

    @router.delete("/own/{batch}", status_code=204)
    def delete(batch: str, visitor: Visitor) -> None:
        own.delete_batch(visitor, batch)

    @router.get("/own/template.csv")
    def template_csv(visitor: Visitor) -> Response:
        return _download(as_csv([EXAMPLE], {}), "llamacare-template", "csv")

    @router.get("/own/template.jsonl")
    def template_json(visitor: Visitor) -> Response:
        return _download(as_json([EXAMPLE], {}), "llamacare-template", "json")

    @router.get("/export")
    async def export(
        visitor: Visitor, form: FormName, what: str = "wrong", systems: Annotated[list[str] | None, Query()] = None
    ) -> Response:
        return await anyio.to_thread.run_sync(partial(_exported, quiz, visitor, form, what, systems or ()), limiter=limiter)

    @router.get("/backup")
    async def backup(visitor: Visitor) -> Response:
        def made() -> Response:
            value = backups.dump(visitor)
            content = json.dumps(value, ensure_ascii=False).encode()
            name = f"llamacare-practice-{value['created'][:10]}.json"
            return Response(content, media_type="application/json", headers=_disposition("attachment", name))

        return await anyio.to_thread.run_sync(made, limiter=limiter)

    @router.post("/restore")
    async def restore(request: Request, visitor: Visitor) -> dict[str, Any]:
        raw = await request.body()
        restored = await anyio.to_thread.run_sync(partial(backups.restore, visitor, raw), limiter=limiter)
        return {**vars(restored), "sentence": restored.sentence}

    return router


def upload_json(upload: Upload, already: int, batch: Batch | None) -> dict[str, Any]:
    """What a file held; ``batch`` is what was kept of it, None for a preview."""
    return {
        "file": upload.file,
        "layout": upload.layout,
        "encoding": upload.encoding,
        "separator": upload.separator,
        "read": len(upload.questions),
        "refused": len(upload.refusals),
        "already": already,
        "refusals": [
            {"line": refusal.line, "field": refusal.field, "reason": _printable(refusal.reason)}
            for refusal in upload.refusals[:SHOWN_REFUSALS]
        ],
        "preview": [_question_json(line, question) for line, question in upload.questions[:SHOWN_QUESTIONS]],
        "notes": list(upload.notes),
        "batch": batch.id or None if batch else None,
        "added": batch.questions if batch else 0,
    }


def _question_json(line: int, question: Question) -> dict[str, Any]:
    return {
        "line": line,
        "id": own_id(question),
        "stem": question.stem,
        "options": dict(question.options),
        "key": question.key,
        "explanations": dict(question.explanations),
        "system": question.system,
        "subject": question.subject,
        "step": question.step,
    }


def _batch_json(batch: Batch) -> dict[str, Any]:
    return {"id": batch.id, "file": batch.file, "created": batch.created.isoformat(), "questions": batch.questions}


def _upload(name: str, raw: bytes, layout: str) -> Upload:
    figures = frozenset(path.name for path in FIGURES.glob("*.svg"))
    return read_upload(name, raw, LAYOUTS.get(layout), figures=figures)


def _matched(own: OwnStore, visitor: int, upload: Upload) -> tuple[Upload, int]:
    """The upload against what the visitor has: a question that is there with another key is refused, and how many are there."""
    known = own.keys(visitor, [own_id(question) for _, question in upload.questions])
    kept: list[tuple[int, Question]] = []
    refused: list[Refusal] = []
    for line, question in upload.questions:
        key = known.get(own_id(question), question.key)
        if key == question.key:
            kept.append((line, question))
        else:
            reason = (
                f"it is {question.key}, but the same question is among your questions with the key {key}, which stays."
                " If that one is wrong, delete its file first."
            )
            refused.append(Refusal(upload.file, line, "key", reason, Fault.DUPLICATE))
    refusals = sorted((*upload.refusals, *refused), key=lambda refusal: refusal.line)
    return replace(upload, questions=tuple(kept), refusals=tuple(refusals)), len(known) - len(refused)


def _exported(quiz: Quiz, visitor: int, form: FormName, what: str, systems: Sequence[str]) -> Response:
    identities = quiz.deck.filtered(visitor, what, systems)
    questions = quiz.deck.questions(visitor, identities)
    if not questions:
        within = f" in {', '.join(systems)}" if systems else ""
        raise NotFound(f'There is nothing to export: no question is "{what.replace("_", " and ")}"{within[:200]}. Choose others.')
    name = f"llamacare-{what.replace('_', '-')}"
    match form:
        case "csv":
            return _download(as_csv(questions, quiz.practice.last_attempts(visitor, identities)), name, form)
        case "json":
            return _download(as_json(questions, quiz.practice.last_attempts(visitor, identities)), name, form)
        case "apkg":
            when = quiz.practice.now()
            return _download(as_apkg(questions, "LlamaCare", when=when, figures=_figure), name, form)
        case "html":
            title = f"{len(questions):,} question{'s' if len(questions) > 1 else ''} · LlamaCare"
            return _download(as_html(questions, title=title, figures=_figure), name, form)


def _figure(name: str) -> bytes | None:
    path = FIGURES / name
    return path.read_bytes() if path.is_file() else None


def _download(content: bytes, name: str, form: str) -> Response:
    ending, kind = KINDS[form]
    how = "inline" if form == "html" else "attachment"
    return Response(content, media_type=kind, headers=_disposition(how, f"{name}.{ending}"))


def _disposition(how: str, name: str) -> dict[str, str]:
    return {"content-disposition": f'{how}; filename="{name}"', "cache-control": "no-store"}


def _file_name(request: Request) -> str:
    return unquote(request.headers.get("x-file-name", "file"), errors="replace")


def _printable(text: str) -> str:
    """A reason quotes its row, which may hold half of a character."""
    return text.encode(errors="backslashreplace").decode()
