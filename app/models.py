"""Which model is run, and the command for models: what the catalogue knows, what is at hand, fetching, checking.

    python -m app.models list [--json]
    python -m app.models get ID [--to FOLDER] [--unverified]
    python -m app.models check [FILE|ID ...]
    python -m app.models measure [MODEL] --questions FILE ... (`app.measure_command`)

Exit code 0: done; 1: ``check`` found something wrong; 2: not possible, with the reason; 130: stopped. Never imports llama_cpp.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO, TypeAlias
from urllib.parse import urlsplit

from app.catalogue import (
    CONTEXT,
    Catalogue,
    CatalogueModel,
    ModelAtHand,
    at_hand,
    embedded_at_hand,
    models_at_hand,
    read_catalogue,
)
from app.download import Wanted, download
from app.engine.local import LocalModel
from app.errors import BadInput, LlamaCareError, ModelFileError, SettingsError
from app.files import digest_of, write_aside
from app.gguf_header import read_header
from app.measure_command import EMBEDDED, add_measure_command
from app.settings import Settings, read_settings

ENDPOINT = "https://huggingface.co"
THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})

Environ = Mapping[str, str]
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def chosen_model(settings: Settings) -> LocalModel:
    """The model that the settings name, else the embedded one. A named file is checked by the engine, not here.

    Raises:
        ModelFileError: no model is named and the wheel that embeds one is not installed.
    """
    catalogue = read_catalogue()
    chosen = embedded_at_hand(catalogue) if settings.model is None else at_hand(catalogue, settings.model)
    return local_model(settings, chosen)


def local_model(settings: Settings, model: ModelAtHand) -> LocalModel:
    """How any model at hand is opened under these settings. Name and licence are the file's own where nothing else knows them."""
    known = model.demo or model.entry is not None
    return LocalModel(
        path=model.path,
        name=model.name if known else "",
        licence=model.licence if known else "",
        demo=model.demo,
        context=settings.context,
        threads=settings.threads,
        thread_cache=settings.data_dir / "threads.json",
        digest_cache=settings.data_dir / "digests.json",
        kv_type=settings.kv_type,
        gpu_layers=settings.gpu_layers,
    )


def main(arguments: Sequence[str], environ: Environ) -> int:
    given = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace, Environ], int] = given.run
    try:
        return run(given, environ)
    except LlamaCareError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. What was done so far is kept; the same command goes on from there.\n")
        return 130


def list_command(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("list", help="models of the catalogue, and model files on this machine")
    parser.add_argument("--json", action="store_true", help="everything that is known, as JSON")
    parser.set_defaults(run=_list)


def get_command(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "get",
        help="fetch a model of the catalogue",
        epilog="HF_ENDPOINT: another hub than https://huggingface.co. HF_TOKEN: sent to it, for models whose terms you accepted.",
    )
    parser.add_argument("id", metavar="ID", help="as `list` prints it")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="folder to write to; models in the data folder if not given")
    parser.add_argument(
        "--unverified", action="store_true", help="also where no digest is published that the file could be checked by"
    )
    parser.set_defaults(run=_get)


def check_command(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("check", help="compare model files with the catalogue, and read their headers")
    parser.add_argument(
        "models", nargs="*", metavar="FILE|ID", help="files, or ids of models at hand; all at hand if none is given"
    )
    parser.set_defaults(run=_check)


def measure_command(subparsers: Subparsers) -> None:
    add_measure_command(subparsers, _named_model)


# Each adds one subcommand, whose parser's default ``run`` gets the parsed arguments and the environment.
COMMANDS: tuple[Callable[[Subparsers], None], ...] = (list_command, get_command, check_command, measure_command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.models", description="Models: known, at hand, fetched, checked.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(subparsers)
    return parser


def _list(given: argparse.Namespace, environ: Environ) -> int:
    catalogue, found = _found(environ)
    write = _listed_json if given.json else _listed
    sys.stdout.write(write(catalogue, found))
    return 0


def _found(environ: Environ) -> tuple[Catalogue, list[ModelAtHand]]:
    settings = read_settings([], environ)
    catalogue = read_catalogue()
    return catalogue, models_at_hand(catalogue, settings.model_folders, settings.model)


def _listed(catalogue: Catalogue, found: Sequence[ModelAtHand]) -> str:
    rows = [("ID", "NAME", "SIZE", "LICENCE", "MEMORY", "AT HAND")]
    for entry in catalogue.models:
        path = _path_of(entry, found)
        rows.append(
            (entry.id, entry.name, amount(entry.file.size), entry.licence, amount(entry.memory()), str(path) if path else "no")
        )
    rows += [("-", one.name, amount(one.size), one.licence, "?", str(one.path)) for one in found if one.entry is None]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", f"Memory: weights and {CONTEXT} tokens of context in f16; ?: not known."]) + "\n"


def _listed_json(catalogue: Catalogue, found: Sequence[ModelAtHand]) -> str:
    models = [{**asdict(entry), "memory": entry.memory(), "at_hand": _text(_path_of(entry, found))} for entry in catalogue.models]
    files: list[dict[str, Any]] = [
        {**asdict(one), "path": str(one.path), "entry": one.entry.id if one.entry else None} for one in found
    ]
    return json.dumps({"models": models, "files": files}, indent=1, ensure_ascii=False) + "\n"


def _path_of(entry: CatalogueModel, found: Sequence[ModelAtHand]) -> Path | None:
    return next((one.path for one in found if one.entry == entry), None)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _get(given: argparse.Namespace, environ: Environ) -> int:
    catalogue, found = _found(environ)
    entry = catalogue.find(given.id)
    there = _path_of(entry, found)
    if there is not None and given.to is None:
        sys.stdout.write(f"{entry.name} is at hand already: {there}. `python -m app.models check {entry.id}` checks it.\n")
        return 0
    if entry.file.sha256 is None and not given.unverified:
        raise BadInput(
            f"{entry.file.name} cannot be checked: the catalogue knows no published digest of it. Give --unverified to fetch it "
            "all the same; its digest is then printed and remembered."
        )
    folder = given.to if given.to is not None else read_settings([], environ).model_folders[-1]
    wanted = _wanted(entry, folder, environ)
    sys.stderr.write(f"{entry.name}, {entry.licence} ({entry.terms.url}): {entry.terms.demands}\n")
    with ProgressLine(sys.stderr) as line:
        try:
            done = download(wanted, line)
        except KeyboardInterrupt:
            line.end()
            sys.stderr.write(f"Stopped. {wanted.part} is kept; the same command goes on from there.\n")
            return 130
    if entry.file.sha256 is None:
        _remember(done.path, done.sha256)
        sys.stdout.write(f"{done.path}: {amount(done.size)}, NOT checked against a published digest; SHA-256 {done.sha256}\n")
    else:
        sys.stdout.write(f"{done.path}: {amount(done.size)}, digest as published\n")
    sys.stdout.write(f"Run it with `python app.py --model {done.path}`.\n")
    return 0


def _wanted(entry: CatalogueModel, folder: Path, environ: Environ) -> Wanted:
    endpoint = environ.get("HF_ENDPOINT", "").strip() or ENDPOINT
    token = environ.get("HF_TOKEN", "").strip()
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"HF_ENDPOINT is {endpoint!r}; expected an address such as {ENDPOINT}.")
    if token and parts.scheme == "http" and parts.hostname not in THIS_MACHINE:
        raise SettingsError(
            f"HF_ENDPOINT is {endpoint!r}, and HF_TOKEN would be sent unencrypted. Give an https address, or unset one."
        )
    return Wanted(
        address=entry.file.address(endpoint),
        target=folder.absolute() / entry.file.name,
        size=entry.file.size,
        sha256=entry.file.sha256,
        page=entry.file.page(endpoint),
        token=token,
    )


def _check(given: argparse.Namespace, environ: Environ) -> int:
    catalogue, found = _found(environ)
    paths = [_path_to_check(catalogue, found, name) for name in given.models] or [one.path for one in found]
    if not paths:
        sys.stdout.write("No model file is at hand. `python -m app.models list` shows which can be fetched.\n")
    wrong = 0
    for path in paths:
        try:
            sys.stdout.write(f"ok     {path}: {_checked(catalogue, path)}\n")
        except ModelFileError as error:
            wrong += 1
            sys.stdout.write(f"WRONG  {error.sentence}\n")
    return 1 if wrong else 0


def _named_model(environ: Environ, name: str) -> LocalModel:
    """The model that a name stands for: the embedded one, a file, or an id of one at hand."""
    catalogue, found = _found(environ)
    named = embedded_at_hand(catalogue) if name == EMBEDDED else at_hand(catalogue, _path_to_check(catalogue, found, name))
    return local_model(read_settings([], environ), named)


def _path_to_check(catalogue: Catalogue, found: Sequence[ModelAtHand], name: str) -> Path:
    path = Path(name)
    if path.exists() or path.suffix == ".gguf" or os.sep in name:
        return path
    entry = catalogue.find(name)
    there = _path_of(entry, found)
    if there is None:
        raise BadInput(f"{entry.name} is not at hand. `python -m app.models get {entry.id}` fetches it.")
    return there


def _checked(catalogue: Catalogue, path: Path) -> str:
    """What speaks for a file.

    Raises:
        ModelFileError: it is no readable GGUF, or not what the catalogue or an earlier download knows.
    """
    header = read_header(path)
    entry = catalogue.named(path.name)
    size, digest = path.stat().st_size, digest_of(path)
    if entry is not None and entry.file.size not in (None, size):
        raise ModelFileError(
            f"{path} has {size:,} bytes; {entry.name} has {entry.file.size:,}. It was cut, or is another model: fetch it with "
            f"`python -m app.models get {entry.id} --to FOLDER`, or rename it."
        )
    published = entry.file.sha256 if entry is not None else None
    expected = published or _remembered(path)
    if expected not in (None, digest):
        source = "published" if published else "remembered from its download"
        raise ModelFileError(
            f"{path} has the SHA-256 {digest}; {source} is {expected}. It was changed: remove it and fetch it again."
        )
    how = (
        "digest as published"
        if published
        else "digest as remembered"
        if expected
        else f"no digest to compare with, SHA-256 {digest}"
    )
    return (
        f"{how}; GGUF version {header.version}, {len(header.tensors)} tensors, {header.metadata.get('general.architecture', '?')}"
    )


def _digest_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _remember(path: Path, digest: str) -> None:
    """Beside the model, as sha256sum writes and checks it."""
    write_aside(_digest_file(path), lambda aside: aside.write_text(f"{digest}  {path.name}\n", encoding="utf-8"))


def _remembered(path: Path) -> str | None:
    try:
        words = _digest_file(path).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    return words[0] if words else None


def amount(size: int | None) -> str:
    """Bytes in words, "?" where they are not known."""
    if size is None:
        return "?"
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


class ProgressLine:
    """A line that is written over: how much, how fast, how long still. Silent where nobody looks at a terminal."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._begun: tuple[float, int] | None = None
        self._shown = 0.0
        self._open = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def __call__(self, done: int, total: int | None) -> None:
        now = self._clock()
        if self._begun is None or done < self._begun[1]:
            self._begun = now, done
        if not self._stream.isatty() or (now - self._shown < 0.2 and done != total):
            return
        self._shown = now
        self._stream.write(f"\r{self._line(now - self._begun[0], done, total)}\x1b[K")
        self._stream.flush()
        self._open = True

    def _line(self, seconds: float, done: int, total: int | None) -> str:
        assert self._begun is not None
        rate = (done - self._begun[1]) / seconds if seconds > 0 else 0.0
        parts = [f"{amount(done)} of {amount(total)}", f"{rate / 1e6:.1f} MB/s"]
        if total:
            parts.insert(0, f"{100 * done // total} %")
            parts.append("checking" if done == total else f"{_duration((total - done) / rate)} left" if rate else "")
        return "  ".join(part for part in parts if part)

    def end(self) -> None:
        if self._open:
            self._stream.write("\n")
            self._open = False


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
