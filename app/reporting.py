"""Reports: an answer that someone calls wrong or unsafe is kept with all that led to it. Knows the stores and no page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from app.engine.base import Engine
from app.errors import BadInput, Conflict, NotFound, TooLarge
from app.grounding import Grounding, Wanted
from app.grounds import cited_text, erased, whole_text
from app.library.library import Library
from app.prompts import CHAT_SYSTEM, GROUNDED_SYSTEM
from app.records import Found, Grounds, Message, Prose, Role, Status
from app.report_store import Asked, Kind, Report, ReportStore
from app.shapes import QUICK
from app.store import Store

MAX_TEXT = 4000  # characters of what a reporter writes
THANKS = "Thank you. The report is kept on this machine, for its administrator to read."


@dataclass(frozen=True)
class Complaint:
    """What the reporter says.

    Raises:
        BadInput: it says nothing. TooLarge: the text is too long.
    """

    kinds: tuple[Kind, ...]
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", tuple(dict.fromkeys(self.kinds)))
        object.__setattr__(self, "text", self.text.strip())
        if not self.kinds and not self.text:
            raise BadInput("The report is empty. Tick what is wrong with the answer, or say it in words.")
        if len(self.text) > MAX_TEXT:
            raise TooLarge(f"The report has {len(self.text):,} characters; at most {MAX_TEXT:,} are taken. Shorten it.")


@dataclass(frozen=True, kw_only=True)
class Private:
    """A private answer, as the page that holds it tells of it. ``passages``: the ids of those that it quotes;
    ``template``: "" where the model alone was asked, None where the page does not say. What was said before the question stays
    with the page."""

    question: str
    answer: str
    model: str = ""
    draft: str = ""
    passages: tuple[int, ...] = ()
    template: str | None = None
    assumptions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class Reports:
    """``engine`` tells the file of the model that is at hand."""

    def __init__(self, store: Store, reports: ReportStore, library: Library, grounding: Grounding, engine: Engine) -> None:
        self._store = store
        self._reports = reports
        self._library = library
        self._grounding = grounding
        self._engine = engine

    def kept(self, visitor: int, conversation: str, message: str, complaint: Complaint) -> None:
        """Reports an answer of one of the visitor's conversations.

        Raises:
            NotFound: no such conversation, or no such answer in it. Conflict: it is still being written.
            Busy: too many reports of this visitor within a day.
        """
        messages = self._store.messages(visitor, conversation)
        place = next((n for n, m in enumerate(messages) if m.id == message and m.role is Role.ASSISTANT), 0)
        if not place:
            raise NotFound(f"There is no answer {message!r:.60} in this conversation. Reload the page and try again.")
        if messages[place].status is Status.STREAMING:
            raise Conflict("This answer is still being written. Stop it or wait for its end, then report it.")
        history, answer = messages[:place], messages[place]
        self._keep(visitor, message, [*history, answer], complaint, self._asked(visitor, history, answer))

    def private(self, visitor: int, told: Private, complaint: Complaint) -> None:
        """Reports an answer that was kept nowhere. Where a passage is gone, or never was the visitor's, all that quotes it is
        left out.

        Raises:
            BadInput: a template or an assumption that does not exist.
            Busy: too many reports of this visitor within a day.
        """
        question = Message(id="", role=Role.USER, text=told.question)
        grounds = self._told_grounds(visitor, told)
        answer = Message(id="", role=Role.ASSISTANT, text=told.answer, model=told.model, grounds=grounds)
        if grounds is not None and len(grounds.passages) < len(told.passages):
            answer = erased(answer)
        prompt = Asked() if told.template is None else self._asked(visitor, [question], answer)
        digest = hashlib.sha256(json.dumps([told.question, told.answer]).encode()).hexdigest()
        self._keep(visitor, f"private {digest}", [question, answer], complaint, prompt)

    def _told_grounds(self, visitor: int, told: Private) -> Grounds | None:
        if not told.template and not told.passages:
            return None
        wanted = Wanted(template=told.template or QUICK, assumptions=told.assumptions)
        found = []
        for passage in told.passages:
            try:
                found.append(Found(self._library.passage(self._store.owner(visitor), passage), 0.0))
            except NotFound:
                continue
        return Grounds(
            found=bool(found),
            sentence="",
            passages=tuple(found),
            prose=Prose.FOLDED,
            draft=told.draft,
            template=wanted.template,
            assumptions=wanted.assumptions or {},
        )

    def _keep(self, visitor: int, subject: str, said: Sequence[Message], complaint: Complaint, prompt: Asked) -> None:
        """``said`` ends in the question and its answer."""
        *_, question, answer = said
        grounds = answer.grounds
        file, digest = self._file_of(answer.model)
        report = Report(
            kinds=complaint.kinds,
            text=complaint.text,
            question=question.text,
            answer=whole_text(answer),
            draft="" if grounds is None else cited_text(grounds.draft, grounds.claims),
            model=answer.model,
            file=file,
            digest=digest,
            prompt=prompt,
            passages=() if grounds is None else tuple(found.passage for found in grounds.passages),
            erased=grounds is not None and grounds.erased,
            created=self._reports.now(),
        )
        documents = frozenset[str]().union(*(m.grounds.documents for m in said if m.grounds))
        self._reports.put(visitor, subject, report, documents)
        # After it was written: whoever erases a document erases first, and then what quotes it.
        gone = self._library.missing(sorted(documents))
        if gone:
            self._reports.forget_documents(sorted(gone))

    def _asked(self, visitor: int, history: Sequence[Message], answer: Message) -> Asked:
        """What the model was given, made anew: all passages and the whole conversation, of which a small context may have
        held less."""
        grounds, (*before, question) = answer.grounds, history
        if not answer.model or (grounds is not None and grounds.erased):
            return Asked()
        said = tuple((str(message.role), message.text) for message in before if message.text)
        if grounds is None:
            return Asked(CHAT_SYSTEM, said, (question.text,))
        wanted = Wanted(template=grounds.template, assumptions=grounds.assumptions)
        ground = self._grounding.of(visitor, history, wanted)
        ground.grounds = grounds
        most = len(grounds.stood_on)
        return Asked(GROUNDED_SYSTEM, said, tuple(ground.question(question, part, most).text for part in ground.template.parts))

    def _file_of(self, model: str) -> tuple[str, str]:
        """Name and digest of the model's file where it is the one at hand."""
        info = self._engine.status().model
        return (info.file, info.digest) if info is not None and info.name == model else ("", "")
