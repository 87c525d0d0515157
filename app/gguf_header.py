"""The header of a GGUF file: whether it is one, what it says of itself, and whether all of it is there. Loads no model."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from app.errors import ModelFileError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32  # bytes, where the file names no other
INTEGER, BOOLEAN, STRING, ARRAY, LONG = 4, 7, 8, 9, 10
SCALARS = "BbHhIifB  Qqd"  # by the type's number: how struct reads it; 8 and 9 are no scalars
MOST_ENTRIES = 1 << 20
MOST_DIMENSIONS = 8


Span = tuple[int, int]  # of bytes in the file, the second is past the end


@dataclass(frozen=True)
class Tensor:
    """A row of the table: ``shape`` as numpy has it, rows before columns; ``kind`` ggml's number of its type; ``offset`` in bytes
    from the begin of the data."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class Header:
    """What stands before the data.

    Attributes:
        metadata: without arrays.
        entries: each key with the bytes that it and its value take. table: the bytes of the table of tensors.
        alignment, data: in bytes; the data begin at ``data``.
    """

    version: int
    metadata: dict[str, Any]
    entries: tuple[tuple[str, Span], ...]
    tensors: tuple[Tensor, ...]
    table: Span
    alignment: int
    data: int


class _Unreadable(Exception):
    """What is wrong, for the sentence."""


def read_header(path: Path) -> Header:
    """Reads magic, metadata and the table of tensors.

    Raises:
        ModelFileError: the file is missing, no GGUF, damaged, or shorter than its tensors need.
    """
    try:
        with path.open("rb") as stream:
            return _Reader(stream, os.fstat(stream.fileno()).st_size).header()
    except FileNotFoundError as error:
        raise ModelFileError(f"{path} does not exist. Check the path, or fetch it with `python -m app.models get`.") from error
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error
    except (_Unreadable, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path} is no usable GGUF file: {error}. Download it again.") from error


class _Reader:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size

    def header(self) -> Header:
        magic = self._stream.read(4)
        if magic != MAGIC:
            raise _Unreadable(f"it begins with {magic!r}, not with {MAGIC!r}")
        version = self._whole(INTEGER)
        if version not in VERSIONS:
            raise _Unreadable(f"its version is {version}; versions {VERSIONS[0]} and {VERSIONS[1]} are known")
        tensors, count = self._count("tensors"), self._count("entries")
        metadata: dict[str, Any] = {}
        entries: list[tuple[str, Span]] = []
        for _ in range(count):
            begin = self._stream.tell()
            key, value = self._entry()
            entries.append((key, (begin, self._stream.tell())))
            if value is not None:
                metadata[key] = value
        begin = self._stream.tell()
        rows = tuple(self._tensor() for _ in range(tensors))
        end = self._stream.tell()
        alignment = metadata.get("general.alignment", ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise _Unreadable(f"its general.alignment is {alignment!r}; a whole number above 0 is needed")
        data = -(-end // alignment) * alignment
        last = max((row.offset for row in rows), default=0)
        if rows and data + last >= self._size:
            raise _Unreadable(f"it ends after {self._size:,} bytes, before its last tensor begins at {data + last:,}")
        return Header(version, metadata, tuple(entries), rows, (begin, end), alignment, data)

    def _entry(self) -> tuple[str, Any]:
        """A key and its value; None for an array, which is only passed over."""
        key, kind = self._text(), self._whole(INTEGER)
        if kind != ARRAY:
            return key, self._value(kind)
        inner, length = self._whole(INTEGER), self._whole(LONG)
        if inner == STRING:
            for _ in range(length):
                self._skip(self._whole(LONG))
        else:
            self._skip(length * struct.calcsize(self._format(inner)))
        return key, None

    def _tensor(self) -> Tensor:
        name = self._text()
        dimensions = self._whole(INTEGER)
        if dimensions > MOST_DIMENSIONS:
            raise _Unreadable(f"a tensor has {dimensions} dimensions; at most {MOST_DIMENSIONS} are possible")
        shape = tuple(reversed(struct.unpack(f"<{dimensions}Q", self._bytes(8 * dimensions))))
        return Tensor(name, shape, self._whole(INTEGER), self._whole(LONG))

    def _count(self, what: str) -> int:
        count = self._whole(LONG)
        if count > MOST_ENTRIES:
            raise _Unreadable(f"it claims {count:,} {what}")
        return count

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._text()
        value = self._scalar(kind)
        return bool(value) if kind == BOOLEAN else value

    def _text(self) -> str:
        return self._bytes(self._whole(LONG)).decode("utf-8")

    def _whole(self, kind: int) -> int:
        return int(self._scalar(kind))

    def _scalar(self, kind: int) -> Any:
        how = self._format(kind)
        return struct.unpack(how, self._bytes(struct.calcsize(how)))[0]

    def _format(self, kind: int) -> str:
        code = SCALARS[kind] if kind < len(SCALARS) else " "
        if code == " ":
            raise _Unreadable(f"a value has the type {kind}, which is not known here")
        return f"<{code}"

    def _bytes(self, length: int) -> bytes:
        self._check(length)
        return self._stream.read(length)

    def _skip(self, length: int) -> None:
        self._check(length)
        self._stream.seek(length, os.SEEK_CUR)

    def _check(self, length: int) -> None:
        if self._stream.tell() + length > self._size:
            raise _Unreadable(f"it ends after {self._size:,} bytes, within its header")
