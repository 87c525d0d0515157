"""Our sample pages, assets/library: complete, spread over the bank's systems, short, and made of sentences that stand alone."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.library.parsing_text import parse_markdown
from app.questions import Bank
from app.sentences import Span, sentences

PAGES = Path(__file__).parents[2] / "assets" / "library"
WORDS = (350, 550)  # in the text of a page, without its headings
FIELDS = {
    "date": "2026-11-22",
    "licence": "Apache-2.0",
    "source": "LlamaCare sample library",
    "sample": "true",
}
HEADINGS = (
    "Overview",
    "Causes",
    "Findings for",
    "Findings against",
    "Diagnosis",
    "Mechanism",
    "Treatment",
    "Use",
    "Dosing cautions",
    "Cautions",
    "In pregnancy",
    "In renal impairment",
    "In children",
    "In older adults",
    "Red flags",
    "For patients",
    "What this page leaves out",
)
EACH = ({"Overview"}, {"Diagnosis", "Mechanism"}, {"Treatment", "Use"}, {"Red flags", "Cautions"}, {"For patients"})
POINTERS = {
    "he",
    "her",
    "his",
    "it",
    "its",
    "one",
    "she",
    "such",
    "that",
    "their",
    "them",
    "there",
    "these",
    "they",
    "this",
    "those",
}
# Words that lean on another sentence wherever they stand; "the same" only with a noun that its own sentence explains.
LEANING = re.compile(
    r"\b(?:this|these|former|latter|aforementioned|as above|the same (?!admission|day|errors|holds|hour|rules|time|volume))\b",
    re.IGNORECASE,
)
DOSE = re.compile(r"\d (?:mg|mcg|g|units?)(?:/kg)?\b(?!/)")
ROUTES = re.compile(r"by mouth|\boral|chewed|intraven|intramusc|subcut|nebulized|inhaled|rectal|buccal", re.IGNORECASE)
NO_DOSE = ("suppression test", "Proteinuria")  # an amount of milligrams that nobody is given
BRITISH = re.compile(
    r"\b(?:\w*(?:haem|anaemi|(?<!angi)oedema|oesoph|paediat|diarrhoe|leucocyt|tumour|colour|isation)\w*"
    r"|foet\w*|fibre|litre|centre|commonest|whilst|afterwards|(?:in|to) hospital(?! patient))\b",
    re.IGNORECASE,
)
HELP = re.compile(r"emergency|at once|same day|urgent|crisis line|to the hospital", re.IGNORECASE)
# What each of the questions on the Ask page is answered from: a page, and words that one of its sentences holds together.
ASKED = {
    "acute-kidney-injury-prerenal-tubular-necrosis": (("bedside", "prerenal azotemia"), ("urine", "acute tubular necrosis")),
    "antihypertensives-in-pregnancy": (("antihypertensives", "avoided in pregnancy"), ("antihypertensives", "used instead")),
    "sglt2-inhibitors-glp1-agonists": (
        ("proximal tubule",),
        ("SGLT2", "cause"),
        ("GLP-1", "suppress glucagon"),
        ("GLP-1", "nausea"),
    ),
    "adrenal-incidentaloma": (("work-up", "incidentally found adrenal mass"), ("metanephrines", "adrenal mass")),
}


@dataclass(frozen=True)
class Page:
    name: str
    fields: dict[str, str]
    sections: tuple[tuple[str, str], ...]  # heading, text

    @property
    def text(self) -> str:
        return " ".join(text for _, text in self.sections)

    @property
    def spans(self) -> list[Span]:
        return [span for _, text in self.sections for span in sentences(text)]


def read(path: Path) -> Page:
    _, front, body = path.read_text("utf-8").split("---\n", 2)
    fields = {name: value.strip('"') for name, value in (line.split(": ", 1) for line in front.splitlines())}
    before, *parts = re.split(r"^## (.+)\n", body, flags=re.MULTILINE)
    assert before.strip() == "", path.name
    return Page(path.stem, fields, tuple(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True)))


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    return [read(path) for path in sorted(PAGES.glob("*"))]


def lines(pages: list[Page]) -> Iterator[tuple[str, str]]:
    return ((page.name, span.text) for page in pages for span in page.spans)


def test_forty_pages_have_titles_of_their_own(pages: list[Page]) -> None:
    assert len(pages) == 40
    assert len({page.fields["title"] for page in pages}) == 40


def test_every_page_says_what_it_is_and_whose(pages: list[Page]) -> None:
    for page in pages:
        assert page.fields == {"title": page.fields["title"], "system": page.fields["system"], **FIELDS}, page.name


def test_the_bank_s_systems_have_three_pages_or_more_each(pages: list[Page], bank: Bank) -> None:
    spread = Counter(page.fields["system"] for page in pages)
    assert set(spread) == {question.system for question in bank.questions}
    assert min(spread.values()) >= 3


def test_the_headings_are_known_and_stand_once(pages: list[Page]) -> None:
    for page in pages:
        headings = [heading for heading, _ in page.sections]
        assert set(headings) <= set(HEADINGS), page.name
        assert len(set(headings)) == len(headings), page.name
        assert headings[0] == "Overview" and all(some & set(headings) for some in EACH), page.name


def test_the_pages_are_short(pages: list[Page]) -> None:
    sizes = {page.name: len(page.text.split()) for page in pages}
    assert {name: size for name, size in sizes.items() if not WORDS[0] <= size <= WORDS[1]} == {}


def test_no_sentence_stands_twice(pages: list[Page]) -> None:
    counts = Counter(text.casefold() for _, text in lines(pages))
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_sentence_begins_with_a_word_that_points_elsewhere(pages: list[Page]) -> None:
    assert [line for line in lines(pages) if line[1].split()[0].casefold() in POINTERS] == []


def test_no_sentence_leans_on_another_one(pages: list[Page]) -> None:
    assert [line for line in lines(pages) if LEANING.search(line[1])] == []


def test_a_dose_says_how_the_drug_is_given(pages: list[Page]) -> None:
    doses = [line for line in lines(pages) if DOSE.search(line[1]) and not any(words in line[1] for words in NO_DOSE)]
    assert len(doses) > 20
    assert [line for line in doses if not ROUTES.search(line[1])] == []


def test_patients_are_told_when_to_get_help(pages: list[Page]) -> None:
    diseases = [page for page in pages if page.fields["system"] != "biostatistics and ethics"]
    assert [page.name for page in diseases if not HELP.search(dict(page.sections)["For patients"])] == []


def test_the_spelling_is_american(pages: list[Page]) -> None:
    assert [line for line in lines(pages) if BRITISH.search(line[1])] == []


def test_every_sentence_is_whole_and_can_be_quoted(pages: list[Page]) -> None:
    for name, text in lines(pages):
        assert text[0].isupper() and text.endswith("."), (name, text)
        assert 4 <= len(text.split()) <= 50, (name, text)


def test_nothing_is_cited_that_nobody_opened(pages: list[Page]) -> None:
    cited = re.compile(r"https?:|www\.|\bdoi\b|PMID|\bet al\b|\[\d|\((?:19|20)\d\d\)", re.IGNORECASE)
    assert [line for line in lines(pages) if cited.search(line[1])] == []


def test_the_pages_are_plain_text_in_normal_form() -> None:
    for path in PAGES.glob("*"):
        text = path.read_text("utf-8")
        assert path.suffix == ".md" and path.name.isascii()
        assert text == unicodedata.normalize("NFC", text), path.name
        assert {character for character in text if not character.isprintable()} == {"\n"}, path.name
        assert "�" not in text and text.endswith(".\n"), path.name


def test_the_application_reads_what_stands_there(pages: list[Page]) -> None:
    for page in pages:
        parsed = parse_markdown((PAGES / f"{page.name}.md").read_bytes())
        told = (parsed.title, parsed.date, parsed.licence, parsed.source, parsed.notes)
        assert told == (page.fields["title"], FIELDS["date"], FIELDS["licence"], FIELDS["source"], ())
        assert [(block.section, block.text) for block in parsed.blocks] == list(page.sections)


@pytest.mark.parametrize("name", ASKED)
def test_the_questions_of_the_ask_page_are_answered(pages: list[Page], name: str) -> None:
    texts = [span.text for page in pages if page.name == name for span in page.spans]
    for words in ASKED[name]:
        assert any(all(word in text for word in words) for text in texts), words
