"""Question files: a bad row is refused by file, line, field and cure, and every good row is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.questions import read_bank, read_questions
from app.records import Question

GOOD: dict[str, Any] = {
    "id": "good",
    "stem": "A 60-year-old man faints on exertion. Which valve is narrowed?",
    "options": {"A": "Mitral", "B": "Aortic", "C": "Tricuspid"},
    "key": "B",
    "explanations": {"A": "Dyspnoea comes first.", "B": "Syncope on exertion.", "C": "Oedema comes first."},
    "objective": "Syncope on exertion suggests aortic stenosis.",
    "hints": ["Think of the outflow.", "Think of the left side.", "It is semilunar."],
    "subject": "pathology",
    "system": "cardiovascular",
    "step": "1",
    "difficulty": "medium",
    "reasoning": "diagnosis",
    "fact": "A narrow aortic valve limits the output that exertion asks for.",
    "source": "LlamaCare authors",
    "licence": "Apache-2.0",
}
MISSING = object()


def row(**changes: Any) -> dict[str, Any]:
    return {field: value for field, value in {**GOOD, "id": "bad", **changes}.items() if value is not MISSING}


def line(**changes: Any) -> bytes:
    return json.dumps(row(**changes), ensure_ascii=False).encode()


def twice(field: str, second: Any) -> bytes:
    """A row in which a name stands twice; JSON's readers keep the last, silently."""
    return line()[:-1] + b", " + json.dumps({field: second}).encode()[1:]


def lettered(*texts: str) -> dict[str, str]:
    return dict(zip("ABCDEFGHIJKLMN", texts, strict=False))


TEXTS = ("id", "stem", "key", "objective", "subject", "system", "step", "difficulty", "reasoning", "fact", "source", "licence")
NO_TEXT = {"missing": MISSING, "empty": "", "blank": " \n", "null": None, "a number": 1, "a list": ["x"]}

# What is wrong -> the row, the field that the refusal names (none: the row itself), a word of its reason.
ROWS: dict[str, tuple[bytes, str, str]] = {
    **{f"{field} {name}": (line(**{field: text}), field, "expected a text") for field in TEXTS for name, text in NO_TEXT.items()},
    "not UTF-8": (line().replace(b"man", b"m\xe4n"), "", "is not UTF-8. Save the file as UTF-8"),
    "UTF-16": (json.dumps(row()).encode("utf-16-le"), "", "not JSON"),
    "not JSON": (b'{"id": "bad",', "", "not JSON"),
    "two objects in a line": (line() + line(), "", "not JSON"),
    "JSON too deep": (b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "", "not JSON"),
    "a number too long": (line().replace(b'"bad"', b"9" * 5000), "", "not JSON"),
    "a list": (b'["bad"]', "", "JSON list. Write one JSON object a line"),
    "a text": (b'"bad"', "", "JSON str"),
    "not a number": (b"NaN", "", "JSON float"),
    "options missing": (line(options=MISSING), "options", "expected an object of letters"),
    "options a list": (line(options=["Mitral", "Aortic"]), "options", "expected an object of letters"),
    "no option": (line(options={}), "options", "expected an object of letters"),
    "one option": (line(options=lettered("x"), explanations=lettered("x"), key="A"), "options", "it has 1; expected 2 to 10"),
    "eleven options": (line(options=lettered(*"abcdefghijk")), "options", "expected A, B, C"),
    "letters with a gap": (line(options={"A": "Mitral", "C": "Aortic"}), "options", "letters are A, C; expected A, B"),
    "letters in lower case": (line(options={"a": "Mitral", "b": "Aortic"}), "options", "expected A, B"),
    "an option empty": (line(options=lettered("Mitral", " ", "Aortic")), "options", "B is ' '; expected a text"),
    "an option a number": (line(options={"A": "Mitral", "B": 2}), "options", "B is 2; expected a text"),
    "options alike": (line(options=lettered("Mitral", "Aortic", "mitral ")), "options", "'mitral' stands twice"),
    "key not an option": (line(key="D"), "key", "'D' is no option; expected one of A, B, C"),
    "key two letters": (line(key="AB"), "key", "'AB' is no option"),
    "explanations missing": (line(explanations=MISSING), "explanations", "expected an object of letters"),
    "an explanation missing": (line(explanations=lettered("x", "y")), "explanations", "option C and its explanation"),
    "an explanation too many": (line(explanations=lettered(*"wxyz")), "explanations", "option D and its explanation"),
    "an explanation empty": (line(explanations=lettered("x", "", "y")), "explanations", "B is ''; expected a text"),
    "hints missing": (line(hints=MISSING), "hints", "expected a list of 3 texts"),
    "hints two": (line(hints=["x", "y"]), "hints", "expected a list of 3 texts"),
    "hints four": (line(hints=["x", "y", "z", "w"]), "hints", "expected a list of 3 texts"),
    "a hint blank": (line(hints=["x", " ", "z"]), "hints", "a hint is ' '; expected a text"),
    "hints a text": (line(hints="xyz"), "hints", "expected a list of 3 texts"),
    "step unknown": (line(step="4"), "step", "it is '4'; expected one of 1, 2 CK, 3"),
    "difficulty unknown": (line(difficulty="Easy"), "difficulty", "it is 'Easy'; expected one of easy, medium, hard"),
    "reasoning unknown": (line(reasoning="recall"), "reasoning", "it is 'recall'; expected one of mechanism, diagnosis"),
    "a fact too long": (line(fact="x" * 201), "fact", "it has 201 characters; expected one sentence of at most 200"),
    "reference null": (line(reference=None), "reference", "it is None; expected a text"),
    "reference blank": (line(reference=" "), "reference", "it is ' '; expected a text"),
}

# Rows that are kept or that end the start today.
BUGS: dict[str, tuple[bytes, str, str]] = {
    "letters that only together are letters": (line(options={"": "Mitral", "AB": "Aortic"}), "options", "letters"),
    "half a character": (json.dumps(row(stem="Which \ud83d valve?")).encode(), "stem", ""),
    "key twice": (twice("key", "A"), "key", "twice"),
    "stem twice": (twice("stem", "Another question?"), "stem", "twice"),
}


def refused(folder: Path, bad: bytes) -> tuple[list[str], str, str]:
    """Reads a good row, a bad one and another good one; answers with the good ids, the named field and the sentence."""
    lines = [json.dumps({**GOOD, "id": "first"}).encode(), b"", bad, json.dumps({**GOOD, "id": "last"}).encode()]
    (folder / "heart.jsonl").write_bytes(b"\n".join(lines))
    bank = read_bank(folder)
    (refusal,) = bank.refusals
    assert (refusal.file, refusal.line) == ("heart.jsonl", 3)
    return [question.id for question in bank.questions], refusal.field, str(refusal)


@pytest.mark.parametrize(("bad", "field", "reason"), ROWS.values(), ids=ROWS.keys())
def test_a_bad_row_is_refused_by_place_and_cure_and_the_others_are_kept(
    tmp_path: Path, bad: bytes, field: str, reason: str
) -> None:
    kept, named, sentence = refused(tmp_path, bad)
    assert kept == ["first", "last"]
    assert named == field
    assert sentence.startswith(f"heart.jsonl, line 3, field {field}: " if field else "heart.jsonl, line 3: ")
    assert reason in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(("bad", "field", "reason"), BUGS.values(), ids=BUGS.keys())
def test_a_subtly_bad_row_is_refused_too(tmp_path: Path, bad: bytes, field: str, reason: str) -> None:
    kept, named, sentence = refused(tmp_path, bad)
    assert (kept, named) == (["first", "last"], field)
    assert reason in sentence


def test_a_good_row_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "heart.jsonl").write_bytes(line(id="good"))
    bank = read_bank(tmp_path)
    assert bank.refusals == ()
    assert bank.questions == (Question(**{**GOOD, "hints": tuple(GOOD["hints"])}),)


def test_a_reference_may_be_there_blank_or_missing(tmp_path: Path) -> None:
    rows = [line(id="named", reference="A guideline, 2024"), line(id="blank", reference=""), line(id="missing")]
    (tmp_path / "heart.jsonl").write_bytes(b"\n".join(rows))
    bank = read_bank(tmp_path)
    assert [question.reference for question in bank.questions] == ["A guideline, 2024", "", ""]


def test_files_that_are_no_bank_may_have_the_fields_of_one_and_need_not(tmp_path: Path) -> None:
    bare = {"id": "bare", **{field: GOOD[field] for field in ("stem", "options", "key")}}
    (tmp_path / "own.jsonl").write_bytes(json.dumps(bare).encode() + b"\n" + line(id="full", reference="A guideline, 2024"))
    questions, refusals = read_questions(tmp_path / "own.jsonl")
    assert refusals == []
    told = [(question.difficulty, question.reasoning, question.fact, question.reference) for _, question in questions]
    assert told == [("", "", "", ""), ("medium", "diagnosis", GOOD["fact"], "A guideline, 2024")]


def test_what_editors_leave_in_a_file_does_no_harm(tmp_path: Path) -> None:
    """A byte order mark, Windows line ends, blank lines, spaces around texts, letters out of order."""
    shuffled = row(id=" spaced ", options={"C": "Tricuspid", "A": " Mitral ", "B": "Aortic"})
    raw = b"\xef\xbb\xbf" + line(id="first") + b"\r\n\r\n  \r\n" + json.dumps(shuffled).encode() + b"\r\n"
    (tmp_path / "heart.jsonl").write_bytes(raw)
    bank = read_bank(tmp_path)
    assert bank.refusals == ()
    assert [question.id for question in bank.questions] == ["first", "spaced"]
    assert list(bank.questions[1].options.items()) == [("A", "Mitral"), ("B", "Aortic"), ("C", "Tricuspid")]


def test_letters_of_every_script_are_kept(tmp_path: Path) -> None:
    (tmp_path / "heart.jsonl").write_bytes(line(stem="Pulsus paradoxus 奇脉 β-Blocker \u2028 in one line?"))
    assert read_bank(tmp_path).questions[0].stem == "Pulsus paradoxus 奇脉 β-Blocker \u2028 in one line?"


def test_an_id_that_stands_in_two_files_is_kept_once_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line(id="one", subject="first"))
    (tmp_path / "b.jsonl").write_bytes(line(id="two") + b"\n" + line(id="one", subject="second"))
    bank = read_bank(tmp_path)
    assert [(question.id, question.subject) for question in bank.questions] == [("one", "first"), ("two", "pathology")]
    (refusal,) = bank.refusals
    assert str(refusal) == "b.jsonl, line 2, field id: 'one' stands twice in the bank. Give each row an id of its own."


def test_every_bad_row_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line(key="Z") + b"\n" + line(step="9") + b"\n" + line(id="good"))
    (tmp_path / "b.jsonl").write_bytes(b"[]")
    bank = read_bank(tmp_path)
    places = [(refusal.file, refusal.line, refusal.field) for refusal in bank.refusals]
    assert places == [("a.jsonl", 1, "key"), ("a.jsonl", 2, "step"), ("b.jsonl", 1, "")]
    assert [question.id for question in bank.questions] == ["good"]


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_a_folder_without_questions_is_told_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none")
    bank = read_bank(tmp_path / name)
    assert bank.questions == ()
    (refusal,) = bank.refusals
    assert str(refusal) == f"{tmp_path / name}: no question file (*.jsonl) is there. Put one in the folder."


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()  # unreadable for root too
    (tmp_path / "b.jsonl").write_bytes(line(id="good"))
    bank = read_bank(tmp_path)
    assert [question.id for question in bank.questions] == ["good"]
    (refusal,) = bank.refusals
    assert str(refusal).startswith("a.jsonl: it cannot be read (")
    assert str(refusal).endswith("Check its permissions.")


def test_an_empty_file_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "b.jsonl").write_bytes(line(id="good"))
    assert read_bank(tmp_path).refusals == ()
