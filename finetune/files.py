"""Files that are whole or absent: written aside, forced to disk, renamed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """``write`` gets a path beside ``path``, which takes its place only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    write(aside)
    with aside.open("rb") as stream:
        os.fsync(stream.fileno())
    aside.replace(path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
