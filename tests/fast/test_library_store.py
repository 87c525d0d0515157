"""The library on disk: whose a document is, what an update replaces, and that what was erased stands nowhere."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app.database
import app.library_store
from app.errors import NotFound, StoreError
from app.library_read_store import SHARED, Counts
from app.library_store import FILE, LONGEST_ARRIVAL, STALE, UNMERGED, LibraryStore, NewDocument, Outcome, Piece
from app.records import Scope
from tests.conftest import Clock

ADA, BEN = "a" * 64, "b" * 64
RARE = ("xylophagous", "zwieback", "quokka")  # words that stand in no other document


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other writer waits here."""
    monkeypatch.setattr(app.library_store, "PAUSE", 0.0)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[LibraryStore]:
    store = LibraryStore(tmp_path, clock)
    yield store
    store.close()


def new(key: str, *texts: str, digest: str = "", **more: object) -> NewDocument:
    pieces, offset = [], 0
    for text in texts:
        pieces.append(Piece(offset, offset + len(text), text, "Causes", len(pieces) + 1))
        offset += len(text) + 2
    plain = NewDocument(
        key=key, digest=digest or "\n".join(texts), title=f"On {key}", kind="text", file=key, pieces=pieces, characters=offset
    )
    return replace(plain, **more)


def put(store: LibraryStore, owner: str, key: str, *texts: str, **more: object) -> str:
    """The id of a new document."""
    before = set(ids(store, owner))
    store.put(owner, [new(key, *texts, **more)])
    (identity,) = set(ids(store, owner)) - before
    return identity


def ids(store: LibraryStore, owner: str) -> list[str]:
    return [document.id for document in store.documents(owner)[0]]


def found(store: LibraryStore, owner: str, words: str, **more: object) -> list[str]:
    return [passage.text for passage, _ in store.match(owner, f'"{words}"', **more)]


def erase(store: LibraryStore, owner: str, documents: list[str] | None) -> None:
    store.erase(store.erasable(owner, documents))
    list(store.compact())
    store.rewrite()


def on_disk(folder: Path, *words: str) -> list[str]:
    """Which of these stand in any byte of any file, in any case."""
    held = b"".join(path.read_bytes() for path in folder.iterdir()).lower()
    return [word for word in words if word.lower().encode() in held]


# Reading


def test_a_document_and_its_passages_come_back_as_they_were_put(store: LibraryStore, clock: Clock) -> None:
    document = put(store, ADA, "heart.txt", "The heart pumps.", "It beats.", pages=2, date="2024", licence="CC0", source="us")
    kept = store.document(ADA, document)
    assert (kept.title, kept.kind, kept.file, kept.passages, kept.pages) == ("On heart.txt", "text", "heart.txt", 2, 2)
    assert (kept.date, kept.licence, kept.source, kept.shared, kept.sample) == ("2024", "CC0", "us", False, False)
    assert (kept.added, kept.characters) == (clock.now, 29)
    start, total, (first, second) = store.passages(ADA, document)
    assert (start, total, first.place, second.place) == (0, 2, 0, 1)
    assert (second.text, second.start, second.end, second.section, second.page) == ("It beats.", 18, 27, "Causes", 2)
    assert (second.document, second.title, second.licence, second.date) == (document, "On heart.txt", "CC0", "2024")
    assert store.passage(ADA, second.id) == second


def test_a_page_of_passages_stands_around_the_one_that_is_asked_for(store: LibraryStore) -> None:
    document = put(store, ADA, "long.txt", *(f"Passage {number}" for number in range(30)))
    _, _, everything = store.passages(ADA, document)

    def places(**more: int) -> list[int]:
        return [passage.place for passage in store.passages(ADA, document, **more)[2]]

    assert places(around=everything[15].id, count=4) == [13, 14, 15, 16]
    assert places(around=everything[0].id, count=4) == [0, 1, 2, 3]
    assert places(around=everything[29].id, count=4) == [26, 27, 28, 29]
    assert places(start=28) == [28, 29]
    assert places(start=99) == []


def test_own_documents_are_listed_first_then_shared_ones_then_samples(store: LibraryStore, clock: Clock) -> None:
    store.put(SHARED, [new("sample", "one", sample=True), new("shared", "two")])
    store.put(ADA, [new("old", "three")])
    clock.move(1)
    store.put(ADA, [new("new", "four")])
    documents, total = store.documents(ADA)
    assert ([document.file for document in documents], total) == (["new", "old", "shared", "sample"], 4)
    assert [document.file for document in store.documents(ADA, offset=1, count=2)[0]] == ["old", "shared"]
    assert store.counts(ADA) == Counts(own=2, shared=1, sample=1)


@pytest.mark.parametrize("search", ["HEART failure", "failure.txt", "on heart", ""])
def test_the_list_is_searched_by_title_and_file_in_any_case(store: LibraryStore, search: str) -> None:
    store.put(ADA, [new("Heart Failure.txt", "text")])
    assert store.documents(ADA, search=search)[1] == 1
    assert store.documents(ADA, search=f"{search} kidney")[1] == 0


def test_a_search_gives_the_best_first_and_keeps_to_what_is_asked(store: LibraryStore) -> None:
    store.put(SHARED, [new("shared", "digoxin once, among many other words that say nothing of it")])
    twice = put(store, ADA, "own", "digoxin and digoxin again")
    for filler in "cdefgh":
        store.put(ADA, [new(filler, f"nothing of the kind {filler}")])
    first, second = store.match(ADA, '"digoxin"')
    assert first[0].document == twice and first[1] > second[1]
    assert len(store.match(ADA, '"digoxin"', limit=1)) == 1
    assert found(store, ADA, "digoxin", scope=Scope.OWN) == [first[0].text]
    assert found(store, ADA, "digoxin", scope=Scope.SHARED) == [second[0].text]
    assert found(store, ADA, "digoxin", scope=Scope.NONE) == []
    assert found(store, ADA, "digoxin", documents=[twice]) == [first[0].text]
    assert found(store, ADA, "nothing", documents=[twice]) == []


def test_words_are_found_by_their_stem_and_without_their_accents(store: LibraryStore) -> None:
    store.put(ADA, [new("one", "Ménière disease causes episodes")])
    assert found(store, ADA, "meniere") and found(store, ADA, "episode")


def test_an_expression_that_is_none_is_told_as_such(store: LibraryStore) -> None:
    with pytest.raises(StoreError, match="could not be read"):
        store.match(ADA, '"unclosed')


# Adding


def test_the_same_content_is_kept_once_under_whatever_name(store: LibraryStore) -> None:
    assert store.put(ADA, [new("a", "text"), new("b", "text")]) == [Outcome.ADDED, Outcome.DUPLICATE]
    assert store.put(ADA, [new("a", "text")]) == [Outcome.DUPLICATE]
    assert store.held(ADA, [("a", "text"), ("other", "text"), ("a", "changed")]) == [True, True, False]
    assert store.put(BEN, [new("a", "text")]) == [Outcome.ADDED]
    assert len(ids(store, ADA)) == 1


@pytest.mark.parametrize("dates", [("1", "1"), ("1", "2")])
def test_a_document_that_stands_twice_in_a_call_leaves_no_copy_behind(
    store: LibraryStore, tmp_path: Path, dates: tuple[str, str]
) -> None:
    store.put(ADA, [new("a", "text", date=dates[0]), new("a", "text", date=dates[1])])
    store.put(ADA, [new("b", "words"), new("c", "words")])
    with closing(sqlite3.connect(tmp_path / FILE)) as file:
        assert file.execute("select count(*), min(owner) > 0 from documents").fetchone() == (2, 1)


def test_no_pause_is_made_within_a_transaction(store: LibraryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[bool] = []
    monkeypatch.setattr(app.library_store, "PORTION", 3)
    monkeypatch.setattr(app.library_store.time, "sleep", lambda _: pauses.append(store._writer._depth > 0))
    store.put(ADA, [new("a", "one", "two", "three")])
    assert pauses == [False]


def test_an_update_keeps_the_id_and_replaces_the_text_in_the_index_too(store: LibraryStore) -> None:
    document = put(store, ADA, "a", "old words", "more of them")
    last = store.passages(ADA, document)[2][-1].id
    assert store.put(ADA, [new("a", "new words")]) == [Outcome.UPDATED]
    assert ids(store, ADA) == [document]
    assert (found(store, ADA, "old"), found(store, ADA, "new")) == ([], ["new words"])
    assert store.passages(ADA, document)[2][0].id > last, "an old citation must not open new text"
    with pytest.raises(NotFound):
        store.passage(ADA, last)


def test_another_licence_of_the_same_content_changes_only_the_licence(store: LibraryStore) -> None:
    document = put(store, ADA, "a", "text", licence="CC0", date="2020")
    passage = store.passages(ADA, document)[2][0].id
    assert store.held(ADA, [("a", "text")], licence="CC0") == [True]
    assert store.held(ADA, [("a", "text")], licence="MIT") == [False]
    assert store.put(ADA, [new("a", "text", licence="MIT")]) == [Outcome.UPDATED]
    assert (store.passage(ADA, passage).licence, store.passage(ADA, passage).date) == ("MIT", "2020")


def test_a_batch_that_fails_leaves_nothing_of_itself(store: LibraryStore) -> None:
    with pytest.raises(StoreError):
        store.put(ADA, [new("a", "good"), new("b", "bad", title=None)])
    assert ids(store, ADA) == [] and found(store, ADA, "good") == []


def test_a_full_disk_is_told_and_what_was_there_stays(store: LibraryStore) -> None:
    document = put(store, ADA, "a", "there before")
    store._writer.run("pragma max_page_count = 40")
    with pytest.raises(StoreError, match="full"):
        store.put(ADA, [new("b", *(f"{number} " + "much text " * 90 for number in range(500)))])
    assert ids(store, ADA) == [document] and found(store, ADA, "before") == ["there before"]


def test_two_processes_write_side_by_side(store: LibraryStore, tmp_path: Path, clock: Clock) -> None:
    beside = LibraryStore(tmp_path, clock)

    def fill(store: LibraryStore, owner: str) -> None:
        for number in range(20):
            store.put(owner, [new(f"{number}", f"{owner[:1]} text {number}")])

    writers = [threading.Thread(target=fill, args=pair) for pair in ((store, ADA), (beside, BEN), (beside, SHARED))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (store.counts(ADA), beside.counts(BEN)) == (Counts(20, 20, 0), Counts(20, 20, 0))
    assert len(found(store, ADA, "text", limit=99)) == 40
    beside.close()


def test_reading_does_not_wait_for_a_long_write(store: LibraryStore) -> None:
    store.put(ADA, [new("a", "there before")])
    with store._writer.write():
        store.put(ADA, [new("b", "being written")])
        assert (found(store, ADA, "before"), found(store, ADA, "written")) == (["there before"], [])
    assert found(store, ADA, "written") == ["being written"]


# Erasing


@pytest.mark.parametrize("owner", [ADA, SHARED])
def test_what_was_erased_stands_in_no_byte_on_disk(store: LibraryStore, tmp_path: Path, owner: str) -> None:
    for number in range(50):  # so that the erased words lie among others, in several segments of the index
        store.put(owner, [new(f"{number}", f"Ordinary text {number}", f"and {number} more of it")])
    document = put(store, owner, "own.txt", "The xylophagous beetle ate zwieback.", "A QUOKKA watched.", title="Zwieback!")
    for number in range(50, 60):
        store.put(owner, [new(f"{number}", f"Ordinary text {number}")])
    assert on_disk(tmp_path, *RARE, document) == [*RARE, document]
    erase(store, owner, [document])
    # FTS5 keeps stems, without the beginning that a word shares with the one before it
    assert on_disk(tmp_path, *RARE, "xylophag", "ylophag", "zwieback", "wieback", "quokka", "uokka", document) == []
    assert len(found(store, owner, "ordinary", limit=99)) == 60
    assert store.note(UNMERGED) is None


def test_the_old_text_of_an_updated_document_stands_in_no_byte_on_disk(store: LibraryStore, tmp_path: Path) -> None:
    store.put(ADA, [new("other", "Ordinary text")])
    store.put(ADA, [new("own.txt", "The xylophagous beetle ate zwieback.")])
    store.put(ADA, [new("own.txt", "The beetle ate nothing.")])
    list(store.compact())
    assert on_disk(tmp_path, *RARE, "xylophag", "ylophag", "wieback") == []
    assert found(store, ADA, "beetle") == ["The beetle ate nothing."]


def test_an_erasure_that_was_cut_off_is_finished_later(store: LibraryStore, tmp_path: Path, clock: Clock) -> None:
    store.put(ADA, [new("other", "Ordinary text")])
    store.erase([put(store, ADA, "own.txt", "The xylophagous beetle.")])
    store.close()
    later = LibraryStore(tmp_path, clock)
    assert on_disk(tmp_path, "xylophag") == ["xylophag"]
    list(later.compact())
    assert on_disk(tmp_path, "xylophag") == []
    later.close()


def test_more_that_is_erased_meanwhile_is_not_forgotten(store: LibraryStore, tmp_path: Path) -> None:
    store.put(ADA, [new(f"{number}", f"Ordinary text {number}") for number in range(5)])
    first, second = (put(store, ADA, word, f"The {word}.") for word in ("xylophagous", "zwieback"))
    store.erase([first])
    steps = store.compact()
    next(steps)
    store.erase([second])
    list(steps)
    list(store.compact())
    assert on_disk(tmp_path, "xylophag", "zwieback") == []


def test_a_log_that_another_process_reads_is_emptied_by_the_next_call(
    store: LibraryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = put(store, ADA, "own.txt", "The xylophagous beetle.")
    monkeypatch.setattr(app.database, "LOG_SECONDS", 0.001)
    monkeypatch.setattr(app.database, "BUSY_SECONDS", 0.0)
    reader = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from passages").fetchall()
    erase(store, ADA, [document])
    assert store.note(UNMERGED) is not None
    reader.close()
    list(store.compact())
    assert store.note(UNMERGED) is None and on_disk(tmp_path, "xylophag") == []


@pytest.fixture
def portions(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes transactions small, and says how small."""

    def set_to(passages: int) -> None:
        monkeypatch.setattr(app.library_store, "PORTION", passages)
        monkeypatch.setattr(app.library_store, "MERGED_AT_ONCE", passages)

    return set_to


def written(store: LibraryStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the passages that each transaction changes."""
    changed, write, run, run_many = [], store._writer.write, store._writer.run, store._writer.run_many
    count = 0

    @contextmanager
    def counting() -> Iterator[None]:
        nonlocal count
        count = 0
        with write():
            yield
        changed.append(count)

    def counted(call: Callable[..., int]) -> Callable[..., int]:
        def run_counted(sql: str, *values: object) -> int:
            nonlocal count
            done = call(sql, *values)
            count += done if "passages (" in sql or "from passages" in sql else 0
            return done

        return run_counted

    monkeypatch.setattr(store._writer, "write", counting)
    monkeypatch.setattr(store._writer, "run", counted(run))
    monkeypatch.setattr(store._writer, "run_many", counted(run_many))
    return changed


def test_a_large_document_is_written_and_erased_in_portions_so_that_others_can_write(
    store: LibraryStore, monkeypatch: pytest.MonkeyPatch, portions: Callable[[int], None]
) -> None:
    portions(10)
    changed = written(store, monkeypatch)
    document = put(store, ADA, "large.txt", *(f"Passage {number}" for number in range(95)))
    assert (sum(changed), max(changed)) == (95, 10)
    assert len(store.passages(ADA, document, count=99)[2]) == 95
    changed.clear()
    erase(store, ADA, [document])
    assert (sum(changed), max(changed)) == (95, 10)


def test_nobody_sees_a_document_before_it_is_whole(store: LibraryStore, portions: Callable[[int], None]) -> None:
    portions(2)
    put(store, ADA, "old.txt", "Passage of old")
    run_many, seen = store._writer.run_many, []

    def looking(sql: str, rows: Iterator[Sequence[object]]) -> int:
        seen.append((ids(store, ADA), found(store, ADA, "passage"), store.counts(ADA)))
        return run_many(sql, rows)

    before = (ids(store, ADA), ["Passage of old"], store.counts(ADA))
    store._writer.run_many = looking
    put(store, ADA, "new.txt", *(f"Passage {number}" for number in range(6)))
    assert seen == [before] * 3


def test_an_update_of_a_large_document_is_seen_whole_and_its_old_text_is_erased(
    store: LibraryStore, tmp_path: Path, portions: Callable[[int], None]
) -> None:
    portions(2)
    document = put(store, ADA, "a", *(f"xylophagous {number}" for number in range(5)))
    assert store.put(ADA, [new("a", *(f"new {number}" for number in range(7)))]) == [Outcome.UPDATED]
    assert (found(store, ADA, "xylophagous"), len(found(store, ADA, "new"))) == ([], 7)
    assert [passage.text for passage in store.passages(ADA, document)[2]] == [f"new {number}" for number in range(7)]
    list(store.compact())
    store.rewrite()
    assert on_disk(tmp_path, "xylophag") == []


def test_a_search_finds_as_much_as_before_while_others_are_being_erased(store: LibraryStore) -> None:
    gone = put(store, ADA, "gone", *("word " * 9 for _ in range(30)))
    store.put(ADA, [new("kept", "A passage with the word in it.")])
    store.erase([gone])
    assert found(store, ADA, "word", limit=5) == ["A passage with the word in it."]


def test_a_large_document_that_fails_leaves_nothing(store: LibraryStore, tmp_path: Path, portions: Callable[[int], None]) -> None:
    portions(2)
    run_many, calls = store._writer.run_many, []

    def failing(sql: str, rows: Iterator[Sequence[object]]) -> int:
        calls.append(sql)
        if len(calls) == 3:
            raise MemoryError
        return run_many(sql, rows)

    store._writer.run_many = failing
    with pytest.raises(MemoryError):
        store.put(ADA, [new("a", *(f"xylophagous {number}" for number in range(9)))])
    list(store.compact())
    store.rewrite()
    assert (ids(store, ADA), found(store, ADA, "xylophagous"), on_disk(tmp_path, "xylophag")) == ([], [], [])


def test_what_a_crash_left_half_written_is_erased_once_nothing_can_be_writing_it(
    store: LibraryStore, clock: Clock, tmp_path: Path
) -> None:
    number = store._register(ADA)
    store._arrive(number, [("arriving", new("a", "The xylophagous beetle."))])
    store.drop_unfinished()
    assert store.note(UNMERGED) is None, "another process may be writing it now"
    clock.move(LONGEST_ARRIVAL + 1)
    store.drop_unfinished()
    list(store.compact())
    store.rewrite()
    assert on_disk(tmp_path, "xylophag", "arriving") == ["arriving"], "the word stands in the table of owners"


@pytest.mark.parametrize("seed", [8, 13, 17, 18])  # of many: with these SQLite 3.40 leaves one
def test_copies_that_sqlite_leaves_where_it_moves_a_row_are_gone_too(store: LibraryStore, tmp_path: Path, seed: int) -> None:
    sizes = Random(seed)
    put(store, SHARED, "first", "ordinary " * 20)
    own = put(store, ADA, "own", *("quokka " * sizes.randint(60, 120) for _ in range(20)))
    for number in range(12):  # before the visitor's first passage, whose page is parted
        texts = ["ordinary " * sizes.randint(20, 90) for _ in range(sizes.randint(1, 7))]
        put(store, SHARED, f"shared{number}", *texts, digest=f"{number}", title=f"shared{number}")
    erase(store, ADA, [own])
    assert (on_disk(tmp_path, "quokka"), store.note(STALE)) == ([], None)


def test_compacting_with_nothing_erased_does_nothing(store: LibraryStore) -> None:
    store.put(ADA, [new("a", "text")])
    assert list(store.compact()) == []


def test_all_own_documents_are_erased_and_nothing_else(store: LibraryStore) -> None:
    store.put(ADA, [new(f"{number}", f"Ada's {number}") for number in range(3)])
    store.put(BEN, [new("ben", "Ben's")])
    store.put(SHARED, [new("all", "Everybody's")])
    erase(store, ADA, None)
    assert (store.counts(ADA), store.counts(BEN)) == (Counts(0, 1, 0), Counts(1, 1, 0))
    assert store.erasable(ADA) == []


def test_documents_that_nobody_has_any_more_are_told(store: LibraryStore) -> None:
    here, gone = put(store, ADA, "a", "one"), put(store, BEN, "b", "two")
    erase(store, BEN, [gone])
    assert store.missing([here, gone, "never"]) == {gone, "never"}


# Visitors


def test_what_is_anothers_is_not_found(store: LibraryStore) -> None:
    document = put(store, BEN, "ben", "Ben's text")
    passage = store.passages(BEN, document)[2][0].id
    shared = put(store, SHARED, "all", "Everybody's text")
    for call in (
        lambda: store.document(ADA, document),
        lambda: store.passages(ADA, document),
        lambda: store.passages(ADA, shared, around=passage),
        lambda: store.passage(ADA, passage),
        lambda: store.erasable(ADA, [document]),
        lambda: store.erasable(ADA, [shared]),
        lambda: store.document(ADA, "never"),
        lambda: store.passage(ADA, 2**80),
        lambda: store.passage(ADA, -1),
    ):
        with pytest.raises(NotFound):
            call()
    assert found(store, ADA, "text") == ["Everybody's text"]
    assert found(store, ADA, "text", documents=[document]) == []


OWNERS = (ADA, BEN, SHARED)
operations = st.lists(
    st.tuples(st.sampled_from(("put", "put", "erase")), st.sampled_from(OWNERS), st.sampled_from("123")), max_size=12
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations)
def test_whatever_is_added_and_erased_nobody_ever_sees_anothers(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, str, str]]
) -> None:
    store = LibraryStore(tmp_path_factory.mktemp("library"))
    expected: dict[str, set[str]] = {owner: set() for owner in OWNERS}
    for step, (operation, owner, key) in enumerate(done):
        if operation == "put":
            expected[owner] = {text for text in expected[owner] if f" key{key} " not in text}
            text = f"word owner{OWNERS.index(owner)} key{key} step{step}"
            store.put(owner, [new(key, text)])
            expected[owner].add(text)
        else:
            erase(store, owner, None)
            expected[owner] = set()
    for owner in (ADA, BEN):
        readable = expected[owner] | expected[SHARED]
        documents = {document.id for document in store.documents(owner)[0]}
        assert set(found(store, owner, "word")) == readable
        assert set(found(store, owner, "word", scope=Scope.OWN)) == expected[owner]
        assert {passage.text for document in documents for passage in store.passages(owner, document)[2]} == readable
        for other in {ADA, BEN} - {owner}:
            for document in store.erasable(other):
                with pytest.raises(NotFound):
                    store.document(owner, document)
                assert found(store, owner, "word", documents=[document]) == []
                for passage in store.passages(other, document)[2]:
                    with pytest.raises(NotFound):
                        store.passage(owner, passage.id)
    store.close()
