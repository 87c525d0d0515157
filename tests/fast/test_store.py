"""The database and the store of conversations on real SQLite: shapes old and new, visitors apart, words erased, and writes that
outlive threads and kills."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from app.database import FILE, Database
from app.errors import LlamaCareError, NotFound, StoreError
from app.migrations import all_migrations
from app.practice_store import PracticeStore
from app.records import NO_SOURCE, Conversation, Message, Role, Speed, Status
from app.store import INTERRUPTED, Store
from app.tallies import Dimension

ROOT = Path(__file__).parents[2]
STEPS = [step.name for step in all_migrations().pending(sqlite_utils.Database(memory=True))]

# A process that writes turns and attempts for ever and says of each, once the store has it, what it was.
WRITER = """
import sys
from pathlib import Path
from app.database import Database
from app.practice_store import PracticeStore
from app.records import Attempt, Confidence, Message, Mode, Role
from app.store import Store

name, most = sys.argv[2], int(sys.argv[3])
database = Database(Path(sys.argv[1]))
store, practice = Store(database), PracticeStore(database)
visitor = store.visitor("token")
place = store.add_conversation(visitor, name)
items = [(f"{name}{n}", 0) for n in range(most)]
session = practice.add_session(visitor, mode=Mode.TUTOR, title="All", blocks=(), items=items)
print(place.id, session.id, flush=True)
for n in range(most):
    question = Message(id=f"{name}q{n}", role=Role.USER, text="word " * 400)
    store.add_turn(visitor, place.id, question, Message(id=f"{name}a{n}", role=Role.ASSISTANT, text=""), replace=None)
    attempt = Attempt(
        question=f"{name}{n}", chosen="A", key="B", confidence=Confidence.SURE, seconds=1.0, when=practice.now()
    )
    practice.add_attempt(visitor, session.id, n + 1, attempt)
    print(n, flush=True)
"""


class Ticking:
    """A second passes at every look."""

    def __init__(self) -> None:
        self._seconds = itertools.count()

    def __call__(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(self._seconds))


class Pair:
    """Makes the two messages of a turn, each with an id of its own."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def __call__(self, text: str = "What is asthma?") -> tuple[Message, Message]:
        number = next(self._numbers)
        answer = Message(id=f"a{number}", role=Role.ASSISTANT, text="", status=Status.STREAMING, source=NO_SOURCE)
        return Message(id=f"q{number}", role=Role.USER, text=text), answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    database = Database(folder, Ticking())
    yield database
    database.close()


@pytest.fixture
def me(store: Store) -> int:
    return store.visitor("my token")


@pytest.fixture
def other(store: Store) -> int:
    return store.visitor("another token")


@pytest.fixture
def place(store: Store, me: int) -> Conversation:
    return store.add_conversation(me, "Asthma")


@pytest.fixture
def pair() -> Pair:
    return Pair()


def ask(store: Store, visitor: int, place: Conversation, turn: tuple[Message, Message], *, replace: str | None = None) -> str:
    """Keeps a turn; answers with its question's id."""
    store.add_turn(visitor, place.id, *turn, replace=replace)
    return turn[0].id


def texts(store: Store, visitor: int, place: Conversation) -> list[str]:
    return [message.text for message in store.messages(visitor, place.id)]


def on_disk(folder: Path) -> bytes:
    """What the database's file and its write-ahead log hold. The -shm file has only the log's index."""
    return (folder / FILE).read_bytes() + (folder / f"{FILE}-wal").read_bytes()


def look(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / FILE)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


# Shapes


def shape(folder: Path) -> list[tuple[Any, ...]]:
    return look(folder, "select type, name, tbl_name, sql from sqlite_master order by type, name")


def old_database(folder: Path, steps: int) -> dict[str, dict[str, Any]]:
    """A file from the time when there were only so many steps, with a row in each of its tables: table -> row."""
    folder.mkdir()
    db = sqlite_utils.Database(folder / FILE)
    all_migrations().apply(db, stop_before=STEPS[steps:])
    rows: dict[str, dict[str, Any]] = {}
    for table in (name for name in db.table_names() if not name.startswith(("_", "sqlite_"))):
        columns = db.execute(f"pragma table_info({table})").fetchall()
        links = db.execute(f"pragma foreign_key_list({table})").fetchall()
        parents = {own: rows[parent][theirs] for _, _, parent, own, theirs, *_ in links}
        samples = {"INTEGER": 1, "FLOAT": 1.5, "REAL": 1.5, "TEXT": f"kept {table}"}
        special = {"question_order": '["renal-01"]', "created": "2026-01-01T00:00:00+00:00"}
        rows[table] = {name: {**special, **parents}.get(name, samples[kind.upper()]) for _, name, kind, *_ in columns}
        db.table(table).insert(rows[table])
    db.close()
    return rows


def test_a_blank_folder_becomes_a_store(folder: Path, database: Database, store: Store, me: int) -> None:
    assert store.conversations(me) == []
    assert PracticeStore(database).tallies(me) == {}
    assert [name for (name,) in look(folder, "select name from _sqlite_migrations order by id")] == STEPS


def test_what_was_kept_is_there_after_a_restart(folder: Path, pair: Pair) -> None:
    before = Database(folder)
    first = Store(before)
    me = first.visitor("my token")
    place = first.add_conversation(me, "Asthma")
    question, answer = pair("What is Ödem 🫁?")
    full = replace(
        answer,
        text="Swelling.\n\n**Water**",
        reasoning="Ödem is German.\nSo: water.",
        status=Status.COMPLETE,
        note="n",
        model="Fake",
        speed=Speed(0.25, 31.5, 7),
        context_used=99,
    )
    first.add_turn(me, place.id, question, answer, replace=None)
    first.keep_answer(full)
    listed = first.conversations(me)
    before.close()

    after = Database(folder)
    again = Store(after)
    assert again.visitor("my token") == me
    assert again.conversations(me) == listed
    assert again.messages(me, place.id) == [question, full]
    after.close()


@pytest.mark.parametrize("steps", range(len(STEPS)), ids=lambda steps: f"{steps} of {len(STEPS)} steps")
def test_every_older_database_is_brought_to_todays_shape_with_all_its_rows(tmp_path: Path, steps: int) -> None:
    before = old_database(tmp_path / "old", steps)
    for _ in range(2):  # the second start finds nothing to do
        database = Database(tmp_path / "old")
        store = Store(database)
        store.add_conversation(store.visitor("token"), "New")
        database.close()
    Database(tmp_path / "blank").close()
    assert shape(tmp_path / "old") == shape(tmp_path / "blank")
    moved = {"rounds", "attempts"} if "sessions" not in before else set()  # test_practice_store.py looks for those
    for table, row in before.items():
        if table in moved:
            continue
        kept = look(tmp_path / "old", f"select {', '.join(row)} from {table}")
        assert tuple(row.values()) in kept


def test_answers_from_before_reasoning_was_kept_have_none(tmp_path: Path) -> None:
    row = old_database(tmp_path / "old", STEPS.index("0003_reasoning"))["messages"]
    Database(tmp_path / "old").close()
    assert look(tmp_path / "old", "select id, text, reasoning from messages") == [(row["id"], row["text"], "")]


def test_old_databases_have_rows_in_every_table(tmp_path: Path) -> None:
    """Guards the test above: a step whose table stayed empty would prove nothing."""
    assert len(STEPS) >= 2
    rows = old_database(tmp_path / "old", len(STEPS))
    assert {"visitors", "conversations", "messages", "flags", "sessions", "session_items", "attempts", "tallies"} <= rows.keys()


def test_steps_stand_in_the_order_of_their_numbers() -> None:
    assert [int(name[:4]) for name in STEPS] == list(range(1, len(STEPS) + 1))


def test_the_folder_that_is_made_is_the_users_alone(folder: Path, database: Database) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_database_keeps_a_write_ahead_log(folder: Path, database: Database) -> None:
    assert look(folder, "pragma journal_mode") == [("wal",)]


# Visitors


def test_a_visitors_name_outside_of_the_database_is_the_same_for_ever_and_no_others(store: Store) -> None:
    one, two = store.visitor("secret-token-one"), store.visitor("secret-token-two")
    assert store.owner(one) == store.owner(one) != store.owner(two)
    assert len(store.owner(one)) == 64


def test_a_token_always_finds_its_visitor_and_is_not_kept(folder: Path, store: Store) -> None:
    assert store.visitor("secret-token-one") == store.visitor("secret-token-one") != store.visitor("secret-token-two")
    assert b"secret-token" not in on_disk(folder)


CALLS: dict[str, Callable[[Store, int, str], object]] = {
    "open": lambda store, visitor, place: store.conversation(visitor, place),
    "read": lambda store, visitor, place: store.messages(visitor, place),
    "rename": lambda store, visitor, place: store.rename(visitor, place, "Mine now"),
    "delete": lambda store, visitor, place: store.delete_conversation(visitor, place),
    "ask": lambda store, visitor, place: store.add_turn(visitor, place, *Pair()(), replace=None),
    "replace": lambda store, visitor, place: store.add_turn(visitor, place, *Pair()(), replace="q0"),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@each_call
def test_another_visitors_conversation_is_not_found(
    store: Store, me: int, other: int, place: Conversation, call: Callable[[Store, int, str], object]
) -> None:
    ask(store, me, place, Pair()("Mine"))
    before = (store.conversation(me, place.id), store.messages(me, place.id))
    with pytest.raises(NotFound) as another:
        call(store, other, place.id)
    with pytest.raises(NotFound) as absent:
        call(store, other, "no-such-conversation")
    assert str(another.value).replace(place.id, "?") == str(absent.value).replace("no-such-conversation", "?")
    assert (store.conversation(me, place.id), store.messages(me, place.id)) == before


def test_two_visitors_never_share_history(store: Store, me: int, other: int, place: Conversation, pair: Pair) -> None:
    theirs = store.add_conversation(other, "Angina")
    ask(store, me, place, pair("Mine"))
    ask(store, other, theirs, pair("Theirs"))
    assert [found.title for found in store.conversations(me)] == ["Asthma"]
    assert [found.title for found in store.conversations(other)] == ["Angina"]
    assert [found.title for found in store.conversations(other, "mine")] == []
    assert [found.title for found in store.conversations(other, "asthma")] == []
    assert texts(store, other, theirs) == ["Theirs", ""]


def test_a_question_of_another_conversation_cannot_be_replaced(store: Store, me: int, place: Conversation, pair: Pair) -> None:
    elsewhere = store.add_conversation(me, "Angina")
    question = ask(store, me, elsewhere, pair("Elsewhere"))
    with pytest.raises(NotFound, match="There is no question"):
        ask(store, me, place, pair("New"), replace=question)
    assert texts(store, me, elsewhere) == ["Elsewhere", ""]
    assert texts(store, me, place) == []


# Conversations


def test_the_conversation_that_was_last_asked_in_comes_first(store: Store, me: int, place: Conversation, pair: Pair) -> None:
    store.add_conversation(me, "Angina")
    assert [found.title for found in store.conversations(me)] == ["Angina", "Asthma"]
    ask(store, me, place, pair())
    assert [found.title for found in store.conversations(me)] == ["Asthma", "Angina"]


def test_of_two_conversations_begun_at_one_instant_the_later_comes_first(folder: Path) -> None:
    database = Database(folder, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    store = Store(database)
    me = store.visitor("token")
    for title in ("first", "second", "third"):
        store.add_conversation(me, title)
    assert [found.title for found in store.conversations(me)] == ["third", "second", "first"]
    database.close()


def test_a_new_title_is_kept_and_moves_nothing(store: Store, me: int, place: Conversation) -> None:
    store.add_conversation(me, "Angina")
    assert store.rename(me, place.id, "Wheeze") == replace(place, title="Wheeze")
    assert [found.title for found in store.conversations(me)] == ["Angina", "Wheeze"]


def test_a_replaced_question_takes_all_that_followed_with_it(store: Store, me: int, place: Conversation, pair: Pair) -> None:
    turns = [pair("first"), pair("second"), pair("third")]
    for turn in turns:
        ask(store, me, place, turn)
    ask(store, me, place, pair("second, better"), replace=turns[1][0].id)
    assert texts(store, me, place) == ["first", "", "second, better", ""]
    ask(store, me, place, pair("fourth"))
    assert texts(store, me, place) == ["first", "", "second, better", "", "fourth", ""]


def test_an_answer_cannot_be_replaced_like_a_question(store: Store, me: int, place: Conversation, pair: Pair) -> None:
    turn = pair("first")
    ask(store, me, place, turn)
    with pytest.raises(NotFound):
        ask(store, me, place, pair("second"), replace=turn[1].id)
    assert texts(store, me, place) == ["first", ""]


def test_a_turn_is_kept_whole_or_not_at_all(store: Store, me: int, place: Conversation, pair: Pair) -> None:
    """The answer cannot be kept here (its id is taken), so the question before it and the replacing are undone."""
    turn = pair("first")
    ask(store, me, place, turn)
    question, answer = pair("second")
    before = store.conversation(me, place.id)
    with pytest.raises(StoreError, match="could not be written"):
        store.add_turn(me, place.id, question, replace(answer, id=question.id), replace=turn[0].id)
    assert texts(store, me, place) == ["first", ""]
    assert store.conversation(me, place.id) == before


def test_an_answer_grows_in_its_place(store: Store, me: int, place: Conversation, pair: Pair) -> None:
    first, second = pair("one"), pair("two")
    ask(store, me, place, first)
    ask(store, me, place, second)
    for text in ("Take", "Take a", "Take a history."):
        store.keep_answer(replace(first[1], text=text))
    assert texts(store, me, place) == ["one", "Take a history.", "two", ""]


def test_an_answer_to_a_deleted_conversation_is_dropped_quietly(store: Store, me: int, place: Conversation, pair: Pair) -> None:
    turn = pair()
    ask(store, me, place, turn)
    store.delete_conversation(me, place.id)
    store.keep_answer(replace(turn[1], text="Too late"))
    assert store.conversations(me) == []


def test_answers_that_a_crash_left_open_are_marked_at_the_start_and_others_are_not(
    folder: Path, database: Database, store: Store, me: int, place: Conversation
) -> None:
    pair = Pair()
    open_turn, closed_turn = pair("open"), pair("closed")
    for turn in (open_turn, closed_turn):
        ask(store, me, place, turn)
    store.keep_answer(replace(open_turn[1], text="It begins"))
    store.keep_answer(replace(closed_turn[1], text="Done", status=Status.COMPLETE))
    database.close()
    opened = Database(folder)
    again = Store(opened)
    again.close_interrupted()
    kept = {message.id: message for message in again.messages(me, place.id)}
    opened.close()
    assert kept[open_turn[1].id] == replace(open_turn[1], text="It begins", status=Status.FAILED, note=INTERRUPTED)
    assert kept[closed_turn[1].id].status is Status.COMPLETE
    assert kept[open_turn[0].id] == open_turn[0]


# Search


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", {"Heart failure", "Ödeme der Straße", "100% oxygen"}),
        ("  ", {"Heart failure", "Ödeme der Straße", "100% oxygen"}),
        ("heart", {"Heart failure"}),
        ("FAILURE heart", {"Heart failure"}),
        ("digoxin", {"Heart failure"}),
        ("heart digoxin", {"Heart failure"}),
        ("heart oxygen", set()),
        ("rt fai", {"Heart failure"}),
        ("öDEME", {"Ödeme der Straße"}),
        ("STRASSE", {"Ödeme der Straße"}),
        ("ΚΑΡΔΙΆΣ", {"Ödeme der Straße"}),
        ("%", {"100% oxygen"}),
        ("_", {"Ödeme der Straße"}),
        ("h%t", set()),
        ("h_art", set()),
        ("'", {"100% oxygen"}),
        ('" OR 1=1 --', set()),
        ("\\", set()),
    ],
)
def test_search_finds_every_word_in_title_or_text_and_takes_no_sign_for_a_wildcard(
    store: Store, me: int, pair: Pair, search: str, found: set[str]
) -> None:
    conversations = {
        "Heart failure": "What does Digoxin do?",
        "Ödeme der Straße": "snake_case, καρδιάς",
        "100% oxygen": "What's the dose?",
    }
    for title, text in conversations.items():
        ask(store, me, store.add_conversation(me, title), pair(text))
    assert {conversation.title for conversation in store.conversations(me, search)} == found


def test_search_looks_into_answers_too(store: Store, me: int, place: Conversation, pair: Pair) -> None:
    turn = pair()
    ask(store, me, place, turn)
    store.keep_answer(replace(turn[1], text="Give salbutamol."))
    assert store.conversations(me, "salbutamol") == [store.conversation(me, place.id)]


# Erasing


@pytest.mark.parametrize("size", [1, 300, 4000], ids=lambda size: f"{size} words a text")
def test_a_deleted_conversation_leaves_no_word_on_the_disk(folder: Path, store: Store, me: int, pair: Pair, size: int) -> None:
    words = ("QuokkaTitle", "QuokkaQuestion", "QuokkaDraft", "QuokkaAnswer", "QuokkaNote", "QuokkaRenamed")
    beside = store.add_conversation(me, "WombatTitle")
    secret = store.add_conversation(me, "QuokkaTitle")
    for number in range(3):
        ask(store, me, beside, pair(f"WombatQuestion {number} " * size))
        turn = pair(f"QuokkaQuestion {number} " * size)
        ask(store, me, secret, turn)
        store.keep_answer(replace(turn[1], text=f"QuokkaDraft {number} " * (size // 2 + 1)))
        store.keep_answer(replace(turn[1], text=f"QuokkaAnswer {number} " * size, note="QuokkaNote"))
    store.rename(me, secret.id, "QuokkaRenamed")
    before = on_disk(folder)
    assert [word for word in words if word.encode() not in before] == []

    store.delete_conversation(me, secret.id)

    after = on_disk(folder)
    assert [word for word in (*words, secret.id) if word.encode() in after] == []
    assert b"WombatTitle" in after
    assert texts(store, me, beside)[0] == "WombatQuestion 0 " * size
    with pytest.raises(NotFound):
        store.messages(me, secret.id)


# Many writers, sudden ends


def run_writer(folder: Path, name: str, most: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(most)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_eight_threads_and_two_processes_writing_at_once_lose_nothing(
    folder: Path, database: Database, store: Store, me: int
) -> None:
    practice = PracticeStore(database)
    processes = [run_writer(folder, name, 15) for name in ("left", "right")]

    def work(number: int) -> tuple[Conversation, list[str]]:
        pair, mine = Pair(), store.add_conversation(me, f"thread {number}")
        asked = []
        for turn in range(15):
            question, answer = (replace(message, id=f"t{number}{message.id}") for message in pair(f"{number} {turn}"))
            store.add_turn(me, mine.id, question, answer, replace=None)
            store.keep_answer(replace(answer, text=f"answer {turn}", status=Status.COMPLETE))
            practice.set_flag(me, f"{number}-{turn}", True)
            asked += [f"{number} {turn}", f"answer {turn}"]
        return mine, asked

    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(work, range(8)))
    for process in processes:
        out, err = process.communicate()
        assert (process.returncode, err) == (0, "")
        conversation, session, *done = out.split()
        assert done == [str(n) for n in range(15)]
        theirs = store.visitor("token")
        assert len(store.messages(theirs, conversation)) == 30
        assert set(practice.attempts(theirs, session)) == set(range(1, 16))
    for mine, asked in written:
        assert texts(store, me, mine) == asked
    assert practice.flags(me) == {f"{number}-{turn}" for number in range(8) for turn in range(15)}
    assert sum(sums.n for sums in practice.tallies(theirs)[Dimension.DAY].values()) == 30


def test_a_writer_killed_in_mid_write_leaves_a_database_with_all_that_was_acknowledged(folder: Path) -> None:
    for number in range(3):
        writer = run_writer(folder, f"kill{number}-", 2_000)
        assert writer.stdout is not None
        assert writer.stderr is not None
        conversation, session = writer.stdout.readline().split()
        said = [writer.stdout.readline() for _ in range(20 + 7 * number)]
        writer.kill()
        said += writer.stdout.readlines()
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()
        writer.stderr.close()
        acknowledged = [int(line) for line in said if line.endswith("\n")]

        assert look(folder, "pragma integrity_check") == [("ok",)]
        database = Database(folder)
        store, practice = Store(database), PracticeStore(database)
        me = store.visitor("token")
        messages, attempts = store.messages(me, conversation), practice.attempts(me, session)
        store.add_conversation(me, "The store still writes")
        database.close()
        assert len(messages) % 2 == 0, "half a turn was kept"
        assert [message.id for message in messages[::2]][: len(acknowledged)] == [f"kill{number}-q{n}" for n in acknowledged]
        assert {f"kill{number}-{n}" for n in acknowledged} <= {attempt.question for attempt in attempts.values()}


def test_two_starts_on_a_blank_folder_both_open_it(folder: Path) -> None:
    gate = threading.Barrier(4)

    def start(_: int) -> None:
        gate.wait()
        Database(folder).close()

    folder.mkdir()
    sqlite3.connect(folder / FILE).execute("pragma journal_mode=WAL").connection.close()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert [name for (name,) in look(folder, "select name from _sqlite_migrations order by id")] == STEPS


def test_a_start_waits_for_another_that_is_making_the_file(folder: Path) -> None:
    """Two starts on a blank folder failed 3 of 240 times; here the first one holds its lock until the second has met it."""
    folder.mkdir()
    first = sqlite3.connect(folder / FILE, isolation_level=None)
    first.execute("create table begun (x)")
    first.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(Database, folder)
        wait([second], timeout=0.3)
        first.execute("COMMIT")
        first.close()
        second.result().close()


# Faults


def fault(folder: Path) -> str:
    with pytest.raises(StoreError) as caught:
        Database(folder)
    return caught.value.sentence


def test_a_folder_that_cannot_be_made_is_told_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    sentence = fault(tmp_path / "file" / "data")
    assert str(tmp_path / "file" / "data" / FILE) in sentence
    assert "Give --data-dir a folder that can be written" in sentence


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that even root cannot write into")
def test_a_folder_that_cannot_be_written_is_told_with_the_cure() -> None:
    assert "Give --data-dir a folder that can be written" in fault(Path("/proc/self/fdinfo"))


def test_a_file_that_is_no_database_is_told_with_the_cure_and_left_as_it_is(folder: Path) -> None:
    folder.mkdir()
    (folder / FILE).write_bytes(b"My notes, which nobody may overwrite.\n" * 100)
    sentence = fault(folder)
    assert str(folder / FILE) in sentence
    assert "not a database" in sentence
    assert "Give --data-dir a folder" in sentence
    assert (folder / FILE).read_bytes() == b"My notes, which nobody may overwrite.\n" * 100


def test_a_folder_in_the_place_of_the_file_is_told_with_the_cure(folder: Path) -> None:
    (folder / FILE).mkdir(parents=True)
    assert "Give --data-dir a folder that can be written" in fault(folder)


def test_a_broken_database_is_told_with_the_cure(folder: Path) -> None:
    Database(folder).close()
    raw = bytearray((folder / FILE).read_bytes())
    raw[100:4096] = b"\xff" * (4096 - 100)
    (folder / FILE).write_bytes(raw)
    assert "Give --data-dir a folder" in fault(folder)


def test_what_sqlite_refuses_is_a_store_error_and_other_calls_go_on(
    folder: Path, database: Database, store: Store, me: int
) -> None:
    practice = PracticeStore(database)
    connection = sqlite3.connect(folder / FILE)
    connection.execute("drop table attempts")
    connection.execute("create trigger full before insert on flags begin select raise(abort, 'the disk is full'); end")
    connection.close()
    with pytest.raises(StoreError, match="could not be read"):
        practice.attempts(me, "a session")
    with pytest.raises(StoreError, match=r"could not be written \(the disk is full\)\. Check the free space"):
        practice.set_flag(me, "renal-01", True)
    assert store.conversation(me, store.add_conversation(me, "Kept").id).title == "Kept"


def test_a_closed_store_refuses_with_our_own_error(folder: Path) -> None:
    database = Database(folder)
    store = Store(database)
    me = store.visitor("token")
    database.close()
    with pytest.raises(StoreError):
        store.conversations(me)
    with pytest.raises(StoreError):
        store.add_conversation(me, "Too late")


def test_half_a_character_is_refused_with_our_own_error(store: Store, me: int) -> None:
    with pytest.raises(LlamaCareError):
        store.add_conversation(me, "Which \ud83d valve?")
    with pytest.raises(LlamaCareError):
        store.conversations(me, "\ud83d")


class Watched(Store):
    """Tells when it has looked whether a conversation is there."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.looked = threading.Event()

    def conversation(self, visitor: int, conversation: str) -> Conversation:
        found = super().conversation(visitor, conversation)
        self.looked.set()
        return found


@pytest.mark.parametrize("name", ["rename", "ask"])
def test_a_conversation_that_another_process_deletes_meanwhile_is_not_found(folder: Path, name: str) -> None:
    database = Database(folder)
    store = Watched(database)
    me = store.visitor("token")
    place = store.add_conversation(me, "Asthma")
    deleting = sqlite3.connect(folder / FILE, isolation_level=None)
    deleting.execute("BEGIN IMMEDIATE")
    deleting.execute("delete from conversations")
    try:
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(CALLS[name], store, me, place.id)
            store.looked.wait(0.3)  # a store that looks inside its write waits for ours instead
            deleting.execute("COMMIT")
            with pytest.raises(NotFound):
                call.result()
    finally:
        deleting.close()
        database.close()
