"""The model files: the embedded one as bundled, and Q8_0 made from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import llama_cpp

from app.engine.embedded import embedded_file

BUNDLED, REQUANTISED = "bundled", "Q8_0"
NAMES = (BUNDLED, REQUANTISED)


@dataclass(frozen=True)
class ModelFile:
    name: str
    path: Path

    @property
    def digest(self) -> str:
        """The first 16 digits of its SHA-256."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def model_file(name: str, cache: Path) -> ModelFile:
    """Raises RuntimeError when llama.cpp cannot write the other type."""
    bundled = embedded_file()
    if name == BUNDLED:
        return ModelFile(f"{_type(bundled)}, as bundled", bundled)
    target = cache / f"{bundled.stem.rpartition('.')[0]}.{name}.gguf"
    if not target.exists():
        _requantise(bundled, target)
    return ModelFile(f"{_type(target)}, made from it", target)


def _type(path: Path) -> str:
    return path.stem.rpartition(".")[2]


def _requantise(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0
    params.allow_requantize = True
    code = llama_cpp.llama_model_quantize(str(source).encode(), str(part).encode(), params)
    if code != 0:
        raise RuntimeError(f"llama_model_quantize returned {code} for {source.name}")
    part.rename(target)
