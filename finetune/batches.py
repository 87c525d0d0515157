"""Which rows a step trains on, in which order and with which options where. A function of seed and step alone; no torch.

That a step can be computed from its number is what lets a killed run go on as if nothing had happened.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from finetune.encode import Encoded, Encoder, TooLong
from finetune.rows import QuestionRow


@dataclass(frozen=True)
class Pool:
    """The rows of one source: questions, encoded anew for each order of their options, and rows that stay as they are."""

    weight: float
    questions: tuple[QuestionRow, ...] = ()
    encoded: tuple[Encoded, ...] = ()

    def __len__(self) -> int:
        return len(self.questions) + len(self.encoded)


@dataclass(frozen=True)
class Plan:
    """Every step of a run. ``trim`` as in ``Encoder.question``."""

    pools: tuple[Pool, ...]
    encoder: Encoder
    batch: int
    seed: int
    permute: bool
    trim: bool
    _orders: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rows_per_epoch(self) -> int:
        return sum(round(pool.weight * len(pool)) for pool in self.pools)

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.rows_per_epoch // self.batch)

    def steps(self, epochs: float) -> int:
        return max(1, round(epochs * self.steps_per_epoch))

    def rows(self, step: int) -> list[Encoded]:
        """The rows of a step, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        chosen = self._order(epoch)[place * self.batch : (place + 1) * self.batch]
        return [self._encode(epoch, pool, row, turn) for pool, row, turn in chosen]

    def _order(self, epoch: int) -> list[tuple[int, int, int]]:
        """(pool, row, how often it came before in this epoch) of one epoch."""
        if epoch not in self._orders:
            drawn = random.Random(f"{self.seed}-{epoch}")
            order: list[tuple[int, int, int]] = []
            for number, pool in enumerate(self.pools):
                count = round(pool.weight * len(pool))
                for turn in range(-(-count // len(pool)) if pool else 0):
                    rows = list(range(len(pool)))
                    drawn.shuffle(rows)
                    order += [(number, row, turn) for row in rows[: count - turn * len(pool)]]
            drawn.shuffle(order)
            self._orders.clear()  # one epoch is enough to remember
            self._orders[epoch] = order
        return self._orders[epoch]

    def _encode(self, epoch: int, pool: int, row: int, turn: int) -> Encoded:
        source = self.pools[pool]
        if row >= len(source.questions):
            return source.encoded[row - len(source.questions)]
        question, examples = source.questions[row].question, source.questions[row].examples
        if self.permute:
            order = list(range(len(question.options)))
            random.Random(f"{self.seed}-{epoch}-{turn}-{question.id}").shuffle(order)
            question = question.in_order(order)
        try:
            return self.encoder.question(question, examples, trim=self.trim)
        except TooLong:
            # Another order of the options can be some tokens longer than the one that was checked.
            return self.encoder.question(source.questions[row].question, examples, trim=self.trim)


def micro_batches(rows: Sequence[Encoded], tokens: int) -> list[list[Encoded]]:
    """Rows of like length together, so that little is padding: each batch has at most ``tokens`` padded tokens."""
    batches: list[list[Encoded]] = []
    for row in sorted(rows, key=lambda row: (-len(row.ids), row.id)):
        # the first row of a batch is its longest
        if batches and len(batches[-1][0].ids) * (len(batches[-1]) + 1) <= tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
