"""Adding, searching and erasing through the library as the application uses it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import pytest

from app.errors import BadInput, NotFound, StoreError
from app.library.adding import MAX_NAME, Added, Adder, Adding, Progress, Reading
from app.library.library import Erased, Erasing, Library
from app.library.parsed import Block, Parsed
from app.library.parsing_text import parse_markdown
from app.library_read_store import SHARED
from app.library_store import UNMERGED, LibraryStore
from app.records import Scope
from tests.conftest import Clock

ADA, BEN = "a" * 64, "b" * 64
ORGANS = ("heart", "lung", "liver", "kidney", "spleen", "stomach", "colon", "bladder", "thyroid", "retina")
SIGNS = ("fever", "cough", "jaundice", "edema", "rash", "tremor", "pallor", "syncope", "vertigo", "dyspnea")
CURES = ("oxygen", "surgery")


class Forgotten:
    """Stands for the conversations: notes of which documents they lost their quotations."""

    def __init__(self) -> None:
        self.documents: list[str] = []

    def __call__(self, documents: Sequence[str]) -> int:
        self.documents += documents
        return len(documents)


def read_here(name: str, raw: bytes, *, stop: Callable[[], bool]) -> Parsed:
    """Reads Markdown without a process of its own."""
    return parse_markdown(raw)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other writer waits here."""
    monkeypatch.setattr("app.library_store.PAUSE", 0.0)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[LibraryStore]:
    store = LibraryStore(tmp_path / "data", clock)
    yield store
    store.close()


@pytest.fixture
def adder(store: LibraryStore) -> Adder:
    return Adder(store, read=read_here)


@pytest.fixture
def forgotten() -> Forgotten:
    return Forgotten()


@pytest.fixture
def library(store: LibraryStore, forgotten: Forgotten, tmp_path: Path) -> Library:
    (tmp_path / "sample").mkdir()
    return Library(store, forget=forgotten, sample=tmp_path / "sample")


def last(events: Iterator[Adding]) -> Added:
    *_, end = events
    assert isinstance(end, Added)
    return end


def row(number: int, **more: str) -> dict[str, str]:
    plain = {"id": f"{number}", "focus": f"Topic {number}", "question": f"What is topic {number}?", "answer": f"It is {number}."}
    return plain | more


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def held(store: LibraryStore, owner: str = ADA) -> list[str]:
    return sorted(document.title for document in store.documents(owner)[0])


# Files


def test_a_file_becomes_a_document_with_what_it_says_of_itself(adder: Adder, store: LibraryStore) -> None:
    page = b"---\ntitle: Gout\nlicence: CC0\ndate: 2024\n---\n## Causes\n\nUric acid.\n\n## Treatment\n\nColchicine.\n"
    events = list(adder.add(ADA, "notes/gout.md", page))
    assert events[0] == Reading("notes/gout.md")
    assert events[-1] == Added(1, 2, 0, 0, (), "notes/gout.md was added: 2 passages.")
    [document], _ = store.documents(ADA)
    assert (document.title, document.file, document.licence, document.date) == ("Gout", "notes/gout.md", "CC0", "2024")
    assert [passage.section for passage in store.passages(ADA, document.id)[2]] == ["Causes", "Treatment"]


def test_what_is_said_when_adding_goes_before_what_the_file_says(adder: Adder, store: LibraryStore) -> None:
    list(adder.add(ADA, "a.md", b"---\nlicence: CC0\ndate: 2024\n---\ntext", licence=" MIT ", date="2025"))
    [document], _ = store.documents(ADA)
    assert (document.licence, document.date) == ("MIT", "2025")


def test_the_same_file_again_is_a_duplicate_and_a_changed_one_an_update(adder: Adder, store: LibraryStore) -> None:
    assert last(adder.add(ADA, "a.md", b"# One\n\nold text")).documents == 1
    assert last(adder.add(ADA, "a.md", b"# One\n\nold text")).sentence == "a.md is in the library already."
    assert last(adder.add(ADA, "renamed.md", b"# One\n\nold text")).duplicates == 1
    updated = last(adder.add(ADA, "a.md", b"# One\n\nnew text"))
    assert (updated.documents, updated.updated, updated.sentence) == (0, 1, "a.md was updated: 1 passage.")
    assert [passage.text for passage, _ in store.match(ADA, '"text"')] == ["new text"]
    assert store.note(UNMERGED) is None, "the old text is out of the index"


@pytest.mark.parametrize("name", ["", " ", "\u202e", "../..", "x" * (MAX_NAME + 1) + ".md"])
def test_a_name_that_cannot_be_shown_is_refused(adder: Adder, name: str) -> None:
    with pytest.raises(BadInput, match=r"(?i)name"):
        list(adder.add(ADA, name, b"text"))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/pass.md", "etc/pass.md"),
        ("C:\\notes\\a.md", "C:/notes/a.md"),
        ("a\x00b\u202e.md", "ab.md"),
        ("/a//b.md", "a/b.md"),
    ],
)
def test_a_name_is_kept_without_what_hides_or_leads_away(adder: Adder, store: LibraryStore, name: str, kept: str) -> None:
    list(adder.add(ADA, name, b"text"))
    assert [document.file for document in store.documents(ADA)[0]] == [kept]


def test_a_licence_that_is_too_long_is_refused(adder: Adder) -> None:
    with pytest.raises(BadInput, match="licence has 201 characters; at most 200"):
        list(adder.add(ADA, "a.md", b"text", licence="x" * 201))


def test_a_file_without_text_is_refused_by_name(adder: Adder, store: LibraryStore) -> None:
    with pytest.raises(BadInput, match=r"blank\.md"):
        list(adder.add(ADA, "blank.md", b"# \n\n<!-- nothing -->"))
    assert held(store) == []


def test_closing_stops_a_file_that_is_being_read(store: LibraryStore) -> None:
    stopped = threading.Event()

    def read(name: str, raw: bytes, *, stop: Callable[[], bool]) -> Parsed:
        while not stop():
            pass
        stopped.set()
        return Parsed("Late", "text", (Block("", None, "text"),))

    events = Adder(store, read=read).add(ADA, "a.md", b"text")
    assert [next(events), next(events)] == [Reading("a.md")] * 2, "a sign of life while it is read"
    events.close()
    assert stopped.is_set() and held(store) == []


# JSON Lines


def test_each_row_becomes_a_document_of_its_own(adder: Adder, store: LibraryStore) -> None:
    events = list(adder.add(ADA, "qa.jsonl", lines(row(1, url="https://example.org/1"), row(2)), licence="CC BY 4.0"))
    assert events[1:] == [
        Progress(2, 2, "rows"),
        Added(2, 2, 0, 0, (), "qa.jsonl: 2 documents added; 2 new passages."),
    ]
    first, _ = store.match(ADA, '"topic 1"')[0]
    assert (first.title, first.section, first.text) == ("Topic 1", "What is topic 1?", "It is 1.")
    assert (first.source, first.licence) == ("https://example.org/1", "CC BY 4.0")


def test_rows_that_share_an_id_are_all_kept(adder: Adder, store: LibraryStore) -> None:
    raw = lines(row(1), row(1, focus="Another"), row(1, focus="A third"))
    assert last(adder.add(ADA, "qa.jsonl", raw)).documents == 3
    assert last(adder.add(ADA, "qa.jsonl", raw)).duplicates == 3
    assert held(store) == ["A third", "Another", "Topic 1"]


def test_a_bad_row_loses_no_other(adder: Adder, store: LibraryStore) -> None:
    raw = lines(row(1)) + b"{broken\n" + lines(row(3, answer=""), row(4))
    added = last(adder.add(ADA, "qa.jsonl", raw))
    assert (added.documents, [refusal.line for refusal in added.refused]) == (2, [2, 3])
    assert added.sentence == "qa.jsonl: 2 documents added, 2 rows left out; 2 new passages."
    assert held(store) == ["Topic 1", "Topic 4"]


def test_a_row_that_cannot_be_kept_is_refused_alone(adder: Adder, store: LibraryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put = store.put

    def picky(owner: str, documents: Sequence[object]) -> object:
        if any(document.title == "Topic 2" for document in documents):
            raise BadInput("The text holds half of a character.")
        return put(owner, documents)

    monkeypatch.setattr(store, "put", picky)
    added = last(adder.add(ADA, "qa.jsonl", lines(row(1), row(2), row(3))))
    assert (added.documents, [(refusal.line, refusal.reason) for refusal in added.refused]) == (
        2,
        [(2, "The text holds half of a character.")],
    )


def test_the_same_row_twice_is_kept_once_and_a_changed_row_is_updated(adder: Adder, store: LibraryStore) -> None:
    added = last(adder.add(ADA, "qa.jsonl", lines(row(1), row(1), row(2, id="1b"))))
    assert (added.documents, added.duplicates) == (2, 1)
    added = last(adder.add(ADA, "qa.jsonl", lines(row(1, answer="It is another now."), row(2, id="1b"))))
    assert (added.documents, added.updated, added.duplicates) == (0, 1, 1)
    assert [passage.text for passage, _ in store.match(ADA, '"topic 1"')] == ["It is another now."]


def test_a_long_file_that_was_stopped_goes_on_where_it_stood(adder: Adder, store: LibraryStore) -> None:
    raw = lines(*(row(number) for number in range(500)))
    events = adder.add(ADA, "qa.jsonl", raw)
    assert [next(events), next(events)] == [Reading("qa.jsonl"), Progress(200, 500, "rows")]
    events.close()
    assert len(held(store)) == 200
    again = last(adder.add(ADA, "qa.jsonl", raw))
    assert (again.documents, again.duplicates) == (300, 200)
    assert len(held(store)) == 500


def test_a_crash_in_the_middle_leaves_whole_documents_only(
    adder: Adder, store: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = " ".join(f"Sentence {number} of a long answer." for number in range(200))
    run_many, calls = store._writer.run_many, []

    def dying(sql: str, rows: Iterator[Sequence[object]]) -> int:
        calls.append(run_many(sql, rows))
        if len(calls) == 3:  # a portion of the second batch
            raise MemoryError
        return calls[-1]

    monkeypatch.setattr(store._writer, "run_many", dying)
    with pytest.raises(MemoryError):
        list(adder.add(ADA, "qa.jsonl", lines(*(row(number, answer=f"{number}. {long}") for number in range(400)))))
    documents, total = store.documents(ADA, count=300)
    assert total == 200
    for document in documents[:20]:
        _, _, passages = store.passages(ADA, document.id)
        assert len(passages) == document.passages > 5
        assert passages[-1].text.endswith("Sentence 199 of a long answer.")


def test_an_update_that_is_stopped_leaves_no_old_text_in_the_index(adder: Adder, store: LibraryStore, tmp_path: Path) -> None:
    rows = [row(number) for number in range(300)]
    list(adder.add(ADA, "qa.jsonl", lines(row(0, answer="The xylophagous beetle."), *rows[1:])))
    events = adder.add(ADA, "qa.jsonl", lines(rows[0], *(row(number, answer="It is another.") for number in range(1, 300))))
    assert [next(events), next(events)] == [Reading("qa.jsonl"), Progress(200, 300, "rows")]
    events.close()
    assert store.note(UNMERGED) is None
    assert not any(b"xylophag" in path.read_bytes() for path in (tmp_path / "data").iterdir())


# Found again


def test_each_passage_of_a_hundred_documents_is_found_again_by_its_own_sentence(adder: Adder, library: Library) -> None:
    told = {}
    for organ, sign in product(ORGANS, SIGNS):
        sentences = [f"Patients whose {organ} is diseased and who have {sign} may need {cure}." for cure in CURES]
        parts = [f"## Use of {cure}\n\n{sentence}\n" for cure, sentence in zip(CURES, sentences, strict=True)]
        page = f"# Disease of the {organ} with {sign}\n\n{''.join(parts)}"
        assert last(adder.add(ADA, f"{organ}-{sign}.md", page.encode())).passages == len(CURES)
        told |= dict.fromkeys(sentences, f"{organ}-{sign}.md")
    assert (library.counts(ADA).own, len(told)) == (100, 200)
    files = {document.id: document.file for document in library.documents(ADA, count=None)[0]}
    for sentence, file in told.items():
        first = library.search(ADA, sentence).found[0].passage
        assert (files[first.document], first.text) == (file, sentence)


def test_a_search_never_gives_what_is_anothers(adder: Adder, library: Library) -> None:
    list(adder.add(BEN, "a.md", b"# Gout\n\nColchicine treats gout."))
    list(adder.add(SHARED, "b.md", b"# Gout\n\nAllopurinol prevents gout."))
    assert [found.passage.text for found in library.search(ADA, "gout").found] == ["Allopurinol prevents gout."]
    assert library.search(ADA, "gout", scope=Scope.OWN).found == ()
    assert len(library.search(BEN, "gout").found) == 2


# Erasing


def test_erasing_tells_how_far_it_is_and_what_went(
    adder: Adder, library: Library, store: LibraryStore, forgotten: Forgotten
) -> None:
    list(adder.add(ADA, "qa.jsonl", lines(*(row(number) for number in range(450)))))
    ids = {document.id for document in library.documents(ADA, count=None)[0]}
    events = list(library.erase(ADA, None))
    assert [event for event in events if event != Erasing(450, 450)] == [Erasing(200, 450), Erasing(400, 450), Erased(450, 450)]
    assert set(forgotten.documents) == ids == library.missing(sorted(ids))
    assert store.note(UNMERGED) is None


def test_quotations_go_after_the_rows_and_before_the_index(adder: Adder, store: LibraryStore) -> None:
    seen: list[tuple[set[str], str | None]] = []

    def forget(documents: Sequence[str]) -> int:
        seen.append((store.missing(documents), store.note(UNMERGED)))
        return 0

    list(adder.add(ADA, "a.md", b"text"))
    [document], _ = store.documents(ADA)
    list(Library(store, forget=forget).erase(ADA, [document.id]))
    [(missing, unmerged)] = seen
    assert missing == {document.id} and unmerged is not None


def test_erasing_that_nobody_watches_to_its_end_is_finished(adder: Adder, library: Library, store: LibraryStore) -> None:
    list(adder.add(ADA, "qa.jsonl", lines(*(row(number) for number in range(450)))))
    events = library.erase(ADA, None)
    assert next(events) == Erasing(200, 450)
    events.close()
    assert (held(store), store.note(UNMERGED)) == ([], None)


def test_nothing_is_erased_where_one_of_the_documents_is_anothers(adder: Adder, library: Library, store: LibraryStore) -> None:
    for owner in (ADA, BEN, SHARED):
        list(adder.add(owner, f"{owner[:1]}x.md", f"# Of {owner[:1]}\n\ntext {owner[:1]}".encode()))
    [own] = store.erasable(ADA)
    for other in (BEN, SHARED):
        with pytest.raises(NotFound):
            list(library.erase(ADA, [own, *store.erasable(other)]))
    assert store.erasable(ADA) == [own]


def test_what_a_crash_left_in_the_index_is_taken_out_at_the_next_start(
    adder: Adder, library: Library, store: LibraryStore
) -> None:
    list(adder.add(ADA, "a.md", b"text"))
    store.erase(store.erasable(ADA))
    library.finish_erasing()
    assert store.note(UNMERGED) is None


# Sample


def test_the_sample_is_installed_updated_and_cleared_of_what_is_gone(
    library: Library, tmp_path: Path, forgotten: Forgotten
) -> None:
    pages = tmp_path / "sample"
    for name in ("gout", "asthma"):
        (pages / f"{name}.md").write_text(f"---\ntitle: On {name}\nlicence: Apache-2.0\n---\n## Overview\n\nAll of {name}.")
    library.install_sample()
    documents, _ = library.documents(ADA)
    assert [(document.title, document.sample, document.shared) for document in documents] == [
        ("On asthma", True, True),
        ("On gout", True, True),
    ]
    (pages / "gout.md").write_text("---\ntitle: On gout\n---\n## Overview\n\nMore of gout.")
    (pages / "asthma.md").unlink()
    library.install_sample()
    [after], _ = library.documents(ADA)
    assert (after.id, after.licence) == (documents[1].id, "")
    assert forgotten.documents == [documents[0].id]


def test_a_sample_that_has_not_changed_writes_nothing(
    library: Library, store: LibraryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sample" / "gout.md").write_text("All of gout.")
    library.install_sample()

    def refuse() -> None:
        raise StoreError("written")

    monkeypatch.setattr(store._writer, "write", refuse)
    library.install_sample()


def test_the_sample_stays_away_once_it_was_switched_off(library: Library, tmp_path: Path) -> None:
    (tmp_path / "sample" / "gout.md").write_text("All of gout.")
    library.install_sample()
    library.switch_sample(False)
    library.install_sample()
    assert library.counts(ADA).sample == 0
    library.switch_sample(True)
    assert library.counts(ADA).sample == 1
