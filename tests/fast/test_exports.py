"""Questions out: tables and JSON that come back, an Anki package that Anki's own tables can be read from, a page to print."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
import sqlite3
import tempfile
import warnings
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.exports import as_apkg, as_csv, as_html, as_json
from app.imports import read_upload
from app.records import Attempt, Confidence, Miss, Question
from tests.fast.test_imports import FULL, PNG, picture

WHEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
PLAIN = Question(id="plain", stem="Which <b>&amp; valve?", options={"A": "Mitral", "B": "Aortic"}, key="B")
WORDED = Question(
    id="77",
    stem="Does ice help?",
    options={"yes": "yes", "no": "no", "maybe": "maybe"},
    key="no",
    explanations={"no": "It did not."},
    context="We gave ice to 40 people.",
)
TABLE = "| sign | value |\n| --- | --- |\n| <i> | 3 |"
PICTURED = replace(
    PLAIN,
    id="pictured",
    stem=f'Look.\n\n{picture()}\n\n![a "loop"](figures/loop.svg)\n\n![gone](figures/gone.svg)\n\n{TABLE}',
    system="renal and urinary",
    subject="physiology",
    step="2 CK",
)
HOSTILE = replace(
    PLAIN,
    id="hostile",
    stem="<script>alert(1)</script> [sound:x.mp3] [latex]\\input{x}[/latex] {{c1::x}} <!-- \x9c",
    options={"A": "</li><img src=x onerror=alert(1)>", "B": "\"quoted\" & 'single'"},
    objective="<style>*{display:none}</style>",
    source="<b>us</b>",
)
ATTEMPT = Attempt(question="plain", chosen="A", key="B", confidence=Confidence.SURE, seconds=61.4, when=WHEN, miss=Miss.MISREAD)
ALL = [FULL, PLAIN, WORDED, PICTURED, HOSTILE]


def figure(name: str) -> bytes | None:
    return b"<svg xmlns='http://www.w3.org/2000/svg'/>" if name == "loop.svg" else None


# Tables and JSON


@pytest.mark.parametrize("form", [as_csv, as_json])
def test_what_goes_out_comes_back_the_same(form: object) -> None:
    clean = [question for question in ALL if question is not HOSTILE]
    assert callable(form)
    upload = read_upload("out", form(clean, {"plain": ATTEMPT}), figures=frozenset({"loop.svg", "gone.svg"}))
    assert ([question for _, question in upload.questions], upload.refusals) == (clean, ())


def test_no_cell_of_a_table_begins_like_a_formula() -> None:
    rows = list(csv.reader(io.StringIO(as_csv([FULL], {}).decode("utf-8-sig"))))
    assert [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))] == []
    assert rows[1][rows[0].index("A")] == "'=SUM(A1)"


def test_a_table_tells_of_the_last_answer_in_columns_of_its_own() -> None:
    (row, other) = csv.DictReader(io.StringIO(as_csv([PLAIN, FULL], {"plain": ATTEMPT}).decode("utf-8-sig")))
    assert {name: cell for name, cell in row.items() if name.startswith("my_")} == {
        "my_answer": "A",
        "my_result": "wrong",
        "my_confidence": "sure",
        "my_seconds": "61",
        "my_date": "2026-03-01T12:30:00+00:00",
        "my_miss": "misread",
    }
    assert other["my_answer"] == ""


def test_a_key_whose_letter_is_another_option_s_text_is_written_so_that_it_can_only_be_the_letter() -> None:
    groups = replace(PLAIN, options={"A": "B", "B": "A"}, key="A")
    (row,) = csv.DictReader(io.StringIO(as_csv([groups], {}).decode("utf-8-sig")))
    assert row["key"] == "A."


def test_json_keeps_the_last_answer_beside_the_question() -> None:
    row = json.loads(as_json([PLAIN], {"plain": ATTEMPT}))
    assert (row["attempt"]["answer"], row["attempt"]["miss"]) == ("A", "misread")


# Anki


def opened(raw: bytes) -> tuple[sqlite3.Connection, dict[str, bytes]]:
    """The collection of a package, and its pictures by name."""
    with zipfile.ZipFile(io.BytesIO(raw)) as package:
        assert package.testzip() is None
        connection = sqlite3.connect(":memory:")
        connection.deserialize(package.read("collection.anki2"))
        names = json.loads(package.read("media"))
        return connection, {name: package.read(number) for number, name in names.items()}


def notes(raw: bytes) -> list[tuple[str, list[str], str]]:
    rows = opened(raw)[0].execute("select guid, flds, tags from notes order by id").fetchall()
    return [(guid, fields.split("\x1f"), tags) for guid, fields, tags in rows]


def test_a_package_holds_a_note_and_a_card_a_question() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = as_apkg(ALL, "LlamaCare", when=WHEN, figures=figure)
    connection, media = opened(raw)
    assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    assert connection.execute("select count(*) from notes").fetchone() == (len(ALL),)
    assert connection.execute("select count(*) from cards").fetchone() == (len(ALL),)
    ((models, decks),) = connection.execute("select models, decks from col")
    (model,) = json.loads(models).values()
    assert [field["name"] for field in model["flds"]] == ["Stem", "Options", "Key", "Explanations", "Objective", "Source"]
    assert "LlamaCare" in {deck["name"] for deck in json.loads(decks).values()}
    assert sorted(media.values()) == sorted([PNG, figure("loop.svg")])  # type: ignore[list-item]
    fields = notes(raw)[1][1]
    assert fields[0] == "<p>Which &lt;b&gt;&amp;amp; valve?</p>"
    assert (fields[1], fields[2]) == ('<ol type="A"><li>Mitral</li><li>Aortic</li></ol>', "B. Aortic")


def test_a_note_shows_its_pictures_tables_and_filing() -> None:
    raw = as_apkg([PICTURED], "LlamaCare", when=WHEN, figures=figure)
    ((_, fields, tags),) = notes(raw)
    sources = re.findall(r'<img src="([^"]+)" alt="[^"]*">', fields[0])
    assert sources == list(opened(raw)[1])
    assert [name.rpartition(".")[2] for name in sources] == ["png", "svg"]
    assert "<p>Figure: gone</p>" in fields[0]
    assert "<table><tr><th>sign</th><th>value</th></tr><tr><td>&lt;i&gt;</td><td>3</td></tr></table>" in fields[0]
    assert tags.split() == ["system::renal_and_urinary", "subject::physiology", "step::2_CK"]


def test_exporting_again_updates_the_same_notes() -> None:
    def identities(raw: bytes) -> tuple[list[str], list[str], list[str]]:
        ((models, decks),) = opened(raw)[0].execute("select models, decks from col")
        return [guid for guid, _, _ in notes(raw)], list(json.loads(models)), list(json.loads(decks))

    before = identities(as_apkg([PLAIN, FULL], "LlamaCare", when=WHEN, figures=figure))
    renamed = replace(PLAIN, id="other", objective="Now with one.")
    later = identities(as_apkg([renamed, FULL], "LlamaCare", when=WHEN.replace(year=2027), figures=figure))
    assert before == later
    assert len(set(before[0])) == 2


def test_nothing_in_a_note_is_run_played_or_filled_in() -> None:
    ((_, fields, _),) = notes(as_apkg([HOSTILE], "LlamaCare", when=WHEN, figures=figure))
    text = "".join(fields)
    assert re.findall(r"<(?!/?(?:p|ol|li)[ >])", text) == []
    assert not any(sign in text for sign in ("[", "{{"))
    assert html.unescape(fields[0]) == f"<p>{HOSTILE.stem}</p>".replace("\x9c", html.unescape("\x9c"))


def test_an_export_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    as_apkg(ALL, "LlamaCare", when=WHEN, figures=figure)
    assert list(tmp_path.iterdir()) == []


# Print


class Tags(HTMLParser):
    """Every tag with its attributes; it expects that what is opened is closed in order."""

    VOID = ("meta", "img", "!doctype")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_to_print_is_whole_and_runs_nothing() -> None:
    page = as_html(ALL, title="Wrong <ones>", figures=figure).decode()
    tags = Tags(page)
    assert tags.open == []
    assert {tag for tag, _ in tags.seen} & {"script", "iframe", "object", "link", "a", "form", "i", "b"} == set()
    assert [name for _, attributes in tags.seen for name in attributes if name.startswith("on") or name == "href"] == []
    sources = [str(attributes["src"]) for tag, attributes in tags.seen if tag == "img"]
    assert sources[0] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert all(source.startswith("data:image/") for source in sources) and len(sources) == 2
    assert page.count("<style>") == 1 and "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "<title>Wrong &lt;ones&gt;</title>" in page


def test_answers_stand_on_pages_after_the_questions() -> None:
    page = as_html([FULL, WORDED], title="x", figures=figure).decode()
    asked, answered = page.split('<section class="answers">')
    assert "Question 1: B. -5 mm Hg" in answered and "Question 2: no" in answered
    assert FULL.objective in answered and FULL.objective not in asked
    assert "We gave ice to 40 people." in asked
    assert ".answers { break-before: page; }" in asked
