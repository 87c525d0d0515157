"""Answers on the Ask page with what they stand on: sources, short answer, draft, claims, assumptions, shapes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NewVisitor
from tests.browser.pages import answer_with_status, ask, press, stop, the
from tests.browser.test_layout import FOCUS, fits

pytestmark = pytest.mark.slow

ASKED = "How is hyperkalemia with ECG changes treated first?"
NEAR_BY = "How is hypokalemia corrected in a patient with heart failure?"
OFF_TOPIC = "Which chess opening begins with the king's pawn?"
WATCH = """() => {
  window.seen = [];
  const note = (name) => { if (!window.seen.includes(name)) window.seen.push(name); };
  new MutationObserver(() => {
    if (document.querySelector('[data-testid="source"]')) note("source");
    if (document.querySelector('[data-testid="short-sentence"]')) note("short");
    if (document.querySelector('[data-testid="answer-body"]')?.textContent) note("text");
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""
FOCUSED = "() => document.activeElement.dataset.testid ?? document.activeElement.tagName"


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    """A new visitor on the Ask page, who has chosen nothing yet."""
    return new_visitor(scope=None)


def choose(page: Page, option: str, value: str) -> None:
    """Options are behind a button where the screen is narrow."""
    toggle = the(page, "options-toggle")
    if toggle.is_visible():
        toggle.click()
    the(page, f"option-{option}").select_option(value)
    if toggle.is_visible():
        toggle.click()


def await_sources(page: Page) -> Locator:
    sources = the(page, "source")
    expect(sources.first).to_be_visible()
    return sources


def asked_and_answered(page: Page, question: str = ASKED) -> None:
    """The model's draft is stopped where it does not matter."""
    ask(page, question)
    await_sources(page)
    stop(page)


# Before the text


def test_sources_and_short_answer_are_on_the_page_before_the_models_first_word(page: Page) -> None:
    page.evaluate(WATCH)
    ask(page, ASKED)
    sources = await_sources(page)
    expect(sources.first).to_contain_text("Hyperkalemia")
    expect(sources.first).to_contain_text("sample page")
    expect(sources.first.locator("mark").first).to_be_visible()
    expect(the(page, "short-sentence").first).to_contain_text("calcium")
    expect(the(page, "answer-body")).not_to_be_empty()
    seen = page.evaluate("window.seen")
    assert seen.index("source") < seen.index("text")
    assert seen.index("short") < seen.index("text")
    stop(page)


def test_more_than_three_sources_are_behind_a_button_that_hands_the_focus_on(page: Page) -> None:
    asked_and_answered(page, "How is a gout flare treated?")
    expect(the(page, "source").locator("visible=true")).to_have_count(3)
    the(page, "sources-more").click()
    assert the(page, "source").locator("visible=true").count() > 3
    assert page.evaluate("document.activeElement.dataset.number") == "4"
    expect(the(page, "sources-more")).to_have_count(0)


def test_a_citation_opens_its_document_with_the_quoted_sentence_set_off(page: Page) -> None:
    asked_and_answered(page)
    sentence = the(page, "short-sentence").first
    citation = sentence.locator('[data-testid="cite"]')
    words = sentence.inner_text().removesuffix(citation.inner_text()).strip()
    citation.click()
    viewer = the(page, "viewer")
    expect(viewer).to_be_visible()
    expect(viewer.locator('[data-testid="quoted"]')).to_have_text(words)
    expect(viewer.locator("mark").first).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    expect(citation).to_be_focused()


def test_a_source_card_opens_its_passage_with_the_words_of_the_question_marked(page: Page) -> None:
    asked_and_answered(page, "How is a gout flare treated?")
    the(page, "source").first.click()
    asked = the(page, "passage-asked")
    expect(asked).to_be_in_viewport()
    expect(asked.locator("mark").first).to_have_text(
        re.compile("hyperkalemia|treat|ecg|electrocardio|change|first", re.IGNORECASE)
    )


def test_one_document_is_asked_alone_from_where_it_is_read(page: Page) -> None:
    page.goto(page.url.rstrip("/") + "/library")
    the(page, "document-open").filter(has_text="Gout").click()
    the(page, "viewer-ask").click()
    expect(the(page, "option-scope").locator("option:checked")).to_have_text("only “Gout”")
    expect(page).to_have_url(re.compile("/$"))  # a title is not left in the address
    asked_and_answered(page, "How is a flare treated?")
    expect(the(page, "sources-sentence")).to_contain_text("of 1 document")
    expect(the(page, "sources-sentence")).to_contain_text("of those that you chose")
    ask(page, ASKED)
    expect(the(page, "no-source").last).to_contain_text("Only the documents that you chose were searched.")
    stop(page)
    choose(page, "scope", "all")
    ask(page, ASKED)
    expect(the(page, "sources-sentence").last).not_to_contain_text("chose")
    stop(page)
    page.reload()
    expect(the(page, "option-scope").locator("option:checked")).to_have_text("all documents")
    assert "Gout" not in page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")


# The model's text


def test_the_draft_of_a_model_without_skill_is_folded_marked_and_stays_as_the_reader_left_it(page: Page) -> None:
    ask(page, ASKED)
    draft = the(page, "draft")
    expect(draft).not_to_have_attribute("open", "")
    expect(the(page, "draft-toggle")).to_contain_text("not measured to be reliable")
    # To its end: what it says first may only repeat the assumptions, which is not judged.
    expect(the(page, "answer")).to_have_attribute("data-status", re.compile("complete|cut"))
    expect(the(page, "answer-body")).not_to_be_visible()
    the(page, "draft-toggle").click()
    expect(the(page, "answer-body")).to_be_visible()
    expect(draft.locator('[data-testid="claim"]').first).to_have_text(re.compile("supported|weak|no source|contradicted"))
    expect(the(page, "legend")).to_contain_text("supported")

    before = the(page, "answer").inner_text()
    page.reload()
    expect(draft).to_have_attribute("open", "")
    assert the(page, "answer").inner_text() == before
    the(page, "source").first.click()
    expect(the(page, "passage-asked")).to_be_visible()


def test_a_claim_without_a_source_says_why_when_it_is_pressed(page: Page) -> None:
    page.route("**/api/ask", lambda route: written(route, prose="open"))
    ask(page, ASKED)
    answer_with_status(page, "complete")
    chips = the(page, "claim")
    expect(chips).to_have_text(["1✓supported", "2~weak", "?no source", "2✗contradicted"])
    expect(page.locator(".claim-why")).not_to_be_visible()
    chips.nth(2).click()
    expect(page.locator(".claim-why")).to_have_text("None of it.")
    expect(chips.nth(2)).to_have_attribute("aria-expanded", "true")
    expect(the(page, "legend")).to_contain_text("2 citations that the model wrote led nowhere and were removed.")
    expect(the(page, "draft")).to_have_count(0)


def test_copy_takes_the_citations_the_doubts_and_the_sources_along(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.route("**/api/ask", lambda route: written(route, prose="open"))
    ask(page, ASKED)
    answer_with_status(page, "complete")
    the(page, "copy").click()
    expect(page.locator(".toast")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == (
        "Beans 🫘 are legumes. [1]\n\nOne. [1] Two. [2] (weak) Three. [no source] Four. [contradicted by 2]\n\n"
        "Sources\n[1] Beans › Kinds (page 3, 2024, CC0, yours)\n[2] Peas (shared)"
    )
    assert (
        the(page, "weigh").get_attribute("href")
        == "/evidence#q=" + "How%20is%20hyperkalemia%20with%20ECG%20changes%20treated%20first%3F&p=7,8"
    )


def test_an_answer_that_quoted_an_erased_document_says_so_once(page: Page) -> None:
    said = "This answer quoted a document that was erased, and was erased with it."
    page.route(
        "**/api/ask", lambda route: written(route, prose="none", found=False, sentence=said, erased=True, passages=[], short=[])
    )
    ask(page, ASKED)
    answer_with_status(page, "complete")
    expect(the(page, "erased")).to_have_text(f"!{said}")
    assert the(page, "answer").inner_text().count(said) == 1


# Nothing found


def test_that_nothing_was_found_is_said_before_anything_else_and_again_after_a_reload(page: Page) -> None:
    ask(page, OFF_TOPIC)
    expect(the(page, "no-source")).to_contain_text("No source")
    stop(page)
    for _ in range(2):
        first = the(page, "answer").evaluate("answer => answer.innerText.trim().split(/\\n+/).slice(0, 2).join(' ')")
        assert first.startswith("! No source"), first
        expect(the(page, "source")).to_have_count(0)
        expect(the(page, "weigh")).to_have_count(0)
        page.reload()
        answer_with_status(page, "stopped")


def test_where_no_passage_answers_the_nearest_ones_are_shown_as_such_and_open(page: Page) -> None:
    choose(page, "ungrounded", "withhold")
    ask(page, NEAR_BY)
    answer_with_status(page, "complete")
    expect(the(page, "no-source")).to_contain_text("No source")
    expect(the(page, "nearest")).to_have_text("Nearest passages")
    expect(the(page, "short-sentence")).to_have_count(0)
    expect(the(page, "weigh")).to_have_count(0)
    the(page, "source").first.click()
    expect(the(page, "passage-asked")).to_be_visible()


def test_without_a_source_the_answer_is_withheld_where_the_reader_has_set_it(page: Page) -> None:
    choose(page, "ungrounded", "withhold")
    ask(page, OFF_TOPIC)
    answer_with_status(page, "complete")
    expect(the(page, "no-source")).to_contain_text("No source")
    expect(the(page, "answer-body")).to_be_empty()
    expect(the(page, "draft")).to_have_count(0)
    page.reload()
    expect(the(page, "option-ungrounded")).to_have_value("withhold")
    expect(the(page, "answer-body")).to_be_empty()


def test_the_model_alone_is_asked_without_sources_shapes_and_assumptions(page: Page) -> None:
    choose(page, "scope", "none")
    expect(the(page, "option-template")).not_to_be_visible()
    expect(the(page, "option-ungrounded")).not_to_be_visible()
    ask(page, ASKED)
    expect(the(page, "answer-body")).not_to_be_empty()
    stop(page)
    expect(the(page, "answer")).to_contain_text("model knowledge, no source")
    for part in ("sources", "short", "draft", "assumptions", "legend", "weigh"):
        expect(the(page, part)).to_have_count(0)
    page.reload()
    expect(the(page, "option-scope")).to_have_value("none")


# Shapes and assumptions


def test_a_template_gives_the_short_answer_its_headings(page: Page) -> None:
    choose(page, "template", "drug")
    expect(the(page, "options-hint")).not_to_be_empty()
    asked_and_answered(page, "Regular insulin in hyperkalemia")
    expect(the(page, "short-block").locator("h4")).to_have_text(["Use", "Dose", "Cautions", "Watch"])
    page.reload()
    expect(the(page, "short-block").locator("h4")).to_have_text(["Use", "Dose", "Cautions", "Watch"])
    expect(the(page, "option-template")).to_have_value("drug")


def test_a_changed_assumption_asks_again_and_holds_for_the_next_question(page: Page) -> None:
    asked_and_answered(page, "How is a gout flare treated?")
    expect(the(page, "assumption")).to_have_text(["Adult", "Not pregnant", "Renal function unknown"])
    the(page, "assumption", assumes="renal").click()
    the(page, "assumption-choice", value="dialysis").click()
    expect(the(page, "assumption").last).to_have_text("On dialysis")
    expect(the(page, "user-turn")).to_have_count(1)
    stop(page)
    asked_and_answered(page, "What are the red flags of hyperkalemia?")
    expect(the(page, "assumption", assumes="renal")).to_have_text(["On dialysis", "On dialysis"])


def test_an_assumption_changed_in_mid_answer_stops_that_answer_and_asks_again(page: Page) -> None:
    ask(page, ASKED)
    await_sources(page)
    answer_with_status(page, "streaming")
    the(page, "assumption", assumes="age").click()
    the(page, "assumption-choice", value="child").click()
    expect(the(page, "assumption").first).to_have_text("Child")
    expect(the(page, "answer")).to_have_count(1)
    stop(page)


def test_a_follow_up_is_asked_by_a_press_and_the_focus_goes_to_its_answer(page: Page) -> None:
    asked_and_answered(page)
    followup = the(page, "followup").first
    words = followup.inner_text()
    followup.press("Enter")
    expect(the(page, "user-turn").last).to_contain_text(words)
    assert page.evaluate(FOCUSED) == "answer"
    expect(the(page, "answer")).to_have_count(2)
    stop(page)
    expect(the(page, "answer").first.locator('[data-testid="followup"]').first).not_to_be_visible()


# Everyone


def test_the_keyboard_alone_leads_from_the_question_to_the_passage_and_back(page: Page) -> None:
    ask(page, ASKED)
    await_sources(page)
    stop(page)
    the(page, "composer").focus()
    press(page, "ArrowUp")
    assert page.evaluate(FOCUSED) == "answer"
    press(page, "Tab")
    assert page.evaluate(FOCUSED) == "source"
    assert page.evaluate(FOCUS)[1], "no focus ring"
    press(page, "Enter")
    expect(the(page, "passage-asked")).to_be_visible()
    press(page, "Escape")
    assert page.evaluate(FOCUSED) == "source"

    the(page, "assumption").first.focus()
    press(page, "Enter")
    assert page.evaluate(FOCUSED) == "assumption-choice"
    press(page, "ArrowDown", "Escape")
    assert page.evaluate(FOCUSED) == "assumption"
    expect(the(page, "assumption-menu")).not_to_be_visible()
    expect(the(page, "answer")).to_have_count(1)


def test_the_focus_stays_on_a_source_while_the_text_grows_and_ends(page: Page) -> None:
    ask(page, ASKED)
    await_sources(page).first.focus()
    expect(the(page, "answer-body")).not_to_be_empty()
    press(page, "Escape")
    answer_with_status(page, "stopped")
    assert page.evaluate(FOCUSED) == "source"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_it_all_without_sideways_scrolling(new_visitor: NewVisitor, theme: str) -> None:
    page = new_visitor(scope=None, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, color_scheme=theme)
    expect(the(page, "options-toggle")).to_contain_text("from all documents")
    the(page, "options-toggle").tap()
    expect(the(page, "option-ungrounded")).to_be_visible()
    fits(page)
    the(page, "options-toggle").tap()
    the(page, "composer").fill(ASKED)
    the(page, "send").tap()
    await_sources(page)
    expect(the(page, "draft-toggle")).to_be_visible()  # with the model's first word; an answer stopped before it has no draft
    stop(page)
    the(page, "draft-toggle").tap()
    the(page, "assumption").last.tap()
    fits(page)
    assert serious(page) == []


def test_an_answer_with_all_its_parts_has_no_serious_fault_of_access(page: Page) -> None:
    page.route("**/api/ask", lambda route: written(route, prose="folded"))
    ask(page, ASKED)
    answer_with_status(page, "complete")
    the(page, "draft-toggle").click()
    the(page, "assumption").first.click()
    assert serious(page) == []


def test_a_private_answer_keeps_its_sources_as_long_as_the_page_holds_it(page: Page) -> None:
    the(page, "new-private").click()
    asked_and_answered(page)
    expect(the(page, "weigh")).to_have_attribute("target", "_blank")
    the(page, "source").first.click()
    expect(the(page, "passage-asked")).to_be_visible()
    press(page, "Escape")
    assert "hyperkalemia" not in page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])").lower()


def test_the_empty_page_names_what_the_library_holds_and_leads_there(page: Page) -> None:
    line = the(page, "library-line")
    expect(line).to_contain_text(re.compile(r"\d+ sample pages"))
    line.locator("a").click()
    expect(page).to_have_url(re.compile("/library$"))


def serious(page: Page) -> list[str]:
    found = Axe().run(page, context=".answer, .composer").response["violations"]
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:120]}" for fault in found if fault["impact"] in ("serious", "critical")]


def passage(number: int, identity: int, title: str, text: str, **facts: Any) -> dict[str, Any]:
    plain = {"document": "d", "section": "", "page": None, "date": "", "licence": "", "source": "", "sample": False}
    return {**plain, "number": number, "id": identity, "title": title, "text": text, "shared": True, "marks": [[0, 5]], **facts}


def claim(text: str, end: int, support: str, why: str, **found: Any) -> dict[str, Any]:
    return {"text": text, "end": end, "support": support, "why": why, "numbers": [], "passage": 0, "quote": [0, 0], **found}


def written(route: Route, **changed: Any) -> None:
    """Answers as the server would with a model that is known word for word."""
    claims = [
        claim("One.", 4, "supported", "All of it.", numbers=[1], passage=1, quote=[0, 20]),
        claim("Two.", 9, "weak", "Half of it.", numbers=[2], passage=2, quote=[0, 4]),
        claim("Three.", 16, "unsupported", "None of it."),
        claim("Four.", 22, "unsupported", "Passage 2 says otherwise.", passage=2, quote=[0, 4]),
    ]
    beans = {"section": "Kinds", "page": 3, "date": "2024", "licence": "CC0", "shared": False}
    html = (
        "<p>" + " ".join(f'{each["text"]}<span class="claim" data-claim="{n}"></span>' for n, each in enumerate(claims)) + "</p>"
    )
    grounds = {
        "found": True,
        "sentence": "2 passages of 2 documents",
        "passages": [passage(1, 7, "Beans", "Beans 🫘 are legumes.", **beans), passage(2, 8, "Peas", "Peas are legumes too.")],
        "short": [
            {"heading": "", "sentences": [{"text": "Beans 🫘 are legumes.", "number": 1, "start": 0, "end": 20}], "missing": ""}
        ],
        "assumptions": {"age": "adult", "pregnancy": "no", "renal": "unknown"},
        "template": "quick",
        "expanded": ["MI = myocardial infarction"],
        "claims": claims,
        "judged_by": "By words.",
        "removed": 2,
        "followups": ["And peas?"],
        "draft_html": html,
        **changed,
    }
    plain = {"reasoning": "", "status": "complete", "note": "", "model": "M", "source": ""}
    question = {**plain, "id": "q", "role": "user", "text": ASKED, "html": ""}
    answer = {**plain, "id": "a", "role": "assistant", "text": "One. Two. Three. Four.", "html": html, "grounds": grounds}
    events = [
        {"type": "turn", "turn": "t", "conversation": None, "user": question},
        {"type": "sources", **grounds},
        {"type": "end", "message": answer, "context": None, "dropped_turns": 0},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    route.fulfill(content_type="text/event-stream", body=body)
