"""Starts LlamaCare: flags -> Settings -> the parts -> serve. Also the entry of the Hugging Face Space."""

from __future__ import annotations

import logging
import os
import socket
import sys
from functools import partial
from pathlib import Path

import uvicorn

from app.backup_store import Backups
from app.catalogue import read_catalogue
from app.chat import Chat
from app.database import Database
from app.deck import Deck
from app.earned import Ledger
from app.engine.local import LocalEngine
from app.engine.switch import SwitchingEngine
from app.errors import LlamaCareError, SettingsError
from app.evidence import Evidence
from app.grounding import Grounding
from app.lastrun import LastRuns
from app.library.library import Library
from app.library_store import LibraryStore
from app.measuring import MEASUREMENTS, Measuring
from app.models import chosen_model, local_model
from app.own_store import OwnStore
from app.practice_store import PracticeStore
from app.questions import read_bank
from app.quiz import Quiz
from app.quotations import Quotations
from app.report_store import ReportStore
from app.reporting import Reports
from app.settings import Settings, read_settings
from app.shelf import Shelf
from app.store import INTERRUPTED, Store
from app.tutor import Tutor
from app.web import Parts, build_web

ASSETS = Path(__file__).parent / "assets"
BANK = ASSETS / "bank"


def main(arguments: list[str]) -> int:
    try:
        settings = read_settings(arguments, os.environ)
        if settings.log == "requests":
            _log_to_stderr()
        listener = _listen(settings)
        parts = build_parts(settings)
    except LlamaCareError as error:
        print(f"LlamaCare cannot start: {error.sentence}", file=sys.stderr)
        return 2
    web = build_web(settings, parts)
    config = uvicorn.Config(web, log_level="warning", timeout_graceful_shutdown=3, server_header=False)
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host == "0.0.0.0" else host
    print(f"LlamaCare is open at http://{f'[{shown}]' if ':' in shown else shown}:{port} (Ctrl+C ends it)", flush=True)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # raised once more by uvicorn after it has closed everything
    return 0


def build_parts(settings: Settings) -> Parts:
    """Everything under the pages, each part given what it stands on. The model begins to load; nothing waits for it."""
    bank = read_bank(BANK)
    for refusal in bank.refusals:
        print(f"Question left out: {refusal}", file=sys.stderr)
    model = chosen_model(settings)
    database = Database(settings.data_dir)
    store, practice, own = Store(database), PracticeStore(database), OwnStore(database)
    store.close_interrupted()
    practice.close_interrupted(INTERRUPTED)
    catalogue = read_catalogue()
    engine = SwitchingEngine(model, start=partial(LocalEngine, max_waiting=settings.max_waiting))
    ledger = Ledger(settings.data_dir / MEASUREMENTS, ASSETS / "measurements")
    shelf = Shelf(
        engine,
        catalogue=catalogue,
        folders=settings.model_folders,
        extra=settings.model,
        open_model=partial(local_model, settings),
        ledger=ledger,
        measuring=Measuring(engine, ledger, bank=BANK, data_dir=settings.data_dir),
        last_runs=LastRuns(settings.data_dir / "last_runs.json"),
        may_switch=settings.may_switch,
    )
    library = open_library(settings, Quotations(database))
    grounding = Grounding(library, store.owner, ledger)
    chat = Chat(
        engine,
        store,
        max_turns=settings.max_waiting,
        thinking=settings.thinking == "on",
        grounding=grounding,
    )
    quiz = Quiz(Deck(bank, own, practice), practice, engine, ledger=ledger)
    return Parts(
        engine=engine,
        store=store,
        chat=chat,
        quiz=quiz,
        tutor=Tutor(chat, quiz),
        own=own,
        backups=Backups(database),
        shelf=shelf,
        library=library,
        evidence=Evidence(engine, ledger),
        reports=Reports(store, ReportStore(database), library, grounding, engine),
        database=database,
    )


def open_library(settings: Settings, quotations: Quotations) -> Library:
    """The library with its sample pages. Quotations of documents that a command erased meanwhile go first."""
    library = Library(LibraryStore(settings.data_dir), forget=quotations.forget, sample=ASSETS / "library")
    gone = library.missing(quotations.documents())
    if gone:
        quotations.forget(sorted(gone))
    library.finish_erasing()
    library.install_sample()
    return library


def _log_to_stderr() -> None:
    """Shows what the application's own loggers say; no library's, whose lines may hold what people wrote."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    log = logging.getLogger("llamacare")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def _listen(settings: Settings) -> socket.socket:
    """Takes the port before anything is built, so that a taken one is told at once."""
    try:
        return socket.create_server(
            (settings.host, settings.port), family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        )
    except OSError as error:
        raise SettingsError(
            f"--port is {settings.port}; it cannot be opened on {settings.host} ({error.strerror}). "
            "End what uses it, or give another --port; 0 takes a free one."
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
