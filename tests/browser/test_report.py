"""The dialog that reports an answer: by mouse and keyboard, what it says before it sends, and what is then kept."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.database import Database
from app.report_store import Report, ReportStore
from tests.application import Application
from tests.browser.conftest import Keep, NewVisitor
from tests.browser.pages import ask, end, press, the
from tests.browser.test_layout import fits

pytestmark = pytest.mark.slow

FOCUSED = "() => document.activeElement.dataset.testid ?? document.activeElement.tagName"


def open_kept(page: Page, keep: Keep) -> None:
    """Opens the dialog on an answer that is kept."""
    page.goto(f"{page.evaluate('location.origin')}/?c={keep(page, 'What does the heart do?')}")
    the(page, "report").click()
    expect(the(page, "report-dialog")).to_be_visible()


def kept_reports(application: Application, words: str) -> list[Report]:
    """The reports that say ``words``."""
    database = Database(application.data_dir)
    try:
        return [report for report in ReportStore(database).reports() if report.text == words]
    finally:
        database.close()


def test_an_answer_is_reported_by_the_keyboard_alone_and_kept_with_its_question(
    page: Page, keep: Keep, application: Application
) -> None:
    open_kept(page, keep)
    assert page.evaluate(FOCUSED) == "report-wrong"
    press(page, "Space", "Tab", "Space")
    the(page, "report-text").focus()
    page.keyboard.type("Said by keys")
    the(page, "report-send").focus()
    page.keyboard.press("Enter")
    expect(the(page, "report-thanks")).to_contain_text("kept on this machine")
    assert page.evaluate(FOCUSED) == "report-close"
    page.keyboard.press("Enter")
    expect(the(page, "report-dialog")).to_have_count(0)
    assert page.evaluate(FOCUSED) == "report"
    (report,) = kept_reports(application, "Said by keys")
    assert (report.kinds, report.question, report.answer) == (("wrong", "unsafe"), "What does the heart do?", "It pumps blood.")


def test_an_empty_report_is_refused_in_a_sentence_and_escape_closes(page: Page, keep: Keep) -> None:
    open_kept(page, keep)
    the(page, "report-send").click()
    expect(the(page, "report-problem")).to_contain_text("The report is empty")
    expect(the(page, "report-problem")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(the(page, "report-dialog")).to_have_count(0)
    assert page.evaluate(FOCUSED) == "report"


def test_what_will_be_kept_is_said_before_it_is_sent(page: Page, keep: Keep) -> None:
    open_kept(page, keep)
    expect(the(page, "report-dialog")).to_contain_text("the administrator can read it")
    the(page, "report-kept").locator("summary").click()
    expect(the(page, "report-kept")).to_contain_text("your question and this answer")


def test_a_refusal_of_the_server_leaves_what_was_written(page: Page, keep: Keep, allowed: list[str]) -> None:
    allowed.append("/api/reports")
    open_kept(page, keep)
    said = json.dumps({"error": "You have sent 200 reports within a day."})
    page.route("**/api/reports", lambda route: route.fulfill(status=429, body=said, content_type="application/json"))
    the(page, "report-text").fill("Not lost")
    the(page, "report-send").click()
    expect(the(page, "report-problem")).to_have_text("You have sent 200 reports within a day.")
    expect(the(page, "report-text")).to_have_value("Not lost")
    expect(the(page, "report-send")).to_be_enabled()


def test_a_private_answer_is_sent_only_after_the_dialog_has_shown_it(page: Page, application: Application) -> None:
    the(page, "new-private").click()
    ask(page, "Is this private?")
    expect(the(page, "answer-body").last).not_to_be_empty()
    end(page)
    the(page, "report").click()
    expect(the(page, "report-kept")).to_contain_text("This conversation is private")
    expect(the(page, "report-kept")).to_contain_text("Is this private?")
    assert kept_reports(application, "Of a private one") == []
    the(page, "report-text").fill("Of a private one")
    the(page, "report-send").click()
    expect(the(page, "report-thanks")).to_be_visible()
    (report,) = kept_reports(application, "Of a private one")
    assert report.question == "Is this private?"
    assert report.answer


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_dialog_fits_a_phone_and_its_names_and_contrasts_hold(new_visitor: NewVisitor, keep: Keep, theme: str) -> None:
    page = new_visitor(viewport={"width": 360, "height": 640}, color_scheme=theme)
    open_kept(page, keep)
    the(page, "report-kept").locator("summary").click()
    the(page, "report-send").click()
    expect(the(page, "report-problem")).to_be_in_viewport()
    fits(page)
    inside = "e => e.scrollWidth <= e.clientWidth && e.getBoundingClientRect().right <= innerWidth"
    assert the(page, "report-dialog").evaluate(inside)
    assert Axe().run(page, context=".report").response["violations"] == []
