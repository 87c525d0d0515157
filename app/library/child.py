"""What the parsing process does: limits on itself, a file on stdin, its blocks as JSON on stdout. Not for use by hand.

It is run as ``python -m app.library.parsing_KIND KIND MEMORY CPU``, so that it imports what its kind needs and no more. The
limits are set here and not between fork and exec, which is not safe in an application with threads.
"""

from __future__ import annotations

import codecs
import os
import resource
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from app.library.parsed import Parsed, Unreadable
from app.library.wire import failed, packed

Parser = Callable[[bytes], Parsed]
ENCODINGS = ("ascii", "latin-1", "cp437", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "iso8859-15", "cp1250", "cp1251")
STREAMS = 3  # stdin, stdout and stderr stay open


def serve(parsers: Mapping[str, Parser]) -> NoReturn:
    """Answers the one call that the process was started for, and ends it."""
    kind, memory, cpu = sys.argv[1:]
    for encoding in ENCODINGS:
        codecs.lookup(encoding)  # a module each, and nothing can be opened from here on
    confine(memory=int(memory), cpu=int(cpu))
    try:
        said = packed(parsers[kind](sys.stdin.buffer.read()))
    except Unreadable as refused:
        said = failed(refused)
    except MemoryError:
        said = failed(Unreadable("it needs more memory than a document may take. Split it into smaller files.", large=True))
    except RecursionError:
        said = failed(Unreadable("it is nested too deeply. Save it anew from the program that made it."))
    sys.stdout.buffer.write(said)
    sys.stdout.buffer.flush()
    os._exit(0)  # a library's clean-up of a broken document is no reason to fail


def confine(*, memory: int, cpu: int) -> None:
    """No more than ``memory`` bytes of address space and ``cpu`` seconds. No file and no connection is opened; no process is
    begun, but by root, whom the system does not hold to that. A limit of the system that is lower stays."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, STREAMS),
    ):
        _, hard = resource.getrlimit(what)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (least, least))
