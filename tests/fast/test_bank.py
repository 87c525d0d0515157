"""Our own questions, assets/bank: complete, spread, reviewed blind, and without cues that give the key away."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.bank import BANK, Report, lint, summary
from app.questions import Bank


@pytest.fixture(scope="module")
def report() -> Report:
    return lint(BANK, ours=True)


def test_nothing_is_found_wrong(report: Report) -> None:
    assert [str(finding) for finding in report.findings] == []


def test_what_is_checked_is_what_is_practised(report: Report, bank: Bank) -> None:
    assert bank.refusals == ()
    assert tuple(row.question for row in report.rows) == bank.questions


def test_the_options_alone_give_no_key_away(report: Report) -> None:
    assert report.baseline is not None
    assert report.baseline.n == len(report.rows)
    assert report.baseline.within_chance, summary(report)


def test_some_stems_show_tables_and_figures(bank: Bank) -> None:
    assert sum("](figures/" in question.stem for question in bank.questions) >= 3
    assert sum("| --- |" in question.stem for question in bank.questions) >= 3


def test_no_reference_stands_there_that_nobody_opened(bank: Bank) -> None:
    assert [question.id for question in bank.questions if question.reference] == []


def test_the_bank_lies_where_the_application_looks() -> None:
    assert Path(__file__).parents[2] / "assets" / "bank" == BANK
