"""Ask about this item: a chat that is bound to one item of a session. Hints before the answer, explanations after it.

Before the learner has committed, the model is told neither key nor explanations, and what it says of an option being right is
held back. Afterwards it is told both, and where its answer speaks for another option than the key, that is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from app.chat import Chat
from app.errors import Conflict
from app.practice_store import PracticeStore
from app.prompts import tutor_system
from app.quiz import Opened, Quiz
from app.records import Message, Question, Status
from app.turns import Ended, Grown, Turn, TurnEvent

HELD_BACK = "[What is said of an option here comes after you commit.]"
HINT = "Hint {number} of {total}: {hint}"
CONTRADICTS = "This answer speaks for {named}, but the key of this item is {key}. Trust the reviewed explanations, not the model."
BY_LETTER = (
    r"\b(?:[Oo]ption|[Aa]nswer|[Cc]hoice)(?:\s|is|[:*(])*{label}\b",
    r"\({label}\)",
    r"(?:^|\bis\s+)\**{label}(?:[.):*]|\s*$)",
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_NAMES_ANSWER = re.compile(
    r"\b(?:answer|correct|right choice|best choice|best option|right option|must be|should choose)\b", re.I
)
_CHOOSES = re.compile(r"\b(?:go with|going with|choose|pick|select|likely|best|fits?|points? to|suspect)\b", re.I)
_LONE_LABEL = r"(?<![\w'’]){label}(?![\w'’])"
_NO_ARTICLE = r"(?=\s+(?:is|was|seems|fits|must|or|and|over|because)\b|[.,;:!?)*]|\s*$)"  # "A" and "I" are words too
_NEGATES = re.compile(r"\b(?:not|isn't|incorrect|wrong|rather than|instead of|unlike|except|neither|nor)\b", re.I)


class TutorTurn:
    """A turn of the chat whose words are looked at before anyone sees or keeps them."""

    def __init__(self, turn: Turn, binding: Binding, hints: tuple[str, ...]) -> None:
        """``hints``: those of the item that are open with this turn."""
        self.turn = turn
        self.notice = ""
        self.hints = hints
        self._binding = binding

    def events(self) -> Generator[TurnEvent, None, None]:
        """The turn's events with its words as they may be seen; ``notice`` stands before the last one."""
        events = self.turn.events()
        try:
            for event in events:
                if isinstance(event, Grown):
                    yield Grown(self._binding.worded(event.text, ended=False), event.reasoning if self._binding.answered else "")
                elif isinstance(event, Ended):
                    answer = self._binding.checked(event.answer)
                    self.notice = answer.note if answer.note != event.answer.note else ""
                    yield replace(event, answer=answer)
                else:
                    yield event
        finally:
            events.close()

    def abandon(self) -> None:
        self.turn.abandon()


@dataclass(frozen=True)
class Binding:
    """To which item a turn is bound; what keeps its messages. ``opening`` stands before the model's words, a hint that ``open``
    counts as soon as the question is kept."""

    practice: PracticeStore
    session: str
    position: int
    question: Question
    answered: bool
    opening: str
    open: Callable[[], object]

    def begin(self, question: Message, answer: Message) -> None:
        with self.practice.database.write():
            self.open()
            self.practice.add_tutor_turn(self.session, self.position, question, answer)

    def keep(self, answer: Message) -> None:
        self.practice.keep_tutor_answer(self.checked(answer))

    def checked(self, answer: Message) -> Message:
        """The answer as it may be seen, with the note that it contradicts the key where it does."""
        text = self.worded(answer.text, ended=answer.status is not Status.STREAMING)
        answer = answer if self.answered else replace(answer, reasoning="")
        named = named_option(answer.text, self.question) if self.answered else None
        if named in (None, self.question.key):
            return replace(answer, text=text)
        note = CONTRADICTS.format(named=named, key=self.question.key)
        return replace(answer, text=text, note=f"{note} {answer.note}".strip())

    def worded(self, text: str, *, ended: bool) -> str:
        shown = text if self.answered else hold_back(text, self.question, ended=ended)
        return "\n\n".join(part for part in (self.opening, shown) if part)


class Tutor:
    """Chats about items, for any number of visitors."""

    def __init__(self, chat: Chat, quiz: Quiz) -> None:
        self._chat = chat
        self._quiz = quiz
        self._practice = quiz.practice

    def messages(self, visitor: int, session: str, position: int) -> list[Message]:
        """What was asked about an item so far. Raises as ``begin``."""
        self._open(visitor, session, position)
        return self._practice.tutor_messages(visitor, session, position)

    def begin(self, visitor: int, session: str, position: int, text: str) -> TutorTurn:
        """A question about an item; before its answer, the item's next hint is the first that comes back.

        Raises:
            NotFound: no such session or item.
            Conflict: the mode allows no help before its end.
            BadInput, TooLarge, Busy: as `app.chat.Chat.begin`.
        """
        opened = self._open(visitor, session, position)
        history = self._practice.tutor_messages(visitor, session, position)
        if any(message.status is Status.STREAMING for message in history):
            raise Conflict("An answer about this item is still being written. Stop it or wait for its end.")
        number = self._next_hint(opened)
        binding = Binding(
            self._practice,
            session,
            position,
            opened.question,
            opened.graded,
            _hint(opened.question, number),
            lambda: self._quiz.hints(visitor, session, position, number) if number else (),
        )
        system = tutor_system(opened.question, answered=opened.graded)
        turn = self._chat.begin_bound(visitor, text, history, system=system, place=binding)
        return TutorTurn(turn, binding, opened.question.hints[: number or opened.item.hints])

    def _open(self, visitor: int, session: str, position: int) -> Opened:
        opened = self._quiz.open(visitor, session, position)
        if not (opened.session.tutored or opened.graded):
            raise Conflict("In this mode an item can be asked about after the end of the session, as in the exam.")
        return opened

    def _next_hint(self, opened: Opened) -> int:
        """The number of the next hint of the item's own ladder; 0 where none is left or the item is answered."""
        left = not opened.graded and opened.item.hints < len(opened.question.hints)
        return opened.item.hints + 1 if left else 0


def _hint(question: Question, number: int) -> str:
    return HINT.format(number=number, total=len(question.hints), hint=question.hints[number - 1]) if number else ""


def hold_back(text: str, question: Question, *, ended: bool) -> str:
    """The text without the sentences that say which option is right. While it grows, without its last sentence too, which may
    yet become one."""
    pieces = _pieces(text)
    whole = pieces if ended else pieces[:-1]
    shown = [HELD_BACK if _tells(sentence, question) else sentence for sentence, _ in whole]
    ends = [end for _, end in whole]
    joined = "".join(sentence + end for sentence, end in zip(shown, ends, strict=True))
    return re.sub(rf"(?:{re.escape(HELD_BACK)}\s*){{2,}}", f"{HELD_BACK} ", joined).rstrip()


def named_option(text: str, question: Question) -> str | None:
    """The option that a text says is right: that of its first sentence that names just one as the answer; None of none."""
    for sentence, _ in _pieces(text):
        named = _options_in(sentence, question)
        others = any(_is_lettered(sentence, label) for label in question.options if label not in named)
        if len(named) == 1 and not others and _NAMES_ANSWER.search(sentence) and not _NEGATES.search(sentence):
            return named[0]
    return None


def _tells(sentence: str, question: Question) -> bool:
    """Whether a sentence may give an option away: it singles one out, or it speaks of some, if only by a letter, and judges."""
    found = _options_in(sentence, question)
    judges = bool(_NAMES_ANSWER.search(sentence) or _NEGATES.search(sentence))
    lettered = any(_is_lettered(sentence, label) for label in question.options)
    return len(found) == 1 or (bool(found) and judges) or (lettered and (judges or bool(_CHOOSES.search(sentence))))


def _is_lettered(sentence: str, label: str) -> bool:
    """Whether a label stands alone in a sentence, however it is meant."""
    pattern = _LONE_LABEL.format(label=re.escape(label)) + (_NO_ARTICLE if label in ("A", "I") else "")
    return re.search(pattern, sentence) is not None


def _options_in(sentence: str, question: Question) -> list[str]:
    """The options that a sentence speaks of, by letter or by their words."""
    said = " ".join(re.findall(r"\w+", sentence.casefold()))
    found = []
    for label, option in question.options.items():
        words = " ".join(re.findall(r"\w+", option.casefold()))
        by_letter = "|".join(pattern.format(label=label) for pattern in BY_LETTER)
        if re.search(by_letter, sentence) or (words and f" {words} " in f" {said} "):
            found.append(label)
    return found


def _pieces(text: str) -> list[tuple[str, str]]:
    """Sentences, each with the white space after it."""
    pieces, start = [], 0
    for gap in _SENTENCE.finditer(text):
        pieces.append((text[start : gap.start()], gap.group()))
        start = gap.end()
    return [*pieces, (text[start:], "")]
