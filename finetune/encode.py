"""Rows -> token ids with what is learnt of them. Renders with `app.prompts`, as serving does; knows no torch.

Prompts are tokenized segment by segment, special tokens only in control segments, as `app.engine.llama` does it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from app.prompts import (
    ANSWER_PREFIX,
    CHAT_SYSTEM,
    ChatFormat,
    Style,
    answer_text,
    label_tokens,
    question_prompt,
    render,
)
from app.records import Prompt, Question, Role, Segment
from finetune.rows import ChatRow, TextRow

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class Tokenizer(Protocol):
    """What is used of a Hugging Face tokenizer."""

    chat_template: Any
    bos_token: Any
    eos_token: Any
    bos_token_id: Any
    eos_token_id: Any
    added_tokens_decoder: Any

    def encode(self, text: str, **options: Any) -> list[int]: ...

    def decode(self, ids: Any, **options: Any) -> str: ...


@dataclass(frozen=True)
class Encoded:
    """One row. ``learnt[i]``: the LM loss is on predicting ``ids[i]``. ``read``: the position whose logits give the class.

    ``labels`` and ``truth`` (an index into them) are the class, empty and -1 without one. ``prompt`` tokens are the prompt.
    """

    id: str
    ids: tuple[int, ...]
    learnt: tuple[bool, ...]
    prompt: int
    read: int = -1
    labels: tuple[str, ...] = ()
    truth: int = -1


class TooLong(Exception):
    """A row has more tokens than the config allows."""

    def __init__(self, tokens: int) -> None:
        super().__init__(f"it has {tokens} tokens")
        self.tokens = tokens


class Encoder:
    """Rows as one tokenizer and chat template write them."""

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int, style: Style = Style.LABEL) -> None:
        self.tokenizer = tokenizer
        self.form = chat_form(tokenizer)
        self.max_tokens = max_tokens
        self.style = style
        self._adds_bos = _adds_bos(tokenizer)
        self._specials: dict[str, int] = {str(token): place for place, token in tokenizer.added_tokens_decoder.items()}
        # the longest first, so that none is taken for the beginning of another
        self._special = re.compile("(" + "|".join(map(re.escape, sorted(self._specials, key=len, reverse=True))) + ")")

    def ids(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt, with the beginning-of-sequence token where the tokenizer adds one."""
        ids = [token for segment in prompt for token in self._segment(segment)]
        if self._adds_bos and ids[:1] != [self.tokenizer.bos_token_id]:
            ids.insert(0, self.tokenizer.bos_token_id)
        return ids

    def label_ids(self, labels: Sequence[str]) -> dict[str, int] | None:
        """The plain token of each label after ``Answer:``, None where one has none."""
        return label_tokens(lambda text: self._segment(Segment(text)), labels)

    def question(self, question: Question, examples: Sequence[Question] = (), *, trim: bool = False) -> Encoded:
        """A question with its key: the class is read at the last token of the prompt, before any text of the answer.

        ``examples`` are shown before it. ``trim``: the beginning of its context goes, sentence by sentence, until it fits.

        Raises:
            TooLong: it does not fit.
        """
        answer = [*self._segment(Segment(answer_text(question))), self.tokenizer.eos_token_id]
        prompt = self.prompt(question, examples)
        if len(prompt) + len(answer) > self.max_tokens and trim:
            prompt = self.prompt(self.trimmed(question, self.max_tokens - len(answer), examples), examples)
        labels = tuple(question.options)
        return self._row(question.id, prompt, answer, read=len(prompt) - 1, labels=labels, truth=labels.index(question.key))

    def prompt(self, question: Question, examples: Sequence[Question] = ()) -> list[int]:
        return self.ids(question_prompt(self.form, question, examples, style=self.style))

    def trimmed(self, question: Question, room: int, examples: Sequence[Question] = ()) -> Question:
        """The question with as much of the end of its context as leaves its prompt ``room`` tokens, whole sentences of it."""
        sentences = _SENTENCE.split(question.context)
        least, most = 0, len(sentences)  # the fewest sentences to leave out, by bisection
        while least < most:
            middle = (least + most) // 2
            fits = len(self.prompt(_without(question, sentences, middle), examples)) <= room
            least, most = (least, middle) if fits else (middle + 1, most)
        return _without(question, sentences, least)

    def chat(self, row: ChatRow) -> Encoded:
        """A conversation: what the assistant says is learnt, each turn with the token that ends it.

        Raises:
            TooLong: it does not fit.
        """
        turns = list(row.turns)
        if turns[0][0] != "system":
            turns.insert(0, ("system", CHAT_SYSTEM))
        *before, (_, last) = turns
        said = [text for role, text in before if role == str(Role.ASSISTANT)]
        ids: list[int] = []
        learnt: list[bool] = []
        ends = False
        for segment in render(self.form, before):
            tokens = self._segment(segment)
            mine = bool(said) and not segment.control and segment.text == said[0]
            first = ends and tokens[:1] == [self.tokenizer.eos_token_id]
            ids += tokens
            learnt += [mine or (first and place == 0) for place in range(len(tokens))]
            ends = mine
            if mine:
                said.pop(0)
        if self._adds_bos and ids[:1] != [self.tokenizer.bos_token_id]:
            ids.insert(0, self.tokenizer.bos_token_id)
            learnt.insert(0, False)
        answer = [*self._segment(Segment(last)), self.tokenizer.eos_token_id]
        return self._row(row.id, ids, answer, learnt=learnt)

    def texts(self, rows: Sequence[TextRow]) -> Iterator[Encoded]:
        """Texts packed end to end, parted by the end token, into rows of ``max_tokens``; the loss is on all tokens.

        Nothing keeps a text from seeing the one before it in its row, as in most pretraining (Raffel et al. 2020, section 3.1).
        """
        rest: list[int] = []
        number = 0
        for row in rows:
            rest += [*self.ids((Segment(row.passage),)), self.tokenizer.eos_token_id]
            while len(rest) >= self.max_tokens:
                yield _packed(number, rest[: self.max_tokens])
                rest, number = rest[self.max_tokens :], number + 1
        if len(rest) > 1:
            yield _packed(number, rest)

    def _row(self, identity: str, prompt: list[int], answer: list[int], *, learnt: Sequence[bool] = (), **cls: Any) -> Encoded:
        tokens = len(prompt) + len(answer)
        if tokens > self.max_tokens:
            raise TooLong(tokens)
        before = tuple(learnt) or (False,) * len(prompt)
        return Encoded(identity, (*prompt, *answer), (*before, *(True,) * len(answer)), len(prompt), **cls)

    def _segment(self, segment: Segment) -> list[int]:
        """As llama.cpp does it: what stands between two special tokens is tokenized as a text of its own, which for
        SentencePiece vocabularies means with a space before it."""
        if not segment.control or not self._specials:
            return self._plain(segment.text)
        ids: list[int] = []
        for place, part in enumerate(self._special.split(segment.text)):
            ids += [self._specials[part]] if place % 2 else self._plain(part)
        return ids

    def _plain(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True) if text else []


def _packed(number: int, ids: list[int]) -> Encoded:
    return Encoded(f"text-{number}", tuple(ids), (False, *(True,) * (len(ids) - 1)), 0)


def _without(question: Question, sentences: Sequence[str], first: int) -> Question:
    """The question without the ``first`` sentences of its context."""
    return replace(question, context=" ".join(sentences[first:]))


def chat_form(tokenizer: Tokenizer) -> ChatFormat:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default", "")
    return ChatFormat(template or "", str(tokenizer.bos_token or ""), str(tokenizer.eos_token or ""))


def _adds_bos(tokenizer: Tokenizer) -> bool:
    """Asked of the tokenizer itself: its setting and what it does are not always the same."""
    return tokenizer.bos_token_id is not None and tokenizer.encode(ANSWER_PREFIX)[:1] == [tokenizer.bos_token_id]
