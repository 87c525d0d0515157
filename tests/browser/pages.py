"""What a visitor does on the pages, in the words of the tests. Elements are found by their ``data-testid``."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

LONG = "Explain in great detail how the heart, the lungs, the kidneys and the liver work, with examples for each."
"""The embedded model writes at least 150 tokens on this, whatever the seed (8 of 8): time to stop it or break it off."""


def the(page: Page, name: str, **data: Any) -> Locator:
    """The elements called ``name``, with these other ``data-`` attributes."""
    return page.locator(f'[data-testid="{name}"]' + "".join(f'[data-{key}="{value}"]' for key, value in data.items()))


# Ask


def ask(page: Page, text: str) -> None:
    the(page, "composer").fill(text)
    page.keyboard.press("Enter")


def answer_with_status(page: Page, status: str, *, place: int = -1) -> Locator:
    """Waits until the last answer, or the one at ``place``, has ended that way or has begun ("streaming")."""
    answer = the(page, "answer").nth(place)
    expect(answer).to_have_attribute("data-status", status)
    return answer


def begin_long_answer(page: Page) -> Locator:
    """Asks for a long answer and waits for its first words."""
    ask(page, LONG)
    body = the(page, "answer-body").last
    expect(body).not_to_be_empty()
    answer_with_status(page, "streaming")
    return body


def stop(page: Page) -> Locator:
    the(page, "stop").click()
    return answer_with_status(page, "stopped")


def end(page: Page) -> None:
    """Stops the answer if it is still being written; for tests in which it does not matter."""
    page.keyboard.press("Escape")
    expect(the(page, "answer").last).not_to_have_attribute("data-status", "streaming")


def titles(page: Page) -> Locator:
    return page.locator('[data-testid="conversation"] .conversation-title')


# Practise


def start_session(page: Page, position: int = 1, **selection: Any) -> str:
    """Has a session made for the page's visitor, ten items with a tutor unless ``selection`` says otherwise, and opens it at
    an item. Returns its id. The page must be on the application."""
    origin = page.evaluate("location.origin")
    made = page.request.post(f"{origin}/api/practise/sessions", data={"mode": "tutor", "count": 10} | selection)
    assert made.ok, made.text()
    identity: str = made.json()["id"]
    page.goto(f"{origin}/practise#s/{identity}/{position}")
    return identity


def practise(page: Page, **selection: Any) -> str:
    """The same, and waits for the first question. Returns the session's id."""
    identity = start_session(page, **selection)
    await_question(page)
    return identity


def await_question(page: Page) -> str:
    """The heading of the question that is open."""
    expect(the(page, "option").first).to_be_visible()
    return page.locator("#question-heading").inner_text()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def commit(page: Page, letter: str = "b") -> None:
    press(page, letter, "Enter")
    expect(the(page, "verdict")).to_be_visible()


def await_reading(page: Page, state: str = "read") -> Locator:
    reading = the(page, "readout", state=state)
    expect(reading).to_be_visible()
    return reading
