"""Native work in a process of its own, seen from outside: a crash in llama.cpp ends in a sentence. Knows no llama_cpp."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.errors import BadInput, EngineDied, ModelFileError

ROOT = Path(__file__).parents[1]
# Through env(1), because it is read as the native library is loaded: an abort would start gdb for a backtrace.
COMMAND = ("env", "GGML_NO_BACKTRACE=1", sys.executable, "-m", "quantize.native")
# On Linux the kernel then ends the process with the one that began it, however that ends (prctl's PR_SET_PDEATHSIG, SIGKILL).
_TIED = "import ctypes, runpy, sys; sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, 9); sys.argv.pop(0); "
RUN_MODULE = _TIED + "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
RUN_SCRIPT = _TIED + "runpy.run_path(sys.argv[0], run_name='__main__')"
LAST_LINES = 40
MAX_REASON = 200  # characters of a native line that a sentence carries


def call(request: Mapping[str, Any], *, what: str, hear: Callable[[str], object] = lambda line: None) -> dict[str, Any]:
    """What the process answers. It ends with this call, whatever ends that.

    Args:
        request: as ``quantize.native`` takes them.
        what: the work, for a sentence: "writing model.gguf as Q4_K_M".
        hear: gets each line that llama.cpp says.

    Raises:
        ModelFileError: llama.cpp refused; the sentence carries its reason.
        EngineDied: the process crashed or was ended.
    """
    process = subprocess.Popen(
        [*COMMAND, json.dumps(request)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout and process.stderr
    last: deque[str] = deque(maxlen=LAST_LINES)
    with process.stdout, process.stderr:
        try:
            for raw in process.stderr:
                line = raw.decode("utf-8", "replace").rstrip()
                last.append(line)
                hear(line)
            said = process.stdout.read()
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if code:
        raise EngineDied(epitaph(code, list(last), what=what))
    answer = json.loads(said)
    assert isinstance(answer, dict)
    if "refused" in answer:
        raise ModelFileError(answer["refused"])
    return answer


def epitaph(code: int, last: list[str], *, what: str) -> str:
    """The sentence for a process that did not answer. ``code`` as subprocess gives it, ``last`` its last lines."""
    if code == -signal.SIGKILL:
        return f"llama.cpp's process was ended while {what} (kill -9, or out of memory: then close other programs)."
    if code == -signal.SIGILL:
        return f"llama.cpp was built for another processor and stopped while {what}. Run `make clean install` to build it anew."
    reason = next((f": {line[line.find('GGML_ASSERT') :]}" for line in reversed(last) if "GGML_ASSERT" in line), "")
    if not reason:
        reason = next((f": {line}" for line in reversed(last) if "error" in line.lower()), "")
    how = f"crashed while {what} ({signal.Signals(-code).name}" if code < 0 else f"ended while {what} (exit status {code}"
    return f"llama.cpp's process {how}{reason[:MAX_REASON]}). The file is probably damaged: write or copy it again."


def run_module(module: str, arguments: Sequence[str], *, what: str) -> None:
    """Runs a module of this project as a process that ends with this one; what it says goes to stderr.

    Raises:
        BadInput: it did not end well; its reason stands on stderr.
    """
    command = [sys.executable, "-c", RUN_MODULE, module, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if code < 0:
        raise BadInput(epitaph(code, [], what=what))
    if code:
        raise BadInput(f"It ended while {what} (exit status {code}; the reason stands above).")
