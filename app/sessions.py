"""Sessions of practice and the rules of their modes, on a given clock. Pure: what may be done when, and what that makes.

Since May 2026 the USMLE runs in blocks of 20 items and 30 minutes, 90 seconds an item, and a finished block stays closed.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.errors import BadInput, Conflict
from app.records import Confidence, Mode

PACE = 90.0  # seconds an item
BLOCK_ITEMS = 20
MAX_ITEMS = 400


class Asked(enum.StrEnum):
    """What an item's past may be, for choosing items: ``sure_wrong`` was answered wrongly with "sure", ``disagreement`` by
    learner, key and a model with earned skill not all alike."""

    UNUSED = "unused"
    WRONG = "wrong"
    FLAGGED = "flagged"
    DUE = "due"
    SURE_WRONG = "sure_wrong"
    DISAGREEMENT = "disagreement"


class Source(enum.StrEnum):
    ALL = "all"
    BANK = "bank"
    OWN = "own"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a session is made of. An empty tuple restricts nothing; an item needs one of ``statuses``. ``topic``: free text,
    whose best matches come first."""

    mode: Mode = Mode.TUTOR
    count: int = 10
    systems: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    statuses: tuple[Asked, ...] = ()
    own: Source = Source.ALL
    topic: str = ""

    @property
    def by_due(self) -> bool:
        """Only what is due: what has waited longest comes first."""
        return self.statuses == (Asked.DUE,)

    @property
    def ordered(self) -> bool:
        """Whether its questions have an order of their own; else they are shuffled."""
        return bool(self.topic.strip()) or self.by_due

    @property
    def title(self) -> str:
        """What it is, in words: "cardiovascular, renal and urinary · wrong"."""
        named = [", ".join(names) for names in (self.systems, self.subjects, [f"Step {step}" for step in self.steps]) if names]
        topic = [f"“{' '.join(self.topic.split())[:60]}”"] if self.topic.strip() else []
        statuses = [", ".join(status.replace("_", " and ") for status in self.statuses)] if self.statuses else []
        return " · ".join(named + topic + statuses) or "All topics"


class State(enum.StrEnum):
    OPEN = "open"
    PAUSED = "paused"
    ENDED = "ended"


class BlockState(enum.StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    CLOSED = "closed"


@dataclass(frozen=True)
class Block:
    """Items ``first`` to ``last``, counted from 1, in ``limit`` seconds. ``deadline``: when it closes or did, once it was begun;
    ``left`` seconds while it is paused."""

    number: int
    first: int
    last: int
    limit: float
    state: BlockState = BlockState.WAITING
    deadline: datetime | None = None
    left: float | None = None

    def seconds_left(self, now: datetime) -> float | None:
        """Seconds until it closes; None where it neither runs nor waits to go on."""
        if self.state is BlockState.PAUSED:
            return self.left
        return max(0.0, (self.deadline - now).total_seconds()) if self.deadline and self.state is BlockState.RUNNING else None


@dataclass(frozen=True, kw_only=True)
class Session:
    """One sitting. ``blocks`` is empty in tutor mode, which has no limit."""

    id: str
    number: int
    mode: Mode
    title: str
    created: datetime
    state: State = State.OPEN
    ended: datetime | None = None
    blocks: tuple[Block, ...] = ()

    @property
    def feedback(self) -> bool:
        """Whether keys, explanations and readings may be seen: of what is answered in tutor mode, else after the end."""
        return self.mode is Mode.TUTOR or self.state is State.ENDED

    @property
    def tutored(self) -> bool:
        """Whether hints may be opened and an item asked about before its answer."""
        return self.mode is Mode.TUTOR

    @property
    def pausable(self) -> bool:
        return self.mode is not Mode.EXAM

    @property
    def running(self) -> Block | None:
        """The block whose clock runs or is paused."""
        return next((block for block in self.blocks if block.state in (BlockState.RUNNING, BlockState.PAUSED)), None)

    @property
    def next_block(self) -> Block | None:
        return next((block for block in self.blocks if block.state is BlockState.WAITING), None)

    def reachable(self, block: int) -> bool:
        """Whether the items of a block can be looked at."""
        return self.state is State.ENDED or not self.blocks or self.blocks[block - 1].state is BlockState.RUNNING

    def editable(self, block: int) -> bool:
        """Whether answers in it can be given and changed."""
        return self.state is State.OPEN and (not self.blocks or self.blocks[block - 1].state is BlockState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question's place in a session and what the learner has done to it there. ``chosen`` is graded when it is committed
    or its block closes; ``seconds`` in view so far, last added to at ``touched``; ``highlights`` are stretches of the stem."""

    position: int
    question: str
    block: int = 0
    chosen: str | None = None
    confidence: Confidence = Confidence.UNSURE
    struck: tuple[str, ...] = ()
    highlights: tuple[tuple[int, int], ...] = ()
    hints: int = 0
    seconds: float = 0.0
    touched: datetime | None = None


def plan_blocks(mode: Mode, items: int, now: datetime) -> tuple[Block, ...]:
    """The blocks of a new session. A timed one begins at once; each of an exam's is begun by the learner."""
    if mode is Mode.TUTOR:
        return ()
    if mode is Mode.TIMED:
        limit = PACE * items
        return (Block(1, 1, items, limit, BlockState.RUNNING, now + timedelta(seconds=limit)),)
    firsts = range(1, items + 1, BLOCK_ITEMS)
    lasts = [min(first + BLOCK_ITEMS - 1, items) for first in firsts]
    pairs = enumerate(zip(firsts, lasts, strict=True), start=1)
    return tuple(Block(number, first, last, PACE * (last - first + 1)) for number, (first, last) in pairs)


def settled(session: Session, now: datetime) -> Session:
    """The session as it stands now: a block whose deadline has passed is closed, as of that moment."""
    due = [block for block in session.blocks if block.state is BlockState.RUNNING and block.deadline and block.deadline <= now]
    for block in due:
        assert block.deadline is not None
        session = _closed(session, block.number, block.deadline)
    return session


def pause(session: Session, now: datetime) -> Session:
    """Stops the clock; nothing to a session that is paused.

    Raises:
        Conflict: it has ended, or it is an exam, whose clock runs on.
    """
    _expect_not_ended(session)
    if not session.pausable:
        raise Conflict("An exam's clock runs on until its block is closed. Close the block to take a break.")
    if session.state is State.PAUSED:
        return session
    paused = [
        replace(block, state=BlockState.PAUSED, left=block.seconds_left(now), deadline=None)
        if block.state is BlockState.RUNNING
        else block
        for block in session.blocks
    ]
    return replace(session, state=State.PAUSED, blocks=tuple(paused))


def resume(session: Session, now: datetime) -> Session:
    """Lets the clock run on; nothing to a session that runs.

    Raises:
        Conflict: it has ended.
    """
    _expect_not_ended(session)
    blocks = [
        replace(block, state=BlockState.RUNNING, deadline=now + timedelta(seconds=block.left or 0.0), left=None)
        if block.state is BlockState.PAUSED
        else block
        for block in session.blocks
    ]
    return replace(session, state=State.OPEN, blocks=tuple(blocks))


def start_block(session: Session, number: int, now: datetime) -> Session:
    """Begins the next block; nothing to one that runs.

    Raises:
        BadInput: there is no such block.
        Conflict: it is closed, or another one comes first.
    """
    block = _block(session, number)
    if block.state in (BlockState.RUNNING, BlockState.PAUSED):
        return session
    if block.state is BlockState.CLOSED:
        raise Conflict(f"Block {number} is closed and stays closed. Go on with the next one.")
    first = session.running or session.next_block
    if first is None or first.number != number:
        raise Conflict(f"Block {first.number if first else number} comes before block {number}. Finish that one first.")
    return _with(session, replace(block, state=BlockState.RUNNING, deadline=now + timedelta(seconds=block.limit)))


def close_block(session: Session, number: int, now: datetime) -> Session:
    """Closes the block that runs, for good; after the last one the session has ended. Nothing to one that is closed.

    Raises:
        BadInput: there is no such block.
        Conflict: it has not begun.
    """
    block = _block(session, number)
    if block.state is BlockState.CLOSED:
        return session
    if block.state is BlockState.WAITING:
        raise Conflict(f"Block {number} has not begun, so it cannot be closed. Start it, or end the session.")
    return _closed(session, number, now)


def end(session: Session, now: datetime) -> Session:
    """Ends the session with all its blocks, those too that never began; nothing to one that has ended."""
    if session.state is State.ENDED:
        return session
    if running := session.running:
        session = _closed(session, running.number, now)
    blocks = tuple(replace(block, state=BlockState.CLOSED) for block in session.blocks)
    return replace(session, state=State.ENDED, ended=now, blocks=blocks)


def credited(item: Item, session: Session, seconds: float, now: datetime) -> float:
    """How much of ``seconds`` in view counts: no more than has passed since time was last added, so that two pages in view at
    once count once."""
    since = item.touched or session.created
    return max(0.0, min(seconds, (now - since).total_seconds()))


def check_count(count: int) -> int:
    """Raises BadInput where no session can have so many items."""
    if not 1 <= count <= MAX_ITEMS:
        raise BadInput(f"The number of questions is {count}; expected 1 to {MAX_ITEMS}. Choose another.")
    return count


def current(items: Sequence[Item], session: Session, answered: frozenset[int]) -> int:
    """The first item in reach without an answer; the first in reach, or 1, when none is left."""
    within = [item for item in items if session.reachable(item.block)]
    open_ones = [item.position for item in within if item.position not in answered and item.chosen is None]
    return open_ones[0] if open_ones else within[0].position if within else 1


def _closed(session: Session, number: int, when: datetime) -> Session:
    closed = _with(session, replace(_block(session, number), state=BlockState.CLOSED, deadline=when, left=None))
    if all(block.state is BlockState.CLOSED for block in closed.blocks):
        return replace(closed, state=State.ENDED, ended=when)
    return replace(closed, state=State.OPEN)


def _with(session: Session, block: Block) -> Session:
    return replace(session, blocks=tuple(block if old.number == block.number else old for old in session.blocks))


def _block(session: Session, number: int) -> Block:
    if not 1 <= number <= len(session.blocks):
        raise BadInput(f"There is no block {number}; this session has {len(session.blocks)}. Reload the page.")
    return session.blocks[number - 1]


def _expect_not_ended(session: Session) -> None:
    if session.state is State.ENDED:
        raise Conflict("This session has ended. Look at its results, or start another one.")
