"""A patient's case, asked of our own sample pages: what its last sentence asks, of the page that the case fits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.library.library import Library
from app.library_store import LibraryStore
from app.records import Block
from app.shapes import template_of
from app.short_answers import ShortAnswers
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    store = LibraryStore(Path(tmp_path_factory.mktemp("library")))
    opened = Library(store, forget=len, sample=ROOT / "assets" / "library")
    opened.install_sample()
    yield opened
    store.close()


def block(library: Library, question: str) -> Block:
    result = library.search("", question)
    assert result.relevant
    (only,), _ = ShortAnswers(partial(library.search, ""), ()).make(template_of("quick"), question, result)
    return only


def test_a_case_is_answered_under_the_name_of_the_page_it_fits(library: Library) -> None:
    made = block(
        library,
        "A 22-year-old with asthma speaks in single words, peak flow 30 %. Three salbutamol nebulisers, ipratropium and "
        "hydrocortisone changed nothing. Is there something intravenous that I can add?",
    )
    assert made.heading == "If it is this: Acute asthma exacerbation"
    assert "magnesium" in made.quotes[0].text


def test_a_page_that_has_only_what_is_asked_and_nothing_of_the_case_gives_no_sentence(library: Library) -> None:
    made = block(library, "Neutrophils 200 and 38.6, ten days after chemotherapy, penicillin allergic. Empirical antibiotic?")
    assert made.quotes == ()  # those of necrotizing fasciitis name piperacillin


def test_what_tells_two_things_apart_is_a_finding_and_not_any_sentence_that_names_both(library: Library) -> None:
    made = block(library, "How are prerenal azotemia and acute tubular necrosis told apart?")
    assert all("favor" in quote.text or "separates" in quote.text for quote in made.quotes[:2])
