"""Measuring a model: every row once, stopped and gone on with, and never under another model's name. On the fake engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.calibration import EciRecord
from app.earned import ALL, Ledger, Measurement, fit_record
from app.eci import FloatArray
from app.engine.base import EciHead, LabelRequest, ModelInfo
from app.engine.fake import FAKE_INFO, FakeEngine
from app.errors import BadInput, Busy, Conflict, EngineError, NoLabels, NotFound, StoreError
from app.labelled import Labelled, read_labelled
from app.measure_command import table
from app.measure_sets import CHUNK, ModelSwitched, Wanted, measure_sets, summary
from app.measuring import BANK, JOURNALS, STOPPING, Measuring, MeasuringPhase, MeasuringStatus
from app.records import LABELS, Question

INFO = replace(FAKE_INFO, digest="ab" * 32)
Wait = Callable[[Callable[[], bool]], None]


class Knows(FakeEngine):
    """Reads a question rightly where its stem ends in an even number, and says the first label else. ``asked`` counts prompts.

    ``before``: called before each call with how many went before, and may raise or wait.
    """

    def __init__(self, info: ModelInfo = INFO, before: Callable[[int], None] = lambda call: None) -> None:
        super().__init__(info=info)
        self.calls = 0
        self.asked: list[str] = []
        self._before = before

    def label_scores(self, requests: Sequence[LabelRequest]) -> list[FloatArray]:
        self._before(self.calls)
        self.calls += 1
        texts = ["".join(segment.text for segment in request.prompt) for request in requests]
        self.asked += texts
        return [np.array([_score(text, label) for label in one.labels]) for one, text in zip(requests, texts, strict=True)]

    def become(self, info: ModelInfo) -> None:
        self._info = info


def _score(text: str, label: str) -> float:
    number = int(text.partition("Case ")[2].partition(".")[0])
    right = f"\n{label}. right" in text
    return 5.0 * float(right if number % 2 == 0 else label == "A")


def case(number: int, system: str = "renal") -> Question:
    letters = "ABCD"
    key = letters[number % 4]
    options = {letter: "right" if letter == key else f"wrong {letter}" for letter in letters}
    return Question(id=f"q{number}", stem=f"Case {number}.", options=options, key=key, system=system)


def labelled(count: int, name: str = "cases") -> Labelled:
    return Labelled(name, tuple(case(number, ("renal", "blood")[number % 2]) for number in range(count)), ())


def wanted(count: int, **more: object) -> Wanted:
    return Wanted(sets=(labelled(count),), **more)  # type: ignore[arg-type]


def written(path: Path, questions: Sequence[Question]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{name: getattr(one, name) for name in ("id", "stem", "options", "key", "system")} for one in questions]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def finished(measurement: Measurement | None) -> Measurement:
    assert measurement is not None
    return replace(measurement, finished="")


# Rows


def test_a_question_of_two_sets_never_fits_the_calibration_that_it_is_judged_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves: dict[str, list[int]] = {}

    def seen(**parts: Any) -> EciRecord:
        halves.update({name: [each.truth.size for each in parts[name]] for name in ("calibration", "conformal")})
        return fit_record(**parts)

    monkeypatch.setattr("app.measure_sets.fit_record", seen)
    one = labelled(1)
    both = Wanted(sets=(one, replace(one, name="again")))
    finished(measure_sets(Knows(), both, tmp_path))
    assert halves == {"calibration": [2], "conformal": []}


def test_skill_is_told_per_system_and_over_all(tmp_path: Path) -> None:
    found = finished(measure_sets(Knows(), wanted(400), tmp_path))
    skills = {skill.name: skill for skill in found.skills}
    assert {name: skill.n for name, skill in skills.items()} == {ALL: 400, "renal": 200, "blood": 200}
    assert (skills["renal"].accuracy, skills["renal"].earned) == (1.0, True)
    assert not skills["blood"].earned
    assert found.record.calibration(("A", "B", "C", "D"), "fast") is not None
    threshold = found.record.threshold(("A", "B", "C", "D"), "fast")
    assert threshold is not None
    assert threshold.n == 200
    assert [(each.name, each.n) for each in found.sets] == [("cases", 400)]
    assert "skill in 1 of 2 systems" in summary(found)
    assert [line.split()[-2:] for line in table(found).splitlines()[2:]] == [["not", "earned"], ["%", "earned"]]


def test_what_was_fitted_on_one_set_does_not_bear_the_name_of_another(tmp_path: Path) -> None:
    words = {word: word for word in ("yes", "no", "maybe")}
    texts = tuple(
        Question(id=f"t{number}", context="A text.", stem=f"Case {number}.", options=words, key="no") for number in range(40)
    )
    both = Wanted(sets=(labelled(80), Labelled("abstracts", texts, ())))
    head = EciHead({label: number for number, label in enumerate(LABELS)})
    found = finished(measure_sets(Knows(replace(INFO, eci=head)), both, tmp_path))
    assert {(each.labels, each.name) for each in (*found.record.calibrations, *found.record.thresholds)} == {
        (("A", "B", "C", "D"), "cases"),
        (("yes", "no", "maybe"), "abstracts"),
    }
    assert {name for name in found.record.skill if "labels" in name} == {"cases, 4 labels, fast", "abstracts, 3 labels, fast"}
    alone = finished(measure_sets(Knows(replace(INFO, eci=head)), replace(both, sets=both.sets[1:]), tmp_path))
    assert "questions on a text (n = 40)" in summary(alone)


def test_few_questions_change_no_probability_and_the_summary_says_so(tmp_path: Path) -> None:
    found = finished(measure_sets(Knows(), wanted(8), tmp_path))
    assert all(calibration.is_identity for calibration in found.record.calibrations)
    assert "probabilities stay as they are" in summary(found)
    assert finished(measure_sets(Knows(), wanted(1), tmp_path)).n == 1


def test_a_stopped_measurement_goes_on_and_ends_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    engine = Knows(before=lambda call: stop.set() if call == 2 else None)
    told: list[tuple[int, int]] = []
    assert measure_sets(engine, wanted(40), tmp_path / "a", stopped=stop) is None
    assert len(engine.asked) == 3 * CHUNK, "the questions that were being read are kept too"
    again = Knows()
    resumed = measure_sets(again, wanted(40), tmp_path / "a", tell=lambda done, total: told.append((done, total)))
    assert len(again.asked) == 40 - 3 * CHUNK
    assert not set(again.asked) & set(engine.asked)
    assert told[0] == (3 * CHUNK, 40)
    assert told[-1] == (40, 40)
    assert finished(resumed) == finished(measure_sets(Knows(), wanted(40), tmp_path / "b"))


@pytest.mark.parametrize(("cut", "lost"), [(1, 0), (30, 1), (80, 2)])
def test_a_line_that_a_kill_cut_off_is_read_again_and_breaks_no_other(tmp_path: Path, cut: int, lost: int) -> None:
    measure_sets(Knows(), wanted(8), tmp_path)
    (journal,) = tmp_path.iterdir()
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-cut])
    again = Knows()
    measure_sets(again, wanted(8), tmp_path)
    assert len(again.asked) == lost
    once_more = Knows()
    assert finished(measure_sets(once_more, wanted(8), tmp_path)).n == 8
    assert once_more.asked == []


@pytest.mark.parametrize(
    "line", ["null", "[]", '{"id": "q0", "fast": [1], "careful": null}', '{"id": "q0", "fast": "x", "careful": null}',
             '{"id": "q0", "fast": [1, 2, NaN, 4], "careful": null}', "\\xff", '{"id": "q0"}']
)  # fmt: skip
def test_a_line_that_is_no_row_counts_as_not_read(tmp_path: Path, line: str) -> None:
    measure_sets(Knows(), wanted(1), tmp_path)
    (journal,) = tmp_path.iterdir()
    journal.write_text(f"{line}\n")
    engine = Knows()
    measure_sets(engine, wanted(1), tmp_path)
    assert len(engine.asked) == 1


def test_a_journal_belongs_to_one_model_set_mode_and_prompt(tmp_path: Path) -> None:
    others = [
        (Knows(replace(INFO, digest="cd" * 32)), wanted(8)),
        (Knows(replace(INFO, chat_template=f"{INFO.chat_template} ")), wanted(8)),
        (Knows(), wanted(8, careful=True)),
        (Knows(), wanted(9)),
    ]
    measure_sets(Knows(), wanted(8), tmp_path)
    for engine, want in others:
        measure_sets(engine, want, tmp_path)
        assert engine.asked
    assert len(list(tmp_path.iterdir())) == 5


def test_a_limit_draws_by_the_seed_and_what_it_read_counts_for_the_whole(tmp_path: Path) -> None:
    few, same, other, whole = Knows(), Knows(), Knows(), Knows()
    assert finished(measure_sets(few, wanted(40, limit=12, seed=1), tmp_path / "a")).n == 12
    measure_sets(same, wanted(40, limit=12, seed=1), tmp_path / "b")
    measure_sets(other, wanted(40, limit=12, seed=2), tmp_path / "c")
    measure_sets(whole, wanted(40), tmp_path / "a")
    assert few.asked == same.asked
    assert set(few.asked) != set(other.asked)
    assert len(whole.asked) == 28


def test_careful_reads_every_order_and_gives_both_modes(tmp_path: Path) -> None:
    engine = Knows()
    found = finished(measure_sets(engine, wanted(8, careful=True), tmp_path))
    assert len(engine.asked) == 8 * 4
    assert found.modes == ("fast", "careful")
    assert {skill.mode for skill in found.skills} == {"fast", "careful"}


def test_several_sets_are_one_measurement(tmp_path: Path) -> None:
    both = Wanted(sets=(labelled(8, "one"), labelled(12, "two")))
    found = finished(measure_sets(Knows(), both, tmp_path))
    assert [(each.name, each.n) for each in found.sets] == [("one", 8), ("two", 12)]
    assert found.n == 20
    assert found.record.calibrations[0].name == "one and two"


# What cannot be measured


def test_questions_that_the_model_cannot_read_are_left_out(tmp_path: Path) -> None:
    worded = Question(id="w", stem="Case 2.", options={"yes": "yes", "no": "no"}, key="yes")
    long = replace(case(4), id="long", stem="Case 4. " + "word " * 600)
    mixed = Labelled("mixed", (*labelled(8).questions, worded, long), ())
    told: list[tuple[int, int]] = []
    found = measure_sets(Knows(), Wanted(sets=(mixed,)), tmp_path, tell=lambda done, total: told.append((done, total)))
    assert finished(found).n == 8
    assert told[-1] == (9, 9)
    with pytest.raises(NoLabels, match="labels like yes/no, and Fake reads A, B"):
        measure_sets(Knows(), Wanted(sets=(Labelled("worded", (worded,), ()),)), tmp_path)
    with pytest.raises(BadInput, match="No question fits into the 512 tokens"):
        measure_sets(Knows(), Wanted(sets=(Labelled("long", (long,), ()),)), tmp_path)


def test_a_model_without_labels_or_digest_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NoLabels, match="cannot be measured"):
        measure_sets(Knows(replace(INFO, eci=None)), wanted(8), tmp_path)
    with pytest.raises(EngineError, match="no digest"):
        measure_sets(Knows(FAKE_INFO), wanted(8), tmp_path)


def test_a_model_switched_meanwhile_ends_it_and_none_of_its_rows_are_kept(tmp_path: Path) -> None:
    engine = Knows()
    engine._before = lambda call: engine.become(replace(INFO, digest="cd" * 32, name="Other")) if call == 2 else None
    with pytest.raises(ModelSwitched, match="switched to Other"):
        measure_sets(engine, wanted(40), tmp_path)
    again = Knows()
    measure_sets(again, wanted(40), tmp_path)
    assert len(again.asked) == 40 - 2 * CHUNK


def test_a_busy_engine_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.measure_sets.BUSY_SECONDS", 0.0)
    turned_away = iter([True, True, False])

    def busy(call: int) -> None:
        if call == 1 and next(turned_away, False):
            raise Busy("32 requests wait.")

    assert finished(measure_sets(Knows(before=busy), wanted(12), tmp_path)).n == 12


def test_rows_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Make room"):
        measure_sets(Knows(), wanted(8), tmp_path / "file" / "below")


# Sets


def test_a_set_is_a_file_or_a_folder_and_its_digest_is_of_its_questions(tmp_path: Path) -> None:
    questions = labelled(6).questions
    whole = written(tmp_path / "whole.jsonl", questions)
    written(tmp_path / "parts" / "a.jsonl", questions[:4])
    written(tmp_path / "parts" / "b.jsonl", questions[3:])
    assert read_labelled(whole).digest == read_labelled(tmp_path / "parts").digest
    assert read_labelled(whole).name == "whole"
    changed = [replace(questions[0], stem="Case 8."), *questions[1:]]
    assert read_labelled(written(tmp_path / "other.jsonl", changed)).digest != read_labelled(whole).digest


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere\\.jsonl' does not exist"):
        read_labelled(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize("text", ["", "{}\n", '{"id": "x", "stem": "?", "options": {"A": "1"}, "key": "A"}\n'])
def test_a_set_without_a_usable_question_is_told_by_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(text)
    with pytest.raises(BadInput, match="no question that can be used"):
        read_labelled(path)


# The service


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    written(tmp_path / "bank" / "renal.jsonl", labelled(8).questions)
    written(tmp_path / "data" / "labelled" / "mine.jsonl", labelled(24).questions)
    (tmp_path / "data" / "labelled" / "broken.jsonl").write_text("{}\n")
    return tmp_path / "data"


def service(engine: FakeEngine, data_dir: Path, **more: object) -> tuple[Measuring, Ledger]:
    ledger = Ledger(data_dir / "measurements")
    return Measuring(engine, ledger, bank=data_dir.parent / "bank", data_dir=data_dir, **more), ledger  # type: ignore[arg-type]


def test_the_sets_are_the_bank_and_the_users_usable_files(data_dir: Path) -> None:
    measuring, _ = service(Knows(), data_dir)
    assert [(each.name, each.n) for each in measuring.sets()] == [(BANK, 8), ("mine", 24)]
    assert measuring.status() == MeasuringStatus(MeasuringPhase.IDLE)


def test_a_measurement_runs_to_its_end_and_is_kept(data_dir: Path, wait_for: Wait) -> None:
    measuring, ledger = service(Knows(), data_dir)
    measuring.start("mine")
    wait_for(lambda: measuring.status().phase is MeasuringPhase.DONE)
    status = measuring.status()
    assert (status.set, status.done, status.total) == ("mine", 24, 24)
    assert status.sentence.startswith("Fake, fast: ")
    found = ledger.get(INFO.digest)
    assert found is not None
    assert found.command == "python -m app.models measure fake.gguf --questions mine.jsonl"


def test_one_runs_at_a_time_and_stop_then_start_goes_on(data_dir: Path, wait_for: Wait) -> None:
    gate = threading.Semaphore(2)
    engine = Knows(before=lambda call: _pass(gate))
    measuring, ledger = service(engine, data_dir, clock=iter(range(1000)).__next__)
    measuring.start("mine")
    wait_for(lambda: measuring.status().done == 2 * CHUNK)
    status = measuring.status()
    assert (status.phase, status.total) == (MeasuringPhase.RUNNING, 24)
    assert status.seconds_left == pytest.approx((24 - 2 * CHUNK) / CHUNK)
    with pytest.raises(Conflict, match="on mine is running"):
        measuring.start(BANK)
    measuring.stop()
    status = measuring.status()
    assert (status.phase, status.sentence) == (MeasuringPhase.RUNNING, STOPPING)
    gate.release()
    wait_for(lambda: measuring.status().phase is MeasuringPhase.STOPPED)
    assert ledger.get(INFO.digest) is None
    assert "goes on" in measuring.status().sentence
    already = len(engine.asked)
    gate.release(100)
    measuring.start("mine")
    wait_for(lambda: measuring.status().phase is MeasuringPhase.DONE)
    assert len(engine.asked) == 24, f"{already} were read before"


def _pass(gate: threading.Semaphore) -> None:
    assert gate.acquire(timeout=60)


def test_what_cannot_start_says_why_and_leaves_the_state(data_dir: Path) -> None:
    engine = Knows()
    measuring, _ = service(engine, data_dir)
    with pytest.raises(NotFound, match="no labelled set 'theirs'; expected one of question bank, broken, mine"):
        measuring.start("theirs")
    with pytest.raises(BadInput, match="no question"):
        measuring.start("broken")
    engine.become(replace(INFO, eci=None))
    with pytest.raises(NoLabels):
        measuring.start("mine")
    assert measuring.status().phase is MeasuringPhase.IDLE


def test_a_failure_and_a_switched_model_end_it_with_their_sentence(data_dir: Path, wait_for: Wait) -> None:
    def dies(call: int) -> None:
        if call == 1:
            raise EngineError("The model died.")

    measuring, _ = service(Knows(before=dies), data_dir)
    measuring.start("mine")
    wait_for(lambda: measuring.status().phase is MeasuringPhase.FAILED)
    assert measuring.status().sentence == "The model died."
    engine = Knows()
    engine._before = lambda call: engine.become(replace(INFO, digest="cd" * 32, name="Other")) if call == 1 else None
    measuring, _ = service(engine, data_dir)
    measuring.start(BANK)
    wait_for(lambda: measuring.status().phase is MeasuringPhase.STOPPED)
    assert "switched to Other" in measuring.status().sentence


def test_closing_stops_it_and_nothing_starts_any_more(data_dir: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(call: int) -> None:
        reached.set()
        go_on.wait(60)

    measuring, _ = service(Knows(before=hold), data_dir)
    measuring.close()
    with pytest.raises(Conflict, match="closing"):
        measuring.start("mine")
    measuring, _ = service(Knows(before=hold), data_dir)
    measuring.start("mine")
    assert reached.wait(60)
    threading.Timer(0.05, go_on.set).start()
    measuring.close()
    assert measuring.status().phase is MeasuringPhase.STOPPED
    assert list((data_dir / JOURNALS).iterdir())


def test_a_model_with_words_is_measured_on_them(tmp_path: Path) -> None:
    info = replace(INFO, eci=EciHead({"yes": 1, "no": 2, "maybe": 3}))
    words = {"maybe": "maybe", "no": "no", "yes": "yes"}
    questions = tuple(Question(id=str(n), stem=f"Case {2 * n}.", context="Text.", options=words, key="no") for n in range(8))
    found = finished(measure_sets(Knows(info), Wanted(sets=(Labelled("texts", questions, ()),)), tmp_path))
    assert found.record.calibrations[0].labels == ("yes", "no", "maybe")
