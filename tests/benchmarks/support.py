"""How often "supported" is right: the matcher of claims against the pairs that were judged by hand, written to SUPPORT.md.

    python -m tests.benchmarks.support [--write]

The pairs and their judgements are our own (assets/claims); those for tuning stand in a file of their own, on other topics.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.claims import match
from app.measure import wilson
from app.records import Support

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "assets" / "claims"
REPORT = Path(__file__).with_name("SUPPORT.md")
FILES = ("unseen", "pairs", "tuning", "later")
COLUMNS = ("| pair | kind | judged | found | claim | what the application says |", "|---|---|---|---|---|---|")
OTHERS = 5  # passages on other topics beside the pair's own, as an answer has them

HEAD = """# How often "supported" is right

By `python -m tests.benchmarks.support --write`. The matcher (`app/claims.py` and what it stands on) is words, stems, numbers and
rules: no model. Intervals are Wilson's, 95 %.

Each pair is a claim and a passage, our own text, judged by hand with a reason before the matcher had seen it. `pairs.jsonl`: 100
on 25 topics. `tuning.jsonl`: 60 on 15 others, with which rules and limits were set. `later.jsonl`: 110 on 24 others. Whoever
wrote them knew the rules and the kinds of mistakes, and half are traps: words of two halves of one sentence joined, the
right number of the wrong drug. `unseen.jsonl`: 100 on 50 topics, by two writers who had never seen matcher, rules or other
pairs, and who put each claim into words of its own, as a model's answer would. A model's own sentences over other people's
documents are another matter and were not measured.

## In words of their own

`unseen.jsonl` is the measure of what stands here. When it was first met, the matcher called none of its 48 supported claims
supported, 32 of them unsupported, and said of some that the passage says otherwise. Since then two sentences that share little
are no contradiction but weak, and rules were added with the first fifty pairs at hand; the last fifty were only measured. What is
left is a matcher that knows sentences close to a passage's wording, says "supported" wrongly of none here, and of nearly
everything else "weak: read it". With such pairs words alone do not go further.

## At first sight, close to the passage's wording

What came out when the matcher met each file for the first time; after each, the faults that it had shown were mended.

| pairs | precision of supported | recall of supported |
|---|---|---|
| `pairs.jsonl`, 100 | 93.0% (40 of 43; 81.4% to 97.6%) | 88.9% (40 of 45; 76.5% to 95.2%) |
| `later.jsonl`, fresh-001 to 040 | 76.2% (16 of 21; 54.9% to 89.4%) | 88.9% (16 of 18; 67.2% to 96.9%) |
| `later.jsonl`, held-001 to 040 | 80.0% (12 of 15; 54.8% to 93.0%) | 75.0% (12 of 16; 50.5% to 89.8%) |
| `later.jsonl`, last-001 to 030 | 87.5% (7 of 8; 52.9% to 97.8%) | 58.3% (7 of 12; 32.0% to 80.7%) |
| all four | 86.2% (75 of 87; 77.4% to 91.9%) | 82.4% (75 of 91; 73.3% to 88.9%) |

What follows is the same files after the mending: it shows that what was mended stays so, not how well new text is judged.
"Alone": the claim against its own passage. "Among six": its own and five passages on other topics.
"""


@dataclass(frozen=True)
class Pair:
    id: str
    kind: str
    claim: str
    passage: str
    judged: Support


@dataclass(frozen=True)
class Found:
    pair: Pair
    support: Support
    why: str


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file, in its order."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Pair(row["id"], row["kind"], row["claim"], row["passage"], Support(row["judgement"])) for row in rows]


def found(pairs: Sequence[Pair], others: int) -> list[Found]:
    """What the matcher says of each pair, its own passage among so many others."""
    passages = list(dict.fromkeys(pair.passage for pair in pairs))
    results = []
    for pair in pairs:
        own = passages.index(pair.passage)
        beside = [passages[(own + step) % len(passages)] for step in range(1, others + 1)]
        claims = match(pair.claim, [*beside[: others // 2], pair.passage, *beside[others // 2 :]])
        results.append(Found(pair, claims[0].support, claims[0].why) if claims else Found(pair, Support.UNSUPPORTED, "no claim"))
    return results


def share(hits: int, n: int) -> str:
    if not n:
        return "none"
    low, high = wilson(hits, n)
    return f"{hits / n:.1%} ({hits} of {n}; {low:.1%} to {high:.1%})"


def table(results: Sequence[Found]) -> list[str]:
    """The figures of one run, as lines of Markdown."""
    counts = Counter((result.pair.judged, result.support) for result in results)
    said = [result for result in results if result.support is Support.SUPPORTED]
    true = [result for result in results if result.pair.judged is Support.SUPPORTED]
    right = sum(result.pair.judged is result.support for result in results)
    both = counts[Support.SUPPORTED, Support.SUPPORTED]
    unsupported = [result for result in results if result.support is Support.UNSUPPORTED]
    lines = [
        f"- precision of supported: **{share(both, len(said))}**",
        f"- recall of supported: {share(both, len(true))}",
        f"- precision of unsupported: {share(counts[Support.UNSUPPORTED, Support.UNSUPPORTED], len(unsupported))}",
        f"- all three right: {share(right, len(results))}",
        "",
        "| judged \\ found | supported | weak | unsupported |",
        "|---|---|---|---|",
    ]
    return lines + [
        f"| {judged} | " + " | ".join(str(counts[judged, support]) for support in Support) + " |" for judged in Support
    ]


def wrong(results: Sequence[Found]) -> list[str]:
    lines = [result for result in results if result.support is not result.pair.judged]
    return [f"| {r.pair.id} | {r.pair.kind} | {r.pair.judged} | {r.support} | {r.pair.claim} | {r.why} |" for r in lines]


def report(names: Sequence[str]) -> str:
    lines = [HEAD]
    for name in names:
        pairs = read_pairs(FOLDER / f"{name}.jsonl")
        if name == "unseen":
            lines += ["## `unseen.jsonl`, its last fifty, among six", "", *table(found(pairs[50:], OTHERS)), ""]
        alone, among = found(pairs, 0), found(pairs, OTHERS)
        lines += [f"## `{name}.jsonl`, alone", "", *table(alone), "", f"## `{name}.jsonl`, among six", "", *table(among), ""]
        lines += ["Where it is wrong, alone:", "", *COLUMNS, *wrong(alone), ""]
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.support", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {REPORT.name}")
    options = parser.parse_args(argv)
    text = report(FILES)
    if options.write:
        REPORT.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
