"""What a question is looked up by, with a search that finds the documents whose words it is given."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.lookup import looked_up
from app.records import Bearing, Found, Passage, SearchResult
from app.words import is_common, is_stop, words

DOCUMENTS = {
    "Gout": "gout flare treated colchicine renal impairment dose pregnancy",
    "Anaphylaxis": "anaphylaxis epinephrine dose children",
    "Asthma": "asthma wheeze treated budesonide pregnancy renal impairment",
}
BEFORE = "How is a flare of gout treated?"


def stems(text: str) -> set[str]:
    return {word.stem for word in words(text) if not is_stop(word.stem)}


def passage(title: str) -> Passage:
    return Passage(id=1, document=title, place=0, title=title, text=DOCUMENTS[title], start=0, end=1)


def search(query: str, documents: Sequence[str]) -> SearchResult:
    """Best is the document with most of the query's words, and relevant where it has most of those that are not common."""
    asked = stems(query)
    specific = {stem for stem in asked if not is_common(stem)} or asked
    shares = {title: len(asked & stems(text)) for title, text in DOCUMENTS.items() if not documents or title in documents}
    best = sorted((title for title in shares if shares[title]), key=lambda title: -shares[title])
    held = stems(DOCUMENTS[best[0]]) if best else set()
    bearing = Bearing.ANSWERS if len(specific & held) >= 0.7 * len(specific) else Bearing.FAR
    return SearchResult(tuple(Found(passage(title), 1.0, bearing=bearing) for title in best))


@pytest.mark.parametrize(
    "question", ["And its dose?", "And in pregnancy?", "Can it be given in severe renal impairment?", "More?"]
)
def test_a_question_that_leaves_its_topic_unsaid_is_looked_up_with_the_one_before(question: str) -> None:
    query, result = looked_up([BEFORE, question], "", search)
    assert query == f"{BEFORE} {question}"
    assert result.found[0].passage.title == "Gout"


@pytest.mark.parametrize(
    "question",
    ["What is asthma?", "Asthma?", "And asthma?", "A 20-year-old student says that it wheezes in her chest: asthma, wheeze?"],
)
def test_a_question_on_another_topic_stands_alone(question: str) -> None:
    query, result = looked_up([BEFORE, question], "", search)
    assert query == question
    assert result.found[0].passage.title == "Asthma"


def test_what_the_topic_does_not_say_is_not_taken_from_another_one() -> None:
    query, result = looked_up([BEFORE, "Dose in children?"], "", search)
    assert query.startswith(BEFORE)
    assert result.found[0].passage.title == "Gout"


def test_what_is_assumed_is_looked_up_too() -> None:
    assert looked_up([BEFORE], "pregnancy", search)[0] == f"{BEFORE} pregnancy"
