"""From a chat to questions on its topic, and from a question back to the chat."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.application import Application
from tests.browser.conftest import Keep, NewVisitor
from tests.browser.pages import await_question, commit, practise, the

pytestmark = pytest.mark.slow

ASKED = "How is hyperkalemia with ECG changes treated first?"


def test_practise_this_opens_items_on_what_was_asked_and_leads_back(page: Page, keep: Keep, application: Application) -> None:
    place = keep(page, ASKED, "Calcium first.")
    page.goto(f"{application.address}/?c={place}")
    the(page, "practise-this").click()
    expect(the(page, "from-chat")).to_contain_text("hyperkalemia")
    expect(the(page, "matching")).to_contain_text(re.compile("[1-9]"))
    the(page, "start").click()
    await_question(page)
    expect(the(page, "stem")).to_contain_text("potassium")
    page.go_back()
    the(page, "back-to-chat").click()
    expect(page).to_have_url(f"{application.address}/?c={place}")
    expect(the(page, "answer-body")).to_contain_text("Calcium first.")


def test_a_private_question_is_practised_in_another_tab_and_stays_here(page: Page) -> None:
    the(page, "new-private").click()
    the(page, "composer").fill(ASKED)
    page.keyboard.press("Enter")
    link = the(page, "practise-this")
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_attribute("href", re.compile("#topic=How%20is%20hyperkalemia"))
    page.keyboard.press("Escape")


def test_after_the_verdict_the_objective_can_be_asked_about_in_the_chat(new_visitor: NewVisitor) -> None:
    page = new_visitor("/practise")
    practise(page)
    commit(page)
    objective = the(page, "objective").locator("p").first.inner_text()
    the(page, "chat-link").click()
    expect(the(page, "composer")).to_have_value(re.compile(re.escape(objective[:40])))
    expect(page).to_have_url(re.compile(r"/$"))
