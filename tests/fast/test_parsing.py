"""Texts and Markdown -> blocks, in any encoding; kinds of files by name and content; rows, judged by line; the wire."""

from __future__ import annotations

import json

import pytest

from app.errors import BadInput
from app.library import blocks
from app.library.blocks import MAX_BLOCKS
from app.library.kinds import Kind, kind_of, shown, stem_of
from app.library.parsed import Block, Parsed, Unreadable
from app.library.parsing_text import parse_markdown, parse_text
from app.library.rows import MAX_REFUSED, Row, rows_of
from app.library.wire import failed, packed, unpacked
from app.rowfiles import Refusal
from tests.documents import texts

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


def test_a_document_of_more_parts_than_are_kept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MAX_BLOCKS", 3)
    assert len(parse_markdown(b"# a\nb\n" * 3).blocks) == 3
    with pytest.raises(Unreadable, match="more than 3 parts") as caught:
        parse_markdown(b"# a\nb\n" * 4)
    assert caught.value.large


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


@pytest.mark.parametrize("field", ["id", "focus", "question", "source", "url", "date", "licence"])
def test_a_row_with_an_endless_field_is_refused_for_it_would_stand_with_each_of_its_passages(field: str) -> None:
    ((_, found),) = rows_of("m.jsonl", row(**{field: "x" * 1001}))
    assert isinstance(found, Refusal)
    assert f"field {field}: it has 1,001 characters; at most " in str(found)


def test_a_file_of_nothing_but_bad_rows_is_left_after_a_while() -> None:
    found = list(rows_of("m.jsonl", b"x\n" * 5000))
    assert len(found) == MAX_REFUSED + 1
    assert "the rest of the file was not read" in str(found[-1][1])


# The wire


def test_a_document_comes_out_of_the_wire_as_it_went_in() -> None:
    parsed = Parsed("T\n\u2028", "pdf", (Block("a", 1, "x\n\ud800"), Block("", None, "y")), pages=3, notes=("n",))
    assert unpacked(packed(parsed)) == parsed


@pytest.mark.parametrize(
    "said",
    [
        *(b"", b"x", b"[]", b"{}", b"[" * 100_000),
        *(packed(Parsed("", "text", ())) + line for line in (b'["a"]\n', b'["a",true,"b"]\n', b'["a",1e99,"b"]\n')),
        packed(Parsed("", "text", (Block("", 2**70, "x"),))),
        packed(Parsed("", "text", (), pages=-1)),
        packed(Parsed("", "text", ())) + b'["",null,""]\n' * (MAX_BLOCKS + 1),
        packed(Parsed("", "text", ())) + b'["",null,""]\r' * (MAX_BLOCKS + 1),
    ],
)
def test_what_is_no_document_is_never_taken_for_one(said: bytes) -> None:
    with pytest.raises(Unreadable, match="broke down"):
        unpacked(said)


def test_a_refusal_comes_through() -> None:
    with pytest.raises(Unreadable, match="why") as caught:
        unpacked(failed(Unreadable("why", large=True)))
    assert caught.value.large
