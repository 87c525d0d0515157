"""A conversation leaves as a file: Markdown to read, JSON to process, under a name that a file system takes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.records import NO_SOURCE, Message, Role, Status
from app.ui.export import FORMAT, Form, as_json, as_markdown, file_name

WHEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
QUESTION = Message(id="1", role=Role.USER, text="What is <b>asthma</b>?\n\n- in *children*")
ANSWER = Message(id="2", role=Role.ASSISTANT, text="A disease of the airways 🫁", model="Fake", source=NO_SOURCE)
STOPPED = Message(
    id="3", role=Role.ASSISTANT, text="", model="Fake", source=NO_SOURCE, status=Status.STOPPED, note="You stopped this answer."
)


def test_markdown_holds_every_word_in_order_with_model_and_source() -> None:
    assert as_markdown("Asthma", [QUESTION, ANSWER]) == (
        "# Asthma\n\n"
        "## Question\n\nWhat is <b>asthma</b>?\n\n- in *children*\n\n"
        "## Answer\n\nA disease of the airways 🫁\n\n"
        f"*Fake · {NO_SOURCE}*\n"
    )


THOUGHTFUL = replace(ANSWER, reasoning="The lungs?\n\n# No: the airways.")


def test_markdown_quotes_the_reasoning_and_says_that_it_is_no_part_of_the_answer() -> None:
    assert as_markdown("Asthma", [THOUGHTFUL]) == (
        "# Asthma\n\n"
        "## Answer\n\n"
        "> **The model's reasoning, no part of its answer**\n>\n> The lungs?\n>\n> # No: the airways.\n\n"
        "A disease of the airways 🫁\n\n"
        f"*Fake · {NO_SOURCE}*\n"
    )


def test_json_holds_the_reasoning_in_a_field_of_its_own() -> None:
    messages = json.loads(as_json("Asthma", [ANSWER, THOUGHTFUL], None))["messages"]
    assert [(m["text"], m["reasoning"]) for m in messages] == [(ANSWER.text, ""), (ANSWER.text, THOUGHTFUL.reasoning)]


def test_markdown_says_of_an_answer_without_words_that_it_has_none_and_why() -> None:
    assert as_markdown("Asthma", [STOPPED]).endswith(f"(no text)\n\n*Fake · {NO_SOURCE}*\n\n*You stopped this answer.*\n")


def test_markdown_of_an_answer_from_before_the_model_was_known_names_the_source_alone() -> None:
    early = Message(id="4", role=Role.ASSISTANT, text="", source=NO_SOURCE, status=Status.FAILED, note="No model.")
    assert f"\n\n*{NO_SOURCE}*\n\n" in as_markdown("Asthma", [early])


def test_json_can_be_read_back_word_for_word() -> None:
    value = json.loads(as_json("Asthma", [QUESTION, ANSWER, STOPPED], WHEN))
    assert (value["format"], value["title"]) == (FORMAT, "Asthma")
    assert datetime.fromisoformat(value["updated"]) == WHEN
    assert [(m["role"], m["text"], m["status"], m["note"], m["model"], m["source"]) for m in value["messages"]] == [
        ("user", QUESTION.text, "complete", "", "", ""),
        ("assistant", ANSWER.text, "complete", "", "Fake", NO_SOURCE),
        ("assistant", "", "stopped", "You stopped this answer.", "Fake", NO_SOURCE),
    ]


def test_json_keeps_letters_readable_and_no_identifier_of_ours() -> None:
    text = as_json("Ödem", [ANSWER], None)
    assert "Ödem" in text
    assert "🫁" in text
    assert json.loads(text)["updated"] is None
    assert all("id" not in message for message in json.loads(text)["messages"])


def test_an_empty_conversation_can_be_exported() -> None:
    assert as_markdown("New", []) == "# New\n"
    assert json.loads(as_json("New", [], None))["messages"] == []


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("What is asthma?", "What-is-asthma.md"),
        ("../../etc/passwd", "etc-passwd.md"),
        ('a"b\\c\r\nd\0e;f', "a-b-c-d-e-f.md"),
        ("Ödem – 浮腫", "Ödem-浮腫.md"),
        ("...", "conversation.md"),
        ("", "conversation.md"),
        ("-rf", "rf.md"),
    ],
)
def test_a_file_name_is_made_of_letters_digits_and_hyphens(title: str, name: str) -> None:
    assert file_name(title, "md") == name


@pytest.mark.parametrize("form", ["md", "json"])
def test_a_file_name_fits_every_file_system(form: Form) -> None:
    name = file_name("𝒜" * 300, form)
    assert len(name.encode()) <= 255
    assert name.endswith(f".{form}")


def test_a_file_name_that_is_cut_does_not_end_in_a_hyphen() -> None:
    assert file_name("a" * 59 + " b", "md") == "a" * 59 + ".md"
