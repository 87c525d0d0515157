"""Order and shared parts of the tests: fast first, then slow, then gpu.

Fast tests build the real application on the fake engine; slow ones on the embedded model, in a process of its own.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.backup_store import Backups
from app.catalogue import Catalogue
from app.chat import Chat
from app.database import Database
from app.deck import Deck
from app.earned import Ledger
from app.engine.base import Engine
from app.engine.fake import FakeEngine
from app.engine.local import LocalModel
from app.engine.switch import SwitchingEngine
from app.evidence import Evidence
from app.grounding import Grounding
from app.lastrun import LastRuns
from app.library.library import Library
from app.library_store import LibraryStore
from app.measuring import MEASUREMENTS, Measuring
from app.own_store import OwnStore
from app.practice_store import PracticeStore
from app.questions import Bank, read_bank
from app.quiz import Quiz
from app.quotations import Quotations
from app.report_store import ReportStore
from app.reporting import Reports
from app.settings import Settings, read_settings
from app.shelf import Shelf
from app.store import Store
from app.tutor import Tutor
from app.ui.visitors import HEADER
from app.web import Parts, build_web

ROOT = Path(__file__).parents[1]
ORDER = ("slow", "gpu")
NOWHERE = Path("/dev/null/nowhere")  # holds nothing and takes nothing
EMPTY = Catalogue(())
FAKE_MODEL = LocalModel(path=NOWHERE / "fake.gguf", name="Fake")
MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = MORNING) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float = 0.0, **more: float) -> None:
        self.now += timedelta(seconds=seconds, **more)


def pytest_configure() -> None:
    """A shell that runs the tests in the background ignores Ctrl+C, and so would every process that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: max((ORDER.index(mark.name) + 1 for mark in item.iter_markers() if mark.name in ORDER), default=0)
    )


@pytest.fixture(scope="session")
def bank() -> Bank:
    return read_bank(ROOT / "assets" / "bank")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    database = Database(tmp_path / "data", clock)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def practice(database: Database) -> PracticeStore:
    return PracticeStore(database)


@pytest.fixture
def visitor(store: Store) -> int:
    return store.visitor("v" * 43)


@pytest.fixture
def other(store: Store) -> int:
    return store.visitor("w" * 43)


@pytest.fixture
def quiz(bank: Bank, database: Database, engine: FakeEngine) -> Quiz:
    return quiz_on(database, bank, engine)


def settings_for(folder: Path, *flags: str, **environ: str) -> Settings:
    return read_settings(["--data-dir", str(folder), "--allowed-hosts", "testserver,localhost", *flags], environ)


def quiz_on(database: Database, bank: Bank, engine: Engine, *, ledger: Ledger | None = None) -> Quiz:
    practice = PracticeStore(database)
    return Quiz(Deck(bank, OwnStore(database), practice), practice, engine, ledger=ledger, seed=1)


def library_on(database: Database, sample: Path | None = None) -> Library:
    """A library beside the database, whose answers and reports forget what is erased from it."""
    return Library(LibraryStore(database.folder, database.clock), forget=Quotations(database).forget, sample=sample)


def parts_for(engine: Engine, database: Database, bank: Bank, *, shelf: Shelf | None = None) -> Parts:
    store, quiz = Store(database), quiz_on(database, bank, engine)
    library = library_on(database)
    grounding = Grounding(library, store.owner, None)
    chat = Chat(engine, store, max_turns=4, seed=lambda: 1, grounding=grounding)
    return Parts(
        engine=engine,
        store=store,
        chat=chat,
        quiz=quiz,
        tutor=Tutor(chat, quiz),
        own=OwnStore(database),
        backups=Backups(database),
        library=library,
        evidence=Evidence(engine),
        reports=Reports(store, ReportStore(database), library, grounding, engine),
        shelf=shelf or shelf_for(SwitchingEngine(FAKE_MODEL, start=lambda _: engine), NOWHERE),
        database=database,
    )


def shelf_for(
    engine: SwitchingEngine, folder: Path, *, catalogue: Catalogue = EMPTY, bank: Path = NOWHERE, may_switch: bool = True
) -> Shelf:
    """A shelf over ``folder``, as the data folder: its models lie in ``models``."""
    ledger = Ledger(folder / MEASUREMENTS)
    return Shelf(
        engine,
        catalogue=catalogue,
        folders=(folder / "models",),
        extra=None,
        open_model=lambda model: LocalModel(path=model.path, name=model.name),
        ledger=ledger,
        measuring=Measuring(engine, ledger, bank=bank, data_dir=folder),
        last_runs=LastRuns(folder / "last_runs.json"),
        may_switch=may_switch,
    )


def new_token() -> str:
    return secrets.token_urlsafe(32)


def visitor_headers(token: str | None = None) -> dict[str, str]:
    return {HEADER: token or new_token()}


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory, bank: Bank) -> Iterator[tuple[FastAPI, FakeEngine]]:
    """The real shell on a fake engine, built once: Gradio takes a second for it. Tests are apart by their visitors."""
    folder = tmp_path_factory.mktemp("web")
    database = Database(folder)
    engine = FakeEngine()
    yield build_web(settings_for(folder), parts_for(engine, database, bank)), engine
    database.close()


@pytest.fixture
def web_engine(application: tuple[FastAPI, FakeEngine]) -> Iterator[FakeEngine]:
    """The application's engine, ready again after the test."""
    yield application[1]
    application[1].retry()


@pytest.fixture
def client(application: tuple[FastAPI, FakeEngine]) -> TestClient:
    """A new visitor. Not entered: the lifespan (Gradio's start) is not needed for our own routes."""
    return TestClient(application[0], headers=visitor_headers())


@pytest.fixture
def another(client: TestClient) -> TestClient:
    """A second visitor of the same application."""
    return TestClient(client.app, headers=visitor_headers())


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool]], None]:
    """Waits until something is so; fails the test after a minute, which is no measure of speed."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "it did not happen within a minute"
            time.sleep(0.02)

    return wait
