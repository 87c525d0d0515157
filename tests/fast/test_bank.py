"""Our own questions, assets/bank: complete, spread, reviewed blind, and without cues that give the key away."""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from app.questions import Bank
from app.records import Question

FOLDER = Path(__file__).parents[2] / "assets" / "bank"
REFERS_BY_LETTER = re.compile(
    r"\b(?i:options?|choices?|answers?|distractors?|letters?)\s+\(?[A-J]\b|\([A-J]\)|\b[A-J] (?:is|and [A-J] are) (?:in)?correct"
)
NEAR_EQUAL = 0.3  # of two stems' runs of three words; the nearest pair has 0.09
Z = 3.0  # standard deviations from chance that are taken for chance: 1 of 370


def away_from_chance(hits: float, chances: list[float]) -> float:
    """How many standard deviations ``hits`` lies from what guessing with these chances gives."""
    return (hits - sum(chances)) / math.sqrt(sum(chance * (1 - chance) for chance in chances))


def has_extreme(question: Question, extreme: Callable[[list[int]], int]) -> float:
    """1 where the key alone is the longest (shortest) option, a share of it where several are, else 0."""
    lengths = {letter: len(text) for letter, text in question.options.items()}
    ends = [letter for letter, length in lengths.items() if length == extreme(list(lengths.values()))]
    return (question.key in ends) / len(ends)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def runs(text: str) -> set[tuple[str, ...]]:
    return set(zip(words(text), words(text)[1:], words(text)[2:], strict=False))


def test_every_row_is_read(bank: Bank) -> None:
    assert [str(refusal) for refusal in bank.refusals] == []


def test_there_are_at_least_sixty_questions_and_five_of_every_system(bank: Bank) -> None:
    assert len(bank.questions) >= 60
    systems = Counter(question.system for question in bank.questions)
    assert len(systems) >= 10
    assert {system: count for system, count in systems.items() if count < 5} == {}


def test_disciplines_and_steps_are_spread(bank: Bank) -> None:
    subjects = Counter(question.subject for question in bank.questions)
    assert len(subjects) >= 10
    assert max(subjects.values()) <= len(bank.questions) / 4
    assert set(Counter(question.step for question in bank.questions)) == {"1", "2 CK", "3"}


def test_every_question_has_four_or_five_options(bank: Bank) -> None:
    assert [question.id for question in bank.questions if len(question.options) not in (4, 5)] == []


def test_keys_are_spread_over_the_letters(bank: Bank) -> None:
    for place, letter in enumerate("ABCDE"):
        can = [question for question in bank.questions if letter in question.options]
        keys = sum(question.key == letter for question in can)
        assert abs(away_from_chance(keys, [1 / len(question.options) for question in can])) < Z, (place, letter, keys)


def test_the_longest_option_is_no_cue_to_the_key(bank: Bank) -> None:
    hits = sum(has_extreme(question, max) for question in bank.questions)
    assert away_from_chance(hits, [1 / len(question.options) for question in bank.questions]) < Z


def test_the_shortest_option_is_no_cue_to_the_key(bank: Bank) -> None:
    hits = sum(has_extreme(question, min) for question in bank.questions)
    assert away_from_chance(hits, [1 / len(question.options) for question in bank.questions]) < Z


def test_no_two_stems_are_nearly_the_same(bank: Bank) -> None:
    stems = {question.id: runs(question.stem) for question in bank.questions}
    shared = {(a, b): len(stems[a] & stems[b]) / len(stems[a] | stems[b]) for a, b in itertools.combinations(stems, 2)}
    assert {pair: share for pair, share in shared.items() if share > NEAR_EQUAL} == {}


def test_no_text_refers_to_an_option_by_its_letter(bank: Bank) -> None:
    """Letters move when options are shown in another order."""
    for question in bank.questions:
        for text in (question.stem, question.objective, *question.hints, *question.explanations.values()):
            assert not REFERS_BY_LETTER.search(text), f"{question.id}: {text}"


@pytest.mark.parametrize("text", ["Option B is wrong.", "choices A and C", "the answer (D)", "as in (A)", "B is incorrect"])
def test_a_reference_by_letter_would_be_seen(text: str) -> None:
    assert REFERS_BY_LETTER.search(text)


@pytest.mark.parametrize("text", ["Vitamin A is fat-soluble.", "hepatitis B", "a type A reaction", "group B streptococcus"])
def test_a_letter_of_medicine_is_no_reference(text: str) -> None:
    assert not REFERS_BY_LETTER.search(text)


def test_neither_stem_nor_hint_says_the_key(bank: Bank) -> None:
    for question in bank.questions:
        key = " ".join(words(question.options[question.key]))
        if len(key) > 3:  # a number may stand in a stem for another reason
            told = [text for text in (question.stem, *question.hints) if f" {key} " in f" {' '.join(words(text))} "]
            assert told == [], question.id


def test_the_explanation_of_every_option_says_something(bank: Bank) -> None:
    for question in bank.questions:
        assert min(len(words(text)) for text in question.explanations.values()) >= 8, question.id
        assert len(set(question.explanations.values())) == len(question.options), question.id
        assert len(set(question.hints)) == len(question.hints), question.id


def test_the_objective_is_one_line(bank: Bank) -> None:
    assert [question.id for question in bank.questions if "\n" in question.objective or len(question.objective) > 200] == []


def test_the_bank_is_our_own(bank: Bank) -> None:
    assert {(question.source, question.licence) for question in bank.questions} == {("LlamaCare authors", "Apache-2.0")}


def test_every_question_was_answered_blind_as_its_key_says(bank: Bank) -> None:
    with (FOLDER / "REVIEW.csv").open(newline="", encoding="utf-8") as file:
        review = list(csv.DictReader(file))
    assert Counter(row["id"] for row in review) == Counter(question.id for question in bank.questions)
    assert {row["id"]: row["blind_answer"] for row in review} == {question.id: question.key for question in bank.questions}
    assert [row["id"] for row in review if not row["reason"].strip()] == []
