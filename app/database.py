"""One SQLite file and how it is opened, written and read; the only home of sqlite_utils. Knows no table.

WAL, ``synchronous=FULL``, and every write in ``BEGIN IMMEDIATE``: a deferred read-then-write fails under several writers.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlite_utils
from sqlite_utils import Migrations

from app.errors import BadInput, StoreError
from app.migrations import all_migrations

FILE = "llamacare.db"
BUSY_SECONDS = 10.0  # how long a write waits for another process's
LOG_SECONDS = 0.5  # how long the emptying of the log waits for readers at a time
HALF_CHARACTER = "The text holds half of a character. Type it again."
HUGE_NUMBER = "A number is larger than any that is kept here. Reload the page and try again."


def utc_now() -> datetime:
    return datetime.now(UTC)


class Database:
    """One database file, usable from any thread. ``clock`` gives the times that are kept."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], datetime] = utc_now,
        *,
        file: str = FILE,
        migrations: Callable[[], Migrations] = all_migrations,
    ) -> None:
        """Makes folder and file where absent and brings an older file to today's shape.

        Raises:
            StoreError: the folder or the file cannot be made, opened or written.
        """
        self.clock = clock
        self.folder = folder
        self._lock = threading.RLock()
        self._depth = 0
        path = folder / file
        try:
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)  # conversations are the user's alone
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
            self._db = sqlite_utils.Database(connection)
            _switch_to_wal(connection)
            for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
                connection.execute(f"PRAGMA {pragma}")
            connection.create_function("fold", 1, str.casefold, deterministic=True)
            self._migrate(connection, migrations())
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The database {path} cannot be used ({error}). Give --data-dir a folder that can be written, with free space."
            ) from error

    def _migrate(self, connection: sqlite3.Connection, migrations: Migrations) -> None:
        # Two processes may start at once: the first one migrates, the other waits and finds nothing to do.
        connection.execute("BEGIN IMMEDIATE")
        try:
            migrations.apply(self._db)
            connection.execute("COMMIT")
        except BaseException:
            self._db.rollback()
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def write(self) -> Iterator[None]:
        """One transaction; one inside another is part of it. What is raised within undoes all of it.

        Raises:
            StoreError: the file could not be written.
            BadInput: a text holds half of a character, or a number has more than 64 bits.
        """
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._db.conn.execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self._db.conn.execute("COMMIT")
            except BaseException as error:
                if self._depth == 1:
                    self._roll_back()
                if isinstance(error, sqlite3.Error):
                    sentence = f"The database could not be written ({error}). Check the free space and try again."
                    raise StoreError(sentence) from error
                if isinstance(error, UnicodeEncodeError):
                    raise BadInput(HALF_CHARACTER) from error
                if isinstance(error, OverflowError):
                    raise BadInput(HUGE_NUMBER) from error
                raise
            finally:
                self._depth -= 1

    def _roll_back(self) -> None:
        try:
            self._db.rollback()
        except sqlite3.Error:
            pass  # the database is closed, and with it the transaction

    def run(self, sql: str, *values: object) -> int:
        """Runs a statement that changes rows, inside ``write``; returns how many it changed."""
        return self._db.conn.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Runs one statement for each row of values, inside ``write``; returns how many rows were changed in all."""
        return self._db.conn.executemany(sql, rows).rowcount

    def insert(self, table: str, row: dict[str, Any], *, ignore: bool = False) -> int:
        """Inserts a row, inside ``write``; with ``ignore`` not where its key is there. Returns how many were inserted."""
        columns, places = ", ".join(row), ", ".join("?" * len(row))
        verb = "insert or ignore" if ignore else "insert"
        return self.run(f"{verb} into {table} ({columns}) values ({places})", *row.values())

    def update(self, table: str, changes: dict[str, Any], where: str, *values: object) -> int:
        """Changes columns of the rows ``where``, inside ``write``; returns how many rows."""
        sets = ", ".join(f"{column} = ?" for column in changes)
        return self.run(f"update {table} set {sets} where {where}", *changes.values(), *values)

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Raises StoreError where the file cannot be read."""
        with self._reading():
            return list(self._db.query(sql, list(values)))

    def tuples(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """As ``rows``, each as a tuple: several times as fast, for thousands of them."""
        with self._reading():
            return self._db.conn.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> dict[str, Any] | None:
        rows = self.rows(sql, *values)
        return rows[0] if rows else None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise StoreError(f"The database could not be read ({error}). Try again.") from error
            except UnicodeEncodeError as error:
                raise BadInput(HALF_CHARACTER) from error
            except OverflowError as error:
                raise BadInput(HUGE_NUMBER) from error

    def empty_log(self) -> bool:
        """Writes the log into the file and empties it, so that what was erased stands nowhere. False where others were at it
        for longer than a write waits."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            with self._reading():
                self._db.conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # most of it, while others may write
                with self._waiting(LOG_SECONDS):
                    busy, _, _ = self._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy or time.monotonic() > deadline:
                return not busy
            time.sleep(LOG_SECONDS)  # it keeps writers out while it waits for readers

    def rewrite(self) -> bool:
        """Writes the whole file anew, without free space. SQLite overwrites what is deleted, but not the copy that stays behind
        where it moves a row from one page to another. Others can read meanwhile; they cannot write. False where it was not
        possible, for want of space say."""
        with self._lock:
            try:
                self._db.conn.execute("VACUUM")
            except sqlite3.Error:
                return False
            return True

    @contextmanager
    def _waiting(self, seconds: float) -> Iterator[None]:
        """Another bound than ``BUSY_SECONDS`` for how long a statement waits for others."""
        self._db.conn.execute(f"PRAGMA busy_timeout={1000 * seconds:.0f}")
        try:
            yield
        finally:
            self._db.conn.execute(f"PRAGMA busy_timeout={1000 * BUSY_SECONDS:.0f}")

    def now(self) -> str:
        return self.clock().isoformat()


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """The busy timeout does not cover this switch: two starts on a blank folder would meet "database is locked"."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
