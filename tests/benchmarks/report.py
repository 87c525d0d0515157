"""RESULTS.md, results.json and the plot, from a run's record. Writes; measures nothing."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tests.benchmarks.figures import HIGHER, SPECS, Figure, figures, show

PLOT = "plot.png"
REASONS = Path(__file__).with_name("reasons.json")
COLOURS = ("#1f6f5c", "#c2571a")
MARKERS = ("o", "D")

LEGEND = """\
Ours is the application's engine through its Protocol, with default settings. The peers, each in a process of its own that sleeps
while another is measured:

- **L** one `Llama` and a lock, as Gradio apps do; **S** `llama_cpp.server` (with `interrupt_requests` off: by default a
  second caller cuts the first one's answer short); **X** llama.cpp's native server as packaged in `xllamacpp`, with parallel
  slots and prompt cache, called in its process; **T** transformers on the same GGUF, all users in one `generate`; **R** bare
  `llama_decode` loops, the bound.
- All but ours have OpenMP's default environment and a thread a core. All write greedily with a repetition penalty of 1.1 (T
  over the whole text, the others over 64 tokens).

How to read the figures. Each number is the median over the rounds, with (least - greatest) beside it; the ratio is ours
by the peer's. Every round has prompts of its own.

- *Total tokens/s*: tokens written by all users by the time from the first question to the last word. Prompts are chosen,
  before anything is measured, so that R's answer reaches the full length by itself; what was really written is counted below.
- *Time to first token*: from the request to the first piece of text. Batched R reads what all prompts share once.
- *Turn 20*: both conversations have had the turn before; the other one's answer is being written while this one asks.
- *Exam questions*: log-likelihood takes its leanest form (a letter is one token, so one pass without kept logits, from an empty
  cache); generation runs past the end of the answer where exactly 64 tokens are asked for.
- *Share of R's prompt speed*: tokens that no two questions share, by the time of the whole call; R reads the same prompts whole.
- *Longest gap*: between two pieces of the stream, against the median before the long prompt came.
- *Cancel*: the next caller's time to first token after a stream was closed at 30 % of its long prompt, less the usual one; a
  micro-batch is what R needs for as many tokens as the engine puts into one.
"""


def write_report(folder: Path, run: Mapping[str, Any]) -> list[Figure]:
    """Everything but the log, into ``folder``. ``run`` is what rounds.json holds."""
    rows = [row for name, record in run["models"].items() for row in figures(record["samples"], name)]
    judged = [row for row in rows if row.spec.target is not None]
    (folder / "results.json").write_text(json.dumps([row.record() for row in judged], indent=1) + "\n", encoding="utf-8")
    if judged:
        plot(judged, folder / PLOT)
    reasons = json.loads(REASONS.read_text(encoding="utf-8")) if REASONS.exists() else {}
    (folder / "RESULTS.md").write_text(text(run, rows, reasons), encoding="utf-8")
    return rows


def text(run: Mapping[str, Any], rows: Sequence[Figure], reasons: Mapping[str, str]) -> str:
    written = f"Written by `{run['command']}` on {run['date']}; nobody edits it. The run's log is `run.log`."
    parts = ["# How fast", "", written, ""]
    if run["partial"]:
        parts += [f"**A partial run ({run['partial']}): it proves that everything runs, its figures say nothing.**", ""]
    parts += ["## Machine", "", *_machine(run), "", "## Peers", "", LEGEND]
    for name, record in run["models"].items():
        own = [row for row in rows if row.model == name]
        parts += [f"## {name}", "", *_table([row for row in own if row.spec.target is not None]), ""]
        parts += ["Beside them, without a target:", "", *_table([row for row in own if row.spec.target is None]), ""]
        parts += [*_absent(own), *_counts(record), *[f"- {note}" for note in record["notes"]], ""]
    missed = [row for row in rows if not row.met]
    parts += ["## Missed targets", ""]
    parts += [f"- {row.sentence} {reasons.get(row.spec.id, '')}".rstrip() for row in missed] or ["None."]
    if "remarks" in reasons:
        parts += ["", "## To be read with it", "", reasons["remarks"]]
    parts += ["", f"![Every figure's ratio against its target]({PLOT})", ""]
    return "\n".join(parts)


def _machine(run: Mapping[str, Any]) -> list[str]:
    machine = run["machine"]
    lines = [
        f"- {machine['processor']}, {machine['cores']} cores, {machine['memory'] / (1 << 30):.0f} GiB; {machine['system']}",
        f"- instructions that matter: {', '.join(machine['flags'])}",
        "- X is a portable AVX2 build; " + _builds(machine),
        f"- work: {run['sources']}; {run['rounds']} rounds, {run['questions']} exam questions in all for each model file",
        f"- commit {run['commit']}",
    ]
    for name, record in run["models"].items():
        lines.append(f"- {name}: SHA-256 {record['digest']}...")
    facts = next(iter(run["models"].values()))["facts"]
    lines += [f"- {peer}: " + "; ".join(f"{key} {value}" for key, value in facts[peer].items()) for peer in facts]
    return lines


def _builds(machine: Mapping[str, Any]) -> str:
    if machine["beyond_avx2"]:
        return (
            "this processor has more, which our native build uses: its figures against X hold for this build, not for AVX2 "
            "against AVX2."
        )
    return "this processor has nothing beyond AVX2, so our native build is one too."


def _table(rows: Sequence[Figure]) -> list[str]:
    lines = ["| figure | ours | peer | ratio | target | met |", "|---|---|---|---|---|---|"]
    for row in rows:
        spec = row.spec
        bound = "" if spec.target is None else f"{'at least' if spec.better == HIGHER else 'at most'} {spec.target:g}"
        met = "" if spec.target is None else ("yes" if row.met else "**no**")
        lines.append(
            f"| {spec.figure} | {_spread(row.ours, row.ours_spread)} {spec.unit} | {spec.peer_name}: "
            f"{_spread(row.peer, row.peer_spread)} | {show(row.ratio)} | {bound} | {met} |"
        )
    return lines


def _spread(value: float, spread: tuple[float, float]) -> str:
    return f"{show(value)} ({show(spread[0])} - {show(spread[1])})"


def _absent(rows: Sequence[Figure]) -> list[str]:
    """A figure without samples on one side must not just be missing from the table."""
    there = {row.spec.id for row in rows}
    return [f"- **Not measured**: {spec.figure}." for spec in SPECS if spec.target is not None and spec.id not in there]


def _counts(record: Mapping[str, Any]) -> list[str]:
    written = [f"{peer} {done:,} of {asked:,}" for peer, (done, asked) in record["written"].items()]
    others = record["others"]
    lines = [f"- Tokens written in chats, of those asked for: {'; '.join(written)}."] if written else []
    if others:
        lines.append(
            f"- Processors in use by anything else while a peer was measured: median {statistics.median(others):.2f}, "
            f"at most {max(others):.2f} (about 1 is the neighbour of the busy figure)."
        )
    return lines


def plot(rows: Sequence[Figure], path: Path) -> None:
    """Each figure's ratio by its target, the better the further right; 1 is the target itself."""
    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415  (after the backend is chosen)

    rows = [row for row in rows if row.spec.target and row.ratio > 0]
    names = list(dict.fromkeys(row.spec.figure for row in rows))
    models = list(dict.fromkeys(row.model for row in rows))
    figure, axes = pyplot.subplots(figsize=(11, 1.2 + 0.5 * len(names)), layout="constrained")
    for place, model in enumerate(models):
        own = [row for row in rows if row.model == model]
        reach = [_reach(row) for row in own]
        heights = [names.index(row.spec.figure) + 0.14 * (2 * place - len(models) + 1) for row in own]
        colour = COLOURS[place % len(COLOURS)]
        axes.scatter(reach, heights, s=44, color=colour, marker=MARKERS[place % len(MARKERS)], label=model, zorder=3)
        for row, x, y in zip(own, reach, heights, strict=True):
            axes.annotate(show(row.ratio), (x, y), xytext=(7, -3), textcoords="offset points", fontsize=8, color=colour)
    axes.axvline(1.0, color="#333333", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), [_label(names[place], rows) for place in range(len(names))], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", color="#dddddd", linewidth=0.6)
    axes.margins(x=0.08)
    plain = mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axes.set_xlabel("how far the ratio (printed at each mark) reaches its target: 1 meets it, further right is better")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _reach(row: Figure) -> float:
    assert row.spec.target
    return row.ratio / row.spec.target if row.spec.better == HIGHER else row.spec.target / row.ratio


def _label(name: str, rows: Sequence[Figure]) -> str:
    spec = next(row.spec for row in rows if row.spec.figure == name)
    return f"{name}\n({'at least' if spec.better == HIGHER else 'at most'} {spec.target:g})"
