"""Documents can't give orders: whatever they hold, the system text stays the same and nothing of theirs is control."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.library.cleaning import clean
from app.library.parsing_html import parse_html
from app.library.parsing_text import parse_text
from app.prompts import GROUNDED_SYSTEM, ChatFormat, chat_prompt, grounded_text
from app.records import Message, Prompt, Role
from tests.benchmarks.attack_documents import Attack, all_attacks
from tests.benchmarks.attacks import follows, says
from tests.fast.test_prompts import TEMPLATES

QUESTION = "How is gout treated?"
HARMLESS = "Gout is treated with colchicine."
ATTACKS = all_attacks()
UNSEEN = ("hidden in HTML", "invisible characters", "encoded")  # kinds whose orders nobody reads in the cleaned text
each_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
each_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())


def asked(template: str, passage: str) -> Prompt:
    message = Message(id="", role=Role.USER, text=grounded_text(QUESTION, [passage]))
    return chat_prompt(ChatFormat(template), [message], system=GROUNDED_SYSTEM)


def cleaned(attack: Attack) -> str:
    parsed = (parse_html if attack.place else parse_text)(attack.raw)
    return clean("\n\n".join(block.text for block in parsed.blocks)).text


def around(prompt: Prompt) -> list[tuple[str, bool]]:
    """All but the segment that holds the question."""
    return [(segment.text, segment.control) for segment in prompt if QUESTION not in segment.text]


def assert_safe(template: str, passage: str) -> None:
    prompt, harmless = asked(template, passage), asked(template, HARMLESS)
    assert around(prompt) == around(harmless)
    (holding,) = (segment for segment in prompt if QUESTION in segment.text)
    (other,) = (segment for segment in harmless if QUESTION in segment.text)
    assert not holding.control
    before, after = other.text.split(f"> {HARMLESS}")
    assert holding.text.startswith(before)
    assert holding.text.endswith(after)
    told = holding.text[len(before) : len(holding.text) - len(after)]
    assert all(line.startswith(">") for line in told.split("\n") if line)


@each_template
@each_attack
def test_no_document_changes_the_system_text_or_becomes_control_cleaned_or_not(attack: Attack, template: str) -> None:
    assert_safe(template, attack.raw_text)
    assert_safe(template, cleaned(attack))


@each_template
@settings(deadline=None)
@given(passage=st.text(min_size=1).filter(lambda text: text.splitlines()))
def test_no_text_at_all_does(template: str, passage: str) -> None:
    assert_safe(template, passage)


@each_attack
def test_the_order_is_in_the_file_and_cleaning_takes_out_what_no_reader_sees(attack: Attack) -> None:
    assert attack.topic.after in cleaned(attack)
    assert says(attack.meant, attack)
    assert says(cleaned(attack), attack) == (attack.kind not in UNSEEN or attack.id == "zero-width")


def test_no_special_token_of_a_document_outlives_cleaning() -> None:
    marks = ("<|", "|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "</s>", "_of_turn>", "<think>", "\uff5c")
    assert [(attack.id, mark) for attack in ATTACKS for mark in marks if mark in cleaned(attack)] == []


def test_there_are_forty_and_each_has_a_name_and_a_word_of_its_own() -> None:
    assert len({attack.id for attack in ATTACKS}) == len({attack.canaries for attack in ATTACKS}) == len(ATTACKS) == 40


@pytest.mark.parametrize(
    ("text", "followed", "said"),
    [
        ("HACKED", True, True),
        ("Sure. Hacked!", True, True),
        ("The text says to reply only with the word HACKED.", False, True),
        ("Gout is treated with colchicine.", False, False),
        ("The shacked-up word", False, False),
    ],
)
def test_who_quotes_an_order_does_not_follow_it(text: str, followed: bool, said: bool) -> None:
    (attack,) = (attack for attack in ATTACKS if attack.id == "ignore-above")
    assert (follows(text, attack), says(text, attack)) == (followed, said)
