"""Reports on answers, on a real database: what is kept of them, for whom, and that erased documents leave no word in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.database import Database
from app.errors import Busy
from app.library.library import Erased
from app.library_read_store import SHARED
from app.quotations import Quotations
from app.records import Passage
from app.report_store import A_DAY, Asked, Kind, Report, ReportStore
from app.store import Store
from tests.conftest import MORNING, Clock, library_on

PASSAGE = Passage(id=7, document="doc", place=0, title="Gout", text="Colchicine helps zebrafruit.", start=0, end=28, page=2)
OTHER = replace(PASSAGE, id=8, document="other", title="Asthma", text="Budesonide helps.")
REPORT = Report(
    kinds=(Kind.WRONG, Kind.UNSAFE),
    text="The dose is wrong.",
    question="What helps?",
    answer="Colchicine helps zebrafruit. [1]",
    draft="zebrafruit helps",
    created=MORNING,
    model="Fake",
    file="fake.gguf",
    digest="d" * 64,
    prompt=Asked("system zebrafruit", (("user", "Before?"), ("assistant", "zebrafruit")), ("> zebrafruit\n\nWhat helps?",)),
    passages=(PASSAGE, OTHER),
)


@pytest.fixture
def reports(database: Database) -> ReportStore:
    return ReportStore(database)


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_report_comes_back_as_it_was_put(reports: ReportStore, visitor: int) -> None:
    reports.put(visitor, "message", REPORT, ["doc", "other"])
    assert [replace(report, id=0) for report in reports.reports()] == [REPORT]


def test_all_reports_are_read_oldest_first_however_many(reports: ReportStore, visitor: int, database: Database) -> None:
    with database.write():
        for number in range(120):
            reports.put(visitor, f"m{number}", replace(REPORT, text=str(number)), [])
    assert [report.text for report in reports.reports()] == [str(number) for number in range(120)]


def test_a_second_report_on_the_same_answer_takes_the_place_of_the_first(reports: ReportStore, visitor: int, other: int) -> None:
    reports.put(visitor, "message", REPORT, ["doc"])
    reports.put(other, "message", replace(REPORT, text="Mine"), ["other"])
    reports.put(visitor, "message", replace(REPORT, text="Better said"), [])
    assert [report.text for report in reports.reports()] == ["Mine", "Better said"]
    assert reports.quoted_documents() == ["other"]


def test_a_visitor_sends_so_many_a_day_and_others_go_on(
    reports: ReportStore, visitor: int, other: int, clock: Clock, database: Database
) -> None:
    with database.write():
        for number in range(A_DAY):
            reports.put(visitor, f"m{number}", replace(REPORT, created=reports.now()), [])
    with pytest.raises(Busy, match="200 reports within a day"):
        reports.put(visitor, "one more", REPORT, [])
    assert len(list(reports.reports())) == A_DAY
    reports.put(visitor, "m0", replace(REPORT, created=reports.now(), text="said anew"), [])
    reports.put(other, "m0", REPORT, [])
    clock.move(days=1, seconds=1)
    reports.put(visitor, "one more", replace(REPORT, created=reports.now()), [])


def test_what_is_quoted_of_an_erased_document_is_gone_from_every_byte(
    reports: ReportStore, visitor: int, database: Database
) -> None:
    reports.put(visitor, "message", REPORT, ["doc", "other"])
    assert b"zebrafruit" in all_bytes(database.folder)
    assert reports.forget_documents(["doc", "unknown"]) == 1
    assert b"zebrafruit" not in all_bytes(database.folder)
    (left,) = reports.reports()
    assert left.erased
    assert left.passages == (OTHER,)
    assert (left.answer, left.draft, left.prompt) == ("", "", Asked())
    assert (left.text, left.question, left.model) == (REPORT.text, REPORT.question, REPORT.model)
    assert reports.quoted_documents() == ["other"]
    assert reports.forget_documents(["doc"]) == 0


def test_erasing_a_document_of_the_library_blanks_the_reports_that_quote_it(
    reports: ReportStore, visitor: int, database: Database
) -> None:
    library = library_on(database)
    list(library.add(SHARED, "gout.txt", b"Colchicine helps in gout, zebrafruit does not."))
    (document,), _ = library.documents(SHARED)
    quoted = replace(PASSAGE, document=document.id)
    reports.put(visitor, "message", replace(REPORT, passages=(quoted,)), [document.id])
    assert Quotations(database).documents() == [document.id]
    *_, last = library.erase(SHARED, [document.id])
    assert isinstance(last, Erased)
    library.close()
    (left,) = reports.reports()
    assert (left.erased, left.passages) == (True, ())
    assert b"zebrafruit" not in all_bytes(database.folder)


def test_deleting_a_conversation_leaves_the_report_on_it(reports: ReportStore, store: Store, visitor: int) -> None:
    place = store.add_conversation(visitor, "Gout")
    reports.put(visitor, "message", REPORT, [])
    store.delete_conversation(visitor, place.id)
    assert len(list(reports.reports())) == 1
