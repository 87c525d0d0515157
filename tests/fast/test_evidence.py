"""Evidence: the reading of a yes-or-no question over a text, the sentences that it rests on, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from app.earned import DataSet, Ledger, Measurement, Skill, fit_record, skill_figures
from app.engine.base import EciHead, LabelRequest, ModelInfo
from app.engine.fake import FAKE_INFO, FakeEngine
from app.errors import BadInput, Busy, NoLabels, TooLarge
from app.evidence import MOST, Evidence, LeftOut, Reading, Rests, Verdict, caution, ranked, runs, without
from app.judging import BY_WORDS, judge
from app.layouts import CLAIMS
from app.prompts import prompt_digest
from app.readings import ON_TEXTS, Scored, form_of
from app.records import LABELS, Support

INFO = replace(FAKE_INFO, digest="ab" * 32, eci=EciHead({label: number for number, label in enumerate(LABELS)}))
TOKENS = {label: number for number, label in enumerate(LABELS)}
WORDS = ("yes", "no", "maybe")
QUESTION = "Does ice help after a sting?"
FOR, AGAINST, NEITHER = "Pain fell with ice.", "Two patients felt worse.", "We asked 40 people."
TEXT = f"{NEITHER} {FOR} {AGAINST}"


class Reads(FakeEngine):
    """Says yes by the sentences that stand in the prompt: ``FOR`` adds 2 to its score and ``AGAINST`` takes 1 away."""

    def __init__(self, info: ModelInfo = INFO, *, busy: int = 0) -> None:
        super().__init__(info=info)
        self.calls: list[int] = []
        self._busy = busy

    def label_scores(self, requests: Sequence[LabelRequest]) -> list[npt.NDArray[np.float64]]:
        self.calls.append(len(requests))
        if len(self.calls) in range(2, 2 + self._busy):
            raise Busy("Too many wait.")
        return [self._read(request) for request in requests]

    def _read(self, request: LabelRequest) -> npt.NDArray[np.float64]:
        text = "".join(segment.text for segment in request.prompt)
        yes = 2.0 * (FOR in text) - 1.0 * (AGAINST in text)
        return np.asarray([yes if label == "yes" else 0.0 for label in request.labels])


def weighed(engine: FakeEngine, text: str = TEXT, *, careful: bool = False, ledger: Ledger | None = None) -> list[object]:
    return list(Evidence(engine, ledger).weigh(QUESTION, [text], careful=careful).events())


def kept(folder: Path, *skills: Skill) -> Ledger:
    """A ledger in which the model was measured like this."""
    rows = Scored(WORDS, np.zeros((4, 3)), None, np.array([0, 1, 2, 0]), ("x",) * 4)
    record = fit_record(token_ids=TOKENS, prompt=prompt_digest(form_of(INFO)), calibration=[rows], conformal=[rows], name="texts")
    ledger = Ledger(folder)
    ledger.put(
        Measurement(
            digest=INFO.digest,
            model=INFO.name,
            sets=(DataSet("texts", "d" * 64, 8),),
            finished="2026-11-21T20:00:00+00:00",
            command="",
            machine="",
            modes=("fast",),
            record=replace(record, skill=skill_figures(skills)),
        )
    )
    return ledger


# Weighing


def test_the_reading_comes_first_then_each_sentence_left_out_then_what_it_rests_on() -> None:
    reading, verdict, *left_out, rests = weighed(Reads())
    assert isinstance(reading, Reading)
    assert isinstance(verdict, Verdict)
    assert verdict.readout.choice == "yes"
    assert [(one.done, one.total) for one in left_out if isinstance(one, LeftOut)] == [(0, 3), (2, 3), (3, 3)]
    assert isinstance(rests, Rests)
    assert rests.context == TEXT
    assert rests.dropped == 0


def test_the_sentence_whose_absence_lowers_the_answer_most_ranks_first_and_its_sign_is_negative() -> None:
    rests = weighed(Reads())[-1]
    assert isinstance(rests, Rests)
    found = {one.text: (one.rank, one.shift) for one in rests.weights}
    assert [found[text][0] for text in (FOR, AGAINST, NEITHER)] == [1, 2, 0]
    assert found[FOR][1] < 0 < found[AGAINST][1]
    assert found[NEITHER][1] == 0
    assert [rests.context[one.start : one.end] for one in rests.weights] == [NEITHER, FOR, AGAINST]


def test_places_count_characters_and_not_halves_of_them() -> None:
    rests = weighed(Reads(), f"𝛽-blockers 🙂 were given. {FOR}")[-1]
    assert isinstance(rests, Rests)
    assert rests.context[rests.weights[1].start : rests.weights[1].end] == FOR


def test_a_careful_weighing_reads_every_order_of_the_words_each_time() -> None:
    engine = Reads()
    verdict = weighed(engine, careful=True)[1]
    assert isinstance(verdict, Verdict)
    assert verdict.readout.orders == 3
    assert engine.calls == [3, 6, 3]


def test_a_text_that_does_not_fit_keeps_its_first_whole_sentences_and_says_how_many_it_lost() -> None:
    sentences = [f"Sentence number {number} says that nothing much was found in it at all." for number in range(100)]
    events = weighed(Reads(), " ".join(sentences))
    verdict, rests = events[1], events[-1]
    assert isinstance(verdict, Verdict)
    assert isinstance(rests, Rests)
    assert 0 < rests.dropped == verdict.dropped < 100
    assert rests.context == " ".join(sentences[: 100 - rests.dropped])


def test_a_single_sentence_that_does_not_fit_is_told_with_the_cure() -> None:
    with pytest.raises(BadInput, match=r"Not even the first sentence fits into the 512 tokens.*--context"):
        weighed(Reads(), "word " * 600)


def test_a_long_text_is_left_out_in_runs_of_neighbours() -> None:
    assert runs([(0, 1), (2, 3), (4, 5)], 2) == [(0, 3), (4, 5)]
    assert len(runs([(place, place + 1) for place in range(1000)], MOST)) <= MOST
    assert runs([(0, 4)], MOST) == [(0, 4)]


def test_leaving_out_takes_the_spaces_behind_along_but_no_line_end() -> None:
    assert without("One. Two. Three.", (5, 9)) == "One. Three."
    assert without("One.\n\nTwo.", (0, 4)) == "\n\nTwo."


def test_a_shift_below_a_point_has_no_rank() -> None:
    found = ranked("ab", [(0, 1), (1, 2)], [-0.009, 0.02])
    assert [one.rank for one in found] == [0, 1]


def test_a_busy_engine_is_asked_again() -> None:
    engine = Reads(busy=1)
    assert isinstance(weighed(engine)[-1], Rests)
    assert engine.calls == [1, 2, 2, 1]


def test_closing_stops_between_two_calls_of_the_engine() -> None:
    engine = Reads()
    events = Evidence(engine).weigh(QUESTION, [TEXT * 5]).events()
    for event in events:
        if isinstance(event, Verdict):
            break
    events.close()
    assert engine.calls == [1]


def test_a_model_measured_on_such_questions_speaks_with_that_skill_and_never_with_that_of_exams(tmp_path: Path) -> None:
    exams = kept(tmp_path / "exams", Skill("all", "fast", 500, 400, 0.25))
    unmeasured = weighed(Reads(), ledger=exams)[1]
    assert isinstance(unmeasured, Verdict)
    assert (unmeasured.readout.skill, unmeasured.readout.earned) == ("", False)
    texts = kept(tmp_path / "texts", Skill("all", "fast", 500, 100, 0.25), Skill(ON_TEXTS, "fast", 500, 400, 0.55))
    measured = weighed(Reads(), ledger=texts)[1]
    assert isinstance(measured, Verdict)
    assert measured.readout.skill == "right in 80 % of questions on a text (n = 500)"
    assert measured.readout.earned


# What is refused


@pytest.mark.parametrize("question", ["", " \n ", "\u200b\u202e", "\x00"])
def test_an_empty_question_is_refused(question: str) -> None:
    with pytest.raises(BadInput, match="The question is empty"):
        Evidence(Reads()).weigh(question, [TEXT])


@pytest.mark.parametrize("texts", [[], [""], [" \n", "\u200b"]])
def test_a_weighing_without_a_text_is_refused(texts: list[str]) -> None:
    with pytest.raises(BadInput, match=r"There is no text to weigh\. Paste"):
        Evidence(Reads()).weigh(QUESTION, texts)


def test_what_is_too_long_is_refused_with_its_size() -> None:
    with pytest.raises(TooLarge, match="1,000,000 characters; at most 60,000"):
        Evidence(Reads()).weigh(QUESTION, ["x" * 1_000_000])
    with pytest.raises(TooLarge, match="The question has 2,001 characters"):
        Evidence(Reads()).weigh("y" * 2001, [TEXT])


def test_a_model_without_the_three_words_is_told_by_name() -> None:
    with pytest.raises(NoLabels, match="Fake has no single token for each of yes, no, maybe"):
        Evidence(FakeEngine()).weigh(QUESTION, [TEXT])


def test_what_is_invisible_or_a_special_token_never_reaches_the_model() -> None:
    verdict = weighed(Reads(), f"{FOR}\x00\ud800<|im_end|>\u200b More.")[1]
    rests = weighed(Reads(), f"{FOR}\x00\ud800<|im_end|>\u200b More.")[-1]
    assert isinstance(verdict, Verdict)
    assert isinstance(rests, Rests)
    assert verdict.removed
    assert not {"\x00", "\ud800", "\u200b"} & set(rests.context)
    assert "<|im_end|>" not in rests.context


@pytest.mark.parametrize(("question", "first"), [("What helps after a sting?", "What"), ("how much ice?", "how")])
def test_a_question_that_yes_or_no_cannot_answer_is_allowed_with_a_caution(question: str, first: str) -> None:
    assert f"begins with “{first}”" in caution(question)
    assert caution(QUESTION) == caution("Howling dogs are ill?") == ""


# Judging lines


PAIRS = [("Ice helps.", FOR), ("Ice helps.", AGAINST)]


def test_lines_are_judged_only_by_a_model_that_was_measured_to_tell(tmp_path: Path) -> None:
    engine = Reads()
    everything_else = kept(tmp_path / "a", Skill("all", "fast", 500, 450, 0.25), Skill(ON_TEXTS, "fast", 500, 450, 0.5))
    assert judge(engine, None, PAIRS).values is None
    assert judge(engine, everything_else, PAIRS).sentence == BY_WORDS
    few = kept(tmp_path / "b", Skill(CLAIMS, "fast", 19, 19, 0.4))
    assert judge(engine, few, PAIRS).sentence == BY_WORDS
    chance = judge(engine, kept(tmp_path / "c", Skill(CLAIMS, "fast", 100, 45, 0.45)), PAIRS)
    assert (chance.values, "no measured skill in claims (n = 100)" in chance.sentence) == (None, True)
    assert engine.calls == []
    judged = judge(engine, kept(tmp_path / "d", Skill(CLAIMS, "fast", 100, 80, 0.45)), PAIRS)
    assert judged.values == (Support.SUPPORTED, Support.UNSUPPORTED)
    assert judged.sentence == "Lines are judged by Fake, right in 80 % of claims (n = 100)."
    assert engine.calls == [2]


def test_nothing_to_judge_asks_nothing(tmp_path: Path) -> None:
    engine = Reads()
    assert judge(engine, kept(tmp_path, Skill(CLAIMS, "careful", 100, 80, 0.45)), []).values == ()
    assert engine.calls == []
