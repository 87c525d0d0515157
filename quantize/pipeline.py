"""The whole way from an adapter to one checked GGUF: merge -> export -> compress -> verify -> fit anew -> write.

Each stage leaves its result in the working folder, so a run that was ended goes on from the last whole one. The final names
appear last, each whole.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from app.calibration import EciRecord
from app.errors import BadInput
from app.files import digest_of, sync_folder, write_aside, write_json, write_text
from app.probes import Probe
from app.prompts import Style
from quantize.adapter import Adapter, Onto, choices, read_adapter
from quantize.bench import Candidate, Row, Speed, bench_all, choose
from quantize.bench import table as bench_table
from quantize.bench import write as write_bench
from quantize.card import Facts, data_sheet, model_card
from quantize.card import Licence as CardLicence
from quantize.child import run_module
from quantize.compress import compress
from quantize.export import Licence, export, licence_of, metadata
from quantize.ggml_types import Thresholds, file_type, tensor_types, thresholds
from quantize.metadata import Value, write_pairs
from quantize.plan import Estimate, Size, estimate, refuse_what_cannot_fit
from quantize.probe import probe_folder, probe_gguf
from quantize.refit import Refit, refit
from quantize.report import comparison_lines
from quantize.samples import TEXTS, Sample, default_files, held_out, sample, texts, write_questions
from quantize.stages import Stages, bytes_of, key_of
from quantize.terminal import bar, say
from quantize.verify import MERGE_LIMITS, Comparison, compare, failures, quality, text_divergence

AUTO = "auto"
# What `auto` looks at: for each size the types that are quick on a CPU. Smaller ones need an importance matrix to be of use.
AUTO_TYPES = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_NL", "Q4_0")
PACKAGES = ("llama-cpp-python", "gguf", "numpy")
QUESTIONS, TEXTS_FILE = "questions.jsonl", "texts.txt"
SHOWN = (
    "n",
    "agreement",
    "tie",
    "clear",
    "clear_agreement",
    "label_kl",
    "text_kl",
    "perplexity_ratio",
)  # of a comparison on a card


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One run. ``memory``: bytes that the file may take when it runs, None without a limit."""

    adapter: Path
    out: Path
    type: str = AUTO
    work: Path
    base: Path | None = None
    licence: str = ""
    link: str = ""
    notice: Path | None = None
    name: str = ""
    questions: tuple[Path, ...] = ()
    limit: int = 1000
    memory: int | None = None
    shard: int = 1 << 30
    keep: bool = False
    force: bool = False

    @property
    def types(self) -> tuple[str, ...]:
        return AUTO_TYPES if self.type.casefold() == AUTO else (file_type(self.type).name,)


@dataclass(frozen=True)
class Made:
    """What a run wrote. ``seconds`` of this run, without what an earlier one had done."""

    out: Path
    type: str
    bytes: int
    seconds: float
    lines: tuple[str, ...]


@dataclass
class Run:
    """One run through the stages."""

    wanted: Wanted
    adapter: Adapter
    licence: Licence
    sample: Sample
    stages: Stages
    estimated: Estimate
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.stages.folder

    @property
    def style(self) -> Style:
        return Style(self.adapter.run["config"]["training"]["style"])

    @property
    def root(self) -> str:
        """What every stage stands on."""
        return key_of(self.adapter.run["adapter"], self.adapter.run["base"]["digest"], self.wanted.shard)


def prepare(wanted: Wanted) -> Run:
    """Everything that can be refused before work begins, refused.

    Raises:
        BadInput: something is missing, does not fit together, or does not fit on this machine.
    """
    adapter = read_adapter(wanted.adapter)
    for name in wanted.types:
        file_type(name)
    if wanted.out.suffix != ".gguf":
        raise BadInput(f"--out is {str(wanted.out)!r}; expected a file that ends in .gguf.")
    if wanted.out.exists() and not wanted.force:
        raise BadInput(f"{wanted.out} is there already. Choose another --out, or add --force to replace it.")
    licence = licence_of(adapter.reference, wanted.base, given=wanted.licence, link=wanted.link, notice=wanted.notice)
    files = wanted.questions or tuple(default_files(wanted.adapter, dict(adapter.run)))
    chosen = sample(files, wanted.limit)
    largest = max((max(ids) * adapter.trained_rows(module).shape[1] for module, ids in adapter.rows.items()), default=0)
    size = Size(int(adapter.run["plan"]["parameters"]), largest)
    estimated = estimate(
        size, wanted.types, merges=2 if adapter.quantised else 1, questions=len(chosen.questions), quantised=adapter.quantised,
        shard=wanted.shard, work=wanted.work,
    )  # fmt: skip
    return Run(wanted, adapter, licence, chosen, Stages(wanted.work), estimated)


def run(ready: Run) -> Made:
    """From the adapter to the file.

    Raises:
        LlamaCareError: a stage cannot be done, or the file does not answer as its parent; nothing then stands under its name.
        OSError: the disk is full.
    """
    begun = time.monotonic()
    with ready.stages.locked():
        refuse_what_cannot_fit(ready.estimated, ready.folder, already=max(bytes_of(ready.folder), 0))
        _write_sample(ready)
        merged, trained = _merged(ready)
        exported, parent = _exported(ready, merged, trained)
        kind, small, speeds = _compressed(ready, exported, parent)
        found = _refitted(ready, small)
        lines = _finish(ready, kind, small, found, speeds)
        if not ready.wanted.keep:
            ready.stages.remove()
    return Made(ready.wanted.out, kind, ready.wanted.out.stat().st_size, time.monotonic() - begun, lines)


# Stages


def _write_sample(ready: Run) -> None:
    write_questions(ready.folder / QUESTIONS, ready.sample.questions)
    write_text(ready.folder / TEXTS_FILE, "\n".join(texts()) + "\n")
    say(f"Comparing on {ready.sample.words}, and on {TEXTS} texts of our own bank.")


def _merged(ready: Run) -> tuple[Path, Probe | None]:
    """The merged folder, and what the nearest model in torch computes: the merged one in float32 where this machine can run
    it, else the trained one, else nothing."""
    kinds = choices(ready.adapter)
    trained = _probe_folder(ready, "trained", ready.wanted.adapter, fits=ready.estimated.runs_trained)
    found: dict[Onto, tuple[Comparison | None, Probe | None]] = {}
    for onto in kinds:
        if len(kinds) > 1 and not (trained and ready.estimated.runs_torch) and onto is not kinds[0]:
            break  # nothing can be measured, so the weights that the adapter was trained on are taken
        folder = _merge(ready, onto)
        probed = _probe_folder(ready, f"merged-{onto}", folder, fits=ready.estimated.runs_torch)
        found[onto] = (_compare(ready, trained, probed, MERGE_LIMITS), probed)
    best = max(found, key=lambda onto: _closeness(found[onto][0]))
    for onto in found.keys() - {best}:
        ready.stages.forget(f"merge-{onto}", [ready.folder / f"merged-{onto}"])
    ready.report["onto"] = str(best)
    ready.report["merges"] = {str(onto): each.as_dict() for onto, (each, _) in found.items() if each}
    compared, probed = found[best]
    if compared is not None:
        ready.report["merged"] = compared.as_dict()
        _judge(ready, compared, MERGE_LIMITS, child=f"the model merged onto the {best} weights", parent="the model as trained")
    return ready.folder / f"merged-{best}", probed or trained


def _merge(ready: Run, onto: Onto) -> Path:
    folder, key = ready.folder / f"merged-{onto}", key_of(ready.root, onto)
    if not ready.stages.has(f"merge-{onto}", key):
        say(f"Merging onto the {onto} weights.")
        wanted = ready.wanted
        arguments = [
            str(wanted.adapter.absolute()),
            "--out",
            str(folder.absolute()),
            "--onto",
            onto,
            "--shard",
            str(wanted.shard),
        ]
        base = ["--base", str(wanted.base.absolute())] if wanted.base else []
        run_module("quantize.merge", [*arguments, *base], what=f"merging onto the {onto} weights")
        ready.stages.finish(f"merge-{onto}", key, [folder])
    return folder


def _exported(ready: Run, merged: Path, above: Probe | None) -> tuple[Path, Probe]:
    """The F16 file and what it computes, checked against what lies above it."""
    path = ready.folder / "f16.gguf"
    key = key_of(ready.root, merged.name, ready.licence, ready.wanted.name)
    if not ready.stages.has("export", key):
        with bar("exporting as F16", "tensor") as told:
            export(merged, path, _metadata(ready, ready.adapter.record), tell=told)
        ready.stages.finish("export", key, [path])
    probed = _probe_gguf(ready, "f16", path)
    if above is not None:
        compared = _compare(ready, above, probed, thresholds("F16"))
        assert compared is not None
        name = "the merged model in float32" if ready.estimated.runs_torch else "the model as trained"
        ready.report["exported"] = compared.as_dict()
        _judge(ready, compared, thresholds("F16"), child="the exported F16 file", parent=name)
    return path, probed


def _compressed(ready: Run, exported: Path, parent: Probe) -> tuple[str, Path, dict[str, Speed]]:
    """The type that is taken, its file, and how fast each type is."""
    files = {name: _compress(ready, exported, name) for name in ready.wanted.types}
    speeds = _speeds(ready, files)
    passed: dict[str, tuple[str, ...]] = {}
    near = {name: _text_kl(ready, parent, name, path) for name, path in files.items()} if len(files) > 1 else {}
    for name in sorted(files, key=lambda one: speeds[one].mix_s):
        if ready.wanted.memory is not None and speeds[name].memory_bytes > ready.wanted.memory:
            passed[name] = ()
            continue
        compared = _compare(ready, parent, _probe_gguf(ready, name.lower(), files[name]), thresholds(name))
        assert compared is not None
        ready.report.setdefault("types", {})[name] = compared.as_dict()
        near[name] = compared.text_kl
        passed[name] = failures(compared, thresholds(name))
        if not passed[name]:
            break  # the next ones are slower
    candidates = [
        Candidate(name, files[name], speeds[name], not why, speeds[name].memory_bytes, "; ".join(why))
        for name, why in passed.items()
    ]
    if len(files) == 1 and any(passed.values()):
        (name,) = passed
        raise _failed(ready, f"the {name} file", "its F16 parent", passed[name])
    taken = choose(candidates, ready.wanted.memory)
    ready.report["text_kl"] = {name: kl for name, kl in near.items() if math.isfinite(kl)}
    return taken.type, taken.path, speeds


def _compress(ready: Run, exported: Path, name: str) -> Path:
    path, key = ready.folder / f"{name}.gguf", key_of(ready.root, ready.report["onto"], ready.licence, name)
    if not ready.stages.has(f"compress-{name}", key):
        with bar(f"compressing as {name}", "tensor") as told:
            made = compress(exported, path, name, tell=told)
        say(f"{made.sentence}; {made.bytes / 1e6:,.1f} MB")
        ready.stages.finish(f"compress-{name}", key, [path])
    return path


def _speeds(ready: Run, files: Mapping[str, Path]) -> dict[str, Speed]:
    with bar("measuring speed", "round") as told:
        found = bench_all(list(files.values()), tell=told)
    return {name: found[path] for name, path in files.items()}


def _refitted(ready: Run, small: Path) -> Refit | None:
    """Calibration and thresholds of the compressed file, from the questions that the training held out."""
    calibration, conformal = held_out(ready.wanted.adapter)
    if ready.adapter.record is None or not calibration:
        return None
    careful = any(one.mode == "careful" for one in ready.adapter.record.calibrations)
    with bar("fitting the calibration anew", "question") as told:
        found = refit(
            small, ready.adapter.record, calibration, conformal, style=ready.style, careful=careful,
            name=str(ready.adapter.run["config"]["name"]), tell=told,
        )  # fmt: skip
    ready.report["refit"] = list(found.lines)
    return found


def _finish(ready: Run, kind: str, small: Path, found: Refit | None, speeds: Mapping[str, Speed]) -> tuple[str, ...]:
    """The file under its name, and beside it the cards, what was compared and what was measured."""
    out, record = ready.wanted.out, found.record if found else ready.adapter.record
    read = Probe.load(ready.folder / f"{kind.lower()}.npz")
    measured = asdict(quality(read, ready.sample.questions, record))
    ready.report |= {
        "kind": "llamacare-quantised",
        "version": 1,
        "file": out.name,
        "type": kind,
        "tensors": {name: count.tensors for name, count in tensor_types(small).items()},
        "sample": {"questions": ready.sample.sources, "texts": TEXTS},
        "quality": measured,
        "provenance": _provenance(ready),
        "machine": {"processor": platform.processor() or platform.machine()},
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
    near = ready.report["text_kl"]
    files = {name: ready.folder / f"{name}.gguf" for name in speeds}
    rows = [Row(name, files[name].name, bytes_of(files[name]), speed, near.get(name)) for name, speed in speeds.items()]
    # The file's own name appears last: where it stands, all that belongs to it stands beside it.
    made = out.with_name(f".{out.name}.made")
    try:
        write_pairs(small, made, _metadata(ready, record))
        ready.report["digest"] = digest_of(made)
        write_json(_beside(out, "run.json"), ready.report)
        for path in write_bench(rows, ready.folder):
            write_aside(_beside(out, path.name), partial(shutil.copyfile, path))
        facts = _facts(ready, kind, record, speeds[kind], made)
        write_text(_beside(out, "md"), model_card(facts))
        write_text(_beside(out, "data-sheet.md"), data_sheet(facts))
        made.replace(out)
    finally:
        made.unlink(missing_ok=True)
    sync_folder(out.parent)
    return (*comparison_lines(ready.report), *ready.report.get("refit", ()), bench_table(rows))


# Parts of stages


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(f"{out.stem}.{ending}")


def _text_kl(ready: Run, parent: Probe, name: str, path: Path) -> float:
    """On the texts alone, which takes seconds: for the picture of all types."""
    with bar(f"reading texts with {path.name}", "text"):
        return text_divergence(parent, probe_gguf(path, (), texts(), ready.style)).kl


def _probe_gguf(ready: Run, name: str, path: Path) -> Probe:
    cache, key = ready.folder / f"{name}.npz", key_of(digest_of(path), _asked(ready))
    if not ready.stages.has(f"probe-{name}", key):
        with bar(f"reading with {path.name}", "question") as told:
            probe_gguf(path, ready.sample.questions, texts(), ready.style, tell=told).save(cache)
        ready.stages.finish(f"probe-{name}", key, [cache])
    return Probe.load(cache)


def _probe_folder(ready: Run, name: str, folder: Path, *, fits: bool) -> Probe | None:
    if not fits:
        say(f"Too little memory to run {name} in torch: this comparison is left out.")
        return None
    cache, key = ready.folder / f"{name}.npz", key_of(ready.root, name, _asked(ready))
    if not ready.stages.has(f"probe-{name}", key):
        probe_folder(folder, ready.folder / QUESTIONS, ready.folder / TEXTS_FILE, ready.style, cache)
        ready.stages.finish(f"probe-{name}", key, [cache])
    return Probe.load(cache)


def _asked(ready: Run) -> str:
    return key_of([(one.id, one.stem) for one in ready.sample.questions], texts(), ready.style)


def _compare(ready: Run, parent: Probe | None, child: Probe | None, limits: Thresholds) -> Comparison | None:
    return compare(parent, child, ready.sample.questions, limits.tie) if parent and child else None


def _closeness(found: Comparison | None) -> tuple[float, float]:
    return (found.agreement, -found.label_kl) if found else (0.0, 0.0)


def _judge(ready: Run, found: Comparison, limits: Thresholds, *, child: str, parent: str) -> None:
    if why := failures(found, limits):
        raise _failed(ready, child, parent, why)


def _failed(ready: Run, child: str, parent: str, why: Sequence[str]) -> BadInput:
    kept = ready.folder / "failed.json"
    write_json(kept, ready.report)
    return BadInput(
        f"{child[0].upper()}{child[1:]} does not answer as {parent}: {'; '.join(why)}. Nothing was written to "
        f"{ready.wanted.out}; every figure stands in {kept}. Choose a larger type."
    )


def _metadata(ready: Run, record: EciRecord | None) -> dict[str, Value]:
    hub = ready.adapter.reference if ready.adapter.reference.count("/") == 1 else ""
    return metadata(_name(ready), ready.licence, record, _provenance(ready), hub=hub)


def _name(ready: Run) -> str:
    return ready.wanted.name or f"LlamaCare {ready.adapter.run['config']['name']}"


def _provenance(ready: Run) -> dict[str, Any]:
    run = ready.adapter.run
    return {
        "adapter": run["adapter"],
        "base": dict(run["base"]),
        "onto": ready.report["onto"],
        "training": {name: run.get(name) for name in ("finished", "fingerprint", "seed", "steps", "tokens")},
        "data": run["data"].get("digests", {}),
        "prompt": run["prompt"],
        "made_with": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _facts(ready: Run, kind: str, record: EciRecord | None, speed: Speed, made: Path) -> Facts:
    out, report = ready.wanted.out, ready.report
    verified = {name: {part: report[name][part] for part in SHOWN} for name in ("merged", "exported") if name in report} | {
        kind: {part: report["types"][kind][part] for part in SHOWN},
        "quality": report["quality"],
    }
    return Facts(
        name=_name(ready),
        file=out.name,
        base_name=ready.licence.base,
        base_id=ready.adapter.reference if ready.adapter.reference.count("/") == 1 else "",
        licence=CardLicence(ready.licence.name, ready.licence.link, ready.licence.notice),
        quantisation=kind,
        tensors=tensor_types(made),
        bytes=made.stat().st_size,
        parameters=int(ready.adapter.run["plan"]["parameters"]),
        sha256=report["digest"],
        training=dict(ready.adapter.run),
        eci=json.loads(record.to_json()) if record else None,
        eci_of="this file" if "refit" in report else "the model as trained",
        verify=verified,
        bench=speed.as_dict(),
    )
