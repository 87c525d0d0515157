"""Files -> blocks: headings, pages, tables, encodings; what readers do not see is left out and told; rows are judged by line."""

from __future__ import annotations

import io
import json
import zipfile

import docx
import pytest
from docx.shared import Pt, RGBColor

from app.errors import BadInput
from app.library.kinds import Kind, kind_of, shown, stem_of
from app.library.parsed import Block, Parsed, Unreadable
from app.library.parsing_docx import parse_docx
from app.library.parsing_html import parse_html
from app.library.parsing_pdf import parse_pdf
from app.library.parsing_text import parse_markdown, parse_text
from app.library.rows import MAX_REFUSED, Row, rows_of
from app.library.wire import failed, packed, unpacked
from app.rowfiles import Refusal
from tests.documents import Line, assembled, pdf, pdf_of, stream_object


def texts(parsed: Parsed) -> list[tuple[str, str]]:
    return [(block.section, block.text) for block in parsed.blocks]


def word(document: docx.document.Document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


# PDF

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


# Word


def test_a_word_document_gives_headings_lists_tables_and_its_properties() -> None:
    document = docx.Document()
    document.core_properties.title = "Asthma"
    document.add_heading("Drugs", 1)
    document.add_paragraph("Two kinds:")
    document.add_paragraph("relievers", style="List Bullet")
    document.add_paragraph("preventers", style="List Bullet")
    table = document.add_table(1, 2)
    table.cell(0, 0).text = "Salbutamol"
    table.cell(0, 1).text = "100 µg"
    document.add_heading("Dose", 2)
    document.add_paragraph("Two puffs.")
    parsed = parse_docx(word(document))
    assert (parsed.title, parsed.date) == ("Asthma", "2013-12-23")
    assert texts(parsed) == [
        ("Drugs", "Two kinds:\n\n- relievers\n- preventers\nSalbutamol | 100 µg"),
        ("Drugs › Dose", "Two puffs."),
    ]


def test_hidden_white_and_tiny_words_are_left_out_and_told() -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("Seen.")
    paragraph.add_run(" Hidden.").font.hidden = True
    paragraph.add_run(" White.").font.color.rgb = RGBColor(255, 255, 255)
    paragraph.add_run(" Tiny.").font.size = Pt(1)
    parsed = parse_docx(word(document))
    assert texts(parsed) == [("", "Seen.")]
    assert parsed.notes == ("21 characters of hidden text were left out.",)


def archive(**parts: bytes) -> bytes:
    """Of a Word document, with these parts (a_b for a/b.xml) in place of its own or added."""
    out = io.BytesIO()
    given = {f"{name.replace('_', '/')}.xml": content for name, content in parts.items()}
    with zipfile.ZipFile(io.BytesIO(word(docx.Document()))) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in {*source.namelist(), *given}:
            copy.writestr(name, given.get(name) or source.read(name))
    return out.getvalue()


W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><w>&b;</w>'
XXE = b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/hostname">]><w>&x;</w>'
DEEP = f'<w:document xmlns:w="{W}"><w:body>{"<w:sdt>" * 5000}{"</w:sdt>" * 5000}</w:body></w:document>'.encode()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (archive(word_document=LAUGHS), "declares a document type"),
        (archive(word_document=XXE), "declares a document type"),
        (archive(word_document=XXE.decode().encode("utf-16-le")), "declares a document type"),
        (archive(word_document=XXE.decode().encode("utf-16-be")), "declares a document type"),
        (archive(word_extra=bytes(20_000_000)), "unpacks to far more"),
        (archive(word_document=b"<no"), "damaged Word document"),
        (archive(word_document=DEEP), "damaged Word document"),
        (word(docx.Document())[:2000], "damaged archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "it is encrypted"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "old Office format"),
    ],
)
def test_an_archive_made_to_do_harm_is_refused_in_words(raw: bytes, said: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse_docx(raw)
    assert said in str(caught.value)


def test_an_archive_that_lies_about_its_size_is_bounded_while_it_unpacks() -> None:
    raw = archive(word_extra=bytes(20_000_000))
    lie = raw.replace((20_000_000).to_bytes(4, "little"), (2000).to_bytes(4, "little"))
    with pytest.raises(Unreadable):
        parse_docx(lie)


# HTML


def test_a_page_gives_what_its_reader_sees() -> None:
    raw = b"""<!doctype html><head><title>Heart failure</title><meta name="dcterms.date" content="2024-03-01">
    <link rel=canonical href="https://example.org/hf"><style>.x{display:none} @media print{.y{display:none}}</style></head>
    <body><nav>Menu</nav><script>alert(1)</script><h1>Heart failure</h1><p>It is <b>bad</b>, H<sub>2</sub>O.<br>Line two.
    <h2>Drugs</h2><ul><li>one<li>two</ul><table><tr><th>Drug<th>Dose<tr><td><p>Ramipril</p><td>5 <i>mg</i></table>
    <p class=x>By class.</p><p class=y>For the screen.</p><p hidden>By attribute.</p><p style="Visibility: hidden">v</p>
    <p style="font-size:0px">s</p><p style="color:#FFF">w</p>
    <div style="background:#000"><p style="color:white">Readable.</p></div>
    <!-- a comment --><pre>a  b</pre></body>"""
    parsed = parse_html(raw)
    assert (parsed.title, parsed.date, parsed.source) == ("Heart failure", "2024-03-01", "https://example.org/hf")
    assert texts(parsed) == [
        ("", "It is bad, H2O.\nLine two."),
        ("Drugs", "- one\n- two\nDrug | Dose\nRamipril | 5 mg\n\nFor the screen.\n\nReadable.\n\na  b"),
    ]
    assert parsed.notes == ("25 characters that the page hides from its readers were left out.",)


def test_a_table_for_the_layout_is_no_row() -> None:
    raw = b"<table><tr><td><h2>One</h2><p>text<td><h2>Two</h2><p>more</table>"
    assert texts(parse_html(raw))[-1] == ("Two", "more")


@pytest.mark.parametrize("page", [b"<div>" * 3000 + b"deep", b"<html>" + b"<!-- " * 50_000 + b"deep", b"<b><i>deep</b></p></x>"])
def test_a_page_without_end_or_order_is_read(page: bytes) -> None:
    assert parse_html(page).blocks[0].text.endswith("deep")


def test_a_page_is_decoded_as_it_says() -> None:
    page = '<meta charset="windows-1251"><p>Сердце'
    assert parse_html(page.encode("cp1251")).blocks[0].text == "Сердце"


# Markdown and text


def test_markdown_gives_front_matter_headings_and_plain_words() -> None:
    raw = (
        b'---\ntitle: Asthma\nlicence: CC0\ndate: 2024-01-01\nsource: "us"\n---\n# Asthma\nIt is **bad** and _long_.\n'
        b"<!-- obey -->\n# Drugs #\n| a | b |\n|---|---|\n| 1 | [x](http://y) |\n\n```\n# no heading\n```\nDose\n----\n5 mg\n"
    )
    parsed = parse_markdown(raw)
    assert (parsed.title, parsed.licence, parsed.date, parsed.source) == ("Asthma", "CC0", "2024-01-01", "us")
    assert texts(parsed) == [
        ("", "It is bad and long."),
        ("Drugs", "a | b\n1 | x\n\n# no heading"),
        ("Drugs › Dose", "5 mg"),
    ]
    assert "Comments" in parsed.notes[0]


def test_the_first_heading_is_the_title_where_no_text_stands_above_it() -> None:
    assert parse_markdown(b"# One\ntext").title == "One"
    assert parse_markdown(b"text\n\n# One\nmore").title == ""


def test_a_heading_with_nothing_under_it_is_kept_as_text() -> None:
    assert texts(parse_markdown(b"text\n\n# One\n## Two\n# Three")) == [("", "text"), ("One", "Two"), ("", "Three")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_is_read_in_its_encoding(encoding: str) -> None:
    parsed = parse_text("Grüße an Ärzte, 5 µg\r\n\r\nabsatz".encode(encoding))
    assert (texts(parsed), parsed.notes) == ([("", "Grüße an Ärzte, 5 µg\n\nabsatz")], ())


def test_a_guessed_encoding_is_told() -> None:
    parsed = parse_text("5 µg".encode("cp1252"))
    assert parsed.blocks[0].text == "5 µg"
    assert "Windows-1252" in parsed.notes[0]


def test_a_program_is_no_text() -> None:
    with pytest.raises(Unreadable, match="no text"):
        parse_text(bytes(range(256)) * 9)


# Names and kinds


@pytest.mark.parametrize(
    ("name", "raw", "kind"),
    [
        ("a.txt", b"junk %PDF-1.4", Kind.PDF),
        ("a.pdf", b"PK\x03\x04", Kind.DOCX),
        ("README", b"text", Kind.TEXT),
        ("x.dat", b"  <!DOCTYPE html><p>", Kind.HTML),
        ("A.HTM", b"<p>", Kind.HTML),
        ("../../etc/passwd.md", b"x", Kind.MARKDOWN),
        ("rows.JSONL", b"{}", Kind.ROWS),
        ("CON", b"x", Kind.TEXT),
    ],
)
def test_content_decides_where_it_is_plain_and_the_name_elsewhere(name: str, raw: bytes, kind: Kind) -> None:
    assert kind_of(name, raw) is kind


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("a.txt", b"", "it is empty"),
        ("a.txt", b"\n \x00", "it is empty"),
        ("a.exe", b"MZ", ".exe is not known"),
        ("a.pdf", b"hi", "no such file"),
    ],
)
def test_what_is_not_read_is_refused_by_name(name: str, raw: bytes, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        kind_of(name, raw)
    assert caught.value.sentence.startswith(f"{name} was not added: ")
    assert said in caught.value.sentence


@pytest.mark.parametrize("name", ["a\x00b\n.md", "x" * 300 + ".md", "\u202egnp.md", "🩺.md", "", "\ud800.md", "<|im_end|>.md"])
def test_any_name_is_shown_on_one_line_and_gives_a_title(name: str) -> None:
    for said in (shown(name), stem_of(name)):
        assert said.isprintable() or "🩺" in said
        assert 0 < len(said) <= 121
        said.encode()


# Rows


def row(**changes: object) -> bytes:
    return json.dumps({"id": "1", "focus": "Asthma", "question": "What is it?", "answer": "A disease.", **changes}).encode()


def test_a_row_of_medquad_is_a_small_document() -> None:
    ((line, found),) = rows_of("m.jsonl", b"\xef\xbb\xbf\n" + row(url="https://example.org", source="us"))
    assert line == 2
    assert isinstance(found, Row)
    assert found.parsed().blocks == (Block("What is it?", None, "A disease."),)
    assert (found.id, found.parsed().title, found.parsed().source) == ("1", "Asthma", "https://example.org")


def test_rows_that_cannot_be_used_are_refused_by_line_and_the_others_are_kept() -> None:
    bad = [
        row(answer=" \u200b"),
        row(answer=5.5),
        b"[1]",
        b'{"a":',
        b"[" * 100_000,
        b'{"answer": "\xff"}',
        row(answer="x" * 2**20),
    ]
    found = list(rows_of("m.jsonl", b"\n".join([row(), *bad, row(id=7)])))
    assert [line for line, _ in found] == list(range(1, 10))
    assert [type(value) for _, value in found] == [Row, *[Refusal] * 7, Row]
    said = [str(value) for _, value in found[1:-1]]
    assert all(sentence.startswith(f"m.jsonl, line {line}") for line, sentence in enumerate(said, start=2))
    for sentence, word_of_it in zip(said, ["empty", "float", "list", "not JSON", "deeply", "UTF-8", "longer"], strict=True):
        assert word_of_it in sentence


def test_a_file_of_nothing_but_bad_rows_is_left_after_a_while() -> None:
    found = list(rows_of("m.jsonl", b"x\n" * 5000))
    assert len(found) == MAX_REFUSED + 1
    assert "the rest of the file was not read" in str(found[-1][1])


# The wire


def test_a_document_comes_out_of_the_wire_as_it_went_in() -> None:
    parsed = Parsed("T\n\u2028", "pdf", (Block("a", 1, "x\n\ud800"), Block("", None, "y")), pages=3, notes=("n",))
    assert unpacked(packed(parsed)) == parsed


@pytest.mark.parametrize("said", [b"", b"x", b"[]", b"{}", packed(Parsed("", "text", ())) + b'["a"]\n', b"[" * 100_000])
def test_what_is_no_document_is_never_taken_for_one(said: bytes) -> None:
    with pytest.raises(Unreadable, match="broke down"):
        unpacked(said)


def test_a_refusal_comes_through() -> None:
    with pytest.raises(Unreadable, match="why") as caught:
        unpacked(failed(Unreadable("why", large=True)))
    assert caught.value.large
