"""Whether search says rightly that an answer may stand on what it found: questions whose answer is there, or is not."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.library.library import Library
from app.library.search import Searcher
from app.library.terms import read_terms
from app.library_store import LibraryStore
from app.records import Bearing
from tests.benchmarks.search_questions import COVERED, UNCOVERED, UNMEDICAL
from tests.benchmarks.search_shelf import ROOT, SHARED, Pair, documents, number_of, share, shelf

LEFT_OUT = 16  # one row in so many by its focus is left out, to ask for what is not there
NATURAL = Path(__file__).with_name("search_questions.jsonl")
SETS = {"tuning": "first set, tuned on", "unseen": "second set, unseen"}
KINDS = {
    "question": "a page answers",
    "case": "a patient's case that a page answers",
    "sister": "medicine that the pages leave out",
}


@dataclass(frozen=True)
class Natural:
    """A question as people type it, by two writers who never saw the search. ``page``: the sample page that answers, or ""."""

    set: str
    kind: str
    question: str
    page: str


def relevance(pairs: Sequence[Pair], chosen: Sequence[int]) -> Iterator[str]:
    yield "\n## Nothing relevant\n\n| questions | n | error | share |\n|---|---|---|---|"
    left = {number for number, pair in enumerate(pairs) if number_of(pair.row.title.casefold()) % LEFT_OUT == 0}
    with shelf(documents(pairs, bare=False, keep=lambda pair: number_of(pair.row.title.casefold()) % LEFT_OUT != 0)) as on:
        searcher = Searcher(on.store, read_terms())
        there = [pairs[number].row.question for number in chosen if number not in left]
        gone = [pairs[number].row.question for number in sorted(left) if not pairs[number].tuning]
        yield _said("MedQuAD: the answer is there", searcher, there, wanted=True)
        yield _said("MedQuAD: all rows of its focus left out", searcher, gone, wanted=False)
        yield _said("MedQuAD: no question of medicine", searcher, UNMEDICAL, wanted=False)
    with tempfile.TemporaryDirectory() as folder:
        store = LibraryStore(Path(folder))
        Library(store, forget=len, sample=ROOT / "assets" / "library").install_sample()
        searcher = Searcher(store, read_terms())
        yield _said("Sample pages: a question on each", searcher, COVERED, wanted=True)
        yield _said("Sample pages: medicine that they leave out", searcher, UNCOVERED, wanted=False)
        yield _said("Sample pages: no question of medicine", searcher, UNMEDICAL, wanted=False)
        yield from _natural(store, searcher)
        store.close()


def _said(name: str, searcher: Searcher, questions: Sequence[str], *, wanted: bool) -> str:
    wrong = sum(searcher.search(SHARED, question).relevant != wanted for question in questions)
    error = "called not relevant" if wanted else "called relevant"
    return f"| {name} | {len(questions)} | {error} | {share(wrong, len(questions))} |"


def _natural(store: LibraryStore, searcher: Searcher) -> Iterator[str]:
    """What people would see who ask the sample pages."""
    asked = [Natural(**json.loads(line)) for line in NATURAL.read_text(encoding="utf-8").splitlines()]
    pages = {document.id: Path(document.file).stem for document in store.documents(SHARED, count=None)[0]}
    yield "\n### As people ask, on the sample pages\n"
    yield "| questions | n | right page first | answered from the library | on the right page | only near passages shown |"
    yield "|---|---|---|---|---|---|"
    for of, of_name in SETS.items():
        for kind, name in KINDS.items():
            some = [one for one in asked if (one.set, one.kind) == (of, kind)]
            yield f"| {name} ({of_name}) | {len(some)} | {' | '.join(_seen(searcher, pages, some))} |"


def _seen(searcher: Searcher, pages: dict[str, str], asked: Sequence[Natural]) -> Iterator[str]:
    found = [(one.page, searcher.search(SHARED, one.question)) for one in asked]
    first = sum(bool(result.found) and pages[result.found[0].passage.document] == page for page, result in found)
    answered = [(page, result) for page, result in found if result.relevant]
    right = sum(
        any(pages[one.passage.document] == page for one in result.found if one.bearing is Bearing.ANSWERS)
        for page, result in answered
    )
    near = sum(not result.relevant and any(one.bearing is Bearing.NEAR for one in result.found) for _, result in found)
    yield share(first, len(asked)) if asked[0].page else "–"
    yield share(len(answered), len(asked))
    yield str(right) if asked[0].page else "–"
    yield share(near, len(asked))
