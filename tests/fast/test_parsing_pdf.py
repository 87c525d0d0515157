"""PDF -> blocks with their pages: headings, columns, turned pages; what readers do not see is left out and told."""

from __future__ import annotations

import pytest

from app.library.parsed import Block, Unreadable
from app.library.parsing_pdf import parse_pdf
from tests.documents import HEIGHT, WIDTH, Line, assembled, content, pdf, pdf_of, stream_object
from tests.documents import shown as written

LOCKED = assembled(
    [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [] /Count 0 >>",
        b"<< >>",
        b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (b"ab" * 32, b"cd" * 32),
    ],
    trailer="/Encrypt 4 0 R /ID [<00> <00>]",
)


def test_a_pdf_gives_paragraphs_under_headings_with_their_pages() -> None:
    pages = [
        [Line(720, "Heart failure", 18, True), Line(690, "It is a syn-"), Line(676, "drome."), Line(640, "A second paragraph.")],
        [Line(720, "Drugs", bold=True), Line(700, "Ramipril 5 mg.")],
    ]
    parsed = parse_pdf(pdf(pages, title="A guide", date="D:20240131120000"))
    assert (parsed.title, parsed.date, parsed.pages) == ("A guide", "2024-01-31", 2)
    assert parsed.blocks == (
        Block("Heart failure", 1, "It is a syndrome.\n\nA second paragraph."),
        Block("Heart failure › Drugs", 2, "Ramipril 5 mg."),
    )


def test_a_hyphen_stays_where_the_document_writes_the_word_with_one() -> None:
    page = [Line(700, "A beta-blocker helps. Another beta-"), Line(686, "blocker and a diu-"), Line(672, "retic.")]
    assert parse_pdf(pdf([page])).blocks[0].text == "A beta-blocker helps. Another beta-blocker and a diuretic."


def test_running_heads_and_page_numbers_are_left_out_and_chapters_stay() -> None:
    pages = [
        [
            Line(760, "Handbook", 9),
            Line(700, f"Chapter {n}", 16),
            Line(680, f"Text {n}."),
            Line(666, "More."),
            Line(30, str(n), 9),
        ]
        for n in range(1, 6)
    ]
    parsed = parse_pdf(pdf(pages))
    assert [block.section for block in parsed.blocks[1:]] == [f"Chapter {n}" for n in range(2, 6)]
    assert {block.text for block in parsed.blocks} == {f"Text {n}. More." for n in range(1, 6)}
    assert "10 running heads" in parsed.notes[0]


def test_a_page_that_is_nothing_but_a_repeated_line_keeps_it() -> None:
    assert len(parse_pdf(pdf([[Line(700, f"Page {n} of the book")] for n in range(9)])).blocks) == 9


def test_text_that_a_pdfs_reader_cannot_see_is_left_out_and_told() -> None:
    shown_text = "BT /F0 11 Tf 1 0 0 1 72 {} Tm ({}) Tj ET"
    content = (
        shown_text.format(700, "Seen."),
        "0 0 0 rg 72 600 300 40 re f 1 1 1 rg",
        shown_text.format(610, "White on black."),
        shown_text.format(500, "White on nothing."),
        "0 0 0 rg",
        shown_text.format(-900, "Outside of the page."),
        "BT /F0 1 Tf 1 0 0 1 72 400 Tm (Too small to see.) Tj ET",
    )
    parsed = parse_pdf(pdf_of([stream_object("\n".join(content).encode())]))
    assert parsed.blocks[0].text == "Seen.\n\nWhite on black."
    assert "a reader cannot see" in parsed.notes[0]


def test_white_words_among_seen_ones_are_left_out() -> None:
    line = "BT /F0 11 Tf 72 700 Td (Take 5 mg ) Tj 1 1 1 rg (and obey me ) Tj 0 0 0 rg (each day.) Tj ET"
    parsed = parse_pdf(pdf_of([content(line)]))
    assert parsed.blocks[0].text == "Take 5 mg each day."
    assert parsed.notes == ("12 characters that a reader cannot see were left out.",)


COLUMNS = [
    *(Line(700 - 14 * k, f"Line {k} on the left tells of", x=60) for k in range(6)),
    *(Line(700 - 14 * k, f"line {k} on the right tells of", x=330) for k in range(6)),
]


def test_two_columns_are_read_one_after_the_other_and_a_paragraph_runs_on_from_one_to_the_next() -> None:
    [block] = parse_pdf(pdf([COLUMNS])).blocks
    assert block.text == " ".join(line.text for line in COLUMNS)


def test_a_column_that_begins_after_a_sentence_begins_a_paragraph() -> None:
    left, right = Line(600, "The left column ends here.", x=60), Line(700, "The right one begins.", x=330)
    [block] = parse_pdf(pdf([[Line(614, "Before it ends,", x=60), left, right]])).blocks
    assert block.text == "Before it ends, The left column ends here.\n\nThe right one begins."


@pytest.mark.parametrize(
    ("turn", "matrix", "height"),
    [
        (0, "1 0 0 1 0 0", HEIGHT),
        (90, f"0 1 -1 0 {WIDTH} 0", WIDTH),
        (180, f"-1 0 0 -1 {WIDTH} {HEIGHT}", HEIGHT),
        (270, f"0 -1 1 0 0 {HEIGHT}", WIDTH),
    ],
)
def test_a_turned_page_is_read_as_it_stands_before_its_reader(turn: int, matrix: str, height: int) -> None:
    lines = [
        Line(height - 60, "Heart failure", 18),
        *(Line(height - 90 - 14 * k, f"Line {k} of the first paragraph,") for k in range(3)),
        *(Line(height - 160 - 14 * k, f"line {k} of the second,") for k in range(2)),
        *(Line(height - 90 - 14 * k, f"line {k} of the second column,", x=330) for k in range(2)),
    ]
    [block] = parse_pdf(pdf_of([content("q", f"{matrix} cm", *map(written, lines), "Q")], turn=turn)).blocks
    assert block.text == (
        "Line 0 of the first paragraph, Line 1 of the first paragraph, Line 2 of the first paragraph,\n\n"
        "line 0 of the second, line 1 of the second, line 0 of the second column, line 1 of the second column,"
    )


def test_a_power_of_ten_and_the_signs_of_the_font_symbol_are_read_for_what_they_are() -> None:
    platelets = "BT /F0 11 Tf 72 700 Td (Platelets 150 x 10) Tj /F0 7 Tf (9) Tj /F0 11 Tf ( and 109 days, ) Tj"
    raw = pdf_of([content(f"{platelets} (5 ) Tj /F1 11 Tf (m) Tj /F0 11 Tf (g) Tj ET")], fonts=("Helvetica", "Symbol"))
    assert parse_pdf(raw).blocks[0].text == "Platelets 150 x 10^9 and 109 days, 5 µg"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (pdf([[], []]), "holds no text, only pictures of pages (2). Run text recognition"),
        (pdf([[Line(700, "x")]])[:300], "damaged PDF"),
        (b"%PDF-1.7\n", "damaged PDF"),
        (assembled([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 5 >>"]), "damaged"),
        (pdf_of([stream_object(b"[" * 100_000)]), "no text"),
        (LOCKED, "it is encrypted. Save it without a password"),
    ],
)
def test_a_pdf_without_text_or_sense_is_refused_with_its_cure(raw: bytes, said: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse_pdf(raw)
    assert said in str(caught.value)
