"""From an adapter to one checked GGUF: python -m quantize ADAPTER --out FILE.gguf [--type auto|Q4_K_M|...]

The stages also stand alone: python -m quantize.merge, .export, .compress, .verify, .bench.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from app.errors import LlamaCareError
from quantize.export import add_licence_options
from quantize.ggml_types import TYPES
from quantize.pipeline import AUTO, AUTO_TYPES, Wanted, prepare, run
from quantize.plan import refuse_what_cannot_fit
from quantize.samples import WANTED
from quantize.terminal import INTERRUPTED, say

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def main(arguments: Sequence[str] | None = None) -> int:
    """Status 0 when the file is written and checked, 2 with a sentence where it cannot be, 130 when it was stopped."""
    given = _parser().parse_args(arguments)
    wanted = Wanted(
        adapter=given.adapter,
        out=given.out,
        type=given.type,
        work=given.work or given.out.with_name(f".{given.out.name}.work"),
        base=given.base,
        licence=given.licence,
        link=given.licence_link,
        notice=given.notice,
        name=given.name,
        questions=tuple(given.questions),
        limit=given.limit,
        memory=given.memory,
        shard=given.shard,
        keep=given.keep_work,
        force=given.force,
    )
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        ready = prepare(wanted)
        say(ready.estimated.text())
        if given.plan:
            refuse_what_cannot_fit(ready.estimated, wanted.work, already=0)
            return 0
        made = run(ready)
    except LlamaCareError as error:
        say(error.sentence)
        return 2
    except OSError as error:
        where = f"{error.filename or wanted.work} cannot be written ({error.strerror})"
        say(f"{where}. Make room: the same command goes on from the last whole stage.")
        return 2
    except KeyboardInterrupt:
        say(f"Stopped. {wanted.out} was not written; the same command goes on from the last whole stage.")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    print("\n".join(made.lines))
    print(f"{made.out}: {made.type}, {made.bytes / 1e6:,.1f} MB, made in {made.seconds / 60:.1f} minutes.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m quantize", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("adapter", type=Path, metavar="ADAPTER", help="the folder that python -m finetune.train wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.gguf", help="the file to write; its cards go beside it")
    types = " ".join(one.name for one in TYPES if not one.refusal)
    parser.add_argument(
        "--type", default=AUTO, help=f"{AUTO} takes the fastest of {', '.join(AUTO_TYPES)} that passes; or {types}"
    )
    parser.add_argument("--memory", type=_bytes, metavar="BYTES", help="what the file may take when it runs, as 8G; for auto")
    parser.add_argument("--plan", action="store_true", help="say disk, memory and time, and do nothing")
    parser.add_argument("--questions", type=Path, nargs="+", default=[], metavar="FILE", help="what models are compared on")
    parser.add_argument("--limit", type=_count, default=WANTED, metavar="N", help=f"of these questions; {WANTED} without it")
    parser.add_argument("--name", default="", help="the model's name in the file and on its card")
    add_licence_options(parser)
    parser.add_argument("--base", type=Path, metavar="PATH", help="where the base lies now, if not where the training found it")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="for what lies between; beside the file without it")
    parser.add_argument("--keep-work", action="store_true", help="keep that folder when all is done")
    parser.add_argument("--shard", type=_bytes, default=1 << 30, metavar="BYTES", help="of one file of merged weights at most")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    return parser


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip().upper())
    if not found or not float(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes; expected one like 8G or 500M")
    return int(float(found[1]) * UNITS[found[2]])


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of questions; expected 1 or more")
    return int(text)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
