"""Training rows: what cannot be trained on is counted, named and dropped or fatal, before a model loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import BadInput
from app.records import Question
from app.rowfiles import Fault
from finetune.rows import ChatRow, QuestionRow, Report, TextRow, characters, read_rows, row_record

OPTIONS = {"A": "Insulin", "B": "Glucagon"}
QUESTION: dict[str, Any] = {"id": "q1", "stem": "What lowers glucose?", "options": OPTIONS, "key": "A"}
TURNS = [{"role": "user", "content": "What is gout?"}, {"role": "assistant", "content": "Urate crystals in a joint."}]
CHAT: dict[str, Any] = {"kind": "chat", "id": "c1", "messages": TURNS}
TEXT: dict[str, Any] = {"kind": "text", "id": "t1", "text": "The spleen filters blood.", "title": "Spleen"}
SYSTEM = {"role": "system", "content": "Be brief."}
MEDQA = {"question": "What lowers glucose?", "options": OPTIONS, "answer": "Insulin", "answer_idx": "A"}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_each_kind_becomes_its_record_and_a_question_is_the_default(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", QUESTION, {**QUESTION, "kind": "question", "id": "q2"}, CHAT, TEXT)
    read = read_rows([path], on_bad="stop")
    first, second, chat, text = read.rows
    assert isinstance(first, QuestionRow) and first.question == Question(**{k: v for k, v in QUESTION.items() if k != "kind"})
    assert second.id == "q2"
    assert chat == ChatRow("c1", (("user", "What is gout?"), ("assistant", "Urate crystals in a joint.")))
    assert text == TextRow("t1", "The spleen filters blood.", "Spleen")
    assert isinstance(text, TextRow) and text.passage == "Spleen\n\nThe spleen filters blood."
    assert read.report == Report(4, 4)


def test_a_row_is_written_as_it_is_read(tmp_path: Path) -> None:
    shown = {**QUESTION, "id": "q2", "kind": "question", "explanations": {"A": "It does."}, "hints": ["One."], "step": "1"}
    shown |= {"context": "From a chart.", "examples": ["q1"], "example_records": [QUESTION]}
    chat = {**CHAT, "messages": [SYSTEM, *TURNS], "source": "us", "licence": "CC0"}
    read = read_rows([write(tmp_path / "a.jsonl", shown, chat, TEXT)], on_bad="stop")
    assert isinstance(read.rows[0], QuestionRow) and [one.id for one in read.rows[0].examples] == ["q1"]
    again = read_rows([write(tmp_path / "b.jsonl", *map(row_record, read.rows))], on_bad="stop")
    assert again.rows == read.rows


def test_a_public_layout_is_read_as_it_is(tmp_path: Path) -> None:
    (row,) = read_rows([write(tmp_path / "medqa.jsonl", MEDQA)], on_bad="stop").rows
    assert isinstance(row, QuestionRow) and row.question.source == "MedQA"


# What is wrong -> the row, the field that is named, a word of the reason, how it is counted.
BAD: dict[str, tuple[Any, str, str, Fault]] = {
    "unknown label": ({**QUESTION, "id": "x", "key": "C"}, "key", "'C' is no option", Fault.LABEL),
    "missing key": ({"id": "x", "stem": "s", "options": OPTIONS}, "key", "is missing", Fault.MISSING),
    "duplicate id": ({**QUESTION, "stem": "Other?"}, "id", "'q1' stands twice", Fault.DUPLICATE),
    "unknown kind": ({**QUESTION, "id": "x", "kind": "quiz"}, "kind", "expected question, chat or text", Fault.VALUE),
    "not JSON": ("{", "", "not JSON", Fault.UNREADABLE),
    "examples a text": ({**QUESTION, "id": "x", "example_records": "q"}, "example_records", "a list of questions", Fault.VALUE),
    "a bad example": ({**QUESTION, "id": "x", "example_records": [{"id": "e"}]}, "options", "is missing", Fault.MISSING),
    "chat without id": ({"kind": "chat", "messages": TURNS}, "id", "is missing", Fault.MISSING),
    "chat without messages": ({"kind": "chat", "id": "x"}, "messages", "is missing", Fault.MISSING),
    "messages a text": ({**CHAT, "id": "x", "messages": "hello"}, "messages", "a list of", Fault.VALUE),
    "no message": ({**CHAT, "id": "x", "messages": []}, "messages", "the assistant last", Fault.VALUE),
    "a system turn alone": ({**CHAT, "id": "x", "messages": [SYSTEM]}, "messages", "the assistant last", Fault.VALUE),
    "ends with the user": ({**CHAT, "id": "x", "messages": TURNS[:1]}, "messages", "the assistant last", Fault.VALUE),
    "two users in turn": ({**CHAT, "id": "x", "messages": [TURNS[0], *TURNS]}, "messages", "in turn", Fault.VALUE),
    "system in the middle": ({**CHAT, "id": "x", "messages": [TURNS[0], SYSTEM, TURNS[1]]}, "messages", "head", Fault.VALUE),
    "two system turns": ({**CHAT, "id": "x", "messages": [SYSTEM, SYSTEM, *TURNS]}, "messages", "head", Fault.VALUE),
    "unknown role": ({**CHAT, "id": "x", "messages": [{"role": "bot", "content": "x"}]}, "messages", "'bot'", Fault.LABEL),
    "an empty turn": (
        {**CHAT, "id": "x", "messages": [TURNS[0], {"role": "assistant", "content": " "}]},
        "messages",
        "turn 2, content: it is ' '",
        Fault.VALUE,
    ),
    "text without text": ({"kind": "text", "id": "x"}, "text", "is missing", Fault.MISSING),
    "a blank text": ({"kind": "text", "id": "x", "text": "\n"}, "text", "not empty", Fault.VALUE),
    "half a character": ({"kind": "text", "id": "x", "text": "\ud83d"}, "text", "half of a character", Fault.VALUE),
    "a long question": ({**QUESTION, "id": "x", "stem": "long " * 200}, "", "expected at most 500", Fault.LONG),
    "a long chat": (
        {**CHAT, "id": "x", "messages": [TURNS[0], {"role": "assistant", "content": "y" * 600}]},
        "",
        "has 613 characters",
        Fault.LONG,
    ),
}


@pytest.mark.parametrize(("bad", "field", "reason", "fault"), BAD.values(), ids=BAD.keys())
def test_a_bad_row_is_counted_and_named_and_the_others_are_kept(
    tmp_path: Path, bad: Any, field: str, reason: str, fault: Fault
) -> None:
    path = write(tmp_path / "rows.jsonl", QUESTION, "", bad, CHAT)
    read = read_rows([path], on_bad="drop", max_chars=500)
    assert [row.id for row in read.rows] == ["q1", "c1"]
    assert (read.report.read, read.report.kept, dict(read.report.counts)) == (3, 2, {fault.value: 1})
    (said,) = read.report.reasons
    assert said.startswith(f"{path}, line 3, field {field}: " if field else f"{path}, line 3: ")
    assert reason in said
    assert said.endswith(".")
    with pytest.raises(BadInput, match="1 rows cannot be used") as stopped:
        read_rows([path], on_bad="stop", max_chars=500)
    assert said in stopped.value.sentence
    assert stopped.value.sentence.endswith("Correct them, or let them be dropped (on_bad: drop).")


def test_the_first_three_reasons_and_the_count_stop_a_training(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", CHAT, *({**QUESTION, "id": f"x{number}", "key": "Z"} for number in range(5)))
    with pytest.raises(
        BadInput, match=r"^5 rows cannot be used\. .*line 2.*line 3.*line 4.* And 2 more\. Correct them"
    ) as stopped:
        read_rows([path], on_bad="stop")
    assert "line 5" not in stopped.value.sentence


def test_an_id_stands_once_over_all_files(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.jsonl", QUESTION), write(tmp_path / "b.jsonl", {**TEXT, "id": "q1"}, TEXT)
    read = read_rows([first, second], on_bad="drop")
    assert [row.id for row in read.rows] == ["q1", "t1"]
    assert read.report.reasons == (f"{second}, line 1, field id: 'q1' stands twice in the training data. Keep one.",)


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_told_and_an_empty_set_always_stops(tmp_path: Path, content: str) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text(content)
    read = read_rows([empty, write(tmp_path / "rows.jsonl", CHAT)], on_bad="drop")
    assert (len(read.rows), dict(read.report.counts)) == (1, {"empty file": 1})
    with pytest.raises(BadInput, match=r"No training row is left of .*empty.jsonl.*: it holds no row"):
        read_rows([empty], on_bad="drop")


def test_a_set_of_bad_rows_alone_stops_even_where_they_are_dropped(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"No training row is left .*'Z' is no option"):
        read_rows([write(tmp_path / "rows.jsonl", {**QUESTION, "key": "Z"})], on_bad="drop")


def test_no_file_at_all_stops() -> None:
    with pytest.raises(BadInput, match="No training row is left of no file"):
        read_rows([], on_bad="drop")


def test_a_file_that_is_not_there_always_stops(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent.jsonl cannot be read \(No such file or directory\). Check the path"):
        read_rows([write(tmp_path / "rows.jsonl", CHAT), tmp_path / "absent.jsonl"], on_bad="drop")


def test_a_file_of_another_kind_is_told_with_the_command_that_converts_it(tmp_path: Path) -> None:
    path = write(tmp_path / "medquad.jsonl", {"question": "What is gout?", "answer": "Crystals."})
    with pytest.raises(BadInput, match=r"the fields question, answer\. Convert it: python -m finetune.data convert"):
        read_rows([path], on_bad="drop")


def test_the_report_takes_what_others_find_and_speaks_to_people_and_programs(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", QUESTION, CHAT, TEXT, {**QUESTION, "id": "x", "key": "Z"})
    report = read_rows([path], on_bad="drop").report.adding("over-long row", ["'q1' has 900 tokens; expected at most 800."])
    assert (report.kept, report.found) == (2, 2)
    assert str(report).splitlines()[:3] == ["2 of 4 rows kept:", "  1 x unknown label", "  1 x over-long row"]
    assert str(report).splitlines()[-1] == "  - 'q1' has 900 tokens; expected at most 800."
    assert report.text(most=1).splitlines()[-1] == "  - and 1 more"
    assert json.loads(report.json()) == {**report.record(), "counts": {"unknown label": 1, "over-long row": 1}}
    assert report.adding("over-long row", []) == report
    assert str(Report(3, 3)) == "3 of 3 rows kept."


def test_texts_have_no_length_limit_and_examples_count(tmp_path: Path) -> None:
    long = {**TEXT, "text": "word " * 1000}
    shots = {**QUESTION, "example_records": [{**QUESTION, "id": "e"}]}
    text, shot, plain = read_rows([write(tmp_path / "rows.jsonl", long, shots, {**QUESTION, "id": "p"})], on_bad="stop").rows
    assert characters(text) == 0
    assert characters(shot) == 2 * characters(plain) > 0
