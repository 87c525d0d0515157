"""The sentences that answer: the passages' own, whole, no two alike, and none where nothing fits."""

from __future__ import annotations

from app.extract import best_sentences
from app.records import Passage


def passage(text: str, *, title: str = "Gout", section: str = "", place: int = 0, document: str = "d") -> Passage:
    return Passage(id=place + 1, document=document, place=place, title=title, text=text, start=0, end=len(text), section=section)


GOUT = passage(
    "Gout is an arthritis caused by crystals of urate. Allopurinol lowers urate in the long run. "
    "The dose of allopurinol begins at 100 mg a day. Beer makes attacks more likely."
)


def test_the_sentence_that_answers_is_quoted_where_it_stands() -> None:
    (quote,) = best_sentences("What is the dose of allopurinol?", [GOUT], most=1)
    assert quote.text == "The dose of allopurinol begins at 100 mg a day."
    assert (quote.number, GOUT.text[quote.start : quote.end]) == (1, quote.text)


def test_nothing_that_fits_is_an_empty_answer() -> None:
    assert best_sentences("How do rainbows form?", [GOUT]) == []
    assert best_sentences("", [GOUT]) == []
    assert best_sentences("dose", []) == []


def test_quotes_stand_in_reading_order() -> None:
    quotes = best_sentences("urate crystals and allopurinol in gout", [GOUT], most=3)
    assert [quote.start for quote in quotes] == sorted(quote.start for quote in quotes)
    assert len(quotes) > 1


def test_two_sentences_that_say_the_same_are_quoted_once() -> None:
    twin = passage("The dose of allopurinol begins at 100 mg each day.", place=1)
    quotes = best_sentences("dose of allopurinol", [GOUT, twin])
    assert sum("100 mg" in quote.text for quote in quotes) == 1


def test_headings_fragments_and_questions_are_never_quoted() -> None:
    heading, rest = "# Dose of allopurinol in gout\n\n", "Dose: allopurinol\n\nand the dose of allopurinol in gout is small."
    text = f"{heading}What is the dose of allopurinol?\n\n{rest}"
    assert best_sentences("dose of allopurinol", [passage(text)]) == []


def test_a_cue_chooses_the_section_and_without_it_nothing_is_chosen() -> None:
    uses = passage("Colchicine treats an attack of gout within hours.", section="Use")
    harms = passage("Colchicine in gout often brings diarrhoea and cramps.", section="Side effects", place=1)
    found = best_sentences("colchicine gout", [uses, harms], cues=("side effects",))
    assert [quote.number for quote in found] == [2]
    assert best_sentences("colchicine gout", [uses], cues=("side effects",)) == []


def test_the_passage_that_was_found_first_is_preferred() -> None:
    first, second = passage("Colchicine treats gout in most people."), passage("Colchicine treats gout in some cases.", place=1)
    assert [quote.number for quote in best_sentences("colchicine gout", [first, second], most=1)] == [1]


def test_what_a_question_tells_besides_does_not_hide_the_sentence_that_answers() -> None:
    told = "my neighbour Frank wonders what the dose of allopurinol is"
    assert "The dose of allopurinol begins at 100 mg a day." in [quote.text for quote in best_sentences(told, [GOUT])]


def test_a_sentence_answers_in_other_words_for_those_of_the_question() -> None:
    insulin = passage("Insulin waits in diabetic ketoacidosis while potassium is low.", title="Metabolism")
    assert best_sentences("DKA therapy", [insulin]) == []
    assert len(best_sentences("DKA therapy", [insulin], others=("diabetic ketoacidosis",))) == 1


def test_a_document_on_something_else_adds_no_sentence_because_it_shares_words() -> None:
    gout = passage("Allopurinol lowers urate and is taken by mouth once a day.")
    kidney = passage("Water by mouth once a day lowers nobody's creatinine.", title="Kidney", place=1, document="k")
    (quote,) = best_sentences("Is allopurinol for gout taken by mouth once a day?", [gout, kidney])
    assert quote.number == 1
