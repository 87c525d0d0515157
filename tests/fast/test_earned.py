"""What a model has earned is what was measured, whose measurement counts, and what a broken file costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.calibration import EciRecord
from app.earned import ALL, DataSet, Ledger, Measurement, Origin, Skill, earned, fit_record, skill_figures, skills_in, skills_of
from app.engine.base import EciHead, ModelInfo
from app.engine.fake import FAKE_INFO
from app.errors import StoreError
from app.prompts import prompt_digest
from app.readings import Scored, form_of
from app.records import Question

DIGEST = "ab" * 32
ASKED = prompt_digest(form_of(FAKE_INFO))
INFO = replace(FAKE_INFO, digest=DIGEST)
ABCD = ("A", "B", "C", "D")
assert FAKE_INFO.eci is not None
TOKENS = FAKE_INFO.eci.token_ids


def rows(count: int, *, right: float, seed: int = 0, system: str = "renal", labels: tuple[str, ...] = ABCD) -> Scored:
    """Questions whose key is evenly spread and scored highest in the share ``right`` of them."""
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % len(labels)
    scores = rng.normal(size=(count, len(labels)))
    told = rng.random(count) < right
    scores[np.arange(count)[told], truth[told]] += 9.0
    return Scored(labels, scores, None, truth, (system,) * count)


def measured(*, digest: str = DIGEST, name: str = "bank", n: int = 200, prompt: str = ASKED, right: float = 0.7) -> Measurement:
    halves = [[rows(n // 2, right=right, seed=seed)] for seed in (1, 2)]
    record = fit_record(token_ids=TOKENS, prompt=prompt, calibration=halves[0], conformal=halves[1], name=name)
    return Measurement(
        digest=digest,
        model="Fake",
        sets=(DataSet(name, "d" * 64, n),),
        finished="2026-11-21T20:00:00+00:00",
        command="python -m app.models measure",
        machine="x86_64, 2 cores",
        modes=("fast",),
        record=record,
    )


# Skill


def test_skill_is_earned_only_where_the_whole_interval_is_above_chance() -> None:
    assert Skill("cardiology", "fast", 120, 73, 0.25).sentence == "right in 61 % of cardiology (n = 120)"
    assert Skill("cardiology", "fast", 20, 8, 0.25).sentence == "no measured skill in cardiology (n = 20)"
    assert Skill(ALL, "fast", 120, 73, 0.25).sentence == "right in 61 % of all exam questions measured (n = 120)"
    assert not Skill("cardiology", "fast", 120, 36, 0.25).earned


@pytest.mark.parametrize(("n", "correct", "chance"), [(0, 0, 0.25), (5, 6, 0.25), (5, -1, 0.25), (5, 1, 0.0), (5, 1, 1.5)])
def test_an_impossible_skill_is_refused(n: int, correct: int, chance: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        Skill("renal", "fast", n, correct, chance)


def test_a_model_that_knows_earns_it_in_its_systems_and_one_that_guesses_nothing() -> None:
    knows = skills_of([rows(200, right=0.9)], [rows(200, right=0.9, seed=1)])
    guesses = skills_of([rows(200, right=0.0, system="blood")], [rows(200, right=0.0, seed=1, system="blood")])
    assert [(skill.name, skill.n, skill.earned) for skill in knows] == [(ALL, 400, True), ("renal", 400, True)]
    assert [skill.earned for skill in guesses] == [False, False]


def test_a_constant_answer_to_a_lopsided_set_earns_nothing() -> None:
    """Always "yes" is right in three of four here; a fitted bias would find that out."""
    labels = ("yes", "no", "maybe")
    truth = np.array([0, 0, 0, 1] * 60)
    always = Scored(labels, np.tile([1.0, 0.0, 0.0], (240, 1)), None, truth, ("trials",) * 240)
    for skill in skills_of([always], [always]):
        assert skill.accuracy == pytest.approx(0.75)
        assert skill.chance == pytest.approx(0.75)
        assert not skill.earned


def test_questions_on_a_text_count_apart_from_those_of_exams() -> None:
    exam, texts = rows(100, right=0.9), rows(60, right=0.9, system="questions on a text", labels=("yes", "no", "maybe"))
    found = {skill.name: skill.n for skill in skills_of([exam, texts], [exam, texts])}
    assert found == {ALL: 200, "renal": 200, "questions on a text": 120}
    assert [skill.name for skill in skills_of([texts], [texts])] == ["questions on a text"]


def test_each_row_is_judged_by_a_calibration_that_was_not_fitted_on_it() -> None:
    """Halves whose keys stand at opposite letters: a bias fitted on one half misleads on the other, and that is told."""
    flat = np.random.default_rng(0).normal(scale=0.01, size=(300, 2))
    first, second = (Scored(("A", "B"), flat, None, np.full(300, key), ("s",) * 300) for key in (0, 1))
    assert skills_of([first], [second])[0].correct < 30


def test_the_skill_that_a_record_carries_is_read_again() -> None:
    skills = (Skill(ALL, "fast", 90, 30, 0.2), Skill("blood", "fast", 9, 3, 0.2), Skill("a, b", "careful", 30, 20, 0.25))
    record = replace(measured().record, skill=skill_figures(skills))
    assert skills_in(EciRecord.from_json(record.to_json())) == skills


def test_what_is_no_skill_in_a_record_is_none() -> None:
    strange = {
        "bank, 5 labels, fast": {"n": 5.0, "accuracy": 0.5},
        "x, fast": {"n": 3.0, "correct": 9.0, "chance": 0.2},
        "fast": {},
    }
    assert skills_in(replace(measured().record, skill=strange)) == ()


def test_a_record_has_calibration_threshold_and_the_figures_of_both_kinds() -> None:
    record = measured().record
    assert record.calibration(ABCD, "fast") is not None
    threshold = record.threshold(ABCD, "fast")
    assert threshold is not None
    assert threshold.claims_coverage
    assert record.calibration(ABCD, "careful") is None
    assert {"bank, 4 labels, fast", "all, fast", "renal, fast"} == set(record.skill)


def test_few_rows_leave_the_scores_as_they_are_and_claim_no_coverage() -> None:
    record = measured(n=24).record
    calibration, threshold = record.calibration(ABCD, "fast"), record.threshold(ABCD, "fast")
    assert calibration is not None
    assert calibration.is_identity
    assert calibration.word.startswith("uncalibrated")
    assert threshold is not None
    assert not threshold.claims_coverage


# Kept measurements


def test_a_measurement_comes_back_as_it_was_written(tmp_path: Path) -> None:
    ledger, measurement = Ledger(tmp_path / "new"), measured()
    path = ledger.put(measurement)
    assert ledger.get(DIGEST) == measurement
    assert ledger.all() == [measurement]
    assert [path] == list((tmp_path / "new").iterdir())
    assert ledger.get("cd" * 32) is None
    assert ledger.get("") is None
    assert ledger.get("../../x") is None


def test_the_users_own_measurement_wins_over_the_shipped_one(tmp_path: Path) -> None:
    shipped = measured(name="shipped")
    Ledger(tmp_path / "shipped").put(shipped).rename(tmp_path / "shipped" / "a-model.json")
    ledger = Ledger(tmp_path / "own", tmp_path / "shipped")
    assert ledger.get(DIGEST) == shipped
    own = measured(name="own")
    ledger.put(own)
    assert ledger.get(DIGEST) == own
    assert ledger.all() == [own]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("version", 2, "version 2"),
        ("version", True, "version True"),
        ("digest", "../etc", "64 hexadecimal"),
        ("model", 5, "expected str"),
        ("sets", [], "0 sets"),
        ("sets", [{"name": "x"}], "a set in it has the fields"),
        ("modes", ["slow"], "expected modes"),
        ("record", {}, "version None"),
        ("more", 1, "has the fields"),
    ],
)
def test_a_measurement_of_another_shape_is_refused_with_what_was_expected(field: str, value: object, said: str) -> None:
    row = {**json.loads(measured().to_json()), field: value}
    with pytest.raises(ValueError, match=said):
        Measurement.from_json(json.dumps(row))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 1}', "[" * 100_000])
def test_a_broken_file_is_a_sentence_and_counts_as_absent(tmp_path: Path, text: str) -> None:
    (tmp_path / f"{DIGEST}.json").write_text(text)
    ledger = Ledger(tmp_path)
    assert ledger.get(DIGEST) is None
    assert ledger.all() == []
    (problem,) = ledger.problems
    assert DIGEST in problem
    assert "Measure the model again" in problem


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be kept"):
        Ledger(tmp_path / "file" / "below").put(measured())


# Which one counts


def test_own_then_shipped_then_the_files_own_record_counts(tmp_path: Path) -> None:
    file = measured(name="file").record
    info = replace(INFO, eci=EciHead(TOKENS, trained=True, record=file))
    ledger = Ledger(tmp_path / "own", tmp_path / "shipped")
    assert earned(INFO, None).origin is Origin.NONE
    assert (earned(info, None).origin, earned(info, ledger).record) == (Origin.FILE, file)
    Ledger(tmp_path / "shipped").put(measured(name="shipped"))
    assert earned(info, ledger).origin is Origin.SHIPPED
    ledger.put(measured(name="own"))
    found = earned(info, ledger)
    assert found.origin is Origin.OWN
    assert found.sentence == "Measured on this machine on own (n = 200), 2026-11-21."


def test_a_measurement_with_another_prompt_or_other_tokens_does_not_count_and_the_reason_is_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.put(measured(prompt="0" * 16))
    found = earned(INFO, ledger)
    assert (found.record, found.skills, found.origin) == (None, (), Origin.NONE)
    assert "made with the prompt 0000000000000000" in found.sentence
    ledger.put(measured())
    moved: ModelInfo = replace(INFO, eci=EciHead({label: token + 1 for label, token in TOKENS.items()}))
    assert "reads label A at token 0, the model at 1" in earned(moved, ledger).sentence


def test_a_model_without_labels_has_earned_nothing() -> None:
    assert "cannot be measured" in earned(replace(INFO, eci=None), None).sentence


def question(system: str) -> Question:
    return Question(id="q", stem="?", options={"A": "1", "B": "2", "C": "3", "D": "4"}, key="A", system=system)


def test_no_exam_speaks_for_a_question_on_a_text() -> None:
    asked = Question(id="q", context="c", stem="?", options={word: word for word in ("yes", "no", "maybe")}, key="yes")
    exams = replace(earned(INFO, None), skills=(Skill(ALL, "fast", 500, 400, 0.25),))
    assert exams.words(asked, "fast") == ""
    texts = replace(exams, skills=(*exams.skills, Skill("questions on a text", "fast", 12, 5, 0.5)))
    assert texts.words(asked, "fast") == "no measured skill in questions on a text (n = 12)"


def test_a_system_speaks_for_itself_from_twenty_questions_on_else_all_do() -> None:
    skills = [Skill(ALL, "fast", 139, 90, 0.25), Skill("Renal", "fast", 20, 18, 0.25), Skill("blood", "fast", 19, 19, 0.25)]
    found = replace(earned(INFO, None), skills=tuple(skills))
    assert found.words(question("renal"), "fast") == "right in 90 % of Renal (n = 20)"
    assert (
        found.words(question("blood"), "fast")
        == "right in 65 % of all exam questions measured (n = 139); too few of blood to tell"
    )
    assert found.words(question("renal"), "careful") == "right in 90 % of Renal (n = 20) when read in one pass"
    assert replace(found, skills=()).words(question("renal"), "fast") == ""
