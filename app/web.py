"""Our FastAPI shell: the guards, the pages, the routes that their scripts call, and the Gradio API, in one ASGI application.

Gradio is mounted last and inside; what it answers has passed every guard (`app.shell`, `app.doors`).
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import gradio as gr
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response

from app.backup_store import Backups
from app.chat import Chat
from app.database import Database
from app.doors import Doors, GradioSessions
from app.engine.base import Engine
from app.errors import LlamaCareError
from app.evidence import Evidence
from app.library.library import Library
from app.own_store import OwnStore
from app.quiz import Quiz
from app.reference import read_reference
from app.reporting import Reports
from app.settings import Settings
from app.shelf import Shelf
from app.shell import BodyLimit, SameOrigin, SecurityHeaders, TrustedHosts, Visitors
from app.store import Store
from app.tutor import Tutor
from app.ui.ask_routes import ask_router
from app.ui.drawer import Drawer
from app.ui.engine_routes import engine_router
from app.ui.evidence_routes import evidence_router
from app.ui.gradio_api import GradioApi
from app.ui.library_routes import library_router
from app.ui.markdown import AnswerMarkdown
from app.ui.models_routes import models_router
from app.ui.own_routes import own_router
from app.ui.pages import build_pages, mount_options
from app.ui.practise_routes import practise_router
from app.ui.report_routes import report_router
from app.ui.tutor_routes import tutor_router

ROOT = Path(__file__).parents[1]
LIBRARY_CALLS = 4  # files that are read, and documents that are erased, at the same time; they wait for nobody who asks
REFERENCE = ROOT / "assets" / "reference_ranges.toml"


@dataclass(frozen=True)
class Parts:
    """What the pages stand on. ``close`` ends what works in the background, then the engine and the store."""

    engine: Engine
    store: Store
    chat: Chat
    quiz: Quiz
    tutor: Tutor
    own: OwnStore
    backups: Backups
    shelf: Shelf
    library: Library
    evidence: Evidence
    reports: Reports
    database: Database

    def close(self) -> None:
        self.shelf.close()
        self.engine.close()
        self.library.close()
        self.database.close()


class FreshFiles(StaticFiles):
    """Scripts and styles carry no version in their names, so a browser asks each time whether they changed (by ETag)."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


def build_web(settings: Settings, parts: Parts) -> FastAPI:
    """The application, ready to be served. Closing it (its lifespan's end) closes the parts."""

    @asynccontextmanager
    async def lifespan(_web: FastAPI) -> AsyncIterator[None]:
        yield
        await anyio.to_thread.run_sync(parts.close)

    web = FastAPI(
        title="LlamaCare",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=_guards(settings, parts.store),
    )
    # Whoever waits for the model holds a thread; a limit of their own keeps them from starving all other calls.
    waiting = anyio.CapacityLimiter(settings.max_waiting)
    drawer = Drawer(AnswerMarkdown(), parts.engine)
    web.include_router(ask_router(parts.chat, parts.store, drawer, waiting))
    web.include_router(practise_router(parts.quiz, read_reference(REFERENCE), waiting))
    web.include_router(tutor_router(parts.tutor, drawer, waiting))
    web.include_router(own_router(parts.quiz, parts.own, parts.backups))
    web.include_router(library_router(parts.library, parts.store.owner, anyio.CapacityLimiter(LIBRARY_CALLS)))
    web.include_router(evidence_router(parts.evidence, parts.library, parts.store.owner, waiting))
    web.include_router(report_router(parts.reports))
    web.include_router(engine_router(parts.engine))
    web.include_router(models_router(parts.shelf))
    web.add_exception_handler(LlamaCareError, _refusal)
    web.add_exception_handler(RequestValidationError, _wrong_shape)
    web.mount("/static/ui", FreshFiles(directory=ROOT / "app" / "ui" / "static"))
    web.mount("/static/bank/figures", FreshFiles(directory=ROOT / "assets" / "bank" / "figures"))
    web.mount("/static/styles", FreshFiles(directory=ROOT / "assets" / "styles"))
    pages = build_pages(GradioApi(parts.chat, parts.quiz))
    pages.queue(max_size=settings.max_waiting, api_open=True)
    with warnings.catch_warnings():
        # gradio 6.31 says of every application with two pages that it switches off the SSR that is off already.
        warnings.filterwarnings("ignore", "SSR mode is not supported with multi-page apps", UserWarning)
        gr.mount_gradio_app(web, pages, path="/", max_file_size=0, **mount_options())
    return web


def _guards(settings: Settings, store: Store) -> list[Middleware]:
    """Outermost first."""
    on_space = settings.space is not None
    ancestors = ("'self'", "https://huggingface.co") if on_space else ("'none'",)
    return [
        Middleware(SecurityHeaders, frame_ancestors=ancestors),
        Middleware(TrustedHosts, allowed=settings.allowed_hosts),
        Middleware(Doors),
        Middleware(SameOrigin),
        # No origin is allowed. Its presence also keeps Gradio from answering with CORS headers of its own.
        Middleware(CORSMiddleware, allow_origins=()),
        Middleware(BodyLimit),
        Middleware(Visitors, lookup=store.visitor, in_frame=on_space),
        Middleware(GradioSessions),
    ]


def _refusal(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LlamaCareError)
    return JSONResponse({"error": error.sentence}, status_code=error.status)


def _wrong_shape(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or "the body"
    value = f"{first.get('input')!r:.60}"
    return JSONResponse({"error": f"{field} is {value}; {first['msg']}. Correct it and send it again."}, status_code=400)
