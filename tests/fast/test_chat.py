"""One turn of the chat, on the fake engine and a real database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.chat import Chat
from app.database import Database
from app.engine.base import Ending, EngineStatus, Phase, Queued, Sampling
from app.engine.fake import FAKE_INFO, FakeEngine
from app.errors import BadInput, Busy, Conflict, NotFound, TooLarge
from app.prompts import CHAT_SYSTEM, ChatFormat
from app.records import NO_SOURCE, Message, Prompt, Role, Status
from app.store import Store
from app.turns import Begun, Ended, Fitted, Grown


def chat_on(engine: FakeEngine, store: Store, max_turns: int = 4) -> Chat:
    return Chat(engine, store, max_turns=max_turns, seed=lambda: 1)


def answer(chat: Chat, visitor: int, text: str, **where: str) -> Ended:
    last = list(chat.begin(visitor, text, **where).events())[-1]
    assert isinstance(last, Ended)
    return last


def place_of(chat: Chat, visitor: int) -> str:
    return chat.store.conversations(visitor)[0].id


def test_an_answer_is_kept_with_its_model_and_that_it_has_no_source(engine: FakeEngine, store: Store, visitor: int) -> None:
    chat = chat_on(engine, store)
    answer(chat, visitor, "  What is asthma? ")
    question, kept = store.messages(visitor, place_of(chat, visitor))
    assert question.text == "What is asthma?"
    assert (kept.text, kept.status, kept.model, kept.source) == ("Take a history first.", Status.COMPLETE, "Fake", NO_SOURCE)
    assert store.conversations(visitor)[0].title == "What is asthma?"


def test_the_question_is_kept_before_its_answer_starts(engine: FakeEngine, store: Store, visitor: int) -> None:
    chat = chat_on(engine, store)
    chat.begin(visitor, "What is asthma?")
    assert [(m.text, m.status) for m in store.messages(visitor, place_of(chat, visitor))] == [
        ("What is asthma?", Status.COMPLETE),
        ("", Status.STREAMING),
    ]


def test_a_stopped_answer_is_kept_and_marked_and_the_engine_stops(store: Store, visitor: int) -> None:
    engine = FakeEngine("one two three four five six")
    chat = chat_on(engine, store)
    turn = chat.begin(visitor, "Count.")
    for event in turn.events():
        if isinstance(event, Grown) and event.text == "one two":
            chat.stop(visitor, turn.id)
    kept = store.messages(visitor, place_of(chat, visitor))[-1]
    assert (kept.text, kept.status) == ("one two", Status.STOPPED)
    assert engine.closed_early == 1


def test_a_page_that_goes_away_stops_the_engine_and_keeps_the_text(store: Store, visitor: int) -> None:
    engine = FakeEngine("one two three")
    chat = chat_on(engine, store)
    events = chat.begin(visitor, "Count.").events()
    while not isinstance(next(events), Grown):
        pass
    events.close()
    kept = store.messages(visitor, place_of(chat, visitor))[-1]
    assert (kept.text, kept.status) == ("one", Status.STOPPED)
    assert "page went away" in kept.note
    assert engine.closed_early == 1


def test_an_engine_that_dies_in_mid_answer_leaves_the_text_marked_with_the_reason(store: Store, visitor: int) -> None:
    chat = chat_on(FakeEngine("one two three", dies_after=2), store)
    ended = answer(chat, visitor, "Count.")
    assert (ended.answer.text, ended.answer.status, ended.answer.note) == ("one two", Status.FAILED, "The fake engine died.")
    assert store.messages(visitor, place_of(chat, visitor))[-1] == ended.answer


def test_an_answer_at_its_length_limit_is_marked_as_cut(store: Store, visitor: int) -> None:
    chat = chat_on(FakeEngine(" ".join(["word"] * 2000)), store)
    assert answer(chat, visitor, "Go on.").answer.status is Status.CUT


def test_a_text_that_stops_it_ends_an_answer_as_if_by_itself(store: Store, visitor: int) -> None:
    class Stopping(Chat):
        def sampling(self, form: ChatFormat) -> Sampling:
            return Sampling(stop=(" three",))

    ended = answer(Stopping(FakeEngine("one two three four"), store, max_turns=4), visitor, "Count.").answer
    assert (ended.text, ended.status, ended.note) == ("one two", Status.COMPLETE, "")


# Thinking

THOUGHT = "The lungs? No, the airways."


def test_reasoning_comes_apart_from_the_answer_and_is_kept_apart(store: Store, visitor: int) -> None:
    chat = chat_on(FakeEngine("An airway disease.", reasoning=THOUGHT), store)
    grown = [event for event in chat.begin(visitor, "What is asthma?").events() if isinstance(event, Grown)]
    assert [event.text for event in grown if event.reasoning != THOUGHT] == [""] * 4
    assert grown[-1] == Grown("An airway disease.", THOUGHT)
    kept = store.messages(visitor, place_of(chat, visitor))[-1]
    assert (kept.text, kept.reasoning, kept.status) == ("An airway disease.", THOUGHT, Status.COMPLETE)
    assert kept.speed.first_token is not None


def test_a_model_without_a_template_does_not_answer_a_question_of_its_own(store: Store, visitor: int) -> None:
    engine = FakeEngine("It is.\n\nQuestion: And this?", info=replace(FAKE_INFO, chat_template=""))
    assert answer(Chat(engine, store, max_turns=4), visitor, "Is it?").answer.text == "It is."


@pytest.mark.parametrize("thinking", [False, True])
def test_what_the_model_thought_never_goes_back_to_it(store: Store, visitor: int, thinking: bool) -> None:
    engine = FakeEngine("An airway disease.", reasoning=THOUGHT)
    chat = Chat(engine, store, max_turns=4, thinking=thinking)
    answer(chat, visitor, "What is asthma?")
    answer(chat, visitor, "And then?", conversation=place_of(chat, visitor))
    private = [Message(id="", role=Role.ASSISTANT, text="Noted.", reasoning=THOUGHT)]
    list(chat.begin_private(visitor, "And now?", private).events())
    asked = ["".join(segment.text for segment in prompt) for prompt in engine.prompts]
    assert len(asked) == 3
    assert "An airway disease." in asked[1]
    assert "Noted." in asked[2]
    assert not any("lungs" in prompt for prompt in asked)


def test_a_private_answer_has_its_reasoning_and_the_store_nothing(store: Store, visitor: int) -> None:
    chat = chat_on(FakeEngine(reasoning=THOUGHT), store)
    ended = list(chat.begin_private(visitor, "What is asthma?", []).events())[-1]
    assert isinstance(ended, Ended)
    assert ended.answer.reasoning == THOUGHT
    assert store.conversations(visitor) == []


def test_with_thinking_on_the_template_is_told_so_where_tokens_are_counted_too(store: Store, visitor: int) -> None:
    template = "{% for m in messages %}{{ m.content }} {% endfor %}{% if enable_thinking %}<think> and then some{% endif %}"
    counted: list[Prompt] = []

    class Counting(FakeEngine):
        def count(self, prompts: Sequence[Prompt]) -> list[int]:
            counted.extend(prompts)
            return super().count(prompts)

    engine = Counting("Yes.", reasoning=THOUGHT, info=replace(FAKE_INFO, chat_template=template))
    ended = answer(Chat(engine, store, max_turns=4, thinking=True), visitor, "Is it?").answer
    assert (ended.text, ended.reasoning) == ("Yes.", f"{THOUGHT}")
    assert set(counted) == set(engine.prompts)
    assert engine.prompts[0][-1].text.endswith("<think> and then some")


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending.STOP, "ended without an answer"),
        (Ending.LENGTH, "still reasoning at its length limit"),
        (Ending.TIME, "still reasoning when its time was up"),
        (Ending.REPETITION, "reasoning only repeated itself"),
    ],
)
def test_a_model_that_only_reasoned_is_marked_as_cut_and_says_why(store: Store, visitor: int, ending: Ending, words: str) -> None:
    ended = answer(chat_on(FakeEngine("", reasoning=THOUGHT, ending=ending), store), visitor, "What is asthma?").answer
    assert (ended.text, ended.reasoning, ended.status) == ("", THOUGHT, Status.CUT)
    assert words in ended.note
    assert "Ask" in ended.note


def test_an_answer_whose_time_was_up_is_marked_as_cut_and_says_what_to_do(store: Store, visitor: int) -> None:
    ended = answer(chat_on(FakeEngine("one two", ending=Ending.TIME), store), visitor, "Count.").answer
    assert (ended.text, ended.status) == ("one two", Status.CUT)
    assert "longer than one answer may" in ended.note
    assert "Ask it to go on" in ended.note


def test_an_answer_stopped_while_the_model_thinks_keeps_what_it_thought(store: Store, visitor: int) -> None:
    chat = chat_on(FakeEngine(reasoning=THOUGHT), store)
    turn = chat.begin(visitor, "What is asthma?")
    for event in turn.events():
        if isinstance(event, Grown) and event.reasoning == "The lungs?":
            turn.stop()
    kept = store.messages(visitor, place_of(chat, visitor))[-1]
    assert (kept.text, kept.reasoning, kept.status) == ("", "The lungs?", Status.STOPPED)


# Turns


def test_editing_a_question_replaces_it_and_all_after_it(engine: FakeEngine, store: Store, visitor: int) -> None:
    chat = chat_on(engine, store)
    answer(chat, visitor, "first")
    place = place_of(chat, visitor)
    answer(chat, visitor, "second", conversation=place)
    first = store.messages(visitor, place)[0]
    answer(chat, visitor, "first, better", conversation=place, replace=first.id)
    assert [m.text for m in store.messages(visitor, place)] == ["first, better", "Take a history first."]


def test_a_question_that_replaces_none_is_refused_and_leaves_no_conversation(
    engine: FakeEngine, store: Store, visitor: int
) -> None:
    with pytest.raises(NotFound, match="There is no question"):
        chat_on(engine, store).begin(visitor, "What is asthma?", replace="nothing")
    assert store.conversations(visitor) == []


def test_a_private_turn_leaves_nothing_in_the_store(engine: FakeEngine, store: Store, visitor: int) -> None:
    chat = chat_on(engine, store)
    past = [Message(id="", role=Role.USER, text="My name is a secret."), Message(id="", role=Role.ASSISTANT, text="Noted.")]
    events = list(chat.begin_private(visitor, "What did I say?", past).events())
    assert isinstance(events[-1], Ended)
    assert events[-1].answer.status is Status.COMPLETE
    assert store.conversations(visitor) == []
    asked = "".join(segment.text for segment in engine.prompts[-1])
    assert "My name is a secret." in asked
    assert "What did I say?" in asked


def test_history_goes_to_the_model_in_order(engine: FakeEngine, store: Store, visitor: int) -> None:
    chat = chat_on(engine, store)
    answer(chat, visitor, "first")
    answer(chat, visitor, "second", conversation=place_of(chat, visitor))
    contents = [segment.text for segment in engine.prompts[-1] if not segment.control]
    assert contents == [CHAT_SYSTEM, "first", "Take a history first.", "second"]


def test_a_full_context_drops_the_oldest_turns_down_to_half_and_says_how_many(store: Store, visitor: int) -> None:
    engine = FakeEngine()
    chat = chat_on(engine, store)
    answer(chat, visitor, "w " * 60)
    place = place_of(chat, visitor)
    dropped = []
    for _ in range(9):
        events = list(chat.begin(visitor, "w " * 60, conversation=place).events())
        dropped += [event.dropped for event in events if isinstance(event, Fitted)]
    assert dropped[0] == 0
    assert max(dropped) > 0
    sizes = [engine.count([prompt])[0] for prompt in engine.prompts]
    assert max(sizes) <= engine.info().context * 3 // 4
    first_drop = next(number for number, count in enumerate(dropped) if count)
    assert sizes[first_drop + 1] <= engine.info().context // 2


def test_a_very_long_history_is_fitted_in_a_few_looks(engine: FakeEngine, store: Store, visitor: int) -> None:
    looks: list[int] = []

    class Counting(FakeEngine):
        def count(self, prompts: Sequence[Prompt]) -> list[int]:
            looks.append(len(prompts))
            return super().count(prompts)

    history = [Message(id="", role=role, text="w w w w w") for _ in range(2000) for role in (Role.USER, Role.ASSISTANT)]
    events = list(chat_on(Counting(), store).begin_private(visitor, "And now?", history).events())
    (fitted,) = [event for event in events if isinstance(event, Fitted)]
    assert 1900 < fitted.dropped < 2000
    assert len(looks) < 20


def test_a_store_that_fails_at_the_end_leaves_the_text_on_the_page_with_the_reason(
    database: Database, store: Store, visitor: int
) -> None:
    chat = chat_on(FakeEngine("one two"), store)
    ended: Ended | None = None
    for event in chat.begin(visitor, "Count.").events():
        if isinstance(event, Grown):
            database.close()
        if isinstance(event, Ended):
            ended = event
    assert ended is not None
    assert (ended.answer.text, ended.answer.status) == ("one two", Status.FAILED)
    assert "database" in ended.answer.note


def test_a_message_larger_than_the_context_gets_a_sentence_and_is_kept(engine: FakeEngine, store: Store, visitor: int) -> None:
    chat = chat_on(engine, store)
    ended = answer(chat, visitor, "w " * 600)
    assert ended.answer.status is Status.FAILED
    assert "600" in ended.answer.note or "6" in ended.answer.note
    assert "Shorten it" in ended.answer.note
    assert store.messages(visitor, place_of(chat, visitor))[0].text.startswith("w w")


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_an_empty_message_is_refused_and_nothing_is_kept(engine: FakeEngine, store: Store, visitor: int, text: str) -> None:
    with pytest.raises(BadInput, match="empty"):
        chat_on(engine, store).begin(visitor, text)
    assert store.conversations(visitor) == []


def test_a_very_long_message_is_refused_with_its_length_and_the_limit(engine: FakeEngine, store: Store, visitor: int) -> None:
    with pytest.raises(TooLarge, match=r"32,001 characters; at most 32,000"):
        chat_on(engine, store).begin(visitor, "x" * 32_001)


def test_a_conversation_has_one_answer_in_the_making_at_a_time(engine: FakeEngine, store: Store, visitor: int) -> None:
    chat = chat_on(engine, store)
    chat.begin(visitor, "first")
    with pytest.raises(Conflict, match="still being written"):
        chat.begin(visitor, "second", conversation=place_of(chat, visitor))


def test_more_turns_than_the_machine_takes_are_turned_away_with_nothing_kept(store: Store, visitor: int) -> None:
    chat = chat_on(FakeEngine(), store, max_turns=1)
    chat.begin(visitor, "first")
    with pytest.raises(Busy, match="Try again"):
        chat.begin(visitor, "second")
    assert len(store.conversations(visitor)) == 1


def test_one_visitor_cannot_fill_the_queue_alone(engine: FakeEngine, store: Store, visitor: int) -> None:
    chat = chat_on(engine, store, max_turns=100)
    for _ in range(4):
        chat.begin(visitor, "again")
    with pytest.raises(Busy, match="for you already"):
        chat.begin(visitor, "again")
    chat.begin(store.visitor("w" * 43), "mine")


def test_nobody_stops_another_visitors_turn(engine: FakeEngine, store: Store, visitor: int) -> None:
    chat = chat_on(engine, store)
    turn = chat.begin(visitor, "first")
    chat.stop(store.visitor("w" * 43), turn.id)
    ended = list(turn.events())[-1]
    assert isinstance(ended, Ended)
    assert ended.answer.status is Status.COMPLETE


def test_a_turn_waits_for_a_model_that_loads_and_can_be_stopped_while_it_waits(store: Store, visitor: int) -> None:
    class Loading(FakeEngine):
        def status(self) -> EngineStatus:
            return EngineStatus(Phase.LOADING)

    chat = chat_on(Loading(), store)
    turn = chat.begin(visitor, "first")
    events = turn.events()
    assert isinstance(next(events), Begun)
    assert next(events) == Queued(0)
    turn.stop()
    ended = list(events)[-1]
    assert isinstance(ended, Ended)
    assert ended.answer.status is Status.STOPPED


def test_deleting_a_conversation_stops_its_answer_and_brings_nothing_back(store: Store, visitor: int) -> None:
    gate = threading.Event()
    chat = chat_on(FakeEngine("one two three", gate=gate.wait), store)
    turn = chat.begin(visitor, "first")
    events = turn.events()
    next(events)
    chat.delete(visitor, place_of(chat, visitor))
    gate.set()
    list(events)
    assert store.conversations(visitor) == []
