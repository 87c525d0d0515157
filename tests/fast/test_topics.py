"""The search in the bank: what a text is about comes first, and no text of a user breaks it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.questions import Bank
from app.topics import MOST_WORDS, TopicIndex, TopicIndexes, content_words

TEXTS = (
    ("af", "Anticoagulation in atrial fibrillation", "A man has palpitations. His pulse is irregular."),
    ("mi", "Aspirin in myocardial infarction", "A woman has chest pain. Troponin is raised, and there is no fibrillation."),
    ("nephrotic", "Nephrotic syndrome in children", "A boy has swollen eyelids. There is albumin in his urine."),
    ("down", "Down's syndrome and leukémia", "A boy has bruises. His mother asks about the syndrome."),
    ("half", "half of a character \ud800", "and a NUL \0 before arrhythmias"),
)


@pytest.fixture(scope="module")
def index() -> Iterator[TopicIndex]:
    made = TopicIndex(TEXTS)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("How is atrial fibrillation treated?", "af"),
        ("fibrillation", "af"),  # it stands in the title there, in the body of another
        ("NEPHROTIC", "nephrotic"),
        ("leukemia", "down"),
        ("the children's albumin", "nephrotic"),
        ("fibrillations", "af"),
        ("arrhythmia", "half"),
        ("palpit", "af"),
        ('chest "pain" NOT troponin', "mi"),
        ("chest-pain*", "mi"),
        ("title:troponin", "mi"),
        ("MI or troponin", "mi"),
    ],
)
def test_what_a_text_is_about_comes_first(index: TopicIndex, text: str, first: str) -> None:
    assert index.search(text, 5)[0] == first


@pytest.mark.parametrize(
    "text", ["", " \n", "what is this?", "please explain it to me", '"', "*", "(", "42", "\0", "\ud800", "a b c", "-"]
)
def test_a_text_without_a_word_of_content_finds_nothing(index: TopicIndex, text: str) -> None:
    assert index.search(text, 5) == []


def test_a_text_that_only_shares_a_common_word_is_left_out() -> None:
    others = [(str(number), "", f"A boy has syndrome number {number} of several") for number in range(9)]
    made = TopicIndex([*TEXTS, *others])
    assert made.search("the nephrotic syndrome of a boy", 20) == ["nephrotic"]
    made.close()


def test_no_more_are_given_than_asked_for(index: TopicIndex) -> None:
    assert set(index.search("fibrillation", 5)) == {"af", "mi"}
    assert index.search("fibrillation", 1) == ["af"]
    assert index.search("fibrillation", 0) == []


def test_of_a_long_text_the_rarest_words_are_looked_up() -> None:
    common = [f"common{letter}{other}" for letter in "abcdefghij" for other in "abcdefghij"]
    texts = [(str(number), "", " ".join(common)) for number in range(20)]
    made = TopicIndex([*texts, ("rare", "", "sarcoidosis")])
    assert len(common) > MOST_WORDS
    assert made.search(f"{' '.join(common) * 30} sarcoidosis", 30)[0] == "rare"
    made.close()


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200) | st.text(alphabet='"*-()NOT AND:^+{}\0\ud800 fibrillation', max_size=60))
def test_any_text_can_be_looked_for(text: str) -> None:
    made = TopicIndex(TEXTS)
    found = made.search(text, 3)
    assert set(found) <= {identity for identity, *_ in TEXTS}
    assert found == [] or content_words(text)
    made.close()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
def test_any_text_can_be_looked_up(texts: list[tuple[str, str]]) -> None:
    made = TopicIndex((str(number), title, body) for number, (title, body) in enumerate(texts))
    for title, _ in texts:
        made.search(title, 5)
    made.close()


def test_a_text_at_the_limit_of_a_message_is_looked_for(index: TopicIndex) -> None:
    assert index.search("word " * 6400 + "troponin", 5) == ["mi"]
    assert index.search("x" * 32_000, 5) == []


def test_many_may_search_at_once(index: TopicIndex) -> None:
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.extend(index.search("troponin", 5) for _ in range(20)), daemon=True)
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["mi"]] * 160


def test_an_index_is_made_once_for_each_version_of_its_texts() -> None:
    made: list[tuple[int, str]] = []
    indexes = TopicIndexes(most=2)

    def search(owner: int, version: str) -> list[str]:
        def texts() -> list[tuple[str, str, str]]:
            made.append((owner, version))
            return [(f"{owner}{version}", "", "troponin")]

        return indexes.of(owner, version, texts).search("troponin", 5)

    assert [search(1, "a"), search(1, "a"), search(2, "a"), search(1, "b")] == [["1a"], ["1a"], ["2a"], ["1b"]]
    assert made == [(1, "a"), (2, "a"), (1, "b")]
    search(3, "a")  # 2 was not used for longest, and goes
    assert [search(1, "b"), search(2, "a")] == [["1b"], ["2a"]]
    assert made[3:] == [(3, "a"), (2, "a")]


def test_every_question_of_the_bank_is_found_by_what_it_teaches(bank: Bank) -> None:
    made = TopicIndex((question.id, question.objective, question.stem) for question in bank.questions)
    assert [question.id for question in bank.questions if made.search(question.objective, 1) != [question.id]] == []
    made.close()


def test_most_questions_are_found_by_what_they_teach_where_only_their_vignette_is_known(bank: Bank) -> None:
    made = TopicIndex((question.id, question.options[question.key], question.stem) for question in bank.questions)
    found = [question.id in made.search(question.objective, 3) for question in bank.questions]
    assert sum(found) > 0.9 * len(found)
    made.close()
