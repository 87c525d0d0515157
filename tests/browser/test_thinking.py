"""A thinking model on the Ask page: its reasoning comes live, folds when the answer begins, and is no part of the answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.application import Application, running
from tests.browser.pages import answer_with_status, ask, the
from tests.browser.thinking_application import ANSWER, REASONING

pytestmark = pytest.mark.slow

WORDS = f"{len(REASONING.split())} words"


@pytest.fixture
def application() -> Iterator[Application]:
    """In place of the one with the real model, and new for each test: its pauses are for one answer."""
    with running(script=("-m", "tests.browser.thinking_application")) as started:
        yield started


def test_reasoning_comes_live_folds_when_the_answer_begins_and_is_not_copied(page: Page, application: Application) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    block, text, toggle = (the(page, name) for name in ("reasoning", "reasoning-text", "reasoning-toggle"))
    ask(page, "How do I tell them apart?")
    expect(toggle).to_contain_text("Thinking…")
    expect(block).to_have_attribute("open", "")
    expect(text).to_contain_text("The question is about prerenal azotemia")
    expect(the(page, "answer-body")).to_be_empty()

    (application.data_dir / "think").touch()
    expect(the(page, "answer-body")).to_contain_text("Prerenal azotemia")
    expect(block).not_to_have_attribute("open", "")
    expect(text).not_to_be_visible()
    expect(toggle).to_contain_text(f"Reasoning{WORDS}")
    answer_with_status(page, "streaming")

    toggle.focus()
    page.keyboard.press("Enter")
    (application.data_dir / "answer").touch()
    answer_with_status(page, "complete")
    expect(text).to_be_visible()  # the reader has opened it: the end leaves it so
    assert text.inner_text().split() == REASONING.split()
    assert page.evaluate("!document.querySelector('[data-testid=reasoning-text] b')"), "the model's text became markup"
    assert text.evaluate("element => element.scrollHeight > element.clientHeight"), "long reasoning has a scroller of its own"
    page.keyboard.press("Tab")
    assert text.evaluate("element => element === document.activeElement"), "which the keyboard reaches"

    the(page, "copy").click()
    expect(page.locator(".toast")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == ANSWER

    toggle.click()
    expect(text).not_to_be_visible()
    page.reload()
    expect(toggle).to_contain_text(f"Reasoning{WORDS}")
    expect(text).not_to_be_visible()
    expect(the(page, "answer-body")).to_contain_text("Tubular necrosis")


def test_a_reader_who_folds_the_reasoning_while_it_comes_is_not_overruled(page: Page, application: Application) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    block, toggle = the(page, "reasoning"), the(page, "reasoning-toggle")
    ask(page, "How do I tell them apart?")
    expect(toggle).to_contain_text("Thinking…")
    toggle.click()
    expect(block).not_to_have_attribute("open", "")
    (application.data_dir / "think").touch()
    expect(the(page, "answer-body")).to_contain_text("Prerenal azotemia")
    toggle.click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    (application.data_dir / "answer").touch()
    answer_with_status(page, "complete")
    expect(block).to_have_attribute("open", "")


def test_a_stopped_reasoning_stays_open_because_there_is_no_answer(page: Page, application: Application) -> None:
    ask(page, "How do I tell them apart?")
    expect(the(page, "reasoning-toggle")).to_contain_text("Thinking…")
    with page.expect_response("**/stop"):  # else the model may begin its answer before it hears of this
        the(page, "stop").click()
    (application.data_dir / "think").touch()
    (application.data_dir / "answer").touch()
    answer_with_status(page, "stopped")
    expect(the(page, "reasoning-toggle")).to_contain_text("Reasoning")
    expect(the(page, "reasoning-text")).to_be_visible()
    expect(the(page, "note")).to_have_text("You stopped this answer.")
