"""The questions that a visitor can practise: the bank and the visitor's own, by what they are filed under, by what was made of
them, and by topic. No page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.errors import BadInput, NotFound
from app.own_store import OwnStore
from app.practice_store import PracticeStore
from app.questions import Bank
from app.records import Question, Topic
from app.sessions import Asked, Selection, Source
from app.stems import plain_stem
from app.topics import TopicIndex, TopicIndexes

TOPIC_LIMIT = 400
UNSEEN = frozenset({Asked.UNUSED})


@dataclass(frozen=True)
class Counts:
    """How many questions there are, and in which state with this visitor."""

    total: int = 0
    unused: int = 0
    wrong: int = 0
    flagged: int = 0
    due: int = 0
    sure_wrong: int = 0
    disagreement: int = 0


@dataclass(frozen=True)
class Shelves:
    """The counts of all, and by what questions are filed under."""

    all: Counts
    systems: Mapping[str, Counts]
    subjects: Mapping[str, Counts]
    steps: Mapping[str, Counts]
    own: int


class Deck:
    """The bank for all, and each visitor's own questions."""

    def __init__(self, bank: Bank, own: OwnStore, practice: PracticeStore) -> None:
        """Files what was answered before there were sessions (`PracticeStore.adopt`)."""
        self._bank = {question.id: question for question in bank.questions}
        self._topics = {question.id: topic_of(question) for question in bank.questions}
        self._index = TopicIndex((question.id, *_texts(question)) for question in bank.questions)
        self._own_indexes = TopicIndexes()
        self._own = own
        self._practice = practice
        practice.adopt(self._topics)

    def find(self, visitor: int, identity: str) -> Question | None:
        """One of the bank or of the visitor's own; None where there is none of that name."""
        return self._bank.get(identity) or self._own.question(visitor, identity)

    def question(self, visitor: int, identity: str) -> Question:
        """One of the bank or of the visitor's own. Raises NotFound."""
        found = self.find(visitor, identity)
        if found is None:
            raise NotFound(f"There is no question {identity!r:.60}: it may have been deleted. Choose another in the grid.")
        return found

    def questions(self, visitor: int, identities: Sequence[str]) -> list[Question]:
        """Those of them that there are, in this order."""
        own = {question.id: question for question in self._own.questions(visitor, [i for i in identities if i not in self._bank])}
        known = {**own, **self._bank}
        return [known[identity] for identity in identities if identity in known]

    def topics(self, visitor: int, identities: Iterable[str]) -> Mapping[str, Topic]:
        """What at least these questions are filed under, those of them that there are."""
        own = [identity for identity in identities if identity not in self._topics]
        return {**self._topics, **self._own.topics(visitor, own)} if own else self._topics

    def catalogue(self, visitor: int) -> Mapping[str, Topic]:
        """Every question that the visitor can practise and what it is filed under; the bank's first."""
        return {**self._topics, **self._own.topics(visitor)}

    def filtered(self, visitor: int, what: str, systems: Collection[str] = ()) -> list[str]:
        """Questions by what was made of them: a status of `Asked`, "answered" or "all".

        Raises:
            BadInput: ``what`` is none of these.
        """
        if what not in ("answered", "all", *Asked):
            raise BadInput(f"What to export is {what!r:.40}; expected one of {', '.join(('answered', 'all', *Asked))}.")
        statuses = self._practice.statuses(visitor)
        return [
            identity
            for identity, topic in self.catalogue(visitor).items()
            if (not systems or topic.system in systems) and _is_wanted(what, statuses.get(identity, UNSEEN))
        ]

    def matching(self, visitor: int, selection: Selection) -> list[str]:
        """The questions that a selection can take from; best match first with a topic, longest due first when they are due."""
        catalogue = self._sourced(visitor, selection.own)
        if selection.topic.strip():
            found = self._search(visitor, selection.topic)
            catalogue = {identity: catalogue[identity] for identity in found if identity in catalogue}
        filed = [identity for identity, topic in catalogue.items() if _is_filed(topic, selection)]
        if not selection.statuses:
            return filed
        wanted, statuses = frozenset(selection.statuses), self._practice.statuses(visitor)
        chosen = [identity for identity in filed if wanted & statuses.get(identity, UNSEEN)]
        if selection.by_due:
            place = {identity: number for number, identity in enumerate(self._practice.due(visitor))}
            chosen.sort(key=place.__getitem__)
        return chosen

    def counts(self, visitor: int) -> Counts:
        """How many questions there are in all, and of each status."""
        statuses = self._practice.statuses(visitor)
        return _counts(statuses.get(identity, UNSEEN) for identity in self.catalogue(visitor))

    def shelves(self, visitor: int) -> Shelves:
        """How many questions of each kind there are."""
        catalogue = self.catalogue(visitor)
        statuses = self._practice.statuses(visitor)
        held = {identity: statuses.get(identity, UNSEEN) for identity in catalogue}

        def by(name_of: Callable[[Topic], str]) -> dict[str, Counts]:
            groups: dict[str, list[frozenset[Asked]]] = {}
            for identity, topic in catalogue.items():
                if name := name_of(topic):
                    groups.setdefault(name, []).append(held[identity])
            return {name: _counts(groups[name]) for name in sorted(groups)}

        return Shelves(
            all=_counts(held.values()),
            systems=by(lambda topic: topic.system),
            subjects=by(lambda topic: topic.subject),
            steps=by(lambda topic: topic.step),
            own=len(catalogue.keys() - self._bank.keys()),
        )

    def _sourced(self, visitor: int, source: Source) -> Mapping[str, Topic]:
        if source is Source.BANK:
            return self._topics
        return self._own.topics(visitor) if source is Source.OWN else self.catalogue(visitor)

    def _search(self, visitor: int, topic: str) -> list[str]:
        """The bank's matches, then those of the visitor's own questions."""
        version = tuple(batch.id for batch in self._own.batches(visitor))
        own = self._own_indexes.of(visitor, version, lambda: [(i, stem, "") for i, stem in self._own.stems(visitor)])
        return [*self._index.search(topic, TOPIC_LIMIT), *own.search(topic, TOPIC_LIMIT)]


def topic_of(question: Question) -> Topic:
    return Topic(question.system, question.subject, question.step, question.difficulty)


def _is_wanted(what: str, statuses: frozenset[Asked]) -> bool:
    return what == "all" or (Asked.UNUSED not in statuses if what == "answered" else what in statuses)


def _is_filed(topic: Topic, selection: Selection) -> bool:
    return (
        (not selection.systems or topic.system in selection.systems)
        and (not selection.subjects or topic.subject in selection.subjects)
        and (not selection.steps or topic.step in selection.steps)
    )


def _counts(held: Iterable[frozenset[Asked]]) -> Counts:
    groups = Counter(held)
    numbers = {status.value: sum(n for statuses, n in groups.items() if status in statuses) for status in Asked}
    return Counts(groups.total(), **numbers)


def _texts(question: Question) -> tuple[str, str]:
    """What a search finds a question by: what it teaches, then what it tells."""
    title = " ".join((question.objective, question.fact, question.options[question.key], question.system, question.subject))
    return title, " ".join((plain_stem(question.stem), *question.explanations.values()))
