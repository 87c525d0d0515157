"""How the engine's process ended, in words, with the cure where the cause is known. Pure."""

from __future__ import annotations

import signal
from collections.abc import Sequence

MAX_REASON = 200  # characters of a native line that a sentence carries


def obituary(code: int, native: Sequence[str], *, loading: bool, file: str) -> str:
    """The sentence for a process that ended by itself.

    Args:
        code: the exit status as subprocess gives it, negative for a signal.
        native: its last lines on stderr, oldest first.
        loading: whether it had never become ready.
        file: the model file's name.
    """
    when = f"while loading {file}" if loading else "while it worked"
    if code == -signal.SIGKILL:
        return f"The model's process was ended {when} (kill -9, or out of memory: then choose a smaller model or --context)."
    if loading and code == -signal.SIGILL:
        return (
            f"llama.cpp was built for another processor and stopped {when} (illegal instruction). "
            "Run `make clean run` to build it for this machine."
        )
    reason = _reason(native)
    if code < 0:
        cure = " The file is probably damaged or of a kind that this build does not know: choose another GGUF." if loading else ""
        return f"The model's process crashed {when} ({signal.Signals(-code).name}{reason}).{cure}"
    return f"The model's process ended {when} (exit status {code}{reason})."


def _reason(native: Sequence[str]) -> str:
    """The last assertion or error, without the path of the machine that built the library."""
    for line in reversed(native):
        if "GGML_ASSERT" in line:
            return f": {line[line.find('GGML_ASSERT') :][:MAX_REASON]}"
        if "error" in line.lower():
            return f": {line[:MAX_REASON]}"
    return ""
