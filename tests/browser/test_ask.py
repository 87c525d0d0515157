"""The Ask page in a real browser, on the real application and model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.ui.visitors import HEADER
from tests.application import Application
from tests.browser.conftest import Keep, NewVisitor
from tests.browser.pages import LONG, answer_with_status, ask, begin_long_answer, end, stop, the, titles

pytestmark = pytest.mark.slow

EVIL = '<img src=x onerror="window.ran=1"><script>window.ran=1</script> ![chart](http://example.invalid/a.png) [a](javascript:1)'


def nothing_ran_or_loaded(page: Page) -> bool:
    return bool(
        page.evaluate("window.ran === undefined && !document.querySelector('.lc :is(img, iframe, script, a[href^=java])')")
    )


# Asking


def test_an_answer_streams_in_and_says_who_wrote_it_and_on_what_ground(page: Page) -> None:
    ask(page, "Say hello in three words.")
    expect(the(page, "user-turn")).to_contain_text("Say hello in three words.")
    answer = answer_with_status(page, "complete")
    expect(the(page, "answer-body")).not_to_be_empty()
    expect(answer).to_contain_text("SmolLM2-135M-Instruct")
    expect(answer).to_contain_text("model knowledge, no source")
    expect(answer).to_contain_text(re.compile(r"first word [\d.]+ s"))
    expect(the(page, "meter")).to_contain_text("of 2,048 tokens")
    expect(the(page, "demo-line")).to_contain_text("no medical model")
    expect(titles(page)).to_have_text(["Say hello in three words."])


def test_stop_ends_the_answer_and_the_computation_and_a_reload_shows_the_same(page: Page, application: Application) -> None:
    begin_long_answer(page)
    stop(page)
    application.await_engine(lambda engine: engine["waiting"] == 0)
    expect(the(page, "note")).to_have_text("You stopped this answer.")
    before = the(page, "answer-body").inner_text()
    page.reload()
    answer_with_status(page, "stopped")
    assert the(page, "answer-body").inner_text() == before
    expect(the(page, "user-turn")).to_contain_text(LONG)
    expect(the(page, "note")).to_have_text("You stopped this answer.")


def test_escape_stops_while_the_question_is_still_being_read(page: Page, application: Application) -> None:
    ask(page, "Summarise: " + "the heart pumps blood and the lungs take up oxygen. " * 90)
    expect(the(page, "progress")).to_contain_text("Reading your question")
    page.keyboard.press("Escape")
    answer_with_status(page, "stopped")
    expect(the(page, "answer-body")).to_be_empty()
    application.await_engine(lambda engine: engine["waiting"] == 0)


def test_leaving_in_mid_answer_keeps_what_had_come_and_frees_the_model(page: Page, application: Application) -> None:
    begin_long_answer(page)
    page.reload()
    answer_with_status(page, "stopped")
    expect(the(page, "note")).to_contain_text("The page went away")
    expect(the(page, "answer-body")).not_to_be_empty()
    application.await_engine(lambda engine: engine["waiting"] == 0)


def test_what_is_typed_during_an_answer_stays_and_is_not_sent(page: Page) -> None:
    begin_long_answer(page)
    the(page, "composer").fill("and then?")
    page.keyboard.press("Enter")
    stop(page)
    expect(the(page, "user-turn")).to_have_count(1)
    expect(the(page, "composer")).to_have_value("and then?")
    page.reload()
    answer_with_status(page, "stopped")
    expect(the(page, "composer")).to_have_value("and then?")


def test_enter_sends_but_not_with_shift_nor_when_it_ends_a_composition(page: Page) -> None:
    field = the(page, "composer")
    field.fill("心")
    page.keyboard.press("Shift+Enter")
    assert field.input_value() == "心\n"
    press_enter = """(field, options) => field.dispatchEvent(
        new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true, ...options}))"""
    field.evaluate("field => field.dispatchEvent(new CompositionEvent('compositionstart', {bubbles: true}))")
    field.evaluate(press_enter, {"isComposing": True, "keyCode": 229})  # Chromium and Firefox
    field.evaluate("field => field.dispatchEvent(new CompositionEvent('compositionend', {data: '心', bubbles: true}))")
    field.evaluate(press_enter, {"keyCode": 229})  # Safari, after the composition's end
    assert the(page, "user-turn").count() == 0
    field.evaluate(press_enter, {"keyCode": 13})
    assert the(page, "user-turn").count() == 1
    end(page)


def test_an_example_question_is_asked_by_a_click(page: Page) -> None:
    example = the(page, "example").first
    words = example.inner_text()
    example.click()
    expect(the(page, "user-turn")).to_contain_text(words)
    end(page)


# Waiting, other tabs, a full context


def test_visitors_share_the_model_wait_in_the_queue_and_stop_only_their_own_answer(page: Page, new_visitor: NewVisitor) -> None:
    second, third = new_visitor(), new_visitor()
    begin_long_answer(page)
    begin_long_answer(second)
    ask(third, LONG)  # each may need 768 tokens beside the prompt: a third has no room in a context of 2048
    expect(the(third, "progress")).to_contain_text("Place in the queue: 1")
    stop(second)
    expect(the(third, "answer-body")).not_to_be_empty()
    answer_with_status(page, "streaming")
    stop(page)
    stop(third)


def test_another_tab_follows_an_answer_to_its_end(page: Page) -> None:
    begin_long_answer(page)
    tab = page.context.new_page()
    tab.goto(page.url)
    expect(the(tab, "progress")).to_contain_text("still being written")
    stop(page)
    answer_with_status(tab, "stopped")
    assert the(tab, "answer-body").inner_text() == the(page, "answer-body").inner_text()


def test_a_full_context_leaves_out_the_oldest_turns_and_says_how_many(page: Page, keep: Keep, application: Application) -> None:
    page.goto(f"{application.address}/?c={keep(page, 'Describe the heart.', 'The heart pumps blood. ' * 340)}")
    ask(page, "And the lungs?")
    expect(the(page, "dropped")).to_have_text("1 earlier turn no longer fits and was left out")
    end(page)
    expect(the(page, "answer")).to_have_count(2)


# Turns


def test_a_question_is_edited_and_its_answer_copied_and_retried(page: Page, keep: Keep, application: Application) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{application.address}/?c={keep(page, 'What does the hart do?', 'It **pumps** blood.')}")
    the(page, "copy").click()
    expect(page.locator(".toast")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "It **pumps** blood."

    the(page, "edit").click()
    the(page, "edit-field").fill(LONG)
    the(page, "edit-save").click()
    expect(the(page, "user-turn")).to_have_count(1)
    expect(the(page, "user-turn")).to_contain_text(LONG)
    answer_with_status(page, "streaming")
    stop(page)

    the(page, "retry").last.click()
    answer_with_status(page, "streaming")
    expect(the(page, "user-turn")).to_have_count(1)
    stop(page)
    page.reload()
    answer_with_status(page, "stopped")
    expect(the(page, "user-turn")).to_have_count(1)
    expect(the(page, "answer")).to_have_count(1)


@pytest.mark.parametrize("place", ["question", "answer"])
def test_markup_in_a_text_is_shown_as_text_and_loads_nothing(
    page: Page, keep: Keep, application: Application, place: str
) -> None:
    if place == "question":
        ask(page, EVIL)
        end(page)
        assert page.locator(".user-text").inner_text() == EVIL
    else:
        page.goto(f"{application.address}/?c={keep(page, 'Draw a heart', EVIL, title=EVIL)}")
        expect(the(page, "answer-body")).to_contain_text("onerror")
    assert nothing_ran_or_loaded(page)
    page.reload()
    expect(the(page, "answer")).to_be_visible()
    assert nothing_ran_or_loaded(page)


# Conversations


def test_a_conversation_is_found_renamed_and_deleted_after_a_confirm(
    page: Page, keep: Keep, application: Application, allowed: list[str]
) -> None:
    keep(page, "Which nerve moves the diaphragm?")
    place = keep(page, "What does the liver store?", "Glycogen, iron and vitamins.")
    page.goto(f"{application.address}/?c={place}")
    expect(titles(page)).to_have_text(["What does the liver store?", "Which nerve moves the diaphragm?"])
    the(page, "search").fill("glycogen")
    expect(titles(page)).to_have_text(["What does the liver store?"])

    the(page, "more").click()
    the(page, "rename").click()
    the(page, "rename-field").fill("Liver stores")
    page.keyboard.press("Enter")
    expect(titles(page)).to_have_text(["Liver stores"])
    expect(page.locator(".thread-title")).to_have_text("Liver stores")

    the(page, "more").click()
    the(page, "delete").click()
    the(page, "confirm-no").click()
    expect(titles(page)).to_have_text(["Liver stores"])
    the(page, "delete").click()
    the(page, "confirm-yes").click()
    expect(page.locator(".side-empty")).to_have_text("Nothing found.")
    expect(the(page, "empty")).to_be_visible()
    the(page, "search").fill("")
    expect(titles(page)).to_have_text(["Which nerve moves the diaphragm?"])
    allowed.append("404")
    page.goto(f"{application.address}/?c={place}")
    expect(the(page, "notice")).to_contain_text("not found")


def test_a_private_conversation_is_in_no_list_and_gone_after_a_reload(page: Page) -> None:
    the(page, "new-private").click()
    expect(the(page, "private-banner")).to_be_visible()
    begin_long_answer(page)
    stop(page)
    assert "?c=" not in page.url
    with page.expect_download() as download:
        the(page, "export-json").click()
    assert LONG in Path(download.value.path()).read_text()
    expect(titles(page)).to_have_count(0)
    assert LONG not in page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    the(page, "new").click()
    the(page, "confirm-no").click()
    expect(the(page, "answer")).to_have_count(1)
    page.reload()
    expect(page.locator(".side-empty")).to_have_text("No conversations yet.")
    expect(the(page, "empty")).to_be_visible()


def test_a_conversation_is_exported_as_markdown_and_json(page: Page, keep: Keep, application: Application) -> None:
    page.goto(f"{application.address}/?c={keep(page, 'Was tut das Herz? Ärztlich', 'It pumps.')}")
    with page.expect_download() as markdown:
        the(page, "export-md").click()
    text = Path(markdown.value.path()).read_text()
    assert "Was tut das Herz? Ärztlich" in text
    assert "model knowledge, no source" in text
    assert markdown.value.suggested_filename.endswith(".md")
    the(page, "more").click()
    with page.expect_download() as exported:
        the(page, "item-export-json").click()
    kept = json.loads(Path(exported.value.path()).read_text())
    assert [message["text"] for message in kept["messages"]] == ["Was tut das Herz? Ärztlich", "It pumps."]


def test_two_visitors_do_not_see_each_other(page: Page, new_visitor: NewVisitor, keep: Keep, allowed: list[str]) -> None:
    place = keep(page, "A question of the first visitor")
    page.reload()
    expect(titles(page)).to_have_count(1)
    allowed.append("404")
    other = new_visitor(f"/?c={place}")
    expect(the(other, "notice")).to_contain_text("not found")
    expect(other.locator(".side-empty")).to_have_text("No conversations yet.")
    assert "first visitor" not in other.content()
    assert HEADER not in page.content()
