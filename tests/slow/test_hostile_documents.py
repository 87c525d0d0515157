"""Files made to do harm, read by real processes: each ends in a document or a sentence, and others are served meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.errors import BadInput, TooLarge
from app.library.reading import LIMITS, MB, ROOT, Limits, Stopped, read_document
from tests.documents import Line, pdf, pdf_of, stream_object

pytestmark = pytest.mark.slow

LONG = pdf([[Line(740 - 14 * k, f"Line {k} of page {n} about the heart.") for k in range(40)] for n in range(1500)])
SMALL = (
    ("a.md", b"# Asthma\n\nSalbutamol helps.", "Salbutamol helps."),
    ("a.txt", b"Salbutamol helps.", "Salbutamol helps."),
    ("a.html", b"<p>Salbutamol helps.", "Salbutamol helps."),
    ("a.pdf", pdf([[Line(700, "Salbutamol helps.")]]), "Salbutamol helps."),
)
CHILD = "from app.library.child import serve; import {imports}; serve({{'x': lambda raw: {call}}})"


def zombies() -> list[str]:
    """Processes of ours that ended and were not waited for."""
    children = [int(pid) for tasks in Path("/proc/self/task").iterdir() for pid in (tasks / "children").read_text().split()]
    return [state for pid in children if ") Z" in (state := Path(f"/proc/{pid}/stat").read_text())]


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    yield
    assert zombies() == []


@pytest.mark.parametrize(("name", "raw", "text"), SMALL)
def test_a_document_is_read_in_a_process_of_its_own(name: str, raw: bytes, text: str) -> None:
    assert read_document(name, raw).blocks[0].text == text


def test_ten_thousand_pages_are_read() -> None:
    parsed = read_document("book.pdf", pdf([[Line(700, f"This page tells of drug number{n}.")] for n in range(10_000)]))
    assert (parsed.pages, len(parsed.blocks)) == (10_000, 10_000)
    assert parsed.blocks[-1].page == 10_000


def packed_zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(MB)) for _ in range(megabytes)) + packer.flush()


def test_a_file_that_eats_memory_is_ended_with_a_sentence_and_others_are_served_meanwhile() -> None:
    eater = pdf_of([stream_object(zlib.compress(packed_zeros(1200)), "/Filter [/FlateDecode /FlateDecode]")])
    with ThreadPoolExecutor(4) as pool:
        ended = pool.submit(read_document, "eater.pdf", eater)
        served = [pool.submit(read_document, name, raw) for name, raw, _ in SMALL]
        assert [read.result().blocks[0].text for read in served] == [text for _, _, text in SMALL]
        with pytest.raises(BadInput, match=r"^eater\.pdf was not added: ") as caught:
            ended.result()
    assert caught.value.sentence.endswith(".")


def test_a_file_that_takes_too_long_is_ended_with_a_sentence_and_others_are_served_meanwhile() -> None:
    with ThreadPoolExecutor(4) as pool:
        ended = pool.submit(read_document, "slow.pdf", LONG, limits=Limits(cpu=1))
        served = [pool.submit(read_document, name, raw) for name, raw, _ in SMALL]
        assert [read.result().blocks[0].text for read in served] == [text for _, _, text in SMALL]
        with pytest.raises(TooLarge, match=r"slow\.pdf was not added: .*1 s"):
            ended.result()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(wall=0.01), "longer than"),
        (Limits(output=MB // 8), "its text is larger than"),
        (Limits(size=MB // 4), "at most 0 MB are read"),
    ],
)
def test_each_limit_has_its_sentence(limits: Limits, said: str) -> None:
    with pytest.raises(TooLarge, match=said):
        read_document("slow.pdf", LONG, limits=limits)


def test_too_little_memory_has_a_sentence() -> None:
    with pytest.raises(BadInput, match=r"^a\.txt was not added: "):
        read_document("a.txt", b"word " * (4 * MB), limits=Limits(memory=96 * MB))


def test_a_reading_is_stopped() -> None:
    asked = threading.Event()
    threading.Timer(0.3, asked.set).start()
    with pytest.raises(Stopped, match=r"slow\.pdf"):
        read_document("slow.pdf", LONG, stop=asked.is_set)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00b.txt", "x" * 300, "🩺", "\u202efdp.txt", "CON", "-c"])
def test_a_name_never_reaches_a_file(name: str) -> None:
    assert read_document(name, b"Salbutamol helps.").blocks[0].text == "Salbutamol helps."


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("line.txt", b"word " * (2 * MB)),
        ("line.md", b"# " + b"*a _b `c [d](e " * 100_000),
        ("deep.html", b"<div>" * 900 + b"deep"),
        ("rows.html", b"<table>" + b"<tr><td>5 mg" * 10_000),
        ("items.html", b"<ul>" + b"<li><p>5 mg<b>" * 10_000),
        ("table.md", b"|" + b"-" * MB + b"x"),
        ("ends.txt", b"\n" * (8 * MB) + b"x"),
        ("marks.txt", ("a" + "\u0300\u0316" * 500_000).encode()),
    ],
)
def test_a_text_of_an_odd_shape_is_read(name: str, raw: bytes) -> None:
    assert read_document(name, raw).blocks


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("deep.html", b"<div>" * 300_000 + b"deep", "deep in one another"),
        ("parts.md", b"# a\nb\n" * (3 * MB // 2), "more than 200,000 parts"),
    ],
)
def test_a_shape_that_would_take_minutes_is_refused_by_its_name(name: str, raw: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read_document(name, raw, limits=Limits(cpu=20))


@pytest.mark.parametrize("call", ["open('/etc/passwd')", "socket.socket()", "os.open('/tmp', os.O_RDONLY)"])
def test_the_parsing_process_can_open_nothing(call: str) -> None:
    script = CHILD.format(imports="os, socket", call=f"print('reached') if {call} is not None else None")
    command = [sys.executable, "-c", script, "x", str(LIMITS.memory), "5"]
    done = subprocess.run(command, input=b"x", cwd=ROOT, capture_output=True, env={}, check=False)
    assert done.returncode != 0
    assert b"reached" not in done.stdout
