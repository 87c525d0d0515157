"""Fetches one file over HTTP: goes on where it was cut, checks size and digest, and names the file only when it is whole.

Beside ``FILE`` stand, while it is fetched, ``FILE.part`` and ``FILE.part.etag``, which names the version of the part.
Nothing is sent but the request, and the token only where the file is asked for.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from app.errors import DownloadFailed
from app.files import digest_of, sync_folder

SPARE = 1 << 24  # bytes that a disk keeps free
PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before each further attempt in a row that got nothing
TIMEOUT = 30.0  # seconds without a byte
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to fetch. ``size`` in bytes and ``sha256`` None: not published. ``page``: where people read of the file."""

    address: str
    target: Path
    size: int | None = None
    sha256: str | None = None
    page: str = ""
    token: str = ""

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")


@dataclass(frozen=True)
class Downloaded:
    """A file in its place, with its size in bytes."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class _Answer:
    """What a server offers: ``begin`` is the first byte that it sends, ``total`` the whole file's size."""

    begin: int
    total: int | None
    etag: str


class _Cut(Exception):
    """The connection was lost; the part is kept."""


class _Stale(Exception):
    """The part belongs to another version of the file."""


def download(wanted: Wanted, progress: Progress, *, sleep: Callable[[float], None] = time.sleep) -> Downloaded:
    """The file, whole and with the right digest, at ``wanted.target``.

    ``progress`` gets the bytes so far and all of them, or None where the server doesn't say; its first call of an attempt, what
    was there before. An interrupt keeps the part.

    Raises:
        DownloadFailed: the target is there already, the server refuses, the connection stays lost, the disk is full, or size
            or digest are not as published.
    """
    if wanted.target.exists():
        raise DownloadFailed(f"{wanted.target} is there already. Move it away, or give another folder with --to.")
    try:
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        with _held(wanted) as part, httpx.Client(follow_redirects=True, timeout=TIMEOUT) as client:
            _room(wanted, wanted.size)
            _fetch(client, wanted, part, progress, sleep)
            return _finish(wanted, part)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DownloadFailed(
                f"The disk of {wanted.target.parent} is full. Make room; the same command then goes on."
            ) from error
        raise DownloadFailed(
            f"{error.filename or wanted.target} cannot be written ({error.strerror}). Give another folder with --to."
        ) from error


@contextmanager
def _held(wanted: Wanted) -> Iterator[BinaryIO]:
    """The part, open at its end and locked against a second download of the same file."""
    with wanted.part.open("ab") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadFailed(f"Another command is fetching {wanted.target.name} already. Wait for it to end.") from error
        try:
            yield part
        finally:
            if wanted.part.exists() and not os.fstat(part.fileno()).st_size:
                _forget(wanted)


def _fetch(client: httpx.Client, wanted: Wanted, part: BinaryIO, progress: Progress, sleep: Callable[[float], None]) -> None:
    """Attempts until the part is whole. Only what goes beyond every earlier attempt counts as getting on."""
    best, failed = part.tell(), 0
    while True:
        try:
            return _attempt(client, wanted, part, progress)
        except _Stale:
            _empty(part)
        except (_Cut, httpx.TransportError) as error:
            part.flush()
            best, failed = max(best, part.tell()), 1 if part.tell() > best else failed + 1
            if failed > len(PAUSES):
                raise DownloadFailed(
                    f"The connection to {httpx.URL(wanted.address).host} failed {failed} times in a row "
                    f"({error or type(error).__name__}). {part.tell():,} bytes are kept; the same command goes on from there."
                ) from error
            sleep(PAUSES[failed - 1])


def _attempt(client: httpx.Client, wanted: Wanted, part: BinaryIO, progress: Progress) -> None:
    """One request, whose bytes are added to the part.

    Raises:
        _Cut, httpx.TransportError: it ended too early. _Stale: the part must be begun anew.
    """
    have, etag = part.tell(), _etag(wanted)
    if have and not etag:
        raise _Stale
    if have and have == wanted.size:
        return
    try:
        with client.stream("GET", wanted.address, headers=_headers(wanted, have, etag)) as response:
            answer = _read_answer(wanted, response, have, etag)
            _room(wanted, None if answer.total is None else answer.total - answer.begin)
            if answer.begin != have:
                _empty(part)
            _etag_file(wanted).write_text(answer.etag, encoding="utf-8")
            done = answer.begin
            progress(done, answer.total)
            for chunk in response.iter_raw():
                part.write(chunk)
                done += len(chunk)
                progress(done, answer.total)
            part.flush()
    except httpx.TooManyRedirects as error:
        raise DownloadFailed(f"{wanted.address} leads in a circle. Check HF_ENDPOINT, or try again later.") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DownloadFailed(f"{wanted.address} is no address that can be fetched ({error}). Check HF_ENDPOINT.") from error
    if answer.total is not None and done != answer.total:
        raise _Cut(f"after {done:,} of {answer.total:,} bytes")


def _headers(wanted: Wanted, have: int, etag: str) -> dict[str, str]:
    headers = {"User-Agent": "llamacare", "Accept": "*/*", "Accept-Encoding": "identity"}
    if wanted.token:
        headers["Authorization"] = f"Bearer {wanted.token}"
    return {**headers, "Range": f"bytes={have}-", "If-Range": etag} if have else headers


def _read_answer(wanted: Wanted, response: httpx.Response, have: int, etag: str) -> _Answer:
    """What the server sends, judged.

    Raises:
        DownloadFailed: it will not send the file, or sends one of another size. _Stale, _Cut: as for an attempt.
    """
    status = response.status_code
    if status in TRANSIENT:
        raise _Cut(f"the server answered {status}")
    if have and status in (412, 416):
        raise _Stale
    if status not in (200, 206):
        raise DownloadFailed(_refused(wanted, status))
    ours = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "")) if status == 206 else None
    if status == 206 and (ours is None or int(ours[1]) != have or response.headers.get("ETag", etag) != etag):
        raise _Stale if have else DownloadFailed(f"{wanted.address} sends a part that was not asked for. Try again later.")
    length = response.headers.get("Content-Length", "")
    total = int(length) if ours is None and length.isdecimal() else None
    if ours is not None and ours[2] != "*":
        total = int(ours[2])
    if wanted.size is not None and total not in (None, wanted.size):
        raise DownloadFailed(
            f"{wanted.address} is {total:,} bytes now, but the catalogue knows it with {wanted.size:,}: the file was changed. "
            "Nothing was fetched. A newer catalogue may know the new one."
        )
    if total is None and wanted.size is None and wanted.sha256 is None:
        raise DownloadFailed(
            f"{wanted.address} does not say how long it is, so that a cut file could not be told. Try again later."
        )
    strong = response.headers.get("ETag", etag if ours else "")
    return _Answer(have if ours else 0, wanted.size if total is None else total, "" if strong.startswith("W/") else strong)


def _refused(wanted: Wanted, status: int) -> str:
    if status in (401, 403):
        token = "HF_TOKEN was given, but it has no access" if wanted.token else "set HF_TOKEN to a token of your account"
        return (
            f"{wanted.address} is not open to everybody (the server answered {status}). Accept its terms on {wanted.page}, and "
            f"{token}: `HF_TOKEN=... python -m app.models get ...`."
        )
    if status == 404:
        return f"{wanted.address} does not exist (404): it was moved or renamed. Look for it on {wanted.page}."
    return f"{wanted.address} cannot be fetched (the server answered {status}). Try again later, or look at {wanted.page}."


def _finish(wanted: Wanted, part: BinaryIO) -> Downloaded:
    """Digest and size of what is on the disk; then the part becomes the file."""
    part.flush()
    digest, size = digest_of(wanted.part), part.tell()
    wrong = []
    if wanted.size is not None and size != wanted.size:
        wrong.append(f"{size:,} bytes, expected {wanted.size:,}")
    if wanted.sha256 is not None and digest != wanted.sha256:
        wrong.append(f"SHA-256 {digest}, expected {wanted.sha256}")
    if wrong:
        _forget(wanted)
        raise DownloadFailed(
            f"What {wanted.address} sent is not the published file ({'; '.join(wrong)}) and was removed. "
            "Try again; if it stays so, the file was changed, or somebody between you and the server changes it."
        )
    os.fsync(part.fileno())
    wanted.part.replace(wanted.target)
    _etag_file(wanted).unlink(missing_ok=True)
    sync_folder(wanted.target.parent)
    return Downloaded(wanted.target, size, digest)


def _room(wanted: Wanted, still: int | None) -> None:
    """Refuses what will not fit. ``still``: bytes of the file that are to come."""
    part = wanted.part.stat().st_size
    free = shutil.disk_usage(wanted.target.parent).free
    missing = (still or 0) - (part if still == wanted.size else 0) + SPARE - free
    if still and missing > 0:
        raise DownloadFailed(
            f"{wanted.target.parent} has {free / 1e9:.2f} GB free; {wanted.target.name} needs {missing / 1e9:.2f} GB more. "
            "Make room, or give another folder with --to."
        )


def _etag_file(wanted: Wanted) -> Path:
    return wanted.part.with_name(f"{wanted.part.name}.etag")


def _etag(wanted: Wanted) -> str:
    """The version that the part belongs to, "" where it is not known."""
    try:
        return _etag_file(wanted).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _empty(part: BinaryIO) -> None:
    part.seek(0)
    part.truncate()


def _forget(wanted: Wanted) -> None:
    wanted.part.unlink(missing_ok=True)
    _etag_file(wanted).unlink(missing_ok=True)
