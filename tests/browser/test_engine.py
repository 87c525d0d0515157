"""The model's line and the panel that opens from it. What the engine says is made up here; the rest is real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.engine.base import EngineStatus, Phase
from app.engine.fake import FAKE_INFO, FAKE_SIGHT
from app.ui.engine_routes import status_json
from tests.browser.conftest import NewVisitor
from tests.browser.pages import press, the

pytestmark = pytest.mark.slow

BUSY = replace(
    FAKE_SIGHT,
    active=3,
    queued=2,
    cells=8000,
    cells_active=2000,
    cells_kept=1000,
    requests=1280,
    cancelled=4,
    prompt_tokens=1000,
    reused_tokens=620,
    prompt_rate=812.4,
    decode_rate=54.23,
    memory=512_000_000,
)
READY = EngineStatus(Phase.READY, model=FAKE_INFO, restarts=1, sight=BUSY)
Says = Callable[[EngineStatus], list[str]]


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    return new_visitor(None)


@pytest.fixture
def says(page: Page, application: Any) -> Says:
    """Makes the engine say this from now on, opens the Ask page, and returns the list that grows with each time it is asked."""

    def answer(status: EngineStatus) -> list[str]:
        asked: list[str] = []
        told = status_json(status)

        def fulfil(route: Any) -> None:
            asked.append(route.request.url)
            route.fulfill(json=told)

        page.unroute("**/api/engine")
        page.route("**/api/engine", fulfil)
        page.goto(application.address)
        expect(the(page, "status-line")).to_contain_text(told["model"]["name"] if told["model"] else told["sentence"])
        return asked

    return answer


def open_panel(page: Page) -> None:
    the(page, "engine-open").click()
    expect(the(page, "engine-panel")).to_be_visible()


def test_the_engine_is_seen_at_work_in_boxes_bars_and_words(page: Page, says: Says) -> None:
    says(READY)
    open_panel(page)
    panel = the(page, "engine-panel")
    expect(panel.locator(".places > span")).to_have_count(8)
    expect(panel.locator('.places > [data-busy="true"]')).to_have_count(3)
    expect(panel.locator(".waiting > span")).to_have_count(2)
    for name, words in {
        "name": "Fake",
        "file": "fake.gguf",
        "slots": "3 of 8 at work2 waiting",
        "cells": "2,000 in use1,000 kept for reuse5,000 free, of 8,000 tokens",
        "reuse": "62 %: 620 of 1,000 tokens were there already",
        "prompt": "812",
        "decode": "54.2",
        "requests": "1,280",
        "cancelled": "4",
        "restarts": "1",
        "memory": "512 MB, of which 0 B for conversations",
    }.items():
        expect(the(page, f"engine-{name}")).to_have_text(words)
    widths = panel.locator(".stack").first.locator("span").evaluate_all("parts => parts.map((part) => part.style.width)")
    assert widths == ["25%", "12.5%"]


def test_it_is_asked_every_second_only_while_the_panel_is_open(page: Page, says: Says) -> None:
    asked = says(READY)
    page.wait_for_timeout(2500)
    before = len(asked)
    assert before <= 2
    open_panel(page)
    page.wait_for_timeout(3500)
    assert len(asked) - before >= 3
    the(page, "engine-close").click()
    page.wait_for_timeout(500)
    closed = len(asked)
    page.wait_for_timeout(2500)
    assert len(asked) == closed


def test_the_keyboard_opens_and_closes_the_panel_and_the_focus_comes_back(page: Page, says: Says) -> None:
    says(READY)
    the(page, "engine-open").focus()
    press(page, "Enter")
    expect(the(page, "engine-panel")).to_be_visible()
    expect(the(page, "engine-close")).to_be_focused()
    page.wait_for_timeout(1500)  # the figures come anew and take nothing away
    expect(the(page, "engine-close")).to_be_focused()
    press(page, "Escape")
    expect(the(page, "engine-panel")).to_be_hidden()
    expect(the(page, "engine-open")).to_be_focused()


def test_what_is_to_be_known_of_how_the_model_was_loaded_stands_in_view(page: Page, says: Says) -> None:
    notice = "Runs on the CPU: no layer fits into what the GPU has left."
    says(replace(READY, model=replace(FAKE_INFO, notice=notice)))
    expect(the(page, "engine-notice")).to_have_text(notice)
    open_panel(page)
    expect(the(page, "engine-panel")).to_contain_text(notice)


def test_an_engine_without_figures_says_why(page: Page, says: Says) -> None:
    says(replace(READY, sight=None))
    open_panel(page)
    expect(the(page, "engine-panel")).to_contain_text("The figures come with the first request.")
    expect(the(page, "engine-slots")).to_be_hidden()
    press(page, "Escape")
    says(EngineStatus(Phase.FAILED, "The file is damaged. Choose another GGUF."))
    open_panel(page)
    expect(the(page, "engine-panel")).to_contain_text("The file is damaged. Choose another GGUF.")
    expect(the(page, "engine-file")).to_be_hidden()
