"""Stands in for app.py with a model that thinks: ``python -m tests.browser.thinking_application --data-dir FOLDER``.

The fake engine writes REASONING, then ANSWER, and pauses in the midst of both until the file of that name stands in the
data folder, so that a test can look at the page for as long as it likes.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import uvicorn

from app.database import Database
from app.engine.fake import FakeEngine
from app.engine.switch import SwitchingEngine
from app.questions import read_bank
from app.settings import read_settings
from app.ui.drawer import REDRAW_SECONDS
from app.web import build_web
from tests.conftest import FAKE_MODEL, parts_for, shelf_for

REASONING = (
    "The question is about prerenal azotemia and acute tubular necrosis.\n\n"
    "What tells them apart at the bedside? Volume status, <b>orthostatic</b> signs, response to fluid.\n"
    "1. Urine sodium: low in prerenal states, above 40 mmol/l in necrosis.\n"
    "2. Fractional excretion of sodium: under 1 %, against over 2 %. Diuretics spoil it; then use urea.\n"
    "3. Sediment: bland or hyaline casts, against muddy brown casts.\n\n"
) + "I should also mention that contrast and sepsis blur the picture, and keep it short. " * 8
ANSWER = "**Prerenal azotemia** keeps sodium: urine sodium is low and the sediment bland. **Tubular necrosis** loses it."
PAUSES = {12: "think", len(REASONING.split(" ")) + 6: "answer"}  # before which word, until which file


def main(arguments: list[str]) -> None:
    settings = read_settings(arguments, os.environ)
    engine = FakeEngine(ANSWER, reasoning=REASONING.strip(), gate=pausing(settings.data_dir))
    bank = read_bank(Path(__file__).parents[2] / "assets" / "bank")
    shelf = shelf_for(SwitchingEngine(FAKE_MODEL, start=lambda _: engine), settings.data_dir)
    parts = parts_for(engine, Database(settings.data_dir), bank, shelf=shelf)
    listener = socket.create_server((settings.host, settings.port))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(build_web(settings, parts), log_level="warning")).run(sockets=[listener])


def pausing(folder: Path) -> Callable[[], None]:
    """Counts the words of the first answer; none after it pauses."""
    words = count()

    def gate() -> None:
        number = next(words)
        if number + 1 in PAUSES:
            time.sleep(2 * REDRAW_SECONDS)  # so that this word, the last before a pause, gets a picture
        name = PAUSES.get(number)
        while name and not (folder / name).exists():
            time.sleep(0.02)

    return gate


if __name__ == "__main__":
    main(sys.argv[1:])
