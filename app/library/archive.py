"""A Word document's archive, unpacked within bounds before anything else looks at it."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from app.library.parsed import Unreadable

MB = 2**20
OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of old and of encrypted Office files
MAX_PARTS = 5000
MAX_UNPACKED = 192 * MB  # of the parts that hold text; their tree takes several times as much
MAX_RATIO = 250  # bytes out of one packed byte, for a part of more than a MB; a document of one sentence repeated has 150
CHUNK = 2**16
_TEXT_PART = re.compile(r"(?:.*\.(?:xml|rels))\Z", re.IGNORECASE)
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)|<\x00!\x00(?:D\x00O\x00C|E\x00N\x00T)|\x00<\x00!\x00(?:D\x00O|E\x00N)")
OTHER = (
    ("xl/workbook.xml", "it is an Excel workbook. Save its sheets as text, or as PDF."),
    ("ppt/presentation.xml", "it is a PowerPoint presentation. Save it as PDF."),
    ("mimetype", "it is an OpenDocument file or an e-book. Save it as Word (.docx) or PDF."),
)
DAMAGED = "it is a damaged archive. Open it in Word, save it anew and add it again."
BOMB = "it unpacks to far more than it should ({what}), as archives made to do harm do. Save it anew from Word."


def safe_archive(raw: bytes) -> io.BytesIO:
    """The same archive, its parts with text unpacked and checked, those with pictures and other things emptied.

    Raises:
        Unreadable: no Word document, encrypted, too large, or with a document type, by which XML refers to other files.
    """
    if raw.startswith(OFFICE):
        raise _old_office(raw)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return _unpacked(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OverflowError):
        raise Unreadable(DAMAGED) from None
    except RuntimeError:  # zipfile's word for a part with a password
        raise Unreadable("it is encrypted. Save it without a password and add it again.") from None


def _unpacked(archive: zipfile.ZipFile) -> io.BytesIO:
    parts = archive.infolist()
    names = {part.filename for part in parts}
    if "[Content_Types].xml" not in names or not any(name.startswith("word/") for name in names):
        raise Unreadable(
            next((why for name, why in OTHER if name in names), "it is an archive. Unpack it and add what it holds.")
        )
    if len(parts) > MAX_PARTS or len(names) < len(parts):
        raise Unreadable(
            BOMB.format(what=f"{len(parts):,} parts, some of one name" if len(names) < len(parts) else f"{len(parts):,} parts")
        )
    said = sum(part.file_size for part in parts if _TEXT_PART.match(part.filename))
    if said > MAX_UNPACKED:
        raise Unreadable(BOMB.format(what=f"{said / MB:,.0f} MB of text"), large=True)
    safe, left = io.BytesIO(), MAX_UNPACKED
    with zipfile.ZipFile(safe, "w", zipfile.ZIP_STORED) as copy:
        for part in parts:
            content = b"".join(_content(archive, part, left)) if _TEXT_PART.match(part.filename) else b""
            left -= len(content)
            copy.writestr(zipfile.ZipInfo(part.filename), content)
    safe.seek(0)
    return safe


def _content(archive: zipfile.ZipFile, part: zipfile.ZipInfo, most: int) -> Iterator[bytes]:
    """A part piece by piece, for what the archive's directory says of its size may be a lie."""
    size = 0
    with archive.open(part) as stream:
        while piece := stream.read(CHUNK):
            if size == 0 and _DOCTYPE.search(piece):
                raise Unreadable(
                    "it declares a document type, which no Word document does and which can reach other files. Save it anew."
                )
            size += len(piece)
            if size > most or (size > MB and size > MAX_RATIO * max(1, part.compress_size)):
                raise Unreadable(BOMB.format(what=f"more than {size // MB} MB of {part.compress_size:,} bytes"), large=True)
            yield piece


def _old_office(raw: bytes) -> Unreadable:
    if "EncryptedPackage".encode("utf-16-le") in raw:
        return Unreadable("it is encrypted. Save it without a password and add it again.")
    return Unreadable("it is of the old Office format (.doc and its like). Save it as .docx or PDF.")
