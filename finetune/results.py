"""Everything that finetune/RESULTS.md tells, done anew: python -m finetune.results [--only PART ...] [--render]

Each part is a list of the project's own commands, run one after the other in this process; what is finished is skipped, so it
can be stopped and gone on with. The tables are written by `finetune.compare`; `finetune.results_page` puts them on the page.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune import compare, data, evaluate, train
from finetune.config import NAMES

EMBEDDED = Path("embedded")
SEEDS = (1, 2, 3)
KINDS = ("rows", "letters", "hidden", "paper", "paper_repaired")
PARTS = ("pubmedqa", "usmle", "ablations", "calibration", "compare")
SPLIT = "train=60,calibration=60,conformal=100,test=80,rest=rest"
MAINS: dict[str, Callable[[Sequence[str]], int]] = {
    "data": data.main,
    "train": train.main,
    "evaluate": evaluate.main,
    "compare": compare.main,
}


@dataclass(frozen=True)
class Command:
    """One command of the project; it is finished where ``mark`` exists."""

    name: str
    arguments: tuple[str, ...]
    mark: Path

    def __str__(self) -> str:
        return f"python -m finetune.{self.name} {shlex.join(self.arguments)}"


@dataclass(frozen=True)
class Place:
    """Where things are: public data, and what is made here. ``seeds`` and ``kinds`` of the first part are run now."""

    root: Path
    work: Path
    seeds: tuple[int, ...] = SEEDS
    kinds: tuple[str, ...] = KINDS


def training(place: Place, config: str, name: str, *overrides: str) -> Command:
    out = place.work / name
    return Command("train", ("--config", f"finetune/configs/{config}.yaml", f"out={out}", *overrides), out / "run.json")


def evaluation(
    place: Place, name: str, questions: Path, method: str, *, model: Path | None = None, more: Sequence[str] = ()
) -> Command:
    out = place.work / name
    chosen = ("--model", str(model)) if model else ()
    arguments = (*chosen, "--questions", str(questions), "--method", method, "--out", str(out), *more)
    return Command("evaluate", arguments, out / "metrics.json")


def comparison(place: Place, name: str, folders: Sequence[str], *, against: str = "") -> Command:
    out = place.work / name
    chosen = ("--against", against) if against else ()
    return Command("compare", (*(str(place.work / f) for f in folders), "--out", str(out), *chosen), out / "compare.json")


def pubmedqa(place: Place) -> Iterator[Command]:
    """Three seeds of every head on one split; the same rows, steps and rates for each."""
    split = place.work / "pubmedqa" / "split"
    test = split / "test.jsonl"
    source = str(place.root / "pubmedqa" / "trainval500.jsonl")
    yield Command("data", ("split", source, "--out", str(split), "--parts", SPLIT, "--seed", "1"), split / "run.json")
    common = (f"data.root={split}", "data.train=[train.jsonl]", "data.split={}", *SHORT)
    yield evaluation(
        place, "pubmedqa/majority", test, "majority", more=("--prior-from", str(split / "train.jsonl"), "--name", "majority")
    )
    yield evaluation(place, "pubmedqa/untrained-letters", test, "letters", model=EMBEDDED, more=("--name", "letters, untrained"))
    for seed in place.seeds:
        for kind in place.kinds:
            name = f"pubmedqa/{kind}-{seed}"
            held = ("data.calibration=[calibration.jsonl]", "data.conformal=[conformal.jsonl]") if kind == "rows" else ()
            yield training(place, "pubmedqa_cpu", name, *common, *held, f"head.kind={kind}", f"training.seed={seed}")
            method = "paper" if kind.startswith("paper") else "eci"
            yield evaluation(place, f"{name}/test", test, method, model=place.work / name, more=("--name", NAMES[kind]))
        if seed == SEEDS[0]:
            for method, more, shown in EXTRA:
                out = f"pubmedqa/rows-{seed}/{folder_name(shown)}"
                ours = place.work / f"pubmedqa/rows-{seed}"
                yield evaluation(place, out, test, method, model=ours, more=(*more, "--name", shown))


def folder_name(shown: str) -> str:
    return shown.replace(" ", "-").replace(",", "")


def usmle(place: Place) -> Iterator[Command]:
    """One seed, on MedQA's and MedMCQA's development questions."""
    folder = place.work / "usmle"
    sets = {"medqa": (place.root / "medqa/dev_4opt.jsonl", "60"), "medmcqa": (place.root / "medmcqa/dev.jsonl", "100")}
    heads = {"rows": "eci", "paper": "paper", "paper_repaired": "paper"}
    rows = "[{file: medqa/train_subset1030_4opt.jsonl, limit: 130}, {file: headqa_en/dev.jsonl, limit: 130}]"
    common = (
        f"data.root={place.root}",
        f"data.train={rows}",
        "data.overlap_share=0.2",
        "training.batch=4",
        "lora.rate=3e-4",
        "head.rate=1e-3",
    )
    for kind in heads:
        held = "data.split={calibration: 60, conformal: 100}" if kind == "rows" else "data.split={calibration: 0, conformal: 160}"
        careful = "training.careful=false"
        yield training(place, "usmle_cpu", f"usmle/{kind}", *common, held, f"head.kind={kind}", careful)
    for name, (file, limit) in sets.items():
        for kind, method in heads.items():
            out = f"usmle/{name}-{kind}"
            yield evaluation(place, out, file, method, model=folder / kind, more=("--limit", limit, "--name", NAMES[kind]))
        for method, model in (("letters", EMBEDDED), ("generate", EMBEDDED), ("majority", None)):
            out = f"usmle/{name}-{method}"
            yield evaluation(place, out, file, method, model=model, more=("--limit", limit, "--name", UNTRAINED[method]))


def ablations(place: Place) -> Iterator[Command]:
    """One change each against rows-1 of the first part: the same rows, one epoch, seed 1."""
    split = place.work / "pubmedqa" / "split"
    extra = place.work / "ablations" / "rows"
    for kind, file in (("medquad", "medquad/qa.jsonl"), ("openstax", "openstax/sections.jsonl")):
        out = extra / f"{kind}.jsonl"
        yield Command(
            "data", ("convert", str(place.root / file), "--layout", kind, "--out", str(out)), extra / f"{kind}.run.json"
        )
    added = ", ".join(f"{{file: {extra}/{kind}.jsonl, limit: 20}}" for kind in ("medquad", "openstax"))
    mixed = f"[{{file: {split}/train.jsonl}}, {added}]"
    changes = {
        "label rows at 1e-4, as is now the default": ("head.rate=1e-4",),
        "w = 0.1": ("head.weight=0.1",),
        "w = 1, no LM loss": ("head.weight=1.0",),
        "rows drawn at random": ("head.init=random",),
        "options never permuted": ("training.permute=false",),
        "with 20 MedQuAD conversations and 20 OpenStax texts": (f"data.train={mixed}",),
    }
    for number, (shown, overrides) in enumerate(changes.items(), 1):
        name = f"ablations/{number}"
        root = "data.root=/" if "data.train" in overrides[0] else f"data.root={split}"
        rows = () if "data.train" in overrides[0] else ("data.train=[train.jsonl]",)
        yield training(place, "pubmedqa_cpu", name, root, *rows, "data.split={}", *SHORT, "training.seed=1", *overrides)
        yield evaluation(place, f"{name}/test", split / "test.jsonl", "eci", model=place.work / name, more=("--name", shown))


def calibration(place: Place) -> Iterator[Command]:
    """Label scores of 460 questions, on which calibrations of 25, 100 and 400 rows are tried (`finetune.results_page`)."""
    file, model = place.root / "medmcqa/dev.jsonl", place.work / "usmle" / "rows"
    more = ("--limit", "460", "--uncalibrated", "--name", "eci, uncalibrated")
    yield evaluation(place, "calibration/medmcqa", file, "eci", model=model, more=more)


def compare_all(place: Place) -> Iterator[Command]:
    """Every table, of what is there: a part that was left out for want of time is left out of its table."""
    extra = [f"pubmedqa/rows-{SEEDS[0]}/{folder_name(shown)}" for _, _, shown in EXTRA]
    seeds = [f"pubmedqa/{kind}-{seed}/test" for seed in SEEDS for kind in KINDS]
    tables = {"pubmedqa": [*seeds, *extra, "pubmedqa/untrained-letters", "pubmedqa/majority"]}
    for name in ("medqa", "medmcqa"):
        kinds = ("rows", "paper", "paper_repaired", "letters", "generate", "majority")
        tables[f"usmle/{name}"] = [f"usmle/{name}-{kind}" for kind in kinds]
    tables["ablations"] = [f"pubmedqa/rows-{SEEDS[0]}/test", *(f"ablations/{number}/test" for number in range(1, 7))]
    for name, folders in tables.items():
        there = [folder for folder in folders if (place.work / folder / "metrics.json").is_file()]
        yield comparison(place, f"{name}/compared" if "/" not in name else f"{name}-compared", there)


# What makes a run short enough for three seeds of five heads on two cores.
SHORT = (
    "data.max_tokens=224",
    "training.epochs=1",
    "training.batch=4",
    "training.micro_tokens=1024",
    "lora.rate=3e-4",
    "head.rate=1e-3",
)
UNTRAINED = {"letters": "letters, untrained", "generate": "generate, untrained", "majority": "majority"}
EXTRA = (
    ("eci", ("--mode", "careful"), "eci, careful"),
    ("generate", (), "generate, same adapter"),
    ("branched", (), "branched, same adapter"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Status 0 when every part is finished, else that of the command that failed."""
    parser = argparse.ArgumentParser(prog="python -m finetune.results", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of the public data")
    parser.add_argument("--work", type=Path, default=Path("runs/results"), help="the folder of what is made")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts alone")
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=SEEDS, help="of pubmedqa, these seeds alone")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of pubmedqa, these heads alone")
    parser.add_argument("--list", action="store_true", help="print the commands and run none")
    options = parser.parse_args(arguments)
    place = Place(options.data.resolve(), options.work.resolve(), tuple(options.seeds), tuple(options.kinds))
    parts = dict(zip(PARTS, (pubmedqa, usmle, ablations, calibration, compare_all), strict=True))
    for command in (command for part in options.only for command in parts[part](place)):
        if options.list or command.mark.exists():
            print(("done: " if command.mark.exists() else "") + str(command), flush=True)
            continue
        print(command, flush=True)
        began = time.monotonic()
        status = MAINS[command.name](list(command.arguments))
        print(f"  status {status} after {time.monotonic() - began:.0f} s", flush=True)
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
