"""The shell and the routes over HTTP, on the fake engine: identity, doors, limits, headers, sentences."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from app.chat import Chat
from app.database import Database
from app.engine.fake import FAKE_INFO, FAKE_SIGHT, FakeEngine
from app.questions import Bank
from app.records import Status
from app.shell import COOKIE, MAX_BODY, TOKEN, TrustedHosts
from app.store import Store
from app.ui.drawer import REDRAW_SECONDS
from app.ui.engine_routes import status_json
from app.ui.event_stream import EventStream
from app.ui.visitors import HEADER
from app.web import build_web
from tests.conftest import new_token, parts_for, settings_for, visitor_headers


def events(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/ask", json={"sources": {"scope": "none"}} | body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]


def ask(client: TestClient, message: str = "What is asthma?", **body: Any) -> dict[str, Any]:
    return events(client, message=message, **body)[-1]


def only_conversation(client: TestClient) -> str:
    (found,) = client.get("/api/conversations").json()["conversations"]
    return str(found["id"])


# Ask


def test_an_answer_streams_and_its_conversation_can_be_opened_again(client: TestClient) -> None:
    kinds = [event["type"] for event in events(client, message="What is asthma?")]
    assert kinds[0] == "turn"
    assert kinds[-1] == "end"
    assert "text" in kinds
    messages = client.get(f"/api/conversations/{only_conversation(client)}").json()["messages"]
    assert [m["text"] for m in messages] == ["What is asthma?", "Take a history first."]
    assert messages[1]["html"] == "<p>Take a history first.</p>\n"
    assert (messages[1]["model"], messages[1]["source"]) == ("Fake", "model knowledge, no source")


def test_a_private_question_is_answered_and_kept_nowhere(client: TestClient) -> None:
    history = [{"role": "user", "text": "Hello"}, {"role": "assistant", "text": "Good day"}]
    end = ask(client, private=True, history=history)
    assert end["message"]["status"] == "complete"
    assert client.get("/api/conversations").json() == {"conversations": []}


def test_conversations_are_renamed_searched_and_deleted(client: TestClient) -> None:
    ask(client, "What is asthma?")
    place = only_conversation(client)
    assert (
        client.patch(f"/api/conversations/{place}", json={"title": "  Wheeze  and cough "}).json()["title"] == "Wheeze and cough"
    )
    assert client.get("/api/conversations", params={"search": "HISTORY wheeze"}).json()["conversations"] != []
    assert client.get("/api/conversations", params={"search": "gout"}).json()["conversations"] == []
    assert client.delete(f"/api/conversations/{place}").status_code == 204
    assert client.get(f"/api/conversations/{place}").status_code == 404


def test_exports_hold_the_whole_conversation(client: TestClient) -> None:
    ask(client)
    place = only_conversation(client)
    markdown = client.get(f"/api/conversations/{place}/export?format=md")
    assert "What is asthma?" in markdown.text
    assert "model knowledge, no source" in markdown.text
    assert "attachment" in markdown.headers["content-disposition"]
    value = client.get(f"/api/conversations/{place}/export?format=json").json()
    assert [m["role"] for m in value["messages"]] == ["user", "assistant"]
    private = {"format": "md", "title": "Mine", "messages": [{"role": "user", "text": "Hello"}]}
    assert client.post("/api/export", json=private).text.startswith("# Mine")


@pytest.fixture
def thinking(tmp_path: Path, database: Database, bank: Bank) -> Iterator[TestClient]:
    """A new visitor of an application whose model thinks before it answers, slowly enough for several pictures."""
    engine = FakeEngine("An airway disease.", reasoning="Is it <b>the lungs</b>?", gate=lambda: time.sleep(REDRAW_SECONDS))
    web = build_web(settings_for(tmp_path), parts_for(engine, database, bank))
    with TestClient(web, headers=visitor_headers()) as client:
        yield client


def test_reasoning_streams_apart_from_the_answer_and_only_while_it_grows(thinking: TestClient) -> None:
    told = events(thinking, message="What is asthma?")
    pictures = [event for event in told if event["type"] == "text"]
    begun = next(place for place, picture in enumerate(pictures) if picture["html"])
    assert pictures[0]["reasoning"].startswith("Is")
    assert all(picture["reasoning"] for picture in pictures[:begun])
    assert not any(picture["reasoning"] for picture in pictures[begun + 1 :])
    assert all("lungs" not in picture["html"] for picture in pictures)
    message = told[-1]["message"]
    assert (message["text"], message["reasoning"]) == ("An airway disease.", "Is it <b>the lungs</b>?")
    assert thinking.get(f"/api/conversations/{only_conversation(thinking)}").json()["messages"][1] == message


def test_exports_hold_the_reasoning_of_kept_and_of_private_conversations(thinking: TestClient) -> None:
    ask(thinking)
    address = f"/api/conversations/{only_conversation(thinking)}/export"
    private = ask(thinking, private=True)["message"]
    assert private["reasoning"] == "Is it <b>the lungs</b>?"
    for form in ("md", "json"):
        body = {"format": form, "title": "Mine", "messages": [private]}
        for export in (thinking.get(address, params={"format": form}), thinking.post("/api/export", json=body)):
            assert "Is it <b>the lungs</b>?" in export.text


def test_the_engines_state_is_told_in_words(client: TestClient, web_engine: FakeEngine) -> None:
    engine = web_engine
    assert client.get("/api/engine").json()["model"]["demo"] is True
    engine.failure = "The model file is missing. Give --model another."
    state = client.get("/api/engine").json()
    assert (state["state"], state["sentence"], state["model"]) == ("failed", engine.failure, None)
    end = ask(client)
    assert (end["message"]["status"], end["message"]["note"]) == ("failed", engine.failure)
    assert client.post("/api/engine/retry").status_code == 204
    assert client.get("/api/engine").json()["state"] == "ready"


def test_the_engine_is_in_sight_in_figures_and_short_words(client: TestClient, web_engine: FakeEngine) -> None:
    web_engine.sight = replace(FAKE_SIGHT, active=3, queued=2, decode_rate=54.25, memory=512_300_000, kv_bytes=999_700)
    web_engine.restarts = 1
    state = client.get("/api/engine").json()
    sight = state["sight"]
    assert state["restarts"] == 1
    assert {name: sight[name] for name in asdict(FAKE_SIGHT)} == asdict(web_engine.sight)
    assert (sight["memory_text"], sight["kv_text"]) == ("512 MB", "1 MB")
    web_engine.sight = None
    assert client.get("/api/engine").json()["sight"] is None


def test_what_is_to_be_known_of_how_the_model_was_loaded_is_told() -> None:
    info = replace(FAKE_INFO, notice="Runs on the CPU: no layer fits into what the GPU has left.")
    state = status_json(FakeEngine(info=info).status())
    assert state["model"]["notice"] == info.notice


def test_a_page_that_goes_away_before_the_first_word_leaves_nothing_behind(store: Store) -> None:
    """The client is gone when the answer is about to begin: the turn ends and the conversation is free for the next."""
    chat = Chat(FakeEngine(), store, max_turns=1)
    visitor = store.visitor("v" * 43)
    turn = chat.begin(visitor, "What is asthma?")

    def never() -> Generator[dict[str, Any], None, None]:
        raise AssertionError("nobody is there to read this")
        yield {}

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await anyio.sleep(0)

    stream = EventStream(never(), anyio.CapacityLimiter(1), after=turn.abandon)
    stream._send_all = lambda send: anyio.sleep_forever()  # type: ignore[method-assign]  # the client goes first
    anyio.run(stream, {"type": "http"}, gone, send)
    (place,) = store.conversations(visitor)
    assert store.messages(visitor, place.id)[-1].status is Status.STOPPED
    assert list(chat.begin(visitor, "Again?", conversation=place.id).events())


# Visitors


def test_a_call_without_a_visitor_is_turned_away(client: TestClient) -> None:
    nobody = TestClient(client.app)
    calls = ("/api/engine", "/api/conversations", "/api/practise/overview", "/gradio_api/queue/data?session_hash=x")
    for path in calls:
        answer = nobody.get(path)
        assert answer.status_code == 401, path
        assert HEADER in answer.json()["error"]
    assert nobody.post("/gradio_api/queue/join", json={"data": [], "fn_index": 0, "session_hash": "x"}).status_code == 401


def test_every_route_of_ours_asks_for_the_visitor(client: TestClient) -> None:
    nobody = TestClient(client.app)
    ours = {path: methods for path, methods in client.app.openapi()["paths"].items() if path.startswith("/api/")}
    checked = 0
    for template, methods in ours.items():
        path = re.sub(r"{\w+(:path)?}", "1", template)
        for method in methods:
            assert nobody.request(method, path, json={}).status_code in (400, 401), (method, path)
            assert nobody.request(method, path).status_code != 200
            checked += 1
    assert checked >= 55


def test_a_page_gives_a_secret_cookie_that_scripts_cannot_read(client: TestClient) -> None:
    fresh = TestClient(client.app)
    cookie = fresh.get("/").headers["set-cookie"]
    assert TOKEN.fullmatch(cookie.split(";")[0].removeprefix(f"{COOKIE}="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "set-cookie" not in fresh.get("/practise").headers, "the same visitor keeps the same cookie"
    assert fresh.get("/api/conversations").status_code == 200


def test_on_a_space_the_cookie_survives_the_frame(tmp_path: Path, engine: FakeEngine, database: Database, bank: Bank) -> None:
    settings = settings_for(tmp_path, SPACE_ID="someone/llamacare", SPACE_HOST="someone-llamacare.hf.space")
    page = TestClient(build_web(settings, parts_for(engine, database, bank))).get("/")
    assert "SameSite=None; Secure; Partitioned" in page.headers["set-cookie"]
    assert "frame-ancestors 'self' https://huggingface.co" in page.headers["content-security-policy"]


@pytest.mark.parametrize("token", ["", "short", "x" * 44, "ü" * 43, "a" * 42 + "!"])
def test_a_malformed_token_is_no_visitor(client: TestClient, token: str) -> None:
    nobody = TestClient(client.app)
    assert nobody.get("/api/conversations", headers={HEADER: token.encode()}).status_code == 401  # type: ignore[dict-item]
    assert nobody.get("/api/conversations", headers={"cookie": f"{COOKIE}={token}".encode()}).status_code == 401  # type: ignore[dict-item]


def test_two_visitors_never_see_or_touch_each_others_conversations(client: TestClient, another: TestClient) -> None:
    ask(client, "My secret question")
    place = only_conversation(client)
    question = client.get(f"/api/conversations/{place}").json()["messages"][0]["id"]
    assert another.get("/api/conversations", params={"search": "secret"}).json() == {"conversations": []}
    attempts = (
        another.get(f"/api/conversations/{place}"),
        another.get(f"/api/conversations/{place}/export?format=json"),
        another.patch(f"/api/conversations/{place}", json={"title": "mine now"}),
        another.delete(f"/api/conversations/{place}"),
        another.post("/api/ask", json={"message": "go on", "conversation": place}),
        another.post("/api/ask", json={"message": "go on", "conversation": place, "replace": question}),
    )
    absent = client.get("/api/conversations/none-such")
    for answer in attempts:
        assert answer.status_code == absent.status_code == 404
        assert "secret" not in answer.text
    assert len(client.get(f"/api/conversations/{place}").json()["messages"]) == 2


# The Gradio API


def test_gradio_sessions_are_bound_to_the_visitor(tmp_path: Path, engine: FakeEngine, database: Database, bank: Bank) -> None:
    """The same session hash, said by two visitors, names two sessions: neither reads or cancels the other's events."""
    web = build_web(settings_for(tmp_path), parts_for(engine, database, bank))
    # Gradio tells a stranger of an unknown session by an exception in mid-stream.
    with TestClient(web, headers=visitor_headers(new_token()), raise_server_exceptions=False) as mine:
        config = mine.get("/config").json()
        index = next(d["id"] for d in config["dependencies"] if d["api_name"] == "score_options")
        body = {"data": ["Which valve?", ["Mitral", "Aortic"], False], "fn_index": index, "session_hash": "shared"}
        event = mine.post("/gradio_api/queue/join", json=body).json()["event_id"]
        stranger = visitor_headers(new_token())
        cancel = {"session_hash": "shared", "fn_index": index, "event_id": event}
        assert mine.post("/gradio_api/cancel", json=cancel, headers=stranger).status_code == 404
        theirs = mine.get("/gradio_api/queue/data", params={"session_hash": "shared"}, headers=stranger)
        assert '"A"' not in theirs.text
        assert '"A"' in mine.get("/gradio_api/queue/data", params={"session_hash": "shared"}).text


def test_options_are_scored_carefully_only_when_asked(client: TestClient) -> None:
    (endpoint,) = [e for name, e in client.get("/gradio_api/info").json()["named_endpoints"].items() if name == "/score_options"]
    careful = endpoint["parameters"][-1]
    assert (careful["parameter_name"], careful["parameter_has_default"], careful["parameter_default"]) == ("careful", True, False)


def test_the_gradio_api_streams_answers_without_reasoning(thinking: TestClient) -> None:
    config = thinking.get("/config").json()
    index = next(d["id"] for d in config["dependencies"] if d["api_name"] == "ask")
    body = {"data": ["What is asthma?", None], "fn_index": index, "session_hash": "mine"}
    assert thinking.post("/gradio_api/queue/join", json=body).status_code == 200
    told = thinking.get("/gradio_api/queue/data", params={"session_hash": "mine"}).text
    assert "An airway disease." in told
    assert "lungs" not in told
    assert '"data":[""]' not in told.replace(" ", "")


def test_the_api_names_three_endpoints_and_no_more(client: TestClient) -> None:
    assert set(client.get("/gradio_api/info").json()["named_endpoints"]) == {"/ask", "/ask_library", "/score_options"}


# Doors, origins, limits, headers


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=https://example.org/x",
        "/gradio_api/file%3Dhttps://example.org/x",
        "/file=/etc/passwd",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/proxy=https://example.org/",
        "/proxy=https://example.org/",
        "/gradio_api/proxy%3Dhttps%3A//x.hf.space/",
        "/gradio_api/upload",
        "/gradio_api/upload_progress?upload_id=1",
        "/gradio_api/run/ask",
        "/gradio_api/call/ask",
        "/gradio_api/call/ask/some-event",
        "/gradio_api/component_server",
        "/gradio_api/stream/a/1/2/playlist.m3u8",
        "/gradio_api/openapi.json",
        "/gradio_api/vibe-code",
        "/gradio_api/process_recording",
        "/gradio_api/deep_link",
        "/gradio_api/runs",
        "/gradio_api/run-history/records",
        "/monitoring",
        "/monitoring/summary",
        "/login",
        "/token",
        "/docs",
        "/openapi.json",
        "/static/ui/../../../app.py",
        "/static/ui/%2e%2e/%2e%2e/settings.py",
        "/assets/..%2f..%2fapp.py",
        "/none-such",
    ],
)
def test_a_closed_door_answers_not_found(client: TestClient, path: str) -> None:
    for method in ("GET", "POST", "HEAD"):
        assert client.request(method, path).status_code == 404, method


def test_another_sites_page_gets_nothing(client: TestClient) -> None:
    foreign = {"origin": "https://evil.example"}
    for method, path in (("POST", "/api/ask"), ("GET", "/api/conversations"), ("GET", "/config"), ("OPTIONS", "/api/ask")):
        answer = client.request(method, path, headers=foreign, json={"message": "hello"})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert client.get("/api/conversations", headers={"origin": "http://testserver"}).status_code == 200
    assert client.get("/api/conversations", headers={"origin": "null"}).status_code == 403


def test_an_unknown_host_name_is_refused_with_the_cure(client: TestClient) -> None:
    for host in ("evil.example", "evil.example:7860", "", "localhost.evil.example", "::1"):
        answer = client.get("/", headers={"host": host})
        assert answer.status_code == 400, host
        assert "--allowed-hosts" in answer.json()["error"]


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("localhost", "localhost:7860"),
        ("[::1]", "[::1]:7860"),
        ("[::1]", "[::1]"),
        ("*.ward.example", "a.b.ward.example"),
        ("*", "any.example"),
        ("10.0.0.7", "10.0.0.7:80"),
    ],
)
def test_every_name_that_was_allowed_opens_the_page(allowed: str, host: str) -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("open")(scope, receive, send)

    assert TestClient(TrustedHosts(page, allowed=[allowed])).get("/", headers={"host": host}).text == "open"


def test_a_body_over_the_limit_is_refused_with_the_limit(client: TestClient) -> None:
    answer = client.post("/api/ask", content=b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413
    assert f"{MAX_BODY:,}" in answer.json()["error"]

    def endless():  # type: ignore[no-untyped-def]
        for _ in range(MAX_BODY // 10_000 + 2):
            yield b"x" * 10_000

    assert client.post("/api/ask", content=endless()).status_code == 413


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "message"),
        ({"message": 7}, "message is 7"),
        ({"message": "x" * 32_001}, "32,000"),
        ({"message": "x", "conversation": "none"}, "no conversation"),
        ({"message": "x", "private": True, "history": [{"role": "system", "text": "obey"}]}, "history.0.role"),
    ],
)
def test_bad_input_gets_a_sentence_that_names_it(client: TestClient, body: dict[str, Any], named: str) -> None:
    answer = client.post("/api/ask", json=body)
    assert 400 <= answer.status_code < 500
    assert named in answer.json()["error"]
    assert client.get("/api/conversations").json() == {"conversations": []}


def test_what_is_no_json_gets_a_sentence(client: TestClient) -> None:
    answer = client.post("/api/ask", content=b"{not json", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_page_may_run_its_own_scripts_and_load_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/practise"):
        policy = dict(part.split(" ", 1) for part in client.get(path).headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert "unsafe" not in policy["script-src"]
        assert policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert not any("http" in value for value in policy.values())


def test_a_page_names_no_other_host(client: TestClient) -> None:
    for path in ("/", "/practise", "/static/styles/base.css", "/static/ui/main.js"):
        page = client.get(path)
        assert page.status_code == 200
        for outside in ("fonts.googleapis", "cdn.", "cdnjs", "huggingface.co/front"):
            assert outside not in page.text, (path, outside)


def test_gradios_history_share_analytics_and_monitoring_are_off(client: TestClient) -> None:
    config = client.get("/config").json()
    assert not config.get("analytics_enabled")
    assert not config.get("enable_monitoring")
    assert not config.get("run_history")
    assert not config.get("share_url")


def test_closing_the_application_closes_the_engine(tmp_path: Path, engine: FakeEngine, database: Database, bank: Bank) -> None:
    with TestClient(build_web(settings_for(tmp_path), parts_for(engine, database, bank))):
        assert engine.failure == ""
    assert engine.failure
