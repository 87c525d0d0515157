"""Where sentences end: abbreviations, decimals, lists and Markdown, on any text in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sentences import sentences


def texts(text: str) -> list[str]:
    return [span.text for span in sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Grey gave antibiotics, e.g. amoxicillin, i.e. a penicillin.",
        "The level was 0.9 % vs. 1.2 % before.",
        "See Fig. 3 and No. 3 of approx. 500 ml.",
        "E. coli and S. aureus grew.",
        "Give 5 mg. per day.",
        "Take it b.i.d. 3 times in all.",
        "Wait ... then go on.",
        "The pH was 7.1 in J. Brown's trial.",
    ],
)
def test_a_full_stop_of_an_abbreviation_or_a_number_ends_nothing(text: str) -> None:
    assert texts(text) == [text]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It is hepatitis B. Vaccination helps.", ["It is hepatitis B.", "Vaccination helps."]),
        ("Give vitamin C. The dose is 1 g.", ["Give vitamin C.", "The dose is 1 g."]),
        ("Take it b.i.d. Then stop.", ["Take it b.i.d.", "Then stop."]),
        ("Is it safe? No. Avoid it!", ["Is it safe?", "No.", "Avoid it!"]),
        ('He said "stop." She did (at once.) Good.', ['He said "stop."', "She did (at once.)", "Good."]),
        ("It helps.[1] It harms [2]. Stop.", ["It helps.[1]", "It harms [2].", "Stop."]),
        ("It fell. pH rose.", ["It fell.", "pH rose."]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, parts: list[str]) -> None:
    assert texts(text) == parts


def test_headings_items_and_rows_are_one_each() -> None:
    spans = sentences(
        "## Dose\n**Adults**\nTake 5 mg.\n\n- one thing\n- another\n1. first\n2) second\n\n| a | b |\n|---|---|\n| c | d |"
    )
    assert [(s.text, s.heading, s.item) for s in spans] == [
        ("Dose", True, False),
        ("Adults", True, False),
        ("Take 5 mg.", False, False),
        ("one thing", False, True),
        ("another", False, True),
        ("first", False, True),
        ("second", False, True),
        ("a | b", False, True),
        ("c | d", False, True),
    ]


def test_emphasis_at_the_edges_is_no_part_of_a_sentence() -> None:
    assert texts("**Avoid aspirin.** It *bleeds*.") == ["Avoid aspirin.", "It *bleeds*."]


def test_a_wrapped_line_goes_on_and_a_short_one_ends() -> None:
    assert texts("The patient was\ntreated.") == ["The patient was\ntreated."]
    assert texts("Aspirin\nWarfarin") == ["Aspirin", "Warfarin"]


@given(st.text(alphabet=st.sampled_from('ab AZ.!?…"*_#|-\n\t 1[]()🫀é'), max_size=80))
def test_spans_are_in_order_and_lie_where_they_say(text: str) -> None:
    at = 0
    for span in sentences(text):
        assert at <= span.start < span.end <= len(text)
        assert text[span.start : span.end] == span.text
        at = span.end


@given(st.text(alphabet=st.sampled_from("aB .\n-*🫀1"), max_size=60))
def test_no_word_is_lost_between_the_spans(text: str) -> None:
    kept = "".join(span.text for span in sentences(text))
    assert sum(letter.isalpha() for letter in kept) == sum(letter.isalpha() for letter in text)


@pytest.mark.parametrize("hostile", [".", " ", ". ", "A. ", "\n", "*", "a\n", "e.g. ", '."', "- ", "|", "[1]", "a"])
def test_a_hundred_thousand_hostile_characters_are_cut(hostile: str) -> None:
    text = (hostile * 100_000)[:100_000]
    assert all(text[span.start : span.end] == span.text for span in sentences(text))
