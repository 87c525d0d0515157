"""`python -m finetune.data`: training rows, disjoint parts and few-shot sets by command, the same for the same seed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.errors import BadInput
from app.questions import read_questions
from app.records import Question
from finetune.data import main
from finetune.rows import ChatRow, QuestionRow, TextRow, read_rows
from finetune.sources import hub_loader, read_hub, read_source
from finetune.splits import Part, few_shot_rows, parse_parts, sizes, split_rows, without_duplicates

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("LLAMACARE_DATA", ROOT.parent / "shared" / "data"))
ORGANS = ("heart", "liver", "spleen", "kidney", "lung", "brain", "skin", "bone", "gut", "eye")


def abstract(number: int, key: str) -> dict[str, Any]:
    organ = ORGANS[number % len(ORGANS)]
    return {
        "pmid": str(number),
        "question": f"Does trial {number} help the {organ}?",
        "contexts": [f"{number} people with a sick {organ} took part."],
        "section_labels": ["METHODS"],
        "long_answer": f"Trial {number} answers {key}.",
        "answer": key,
    }


def vignette(number: int, key: str = "A", step: str = "step1", **changes: Any) -> dict[str, Any]:
    options = {letter: f"{ORGANS[number % 10]} {letter * 2} {number}" for letter in "ABCD"}
    row = {"question": f"Patient {number} hurts. Where?", "options": options, "answer": options[key], "answer_idx": key}
    return {**row, "meta_info": step, **changes}


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def abstracts(tmp_path: Path) -> Path:
    keys = ["yes"] * 55 + ["no"] * 33 + ["maybe"] * 12
    return write(tmp_path / "pubmedqa.jsonl", *(abstract(number, key) for number, key in enumerate(keys)))


@pytest.fixture
def vignettes(tmp_path: Path) -> Path:
    rows = (vignette(number, "ABCD"[number % 4], ("step1", "step2&3")[number % 2]) for number in range(40))
    return write(tmp_path / "medqa.jsonl", *rows)


def test_questions_are_converted_and_the_conversion_is_on_record(
    tmp_path: Path, abstracts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with abstracts.open("a") as stream:
        stream.write(json.dumps({**abstract(200, "yes"), "answer": "perhaps"}))
    out = tmp_path / "new" / "rows.jsonl"
    assert run("convert", abstracts, "--out", out) == 0
    said = capsys.readouterr().out
    assert "100 of 101 rows kept:\n  1 x unknown label" in said
    assert "line 101, field answer: 'perhaps' is no option; expected one of yes, no, maybe." in said
    rows = read_rows([out], on_bad="stop").rows
    assert len(rows) == 100
    assert isinstance(rows[0], QuestionRow) and rows[0].question == read_questions(abstracts)[0][0][1]
    record = json.loads((tmp_path / "new" / "rows.run.json").read_text())
    assert record["command"] == "convert" and record["counts"]["counts"] == {"unknown label": 1}
    assert record["inputs"] == [{"path": str(abstracts), "sha256": hashlib.sha256(abstracts.read_bytes()).hexdigest()}]
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert record["outputs"] == [{"path": "rows.jsonl", "sha256": digest, "rows": 100, "kinds": {"question": 100}}]
    assert f"wrote {out}: 100 rows (question 100), sha256 {digest}" in said


def test_pairs_and_texts_become_rows_of_their_kind(tmp_path: Path) -> None:
    pair = {"id": "1", "focus": "Gout", "url": "https://example.org/gout", "question": "What is gout?", "answer": "Crystals."}
    section = {"book": "Organs", "heading": "Spleen", "text": "It filters.", "license": "CC BY 4.0", "url": "https://example.org"}
    note = tmp_path / "note.md"
    note.write_text("# Liver\n\nIt makes bile.\n")
    files = (
        write(tmp_path / "medquad.jsonl", pair, {**pair, "answer": " "}, {**pair, "id": "2"}),
        write(tmp_path / "openstax.jsonl", section),
        write(tmp_path / "text.jsonl", {"text": "The lung breathes.", "title": "Lung"}),
        note,
    )
    assert run("convert", *files, "--out", tmp_path / "rows.jsonl") == 0
    chat, spleen, lung, liver = read_rows([tmp_path / "rows.jsonl"], on_bad="stop").rows
    assert isinstance(chat, ChatRow) and chat.turns == (("user", "What is gout?"), ("assistant", "Crystals."))
    assert (chat.source, chat.licence) == ("MedQuAD https://example.org/gout", "CC BY 4.0")
    assert isinstance(spleen, TextRow) and (spleen.title, spleen.text, spleen.licence) == ("Spleen", "It filters.", "CC BY 4.0")
    assert isinstance(lung, TextRow) and lung.passage == "Lung\n\nThe lung breathes."
    assert isinstance(liver, TextRow) and liver.text == "# Liver\n\nIt makes bile."
    record = json.loads((tmp_path / "rows.run.json").read_text())["counts"]
    assert record["counts"] == {"unusable value": 1, "duplicate id": 1}


def test_a_layout_may_be_named_and_training_rows_pass_through(tmp_path: Path, vignettes: Path) -> None:
    assert run("convert", vignettes, "--layout", "medqa", "--out", tmp_path / "a.jsonl") == 0
    assert run("convert", tmp_path / "a.jsonl", "--layout", "rows", "--out", tmp_path / "b.jsonl") == 0
    assert run("convert", tmp_path / "b.jsonl", "--out", tmp_path / "c.jsonl") == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "c.jsonl").read_bytes()
    assert run("convert", vignettes, "--layout", "medquad", "--out", tmp_path / "d.jsonl") == 0  # it has question and answer
    assert {row["kind"] for row in lines(tmp_path / "d.jsonl")} == {"chat"}


def test_parts_are_disjoint_whole_stratified_and_the_same_for_the_same_seed(tmp_path: Path, abstracts: Path) -> None:
    parts = "train=40,calibration=20,conformal=20,test=20"
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        assert run("split", abstracts, "--out", tmp_path / name, "--parts", parts, "--seed", seed) == 0
    read = {part.stem: lines(part) for part in (tmp_path / "a").glob("*.jsonl")}
    assert {name: len(rows) for name, rows in read.items()} == {"train": 40, "calibration": 20, "conformal": 20, "test": 20}
    assert sorted(row["id"] for rows in read.values() for row in rows) == sorted(str(number) for number in range(100))
    for rows in read.values():
        keys = Counter(row["key"] for row in rows)
        for key, share in (("yes", 0.55), ("no", 0.33), ("maybe", 0.12)):
            assert abs(keys[key] - share * len(rows)) <= 2
    same = [(tmp_path / name / "train.jsonl").read_bytes() for name in ("a", "b", "c")]
    assert same[0] == same[1] != same[2]
    record = json.loads((tmp_path / "a" / "run.json").read_text())
    assert (record["seed"], record["counts"]["stratified_by"]) == (7, "key")
    assert [output["path"] for output in record["outputs"]] == [
        f"{p}.jsonl" for p in ("train", "calibration", "conformal", "test")
    ]


def test_a_split_does_not_depend_on_the_order_of_the_rows(tmp_path: Path, abstracts: Path) -> None:
    rows = read_rows([abstracts], on_bad="stop").rows
    parts = parse_parts("train=0.5,test=rest")
    there = split_rows(rows, parts, seed=1, stratify="key")
    back = split_rows(rows[::-1], parts, seed=1, stratify="key")
    assert there == back


def test_twins_go_before_the_split_and_twins_that_disagree_go_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [vignette(number) for number in range(10)]
    turned = {**vignette(3), "question": "PATIENT 3 hurts -- where?", "answer_idx": "D"}
    turned["options"] = dict(zip("ABCD", reversed(vignette(3)["options"].values()), strict=True))
    contrary = {**vignette(5, "B"), "question": "Patient 5 hurts: where?"}
    path = write(tmp_path / "medqa.jsonl", *rows, turned, contrary)
    assert run("split", path, "--out", tmp_path / "parts", "--parts", "train=0.5,test=0.5", "--seed", 1) == 0
    said = capsys.readouterr().out
    assert "3 rows left out as duplicates, 9 different rows kept" in said
    assert "is the same as" in said
    assert "are the same question with different keys; both are left out" in said
    stems = [row["stem"] for part in ("train", "test") for row in lines(tmp_path / "parts" / f"{part}.jsonl")]
    assert len(stems) == 9
    assert not any("5" in stem for stem in stems)
    assert len(json.loads((tmp_path / "parts" / "run.json").read_text())["counts"]["duplicates"]) == 2


def test_the_same_twin_stays_whatever_the_order(tmp_path: Path) -> None:
    one, other = TextRow("a", "The spleen filters."), TextRow("b", "the spleen FILTERS")
    assert without_duplicates([one, other])[0] == without_duplicates([other, one])[0] == [one]


def test_parts_may_be_counts_shares_and_the_rest() -> None:
    assert parse_parts("train=0.6, calibration=60,test=rest") == (Part("train", 0.6), Part("calibration", 60), Part("test", None))
    assert sizes(parse_parts("train=0.6,calibration=60,test=rest"), 500) == {"train": 300, "calibration": 60, "test": 140}
    assert sizes(parse_parts("a=.33,b=.33,c=.34"), 101) == {"a": 33, "b": 33, "c": 35}
    assert sizes(parse_parts("a=0.5,b=10"), 100) == {"a": 50, "b": 10}


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ("train", "'train' is not understood"),
        ("train=0", "'train=0' is not understood"),
        ("train=0.0", "is not understood"),
        ("train=1.5", "is not understood"),
        ("train=-3", "is not understood"),
        ("../x=3", "is not understood"),
        ("train=3,", "'' is not understood"),
        ("train=3,train=4", "'train' stands twice"),
        ("a=rest,b=rest", "Two parts ask for the rest"),
        ("a=90,b=11", "a=90, b=11 do not fit 100 different rows"),
        ("a=100,b=rest", "do not fit 100 different rows"),
        ("a=0.001,b=rest", "a=0 do not fit"),
    ],
)
def test_parts_that_cannot_be_are_refused_with_the_reason(
    tmp_path: Path, abstracts: Path, parts: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("split", abstracts, "--out", tmp_path / "parts", "--parts", parts, "--seed", 1) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("balance", [(), ("--balance",)], ids=["plain", "balanced"])
def test_few_shot_rows_hold_their_examples_and_never_the_question_itself(
    tmp_path: Path, abstracts: Path, count: int, balance: tuple[str, ...]
) -> None:
    for out in ("a.jsonl", "b.jsonl"):
        words = ("shots", abstracts, "--pool", abstracts, "--shots", count, "--seed", 3, "--out", tmp_path / out, *balance)
        assert run(*words) == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    rows = lines(tmp_path / "a.jsonl")
    assert len(rows) == 100
    for row in rows:
        assert len(set(row["examples"])) == count
        assert row["id"] not in row["examples"]
        assert [example["id"] for example in row["example_records"]] == row["examples"]
        if balance and count == 5:
            assert sorted(Counter(example["key"] for example in row["example_records"]).values()) == [1, 2, 2]
    assert len({tuple(row["examples"]) for row in rows}) > 50  # drawn anew for each question
    read = read_rows([tmp_path / "a.jsonl"], on_bad="stop").rows[0]
    assert isinstance(read, QuestionRow) and len(read.examples) == count and read.examples[0].context


def test_usmle_examples_are_of_the_same_step(tmp_path: Path, vignettes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("shots", vignettes, "--pool", vignettes, "--shots", 5, "--seed", 1, "--out", tmp_path / "all.jsonl") == 0
    assert "by step: 1 20, 2 CK 20" in capsys.readouterr().out
    for row in lines(tmp_path / "all.jsonl"):
        assert {example["step"] for example in row["example_records"]} == {row["step"]}
    words = ("shots", vignettes, "--pool", vignettes, "--shots", 5, "--seed", 1, "--step", "1", "--out", tmp_path / "one.jsonl")
    assert run(*words) == 0
    assert lines(tmp_path / "one.jsonl") == [row for row in lines(tmp_path / "all.jsonl") if row["step"] == "1"]


def asked(name: str, stem: str, step: str = "", key: str = "A", **options: str) -> Question:
    return Question(id=name, stem=stem, options=options or {"A": "x", "B": "y"}, key=key, step=step)


def test_other_steps_help_out_and_are_named() -> None:
    pool = [asked("a", "One?", "1"), *(asked(f"b{number}", f"Two {number}?", "2 CK") for number in range(5))]
    made = few_shot_rows([asked("q", "Three?", "1")], pool, shots=5, seed=1, balance=False)
    assert (len(made.rows[0].examples), made.mixed) == (5, ("q",))


def test_neither_twins_nor_questions_of_another_kind_stand_before_a_question() -> None:
    twin, dressed = asked("twin", "WHERE is it"), asked("dressed", "Where... is it?", C="p", D="q")
    words = asked("words", "Does it?", key="yes", yes="yes", no="no")
    fine, again = asked("fine", "What is it?"), asked("again", "what is it")
    question = asked("q", "Where is it?")
    made = few_shot_rows([question], [question, twin, dressed, words, fine, again], shots=1, seed=1, balance=False)
    assert made.rows[0].examples[0].stem.casefold().startswith("what")
    with pytest.raises(BadInput, match=r"The pool has 1 questions that can stand before 'q'; expected at least 5\. Give --pool"):
        few_shot_rows([question], [question, twin, dressed, words, fine, again], shots=5, seed=1, balance=False)


def test_a_step_that_is_not_there_is_told(tmp_path: Path, abstracts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--pool", abstracts, "--shots", 1, "--seed", 1, "--step", "3", "--out", tmp_path / "o.jsonl")
    assert run("shots", abstracts, *words) == 2
    assert "holds no question of step 3" in capsys.readouterr().err


def test_check_finds_overlap_and_writes_what_is_left(tmp_path: Path, vignettes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [vignette(number) for number in range(100, 110)]
    train = write(tmp_path / "train.jsonl", *rows, vignette(4), {**vignette(111), "answer_idx": "Z"})
    assert run("check", train, "--against", vignettes, "--write", tmp_path / "clean.jsonl") == 1
    said = capsys.readouterr().out
    assert "training: 10 of 12 rows kept:\n  1 x unknown label\n  1 x overlap with evaluation" in said
    assert "evaluation: 40 of 40 rows kept." in said
    assert "overlap: 1 of 11 training rows with 1 of 40 evaluation questions; 1 equal, 0 by a run of words" in said
    assert len(lines(tmp_path / "clean.jsonl")) == 10
    capsys.readouterr()
    assert run("check", tmp_path / "clean.jsonl", "--against", vignettes) == 0
    assert "overlap: 0 of 10 training rows" in capsys.readouterr().out


def test_a_bad_row_of_the_evaluation_is_found_too(tmp_path: Path, vignettes: Path) -> None:
    judged = write(tmp_path / "judged.jsonl", vignette(300), {**vignette(301), "answer_idx": "Z"})
    assert run("check", vignettes, "--against", judged) == 1


def test_training_data_that_is_all_under_test_leaves_nothing_to_write(
    tmp_path: Path, vignettes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", vignettes, "--against", vignettes, "--write", tmp_path / "clean.jsonl") == 2
    assert "No training row is left without overlap" in capsys.readouterr().err
    assert not (tmp_path / "clean.jsonl").exists()


def test_what_is_there_is_only_replaced_with_force(tmp_path: Path, abstracts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.jsonl"
    out.write_text("precious")
    assert run("convert", abstracts, "--out", out) == 2
    assert capsys.readouterr().err == f"{out} is there already. Choose another --out, or add --force to replace it.\n"
    assert out.read_text() == "precious"
    assert run("convert", abstracts, "--out", out, "--force") == 0
    assert len(lines(out)) == 100
    assert run("split", abstracts, "--out", tmp_path / "parts", "--parts", "a=10,b=10", "--seed", 1) == 0
    assert run("split", abstracts, "--out", tmp_path / "parts", "--parts", "a=10,c=10", "--seed", 1, "--force") == 2
    assert "holds b.jsonl, which is no part of this split" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.part"))


def test_an_input_is_never_written_over(tmp_path: Path, abstracts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = abstracts.read_bytes()
    assert run("convert", abstracts, "--out", abstracts, "--force") == 2
    assert "is read and would be written" in capsys.readouterr().err
    assert abstracts.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("convert", "--out", "{tmp}/o.jsonl"), "Nothing is given to convert"),
        (("convert", "{tmp}/absent.jsonl", "--out", "{tmp}/o.jsonl"), "absent.jsonl cannot be read (No such file"),
        (("convert", "{tmp}/absent.txt", "--out", "{tmp}/o.jsonl"), "absent.txt cannot be read (No such file"),
        (("convert", "{tmp}/odd.jsonl", "--out", "{tmp}/o.jsonl"), "the first row has the fields colour"),
        (("convert", "{tmp}/latin.txt", "--out", "{tmp}/o.jsonl"), "byte 1 is not UTF-8"),
        (("convert", "{tmp}/blank.txt", "--out", "{tmp}/o.jsonl"), "it holds no row"),
        (("convert", "{tmp}/pubmedqa.jsonl", "--out", "{tmp}/odd.jsonl/o.jsonl"), "cannot be written (Not a directory)"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path, abstracts: Path, words: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "odd.jsonl", {"colour": "red"})
    (tmp_path / "latin.txt").write_bytes(b"h\xe4m")
    (tmp_path / "blank.txt").write_text(" \n")
    assert run(*(word.replace("{tmp}", str(tmp_path)) for word in words)) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert "Traceback" not in said and said.count("\n") == 1


def test_a_set_of_the_hub_is_read_by_name_config_and_split() -> None:
    calls: list[tuple[str, str | None, str]] = []

    def load(name: str, config: str | None, split: str) -> Iterable[Mapping[str, Any]]:
        calls.append((name, config, split))
        choices = ["heart", "liver"]
        yield {"question": "Which pumps?", "choices": choices, "answer": 0, "subject": "anatomy"}
        yield {"question": "Which is green?", "choices": choices, "answer": 5, "subject": "anatomy"}
        yield {"colour": "red"}

    reading = read_hub("owner/name:anatomy", "dev", load)
    assert calls == [("owner/name", "anatomy", "dev")]
    ((line, row),) = reading.rows
    assert line == 1 and isinstance(row, QuestionRow) and (row.question.key, row.question.subject) == ("A", "anatomy")
    assert [(refusal.line, refusal.field) for refusal in reading.refusals] == [(2, "answer"), (3, "")]


def test_without_the_hub_s_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)  # what Python itself takes for "not installed"
    with pytest.raises(BadInput, match=r"needs the package datasets, which is not installed\. Run: pip install datasets"):
        hub_loader()


def test_it_runs_as_a_command_and_loads_nothing_of_training(tmp_path: Path, abstracts: Path) -> None:
    script = (
        "import sys; from finetune.data import main; code = main(sys.argv[1:]);"
        "print([name for name in ('torch', 'transformers', 'peft', 'datasets', 'llama_cpp') if name in sys.modules]);"
        "sys.exit(code)"
    )
    words = ["convert", str(abstracts), "--out", str(tmp_path / "rows.jsonl")]
    done = subprocess.run([sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
    helped = subprocess.run(
        [sys.executable, "-m", "finetune.data", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert all(command in helped.stdout for command in ("convert", "split", "shots", "check"))


SETS = {"medquad/qa.jsonl": (16_407, 0, 16_359, ChatRow), "openstax/sections.jsonl": (7_828, 0, 7_817, TextRow)}


@pytest.mark.parametrize("name", SETS)
def test_the_public_texts_are_read_whole(name: str) -> None:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not here: the public sets are no part of this repository (LLAMACARE_DATA names them)")
    rows, refused, different, kind = SETS[name]
    reading = read_source(path)
    assert (len(reading.rows), len(reading.refusals)) == (rows, refused)
    assert len({row.id for _, row in reading.rows}) == different
    assert {type(row) for _, row in reading.rows} == {kind}
