"""A file on its way into the library: how many are parsed at once, and what is said meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import LlamaCareError
from app.library import reading
from app.library.adding import TURNS, Added, Adder, Reading
from app.library.parsed import Block, Parsed
from app.library_store import LibraryStore

ADA = "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LibraryStore]:
    store = LibraryStore(tmp_path)
    yield store
    store.close()


class Parser:
    """Parses until it is let go, and counts how many it does at once."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, name: str, raw: bytes, *, stop: Callable[[], bool]) -> Parsed:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.begun.release()
        while not (self.go.wait(0.01) or stop()):
            pass
        with self._lock:
            self.now -= 1
        return Parsed(name, "text", (Block("", None, name),))


def test_no_more_files_are_parsed_at_once_than_the_machine_has_memory_for(store: LibraryStore) -> None:
    parser = Parser()
    adder = Adder(store, read=parser)
    ends: list[object] = []

    def add(number: int) -> None:
        ends.append(list(adder.add(ADA, f"{number}.txt", b"text %d" % number))[-1])

    threads = [threading.Thread(target=add, args=[number]) for number in range(2 * TURNS)]
    for thread in threads:
        thread.start()
    for _ in range(TURNS):
        parser.begun.acquire()
    assert not parser.begun.acquire(timeout=0.3)
    parser.go.set()
    for thread in threads:
        thread.join()
    assert parser.most <= TURNS
    assert sum(isinstance(end, Added) for end in ends) == 2 * TURNS


def test_a_file_that_waits_for_its_turn_gives_signs_of_life_and_can_be_stopped(store: LibraryStore) -> None:
    parser = Parser()
    adder = Adder(store, read=parser)
    busy = [adder.add(ADA, f"{number}.txt", b"text %d" % number) for number in range(TURNS)]
    for number, events in enumerate(busy):
        assert [next(events), next(events)] == [Reading(f"{number}.txt")] * 2
    waiting = adder.add(ADA, "waits.txt", b"waits")
    assert [next(waiting) for _ in range(2)] == [Reading("waits.txt")] * 2
    assert parser.now == TURNS
    waiting.close()
    for events in busy:  # and whoever does not listen any more keeps no turn
        events.close()
    parser.go.set()
    assert isinstance(list(adder.add(ADA, "next.txt", b"next"))[-1], Added)
    assert [document.file for document in store.documents(ADA)[0]] == ["next.txt"]


def test_a_turn_is_given_back_where_parsing_fails(store: LibraryStore) -> None:
    def fails(name: str, raw: bytes, *, stop: Callable[[], bool]) -> Parsed:
        raise LlamaCareError("no")

    adder = Adder(store, read=fails)
    for number in range(TURNS + 1):
        with pytest.raises(LlamaCareError, match="no"):
            list(adder.add(ADA, "a.txt", b"text %d" % number))


def test_a_machine_without_a_process_to_spare_is_a_sentence(store: LibraryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(reading.subprocess, "Popen", none_left)
    with pytest.raises(LlamaCareError, match=r"^a\.txt was not added: this machine could start no process"):
        list(Adder(store).add(ADA, "a.txt", b"text"))
