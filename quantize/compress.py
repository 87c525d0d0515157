"""A float GGUF -> a smaller one, by llama.cpp's own quantiser.

    python -m quantize.compress SOURCE.gguf --out FILE.gguf --type Q4_K_M

The new file is whole or absent. Says which tensor types it really holds.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tqdm import tqdm

from app.engine.head import RECORD_KEY
from app.engine.threads import usable_cores
from app.errors import BadInput, LlamaCareError, ModelFileError
from app.files import write_aside
from app.gguf_header import read_header
from quantize.child import call
from quantize.ggml_types import TYPES, FileType, TensorCount, file_type, sentence, tensor_types
from quantize.tensor_table import read_table

INTERRUPTED = 130  # the shell's status for a command that Ctrl+C ended
FLOATS = ("F32", "F16", "BF16")
PROGRESS = re.compile(r"\[ *(\d+)/ *(\d+)\]")
QUANT_SIZE = re.compile(r"quant size += +([0-9.]+) MiB")
STREAM_ERROR = "iostream error"  # C++'s words for a disk that takes no more
PAGE = 0.02  # MiB; what llama.cpp rounds to, and alignment
ROOM = 64 * 2**20  # bytes that stay free

Tell = Callable[[int, int], object]


@dataclass(frozen=True)
class Compressed:
    """A written file: its type, size in bytes, the time that it took and the tensors that it holds by their types."""

    type: str
    bytes: int
    seconds: float
    tensors: Mapping[str, TensorCount]

    @property
    def sentence(self) -> str:
        return sentence(self.type, self.tensors)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m quantize.compress", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a GGUF file of the type F32, F16 or BF16")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--type", required=True, help=" ".join(one.name for one in TYPES if not one.refusal))
    parser.add_argument("--threads", type=int, default=0, help="0: every core that may be used")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    given = parser.parse_args(argv)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        if given.out.exists() and not given.force:
            raise BadInput(f"{given.out} is there already. Choose another --out, or add --force to replace it.")
        with tqdm(desc=given.type, unit="tensor", file=sys.stderr, leave=False, delay=0.5) as bar:
            made = compress(given.source, given.out, given.type, threads=given.threads, tell=lambda *at: _show(bar, *at))
    except LlamaCareError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"\nStopped. {given.out} was not written; the same command begins anew.\n")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.stderr.write(f"{given.out}: {made.bytes / 1e6:,.1f} MB in {made.seconds:.1f} s. {made.sentence}\n")
    return 0


def compress(
    source: Path, target: Path, type_name: str, *, threads: int = 0, tell: Tell = lambda done, total: None
) -> Compressed:
    """Writes ``target``, replacing a file of that name, and only when it is whole.

    Args:
        threads: 0 for every core that may be used.
        tell: gets tensors done and in all.

    Raises:
        BadInput: an unknown type or one that cannot be made, a source that is no whole float GGUF, no room, or a folder that
            cannot be written.
        ModelFileError: llama.cpp refuses.
        EngineDied: its process crashed or was ended.
    """
    kind = file_type(type_name)
    check_source(source)
    if source.resolve() == target.resolve():
        raise BadInput(f"{target} is read and would be written. Choose another name for the {kind.name} file.")
    begun = time.monotonic()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        refuse_no_room(planned_bytes(source, kind.name), shutil.disk_usage(target.parent).free, target)
        write_aside(target, lambda aside: _write(source, aside, kind, threads or usable_cores(), tell, name=target.name))
    except OSError as error:
        raise BadInput(f"{target} cannot be written ({error.strerror}). Choose another place, or make room.") from error
    return Compressed(kind.name, target.stat().st_size, time.monotonic() - begun, tensor_types(target))


def check_source(source: Path) -> None:
    """Raises BadInput: no whole GGUF, without tensors, or quantised already."""
    counts = tensor_types(source)
    quantised = [name for name in counts if name not in FLOATS]
    if quantised:
        raise BadInput(
            f"{source} is quantised already: {sentence(source.name, counts)}. What that lost does not come back; "
            f"expected a file of {', '.join(FLOATS)}. Export the model to F16 first."
        )
    if not counts:
        raise BadInput(f"{source} holds no tensor; expected a model. Export it again.")


def planned_bytes(source: Path, type_name: str) -> int:
    """The size of the file to be, as llama.cpp reckons it tensor by tensor without making it. Raises as ``compress``."""
    kind = file_type(type_name)
    sizes: list[float] = []

    def hear(line: str) -> None:
        if found := QUANT_SIZE.search(line):
            sizes.append(float(found[1]))

    _call(source, source.with_suffix(".none"), kind, 1, dry=True, what=f"reading {source.name}", hear=hear)
    metadata = read_table(source).data_offset
    return metadata + int((sizes[-1] + PAGE) * 2**20)


def refuse_no_room(needed: int, free: int, target: Path) -> None:
    """Raises BadInput where the disk has too little room for ``needed`` bytes."""
    if free < needed + ROOM:
        raise BadInput(
            f"{target} needs {needed / 1e6:,.0f} MB and {ROOM / 1e6:,.0f} MB to spare, and its disk has {free / 1e6:,.0f} MB "
            "free. Make room, choose another disk or a smaller type."
        )


def _write(source: Path, aside: Path, kind: FileType, threads: int, tell: Tell, *, name: str) -> None:
    def hear(line: str) -> None:
        if found := PROGRESS.match(line):
            tell(int(found[1]), int(found[2]))

    _call(source, aside, kind, threads, dry=False, what=f"writing {name} as {kind.name}", hear=hear)
    whole, expected = len(read_table(aside).tensors), len(read_table(source).tensors)
    if whole != expected:
        raise BadInput(f"{name} came out with {whole} of {expected} tensors. Check the disk, and run the command again.")


def kept_whole(source: Path) -> str:
    """Which tensor of a trained model stays in F16: the one whose rows its labels are read at.

    A row that is rounded favours or disfavours its label in every question alike, and the labels of one question lie close
    together: of the demonstration model, Q8_0 turned 16 % of the choices with rounded rows.
    """
    header = read_header(source)
    if RECORD_KEY not in header.metadata:
        return ""
    return "output" if any(row.name == "output.weight" for row in header.tensors) else "embedding"


def _call(source: Path, target: Path, kind: FileType, threads: int, *, dry: bool, what: str, hear: Callable[[str], None]) -> None:
    """llama.cpp's quantiser in its process. Raises as ``compress``."""
    request = {
        "work": "quantise",
        "source": str(source.resolve()),
        "target": str(target.resolve()),
        "ftype": kind.id,
        "threads": threads,
        "dry": dry,
        "head": "" if kind.whole else kept_whole(source),
    }
    try:
        call(request, what=what, hear=hear)
    except ModelFileError as error:
        if STREAM_ERROR in error.sentence:
            raise BadInput(f"The disk took no more while {what}. Make room, or choose another disk.") from error
        raise ModelFileError(
            f"llama.cpp gave up {what}: {error.sentence}. Export the model again, or choose another type."
        ) from error


def _show(bar: tqdm[NoReturn], done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
