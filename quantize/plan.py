"""What a run will need of disk, memory and time, said before it begins; what cannot fit is refused then and not after an hour."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from app.errors import BadInput
from quantize.ggml_types import file_type

FLOAT32, FLOAT16 = 4, 2  # bytes
SHARD_ROOM = 3  # of the larger of a shard and the largest tensor: held, computed, written
BASE_MEMORY = 1.2e9  # bytes that Python, torch and its libraries take
RUN_MEMORY = 1.25  # of a model's weights, while it computes
DISK_ROOM = 0.05  # of what is needed, to spare
EFFICIENCY = 0.35  # of a plain matrix product's speed that a forward reaches; measured on two kinds of processor
QUESTION_TOKENS, TEXT_TOKENS = 160, 1100
LOAD_BYTES_PER_S = 0.3e9  # of a model read, converted and written anew


@dataclass(frozen=True)
class Size:
    """A base: its number of weights, and its largest tensor's."""

    parameters: int
    largest: int


@dataclass(frozen=True)
class Estimate:
    """Bytes and seconds. ``torch``: memory for the merged model in float32; ``trained``: for the model as trained."""

    disk: int
    merge: int
    torch: int
    trained: int
    llama: int
    seconds: float
    free_disk: int
    free_memory: int

    @property
    def runs_torch(self) -> bool:
        """Whether the merged model can be run in float32 here."""
        return self.torch <= self.free_memory

    @property
    def runs_trained(self) -> bool:
        return self.trained <= self.free_memory

    def text(self) -> str:
        left_out = "" if self.runs_torch else "; too little, so this comparison is left out"
        return "\n".join(
            (
                f"Disk: {_gb(self.disk)} in the working folder ({_gb(self.free_disk)} free)",
                f"Memory ({_gb(self.free_memory)} available): {_gb(self.merge)} to merge, {_gb(self.llama)} to run the exported "
                f"file, {_gb(self.torch)} to run the merged model in float32{left_out}",
                f"Time: about {max(self.seconds / 60, 1):.0f} minutes on this machine, if it has nothing else to do",
            )
        )


def estimate(
    size: Size, types: Sequence[str], *, merges: int, questions: int, quantised: bool, shard: int, work: Path
) -> Estimate:
    """For a run over some types in the folder ``work``; ``merges``: how many weights the adapter is tried on."""
    merged = FLOAT32 * size.parameters
    floats = FLOAT16 * size.parameters
    small = sum(int(file_type(name).bits / 8 * size.parameters) for name in types)
    # The exported file lies there twice while its metadata is written, and so does the smallest at the end.
    disk = merges * merged + 2 * floats + 2 * small
    trained = int((0.6 if quantised else FLOAT32) * size.parameters * RUN_MEMORY + BASE_MEMORY)
    passes = merges + 1 + 1 + len(types)
    tokens = questions * QUESTION_TOKENS + TEXT_TOKENS
    compute = passes * tokens * 2 * size.parameters / (EFFICIENCY * product_speed())
    return Estimate(
        disk=int(disk * (1 + DISK_ROOM)),
        merge=int(BASE_MEMORY + SHARD_ROOM * max(shard, FLOAT32 * size.largest)),
        torch=int(merged * RUN_MEMORY + BASE_MEMORY),
        trained=trained,
        llama=int(floats * RUN_MEMORY),
        seconds=compute + (disk + merged) / LOAD_BYTES_PER_S,
        free_disk=shutil.disk_usage(existing(work)).free,
        free_memory=psutil.virtual_memory().available,
    )


def refuse_what_cannot_fit(found: Estimate, work: Path, *, already: int) -> None:
    """``already``: bytes that an earlier run has left in the working folder.

    Raises:
        BadInput: the disk or the memory is too small.
    """
    if found.disk > found.free_disk + already:
        raise BadInput(
            f"The working folder {work} needs {_gb(found.disk)}, and its disk has {_gb(found.free_disk)} free. Make room, or "
            "choose another disk with --work."
        )
    if found.merge > found.free_memory:
        raise BadInput(
            f"Merging needs {_gb(found.merge)} of memory, and {_gb(found.free_memory)} are available. Close other programs, or "
            "give smaller shards with --shard."
        )


def product_speed() -> float:
    """Floating-point operations a second of a float32 matrix product here, the best of three."""
    one = np.ones((1024, 1024), np.float32)
    best = 0.0
    for _ in range(3):
        begun = time.perf_counter()
        one @ one
        best = max(best, 2 * 1024**3 / (time.perf_counter() - begun))
    return best


def existing(path: Path) -> Path:
    """The nearest folder above a path that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _gb(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
