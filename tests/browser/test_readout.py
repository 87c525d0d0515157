"""The reading as it is shown: calibrated beside its skill, folded away without skill, or unmeasured with a way to measure.

The real page and the real reading; what was measured of the model is put into the server's answer, as the fast tests have it come
out of a measurement.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NewVisitor
from tests.browser.pages import await_reading, commit, practise, press, the

pytestmark = pytest.mark.slow

EARNED = {
    "measured": True,
    "earned": True,
    "skill": "right in 61 % of cardiology (n = 120)",
    "calibration": "calibrated on exam (n = 400)",
    "coverage": 0.9,
    "note": "Read off in one pass. Measured on this machine on exam (n = 800), 2026-11-21.",
}
UNEARNED = EARNED | {"earned": False, "skill": "no measured skill in cardiology (n = 20)", "coverage": None}
UNMEASURED = {"measured": False, "earned": False, "skill": "", "calibration": "uncalibrated", "note": "Not calibrated."}


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    """A new visitor on a question with a tutor."""
    page = new_visitor("/practise")
    practise(page)
    return page


def read_as(page: Page, measured: dict[str, Any]) -> Locator:
    """The reading of the open question after committing, the model measured like this."""

    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json=response.json() | measured)

    page.route("**/probabilities*", answer)
    commit(page)
    return await_reading(page)


def test_earned_skill_stands_beside_calibrated_bars(page: Page) -> None:
    reading = read_as(page, EARNED)
    expect(the(page, "skill")).to_have_text("Right in 61 % of cardiology (n = 120)")
    expect(reading).to_contain_text("calibrated on exam (n = 400)")
    expect(the(page, "probability").first).to_be_visible()
    expect(page.locator('.option [data-testid="probability"]')).to_have_count(the(page, "option").count())
    expect(the(page, "readout-fold")).to_have_count(0)
    expect(the(page, "measure-pointer")).to_have_count(0)


def test_a_reading_without_measured_skill_is_folded_away_and_unfolds_by_key(page: Page) -> None:
    read_as(page, UNEARNED)
    summary = the(page, "skill")
    expect(summary).to_have_text("No measured skill in cardiology (n = 20)")
    bars = the(page, "probability")
    expect(bars).to_have_count(the(page, "option").count())
    expect(page.locator('.option [data-testid="probability"]')).to_have_count(0)
    expect(bars.first).to_be_hidden()
    expect(the(page, "answer-set")).to_be_hidden()
    heading = page.locator("#question-heading").inner_text()

    summary.focus()
    press(page, "Enter")
    expect(bars.first).to_be_visible()
    expect(the(page, "answer-set")).to_be_visible()
    expect(page.locator("#question-heading")).to_have_text(heading)
    the(page, "reread").click()
    expect(the(page, "readout", orders=str(the(page, "option").count()))).to_be_visible()
    expect(bars.first).to_be_visible()  # what was unfolded stays so


def test_an_unmeasured_reading_points_to_where_it_can_be_measured(page: Page) -> None:
    reading = read_as(page, UNMEASURED)
    expect(reading).to_contain_text("uncalibrated")
    expect(the(page, "measure-pointer")).to_have_attribute("href", "/models")
    expect(page.locator('.option [data-testid="probability"]').first).to_be_visible()


@pytest.mark.parametrize("measured", [EARNED, UNEARNED], ids=["earned", "unearned"])
def test_the_reading_fits_a_phone_in_the_dark(new_visitor: NewVisitor, measured: dict[str, Any]) -> None:
    page = new_visitor("/practise", viewport={"width": 360, "height": 740}, color_scheme="dark")
    practise(page)
    read_as(page, measured)
    if not measured["earned"]:
        the(page, "skill").click()
    expect(the(page, "probability").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
