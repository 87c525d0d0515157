"""A stem's markup: what is a table or a figure becomes one, and everything else stays the text that it was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.prompts import question_text
from app.questions import Bank
from app.stems import ImageBlock, TableBlock, TextBlock, plain_stem, stem_blocks

TABLE = "| Test | Result |\n| --- | --- |\n| Sodium | 128 mEq/L |\n| Glucose | 90 mg/dL |"
IMAGE = "![A loop with a scooped fall](figures/flow-volume-loop.svg)"
PICTURE = "![ECG](data:image/png;base64,iVBORw0KGgo=)"


def test_paragraphs_stand_apart_and_keep_their_lines() -> None:
    assert stem_blocks("A man faints.\nHe wakes.\n\n \nWhy?\n") == (TextBlock("A man faints.\nHe wakes."), TextBlock("Why?"))


def test_a_table_is_read_between_paragraphs() -> None:
    table = TableBlock(("Test", "Result"), (("Sodium", "128 mEq/L"), ("Glucose", "90 mg/dL")))
    assert stem_blocks(f"Tests:\n\n{TABLE}\n\nWhy?") == (TextBlock("Tests:"), table, TextBlock("Why?"))
    assert stem_blocks(f"Tests:\n{TABLE}\nWhy?") == (TextBlock("Tests:"), table, TextBlock("Why?"))
    assert stem_blocks(f"Tests:\r\n\r\n{TABLE}\r\n\r\nWhy?".replace("\n|", "\r\n|"))[1] == table


def test_cells_may_be_empty_aligned_or_hold_a_pipe() -> None:
    (table,) = stem_blocks("| | P(A\\|B) |\n|:---|---:|\n| x | |")
    assert table == TableBlock(("", "P(A|B)"), (("x", ""),))


@pytest.mark.parametrize(
    "text",
    [
        "| Test | Result |\n| --- | --- |\n| Sodium |",
        "| Test | Result |\n| --- |\n| Sodium | 128 |",
        "| Test | Result |\n| Sodium | 128 |\n| Glucose | 90 |",
        "| Test | Result |\n| --- | --- |",
        "|x|",
        "|",
        "P(A|B) is 0.3",
    ],
)
def test_what_is_no_whole_table_is_text(text: str) -> None:
    assert stem_blocks(text) == (TextBlock(text),)


def test_figures_stand_on_lines_of_their_own() -> None:
    assert stem_blocks(f"She coughs.\n{IMAGE}\nWhy?") == (
        TextBlock("She coughs."),
        ImageBlock("figures/flow-volume-loop.svg", "A loop with a scooped fall"),
        TextBlock("Why?"),
    )
    assert stem_blocks(PICTURE) == (ImageBlock("data:image/png;base64,iVBORw0KGgo=", "ECG"),)


@pytest.mark.parametrize(
    "text",
    [
        f"See {IMAGE}",
        "![x](https://example.org/x.png)",
        "![x](figures/../secret.svg)",
        "![x](figures/x.png)",
        "![x](data:image/svg+xml;base64,AAAA)",
        "![x](data:text/html;base64,AAAA)",
        "![x](javascript:alert(1))",
        "<img src=x>",
    ],
)
def test_what_is_no_safe_figure_is_text(text: str) -> None:
    assert stem_blocks(text) == (TextBlock(text),)


@settings(deadline=None)
@given(st.text(alphabet="ab|-:!\\[]()\n \r") | st.text())
def test_any_text_has_blocks_and_nothing_of_a_text_without_markup_is_lost(text: str) -> None:
    blocks = stem_blocks(text)
    assert all(block.text.strip() for block in blocks if isinstance(block, TextBlock))
    if all(isinstance(block, TextBlock) for block in blocks):
        assert "\n".join(block.text for block in blocks if isinstance(block, TextBlock)).split() == text.split()
        assert plain_stem(text) == text


def test_a_model_reads_what_a_figure_shows_and_tables_as_they_are() -> None:
    stem = f"She coughs.\n\n{IMAGE}\n\n{TABLE}\n\nWhy?"
    assert plain_stem(stem) == f"She coughs.\n\n[Figure: A loop with a scooped fall]\n\n{TABLE}\n\nWhy?"


def test_the_prompt_of_a_question_without_a_figure_is_the_very_same(bank: Bank) -> None:
    for question in bank.questions:
        if "](figures/" not in question.stem:
            assert plain_stem(question.stem) == question.stem
            assert question_text(question).startswith(question.stem)


def test_a_picture_of_a_megabyte_is_a_figure_like_any_other() -> None:
    stem = f"![ECG](data:image/png;base64,{'A' * 1_400_000})\nWhy?"
    assert plain_stem(stem) == "[Figure: ECG]\nWhy?"
    assert isinstance(stem_blocks(stem)[0], ImageBlock)
