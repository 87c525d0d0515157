"""Both pages at phone width, in both themes, and by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.application import Application
from tests.browser.conftest import Keep, NewVisitor
from tests.browser.pages import await_reading, commit, practise, press, the

pytestmark = pytest.mark.slow

WIDE = "| Finding | " + " | ".join(f"Column {n}" for n in range(9)) + " |\n|" + "---|" * 10 + "\n|" + " long cell |" * 10
ANSWER = f"{'Electroencephalographically' * 6}\n\n```\n{'x = 1; ' * 40}\n```\n\n{WIDE}\n"

# Ends right of the window, outside whatever scrolls by itself and the drawer that waits left of it.
STICKS_OUT = """() => [...document.querySelectorAll(".lc *")].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width > 0 && (box.right > innerWidth + 1 || (box.left < -1 && box.right > 1))
    && !element.closest(".side, .table, pre, .sr-only, .skip") && element.checkVisibility({visibilityProperty: true});
}).map((element) => element.outerHTML.slice(0, 120))"""

# Gradio's own page stays in the document, hidden; what counts is that the window cannot be scrolled sideways.
SCROLLS = "document.scrollingElement.scrollWidth > innerWidth || document.querySelector('#main').scrollWidth > innerWidth"

FOCUS = """() => {
  const element = document.activeElement;
  const style = (one) => one ? getComputedStyle(one) : {outlineStyle: "none", boxShadow: "none"};
  const shown = (one) => style(one).outlineStyle !== "none" && parseFloat(style(one).outlineWidth) >= 1;
  const row = element.closest(".option");
  const ring = shown(element) || shown(element.closest(".composer-box")) || style(row).boxShadow !== "none";
  return [element.outerHTML.slice(0, 100), ring];
}"""


def fits(page: Page) -> None:
    assert page.evaluate(STICKS_OUT) == []
    assert not page.evaluate(SCROLLS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(new_visitor: NewVisitor, keep: Keep, application: Application, theme: str) -> None:
    page = new_visitor(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme=theme)
    expect(the(page, "status-line")).to_contain_text("SmolLM2")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(250, 248, 244)", "dark": "rgb(19, 23, 22)"}[theme]
    fits(page)
    the(page, "engine-open").tap()
    expect(the(page, "engine-panel")).to_be_visible()
    fits(page)
    the(page, "engine-close").tap()
    page.goto(f"{application.address}/?c={keep(page, 'A very long question: ' + 'x' * 300, ANSWER)}")
    expect(the(page, "answer-body").locator("table")).to_be_attached()
    fits(page)
    the(page, "side-opener").tap()
    expect(the(page, "search")).to_be_visible()
    page.keyboard.press("Escape")
    expect(the(page, "search")).to_be_hidden()

    page.goto(f"{application.address}/practise")
    expect(the(page, "matching")).to_contain_text("match")
    fits(page)
    practise(page)
    fits(page)
    the(page, "option-choose", letter="A").tap()
    the(page, "commit").tap()
    await_reading(page)
    fits(page)
    page.locator("details summary").first.tap()  # the reading of a model without skill is folded
    fits(page)
    the(page, "side-opener").tap()
    the(page, "results").tap()
    expect(the(page, "score")).to_be_visible()
    fits(page)


@pytest.mark.parametrize("path", ["/", "/practise"])
def test_every_stop_of_the_tab_key_shows_where_it_is(new_visitor: NewVisitor, path: str) -> None:
    page = new_visitor(path)
    if path == "/practise":
        practise(page)
        commit(page)
        press(page, "n")
    else:
        expect(the(page, "status-line")).to_contain_text("SmolLM2")
    seen = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        element, ring = page.evaluate(FOCUS)
        if not element.startswith("<body"):  # between the last stop and the first one
            assert ring, f"no focus ring on {element}"
            seen.add(element)
    assert len(seen) >= 10


def test_the_theme_switch_holds_on_both_pages(new_visitor: NewVisitor, application: Application) -> None:
    page = new_visitor()
    the(page, "theme").click()
    the(page, "theme").click()
    expect(the(page, "theme")).to_contain_text("dark")
    page.goto(f"{application.address}/practise")
    expect(the(page, "start-page")).to_be_visible()
    expect(the(page, "theme")).to_contain_text("dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 23, 22)"
