"""What an answer stands on, as it is kept and read."""

from __future__ import annotations

from app.grounds import cited_text, grounds_text, read_grounds, short_text, source_lines, whole_text
from app.records import Block, Claim, Found, Grounds, Message, Passage, Prose, Quote, Role, Support

PASSAGE = Passage(
    id=7,
    document="d1",
    place=0,
    title="Gout",
    text="Colchicine shortens a flare.",
    start=0,
    end=28,
    section="Treatment",
    page=3,
    date="2026",
    licence="CC0",
)
CLAIM = Claim(0, 12, "One is so.", Support.WEAK, (1,), 1, (0, 10), "one word is missing")
GROUNDS = Grounds(
    found=True,
    sentence="1 passage of 1 document",
    passages=(Found(PASSAGE, 1.5, ((0, 10),)),),
    short=(Block("Use", (Quote(1, 0, 28, "Colchicine shortens a flare."),)), Block("Dose", missing="Nothing says it.")),
    prose=Prose.OPEN,
    prose_why="",
    template="drug",
    assumptions={"age": "adult"},
    expanded=("MI = myocardial infarction",),
    draft="draft",
    claims=(CLAIM,),
    judged_by="by words",
    removed=2,
    followups=("Gout: causes?",),
)


def test_what_is_kept_is_read_again_whole() -> None:
    assert read_grounds(grounds_text(GROUNDS)) == GROUNDS


def test_an_answer_of_the_model_alone_stands_on_nothing() -> None:
    assert grounds_text(None) == ""
    assert read_grounds("") is None


def test_a_short_answer_names_the_passage_of_each_sentence_and_what_is_missing() -> None:
    assert short_text(GROUNDS.short) == "**Use**\n\nColchicine shortens a flare. [1]\n\n**Dose**\n\nNothing says it."


def test_only_sentences_that_a_passage_carries_are_cited() -> None:
    text = "One is so. Two is not."
    claims = [Claim(0, 10, "One is so.", Support.SUPPORTED, (2, 1)), Claim(11, 22, "Two is not.", Support.UNSUPPORTED)]
    assert cited_text(text, claims) == "One is so. [2] [1] Two is not."


def test_a_source_is_named_with_all_that_is_known_of_it() -> None:
    assert source_lines(GROUNDS) == ["[1] Gout, Treatment, page 3, 2026, CC0"]


def test_an_answer_without_a_source_says_so_before_its_text_wherever_it_is_read() -> None:
    grounds = Grounds(found=False, sentence="No source: none was found.", prose=Prose.OPEN)
    answer = Message(id="a", role=Role.ASSISTANT, text="Give leeches.", grounds=grounds)
    assert whole_text(answer) == "No source: none was found.\n\nGive leeches."


def test_the_documents_that_are_quoted_are_known() -> None:
    assert GROUNDS.documents == {"d1"}
