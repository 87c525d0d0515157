"""One training run, from rows to run.json. `finetune.train` is its command.

The folder gets the adapter, its head and tokenizer, eci.json (calibration and thresholds), metrics.jsonl, curves.png and, last
of all, run.json. Until then checkpoint.pt is there, from which the same command goes on.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import PartialState
from safetensors.torch import save_file
from tqdm import tqdm

from app.bases import CALIBRATION_ROWS, CONFORMAL_ROWS
from app.calibration import EciRecord
from app.earned import fit_record
from app.errors import BadInput
from app.files import digest_of, write_json, write_text
from app.prompts import prompt_digest
from app.readings import score
from app.records import LABELS, Question
from finetune.base import Base, add_adapter, add_labels, locate, open_base, open_tokenizer
from finetune.batches import Plan
from finetune.config import Config
from finetune.dataset import Dataset, fingerprint, fitting, pools_of, read_dataset
from finetune.encode import Encoder
from finetune.energy import Energy, added
from finetune.environment import INTERRUPTED
from finetune.heads import PAPER, Classifier
from finetune.loop import Trainer
from finetune.plan import estimate, refuse_what_cannot_fit
from finetune.progress import Progress, draw_curves
from finetune.rows import Report, question_record
from finetune.torch_reader import ADAPTER_FILE, HEAD_FILE, TorchReader, in_memory

CHECKPOINT, METRICS, CURVES, RUN, ECI = "checkpoint.pt", "metrics.jsonl", "curves.png", "run.json", "eci.json"
ENERGY = "energy.jsonl"
WRITTEN = (
    CHECKPOINT,
    METRICS,
    CURVES,
    RUN,
    ECI,
    ENERGY,
    ADAPTER_FILE,
    HEAD_FILE,
    "adapter_config.json",
    CALIBRATION_ROWS,
    CONFORMAL_ROWS,
)
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")


@dataclass(frozen=True)
class Prepared:
    """A run before its model is opened."""

    dataset: Dataset
    report: Report
    encoder: Encoder
    plan: Plan
    steps: int


@dataclass(frozen=True)
class Trained:
    """A run after its last step. ``ids``: label -> the token, or the layer's output, that it is read at."""

    base: Base
    classifier: Classifier
    ids: dict[str, int]
    record: EciRecord | None
    history: Sequence[dict[str, Any]]


def run(config: Config, *, plan_only: bool = False, fresh: bool = False) -> int:
    """One run from rows to run.json; its status for the shell.

    Raises:
        LlamaCareError: it cannot be done; the sentence says why.
    """
    state = _processes()
    first = state.is_main_process
    if first and not plan_only:
        _clear(config.folder, fresh=fresh)
    state.wait_for_everyone()
    ready = prepare(config)
    held = len(ready.dataset.calibration) + len(ready.dataset.conformal)
    estimated = estimate(config, ready.plan, steps=ready.steps, held=held, timed=plan_only)  # a run's bar soon tells better
    if first:
        _say(f"{ready.report.text()}\n{estimated.text()}")
    if plan_only:
        return 0
    refuse_what_cannot_fit(estimated)
    trained = _train(config, ready, first=first)
    if trained is None:
        return INTERRUPTED
    if first:
        about = _export(config, ready, trained)
        write_json(config.folder / RUN, about | {"plan": estimated.as_dict()})
        (config.folder / CHECKPOINT).unlink()
        _say(_closing(about, trained.record, config.folder))
    return 0


def prepare(config: Config) -> Prepared:
    """Rows, tokenizer and steps.

    Raises:
        BadInput: a file, a row or the base's tokenizer cannot be used.
    """
    dataset, settings = read_dataset(config), config.training
    tokenizer = open_tokenizer(locate(config.base, config.revision))
    encoder = Encoder(tokenizer, max_tokens=config.data.max_tokens, style=settings.style)
    pools, report = pools_of(dataset, encoder, config)
    plan = Plan(pools, encoder, settings.batch, settings.seed, settings.permute, config.data.on_long == "trim")
    return Prepared(dataset, report, encoder, plan, settings.steps or plan.steps(settings.epochs))


def _train(config: Config, ready: Prepared, *, first: bool) -> Trained | None:
    """None where it was stopped before its end; a checkpoint is there then."""
    folder = config.folder
    base = open_base(config.base, revision=config.revision, quantise=config.quantise, dtype=config.dtype)
    classifier, ids = classifier_of(base, config, ready.encoder)
    mark = fingerprint(config, ready.dataset)
    trainer = Trainer(classifier, ready.plan, config, steps=ready.steps, checkpoint=folder / CHECKPOINT, mark=mark)
    if trainer.resume() and first:
        _say(f"Going on after step {trainer.done} of {ready.steps}.")
    progress = Progress(folder / METRICS, steps=ready.steps, done=trainer.done, shown=first)
    record = None
    energy = Energy(config.country, on=first)
    with energy, _Stop() as stop:
        try:
            finished = trainer.run(progress.tell, stop=stop.asked)
        finally:
            progress.close()
        if finished and first:
            reader = in_memory(base, classifier, name=config.name, digest="")
            record = _fit(config, ready, reader, ids)
    if first:
        with (folder / ENERGY).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(energy.record) + "\n")
    if finished:
        return Trained(base, classifier, ids, record, progress.history)
    if first:
        kept = f"kept in {folder / CHECKPOINT}. The same command goes on from there."
        _say(f"Stopped after step {trainer.done} of {ready.steps}; {kept}")
    return None


def classifier_of(base: Base, config: Config, encoder: Encoder) -> tuple[Classifier, dict[str, int]]:
    """The base with its adapter and the head that the config asks for, and where labels are read: label -> token or output.

    Raises:
        BadInput: the tokenizer has no token of its own for a label that the head begins from.
    """
    head, seed = config.head, config.training.seed
    own = encoder.label_ids(LABELS)
    if own is None and head.kind in ("letters", "hidden"):
        raise BadInput(
            f"{config.base} has no token of its own for each label, which head.kind={head.kind} needs. Set it to rows."
        )
    ids: dict[str, int] = {label: place for place, label in enumerate(LABELS)}
    if head.kind == "rows":
        ids = add_labels(base, init=head.init, seed=seed)
    elif head.kind == "letters" and own:
        ids = own
    model = add_adapter(base, config.lora, list(ids.values()) if head.kind == "rows" else [], seed=seed)
    checkpointing = config.training.checkpointing
    if checkpointing == "on" or (checkpointing == "auto" and base.device.type == "cuda"):
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    tokens = ids if head.kind in ("rows", "letters") else {}
    torch.manual_seed(seed)  # a layer's first weights are drawn
    classifier = Classifier(model, head.kind, tokens, weight=head.weight, max_tokens=config.data.max_tokens)
    if head.kind == "hidden" and own:
        classifier.start_from_labels(own)
    return classifier, ids if head.kind != "none" else {}


def _processes() -> PartialState:
    """This process among those that ``accelerate launch`` began.

    Raises:
        BadInput: FSDP was asked for.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        reason = (
            "on a CPU accelerate would silently do something else" if not torch.cuda.is_available() else "it shards no 4-bit base"
        )
        raise BadInput(f"FSDP was asked for, and this training does not do it: {reason}. Launch with --multi_gpu or --multi_cpu.")
    return PartialState(cpu=not torch.cuda.is_available())


def _clear(folder: Path, *, fresh: bool) -> None:
    """The folder, without what an earlier run left where ``fresh``.

    Raises:
        BadInput: it holds a finished run, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in WRITTEN if fresh else ():
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"The folder {folder} cannot be written ({error.strerror}). Choose another with out=FOLDER.") from error
    if (folder / RUN).is_file():
        raise BadInput(f"{folder} holds a finished run. Train into another folder with out=FOLDER, or begin anew with --fresh.")


def _fit(config: Config, ready: Prepared, reader: TorchReader, ids: dict[str, int]) -> EciRecord | None:
    if not ids or not ready.dataset.calibration:
        return None
    head = "paper" if config.head.kind in PAPER else "eci"
    style = config.training.style
    parts = held_out(config, ready)
    careful = config.training.careful
    scorer = partial(reader.scores, head=head)
    with tqdm(total=sum(map(len, parts)), desc="held-out rows", unit="row", file=sys.stderr) as bar:
        fitted, checked = (score(scorer, reader.form, rows, style=style, careful=careful, tell=bar.update) for rows in parts)
    prompt = prompt_digest(reader.form, style)
    return fit_record(token_ids=ids, prompt=prompt, calibration=fitted, conformal=checked, name=config.name)


def held_out(config: Config, ready: Prepared) -> tuple[list[Question], list[Question]]:
    """The questions for the calibration and for its thresholds, trimmed as those that are trained on."""
    room, trim = config.data.max_tokens, config.data.on_long == "trim"
    calibration, conformal = ready.dataset.calibration, ready.dataset.conformal
    return fitting(calibration, ready.encoder, room, trim=trim), fitting(conformal, ready.encoder, room, trim=trim)


def write_held_out(config: Config, ready: Prepared) -> None:
    """Beside the adapter, so that whoever changes its weights can fit them anew."""
    for name, questions in zip((CALIBRATION_ROWS, CONFORMAL_ROWS), held_out(config, ready), strict=True):
        lines = "".join(json.dumps(question_record(one), ensure_ascii=False) + "\n" for one in questions)
        write_text(config.folder / name, lines)


def _export(config: Config, ready: Prepared, trained: Trained) -> dict[str, Any]:
    """Adapter, head, tokenizer with its label tokens, eci.json, curves, each whole or not at all; then what run.json says."""
    folder, classifier = config.folder, trained.classifier
    aside = folder / ".export"
    shutil.rmtree(aside, ignore_errors=True)
    classifier.model.save_pretrained(str(aside), safe_serialization=True, save_embedding_layers=False)
    trained.base.tokenizer.save_pretrained(str(aside))
    (aside / "README.md").unlink(missing_ok=True)  # peft's empty model card
    if classifier.layer is not None:
        save_file(classifier.layer.state_dict(), aside / HEAD_FILE)
    for path in sorted(aside.iterdir()):
        path.replace(folder / path.name)
    aside.rmdir()
    record = trained.record
    if record is not None:
        write_text(folder / ECI, record.to_json() + "\n")
    write_held_out(config, ready)
    draw_curves(folder / CURVES, trained.history, title=f"{config.name}: {ready.steps} steps of {config.training.batch} rows")
    return _about(config, ready, trained)


def _about(config: Config, ready: Prepared, trained: Trained) -> dict[str, Any]:
    """run.json: what the next stage checks, and what a reader wants to know."""
    base, history = trained.base, trained.history
    seconds, tokens = (sum(row[name] for row in history) for name in ("seconds", "tokens"))
    energies = (config.folder / ENERGY).read_text(encoding="utf-8").splitlines()
    return {
        "kind": "llamacare-training",
        "version": 1,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "config": config.as_dict(),
        "fingerprint": fingerprint(config, ready.dataset),
        "seed": config.training.seed,
        "base": {"reference": config.base, "revision": config.revision, "digest": base.digest, "dtype": str(base.dtype)},
        "labels": trained.ids,
        "prompt": prompt_digest(ready.encoder.form, config.training.style),
        "data": ready.dataset.summary() | {"report": ready.report.record()},
        "steps": ready.steps,
        "seconds": seconds,
        "tokens": tokens,
        "tokens_per_s": tokens / seconds if seconds else None,
        "first": history[0],
        "last": history[-1],
        "energy": added([json.loads(line) for line in energies]),
        "adapter": digest_of(config.folder / ADAPTER_FILE),
        "machine": {"processor": platform.processor() or platform.machine(), "device": str(base.device), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _closing(about: dict[str, Any], record: EciRecord | None, folder: Path) -> str:
    lines = [f"Trained {about['steps']} steps, {about['tokens']} tokens in {about['seconds']:.0f} s. Adapter: {folder}"]
    spent = about["energy"]
    if spent.get("kwh") is not None:
        grams = 1000 * (spent.get("co2_kg") or 0)
        lines.append(f"Energy about {1000 * spent['kwh']:.1f} Wh, {grams:.1f} g of CO2 ({spent['country']}, {spent['by']}).")
    if record is None:
        lines.append("No calibration: no rows were held out for it, so probabilities stay marked as uncalibrated.")
    else:
        measured = {name: each for name, each in record.skill.items() if "ece" in each}
        lines += [f"{name}: accuracy {each['accuracy']:.3f}, ECE {each['ece']:.3f}" for name, each in measured.items()]
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


class _Stop:
    """Ctrl+C and a polite kill end the run after the step that is being computed, with a checkpoint."""

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, Any] = {}

    def asked(self) -> bool:
        return self._asked

    def __enter__(self) -> _Stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        _say("\nStopping after this step ... (once more to stop at once)")
