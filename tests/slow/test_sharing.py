"""Many callers on one real model: what is shared between them changes nothing of what each of them gets.

llama.cpp rounds differently by the shape of a batch and by where in the KV store the cells lie, so scores are compared within
``LOGITS``, the most that was seen between labels (0.35) with a margin, and texts by what they say.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from app.engine.base import Finished, LabelRequest, Piece, Sampling, Sight
from app.engine.local import LocalEngine
from app.prompts import chat_prompt, question_prompt
from app.questions import Bank
from app.records import Message, Question, Role
from tests.engine_contract import ask, form, written
from tests.slow.conftest import embedded, settle

pytestmark = pytest.mark.slow

LOGITS = 0.5
GREEDY = {"temperature": 0.0}


@pytest.fixture(scope="module")
def no_reuse() -> Iterator[LocalEngine]:
    engine = settle(LocalEngine(embedded(reuse=False)))
    yield engine
    engine.close()


def requests_for(engine: LocalEngine, questions: Sequence[Question], examples: Sequence[Question] = ()) -> list[LabelRequest]:
    return [LabelRequest(question_prompt(form(engine), q, examples), tuple(q.options)) for q in questions]


def centred(scores: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Shape (questions, options): what a softmax sees of them."""
    return np.asarray([score - score.mean() for score in scores])


def sight(engine: LocalEngine, *, requests: int = 0) -> Sight:
    """The figures once the engine is at rest with at least so many ``requests`` behind it.

    An answer's last word comes before the figures that count it, and an engine that was at rest between two requests has said
    so: without ``requests`` these may be the figures of then.
    """
    deadline = time.monotonic() + 60
    while (found := engine.status().sight) is None or found.active or found.queued or found.requests < requests:
        assert time.monotonic() < deadline, f"{engine.status()}; expected rest after {requests} requests"
        time.sleep(0.02)
    return found


def five(bank: Bank, count: int) -> list[Question]:
    return [question for question in bank.questions if len(question.options) == 5][:count]


def test_many_questions_in_one_call_score_as_each_of_them_alone(shared_engine: LocalEngine, bank: Bank) -> None:
    requests = requests_for(shared_engine, five(bank, 12))
    together = centred(shared_engine.label_scores(requests))
    alone = centred([shared_engine.label_scores([request])[0] for request in requests])
    assert np.abs(together - alone).max() < LOGITS


def test_scores_with_and_without_reuse_agree(shared_engine: LocalEngine, no_reuse: LocalEngine, bank: Bank) -> None:
    questions, examples = five(bank, 8), five(bank, 11)[8:]
    for shown in ((), examples):
        reused = centred(shared_engine.label_scores(requests_for(shared_engine, questions, shown)))
        computed = centred(no_reuse.label_scores(requests_for(no_reuse, questions, shown)))
        assert np.abs(reused - computed).max() < LOGITS


def test_shared_examples_and_stems_are_computed_once(own_engine: LocalEngine, bank: Bank) -> None:
    questions, examples = five(bank, 6), five(bank, 9)[6:]
    requests = requests_for(own_engine, questions, examples)
    shown = own_engine.count([requests[0].prompt])[0] - own_engine.count([requests_for(own_engine, questions)[0].prompt])[0]
    own_engine.label_scores(requests)
    found = sight(own_engine, requests=len(requests))
    assert found.requests == len(requests)
    assert found.reused_tokens >= (len(requests) - 1) * shown


def test_without_reuse_nothing_is_reused(no_reuse: LocalEngine, bank: Bank) -> None:
    no_reuse.label_scores(requests_for(no_reuse, five(bank, 4)))
    assert sight(no_reuse, requests=4).reused_tokens == 0


def test_greedy_answers_with_and_without_reuse_begin_alike(shared_engine: LocalEngine, no_reuse: LocalEngine) -> None:
    """Close choices may fall otherwise later on; the first words do not."""
    for text in ("What is the heart?", "Name a bone of the arm."):
        first = written(shared_engine, text, Sampling(max_tokens=24, **GREEDY))
        again = written(shared_engine, text, Sampling(max_tokens=24, **GREEDY))  # from what was kept
        computed = written(no_reuse, text, Sampling(max_tokens=24, **GREEDY))
        assert first.split()[:4] == again.split()[:4] == computed.split()[:4]


def test_sixteen_callers_never_get_each_others_text(shared_engine: LocalEngine) -> None:
    """Each is asked to repeat a word of its own; the model mostly does, and never writes another's."""
    nonces = [f"{first}{second}" for first in ("zor", "mib", "kel", "tav") for second in ("dax", "pim", "lun", "qot")]
    texts: dict[str, str] = {}

    def call(nonce: str) -> None:
        texts[nonce] = written(shared_engine, f'Repeat the word "{nonce}" three times.', Sampling(max_tokens=30, **GREEDY))

    threads = [threading.Thread(target=call, args=(nonce,)) for nonce in nonces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts.keys() == set(nonces)
    for nonce, text in texts.items():
        assert not [other for other in nonces if other != nonce and re.search(other, text, re.IGNORECASE)], (nonce, text)
    assert sum(nonce in text.lower() for nonce, text in texts.items()) >= len(nonces) // 2


def test_a_conversation_that_others_pushed_out_is_gone_on_with_without_being_read_again(own_engine: LocalEngine) -> None:
    question = Message(id="1", role=Role.USER, text="Tell me of the kidney. " * 20)
    answer = written(own_engine, question.text, Sampling(max_tokens=16, **GREEDY))
    for number in range(12):
        written(own_engine, f"{number} is a number. " * 30, Sampling(max_tokens=8))
    assert sight(own_engine, requests=13).cells_kept < 2048 // 8
    turn = [question, Message(id="2", role=Role.ASSISTANT, text=answer), Message(id="3", role=Role.USER, text="Go on.")]
    prompt = chat_prompt(form(own_engine), turn)
    finished = list(own_engine.stream(prompt, Sampling(max_tokens=2)))[-1]
    assert isinstance(finished, Finished)
    assert finished.prompt_tokens - finished.reused < 40


def test_cells_of_closed_streams_are_free_again(own_engine: LocalEngine) -> None:
    for _ in range(20):
        stream = own_engine.stream(ask(own_engine, "Tell me everything about the heart."), Sampling(max_tokens=700))
        while not isinstance(next(stream), Piece):
            pass
        stream.close()
    assert written(own_engine, "Hello", Sampling(max_tokens=2, **GREEDY))
    found = sight(own_engine, requests=21)
    assert (found.active, found.queued, found.cells_active) == (0, 0, 0)
    assert (found.requests, found.cancelled) == (21, 20)


@pytest.mark.parametrize(("kind", "share", "tolerance"), [("q8_0", 0.54, 0.6), ("q4_0", 0.29, 3.0)])
def test_a_quantised_context_takes_less_memory_and_reads_nearly_the_same(
    shared_engine: LocalEngine, bank: Bank, kind: str, share: float, tolerance: float
) -> None:
    engine = settle(LocalEngine(embedded(kv_type=kind)))
    try:
        questions = five(bank, 6)
        plain = centred(shared_engine.label_scores(requests_for(shared_engine, questions)))
        small = centred(engine.label_scores(requests_for(engine, questions)))
        assert np.abs(plain - small).max() < tolerance
        assert sight(engine).kv_bytes <= share * sight(shared_engine).kv_bytes
    finally:
        engine.close()


def test_the_engine_in_sight_adds_up(own_engine: LocalEngine) -> None:
    finished = list(own_engine.stream(ask(own_engine), Sampling(max_tokens=5)))[-1]
    assert isinstance(finished, Finished)
    found = sight(own_engine, requests=1)
    assert (found.requests, found.cancelled, found.active, found.queued) == (1, 0, 0, 0)
    assert (found.prompt_tokens, found.answer_tokens) == (finished.prompt_tokens, finished.tokens)
    assert found.memory > 100_000_000
    assert found.kv_bytes > 1_000_000
    assert found.threads_decode >= 1
