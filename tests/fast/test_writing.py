"""From tokens to text: however a text is cut into tokens, the same is reasoning, the same is answer, and it ends alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.writing import Writing, thinking_open
from app.records import Prompt, Segment
from app.thinking import MARKS, Mark, open_mark

Token = bytes | str  # a str is a control token: it has a name and no text

PAIRED = [mark for mark in MARKS if not mark.open.startswith("<|channel|>") and not mark.open.startswith("<|start|>")]
each_mark = pytest.mark.parametrize("mark", PAIRED, ids=lambda mark: mark.open)

# Short texts in which marks, stop texts and characters of several bytes meet often.
SCRAPS = ["a", "b", "ab", " ", "\n", "é", "🫁", "<", "</", "think", ">", "<think>", "</think>", "<|channel|>final", "<|message|>"]
texts = st.lists(st.sampled_from(SCRAPS), max_size=12).map("".join)
stops = st.lists(st.sampled_from(["a", "ab", "ba", "b<", "\n\n", "é", "think>", "🫁a"]), max_size=3)


def write(tokens: Iterable[Token], *, prompt: Prompt = (), stop: Sequence[str] = ()) -> tuple[str, str, bool]:
    """Reasoning, answer, and whether a stop text ended it."""
    writing = Writing(prompt, stop)
    told: dict[str, str] = {"thought": "", "piece": ""}
    for token in tokens:
        for kind, text in writing.feed_control(token.encode()) if isinstance(token, str) else writing.feed(token):
            assert text
            told[kind] += text
    for kind, text in writing.finish():
        assert text
        told[kind] += text
    return told["thought"], told["piece"], writing.stopped


def cut(text: bytes, at: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(text) + 1) for place in at), len(text)]
    return [text[begin:end] for begin, end in pairwise(places)]


# Whole characters


@settings(deadline=None)
@given(st.binary(max_size=30), st.lists(st.integers(0, 40), max_size=6))
def test_bytes_become_the_same_text_wherever_tokens_cut_them(raw: bytes, at: list[int]) -> None:
    assert write(cut(raw, at)) == write([raw])


@settings(deadline=None)
@given(st.text(max_size=20).map(lambda text: f".{text}"))  # an answer from its first character on
def test_a_character_of_several_bytes_comes_whole(text: str) -> None:
    writing = Writing()
    pieces = [piece for byte in text.encode() for piece in writing.feed(bytes([byte]))] + list(writing.finish())
    assert "".join(piece.text for piece in pieces) == text


def test_half_a_character_at_the_end_is_told_as_the_replacement_character() -> None:
    assert write([b"Odem ", "Ö".encode()[:1]]) == ("", "Odem \ufffd", False)


def test_plain_text_is_given_out_as_it_comes() -> None:
    writing = Writing()
    assert [writing.feed(token) for token in (b"The", b" heart", b" pumps")] == [
        (("piece", "The"),),
        (("piece", " heart"),),
        (("piece", " pumps"),),
    ]


# Reasoning


@settings(deadline=None)
@given(texts, st.lists(st.integers(0, 100), max_size=8), stops)
def test_reasoning_answer_and_end_do_not_depend_on_how_the_text_is_cut(text: str, at: list[int], stop: list[str]) -> None:
    assert write(cut(text.encode(), at), stop=stop) == write([text.encode()], stop=stop)


@settings(deadline=None)
@given(texts, st.lists(st.integers(0, 100), max_size=8))
def test_behind_a_prompt_that_opened_a_block_the_cut_does_not_matter_either(text: str, at: list[int]) -> None:
    prompt = (Segment("<|im_start|>assistant\n<think>\n", control=True),)
    assert write(cut(text.encode(), at), prompt=prompt) == write([text.encode()], prompt=prompt)


@each_mark
def test_what_stands_between_the_marks_is_reasoning_and_what_follows_the_answer(mark: Mark) -> None:
    told = write([f"\n{mark.open}\nThe valve.\n\nIt is the mitral.\n{mark.close}\n\nThe mitral valve.".encode()])
    assert told == ("The valve.\n\nIt is the mitral.", "The mitral valve.", False)


@each_mark
def test_marks_that_are_control_tokens_mean_the_same(mark: Mark) -> None:
    opening: list[Token] = ["<|channel>", b"thought"] if mark.open == "<|channel>thought" else [mark.open]
    assert write([*opening, b"Let", b" me see.", mark.close, b"\n\n", b"The mitral."]) == ("Let me see.", "The mitral.", False)


@each_mark
def test_a_block_that_the_prompt_opened_is_reasoning_from_the_first_word(mark: Mark) -> None:
    prompt = (Segment("What is it?"), Segment(f"<|assistant|>{mark.open}\n", control=True))
    assert thinking_open(prompt)
    assert write([b"Let me see.", mark.close.encode(), b" The mitral."], prompt=prompt) == ("Let me see.", "The mitral.", False)


@each_mark
def test_a_block_that_the_prompt_closed_or_a_person_wrote_opens_nothing(mark: Mark) -> None:
    assert not thinking_open((Segment(f"{mark.open}\n\n{mark.close}\n\n", control=True),))
    assert not thinking_open((Segment(f"{mark.open}\n\n{mark.shut}", control=True),))
    assert not thinking_open((Segment(f"Why {mark.open}?", control=False),))
    assert not thinking_open((Segment(mark.open, control=True), Segment("Answer:")))
    assert not thinking_open(())


@pytest.mark.parametrize("control", [False, True], ids=["as llama.cpp shows them", "all of them control"])
def test_gpt_oss_reasons_on_its_analysis_channel_and_answers_on_its_final_one(control: bool) -> None:
    def named(name: str) -> Token:
        return name if control else name.encode()

    def message(channel: bytes, text: bytes) -> list[Token]:
        return [named("<|channel|>"), channel, named("<|message|>"), text]

    between: list[Token] = ["<|end|>", named("<|start|>"), b"assistant"]
    thought = [*message(b"analysis", b"Simple."), *between, *message(b"commentary", b"Sure?"), *between]
    assert write([*thought, *message(b"final", b"2 + 2 = 4.")]) == ("Simple.\n\nSure?", "2 + 2 = 4.", False)
    assert write(message(b"final", b"4.")) == ("", "4.", False)


def test_control_tokens_that_are_no_marks_stay_unseen() -> None:
    assert write(["<|START_RESPONSE|>", b"The ", "<|x|>", b"heart.", "<|END_RESPONSE|>"]) == ("", "The heart.", False)
    assert write(["<think>", b"Hm", "<|x|>", b"m.", "</think>", "<|START_RESPONSE|>", b"Yes."]) == ("Hmm.", "Yes.", False)


def test_an_answer_that_never_closes_its_block_is_reasoning_alone() -> None:
    assert write([b"<think>", b"Let me see. </thi"]) == ("Let me see. </thi", "", False)


def test_an_empty_block_is_no_reasoning() -> None:
    assert write([b"<think>\n\n</think>\n\nYes."]) == ("", "Yes.", False)


def test_blocks_in_a_row_are_one_reasoning_in_paragraphs() -> None:
    assert write([b"<think>One.</think>\n<think> Two. </think> Yes."]) == ("One.\n\nTwo.", "Yes.", False)


@pytest.mark.parametrize("text", ["Use <think> here.", "a<think>b</think>", "<thin", "<thinker>x", "  Yes.", "</think>Yes."])
def test_an_answer_that_has_begun_or_only_looks_alike_is_given_out_as_it_is(text: str) -> None:
    assert write([bytes([byte]) for byte in text.encode()]) == ("", text, False)


def test_no_mark_is_the_beginning_of_another() -> None:
    assert [(a, b) for a in MARKS for b in MARKS if a is not b and b.open.startswith(a.open)] == []


def test_a_text_that_opens_a_block_is_told_from_one_that_closed_it() -> None:
    assert open_mark("a <think> b </think> c <think>") == MARKS[0]
    assert open_mark("a <think> b </think> c") is None
    assert open_mark("a </think>") is None


# Stop texts


@settings(deadline=None)
@given(texts.map(lambda text: f".{text}"), stops, st.lists(st.integers(0, 100), max_size=8))
def test_an_answer_ends_before_the_stop_text_that_is_whole_first(text: str, stop: list[str], at: list[int]) -> None:
    ends = [(text.find(one) + len(one), text.find(one)) for one in stop if one in text]
    expected = text[: min(ends)[1]] if ends else text
    assert write(cut(text.encode(), at), stop=stop) == ("", expected, bool(ends))


@settings(deadline=None)
@given(texts.map(lambda text: f".{text}"), stops)
def test_nothing_is_given_out_that_a_stop_text_could_still_claim(text: str, stop: list[str]) -> None:
    writing = Writing((), stop)
    told = read = ""
    for character in text:
        read += character
        told += "".join(stretch.text for stretch in writing.feed(character.encode()))
        if writing.stopped:
            assert writing.feed(b" more") == () and list(writing.finish()) == []
            return
        assert read.startswith(told)
        assert not any(one.startswith(read[at:]) for one in stop for at in range(len(told)))


def test_reasoning_knows_no_stop_texts() -> None:
    assert write([b"<think>One.\n\nTwo.</think>\n\nYes.\n\nNo."], stop=["\n\n"]) == ("One.\n\nTwo.", "Yes.", True)


def test_a_stop_text_without_letters_is_none() -> None:
    assert write([b"Yes."], stop=[""]) == ("", "Yes.", False)
