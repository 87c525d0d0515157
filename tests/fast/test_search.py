"""Search: what is found, marked and told of a question, that no text makes it fail, and that nothing of it leaves the machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.library.search import Searcher
from app.library.terms import read_terms
from app.library_store import LibraryStore, NewDocument, Piece
from app.records import Bearing, Scope, SearchResult
from tests.conftest import Clock

ROOT = Path(__file__).parents[2]
ADA, BEN, SHARED = "a" * 64, "b" * 64, ""
PAGES = {
    "Beta-blockers": "A beta-blocker slows the heart. The β-blocker propranolol also prevents migraine.",
    "Interleukins": "Tocilizumab blocks the receptor of IL-6. Ondansetron blocks the 5-HT3 receptor.",
    "Fluids": "Isotonic saline holds 0.9% sodium chloride. Oedema may follow.",
    "Infarction": "Myocardial infarction is treated with aspirin. Cardiac troponin rises.",
    "Hepatitis B": "Hepatitis B is prevented by vaccination. Hepatitis B surface antigen shows infection.",
    "Hepatitis C": "Hepatitis C is cured by antiviral drugs. No vaccine prevents hepatitis C infection.",
    "Pain": "Acetaminophen lowers fever. An overdose of acetaminophen harms the liver.",
    "Programs": "A nomogram written in C++ was compared with “clinical” judgement.",
    "Preeclampsia": "Preeclampsia ends with delivery.",
    "Ménière disease": "Ménière disease gives vertigo, tinnitus and hearing loss.",
    "高血圧": "高血圧 と 糖尿病",
}


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[LibraryStore]:
    store = LibraryStore(tmp_path, clock)
    store.put(SHARED, [page(title, text) for title, text in PAGES.items()])
    yield store
    store.close()


@pytest.fixture
def searcher(store: LibraryStore) -> Searcher:
    return Searcher(store, read_terms())


def page(title: str, *texts: str, key: str = "") -> NewDocument:
    pieces, offset = [], 0
    for text in texts:
        pieces.append(Piece(offset, offset + len(text), text))
        offset += len(text) + 2
    return NewDocument(
        key=key or title, digest=f"{key}{title}{texts}", title=title, kind="text", file=title, pieces=pieces, characters=offset
    )


def titles(result: SearchResult) -> list[str]:
    return [found.passage.title for found in result.found]


def marked(result: SearchResult) -> list[str]:
    first = result.found[0]
    return [first.passage.text[start:end] for start, end in first.marks]


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("beta-blocker", "Beta-blockers"),
        ("β-blocker", "Beta-blockers"),
        ('"beta blocker"', "Beta-blockers"),
        ("NOT beta AND blocker", "Beta-blockers"),
        ("NEAR(beta blocker, 3)", "Beta-blockers"),
        ("beta* ^blocker", "Beta-blockers"),
        ("title:propranolol", "Beta-blockers"),
        ("propranolol\0migraine", "Beta-blockers"),
        ("propranolol \ud800 \udfff", "Beta-blockers"),
        ("propranolol " * 8334, "Beta-blockers"),
        ("💊 propranolol 💊", "Beta-blockers"),
        ("\u202epropranolol\u202c دواء", "Beta-blockers"),
        ("'; drop table passages; -- propranolol", "Beta-blockers"),
        ("{propranolol} + (migraine) - [x] : \\ / | ~ % _ ?", "Beta-blockers"),
        ("IL-6", "Interleukins"),
        ("5-HT3", "Interleukins"),
        ("0.9%", "Fluids"),
        ("edema", "Fluids"),
        ("pre-eclampsia", "Preeclampsia"),
        ("Meniere", "Ménière disease"),
        ("MÉNIÈRE'S DISEASE", "Ménière disease"),
        ("高血圧", "高血圧"),
        ("How is an MI treated?", "Infarction"),
        ("heart attack", "Infarction"),
        ("Tylenol overdose", "Pain"),
        ("hepatitis B vaccine", "Hepatitis B"),
        ("is hepatitis C curable", "Hepatitis C"),
    ],
)
def test_an_awkward_question_finds_what_a_person_would_expect(searcher: Searcher, query: str, title: str) -> None:
    result = searcher.search(ADA, query)
    assert titles(result)[0] == title
    assert marked(result)


@pytest.mark.parametrize(
    "query", ["", " \n\t", "\0", '"', "''", "*", "^", "NOT", "AND OR NOT", "what is it?", "\ud800", "💊", "( ) :", "-"]
)
def test_a_question_without_words_of_content_finds_nothing(searcher: Searcher, query: str) -> None:
    assert searcher.search(ADA, query) == SearchResult(())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(st.characters(codec=None), max_size=200))
def test_no_text_makes_a_search_fail(searcher: Searcher, query: str) -> None:
    searcher.search(ADA, query)


def test_of_signs_only_the_letters_are_looked_for(searcher: Searcher) -> None:
    """The index knows no plus: what has a C stands there too."""
    assert sorted(titles(searcher.search(ADA, "C++"))) == ["Hepatitis C", "Programs"]


def test_100_000_characters_are_read_in_part(searcher: Searcher) -> None:
    assert titles(searcher.search(ADA, "x" * 50_000 + " many words " * 5000 + " propranolol"))[0] == "Beta-blockers"


def test_marks_stand_at_the_words_and_their_other_forms_and_names(searcher: Searcher) -> None:
    assert marked(searcher.search(ADA, "treating MI with troponins")) == ["Myocardial infarction", "treated", "troponin"]
    assert marked(searcher.search(ADA, "oedema after saline")) == ["saline", "Oedema"]


def test_marks_count_characters_as_the_page_does(store: LibraryStore, searcher: Searcher) -> None:
    store.put(SHARED, [page("Signs", "💊💊 The sign of Kernig.")])
    assert marked(searcher.search(ADA, "Kernig")) == ["Kernig"]


def test_what_was_looked_up_is_told(searcher: Searcher) -> None:
    assert searcher.search(ADA, "MI and Tylenol").expanded == (
        "MI = myocardial infarction or heart attack",
        "Tylenol = acetaminophen or paracetamol",
    )


def test_nothing_relevant_is_said_though_a_common_word_is_found(searcher: Searcher) -> None:
    assert searcher.search(ADA, "prevention of migraine").relevant
    psoriasis = searcher.search(ADA, "drugs that treat psoriasis")
    assert psoriasis.found
    assert not psoriasis.relevant
    assert not searcher.search(ADA, "How do I change the tyre of a car?").relevant


def bearing(searcher: Searcher, question: str) -> Bearing:
    return searcher.search(ADA, question).found[0].bearing


def test_a_page_on_a_sister_topic_is_near_and_no_answer_stands_on_it(searcher: Searcher) -> None:
    assert bearing(searcher, "Is hepatitis C cured?") is Bearing.ANSWERS
    assert bearing(searcher, "Is hepatitis E cured by antiviral drugs?") is Bearing.NEAR


def test_a_question_in_many_words_is_answered_by_a_page_that_has_some_of_them(searcher: Searcher) -> None:
    asked = "My neighbour, who is 61 and fat, had a myocardial infarction on Tuesday night; is his troponin still of any use?"
    assert bearing(searcher, asked) is Bearing.ANSWERS


def test_one_word_by_chance_is_neither_near_nor_an_answer(searcher: Searcher) -> None:
    assert bearing(searcher, "Which saline spray helps my budgerigar with a beak like that and a dull plumage?") is Bearing.FAR


def test_a_passage_of_another_is_never_found(store: LibraryStore, searcher: Searcher) -> None:
    store.put(ADA, [page("Of Ada", "Quokkas live on Rottnest.")])
    assert titles(searcher.search(ADA, "quokka")) == ["Of Ada"]
    assert searcher.search(BEN, "quokka").found == ()
    assert searcher.search(ADA, "quokka", scope=Scope.SHARED).found == ()
    assert titles(searcher.search(ADA, "aspirin quokka", scope=Scope.OWN)) == ["Of Ada"]
    assert searcher.search(ADA, "quokka", scope=Scope.NONE).found == ()


def test_only_the_named_documents_answer(store: LibraryStore, searcher: Searcher) -> None:
    documents = {document.title: document.id for document in store.documents(ADA)[0]}
    assert titles(searcher.search(ADA, "hepatitis", documents=[documents["Hepatitis C"]])) == ["Hepatitis C"]
    assert searcher.search(ADA, "hepatitis", documents=["none such"]).found == ()


def test_the_limit_is_kept_and_equal_passages_are_shown_once(store: LibraryStore, searcher: Searcher) -> None:
    store.put(ADA, [page("Gout", "Gout is treated with colchicine.", key=str(copy)) for copy in range(5)])
    assert titles(searcher.search(ADA, "gout")) == ["Gout"]
    assert len(searcher.search(ADA, "hepatitis infection receptor liver", limit=2).found) == 2


def test_a_second_document_comes_before_a_documents_next_passage_of_like_worth(store: LibraryStore, searcher: Searcher) -> None:
    long = page("Long", *(f"Colchicine helps in gout, says passage {number}." for number in range(6)))
    store.put(ADA, [long, page("Other", "Colchicine helps in gout, says the other one.")])
    assert "Other" in titles(searcher.search(ADA, "colchicine in gout", limit=3))


TRACED = """
import sys
from pathlib import Path
from app.library.search import Searcher
from app.library.terms import read_terms
from app.library_store import LibraryStore
store = LibraryStore(Path(sys.argv[1]))
print([found.passage.title for found in Searcher(store, read_terms()).search("", "gout").found])
store.close()
"""


def test_no_environment_makes_langchain_send_a_question_away(tmp_path: Path, clock: Clock) -> None:
    store = LibraryStore(tmp_path, clock)
    store.put(SHARED, [page("Gout", "Gout is treated with colchicine.")])
    store.close()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        there = f"http://127.0.0.1:{server.getsockname()[1]}"
        tracing = {
            **dict.fromkeys(("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGCHAIN_VERBOSE"), "true"),
            **dict.fromkeys(("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY"), there),
            **dict.fromkeys(("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY"), "key"),
            "LANGCHAIN_HANDLER": "langchain",
        }
        done = subprocess.run(
            [sys.executable, "-c", TRACED, str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, **tracing},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout.strip()) == (0, "['Gout']"), done.stderr
        with pytest.raises(TimeoutError):
            server.accept()
