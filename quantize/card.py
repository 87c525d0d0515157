"""What is said of a model beside its file: the model card (Mitchell et al. 2019, with the hub's front matter) and the data sheet
(Gebru et al. 2021, Datasheets for Datasets).

Pure: records of the stages in, Markdown out. What is not known is said to be unknown; no figure is given that was not measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from app.calibration import MIN_CONFORMAL_ROWS, Calibration
from app.errors import BadInput
from app.measure import Measured, skill_sentence
from quantize.ggml_types import TensorCount, sentence

UNKNOWN = "unknown"
# Licences by the ids that the hub knows; any other is "other" there, with its name and link.
HUB_LICENCES = frozenset(
    {
        *("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "bsd-3-clause"),
        *("gpl-3.0", "agpl-3.0", "openrail", "gemma", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "unlicense"),
    }
)
CARD_METRICS = MappingProxyType(
    {"accuracy": "accuracy", "macro_f1": "f1", "ece": "expected_calibration_error", "brier_skill": "brier_skill"}
)
KINDS = ("questions", "conversations", "texts")
LISTED_LABELS = 20  # of a label set, so that a card stays a page

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Licence:
    """``name`` as its id ("Apache-2.0") or its title, "" where unknown; ``notice`` is what it asks to be kept."""

    name: str = ""
    link: str = ""
    notice: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one file. Everything but the first two may be missing, which the texts then say.

    Attributes:
        name: the model's; file: its file's name.
        base_name: the model that it was tuned from; base_id: that model's id on the hub, "owner/name".
        licence: of the base, which the tuned model has too.
        language: codes, as "en".
        quantisation: the file's type; tensors: the types really used; bytes, parameters, sha256: of the file.
        training: the run.json of a folder of ``finetune.train``.
        eci: its eci.json, or the record fitted anew on this file (then ``eci_of`` says so).
        eci_of: on what the skill in ``eci`` was measured, as "the model as trained" or "this file".
        verify, bench: what those stages measured of this file.
        data_licences: name of a training file -> its licence, as the user gave it.
        splits: the run.json of a ``finetune.data split`` that made the training files.
    """

    name: str
    file: str
    base_name: str = ""
    base_id: str = ""
    licence: Licence = Licence()
    language: tuple[str, ...] = ()
    quantisation: str = ""
    tensors: Mapping[str, TensorCount] | None = None
    bytes: int | None = None
    parameters: int | None = None
    sha256: str = ""
    training: Figures | None = None
    eci: Figures | None = None
    eci_of: str = "the model as trained"
    verify: Figures | None = None
    bench: Figures | None = None
    data_licences: Mapping[str, str] | None = None
    splits: Figures | None = None


def model_card(facts: Facts) -> str:
    """Markdown with the hub's front matter.

    Raises:
        BadInput: a figure in ``eci`` is not what training writes.
    """
    parts = [
        _front_matter(facts),
        f"# {facts.name}\n",
        _details(facts),
        _use(facts),
        _worth(facts),
        _verified(facts),
        _speed(facts),
        _training(facts),
        _licence(facts.licence),
    ]
    return "\n".join(parts)


def data_sheet(facts: Facts) -> str:
    """Markdown: what data went into the model, and what did not. Raises BadInput as ``model_card``."""
    return "\n".join(
        [
            f"# Data sheet of {facts.name}\n",
            "After Gebru et al. 2021, Datasheets for Datasets. It is of the data that tuned the model; what its base "
            f"{facts.base_name or '(name unknown)'} was trained on is told by its makers, not here.\n",
            _motivation(facts),
            _composition(facts),
            _splits(facts),
            _cleaning(facts),
            _measured_on(facts),
            _distribution(facts),
        ]
    )


# The card's parts


def _front_matter(facts: Facts) -> str:
    licence = facts.licence.name.strip()
    known = licence.lower() in HUB_LICENCES
    lines: list[tuple[str, Any]] = []
    if licence:
        lines.append(("license", licence.lower() if known else "other"))
        if not known:
            lines.append(("license_name", re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")))
        if not known and facts.licence.link:
            lines.append(("license_link", facts.licence.link))
    if facts.base_id:
        lines += [("base_model", facts.base_id), ("base_model_relation", "finetune")]
    if facts.language:
        lines.append(("language", list(facts.language)))
    lines += [("library_name", "gguf"), ("pipeline_tag", "text-generation")]
    lines.append(("tags", ["gguf", "llama.cpp", "llamacare", "medical", *([facts.quantisation] if facts.quantisation else [])]))
    if results := list(_results(facts)):
        lines.append(("model-index", [{"name": facts.name, "results": results}]))
    return "---\n" + "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in lines) + "---\n"


def _results(facts: Facts) -> Iterator[dict[str, Any]]:
    """The hub's model-index, of measured figures alone. JSON is YAML."""
    for what, measured in _skills(facts):
        figures = measured.as_dict()
        metrics = [
            {"type": kind, "value": figures[name], "name": _metric_name(name, measured, facts)}
            for name, kind in CARD_METRICS.items()
            if figures[name] is not None
        ]
        dataset = {"name": what, "type": re.sub(r"[^a-z0-9]+", "-", what.lower()).strip("-")}
        yield {"task": {"type": "multiple-choice", "name": "choice of a label"}, "dataset": dataset, "metrics": metrics}


def _metric_name(name: str, measured: Measured, facts: Facts) -> str:
    interval = f", 95 % interval {measured.accuracy_low:.3f} to {measured.accuracy_high:.3f}" if name == "accuracy" else ""
    return f"{name.replace('_', ' ')} of {facts.eci_of}{interval}, n = {measured.n}"


def _skills(facts: Facts) -> list[tuple[str, Measured]]:
    """What was measured, by its name.

    Raises:
        BadInput: an entry is not what training writes.
    """
    found = []
    for name, figures in ((facts.eci or {}).get("skill") or {}).items():
        if "chance" in figures:
            continue  # of a system, told by `_chances`
        try:
            found.append((str(name), Measured(**figures)))
        except TypeError as error:
            raise BadInput(
                f"The skill {name!r} in eci.json cannot be read ({error}); expected the figures that finetune.train writes. "
                "Train again, or leave eci.json out."
            ) from error
    return found


def _details(facts: Facts) -> str:
    size = f"{facts.bytes / 1e6:,.1f} MB" if facts.bytes else UNKNOWN
    kind = facts.quantisation or UNKNOWN
    if facts.quantisation and facts.tensors:
        kind = sentence(facts.quantisation, facts.tensors)
    base = facts.base_name or UNKNOWN
    rows = [
        ("File", f"`{facts.file}`, {size}, SHA-256 {f'`{facts.sha256}`' if facts.sha256 else UNKNOWN}"),
        ("Tuned from", f"{base}{f' (`{facts.base_id}`)' if facts.base_id and facts.base_id != base else ''}"),
        ("Parameters", f"{facts.parameters:,}" if facts.parameters else UNKNOWN),
        ("Type", f"{kind}"),
        ("Language", ", ".join(facts.language) or UNKNOWN),
        ("Labels", _labels(facts)),
        ("Licence", facts.licence.name or f"{UNKNOWN}: ask before you use or pass it on"),
    ]
    return f"## Model details\n\n{_bullets(rows)}"


def _labels(facts: Facts) -> str:
    labels = list((facts.training or {}).get("labels") or (facts.eci or {}).get("labels") or ())
    if not labels:
        return "none are known; the model was not shown to be trained for classification"
    more = f" and {len(labels) - LISTED_LABELS} more" if len(labels) > LISTED_LABELS else ""
    return f"{', '.join(labels[:LISTED_LABELS])}{more}, each one token, read where the answer would begin (ECI)"


def _use(facts: Facts) -> str:
    return f"""## Intended use

For learning and for drafting: to practise exam questions, and to help a professional to think, who checks every sentence before
it is used. {facts.name} runs on the user's own machine, in LlamaCare or any other program that loads GGUF files.

## Out of scope, and limits

- **It is no medical device.** It supports a professional and replaces none. It must not diagnose, triage, dose, or decide about a
  patient, and nothing may depend on its answer in an emergency.
- It was not tested on patients or in a clinic, nor for bias between groups of patients; how it fails there is unknown.
- It writes what is likely, not what is true, and invents sources. It knows nothing that was published after its data.
- Its probabilities mean something only for questions like those that they were calibrated on (see below).
"""


def _worth(facts: Facts) -> str:
    head = "## What it was measured to be worth\n\n"
    skills = _skills(facts)
    if not skills:
        return head + "Nothing was measured: treat it as a model without any shown medical knowledge.\n"
    lines = [f"- {what}, {facts.eci_of}: {_worth_words(measured)}" for what, measured in skills]
    lines += _chances(facts)
    eci = facts.eci or {}
    calibrated = [
        f"- {'/'.join(one['labels'])}, {one['mode']}: {_calibration_word(one)}" for one in eci.get("calibrations") or ()
    ]
    sets = [f"- {'/'.join(one['labels'])}, {one['mode']}: {_coverage_words(one)}" for one in eci.get("thresholds") or ()]
    none = ["No calibration was fitted: its probabilities are uncalibrated."]
    return head + "\n".join([*lines, "", *(calibrated or none), *sets, "", _claim()]) + "\n"


def _calibration_word(one: Figures) -> str:
    """As the application says it beside a reading."""
    return Calibration(tuple(one["labels"]), one["mode"], one["scale"], tuple(one["bias"]), one["n"], one["name"]).word


def _coverage_words(one: Figures) -> str:
    if one["n"] < MIN_CONFORMAL_ROWS:
        return f"no coverage is claimed for its answer sets (fitted on {one['name']}, n = {one['n']}, under {MIN_CONFORMAL_ROWS})"
    share = f"{100 * one['level']:.0f} %"
    return f"answer sets meant to hold the key in {share} of such questions, fitted on {one['name']}, n = {one['n']}"


def _chances(facts: Facts) -> list[str]:
    """Skill per system, beside what one constant answer would get."""
    rows = {name: one for name, one in ((facts.eci or {}).get("skill") or {}).items() if "chance" in one}
    lines = []
    for name, one in rows.items():
        share, low, high, chance = (f"{100 * one[key]:.0f}" for key in ("accuracy", "accuracy_low", "accuracy_high", "chance"))
        better = "above" if one["accuracy_low"] > one["chance"] else "no better than"
        of = f"(95 % interval {low} to {high}, n = {one['n']:.0f})"
        lines.append(f"- {name}: {share} % right {of}, {better} the {chance} % of one constant answer")
    return lines


def _worth_words(measured: Measured) -> str:
    return f"**{skill_sentence(measured).rstrip('.')}.**" if measured.brier_skill is not None else _accuracy_words(measured)


def _accuracy_words(measured: Measured) -> str:
    return (
        f"accuracy {100 * measured.accuracy:.1f} % (95 % interval {100 * measured.accuracy_low:.1f} to "
        f"{100 * measured.accuracy_high:.1f}, n = {measured.n}; always the likeliest label: {100 * measured.baseline:.1f} %)."
    )


def _claim() -> str:
    return "These figures hold for questions like those that they were measured on, and for no others."


def _verified(facts: Facts) -> str:
    head = "## What compression changed\n\n"
    if not facts.verify:
        return head + "The file was not compared with its parent: how far it differs is unknown.\n"
    return head + _listed(facts.verify)


def _speed(facts: Facts) -> str:
    head = "## Speed\n\n"
    if not facts.bench:
        return head + "Not measured.\n"
    return head + "On the machine that made it; another one differs.\n\n" + _listed(facts.bench)


def _training(facts: Facts) -> str:
    head = "## Training\n\n"
    run = facts.training
    if not run:
        return head + "How it was trained is not recorded.\n"
    config = run.get("config") or {}
    lora, rates = config.get("lora") or {}, config.get("training") or {}
    energy = run.get("energy") or {}
    rows = [
        ("Method", f"LoRA of rank {_known(lora, 'rank')} on a base {_quantised(config)}; labels as {_head(config)}"),
        ("Steps", f"{_known(run, 'steps')} of {_known(rates, 'batch')} rows, {_known(run, 'tokens')} tokens"),
        ("Seed", _known(run, "seed")),
        ("Duration", f"{run['seconds']:,.0f} s of steps" if run.get("seconds") else UNKNOWN),
        ("Energy", _energy(energy)),
        ("Base's SHA-256", f"`{(run.get('base') or {}).get('digest') or UNKNOWN}`"),
        ("Adapter's SHA-256", f"`{run.get('adapter') or UNKNOWN}`"),
        ("Versions", ", ".join(f"{name} {what}" for name, what in (run.get("versions") or {}).items()) or UNKNOWN),
    ]
    return f"{head}{_bullets(rows)}\nThe data: see the data sheet beside the file.\n"


def _quantised(config: Figures) -> str:
    how = config.get("quantise")
    return "in its own precision" if how == "none" else f"quantised as {how}" if how else "of unknown precision"


def _head(config: Figures) -> str:
    kind = str((config.get("head") or {}).get("kind") or UNKNOWN)
    words = {"rows": "tokens appended to the vocabulary", "letters": "the vocabulary's own letters"}
    return words.get(kind, kind)


def _energy(energy: Figures) -> str:
    if energy.get("kwh") is None:
        return UNKNOWN
    co2 = "CO2 unknown" if energy.get("co2_kg") is None else f"{1000 * energy['co2_kg']:.2f} g of CO2"
    how = f"{energy.get('country') or UNKNOWN}, estimated by {energy.get('by') or UNKNOWN}"
    return f"{1000 * energy['kwh']:.2f} Wh, {co2} ({how})"


def _licence(licence: Licence) -> str:
    if not licence.name:
        return (
            "## Licence\n\nThe base's licence is unknown. Until it is found out, nobody is known to be allowed to use this "
            "file or to pass it on.\n"
        )
    link = f" ({licence.link})" if licence.link else ""
    notice = f"\n\n{licence.notice.strip()}" if licence.notice.strip() else ""
    return f"## Licence\n\n{licence.name}{link}, as its base.{notice}\n"


# The data sheet's parts


def _motivation(facts: Facts) -> str:
    name = ((facts.training or {}).get("config") or {}).get("name")
    return (
        "## Motivation\n\nThe rows were put together to teach a language model to choose among a question's options and to say "
        f"how sure it is{f' (experiment {name})' if name else ''}. Who collected each set, and why, its own documentation tells; "
        "it is not recorded here.\n"
    )


def _composition(facts: Facts) -> str:
    head = "## Composition\n\n"
    data = (facts.training or {}).get("data") or {}
    sources = data.get("sources") or ()
    if not sources:
        return head + "What the model was trained on is not recorded.\n"
    digests = data.get("digests") or {}
    lines: list[Sequence[str]] = [("file", "weight", *KINDS, "licence", "SHA-256")]
    for one in sources:
        file = _known(one, "file")
        counts = [_known(one, kind) for kind in ("weight", *KINDS)]
        lines.append((_name(file), *counts, _data_licence(facts, file), _digest(digests.get(file))))
    others = [name for name in digests if name not in {str(one.get("file")) for one in sources}]
    also = "".join(
        f"- {_name(name)}: SHA-256 {_digest(digests[name])}, licence {_data_licence(facts, name)}\n" for name in others
    )
    return (
        f"{head}Rows that were trained on:\n\n{_table(lines)}\n"
        + (f"Files that were read to calibrate or to measure:\n\n{also}\n" if also else "")
        + "Each row is a question with its options and key, a conversation or a text. Whether rows hold anything about real "
        "people was not checked; public exam questions and abstracts should not, clinical text may.\n"
    )


def _splits(facts: Facts) -> str:
    data = (facts.training or {}).get("data") or {}
    rows = [
        ("trained on", sum(int(one.get("questions") or 0) for one in data.get("sources") or ())),
        ("held out to calibrate", data.get("calibration")),
        ("held out for answer sets and to measure", data.get("conformal")),
    ]
    if not data:
        return "## Splits\n\nUnknown.\n"
    lines = "".join(f"- questions {what}: {UNKNOWN if n is None else n}\n" for what, n in rows)
    made = ""
    if facts.splits:
        drawn = facts.splits.get("inputs") or ()
        inputs = ", ".join(f"{_name(_known(one, 'path'))} (SHA-256 {_digest(one.get('sha256'))})" for one in drawn)
        arguments = facts.splits.get("arguments") or {}
        parts = f"parts {_known(arguments, 'parts')}, seed {_known(facts.splits, 'seed')}"
        made = f"\nDrawn from {inputs or UNKNOWN}: {parts}.\n"
    return f"## Splits\n\n{lines}{made}"


def _cleaning(facts: Facts) -> str:
    head = "## What was left out\n\n"
    data = (facts.training or {}).get("data") or {}
    report = data.get("report")
    if not report:
        return head + "Unknown.\n"
    counts = report.get("counts") or {}
    lines = "".join(f"- {why}: {n} rows\n" for why, n in counts.items()) or "- nothing\n"
    judged = [_name(str(name)) for name in ((facts.training or {}).get("config") or {}).get("data", {}).get("evaluation") or ()]
    against = ", ".join(judged)
    overlap = (
        f"Rows that overlap with questions of these files were looked for, and left out where they {_shared(facts)}: {against}."
        if judged
        else "No evaluation file was named to the training, so that overlap with one was not looked for: a score on a public "
        "test set may profit from questions that were trained on."
    )
    kept = f"{_known(report, 'kept')} of {_known(report, 'read')} rows were kept, before limits and held-out parts."
    return f"{head}{kept} Left out or marked:\n\n{lines}\n{overlap}\n"


def _shared(facts: Facts) -> str:
    share = ((facts.training or {}).get("config") or {}).get("data", {}).get("overlap_share")
    return f"share a run of words that is {share:.0%} of the question or more" if share else "share a run of words"


def _measured_on(facts: Facts) -> str:
    lines = "".join(f"- {what}: n = {measured.n}, {_accuracy_words(measured)}\n" for what, measured in _skills(facts))
    return f"## Measured on\n\n{lines or 'Nothing.'}\n"


def _distribution(facts: Facts) -> str:
    languages = ", ".join(facts.language) or "(language unknown)"
    return f"""## Uses, and what it is not for

A model that learnt to answer questions from these rows was not shown to do well with real patients, with languages other than
{languages}, or with guidelines that changed since. Do not use it to rate people.

## Distribution and upkeep

The rows themselves are not in the model's file. Whoever passes the model on must keep to each set's licence above; "{UNKNOWN}"
means that nobody stated it, not that it is free. Nobody has promised to maintain these data.
"""


def _data_licence(facts: Facts, file: str) -> str:
    given = facts.data_licences or {}
    return given.get(file) or given.get(_name(file)) or UNKNOWN


# Writing


def _known(record: Figures, name: str) -> str:
    value = record.get(name)
    return UNKNOWN if value is None else str(value)


def _name(file: str) -> str:
    """A file's name without the folders of the machine that it lay on; a relative path stays."""
    return PurePath(file).name if PurePath(file).is_absolute() else file


def _digest(value: Any) -> str:
    return f"`{value}`" if value else UNKNOWN


def _listed(figures: Figures) -> str:
    """Every figure of a record as a table of two columns; lists and what is None are left out."""
    return _table([("figure", "value"), *_flat(figures)])


def _flat(figures: Figures, before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in figures.items():
        words = f"{before}{str(name).replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{words}, ")
        elif isinstance(value, bool):
            yield words, "yes" if value else "no"
        elif isinstance(value, float):
            yield words, f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        elif isinstance(value, int):
            yield words, f"{value:,}"
        elif isinstance(value, str):
            yield words, _name(value)


def _bullets(rows: Sequence[tuple[str, object]]) -> str:
    return "".join(f"- **{name}**: {value}\n" for name, value in rows)


def _table(lines: Sequence[Sequence[str]]) -> str:
    rows = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)
