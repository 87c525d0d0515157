"""Which questions are about what a text says: a full-text index in memory, ranked by BM25 (SQLite's FTS5).

Keeps nothing on disk.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator

MOST_WORDS = 40  # of a text that are looked up; the rarest
PREFIX = 5  # letters from which on a word also stands for longer ones
TITLE_WEIGHT, BODY_WEIGHT = 3.0, 1.0
NEAR_BEST = 0.3  # of the best match's score, that another one must have to count as one
WORD = re.compile(r"[^\W_]+")
# Words that say nothing of a topic, in questions to an assistant and in vignettes alike.
STOP_WORDS = re.compile(
    "a|about|above|after|again|all|also|am|an|and|any|are|as|ask|at|be|because|been|before|being|best|both|but|by|calculated?|can|could|did|"
    "do|does|doing|done|down|each|ever|every|examination|explains?|few|find|findings?|following|for|found|from|further|get|"
    "give|given|had|has|have|having|he|help|her|here|hers|him|his|history|how|i|if|in|into|is|it|its|just|know|like|likely|made|"
    "make|man|many|may|me|mean|means|more|most|much|must|my|need|next|no|nor|not|now|of|off|on|one|only|or|other|our|out|over|"
    "own|patients?|please|practi[cs]e|questions?|same|say|shall|she|should|show|shows|so|some|step|such|tell|than|that|the|"
    "their|them|then|there|these|they|thing|this|those|to|too|under|until|up|us|use|used|very|want|was|way|we|were|what|when|"
    "where|which|while|who|whom|why|will|with|without|woman|would|years?|yes|you|your"
)


class TopicIndex:
    """Texts by id. Any thread may search."""

    def __init__(self, texts: Iterable[tuple[str, str, str]]) -> None:
        """``texts``: id, title and body; what stands in the title counts more."""
        self._lock = threading.Lock()
        self._often: Counter[str] = Counter()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(
            "create virtual table texts using fts5(id unindexed, title, body, tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        self._database.executemany("insert into texts values (?, ?, ?)", self._counted(texts))

    def _counted(self, texts: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
        for identity, title, body in texts:
            self._often.update({*_words(title), *_words(body)})
            yield identity, _whole(title), _whole(body)

    def search(self, text: str, limit: int) -> list[str]:
        """The ids of at most ``limit`` texts that share what is rare in ``text``, the best match first; none where ``text`` has
        no word of content. A match far below the best one only shares a common word and is left out."""
        words = sorted(dict.fromkeys(content_words(text)), key=lambda word: self._often.get(word, 1))[:MOST_WORDS]
        if not words or limit < 1:
            return []
        query = " OR ".join(f'"{word}"*' if len(word) >= PREFIX else f'"{word}"' for word in words)
        with self._lock:
            found = self._database.execute(
                "select id, -bm25(texts, 0.0, ?, ?) as score from texts where texts match ? order by score desc, rowid limit ?",
                (TITLE_WEIGHT, BODY_WEIGHT, query, limit),
            ).fetchall()
        return [identity for identity, score in found if score >= NEAR_BEST * found[0][1]]

    def close(self) -> None:
        with self._lock:
            self._database.close()


class TopicIndexes:
    """Indexes of several owners. One is made when it is first asked for, which for 10,000 texts takes seconds, and made again
    where its version is another one; the ``most`` last used are kept. Any thread may ask."""

    def __init__(self, most: int = 4) -> None:
        self._lock = threading.Lock()
        self._most = most
        self._held: dict[int, tuple[Hashable, TopicIndex]] = {}

    def of(self, owner: int, version: Hashable, texts: Callable[[], Iterable[tuple[str, str, str]]]) -> TopicIndex:
        """``version`` names what ``texts`` gives: the same version, the same texts."""
        with self._lock:
            held = self._held.pop(owner, None)
            if held is None or held[0] != version:
                held = version, TopicIndex(texts())
            self._held[owner] = held  # the last used stands last
            while len(self._held) > self._most:
                del self._held[next(iter(self._held))]
            return held[1]


def content_words(text: str) -> list[str]:
    """The words of a text that may say what it is about, in order: of two letters or more, and no common ones."""
    return [word for word in _words(text) if len(word) > 1 and not word.isdecimal() and not STOP_WORDS.fullmatch(word)]


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold())


def _whole(text: str) -> str:
    """SQLite takes no half characters and ends a text at NUL."""
    return text.encode(errors="replace").decode().replace("\0", " ")
