"""The real application as a second process, and the browser that looks at it; for the browser tests and the screenshots.

Knows addresses and processes, nothing of what the pages show.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from app.ui.visitors import HEADER

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 20
START_SECONDS = 120  # on a loaded machine; reaching it is a failure, not a measurement
CHROMIUM_FLAGS = (
    "--no-sandbox",  # a container's root may not make namespaces
    "--disable-gpu",
    "--no-first-run",
    # What Chromium asks of its maker's servers by itself.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Application:
    """One running application. ``address`` is its origin, without a slash at the end."""

    address: str
    pid: int
    data_dir: Path

    def engine(self) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.address}/api/engine", headers={HEADER: secrets.token_urlsafe(32)})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def model_process(self) -> int | None:
        """The process that holds the model, None while there is none."""
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if b"app.engine.child" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return None

    def await_engine(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Waits until ``wanted`` holds of /api/engine."""
        deadline = time.monotonic() + START_SECONDS
        while not wanted(state := self.engine()):
            assert time.monotonic() < deadline, f"the engine still says {state}"
            time.sleep(0.1)


@contextmanager
def running(*flags: str, script: Sequence[str] = ("app.py",)) -> Iterator[Application]:
    """Starts `python app.py` on a free port with an empty data folder, and ends it. ``script`` may stand in for app.py."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("LLAMACARE_", "SPACE_"))}
    with tempfile.TemporaryDirectory(prefix="llamacare-") as folder, (Path(folder) / "stderr").open("wb") as errors:
        data_dir = Path(folder) / "data"
        command = [sys.executable, *script, "--port", "0", "--data-dir", str(data_dir), *flags]
        with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=errors) as process:
            try:
                assert process.stdout is not None
                first = process.stdout.readline().decode()
                found = re.search(r"http://\S+", first)
                assert found, f"no address but {first!r}; stderr: {(Path(folder) / 'stderr').read_text()}"
                application = Application(found[0], process.pid, data_dir)
                _await_page(application)
                yield application
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def _await_page(application: Application) -> None:
    """The address is printed before the pages are built."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            application.engine()
            return
        except OSError:
            assert time.monotonic() < deadline, f"{application.address} does not answer after {START_SECONDS} s"
            time.sleep(0.1)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium; Playwright's own is not downloaded."""
    path = shutil.which("chromium")
    assert path, "Chromium is not installed. On Debian: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            browser.close()
