"""The benchmark's side of a peer's process, and the account of who used the processors meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from tests.benchmarks.machine import busy_seconds, tree_seconds
from tests.benchmarks.worker import Setup

ROOT = Path(__file__).parents[2]
SETTLE_SECONDS = 0.3  # OpenMP's threads turn for some milliseconds after their last work


@dataclass(frozen=True)
class Usage:
    """Processor seconds for each second of one request: of the peer, and of everything else on the machine."""

    wall: float
    peer: float
    others: float


class PeerFailed(RuntimeError):
    """The peer answered with an error, or ended."""


class Client:
    def __init__(self, name: str, setup: Setup, native_log: TextIO) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.peers.{name}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=native_log,
            text=True,
            cwd=ROOT,
        )
        self.facts: dict[str, str] = self._exchange(asdict(setup))

    def ask(self, op: str, **values: Any) -> tuple[Any, Usage]:
        """Raises PeerFailed."""
        time.sleep(SETTLE_SECONDS)
        own, all_before, begun = tree_seconds(self._process.pid), busy_seconds(), time.monotonic()
        result = self._exchange({"op": op, **values})
        wall = max(time.monotonic() - begun, 1e-3)
        used, everything = tree_seconds(self._process.pid) - own, busy_seconds() - all_before
        return result, Usage(wall, used / wall, max(0.0, everything - used) / wall)

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _exchange(self, frame: Mapping[str, Any]) -> Any:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps(frame) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise PeerFailed(f"{self.name} has ended ({error}); its last words stand in the peers' log") from error
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed(f"{self.name} ended with status {self._process.wait()}; its last words stand in the peers' log")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerFailed(f"{self.name}: {answer['error']}")
        return answer["result"]
