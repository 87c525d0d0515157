"""One item on the Practise page: what a learner marks, writes, looks up, asks and is told, on the real application."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Route, expect

from app.questions import read_bank
from app.records import Question
from tests.application import ROOT
from tests.browser.conftest import NewVisitor
from tests.browser.pages import LONG, answer_with_status, await_question, await_reading, commit, practise, press, the

pytestmark = pytest.mark.slow

PHONE = {"width": 360, "height": 740}
WHOLE_BANK = 400  # more than there are
Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    """A new visitor at the first of ten items with a tutor."""
    page = new_visitor("/practise")
    practise(page)
    return page


@cache
def bank() -> dict[str, Question]:
    return {question.id: question for question in read_bank(ROOT / "assets" / "bank").questions}


def session_of(page: Page) -> dict[str, Any]:
    """The session that is open, as the server has it."""
    path = f"/api/practise/sessions/{page.url.split('/')[-2]}"
    session: dict[str, Any] = page.evaluate("path => fetch(path).then((answer) => answer.json())", path)
    return session


def question_of(page: Page) -> Question:
    """The question that is open."""
    return bank()[session_of(page)["items"][int(page.url.split("/")[-1]) - 1]["id"]]


def open_item(page: Page, identity: str) -> None:
    """A session of the whole bank, open at the item of that id."""
    practise(page, count=WHOLE_BANK)
    (position,) = [item["position"] for item in session_of(page)["items"] if item["id"] == identity]
    page.goto(page.url.rpartition("/")[0] + f"/{position}")
    expect(page.locator("#question-heading")).to_contain_text(f"Question {position} ")


def the_item_with(part: str) -> str:
    return next(question.id for question in bank().values() if part in question.stem)


def answered(page: Page, *, right: bool) -> Question:
    """Commits the key, or the first other option."""
    question = question_of(page)
    letter = question.key if right else next(label for label in question.options if label != question.key)
    commit(page, letter.lower())
    return question


def changing(page: Page, pattern: str, change: Change) -> None:
    """Has what the server answers there changed on its way."""

    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json=change(response.json()))

    page.route(pattern, answer)


def select_word(page: Page) -> None:
    """Selects the word that stands at the beginning of the stem's first line but for its first letters."""
    the(page, "stem-text").first.dblclick(position={"x": 60, "y": 12})


def kept(page: Page, act: Callable[[], None]) -> None:
    """Does it, and waits until the server has kept it."""
    with page.expect_response(lambda response: response.request.method == "PUT" and response.ok):
        act()


def test_a_highlight_is_made_by_key_kept_and_taken_away_by_key(page: Page) -> None:
    select_word(page)
    selected = page.evaluate("getSelection().toString().trim()")
    assert selected
    kept(page, lambda: press(page, "l"))
    mark = the(page, "mark")
    expect(mark).to_have_text(selected)
    page.reload()
    expect(mark).to_have_text(selected)
    mark.focus()
    kept(page, lambda: press(page, "Enter"))
    expect(mark).to_have_count(0)
    expect(the(page, "stem")).to_be_focused()
    page.reload()
    await_question(page)
    expect(mark).to_have_count(0)


@pytest.mark.parametrize("name", ["highlight", "highlight-here"])
def test_a_button_highlights_what_is_selected_and_a_click_takes_it_away(page: Page, name: str) -> None:
    select_word(page)
    selected = page.evaluate("getSelection().toString().trim()")
    kept(page, lambda: the(page, name).click())
    expect(the(page, "mark")).to_have_text(selected)
    expect(the(page, "highlight-here")).to_be_hidden()
    kept(page, lambda: the(page, "mark").click())
    expect(the(page, "mark")).to_have_count(0)


def test_overlapping_highlights_become_one_across_paragraphs_and_the_text_stays_as_it_is(page: Page) -> None:
    open_item(page, the_item_with("| ---"))
    paragraphs = the(page, "stem-text")
    before = paragraphs.all_inner_texts()

    def mark(first: int, start: int, last: int, end: int) -> None:
        page.evaluate(
            """([first, start, last, end]) => {
              const paragraphs = document.querySelectorAll('[data-testid="stem-text"]');
              const point = (paragraph, at) => {
                const walker = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT);
                for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                  if (at <= node.length) return [node, at];
                  at -= node.length;
                }
              };
              getSelection().setBaseAndExtent(...point(paragraphs[first], start), ...point(paragraphs[last], end));
            }""",
            [first, start, last, end],
        )
        kept(page, lambda: press(page, "l"))

    mark(0, 2, 0, 8)
    mark(0, 20, 0, 30)
    expect(the(page, "mark")).to_have_count(2)
    mark(0, 5, 1, 9)
    expect(the(page, "mark")).to_have_count(2)  # one highlight, a part of it in each paragraph
    assert the(page, "mark").all_inner_texts() == [before[0][2:], before[1][:9].rstrip()]
    assert paragraphs.all_inner_texts() == before


def test_without_a_selection_the_page_says_how_to_highlight(page: Page) -> None:
    press(page, "l")
    expect(page.locator(".toast")).to_contain_text("Select text")


def test_a_note_keeps_itself_and_comes_up_again_with_the_verdict(page: Page) -> None:
    the(page, "option-choose", letter="A").focus()
    press(page, "t")
    note = the(page, "note-text")
    expect(note).to_be_focused()
    page.keyboard.type("b is a trap: see 3")
    kept(page, lambda: press(page, "Escape"))
    expect(note).to_be_hidden()
    expect(the(page, "option-choose", letter="A")).to_be_focused()
    page.reload()
    await_question(page)
    expect(note).to_be_hidden()  # it may tell the key
    press(page, "t")
    expect(note).to_have_value("b is a trap: see 3")
    press(page, "Escape")
    commit(page)
    expect(note).to_be_visible()


def test_a_note_that_is_refused_says_so_and_stays_in_its_field(page: Page, allowed: list[str]) -> None:
    allowed.append("503")
    page.route("**/note", lambda route: route.fulfill(status=503, json={"error": "The disk is full."}))
    press(page, "t")
    page.keyboard.type("abc")
    expect(the(page, "note-state")).to_have_text("The disk is full.")
    page.unroute("**/note")
    page.keyboard.type("d")
    expect(the(page, "note-state")).to_have_text("Saved")
    expect(the(page, "note-text")).to_have_value("abcd")


def test_reference_values_are_found_and_the_item_stays_at_work(page: Page) -> None:
    the(page, "option-choose", letter="A").focus()
    press(page, "v")
    search = the(page, "reference-search")
    expect(search).to_be_focused()
    rows = the(page, "reference-row")
    expect(rows.nth(80)).to_be_attached()
    search.fill("serum pot")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("3.5–5.0 mmol/L")
    search.fill("xyz")
    expect(the(page, "reference-panel")).to_contain_text("No test here has “xyz” in its name.")
    the(page, "option-choose", letter="A").focus()
    press(page, "b")
    expect(the(page, "option-choose", letter="B")).to_have_attribute("aria-checked", "true")
    expect(the(page, "reference-panel")).to_be_visible()
    press(page, "v", "Escape")
    expect(the(page, "reference-panel")).to_be_hidden()
    expect(the(page, "option-choose", letter="B")).to_be_focused()


def test_a_table_of_a_stem_is_a_table_and_fits_a_phone(new_visitor: NewVisitor) -> None:
    page = new_visitor("/practise", viewport=PHONE)
    identity = the_item_with("| ---")
    open_item(page, identity)
    table = the(page, "stem-table")
    head = next(line for line in bank()[identity].stem.splitlines() if line.startswith("|"))
    assert table.locator('thead th[scope="col"]').all_inner_texts() == [cell.strip() for cell in head.strip("|").split("|")]
    assert table.locator('tbody th[scope="row"]').count() >= 1
    expect(the(page, "stem")).not_to_contain_text("| ---")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("identity", sorted(question.id for question in bank().values() if "(figures/" in question.stem))
def test_an_image_of_a_stem_shows_on_white_says_what_it_shows_and_opens_large(new_visitor: NewVisitor, identity: str) -> None:
    page = new_visitor("/practise", viewport=PHONE, color_scheme="dark")
    open_item(page, identity)
    image = the(page, "stem-image").locator("img")
    expect(image).to_be_visible()
    assert len(image.get_attribute("alt") or "") > 20
    assert image.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") > 0
    box = image.bounding_box()
    assert box is not None
    assert 250 < box["width"] <= 360
    assert the(page, "stem-image").evaluate("button => getComputedStyle(button).backgroundColor") == "rgb(255, 255, 255)"
    the(page, "stem-image").focus()
    press(page, "Enter")
    expect(the(page, "image-dialog").locator("img")).to_be_visible()
    press(page, "Escape")
    expect(the(page, "image-dialog")).to_have_count(0)
    expect(the(page, "stem-image")).to_be_focused()


def test_a_wrong_answer_says_all_and_its_kind_is_named_and_taken_back_by_key(page: Page) -> None:
    question = answered(page, right=False)
    expect(the(page, "verdict")).to_contain_text(f"The answer is {question.key}; you chose")
    expect(the(page, "objective")).to_contain_text(question.objective)
    expect(the(page, "fact")).to_contain_text(question.fact)
    expect(the(page, "due")).to_have_text("Comes back today: it was wrong.")
    expect(the(page, "chat-link")).to_have_attribute("href", f"/#ask={_encoded(page, question.objective)}")
    reasoning = the(page, "miss-reasoning")
    expect(reasoning).to_have_attribute("aria-pressed", "false")
    kept(page, lambda: press(page, "3"))
    expect(reasoning).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(reasoning).to_have_attribute("aria-pressed", "true")
    kept(page, lambda: the(page, "miss-time").click())
    expect(the(page, "miss-time")).to_be_focused()
    expect(reasoning).to_have_attribute("aria-pressed", "false")
    kept(page, lambda: press(page, "4"))
    page.reload()
    expect(the(page, "miss-time")).to_have_attribute("aria-pressed", "false")


def _encoded(page: Page, text: str) -> str:
    encoded: str = page.evaluate("encodeURIComponent", text)
    return encoded


def test_a_right_answer_has_no_kind_of_miss(page: Page) -> None:
    answered(page, right=True)
    expect(the(page, "verdict")).to_contain_text("Correct")
    expect(the(page, "miss-knowledge")).to_have_count(0)


def test_a_right_guess_says_when_it_comes_back_and_why(page: Page) -> None:
    due = (datetime.now().astimezone() + timedelta(days=3)).isoformat()
    changing(page, "**/commit", lambda graded: graded | {"due": due, "grade": "hard"})
    press(page, "1")
    answered(page, right=True)
    expect(the(page, "due")).to_have_text("Comes back in 3 days: you were right but guessing.")


def test_each_confidence_says_what_it_stands_for(page: Page) -> None:
    count = the(page, "option").count()
    expect(the(page, "confidence-guess")).to_have_attribute(
        "title", f"guess: as good as chance: about 1 in {count} such answers should be right (1)"
    )
    expect(the(page, "confidence-sure")).to_have_attribute("title", "sure: about 9 in 10 such answers should be right (3)")


def test_where_model_key_and_learner_disagree_it_is_said_if_the_model_earned_it(page: Page) -> None:
    sentence = "The key is B; the model prefers C (71 %)."
    earned = {"measured": True, "earned": True, "skill": "right in 61 % of cardiology", "agreement": sentence}
    changing(page, "**/probabilities*", lambda reading: reading | earned)
    commit(page)
    await_reading(page)
    expect(the(page, "agreement")).to_have_text(sentence)


def test_an_item_without_explanations_says_so_in_one_line(page: Page) -> None:
    changing(page, "**/commit", lambda graded: graded | {"explanations": {}, "objective": "", "fact": ""})
    commit(page)
    expect(the(page, "unexplained")).to_be_visible()
    expect(page.locator(".explanation")).to_have_count(0)
    expect(the(page, "objective")).to_have_count(0)


def test_answer_words_are_shown_as_words(page: Page) -> None:
    words = {"yes": "yes", "no": "no", "maybe": "maybe"}

    def answer(route: Route) -> None:
        if route.request.method == "PUT":
            route.fulfill(json={"seconds": 1})
        else:
            response = route.fetch()
            route.fulfill(response=response, json=response.json() | {"options": words})

    page.route("**/items/1", answer)
    page.reload()
    await_question(page)
    assert the(page, "option-words").all_inner_texts() == ["Yes", "No", "Maybe"]
    expect(page.locator(".option .letter")).to_have_count(0)
    press(page, "ArrowDown", "ArrowDown")
    expect(the(page, "option-choose", letter="no")).to_have_attribute("aria-checked", "true")


def test_without_a_tutor_the_choice_is_kept_at_once_and_nothing_is_told(page: Page) -> None:
    practise(page, mode="timed", count=3)
    for absent in ("commit", "hint", "tutor-open"):
        expect(the(page, absent)).to_have_count(0)
    kept(page, lambda: press(page, "c"))
    page.reload()
    expect(the(page, "option-choose", letter="C")).to_have_attribute("aria-checked", "true")
    press(page, "q")
    expect(the(page, "tutor-panel")).to_be_hidden()
    the(page, "next").click()
    expect(page.locator("#question-heading")).to_contain_text("Question 2 ")


def tutor_body(page: Page) -> Locator:
    return the(page, "tutor-answer").locator('[data-testid="answer-body"]')


def test_the_tutor_streams_stops_and_keeps_what_was_said(page: Page) -> None:
    press(page, "q")
    expect(the(page, "tutor-text")).to_be_focused()
    expect(the(page, "tutor-terms")).to_contain_text("Before you commit it gives hints, not the answer.")
    the(page, "tutor-text").fill(LONG)
    press(page, "Enter")
    expect(tutor_body(page)).to_contain_text("Hint 1 of 3")
    answer_with_status(page, "streaming")
    expect(the(page, "tutor-send")).to_be_hidden()
    the(page, "tutor-stop").click()
    answer_with_status(page, "stopped")
    expect(the(page, "tutor-send")).to_be_visible()
    expect(the(page, "tutor-text")).to_be_focused()
    said = tutor_body(page).inner_text()
    page.reload()
    await_question(page)
    press(page, "q")
    expect(tutor_body(page)).to_have_text(said, use_inner_text=True)
    press(page, "Escape")
    expect(the(page, "tutor-panel")).to_be_hidden()
    commit(page)
    press(page, "q")
    expect(the(page, "tutor-terms")).to_have_text("It is told this item's text, key and explanations.")


def test_a_refused_question_is_given_back_with_the_reason(page: Page, allowed: list[str]) -> None:
    allowed.append("429")

    def refuse(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=429, json={"error": "32 questions wait already."})
        else:
            route.continue_()

    page.route("**/tutor", refuse)
    press(page, "q")
    the(page, "tutor-text").fill("Why?")
    press(page, "Enter")
    expect(the(page, "tutor-panel")).to_contain_text("32 questions wait already.")
    expect(the(page, "tutor-text")).to_have_value("Why?")
    expect(the(page, "tutor-answer")).to_have_count(0)


def test_an_answer_that_contradicts_the_key_carries_a_notice(page: Page) -> None:
    notice = "This answer speaks for C, but the key of this item is B."
    message = {"id": "m", "role": "assistant", "text": "C.", "html": "<p>C.</p>", "status": "complete", "note": notice}
    stream = [
        {"type": "turn", "turn": "t"},
        {"type": "text", "html": "<p>C.</p>"},
        {"type": "notice", "text": notice},
        {"type": "end", "message": message},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in stream)

    def speak(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(content_type="text/event-stream", body=body)
        else:
            route.continue_()

    page.route("**/tutor", speak)
    commit(page)
    press(page, "q")
    the(page, "tutor-offer").first.click()
    expect(the(page, "tutor-notice")).to_have_text(notice)
    expect(the(page, "tutor-panel").get_by_text(notice)).to_have_count(1)


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE, "color_scheme": "dark"}], ids=["wide", "phone in the dark"])
def test_nobody_is_shut_out_by_the_card_or_the_start_page(new_visitor: NewVisitor, options: dict[str, Any]) -> None:
    page = new_visitor("/practise", **options)
    expect(the(page, "start-quick")).to_be_visible()
    assert serious(page) == []
    open_item(page, the_item_with("| ---"))
    select_word(page)
    press(page, "l", "t")
    expect(the(page, "mark")).to_be_visible()
    assert serious(page) == []
    press(page, "Escape", "v")
    expect(the(page, "reference-row").first).to_be_visible()
    assert serious(page) == []
    press(page, "Escape", "q")
    expect(the(page, "tutor-offer").first).to_be_visible()
    assert serious(page) == []
    press(page, "Escape")
    answered(page, right=False)
    await_reading(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
