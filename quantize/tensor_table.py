"""The tensors of a GGUF file: each one's name, type, shape and bytes, and whether all of them are there."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from app.errors import BadInput, ModelFileError
from app.gguf_header import read_header


@dataclass(frozen=True)
class Tensor:
    """``shape`` as numpy has it, rows before columns; ``bytes`` on disk."""

    name: str
    type: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class Table:
    """``data_offset``: where the tensors begin, in bytes."""

    data_offset: int
    tensors: tuple[Tensor, ...]


def read_table(path: Path) -> Table:
    """Raises BadInput: no file, no GGUF, or one that is not whole."""
    try:
        header = read_header(path)
    except ModelFileError as error:
        raise BadInput(error.sentence) from error
    size = path.stat().st_size
    tensors = []
    for row in header.tensors:
        if row.kind not in GGML_QUANT_SIZES:
            reason = f"its tensor {row.name} is of the type {row.kind}, which the gguf library does not know"
            raise BadInput(f"{path} is no usable GGUF file: {reason}. Write or copy it again.")
        block, length = GGML_QUANT_SIZES[GGMLQuantizationType(row.kind)]
        tensor = Tensor(row.name, GGMLQuantizationType(row.kind).name, row.shape, prod(row.shape) // block * length)
        if header.data + row.offset + tensor.bytes > size:
            raise BadInput(f"{path} is no whole GGUF file: it ends before its tensor {row.name} does. Write or copy it again.")
        tensors.append(tensor)
    return Table(header.data, tuple(tensors))
