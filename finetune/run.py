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
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import PartialState
from safetensors.torch import save_file
from tqdm import tqdm

from app.calibration import EciRecord
from app.errors import BadInput
from app.prompts import prompt_digest
from app.records import LABELS
from finetune.base import Base, add_adapter, add_labels, locate, open_base, open_tokenizer
from finetune.batches import Plan
from finetune.config import Config
from finetune.dataset import Dataset, fingerprint, fitting, pools_of, read_dataset
from finetune.encode import Encoder
from finetune.energy import Energy, added
from finetune.files import digest_of, write_aside, write_json
from finetune.environment import INTERRUPTED
from finetune.fit import fit_record, score
from finetune.heads import PAPER, Classifier
from finetune.loop import Trainer
from finetune.plan import estimate, refuse_what_cannot_fit
from finetune.progress import Progress, draw_curves
from finetune.rows import Report
from finetune.torch_reader import ADAPTER_FILE, HEAD_FILE, TorchReader, in_memory

CHECKPOINT, METRICS, CURVES, RUN, ECI = "checkpoint.pt", "metrics.jsonl", "curves.png", "run.json", "eci.json"


def run(config: Config, *, plan_only: bool = False, fresh: bool = False) -> int:
    """One run from rows to run.json.

    Raises:
        LlamaCareError: it cannot be done; the sentence says why.
    """
    state = _processes()
    folder = config.folder
    first = state.is_main_process
    if not plan_only:
        _clear(folder, fresh=fresh, first=first)
        state.wait_for_everyone()
    dataset = read_dataset(config)
    encoder = Encoder(
        open_tokenizer(locate(config.base, config.revision)), max_tokens=config.data.max_tokens, style=config.training.style
    )
    pools, report = pools_of(dataset, encoder, config)
    trim = config.data.on_long == "trim"
    settings = config.training
    plan = Plan(pools, encoder, settings.batch, settings.seed, settings.permute, trim)
    steps = settings.steps or plan.steps(settings.epochs)
    if first:
        _say(report.text())
    estimated = estimate(config, plan, steps=steps, held=len(dataset.calibration) + len(dataset.conformal))
    if first or plan_only:
        _say(estimated.text())
    if plan_only:
        return 0
    refuse_what_cannot_fit(estimated)
    base = open_base(config.base, revision=config.revision, quantise=config.quantise, dtype=config.dtype)
    classifier, ids = classifier_of(base, config, encoder)
    mark = fingerprint(config, dataset)
    trainer = Trainer(classifier, plan, config, steps=steps, checkpoint=folder / CHECKPOINT, mark=mark)
    if trainer.resume() and first:
        _say(f"Going on after step {trainer.done} of {steps}.")
    energies = folder / "energy.jsonl"
    progress = Progress(folder / METRICS, steps=steps, done=trainer.done, shown=first)
    with Energy(config.country, on=first) as energy, _Stop() as stop:
        try:
            finished = trainer.run(progress.tell, stop=stop.asked)
        finally:
            progress.close()
        record = None
        if finished and first:
            reader = in_memory(base, classifier, name=config.name, digest="")
            record = _fit(config, dataset, encoder, reader, ids)
    if not first:
        return 0 if finished else INTERRUPTED
    with energies.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(energy.record) + "\n")
    if not finished:
        _say(f"Stopped after step {trainer.done} of {steps}; kept in {folder / CHECKPOINT}. The same command goes on from there.")
        return INTERRUPTED
    _export(folder, base, classifier, record)
    draw_curves(folder / CURVES, progress.history, title=f"{config.name}: {steps} steps of {settings.batch} rows")
    spent = added([json.loads(line) for line in energies.read_text(encoding="utf-8").splitlines()])
    about = _about(config, dataset, report, base, mark=mark, ids=ids, steps=steps, history=progress.history, energy=spent)
    write_json(folder / RUN, about | {"plan": estimated.as_dict(), "prompt": prompt_digest(encoder.form, settings.style)})
    (folder / CHECKPOINT).unlink()
    _say(_closing(about, record, folder))
    return 0


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


def _clear(folder: Path, *, fresh: bool, first: bool) -> None:
    if not first:
        return
    if fresh:
        for name in (CHECKPOINT, METRICS, CURVES, RUN, ECI, ADAPTER_FILE, HEAD_FILE, "adapter_config.json", "energy.jsonl"):
            (folder / name).unlink(missing_ok=True)
    if (folder / RUN).is_file():
        raise BadInput(f"{folder} holds a finished run. Train into another folder with out=FOLDER, or begin anew with --fresh.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"The folder {folder} cannot be made ({error.strerror}). Choose another with out=FOLDER.") from error


def _fit(config: Config, dataset: Dataset, encoder: Encoder, reader: TorchReader, ids: dict[str, int]) -> EciRecord | None:
    if not ids or not dataset.calibration:
        return None
    head = "paper" if config.head.kind in PAPER else "eci"
    trim, style = config.data.on_long == "trim", config.training.style
    parts = [fitting(rows, encoder, config.data.max_tokens, trim=trim) for rows in (dataset.calibration, dataset.conformal)]
    careful = config.training.careful
    with tqdm(total=sum(map(len, parts)), desc="held-out rows", unit="row", file=sys.stderr) as bar:
        fitted, checked = (score(reader, rows, head=head, style=style, careful=careful, tell=bar.update) for rows in parts)
    return fit_record(reader, token_ids=ids, head=head, style=style, calibration=fitted, conformal=checked, name=config.name)


def _export(folder: Path, base: Base, classifier: Classifier, record: EciRecord | None) -> None:
    """The adapter, its head, the tokenizer with its label tokens, and eci.json; each file whole or not at all."""
    aside = folder / ".export"
    shutil.rmtree(aside, ignore_errors=True)
    classifier.model.save_pretrained(str(aside), safe_serialization=True, save_embedding_layers=False)
    base.tokenizer.save_pretrained(str(aside))
    (aside / "README.md").unlink(missing_ok=True)  # peft's empty model card; quantize writes the real one
    if classifier.layer is not None:
        save_file(classifier.layer.state_dict(), aside / HEAD_FILE)
    for path in sorted(aside.iterdir()):
        path.replace(folder / path.name)
    aside.rmdir()
    if record is not None:
        write_aside(folder / ECI, lambda path: path.write_text(record.to_json() + "\n", encoding="utf-8"))


def _about(
    config: Config,
    dataset: Dataset,
    report: Report,
    base: Base,
    *,
    mark: str,
    ids: dict[str, int],
    steps: int,
    history: Sequence[dict[str, Any]],
    energy: dict[str, Any],
) -> dict[str, Any]:
    """run.json: what the next stage checks, and what a reader wants to know."""
    packages = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")
    seconds = sum(row["seconds"] for row in history)
    tokens = sum(row["tokens"] for row in history)
    return {
        "kind": "llamacare-training",
        "version": 1,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "config": config.as_dict(),
        "fingerprint": mark,
        "seed": config.training.seed,
        "base": {"reference": config.base, "revision": config.revision, "digest": base.digest, "dtype": str(base.dtype)},
        "labels": ids,
        "data": dataset.summary() | {"report": report.record()},
        "steps": steps,
        "seconds": seconds,
        "tokens": tokens,
        "tokens_per_s": tokens / seconds if seconds else None,
        "first": history[0] if history else None,
        "last": history[-1] if history else None,
        "energy": energy,
        "adapter": digest_of(config.folder / ADAPTER_FILE),
        "machine": {"processor": platform.processor() or platform.machine(), "device": str(base.device), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages},
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
        lines += [f"{name}: accuracy {each['accuracy']:.3f}, ECE {each['ece']:.3f}" for name, each in record.skill.items()]
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

