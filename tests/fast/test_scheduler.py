"""The loop's book-keeping, on a KV store that only remembers which tokens stand where: whatever comes in whatever order,
everybody gets what they would have got alone, and no cell is lost or used twice. Needs no model."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.base import Ending
from app.engine.llama import Context, Model
from app.engine.scheduler import Scheduler, Work, works
from app.engine.sequences import MIN_KEPT, Sequences, common_prefix
from app.engine.wire import Frame

VOCABULARY = 50
CELLS = 160
ACTIVE, KEPT, CHUNK = 3, 3, 7


def next_token(held: list[int]) -> int:
    """What the fake model writes after these tokens: it depends on every one of them and on nothing else."""
    value = 7
    for token in held:
        value = (value * 31 + token + 1) % 10_007
    return value % VOCABULARY


def ends(token: int) -> bool:
    return token % 16 == 3


def alone(prompt: list[int], max_tokens: int) -> str:
    """What a caller gets who has the model alone."""
    held, text = list(prompt), ""
    for _ in range(min(max_tokens, CELLS - len(prompt))):
        token = next_token(held)
        if ends(token):
            break
        held.append(token)
        text += f"{token} "
    return text


@dataclass
class Store:
    """A KV store of token ids. Every promise that the real one needs kept is an assertion here."""

    cells: int = CELLS
    held: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    batch: list[tuple[int, list[int]]] = field(default_factory=list)  # sequence, and its tokens up to this one
    outputs: set[int] = field(default_factory=set)
    computed: int = 0

    @property
    def used(self) -> int:
        return len(self.batch)

    def clear(self) -> None:
        self.batch, self.outputs = [], set()

    def add(self, token: int, *, position: int, sequence: int, output: bool) -> int:
        assert position == len(self.held[sequence]), "a gap or an overlap in a sequence"
        self.held[sequence].append(token)
        self.batch.append((sequence, list(self.held[sequence])))
        if output:
            self.outputs.add(len(self.batch) - 1)
        return len(self.batch) - 1

    def decode(self) -> None:
        assert sum(map(len, self.held.values())) <= self.cells, "more cells than there are"
        assert self.used <= CHUNK + ACTIVE
        self.computed += self.used

    def sample(self, sampler: object, index: int) -> int:
        assert index in self.outputs, "logits that were not asked for"
        return next_token(self.batch[index][1])

    def logits(self, index: int) -> Any:
        assert index in self.outputs
        return np.full(VOCABULARY, next_token(self.batch[index][1]), dtype=np.float32)

    def copy(self, source: int, target: int, length: int) -> None:
        assert not self.held[target], "a copy onto cells that are in use"
        assert len(self.held[source]) >= length
        self.held[target] = self.held[source][:length]

    def forget(self, sequence: int) -> None:
        self.held.pop(sequence, None)


class Words:
    """The fake model's vocabulary."""

    n_vocab = VOCABULARY

    def ends(self, token: int) -> bool:
        return ends(token)

    def piece(self, token: int) -> bytes:
        return f"{token} ".encode()


class Bench:
    """A scheduler on the fake store, and what it sent to each call."""

    def __init__(self, *, whole_only: bool = False) -> None:
        self.store = Store()
        self.sent: dict[int, list[Frame]] = defaultdict(list)
        store = cast(Context, self.store)
        sequences = Sequences(store, active=ACTIVE, kept=KEPT, cells=CELLS, kept_cells=CELLS // 2, whole_only=whole_only)
        self.scheduler = Scheduler(cast(Model, Words()), store, sequences=sequences, chunk=CHUNK, send=self.receive)

    def receive(self, frame: Frame) -> None:
        self.sent[frame["id"]].append(frame)

    def ask(self, call: int, prompt: list[int], max_tokens: int) -> None:
        frame = {"op": "stream", "id": call, "prompt": prompt, "sampling": {"max_tokens": max_tokens}}
        for work in works(frame, lambda tokens: list(cast(list[int], tokens)), {}, CELLS):
            self.scheduler.add(work)

    def finish(self) -> None:
        for _ in range(10_000):
            if self.scheduler.idle:
                return
            self.scheduler.step()
        raise AssertionError("it does not come to an end")

    def text(self, call: int) -> str:
        return "".join(frame["text"] for frame in self.sent[call] if frame["kind"] == "piece")


STEMS = [[5] * 30, [5] * 30 + [9] * 20, list(range(40)), [1, 2]]
prompts = st.tuples(st.sampled_from(STEMS), st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=12)).map(
    lambda parts: [*parts[0], *parts[1]]
)
asks = st.tuples(st.just("ask"), prompts, st.integers(1, 30))
moves = st.one_of(asks, asks, st.tuples(st.just("step"), st.integers(1, 9)), st.tuples(st.just("cancel"), st.integers(0, 20)))


@settings(max_examples=150, deadline=None)
@given(st.lists(moves, max_size=40), st.booleans())
def test_everybody_gets_what_they_would_have_got_alone(script: list[tuple[Any, ...]], whole_only: bool) -> None:
    bench = Bench(whole_only=whole_only)
    asked: dict[int, tuple[list[int], int]] = {}
    cancelled: set[int] = set()
    for move in script:
        if move[0] == "ask":
            call = len(asked)
            asked[call] = (move[1], move[2])
            bench.ask(call, move[1], move[2])
        elif move[0] == "step":
            for _ in range(move[1]):
                bench.scheduler.step()
        else:
            cancelled.add(move[1])
            bench.scheduler.cancel(move[1])
    bench.finish()
    for call, (prompt, max_tokens) in asked.items():
        finished = [frame for frame in bench.sent[call] if frame["kind"] == "finished"]
        if call in cancelled:
            assert alone(prompt, max_tokens).startswith(bench.text(call))
        else:
            assert bench.text(call) == alone(prompt, max_tokens)
            assert len(finished) == 1
        for frame in finished:
            assert frame["prompt"] == len(prompt)


def test_a_conversation_computes_only_what_is_new() -> None:
    bench = Bench()
    first = [5] * 30
    bench.ask(1, first, 10)
    bench.finish()
    before = bench.store.computed
    answer = [int(word) for word in bench.text(1).split()]
    bench.ask(2, [*first, *answer, 8, 8], 1)
    bench.finish()
    assert bench.store.computed - before <= 4
    assert bench.text(2) == alone([*first, *answer, 8, 8], 1)


def test_an_edited_question_reuses_what_stands_before_it() -> None:
    bench = Bench()
    bench.ask(1, [5] * 30 + [1] * 10, 1)
    bench.finish()
    before = bench.store.computed
    bench.ask(2, [5] * 30 + [2] * 10, 1)
    bench.finish()
    assert bench.store.computed - before <= 11


def test_a_model_that_cannot_be_cut_computes_an_edited_question_anew() -> None:
    bench = Bench(whole_only=True)
    bench.ask(1, [5] * 30 + [1] * 10, 1)
    bench.finish()
    before = bench.store.computed
    bench.ask(2, [5] * 30 + [2] * 10, 1)
    bench.finish()
    assert bench.store.computed - before >= 40


def test_a_long_prompt_does_not_stall_an_answer() -> None:
    """Beside a prompt of many chunks, the one who writes gets a token a batch."""
    bench = Bench()
    bench.ask(1, [1, 2], 30)
    bench.scheduler.step()
    bench.ask(2, [7] * 60, 1)
    before = len(bench.sent[1])
    for _ in range(4):
        bench.scheduler.step()
    assert len([frame for frame in bench.sent[1][before:] if frame["kind"] == "piece"]) == 4


def test_who_waits_is_told_each_new_place() -> None:
    bench = Bench()
    for call in range(5):
        bench.ask(call, [7] * 30, 30)
    bench.finish()
    places = {call: [frame["place"] for frame in bench.sent[call] if frame["kind"] == "queued"] for call in range(5)}
    assert places == {0: [], 1: [], 2: [1], 3: [2, 1], 4: [3, 2, 1]}


def test_labels_are_read_after_the_last_token_and_nothing_is_written() -> None:
    bench = Bench()
    prompt = [5] * 20
    bench.scheduler.add(Work(1, prompt, len(prompt), labels=[3, 4]))
    bench.finish()
    assert bench.sent[1] == [{"kind": "scores", "id": 1, "part": 0, "scores": [float(next_token(prompt))] * 2}]
    assert not bench.store.held


def test_an_answer_at_its_limit_says_so() -> None:
    bench = Bench()
    bench.ask(1, [1, 2], 2)
    bench.finish()
    assert bench.sent[1][-1]["ending"] == Ending.LENGTH


def test_a_prompt_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="Shorten it"):
        Bench().ask(1, [1] * CELLS, 1)
    with pytest.raises(ValueError, match="empty"):
        Bench().ask(1, [], 1)


def test_a_short_end_is_not_kept() -> None:
    bench = Bench()
    bench.ask(1, [1] * (MIN_KEPT // 2), 1)
    bench.finish()
    assert not bench.store.held


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_the_common_prefix_is_the_longest(one: list[int], other: list[int]) -> None:
    length = common_prefix(one, other)
    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or length == min(len(one), len(other))
