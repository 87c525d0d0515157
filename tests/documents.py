"""Documents made by code for the tests: a small PDF writer, and what hostile files are made of."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from app.library.parsed import Parsed

WIDTH, HEIGHT = 612, 792  # points
FONTS = ("Helvetica", "Helvetica-Bold")


def texts(parsed: Parsed) -> list[tuple[str, str]]:
    """Section and text of each block."""
    return [(block.section, block.text) for block in parsed.blocks]


@dataclass(frozen=True)
class Line:
    """Text at a height from the page's foot, in points."""

    y: float
    text: str
    size: float = 11
    bold: bool = False
    x: float = 72


def pdf(pages: Sequence[Sequence[Line]], *, title: str = "", date: str = "", packed: bool = True) -> bytes:
    """A PDF of these pages; ``date`` as PDF writes it, "D:20240131"."""
    streams = [_stream("\n".join(shown(line) for line in page), packed=packed) for page in pages]
    return pdf_of(streams, title=title, date=date)


def pdf_of(streams: Sequence[bytes], *, title: str = "", date: str = "", turn: int = 0, fonts: Sequence[str] = FONTS) -> bytes:
    """A PDF of a page for each of these content streams, given as whole stream objects; ``turn``: by how many degrees a reader
    turns the pages clockwise; ``fonts`` are called F0, F1, ..."""
    first = 4 + len(fonts)
    kids = " ".join(f"{first + 2 * number} 0 R" for number in range(len(streams)))
    named = " ".join(f"/F{number} {4 + number} 0 R" for number in range(len(fonts)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} /MediaBox [0 0 {WIDTH} {HEIGHT}] >>".encode(),
        f"<< {_entry('Title', title)} {_entry('CreationDate', date)} >>".encode(),
        *(_font(font) for font in fonts),
    ]
    for number, stream in enumerate(streams):
        contents = first + 2 * number + 1
        about = f"/Rotate {turn} /Resources << /Font << {named} >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R {about} /Contents {contents} 0 R >>".encode())
        objects.append(stream)
    return assembled(objects)


def assembled(objects: Sequence[bytes], *, trailer: str = "") -> bytes:
    """Objects 1, 2, ... with their table of places; the first is the catalogue, the third holds title and date."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    info = "/Info 3 0 R" if len(objects) > 2 else ""
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {info} {trailer} >>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(out)


def stream_object(raw: bytes, extra: str = "") -> bytes:
    return f"<< /Length {len(raw)} {extra} >>\nstream\n".encode() + raw + b"\nendstream"


def content(*operators: str) -> bytes:
    """A page's stream of these operators, as an object."""
    return stream_object("\n".join(operators).encode("cp1252"))


def _stream(content: str, *, packed: bool) -> bytes:
    raw = content.encode("cp1252")
    return stream_object(zlib.compress(raw), "/Filter /FlateDecode") if packed else stream_object(raw)


def shown(line: Line) -> str:
    """The operators that write the line."""
    return f"BT /F{int(line.bold)} {line.size} Tf 1 0 0 1 {line.x} {line.y} Tm ({_escaped(line.text)}) Tj ET"


def _font(name: str) -> bytes:
    encoding = "" if name == "Symbol" else "/Encoding /WinAnsiEncoding"
    return f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} {encoding} >>".encode()


def _entry(name: str, value: str) -> str:
    return f"/{name} ({_escaped(value)})" if value else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
