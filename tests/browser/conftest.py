"""The real application and a real browser. A new browser context is a new visitor; every page is watched.

One application serves all tests here; they are apart by their visitors. Answers are stopped early where their text does
not matter, and conversations that need no model are written into the application's own database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from app.database import Database
from app.records import NO_SOURCE, Message, Role, Status
from app.store import Store
from tests.application import Application, chromium, running

PATIENCE_MS = 90_000  # on a loaded machine; reaching it is a failure, not a measurement
NewVisitor = Callable[..., Page]
Keep = Callable[..., str]


@pytest.fixture(scope="package")
def application() -> Iterator[Application]:
    with running("--context", "2048") as started:
        started.await_engine(lambda engine: engine["state"] == "ready")
        yield started


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with this package: while Playwright runs, its event loop is the running one of the main thread."""
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as launched:
        yield launched


@pytest.fixture
def allowed() -> list[str]:
    """Parts of console errors that a test provokes; the browser logs every answer of 400 and above."""
    return []


# Only where the visitor has chosen nothing yet; a page without an address has no storage.
SCOPE = """
if (location.origin !== "null" && !localStorage.getItem("llamacare.ask")) {{
  localStorage.setItem("llamacare.ask", JSON.stringify({{ scope: "{scope}" }}));
}}
"""


@pytest.fixture
def new_visitor(browser: Browser, application: Application, allowed: list[str]) -> Iterator[NewVisitor]:
    """Opens a page as a new visitor, and fails the test on an error in a page, a breach of the content security policy,
    or a request to another machine. ``scope``: which documents questions are looked up in, as the visitor has chosen it; None
    leaves it at what a first visit finds."""
    faults: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(
        path: str | None = "/", *, address: str = application.address, scope: str | None = "none", **options: Any
    ) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if scope is not None:
            context.add_init_script(SCOPE.format(scope=scope))
        context.on("request", lambda request: faults.append(f"asked {request.url}") if _foreign(request.url) else None)
        context.on("weberror", lambda error: faults.append(f"error {error.error}"))
        context.on("console", lambda line: faults.append(_console(line)) if line.type == "error" else None)
        page = context.new_page()
        if path is not None:
            page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [fault for fault in faults if not any(part in fault for part in allowed)] == []


def _console(line: ConsoleMessage) -> str:
    """A breach of the content security policy is a console error too."""
    return f"console: {line.text} {line.location['url']}"


def _foreign(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1"


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    """A new visitor on the Ask page."""
    return new_visitor()


@pytest.fixture
def keep(application: Application) -> Iterator[Keep]:
    """Keeps an answered question for the page's visitor, as the application would have, and returns the conversation's id."""
    database = Database(application.data_dir)
    store = Store(database)

    def keep_answered(page: Page, question: str, answer: str = "It pumps blood.", title: str = "") -> str:
        token = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "llamacare_visitor")
        visitor = store.visitor(token)
        place = store.add_conversation(visitor, title or question)
        asked = Message(id=f"q-{place.id}", role=Role.USER, text=question)
        empty = Message(id=f"a-{place.id}", role=Role.ASSISTANT, text="", status=Status.STREAMING, source=NO_SOURCE)
        store.add_turn(visitor, place.id, asked, empty, replace=None)
        store.keep_answer(replace(empty, text=answer, status=Status.COMPLETE, model="SmolLM2-135M-Instruct", context_used=99))
        return place.id

    yield keep_answered
    database.close()
