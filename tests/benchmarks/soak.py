"""Many short chats by many users, some cancelled, some in tabs that are closed: what went wrong, and what it weighs."""

from __future__ import annotations

import collections
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.engine.base import Ending, Engine, Finished, Piece, Prefilling, Sampling
from app.errors import EngineError
from tests.benchmarks.prompts import Rendered

CANCELLED, CLOSED = 0.15, 0.10  # shares of the chats
MARKS = (0.1, 0.5, 1.0)  # when memory is looked at, as shares of the chats


@dataclass(frozen=True)
class Chat:
    """``fate``, 0 to 1, says whether it is cancelled, closed or read to its end; ``patience``: pieces until it is cancelled."""

    prompt: Rendered
    nonce: str
    fate: float
    patience: int

    @property
    def cancelled(self) -> bool:
        return self.fate < CANCELLED

    @property
    def closed(self) -> bool:
        return CANCELLED <= self.fate < CANCELLED + CLOSED


@dataclass
class Tally:
    """What came of the chats. ``lost``: an answer without its end, or of the wrong length; ``mixed``: another's nonce in it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    begun: int = 0
    errors: list[str] = field(default_factory=list)
    lost: int = 0
    mixed: int = 0
    own: int = 0
    endings: collections.Counter[str] = field(default_factory=collections.Counter)
    memory: list[int] = field(default_factory=list)


def soak(
    engine: Engine,
    chats: Sequence[Mapping[str, Any]],
    *,
    users: int,
    tokens: int,
    seed: int,
    memory: Callable[[], int],
) -> dict[str, Any]:
    """``chats``: {"prompt", "nonce"}; each is asked once. ``tokens`` bounds an answer."""
    chance = random.Random(seed)
    all_chats = [
        Chat(Rendered.of(chat["prompt"]), str(chat["nonce"]), chance.random(), chance.randrange(tokens)) for chat in chats
    ]
    nonces = frozenset(chat.nonce for chat in all_chats)
    marks = {max(1, int(share * len(chats))) for share in MARKS}
    tally = Tally()

    def user(first: int) -> None:
        for chat in all_chats[first::users]:
            try:
                text, finished = _ask(engine, chat, tokens)
            except EngineError as error:
                with tally.lock:
                    tally.errors.append(str(error))
            else:
                _judge(chat, text, finished, nonces, tokens, tally=tally)
            with tally.lock:
                tally.begun += 1
                if tally.begun in marks:
                    tally.memory.append(memory())

    begun = time.monotonic()
    threads = [threading.Thread(target=user, args=(first,)) for first in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "wall": time.monotonic() - begun,
        "chats": tally.begun,
        "errors": tally.errors,
        "lost": tally.lost,
        "mixed": tally.mixed,
        "own": tally.own,
        "endings": dict(tally.endings),
        "memory": tally.memory,
    }


def _ask(engine: Engine, chat: Chat, tokens: int) -> tuple[str, Finished | None]:
    """What the user saw of it, and its end if it came to one."""
    stream = engine.stream(chat.prompt.prompt, Sampling(max_tokens=tokens, temperature=0.0))
    pieces: list[str] = []
    finished: Finished | None = None
    for event in stream:
        if isinstance(event, Finished):
            finished = event
        elif isinstance(event, Piece):
            pieces.append(event.text)
        elif not isinstance(event, Prefilling):
            continue
        if chat.cancelled and len(pieces) >= chat.patience:
            stream.close()
            break
        if chat.closed:
            break  # nobody closes it: the tab is gone, and with it, on return, the last reference
    return "".join(pieces), finished


def _judge(chat: Chat, text: str, finished: Finished | None, nonces: frozenset[str], tokens: int, *, tally: Tally) -> None:
    with tally.lock:
        tally.own += chat.nonce in text
        tally.mixed += any(nonce in text for nonce in nonces - {chat.nonce})
        if finished is None:
            tally.endings["cancelled" if chat.cancelled else "closed"] += 1
            tally.lost += not (chat.cancelled or chat.closed)
            return
        tally.endings[finished.ending.value] += 1
        full = finished.tokens == tokens if finished.ending is Ending.LENGTH else finished.tokens <= tokens
        tally.lost += not (full and finished.prompt_tokens == len(chat.prompt.ids))
