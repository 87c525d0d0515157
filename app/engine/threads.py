"""How many threads compute: measured at start, remembered, and adapted while the model works.

llama.cpp's threads meet at a barrier after every operation. On an idle machine they meet fastest by spinning; beside one busy
process the spinning thread waits whole time slices for the other, and two threads on two cores do a tenth of the work of one.
No fixed setting is right for both: passive waiting halves an idle machine's speed and does not reach a single thread's beside
a neighbour, and ggml's own thread pool spins as OpenMP's does (tests/benchmarks/TRIED.md). So the number of threads follows
what the batches themselves take: a ``Governor`` tries the neighbouring numbers when they become slow, and now and then.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

LONG_STEP = 0.2  # seconds; a token that takes one thread so long gains from every core, and a measurement would take long
FEW = 16  # tokens; a larger batch reads a prompt
SLOW = 1.5  # times the usual: the machine has changed
LATEST = 5  # batches that are looked at for it, the slowest aside: a neighbour slows many of them, a hiccup one
TRIED_BATCHES = 3  # with each number of threads; the first wakes them and does not count
TRIED_PROMPTS = 1  # since those are long
TRIAL_CHUNK = 64  # prompt tokens that a batch may hold while threads are tried on it
BEFORE_FIRST = 10.0  # seconds after a start, which has just measured
FIRST_PAUSE = 1.0  # seconds between two trials without an occasion, after one that changed something; doubled while they don't,
LONGEST_PAUSE = 8.0  # up to this, so that a core that became free is found,
LONGEST_AT_MOST = 300.0  # or to this, when all cores are in use already
SHORTEST_PAUSE = 0.3  # between any two trials
HOPELESS = 2.5  # times the present time per token: one batch with such a number is enough
BETTER = 0.93  # of the present time per token, before a change is worth it


def usable_cores() -> int:
    """Cores that this process may use: its affinity, bounded by the cgroup's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return cores


def candidates(cores: int) -> tuple[int, ...]:
    """The numbers of threads that are worth trying: 1, 2, 4, ... and ``cores``."""
    return tuple(sorted({2**power for power in range(10) if 2**power < cores} | {cores}))


def choose_decode_threads(cores: int, step_seconds: Callable[[int], float]) -> int:
    """The candidate with the shortest step; fewer threads where two are equal.

    Args:
        step_seconds: threads -> the time of one single-token step, in seconds.
    """
    best, shortest = 1, step_seconds(1)
    if shortest > LONG_STEP:
        return cores
    for threads in candidates(cores)[1:]:
        seconds = step_seconds(threads)
        if seconds < shortest:
            best, shortest = threads, seconds
    return best


def kind_of(tokens: int) -> str:
    """Batches of one kind gain alike from threads: a single token, a few users' tokens, a prompt."""
    return "single" if tokens == 1 else "few" if tokens <= FEW else "prompt"


@dataclass
class _Choice:
    """The threads for one kind of batch. Costs are seconds per token."""

    threads: int
    batches: int  # with each number, in a trial
    usual: float | None = None
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))  # costs of the last batches
    trials: dict[int, list[float]] = field(default_factory=dict)  # threads -> costs, while something is tried
    pause: float = BEFORE_FIRST
    last_trial: float = 0.0

    def tried(self, number: int) -> bool:
        """Whether enough is known of a number: a few batches, or one that shows how much worse it is."""
        costs, present = self.trials[number], self.trials[self.threads]
        return len(costs) >= self.batches or (number != self.threads and min(costs, default=0.0) > HOPELESS * min(present))


class Governor:
    """Says with how many threads to compute each batch, and learns from how long it took."""

    def __init__(self, numbers: Sequence[int], first: Mapping[str, int], clock: Callable[[], float]) -> None:
        """
        Args:
            numbers: those that may be used, ascending; a single one is never changed.
            first: kind of batch -> threads to begin with.
        """
        self._numbers = tuple(numbers)
        self._clock = clock
        batches = {"single": TRIED_BATCHES, "few": TRIED_BATCHES, "prompt": TRIED_PROMPTS}
        self._choices = {kind: _Choice(first[kind], tried, last_trial=clock()) for kind, tried in batches.items()}

    @property
    def chosen(self) -> dict[str, int]:
        """Kind of batch -> the threads that are held to be best for it."""
        return {kind: choice.threads for kind, choice in self._choices.items()}

    @property
    def tries_prompts(self) -> bool:
        """Whether numbers are being compared on prompts: their batches should then be short, and alike."""
        return bool(self._choices["prompt"].trials)

    def threads(self, tokens: int) -> int:
        """For the next batch, of so many tokens."""
        choice = self._choices[kind_of(tokens)]
        return next((number for number in choice.trials if not choice.tried(number)), choice.threads)

    def observe(self, tokens: int, threads: int, seconds: float) -> None:
        """A batch of ``tokens`` took ``seconds`` with ``threads``."""
        if len(self._numbers) == 1:
            return
        choice = self._choices[kind_of(tokens)]
        cost = seconds / tokens
        if choice.trials:
            choice.trials[threads].append(cost)
            if all(map(choice.tried, choice.trials)):
                self._conclude(choice)
            return
        if choice.usual is None:
            choice.usual = cost
        choice.latest.append(cost)
        slow = len(choice.latest) > 1 and typical(choice.latest) > SLOW * choice.usual
        if cost <= SLOW * choice.usual:
            choice.usual += 0.1 * (cost - choice.usual)
        waited = self._clock() - choice.last_trial
        if (slow and waited >= SHORTEST_PAUSE) or waited >= choice.pause:
            self._begin(choice, slow=slow)

    def _begin(self, choice: _Choice, *, slow: bool) -> None:
        """The present number first, then its neighbours. Where the machine has become slow, what the present number costs is
        known, and all others are tried."""
        at = self._numbers.index(choice.threads)
        around = self._numbers if slow else self._numbers[max(0, at - 1) : at + 2]
        choice.trials = {number: [] for number in (choice.threads, *(n for n in reversed(around) if n != choice.threads))}
        if slow:
            choice.pause = FIRST_PAUSE
            choice.trials[choice.threads] = [typical(choice.latest)] * choice.batches

    def _conclude(self, choice: _Choice) -> None:
        costs = {number: mean(measured[1:] or measured) for number, measured in choice.trials.items()}
        best = min(costs, key=lambda number: costs[number])
        if costs[best] < BETTER * costs[choice.threads]:
            choice.threads, choice.pause = best, FIRST_PAUSE
        else:
            longest = LONGEST_AT_MOST if choice.threads == self._numbers[-1] else LONGEST_PAUSE
            choice.pause = min(longest, 2 * choice.pause)
        choice.usual, choice.trials, choice.last_trial = costs[choice.threads], {}, self._clock()
        choice.latest.clear()


def typical(costs: Collection[float]) -> float:
    """The mean without the largest; of one, itself."""
    return (sum(costs) - max(costs)) / (len(costs) - 1) if len(costs) > 1 else max(costs)


def remembered(cache: Path | None, key: str, numbers: Sequence[int]) -> dict[str, int] | None:
    """What an earlier start measured for this machine, model and build; None where there is nothing that can be used."""
    if cache is None:
        return None
    try:
        found = json.loads(cache.read_text())[key]
        return {kind: found[kind] for kind in ("single", "few", "prompt")} if set(found.values()) <= set(numbers) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remember(cache: Path | None, key: str, threads: Mapping[str, int]) -> None:
    """Adds a measurement. A disk that takes none costs the next start a second, so it is no error."""
    if cache is None:
        return
    try:
        known = json.loads(cache.read_text())
    except (OSError, ValueError):
        known = {}
    entries = {**(known if isinstance(known, dict) else {}), key: dict(threads)}
    aside = cache.with_suffix(f".{os.getpid()}")
    try:
        aside.write_text(json.dumps(entries, indent=1))
        aside.replace(cache)
    except OSError:
        aside.unlink(missing_ok=True)
