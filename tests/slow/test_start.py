"""The application as people start it: from the shell, as a Space, twice on one port, and with gradio_client."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from app.database import FILE
from app.ui.visitors import HEADER
from tests.application import Application, running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SPACE_USER = 1000
Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="module")
def application() -> Iterator[Application]:
    with running("--context", "2048") as started:
        started.await_engine(lambda engine: engine["state"] == "ready")
        yield started


def start(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "app.py", *arguments],
        check=False,
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


def get(address: str, path: str, token: str, **headers: str) -> Any:
    request = urllib.request.Request(address + path, headers={HEADER: token, **headers})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


# The shell


def test_a_port_that_is_taken_is_told_with_the_cure(application: Application, tmp_path: Path) -> None:
    port = application.address.rsplit(":", 1)[1]
    ended = start("--port", port, "--data-dir", str(tmp_path))
    assert ended.returncode == 2
    assert port in ended.stderr
    assert "give another --port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("environ", "named"),
    [({"LLAMACARE_PORT": "many"}, "LLAMACARE_PORT is 'many'"), ({"LLAMACARE_DATA_DIR": "/proc/none"}, "/proc/none")],
)
def test_a_bad_setting_ends_the_start_with_a_sentence(environ: dict[str, str], named: str) -> None:
    ended = start(**{"LLAMACARE_PORT": "0", **environ})
    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_ended_application_leaves_no_process_behind(wait_for: Wait) -> None:
    with running() as started:
        started.await_engine(lambda engine: engine["state"] == "ready")
        model = started.model_process()
        assert model is not None
    wait_for(lambda: not Path(f"/proc/{model}").exists())


def test_control_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "app.py", "--port", "0", "--data-dir", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[4]
        get(address, "/api/engine", secrets.token_urlsafe(32))  # it serves
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""


def test_an_application_that_is_killed_takes_the_model_with_it(wait_for: Wait) -> None:
    with running() as started:
        started.await_engine(lambda engine: engine["state"] == "ready")
        model = started.model_process()
        os.kill(started.pid, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{model}").exists())


def test_an_answer_that_the_applications_death_cut_off_is_kept_and_marked(tmp_path: Path, wait_for: Wait) -> None:
    token = secrets.token_urlsafe(32)
    with running() as started:
        started.await_engine(lambda engine: engine["state"] == "ready")
        request = urllib.request.Request(
            f"{started.address}/api/ask",
            data=json.dumps(
                {"message": "Tell me everything about the heart, in many words.", "sources": {"scope": "none"}}
            ).encode(),
            headers={HEADER: token, "content-type": "application/json"},
        )
        stream = urllib.request.urlopen(request, timeout=60)
        texts = 0
        while texts < 2:
            line = stream.readline()
            assert line, "the stream ended before its second word"
            texts += b'"type": "text"' in line
        os.kill(started.pid, signal.SIGKILL)
        stream.close()
        shutil.copytree(started.data_dir, tmp_path / "kept")
    with running("--data-dir", str(tmp_path / "kept")) as again:
        (place,) = get(again.address, "/api/conversations", token)["conversations"]
        question, answer = get(again.address, f"/api/conversations/{place['id']}", token)["messages"]
    assert question["text"].startswith("Tell me everything")
    assert answer["status"] == "failed"
    assert "ended while this answer was being written" in answer["note"]


# What leaves the machine: nothing. Every address that Python connects to or looks up is written down by an audit hook.

WATCHED = """
import runpy, socket, sys
log = open(sys.argv.pop(1), "a", buffering=1)
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        log.write(repr(arguments[1] if event != "socket.getaddrinfo" else arguments[:2]) + "\\n")
sys.addaudithook(watch)
socket.getaddrinfo("localhost", 0)
runpy.run_path("app.py", run_name="__main__")
"""


def test_no_other_machine_is_asked_for_anything(tmp_path: Path) -> None:
    log = tmp_path / "addresses"
    with running(script=("-c", WATCHED, str(log))) as started:
        started.await_engine(lambda engine: engine["state"] == "ready")
        client = Client(started.address, headers={HEADER: secrets.token_urlsafe(32)}, verbose=False)
        client.predict("What is fever?", api_name="/ask")
        client.predict("Which organ?", ["Heart", "Liver"], api_name="/score_options")
        for path in ("/", "/practise"):
            urllib.request.urlopen(started.address + path, timeout=60).close()
        client.close()
    asked = log.read_text().splitlines()
    assert asked[0] == "('localhost', 0)", "the watch is awake"
    assert [address for address in asked if not re.match(r"\(?'(127\.0\.0\.1|localhost|::1)'", address)] == []


# gradio_client, as the README shows


def test_gradio_client_streams_an_answer_and_goes_on_in_its_conversation(application: Application) -> None:
    token = secrets.token_urlsafe(32)
    client = Client(application.address, headers={HEADER: token}, verbose=False)
    parts = list(client.submit("What does the heart do?", api_name="/ask"))
    assert len(parts) > 1
    assert all(isinstance(part, str) for part in parts)
    (place,) = get(application.address, "/api/conversations", token)["conversations"]
    assert client.predict("And the lungs?", place["id"], api_name="/ask")
    assert len(get(application.address, f"/api/conversations/{place['id']}", token)["messages"]) == 4
    client.close()


def test_a_cancelled_gradio_call_stops_its_answer(application: Application, wait_for: Wait) -> None:
    token = secrets.token_urlsafe(32)
    client = Client(application.address, headers={HEADER: token}, verbose=False)
    job = client.submit("Tell me everything about the heart, in many words.", api_name="/ask")
    wait_for(lambda: len(job.outputs()) > 1)
    job.cancel()
    (place,) = get(application.address, "/api/conversations", token)["conversations"]

    def status() -> str:
        return str(get(application.address, f"/api/conversations/{place['id']}", token)["messages"][-1]["status"])

    wait_for(lambda: status() != "streaming")
    assert status() == "stopped"
    client.close()


def test_gradio_client_scores_options(application: Application) -> None:
    client = Client(application.address, headers={HEADER: secrets.token_urlsafe(32)}, verbose=False)
    scores = client.predict("Which organ pumps blood?", ["Heart", "Liver", "Spleen"], api_name="/score_options")
    assert list(scores) == ["A", "B", "C"]
    assert sum(scores.values()) == pytest.approx(1)
    other = client.predict("Which organ makes bile?", ["Heart", "Liver", "Spleen"], api_name="/score_options")
    assert other != scores
    careful = client.predict("Which organ pumps blood?", ["Heart", "Liver", "Spleen"], careful=True, api_name="/score_options")
    turned = client.predict("Which organ pumps blood?", ["Spleen", "Heart", "Liver"], careful=True, api_name="/score_options")
    assert careful != scores
    assert [turned["B"], turned["C"], turned["A"]] == pytest.approx(list(careful.values()), abs=0.02)
    with pytest.raises(AppError, match="expected 2 to 10"):
        client.predict("Which organ?", ["Heart"], api_name="/score_options")
    client.close()


def test_the_log_is_shown_where_it_is_asked_for_and_holds_no_word_of_a_chat() -> None:
    with running("--context", "512", "--log", "requests") as started:
        started.await_engine(lambda engine: engine["state"] == "ready")
        client = Client(started.address, headers={HEADER: secrets.token_urlsafe(32)}, verbose=False)
        answer = client.predict("Count to three, Mister Fontane.", api_name="/ask")
        client.close()
        log = (started.data_dir.parent / "stderr").read_text()
    assert "llamacare.engine: engine ready: SmolLM2-135M-Instruct on " in log
    assert re.search(r"llamacare\.engine: chat ended: \w+, \d+ prompt tokens \(\d+ reused\), \d+ tokens, [\d.]+ tokens/s\n", log)
    assert "Fontane" not in log
    assert answer[:12] not in log


def test_gradio_client_of_one_visitor_does_not_reach_anothers_conversation(application: Application) -> None:
    mine, theirs = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    one = Client(application.address, headers={HEADER: mine}, verbose=False)
    one.predict("What is fever?", api_name="/ask")
    (place,) = get(application.address, "/api/conversations", mine)["conversations"]
    two = Client(application.address, headers={HEADER: theirs}, verbose=False)
    with pytest.raises(AppError, match="no conversation"):
        two.predict("Go on.", place["id"], api_name="/ask")
    one.close()
    two.close()


# A Hugging Face Space


@contextmanager
def as_a_space() -> Iterator[tuple[str, Path]]:
    """The application as a Space starts it: user 1000, a checkout that it cannot write, an empty home, no flag."""
    with tempfile.TemporaryDirectory(prefix="llamacare-space-") as folder:
        base = Path(folder)
        base.chmod(0o755)
        checkout, home, scratch = base / "checkout", base / "home", base / "scratch"
        _copy_checkout(checkout)
        for empty in (home, scratch):
            empty.mkdir()
        environ = {
            "HOME": str(home),
            "TMPDIR": str(scratch),
            "PATH": os.environ["PATH"],
            "SPACE_ID": "someone/llamacare",
            "SPACE_HOST": "someone-llamacare.hf.space",
            "LLAMACARE_PORT": "0",
        }
        command = [sys.executable, "app.py"]
        if os.geteuid() == 0:
            for empty in (home, scratch):
                os.chown(empty, SPACE_USER, SPACE_USER)
            command = [*_as_user(), *command]
        with subprocess.Popen(command, cwd=checkout, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                found = re.search(r"http://\S+", process.stdout.readline().decode())
                assert found, process.stderr.read().decode()
                yield found[0], scratch / "llamacare"
            finally:
                process.terminate()
                process.communicate(timeout=30)


def _copy_checkout(checkout: Path) -> None:
    checkout.mkdir()
    shutil.copy(ROOT / "app.py", checkout)
    for part in ("app", "assets"):
        shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [checkout, *checkout.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def _as_user() -> list[str]:
    """User 1000 without root's rights, but for reading: the interpreter of a test may lie in root's home."""
    return [
        "setpriv",
        f"--reuid={SPACE_USER}",
        f"--regid={SPACE_USER}",
        "--clear-groups",
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
        "--bounding-set=-all,+dac_read_search",
    ]


def test_it_runs_as_a_space_starts_it(wait_for: Wait) -> None:
    with as_a_space() as (address, data_dir):
        token = secrets.token_urlsafe(32)
        wait_for(lambda: get(address, "/api/engine", token)["state"] == "ready")
        behind_proxy = {"Host": "someone-llamacare.hf.space"}
        request = urllib.request.Request(f"{address}/", headers=behind_proxy)
        with urllib.request.urlopen(request, timeout=60) as page:
            assert "SameSite=None; Secure; Partitioned" in page.headers["set-cookie"]
            assert "https://huggingface.co" in page.headers["content-security-policy"]
        assert get(address, "/api/practise/overview", token, **behind_proxy)["counts"]["total"] > 0
        assert (data_dir / FILE).exists()
