"""A peer's process: JSON lines on stdin and stdout. It computes nothing, and no thread of it turns, between two requests.

The first line is a Setup, answered with facts about the peer. Each further line is ``{"op": name, ...}``, answered with
``{"result": ...}`` or ``{"error": sentence}``. The end of stdin means exit.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Setup:
    """What all peers are given alike. ``context`` in tokens for one request, ``users`` requests at once."""

    model: str
    threads: int
    context: int
    users: int


class Peer(Protocol):
    @property
    def facts(self) -> Mapping[str, str]:
        """Version and settings, for the report."""

    @property
    def ops(self) -> Mapping[str, Callable[..., Any]]:
        """What it can be asked, by name."""

    def close(self) -> None:
        """Ends what it started."""


def serve(make: Callable[[Setup], Peer]) -> NoReturn:
    die_with_parent()
    # Native code prints: only what is written to this copy reaches the benchmark.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    peer = make(Setup(**json.loads(sys.stdin.readline())))
    _answer(out, {"result": dict(peer.facts)})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            _answer(out, {"result": peer.ops[request.pop("op")](**request)})
        except Exception as error:
            traceback.print_exc()
            _answer(out, {"error": f"{type(error).__name__}: {error}"})
    peer.close()
    sys.stderr.flush()
    os._exit(0)  # destructors of native libraries crash now and then on their way out


def die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 9)


def _answer(out: Any, frame: Mapping[str, Any]) -> None:
    out.write(json.dumps(frame) + "\n")
