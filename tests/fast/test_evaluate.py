"""What an evaluation claims is so: on a reader whose scores are known, in milliseconds."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.calibration import Calibration, EciRecord, Threshold, conformal_threshold
from app.eci import FloatArray, cyclic_orders
from app.engine.base import EciHead, LabelRequest
from app.engine.fake import FAKE_INFO, FakeEngine
from app.errors import BadInput, EngineError
from app.prompts import ChatFormat, prompt_digest
from app.records import LABELS, OPTION_LETTERS, Prompt, Question
from finetune.evaluate import main
from finetune.plots import Curve, draw
from finetune.predictions import read_predictions
from finetune.readers import EngineReader, open_reader
from finetune.readings import permutation
from finetune.report import Draw
from finetune.shots import choose_examples

FORM = ChatFormat(FAKE_INFO.chat_template)


class FakeReader:
    """Scores of a request as ``score`` says of its last turn's text and a label; writes what ``say`` says."""

    def __init__(
        self,
        score: Callable[[str, str], float],
        *,
        say: Callable[[str], str] = lambda text: " A",
        readable: frozenset[str] = frozenset(LABELS),
        digest: str = "f" * 64,
        record: EciRecord | None = None,
        breaks_after: int | None = None,
    ) -> None:
        self.name, self.digest, self.form, self.record, self.head_kind = "Fake", digest, FORM, record, "none"
        self._score, self._say, self._readable, self._breaks_after = score, say, readable, breaks_after
        self.calls = 0
        self.requests: list[LabelRequest] = []
        self.closed = False

    def labels(self, head: str) -> frozenset[str]:
        return self._readable if head in ("eci", "letters") else frozenset()

    def scores(self, requests: Sequence[LabelRequest], head: str) -> list[FloatArray]:
        if self.calls == self._breaks_after:
            raise EngineError("The model died.")
        self.calls += 1
        self.requests += requests
        return [np.asarray([self._score(asked(one.prompt), label) for label in one.labels]) for one in requests]

    def write(self, prompts: Sequence[Prompt], max_tokens: int) -> list[str]:
        return [self._say(asked(prompt)) for prompt in prompts]

    def close(self) -> None:
        self.closed = True


def asked(prompt: Prompt) -> str:
    """The last user turn."""
    contents = [segment.text for segment in prompt if not segment.control and segment.text != "Answer:"]
    return contents[-1]


def question(number: int, *, key: str = "A", options: int = 4, subject: str = "") -> Question:
    texts = {letter: f"option {letter} of {number}" for letter in OPTION_LETTERS[:options]}
    return Question(id=f"q{number}", stem=f"Stem {number}?", options=texts, key=key, subject=subject)


def worded(number: int, key: str) -> Question:
    return Question(
        id=f"w{number}", stem=f"Is it {number}?", context="A text.", options={w: w for w in ("yes", "no", "maybe")}, key=key
    )


def write_questions(path: Path, questions: Sequence[Question]) -> Path:
    names = ("id", "stem", "key", "subject", "system", "step", "context")
    rows = [
        {name: getattr(one, name) for name in names if getattr(one, name)} | {"options": dict(one.options)} for one in questions
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def no_pictures(curves: Sequence[Curve], folder: Path, *, n: int, title: str = "") -> None:
    """Pictures take matplotlib half a second a run; two tests make them."""


class Bench:
    """A folder with question files and the command on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.model = folder / "model.gguf"
        self.draw: Draw = no_pictures

    def evaluate(self, reader: FakeReader, questions: Sequence[Question], method: str, *flags: str) -> int:
        file = write_questions(self.folder / "questions.jsonl", questions)
        given = ["--questions", str(file), "--method", method, "--out", str(self.out), "--model", str(self.model), *flags]
        return main(given, opener=lambda path: reader, draw=self.draw)

    @property
    def metrics(self) -> dict[str, Any]:
        found = json.loads((self.out / "metrics.json").read_text(encoding="utf-8"))
        assert isinstance(found, dict)
        return found

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def place_of(text: str, wanted: str) -> str:
    """The letter at which an option's text is listed."""
    return next(line[0] for line in text.splitlines() if line[1:3] == ". " and line[3:] == wanted)


def knows(text: str, label: str) -> float:
    """Always finds "option A", wherever it stands."""
    return 4.0 if f"\n{label}. option A" in text else 0.0


def likes_a(text: str, label: str) -> float:
    """Looks at nothing but the letter."""
    return 2.0 if label in ("A", "yes") else 0.0


FORTY = [question(number, key="ABCD"[number % 4]) for number in range(40)]


# Figures


def test_metrics_hold_what_the_issue_names_and_the_keys_of_the_files(bench: Bench) -> None:
    bench.draw = draw
    assert bench.evaluate(FakeReader(knows), FORTY, "letters") == 0
    promised = (
        "accuracy accuracy_low accuracy_high macro_f1 invalid ece ece_floor brier brier_skill nll flips n questions_per_s digests"
    )
    also = (
        "auroc_error risk_50 risk_80 risk_100 conformal_coverage conformal_size recall_spread method mode shots style seed model"
    )
    assert {
        *promised.split(),
        *also.split(),
        "calibration",
        "by_subject",
        "by_system",
        "by_step",
        "skill",
        "command",
    } <= bench.metrics.keys()
    assert {path.name for path in bench.out.iterdir()} == {
        "metrics.json",
        "predictions.jsonl",
        "reliability.png",
        "risk_coverage.png",
        "run.json",
        "table.md",
    }
    assert [line["id"] for line in bench.lines()] == [one.id for one in FORTY]
    assert bench.metrics["accuracy"] == 0.25


def test_known_probabilities_have_their_figures(bench: Bench) -> None:
    """Two labels, logits 0 and ln 3 for the right one: probability 3/4, always right."""
    easy = [question(number, key="A", options=2) for number in range(20)]
    bench.evaluate(FakeReader(lambda text, label: float(np.log(3)) if f"\n{label}. option A" in text else 0.0), easy, "letters")
    found = bench.metrics
    assert found["accuracy"] == 1
    assert found["nll"] == pytest.approx(-np.log(0.75))
    assert found["ece"] == pytest.approx(0.25)
    assert bench.lines()[0]["probabilities"] == pytest.approx([0.75, 0.25])


def test_invalid_answers_count_as_wrong(bench: Bench) -> None:
    def say(text: str) -> str:
        number = int(text.partition("Stem ")[2].partition("?")[0])
        return " A. It is so." if number < 10 else " I can't tell." if number < 15 else " B"

    bench.evaluate(FakeReader(likes_a, say=say), [question(number) for number in range(20)], "generate")
    assert (bench.metrics["accuracy"], bench.metrics["invalid"]) == (0.5, 0.25)
    assert bench.lines()[10]["choice"] is None
    for undefined in ("ece", "brier", "nll", "auroc_error", "risk_50"):
        assert bench.metrics[undefined] is None


def test_groups_of_five_and_more_have_their_accuracy_with_interval(bench: Bench) -> None:
    rows = [question(number, subject="anatomy" if number < 6 else "surgery") for number in range(10)]
    bench.evaluate(FakeReader(knows), rows, "letters")
    assert bench.metrics["by_subject"].keys() == {"anatomy"}
    group = bench.metrics["by_subject"]["anatomy"]
    assert (group["n"], group["accuracy"]) == (6, 1)
    assert group["accuracy_low"] < 1 == group["accuracy_high"]


def test_majority_takes_the_most_frequent_key_and_needs_no_model(bench: Bench, tmp_path: Path) -> None:
    prior = write_questions(tmp_path / "prior.jsonl", [question(number, key="C" if number < 6 else "B") for number in range(10)])
    rows = write_questions(tmp_path / "rows.jsonl", FORTY)
    given = ["--questions", str(rows), "--method", "majority", "--prior-from", str(prior), "--out", str(bench.out)]
    assert main(given, draw=no_pictures) == 0
    assert {line["choice"] for line in bench.lines()} == {"C"}
    assert bench.metrics["accuracy"] == 0.25
    assert bench.metrics["flips"] is None
    assert bench.metrics["model"] is None
    assert bench.lines()[0]["probabilities"] == pytest.approx([1 / 14, 5 / 14, 7 / 14, 1 / 14])


# Orders


def test_a_reader_that_looks_at_letters_alone_flips_where_the_permutation_moves_what_it_chose(bench: Bench) -> None:
    bench.evaluate(FakeReader(likes_a), FORTY, "letters", "--seed", "3")
    by_hand = [permutation(one, 3)[0] != 0 for one in FORTY]  # another text stands at A
    assert 0.4 < np.mean(by_hand) < 1
    assert bench.metrics["flips"] == np.mean(by_hand)


def test_a_reader_that_knows_the_text_never_flips(bench: Bench) -> None:
    bench.evaluate(FakeReader(knows), FORTY, "letters")
    assert bench.metrics["flips"] == 0


def test_the_permutation_is_no_turning_but_for_two_options() -> None:
    for options in range(3, 11):
        one = question(options, options=options)
        assert permutation(one, 0) not in cyclic_orders(options).tolist()
        assert permutation(one, 0) == permutation(one, 0)
    assert permutation(question(1, options=2), 5) == [1, 0]


def test_branched_is_blind_to_order(bench: Bench) -> None:
    """Scores that depend on every character of the prompt: no flip, though letters flip on the same reader."""

    def wild(text: str, label: str) -> float:
        return zlib.crc32(f"{text}{label}".encode()) % 997 / 100

    assert bench.evaluate(FakeReader(wild), FORTY, "branched") == 0
    assert bench.metrics["flips"] == 0
    reader = FakeReader(wild)
    bench.evaluate(reader, FORTY, "branched", "--force", "--seed", "9")
    assert bench.metrics["flips"] == 0
    assert all(one.labels == ("yes", "no") for one in reader.requests)
    assert not any("\nA. " in asked(one.prompt) for one in reader.requests)


def test_branched_takes_the_option_whose_yes_outweighs_its_no_the_most(bench: Bench) -> None:
    def proposes(text: str, label: str) -> float:
        right = "answer: option B" in text or "answer: maybe" in text
        return (3.0 if right else 1.0) if label == "yes" else 1.0

    bench.evaluate(FakeReader(proposes), [question(1, key="B")], "branched")
    assert bench.lines()[0]["probabilities"][1] == pytest.approx(np.exp(2) / (np.exp(2) + 3))
    bench.evaluate(FakeReader(proposes), [worded(2, "maybe")], "branched", "--force")
    assert bench.metrics["accuracy"] == 1


def test_lettered_and_worded_questions_are_not_thrown_together(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.evaluate(FakeReader(knows), [question(1), worded(2, "maybe")], "letters") == 2
    assert "of two kinds" in capsys.readouterr().err


def test_careful_gives_a_reader_that_looks_at_letters_alone_equal_probabilities(bench: Bench) -> None:
    bench.evaluate(FakeReader(likes_a), FORTY, "letters", "--mode", "careful")
    assert bench.lines()[7]["probabilities"] == pytest.approx([0.25] * 4)


def test_worded_questions_are_listed_in_another_order_and_keep_their_words(bench: Bench) -> None:
    def listed_first(text: str, label: str) -> float:
        return 1.0 if f"Reply with {label}," in text else 0.0

    rows = [worded(number, "yes") for number in range(24)]
    bench.evaluate(FakeReader(listed_first), rows, "letters")
    by_hand = [permutation(one, 0)[0] != 0 for one in rows]
    assert bench.metrics["flips"] == np.mean(by_hand)
    assert bench.metrics["accuracy"] == 1
    bench.evaluate(FakeReader(likes_a), rows, "letters", "--mode", "careful", "--force")
    assert (bench.metrics["accuracy"], bench.metrics["flips"]) == (1, 0)


# Calibration


def record(*, digest: str, thresholds: bool = True) -> EciRecord:
    labels = ("A", "B", "C", "D")
    calibration = Calibration(labels, "fast", 0.5, (0.0, 0.0, 0.0, 3.0), 300, "held-out")
    found = conformal_threshold(np.full(200, 0.05), labels=labels, mode="fast", name="held-out")
    kept: tuple[Threshold, ...] = (found,) if thresholds else ()
    return EciRecord(labels, (1, 2, 3, 4), digest, (calibration,), kept, {})


def test_the_models_calibration_is_applied_and_flips_are_told_before_and_after(bench: Bench) -> None:
    bench.evaluate(FakeReader(likes_a, record=record(digest=prompt_digest(FORM))), FORTY, "eci")
    weights = np.exp([1.0, 0, 0, 3.0])
    assert bench.lines()[0]["probabilities"] == pytest.approx((weights / weights.sum()).tolist())
    assert {line["choice"] for line in bench.lines()} == {"D"}
    assert {line["choice_uncalibrated"] for line in bench.lines()} == {"A"}
    assert bench.metrics["calibration"] == "calibrated on held-out (n = 300)"
    assert bench.metrics["flips"] == np.mean([permutation(one, 0)[0] != 0 for one in FORTY])
    assert bench.metrics["flips_calibrated"] == np.mean([permutation(one, 0)[3] != 3 for one in FORTY])
    # Of the four, D has 0.80, A 0.11 and the others 0.04: the set with 1 - p <= 0.95 holds A and D.
    assert bench.metrics["conformal_coverage"] == 0.5
    assert bench.metrics["conformal_size"] == 2


@pytest.mark.parametrize(
    ("flags", "digest", "words"),
    [
        (("--uncalibrated",), "", "as asked"),
        ((), "0123", "another prompt"),
        (("--mode", "careful"), "", "no calibration for A/B/C/D in careful mode"),
    ],
)
def test_a_calibration_that_does_not_hold_is_left_aside_in_words(
    bench: Bench, flags: tuple[str, ...], digest: str, words: str
) -> None:
    bench.evaluate(FakeReader(likes_a, record=record(digest=digest or prompt_digest(FORM))), FORTY, "eci", *flags)
    assert bench.metrics["calibration"].startswith("uncalibrated")
    assert words in bench.metrics["calibration"]
    assert bench.metrics["conformal_coverage"] is None
    assert all(line["probabilities"] == line["uncalibrated"] for line in bench.lines())


# Going on


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.99])
def test_a_run_that_was_cut_anywhere_goes_on_to_the_same_figures(bench: Bench, share: float) -> None:
    bench.evaluate(FakeReader(knows), FORTY, "letters")
    whole, size = bench.metrics, (bench.out / "predictions.jsonl").stat().st_size
    (bench.out / "metrics.json").unlink()
    cut(bench.out / "predictions.jsonl", int(share * size))
    reader = FakeReader(knows)
    assert bench.evaluate(reader, FORTY, "letters") == 0
    timeless = {"questions_per_s"}
    assert {k: v for k, v in bench.metrics.items() if k not in timeless} == {k: v for k, v in whole.items() if k not in timeless}
    assert len(bench.lines()) == 40
    assert reader.calls == 3 - int(share * 40) // 16  # whole batches of 16 are not asked again


def test_a_model_that_dies_leaves_what_was_answered_and_a_sentence(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    reader = FakeReader(knows, breaks_after=2)
    assert bench.evaluate(reader, FORTY, "letters") == 2
    assert "The model died." in capsys.readouterr().err
    assert reader.closed
    assert len(bench.lines()) == 32
    assert not (bench.out / "metrics.json").exists()


def test_ctrl_c_says_how_to_go_on(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(text: str, label: str) -> float:
        raise KeyboardInterrupt

    assert bench.evaluate(FakeReader(interrupted), FORTY, "letters") == 130
    assert "run the same command again to go on" in capsys.readouterr().err


def test_a_finished_run_asks_nothing_again(bench: Bench) -> None:
    bench.evaluate(FakeReader(knows), FORTY, "letters")
    again = FakeReader(knows)
    assert bench.evaluate(again, FORTY, "letters") == 0
    assert again.calls == 0


def test_another_run_in_the_same_folder_is_refused_until_forced(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.evaluate(FakeReader(knows), FORTY, "letters")
    for reader, flags, named in (
        (FakeReader(knows), ("--seed", "1"), "seed was 0 and is now 1"),
        (FakeReader(knows, digest="e" * 64), (), "model was"),
        (FakeReader(knows), ("--limit", "20"), "limit was 0 and is now 20"),
    ):
        assert bench.evaluate(reader, FORTY, "letters", *flags) == 2
        said = capsys.readouterr().err
        assert named in said
        assert "--force" in said
    assert bench.evaluate(FakeReader(knows), FORTY, "letters", "--limit", "20", "--force") == 0
    assert len(bench.lines()) == 20


def test_a_trained_adapters_folder_is_never_cleared(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.out.mkdir()
    (bench.out / "run.json").write_text('{"config": {}}', encoding="utf-8")
    assert bench.evaluate(FakeReader(knows), FORTY, "letters", "--force") == 2
    assert "another stage" in capsys.readouterr().err
    assert (bench.out / "run.json").read_text(encoding="utf-8") == '{"config": {}}'


def test_a_broken_line_is_refused_by_number(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.evaluate(FakeReader(knows), FORTY, "letters")
    lines = (bench.out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    (bench.out / "predictions.jsonl").write_text("\n".join([lines[0], "nonsense", *lines[2:], ""]), encoding="utf-8")
    assert bench.evaluate(FakeReader(knows), FORTY, "letters") == 2
    assert "line 2 is no prediction" in capsys.readouterr().err


# Questions, examples, refusals


def test_a_model_without_the_labels_is_refused(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for readable, method, said in (
        (frozenset[str](), "eci", "has no labels to read"),
        (frozenset(OPTION_LETTERS), "branched", "needs no, yes too"),
        (frozenset("ABC"), "letters", "needs D too for 40 of 40 questions"),
        (frozenset(LABELS), "paper", "trained with finetune.train"),
    ):
        reader = FakeReader(knows, readable=readable)
        assert bench.evaluate(reader, FORTY, method) == 2
        assert said in capsys.readouterr().err
        assert reader.closed
    assert not bench.out.exists()


def test_refused_rows_are_counted_and_told(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_questions(tmp_path / "good.jsonl", FORTY[:6])
    with good.open("a", encoding="utf-8") as file:
        file.write('{"id": "bad", "stem": "No options?", "key": "A"}\n')
    again = write_questions(tmp_path / "again.jsonl", FORTY[5:8])
    given = ["--questions", str(good), str(again), "--method", "letters", "--out", str(bench.out), "--model", "m"]
    assert main(given, opener=lambda path: FakeReader(knows), draw=no_pictures) == 0
    assert (bench.metrics["refused"], bench.metrics["n"]) == (2, 8)
    said = capsys.readouterr().err
    assert "2 rows were refused" in said
    assert "'q5' stands in an earlier file too" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--shots", "5"), "give both, or neither"),
        (("--method", "generate", "--mode", "careful"), "Leave it out"),
        (("--limit", "-1"), "--limit is -1"),
        (("--questions", "/none.jsonl"), "/none.jsonl"),
        (("--method", "guess"), "guess"),
    ],
)
def test_flags_that_cannot_be_get_a_sentence_and_code_2(
    bench: Bench, flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.evaluate(FakeReader(knows), FORTY, "letters", *flags) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_examples_are_the_same_for_all_balanced_and_never_under_test() -> None:
    pool = [question(number, key="ABCD"[number % 4]) for number in range(100, 140)]
    twin = Question(id="other", stem="STEM  1 ?", options=question(1).options, key="A")
    chosen = choose_examples([*pool, *FORTY, twin], FORTY, 5, seed=1)
    (examples,) = chosen.values()
    assert not {one.id for one in examples} & {one.id for one in FORTY} | {"other"} & {one.id for one in examples}
    assert sorted(one.key for one in examples)[:4] != ["A", "A", "A", "A"]
    assert {one.key for one in examples} == set("ABCD")
    assert choose_examples(pool[::-1], FORTY, 5, seed=1) == choose_examples(pool, FORTY, 5, seed=1)
    with pytest.raises(BadInput, match=r"has 0 questions with the labels A, B, C, D"):
        choose_examples(FORTY, FORTY, 1, seed=1)


@pytest.mark.parametrize("method", ["letters", "branched", "generate"])
def test_examples_stand_before_every_question(bench: Bench, tmp_path: Path, method: str) -> None:
    pool = write_questions(tmp_path / "pool.jsonl", [question(number, key="B") for number in range(100, 103)])
    reader = FakeReader(knows)
    assert bench.evaluate(reader, FORTY, method, "--shots", "1", "--shots-from", str(pool)) == 0
    assert bench.metrics["name"] == f"{method} 1-shot"
    starts = {"".join(s.text for s in one.prompt).partition("Stem 1")[2][:3] for one in reader.requests}
    assert len(starts) == (0 if method == "generate" else 1), "the one example stands first"


# The reader of GGUF files


def test_the_engine_reads_letters_and_writes_greedily() -> None:
    reader = EngineReader(FakeEngine("A because"), digest="d")
    assert reader.labels("letters") == reader.labels("eci") == frozenset(OPTION_LETTERS)
    assert reader.labels("paper") == frozenset()
    assert reader.write([(), ()], 8) == ["A because", "A because"]
    assert reader.record is None


def test_the_engine_reads_with_the_record_that_the_file_carries() -> None:
    record = EciRecord(("A", "B"), (7, 8), "p", (), (), {})
    info = replace(FAKE_INFO, eci=EciHead({"A": 7, "B": 8}, trained=True, record=record))
    reader = EngineReader(FakeEngine(info=info), digest="d")
    assert (reader.record, reader.head_kind) == (record, "rows")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_bytes(b"hello"), "no GGUF file"),
        (lambda path: path.mkdir(), "neither config.json"),
        (lambda path: [path.mkdir(), (path / "adapter_config.json").touch()], "has no run.json"),
        (lambda path: [path.mkdir(), (path / "config.json").touch(), (path / "pytorch_model.bin").touch()], "pickle"),
    ],
)
def test_a_path_that_is_no_model_gets_a_sentence(make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    make(tmp_path / "model")
    with pytest.raises(BadInput, match=said):
        open_reader(tmp_path / "model")


def test_what_is_written_is_read_again(bench: Bench) -> None:
    bench.evaluate(FakeReader(knows), FORTY, "letters")
    found = read_predictions(bench.out / "predictions.jsonl")
    assert [one.truth for one in found] == [one.key for one in FORTY]
