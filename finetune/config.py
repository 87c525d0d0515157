"""What a training run is to do: a YAML file and overrides -> one frozen Config. Knows no torch.

Every key has a type and a range here and nowhere else; a key or a value that cannot be is refused with the place it stands at.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml

from app.errors import BadInput
from app.prompts import Style

HeadKind = Literal["rows", "letters", "hidden", "paper", "paper_repaired", "none"]
# What tables call the heads.
NAMES = types.MappingProxyType(
    {
        "rows": "eci",
        "letters": "plain letters, trained",
        "hidden": "float32 layer, trained",
        "paper": "paper",
        "paper_repaired": "paper, repaired",
    }
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of training rows. ``weight``: how often each row is seen in an epoch; below 1, that share, drawn anew each time.
    ``limit`` keeps the first rows after a seeded shuffle, 0 all.
    """

    file: str
    weight: float = 1.0
    limit: int = 0


@dataclass(frozen=True, kw_only=True)
class Split:
    """How many questions of the training files are held out for ``calibration`` and for ``conformal`` thresholds."""

    calibration: int = 0
    conformal: int = 0


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which rows. Paths are relative to ``root``, that to the working folder.

    ``evaluation`` files are only looked at for overlap, which is dropped from training. ``on_long``: what happens to a row
    over ``max_tokens``: the beginning of its context goes (trim), the row goes (drop), or nothing is trained (stop).
    ``overlap_share``: a row that shares runs of 13 words with an evaluation question is dropped from this share of the question's
    words on; equal questions always are.
    """

    root: str = "."
    train: tuple[Source, ...] = ()
    calibration: tuple[Source, ...] = ()
    conformal: tuple[Source, ...] = ()
    evaluation: tuple[str, ...] = ()
    split: Split = Split()
    on_bad: Literal["drop", "stop"] = "drop"
    on_long: Literal["trim", "drop", "stop"] = "drop"
    overlap_share: float = 0.0
    max_tokens: int = 512


@dataclass(frozen=True, kw_only=True)
class Lora:
    """The adapter: Hu et al. 2021 (LoRA), on all linear layers (Dettmers et al. 2023, QLoRA, section 4)."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    rate: float = 2e-4


@dataclass(frozen=True, kw_only=True)
class Head:
    """The classification: ``kind`` as in `finetune.heads`, ``weight`` is w in (1-w) LM + w cross-entropy.

    One step of Adam moves a label's logit by up to ``rate`` times the sum of the hidden state's absolute values, about 650 in
    the embedded model: 0.07 at 1e-4. Over the same 15 steps the mean class loss was 1.48 at 1e-3 and 1.26 at 1e-4. Larger
    models want smaller rates.
    """

    kind: HeadKind = "rows"
    weight: float = 0.5
    rate: float = 1e-4
    init: Literal["label", "mean", "random"] = "label"


@dataclass(frozen=True, kw_only=True)
class Training:
    """``batch`` rows a step, computed in micro-batches of at most ``micro_tokens`` padded tokens. ``steps`` 0: by ``epochs``."""

    epochs: float = 1.0
    steps: int = 0
    batch: int = 16
    micro_tokens: int = 4096
    warmup: float = 0.1
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 0.0
    clip: float = 1.0
    permute: bool = True
    style: Style = Style.LABEL
    checkpoint_every: int = 20
    checkpointing: Literal["auto", "on", "off"] = "auto"
    careful: bool = True
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run. ``base``: a Hugging Face id, a folder, a .gguf file, or ``embedded``."""

    name: str
    base: str
    revision: str = ""
    quantise: Literal["nf4", "none"] = "nf4"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    data: Data = field(default_factory=Data)
    lora: Lora = Lora()
    head: Head = Head()
    training: Training = Training()
    country: str = "DEU"
    out: str = ""

    @property
    def folder(self) -> Path:
        return Path(self.out or f"runs/{self.name}")

    def as_dict(self) -> dict[str, Any]:
        return typing.cast("dict[str, Any]", _plain(dataclasses.asdict(self)))


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The run that a file describes, with ``key=value`` overrides such as ``training.seed=2``.

    Raises:
        BadInput: the file cannot be read, or a key or value cannot be; the sentence names place, value and cure.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(
            f"The config {path} cannot be read ({error.strerror}). Give --config a file of finetune/configs."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"The config {path} is not YAML ({' '.join(str(error).split())}). Mend that line.") from error
    if not isinstance(values, dict):
        raise BadInput(f"The config {path} holds a {type(values).__name__}; expected keys like `base: embedded`.")
    values.setdefault("name", path.stem)
    for override in overrides:
        _override(values, override)
    return read_config(values)


def read_config(values: Mapping[str, Any]) -> Config:
    """Raises BadInput for a key or value that cannot be."""
    config: Config = _record(Config, values, "")
    _check(config)
    return config


def _override(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise BadInput(f"The override is {override!r}; expected key=value, like training.seed=2.")
    *parents, last = name.split(".")
    place = values
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise BadInput(f"The override {override!r} goes into {parent!r}, which holds a value and no keys.")
    try:
        place[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput(f"The override {override!r} has a value that is not YAML. Quote it.") from error


def _record(kind: Any, values: object, place: str) -> Any:
    if not isinstance(values, Mapping):
        raise BadInput(f"The config's {place or 'top'} is {values!r:.60}; expected keys below it.")
    hints = typing.get_type_hints(kind)
    for name in values:
        if name not in hints:
            near = difflib.get_close_matches(str(name), hints, 1)
            meant = f"Did you mean {near[0]}?" if near else f"Expected one of {', '.join(hints)}."
            raise BadInput(f"The config has no key {_joined(place, str(name))}. {meant}")
    missing = [f.name for f in dataclasses.fields(kind) if _required(f) and f.name not in values]
    if missing:
        raise BadInput(f"The config lacks {_joined(place, missing[0])}. Give it a value.")
    return kind(**{name: _value(hints[name], value, _joined(place, name)) for name, value in values.items()})


def _required(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _value(hint: Any, value: object, place: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _record(hint, value, place)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise BadInput(f"The config's {place} is {value!r:.60}; expected a list.")
        inner = get_args(hint)[0]
        return tuple(_value(inner, {"file": v} if inner is Source and isinstance(v, str) else v, place) for v in value)
    if get_origin(hint) in (Union, types.UnionType):
        raise TypeError(f"{place}: a config has no optional values")
    if get_origin(hint) is Literal or hint is Style:
        choices = list(get_args(hint)) or [style.value for style in Style]
        # YAML reads a bare `on` and `off` as truth values
        value = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
        if value not in choices:
            raise BadInput(f"The config's {place} is {value!r:.60}; expected one of {', '.join(choices)}.")
        return Style(str(value)) if hint is Style else value
    if hint is float and isinstance(value, str):
        value = _number(value)  # YAML 1.1 reads 2e-4 as a text
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise BadInput(f"The config's {place} is {value!r:.60}; expected {_NAMES[hint]}.")
    return value


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


_NAMES = types.MappingProxyType({int: "a whole number", float: "a number", str: "a text", bool: "true or false"})


def _check(config: Config) -> None:
    t, lora, head, data = config.training, config.lora, config.head, config.data
    bounds = (
        ("data.max_tokens", data.max_tokens, 32, 131072),
        ("data.overlap_share", data.overlap_share, 0, 1),
        ("data.split.calibration", data.split.calibration, 0, math.inf),
        ("data.split.conformal", data.split.conformal, 0, math.inf),
        ("lora.rank", lora.rank, 1, 1024),
        ("lora.alpha", lora.alpha, 1e-6, 1e6),
        ("lora.dropout", lora.dropout, 0, 0.9),
        ("lora.rate", lora.rate, 0, 1),
        ("head.weight", head.weight, 0, 1),
        ("head.rate", head.rate, 0, 1),
        ("training.epochs", t.epochs, 1e-6, 1000),
        ("training.steps", t.steps, 0, 10**9),
        ("training.batch", t.batch, 1, 65536),
        ("training.micro_tokens", t.micro_tokens, data.max_tokens, 10**9),
        ("training.warmup", t.warmup, 0, 1),
        ("training.clip", t.clip, 1e-6, 1e9),
        ("training.weight_decay", t.weight_decay, 0, 1),
        ("training.checkpoint_every", t.checkpoint_every, 1, 10**9),
        ("training.seed", t.seed, 0, 2**32 - 1),
        *((f"data.train: weight of {s.file}", s.weight, 1e-6, 1000) for s in data.train),
        *((f"data.train: limit of {s.file}", s.limit, 0, math.inf) for s in data.train),
    )
    for name, value, least, most in bounds:
        if not (math.isfinite(value) and least <= value <= most):
            raise BadInput(f"The config's {name} is {value}; expected {least:g} to {most:g}.")
    if not data.train:
        raise BadInput("The config's data.train is empty; expected at least one file of training rows.")
    if head.kind == "none" and head.weight:
        raise BadInput(f"The config's head.kind is none and its head.weight {head.weight}; expected 0, as no class is trained.")


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Style) else value
