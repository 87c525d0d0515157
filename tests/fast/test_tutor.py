"""Ask about this item: what the model is told, what of its words is shown, and when it may be asked at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.chat import Chat
from app.database import Database
from app.engine.fake import FAKE_INFO, FakeEngine
from app.errors import BadInput, Busy, Conflict, NotFound
from app.prompts import TUTOR_AFTER, TUTOR_BEFORE
from app.questions import Bank
from app.quiz import Quiz
from app.records import Mode, Question, Status
from app.sessions import Selection
from app.store import Store
from app.turns import Begun, Ended, Grown
from app.tutor import HELD_BACK, Tutor, hold_back, named_option
from tests.conftest import quiz_on

QUESTION = Question(
    id="chest-1",
    stem="A 60-year-old has chest pain when walking uphill. Which valve is narrowed?",
    options={"A": "Aortic valve", "B": "Mitral valve", "C": "Pulmonary valve"},
    key="A",
    explanations={"A": "A narrow outlet starves the heart of blood.", "B": "This one breathes badly.", "C": "This one is rare."},
    objective="Aortic stenosis gives angina on effort.",
    hints=("Think of the outlet.", "Listen at the neck.", "The murmur rises and falls."),
    system="cardiovascular",
    source="ours",
)
# Every way in which these give an option away; and sentences that may be shown before the answer.
TELLING = (
    "The answer is B.",
    "Option C is wrong.",
    "The correct answer is the aortic valve.",
    "It is **A**.",
    "(B)!",
    "B is the best choice.",
    "I'd go with C.",
    "The answer is clearly A.",
    "Pick A!",
    "Rather than the mitral valve, think of the aortic valve.",
    "A: Aortic valve.",
    "It must be A or B.",
    "The mitral valve it is.",
)
FINE = (
    "What happens to the pulse when the outlet is narrow?",
    "A narrow valve makes the heart work harder.",
    "Think of where the blood leaves.",
    "Which sound would you hear at the neck?",
    "I would first ask about the pulse.",
)


@pytest.fixture
def tutored(database: Database) -> Callable[..., Tutor]:
    """Makes a tutor on a bank of one question and a fake engine."""

    def make(engine: FakeEngine, max_turns: int = 4) -> Tutor:
        engine._info = replace(FAKE_INFO, context=4096)
        quiz = quiz_on(database, Bank((QUESTION,)), engine)
        return Tutor(Chat(engine, Store(database), max_turns=max_turns, seed=lambda: 1), quiz)

    return make


def begin(tutor: Tutor, visitor: int, mode: Mode = Mode.TUTOR) -> str:
    return tutor._quiz.begin(visitor, Selection(mode=mode, count=1)).session.id


def ask(tutor: Tutor, visitor: int, session: str, text: str = "Which one is it?") -> tuple[list[str], Ended]:
    """The pictures of the growing answer, and its end."""
    events = list(tutor.begin(visitor, session, 1, text).events())
    assert isinstance(events[0], Begun)
    ended = events[-1]
    assert isinstance(ended, Ended)
    return [event.text for event in events if isinstance(event, Grown)], ended


def prompt_of(engine: FakeEngine) -> str:
    return "".join(segment.text for segment in engine.prompts[-1])


def commit(quiz: Quiz, visitor: int, session: str) -> None:
    quiz.commit(visitor, session, 1, chosen="B", confidence="sure", seconds=0)


# What the model is told


def test_before_the_answer_the_model_is_told_neither_key_nor_explanations(tutored: Callable[..., Tutor], visitor: int) -> None:
    engine = FakeEngine("What makes the sound?")
    tutor = tutored(engine)
    ask(tutor, visitor, begin(tutor, visitor))
    prompt = prompt_of(engine)
    for told in (TUTOR_BEFORE, QUESTION.stem, "A. Aortic valve", "C. Pulmonary valve", "Which one is it?"):
        assert told in prompt
    for secret in (*QUESTION.explanations.values(), QUESTION.objective, "The right answer is", TUTOR_AFTER):
        assert secret not in prompt


def test_after_the_answer_the_model_is_told_key_and_explanations_and_nothing_is_held_back(
    tutored: Callable[..., Tutor], visitor: int
) -> None:
    engine = FakeEngine("The correct answer is A. It starves the heart.")
    tutor = tutored(engine)
    session = begin(tutor, visitor)
    commit(tutor._quiz, visitor, session)
    _, ended = ask(tutor, visitor, session)
    prompt = prompt_of(engine)
    for told in (TUTOR_AFTER, "The right answer is A. Aortic valve.", *QUESTION.explanations.values(), QUESTION.objective):
        assert told in prompt
    assert TUTOR_BEFORE not in prompt
    assert (ended.answer.text, ended.answer.note) == ("The correct answer is A. It starves the heart.", "")


@pytest.mark.parametrize("bank_question", range(0, 120, 17))
def test_no_question_of_the_bank_shows_its_key_to_the_model_before_the_answer(
    bank: Bank, database: Database, visitor: int, bank_question: int
) -> None:
    engine = FakeEngine("Hm.", info=replace(FAKE_INFO, context=4096))
    question = bank.questions[bank_question % len(bank.questions)]
    quiz = quiz_on(database, Bank((question,)), engine)
    tutor = Tutor(Chat(engine, Store(database), max_turns=4), quiz)
    ask(tutor, visitor, begin(tutor, visitor))
    prompt = prompt_of(engine)
    assert question.options[question.key] in prompt
    assert not any(secret in prompt for secret in (*question.explanations.values(), question.objective, "right answer is"))


# Hints come first


def test_each_question_before_the_answer_opens_the_next_hint_of_the_ladder(tutored: Callable[..., Tutor], visitor: int) -> None:
    tutor = tutored(FakeEngine("Where does the blood leave?"))
    session = begin(tutor, visitor)
    for number, hint in enumerate(QUESTION.hints, start=1):
        pictures, ended = ask(tutor, visitor, session)
        opening = f"Hint {number} of 3: {hint}"
        assert all(picture.startswith(opening) for picture in pictures)
        assert ended.answer.text == f"{opening}\n\nWhere does the blood leave?"
        assert tutor._quiz.open(visitor, session, 1).item.hints == number
    assert ask(tutor, visitor, session)[1].answer.text == "Where does the blood leave?"
    commit(tutor._quiz, visitor, session)
    attempt = tutor._quiz.open(visitor, session, 1).attempt
    assert attempt is not None and attempt.hints == 3
    assert "Hint" not in ask(tutor, visitor, session)[1].answer.text


def test_a_question_that_is_refused_opens_no_hint(tutored: Callable[..., Tutor], visitor: int) -> None:
    tutor = tutored(FakeEngine(), max_turns=1)
    session = begin(tutor, visitor)
    with pytest.raises(BadInput, match="empty"):
        tutor.begin(visitor, session, 1, "  ")
    tutor._chat.begin(visitor, "Something else")
    with pytest.raises(Busy):
        tutor.begin(visitor, session, 1, "Help!")
    assert tutor._quiz.open(visitor, session, 1).item.hints == 0
    assert tutor.messages(visitor, session, 1) == []


# What is shown


@pytest.mark.parametrize("sentence", TELLING)
def test_a_sentence_that_gives_an_option_away_is_held_back(sentence: str) -> None:
    shown = hold_back(f"Hello. {sentence} Well then.", QUESTION, ended=True)
    assert shown == f"Hello. {HELD_BACK} Well then."


@pytest.mark.parametrize("sentence", FINE)
def test_a_sentence_that_gives_nothing_away_is_shown(sentence: str) -> None:
    assert hold_back(f"Hello. {sentence}", QUESTION, ended=True) == f"Hello. {sentence}"


sentences = st.lists(st.tuples(st.sampled_from((*TELLING, *FINE)), st.sampled_from([" ", "\n", "\n\n", "  "])), max_size=8)


@settings(deadline=None)
@given(sentences, st.lists(st.integers(0, 400), max_size=12))
def test_in_whatever_pieces_an_answer_comes_nothing_is_given_away_and_nothing_shown_is_taken_back(
    parts: list[tuple[str, str]], cuts: list[int]
) -> None:
    text = "".join(sentence + gap for sentence, gap in parts)
    pictures = [hold_back(text[:cut], QUESTION, ended=False) for cut in sorted({*cuts, len(text)})]
    pictures.append(hold_back(text, QUESTION, ended=True))
    for before, after in pairwise(pictures):
        assert after.startswith(before)
    for picture in pictures:
        assert not any(sentence in picture for sentence in TELLING)
    assert all(sentence in pictures[-1] for sentence, _ in parts if sentence in FINE)


def test_while_an_answer_streams_its_giveaway_is_never_in_the_picture(tutored: Callable[..., Tutor], visitor: int) -> None:
    tutor = tutored(FakeEngine("Think of the outlet first. The answer is A. What sound is there?", reasoning="It is A."))
    pictures, ended = ask(tutor, visitor, begin(tutor, visitor))
    assert ended.answer.text.endswith(f"Think of the outlet first. {HELD_BACK} What sound is there?")
    assert ended.answer.reasoning == ""
    assert all("answer is" not in picture for picture in (*pictures, ended.answer.text))
    for before, after in pairwise(pictures):
        assert after.startswith(before)


def test_what_is_kept_and_read_again_is_what_was_shown(tutored: Callable[..., Tutor], visitor: int) -> None:
    engine = FakeEngine("The answer is A. What sound is there?")
    tutor = tutored(engine)
    session = begin(tutor, visitor)
    _, ended = ask(tutor, visitor, session)
    question, kept = tutor.messages(visitor, session, 1)
    assert (question.text, kept.text, kept.status) == ("Which one is it?", ended.answer.text, Status.COMPLETE)
    commit(tutor._quiz, visitor, session)
    assert tutor.messages(visitor, session, 1)[1].text == kept.text
    ask(tutor, visitor, session, "And now?")
    assert "The answer is A." not in prompt_of(engine), "the model is shown its own words as they were shown"


# The key


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("The correct answer is B.", "B"),
        ("The mitral valve is the best option.", "B"),
        ("Hello. The answer is C. The answer is B.", "C"),
        ("B is incorrect.", None),
        ("The answer is not B.", None),
        ("The answer is A or B.", None),
        ("Think of the mitral valve.", None),
        ("", None),
    ],
)
def test_the_option_that_a_text_names_as_right_is_found(text: str, named: str | None) -> None:
    assert named_option(text, QUESTION) == named


def test_an_answer_that_speaks_for_another_option_than_the_key_is_marked(tutored: Callable[..., Tutor], visitor: int) -> None:
    tutor = tutored(FakeEngine("The correct answer is B."))
    session = begin(tutor, visitor)
    commit(tutor._quiz, visitor, session)
    turn = tutor.begin(visitor, session, 1, "Why?")
    list(turn.events())
    assert turn.notice.startswith("This answer speaks for B, but the key of this item is A.")
    assert tutor.messages(visitor, session, 1)[-1].note == turn.notice


def test_before_the_answer_nothing_says_that_an_answer_contradicts_the_key(tutored: Callable[..., Tutor], visitor: int) -> None:
    tutor = tutored(FakeEngine("The correct answer is B."))
    turn = tutor.begin(visitor, begin(tutor, visitor), 1, "Why?")
    ended = list(turn.events())[-1]
    assert isinstance(ended, Ended)
    assert (turn.notice, ended.answer.note) == ("", "")


# When


@pytest.mark.parametrize("mode", [Mode.TIMED, Mode.EXAM])
def test_in_a_mode_without_feedback_it_is_refused_until_the_end(tutored: Callable[..., Tutor], visitor: int, mode: Mode) -> None:
    engine = FakeEngine("The correct answer is A.")
    tutor = tutored(engine)
    session = begin(tutor, visitor, mode)
    tutor._quiz.start_block(visitor, session, 1)
    for call in (lambda: tutor.begin(visitor, session, 1, "Help!"), lambda: tutor.messages(visitor, session, 1)):
        with pytest.raises(Conflict, match="after the end"):
            call()
    assert engine.prompts == []
    tutor._quiz.end(visitor, session)
    assert ask(tutor, visitor, session)[1].answer.text == "The correct answer is A."


def test_a_paused_session_opens_no_hint_by_asking(tutored: Callable[..., Tutor], visitor: int) -> None:
    tutor = tutored(FakeEngine())
    session = begin(tutor, visitor)
    tutor._quiz.pause(visitor, session)
    with pytest.raises(Conflict, match="paused"):
        tutor.begin(visitor, session, 1, "Help!")
    assert tutor.messages(visitor, session, 1) == []
    assert tutor._quiz.open(visitor, session, 1).item.hints == 0


def test_an_item_has_one_answer_in_the_making_at_a_time(tutored: Callable[..., Tutor], visitor: int) -> None:
    tutor = tutored(FakeEngine())
    session = begin(tutor, visitor)
    turn = tutor.begin(visitor, session, 1, "First")
    with pytest.raises(Conflict, match="still being written"):
        tutor.begin(visitor, session, 1, "Second")
    turn.abandon()
    assert [message.status for message in tutor.messages(visitor, session, 1)] == [Status.COMPLETE, Status.STOPPED]
    ask(tutor, visitor, session, "Third")


def test_a_stop_keeps_what_there_is_and_still_gives_nothing_away(tutored: Callable[..., Tutor], visitor: int) -> None:
    engine = FakeEngine("Think of the outlet. The answer is A because it is narrow. And so on.")
    tutor = tutored(engine)
    session = begin(tutor, visitor)
    turn = tutor.begin(visitor, session, 1, "Help!")
    seen = 0
    for event in turn.events():
        seen += isinstance(event, Grown)
        if seen == 8:
            tutor._chat.stop(visitor, turn.turn.id)
    kept = tutor.messages(visitor, session, 1)[-1]
    assert kept.status is Status.STOPPED
    assert kept.text == f"Hint 1 of 3: {QUESTION.hints[0]}\n\nThink of the outlet. {HELD_BACK}"
    assert engine.closed_early == 1


def test_a_page_that_goes_away_keeps_what_there_is(tutored: Callable[..., Tutor], visitor: int) -> None:
    tutor = tutored(FakeEngine("One two three. Four five six."))
    session = begin(tutor, visitor)
    events = tutor.begin(visitor, session, 1, "Help!").events()
    while not isinstance(event := next(events), Grown) or "three." not in event.text:
        pass
    events.close()
    kept = tutor.messages(visitor, session, 1)[-1]
    assert (kept.status, "page went away" in kept.note) == (Status.STOPPED, True)
    assert "One two three." in kept.text


def test_two_visitors_ask_apart(tutored: Callable[..., Tutor], visitor: int, other: int) -> None:
    engine = FakeEngine("Where does it leave?")
    tutor = tutored(engine)
    mine, theirs = begin(tutor, visitor), begin(tutor, other)
    ask(tutor, visitor, mine, "My secret question")
    for call in (lambda: tutor.messages(other, mine, 1), lambda: tutor.begin(other, mine, 1, "Let me see")):
        with pytest.raises(NotFound):
            call()
    assert tutor.messages(other, theirs, 1) == []
    ask(tutor, other, theirs, "Mine")
    assert "secret" not in prompt_of(engine)
    assert tutor._quiz.open(other, theirs, 1).item.hints == 1
