"""Kills the way from an adapter to a file at random moments: python -m tests.benchmarks.kill_quantize --kills 10

On a small random model. After each kill -9 nothing may stand under the final name; after the last one the same command finishes
from what is there. Prints one line of JSON with the stage at which each kill fell.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.gguf_header import read_header
from quantize.tensor_table import read_table
from tests.slow.test_quantize import COMMAND, ROOT, train_tiny

SECONDS = (1.0, 25.0)  # of a run until it is killed


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    drawn = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        adapter, out = train_tiny(Path(folder), "tied"), Path(folder, "out", "tiny.gguf")
        command = [sys.executable, "-c", COMMAND, str(adapter), "--out", str(out), "--type", "Q8_0", "--limit", "20"]
        command += ["--licence", "apache-2.0", "--questions", str(ROOT / "assets" / "bank")]
        stages = []
        for _ in range(given.kills):
            running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(drawn.uniform(*SECONDS))
            running.send_signal(signal.SIGKILL)
            running.wait()
            time.sleep(1)  # its children end with it
            if out.exists():
                read_table(out)  # raises where it is not whole
                stages.append("finished")
                for path in out.parent.glob("tiny*"):
                    path.unlink()
                continue
            stages.append(_last_stage(out))
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        left = sorted(path.name for path in out.parent.iterdir() if path.name.startswith("."))
        found = {"kills": given.kills, "fell_after": stages, "tensors": len(read_header(out).tensors), "left_over": left}
    print(json.dumps(found))
    return 0


def _last_stage(out: Path) -> str:
    """The last whole stage at the kill."""
    state = out.with_name(f".{out.name}.work") / "stages.json"
    return list(json.loads(state.read_text(encoding="utf-8")))[-1] if state.is_file() else "nothing"


if __name__ == "__main__":
    sys.exit(main())
