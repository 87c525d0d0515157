"""The Models page on the real application: changing the model while it answers, measuring it, and how the page stands."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from app.engine.embedded import embedded_file
from tests.application import Application, running
from tests.browser.conftest import NewVisitor
from tests.browser.pages import LONG, answer_with_status, ask, end, press, the
from tests.browser.test_layout import FOCUS, fits

pytestmark = pytest.mark.slow

ROWS = 24
MEASURED_MS = 300_000  # on a loaded machine; reaching it is a failure, not a measurement
MOVING = re.compile(rf"small set: [1-9]\d* of {ROWS}")
SECOND = "second-opinion.gguf"
BROKEN = "broken.gguf"


@pytest.fixture(scope="module")
def garage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """An application with the embedded model, the same under another name, and a file that is none."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copy(embedded_file(), folder / SECOND)
    (folder / BROKEN).write_bytes(b"GGUF" + bytes(200))
    with running("--context", "2048", "--models", str(folder)) as started:
        labelled = started.data_dir / "labelled"
        labelled.mkdir()
        (labelled / "small set.jsonl").write_text("".join(f"{json.dumps(row(number))}\n" for number in range(ROWS)))
        started.await_engine(lambda engine: engine["state"] == "ready")
        yield started


def row(number: int) -> dict[str, Any]:
    words = ["heart", "liver", "spleen", "kidney", "lung", "skin"]
    options = {letter: words[(number + place) % len(words)] for place, letter in enumerate("ABCD")}
    return {
        "id": f"small-{number}",
        "stem": f"Case {number}: which organ is named first in the list of this case?",
        "options": options,
        "key": "ABCD"[number % 4],
        "explanations": dict.fromkeys(options, "It stands so in the list."),
        "objective": "Read a list.",
        "hints": ["Look.", "Look again.", "It is there."],
        "subject": "Anatomy",
        "system": ["cardiovascular", "renal"][number % 2],
        "step": "1",
        "source": "a test",
        "licence": "CC0-1.0",
    }


def open_models(page: Page, application: Application) -> None:
    page.goto(f"{application.address}/models")
    expect(card(page, SECOND)).to_be_visible()


def card(page: Page, file: str) -> Locator:
    return the(page, "model", file=file)


def current(page: Page) -> Locator:
    return the(page, "model", state="current")


def use(page: Page, application: Application, file: str) -> None:
    """Has the model of a file answer, unless it does, and waits until it does."""
    open_models(page, application)
    expect(current(page)).to_have_count(1)
    if current(page).get_attribute("data-file") != file:
        press_use(page, file)
    expect(card(page, file)).to_have_attribute("data-state", "current")


def press_use(page: Page, file: str) -> None:
    card(page, file).get_by_test_id("use").click()
    if the(page, "confirm-yes").is_visible():
        the(page, "confirm-yes").click()


def begin_measuring(page: Page, *, careful: bool = False) -> None:
    the(page, "measure-set").select_option("small set")
    the(page, "measure-careful").set_checked(careful)
    the(page, "measure-start").click()


def test_the_model_is_changed_and_an_answer_in_progress_is_written_to_its_end(
    new_visitor: NewVisitor, garage: Application
) -> None:
    page = new_visitor(None)
    use(page, garage, embedded_file().name)
    asking = new_visitor("/", address=garage.address)
    ask(asking, LONG)
    expect(the(asking, "answer-body").last).not_to_be_empty()
    answer_with_status(asking, "streaming")
    press_use(page, SECOND)
    expect(card(page, SECOND)).to_have_attribute("data-state", "current")
    answer = the(asking, "answer").last
    expect(answer).to_have_attribute("data-status", re.compile("complete|cut"))
    expect(answer.locator(".answer-model")).to_have_text("SmolLM2-135M-Instruct")
    garage.await_engine(lambda engine: engine["model"] is not None and engine["model"]["file"] == SECOND)
    ask(asking, "What is asthma?")
    expect(the(asking, "answer-body").last).not_to_be_empty()
    end(asking)


def test_a_file_that_is_no_model_is_told_and_changes_nothing(new_visitor: NewVisitor, garage: Application) -> None:
    page = new_visitor(None)
    use(page, garage, SECOND)
    press_use(page, BROKEN)
    note = the(page, "switch-note")
    expect(note).to_contain_text("broken was not loaded")
    expect(note).to_contain_text("goes on answering")
    expect(card(page, SECOND)).to_have_attribute("data-state", "current")


def test_the_model_is_measured_stopped_and_measured_on(new_visitor: NewVisitor, garage: Application) -> None:
    page = new_visitor(None)
    use(page, garage, SECOND)
    # The same bytes under another name: what the makers measured of the embedded model holds for it.
    expect(the(page, "engine-worth")).to_contain_text("(n = 132)")
    begin_measuring(page, careful=True)
    expect(the(page, "measure-words")).to_have_text(MOVING)
    the(page, "measure-stop").click()
    expect(the(page, "measure-said")).to_contain_text("What was read is kept")
    expect(the(page, "measure-start")).to_have_text("Go on")
    before = garage_status(page)
    assert 0 < before["done"] < ROWS
    begin_measuring(page, careful=True)
    expect(current(page).get_by_test_id("skill").first).to_contain_text(f"n = {ROWS}", timeout=MEASURED_MS)
    assert garage_status(page)["done"] == ROWS
    expect(current(page).get_by_test_id("worth-mode")).to_have_count(2)
    expect(current(page).get_by_test_id("skill").first).to_contain_text("chance")
    expect(the(page, "engine-worth")).to_contain_text(f"(n = {ROWS})")
    current(page).get_by_test_id("systems-fast").locator("summary").click()
    expect(the(page, "worth-mode", mode="fast").first.get_by_test_id("skill")).to_have_count(3)


def garage_status(page: Page) -> dict[str, Any]:
    told: dict[str, Any] = page.evaluate("fetch('/api/models/measure').then((answer) => answer.json())")
    return told


def test_what_is_not_at_hand_comes_with_a_command_to_copy(new_visitor: NewVisitor, garage: Application) -> None:
    page = new_visitor(None, permissions=["clipboard-read", "clipboard-write"])
    open_models(page, garage)
    entry = the(page, "entry").first
    command = entry.locator("code").inner_text()
    assert command.startswith("python -m app.models get ")
    entry.get_by_test_id("copy-command").click()
    expect(page.locator(".toast")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == command
    entry.get_by_test_id("published").locator("summary").click()
    expect(entry.locator(".figures")).to_contain_text("source")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(new_visitor: NewVisitor, garage: Application, theme: str) -> None:
    page = new_visitor(None, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme=theme)
    open_models(page, garage)
    expect(the(page, "entry").first).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    fits(page)
    page.set_viewport_size({"width": 320, "height": 640})
    fits(page)


def test_every_stop_of_the_tab_key_shows_where_it_is(new_visitor: NewVisitor, garage: Application) -> None:
    page = new_visitor(None)
    open_models(page, garage)
    expect(the(page, "engine-worth")).to_be_visible()
    seen = set()
    for _ in range(20):
        press(page, "Tab")
        element, ring = page.evaluate(FOCUS)
        if not element.startswith("<body"):
            assert ring, f"no focus ring on {element}"
            seen.add(element)
    assert len(seen) >= 14


def test_the_keyboard_keeps_its_place_while_the_page_tells_anew(new_visitor: NewVisitor, garage: Application) -> None:
    page = new_visitor(None)
    use(page, garage, SECOND)
    the(page, "engine-model").focus()
    page.wait_for_timeout(1500)
    expect(the(page, "engine-model")).to_be_focused()
    the(page, "measure-start").focus()
    press(page, "Enter")
    expect(the(page, "measure-stop")).to_be_focused()
    press(page, "Enter")
    expect(the(page, "measure-start")).to_be_focused()


def test_the_models_name_leads_to_the_page_from_every_page(new_visitor: NewVisitor, garage: Application) -> None:
    page = new_visitor(None)
    for path in ("/", "/practise"):
        page.goto(f"{garage.address}{path}")
        the(page, "engine-model").click()
        expect(page).to_have_url(f"{garage.address}/models")
    the(page, "nav-ask").click()
    expect(the(page, "composer")).to_be_visible()


def test_on_a_shared_machine_visitors_look_and_change_nothing(new_visitor: NewVisitor) -> None:
    with running("--context", "2048", "--switching", "off") as shared:
        shared.await_engine(lambda engine: engine["state"] == "ready")
        page = new_visitor(None)
        page.goto(f"{shared.address}/models")
        expect(the(page, "not-allowed")).to_contain_text("--switching on")
        expect(current(page)).to_have_count(1)
        expect(the(page, "use")).to_have_count(0)
        expect(the(page, "measure-start")).to_be_hidden()
