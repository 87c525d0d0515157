"""A file's bytes -> its text, parsed in a process of its own that has no files, no network, little memory and little time."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from app.errors import BadInput, LlamaCareError, TooLarge
from app.library.blocks import one_line, retold
from app.library.cleaning import clean
from app.library.kinds import Kind, kind_of, refused, shown, stem_of
from app.library.parsed import Parsed, Unreadable
from app.library.wire import BROKEN, unpacked

ROOT = Path(__file__).parents[2]
MB = 2**20
CHUNK = 2**18  # bytes handed over at a time
MAX_ABOUT = 300  # characters of a title, of a date, of a licence, of a source
LOOK_SECONDS = 0.1  # between two looks whether to stop
MODULES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.PDF: "app.library.parsing_pdf",
        Kind.DOCX: "app.library.parsing_docx",
        Kind.HTML: "app.library.parsing_html",
        Kind.MARKDOWN: "app.library.parsing_text",
        Kind.TEXT: "app.library.parsing_text",
    }
)


class NoProcess(Exception):
    """The parsing process could not be started. Never leaves this module."""


class Stopped(LlamaCareError):
    """The reading of a file was stopped; nothing of it was kept."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of one file. ``size``, ``memory`` of the parsing process and ``output`` in bytes; ``cpu`` and ``wall`` in seconds."""

    size: int = 64 * MB
    memory: int = 1024 * MB
    output: int = 64 * MB
    cpu: int = 90
    wall: float = 300.0


LIMITS = Limits()


def read_document(name: str, raw: bytes, *, limits: Limits = LIMITS, stop: Callable[[], bool] | None = None) -> Parsed:
    """The file's text, cleaned; without a title of its own it has its file's name. Several threads may read at once; each
    costs ``limits.memory`` at the most.

    Raises:
        BadInput: the file cannot be read; TooLarge: it is over a limit. The sentence names it and the cure.
        Stopped: ``stop()`` became true. LlamaCareError: the machine has no process to spare.
    """
    if len(raw) > limits.size:
        reason = f"it has {len(raw) / MB:,.0f} MB; at most {limits.size // MB} MB are read. Split it into smaller files."
        raise TooLarge(f"{shown(name)} was not added: {reason}")
    kind = kind_of(name, raw)
    if kind is Kind.ROWS:
        raise refused(name, "JSON Lines are read row by row, not as one document.")
    try:
        parsed = _cleaned(unpacked(_parse(kind, raw, limits, stop or (lambda: False))))
        if not parsed.blocks:
            raise Unreadable("it holds no text. Add a file that does.")
    except Unreadable as bad:
        raise (TooLarge if bad.large else BadInput)(f"{shown(name)} was not added: {bad}") from None
    except NoProcess as error:
        raise LlamaCareError(
            f"{shown(name)} was not added: this machine could start no process to read it ({error}). Add it again later."
        ) from None
    except InterruptedError:
        raise Stopped(f"Reading {shown(name)} was stopped; add it again to read it whole.") from None
    return parsed if parsed.title else replace(parsed, title=stem_of(name))


def _parse(kind: Kind, raw: bytes, limits: Limits, stop: Callable[[], bool]) -> bytes:
    """What the parsing process says of the file.

    Raises:
        Unreadable: it came to no end within its limits; InterruptedError: stopped; NoProcess.
    """
    command = [sys.executable, "-m", MODULES[kind], kind, str(limits.memory), str(limits.cpu)]
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, cwd=ROOT, env={}, bufsize=0)
    except OSError as error:
        raise NoProcess(error.strerror) from error
    with process:  # closes the pipes and waits
        try:
            said = _exchange(process, raw, limits, stop)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise _ended(process.returncode, limits)
    return said


def _exchange(process: subprocess.Popen[bytes], raw: bytes, limits: Limits, stop: Callable[[], bool]) -> bytes:
    """Writes the file and reads the answer side by side, so that neither end waits for the other."""
    assert process.stdin and process.stdout
    deadline = time.monotonic() + limits.wall
    left, said = memoryview(raw), bytearray()
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdin, selectors.EVENT_WRITE)
        ready.register(process.stdout, selectors.EVENT_READ)
        while True:
            if stop():
                raise InterruptedError
            if time.monotonic() > deadline:
                raise Unreadable(f"reading it took longer than {limits.wall:,.0f} s. Split it into smaller files.", large=True)
            for key, _ in ready.select(LOOK_SECONDS):
                if key.fileobj is process.stdin:
                    left = _write(process.stdin.fileno(), left)
                    if not left:
                        ready.unregister(process.stdin)
                        process.stdin.close()
                    continue
                piece = os.read(process.stdout.fileno(), CHUNK)
                if not piece:
                    return bytes(said)
                said += piece
                if len(said) > limits.output:
                    reason = f"its text is larger than the {limits.output // MB} MB that are read. Split it into smaller files."
                    raise Unreadable(reason, large=True)


def _write(handle: int, left: memoryview) -> memoryview:
    """What is still to be written; nothing once nobody reads any more."""
    try:
        return left[os.write(handle, left[:CHUNK]) :]
    except BlockingIOError:
        return left
    except BrokenPipeError:
        return left[:0]


def _ended(code: int, limits: Limits) -> Unreadable:
    """How a process that gave no answer ended: by the signal -code, or with the exit status code."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return Unreadable(
            f"reading it needs more than {limits.cpu} s or too much memory. Split it into smaller files.", large=True
        )
    return Unreadable(BROKEN)


def _cleaned(parsed: Parsed) -> Parsed:
    removed: dict[str, None] = {}

    def tell(text: str) -> str:
        cleaned = clean(text)
        removed.update(dict.fromkeys(cleaned.removed))
        return cleaned.text

    about = (parsed.title, parsed.date, parsed.licence, parsed.source)
    title, date, licence, source = (one_line(tell(text[: 2 * MAX_ABOUT]))[:MAX_ABOUT] for text in about)
    blocks = retold(parsed.blocks, tell)
    told = replace(parsed, title=title, date=date, licence=licence, source=source, blocks=blocks)
    return told.with_notes(f"Left out of its text: {', '.join(removed)}.") if removed else told
