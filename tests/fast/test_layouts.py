"""The public question sets' layouts, on questions of our own invention; and, where they are at hand, the sets themselves."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.layouts import Layout
from app.prompts import ChatFormat, Style, question_prompt, question_text
from app.questions import read_bank, read_questions
from app.records import Question
from app.rowfiles import Fault, Refusal

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("LLAMACARE_DATA", ROOT.parent / "shared" / "data"))

OPTIONS = {"A": "Heparin", "B": "Warfarin", "C": "Aspirin", "D": "Vitamin K"}
STEM = "A man on rat poison bleeds. What is given?"
PARTS = ["Bees sting often.", "We gave ice to 40 people.", "Pain fell by 3 points with ice."]
CONCLUSION = "Cold packs shorten the suffering after stings. Larger trials are welcome."
ASKED = "Does ice help after a sting?"

OWN = {"id": "own-1", "stem": STEM, "options": OPTIONS, "key": "D"}
MEDQA = {"question": STEM, "options": OPTIONS, "answer": "Vitamin K", "answer_idx": "D", "meta_info": "step2&3"}
MEDMCQA = {
    "id": "m-1",
    "question": STEM,
    "options": OPTIONS,
    "answer_idx": "D",
    "explanation": "It is the antidote.",
    "subject": "Pharmacology",
    "topic": None,
    "choice_type": "single",
}
MEDMCQA_HUB = {
    "id": "m-2",
    "question": STEM,
    **{f"op{letter.lower()}": text for letter, text in OPTIONS.items()},
    "cop": 3,
    "choice_type": "single",
    "exp": "It is the antidote.",
    "subject_name": "Pharmacology",
    "topic_name": None,
}
PUBMEDQA = {
    "pmid": "77",
    "question": ASKED,
    "contexts": PARTS,
    "section_labels": ["BACKGROUND", "METHODS", "RESULTS"],
    "long_answer": CONCLUSION,
    "answer": "yes",
}
PUBMEDQA_ORIGINAL = {
    "QUESTION": ASKED,
    "CONTEXTS": PARTS,
    "LABELS": ["BACKGROUND", "METHODS", "RESULTS"],
    "MESHES": [],
    "LONG_ANSWER": CONCLUSION,
    "final_decision": "yes",
}
PUBMEDQA_HUB = {
    "pubid": 77,
    "question": ASKED,
    "context": {"contexts": PARTS, "labels": ["BACKGROUND", "METHODS", "RESULTS"], "meshes": []},
    "long_answer": CONCLUSION,
    "final_decision": "yes",
}
HEADQA = {
    "id": "h-1",
    "exam": "x",
    "category": "medicine",
    "year": "2015",
    "question": STEM,
    "options": OPTIONS,
    "answer_idx": "D",
}
HEADQA |= {"has_image": False}
MMLU = {"question": STEM, "choices": list(OPTIONS.values()), "answer": 3, "subject": "clinical_knowledge"}

LETTERED = {"own": OWN, "medqa": MEDQA, "medmcqa": MEDMCQA, "medmcqa hub": MEDMCQA_HUB, "headqa": HEADQA, "mmlu": MMLU}
ABSTRACTS = {"stored": PUBMEDQA, "hub": PUBMEDQA_HUB}


def read(folder: Path, *rows: Any, name: str = "set.jsonl", layout: Layout | None = None) -> tuple[list[Question], list[Refusal]]:
    path = folder / name
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines))
    questions, refusals = read_questions(path, layout=layout)
    return [question for _, question in questions], refusals


@pytest.mark.parametrize("row", LETTERED.values(), ids=LETTERED.keys())
def test_every_layout_says_the_same_question(tmp_path: Path, row: dict[str, Any]) -> None:
    (question,), refusals = read(tmp_path, row)
    assert refusals == []
    assert (question.stem, dict(question.options), question.key) == (STEM, OPTIONS, "D")
    assert not question.worded


def test_what_a_layout_knows_beside_the_question_is_kept(tmp_path: Path) -> None:
    (medqa,), _ = read(tmp_path, MEDQA)
    assert (medqa.step, medqa.source, medqa.licence) == ("2 CK", "MedQA", "MIT")
    (first,), _ = read(tmp_path, {**MEDQA, "meta_info": "step1"})
    assert first.step == "1"
    for row in (MEDMCQA, MEDMCQA_HUB):
        (medmcqa,), _ = read(tmp_path, row)
        assert (medmcqa.subject, dict(medmcqa.explanations)) == ("Pharmacology", {"D": "It is the antidote."})
    (headqa,), _ = read(tmp_path, HEADQA)
    assert (headqa.id, headqa.subject) == ("h-1", "medicine")
    (mmlu,), _ = read(tmp_path, MMLU)
    assert (mmlu.subject, mmlu.source, mmlu.licence) == ("clinical_knowledge", "MMLU", "")


def test_an_id_made_of_the_content_is_the_same_in_every_file(tmp_path: Path) -> None:
    (one, other), _ = read(tmp_path, MEDQA, {**MEDQA, "question": "Another?"})
    (again,), _ = read(tmp_path, {**MEDQA, "meta_info": "step1"}, name="other.jsonl")
    assert one.id == again.id != other.id
    assert one.id.startswith("medqa-") and len(one.id) == len("medqa-") + 12


@pytest.mark.parametrize("row", ABSTRACTS.values(), ids=ABSTRACTS.keys())
def test_an_abstract_is_the_context_of_its_question(tmp_path: Path, row: dict[str, Any]) -> None:
    (question,), refusals = read(tmp_path, row)
    assert refusals == []
    assert question.worded and dict(question.options) == {"yes": "yes", "no": "no", "maybe": "maybe"}
    assert (question.id, question.stem, question.key) == ("77", ASKED, "yes")
    assert question.context == f"BACKGROUND: {PARTS[0]}\nMETHODS: {PARTS[1]}\nRESULTS: {PARTS[2]}"
    assert dict(question.explanations) == {"yes": CONCLUSION}


@pytest.mark.parametrize("indent", [None, 2])
def test_the_one_object_of_pubmedqa_is_read_with_the_lines_of_its_numbers(tmp_path: Path, indent: int | None) -> None:
    broken = {**PUBMEDQA_ORIGINAL, "final_decision": "perhaps"}
    text = json.dumps({"101": PUBMEDQA_ORIGINAL, "102": broken, "103": PUBMEDQA_ORIGINAL}, indent=indent)
    questions, (refusal,) = read(tmp_path, text.encode(), name="ori_pqal.json")
    assert [question.id for question in questions] == ["101", "103"]
    assert (refusal.field, refusal.fault) == ("final_decision", Fault.LABEL)
    assert '"102"' in text.split("\n")[refusal.line - 1]
    assert dict(questions[0].explanations) == {"yes": CONCLUSION}


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("row", ABSTRACTS.values(), ids=ABSTRACTS.keys())
def test_the_conclusion_of_an_abstract_never_enters_a_prompt(tmp_path: Path, row: dict[str, Any], style: Style) -> None:
    (question,), _ = read(tmp_path, row)
    prompt = "".join(part.text for part in question_prompt(ChatFormat(""), question, (question,), style=style))
    assert PARTS[2] in prompt
    for length in range(3, len(CONCLUSION.split())):
        words = CONCLUSION.split()[:length]
        assert " ".join(words[-3:]) not in prompt


def test_medmcqa_counts_from_1_in_its_own_release_and_from_0_on_the_hub(tmp_path: Path) -> None:
    def numbered(*numbers: int) -> list[str]:
        rows = [{**MEDMCQA_HUB, "id": f"m{place}", "cop": number} for place, number in enumerate(numbers)]
        return [question.key for question in read(tmp_path, *rows)[0]]

    assert numbered(0, 1, 2, 3) == ["A", "B", "C", "D"]
    assert numbered(1, 2, 3, 4) == ["A", "B", "C", "D"]


def test_mmlu_s_csv_has_no_header_and_its_name_is_the_subject(tmp_path: Path) -> None:
    raw = f'"{STEM}",Heparin,Warfarin,Aspirin,Vitamin K,D\n"Two\nlines, one cell?",1,2,3,4,A\nToo,few\nNo such key?,1,2,3,4,E\n'
    (tmp_path / "college_medicine_test.csv").write_text(raw)
    rows, refusals = read_questions(tmp_path / "college_medicine_test.csv")
    assert [(line, question.key, question.subject) for line, question in rows] == [
        (1, "D", "college medicine"),
        (2, "A", "college medicine"),
    ]
    assert dict(rows[0][1].options) == OPTIONS
    assert [(refusal.line, refusal.field) for refusal in refusals] == [(4, ""), (5, "answer")]


CLAIM = {
    "id": "pair-1",
    "claim": "Ice shortens the pain.",
    "passage": "Pain fell with ice.",
    "judgement": "weak",
    "reason": "Less.",
}


def test_a_judged_claim_is_a_question_whether_its_passage_shows_it(tmp_path: Path) -> None:
    rows = [{**CLAIM, "id": f"pair-{word}", "judgement": word} for word in ("supported", "unsupported", "weak")]
    questions, refusals = read(tmp_path, *rows)
    assert refusals == []
    assert [question.key for question in questions] == ["yes", "no", "maybe"]
    assert {question.system for question in questions} == {"claims"}
    weak = questions[2]
    assert (weak.stem, weak.context) == ("Does the text show this: Ice shortens the pain.", "Pain fell with ice.")
    assert (weak.id, dict(weak.explanations)) == ("pair-weak", {"maybe": "Less."})


def test_a_claim_without_an_id_is_known_by_claim_and_passage(tmp_path: Path) -> None:
    bare = {name: value for name, value in CLAIM.items() if name != "id"}
    questions, _ = read(tmp_path, bare, {**bare, "passage": "Nothing helped."})
    assert len({question.id for question in questions}) == 2


# What is wrong -> the row, the field that the refusal names, a word of its reason, its fault.
BAD: dict[str, tuple[dict[str, Any], str, str, Fault]] = {
    "claim without text": ({**CLAIM, "claim": " "}, "claim", "not empty", Fault.VALUE),
    "claim, unknown judgement": ({**CLAIM, "judgement": "perhaps"}, "judgement", "'perhaps' is no option", Fault.LABEL),
    "own without stem": ({"id": "x", "options": OPTIONS, "key": "A"}, "stem", "is missing", Fault.MISSING),
    "own without id": ({k: v for k, v in OWN.items() if k != "id"}, "id", "is missing", Fault.MISSING),
    "own without key": ({k: v for k, v in OWN.items() if k != "key"}, "key", "is missing", Fault.MISSING),
    "own without options": ({k: v for k, v in OWN.items() if k != "options"}, "options", "is missing", Fault.MISSING),
    "own, unknown label": ({**OWN, "key": "E"}, "key", "'E' is no option; expected one of A, B, C, D", Fault.LABEL),
    "own, unknown word": ({**OWN, "options": {"yes": "yes", "no": "no"}, "key": "maybe"}, "key", "one of yes, no", Fault.LABEL),
    "own, a word for another": ({**OWN, "options": {"yes": "no", "no": "yes"}, "key": "no"}, "options", "itself", Fault.VALUE),
    "own, words and letters": ({**OWN, "options": {"yes": "yes", "A": "a"}, "key": "A"}, "options", "letters", Fault.VALUE),
    "own, one word": ({**OWN, "options": {"yes": "yes"}, "key": "yes"}, "options", "it has 1", Fault.VALUE),
    "own, an explanation of nothing": ({**OWN, "explanations": {"E": "x"}}, "explanations", "of A, B, C, D", Fault.VALUE),
    "own, a step unknown": ({**OWN, "step": "4"}, "step", "it is '4'", Fault.VALUE),
    "medqa, answer and letter apart": ({**MEDQA, "answer_idx": "A"}, "answer", "option A is 'Heparin'", Fault.LABEL),
    "medqa, unknown letter": ({**MEDQA, "answer_idx": "Z"}, "answer_idx", "'Z' is no option", Fault.LABEL),
    "medqa, an option twice": ({**MEDQA, "options": {**OPTIONS, "A": "Aspirin"}}, "options", "'Aspirin' stands", Fault.VALUE),
    "medqa, key a list": ({**MEDQA, "answer_idx": ["D"]}, "answer_idx", "expected a text", Fault.VALUE),
    "medmcqa, no answer": ({**MEDMCQA_HUB, "cop": -1}, "cop", "-1 stands in splits whose answers are kept back", Fault.LABEL),
    "medmcqa, answer missing": ({k: v for k, v in MEDMCQA_HUB.items() if k != "cop"}, "cop", "is missing", Fault.MISSING),
    "medmcqa, an option missing": ({k: v for k, v in MEDMCQA_HUB.items() if k != "opb"}, "opa..opd", "B is None", Fault.VALUE),
    "medmcqa, key a list": ({**MEDMCQA, "answer_idx": ["D"]}, "answer_idx", "expected a text", Fault.VALUE),
    "pubmedqa, unlabelled": ({k: v for k, v in PUBMEDQA.items() if k != "answer"}, "answer", "is missing", Fault.MISSING),
    "pubmedqa, unknown word": ({**PUBMEDQA, "answer": "unknown"}, "answer", "one of yes, no, maybe", Fault.LABEL),
    "pubmedqa, no abstract": ({**PUBMEDQA, "contexts": []}, "contexts", "a list of texts", Fault.VALUE),
    "pubmedqa, answer a list": ({**PUBMEDQA, "answer": ["yes"]}, "answer", "expected a text", Fault.VALUE),
    "headqa with a picture": ({**HEADQA, "has_image": True}, "has_image", "needs its picture", Fault.PICTURE),
    "mmlu, a number too high": ({**MMLU, "answer": 4}, "answer", "expected the option's number, 0 to 3", Fault.LABEL),
    "mmlu, a truth value": ({**MMLU, "answer": True}, "answer", "it is True", Fault.LABEL),
    "mmlu, choices a text": ({**MMLU, "choices": "ABCD"}, "choices", "expected a list", Fault.VALUE),
    "mmlu, eleven choices": ({**MMLU, "choices": list("abcdefghijk")}, "choices", "2 to 10", Fault.VALUE),
    "half a character": ({**MEDQA, "question": "Which \ud83d?"}, "question", "half of a character", Fault.VALUE),
}
GOOD_OF = {
    "claim": CLAIM,
    "own": OWN,
    "medqa": MEDQA,
    "medmcqa": MEDMCQA_HUB,
    "pubmedqa": PUBMEDQA,
    "headqa": HEADQA,
    "mmlu": MMLU,
    "half": MEDQA,
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_of_any_layout_is_refused_by_its_own_field_and_the_others_are_kept(tmp_path: Path, name: str) -> None:
    row, field, reason, fault = BAD[name]
    good = GOOD_OF[name.split(maxsplit=1)[0].rstrip(",")]
    questions, (refusal,) = read(tmp_path, good, row)
    assert len(questions) == 1
    assert (refusal.file, refusal.line, refusal.field, refusal.fault) == ("set.jsonl", 2, field, fault)
    assert reason in str(refusal)
    assert str(refusal).endswith(".")


def test_a_refusal_can_be_printed_whatever_the_row_holds(tmp_path: Path) -> None:
    _, (refusal,) = read(tmp_path, {**OWN, "options": {"\ud83d": "Heparin", "B": "Warfarin"}})
    assert str(refusal).encode() == rb"set.jsonl, line 1, field options: its letters are B, \ud83d; expected A, B."


def test_case_tells_genotypes_apart(tmp_path: Path) -> None:
    (question,), refusals = read(tmp_path, {**OWN, "options": {"A": "AA", "B": "Aa", "C": "aa"}, "key": "B"})
    assert (question.options["C"], refusals) == ("aa", [])


def test_the_first_row_that_can_be_read_decides_for_the_file(tmp_path: Path) -> None:
    questions, refusals = read(tmp_path, b"{broken", {"note": "no question"}, MEDQA, OWN)
    assert [question.source for question in questions] == ["MedQA"]
    assert [(refusal.line, refusal.fault) for refusal in refusals] == [
        (1, Fault.UNREADABLE),
        (2, Fault.MISSING),
        (4, Fault.MISSING),
    ]


def test_a_layout_that_nobody_knows_is_told_once(tmp_path: Path) -> None:
    questions, (refusal,) = read(tmp_path, {"q": "x", "a": "y"}, {"q": "x", "a": "y"})
    assert questions == []
    assert str(refusal).startswith(
        "set.jsonl: the layout is not known: the first row has the fields q, a. Name the layout: own, "
    )


def test_a_named_layout_is_taken_at_its_word(tmp_path: Path) -> None:
    questions, (refusal,) = read(tmp_path, MEDQA, layout=Layout.OWN)
    assert (questions, refusal.field) == ([], "stem")


def test_a_list_of_rows_is_refused_once_and_not_line_by_line(tmp_path: Path) -> None:
    questions, (refusal,) = read(tmp_path, json.dumps([MEDQA, MEDQA], indent=1).encode())
    assert questions == []
    assert str(refusal) == "set.jsonl: it is one JSON list. Write one JSON object a line."


def test_an_id_that_stands_twice_is_kept_once(tmp_path: Path) -> None:
    questions, (refusal,) = read(tmp_path, MEDQA, MEDQA)
    assert len(questions) == 1
    assert (refusal.line, refusal.field, refusal.fault) == (2, "id", Fault.DUPLICATE)


@pytest.mark.parametrize("name", ["absent.jsonl", "."])
def test_a_file_that_cannot_be_opened_is_told_and_raises_nothing(tmp_path: Path, name: str) -> None:
    questions, (refusal,) = read_questions(tmp_path / name)
    assert questions == []
    assert "cannot be read" in str(refusal)


def test_the_bank_takes_a_context_and_stays_strict(tmp_path: Path) -> None:
    full = {**OWN, "explanations": OPTIONS, "objective": "x", "hints": ["1", "2", "3"], "subject": "s", "system": "y"}
    full |= {"step": "1", "source": "us", "licence": "Apache-2.0", "context": "From a chart."}
    full |= {"difficulty": "easy", "reasoning": "mechanism", "fact": "x"}
    rows = [
        full,
        {**full, "id": "blank", "context": " "},
        {**full, "id": "words", "options": {"yes": "yes", "no": "no"}, "key": "no"},
    ]
    rows.append({**OWN, "id": "bare"})
    (tmp_path / "bank.jsonl").write_text("\n".join(map(json.dumps, rows)))
    bank = read_bank(tmp_path)
    assert [(question.id, question.context) for question in bank.questions] == [("own-1", "From a chart.")]
    assert [(refusal.line, refusal.field) for refusal in bank.refusals] == [(2, "context"), (3, "options"), (4, "objective")]


# The sets themselves: file -> questions read, refusals by fault.
SETS: dict[str, tuple[int, dict[Fault, int]]] = {
    "pubmedqa/trainval500.jsonl": (500, {}),
    "medqa/dev_4opt.jsonl": (1272, {}),
    "medqa/dev_5opt.jsonl": (1272, {}),
    "medqa/train_subset1030_4opt.jsonl": (1030, {}),
    "medmcqa/dev.jsonl": (4162, {Fault.VALUE: 21}),  # all 21: an option that stands twice
    "headqa_en/train.jsonl": (2585, {Fault.PICTURE: 68, Fault.VALUE: 4}),
    "headqa_en/dev.jsonl": (1334, {Fault.PICTURE: 30, Fault.VALUE: 2}),
}


def public(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not here: the public question sets are no part of this repository (LLAMACARE_DATA names them)")
    return path


@pytest.mark.parametrize("name", SETS)
def test_the_public_sets_are_read_whole(name: str) -> None:
    read_rows, refusals = read_questions(public(name))
    count, faults = SETS[name]
    assert (len(read_rows), Counter(refusal.fault for refusal in refusals)) == (count, faults)
    assert {refusal.field for refusal in refusals if refusal.fault is Fault.VALUE} <= {"options"}
    assert all("stands twice" in refusal.reason for refusal in refusals if refusal.fault is Fault.VALUE)


def test_no_conclusion_of_pubmedqa_stands_in_a_question() -> None:
    rows, _ = read_questions(public("pubmedqa/trainval500.jsonl"))
    assert Counter(question.key for _, question in rows) == {"yes": 276, "no": 169, "maybe": 55}
    leaking = [question.id for _, question in rows if question.explanations[question.key] in question_text(question)]
    assert leaking == []
    # Sentence by sentence: two abstracts say in their own results what they conclude.
    repeated = {
        question.id
        for _, question in rows
        for sentence in question.explanations[question.key].split(". ")
        if len(sentence) > 40 and sentence in question_text(question)
    }
    assert repeated == {"24519615", "24434052"}
