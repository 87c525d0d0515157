"""Whether search finds the passage that answers: MedQuAD's questions among all its answers, the sample library, and the time.

    python -m tests.benchmarks.search [--questions N] [--tune] [--no-time]

Needs MedQuAD and OpenStax where the tests' data lie (`../shared/data`, or LLAMACARE_DATA). Half of the rows, by a hash of what
they are, were for tuning; every figure is of the other half. Writes SEARCH.md beside this file. `--tune` prints figures of the
tuning half for other weights and writes nothing. With `wordllama` installed, embeddings fused with search are measured too.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.library.asking import asked
from app.library.ranking import Ranked, Ranking, in_order, read
from app.library.search import WEIGHTS, PassageRetriever, Searcher
from app.library.terms import Terms, read_terms
from tests.benchmarks import machine
from tests.benchmarks.search_embeddings import Embeddings, embeddings_of, fused
from tests.benchmarks.search_relevance import relevance
from tests.benchmarks.search_shelf import (
    DATA,
    SEED,
    SHARED,
    Pair,
    Shelf,
    documents,
    many,
    read_pairs,
    share,
    shelf,
)

RESULTS = Path(__file__).with_name("SEARCH.md")
QUESTIONS = 1000
DEEP = 10  # how far down a list the right answer still counts for MRR
SIZES = (16_000, 200_000)


DECIDED = """
## What follows

- The weights of BM25 (title and section count eight times the text) and of what is added to it (`Ranking` in
  `app/library/ranking.py`) were chosen on the tuning half, one at a time, by `--tune`. Most is won by words side by side as in
  the question, and by words that answers to its kind of question use (`related` in `assets/terms.toml`).
  They were first chosen on a half that another hash gave, so some rows above may have been among those; on today's tuning
  half (`--tune --questions 500`) no other weight that was tried is better by more than 0.6 points of recall@1.
- Abbreviations, names and spellings (`assets/terms.toml`) hardly matter for MedQuAD, which writes everything out; they are for
  people, who do not.
- Embeddings are left out unless the line above shows them to win by more than the interval.
- Whether an answer may stand on a passage (`_bearing` in `app/library/ranking.py`): a short question wants nearly all of its
  words, a long one a few of its names. Before, each wanted 70 % of its words, which formulaic questions meet and people's do
  not: of the 80 questions of the first set that a page answers it called 9 answered. The rules were chosen on that set, on the
  40 questions on the sample pages and on the tuning half of MedQuAD; the second set was asked once, for the table.
- "All rows of its focus left out" is not all error: MedQuAD has most diseases under several names and in kinds, and what is
  found for Neurofibromatosis without its own row is type 1 of it. In a large library words of a question on anything else meet
  by chance in one passage; what then is said on such a passage is judged sentence by sentence all the same."""


@dataclass(frozen=True)
class Ranks:
    """Where the answer came, from 1, 0 for not at all: the row's own, and any of the same focus and kind of question."""

    own: tuple[int, ...]
    any: tuple[int, ...]


Search = Callable[[str], list[str]]  # a question -> the ids of documents, best passage first


def retriever(on: Shelf, terms: Terms, weights: tuple[float, float, float], ranking: Ranking) -> Search:
    found = PassageRetriever(store=on.store, terms=terms, owner=SHARED, limit=DEEP, weights=weights, ranking=ranking)
    return lambda question: [text.metadata["passage"].document for text in found.invoke(question)]


def ranks(search: Search, on: Shelf, pairs: Sequence[Pair], chosen: Sequence[int]) -> Ranks:
    own, like = [], []
    for number in chosen:
        found = [on.of[document] for document in search(pairs[number].row.question)]
        own.append(_first(found, lambda one, n=number: one == n or pairs[one].row.answer == pairs[n].row.answer))
        like.append(_first(found, lambda one, n=number: pairs[one].topic == pairs[n].topic))
    return Ranks(tuple(own), tuple(like))


def _first(found: Sequence[int], right: Callable[[int], bool]) -> int:
    return next((place for place, one in enumerate(found, start=1) if right(one)), 0)


def row_of(name: str, found: Ranks) -> str:
    return f"| {name} | {' | '.join(_figures(found.own))} | {' | '.join(_figures(found.any)[:2])} |"


def _figures(places: Sequence[int]) -> list[str]:
    mrr, (low, high) = _mean([1 / place if place else 0.0 for place in places])
    first, five = (share(sum(0 < place <= most for place in places), len(places)) for most in (1, 5))
    return [first, five, f"{mrr:.3f} ({low:.3f}–{high:.3f})"]


def _mean(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """With its 95 % interval, by the bootstrap."""
    drawn = random.Random(SEED)
    means = sorted(statistics.fmean(drawn.choices(values, k=len(values))) for _ in range(500))
    return statistics.fmean(values), (means[12], means[487])


@dataclass(frozen=True)
class Drawn:
    """The pairs, and of each half the numbers of those that are asked."""

    pairs: Sequence[Pair]
    tuning: Sequence[int]
    chosen: Sequence[int]


def quality(drawn: Drawn) -> Iterator[str]:
    """Both ways of indexing, each with what search does beyond BM25, step by step."""
    nothing, terms = Terms(abbreviations={}), read_terms()
    plain = Ranking(covered=0, close=0, fitting=0, again=1)
    for bare, name in ((True, "answers alone"), (False, "as the application stores them")):
        steps = {
            "BM25, weights 1, 1, 1": (nothing, (1.0, 1.0, 1.0), plain),
            f"BM25, weights {_weights(WEIGHTS)}": (nothing, WEIGHTS, plain),
            "and terms": (terms, WEIGHTS, plain),
            "and order, **as shipped**": (terms, WEIGHTS, Ranking()),
        }
        with shelf(documents(drawn.pairs, bare=bare)) as on:
            for step, what in steps.items():
                yield row_of(f"{name}: {step}", ranks(retriever(on, *what), on, drawn.pairs, drawn.chosen))
            if bare and (model := embeddings_of(on.store)):
                yield from with_embeddings(model, on, drawn)


def with_embeddings(model: Embeddings, on: Shelf, drawn: Drawn) -> Iterator[str]:
    """How they are fused is chosen on the tuning half, by recall@5."""
    pairs, shipped = drawn.pairs, retriever(on, read_terms(), WEIGHTS, Ranking())
    yield row_of("answers alone: embeddings alone", ranks(model.search, on, pairs, drawn.chosen))
    lists = {n: (shipped(pairs[n].row.question), model.search(pairs[n].row.question)) for n in drawn.tuning}

    def hits(k: int, weight: float) -> int:
        found = ((n, [on.of[one] for one in fused(*both, k, weight)[:5]]) for n, both in lists.items())
        return sum(n in five for n, five in found)

    k, weight = max(((k, weight) for k in (5, 20, 60) for weight in (0.15, 0.3, 0.6, 1.0)), key=lambda pair: hits(*pair))
    both = ranks(lambda question: fused(shipped(question), model.search(question), k, weight), on, pairs, drawn.chosen)
    yield row_of(f"answers alone: shipped and embeddings fused, k {k}, weight {weight}", both)


def _weights(weights: Sequence[float]) -> str:
    return ", ".join(f"{weight:g}" for weight in weights)


def times(pairs: Sequence[Pair], chosen: Sequence[int]) -> Iterator[str]:
    """Of a whole search at two sizes."""
    for size in SIZES:
        with shelf(many(pairs, size)) as on:
            searcher = Searcher(on.store, read_terms())
            seconds, computed = [], []
            for number in chosen[:110]:
                before, used = time.perf_counter(), time.thread_time()
                searcher.search(SHARED, pairs[number].row.question)
                seconds.append(time.perf_counter() - before)
                computed.append(time.thread_time() - used)
            cells = [_milliseconds(values[10:]) for values in (seconds, computed)]  # the first ten fill caches
            yield f"| {size:,} | {' | '.join(cells)} |"


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{1000 * statistics.median(seconds):.0f} | {1000 * statistics.quantiles(seconds, n=20)[18]:.0f}"


def tune(drawn: Drawn) -> None:
    """Prints figures of the tuning half for other weights, one changed at a time."""
    others = ((3.0, 3.0, 1.0), (20.0, 20.0, 1.0), (16.0, 8.0, 1.0), (8.0, 16.0, 1.0))
    for bare in (True, False):
        with shelf(documents(drawn.pairs, bare=bare)) as on:
            for weights in (WEIGHTS,) if bare else (WEIGHTS, *others):
                held = _candidates(drawn, on, weights)
                for ranking in _rankings() if weights == WEIGHTS else (Ranking(),):
                    found = {n: [on.of[one.passage.document] for one in in_order(some, ranking)] for n, some in held.items()}
                    places = [_first(documents[:DEEP], lambda one, n=n: one == n) for n, documents in found.items()]
                    print(f"{'bare' if bare else 'full'} {_weights(weights)} {ranking}: {' '.join(_figures(places))}", flush=True)


def _candidates(drawn: Drawn, on: Shelf, weights: tuple[float, float, float]) -> dict[int, list[Ranked]]:
    terms = read_terms()
    questions = {number: asked(drawn.pairs[number].row.question, terms) for number in drawn.tuning}
    return {
        number: read(one, on.store.match(SHARED, one.expression, weights=weights) if one.wanted else [])
        for number, one in questions.items()
    }


def _rankings() -> Iterator[Ranking]:
    yield Ranking()
    for name in ("covered", "close", "fitting"):
        yield from (replace(Ranking(), **{name: value}) for value in (0.0, 0.1, 0.2, 0.4, 0.8, 1.6))
    yield from (replace(Ranking(), again=value) for value in (1.0, 0.9, 0.8, 0.6))


def report(drawn: Drawn, *, timed: bool) -> Iterator[str]:
    this = machine.this_machine(os.cpu_count() or 1)
    yield "# Search, measured\n"
    yield "`python -m tests.benchmarks.search` writes this page.\n"
    yield f"{this.processor}, {this.cores} cores, {this.system}. Others may have worked on it; only the times depend on that.\n"
    yield (
        f"MedQuAD: {len(drawn.pairs):,} rows; half of them, by a hash, for tuning, and of the other half {len(drawn.chosen):,}"
        f" drawn for these figures (seed {SEED}). Each question is searched among all rows. In brackets 95 % intervals. MRR"
        f' counts the first {DEEP}. "Own row": that of the question, or one with the very same answer. "Like row": any of the'
        " same focus and kind of question.\n"
    )
    yield "| | own row: recall@1 | recall@5 | MRR | like row: recall@1 | recall@5 |\n|---|---|---|---|---|---|"
    yield from quality(drawn)
    yield from relevance(drawn.pairs, drawn.chosen)
    if timed:
        yield "\n## Time of a search, milliseconds\n"
        yield "| passages | median | 95th percentile | of which computed: median | 95th percentile |\n|---|---|---|---|---|"
        yield from times(drawn.pairs, drawn.chosen)
        yield "\nThe passages are MedQuAD's, then OpenStax's, then MedQuAD's again and again with one word in ten another one."
    yield DECIDED


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--questions", type=int, default=QUESTIONS)
    options.add_argument("--tune", action="store_true")
    options.add_argument("--no-time", action="store_true")
    given = options.parse_args()
    if not DATA.is_dir():
        print(f"There is no folder {DATA}. Set LLAMACARE_DATA to the folder that holds medquad/qa.jsonl.", file=sys.stderr)
        return 2
    pairs, random_ = read_pairs(), random.Random(SEED)
    halves = ([n for n, pair in enumerate(pairs) if pair.tuning == tuning] for tuning in (True, False))
    tuning, chosen = (random_.sample(half, min(given.questions, len(half))) for half in halves)
    if given.tune:
        tune(Drawn(pairs, tuning, chosen))
        return 0
    lines = []
    for line in report(Drawn(pairs, tuning[:300], chosen), timed=not given.no_time):
        print(line, flush=True)
        lines.append(line)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
