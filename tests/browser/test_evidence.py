"""The Evidence page: a weighing on the real model, and how each kind of reading is shown, with events put in its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.application import Application
from tests.browser.conftest import NewVisitor
from tests.browser.pages import the
from tests.browser.test_layout import FOCUS, fits
from tests.browser.test_library import serious

pytestmark = pytest.mark.slow

QUESTION = "Does ice reduce pain after a sting?"
FIRST, SECOND, THIRD = "We asked 40 people 🙂.", "Pain fell with ice.", "Two felt worse."
TEXT = f"{FIRST} {SECOND} {THIRD}"
VERDICT: dict[str, Any] = {
    "type": "verdict",
    "probabilities": {"yes": 0.62, "no": 0.3, "maybe": 0.08},
    "answer_set": ["yes", "no"],
    "mass": 0.9,
    "sure": False,
    "choice": "yes",
    "calibration": "calibrated on abstracts (n = 250)",
    "model": "Some model",
    "orders": 1,
    "coverage": 0.9,
    "measured": True,
    "earned": True,
    "skill": "right in 71 % of questions on a text (n = 500)",
    "source": "Measured on this machine.",
    "note": "Read off in one pass. Measured on this machine.",
    "caution": "",
    "removed": [],
    "dropped": 0,
}


def sentence(text: str, shift: float, rank: int) -> dict[str, Any]:
    start = TEXT.index(text)
    return {"start": start, "end": start + len(text), "text": text, "shift": shift, "rank": rank}


RESTS: dict[str, Any] = {
    "type": "rests",
    "sentences": [sentence(FIRST, 0.0, 0), sentence(SECOND, -0.25, 1), sentence(THIRD, 0.08, 2)],
    "context": TEXT,
    "dropped": 0,
}


LIBRARY: dict[str, Any] = {
    "id": 7, "document": "d", "title": "Stings", "section": "Care", "page": None, "text": SECOND, "marks": [], "sample": True,
    "shared": True,
}  # fmt: skip


def answered(page: Page, *events: dict[str, Any]) -> None:
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    page.route("**/api/evidence", lambda route: route.fulfill(body=body, content_type="text/event-stream"))


def weigh(page: Page, text: str = TEXT, question: str = QUESTION) -> None:
    the(page, "evidence-question").fill(question)
    the(page, "evidence-text").fill(text)
    the(page, "evidence-go").click()


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    page = new_visitor("/evidence")
    expect(the(page, "status-line")).to_contain_text("SmolLM2")
    return page


def test_a_question_over_a_pasted_text_is_weighed_by_the_real_model(page: Page) -> None:
    weigh(page, "Pain fell with ice. Two felt worse.")
    expect(the(page, "rests")).to_be_visible()
    assert the(page, "probability").count() == 3
    expect(the(page, "rest-context")).to_contain_text("Pain fell with ice.")
    expect(the(page, "evidence-go")).to_be_visible()


def test_earned_bars_stand_open_with_what_they_were_measured_on(page: Page) -> None:
    answered(page, VERDICT, RESTS)
    weigh(page)
    verdict = the(page, "evidence-verdict")
    expect(verdict).to_contain_text("calibrated on abstracts (n = 250)")
    expect(the(page, "skill")).to_have_text("Right in 71 % of questions on a text (n = 500)")
    expect(the(page, "answer-set")).to_have_text("Not sure: yes or no")
    for word, shown in (("yes", "62 %"), ("no", "30 %"), ("maybe", "8 %")):
        expect(the(page, "probability", letter=word)).to_contain_text(shown)
    expect(the(page, "readout-fold")).to_have_count(0)


def test_the_strongest_sentences_are_marked_by_rank_with_the_sign_in_words(page: Page) -> None:
    answered(page, VERDICT, RESTS)
    weigh(page)
    expect(the(page, "rest-line")).to_have_count(2)
    expect(the(page, "rest-line", rank="1")).to_contain_text("1. speaks for “yes” · without it “yes” 62 % → 37 %")
    expect(the(page, "rest-line", rank="2")).to_contain_text("2. speaks against “yes” · without it “yes” 62 % → 70 %")
    expect(the(page, "rest", rank="1", sign="for")).to_contain_text(SECOND)
    expect(the(page, "rest", rank="2", sign="against")).to_contain_text(THIRD)
    the(page, "rest-line", rank="2").locator("button").click()
    expect(the(page, "rest", rank="2")).to_be_focused()


def test_a_reading_without_skill_is_folded_with_all_that_rests_on_it(page: Page) -> None:
    answered(page, VERDICT | {"earned": False, "skill": "no measured skill in questions on a text (n = 500)"}, RESTS)
    weigh(page)
    expect(the(page, "skill")).to_have_text("No measured skill in questions on a text (n = 500)")
    expect(the(page, "probability").first).to_be_hidden()
    expect(the(page, "rest-context")).to_be_hidden()
    page.locator("summary", has_text="No measured skill").click()
    expect(the(page, "probability").first).to_be_visible()
    the(page, "rests-fold").locator("summary").click()
    expect(the(page, "rests-fold")).to_contain_text("no measured skill, so these marks have none either")


def test_what_was_never_measured_is_called_uncalibrated_and_leads_to_measuring(page: Page) -> None:
    answered(page, VERDICT | {"measured": False, "earned": False, "skill": "", "calibration": "uncalibrated"}, RESTS)
    weigh(page)
    expect(the(page, "evidence-verdict")).to_contain_text("Model's reading (uncalibrated)")
    expect(the(page, "measure-pointer")).to_be_visible()


def test_sentences_that_did_not_fit_and_a_question_for_more_than_yes_or_no_are_told(page: Page) -> None:
    answered(page, VERDICT | {"dropped": 12, "caution": "The question begins with “What”."}, RESTS | {"dropped": 12})
    weigh(page)
    expect(the(page, "evidence-dropped")).to_have_text(
        "12 sentences at the end did not fit into the model's context and were not read."
    )
    expect(the(page, "evidence-caution")).to_contain_text("What")


def test_a_reading_that_rests_on_no_sentence_says_so(page: Page) -> None:
    still = [{**one, "shift": 0.0, "rank": 0} for one in RESTS["sentences"]]
    answered(page, VERDICT, RESTS | {"sentences": still})
    weigh(page)
    expect(the(page, "evidence-progress")).to_contain_text("No single sentence moves the reading")
    expect(the(page, "rest")).to_have_count(0)


def test_a_refusal_and_a_failure_on_the_way_are_sentences(page: Page, allowed: list[str]) -> None:
    allowed.append("/api/evidence")
    weigh(page, question="")
    expect(the(page, "evidence-failure")).to_contain_text("The question is empty")
    answered(page, {"type": "reading"}, {"type": "failed", "sentence": "The engine died."})
    weigh(page)
    expect(the(page, "evidence-failure")).to_have_text("The engine died.")
    expect(the(page, "evidence-verdict")).to_be_hidden()


def test_stop_ends_it_and_gives_the_way_to_begin_again(page: Page) -> None:
    page.route("**/api/evidence", lambda _: None)  # never answered
    weigh(page)
    the(page, "evidence-stop").click()
    expect(the(page, "evidence-go")).to_be_visible()
    expect(the(page, "evidence-go")).to_be_focused()
    expect(the(page, "evidence-failure")).to_be_empty()


def test_a_link_brings_question_and_passages_and_says_what_is_not_there(
    page: Page, application: Application, allowed: list[str]
) -> None:
    allowed.append("/api/library/passages/999999")
    page.route("**/api/library/passages/7", lambda route: route.fulfill(json=LIBRARY))
    page.goto(f"{application.address}/evidence#q=Does%20ice%20help%3F&p=7,999999")
    page.reload()
    expect(the(page, "evidence-question")).to_have_value("Does ice help?")
    chosen = the(page, "evidence-chosen")
    expect(chosen).to_contain_text("Stings › Care")
    expect(chosen).to_contain_text("sample")
    expect(the(page, "evidence-failure")).not_to_be_empty()
    the(page, "evidence-remove").click()
    expect(the(page, "evidence-passage")).to_have_count(0)


def test_the_made_up_example_says_that_it_is_made_up_and_the_keyboard_is_enough(page: Page) -> None:
    answered(page, VERDICT, RESTS)
    the(page, "evidence-example").focus()
    page.keyboard.press("Enter")
    assert "MADE-UP ABSTRACT" in the(page, "evidence-text").input_value()
    expect(the(page, "evidence-go")).to_be_focused()
    page.keyboard.press("Enter")
    expect(the(page, "rest-line")).to_have_count(2)
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        element, ring = page.evaluate(FOCUS)
        assert ring or element.startswith("<body"), f"no focus ring on {element}"
        seen.add(element)
    assert len(seen) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nobody_is_kept_out_of_the_evidence_page(new_visitor: NewVisitor, theme: str, width: int) -> None:
    page = new_visitor("/evidence", viewport={"width": width, "height": 800}, color_scheme=theme)
    expect(the(page, "evidence-go")).to_be_visible()
    page.route("**/api/library/search*", lambda route: route.fulfill(json={"passages": [LIBRARY]}))
    the(page, "evidence-library").locator("summary").click()
    the(page, "evidence-words").fill("stings")
    the(page, "evidence-search").click()
    expect(the(page, "evidence-add")).to_be_visible()
    assert serious(page) == []
    the(page, "evidence-add").click()
    expect(the(page, "evidence-remove")).to_be_visible()

    notices = {"caution": "The question begins with “What”.", "dropped": 2, "removed": ["control characters"]}
    answered(page, VERDICT | notices, RESTS)
    weigh(page)
    expect(the(page, "rest-line")).to_have_count(2)
    assert serious(page) == []
    answered(page, VERDICT | {"earned": False, "skill": "no measured skill in questions on a text (n = 500)"}, RESTS)
    weigh(page)
    expect(the(page, "rests-fold")).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert serious(page) == []
    answered(page, {"type": "reading"}, {"type": "failed", "sentence": "The engine died."})
    the(page, "evidence-text").fill("x" * 60_001)
    the(page, "evidence-go").click()
    expect(the(page, "evidence-failure")).to_have_text("The engine died.")
    assert serious(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(new_visitor: NewVisitor, theme: str) -> None:
    page = new_visitor("/evidence", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, color_scheme=theme)
    answered(page, VERDICT, RESTS)
    expect(the(page, "evidence-go")).to_be_visible()
    fits(page)
    weigh(page)
    expect(the(page, "rest-line")).to_have_count(2)
    fits(page)
