"""Changes the metadata of a GGUF and nothing else: every other byte stays as it was written.

Offsets of tensors count from the begin of the data (ggml's specification of GGUF, version 3), so longer metadata moves nothing.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

from app.files import write_aside
from app.gguf_header import ARRAY, BOOLEAN, INTEGER, MAGIC, STRING, read_header

Value = str | int | bool | tuple[str, ...]


def write_pairs(source: Path, target: Path, values: Mapping[str, Value]) -> None:
    """``source`` with some keys set anew, as ``target``, whole or not at all; the two may be the same file.

    Raises:
        ModelFileError: the source is no GGUF.
        OSError: the target cannot be written.
    """
    header = read_header(source)
    kept = [span for key, span in header.entries if key not in values]

    def write(path: Path) -> None:
        with source.open("rb") as old, path.open("wb") as new:
            new.write(MAGIC + struct.pack("<IQQ", header.version, len(header.tensors), len(kept) + len(values)))
            for begin, end in kept:
                old.seek(begin)
                new.write(old.read(end - begin))
            for key, value in values.items():
                new.write(_string(key) + _packed(value))
            old.seek(header.table[0])
            new.write(old.read(header.table[1] - header.table[0]))
            new.write(bytes(-new.tell() % header.alignment))
            old.seek(header.data)
            shutil.copyfileobj(old, new, 1 << 22)

    write_aside(target, write)


def _packed(value: Value) -> bytes:
    """The type's number and the value."""
    if isinstance(value, bool):
        return struct.pack("<I?", BOOLEAN, value)
    if isinstance(value, int):
        return struct.pack("<II", INTEGER, value)
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    return struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(_string(each) for each in value)


def _string(text: str) -> bytes:
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw
