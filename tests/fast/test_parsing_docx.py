"""Word -> blocks: headings, lists, tables, signs and formulas; what readers do not see is left out, what does harm is refused."""

from __future__ import annotations

import io
import zipfile

import docx
import pytest
from docx.oxml import parse_xml
from docx.shared import Pt, RGBColor

from app.library.parsed import Unreadable
from app.library.parsing_docx import parse_docx
from tests.documents import texts


def word(document: docx.document.Document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


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


MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def word_of(*elements: str) -> bytes:
    """A document of these elements of the body."""
    document = docx.Document()
    body = document.element.body
    for element in elements:
        tag, _, rest = element.partition(">")
        body.insert(len(body) - 1, parse_xml(f'{tag} xmlns:w="{W}" xmlns:m="{MATH}">{rest}'))
    return word(document)


@pytest.mark.parametrize(
    ("element", "read"),
    [
        (
            '<w:p><w:r><w:t>100 </w:t><w:sym w:font="Symbol" w:char="F06D"/><w:t>g, age </w:t>'
            '<w:sym w:font="Symbol" w:char="F0B3"/><w:t> 65, </w:t><w:sym w:font="Wingdings" w:char="F0FC"/></w:r></w:p>',
            "100 \uf06dg, age \uf0b3 65, ✓",  # which cleaning makes 100 µg, age ≥ 65
        ),
        (
            '<w:p><w:r><w:t>150 x 10</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>9</w:t></w:r></w:p>',
            "150 x 10^9",
        ),
        (
            '<w:p><w:r><w:t>10</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>-</w:t></w:r>'
            '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>9</w:t></w:r><w:r><w:t> to 10</w:t></w:r>'
            '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>1</w:t></w:r>'
            '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>2</w:t></w:r></w:p>',
            "10^-9 to 10^12",
        ),
        (
            '<w:p><w:r><w:t>1.7 m</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>2</w:t></w:r></w:p>',
            "1.7 m2",
        ),
        (
            "<w:p><w:r><w:t>It is </w:t></w:r><m:oMath><m:f><m:num><m:r><m:t>140-age</m:t></m:r></m:num><m:den>"
            "<m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:den></m:f></m:oMath></w:p>",
            "It is (140-age)/(x^(2))",
        ),
        (
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Dose</w:t></w:r></w:p></w:tc><w:sdt><w:sdtContent><w:tc><w:p><w:r><w:t>5 mg</w:t>"
            "</w:r></w:p></w:tc></w:sdtContent></w:sdt></w:tr></w:tbl>",
            "Dose | 5 mg",
        ),
    ],
)
def test_no_sign_power_formula_or_field_of_a_form_is_lost(element: str, read: str) -> None:
    assert texts(parse_docx(word_of(element))) == [("", read)]


def test_white_on_a_white_ground_and_almost_white_are_hidden() -> None:
    white = '<w:r><w:rPr><w:color w:val="{}"/><w:shd w:val="clear" w:fill="{}"/></w:rPr><w:t>{}</w:t></w:r>'
    runs = [("FFFFFF", "FFFFFF", "one "), ("FEFEFE", "auto", "two "), ("FFFFFF", "000000", "On black.")]
    parsed = parse_docx(word_of(f"<w:p>{''.join(white.format(*run) for run in runs)}</w:p>"))
    assert texts(parsed) == [("", "On black.")]
    assert parsed.notes == ("8 characters of hidden text were left out.",)


def test_an_endnote_stands_under_the_paragraph_that_cites_it() -> None:
    raw = word_of('<w:p><w:r><w:t>It helps.</w:t><w:endnoteReference w:id="2"/></w:r></w:p>')
    note = f'<w:endnotes xmlns:w="{W}"><w:endnote w:id="2"><w:p><w:r><w:t>A trial.</w:t></w:r></w:p></w:endnote></w:endnotes>'
    relation = (
        b'<Relationship Id="rIdE" Target="endnotes.xml" '
        b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/endnotes"/></Relationships>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(out, "w") as copy:
        for name in source.namelist():
            content = source.read(name)
            copy.writestr(
                name, content.replace(b"</Relationships>", relation) if name == "word/_rels/document.xml.rels" else content
            )
        copy.writestr("word/endnotes.xml", note)
    assert texts(parse_docx(out.getvalue())) == [("", "It helps.\n\nNote: A trial.")]


def archive(**parts: bytes) -> bytes:
    """Of a Word document, with these parts (a_b for a/b.xml) in place of its own or added."""
    out = io.BytesIO()
    given = {f"{name.replace('_', '/')}.xml": content for name, content in parts.items()}
    with zipfile.ZipFile(io.BytesIO(word(docx.Document()))) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in {*source.namelist(), *given}:
            copy.writestr(name, given.get(name) or source.read(name))
    return out.getvalue()


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
