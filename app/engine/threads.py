"""How many threads compute: the cores that may be used for prompts, and for single tokens what a short measurement finds.

OpenMP's threads wait passively here (app.engine.local says why), and being woken costs a small model more than a second core
brings: on two cores the embedded one decodes 60 tokens/s on one thread, idle or beside a busy neighbour, and on two threads
22 idle and 40 beside one (2-core EPYC 7003, medians of three). A large model's steps are long enough to gain from every core.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

LONG_STEP = 0.2  # seconds; a token that takes one thread so long gains from every core, and a measurement would take long


def usable_cores() -> int:
    """Cores that this process may use: its affinity, bounded by the cgroup's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return cores


def choose_decode_threads(cores: int, step_seconds: Callable[[int], float]) -> int:
    """The number of threads with the shortest step among 1, 2, 4, ... and ``cores``; fewer where two are equal.

    Args:
        step_seconds: threads -> the time of one single-token step, in seconds.
    """
    best, shortest = 1, step_seconds(1)
    if shortest > LONG_STEP:
        return cores
    candidates = {2**power for power in range(1, 10) if 2**power < cores} | ({cores} - {1})
    for threads in sorted(candidates):
        seconds = step_seconds(threads)
        if seconds < shortest:
            best, shortest = threads, seconds
    return best
