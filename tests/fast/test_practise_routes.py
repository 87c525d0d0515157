"""What the Practise page's scripts get over HTTP, on the fake engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app.database import HUGE_NUMBER
from app.questions import Bank
from app.quiz import Opened
from app.records import Mode, Question
from app.sessions import Item, Session
from app.ui.practise_routes import item_json
from tests.conftest import MORNING

API = "/api/practise"
ANSWER = {"chosen": "A", "confidence": "guess", "seconds": 1}


def begin(client: TestClient, **choice: Any) -> dict[str, Any]:
    answer = client.post(f"{API}/sessions", json={"count": 3, **choice})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def of(session: dict[str, Any], *rest: object) -> str:
    return "/".join((API, "sessions", session["id"], *map(str, rest)))


def question_of(bank: Bank, session: dict[str, Any], position: int) -> Question:
    identity = session["items"][position - 1]["id"]
    return next(question for question in bank.questions if question.id == identity)


def asked(client: TestClient, session: dict[str, Any], position: int, message: str = "Why?") -> list[dict[str, Any]]:
    answer = client.post(of(session, "items", position, "tutor"), json={"message": message})
    assert answer.status_code == 200, answer.text
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]


# Sessions and items


def test_a_tutor_session_is_drawn_from_what_the_server_says(client: TestClient) -> None:
    session = begin(client)
    wanted = {"mode": "tutor", "state": "open", "feedback": True, "hints": True, "tutor": True, "pausable": True, "pace": 90}
    assert wanted.items() <= session.items()
    assert (session["blocks"], session["block"], session["next_block"], session["current"]) == ([], None, None, 1)
    assert [item["position"] for item in session["items"]] == [1, 2, 3]
    assert {item["state"] for item in session["items"]} == {"open"}
    assert client.get(of(session)).json() == session


def test_a_question_is_shown_without_its_key_until_it_is_answered(client: TestClient, bank: Bank) -> None:
    session = begin(client)
    question = question_of(bank, session, 1)
    address = of(session, "items", 1)
    shown = client.get(address).json()
    assert (shown["id"], shown["options"], shown["attempt"]) == (question.id, dict(question.options), None)
    assert leaks(json.dumps(shown, ensure_ascii=False), [question]) == []
    graded = client.post(f"{address}/commit", json={**ANSWER, "chosen": question.key, "confidence": "sure"}).json()
    assert (graded["correct"], graded["key"], graded["grade"]) == (True, question.key, "easy")
    assert set(graded["explanations"]) == set(question.options)
    assert client.get(address).json()["attempt"] == graded
    again = client.post(f"{address}/commit", json={**ANSWER, "chosen": "A"}).json()
    assert again == graded, "committing again gives the first answer back"
    progress = client.get(of(session)).json()
    assert [item["state"] for item in progress["items"]] == ["right", "open", "open"]
    assert (progress["answered"], progress["correct"], progress["current"]) == (1, 1, 2)


def test_only_what_is_named_changes(client: TestClient) -> None:
    session = begin(client)
    address = of(session, "items", 1)
    client.put(address, json={"chosen": "B", "confidence": "sure", "struck": ["C"], "highlights": [[0, 4]]})
    client.put(address, json={"confidence": "guess"})
    shown = client.get(address).json()
    assert {name: shown[name] for name in ("chosen", "confidence", "struck", "highlights")} == {
        "chosen": "B",
        "confidence": "guess",
        "struck": ["C"],
        "highlights": [[0, 4]],
    }
    client.put(address, json={"chosen": None})
    assert client.get(address).json()["chosen"] is None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"chosen": "Z"}, "expected one of A"),
        ({"chosen": 7}, "chosen is 7"),
        ({"confidence": "certain"}, "expected guess, unsure or sure"),
        ({"seconds": -1}, "expected 0 to"),
        ({"seconds": "long"}, "seconds is 'long'"),
        ({"highlights": [[5, 1]]}, "stretches"),
        ({"highlights": [[1]]}, "highlights"),
        ({"struck": "A"}, "struck is 'A'"),
    ],
)
def test_what_cannot_be_gets_a_sentence_and_changes_nothing(client: TestClient, body: dict[str, Any], named: str) -> None:
    session = begin(client)
    address = of(session, "items", 1)
    before = client.get(address).json()
    answer = client.put(address, json=body)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert client.get(address).json() == before


@pytest.mark.parametrize(
    "choice", [{"count": 0}, {"count": 401}, {"mode": "marathon"}, {"statuses": ["forgotten"]}, {"own": "theirs"}, {"count": "x"}]
)
def test_a_selection_that_cannot_be_gets_a_sentence(client: TestClient, choice: dict[str, Any]) -> None:
    answer = client.post(f"{API}/sessions", json=choice)
    assert answer.status_code == 400
    assert "xpected" in answer.json()["error"] or "Input should be" in answer.json()["error"]
    assert client.get(f"{API}/overview").json()["open"] == []


def test_a_selection_that_matches_nothing_says_what_to_do(client: TestClient) -> None:
    choice = {"count": 5, "statuses": ["wrong"]}
    assert client.post(f"{API}/matching", json=choice).json() == {"matching": 0}
    answer = client.post(f"{API}/sessions", json=choice)
    assert 400 <= answer.status_code < 500
    assert "Take away a filter" in answer.json()["error"]


def test_hints_come_one_by_one(client: TestClient, bank: Bank) -> None:
    session = begin(client)
    question = question_of(bank, session, 1)
    address = of(session, "items", 1)
    assert client.get(address).json()["hints_total"] == len(question.hints)
    assert client.post(f"{address}/hints", json={"number": 2}).json() == {"hints": list(question.hints[:2])}
    assert client.get(address).json()["hints"] == list(question.hints[:2])
    assert client.post(f"{address}/hints", json={"number": 9}).status_code == 404


def test_a_kind_of_miss_is_named_and_taken_back(client: TestClient, bank: Bank) -> None:
    session = begin(client)
    question = question_of(bank, session, 1)
    address = of(session, "items", 1)
    wrong = next(letter for letter in question.options if letter != question.key)
    client.post(f"{address}/commit", json={**ANSWER, "chosen": wrong})
    for kind in ("misread", ""):
        assert client.put(f"{address}/miss", json={"kind": kind}).status_code == 204
        assert client.get(address).json()["attempt"]["miss"] == kind
    assert client.put(f"{address}/miss", json={"kind": "laziness"}).status_code == 400
    assert client.put(of(session, "items", 2, "miss"), json={"kind": "time"}).status_code == 409


def test_flags_and_notes_are_kept(client: TestClient) -> None:
    session = begin(client)
    identity = session["items"][0]["id"]
    assert client.put(f"{API}/questions/{identity}/flag", json={"flagged": True}).status_code == 204
    assert client.put(f"{API}/questions/{identity}/note", json={"text": "Look up"}).status_code == 204
    shown = client.get(of(session, "items", 1)).json()
    assert (shown["flagged"], shown["note"]) == (True, "Look up")
    assert client.get(of(session)).json()["items"][0]["flagged"] is True
    assert "no question" in client.put(f"{API}/questions/none/such/flag", json={"flagged": True}).json()["error"]


def test_the_reading_comes_after_the_commitment_and_is_marked_uncalibrated(client: TestClient) -> None:
    session = begin(client)
    address = of(session, "items", 1)
    assert client.get(f"{address}/probabilities").status_code == 409
    client.post(f"{address}/commit", json=ANSWER)
    readout = client.get(f"{address}/probabilities").json()
    assert sum(readout["probabilities"].values()) == pytest.approx(1)
    assert (readout["calibration"], readout["earned"], readout["agreement"]) == ("uncalibrated", False, "")
    assert readout["probabilities"][readout["choice"]] == max(readout["probabilities"].values())


def test_the_reading_in_every_order_is_named_as_such(client: TestClient) -> None:
    session = begin(client)
    address = of(session, "items", 1)
    assert client.get(f"{address}/probabilities?careful=true").status_code == 409
    client.post(f"{address}/commit", json=ANSWER)
    fast, careful = (client.get(f"{address}/probabilities", params={"careful": value}).json() for value in (False, True))
    count = len(fast["probabilities"])
    assert (fast["orders"], careful["orders"]) == (1, count)
    assert careful["note"].startswith(f"The mean of {count} orders of the options, not calibrated")
    assert fast["note"].startswith("Read off in one pass, not calibrated")
    assert careful["probabilities"] != fast["probabilities"]
    assert client.get(f"{address}/probabilities?careful=perhaps").status_code == 400


def test_a_question_on_a_text_is_shown_with_the_text_before_it_and_figures_and_tables_as_such() -> None:
    stem = "Were they well?\n\n| Na | K |\n| --- | --- |\n| 140 | 4 |\n\n![A curve](figures/curve.svg)"
    question = Question(id="q", stem=stem, context="Ten people were asked.", options={"A": "yes", "B": "no"}, key="A")
    session = Session(id="s", number=1, mode=Mode.TUTOR, title="All", created=MORNING)
    blocks = item_json(Opened(session, Item(position=1, question="q"), question, None, None, False, ""))["stem"]
    assert [block["kind"] for block in blocks] == ["text", "text", "table", "image"]
    assert blocks[0]["text"].startswith("Ten people were asked.")
    assert blocks[2] == {"kind": "table", "head": ["Na", "K"], "rows": [["140", "4"]]}
    assert blocks[3] == {"kind": "image", "src": "/static/bank/figures/curve.svg", "alt": "A curve"}


def test_reference_values_are_at_hand(client: TestClient) -> None:
    groups = client.get(f"{API}/reference").json()["groups"]
    assert {"name", "conventional", "si"} <= groups[0]["rows"][0].keys()


# Modes


def test_a_timed_session_counts_its_clock_down_and_can_be_paused(client: TestClient) -> None:
    session = begin(client, mode="timed")
    assert {"feedback": False, "hints": False, "tutor": False, "pausable": True, "block": 1}.items() <= session.items()
    (block,) = session["blocks"]
    assert (block["state"], block["seconds_total"]) == ("running", 270)
    assert 0 < block["seconds_left"] <= 270
    client.put(of(session, "items", 1), json={"chosen": "A"})
    paused = client.post(of(session, "pause")).json()
    assert (paused["state"], paused["blocks"][0]["state"]) == ("paused", "paused")
    assert paused["items"][0]["reachable"] is False
    assert client.get(of(session, "items", 1)).status_code == 409
    resumed = client.post(of(session, "resume")).json()
    assert [item["state"] for item in resumed["items"]] == ["answered", "open", "open"]
    assert resumed["correct"] is None
    ended = client.post(of(session, "end")).json()
    assert (ended["state"], ended["feedback"]) == ("ended", True)
    assert [item["state"] for item in ended["items"]][1:] == ["omitted", "omitted"]
    left_out = client.get(of(session, "items", 2)).json()["attempt"]
    assert (left_out["omitted"], left_out["chosen"], left_out["correct"]) == (True, None, False)
    score = client.get(f"{API}/results", params={"session": session["id"]}).json()["score"]
    assert (score["n"], score["omitted"]) == (3, 2)


def test_an_exam_goes_from_break_to_block_to_break_to_its_end(client: TestClient) -> None:
    session = begin(client, mode="exam", count=22)
    assert (session["state"], session["block"], session["next_block"], session["pausable"]) == ("break", None, 1, False)
    assert not any(item["reachable"] for item in session["items"])
    running = client.post(of(session, "blocks", 1, "start")).json()
    assert (running["state"], running["block"], running["next_block"], running["current"]) == ("open", 1, None, 1)
    assert [item["reachable"] for item in running["items"]] == [True] * 20 + [False] * 2
    assert client.post(of(session, "pause")).status_code == 409
    closed = client.post(of(session, "blocks", 1, "close")).json()
    assert (closed["state"], closed["next_block"], [block["state"] for block in closed["blocks"]]) == (
        "break",
        2,
        ["closed", "waiting"],
    )
    client.post(of(session, "blocks", 2, "start"))
    assert client.post(of(session, "blocks", 2, "close")).json()["state"] == "ended"


def leaks(text: str, questions: list[Question]) -> list[str]:
    """What of the questions' keys, explanations and hints stands in a text, as JSON writes it."""
    secrets = [secret for q in questions for secret in (*q.explanations.values(), q.objective, q.fact, *q.hints) if secret]
    found = [secret for secret in secrets if json.dumps(secret, ensure_ascii=False)[1:-1] in text]
    return found + re.findall(r'"(?:key|explanations|probabilities|model_key_probability)":\s*[^\s,}\]n].{0,40}', text)


def routes_of(client: TestClient) -> Iterator[tuple[str, str]]:
    """Method and path of every route of Practise."""
    for router in client.app.routes:
        for route in getattr(getattr(router, "original_router", None), "routes", []):
            if isinstance(route, APIRoute) and route.path.startswith(API):
                for method in route.methods - {"HEAD"}:
                    yield method, route.path


# These end what is looked at, or give out the whole bank, which is no secret: it lies beside the application.
ELSEWHERE = ("/end", "/start", "/close", "/own", "/restore", "/export")
EVERYTHING = {
    **ANSWER,
    "seconds": 0,
    "number": 1,
    "kind": "misread",
    "flagged": True,
    "text": "A note",
    "message": "Which one is right?",
    "mode": "exam",
    "count": 5,
}


def test_before_the_end_of_an_exam_no_route_gives_away_a_key_an_explanation_or_a_hint(client: TestClient, bank: Bank) -> None:
    session = begin(client, mode="exam", count=21)
    questions = [question_of(bank, session, position) for position in range(1, 22)]
    walked = 0

    def walk() -> None:
        nonlocal walked
        for method, path in routes_of(client):
            if any(part in path for part in ELSEWHERE):
                continue
            for position in (1, 2, 21):
                concrete = path.replace("{identity:path}", questions[position - 1].id)
                concrete = concrete.replace("{identity}", session["id"]).replace("{session}", session["id"])
                concrete = concrete.replace("{position}", str(position)).replace("{number}", "1")
                assert "{" not in concrete, concrete
                for query in ("", f"?session={session['id']}"):
                    answer = client.request(method, concrete + query, **({} if method == "GET" else {"json": EVERYTHING}))
                    assert answer.status_code < 500, (method, concrete, answer.text)
                    assert leaks(answer.text, questions) == [], (method, concrete, query)
                    walked += 1

    walk()
    client.post(of(session, "blocks", 1, "start"))
    for position, question in enumerate(questions[:20], start=1):
        wrong = next(letter for letter in question.options if letter != question.key)
        client.put(of(session, "items", position), json={"chosen": wrong, "confidence": "sure"})
    walk()
    client.post(of(session, "blocks", 1, "close"))
    walk()
    assert client.get(f"{API}/results").json()["n"] == 0
    client.post(of(session, "blocks", 2, "start"))
    walk()
    assert walked > 300
    assert client.post(of(session, "end")).json()["state"] == "ended"
    shown = client.get(of(session, "items", 1)).text
    assert leaks(shown, questions[:1]) != [], "afterwards it is all there, so the walk above looked for the right thing"


def test_a_number_that_no_database_holds_is_refused_in_a_sentence(client: TestClient) -> None:
    session, huge = begin(client), 10**23
    for answer in (
        client.get(of(session, "items", huge)),
        client.put(of(session, "items", huge), json={"chosen": "A"}),
        client.get(f"/api/practise/sessions/{session['id']}/items/{huge}/tutor"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, HUGE_NUMBER)


# Ask about this item


def test_asking_about_an_item_streams_a_hint_first_and_can_be_read_again(client: TestClient, bank: Bank) -> None:
    session = begin(client)
    hint = question_of(bank, session, 1).hints[0]
    told = asked(client, session, 1)
    assert [told[0]["type"], told[-1]["type"]] == ["turn", "end"]
    assert told[-1]["message"]["text"].startswith(f"Hint 1 of 3: {hint}")
    messages = client.get(of(session, "items", 1, "tutor")).json()["messages"]
    assert [message["text"] for message in messages] == ["Why?", told[-1]["message"]["text"]]
    assert client.get(of(session, "items", 1)).json()["hints"] == [hint]
    assert client.post(of(session, "items", 1, "tutor"), json={"message": " "}).status_code == 400


def test_in_an_exam_an_item_cannot_be_asked_about(client: TestClient) -> None:
    session = begin(client, mode="exam")
    client.post(of(session, "blocks", 1, "start"))
    answer = client.post(of(session, "items", 1, "tutor"), json={"message": "Which?"})
    assert (answer.status_code, "after the end" in answer.json()["error"]) == (409, True)


# The start page and the results


def test_the_start_page_counts_what_there_is_and_lists_open_and_ended_sessions(client: TestClient, bank: Bank) -> None:
    first = begin(client)
    second = begin(client, mode="timed")
    question = question_of(bank, first, 1)
    client.post(of(first, "items", 1, "commit"), json={**ANSWER, "chosen": question.key})
    client.post(of(second, "end"))
    page = client.get(f"{API}/overview").json()
    assert page["counts"]["total"] == len(bank.questions)
    assert page["counts"]["unused"] == len(bank.questions) - 1
    assert sum(system["total"] for system in page["systems"]) == len(bank.questions)
    (open_one,), (ended,) = page["open"], page["recent"]
    assert (open_one["id"], open_one["answered"], open_one["total"], open_one["correct"]) == (first["id"], 1, 3, 1)
    assert (ended["id"], ended["state"], ended["answered"]) == (second["id"], "ended", 0)
    assert page["suggestion"]["selection"]["count"] >= 1
    assert client.post(f"{API}/sessions", json=page["suggestion"]["selection"]).status_code == 200


def test_results_list_what_was_sure_and_wrong(client: TestClient, bank: Bank) -> None:
    session = begin(client)
    question = question_of(bank, session, 2)
    wrong = next(letter for letter in question.options if letter != question.key)
    client.post(of(session, "items", 2, "commit"), json={**ANSWER, "chosen": wrong, "confidence": "sure"})
    for params in ({}, {"session": session["id"]}):
        found = client.get(f"{API}/results", params=params).json()
        assert (found["n"], found["score"]["correct"]) == (1, 0)
        (listed,) = found["sure_wrong"]
        assert (listed["session"], listed["position"], listed["chosen"], listed["key"]) == (session["id"], 2, wrong, question.key)
        assert listed["stem"] == " ".join(question.stem.split())[:140]


# Visitors


def test_two_visitors_practise_apart(client: TestClient, another: TestClient) -> None:
    mine = begin(client)
    client.post(of(mine, "items", 1, "commit"), json=ANSWER)
    before = client.get(of(mine)).json()
    for method, path in routes_of(client):
        if "/sessions/{" not in path:
            continue
        concrete = re.sub(r"{(identity|session)}", mine["id"], path).replace("{position}", "1").replace("{number}", "1")
        answer = another.request(method, concrete, **({} if method == "GET" else {"json": EVERYTHING}))
        assert answer.status_code == 404, (method, concrete, answer.text)
    assert client.get(of(mine)).json() == before
    page = another.get(f"{API}/overview").json()
    assert (page["open"], page["recent"], page["counts"]["wrong"]) == ([], [], 0)
    assert another.get(f"{API}/results").json()["n"] == 0
    assert another.get(f"{API}/results", params={"session": mine["id"]}).status_code == 404


def test_what_is_not_there_is_told_in_words(client: TestClient) -> None:
    session = begin(client)
    for path in (f"{API}/sessions/none", of(session, "items", 99)):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"] != "") == (404, True)
    assert client.post(of(session, "blocks", 1, "start")).status_code == 400
    assert client.get(of(session, "items", "first")).status_code == 400
