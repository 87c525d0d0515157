"""What a visitor sees when the model's process dies or its file is broken."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.application import Application, running
from tests.browser.conftest import NewVisitor
from tests.browser.pages import answer_with_status, ask, await_reading, begin_long_answer, commit, practise, stop, the

pytestmark = pytest.mark.slow


def test_the_models_process_killed_in_mid_answer_is_told_and_asking_again_works(
    new_visitor: NewVisitor, application: Application
) -> None:
    page = new_visitor()
    words = begin_long_answer(page).inner_text()
    killed = application.model_process()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    answer = answer_with_status(page, "failed")
    expect(the(page, "note")).to_contain_text("The model's process was ended while it worked")
    expect(the(page, "answer-body")).to_contain_text(words.split()[0])
    expect(answer).to_contain_text("model knowledge, no source")
    page.reload()
    expect(the(page, "note")).to_contain_text("The model's process was ended while it worked")

    the(page, "retry").click()
    expect(the(page, "answer-body")).not_to_be_empty()
    answer_with_status(page, "streaming")
    stop(page)
    expect(the(page, "status-line")).to_contain_text("SmolLM2-135M-Instruct")


@pytest.fixture(scope="module")
def without_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    empty = tmp_path_factory.mktemp("models") / "empty.gguf"
    empty.touch()
    with running("--model", str(empty)) as started:
        started.await_engine(lambda engine: engine["state"] == "failed")
        yield started


def test_a_broken_model_file_is_told_in_a_sentence_and_practice_still_works(
    new_visitor: NewVisitor, without_model: Application, allowed: list[str]
) -> None:
    page = new_visitor(address=without_model.address)
    expect(the(page, "status-line")).to_contain_text("empty.gguf")
    sentence = without_model.engine()["sentence"]
    expect(the(page, "status-line")).to_contain_text(sentence)
    ask(page, "Is anyone there?")
    answer_with_status(page, "failed")
    expect(the(page, "note")).to_contain_text(sentence)
    expect(the(page, "user-turn")).to_contain_text("Is anyone there?")

    the(page, "nav-practise").click()
    expect(the(page, "start-page")).to_be_visible()
    practise(page)
    allowed.append("503")
    commit(page)
    expect(the(page, "objective")).to_be_visible()
    expect(await_reading(page, "failed")).to_contain_text(sentence)
    expect(the(page, "probability")).to_have_count(0)


def test_an_application_that_ended_is_told_and_the_question_is_given_back(
    new_visitor: NewVisitor, allowed: list[str], tmp_path: Path
) -> None:
    with running("--model", str(tmp_path / "none.gguf")) as started:
        page = new_visitor(address=started.address)
        expect(the(page, "status-line")).to_contain_text("none.gguf")
        allowed.append("ERR_CONNECTION")
    ask(page, "Is anyone there?")
    expect(the(page, "notice")).to_contain_text("does not answer")
    expect(the(page, "composer")).to_have_value("Is anyone there?")
