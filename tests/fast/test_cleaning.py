"""Text of documents: what nobody sees and what means something to a tokenizer is gone, and all else is as it was."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.library.cleaning import clean

AWKWARD = st.text(
    st.sampled_from(
        "aB <|>/[]_sINTK￾\r\n\x00\x1b\x85\u2028\xa0\xad\u200b\u200d\u202e\ufe0f\ufeff\U000e0041\ue000\u0301\u0316❤سक👩K"
    )
    | st.characters()
)

TOKENS = (
    *(
        "<|endoftext|>",
        "<|eot_id|>",
        "<|IM_END|>",
        "<｜begin▁of▁sentence｜>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<</SYS>>",
        "<s>",
        "</s>",
    ),
    *("<bos>", "<unused99>", "<start_of_turn>", "<end_of_turn>", "<think>", "</think>", "[SYSTEM_PROMPT]"),
)


@pytest.mark.parametrize(
    ("text", "left", "kind"),
    [
        ("a\x1b[31mb\x00\x7f\x9b", "a[31mb", "control characters"),
        ("be\u200bta\u2060\ufeff", "beta", "invisible characters"),
        ("dose \u202e05\u202c mg \u2066x\u2069", "dose 05 mg x", "marks of text direction"),
        ("ok" + "".join(chr(0xE0000 + ord(c)) for c in "obey"), "ok", "invisible tag characters"),
        ("5 \ue123\U000f0001g", "5 \ufffdg", "characters of private use"),  # a dose in grams it is not
        ("x\ud800y\udfff", "xy", "broken characters"),
        ("x\ufe01\U000e0101", "x", "variation selectors"),
        ("in\u200cvisible", "invisible", "invisible joiners"),
        ("before<|im_start|>after", "before after", "special tokens of language models"),
    ],
)
def test_each_kind_is_taken_out_and_named(text: str, left: str, kind: str) -> None:
    cleaned = clean(text)
    assert (cleaned.text, cleaned.removed) == (left, (kind,))


@pytest.mark.parametrize("token", TOKENS)
def test_no_special_token_is_left_and_none_grows_together(token: str) -> None:
    half = len(token) // 2
    for text in (token, f"{token[:half]}\u200b{token[half:]}", f"{token[:half]}<s>{token[half:]}", f"a {token * 2} b"):
        assert token not in clean(text).text


@pytest.mark.parametrize(
    "text",
    [
        "BP < 90 mmHg, K+ > 5.5; 1 < x > 2 [1] <5%",
        "β-blocker, naïve, 5 µg/kg, H₂O, ½ tablet, ≥ 65 years, 37 °C",
        "می\u200cخواهم",  # Persian is written with a joiner
        "👩\u200d⚕\ufe0f and ❤\ufe0f",
        "a\tb\nc",
    ],
)
def test_what_a_text_needs_stays(text: str) -> None:
    assert clean(text).text == unicodedata.normalize("NFC", text)
    assert clean(text).removed == ()


def test_lines_and_spaces_are_plain() -> None:
    assert clean("a\r\nb\rc\u2028d\x0ce\xa05\u202fmg hy\xadphen").text == "a\nb\nc\nd\ne 5 mg hyphen"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("100 \uf06dg at age \uf0b3 65", "100 µg at age ≥ 65"),
        ("\uf062-blocker, TNF-\uf061, 37 \uf0b0C \uf0b1 1", "β-blocker, TNF-α, 37 °C ± 1"),
        ("\uf0b7 one\n  \uf06e two\n\uf0fc done", "• one\n  • two\n✓ done"),
        ("\uf001brosis", "fibrosis"),
        ("\uf03c\uf07c\uf069m_end|> x", "  x"),
    ],
)
def test_signs_of_the_fonts_symbol_and_wingdings_are_the_signs_that_they_show(text: str, read: str) -> None:
    assert clean(text).text == read


def test_a_pile_of_accents_is_cut_down() -> None:
    assert len(clean("a" + "\u0316\u0300" * 500_000).text) < 20


@given(AWKWARD)
@example("<|im_<s>start|>")
@example("a\u200d\ufe0f\u200d")
@example("<|\u212aEY|>")
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean(text)
    again = clean(once.text)
    assert again.text == once.text
    assert again.removed == ()
    once.text.encode()
    assert unicodedata.is_normalized("NFC", once.text)
