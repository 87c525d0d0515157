"""Several evaluations of the same questions side by side: one table, one JSON, two pictures, and McNemar's test between methods.

    python -m finetune.compare runs/letters runs/generate runs/eci --out runs/compared

Reads what `python -m finetune.evaluate` wrote, loads no model.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from app.errors import BadInput, LlamaCareError
from app.files import write_json
from app.measure import bootstrap_difference, mcnemar
from finetune.figures import choices, curve_of
from finetune.plots import draw
from finetune.predictions import METRICS, PREDICTIONS, RUN, Prediction, digest_of, read_json, read_predictions
from finetune.tables import AVERAGED, HEADS, markdown, mean_and_range, row

TABLE = "compare.md"
FIGURES = "compare.json"
DIGITS = re.compile(r"\d+")
TEST_HEADS = (
    "method",
    "against",
    "only this right",
    "only the other right",
    "p (exact McNemar)",
    "macro-F1, this less the other (95 %)",
)
SEED = 0  # of the bootstrap


@dataclass(frozen=True)
class Evaluation:
    """One finished folder of `finetune.evaluate`. ``method`` is its name there, ``name`` the one that no other here has."""

    folder: Path
    method: str
    name: str
    metrics: Mapping[str, Any]
    predictions: tuple[Prediction, ...]

    @property
    def model(self) -> str:
        return str(self.metrics["model"] or "")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m finetune.compare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="--out folders of finetune.evaluate")
    parser.add_argument("--out", type=Path, required=True, help="folder of the comparison")
    parser.add_argument(
        "--against", help="the method that the others are tested against, by its name in the table; else the first"
    )
    given = parser.parse_args(argv)
    try:
        compare(given.folders, given.out, against=given.against)
    except LlamaCareError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 2
    return 0


def compare(folders: Sequence[Path], out: Path, *, against: str | None = None) -> None:
    """Raises BadInput for a folder that is not finished, or folders that asked different questions."""
    if (out / RUN).exists():
        raise BadInput(f"{out} holds a run of its own, whose pictures would be written over. Give another --out.")
    evaluations = named([read(folder) for folder in folders])
    _check_same_questions(evaluations)
    base = _base(evaluations, against)
    tests = [_test(one, base) for one in evaluations if one is not base]
    groups = seeds(evaluations)
    rows = [row(one.name, one.metrics) for one in evaluations]
    rows += [mean_and_range(name, [one.metrics for one in members]) for name, members in groups.items()]
    text = [markdown(HEADS, rows), *(f"- {one.name}: {one.metrics['skill']}" for one in evaluations), ""]
    if tests:
        text.append(markdown(TEST_HEADS, [_test_row(test) for test in tests]))
    try:
        out.mkdir(parents=True, exist_ok=True)
        curves = [curve for one in evaluations if (curve := curve_of(one.name, one.predictions))]
        draw(curves, out, n=len(base.predictions))
        (out / TABLE).write_text("\n".join(text), encoding="utf-8")
        write_json(out / FIGURES, _figures(evaluations, groups, tests))
    except OSError as error:
        raise BadInput(f"The folder {str(out)!r} cannot be written ({error.strerror}). Give another --out.") from error
    sys.stderr.write(f"{out / TABLE}: {len(evaluations)} evaluations of {len(base.predictions)} questions.\n")


def read(folder: Path) -> Evaluation:
    """A finished evaluation, proven to be whole.

    Raises:
        BadInput: it is not finished, or its figures are of other predictions.
    """
    if not (folder / METRICS).is_file() and (folder / PREDICTIONS).is_file():
        raise BadInput(f"The evaluation in {folder} is not finished. Run its command again: {_command(folder)}")
    metrics = read_json(folder / METRICS)
    predictions = read_predictions(folder / PREDICTIONS)
    try:
        whole = metrics["digests"]["predictions"] == digest_of(predictions) and metrics["n"] == len(predictions)
        method = str(metrics["name"])
    except (KeyError, TypeError) as error:
        raise BadInput(
            f"{folder / METRICS} is no metrics.json of finetune.evaluate: it lacks {error}. Evaluate again."
        ) from error
    if not whole:
        raise BadInput(
            f"{folder / METRICS} was made of other predictions than stand beside it. Run its command again: {_command(folder)}"
        )
    return Evaluation(folder, method, method, metrics, tuple(sorted(predictions, key=lambda one: one.id)))


def _command(folder: Path) -> str:
    return str(read_json(folder / RUN).get("command", "python -m finetune.evaluate ..."))


def named(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The shortest of method, method and model, method and folder that tells them all apart.

    Raises:
        BadInput: a folder is named twice.
    """
    folders = [one.folder.resolve() for one in evaluations]
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise BadInput(f"The folder {twice[0]} is named twice. Name each evaluation once.")
    ways = (
        [one.method for one in evaluations],
        [f"{one.method}, {one.model}" if one.model else one.method for one in evaluations],
        [f"{one.method}, {one.folder.name}" for one in evaluations],
        [f"{one.method}, {one.folder}" for one in evaluations],
    )
    names = next((way for way in ways if len(set(way)) == len(way)), ways[-1])
    return [replace(one, name=name) for one, name in zip(evaluations, names, strict=True)]


def _check_same_questions(evaluations: Sequence[Evaluation]) -> None:
    first, *others = evaluations
    keys = {one.id: one.truth for one in first.predictions}
    for other in others:
        theirs = {one.id: one.truth for one in other.predictions}
        if odd := sorted(keys.keys() ^ theirs.keys()):
            missing = first if odd[0] not in keys else other
            raise BadInput(
                f"{first.folder} and {other.folder} asked different questions: {len(odd)} stand in one alone, as {odd[0]!r}, "
                f"which {missing.folder} lacks. Evaluate both with the same --questions and --limit."
            )
        if odd := sorted(one for one in keys if keys[one] != theirs[one]):
            raise BadInput(
                f"{first.folder} and {other.folder} have different keys for {len(odd)} questions: {odd[0]!r} has {keys[odd[0]]} "
                f"and {theirs[odd[0]]}. Evaluate both on the same files."
            )


def _base(evaluations: Sequence[Evaluation], against: str | None) -> Evaluation:
    if against is None:
        return evaluations[0]
    for one in evaluations:
        if against in (one.name, str(one.folder)):
            return one
    raise BadInput(f"--against is {against!r}; expected one of {', '.join(one.name for one in evaluations)}.")


def seeds(evaluations: Sequence[Evaluation]) -> dict[str, list[Evaluation]]:
    """Evaluations of one method on models that differ in their training's seed: in their digest, and in their name at most in its
    digits. By the name of the group, those of two and more alone.
    """
    groups: dict[str, list[Evaluation]] = {}
    for one in evaluations:
        groups.setdefault(f"{one.method}, {DIGITS.sub('*', one.model)}", []).append(one)
    return {name: found for name, found in groups.items() if len({one.metrics["digests"]["model"] for one in found}) > 1}


def _test(one: Evaluation, base: Evaluation) -> dict[str, Any]:
    """McNemar's test of the accuracies, and the difference of macro-F1 with its bootstrap interval."""
    truth, this = choices(one.predictions)
    _, other = choices(base.predictions)
    test = mcnemar(this == truth, other == truth)
    f1 = bootstrap_difference(truth, this, other, seed=SEED)
    return {
        "method": one.name,
        "against": base.name,
        "only_this": test.only_a,
        "only_other": test.only_b,
        "p": test.p_value,
        "macro_f1_difference": asdict(f1),
    }


def _test_row(test: Mapping[str, Any]) -> list[str]:
    f1 = test["macro_f1_difference"]
    return [
        *(str(test[name]) for name in ("method", "against", "only_this", "only_other")),
        f"{test['p']:.3g}",
        f"{f1['value']:+.3f} ({f1['low']:+.3f} to {f1['high']:+.3f})",
    ]


def _figures(
    evaluations: Sequence[Evaluation], groups: Mapping[str, Sequence[Evaluation]], tests: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "n": len(evaluations[0].predictions),
        "evaluations": [{"name": one.name, "folder": str(one.folder), "metrics": one.metrics} for one in evaluations],
        "seeds": [
            {"name": name, "folders": [str(one.folder) for one in members], **_ranges([one.metrics for one in members])}
            for name, members in groups.items()
        ],
        "mcnemar": list(tests),
    }


def _ranges(several: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float] | None]:
    found: dict[str, dict[str, float] | None] = {}
    for figure, _ in AVERAGED:
        values = [metrics[figure] for metrics in several]
        known = None not in values
        found[figure] = {"mean": sum(values) / len(values), "least": min(values), "greatest": max(values)} if known else None
    return found


if __name__ == "__main__":
    sys.exit(main())
