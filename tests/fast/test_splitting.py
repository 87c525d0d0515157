"""Documents as passages: where they are cut, and that nothing is lost by it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.library.parsed import Block, Parsed
from app.library.splitting import LONG, SHORT, STRETCH, passages_of, whole_text

SENTENCES = [f"Sentence number {number} tells something about drug {number} in a few plain words." for number in range(60)]
texts = st.text(st.sampled_from("ab é\n\t.!?)9\u00a0𝔸"), max_size=3000)
blocks = st.builds(Block, st.sampled_from(("", "Causes", "Causes › Rare ones")), st.sampled_from((None, 1, 2)), texts)


def parsed(*blocks: Block) -> Parsed:
    return Parsed("Title", "text", blocks)


@given(st.lists(blocks, max_size=4))
def test_the_passages_in_their_order_are_the_whole_text_but_for_white_space(given: list[Block]) -> None:
    document = parsed(*given)
    whole, end = whole_text(document), 0
    for piece in passages_of(document):
        assert whole[end : piece.start].strip() == ""
        assert whole[piece.start : piece.end] == piece.text == piece.text.strip() != ""
        end = piece.end
    assert whole[end:].strip() == ""


@given(st.lists(blocks, max_size=4))
def test_a_passage_lies_in_one_block_and_has_its_section_and_page(given: list[Block]) -> None:
    document, offset = parsed(*given), 0
    bounds = []
    for block in given:
        bounds.append((offset, offset + len(block.text), block))
        offset += len(block.text) + 2
    for piece in passages_of(document):
        assert any(
            first <= piece.start < piece.end <= last and (piece.section, piece.page) == (block.section, block.page)
            for first, last, block in bounds
        )


@given(blocks)
def test_passages_are_about_nine_hundred_characters_at_most_and_a_hundred_at_least(block: Block) -> None:
    pieces = passages_of(parsed(block))
    assert all(len(piece.text) <= LONG + SHORT for piece in pieces)
    if len(block.text.strip()) >= SHORT:
        assert all(len(piece.text) >= SHORT for piece in pieces)


def test_passages_end_where_sentences_end() -> None:
    pieces = passages_of(parsed(Block("", None, " ".join(SENTENCES))))
    assert len(pieces) > 3
    assert all(piece.text.endswith("plain words.") and piece.text.startswith("Sentence") for piece in pieces)


def test_paragraphs_are_kept_together_where_they_fit() -> None:
    paragraphs = [" ".join(SENTENCES[first : first + 8]) for first in range(0, 32, 8)]
    pieces = passages_of(parsed(Block("", None, "\n\n".join(paragraphs))))
    assert [piece.text for piece in pieces] == paragraphs


def test_an_abbreviation_ends_no_sentence() -> None:
    text = " ".join(
        ["Ask Dr. Bright vs. Dr. Dim, e.g. about the many ways in which long lines are cut, and cut again, and again."] * 40
    )
    assert all(not piece.text.endswith((" Dr.", " vs.", "e.g.")) for piece in passages_of(parsed(Block("", None, text))))


def test_a_text_without_a_space_is_cut_all_the_same() -> None:
    pieces = passages_of(parsed(Block("", None, "x" * 100_000)))
    assert "".join(piece.text for piece in pieces) == "x" * 100_000


def test_a_block_of_many_stretches_is_cut_where_its_sentences_end_and_whole() -> None:
    text = " ".join(SENTENCES * 40)
    assert len(text) > 3 * STRETCH
    pieces = passages_of(parsed(Block("", None, text)))
    assert all(piece.text.endswith("plain words.") and piece.text.startswith("Sentence") for piece in pieces)
    assert " ".join(piece.text for piece in pieces) == text
    assert max(len(piece.text) for piece in pieces) <= LONG + SHORT


def test_a_blank_document_has_no_passages() -> None:
    assert passages_of(parsed()) == passages_of(parsed(Block("", None, "\n" * 5000))) == []
