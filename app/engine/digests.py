"""The SHA-256 of model files, computed once for a file: gigabytes take seconds."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


def file_digest(path: Path, cache: Path | None = None) -> str:
    """SHA-256 of a file in hexadecimal, remembered in ``cache`` for as long as its size and its time of change stay.

    Raises:
        OSError: the file cannot be read. A cache that cannot is no error: the next call computes it again.
    """
    about = path.stat()
    key, mark = str(path.absolute()), [about.st_size, about.st_mtime_ns]
    known = _known(cache)
    entry = known.get(key)
    if isinstance(entry, list) and entry[:2] == mark and len(entry) == 3 and isinstance(entry[2], str):
        return entry[2]
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if cache is not None:
        _keep(cache, {**known, key: [*mark, digest]})
    return digest


def _known(cache: Path | None) -> dict[str, object]:
    try:
        known = json.loads(cache.read_text()) if cache is not None else {}
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _keep(cache: Path, entries: dict[str, object]) -> None:
    aside = cache.with_suffix(f".{os.getpid()}")
    try:
        aside.write_text(json.dumps(entries, indent=1))
        aside.replace(cache)
    except OSError:
        aside.unlink(missing_ok=True)
