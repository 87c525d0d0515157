"""What `finetune.train` wrote, read and checked before anything is made of it.

An adapter is trusted no further than its numbers: no pickle is opened, and every key, shape and value must be one that the
training writes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from app.calibration import EciRecord
from app.errors import BadInput
from app.files import digest_of

ADAPTER_FILE, CONFIG_FILE, RUN_FILE, ECI_FILE = "adapter_model.safetensors", "adapter_config.json", "run.json", "eci.json"
KIND, VERSION = "llamacare-training", 1
MERGED_KIND, MERGED_VERSION = "llamacare-merged", 1
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
PREFIX = "base_model.model."
FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<factor>[AB])\.weight")
ROWS = re.compile(r"(?P<module>.+)\.token_adapter\.trainable_tokens_delta")
# Ways of adapting that peft knows and this training does not use; a merge that passed over one would give another model.
UNKNOWN_WAYS = (
    "use_dora", "use_rslora", "use_qalora", "use_bdlora", "lora_bias", "fan_in_fan_out", "modules_to_save", "layer_replication",
    "rank_pattern", "alpha_pattern", "target_parameters", "alora_invocation_tokens", "arrow_config", "ensure_weight_tying",
)  # fmt: skip

FloatArray = npt.NDArray[np.float32]


class Onto(StrEnum):
    """Which weights the adapter is added to."""

    ORIGINAL = "original"
    DEQUANTISED = "dequantised"


@dataclass(frozen=True)
class Adapter:
    """A checked adapter.

    Attributes:
        run: the training's run.json.
        tensors: by their names in the file, without peft's prefix.
        pairs: module -> rank; its factors are ``A`` (rank, in) and ``B`` (out, rank).
        scale: what B @ A is multiplied with, alpha / rank.
        rows: module -> the token ids whose rows were trained; of its weight (tokens, width).
        record: calibrations and thresholds; None where no rows were held out.
    """

    folder: Path
    run: Mapping[str, Any]
    tensors: Mapping[str, FloatArray]
    pairs: Mapping[str, int]
    scale: float
    rows: Mapping[str, tuple[int, ...]]
    record: EciRecord | None

    @property
    def reference(self) -> str:
        """The base as the training was given it."""
        return str(self.run["base"]["reference"])

    @property
    def quantised(self) -> bool:
        """Whether it was trained on 4-bit weights."""
        return bool(self.run["config"]["quantise"] == "nf4")

    @property
    def dtype(self) -> str:
        """What the training computed in, as "bfloat16"."""
        return str(self.run["base"]["dtype"]).removeprefix("torch.")

    @property
    def labels(self) -> dict[str, int]:
        return {str(label): int(token) for label, token in self.run["labels"].items()}

    @property
    def head(self) -> str:
        return str(self.run["config"]["head"]["kind"])

    def factors(self, module: str) -> tuple[FloatArray, FloatArray]:
        """A (rank, in) and B (out, rank)."""
        return self.tensors[f"{module}.lora_A.weight"], self.tensors[f"{module}.lora_B.weight"]

    def trained_rows(self, module: str) -> FloatArray:
        """Shape (tokens of ``rows``, width)."""
        return self.tensors[f"{module}.token_adapter.trainable_tokens_delta"]


def choices(adapter: Adapter) -> tuple[Onto, ...]:
    """What there is to merge onto: two for an adapter that was trained on 4-bit weights, likelier first (FACTS: it belongs to
    the weights that it saw)."""
    return (Onto.DEQUANTISED, Onto.ORIGINAL) if adapter.quantised else (Onto.ORIGINAL,)


def read_adapter(folder: Path) -> Adapter:
    """The folder of a finished training.

    Raises:
        BadInput: something is missing, unknown, of another shape, not finite, a pickle, or not what run.json says it is.
    """
    run, config = _read_run(folder), _read_json(folder / CONFIG_FILE)
    _check_head(folder, run)
    if pickle := next(
        (file.name for file in sorted(folder.iterdir()) if file.suffix in PICKLES and file.stem != "checkpoint"), None
    ):
        raise BadInput(f"{folder / pickle} is a pickle, which can run any code when it is opened. Remove it, or train again.")
    _check_config(folder, config)
    path = folder / ADAPTER_FILE
    if not path.is_file():
        raise BadInput(f"{path} is not there. Give the folder that python -m finetune.train wrote.")
    digest = digest_of(path)
    if digest != run["adapter"]:
        raise BadInput(
            f"{path} has the digest {digest[:12]}, and run.json speaks of {str(run['adapter'])[:12]}: it was changed after the "
            "training. Restore it, or train again."
        )
    tensors = _read_tensors(path)
    pairs, rows = _sorted(path, tensors, config)
    return Adapter(folder, run, tensors, pairs, config["lora_alpha"] / config["r"], rows, read_record(folder))


def _read_run(folder: Path) -> Mapping[str, Any]:
    path = folder / RUN_FILE
    run = _read_json(path)
    if (run.get("kind"), run.get("version")) != (KIND, VERSION):
        raise BadInput(
            f"{path} is of kind {run.get('kind')!r}, version {run.get('version')!r}; expected {KIND!r}, version {VERSION}. "
            "Give the folder that python -m finetune.train wrote."
        )
    for key in ("base", "config", "labels", "adapter", "prompt"):
        if key not in run:
            raise BadInput(f"{path} lacks {key!r}. Give the folder as python -m finetune.train wrote it.")
    return run


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path} cannot be read ({error}). Give the folder that python -m finetune.train wrote.") from error
    if not isinstance(value, dict):
        raise BadInput(f"{path} holds no object. Give the folder that python -m finetune.train wrote.")
    return value


def read_record(folder: Path) -> EciRecord | None:
    """The record of a folder, None where it has none. Raises BadInput where it cannot be used."""
    path = folder / ECI_FILE
    if not path.is_file():
        return None
    try:
        return EciRecord.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} cannot be used ({error}). Restore it, or train again.") from error


def read_merged(folder: Path) -> dict[str, Any]:
    """The run.json of a merged folder.

    Raises:
        BadInput: there is none, or it is of another kind.
    """
    try:
        about = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{folder} has no run.json that can be read ({error}). Give a folder that python -m quantize.merge wrote."
        ) from error
    if not isinstance(about, dict) or (about.get("kind"), about.get("version")) != (MERGED_KIND, MERGED_VERSION):
        raise BadInput(f"{folder} is no folder that python -m quantize.merge wrote. Merge the adapter first.")
    return about


def _check_head(folder: Path, run: Mapping[str, Any]) -> None:
    kind = run["config"]["head"]["kind"]
    if kind not in ("rows", "letters", "none"):
        raise BadInput(
            f"{folder} was trained with head.kind={kind}, a layer that no GGUF can carry. Train with head.kind=rows, whose "
            "labels live in the vocabulary."
        )


def _check_config(folder: Path, config: Mapping[str, Any]) -> None:
    path = folder / CONFIG_FILE
    if config.get("peft_type") != "LORA":
        raise BadInput(f"{path} is of type {config.get('peft_type')!r}; expected LORA, which finetune trains.")
    if strange := next((key for key in UNKNOWN_WAYS if config.get(key)), None):
        raise BadInput(f"{path} sets {strange} to {config[strange]!r}, which this merge does not know. Train with finetune.")
    if config.get("bias", "none") != "none":
        raise BadInput(f"{path} sets bias to {config['bias']!r}; expected 'none'. Train with finetune.")
    for key in ("r", "lora_alpha"):
        value = config.get(key)
        if not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
            raise BadInput(f"{path} sets {key} to {value!r}; expected a number above 0. Restore the file.")


def _read_tensors(path: Path) -> dict[str, FloatArray]:
    tensors: dict[str, FloatArray] = {}
    try:
        with safe_open(path, "np") as file:
            for key in file.keys():  # noqa: SIM118  # safe_open has no iterator
                values = file.get_tensor(key)
                if not key.startswith(PREFIX):
                    raise BadInput(f"{path} holds {key!r}, which this merge does not know. Train with finetune.")
                if not np.isfinite(values).all():
                    raise BadInput(
                        f"{path} holds a value that is not finite in {key}: the training diverged. Train again, slower."
                    )
                tensors[key.removeprefix(PREFIX)] = values.astype(np.float32)
    except (SafetensorError, OSError, TypeError) as error:
        raise BadInput(f"{path} cannot be read ({error}). Restore the file, or train again.") from error
    return tensors


def _sorted(
    path: Path, tensors: Mapping[str, FloatArray], config: Mapping[str, Any]
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Modules with their ranks, and those with trained rows; every tensor is one of the two kinds."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    rows: dict[str, tuple[int, ...]] = {}
    for name, values in tensors.items():
        if found := FACTOR.fullmatch(name):
            shapes.setdefault(found["module"], {})[found["factor"]] = values.shape
        elif found := ROWS.fullmatch(name):
            rows[found["module"]] = _token_ids(path, config, found["module"], values.shape)
        else:
            raise BadInput(f"{path} holds {PREFIX + name!r}, which this merge does not know. Train with finetune.")
    for module, factors in shapes.items():
        _check_factors(path, module, factors, rank=config["r"])
    return {module: factors["A"][0] for module, factors in shapes.items()}, rows


def _check_factors(path: Path, module: str, factors: Mapping[str, tuple[int, ...]], *, rank: int) -> None:
    if factors.keys() != {"A", "B"}:
        raise BadInput(f"{path} holds lora_{next(iter(factors))} of {module} without the other factor. Restore the file.")
    a, b = factors["A"], factors["B"]
    if len(a) != 2 or len(b) != 2 or not a[0] == b[1] == rank:
        raise BadInput(f"{path} has factors of shapes {a} and {b} for {module}; expected ({rank}, in) and (out, {rank}).")


def _token_ids(path: Path, config: Mapping[str, Any], module: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """peft keeps the ids as one list for the input rows, or by the name of the module."""
    given = config.get("trainable_token_indices")
    ids = given.get(module.rpartition(".")[2]) if isinstance(given, dict) else given
    if not isinstance(ids, list) or not all(type(one) is int and one >= 0 for one in ids):
        raise BadInput(f"{path.parent / CONFIG_FILE} names no token ids for the rows of {module}. Restore the file.")
    if len(shape) != 2 or shape[0] != len(ids):
        raise BadInput(f"{path} has trained rows of shape {shape} for {module}; expected ({len(ids)}, width).")
    return tuple(ids)
