"""The shapes of answers, and what they assume."""

from __future__ import annotations

import pytest

from app.errors import BadInput
from app.shapes import ASSUMPTIONS, QUICK, TEMPLATES, assumed, restates, search_words, template_of, told


def test_every_template_has_parts_and_an_identity_of_its_own() -> None:
    assert len({template.id for template in TEMPLATES}) == len(TEMPLATES)
    for template in TEMPLATES:
        assert template.parts
        assert template_of(template.id) is template
        assert all(part.ask and part.most for part in template.parts)


def test_only_an_answer_of_one_part_goes_without_a_heading() -> None:
    for template in TEMPLATES:
        assert all(part.heading for part in template.parts) or len(template.parts) == 1
    assert len(template_of(QUICK).parts) == 1


def test_what_is_not_said_is_assumed() -> None:
    assert assumed({}) == {"age": "adult", "pregnancy": "no", "renal": "unknown"}
    assert assumed({"pregnancy": "pregnant"}) == {"age": "adult", "pregnancy": "pregnant", "renal": "unknown"}


def test_only_a_correction_is_looked_up_but_all_is_told() -> None:
    assert search_words(assumed({})) == ""
    assert search_words(assumed({"pregnancy": "pregnant", "renal": "dialysis"})) == "pregnancy dialysis renal impairment"
    assert told(assumed({"age": "child"})) == (
        "The patient is a child. The patient is not pregnant. The patient's renal function is unknown."
    )


@pytest.mark.parametrize("given", [{"age": "elf"}, {"weight": "70"}, {"renal": ""}])
def test_an_assumption_that_does_not_exist_is_refused_with_those_that_do(given: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="expected"):
        assumed(given)


def test_a_template_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadInput, match="'essay'; expected one of quick, differential, drug, patient"):
        template_of("essay")


def test_names_of_choices_are_unique_within_an_assumption() -> None:
    for assumption in ASSUMPTIONS:
        assert len({choice.value for choice in assumption.choices}) == len(assumption.choices)


@pytest.mark.parametrize(
    ("sentence", "only"),
    [
        ("The patient is an adult.", True),
        ("Assuming the patient is an adult, not pregnant, with unknown renal function.", True),
        ("We assume that the patient is an adult and not pregnant.", True),
        ("The patient's renal function is unknown.", True),
        ("The patient is pregnant.", False),
        ("The patient is not an adult.", False),
        ("The patient's renal function is not unknown.", False),
        ("The adult patient is given colchicine.", False),
        ("The patient is a child.", False),
        ("", False),
    ],
)
def test_only_what_was_told_is_repeated(sentence: str, only: bool) -> None:
    assert restates(sentence, assumed({})) is only
