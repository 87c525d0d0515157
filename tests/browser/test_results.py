"""The results pages: every chart is drawn from the figures beside it, can be taken along, and leads on to what it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image  # comes with gradio
from playwright.sync_api import Browser, Locator, Page, Route, expect

from app.questions import read_bank
from tests.application import ROOT, Application
from tests.browser.conftest import NewVisitor
from tests.browser.pages import press, the

pytestmark = pytest.mark.slow

COUNT = 24
EVERYTHING = {
    "mode": "tutor",
    "count": COUNT,
    "systems": [],
    "subjects": [],
    "steps": [],
    "statuses": [],
    "own": "all",
    "topic": "",
}
WRONG_SURE = 2  # every this many answers is sure and wrong
MISSES = ("knowledge", "misread", "reasoning", "time", "")
CHARTS = ["system", "subject", "step", "difficulty", "miss", "trend", "reliability"]
EARNED = {
    "name": "Some model",
    "earned": True,
    "sentence": "Right in 61 % of 800 questions.",
    "n": 30,
    "brier": 0.2,
    "points": [
        {"from": 0.4, "to": 0.5, "said": 0.45, "n": 20, "correct": 9, "share": 0.45, "low": 0.26, "high": 0.66},
        {"from": 0.8, "to": 0.9, "said": 0.86, "n": 10, "correct": 8, "share": 0.8, "low": 0.49, "high": 0.94},
    ],
    "systems": [{"name": "endocrine", "n": 30, "brier": 0.2, "said": 0.6, "share": 0.57}],
}
Change = Callable[[dict[str, Any]], None]


def call(page: Page, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = page.request.fetch(f"{origin(page)}/api/practise{path}", method=method, data=body)
    assert answer.ok, answer.text()
    return answer.json() if answer.body() else None


def origin(page: Page) -> str:
    return "/".join(page.url.split("/")[:3])


def answer_all(page: Page, count: int = COUNT) -> str:
    """A session of ``count`` questions, every second one sure and wrong, the others right; returns its id."""
    session = call(page, "POST", "/sessions", EVERYTHING | {"count": count})
    for item in session["items"]:
        position = item["position"]
        place = f"/sessions/{session['id']}/items/{position}"
        wrong = position % WRONG_SURE == 0
        letters = list(call(page, "GET", place)["options"])
        key = keys()[item["id"]]
        chosen = next(letter for letter in letters if (letter != key) == wrong)
        confidence = "sure" if wrong else ("guess", "unsure", "sure")[position % 3]
        call(page, "POST", f"{place}/commit", {"chosen": chosen, "confidence": confidence, "struck": [], "seconds": 1})
        if wrong:
            call(page, "PUT", f"{place}/miss", {"kind": MISSES[position // 2 % len(MISSES)]})
    return str(session["id"])


@cache
def keys() -> dict[str, str]:
    return {question.id: question.key for question in read_bank(ROOT / "assets" / "bank").questions}


def open_results(page: Page, session: str = "") -> Locator:
    page.goto(f"{origin(page)}/practise#results{'/' * bool(session)}{session}")
    page.reload()
    expect(the(page, "results-page")).not_to_have_attribute("aria-busy", "true")
    return the(page, "chart")


@pytest.fixture
def allowed() -> list[str]:
    return ["404 (Not Found)"]


@pytest.fixture(scope="module")
def answered(browser: Browser, application: Application) -> Any:
    """Two dozen answers, as the storage state of the visitor who gave them."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{application.address}/practise")
    answer_all(page)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(new_visitor: NewVisitor, answered: Any) -> Page:
    """That visitor on the results page."""
    page = new_visitor("/practise#results", storage_state=answered)
    expect(chart_of(page, "reliability")).to_be_visible()
    return page


def changed(page: Page, change: Change) -> None:
    """The results page, the server's figures changed."""

    def answer(route: Route) -> None:
        response = route.fetch()
        figures = response.json()
        change(figures)
        route.fulfill(response=response, json=figures)

    page.route("**/api/practise/results*", answer)
    open_results(page)


def chart_of(page: Page, name: str) -> Locator:
    return page.locator(f'[data-testid="chart"][data-name="{name}"]')


def names_in_table(chart: Locator) -> list[str]:
    return [text.strip() for text in chart.locator("tbody th").all_text_contents()]


def test_every_chart_has_one_mark_for_each_row_of_its_table_and_names_itself(page: Page) -> None:
    charts = page.locator(".result-section > figure")  # without what is folded of the model
    assert [chart.get_attribute("data-name") for chart in charts.all()] == CHARTS
    for chart in charts.all():
        drawn = [mark.get_attribute("data-name") for mark in chart.locator('[data-testid="chart-mark"]').all()]
        assert drawn == names_in_table(chart)
        assert drawn
        name = chart.locator("svg.chart-svg").get_attribute("aria-label")
        assert name
        assert chart.locator("svg.chart-svg").get_attribute("role") == "img"


def test_a_mark_says_the_figures_of_its_row(page: Page) -> None:
    chart = chart_of(page, "difficulty")
    for mark, row in zip(chart.locator('[data-testid="chart-mark"]').all(), chart.locator("tbody tr").all(), strict=True):
        name, right, answered, share, interval, _time = row.locator("th, td").all_text_contents()
        assert mark.locator("title").text_content() == f"{name}: {right} of {answered} right, {share} ({interval})"


def test_the_table_unfolds_by_key(page: Page) -> None:
    figures = chart_of(page, "system").locator('[data-testid="figures"]')
    expect(the(page, "table-system")).to_be_hidden()
    figures.locator("summary").focus()
    press(page, "Enter")
    expect(the(page, "table-system")).to_be_visible()


def test_the_score_stands_with_its_interval(page: Page) -> None:
    expect(the(page, "score")).to_contain_text(f"{COUNT // 2} of {COUNT} right")
    expect(the(page, "score")).to_contain_text(re.compile(r"95 % interval 31 to 69\s%"))


def test_under_five_answers_a_row_says_that_they_are_too_few(page: Page) -> None:
    def few(figures: dict[str, Any]) -> None:
        for row in figures["by"]["step"]:
            row["n"], row["correct"] = 4, 2

    changed(page, few)
    rows = chart_of(page, "step").locator(".chart-value")
    assert set(rows.all_text_contents()) == {"too few to say · n 4"}


def test_a_picture_is_a_png_in_our_colours(page: Page, tmp_path: Path) -> None:
    for name in ("system", "reliability"):
        with page.expect_download() as download:
            chart_of(page, name).locator('[data-testid="chart-png"]').click()
        assert re.fullmatch(r"llamacare-[a-z-]+-\d{4}-\d\d-\d\d\.png", download.value.suggested_filename)
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        picture = Image.open(path)
        assert picture.format == "PNG"
        assert picture.width >= 2 * 720
        colours = picture.convert("RGB").getcolors(2**24)
        assert colours is not None
        assert len(colours) > 50
        shown = {colour for _count, colour in colours}
        assert {(250, 248, 244), (28, 36, 34)} <= shown  # --paper and --ink of tokens.css


def test_a_picture_as_svg_stands_alone(page: Page) -> None:
    with page.expect_download() as download:
        chart_of(page, "reliability").locator('[data-testid="chart-svg"]').click()
    text = download.value.path().read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "class=" not in text
    assert "var(" not in text
    assert "Sure and right" in text
    assert f"You: {COUNT} answers" in text
    assert re.search(r"LlamaCare · \d+ \w+ \d{4}", text)


def test_a_model_without_earned_skill_stays_folded(page: Page) -> None:
    changed(page, lambda figures: figures.update(model=EARNED | {"earned": False, "sentence": "No measured skill."}))
    chart = chart_of(page, "reliability")
    expect(chart.locator("circle.learner").first).to_be_visible()
    expect(chart.locator("path.chart-point.model")).to_have_count(0)
    expect(the(page, "brier")).not_to_contain_text("model")
    fold = the(page, "model-fold")
    expect(fold.locator("summary").first).to_have_text("No measured skill.")
    expect(chart_of(page, "reliability-model")).to_be_hidden()
    fold.locator("summary").first.focus()
    press(page, "Enter")
    expect(fold.locator('[data-testid="chart-mark"]')).to_have_count(len(EARNED["points"]))  # type: ignore[arg-type]


def test_learner_and_earned_model_stand_in_one_diagram_told_apart_by_shape(page: Page) -> None:
    changed(page, lambda figures: figures.update(model=EARNED))
    chart = chart_of(page, "reliability")
    expect(chart.locator('[data-testid="chart-mark"] circle.learner')).to_have_count(3)
    expect(chart.locator('[data-testid="chart-mark"] path.chart-point.model')).to_have_count(2)
    expect(chart.locator(".chart-legend")).to_contain_text(f"You (n {COUNT})")
    expect(chart.locator(".chart-legend")).to_contain_text("Model (n 30)")
    expect(the(page, "brier")).to_contain_text("the model's 0.20 (n 30)")
    expect(the(page, "table-calibration").locator("thead")).to_contain_text("Model: Brier")
    expect(the(page, "model-fold")).to_have_count(0)


def test_a_row_of_sure_and_wrong_opens_its_item(page: Page) -> None:
    rows = the(page, "sure-wrong").locator(".deck-row")
    assert rows.count() == COUNT // 2
    stem = (rows.first.locator(".deck-stem").text_content() or "").removesuffix(" …")
    rows.first.focus()
    press(page, "Enter")
    expect(page).to_have_url(re.compile("#s/"))
    expect(page.locator(".stem")).to_contain_text(stem[:60])


def test_a_deck_is_practised_as_a_session_of_its_own(page: Page) -> None:
    the(page, "deck-sure_wrong").click()
    expect(page).to_have_url(re.compile("#s/"))
    session = call(page, "GET", f"/sessions/{page.url.split('#s/')[1].split('/')[0]}")
    assert len(session["items"]) == COUNT // 2


def test_disagreements_show_all_three_letters_and_start_their_deck(page: Page) -> None:
    row = {
        "session": "x",
        "position": 1,
        "id": "q",
        "system": "renal",
        "stem": "A stem.",
        "chosen": "A",
        "key": "B",
        "objective": "One.",
    }
    changed(page, lambda figures: figures.update(model=EARNED, disagreements=[row | {"model": "C", "probability": 0.62}]))
    expect(the(page, "disagreements")).to_contain_text(re.compile(r"You: A · Model: C \(62\s%\) · Key: B"))
    with page.expect_request("**/api/practise/sessions") as request:
        page.route("**/api/practise/sessions", lambda route: route.fulfill(status=404, json={"error": "Nothing matches."}))
        the(page, "deck-disagreement").click()
    assert request.value.post_data_json["statuses"] == ["disagreement"]
    expect(page.locator(".toast")).to_have_text("Nothing matches.")


def test_the_suggested_block_starts_with_one_press(page: Page) -> None:
    expect(the(page, "suggestion").locator("p")).not_to_be_empty()
    the(page, "suggestion-start").click()
    expect(page).to_have_url(re.compile("#s/"))


def test_one_session_has_results_of_its_own(new_visitor: NewVisitor) -> None:
    page = new_visitor("/practise")
    session = answer_all(page, 6)
    answer_all(page, 2)
    open_results(page, session)
    expect(the(page, "score")).to_contain_text("3 of 6 right")
    expect(page.get_by_role("heading", name="Results: ")).to_be_focused()
    page.get_by_role("link", name="All your results").click()
    expect(the(page, "score")).to_contain_text("4 of 8 right")


def test_without_answers_the_page_says_so_and_leads_to_questions(new_visitor: NewVisitor) -> None:
    page = new_visitor("/practise#results")
    expect(the(page, "results-page")).to_contain_text("Nothing has been graded here yet")
    expect(the(page, "chart")).to_have_count(0)
    the(page, "new-round").click()
    expect(page).to_have_url(re.compile("#s/"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_every_chart_whole(new_visitor: NewVisitor, theme: str) -> None:
    page = new_visitor("/practise", viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True, color_scheme=theme)
    answer_all(page, 8)
    open_results(page)
    assert not page.evaluate("document.querySelector('#main').scrollWidth > innerWidth")
    inside = """(figure) => { const svg = figure.querySelector("svg.chart-svg"); const box = svg.getBoundingClientRect();
      return [...svg.querySelectorAll("text")].every((one) => { const at = one.getBoundingClientRect();
        return at.left >= box.left - 1 && at.right <= box.right + 1 && parseFloat(getComputedStyle(one).fontSize) >= 12; }); }"""
    for chart in the(page, "chart").all():
        assert chart.evaluate(inside), chart.get_attribute("data-name")


def test_nobody_is_kept_out(page: Page) -> None:
    """axe-core finds nothing serious, with every table unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")] == []
