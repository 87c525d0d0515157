"""The working folder of a run: what each stage made, so that the next run goes on from the last whole one.

A stage is whole when its entry stands in stages.json, which is written last, and its files have the sizes that stand there. Its
key names all that decides its result; another key, and it is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.errors import BadInput, Conflict
from app.files import write_json

STATE, LOCK = "stages.json", "lock"


class Stages:
    """The stages of one working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other runs out.

        Raises:
            BadInput: the folder cannot be made.
            Conflict: another run is in it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise BadInput(
                f"The working folder {self.folder} cannot be made ({error.strerror}). Choose another place with --work."
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise Conflict(
                f"Another run works in {self.folder}. Wait for it, or give this one a folder of its own with --work."
            ) from error
        try:
            yield
        finally:
            os.close(handle)

    def has(self, stage: str, key: str) -> bool:
        """Whether a stage was finished with this key and its files are as it left them."""
        entry = self._read().get(stage)
        return (
            isinstance(entry, dict)
            and entry.get("key") == key
            and isinstance(files := entry.get("files"), dict)
            and all(size == bytes_of(self.folder / name) for name, size in files.items())
        )

    def facts(self, stage: str) -> dict[str, Any]:
        """What a finished stage said of itself."""
        found: dict[str, Any] = self._read()[stage]["facts"]
        return found

    def finish(self, stage: str, key: str, files: Sequence[Path], facts: dict[str, Any] | None = None) -> None:
        sizes = {str(path.relative_to(self.folder)): bytes_of(path) for path in files}
        write_json(self.folder / STATE, {**self._read(), stage: {"key": key, "files": sizes, "facts": facts or {}}})

    def forget(self, stage: str, files: Sequence[Path]) -> None:
        """Removes a stage that is needed no more, its entry first."""
        write_json(self.folder / STATE, {name: entry for name, entry in self._read().items() if name != stage})
        for path in files:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> dict[str, Any]:
        try:
            state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}


def key_of(*parts: object) -> str:
    """Names inputs: the first 16 hexadecimal digits of SHA-256 over them."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def bytes_of(path: Path) -> int:
    """Of a file, or of all files of a folder; -1 where there is neither."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else -1
