"""What every engine promises, as tests that a file for each engine inherits: the fake and the real model pass the same."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from app.engine.base import Ending, Engine, Finished, LabelRequest, Piece, Prefilling, Sampling
from app.errors import EngineError
from app.prompts import ChatFormat, chat_prompt, question_prompt
from app.records import Message, Prompt, Question, Role

HEART = Question(
    id="heart",
    stem="Which valve lies between the left atrium and the left ventricle?",
    options={"A": "Aortic", "B": "Mitral", "C": "Pulmonary", "D": "Tricuspid"},
    key="B",
)
ULNA = Question(id="ulna", stem="Which bone lies beside the radius?", options={"A": "Ulna", "B": "Tibia", "C": "Femur"}, key="A")


def form(engine: Engine) -> ChatFormat:
    info = engine.info()
    return ChatFormat(info.chat_template, info.bos, info.eos)


def ask(engine: Engine, text: str = "Name the four chambers of the heart.") -> Prompt:
    return chat_prompt(form(engine), [Message(id="1", role=Role.USER, text=text)])


def written(engine: Engine, text: str, sampling: Sampling) -> str:
    return "".join(event.text for event in engine.stream(ask(engine, text), sampling) if isinstance(event, Piece))


class EngineContract:
    """``engine`` is a fixture of the file that inherits this."""

    def test_a_stream_reads_the_prompt_then_writes_then_finishes(self, engine: Engine) -> None:
        events = list(engine.stream(ask(engine), Sampling(max_tokens=12)))
        kinds = [type(event) for event in events]
        assert kinds.index(Prefilling) < kinds.index(Piece) < kinds.index(Finished) == len(kinds) - 1
        finished = events[-1]
        assert isinstance(finished, Finished)
        assert finished.prompt_tokens == engine.count([ask(engine)])[0]
        assert 0 < finished.tokens <= 12

    def test_closing_a_stream_leaves_the_engine_ready_for_the_next(self, engine: Engine) -> None:
        stream = engine.stream(ask(engine), Sampling(max_tokens=200))
        next(stream)
        stream.close()
        assert isinstance(list(engine.stream(ask(engine), Sampling(max_tokens=3)))[-1], Finished)

    def test_an_answer_ends_before_a_stop_text(self, engine: Engine) -> None:
        events = list(engine.stream(ask(engine), Sampling(max_tokens=48, temperature=0, stop=(" ",))))
        assert events and " " not in "".join(event.text for event in events if isinstance(event, Piece))
        assert isinstance(events[-1], Finished)
        assert (events[-1].ending, events[-1].tokens < 48) == (Ending.STOP, True)

    def test_a_question_has_one_score_for_each_of_its_labels(self, engine: Engine) -> None:
        requests = [LabelRequest(question_prompt(form(engine), q), tuple(q.options)) for q in (HEART, ULNA)]
        scores = engine.label_scores(requests)
        assert [score.shape for score in scores] == [(4,), (3,)]
        assert all(np.isfinite(score).all() for score in scores)

    def test_the_scores_change_with_the_question(self, engine: Engine) -> None:
        other = Question(**{**vars(HEART), "stem": "Which valve is heard best at the right second intercostal space?"})
        asked = [LabelRequest(question_prompt(form(engine), question), ("A", "B", "C")) for question in (HEART, other)]
        first, second = engine.label_scores(asked)
        assert not np.allclose(first - first.mean(), second - second.mean(), atol=1e-3)

    def test_many_callers_at_once_all_get_their_answers(self, engine: Engine) -> None:
        done: list[str] = []

        def call(number: int) -> None:
            list(engine.stream(ask(engine, f"Question {number}"), Sampling(max_tokens=8)))
            engine.label_scores([LabelRequest(question_prompt(form(engine), HEART), ("A", "B"))])
            done.append(str(number))

        threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 6

    def test_more_text_has_more_tokens(self, engine: Engine) -> None:
        short, long = engine.count([ask(engine, "heart"), ask(engine, "heart and lungs and liver and kidney")])
        assert 0 < short < long

    def test_a_closed_engine_refuses_with_a_sentence(self, engine: Engine) -> None:
        engine.close()
        with pytest.raises(EngineError, match=r"."):
            list(engine.stream((), Sampling()))
