"""Which questions and texts models are compared on: the same each time, of every file its share."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from app.bases import CALIBRATION_ROWS, CONFORMAL_ROWS
from app.errors import BadInput
from app.records import Question
from finetune.probe import read_all
from quantize.samples import BANK, MOST_CHARACTERS, TEXTS, default_files, held_out, sample, texts, write_questions


def ask(name: str, *, context: str = "") -> Question:
    return Question(id=name, stem=f"What is {name}?", options={"A": "this", "B": "that"}, key="B", context=context)


def write_file(path: Path, count: int) -> Path:
    rows = [ask(f"{path.stem}-{number}") for number in range(count)]
    lines = [{"id": row.id, "stem": row.stem, "options": dict(row.options), "key": row.key} for row in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def shares(files: list[Path], wanted: int) -> list[int]:
    found = sample(files, wanted)
    counted = Counter(question.id.split("-")[0] for question in found.questions)
    assert {str(file): counted[file.stem] for file in files if counted[file.stem]} == found.sources
    return [counted[file.stem] for file in files]


def test_the_same_questions_are_taken_each_time_and_not_the_first_ones(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.jsonl", 200)
    first = [question.id for question in sample([path], 20).questions]
    assert first == [question.id for question in sample([path], 20).questions]
    assert first != [f"a-{number}" for number in range(20)]
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(reversed(lines)))
    assert first == [question.id for question in sample([path], 20).questions]


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.jsonl", 50)
    assert sample([path], 40).questions[:10] == sample([path], 10).questions


@pytest.mark.parametrize(
    ("sizes", "wanted", "expected"),
    [
        ((30, 30, 30), 30, [10, 10, 10]),
        ((30, 2, 30), 30, [14, 2, 14]),
        ((30, 2, 5), 30, [23, 2, 5]),
        ((3, 2, 5), 30, [3, 2, 5]),
        ((30, 0, 30), 10, [5, 0, 5]),
        ((0, 0, 30), 10, [0, 0, 10]),
        ((30,), 7, [7]),
    ],
)
def test_each_file_gives_its_share_and_what_a_small_one_lacks_comes_of_the_others(
    tmp_path: Path, sizes: tuple[int, ...], wanted: int, expected: list[int]
) -> None:
    files = [write_file(tmp_path / f"{letter}.jsonl", size) for letter, size in zip("abc", sizes, strict=False)]
    assert shares(files, wanted) == expected


def test_a_share_that_does_not_divide_gives_as_many_as_are_wanted_and_no_more(tmp_path: Path) -> None:
    files = [write_file(tmp_path / f"{letter}.jsonl", 30) for letter in "abc"]
    assert sum(shares(files, 10)) == 10
    assert min(shares(files, 10)) >= 3


def test_rows_that_cannot_be_used_are_counted_and_so_are_those_that_are_too_long(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.jsonl", 3)
    long = {"id": "long", "stem": "x" * MOST_CHARACTERS, "options": {"A": "a", "B": "b"}, "key": "A"}
    wrong = {"id": "wrong", "stem": "x", "options": {"A": "a", "B": "b"}, "key": "C"}
    path.write_text(path.read_text() + json.dumps(long) + "\n" + json.dumps(wrong) + "\n")
    found = sample([path], 10)
    assert (len(found.questions), found.refused) == (3, 2)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"The question file .*absent\.jsonl is not there\. Check the path after --questions"):
        sample([write_file(tmp_path / "a.jsonl", 3), tmp_path / "absent.jsonl"], 10)


def test_files_without_a_question_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"No question could be read of .*a\.jsonl\. Name files with --questions"):
        sample([write_file(tmp_path / "a.jsonl", 0)], 10)


def test_what_is_compared_on_is_said_and_that_it_is_little(tmp_path: Path) -> None:
    found = sample([write_file(tmp_path / "a.jsonl", 3)], 2)
    assert found.words == "2 questions of a.jsonl (2); 1000 are wanted, so the interval is wide"


def test_our_own_bank_is_read_as_a_folder() -> None:
    found = sample([BANK], 20)
    assert (len(found.questions), found.sources) == (20, {str(BANK): 20})
    assert len({question.system for question in found.questions}) > 3


def test_texts_are_ten_of_our_own_each_on_one_line() -> None:
    found = texts()
    assert len(found) == len(set(found)) == TEXTS
    assert all(text == " ".join(text.split()) and len(text) > 200 for text in found)
    assert found == texts()


def test_without_a_word_it_is_what_was_held_out_for_thresholds_and_the_evaluation_files_that_are_there(tmp_path: Path) -> None:
    data = {"root": str(tmp_path / "data"), "evaluation": ["test.jsonl", "gone.jsonl"]}
    (tmp_path / "data").mkdir()
    run = {"config": {"data": data}}
    assert default_files(tmp_path, run) == [BANK]
    (tmp_path / CONFORMAL_ROWS).write_text("")
    assert default_files(tmp_path, run) == [BANK]
    held, test = write_file(tmp_path / CONFORMAL_ROWS, 3), write_file(tmp_path / "data" / "test.jsonl", 2)
    write_file(tmp_path / CALIBRATION_ROWS, 3)  # what a calibration was fitted on is no test of it
    assert default_files(tmp_path, run) == [held, test]


def test_held_out_questions_are_those_beside_the_adapter(tmp_path: Path) -> None:
    assert held_out(tmp_path) == ([], [])
    write_file(tmp_path / CALIBRATION_ROWS, 3)
    write_file(tmp_path / CONFORMAL_ROWS, 2)
    calibration, conformal = held_out(tmp_path)
    assert [len(calibration), len(conformal)] == [3, 2]


def test_questions_go_to_the_other_process_as_they_are_even_where_two_share_an_id(tmp_path: Path) -> None:
    worded = Question(id="w", stem="So?", options={word: word for word in ("yes", "no", "maybe")}, key="no", context="Ünï\ntext")
    given = [ask("same"), ask("same", context="another"), worded]
    write_questions(tmp_path / "q.jsonl", given)
    read = read_all(tmp_path / "q.jsonl")
    assert [(one.stem, one.context, dict(one.options), one.key) for one in read] == [
        (one.stem, one.context, dict(one.options), one.key) for one in given
    ]
