"""How torch is loaded, and how commands end. Imports nothing heavy itself."""

from __future__ import annotations

import importlib
from collections.abc import MutableMapping

INTERRUPTED = 130  # the shell's status for a command that Ctrl+C ended
WAITING = "OMP_WAIT_POLICY"


def load_torch(environ: MutableMapping[str, str]) -> None:
    """Imports torch with threads that sleep while they wait; what the user has set stays.

    They spin by default. Beside one busy process on two cores, training then fell from 110 to 14 tokens/s. The library reads the
    variable as it is loaded; afterwards it goes again, because llama.cpp's process, which may be started from this one, follows
    the machine by itself and loses most of its speed with it.
    """
    environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # workers that fork while threads hold locks
    environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    given = environ.get(WAITING)
    environ[WAITING] = given or "passive"
    importlib.import_module("torch")
    if given is None:
        del environ[WAITING]
