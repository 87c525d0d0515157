"""The loop's book-keeping, on a KV store that only remembers which tokens stand where: whatever comes in whatever order,
everybody gets what they would have got alone, and no cell is lost or used twice. Needs no model."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.base import Ending
from app.engine.llama import Context, Model
from app.engine.pace import Pace
from app.engine.scheduler import Scheduler
from app.engine.sequences import MIN_ASIDE, MIN_SHARED, Bounds, Sequences, State, common_prefix
from app.engine.threads import Governor
from app.engine.wire import Frame
from app.engine.work import works

VOCABULARY = 50
CELLS = 160
ACTIVE, KEPT, CHUNK = 3, 3, 7
BATCH = CHUNK + ACTIVE


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


class Cell:
    """One place of the KV store; several sequences may share it."""

    def __init__(self, token: int) -> None:
        self.token = token


@dataclass
class Store:
    """A KV store of token ids and the batch that is filled for it. Every promise that the real ones need kept is an
    assertion here."""

    cells: int = CELLS
    size: int = BATCH
    held: dict[int, list[Cell]] = field(default_factory=lambda: defaultdict(list))
    computed_up_to: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    filled: list[tuple[int, list[int]]] = field(default_factory=list)  # sequence, and its tokens up to this one
    outputs: set[int] = field(default_factory=set)
    computed: int = 0
    saved: int = 0
    refuses_states: bool = False

    @property
    def batch(self) -> Store:
        return self

    @property
    def used(self) -> int:
        return len(self.filled)

    def clear(self) -> None:
        self.filled, self.outputs = [], set()

    def tokens(self, sequence: int) -> list[int]:
        return [cell.token for cell in self.held[sequence]]

    def add(self, tokens: list[int], *, position: int, sequence: int, output: bool) -> int:
        assert tokens
        assert position == len(self.held[sequence]), "a gap or an overlap in a sequence"
        for token in tokens:
            self.held[sequence].append(Cell(token))
            self.filled.append((sequence, self.tokens(sequence)))
        if output:
            self.outputs.add(len(self.filled) - 1)
        return len(self.filled) - 1

    def set_threads(self, threads: int) -> None:
        assert threads == 1

    def decode(self) -> None:
        assert len({id(cell) for cells in self.held.values() for cell in cells}) <= self.cells, "more cells than there are"
        assert self.used <= self.size
        self.computed += self.used
        for sequence, cells in self.held.items():
            self.computed_up_to[sequence] = len(cells)

    def sample(self, sampler: object, index: int) -> int:
        assert index in self.outputs, "logits that were not asked for"
        return next_token(self.filled[index][1])

    def logits(self, index: int) -> Any:
        assert index in self.outputs
        return np.full(VOCABULARY, next_token(self.filled[index][1]), dtype=np.float32)

    def copy(self, source: int, target: int, length: int) -> None:
        assert not self.held[target], "a copy onto cells that are in use"
        assert self.computed_up_to[source] >= length, "a copy of what was not computed yet"
        self.held[target] = self.held[source][:length]
        self.computed_up_to[target] = length

    def cut(self, sequence: int, length: int) -> None:
        del self.held[sequence][length:]
        self.computed_up_to[sequence] = length

    def forget(self, sequence: int) -> None:
        self.held.pop(sequence, None)
        self.computed_up_to.pop(sequence, None)

    def save(self, sequence: int) -> State:
        assert self.computed_up_to[sequence] == len(self.held[sequence])
        self.saved += 1
        return np.asarray(self.tokens(sequence), np.uint8)

    def restore(self, sequence: int, state: State) -> bool:
        assert not self.held[sequence], "a restore onto cells that are in use"
        if self.refuses_states:
            return False
        self.held[sequence] = [Cell(int(token)) for token in state]
        assert len({id(cell) for cells in self.held.values() for cell in cells}) <= self.cells, "no cells to restore into"
        self.computed_up_to[sequence] = len(state)
        return True


class Words:
    """The fake model's vocabulary."""

    n_vocab = VOCABULARY

    def ends(self, token: int) -> bool:
        return ends(token)

    def piece(self, token: int, *, special: bool = False) -> bytes:
        return f"{token} ".encode()


class Even:
    """Chunks of one size, however long they take."""

    def chunk(self, *, readers: int, writers: int) -> int:
        return CHUNK

    def observe(self, *, prompt: int, writers: int, seconds: float) -> None:
        pass


def packed(tokens: list[int]) -> list[list[Any]]:
    return [[json.dumps(tokens), False]]


class Bench:
    """A scheduler on the fake store, and what it sent to each call."""

    def __init__(
        self, *, whole_only: bool = False, kept_cells: int = CELLS // 2, aside_bytes: int = 0, refuses_states: bool = False
    ) -> None:
        self.store = Store(refuses_states=refuses_states)
        self.sent: dict[int, list[Frame]] = defaultdict(list)
        self.order: list[int] = []
        store = cast(Context, self.store)
        bounds = Bounds(
            active=ACTIVE, cells=CELLS, kept=KEPT, kept_cells=kept_cells, aside_bytes=aside_bytes, whole_only=whole_only
        )
        self.sequences = Sequences(store, bounds)
        one_thread = Governor((1,), {"single": 1, "few": 1, "prompt": 1}, lambda: 0.0)
        self.scheduler = Scheduler(
            cast(Model, Words()),
            store,
            sequences=self.sequences,
            pace=cast(Pace, Even()),
            governor=one_thread,
            send=self.receive,
            follow=not whole_only,
        )

    def receive(self, frame: Frame) -> None:
        self.sent[frame["id"]].append(frame)
        self.order.append(frame["id"])

    def ask(self, call: int, prompt: list[int], max_tokens: int, **sampling: Any) -> None:
        self.send({"op": "stream", "id": call, "prompt": packed(prompt), "sampling": {"max_tokens": max_tokens, **sampling}})

    def score(self, call: int, prompts: list[list[int]]) -> None:
        self.send({"op": "scores", "id": call, "requests": [{"prompt": packed(one), "labels": ["A"]} for one in prompts]})

    def send(self, frame: Frame) -> None:
        self.scheduler.add(list(works(frame, lambda segments: json.loads(segments[0][0]), {"A": 3}, CELLS)))

    def scores(self, call: int) -> list[float]:
        frames = sorted(self.sent[call], key=lambda frame: frame["part"])
        return [frame["scores"][0] for frame in frames]

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
scorings = st.tuples(st.just("score"), st.lists(prompts, min_size=1, max_size=7))
moves = st.one_of(
    asks, asks, scorings, st.tuples(st.just("step"), st.integers(1, 9)), st.tuples(st.just("cancel"), st.integers(0, 20))
)
stores = st.fixed_dictionaries(
    {
        "whole_only": st.booleans(),
        "kept_cells": st.sampled_from([0, 20, CELLS // 2]),
        "aside_bytes": st.sampled_from([0, 100, 10_000]),
        "refuses_states": st.booleans(),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.lists(moves, max_size=40), stores)
def test_everybody_gets_what_they_would_have_got_alone(script: list[tuple[Any, ...]], kind: dict[str, Any]) -> None:
    bench = Bench(**kind)
    asked: dict[int, tuple[Any, ...]] = {}
    cancelled: set[int] = set()
    for move in script:
        if move[0] == "ask":
            bench.ask(len(asked), move[1], move[2])
            asked[len(asked)] = move
        elif move[0] == "score":
            bench.score(len(asked), move[1])
            asked[len(asked)] = move
        elif move[0] == "step":
            for _ in range(move[1]):
                bench.scheduler.step()
        else:
            cancelled.add(move[1])
            bench.scheduler.cancel(move[1])
    bench.finish()
    for call, move in asked.items():
        if move[0] == "score":
            if call not in cancelled:
                assert bench.scores(call) == [float(next_token(prompt)) for prompt in move[1]]
            continue
        _, prompt, max_tokens = move
        finished = [frame for frame in bench.sent[call] if frame["kind"] == "finished"]
        if call in cancelled:
            assert alone(prompt, max_tokens).startswith(bench.text(call))
        else:
            assert bench.text(call) == alone(prompt, max_tokens)
            assert len(finished) == 1
        for frame in finished:
            assert frame["prompt"] == len(prompt)
            assert 0 <= frame["reused"] < len(prompt)
    # What is still held is what is kept, and the book-keeping knows each cell of it.
    held = {id(cell) for cells in bench.store.held.values() for cell in cells}
    assert bench.sequences.active == bench.sequences.cells_active == 0
    assert bench.sequences.cells_kept == len(held)


def small_scenario() -> Bench:
    """A writer, a conversation's next turn, prompts that share a stem, and one that waits."""
    bench = Bench(kept_cells=20, aside_bytes=1000)
    bench.ask(1, [*STEMS[1], 4], 12)
    bench.score(2, [[*STEMS[1], *[6] * 9], [*STEMS[1], 8, 8], [*STEMS[1], 9]])
    bench.ask(3, [*STEMS[2], 1, 2], 5)
    bench.ask(4, [7] * 60, 5)
    return bench


def test_cancelling_anybody_at_any_step_harms_nobody_else() -> None:
    whole = small_scenario()
    steps = 0
    while not whole.scheduler.idle:
        whole.scheduler.step()
        steps += 1
    assert steps > 20
    for call in (1, 2, 3, 4):
        for step in range(steps + 1):
            bench = small_scenario()
            for _ in range(step):
                bench.scheduler.step()
            bench.scheduler.cancel(call)
            bench.finish()
            others = {1, 2, 3, 4} - {call}
            assert all(bench.text(other) == whole.text(other) for other in others - {2})
            assert call == 2 or bench.scores(2) == whole.scores(2)
            assert bench.sequences.cells_active == 0


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
        bench.ask(call, [7, *[call] * 30], 30)
    bench.finish()
    places = {call: [frame["place"] for frame in bench.sent[call] if frame["kind"] == "queued"] for call in range(5)}
    assert places == {0: [], 1: [], 2: [1], 3: [2, 1], 4: [3, 2, 1]}


def test_labels_are_read_after_the_last_token_and_nothing_is_written() -> None:
    bench = Bench()
    prompt = [5] * 20
    bench.score(1, [prompt])
    bench.finish()
    assert bench.sent[1] == [{"kind": "scores", "id": 1, "part": 0, "scores": [float(next_token(prompt))]}]


def test_questions_of_one_call_compute_their_shared_beginning_once() -> None:
    bench = Bench()
    bench.score(1, [[*STEMS[2], *[tail] * 5] for tail in range(8)])
    bench.finish()
    assert bench.store.computed <= len(STEMS[2]) + 8 * 5


def test_what_the_next_question_needs_is_held_even_where_little_is_kept() -> None:
    bench = Bench(kept_cells=0)
    bench.score(1, [[*[5] * 60, *[tail] * 10] for tail in range(6)])
    bench.finish()
    assert bench.store.computed <= 60 + 6 * 10
    assert bench.sequences.cells_kept == 0, "and let go with the last one"


def test_questions_in_calls_of_their_own_share_their_examples_too() -> None:
    bench = Bench(kept_cells=0, aside_bytes=10_000)
    for tail in range(4):
        bench.score(tail, [[*[5] * MIN_ASIDE, *[tail] * 10]])
        bench.finish()
    assert bench.store.computed <= MIN_ASIDE + 4 * 10


def test_a_question_whose_beginning_is_being_read_by_another_waits_for_it_and_takes_it_over() -> None:
    bench = Bench()
    bench.ask(1, [*STEMS[2], *[1] * 20], 3)
    bench.scheduler.step()
    bench.ask(2, [*STEMS[2], 2, 3], 3)
    bench.finish()
    assert bench.sent[2][-1]["reused"] == len(STEMS[2])
    assert bench.store.computed <= len(STEMS[2]) + 20 + 2 + 2 * 3


def test_a_thousand_questions_leave_room_for_a_chat() -> None:
    bench = Bench()
    bench.score(1, [[tail] * 30 for tail in range(40)])
    bench.scheduler.step()
    bench.ask(2, [1, 2, 3], 3)
    bench.finish()
    done_before = [frame for frame in bench.sent[1][: len(bench.sent[1])] if frame["kind"] == "scores"]
    assert len(done_before) == 40
    assert bench.order.index(2) < 60, "the chat's first frame came late"


def test_what_is_put_aside_comes_back_without_being_computed() -> None:
    bench = Bench(kept_cells=0, aside_bytes=10_000)
    first = [5] * MIN_ASIDE
    bench.ask(1, first, 1)
    bench.finish()
    assert bench.store.saved == 1
    assert not any(bench.store.held.values()), "it slows nobody"
    before = bench.store.computed
    bench.ask(2, [*first, 8, 8], 1)
    bench.finish()
    assert bench.store.computed - before <= 3


def test_what_is_put_aside_stays_within_its_bytes() -> None:
    bench = Bench(kept_cells=0, aside_bytes=2 * MIN_ASIDE)
    for call in range(4):
        bench.ask(call, [call + 1] * MIN_ASIDE, 1)
        bench.finish()
    before = bench.store.computed
    bench.ask(9, [1] * (MIN_ASIDE + 1), 1)
    bench.finish()
    assert bench.store.computed - before > MIN_ASIDE, "the oldest went first"


def test_a_short_prompt_passes_a_long_one_and_the_long_one_goes_on() -> None:
    bench = Bench()
    bench.ask(1, [7] * 100, 1)
    bench.scheduler.step()
    bench.ask(2, [1, 2, 3], 1)
    bench.scheduler.step()
    assert bench.sent[2][-1]["kind"] == "finished"
    read = [frame["done"] for frame in bench.sent[1] if frame["kind"] == "prefill"]
    assert read[-1] > read[-2]


def test_an_answer_over_its_time_ends_and_says_so() -> None:
    bench = Bench()
    bench.ask(1, [1, 2], 20, max_seconds=0.0)
    bench.finish()
    assert bench.sent[1][-1]["ending"] == Ending.TIME
    assert bench.sent[1][-1]["tokens"] == 1


def test_an_answer_ends_before_its_stop_text() -> None:
    words = alone([1, 2], 20).split(" ")
    bench = Bench()
    bench.ask(1, [1, 2], 20, stop=[words[2]])
    bench.finish()
    assert bench.text(1) == alone([1, 2], 20).split(words[2])[0]
    assert bench.sent[1][-1]["ending"] == Ending.STOP


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
    bench.ask(1, [1] * (MIN_SHARED // 2), 1)
    bench.finish()
    assert not bench.store.held


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_the_common_prefix_is_the_longest(one: list[int], other: list[int]) -> None:
    length = common_prefix(one, other)
    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or length == min(len(one), len(other))
