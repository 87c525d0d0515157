"""From samples to figures. Pure: medians over the rounds, their spread, the ratio, and whether it meets its target.

A sample is one number of one round under a name "scene/peer/what", like "chat/ours/tokens_per_second".
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Samples = Mapping[str, Sequence[float]]

HIGHER, LOWER = "higher", "lower"
PEERS = {
    "ours": "ours",
    "locked": "L",
    "server": "S",
    "native": "X",
    "torch": "T",
    "raw": "R",
}


@dataclass(frozen=True)
class Spec:
    """One row: which samples are compared. ``target`` None: shown beside, not judged."""

    id: str
    figure: str
    ours: str
    peer: str
    peer_name: str
    target: float | None
    better: str
    unit: str


@dataclass(frozen=True)
class Figure:
    """A row with its numbers. ``ours`` and ``peer`` are medians over ``n`` rounds, spreads (least, greatest) of them."""

    spec: Spec
    model: str
    ours: float
    peer: float
    ratio: float
    n: int
    ours_spread: tuple[float, float]
    peer_spread: tuple[float, float]

    @property
    def met(self) -> bool:
        target = self.spec.target
        return target is None or (self.ratio >= target if self.spec.better == HIGHER else self.ratio <= target)

    @property
    def sentence(self) -> str:
        """How a missed target was missed, "" for one that was met."""
        target = self.spec.target
        if target is None or self.met:
            return ""
        bound = "at least" if self.spec.better == HIGHER else "at most"
        by = abs(self.ratio - target)
        share = f" ({by / target:.0%} of the target)" if target else ""
        what = f"{self.spec.figure} ({self.model})"
        return f"{what}: {show(self.ratio)}, where {bound} {target:g} is asked; missed by {show(by)}{share}."

    def record(self) -> dict[str, object]:
        """As it stands in results.json."""
        return {
            "figure": self.spec.figure,
            "model": self.model,
            "ours": self.ours,
            "peer": self.peer,
            "ratio": self.ratio if math.isfinite(self.ratio) else None,
            "target": self.spec.target,
            "better": self.spec.better,
            "met": self.met,
            "peer_name": self.spec.peer_name,
            "unit": self.spec.unit,
            "n": self.n,
            "ours_spread": list(self.ours_spread),
            "peer_spread": list(self.peer_spread),
        }


CHAT = "8 users at once, total tokens/s"
FIRST = "8 users at once, 95th percentile of the time to first token"
DECODE = "one user, decoding"
TURN = "time to first token in turn 20 beside another conversation, against turn 2"
EXAM = "exam questions by ECI"
GAP = "longest gap of a stream while a long prompt arrives, against its usual one"
BUSY = "decoding beside a process that keeps one core busy, against idle"
OURS_SPEED, OURS_FIRST = "chat/ours/speed", "chat/ours/first"

SPECS: tuple[Spec, ...] = (
    Spec("chat-L", f"{CHAT}, against L", OURS_SPEED, "chat/locked/speed", "L", 1.4, HIGHER, "tokens/s"),
    Spec("chat-R", f"{CHAT}, against batched R", OURS_SPEED, "chat/raw/speed", "R", 0.9, HIGHER, "tokens/s"),
    Spec("chat-X", f"{CHAT}, against X", OURS_SPEED, "chat/native/speed", "X", 1.0, HIGHER, "tokens/s"),
    Spec("chat-S", f"{CHAT}, against S", OURS_SPEED, "chat/server/speed", "S", None, HIGHER, "tokens/s"),
    Spec("chat-T", f"{CHAT}, against T", OURS_SPEED, "chat/torch/speed", "T", None, HIGHER, "tokens/s"),
    Spec("first-L", f"{FIRST}, against L", OURS_FIRST, "chat/locked/first", "L", 0.4, LOWER, "s"),
    Spec("first-X", f"{FIRST}, against X", OURS_FIRST, "chat/native/first", "X", None, LOWER, "s"),
    Spec("first-S", f"{FIRST}, against S", OURS_FIRST, "chat/server/first", "S", None, LOWER, "s"),
    Spec("first-R", f"{FIRST}, against batched R", OURS_FIRST, "chat/raw/first", "R", None, LOWER, "s"),
    Spec("decode-R", f"{DECODE}, against R", "single/ours/decode", "single/raw/decode", "R", 0.95, HIGHER, "tokens/s"),
    Spec("decode-L", f"{DECODE}, against L", "single/ours/decode", "single/locked/decode", "L", None, HIGHER, "tokens/s"),
    Spec("decode-X", f"{DECODE}, against X", "single/ours/decode", "single/native/decode", "X", None, HIGHER, "tokens/s"),
    Spec("turns", TURN, "turns/ours/late", "turns/ours/early", "ours, turn 2", 1.5, LOWER, "s"),
    Spec("turns-L", f"{TURN} (L itself)", "turns/locked/late", "turns/locked/early", "L, turn 2", None, LOWER, "s"),
    Spec("turns-X", f"{TURN} (X itself)", "turns/native/late", "turns/native/early", "X, turn 2", None, LOWER, "s"),
    Spec(
        "eci-generate",
        f"{EXAM}, against generate-and-parse of exactly 64 tokens on L",
        "exam/ours/rate",
        "exam/locked/exactly",
        "L",
        2.5,
        HIGHER,
        "questions/s",
    ),
    Spec(
        "eci-early",
        f"{EXAM}, against generate-and-parse that stops early on L",
        "exam/ours/rate",
        "exam/locked/until_end",
        "L",
        None,
        HIGHER,
        "questions/s",
    ),
    Spec(
        "eci-likelihood",
        f"{EXAM}, against one log-likelihood pass an option on L",
        "exam/ours/rate",
        "exam/locked/likelihoods",
        "L",
        3.5,
        HIGHER,
        "questions/s",
    ),
    Spec(
        "eci-X",
        f"{EXAM}, against one grammar-constrained token on X",
        "exam/ours/rate",
        "exam/native/letters",
        "X",
        1.0,
        HIGHER,
        "questions/s",
    ),
    Spec(
        "eci-R",
        "exam questions by ECI, tokens/s that are not shared, against R's prompt speed",
        "exam/ours/fresh",
        "exam/raw/prompt",
        "R",
        0.9,
        HIGHER,
        "tokens/s",
    ),
    Spec(
        "careful",
        "ECI in all cyclic orders, time a question against one order",
        "careful/ours/careful",
        "careful/ours/fast",
        "ours, one order",
        2.5,
        LOWER,
        "s",
    ),
    Spec(
        "shots",
        "ECI with 5 shared examples, questions/s against examples computed each time",
        "shots/ours/shared",
        "shots/ours/each",
        "ours, nothing shared",
        3.0,
        HIGHER,
        "questions/s",
    ),
    Spec("gap", GAP, "intrusion/ours/longest", "intrusion/ours/usual", "ours, usual", 15.0, LOWER, "s"),
    Spec("gap-X", f"{GAP} (X itself)", "intrusion/native/longest", "intrusion/native/usual", "X, usual", None, LOWER, "s"),
    Spec("busy", BUSY, "busy/ours/busy", "busy/ours/idle", "ours, idle", 0.45, HIGHER, "tokens/s"),
    Spec("busy-L", f"{BUSY} (L itself)", "busy/locked/busy", "busy/locked/idle", "L, idle", None, HIGHER, "tokens/s"),
    Spec(
        "cancel",
        "cancel in prefill, from close to free, against one micro-batch",
        "cancel/ours/extra",
        "cancel/raw/batch",
        "R, one batch",
        1.0,
        LOWER,
        "ms",
    ),
    Spec(
        "soak-faults",
        "short chats by 16 users: errors, lost and mixed texts",
        "soak/ours/faults",
        "soak/ours/allowed",
        "none",
        0.0,
        LOWER,
        "faults",
    ),
    Spec(
        "soak-memory",
        "short chats by 16 users: memory at the end against that after a tenth",
        "soak/ours/memory_end",
        "soak/ours/memory_begin",
        "ours, after a tenth",
        1.05,
        LOWER,
        "MiB",
    ),
)


def figures(samples: Samples, model: str, specs: Sequence[Spec] = SPECS) -> list[Figure]:
    """The rows for which both sides have samples."""
    return [_figure(spec, samples[spec.ours], samples[spec.peer], model) for spec in specs if _both(spec, samples)]


def _both(spec: Spec, samples: Samples) -> bool:
    return bool(samples.get(spec.ours)) and bool(samples.get(spec.peer))


def _figure(spec: Spec, ours: Sequence[float], peer: Sequence[float], model: str) -> Figure:
    mine, theirs = statistics.median(ours), statistics.median(peer)
    return Figure(
        spec=spec,
        model=model,
        ours=mine,
        peer=theirs,
        ratio=ratio(mine, theirs),
        n=min(len(ours), len(peer)),
        ours_spread=(min(ours), max(ours)),
        peer_spread=(min(peer), max(peer)),
    )


def ratio(ours: float, peer: float) -> float:
    """``ours / peer``; nothing against nothing is 0, something against nothing is endless."""
    if peer:
        return ours / peer
    return 0.0 if not ours else math.inf


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the values lie, between two of them linearly.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("a percentile of no values")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def show(value: float) -> str:
    """Three figures that count, and no exponent."""
    if not math.isfinite(value):
        return "endless"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
