"""Writes finetune/RESULTS.md from what `finetune.results` left: python -m finetune.results_page [--work DIR]

The figures are read, never typed; what the page says of the targets is computed from them. Loads no model.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.calibration import fit_calibration
from app.errors import BadInput, LlamaCareError
from app.measure import nll
from finetune.config import NAMES
from finetune.predictions import PREDICTIONS, read_json, read_predictions

ROWS = (25, 100, 400)
DRAWS = 40
ALLOWED = 1.01  # a calibration may make the held-out NLL worse by this much
PAGE = Path(__file__).parent / "RESULTS.md"
PICTURES = Path(__file__).parent / "pictures"
REMARKS = Path(__file__).parent / "remarks.json"

NOT_RUN = "Not run yet: the time did not reach. The commands stand in `python -m finetune.results --list`."

Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class Fitted:
    """Calibrations fitted on ``rows`` rows, over DRAWS random draws: held-out NLL without and with them, means."""

    rows: int
    held_out: int
    without: float
    fitted: float

    @property
    def ratio(self) -> float:
        return self.fitted / self.without


def calibrations(folder: Path) -> list[Fitted]:
    """Fits on random rows of an uncalibrated evaluation and measures on all the others."""
    predictions = [one for one in read_predictions(folder / PREDICTIONS) if one.uncalibrated is not None]
    labels = predictions[0].labels
    scores = np.log(np.clip(np.array([one.uncalibrated for one in predictions], dtype=np.float64), 1e-12, None))
    truth = np.array([labels.index(one.truth) for one in predictions])
    drawn = np.random.default_rng(0)
    found = []
    for rows in ROWS:
        if rows >= len(truth):
            continue
        pairs = []
        for _ in range(DRAWS):
            order = drawn.permutation(len(truth))
            taken, left = order[:rows], order[rows:]
            fitted = fit_calibration(scores[taken], truth[taken], labels, "fast", "a draw")
            raw = np.exp(scores[left])
            pairs.append(
                (nll(raw / raw.sum(1, keepdims=True), truth[left]), nll(fitted.probabilities(scores[left]), truth[left]))
            )
        without, with_it = np.mean(pairs, axis=0)
        found.append(Fitted(rows, len(truth) - rows, float(without), float(with_it)))
    return found


def page(work: Path) -> str:
    """The whole page.

    Raises:
        BadInput: a part is not there yet.
    """
    try:
        return "\n".join([*_head(), *_pubmedqa(work), *_usmle(work), *_calibration(work), *_ablations(work), *_cost(work)])
    except FileNotFoundError as error:
        raise BadInput(
            f"{error.filename} is not there. Run python -m finetune.results first; it goes on where it stopped."
        ) from error


def _head() -> Iterator[str]:
    yield "# What the embedded model came to"
    yield ""
    yield (
        "SmolLM2-135M-Instruct, trained and measured by this code. With 135 million parameters it has next to no medical "
        "knowledge to read off: these runs prove that the method is sound and honest, not that the model knows anything. "
        "Everything below is made anew by two commands, the first of which can be stopped and gone on with:"
    )
    yield ""
    yield "```sh"
    yield "python -m finetune.results --data FOLDER   # the public data; `--list` prints every command that it runs"
    yield "python -m finetune.results_page            # this page, of what they left in runs/results"
    yield "```"
    yield ""
    yield f"Machine: {os.cpu_count()} cores, {_processor()}, float32, no GPU, shared with other work. " + _remark("how")
    yield ""


def _pubmedqa(work: Path) -> Iterator[str]:
    folder = work / "pubmedqa"
    sizes = ", ".join(f"{name} {count}" for name, count in _sizes(folder / "split"))
    yield "## PubMedQA: yes, no, maybe"
    yield ""
    yield (
        f"One split of the 500 public training questions (seed 1, stratified by answer: {sizes}); every head trained on the same "
        f"rows with the same steps and rates, with these seeds: {_seeds(folder)}. Abstracts are cut to 224 tokens in training "
        "and whole in the test. Flips are of uncalibrated choices under one other listing of the three words."
    )
    yield ""
    yield from _tables(folder / "compared")
    yield ""
    yield from _pictures(folder)
    yield "### Against the targets"
    yield ""
    yield from _verdicts(read_json(folder / "compared" / "compare.json"))
    yield ""


def _usmle(work: Path) -> Iterator[str]:
    yield "## MedQA and MedMCQA after usmle_cpu"
    yield ""
    yield "One seed; the first questions of the development sets, evenly spread. " + _remark("usmle")
    yield ""
    for name, title in (("medqa", "MedQA, four options"), ("medmcqa", "MedMCQA")):
        yield f"### {title}"
        yield ""
        yield from _tables(work / "usmle" / f"{name}-compared")
        yield ""


def _calibration(work: Path) -> Iterator[str]:
    yield "## Calibration on few rows"
    yield ""
    folder = work / "calibration" / "medmcqa"
    if not (folder / "metrics.json").is_file():
        yield NOT_RUN
        yield ""
        return
    found = calibrations(folder)
    yield (
        f"Label scores of MedMCQA questions, not calibrated; {DRAWS} random draws of rows to fit on, the held-out negative "
        "log-likelihood on all the others, means. The target: never worse than none by more than 1 %."
    )
    yield ""
    yield "| rows fitted on | held out | NLL without | NLL with | change | target |"
    yield "|---|---|---|---|---|---|"
    for one in found:
        met = "met" if one.ratio <= ALLOWED else "missed"
        yield f"| {one.rows} | {one.held_out} | {one.without:.3f} | {one.fitted:.3f} | {100 * (one.ratio - 1):+.1f} % | {met} |"
    yield ""


def _ablations(work: Path) -> Iterator[str]:
    yield "## Ablations"
    yield ""
    if not any((work / "ablations").glob("[0-9]/test/metrics.json")):
        yield NOT_RUN
        yield ""
        return
    yield (
        "Each is one change against `eci`, seed 1, on the same PubMedQA rows, one epoch, without calibration. What made it worse "
        "stays here too; with this few test questions most differences are within chance, as McNemar's test says. "
        + _remark("ablations")
    )
    yield ""
    yield from _tables(work / "ablations" / "compared")
    yield ""


def _cost(work: Path) -> Iterator[str]:
    runs = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(work.glob("*/*/run.json")) if "split" not in path.parts
    ]
    trained = [run for run in runs if run.get("kind") == "llamacare-training"]
    energy = sum(run["energy"].get("kwh") or 0 for run in trained)
    carbon = sum(run["energy"].get("co2_kg") or 0 for run in trained)
    seconds = sum(run["seconds"] for run in trained)
    tokens = sum(run["tokens"] for run in trained)
    yield "## What it cost"
    yield ""
    yield (
        f"{len(trained)} trainings, {tokens:,} tokens, {seconds / 60:.0f} minutes of training steps ({tokens / seconds:.0f} "
        f"tokens/s each, two at a time on one core each); about {1000 * energy:.0f} Wh and {1000 * carbon:.0f} g of CO2 by "
        "codecarbon, which estimates the processor from its rated power and takes the yearly mean of "
        f"{trained[0]['energy'].get('country', '?')}. Of two runs at a time both are charged the whole machine: an upper end."
    )


def _seeds(folder: Path) -> str:
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*-[0-9]/test/metrics.json")):
        kind, _, seed = path.parts[-3].rpartition("-")
        found.setdefault(NAMES[kind], []).append(seed)
    return "; ".join(f"{name} {', '.join(seeds)}" for name, seeds in found.items())


def _verdicts(figures: Metrics) -> Iterator[str]:
    """Target 3 of the evaluation, judged by the means over the seeds that were run."""
    named: dict[str, list[Metrics]] = {}
    for one in figures["evaluations"]:
        named.setdefault(one["metrics"]["name"], []).append(one["metrics"])
    ours, letters = named["eci"], named["letters, untrained"][0]
    worst = max(m["ece"] - max(0.05, m["ece_floor"] + 0.02) for m in ours)
    told = ", ".join(f"{m['ece']:.3f} (floor {m['ece_floor']:.3f})" for m in ours)
    yield f"- Calibration error of `eci`, a figure a seed: {told}; at most 0.05 or the floor + 0.02: {_met(worst <= 0, worst)}."
    skills = ", ".join(f"{m['brier_skill']:+.3f}" for m in ours)
    yield f"- Brier skill of `eci`: {skills}" + (": **no skill**." if min(m["brier_skill"] for m in ours) <= 0 else ".")
    flips = _mean(ours, "flips")
    bound = letters["flips"] / 2
    yield (
        f"- Flips of `eci` in fast mode, uncalibrated: {flips:.1%}; of untrained letters {letters['flips']:.1%}; at most half of "
        f"it: {_met(flips <= bound, flips - bound)}."
    )
    for figure, name in (("accuracy", "Accuracy"), ("macro_f1", "Macro-F1")):
        own = _mean(ours, figure)
        others = {other: _mean(several, figure) for other, several in named.items() if not other.startswith("eci")}
        above = ", ".join(f"{other} {value:.3f}" for other, value in others.items() if value > own)
        yield f"- {name} of `eci` {own:.3f}, mean of {len(ours)} seeds. " + (
            f"Above it: {above}; McNemar's test and the interval of the difference stand in the table."
            if above
            else "None of the others is above it."
        )


def _mean(several: Sequence[Metrics], figure: str) -> float:
    return float(np.mean([one[figure] for one in several]))


def _met(met: bool, by: float) -> str:
    return "met" if met else f"missed by {by:.3f}"


def _tables(folder: Path) -> Iterator[str]:
    yield (folder / "compare.md").read_text(encoding="utf-8").strip()


def _pictures(work: Path) -> Iterator[str]:
    """Copies of the comparison's pictures and of one run's curves, beside the page."""
    for source, name, shown in (
        (
            work / "compared" / "reliability.png",
            "reliability.png",
            "How often each method is right when it says p",
        ),
        (work / "compared" / "risk_coverage.png", "risk_coverage.png", "Risk over coverage"),
        (work / "rows-1" / "curves.png", "curves.png", "Loss and label accuracy of eci, seed 1"),
    ):
        PICTURES.mkdir(exist_ok=True)
        shutil.copyfile(source, PICTURES / name)
        yield f"![{shown}](pictures/{name})"
        yield ""


def _sizes(folder: Path) -> list[tuple[str, int]]:
    return [(path.stem, sum(1 for _ in path.open(encoding="utf-8"))) for path in sorted(folder.glob("*.jsonl"))]


def _remark(name: str) -> str:
    """What the figures do not say by themselves; written by hand, beside the page."""
    return str(json.loads(REMARKS.read_text(encoding="utf-8"))[name])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def main(arguments: Sequence[str] | None = None) -> int:
    """Status 0 when the page is written, 2 with a sentence where a part is missing."""
    parser = argparse.ArgumentParser(prog="python -m finetune.results_page", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs/results"), help="what finetune.results made")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    try:
        options.out.write_text(page(options.work) + "\n", encoding="utf-8")
    except LlamaCareError as error:
        print(error.sentence, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
