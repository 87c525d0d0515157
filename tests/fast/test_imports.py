"""Own questions in: any bytes are answered, every bad row is refused by line, field and cure, and no key is ever guessed."""

from __future__ import annotations

import base64
import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.columns import guarded, unguarded
from app.exports import as_csv, as_json, question_row
from app.imports import MAX_FILE, MAX_PICTURE, MAX_ROW, MAX_ROWS, Upload, own_id, plain_name, read_upload
from app.layouts import Layout
from app.records import OPTION_LETTERS, Question
from app.rowfiles import Fault, Refusal

STEM = "A man on rat poison bleeds. What is given?"
OPTIONS = {"A": "Heparin", "B": "Warfarin", "C": "Aspirin", "D": "Vitamin K"}
OWN: dict[str, Any] = {"id": "own-1", "stem": STEM, "options": OPTIONS, "key": "D"}
MEDMCQA = {"id": "m", "question": STEM, **{f"op{letter.lower()}": text for letter, text in OPTIONS.items()}, "cop": 3}
MMLU = {"question": STEM, "choices": list(OPTIONS.values()), "answer": 3, "subject": "x"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)
FULL = Question(
    id="full-1",
    stem="A child, “blue”; squats.\n\n| sign | value |\n| --- | --- |\n| SpO2 | 86 % |\n\nWhat rises?",
    options={"A": "=SUM(A1)", "B": "-5 mm Hg", "C": "@x", "D": "'quoted'", "E": "'=kept"},
    key="B",
    explanations={letter: f"+{letter}, because; of | it\tall" for letter in "ABCDE"},
    objective="Squatting raises resistance.",
    hints=("Think.", "Of\nthe", "arteries."),
    subject="physiology",
    system="cardiovascular",
    step="2 CK",
    source="us",
    licence="Apache-2.0",
    context="From a chart.",
    difficulty="hard",
    reasoning="mechanism",
    fact="It kinks the arteries.",
    reference="A book, p. 3",
)


def lines(*rows: Any) -> bytes:
    return b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)


def table(*rows: str, header: str = "stem,A,B,C,D,key") -> bytes:
    return "\n".join((header, *rows)).encode()


def good(upload: Upload) -> list[Question]:
    return [question for _, question in upload.questions]


def only_refusal(upload: Upload) -> Refusal:
    (refusal,) = upload.refusals
    assert str(refusal).endswith(".")
    return refusal


def picture(raw: bytes = PNG, kind: str = "png") -> str:
    return f"![a film](data:image/{kind};base64,{base64.b64encode(raw).decode()})"


# Layouts


@pytest.mark.parametrize(
    ("row", "layout"),
    [
        (OWN, "own"),
        ({"question": STEM, "options": OPTIONS, "answer": "Vitamin K", "answer_idx": "D"}, "medqa"),
        ({"id": "m", "question": STEM, "options": OPTIONS, "answer_idx": "D", "choice_type": "single"}, "medmcqa"),
        ({"id": "h", "question": STEM, "options": OPTIONS, "answer_idx": "D", "has_image": False}, "headqa"),
        ({"question": STEM, "choices": list(OPTIONS.values()), "answer": "D"}, "mmlu"),
    ],
)
def test_the_layouts_of_json_lines_are_told_by_their_fields(row: dict[str, Any], layout: str) -> None:
    upload = read_upload("set.jsonl", lines(row))
    (question,) = good(upload)
    assert (upload.layout, upload.encoding, upload.separator, upload.refusals) == (layout, "UTF-8", "", ())
    assert (question.stem, dict(question.options), question.key) == (STEM, OPTIONS, "D")


@pytest.mark.parametrize(
    "header",
    [
        "stem,A,B,C,D,key",
        "Question,Option A,Option B,Option C,Option D,Answer",
        "VIGNETTE,option_a,option_b,option_c,option_d,Correct Answer",
        "question,opa,opb,opc,opd,cop",
        "Question text,Choice 1,Choice 2,Choice 3,Choice 4,correct_option",
        "question,option1,option2,option3,option4,answer_idx",
        "\ufeffstem,A,B,C,D,key",
    ],
)
@pytest.mark.parametrize("key", ["D", "d", "(D)", "D.", "Vitamin K", "vitamin  k", "D. Vitamin K", "Option D", "4", "4.0"])
def test_a_table_s_columns_and_keys_are_known_by_many_names(header: str, key: str) -> None:
    upload = read_upload("set.csv", table(f"{STEM},Heparin,Warfarin,Aspirin,Vitamin K,{key}", header=header))
    assert upload.refusals == ()
    assert [(question.stem, dict(question.options), question.key) for question in good(upload)] == [(STEM, OPTIONS, "D")]
    assert (upload.layout, upload.separator) == ("csv", ",")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends_are_told_from_the_file(separator: str, end: str) -> None:
    rows = ("stem;A;B;key", '"Two; or, | more\ttabs?";x;"y ""z""";B', "", "Next?;p;q;A")
    text = end.join(row if separator == ";" else row.replace(";", separator) for row in rows)
    upload = read_upload("set.csv", text.encode())
    assert [(line, question.key) for line, question in upload.questions] == [(2, "B"), (4, "A")]
    assert good(upload)[0].options["B"] == 'y "z"'
    assert upload.separator == separator


def test_excel_s_line_of_the_separator_is_obeyed() -> None:
    upload = read_upload("x.csv", b"sep=;\nstem;A;B;key\nWhich, then?;x;y;B\n")
    assert [(line, question.stem) for line, question in upload.questions] == [(3, "Which, then?")]


def test_a_table_s_explanations_hints_and_filing_are_read() -> None:
    header = "Stem,A,B,Key,Explanation,Explanation B,hint 2,Hint1,Step,Difficulty,Organ system,licence,Notes"
    (question,) = good(
        upload := read_upload("x.csv", table("Why?,x,y,B,General.,Own.,two,one,Step 2CK,HARD,renal,MIT,?", header=header))
    )
    assert dict(question.explanations) == {"B": "General.\n\nOwn."}
    assert (question.hints, question.step, question.difficulty) == (("one", "two"), "2 CK", "hard")
    assert (question.system, question.licence) == ("renal", "MIT")
    assert "Columns that were not used: Notes." in upload.notes


def test_mmlu_s_table_without_a_header_stays_known() -> None:
    upload = read_upload("college_medicine_test.csv", f"{STEM},Heparin,Warfarin,Aspirin,Vitamin K,D\n".encode())
    (question,) = good(upload)
    assert (upload.layout, question.key, question.subject) == ("mmlu", "D", "college medicine")
    assert "no line of column names" in upload.notes[0]


def test_a_table_without_a_header_whose_first_column_is_a_number_is_no_question_s() -> None:
    upload = read_upload("x.csv", f"17,{STEM},Heparin,Warfarin,Aspirin,Vitamin K,D\n".encode())
    assert (upload.questions, only_refusal(upload).line) == ((), 0)


# Encodings


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16 LE"),
        ("utf-16-le", "UTF-16 LE"),
        ("utf-16-be", "UTF-16 BE"),
    ],
)
@pytest.mark.parametrize("form", [as_csv, as_json])
def test_every_encoding_gives_the_same_question(encoding: str, named: str, form: Any) -> None:
    text = form([FULL], {}).decode("utf-8-sig")
    upload = read_upload("x", text.encode(encoding))
    assert (good(upload), upload.refusals, upload.encoding) == ([FULL], (), named)


def test_windows_1252_is_read_with_a_note_that_says_so() -> None:
    upload = read_upload("x.csv", table("Fièvre à 39 °C?,5 µg,≤ 3,y,z,A".replace("≤", "<")).decode().encode("cp1252"))
    assert (good(upload)[0].stem, good(upload)[0].options["A"], upload.encoding) == ("Fièvre à 39 °C?", "5 µg", "Windows-1252")
    assert "read as Windows-1252" in upload.notes[0]


def test_a_wrong_byte_in_a_file_of_utf_8_costs_its_row_alone() -> None:
    raw = table("Fièvre?,µ,b,c,d,A", "Bad \ue000?,a,b,c,d,A", "Last?,a,b,c,d,B").replace("\ue000".encode(), b"\xe9")
    upload = read_upload("x.csv", raw)
    assert [question.stem for question in good(upload)] == ["Fièvre?", "Last?"]
    assert "the byte 0xe9, which is not UTF-8" in str(only_refusal(upload))


def test_utf_32_is_refused_with_the_cure() -> None:
    assert "Save the file as UTF-8" in str(only_refusal(read_upload("x", "stem,A,B,key".encode("utf-32"))))


# Keys


def keys_of(*numbers: object, rows: str = "csv") -> tuple[list[str], list[str]]:
    if rows == "csv":
        raw = table(*(f"Question {place}?,a1,b1,c1,d1,{number}" for place, number in enumerate(numbers)))
    else:
        base = MEDMCQA if rows == "medmcqa" else MMLU
        name = "cop" if rows == "medmcqa" else "answer"
        raw = lines(*({**base, "id": f"m{n}", "question": f"{n}?", name: number} for n, number in enumerate(numbers)))
    upload = read_upload("x", raw)
    return [question.key for question in good(upload)], [refusal.reason for refusal in upload.refusals]


@pytest.mark.parametrize("rows", ["csv", "medmcqa", "mmlu"])
def test_numbers_as_keys_count_from_where_the_whole_file_says(rows: str) -> None:
    assert keys_of(1, 2, 3, 4, rows=rows) == (["A", "B", "C", "D"], [])
    assert keys_of(0, 1, 2, 3, rows=rows) == (["A", "B", "C", "D"], [])
    for unclear in ((1, 2, 3), (0, 4, 2)):
        found, reasons = keys_of(*unclear, rows=rows)
        assert found == []
        assert all("Write the option's letter" in reason for reason in reasons) and len(reasons) == 3


def test_an_option_s_text_that_is_a_number_tells_nothing_of_the_counting() -> None:
    raw = table("How many lobes?,2,3,0,4,0", "Which?,a,b,c,d,2")
    upload = read_upload("x.csv", raw)
    assert upload.questions == ()
    assert [refusal.line for refusal in upload.refusals] == [2, 3]


# A key cell and the options -> the right letter, or None where it can mean two or none.
CELLS: list[tuple[str, list[str], str | None]] = [
    ("A", ["A", "B", "AB", "0"], "A"),
    ("A", ["B", "A", "AB", "0"], None),
    ("a", ["x", "A", "y", "z"], None),
    ("a", ["AA", "Aa", "a", "z"], None),
    ("aa", ["AA", "Aa", "aa", "z"], "C"),
    ("AA", ["Aa", "aA", "aa", "z"], None),
    ("B.", ["b", "a", "c", "d"], "B"),
    ("E", ["x", "y", "E", "z"], None),
    ("E", ["x", "y", "w", "z"], None),
    ("A,B", ["x", "y", "w", "z"], None),
    ("Q", ["x", "y", "w", "z"], None),
    ("Z", ["x", "y", "w", "z"], "D"),
    ("B. x", ["x", "y", "w", "z"], None),
    ("7", ["x", "y", "w", "z"], None),
    ("", ["x", "y", "w", "z"], None),
]


@pytest.mark.parametrize(("cell", "options", "letter"), CELLS)
def test_a_key_that_can_mean_two_options_is_refused(cell: str, options: list[str], letter: str | None) -> None:
    upload = read_upload("x.csv", table(";".join(["Which?", *options, cell]), header="stem;A;B;C;D;key"))
    assert [question.key for question in good(upload)] == ([letter] if letter else [])
    if letter is None:
        assert only_refusal(upload).field == "key"


def test_two_columns_of_the_key_must_agree() -> None:
    header = "question,A,B,answer,answer_idx"
    upload = read_upload("x.csv", table("One?,x,y,x,A", "Two?,x,y,x,B", "Three?,x,y,y,", header=header))
    assert [question.key for question in good(upload)] == ["A", "B"]
    assert "answer says A, answer_idx says B" in str(only_refusal(upload))


def test_the_same_question_with_two_keys_is_refused_in_every_line() -> None:
    upload = read_upload("x.jsonl", lines(OWN, {**OWN, "id": "2", "key": "A"}, {**OWN, "id": "3", "stem": "Other?"}))
    assert [question.id for question in good(upload)] == ["3"]
    assert [(refusal.line, refusal.fault) for refusal in upload.refusals] == [(1, Fault.DUPLICATE), (2, Fault.DUPLICATE)]
    assert "in lines 1 and 2 with different keys" in str(upload.refusals[0])


# Hostile files: what is wrong -> the bytes, the line and the field of the refusal, a word of its reason. One refusal each.
HOSTILE: dict[str, tuple[bytes, int, str, str]] = {
    "empty": (b"", 0, "", "it is empty"),
    "blank": (b"\xef\xbb\xbf \n\r\n ", 0, "", "it is empty"),
    "a JSON list": (json.dumps([OWN]).encode(), 0, "", "one JSON list. Write one JSON object a line"),
    "deep JSON": (b'{"stem": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 1, "", "not JSON"),
    "cut JSON": (lines(OWN)[:-9], 1, "", "not JSON"),
    "a name twice": (lines(OWN)[:-1] + b', "key": "A"}', 1, "key", "stands twice in the row"),
    "a number as id": (lines({**OWN, "id": 7}), 1, "id", "it is 7; expected a text"),
    "a number as key": (lines({**OWN, "key": 3}), 1, "key", "it is 3; expected a text"),
    "an unknown letter": (lines({**OWN, "key": "E"}), 1, "key", "'E' is no option"),
    "one option": (lines({**OWN, "options": {"A": "x"}, "key": "A"}), 1, "options", "it has 1; expected 2 to 10"),
    "equal options": (lines({**OWN, "options": {**OPTIONS, "A": "Aspirin"}}), 1, "options", "'Aspirin' stands twice"),
    "an empty stem": (lines({**OWN, "stem": " "}), 1, "stem", "expected a text that is not empty"),
    "half a character": (lines({**OWN, "stem": "Which \ud83d?"}), 1, "stem", "half of a character"),
    "a NUL": (lines({**OWN, "stem": "Which\x00?"}), 1, "stem", "control character U+0000 at place 6. Delete it"),
    "an escape": (lines({**OWN, "options": {**OPTIONS, "B": "x\x1b[2J"}}), 1, "options", "control character U+001B"),
    "a control of Windows-1252": (lines({**OWN, "stem": "Which\x92s?"}), 1, "stem", "U+0092"),
    "a difficulty unknown": (lines({**OWN, "difficulty": "9"}), 1, "difficulty", "expected one of easy, medium, hard"),
    "a step unknown": (lines({**OWN, "step": "4"}), 1, "step", "it is '4'"),
    "a system too long": (lines({**OWN, "system": "x" * 201}), 1, "system", "at most 200 characters"),
    "a line too long": (lines({**OWN, "stem": "x" * 10_000_000}), 1, "", f"at most {MAX_ROW:,} are read"),
    "a layout unknown": (lines({"q": "x"}), 0, "", "the layout is not known"),
    "UTF-16 with half a character": (
        '{"id": "x", "stem": "W\udc00?"}'.encode("utf-16-le", "surrogatepass"),
        1,
        "",
        "is not UTF-8",
    ),
    "lists without end": (b'{"id": "x"}\n' + b"[]" * 2_000_000, 0, "", "more than 2,000,000 objects and lists. Split it"),
    "brackets without end": (lines({**OWN, "stem": "![" * 700_000 + "![x]("}), 1, "stem", "a picture that cannot be shown"),
    "a table without key": (b"stem,A,B,C\nx,y,z,w", 0, "", "has no column key"),
    "a table of strangers": (b"name,age\nx,7", 0, "", "no column stem and no column A, B, ... (the options) and no column key"),
    "two columns for the stem": (b"stem,question,A,B,key\n", 0, "stem", "'stem' and 'question' stand for the same"),
    "two columns for an option": (b"stem,A,option 1,B,key\n", 0, "option A", "stand for the same"),
    "options counted from 0": (b"stem,option0,option1,option2,key\n", 0, "option0", "expected A to J, or 1 to 10"),
    "eleven options": (b"stem,A,B,C,D,E,F,G,H,I,J,K,key\n", 0, "K", "expected A to J"),
    "a table of one quote": (b'"', 0, "", "its first line is no line of a table"),
    "a cell too many": (table("Which, then?,x,y,z,w,A"), 2, "", "it has 7 cells, the header has 6"),
    "a cell too few": (table("Which?,x,y,z,A"), 2, "", "it has 5 cells, the header has 6"),
    "a gap in the options": (table("Which?,x,,z,w,A"), 2, "options", "letters are A, C, D; expected A, B, C"),
    "the key's option empty": (table("Which?,x,y,z,,D"), 2, "key", "'D' is no option"),
    "a table's NUL": (table("Wh\x00ch?,x,y,z,w,A"), 2, "stem", "U+0000"),
    "a table's record too long": (table(f"{'x' * 10_000_000},x,y,z,w,A"), 2, "", "at most 1,500,000 are read"),
    "cells without end": (table("," * 300), 2, "", "more than 200 cells"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gets_a_sentence_and_no_question(name: str) -> None:
    raw, line, field, reason = HOSTILE[name]
    upload = read_upload("in.txt", raw)
    refusal = only_refusal(upload)
    assert (upload.questions, refusal.file, refusal.line, refusal.field) == ((), "in.txt", line, field)
    assert reason in str(refusal)


def test_a_bad_row_leaves_the_others() -> None:
    rows = [OWN, *(raw for raw, line, _, _ in HOSTILE.values() if line == 1 and raw.startswith(b"{"))]
    upload = read_upload("x.jsonl", lines(*rows, {**OWN, "id": "last", "stem": "Last?"}))
    assert [question.id for question in good(upload)] == ["own-1", "last"]
    assert [refusal.line for refusal in upload.refusals] == list(range(2, len(rows) + 1))


def test_a_quote_that_is_never_closed_is_told_by_its_row_and_what_came_before_is_kept() -> None:
    upload = read_upload("x.csv", table("One?,a,b,c,d,A", '"Two?\n",a,b,c,d,B', 'Three?,"a,b,c,d,A', "Four?,a,b,c,d,A"))
    assert [question.stem for question in good(upload)] == ["One?", "Two?"]
    assert (only_refusal(upload).line, only_refusal(upload).fault) == (5, Fault.UNREADABLE)
    assert "never closed. Close it; nothing from here on was read" in str(only_refusal(upload))


def test_a_quote_that_swallows_rows_never_makes_a_question_of_them() -> None:
    upload = read_upload("x.csv", table('One?,"a,b,c,d,A', '"Two?",a,b,c,d,B', "Three?,a,b,c,d,A"))
    assert upload.questions == ()
    assert (only_refusal(upload).line, "closing quote" in str(only_refusal(upload))) == (2, True)


def test_an_id_that_stands_twice_is_kept_once() -> None:
    upload = read_upload("x.jsonl", lines(OWN, {**OWN, "stem": "Other?"}))
    assert len(upload.questions) == 1
    assert (only_refusal(upload).field, only_refusal(upload).fault) == ("id", Fault.DUPLICATE)


def test_the_same_question_under_two_ids_is_kept_once() -> None:
    upload = read_upload("x.jsonl", lines(OWN, {**OWN, "id": "other"}))
    assert "stands in line 1" in str(only_refusal(upload))


def test_a_file_has_a_largest_size_and_number_of_rows() -> None:
    assert f"at most {MAX_FILE:,}" in str(only_refusal(read_upload("x", bytes(MAX_FILE + 1))))
    for raw in (b'{"a":1}\n' * (MAX_ROWS + 1), table(*["Q?,a,b,c,d,A"] * (MAX_ROWS + 1)), table(*[",,"] * (MAX_ROWS + 1))):
        assert f"more than {MAX_ROWS:,} rows" in str(only_refusal(read_upload("x", raw)))


def test_a_line_of_ten_megabytes_takes_no_more_than_a_few_copies() -> None:
    raw = lines({**OWN, "id": "first", "stem": "First?"}, b'{"stem": "' + b"x" * 10_000_000 + b'"}', OWN)
    tracemalloc.start()
    upload = read_upload("x.jsonl", raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ([line for line, _ in upload.questions], peak < 60_000_000) == ([1, 3], True)


def test_line_breaks_of_every_kind_become_line_feeds() -> None:
    upload = read_upload("x.jsonl", lines({**OWN, "stem": "One\r\ntwo\x0bthree\u2028four\ttab?"}))
    assert good(upload)[0].stem == "One\ntwo\nthree\nfour\ttab?"


@pytest.mark.parametrize("name", ["", "../../x\x00y.csv", "C:\\folder\\x y.csv", "\ud800", "x" * 999])
def test_a_file_s_name_is_shown_without_its_folders(name: str) -> None:
    shown = plain_name(name)
    assert shown and len(shown) <= 200 and shown.isprintable() and not set("/\\") & set(shown)


# Pictures


@pytest.mark.parametrize(
    ("raw", "kind"),
    [(PNG, "png"), (b"\xff\xd8\xff\xe0abc", "jpeg"), (b"GIF89a...", "gif"), (b"RIFF\x01\x02\x03\x04WEBPVP8", "webp")],
)
def test_a_picture_in_the_file_is_kept_with_its_stem(raw: bytes, kind: str) -> None:
    stem = f"Look.\n\n{picture(raw, kind)}\n\nWhat is it?"
    for data in (lines({**OWN, "stem": stem}), as_csv([replace(FULL, stem=stem)], {})):
        assert good(read_upload("x", data))[0].stem == stem


@pytest.mark.parametrize(
    "stem",
    [
        "Look ![x](https://example.org/x.png)",
        "![x](https://example.org/x.png)",
        "![x](figures/renal-01.svg)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        f"In a line {picture()} of text",
        picture(b"<svg onload=alert(1)>"),
        picture(PNG, "jpeg"),
        picture(PNG)[:-3] + ")",
        picture(PNG + bytes(MAX_PICTURE)),
        "See <img src=x onerror=alert(1)>",
        "![x][ref]",
    ],
)
def test_a_picture_that_cannot_be_shown_is_refused(stem: str) -> None:
    upload = read_upload("x.jsonl", lines({**OWN, "stem": stem}))
    assert (only_refusal(upload).field, only_refusal(upload).fault) == ("stem", Fault.PICTURE)


def test_a_figure_of_the_bank_may_be_shown_again() -> None:
    stem = "Look.\n\n![a loop](figures/renal-01.svg)"
    assert good(read_upload("x", lines({**OWN, "stem": stem}), figures=frozenset({"renal-01.svg"})))[0].stem == stem


# Everything


@given(
    raw=st.binary(max_size=300)
    | st.text(alphabet='stem,A;B"\n\t|key{}:[]01\x00é\ud800', max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))
)
@example(raw=b"\xff\xfe\x00")
@example(raw=b"sep=;")
@example(raw=b"stem,A,B,key\n,,,")
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_answered(raw: bytes) -> None:
    for layout in (None, "csv", *Layout):
        upload = read_upload("x.csv", raw, layout)
        assert all(question.key in question.options for question in good(upload))
        assert all(str(refusal).encode() for refusal in upload.refusals)


_cells = st.sampled_from(["", "A", "B", "a", "1", "2", "0", "4", "yes", "no", "x", "-x", "C.", " "])


@given(rows=st.lists(st.lists(_cells, min_size=5, max_size=5), max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_letter_as_key_is_that_option_or_refused(rows: list[list[str]]) -> None:
    numbered = [[f"Question {place}?", *row] for place, row in enumerate(rows)]
    raw = table(*("\t".join(row) for row in numbered), header="stem\tA\tB\tC\tD\tkey")
    for question in good(read_upload("x.tsv", raw)):
        cell = next(row[-1].strip() for row in numbered if row[0] == question.stem)
        assert question.key in question.options
        if cell in ("A", "B", "a", "C."):
            assert question.key == cell[0].upper()
        elif cell not in ("0", "1", "2", "4"):
            assert question.options[question.key] == cell


_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), min_size=1, max_size=12).filter(
    lambda text: text == text.strip() and "<" not in text and "![" not in text
)
_any_text = st.sampled_from(["A", "B", "b", "1", "2", "=1+1", "'=x", "''@", "-", "yes", '"', "a,b;c|d\te", "x\ny"]) | _texts


@st.composite
def questions(draw: st.DrawFn) -> Question:
    if draw(st.booleans()):
        options = {word: word for word in ("yes", "no", "maybe")[: draw(st.integers(2, 3))]}
    else:
        texts = draw(st.lists(_any_text, min_size=2, max_size=10, unique=True))
        options = dict(zip(OPTION_LETTERS, texts, strict=False))
    explained = draw(st.lists(st.sampled_from(list(options)), unique=True))
    return Question(
        id=draw(_texts),
        stem=draw(_any_text),
        options=options,
        key=draw(st.sampled_from(list(options))),
        explanations={label: draw(_any_text) for label in options if label in explained},
        objective=draw(st.just("") | _any_text),
        hints=tuple(draw(st.lists(_any_text, max_size=4))),
        system=draw(st.just("") | _texts),
        step=draw(st.sampled_from(["", "1", "2 CK", "3"])),
        context=draw(st.just("") | _any_text),
        difficulty=draw(st.sampled_from(["", "easy", "hard"])),
    )


@given(question=questions(), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_we_write_comes_back_as_the_very_same_question(question: Question, encoding: str) -> None:
    for form in (as_csv, as_json):
        text = form([question], {}).decode("utf-8-sig")
        upload = read_upload("x", text.encode(encoding))
        assert (good(upload), upload.refusals) == ([question], ())


@given(text=st.text(alphabet="'=+-@x ＝", max_size=6))
def test_the_apostrophe_before_a_formula_comes_and_goes(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "＝"))


def test_the_same_question_has_the_same_id_wherever_it_comes_from() -> None:
    (one,) = good(read_upload("a.jsonl", lines({**OWN, "objective": "x"})))
    (other,) = good(read_upload("b.csv", table(f"{STEM},Heparin,Warfarin,Aspirin,Vitamin K,D")))
    assert own_id(one) == own_id(other) != own_id(replace(one, stem="Else?"))
    assert question_row(one)["id"] == "own-1"
