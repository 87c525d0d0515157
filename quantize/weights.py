"""A base model's weights, one tensor at a time, wherever they lie: a folder of safetensors, a hub snapshot, or a GGUF."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import transformers
from safetensors import SafetensorError, safe_open

from app.bases import base_path
from app.errors import BadInput

INDEX = "model.safetensors.index.json"
# What a model's folder needs beside its weights; the tokenizer is the adapter's, which has the label tokens.
BESIDE = ("generation_config.json",)


class Weights(Protocol):
    """``shapes``: tensor -> shape, in the order of the files."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...

    @property
    def config(self) -> dict[str, Any]:
        """The model's config.json."""

    def tensor(self, name: str) -> torch.Tensor:
        """As it is stored, or float32 out of a GGUF."""

    def copy_beside(self, folder: Path) -> None:
        """Copies the small files that go along."""


@dataclass(frozen=True)
class FolderWeights:
    """``places``: tensor -> the file that holds it."""

    folder: Path
    places: Mapping[str, Path]
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def config(self) -> dict[str, Any]:
        return _read_object(self.folder / "config.json")

    def tensor(self, name: str) -> torch.Tensor:
        with safe_open(self.places[name], "pt") as file:
            found: torch.Tensor = file.get_tensor(name)
        return found

    def copy_beside(self, folder: Path) -> None:
        for name in BESIDE:
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, folder / name)


class GgufWeights:
    """A GGUF, de-quantised whole by transformers, which alone knows how each architecture names and turns its tensors."""

    def __init__(self, path: Path) -> None:
        where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # transformers' bars and advice
                self._model = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(f"The base {path.name} cannot be opened ({' '.join(str(error).split()):.300}).") from error
        self._tensors: dict[str, torch.Tensor] = dict(self._model.state_dict())
        if self._model.config.tie_word_embeddings:
            self._tensors.pop("lm_head.weight", None)
        self.shapes = {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}

    @property
    def config(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self._model.config.to_json_string())
        values.pop("_name_or_path", None)  # a path of this machine
        return values | {"architectures": [type(self._model).__name__]}

    def tensor(self, name: str) -> torch.Tensor:
        return self._tensors[name]

    def copy_beside(self, folder: Path) -> None:
        self._model.generation_config.save_pretrained(folder)


def locate(reference: str, revision: str = "") -> Path:
    """The file or folder of a base: a path, the embedded model, or a hub id, which is then fetched or found in the hub's cache.

    Raises:
        BadInput: there is none.
    """
    path = base_path(reference)
    if path.exists():
        return path
    if reference.startswith((".", "/", "~")) or reference.count("/") > 1 or reference.endswith(".gguf"):
        raise BadInput(
            f"The base is {reference!r}, and nothing is there. Put it where the training found it, or name it with --base."
        )
    from huggingface_hub import snapshot_download  # noqa: PLC0415  # only for bases of the hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(
            snapshot_download(reference, revision=revision or None, allow_patterns=["*.safetensors", "*.json", "*.model"])
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise BadInput(
            f"The base {reference!r} is neither here nor can it be fetched ({' '.join(str(error).split()):.200}). Check name and "
            "network, or give its folder with --base."
        ) from error


def open_weights(path: Path) -> Weights:
    """Raises BadInput where it holds no weights that are safe to open."""
    if path.suffix == ".gguf":
        return GgufWeights(path)
    index = path / INDEX
    if index.is_file():
        named = _read_object(index).get("weight_map", {})
        files = sorted({path / str(name) for name in named.values()})
    else:
        files = sorted(path.glob("*.safetensors"))
    if not files or not (path / "config.json").is_file():
        raise BadInput(f"The base folder {path} lacks config.json or *.safetensors. Pickled weights are not opened.")
    places: dict[str, Path] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        try:
            with safe_open(file, "pt") as opened:
                for name in opened.keys():  # noqa: SIM118  # safe_open has no iterator
                    places[name] = file
                    shapes[name] = tuple(opened.get_slice(name).get_shape())
        except (SafetensorError, OSError) as error:
            raise BadInput(f"{file} cannot be read ({error}). Fetch the base again.") from error
    return FolderWeights(path, places, shapes)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read ({error}). Fetch the base again.") from error
    if not isinstance(value, dict):
        raise BadInput(f"{path} holds no object. Fetch the base again.")
    return value
