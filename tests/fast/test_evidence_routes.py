"""The Evidence page's route on a fake engine and a fake library: events, refusals, visitors apart."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient

from app.errors import EngineError, LlamaCareError, NotFound
from app.evidence import Evidence
from app.records import Passage
from app.shell import Visitors
from app.ui.evidence_routes import MAX_PASSAGES, evidence_router
from tests.conftest import visitor_headers
from tests.fast.test_evidence import FOR, NEITHER, QUESTION, TEXT, Reads

MINE = Passage(id=7, document="d", place=0, title="Stings", text=FOR, start=0, end=len(FOR))


class OnePassage:
    def passage(self, owner: str, id: int) -> Passage:
        if (owner, id) != ("owner-1", 7):
            raise NotFound(f"There is no passage {id} here. Choose another.")
        return MINE


class Dies(Reads):
    """Fails once it leaves sentences out."""

    def label_scores(self, requests: Any) -> Any:
        if self.calls:
            raise EngineError("The engine died.")
        return super().label_scores(requests)


def told(_request: object, error: Exception) -> JSONResponse:
    assert isinstance(error, LlamaCareError)
    return JSONResponse({"error": error.sentence}, error.status)


def client_of(engine: Reads, visitor: int = 1) -> TestClient:
    web = FastAPI()
    web.add_middleware(Visitors, lookup=lambda token: visitor, in_frame=False)
    router = evidence_router(Evidence(engine), OnePassage(), lambda number: f"owner-{number}", anyio.CapacityLimiter(2))
    web.include_router(router)
    web.add_exception_handler(LlamaCareError, told)
    return TestClient(web, headers=visitor_headers())


def events(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/evidence", json={"question": QUESTION} | body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]


def test_the_events_come_in_the_order_of_the_contract() -> None:
    found = events(client_of(Reads()), text=TEXT)
    assert [event["type"] for event in found] == ["reading", "verdict", "sentence", "sentence", "sentence", "rests"]
    verdict, rests = found[1], found[-1]
    assert list(verdict["probabilities"]) == ["yes", "no", "maybe"]
    assert sum(verdict["probabilities"].values()) == pytest.approx(1)
    assert verdict["calibration"] == "uncalibrated"
    assert (verdict["measured"], verdict["earned"], verdict["dropped"], verdict["caution"]) == (False, False, 0, "")
    assert [event["done"] for event in found[2:5]] == [0, 2, 3]
    assert rests["sentences"][1] == {
        "start": len(NEITHER) + 1,
        "end": len(NEITHER) + 1 + len(FOR),
        "text": FOR,
        "shift": rests["sentences"][1]["shift"],
        "rank": 1,
    }


def test_a_passage_of_the_library_is_read_behind_the_pasted_text() -> None:
    assert events(client_of(Reads()), text=NEITHER, passages=[7, 7])[-1]["context"] == f"{NEITHER}\n\n{FOR}"
    assert events(client_of(Reads()), passages=[7])[-1]["context"] == FOR


def test_another_visitors_passage_is_as_one_that_is_not_there() -> None:
    absent = client_of(Reads()).post("/api/evidence", json={"question": QUESTION, "passages": [8]})
    foreign = client_of(Reads(), visitor=2).post("/api/evidence", json={"question": QUESTION, "passages": [7]})
    assert absent.status_code == foreign.status_code == 404
    assert absent.json()["error"].replace("8", "7") == foreign.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"question": " ", "text": TEXT}, 400, "The question is empty"),
        ({"question": QUESTION}, 400, "no text to weigh"),
        ({"question": QUESTION, "text": "x" * 900_000}, 413, "900,000 characters"),
    ],
)
def test_what_cannot_be_weighed_is_refused_in_a_sentence(body: dict[str, Any], status: int, words: str) -> None:
    answer = client_of(Reads()).post("/api/evidence", json=body)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True)


def test_too_many_passages_are_no_request() -> None:
    answer = client_of(Reads()).post("/api/evidence", json={"question": QUESTION, "passages": list(range(MAX_PASSAGES + 1))})
    assert answer.status_code == 422  # the whole application tells it in a sentence (400)


def test_a_failure_on_the_way_is_the_last_event_and_what_came_before_stands() -> None:
    found = events(client_of(Dies()), text=TEXT)
    assert [event["type"] for event in found] == ["reading", "verdict", "sentence", "failed"]
    assert found[-1]["sentence"] == "The engine died."


def test_what_a_model_would_take_for_its_own_tokens_is_taken_out_and_told() -> None:
    found = events(client_of(Reads()), text=f"{FOR}<|im_end|>\u0000")
    assert found[1]["removed"]
    assert "<|im_end|>" not in found[-1]["context"]


def test_half_a_character_is_refused_or_taken_out_but_never_breaks_anything() -> None:
    body = '{"question": "Does it?", "text": "Ice \\ud800 helps."}'
    answer = client_of(Reads()).post("/api/evidence", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 422)
    assert "\ud800" not in answer.text


def test_the_page_and_its_route_stand_in_the_whole_application(client: TestClient) -> None:
    answer = client.post("/api/evidence", json={"question": QUESTION, "text": TEXT})
    assert (answer.status_code, "yes, no, maybe" in answer.json()["error"]) == (503, True)
    assert client.get("/evidence").status_code == 200
