"""One question of the Practise page after another in a real browser, on the real application, bank and model."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.application import Application
from tests.browser.conftest import NewVisitor
from tests.browser.pages import (
    answer_with_status,
    await_question,
    await_reading,
    begin_long_answer,
    commit,
    practise,
    press,
    stop,
    the,
)

pytestmark = pytest.mark.slow

VERDICT_MS = 400  # practise_question.js's SETTLE_MS


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    """A new visitor on the first question of ten with a tutor."""
    page = new_visitor("/practise")
    practise(page)
    return page


def test_a_question_is_practised_in_three_keys_and_enter_leads_to_the_next(page: Page) -> None:
    first = await_question(page)
    press(page, "b", "3", "Enter")
    expect(the(page, "verdict")).to_contain_text("The answer is")
    expect(the(page, "option", key="true")).to_have_count(1)
    expect(the(page, "option", chosen="true")).to_have_attribute("data-letter", "B")
    expect(the(page, "objective")).to_be_visible()
    expect(the(page, "pace")).to_contain_text("you said “sure”")
    explanations = page.locator(".explanation")
    assert explanations.count() == the(page, "option").count()
    assert all(explanations.all_inner_texts())

    reading = await_reading(page)
    expect(reading).to_contain_text("(calibrated on bank (n = 66))")
    shares = [float(bar.get_attribute("data-value") or "nan") for bar in the(page, "probability").all()]
    assert len(shares) == the(page, "option").count()
    assert sum(shares) == pytest.approx(1, abs=0.02)
    ordered = sorted(shares, reverse=True)
    sure = ordered[0] >= 0.9
    expect(the(page, "answer-set")).to_contain_text("Its answer" if sure else "Not sure")

    press(page, "Enter")
    expect(page.locator("#question-heading")).not_to_have_text(first)
    expect(the(page, "commit")).to_be_visible()
    expect(the(page, "round-progress")).to_contain_text("1 of")


def test_enter_just_after_the_verdict_leads_on_once(new_visitor: NewVisitor, application: Application) -> None:
    page = new_visitor(None)
    page.clock.install(time=0)
    page.goto(f"{application.address}/practise")
    practise(page)
    page.clock.pause_at(600)
    heading = page.locator("#question-heading")
    commit(page)
    press(page, "Enter", "Enter")
    page.clock.run_for(VERDICT_MS - 1)
    expect(heading).to_contain_text("Question 1 ")
    page.clock.run_for(1)
    expect(heading).to_contain_text("Question 2 ")
    page.clock.run_for(2 * VERDICT_MS)
    expect(heading).to_contain_text("Question 2 ")
    commit(page)
    press(page, "Enter", "p")
    expect(heading).to_contain_text("Question 1 ")
    page.clock.run_for(VERDICT_MS)  # whoever went elsewhere meanwhile stays there
    expect(heading).to_contain_text("Question 1 ")


def test_enter_while_an_answer_is_graded_leads_on_unless_that_fails(page: Page, allowed: list[str]) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def commit_and_hurry() -> Route:
        with page.expect_request("**/commit"):
            press(page, "b", "Enter")
        expect(the(page, "commit")).to_be_disabled()
        press(page, "Enter")
        return held.pop()

    page.route("**/commit", hold)
    allowed.append("503")
    commit_and_hurry().fulfill(status=503, json={"error": "The disk is full."})
    expect(the(page, "notice")).to_contain_text("The disk is full.")
    commit_and_hurry().continue_()
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")
    expect(the(page, "round-progress")).to_contain_text("1 of")
    assert held == []


def test_the_model_reads_a_question_again_in_every_order(page: Page, allowed: list[str]) -> None:
    commit(page)
    fast = await_reading(page)
    options = the(page, "option").count()
    before = [bar.get_attribute("data-value") for bar in the(page, "probability").all()]

    allowed.append("503")
    page.route("**/probabilities?careful=true", lambda route: route.fulfill(status=503, json={"error": "32 requests wait."}))
    the(page, "reread").click()
    expect(fast).to_contain_text("32 requests wait.")
    assert [bar.get_attribute("data-value") for bar in the(page, "probability").all()] == before

    page.unroute("**/probabilities?careful=true")
    the(page, "reread").click()
    careful = the(page, "readout", orders=str(options))
    expect(careful).to_contain_text(f"mean of {options} orders")
    expect(careful).not_to_contain_text("32 requests wait.")
    expect(careful).to_be_focused()
    expect(the(page, "reread")).to_have_count(0)
    shares = [float(bar.get_attribute("data-value") or "nan") for bar in the(page, "probability").all()]
    assert sum(shares) == pytest.approx(1, abs=0.02)
    press(page, "Enter")
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")


def test_strike_hint_flag_arrows_and_moves_by_key(page: Page) -> None:
    first = await_question(page)
    chosen = page.locator('[data-testid="option-choose"][aria-checked="true"]')
    press(page, "ArrowDown", "ArrowDown")
    expect(chosen).to_have_attribute("data-letter", "B")
    press(page, "s")
    expect(chosen).to_have_count(0)
    expect(page.locator(".option.struck")).to_have_attribute("data-letter", "B")
    press(page, "h")
    expect(the(page, "hint-text")).to_have_count(1)
    press(page, "f")
    expect(the(page, "flag")).to_have_attribute("aria-pressed", "true")
    press(page, "n")
    expect(page.locator("#question-heading")).not_to_have_text(first)
    press(page, "p")
    expect(page.locator("#question-heading")).to_have_text(first)
    expect(page.locator(".option.struck")).to_have_attribute("data-letter", "B")
    press(page, "a", "Enter")
    expect(the(page, "pace")).to_contain_text("1 hint")
    page.reload()
    expect(the(page, "grid-item", number=1)).to_have_attribute("data-flagged", "true")


def test_the_mouse_does_the_same(page: Page) -> None:
    the(page, "option-choose", letter="C").click()
    the(page, "option", letter="D").locator('[data-testid="strike"]').click()
    the(page, "confidence-guess").click()
    the(page, "commit").dblclick()  # the second click must not press the "Next" that takes its place
    expect(the(page, "verdict")).to_be_visible()
    expect(page.locator("#question-heading")).to_contain_text("Question 1 ")
    expect(the(page, "pace")).to_contain_text("you said “guess”")
    the(page, "grid-item", number=7).click()
    expect(page.locator("#question-heading")).to_contain_text("Question 7 ")


def test_an_attempt_survives_a_reload_and_is_in_the_results(page: Page) -> None:
    commit(page, "c")
    state = the(page, "grid-item", number=1).get_attribute("data-state")
    assert state in ("right", "wrong")
    page.reload()
    expect(the(page, "option", chosen="true")).to_have_attribute("data-letter", "C")
    await_reading(page)

    press(page, "g", "ArrowRight", "Enter")
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")
    commit(page, "a")
    press(page, "r")
    expect(the(page, "score")).to_contain_text("of 2")
    expect(the(page, "results-page").locator("h2")).to_be_focused()
    page.go_back()
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")
    expect(the(page, "verdict")).to_be_visible()


def test_the_next_question_shows_while_the_model_is_busy_with_a_long_answer(
    page: Page, new_visitor: NewVisitor, application: Application
) -> None:
    asking = new_visitor()
    begin_long_answer(asking)
    commit(page, "a")
    press(page, "Enter")
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")
    answer_with_status(asking, "streaming")
    stop(asking)
    press(page, "p")
    await_reading(page)
    application.await_engine(lambda engine: engine["waiting"] == 0)


def test_two_visitors_practise_apart(page: Page, new_visitor: NewVisitor, allowed: list[str]) -> None:
    commit(page)
    place = page.url
    other = new_visitor("/practise")
    expect(the(other, "continue")).to_have_count(0)
    allowed.append("404")
    other.goto(place)
    expect(the(other, "notice")).to_contain_text("does not exist")
    expect(the(other, "option")).to_have_count(0)
    practise(other)
    expect(the(other, "round-progress")).to_contain_text("0 of")


def test_the_shortcuts_are_listed_and_the_letters_can_be_switched_off(page: Page) -> None:
    chosen = page.locator('[data-testid="option-choose"][aria-checked="true"]')
    press(page, "?")
    the(page, "letter-keys").click()
    press(page, "b")
    the(page, "help-close").click()
    press(page, "b")
    expect(chosen).to_have_count(0)
    press(page, "ArrowDown")
    expect(chosen).to_have_attribute("data-letter", "A")
