"""The bank's lint: every rule fires on what breaks it, is silent on what does not, and says file, line, id, field and cure."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.bank import REFERS_BY_LETTER, Finding, alike, amounts, biases, lead_in, lint, main, near_pairs, review, unsafe_svg
from app.bank import Row as Placed
from app.baseline import FOLDS, options_only
from app.errors import BadInput
from app.questions import DIFFICULTIES, REASONINGS, STEPS
from app.records import Question

WORDS = ("amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jolly", "koala", "lemon", "mango")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'
EIGHT = "one two three four five six seven eight"


def good(number: int, **changes: Any) -> dict[str, Any]:
    """A row that no rule finds fault with; each number has texts of its own."""
    drawn = random.Random(number)
    options = ["".join(drawn.choices(string.ascii_lowercase, k=9)) for _ in range(5)]
    row = {
        "id": f"q-{number}",
        "stem": " ".join(drawn.choices(WORDS, k=20)) + f". Number {number}? Which is best?",
        "options": dict(zip("ABCDE", options, strict=True)),
        "key": "ABCDE"[number % 5],
        "explanations": {letter: f"{letter.lower()} {number} {EIGHT}" for letter in "ABCDE"},
        "objective": "One line.",
        "hints": [f"hint {number}", "stronger", "strongest"],
        "subject": f"subject {number % 10}",
        "system": f"system {number % 12}",
        "step": STEPS[number % 3],
        "difficulty": DIFFICULTIES[number % 3],
        "reasoning": REASONINGS[number % 8],
        "fact": "A fact.",
        "reference": "",
        "source": "LlamaCare authors",
        "licence": "Apache-2.0",
    }
    return {**row, **changes}


def write(folder: Path, rows: list[dict[str, Any]], review_rows: list[tuple[str, str, str]] | None = None) -> Path:
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    if review_rows is None:
        review_rows = [(row["id"], row["key"], "because") for row in rows]
    text = io.StringIO()
    csv.writer(text).writerows([("id", "blind_answer", "reason"), *review_rows])
    (folder / "REVIEW.csv").write_text(text.getvalue(), encoding="utf-8")
    return folder


def found(folder: Path, *rows: dict[str, Any], ours: bool = True) -> list[Finding]:
    """What is found of single rows, without what is said of the bank as a whole."""
    return [finding for finding in lint(write(folder, list(rows)), ours=ours).findings if finding.file != "the bank"]


def question(**changes: Any) -> Question:
    row = good(0, **changes)
    return Question(**{**row, "hints": tuple(row["hints"])})


def placed(*questions: Question) -> list[Placed]:
    return [Placed("a.jsonl", line, each) for line, each in enumerate(questions, start=1)]


def test_a_good_bank_has_no_finding(tmp_path: Path) -> None:
    report = lint(write(tmp_path, [good(number) for number in range(120)]), ours=True)
    assert [str(finding) for finding in report.findings] == []
    assert report.baseline is not None


OPTIONS = good(1)["options"]
# What is wrong -> the changes that make it so, the field that the finding names, a word of its reason.
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a field missing": ({"fact": ""}, "fact", "expected a text"),
    "a value unknown": ({"difficulty": "so-so"}, "difficulty", "expected one of easy, medium, hard"),
    "a letter in the stem": ({"stem": "Why is option B wrong?"}, "stem", "'option B' refers to an option by its letter"),
    "a letter in a hint": ({"hints": ["x", "y", "Not choice C"]}, "hints", "by its letter"),
    "a letter in an explanation": (
        {"explanations": {**good(1)["explanations"], "A": f"As in (B) {EIGHT}"}},
        "explanations",
        "letter",
    ),
    "a letter in the objective": ({"objective": "Why answer A is right"}, "objective", "by its letter"),
    "a letter in the fact": ({"fact": "B is incorrect"}, "fact", "by its letter"),
    "all of the above": ({"options": {**OPTIONS, "E": "All of the above"}}, "options", "E holds 'All of the above'"),
    "none of these": ({"options": {**OPTIONS, "E": "None of these"}}, "options", "E holds 'None of these'"),
    "two letters": ({"options": {**OPTIONS, "E": "Both A and C"}}, "options", "E holds 'Both A and C'"),
    "always": ({"options": {**OPTIONS, "D": "It is always benign"}}, "options", "D holds 'always'"),
    "never": ({"options": {**OPTIONS, "D": "Never benign"}}, "options", "D holds 'Never'"),
    "EXCEPT": ({"stem": "All of the following are seen EXCEPT?"}, "stem", "the lead-in is negative ('EXCEPT')"),
    "except": ({"stem": "He faints. All are seen except which one?"}, "stem", "negative"),
    "NOT": ({"stem": "He faints. Which is NOT seen?"}, "stem", "negative ('NOT')"),
    "which is not": ({"stem": "He faints. Which of the following is not seen?"}, "stem", "negative"),
    "least likely": ({"stem": "He faints. Which is least likely?"}, "stem", "negative"),
    "the key in the stem": ({"stem": f"He has {OPTIONS['B'].upper()}! What is it?"}, "stem", "it says the key"),
    "the key in a hint": ({"hints": ["x", f"is it {OPTIONS['B']}?", "y"]}, "hints", "it says the key"),
    "a word that stem and key alone have": (
        {"stem": "He has pain in the spleen. What now?", "options": {**OPTIONS, "B": "Remove spleen"}},
        "options",
        "only the key shares a word with the stem (spleen)",
    ),
    "an article before options": (
        {
            "stem": "He most likely has an",
            "options": dict(zip("ABCDE", ["ulcer", "abscess", "tumor", "infarct", "8"], strict=True)),
        },
        "stem",
        "ends in 'an', which C cannot follow",
    ),
    "a figure that is not there": ({"stem": "![x](figures/none.svg)\nWhy?"}, "stem", "figures/none.svg cannot be read"),
    "a figure without words": ({"stem": "![](figures/none.svg)\nWhy?"}, "stem", "has no description"),
    "a figure in a line": ({"stem": "See ![x](figures/none.svg). Why?"}, "stem", "Give it a line of its own"),
    "a ragged table": ({"stem": "| a | b |\n| --- | --- |\n| c |\n\nWhy?"}, "stem", "a table is not shown as one"),
    "explanations alike": ({"explanations": dict.fromkeys("ABCDE", EIGHT)}, "explanations", "stands twice"),
    "hints alike": ({"hints": ["x", "x", "y"]}, "hints", "stands twice"),
    "an objective of two lines": ({"objective": "One.\nTwo."}, "objective", "expected one line"),
    "an objective too long": ({"objective": "x" * 201}, "objective", "it has 201 characters"),
    "three options": (
        {field: {letter: good(1)[field][letter] for letter in "ABC"} for field in ("options", "explanations")},
        "options",
        "there are 3; expected 4 or 5",
    ),
    "an explanation too short": ({"explanations": {**good(1)["explanations"], "C": "No."}}, "explanations", "C's has 1 words"),
    "not our own": ({"source": "somewhere"}, "source", "it is 'somewhere'"),
}


@pytest.mark.parametrize(("changes", "field", "reason"), FAULTS.values(), ids=FAULTS.keys())
def test_every_rule_fires_and_names_the_place(tmp_path: Path, changes: dict[str, Any], field: str, reason: str) -> None:
    findings = found(tmp_path, good(0), good(1, **changes))
    told = [finding for finding in findings if finding.field == field and reason in finding.reason]
    assert told, findings
    assert {(finding.file, finding.line) for finding in findings} <= {("a.jsonl", 2), ("REVIEW.csv", 3)}
    assert str(told[0]).startswith("a.jsonl, line 2, ")
    assert str(told[0]).endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        {"stem": "She does not speak. Which of the following is the most likely cause?"},
        {"stem": "He did well except for a cough. Which of the following is the most appropriate next step?"},
        {"stem": "Which of the following explains why his wound did heal?"},
        {"stem": "Vitamin A, hepatitis B and group B streptococcus. What now?"},
        {"options": {**OPTIONS, "A": "Hepatitis A and E viruses", "C": "Vitamins A and D in excess"}},
        {"stem": "pain in the spleen. What now?", "options": {**OPTIONS, "B": "Remove spleen", "C": "Scan of the spleen"}},
        {"stem": "A murmur that increased. What now?", "options": {**OPTIONS, "B": "increased flow"}},
    ],
)
def test_what_only_looks_like_a_fault_is_none(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert found(tmp_path, good(0), good(1, **changes)) == []


@pytest.mark.parametrize("text", ["Option B is wrong.", "choices A and C", "the answer (D)", "as in (A)", "B is incorrect"])
def test_a_reference_by_letter_is_seen(text: str) -> None:
    assert REFERS_BY_LETTER.search(text)


@pytest.mark.parametrize("text", ["Vitamin A is fat-soluble.", "hepatitis B", "a type A reaction", "group B streptococcus"])
def test_a_letter_of_medicine_is_no_reference(text: str) -> None:
    assert not REFERS_BY_LETTER.search(text)


def test_the_lead_in_is_the_last_question_of_the_words() -> None:
    assert lead_in(question(stem='He says: "Why me?" Which is best?\n\n| a |\n| --- |\n| b |')) == "Which is best?"
    assert lead_in(question(stem="He faints. The cause is a")) == "The cause is a"


def test_an_id_that_stands_twice_is_found(tmp_path: Path) -> None:
    write(tmp_path, [good(0)])
    (tmp_path / "b.jsonl").write_text(json.dumps(good(0, stem="Another? Which?")))
    told = [str(finding) for finding in lint(tmp_path, ours=True).findings if finding.field == "id"]
    assert told == ["b.jsonl, line 1, q-0, field id: it stands in a.jsonl, line 1, too. Give each row an id of its own."]


def test_stems_and_options_that_are_nearly_those_of_another_are_found() -> None:
    first = question(stem=" ".join(WORDS))
    near = question(id="near", stem=" ".join((*WORDS[:-1], "other")), options={**good(1)["options"]})
    options = replace(
        first, id="options", stem="Nothing of the kind here at all.", key="B", options={**first.options, "E": "else"}
    )
    other = replace(first, id="other", stem=" ".join(WORDS[::-1]), options=good(2)["options"])
    told = {
        (finding.id, finding.field, finding.reason.partition(" of it is that of q-0")[1] != "")
        for finding in alike(placed(first, near, options, other))
    }
    assert told == {("near", "stem", True), ("options", "options", True)}  # of the latter four of five are the same


def test_near_pairs_are_those_that_comparing_all_would_find() -> None:
    drawn = random.Random(1)
    things = [frozenset(drawn.sample(range(12), drawn.randint(1, 8))) for _ in range(80)]
    for least in (0.2, 0.3, 0.6, 0.9):
        every = {
            (a, b)
            for b in range(len(things))
            for a in range(b)
            if len(things[a] & things[b]) / len(things[a] | things[b]) > least
        }
        assert {(a, b) for a, b, _ in near_pairs(things, least)} == every


def test_too_few_questions_and_a_poor_spread_are_found() -> None:
    few = [
        str(finding) for finding in amounts(placed(*(question(system="heart", subject="anatomy", step="1") for _ in range(9))))
    ]
    assert few == [
        "the bank: it has 9 questions; expected at least 120.",
        "the bank, field system: there are 1; expected at least 12.",
        "the bank, field system: 'heart' has 9 questions; expected at least 10.",
        "the bank, field subject: there are 1; expected at least 10.",
        "the bank, field subject: 'anatomy' has 9 of 9 questions; expected at most a quarter.",
        "the bank, field step: no question is of step 2 CK; expected each of 1, 2 CK, 3.",
        "the bank, field step: no question is of step 3; expected each of 1, 2 CK, 3.",
    ]


def keyed(number: int, key: str, **lengths: int) -> Question:
    return question(id=str(number), key=key, options={letter: "x" * lengths.get(letter, 9) for letter in "ABCDE"})


def test_keys_at_one_letter_are_found() -> None:
    even = [keyed(number, "ABCDE"[number % 5]) for number in range(60)]
    assert list(biases(placed(*even))) == []
    told = [finding.reason for finding in biases(placed(*(replace(each, key="C") if each.key == "A" else each for each in even)))]
    assert [reason.split(" is the key of ")[0] for reason in told] == ["A", "C"]
    assert "C is the key of 24 of 60 questions, 3.9 standard deviations from chance." in told[1]


@pytest.mark.parametrize(("name", "length"), [("longest", 20), ("shortest", 2)])
def test_keys_that_are_the_longest_or_shortest_option_are_found(name: str, length: int) -> None:
    cued = [keyed(number, key, **{key: length}) for number in range(40) for key in ["ABCDE"[number % 5]]]
    (told,) = biases(placed(*cued))
    assert told.reason.startswith(f"the key is the {name} option of 40.0 of 40 questions")
    far = [keyed(number, key, **{"BCDEA"[number % 5]: length}) for number in range(40) for key in ["ABCDE"[number % 5]]]
    assert list(biases(placed(*far))) == []


SAFE = SVG.format('<title>x</title><g fill="url(#a)"><path d="M0 0"/><use href="#b"/><text font-size="14">a &lt; b</text></g>')
UNSAFE = {
    "a script": SVG.format("<script>alert(1)</script>"),
    "a script of another namespace": SVG.format('<x:script xmlns:x="http://www.w3.org/1999/xhtml">1</x:script>'),
    "HTML inside": SVG.format("<foreignObject/>"),
    "a picture from elsewhere": SVG.format('<image href="https://example.org/x.png"/>'),
    "a link": SVG.format('<a href="https://example.org"/>'),
    "a handler": SVG.format('<path onclick="alert(1)"/>'),
    "a handler in capitals": SVG.format('<path ONLOAD="alert(1)"/>'),
    "something used from elsewhere": SVG.format('<use href="other.svg#x"/>'),
    "the same by xlink": SVG.format('<use xmlns:x="http://www.w3.org/1999/xlink" x:href="http://x/#x"/>'),
    "a fill from elsewhere": SVG.format('<path fill="url( http://x )"/>'),
    "a style": SVG.format("<style>@import 'x'</style>"),
    "an animated link": SVG.format('<set attributeName="href" to="javascript:alert(1)"/>'),
    "an entity": '<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.format("<text>&a;</text>"),
    "a style sheet": '<?xml-stylesheet href="x.css"?>' + SVG.format(""),
    "no XML": "<svg",
    "no SVG": '<html viewBox="0"/>',
    "no view box": "<svg/>",
    "too much": SVG.format("x" * 200_001),
}


@pytest.mark.parametrize("text", UNSAFE.values(), ids=UNSAFE.keys())
def test_a_figure_that_may_run_or_load_something_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.svg").write_text(text)
    assert unsafe_svg(tmp_path / "x.svg").endswith(".")


def test_a_figure_that_only_draws_is_shown(tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_text(SAFE)
    assert unsafe_svg(tmp_path / "x.svg") == ""
    (tmp_path / "x.svg").write_bytes(SAFE.encode("utf-16"))
    assert unsafe_svg(tmp_path / "x.svg") == "is not UTF-8. Save it as UTF-8."


def test_a_figure_that_no_stem_shows_is_found(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    for name in ("shown", "hidden"):
        (tmp_path / "figures" / f"{name}.svg").write_text(SAFE)
    told = found(tmp_path, good(0, stem="![A line](figures/shown.svg)\n\nWhich is best?"))
    assert [str(finding) for finding in told] == ["figures/hidden.svg: no stem shows it. Show it, or remove it."]


def test_the_second_reading_must_be_there_for_all_and_agree(tmp_path: Path) -> None:
    rows = [good(number) for number in range(4)]
    write(
        tmp_path,
        rows,
        [("q-0", "A", "because"), ("q-1", "C", "because"), ("q-2", "C", " "), ("q-9", "A", "x"), ("q-0", "A", "x")],
    )
    told = [
        (finding.file, finding.line, finding.id, finding.field)
        for finding in review(tmp_path / "REVIEW.csv", placed(*(question(id=row["id"], key=row["key"]) for row in rows)))
    ]
    assert told == [
        ("REVIEW.csv", 2, "q-0", "id"),
        ("REVIEW.csv", 3, "q-1", "blind_answer"),
        ("REVIEW.csv", 4, "q-2", "reason"),
        ("REVIEW.csv", 5, "q-9", "id"),
        ("REVIEW.csv", 6, "q-0", "id"),
        ("a.jsonl", 4, "q-3", ""),
    ]
    assert [finding.line for finding in review(tmp_path / "none.csv", [])] == [0]


def test_somebody_elses_folder_is_judged_by_its_questions_and_told_the_rest(tmp_path: Path) -> None:
    bare = {"id": "one", "stem": "Which is NOT seen?", "options": {"A": "Fever", "B": "Cough"}, "key": "A"}
    (tmp_path / "own.jsonl").write_text(json.dumps(bare))
    report = lint(tmp_path, ours=False)
    assert [(finding.field, finding.line) for finding in report.findings] == [("stem", 1)]
    assert "the bank: it has 1 questions; expected at least 120." in map(str, report.notes)
    assert "the bank, field hints: it is blank in 1 of 1 questions." in map(str, report.notes)


def test_a_folder_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no question file"):
        lint(tmp_path, ours=False)


def told_by(*argv: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return main(argv, out, err), out.getvalue(), err.getvalue()


def test_the_command_ends_with_1_where_there_are_findings_and_sums_up(tmp_path: Path) -> None:
    write(tmp_path, [good(number) for number in range(30)])
    code, out, _ = told_by("lint", str(tmp_path))
    assert code == 0
    assert "30 questions in 1 files: 0 findings, " in out
    assert "note: the bank: it has 30 questions; expected at least 120." in out
    assert "difficulty: easy 10, medium 10, hard 10\n" in out
    assert "key: A 6, B 6, C 6, D 6, E 6\n" in out
    assert "\noptions alone: " in out
    write(tmp_path, [good(0, objective="x" * 300)])
    code, out, _ = told_by("lint", str(tmp_path))
    assert code == 1
    assert out.startswith("a.jsonl, line 1, q-0, field objective: it has 300 characters;")
    assert out.endswith("options alone: not looked at, fewer than 20 questions\n")
    assert told_by("lint", str(tmp_path / "none"))[0] == 2


# The options-only baseline


def plain(number: int) -> Question:
    """A question whose options say nothing of its key."""
    drawn = random.Random(number)
    texts = {letter: " ".join(drawn.choices(WORDS, k=drawn.randint(2, 5))) for letter in "ABCDE"}
    return question(id=str(number), options=texts, key=drawn.choice("ABCDE"))


def with_key(change: Callable[[str, Question], str]) -> list[Question]:
    made = [plain(number) for number in range(60)]
    return [replace(each, options={**each.options, each.key: change(each.options[each.key], each)}) for each in made]


CUES: dict[str, Callable[[str, Question], str]] = {
    "the longest": lambda text, asked: text + " x" * (1 + max(map(len, asked.options.values())) // 2),
    "a hedge": lambda text, _: f"usually {text}",
    "an ending": lambda text, _: f"{text[:-2]}itis",
    "a number": lambda text, _: f"{text} 7",
}


@pytest.mark.parametrize("change", CUES.values(), ids=CUES.keys())
def test_a_planted_cue_is_found_by_who_never_saw_the_stem(change: Callable[[str, Question], str]) -> None:
    found = options_only(with_key(change))
    assert found.accuracy > 0.8
    assert not found.within_chance
    assert "outside chance's interval" in str(found)


def test_where_keys_are_drawn_nothing_is_found() -> None:
    found = options_only(with_key(lambda text, _: text))
    assert found.n == 60
    assert found.within_chance
    assert found.low <= found.accuracy <= found.high
    assert found.chance == pytest.approx(0.2)
    assert found.chance_low == pytest.approx(0.2 - 1.96 * math.sqrt(0.2 * 0.8 / 60))


def test_a_key_that_is_always_at_one_place_is_found() -> None:
    assert options_only([replace(plain(number), key="D") for number in range(60)]).accuracy == 1


def test_no_question_is_in_its_own_training() -> None:
    """Otherwise words that only one question has would be learnt by heart."""
    made = [Question(**{**vars(plain(number)), "options": good(number)["options"]}) for number in range(60)]
    assert options_only(made).within_chance


def test_the_same_questions_give_the_same_result() -> None:
    made = with_key(CUES["a hedge"])
    assert options_only(made) == options_only(made)


def test_questions_of_several_lengths_and_of_words_are_taken() -> None:
    worded = Question(id="w", stem="Is it?", options={"yes": "yes", "no": "no"}, key="no")
    assert options_only([*(plain(number) for number in range(12)), worded]).n == 13
    with pytest.raises(ValueError, match="expected at least 10"):
        options_only([worded] * (FOLDS - 1))


def test_a_bank_with_a_cue_is_found_by_lint(tmp_path: Path) -> None:
    rows = [good(number) for number in range(40)]
    for row in rows:
        row["options"][row["key"]] += "!"
    report = lint(write(tmp_path, rows), ours=False)
    assert any(finding.reason.startswith("options alone: 40 of 40 right") for finding in report.findings)
