"""The library over HTTP, behind the real guards, on a real library in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from app.database import Database
from app.errors import LlamaCareError, StoreError
from app.library.adding import Added, Adding, Progress, Reading
from app.library.library import Erased, Library
from app.library_store import LibraryStore, NewDocument, Piece
from app.rowfiles import Refusal
from app.shell import MAX_BODIES, MAX_BODY, BodyLimit, Visitors
from app.store import Store
from app.ui.library_routes import SHOWN_REFUSALS, erased_sentence, erasing_json, library_router
from app.ui.visitors import HEADER
from app.web import _refusal, _wrong_shape

HEART = "The heart pumps blood. \N{GRINNING FACE} A beta-blocker slows it."
LUNG = "The lungs take up oxygen."


class Slow(Library):
    """A library whose files are read in steps that the test decides on."""

    steps: tuple[Adding | Exception, ...] = ()
    taken = 0
    closed = False

    def add(self, owner: str, name: str, raw: bytes, *, licence: str = "", date: str = "") -> Generator[Adding, None, None]:
        self.called = (name, raw, licence, date)
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                self.taken += 1
                yield step
        finally:
            self.closed = True


class House:
    def __init__(self, folder: Path) -> None:
        database = Database(folder)
        self.store, self.kept = Store(database), LibraryStore(folder)
        self.library = Slow(self.kept, forget=lambda documents: 3)
        self.web = FastAPI(middleware=[Middleware(BodyLimit), Middleware(Visitors, lookup=self.store.visitor, in_frame=False)])
        self.web.include_router(library_router(self.library, self.store.owner, anyio.CapacityLimiter(2)))
        self.web.add_exception_handler(LlamaCareError, _refusal)
        self.web.add_exception_handler(RequestValidationError, _wrong_shape)
        self.close = database.close

    def client(self, name: str = "a") -> TestClient:
        return TestClient(self.web, headers={HEADER: name * 43})

    def owner(self, name: str = "a") -> str:
        return self.store.owner(self.store.visitor(name * 43))

    def keep(self, owner: str, title: str, *texts: str, sample: bool = False) -> str:
        """Keeps a document of these passages and returns its id."""
        pieces = [Piece(100 * place, 100 * place + len(text), text, "Part", place + 1) for place, text in enumerate(texts)]
        new = NewDocument(
            key=title,
            digest=title,
            title=title,
            kind="pdf",
            file=f"{title}.pdf",
            pieces=pieces,
            characters=1000,
            pages=len(texts),
            date="2024-05",
            licence="CC0",
            source="https://example.org/x",
            sample=sample,
        )
        self.kept.put(owner, [new])
        (found,), _ = self.kept.documents(owner, search=title, count=1)
        return found.id


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.library.close()
    house.close()


@pytest.fixture
def client(house: House) -> TestClient:
    return house.client()


def stream(client: TestClient, path: str, **options: Any) -> list[dict[str, Any]]:
    answer = client.post(f"/api/library/{path}", **options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(block.removeprefix("data: ")) for block in answer.text.split("\n\n") if block]


def send(client: TestClient, name: str = "a.txt", raw: bytes = b"text", **query: str) -> list[dict[str, Any]]:
    return stream(client, "add", content=raw, params=query, headers={"x-file-name": quote(name)})


def refused(client: TestClient, method: str, path: str, status: int = 400, **options: Any) -> str:
    answer = client.request(method, f"/api/library{path}", **options)
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"])


# The list


def test_the_list_tells_each_document_and_the_counts(house: House, client: TestClient) -> None:
    own, shared = house.keep(house.owner(), "Hearts", HEART, LUNG), house.keep("", "Kidneys", "Filter.")
    house.keep("", "Asthma", "Wheeze.", sample=True)
    found = client.get("/api/library").json()
    assert {name: found[name] for name in ("total", "own", "shared", "sample")} == {
        "total": 3,
        "own": 1,
        "shared": 1,
        "sample": 1,
    }
    first, second, third = found["documents"]
    assert first.pop("added").startswith("20")
    assert first == {
        "id": own,
        "title": "Hearts",
        "kind": "pdf",
        "file": "Hearts.pdf",
        "date": "2024-05",
        "licence": "CC0",
        "source": "https://example.org/x",
        "passages": 2,
        "pages": 2,
        "characters": 1000,
        "shared": False,
        "sample": False,
        "mine": True,
    }
    assert (second["id"], second["mine"], second["shared"], second["sample"]) == (shared, False, True, False)
    assert (third["mine"], third["sample"]) == (False, True)


def test_the_list_is_searched_and_turned_by_pages(house: House, client: TestClient) -> None:
    for number in range(5):
        house.keep(house.owner(), f"Paper {number}", LUNG)
    found = client.get("/api/library", params={"search": "paper", "offset": 4, "count": 2}).json()
    assert (found["total"], [one["title"] for one in found["documents"]]) == (5, ["Paper 0"])
    assert client.get("/api/library", params={"search": "paper 3"}).json()["total"] == 1
    assert client.get("/api/library", params={"search": "%"}).json()["documents"] == []


# A document


def test_passages_come_in_order_around_the_one_asked_for(house: House, client: TestClient) -> None:
    document = house.keep(house.owner(), "Long", *(f"Passage {number}." for number in range(30)))
    path = f"/api/library/documents/{document}/passages"
    part = client.get(path, params={"start": 20, "count": 5}).json()
    assert (part["start"], part["total"], part["document"]["title"]) == (20, 30, "Long")
    assert [passage["place"] for passage in part["passages"]] == [20, 21, 22, 23, 24]
    middle = part["passages"][2]
    assert middle == {
        "id": middle["id"],
        "place": 22,
        "section": "Part",
        "page": 23,
        "start": 2200,
        "end": 2211,
        "text": "Passage 22.",
    }
    around = client.get(path, params={"around": middle["id"], "count": 4}).json()
    assert middle["id"] in [passage["id"] for passage in around["passages"]]
    assert len(around["passages"]) == 4


def test_a_passage_carries_what_is_said_where_it_is_cited(house: House, client: TestClient) -> None:
    document = house.keep("", "Asthma", HEART, sample=True)
    (found,) = client.get(f"/api/library/documents/{document}/passages").json()["passages"]
    assert client.get(f"/api/library/passages/{found['id']}").json() == {
        "number": 0,
        "id": found["id"],
        "document": document,
        "title": "Asthma",
        "section": "Part",
        "page": 1,
        "date": "2024-05",
        "licence": "CC0",
        "source": "https://example.org/x",
        "sample": True,
        "shared": True,
        "text": HEART,
        "marks": [],
    }


def test_what_is_another_visitors_is_found_nowhere(house: House, client: TestClient) -> None:
    document = house.keep(house.owner("b"), "Secret", "Zebrafish kidneys.")
    (passage,) = house.kept.passages(house.owner("b"), document)[2]
    assert client.get("/api/library").json()["documents"] == []
    assert client.get("/api/library/search", params={"q": "zebrafish"}).json()["passages"] == []
    absent = refused(client, "GET", "/documents/nothing/passages", 404)
    assert refused(client, "GET", f"/documents/{document}/passages", 404) == absent.replace("nothing", document)
    refused(client, "GET", f"/passages/{passage.id}", 404)
    assert [event["type"] for event in stream(client, "erase", json={"documents": [document]})] == ["failed"]
    assert house.client("b").get(f"/api/library/passages/{passage.id}").status_code == 200


# Searching


def test_a_search_numbers_what_it_found_and_marks_it_in_code_points(house: House, client: TestClient) -> None:
    house.keep(house.owner(), "Hearts", HEART, LUNG)
    found = client.get("/api/library/search", params={"q": "beta-blocker", "scope": "own", "count": 3}).json()
    (first, *_) = found["passages"]
    assert (first["number"], first["text"], found["relevant"]) == (1, HEART, True)
    assert "".join(HEART[start:end] for start, end in first["marks"]).replace("-", "").startswith("beta")


@pytest.mark.parametrize("words", ["", " ", '"', "NOT", "a NEAR b", "\0", "*", "title:x", "(" * 50])
def test_awkward_words_find_nothing_and_fail_nowhere(client: TestClient, words: str) -> None:
    assert client.get("/api/library/search", params={"q": words}).json()["passages"] == []


# Adding


def test_adding_tells_each_step_and_then_what_became_of_the_file(house: House, client: TestClient) -> None:
    refusals = tuple(Refusal("a.jsonl", line, "question", f"is {line}") for line in range(SHOWN_REFUSALS + 2))
    half = Refusal("a.jsonl", 1, "question", "'\ud800'")
    added = Added(2, 9, 1, 1, (half, *refusals), "2 documents added.")
    house.library.steps = (Reading("f/a.jsonl"), Progress(200, 400, "rows"), added)
    *steps, last = send(client, "f/é\N{GRINNING FACE}.jsonl", b"{}", licence="CC0", date="2024")
    assert house.library.called == ("f/é\N{GRINNING FACE}.jsonl", b"{}", "CC0", "2024")
    assert steps == [
        {"type": "reading", "file": "f/a.jsonl"},
        {"type": "progress", "done": 200, "total": 400, "unit": "rows"},
    ]
    shown = last.pop("refused")
    assert (len(shown), shown[0]) == (SHOWN_REFUSALS, {"line": 1, "reason": "field question: '\\ud800'"})
    assert last == {
        "type": "added",
        "documents": 2,
        "passages": 9,
        "duplicates": 1,
        "updated": 1,
        "refusals": SHOWN_REFUSALS + 3,
        "sentence": "2 documents added.",
    }


def test_what_goes_wrong_while_adding_is_the_last_event(house: House, client: TestClient) -> None:
    house.library.steps = (Reading("a.txt"), StoreError("The disk is full. Make room."))
    assert send(client)[1:] == [{"type": "failed", "sentence": "The disk is full. Make room."}]
    assert house.library.closed


def test_a_page_that_goes_away_stops_the_adding(house: House) -> None:
    house.library.steps = (Reading("a.txt"),) * 1000

    async def leave() -> None:
        first = anyio.Event()
        begun = False

        async def receive() -> dict[str, Any]:
            nonlocal begun
            if not begun:
                begun = True
                return {"type": "http.request", "body": b"text", "more_body": False}
            await first.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message.get("body"):
                first.set()

        headers = [(HEADER.encode(), b"a" * 43), (b"x-file-name", b"a.txt")]
        path = "/api/library/add"
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"", "http_version": "1.1"}
        await house.web(scope | {"raw_path": path.encode(), "scheme": "http", "root_path": ""}, receive, send)

    anyio.run(leave)
    assert house.library.closed
    assert 0 < house.library.taken < 1000


def test_a_file_goes_in_is_told_to_be_there_and_is_found_again(house: House, client: TestClient) -> None:
    library = Library(house.kept, forget=lambda documents: 0)
    house.library.add = library.add  # type: ignore[method-assign]
    rows = "\n".join(
        json.dumps(
            {"id": f"r{n}", "source": "Own", "url": "", "focus": "Hearts", "qtype": "x", "question": "Why?", "answer": text}
        )
        for n, text in enumerate([HEART, LUNG, ""])
    )
    (last,) = send(client, "folder/rows.jsonl", rows.encode(), licence="CC0")[-1:]
    assert (last["type"], last["documents"], [one["line"] for one in last["refused"]]) == ("added", 2, [3])
    (again,) = send(client, "folder/rows.jsonl", rows.encode(), licence="CC0")[-1:]
    assert (again["documents"], again["duplicates"]) == (0, 2)
    (found, *_) = client.get("/api/library/search", params={"q": "oxygen lungs"}).json()["passages"]
    assert (found["text"].endswith(LUNG), found["licence"]) == (True, "CC0")
    assert house.client("b").get("/api/library/search", params={"q": "oxygen lungs"}).json()["passages"] == []


@pytest.mark.parametrize(("name", "raw"), [("empty.txt", b""), ("a" * 300 + ".txt", b"x"), ("\0\0", b"x"), ("a.exe", b"MZ\0\0")])
def test_a_file_that_cannot_be_added_is_told_in_a_sentence(house: House, client: TestClient, name: str, raw: bytes) -> None:
    house.library.add = Library(house.kept, forget=lambda documents: 0).add  # type: ignore[method-assign]
    (last,) = send(client, name, raw)[-1:]
    assert last["type"] == "failed"
    assert last["sentence"].endswith(".")


def test_a_file_without_a_name_is_refused(client: TestClient) -> None:
    assert "X-File-Name" in refused(client, "POST", "/add", content=b"text")


def test_adding_may_send_more_than_other_calls_do(house: House, client: TestClient) -> None:
    assert MAX_BODIES["/api/library/add"] > 64 * 2**20
    house.library.steps = (Reading("a.txt"),)
    assert send(client, raw=b"x" * (MAX_BODY + 1)) == [{"type": "reading", "file": "a.txt"}]
    refused(client, "POST", "/erase", 413, content=b"x" * (MAX_BODY + 1))


# Removing


def test_removing_takes_documents_out_of_list_and_search(house: House, client: TestClient) -> None:
    first, second = house.keep(house.owner(), "Hearts", HEART), house.keep(house.owner(), "Lungs", LUNG)
    *steps, last = stream(client, "erase", json={"documents": [first]})
    assert steps[0] == {"type": "progress", "done": 1, "total": 1}
    assert last == {"type": "erased", "documents": 1, "answers": 3, "sentence": erased_sentence(1, 3)}
    assert client.get("/api/library/search", params={"q": "beta-blocker"}).json()["passages"] == []
    assert [one["id"] for one in client.get("/api/library").json()["documents"]] == [second]
    refused(client, "GET", f"/documents/{first}/passages", 404)


def test_removing_all_leaves_what_is_shared(house: House, client: TestClient) -> None:
    shared = house.keep("", "Kidneys", "Filter.")
    for title in ("Hearts", "Lungs"):
        house.keep(house.owner(), title, HEART)
    (last,) = stream(client, "erase", json={"all": True})[-1:]
    assert last["documents"] == 2
    assert [one["id"] for one in client.get("/api/library").json()["documents"]] == [shared]
    (last,) = stream(client, "erase", json={"documents": [shared]})[-1:]
    assert (last["type"], client.get("/api/library").json()["total"]) == ("failed", 1)


@pytest.mark.parametrize("body", [{}, {"documents": []}, {"documents": ["x"], "all": True}])
def test_a_removal_that_names_nothing_or_two_things_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert "what to remove" in refused(client, "POST", "/erase", json=body)


def test_a_removal_is_told_in_numbers_that_read() -> None:
    sentences = [erasing_json(Erased(documents, answers))["sentence"] for documents, answers in ((1, 0), (1200, 1), (2, 2))]
    gone = "with all passages, and can be found no more."
    assert sentences == [
        f"1 document is removed, {gone}",
        f"1,200 documents are removed, {gone} What one answer quoted from there is removed too.",
        f"2 documents are removed, {gone} What 2 answers quoted from there is removed too.",
    ]


# Whatever a call may hold


@pytest.mark.parametrize(
    "path",
    [
        "?offset=-1",
        "?count=0",
        "?count=999",
        "/search?q=x&scope=none",
        "/search?q=x&scope=everything",
        "/search?q=x&count=1000",
        f"/search?q={'x' * 2001}",
        "/documents/x/passages?start=-1",
        "/documents/x/passages?around=first",
        "/passages/one",
    ],
)
def test_a_value_out_of_its_range_is_named_in_a_sentence(client: TestClient, path: str) -> None:
    assert refused(client, "GET", path).endswith("Correct it and send it again.")


@pytest.mark.parametrize(
    "path", ["/passages/0", f"/passages/{2**70}", "/passages/-5", "/documents/%00/passages", "/documents/x/passages"]
)
def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    refused(client, "GET", path, 404)


def test_a_number_that_no_database_holds_is_refused(house: House, client: TestClient) -> None:
    document = house.keep(house.owner(), "Hearts", HEART)
    assert client.get(f"/api/library/documents/{document}/passages?start={2**70}").status_code in (200, 400)
    assert client.get(f"/api/library?offset={2**70}").status_code in (200, 400)


def test_a_call_without_a_visitor_is_answered_nowhere(house: House) -> None:
    nobody = TestClient(house.web)
    for path in ("", "/search?q=x", "/passages/1", "/documents/x/passages"):
        assert "carries no visitor" in refused(nobody, "GET", path, 401)
    for path in ("/add", "/erase"):
        assert "carries no visitor" in refused(nobody, "POST", path, 401, json={"all": True})
