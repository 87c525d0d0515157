"""HTML -> blocks: what its reader sees and nothing else, of pages without order too, in bounded time."""

from __future__ import annotations

import pytest

from app.library.parsed import Unreadable
from app.library.parsing_html import parse_html
from tests.documents import texts


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


@pytest.mark.parametrize("page", [b"<div>" * 900 + b"deep", b"<html>" + b"<!-- " * 50_000 + b"deep", b"<b><i>deep</b></p></x>"])
def test_a_page_without_end_or_order_is_read(page: bytes) -> None:
    assert parse_html(page).blocks[0].text.endswith("deep")


def test_a_page_nested_without_end_is_refused_at_once() -> None:
    with pytest.raises(Unreadable, match="more than 1,000 deep in one another"):
        parse_html(b"<div>" * 300_000)


def test_rows_items_and_paragraphs_end_where_the_next_begins() -> None:
    raw = (
        b"<p>one<p>two<ul><li><p>three</p><p>four</p><li>five</ul>six<table><thead><tr><th>A<th>B<tbody>"
        + b"<tr><td>1<td>2" * 2000
    )
    [block] = parse_html(raw).blocks
    assert block.text == "one\n\ntwo\n\n- three\n\nfour\n\n- five\n\nsix\n\nA | B" + "\n1 | 2" * 2000


def test_a_raised_number_does_not_grow_together_with_the_one_before_it() -> None:
    numbers = b"<p>150 x 10<sup>9</sup>/L, 25<sup><a>4,5</a></sup> %, 1.7 m<sup>2</sup>, "
    words = b"the 1<sup>st</sup>, failure<sup>12</sup>, H<sub>2</sub>O"
    assert parse_html(numbers + words).blocks[0].text == "150 x 10^9/L, 25^4,5 %, 1.7 m2, the 1st, failure^12, H2O"


def test_a_raised_number_in_a_table_does_not_grow_together_with_the_one_before_it() -> None:
    cells = b"<tr><td>Platelets<td>150 x 10<sup>9</sup>/L<tr><td>Red cells<td>4 x <b>10</b><sup>12</sup>/L"
    assert parse_html(b"<table>" + cells + b"</table>").blocks[0].text == "Platelets | 150 x 10^9/L\nRed cells | 4 x 10^12/L"


@pytest.mark.parametrize(
    ("style", "hidden"),
    [
        *(("font-size:0", True), ("font-size: 0.0em", True), ("font-size:0.5px", True), ("font-size:1px", True)),
        *(("font-size:10px", False), ("font-size:1.5em", False), ("font-size:12pt", False), ("font-size:", False)),
        *(("opacity:0", True), ("opacity:.0", True), ("opacity:0.5", False), ("color:#fefefe", True), ("color:#eee", False)),
        ("opacity:" + "0" * 200_000 + "x", False),
        ("font-size:" + "0" * 200_000 + "x", False),
    ],
)
def test_what_a_style_hides_is_left_out_and_nothing_else(style: str, hidden: bool) -> None:
    assert (len(parse_html(f"<p>a<b style='{style}'>b</b>".encode()).blocks[0].text) == 1) == hidden


def test_a_comment_in_a_style_sheet_that_is_never_closed_ends_with_it() -> None:
    sheet = b"<style>.x{display:none} " + b"/* " * 300_000 + b"</style>"
    assert parse_html(sheet + b"<p class=x>hidden<p>seen").blocks[0].text == "seen"


def test_white_letters_are_seen_on_the_coloured_ground_of_any_element_around_them() -> None:
    raw = b"<body bgcolor=black>" + b"<div style='color:white'>" * 900 + b"<i style='color:white'>a</i>" * 2000
    parsed = parse_html(raw)
    assert (parsed.blocks[0].text, parsed.notes) == ("a" * 2000, ())


def test_a_page_is_decoded_as_it_says() -> None:
    page = '<meta charset="windows-1251"><p>Сердце'
    assert parse_html(page.encode("cp1251")).blocks[0].text == "Сердце"
