"""Own questions, files and backup over HTTP, behind the real guards, on a fake engine and a small bank."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from app.backup_store import Backups
from app.database import Database
from app.deck import Deck
from app.engine.fake import FakeEngine
from app.errors import LlamaCareError
from app.imports import own_id, read_upload
from app.own_store import OwnStore
from app.practice_store import PracticeStore
from app.questions import Bank
from app.quiz import Quiz
from app.records import Question
from app.sessions import Selection
from app.shell import MAX_BODIES, MAX_BODY, BodyLimit, Visitors
from app.store import Store
from app.ui.own_routes import EXAMPLE, own_router
from app.ui.visitors import HEADER

BANKED = Question(id="bank-1", stem="Bank?", options={"A": "x", "B": "y"}, key="A", system="renal and urinary", step="1")
TABLE = b"stem,A,B,C,key,system\nOne?,x,y,z,B,renal\nTwo?,x,y,z,C,\nBad?,x,y,z,Q,\n"


class House:
    def __init__(self, folder: Path) -> None:
        database = Database(folder)
        self.practice, self.own = PracticeStore(database), OwnStore(database)
        self.quiz = Quiz(Deck(Bank((BANKED,)), self.own, self.practice), self.practice, FakeEngine(), seed=1)
        self.store = Store(database)
        self.web = FastAPI(middleware=[Middleware(BodyLimit), Middleware(Visitors, lookup=self.store.visitor, in_frame=False)])
        self.web.include_router(own_router(self.quiz, self.own, Backups(database)))

        def refusal(_request: Request, error: Exception) -> JSONResponse:
            assert isinstance(error, LlamaCareError)
            return JSONResponse({"error": error.sentence}, status_code=error.status)

        self.web.add_exception_handler(LlamaCareError, refusal)
        self.close = database.close

    def client(self, name: str = "a") -> TestClient:
        return TestClient(self.web, headers={HEADER: name * 43})

    def visitor(self, name: str = "a") -> int:
        return self.store.visitor(name * 43)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def client(house: House) -> TestClient:
    return house.client()


def send(client: TestClient, raw: bytes = TABLE, call: str = "import", name: str = "mine.csv", **query: str) -> dict[str, Any]:
    headers = {"content-type": "application/octet-stream", "x-file-name": quote(name)}
    answer = client.post(f"/api/practise/own/{call}", content=raw, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


# In


def test_a_preview_tells_everything_and_keeps_nothing(client: TestClient) -> None:
    shown = send(client, call="preview", name="Mes questions é.csv")
    (first, _) = shown.pop("preview")
    assert first == {
        "line": 2,
        "id": first["id"],
        "stem": "One?",
        "options": {"A": "x", "B": "y", "C": "z"},
        "key": "B",
        "explanations": {},
        "system": "renal",
        "subject": "",
        "step": "",
    }
    assert first["id"].startswith("own:")
    assert shown == {
        "file": "Mes questions é.csv",
        "layout": "csv",
        "encoding": "UTF-8",
        "separator": ",",
        "read": 2,
        "refused": 1,
        "already": 0,
        "refusals": [
            {"line": 4, "field": "key", "reason": "'Q' is no option; expected one of A, B, C, or an option's number or text."}
        ],
        "notes": ["No explanations are in this file: after an answer only the key is shown."],
        "batch": None,
        "added": 0,
    }
    assert client.get("/api/practise/own").json() == {"batches": [], "total": 0}


def test_an_import_keeps_what_is_new_and_counts_what_is_there(client: TestClient) -> None:
    first = send(client)
    assert (first["added"], first["already"]) == (2, 0)
    again = send(client, TABLE + b"Three?,x,y,z,A,\n", name="more.csv")
    assert (again["read"], again["added"], again["already"]) == (3, 1, 2)
    assert send(client)["batch"] is None
    kept = client.get("/api/practise/own").json()
    assert kept["total"] == 3
    assert [(batch["file"], batch["questions"], batch["id"]) for batch in kept["batches"]] == [
        ("more.csv", 1, again["batch"]),
        ("mine.csv", 2, first["batch"]),
    ]


def test_a_question_that_is_there_with_another_key_is_refused_and_stays(client: TestClient, house: House) -> None:
    send(client)
    shown = send(client, TABLE.replace(b"z,B", b"z,A"))
    assert (shown["read"], shown["already"], shown["added"]) == (1, 1, 0)
    assert shown["refusals"][0]["line"] == 2
    assert "the same question is among your questions with the key B, which stays" in shown["refusals"][0]["reason"]
    topics = house.own.topics(house.visitor())
    assert [question.key for question in house.own.questions(house.visitor(), list(topics))] == ["B", "C"]


@pytest.mark.parametrize(("layout", "read"), [("auto", 1), ("medqa", 1), ("own", 0), ("csv", 0)])
def test_a_named_layout_is_taken_at_its_word(client: TestClient, layout: str, read: int) -> None:
    row = {"question": "Q?", "options": {"A": "x", "B": "y"}, "answer": "x", "answer_idx": "A"}
    assert send(client, json.dumps(row).encode(), "preview", layout=layout)["read"] == read


def test_a_layout_that_is_none_is_refused(client: TestClient) -> None:
    assert client.post("/api/practise/own/preview?layout=x", content=b"").status_code == 422


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\xff\xfe\x00\xd8", b'{"stem": "\\ud800"}', b'{"\\ud800": 1}'])
def test_any_bytes_get_an_answer(client: TestClient, raw: bytes) -> None:
    shown = send(client, raw, name="\ud800".encode("utf-8", "surrogatepass").decode("latin-1"))
    assert (shown["read"], shown["refused"], shown["batch"]) == (0, 1, None)


def test_deleting_a_file_takes_its_questions_and_leaves_the_others(client: TestClient) -> None:
    first = send(client)
    send(client, b"stem,A,B,key\nOther?,x,y,A\n", name="b.csv")
    assert client.delete(f"/api/practise/own/{first['batch']}").status_code == 204
    assert client.get("/api/practise/own").json()["total"] == 1
    gone = client.delete(f"/api/practise/own/{first['batch']}")
    assert (gone.status_code, "deleted already" in gone.json()["error"]) == (404, True)


def test_another_visitor_sees_and_deletes_nothing_of_it(house: House, client: TestClient) -> None:
    batch = send(client)["batch"]
    other = house.client("b")
    assert other.get("/api/practise/own").json() == {"batches": [], "total": 0}
    assert other.delete(f"/api/practise/own/{batch}").status_code == 404
    (identity, *_) = house.own.topics(house.visitor())
    assert house.own.question(house.visitor("b"), identity) is None
    assert house.own.questions(house.visitor("b"), [identity]) == []
    assert list(house.own.stems(house.visitor("b"))) == []
    assert client.get("/api/practise/own").json()["total"] == 2


def test_erased_questions_stand_nowhere_in_the_files(house: House, client: TestClient, tmp_path: Path) -> None:
    batch = send(client, b"stem,A,B,key\nZebrafish fever?,x,y,A\n")["batch"]
    client.delete(f"/api/practise/own/{batch}")
    assert all(b"Zebrafish" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_template_is_a_file_to_start_from(client: TestClient) -> None:
    for ending in ("csv", "jsonl"):
        answer = client.get(f"/api/practise/own/template.{ending}")
        assert f'attachment; filename="llamacare-template.{ending}"' == answer.headers["content-disposition"]
        upload = read_upload(f"x.{ending}", answer.content)
        assert [question for _, question in upload.questions] == [EXAMPLE]


# Sizes


def test_a_file_may_be_larger_than_any_other_call(client: TestClient) -> None:
    raw = TABLE + b"\n" * MAX_BODY
    assert send(client, raw, "preview")["read"] == 2
    assert client.post("/api/practise/own/previews", content=raw).status_code == 413


@pytest.mark.parametrize("path", MAX_BODIES)
def test_no_more_is_read_than_the_call_may_have(client: TestClient, path: str) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent <= 2 * MAX_BODIES[path]:
            sent += 1_000_000
            yield bytes(1_000_000)

    answer = client.post(path, content=endless())
    assert answer.status_code == 413
    assert f"{MAX_BODIES[path]:,} bytes" in answer.json()["error"]


# Out


@pytest.fixture
def wrong(house: House, client: TestClient) -> str:
    """An own question that was answered wrongly."""
    send(client)
    visitor = house.visitor()
    progress = house.quiz.begin(visitor, Selection(count=3))
    for item in progress.items:
        question = house.quiz.deck.question(visitor, item.question)
        chosen = "A" if question.stem != "One?" else "C"
        house.quiz.commit(visitor, progress.session.id, item.position, chosen=chosen, confidence="sure", seconds=1.0)
    return own_id(read_upload("x.csv", TABLE).questions[0][1])


@pytest.mark.parametrize(
    ("form", "kind", "name"),
    [
        ("csv", "text/csv; charset=utf-8", 'attachment; filename="llamacare-wrong.csv"'),
        ("json", "application/jsonl", 'attachment; filename="llamacare-wrong.jsonl"'),
        ("apkg", "application/octet-stream", 'attachment; filename="llamacare-wrong.apkg"'),
        ("html", "text/html; charset=utf-8", 'inline; filename="llamacare-wrong.html"'),
    ],
)
def test_misses_go_out_in_every_form(client: TestClient, wrong: str, form: str, kind: str, name: str) -> None:
    answer = client.get("/api/practise/export", params={"form": form, "what": "wrong"})
    assert (answer.status_code, answer.headers["content-type"], answer.headers["content-disposition"]) == (200, kind, name)
    if form in ("csv", "json"):
        ids = [question.id for _, question in read_upload("x", answer.content).questions]
        assert wrong in ids and "bank-1" not in ids
    if form == "csv":
        assert "my_answer" in answer.text
    if form == "apkg":
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None


def test_systems_narrow_what_goes_out(client: TestClient, wrong: str) -> None:
    answer = client.get("/api/practise/export", params={"form": "json", "what": "all", "systems": ["renal", "renal and urinary"]})
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == ["bank-1", wrong]


@pytest.mark.parametrize(("query", "status"), [("form=csv&what=flagged", 404), ("form=csv&what=x", 400), ("form=pdf", 422)])
def test_what_cannot_be_exported_is_told(client: TestClient, query: str, status: int) -> None:
    answer = client.get(f"/api/practise/export?{query}")
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["error"] == 'There is nothing to export: no question is "flagged". Choose others.'


# Backup


def test_a_backup_goes_out_and_comes_back_for_another_visitor(house: House, client: TestClient, wrong: str) -> None:
    answer = client.get("/api/practise/backup")
    assert answer.headers["content-disposition"].startswith('attachment; filename="llamacare-practice-20')
    restored = house.client("b").post("/api/practise/restore", content=answer.content).json()
    assert restored == {
        "sessions": 1,
        "answers": 3,
        "flags": 0,
        "notes": 0,
        "questions": 2,
        "already": 0,
        "sentence": "Added: 1 session, 3 answers, 2 own questions.",
    }
    assert wrong in house.quiz.deck.filtered(house.visitor("b"), "wrong")
    again = client.post("/api/practise/restore", content=answer.content).json()
    assert (again["answers"], again["already"]) == (0, 6)


def test_a_file_that_is_no_backup_gets_a_sentence(client: TestClient) -> None:
    answer = client.post("/api/practise/restore", content=b"{}")
    assert (answer.status_code, "is no backup of practice" in answer.json()["error"]) == (400, True)
