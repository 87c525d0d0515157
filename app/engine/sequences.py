"""Who holds which sequence of the KV store: free ids, active ones, and finished ones that are kept for their prefix. Pure.

A request starts from the longest prefix that a kept sequence shares with it, so a conversation's history, the system
prompt and shared examples are computed once. Kept cells are given up, least recently used first, as soon as a request
needs them, and are bounded in any case: attention runs over them for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MIN_KEPT = 16  # tokens; a shorter prefix is computed faster than it is looked after


class Memory(Protocol):
    """The KV store, as far as sequences go."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Gives ``target`` the first ``length`` tokens of ``source``, without computing."""

    def forget(self, sequence: int) -> None:
        """Frees the cells of a sequence."""


@dataclass(frozen=True)
class Kept:
    """A finished sequence: the token ids that its cells hold, in order."""

    sequence: int
    tokens: list[int]


@dataclass(frozen=True)
class Place:
    """Where a request may begin: its sequence, and how many of its first tokens stand there already."""

    sequence: int
    reused: int


class Sequences:
    """Gives sequences to requests and takes them back. Lengths and rooms are in tokens, one cell each."""

    def __init__(self, memory: Memory, *, active: int, kept: int, cells: int, kept_cells: int, whole_only: bool) -> None:
        """
        Args:
            active: requests at once.
            kept: finished sequences that are kept at most, ``kept_cells`` their tokens in all.
            cells: the KV store's size.
            whole_only: a kept sequence can only be gone on with, not cut: recurrent states and sliding windows hold no
                earlier point than their end.
        """
        self._memory = memory
        self._free = list(range(active + kept))
        self._rooms: dict[int, int] = {}  # active sequence -> cells that it may come to need
        self._kept: list[Kept] = []  # least recently used first
        self._max_active = active
        self._max_kept = kept
        self._cells = cells
        self._kept_cells = kept_cells
        self._whole_only = whole_only

    @property
    def kept(self) -> int:
        """Tokens in kept sequences; a shared prefix counts for each."""
        return sum(len(one.tokens) for one in self._kept)

    def take(self, tokens: list[int], room: int) -> Place | None:
        """A place for a request of ``tokens`` that may come to ``room`` cells, None while there is none.

        At least the last token is left to compute, for its logits.
        """
        if len(self._rooms) >= self._max_active or sum(self._rooms.values()) + room > self._cells:
            return None
        source, shared = self._longest(tokens)
        if source is not None and shared == len(source.tokens):
            self._kept.remove(source)
            place = Place(source.sequence, shared)
        else:
            place = Place(self._free.pop(), shared)  # there is one: fewer are active and kept than there are ids
            if source is not None:
                self._memory.copy(source.sequence, place.sequence, shared)
                self._kept.remove(source)
                self._kept.append(source)  # used just now
        self._rooms[place.sequence] = room
        while self._kept and sum(self._rooms.values()) + self.kept > self._cells:
            self._give_up()
        return place

    def keep(self, sequence: int, tokens: list[int]) -> None:
        """Ends a request whose cells hold ``tokens``; they are kept for who begins with the same."""
        del self._rooms[sequence]
        self._kept.append(Kept(sequence, tokens))
        if len(tokens) < MIN_KEPT:
            self._give_up(self._kept[-1])
        while len(self._kept) > self._max_kept or self.kept > self._kept_cells:
            self._give_up()

    def drop(self, sequence: int) -> None:
        """Ends a request and frees its cells."""
        del self._rooms[sequence]
        self._memory.forget(sequence)
        self._free.append(sequence)

    def _longest(self, tokens: list[int]) -> tuple[Kept | None, int]:
        best: Kept | None = None
        most = MIN_KEPT - 1
        for one in self._kept:
            shared = common_prefix(one.tokens, tokens[:-1])
            if shared > most and (shared == len(one.tokens) or not self._whole_only):
                best, most = one, shared
        return (best, most) if best is not None else (None, 0)

    def _give_up(self, one: Kept | None = None) -> None:
        """Frees a kept sequence, the least recently used one unless named."""
        one = one or self._kept[0]
        self._kept.remove(one)
        self._memory.forget(one.sequence)
        self._free.append(one.sequence)


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
