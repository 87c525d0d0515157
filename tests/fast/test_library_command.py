"""``python -m app.library``: what the administrator can do, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from app.library.__main__ import main
from app.library.adding import Adding, Reading
from app.library.library import Library
from app.library_read_store import SHARED
from app.library_store import LibraryStore
from app.settings import ROOT

VISITOR = "a" * 64


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str | Path) -> Said:
        code = main([*map(str, words), "--data-dir", str(tmp_path / "data")], {})
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Two rows and a broken one: JSON Lines need no process of their own to be read."""
    path = tmp_path / "qa.jsonl"
    path.write_text(
        '{"id": "1", "focus": "Gout", "question": "What treats gout?", "answer": "Colchicine treats gout."}\n{broken\n'
        '{"id": "2", "focus": "Asthma", "question": "What treats asthma?", "answer": "Salbutamol treats asthma."}\n'
    )
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LibraryStore]:
    """The store of an application that runs beside the command."""
    store = LibraryStore(tmp_path / "data")
    yield store
    store.close()


def titles(store: LibraryStore, owner: str = VISITOR) -> list[str]:
    return [document.title for document in store.documents(owner)[0]]


def test_a_file_is_shared_with_every_visitor_of_a_running_application(command: Command, rows: Path, store: LibraryStore) -> None:
    said = command("add", rows, "--licence", "CC0", "--date", "2025")
    assert said.code == 0
    assert said.out == "qa.jsonl: 2 documents added, 1 row left out; 2 new passages.\n"
    assert "Left out: qa.jsonl, line 2" in said.err
    document = store.documents(VISITOR)[0][0]
    assert (document.shared, document.licence, document.date) == (True, "CC0", "2025")
    assert command("add", rows).out.startswith("qa.jsonl: 0 documents added, 2 in the library already")


def test_a_folder_is_added_with_all_that_is_read_in_it(command: Command, store: LibraryStore, tmp_path: Path, rows: Path) -> None:
    folder = tmp_path / "guides"
    (folder / "deep" / ".hidden").mkdir(parents=True)
    rows.rename(folder / "deep" / "qa.jsonl")
    (folder / "empty.jsonl").touch()
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "deep" / ".hidden" / "qa.jsonl").write_text("not looked at")
    said = command("add", folder)
    assert said.code == 1, "one file was not added"
    assert said.out.startswith("guides/deep/qa.jsonl: 2 documents added")
    assert "guides/empty.jsonl was not added: it is empty." in said.err
    assert "picture" not in said.err and "hidden" not in said.err
    assert titles(store) == ["Asthma", "Gout"]


def test_a_path_that_is_not_there_is_named(command: Command, tmp_path: Path) -> None:
    said = command("add", tmp_path / "nowhere.pdf")
    assert said.code == 1 and "nowhere.pdf cannot be read (No such file or directory)" in said.err


def test_documents_are_listed_with_the_ids_by_which_they_are_removed(command: Command, rows: Path, store: LibraryStore) -> None:
    assert command("list").out == "No documents yet. `python -m app.library add PATH` adds some.\n"
    command("add", rows)
    listed = command("list").out.splitlines()
    assert [("Asthma" in line, "Gout" in line) for line in listed] == [(True, False), (False, True)]
    said = command("remove", listed[0].split()[0])
    assert said.out == "Documents erased: 1. Answers that quoted them, and were erased too: 0.\n"
    assert titles(store) == ["Gout"]
    assert command("remove", "--all").code == 0
    assert titles(store) == []


def test_only_shared_documents_can_be_listed_and_removed(command: Command, rows: Path, store: LibraryStore) -> None:
    command("add", rows)
    library = Library(store, forget=lambda ids: 0)
    list(library.add(VISITOR, "own.jsonl", b'{"focus": "Own", "answer": "A visitor wrote this."}\n'))
    [own] = store.erasable(VISITOR)
    assert own not in command("list").out
    said = command("remove", own)
    assert said.code == 2 and "There is no document" in said.err
    command("remove", "--all")
    assert titles(store) == ["Own"]


def test_a_question_shows_the_passages_that_it_finds(command: Command, rows: Path) -> None:
    command("add", rows)
    said = command("search", "gout", "treatment")
    assert "Gout · What treats gout?\n    Colchicine treats gout." in said.out


def test_the_sample_is_switched_off_and_on_for_all(command: Command, store: LibraryStore) -> None:
    pages = len(list((ROOT / "assets" / "library").glob("*.md")))
    assert command("sample", "on").out == f"The library has {pages} sample pages now.\n"
    [page, *_], _ = store.documents(SHARED)
    said = command("remove", page.id)
    assert said.code == 2 and "`python -m app.library sample off` removes them all" in said.err
    command("remove", "--all")
    assert store.counts(VISITOR).sample == pages
    assert command("sample", "off").out == "The library has 0 sample pages now.\n"


def test_stopped_it_says_how_to_go_on(command: Command, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(library: Library, owner: str, name: str, raw: bytes, **more: str) -> Generator[Adding, None, None]:
        yield Reading(name)
        raise KeyboardInterrupt

    monkeypatch.setattr(Library, "add", interrupted)
    said = command("add", rows)
    assert said.code == 130 and "the same command goes on from there" in said.err


def test_a_folder_that_cannot_be_used_is_told(capsys: pytest.CaptureFixture[str], rows: Path) -> None:
    assert main(["list", "--data-dir", str(rows)], {}) == 2
    assert "--data-dir" in capsys.readouterr().err


def test_the_application_and_the_command_share_the_folder_of_the_environment(
    capsys: pytest.CaptureFixture[str], store: LibraryStore, rows: Path, tmp_path: Path
) -> None:
    assert main(["add", str(rows)], {"LLAMACARE_DATA_DIR": str(tmp_path / "data")}) == 0
    assert titles(store) == ["Asthma", "Gout"]
