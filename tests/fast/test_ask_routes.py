"""Asking with sources over HTTP: real routes, a real library, the fake engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.database import Database
from app.engine.fake import FAKE_INFO, FakeEngine
from app.library_read_store import SHARED
from app.questions import Bank
from app.web import Parts, build_web
from tests.conftest import parts_for, settings_for, visitor_headers

GOUT = b"""# Gout

## Treatment

A flare of gout is treated with colchicine. Allopurinol lowers urate between flares of gout.

## Causes

Urate crystals in a joint cause gout.
"""
QUESTION = "How is a flare of gout treated?"


@pytest.fixture
def parts(database: Database, bank: Bank) -> Parts:
    engine = FakeEngine("A flare of gout is treated with colchicine [7].", info=replace(FAKE_INFO, context=8192))
    parts = parts_for(engine, database, bank)
    list(parts.library.add(SHARED, "gout.md", GOUT, licence="CC0"))
    return parts


@pytest.fixture
def client(parts: Parts, database: Database) -> Iterator[TestClient]:
    with TestClient(build_web(settings_for(database.folder), parts), headers=visitor_headers()) as client:
        yield client


def ask(client: TestClient, message: str = QUESTION, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/ask", json={"message": message} | body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]


def test_sources_come_first_then_the_draft_then_what_is_kept(client: TestClient) -> None:
    events = ask(client)
    kinds = list(dict.fromkeys(event["type"] for event in events))
    assert kinds[:2] == ["turn", "sources"]
    assert kinds[-2:] == ["draft", "end"]
    [passage, *_] = events[1]["passages"]
    assert (passage["number"], passage["title"], passage["licence"], passage["shared"]) == (1, "Gout", "CC0", True)
    start, end = passage["marks"][0]
    assert passage["text"][start:end].lower() in ("flare", "gout", "treated", "flares")
    assert client.get(f"/api/library/passages/{passage['id']}").json()["text"] == passage["text"]


def test_a_reload_shows_what_the_stream_showed(client: TestClient) -> None:
    events = ask(client)
    place = events[0]["conversation"]["id"]
    kept = client.get(f"/api/conversations/{place}").json()["messages"][-1]
    assert kept == events[-1]["message"]
    grounds = kept["grounds"]
    assert grounds["draft_text"] == "A flare of gout is treated with colchicine."
    assert 'class="claim" data-claim="0"' in grounds["draft_html"]
    assert grounds["removed"] == 1
    assert {"name", "question"}.isdisjoint(grounds)


def test_an_export_has_the_sources_and_sets_the_draft_apart(client: TestClient) -> None:
    place = ask(client)[0]["conversation"]["id"]
    text = client.get(f"/api/conversations/{place}/export").text
    assert "A flare of gout is treated with colchicine. [1]" in text
    assert "- [1] Gout, Treatment, CC0" in text
    assert "> **What the model wrote, no part of the answer.**" in text


@pytest.mark.parametrize("body", [{}, {"template": "drug"}, {"message": "Who won the chess olympiad?"}])
def test_a_private_conversation_is_exported_with_what_its_answers_stand_on(client: TestClient, body: dict[str, Any]) -> None:
    kept, private = ask(client, **body), ask(client, private=True, **body)
    place, messages = kept[0]["conversation"], [private[0]["user"], private[-1]["message"]]
    for form in ("md", "json"):
        sent = {"format": form, "title": place["title"], "messages": messages}
        told = client.post("/api/export", json=sent)
        assert told.status_code == 200, told.text
        held = client.get(f"/api/conversations/{place['id']}/export", params={"format": form})
        if form == "md":
            assert told.text == held.text
        else:
            one, other = told.json()["messages"], held.json()["messages"]
            assert [(each["text"], each["source"]) for each in one] == [(each["text"], each["source"]) for each in other]
            assert one[1]["grounds"]["short"] == other[1]["grounds"]["short"]


def test_what_is_no_answer_is_not_exported(client: TestClient) -> None:
    said = {"role": "assistant", "text": "a", "grounds": {"found": True, "sentence": "", "prose": "poem"}}
    answer = client.post("/api/export", json={"format": "md", "messages": [said]})
    assert answer.status_code == 400
    assert "prose" in answer.json()["error"]


def test_nothing_found_is_told_before_the_model_writes(client: TestClient) -> None:
    events = ask(client, "Who won the chess olympiad?")
    assert (events[1]["found"], events[1]["passages"]) == (False, [])
    assert events[1]["sentence"].startswith("No source")
    assert events[-1]["message"]["source"] == "model knowledge, no source"


def test_a_private_question_is_looked_up_and_kept_nowhere(client: TestClient) -> None:
    events = ask(client, private=True)
    assert events[1]["found"]
    assert client.get("/api/conversations").json() == {"conversations": []}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"template": "poem"}, "The template is 'poem'; expected one of"),
        ({"assumptions": {"age": "elf"}}, "The assumption age is 'elf'; expected one of"),
        ({"sources": {"scope": "web"}}, "sources.scope is 'web'"),
        ({"ungrounded": "guess"}, "ungrounded is 'guess'"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_is_kept(client: TestClient, body: dict[str, Any], said: str) -> None:
    answer = client.post("/api/ask", json={"message": QUESTION} | body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert client.get("/api/conversations").json() == {"conversations": []}


def test_the_shapes_that_the_page_offers_are_taken(client: TestClient) -> None:
    shapes = client.get("/api/ask/shapes").json()
    for template in shapes["templates"]:
        ask(client, private=True, template=template["id"])
    for assumption in shapes["assumptions"]:
        for choice in assumption["choices"]:
            ask(client, private=True, assumptions={assumption["name"]: choice["value"]})
