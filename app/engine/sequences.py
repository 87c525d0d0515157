"""Who holds which sequence and which cells of the KV store: free ones, active ones, and finished ones kept for their prefix.

A request starts from the longest prefix that any other sequence shares with it, so a conversation's history, the system
prompt, a question's stem and shared examples are computed once:

- from a finished sequence whose cells are still there, by sharing them (a few, least recently used given up first: attention
  runs over kept cells for everybody);
- from one that was put aside into ordinary memory, by copying it back (many; it slows nobody);
- from another active request, which computes the shared part while this one waits for it.

Pure: it drives a ``Memory`` and knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

MIN_SHARED = 16  # tokens; a shorter prefix is computed faster than it is looked after
MIN_ASIDE = 64  # tokens; a shorter sequence is computed again as fast as it is copied twice
SPARE_KEPT = 2  # sequences of label requests, in cells and aside: a thousand questions drive no conversation out

IntArray = npt.NDArray[np.int32]
State = npt.NDArray[np.uint8]


class Memory(Protocol):
    """The KV store, as far as sequences go."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Lets ``target`` share the first ``length`` cells of ``source``, without computing."""

    def cut(self, sequence: int, length: int) -> None:
        """Frees a sequence's cells behind its first ``length``."""

    def forget(self, sequence: int) -> None:
        """Frees the cells of a sequence."""

    def save(self, sequence: int) -> State:
        """A sequence's state, to be put back by ``restore``."""

    def restore(self, sequence: int, state: State) -> bool:
        """Fills an empty sequence from a saved state; False when it cannot, and the sequence is then empty."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much is kept. ``whole_only``: a sequence can only be gone on with, not cut or shared in part: recurrent states and
    sliding windows hold no earlier point than their end."""

    active: int  # requests at once
    cells: int  # the KV store's size in tokens
    kept: int  # finished sequences that keep their cells
    kept_cells: int  # and the tokens in them
    aside_bytes: int  # of sequences put aside
    whole_only: bool = False


@dataclass(frozen=True)
class Kept:
    """A finished sequence: the token ids that its cells hold, in order. ``spare``: of a label request."""

    sequence: int
    tokens: list[int]
    spare: bool


@dataclass(frozen=True)
class Aside:
    """A finished sequence put aside."""

    tokens: list[int]
    state: State
    spare: bool


@dataclass(frozen=True)
class Place:
    """Where a request may begin: its sequence, and how many of its first tokens stand there already."""

    sequence: int
    reused: int


class Sequences:
    """Gives sequences to requests and takes them back. Lengths and rooms are in tokens, one cell each."""

    def __init__(self, memory: Memory, bounds: Bounds) -> None:
        self._memory = memory
        self._bounds = bounds
        self._free = list(range(bounds.active + bounds.kept))
        self._users = np.zeros(bounds.cells, np.int32)  # cell -> sequences that hold it or may come to need it
        self._cells: dict[int, IntArray] = {}  # sequence -> its cells, in order; of active ones all that they may need
        self._kept: list[Kept] = []  # least recently used first, as is the next
        self._aside: list[Aside] = []

    @property
    def active(self) -> int:
        return len(self._cells) - len(self._kept)

    @property
    def cells_kept(self) -> int:
        """Cells that only kept sequences hold."""
        return int(np.count_nonzero(self._users)) - self.cells_active

    @property
    def cells_active(self) -> int:
        """Cells that active requests hold or may come to need."""
        return int(np.count_nonzero(self._held_by_active()))

    def take(self, tokens: list[int], room: int) -> Place | None:
        """A place for a request of ``tokens`` that may come to ``room`` cells, None while there is none.

        At least the last token is left to compute, for its logits.
        """
        if self.active >= self._bounds.active:
            return None
        place, shared = self._longest([one.tokens for one in self._kept], tokens)
        aside, stored = self._longest([one.tokens for one in self._aside], tokens)
        if stored >= shared + MIN_SHARED:
            return self._restored(self._aside[aside], stored, room)
        return self._gone_on(self._kept[place], shared, room) if shared else self._fresh(room)

    def follow(self, sequence: int, leader: int, length: int) -> None:
        """Gives an active request the first ``length`` computed cells of another one instead of what it has."""
        room = len(self._cells[sequence])
        self._memory.forget(sequence)
        self._release(sequence)
        self._share(leader, sequence, length)
        self._extend(sequence, room)

    def keep(self, sequence: int, tokens: list[int], *, spare: bool = False) -> None:
        """Ends a request whose cells hold ``tokens``; they are kept for who begins with the same."""
        self._end(sequence, tokens, spare=spare)
        if len(tokens) < MIN_SHARED:
            self._give_up(self._kept[-1])
        while len(self._kept) > self._bounds.kept or self.cells_kept > self._bounds.kept_cells:
            self._give_up(self._kept[0])

    def hold(self, sequence: int, tokens: list[int]) -> None:
        """Ends a label request, of whose cells the first ``tokens`` are wanted by the next one of its call: those are kept,
        whatever the bounds, until others need the cells or the call's last request is kept."""
        self._memory.cut(sequence, len(tokens))
        self._end(sequence, tokens, spare=True)
        while sum(one.spare for one in self._kept) > SPARE_KEPT or len(self._kept) > self._bounds.kept:
            self._give_up(next(one for one in self._kept if one.spare))

    def _end(self, sequence: int, tokens: list[int], *, spare: bool) -> None:
        held = self._cells[sequence]
        self._users[held[len(tokens) :]] -= 1
        self._cells[sequence] = held[: len(tokens)]
        self._kept.append(Kept(sequence, tokens, spare))

    def _longest(self, finished: list[list[int]], tokens: list[int]) -> tuple[int, int]:
        """Which of the finished sequences shares the longest prefix that can be used, and how long it is, else 0."""
        best, most = -1, MIN_SHARED - 1
        for place, one in enumerate(finished):
            shared = common_prefix(one, tokens[:-1])
            if shared > most and (shared == len(one) or not self._bounds.whole_only):
                best, most = place, shared
        return (best, most) if best >= 0 else (-1, 0)

    def _gone_on(self, source: Kept, shared: int, room: int) -> Place | None:
        """A place behind the first ``shared`` tokens of a kept sequence: its own, where all of it is shared."""
        needed = self._held_by_active()
        needed[self._cells[source.sequence][:shared]] = True
        if int(np.count_nonzero(needed)) + room - shared > self._bounds.cells:
            return None
        self._kept.remove(source)
        if shared == len(source.tokens):
            self._extend(source.sequence, room)
            return Place(source.sequence, shared)
        self._kept.append(source)  # used just now
        sequence = self._free.pop()  # there is one: fewer are active and kept than there are ids
        self._share(source.sequence, sequence, shared)
        self._extend(sequence, room)
        return Place(sequence, shared)

    def _fresh(self, room: int) -> Place | None:
        if int(np.count_nonzero(self._held_by_active())) + room > self._bounds.cells:
            return None
        sequence = self._free.pop()
        self._cells[sequence] = np.empty(0, np.int32)
        self._extend(sequence, room)
        return Place(sequence, 0)

    def _restored(self, aside: Aside, shared: int, room: int) -> Place | None:
        """A fresh place, filled from what was put aside: whole first, as its state is one piece, then cut to what holds."""
        place = self._fresh(max(room, len(aside.tokens)))
        if place is None:
            return None
        self._aside.remove(aside)
        if not self._memory.restore(place.sequence, aside.state):
            return place
        if shared < len(aside.tokens):
            self._memory.cut(place.sequence, shared)
            self._aside.append(aside)  # still of use to who goes on from its end
        return Place(place.sequence, shared)

    def _held_by_active(self) -> npt.NDArray[np.bool_]:
        held = np.zeros(self._bounds.cells, np.bool_)
        kept = {one.sequence for one in self._kept}
        for sequence, cells in self._cells.items():
            if sequence not in kept:
                held[cells] = True
        return held

    def _share(self, source: int, target: int, length: int) -> None:
        self._memory.copy(source, target, length)
        shared = self._cells[source][:length]
        self._users[shared] += 1
        self._cells[target] = shared.copy()

    def _extend(self, sequence: int, room: int) -> None:
        """Cells up to ``room`` for a sequence; kept ones are given up for them."""
        more = room - len(self._cells[sequence])
        while self._kept and self._bounds.cells - int(np.count_nonzero(self._users)) < more:
            self._give_up(self._kept[0])
        free = np.flatnonzero(self._users == 0)[:more].astype(np.int32)
        self._users[free] += 1
        self._cells[sequence] = np.concatenate([self._cells[sequence], free])

    def _release(self, sequence: int) -> None:
        self._users[self._cells.pop(sequence)] -= 1

    def _give_up(self, one: Kept) -> None:
        """Frees a kept sequence's cells; what is worth it is put aside."""
        self._kept.remove(one)
        if len(one.tokens) >= MIN_ASIDE and self._bounds.aside_bytes:
            self._put_aside(one)
        self._memory.forget(one.sequence)
        self._release(one.sequence)
        self._free.append(one.sequence)

    def _put_aside(self, one: Kept) -> None:
        if not self._bounds.whole_only:
            if any(aside.tokens[: len(one.tokens)] == one.tokens for aside in self._aside):
                return
            # What it begins with needs no copy of its own any more.
            self._aside = [aside for aside in self._aside if one.tokens[: len(aside.tokens)] != aside.tokens]
        self._aside.append(Aside(one.tokens, self._memory.save(one.sequence), one.spare))
        if sum(aside.spare for aside in self._aside) > SPARE_KEPT:
            self._aside.remove(next(aside for aside in self._aside if aside.spare))
        while sum(aside.state.nbytes for aside in self._aside) > self._bounds.aside_bytes:
            del self._aside[0]


def common_prefix(one: list[int], other: list[int]) -> int:
    """How many first tokens are the same. Halves the range, so that whole slices are compared natively."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
