"""Whole sessions of practice in a real browser: each mode by keyboard alone, pauses, reloads, two tabs, a block that closes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.application import Application
from tests.browser.conftest import NewVisitor
from tests.browser.pages import await_question, commit, practise, press, start_session, the
from tests.browser.test_layout import fits

pytestmark = pytest.mark.slow

SCREENS = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}
screens = pytest.mark.parametrize("screen", SCREENS)
MANY_STOPS = 90


def tab_to(page: Page, target: Locator, *, key: str = "Tab") -> None:
    """Presses Tab, or ``key``, until ``target`` has the focus."""
    for _ in range(MANY_STOPS):
        if target.evaluate("element => element === document.activeElement"):
            return
        press(page, key)
    raise AssertionError(f"{MANY_STOPS} stops of {key} do not lead to {target}")


def answer(page: Page, number: int, letter: str) -> None:
    """Chooses on question ``number`` of a session without verdicts, where the focus must be in the question."""
    expect(page.locator("#question-heading")).to_contain_text(f"Question {number} ")
    assert page.evaluate("document.activeElement.closest('.card') !== null")
    press(page, letter.lower())
    expect(the(page, "option-choose", letter=letter)).to_have_attribute("aria-checked", "true")
    expect(the(page, "option-choose", letter=letter)).to_be_focused()


def say_yes(page: Page) -> None:
    tab_to(page, the(page, "confirm-yes"))
    press(page, "Enter")


def expect_results(page: Page) -> None:
    expect(the(page, "results-page")).to_be_visible()
    expect(page.locator("#main h2").first).to_be_focused()


def come_back(page: Page) -> None:
    """What the browser tells a page whose tab is shown again."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@screens
def test_a_tutors_session_is_done_by_keyboard_alone(new_visitor: NewVisitor, screen: str) -> None:
    page = new_visitor("/practise", viewport=SCREENS[screen])
    expect(the(page, "matching")).to_contain_text("match")
    tab_to(page, page.locator("input[name=count]"))
    press(page, "ControlOrMeta+a", "2")
    expect(the(page, "start")).to_have_text("Start 2 questions")
    fits(page)
    press(page, "Enter")
    expect(the(page, "session-state", mode="tutor")).to_be_visible()
    for number in (1, 2):
        expect(page.locator("#question-heading")).to_contain_text(f"Question {number} ")
        press(page, "s")  # nothing is chosen: strikes the option out that has the focus
        expect(page.locator(".option.struck")).to_have_attribute("data-letter", "A")
        commit(page)
        expect(the(page, "verdict")).to_be_focused()
        fits(page)
        press(page, "Enter")
    expect_results(page)


@screens
def test_a_timed_session_is_done_by_keyboard_alone(new_visitor: NewVisitor, screen: str) -> None:
    page = new_visitor("/practise", viewport=SCREENS[screen])
    expect(the(page, "matching")).to_contain_text("match")
    tab_to(page, page.locator("input[name=mode]:checked"))
    press(page, "ArrowRight")
    tab_to(page, page.locator("input[name=count]"))
    press(page, "ControlOrMeta+a", "2")
    expect(the(page, "start")).to_have_text("Start 2 questions · 3:00")
    press(page, "Enter")
    answer(page, 1, "B")
    expect(the(page, "pace-line")).to_have_text("1 item ahead of the pace")
    expect(the(page, "remaining")).to_be_in_viewport(ratio=1)
    expect(the(page, "pace-line")).to_be_in_viewport(ratio=1)
    fits(page)
    press(page, "Enter")
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")
    press(page, "Enter")  # past the last one, with one question open
    expect(the(page, "confirm-dialog")).to_contain_text("1 of 2 questions is without an answer")
    press(page, "Escape")
    expect(the(page, "grid-item", number=2)).to_be_focused()
    press(page, "Enter")
    answer(page, 2, "C")
    press(page, "p")
    answer(page, 1, "A")  # may be changed until the end
    expect(the(page, "verdict")).to_have_count(0)
    press(page, "n")
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")
    press(page, "Enter")
    say_yes(page)
    expect_results(page)
    page.goto(page.url.replace("#results", "#s") + "/1")
    expect(the(page, "option", chosen="true")).to_have_attribute("data-letter", "A")
    expect(the(page, "session-state", state="ended")).to_be_visible()


@screens
def test_an_exam_is_done_by_keyboard_alone_and_a_closed_block_stays_closed(new_visitor: NewVisitor, screen: str) -> None:
    page = new_visitor("/practise", viewport=SCREENS[screen])
    identity = start_session(page, mode="exam", count=21)
    panel = the(page, "block-panel")
    expect(panel).to_contain_text("Block 1 of 2: 20 questions, 30 minutes. It cannot be paused.")
    expect(panel.locator("h2")).to_be_focused()
    fits(page)
    tab_to(page, the(page, "block-start"))
    press(page, "Enter")
    answer(page, 1, "B")
    fits(page)
    expect(the(page, "pause")).to_have_count(0)
    press(page, "h")
    expect(the(page, "hint-text")).to_have_count(0)
    tab_to(page, the(page, "block-close"), key="Shift+Tab")
    press(page, "Enter")
    expect(the(page, "confirm-dialog")).to_contain_text("19 of 20 questions are without an answer")
    say_yes(page)

    expect(panel).to_contain_text("Block 1 is closed")
    expect(panel).to_contain_text("Block 2 of 2: 1 question, 1:30.")
    expect(the(page, "grid-item", number=1)).to_be_disabled()
    page.goto(page.url.replace(f"{identity}/21", f"{identity}/1"))
    page.reload()
    expect(panel).to_be_visible()
    expect(the(page, "option")).to_have_count(0)
    tab_to(page, the(page, "block-start"))
    press(page, "Enter")
    answer(page, 21, "C")
    expect(the(page, "prev")).to_be_disabled()
    press(page, "Enter")
    expect(the(page, "confirm-dialog")).to_contain_text("All questions are answered")
    say_yes(page)
    expect_results(page)


@pytest.mark.parametrize("mode", ["tutor", "timed"])
def test_a_paused_session_hides_its_question_until_it_is_resumed(new_visitor: NewVisitor, mode: str) -> None:
    page = new_visitor("/practise")
    practise(page, mode=mode, count=3)
    press(page, "n")
    answer(page, 2, "B")
    stem = the(page, "stem").inner_text()
    the(page, "pause").click()
    expect(the(page, "resume")).to_be_focused()
    page.reload()
    expect(the(page, "pause-panel")).to_be_visible()
    assert stem not in page.locator("body").inner_text()
    expect(the(page, "grid-item", number=1)).to_be_disabled()
    the(page, "home").click()
    expect(the(page, "continue")).to_have_count(1)
    the(page, "continue").click()
    expect(the(page, "resume")).to_be_focused()
    press(page, "Enter")
    expect(the(page, "option").first).to_be_visible()
    press(page, "n")
    expect(the(page, "option-choose", letter="B")).to_have_attribute("aria-checked", "true")
    expect(the(page, "stem")).to_have_text(stem, use_inner_text=True)


def test_a_reload_in_the_middle_loses_nothing(new_visitor: NewVisitor) -> None:
    page = new_visitor("/practise")
    practise(page, mode="timed", count=3)
    press(page, "n")
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")
    press(page, "b", "3", "f")
    the(page, "option", letter="D").locator('[data-testid="strike"]').click()
    expect(the(page, "grid-item", number=2)).to_have_attribute("data-flagged", "true")
    with page.expect_response(lambda response: response.request.method == "PUT" and "/items/" in response.url):
        press(page, "a")
    page.reload()
    await_question(page)
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")
    expect(the(page, "option-choose", letter="A")).to_have_attribute("aria-checked", "true")
    expect(the(page, "confidence-sure")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".option.struck")).to_have_attribute("data-letter", "D")
    expect(the(page, "flag")).to_have_attribute("aria-pressed", "true")
    expect(the(page, "grid-item", number=2)).to_have_attribute("data-state", "answered")
    expect(the(page, "round-progress")).to_contain_text("1 of 3")


def test_two_tabs_share_one_session_and_commit_once(new_visitor: NewVisitor, allowed: list[str]) -> None:
    page = new_visitor("/practise")
    practise(page, count=3)
    other = page.context.new_page()
    other.goto(page.url)
    await_question(other)
    commit(other, "b")
    come_back(page)
    expect(the(page, "option", chosen="true")).to_have_attribute("data-letter", "B")
    expect(the(page, "round-progress")).to_contain_text("1 of")

    press(page, "n")
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")
    press(other, "n")
    expect(other.locator("#question-heading")).to_contain_text("Question 2 ")
    commit(other, "c")
    allowed.append("409")
    commit(page, "d")  # this tab has not heard of it yet
    expect(the(page, "option", chosen="true")).to_have_attribute("data-letter", "C")

    the(other, "end-session").click()
    the(other, "confirm-yes").click()
    expect(the(other, "results-page")).to_be_visible()
    come_back(page)
    expect_results(page)


def test_an_answer_refused_because_the_session_has_ended_elsewhere_shows_the_results(
    new_visitor: NewVisitor, application: Application, allowed: list[str]
) -> None:
    page = new_visitor("/practise")
    identity = practise(page, mode="timed", count=3)
    ended = page.request.post(f"{application.address}/api/practise/sessions/{identity}/end")
    assert ended.ok
    allowed.append("409")
    press(page, "b")
    expect_results(page)


def test_the_clock_is_the_servers_and_a_block_closes_by_itself(
    new_visitor: NewVisitor, application: Application, allowed: list[str]
) -> None:
    page = new_visitor(None)
    page.clock.install(time=0)
    page.goto(f"{application.address}/practise")
    identity = start_session(page, mode="exam", count=21)
    the(page, "block-start").click()
    await_question(page)
    page.clock.fast_forward("20:01")
    expect(the(page, "time-spoken")).to_have_text("10 minutes left in this block")
    expect(the(page, "pace-line")).to_have_text("13 items behind the pace")
    page.clock.fast_forward("10:00")  # over by this clock; by the server's the block has just begun
    expect(the(page, "pace-line")).to_have_text("on pace")
    expect(the(page, "session-state", block="1", state="open")).to_be_visible()

    allowed.append("409")  # the time in view may be sent just before the page asks
    # As the server does at the deadline.
    assert page.request.post(f"{application.address}/api/practise/sessions/{identity}/blocks/1/close").ok
    page.clock.fast_forward("30:00")
    expect(the(page, "block-panel")).to_contain_text("Block 1 is closed")
    expect(page.locator(".toasts")).to_contain_text("Time is up: block 1 is closed.")
    expect(the(page, "remaining")).to_be_hidden()


def test_time_in_view_is_sent_as_it_passes(new_visitor: NewVisitor, application: Application) -> None:
    page = new_visitor(None)
    page.clock.install(time=0)
    page.goto(f"{application.address}/practise")
    practise(page, count=2)

    def kept(act: Any) -> float:
        with page.expect_request(lambda request: request.method == "PUT" and request.url.endswith("/items/1")) as sent:
            act()
        return float(sent.value.post_data_json["seconds"])

    assert kept(lambda: page.clock.fast_forward("00:15")) >= 15
    page.clock.fast_forward("00:07")
    assert 7 <= kept(lambda: press(page, "n")) < 15


def test_the_start_page_counts_remembers_and_leads_back_to_the_chat(new_visitor: NewVisitor, application: Application) -> None:
    page = new_visitor("/practise")
    expect(the(page, "matching")).to_contain_text("match")
    chip = page.locator('[data-testid="chip"][data-kind="systems"][data-name="cardiovascular"]')
    count = chip.get_attribute("data-count")
    chip.click()
    expect(the(page, "matching")).to_have_text(f"{count} questions match")
    the(page, "mode-exam").click()
    expect(the(page, "start")).to_contain_text(f"Start {count} questions")  # fewer than a block of 20
    the(page, "mode-timed").click()
    page.locator("input[name=count]").fill("2")
    the(page, "start").click()
    await_question(page)
    expect(page.locator(".chips")).to_contain_text("Cardiovascular")
    the(page, "home").click()
    expect(the(page, "start")).to_have_text("Start 2 questions · 3:00")
    expect(chip.locator("input")).to_be_checked()

    the(page, "start-quick").click()
    expect(the(page, "session-state", mode="tutor")).to_be_visible()
    expect(the(page, "grid-item")).to_have_count(10)
    page.goto(f"{application.address}/practise#topic=heart%20failure&from=a1")
    expect(the(page, "from-chat")).to_contain_text("heart failure")
    expect(the(page, "back-to-chat")).to_have_attribute("href", "/?c=a1")
    expect(page.locator("input[name=topic]")).to_have_value("heart failure")
    expect(the(page, "start")).to_be_focused()


def test_text_size_and_contrast_hold_over_a_reload(new_visitor: NewVisitor) -> None:
    page = new_visitor("/practise")
    practise(page, count=2)
    size = "stem => parseFloat(getComputedStyle(stem).fontSize)"
    before = the(page, "stem").evaluate(size)
    press(page, "+", "+")
    the(page, "view").click()
    the(page, "contrast").click()
    press(page, "Escape")
    expect(the(page, "view")).to_be_focused()
    page.reload()
    await_question(page)
    assert the(page, "stem").evaluate(size) > 1.2 * before
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    press(page, "-", "-", "-")
    assert the(page, "stem").evaluate(size) < before
