"""A visitor's practice as a file and back: complete, merged, never doubled, and nothing changed by a file that is not whole."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.backup import MAX_BACKUP, read_backup
from app.backup_store import Backups, Restored
from app.database import Database
from app.errors import BadInput, LlamaCareError, NotFound, TooLarge
from app.imports import own_id
from app.own_store import OwnStore
from app.practice_store import PracticeStore
from app.records import Attempt, Confidence, Message, Miss, Mode, ModelView, Question, Role, Status, Topic
from app.sessions import end, plan_blocks, start_block
from app.store import Store

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
OWN = [
    Question(id=f"q{n}", stem=f"Question {n}?", options={"A": "x", "B": "y"}, key="AB"[n % 2], system="renal", hints=("Think.",))
    for n in range(3)
]


class Here:
    """One installation: a database with two visitors."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.database = Database(folder, clock=lambda: self.now)
        self.practice, self.own, self.backups = (
            PracticeStore(self.database),
            OwnStore(self.database),
            Backups(self.database),
        )
        store = Store(self.database)
        self.me, self.other = store.visitor("me"), store.visitor("other")

    def dump(self, visitor: int) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(json.dumps(self.backups.dump(visitor)))
        return value

    def restore(self, visitor: int, value: object) -> Restored:
        return self.backups.restore(visitor, json.dumps(value).encode())

    def attempt(self, question: str, chosen: str = "A", **changes: Any) -> Attempt:
        self.now += timedelta(minutes=2)
        topic = Topic("renal", "physiology", "1", "easy")
        values: dict[str, Any] = {"confidence": Confidence.SURE, "seconds": 60.0, "struck": ("B",), "hints": 1}
        return Attempt(question=question, chosen=chosen, key="A", when=self.now, topic=topic, **{**values, **changes})

    def practise(self, visitor: int) -> str:
        """A tutor session with two answers and a conversation, an exam that has begun, a flag, a note, own questions."""
        tutor = self.practice.add_session(visitor, mode=Mode.TUTOR, title="All", blocks=(), items=[("a", 0), ("b", 0), ("c", 0)])
        view = ModelView("Fake", "B", 0.7, 0.2, True)
        self.practice.add_attempt(visitor, tutor.id, 1, self.attempt("a"))
        self.practice.add_attempt(visitor, tutor.id, 2, self.attempt("b", "B", miss=Miss.MISREAD, model=view))
        asked = Message(id=f"m1-{visitor}", role=Role.USER, text="Why not B?")
        said = Message(id=f"m2-{visitor}", role=Role.ASSISTANT, text="Look at the sodium.", model="Fake")
        self.practice.add_tutor_turn(tutor.id, 1, asked, said)
        blocks = plan_blocks(Mode.EXAM, 2, self.now)
        exam = self.practice.add_session(visitor, mode=Mode.EXAM, title="Exam", blocks=blocks, items=[("b", 1), ("d", 1)])
        self.practice.keep_session(start_block(exam, 1, self.now))
        self.practice.set_flag(visitor, "a", True)
        self.practice.set_note(visitor, "b", "Sodium first.")
        self.own.add_batch(visitor, "mine.csv", OWN)
        return tutor.id

    def sums(self, visitor: int) -> object:
        return self.practice.tallies(visitor), [self.practice.standing(visitor, question) for question in "abcd"]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    here = Here(tmp_path / "here")
    yield here
    here.database.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Here]:
    there = Here(tmp_path / "there")
    yield there
    there.database.close()


def unstamped(value: dict[str, Any]) -> dict[str, Any]:
    """Without the time at which the file was made."""
    return {name: part for name, part in value.items() if name != "created"}


def test_a_backup_restored_elsewhere_is_the_same_practice(here: Here, there: Here) -> None:
    here.practise(here.me)
    restored = there.restore(there.me, here.dump(here.me))
    assert restored == Restored(sessions=2, answers=2, flags=1, notes=1, questions=3, already=0)
    assert restored.sentence == "Added: 2 sessions, 2 answers, 1 flag, 1 note, 3 own questions."
    assert unstamped(there.dump(there.me)) == unstamped(here.dump(here.me))
    assert there.sums(there.me) == here.sums(here.me)
    assert there.own.question(there.me, own_id(OWN[0])) == here.own.question(here.me, own_id(OWN[0])) is not None


def test_restoring_twice_doubles_nothing(here: Here) -> None:
    here.practise(here.me)
    saved, sums = here.dump(here.me), here.sums(here.me)
    restored = here.restore(here.me, saved)
    assert restored == Restored(sessions=0, answers=0, flags=0, notes=0, questions=0, already=9)
    assert restored.sentence == "Nothing was added. 9 were there already."
    assert unstamped(here.dump(here.me)) == unstamped(saved)
    assert here.sums(here.me) == sums


def test_an_older_backup_is_merged_into_what_has_been_done_since(here: Here) -> None:
    session = here.practise(here.me)
    saved = here.dump(here.me)
    here.practice.add_attempt(here.me, session, 3, here.attempt("c"))
    here.practice.set_flag(here.me, "a", False)
    here.practice.set_note(here.me, "b", "Potassium.")
    before = here.sums(here.me)
    assert here.restore(here.me, saved).sentence == "Added: 1 flag, 1 note. 7 were there already."
    assert len(here.practice.attempts(here.me, session)) == 3
    assert here.practice.note(here.me, "b") == "Potassium.\n\nSodium first."
    assert here.sums(here.me) == before
    assert here.restore(here.me, saved).notes == 0


def test_a_newer_backup_brings_the_answers_that_are_missing_and_the_end(here: Here, there: Here) -> None:
    session = here.practise(here.me)
    there.restore(there.me, here.dump(here.me))
    here.practice.add_attempt(here.me, session, 3, here.attempt("c", "B"))
    here.practice.keep_session(end(here.practice.session(here.me, session), here.now))
    restored = there.restore(there.me, here.dump(here.me))
    assert (restored.sessions, restored.answers) == (0, 1)
    assert there.practice.session(there.me, session).ended == here.now
    assert there.sums(there.me) == here.sums(here.me)


def test_another_visitor_s_session_of_the_same_id_is_left_alone(here: Here) -> None:
    session = here.practise(here.me)
    saved = here.dump(here.me)
    assert here.restore(here.other, saved).sessions == 2
    assert here.restore(here.other, saved).sessions == 0
    assert unstamped(here.dump(here.me)) == unstamped(saved)
    with pytest.raises(NotFound):
        here.practice.session(here.other, session)
    mine, theirs = saved["sessions"], here.dump(here.other)["sessions"]
    assert {row["id"] for row in mine}.isdisjoint(row["id"] for row in theirs)
    assert [row["attempts"] for row in mine] == [row["attempts"] for row in theirs]
    assert [[said["text"] for said in row["tutor"]] for row in mine] == [
        [said["text"] for said in row["tutor"]] for row in theirs
    ]
    assert here.sums(here.me) == here.sums(here.other)


def test_numbers_that_are_taken_are_given_anew(here: Here, there: Here) -> None:
    here.practise(here.me)
    there.practise(there.me)
    there.restore(there.me, here.dump(here.me))
    assert [session["number"] for session in there.dump(there.me)["sessions"]] == [1, 2, 3, 4]


def test_a_conversation_about_an_item_that_went_on_here_is_not_mixed_with_the_file_s(here: Here, there: Here) -> None:
    session = here.practise(here.me)
    there.restore(there.me, here.dump(here.me))
    for at, word in ((here, "here"), (there, "there")):
        turn = Message(id=f"q-{word}", role=Role.USER, text=word), Message(id=f"a-{word}", role=Role.ASSISTANT, text=word)
        at.practice.add_tutor_turn(session, 1, *turn)
    there.restore(there.me, here.dump(here.me))
    said = [message.text for message in there.practice.tutor_messages(there.me, session, 1)]
    assert said == ["Why not B?", "Look at the sodium.", "there", "there"]


def test_an_answer_that_was_being_written_is_restored_as_stopped(here: Here, there: Here) -> None:
    session = here.practise(here.me)
    turn = Message(id="q", role=Role.USER, text="?"), Message(id="a", role=Role.ASSISTANT, text="", status=Status.STREAMING)
    here.practice.add_tutor_turn(session, 2, *turn)
    there.restore(there.me, here.dump(here.me))
    assert there.practice.tutor_messages(there.me, session, 2)[-1].status is Status.STOPPED


def test_a_backup_names_no_visitor(here: Here) -> None:
    here.practise(here.me)
    here.practise(here.other)

    def names(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            yield from value
            value = list(value.values())
        if isinstance(value, list):
            for part in value:
                yield from names(part)

    assert {"visitor", "token", "token_hash"}.isdisjoint(names(here.dump(here.me)))
    assert here.dump(here.me)["sessions"][0]["id"] not in json.dumps(here.dump(here.other))


# Files that are not whole

Spoil = Callable[[dict[str, Any]], object]


def put(*path: object, value: object) -> Spoil:
    """Puts a value at a place of a backup."""

    def spoil(saved: dict[str, Any]) -> object:
        part: Any = saved
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = value
        return saved

    return spoil


TUTOR, EXAM = ("sessions", 0), ("sessions", 1)
SPOILT: dict[str, tuple[Spoil, str]] = {
    "another format": (put("format", value="x/1"), "is no backup"),
    "a list": (lambda saved: [saved], "is no backup"),
    "no sessions": (put("sessions", value=None), "sessions: expected a list"),
    "a session a text": (put(*TUTOR, value="x"), "sessions, entry 1: it is 'x'; expected an object"),
    "a session's id": (put(*TUTOR, "id", value="../x"), "sessions, entry 1, id: it is '../x'"),
    "an unknown mode": (put(*TUTOR, "mode", value="cheat"), "expected one of tutor, timed, exam"),
    "a tutor session in blocks": (put(*EXAM, "mode", value="tutor"), "its blocks do not go with its mode"),
    "an exam without blocks": (put(*EXAM, "blocks", value=[]), "its blocks do not go with its mode"),
    "a block unknown": (put(*EXAM, "items", 0, "block", value=7), "an item lies in none of its blocks"),
    "a block that runs without end": (put(*EXAM, "blocks", 0, "deadline", value=None), "a block runs without a deadline"),
    "an end that is not told": (put(*TUTOR, "state", value="ended"), "its end is not told"),
    "a time without zone": (put(*TUTOR, "created", value="2026-03-01T12:30:00"), "expected a time like"),
    "a time a number": (put(*TUTOR, "created", value=1), "it is 1; expected a time"),
    "a time beyond": (put(*TUTOR, "created", value="9999-12-31T23:59:59+00:00"), "expected a time like"),
    "no items": (put(*TUTOR, "items", value=[]), "it has no items"),
    "an item twice": (put(*TUTOR, "items", 1, "question", value="a"), "an item stands twice"),
    "a letter": (put(*TUTOR, "attempts", 0, "chosen", value="<b>"), "attempts, entry 1, chosen: it is '<b>'"),
    "an answer to nothing": (put(*TUTOR, "attempts", 0, "question", value="z"), "goes with none of its items"),
    "seconds below zero": (put(*TUTOR, "attempts", 0, "seconds", value=-1), "expected a number from 0"),
    "seconds a truth": (put(*TUTOR, "attempts", 0, "seconds", value=True), "expected a number from 0"),
    "a number too big": (put(*TUTOR, "attempts", 0, "hints", value=10**30), "expected a whole number"),
    "a probability": (put(*TUTOR, "attempts", 1, "model_probability", value=1.5), "expected a number from 0 to 1"),
    "half a reading": (put(*TUTOR, "attempts", 1, "model_choice", value=None), "a model's reading is not whole"),
    "a list as letter": (put(*TUTOR, "attempts", 0, "key", value=["A"]), "expected one of A, B"),
    "a text too long": (put("notes", 0, "text", value="x" * 200_001), "expected a text of 0 to 200,000"),
    "half a character": (put("flags", 0, value="\ud83d"), "it holds half of a character"),
    "a message without place": (put(*TUTOR, "tutor", 0, "position", value=9), "a message has no place"),
    "a key that is no option": (put("own", 0, "questions", 0, "key", value="C"), "own, entry 1, questions, entry 1, key"),
    "an own question a text": (put("own", 0, "questions", 0, value="x"), "questions, entry 1: it is 'x'; expected an object"),
    "a picture from afar": (
        put("own", 0, "questions", 0, "stem", value="![x](http://127.0.0.1/x.png)"),
        "a picture that cannot be shown",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_one_wrong_value_refuses_the_whole_file_and_changes_nothing(here: Here, there: Here, name: str) -> None:
    here.practise(here.me)
    spoil, reason = SPOILT[name]
    before = there.dump(there.me)
    with pytest.raises(BadInput) as caught:
        there.restore(there.me, spoil(here.dump(here.me)))
    assert reason in caught.value.sentence
    assert caught.value.sentence.endswith(".") and caught.value.sentence.encode()
    assert there.dump(there.me) == before


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b'{"format": NaN}', b'"' + b"9" * 5000, b"9" * 5000])
def test_what_is_no_json_gets_a_sentence(raw: bytes) -> None:
    with pytest.raises(BadInput, match="is no backup"):
        read_backup(raw)


def test_a_cut_file_changes_nothing(here: Here, there: Here) -> None:
    here.practise(here.me)
    raw = json.dumps(here.dump(here.me)).encode()
    for part in range(1, 20):
        with pytest.raises(BadInput):
            there.backups.restore(there.me, raw[: len(raw) * part // 20])
    assert there.dump(there.me)["sessions"] == []


def test_a_backup_has_a_largest_size() -> None:
    with pytest.raises(TooLarge, match=f"{MAX_BACKUP:,}"):
        read_backup(bytes(MAX_BACKUP + 1))
    with pytest.raises(TooLarge, match="parts"):
        read_backup(b"[" * 4_000_001)


def test_more_own_questions_than_can_be_kept_undo_the_whole_restore(
    here: Here, there: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.practise(here.me)
    monkeypatch.setattr("app.own_store.MAX_OWN", 2)
    with pytest.raises(BadInput, match="3 of this file are new; 2 can be kept"):
        there.restore(there.me, here.dump(here.me))
    assert there.dump(there.me)["sessions"] == []


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in pairs:
        yield (*path, name)
        yield from _places(part, (*path, name))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_at_any_place_is_restored_or_refused(here: Here, data: st.DataObject) -> None:
    if not here.own.batches(here.me):
        here.practise(here.me)
    saved = here.dump(here.me)
    place = data.draw(st.sampled_from(list(_places(saved))))
    spoilt = put(*place, value=data.draw(_junk))(copy.deepcopy(saved))
    with contextlib.suppress(LlamaCareError):
        here.restore(here.other, spoilt)
    here.practice.rebuild(here.other)
    assert unstamped(here.dump(here.me)) == unstamped(saved)
    for session in here.dump(here.other)["sessions"]:
        kept = here.practice.session(here.other, session["id"])
        assert all(kept.reachable(item.block) in (True, False) for item in here.practice.items(here.other, session["id"]))
