"""What the peers are given to do: real questions and texts, never the same twice in a run, so that no cache profits from
an earlier round.

From ``../shared/data`` (MedQuAD for chats, MedQA dev for exam questions), or where LLAMACARE_DATA points; from our own bank
where neither is there.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.eci import cyclic_orders
from app.engine.head import untrained_head
from app.engine.llama import Model, NativeLog
from app.prompts import CHAT_SYSTEM, ChatFormat, question_prompt, render
from app.questions import read_bank
from app.records import Prompt, Question
from tests.benchmarks.prompts import Rendered

ASK = "Explain this to a student in full, point by point, with the reasons, in at least four paragraphs."
SEED = 7


@dataclass(frozen=True)
class Sources:
    """``texts``: a question of a patient and a passage about it. ``name`` says where they are from."""

    name: str
    texts: tuple[tuple[str, str], ...]
    exam: tuple[Question, ...]


def read_sources(folder: Path, bank: Path) -> Sources:
    chats, exam = folder / "medquad" / "qa.jsonl", folder / "medqa" / "dev_4opt.jsonl"
    shuffled = random.Random(SEED)
    if not (chats.exists() and exam.exists()):
        questions = list(read_bank(bank).questions)
        shuffled.shuffle(questions)
        texts = [(question.objective, " ".join([question.stem, *question.explanations.values()])) for question in questions]
        return Sources("our own question bank", tuple(texts), tuple(questions))
    rows = [(row["question"], " ".join(row["answer"].split())) for row in _rows(chats) if row["answer"]]
    questions = [
        Question(id=f"medqa-{number}", stem=row["question"], options=row["options"], key=row["answer_idx"])
        for number, row in enumerate(_rows(exam))
    ]
    shuffled.shuffle(rows)
    shuffled.shuffle(questions)
    return Sources("MedQuAD (chats) and MedQA dev with four options (exam)", tuple(rows), tuple(questions))


def _rows(path: Path) -> list[dict]:  # type: ignore[type-arg]
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Encoder:
    """Prompts as one model reads them."""

    def __init__(self, path: Path, log: NativeLog) -> None:
        """``log`` must outlive every native call of this process."""
        self._model = Model(path, gpu_layers=0, log=log)
        self._form = ChatFormat(self._model.chat_template(), self._model.bos, self._model.eos)
        head = untrained_head(self._model)
        assert head is not None, f"{path.name} has no single token for each option letter"
        self.label_ids = head.token_ids

    def rendered(self, prompt: Prompt) -> Rendered:
        return Rendered(prompt, tuple(self._model.encode(prompt)))

    def turns(self, turns: Sequence[tuple[str, str]]) -> Rendered:
        return self.rendered(render(self._form, [("system", CHAT_SYSTEM), *turns]))

    def question(self, question: Question) -> Rendered:
        return self.rendered(question_prompt(self._form, question))

    def question_after(self, examples: Sequence[Question], question: Question) -> Rendered:
        """With solved questions before it, each a turn of its own."""
        return self.rendered(question_prompt(self._form, question, examples))

    def fitted(self, make: Callable[[str], Rendered], text: str, tokens: int) -> Rendered | None:
        """``make`` of as many of the text's first words as fit into ``tokens``, None when all of them fall short of it."""
        words = text.split()
        low, high = 0, len(words)
        while low < high:
            middle = (low + high + 1) // 2
            if len(make(" ".join(words[:middle])).ids) <= tokens:
                low = middle
            else:
                high = middle - 1
        fitted = make(" ".join(words[:low]))
        return fitted if tokens - 8 <= len(fitted.ids) <= tokens else None


def orders(question: Question) -> list[Question]:
    """The question with its options in every cyclic order, as the careful read-out asks it."""
    return [question.in_order(order) for order in cyclic_orders(len(question.options)).tolist()]


def numbered(question: Question, number: int) -> Question:
    """The same question with another beginning, so that nothing that is kept of it can be used again."""
    return replace(question, stem=f"Item {number}. {question.stem}")


class Supply:
    """Hands out prompts, each once."""

    def __init__(self, sources: Sources, encoder: Encoder) -> None:
        self._encoder = encoder
        # The texts come round again after all have been used (only where our own bank stands in), under another number.
        self._texts: Iterator[tuple[int, tuple[str, str]]] = enumerate(itertools.cycle(sources.texts), start=1)
        self._questions = enumerate(itertools.cycle(sources.exam), start=0)
        self._size = len(sources.exam)

    def chat(self, tokens: int) -> Rendered:
        """A question with notes, of ``tokens`` tokens or up to eight fewer, that asks for a long answer."""
        return self._of_size(lambda title, text: self._encoder.turns([("user", f"{title}\n\nNotes: {text}\n\n{ASK}")]), tokens)

    def long(self, tokens: int) -> Rendered:
        """The same with as many passages as it takes."""
        number, (title, _) = next(self._texts)
        text = ""
        while True:
            text += " ".join(next(self._texts)[1])

            def make(part: str, opening: str = f"{number}. {title}") -> Rendered:
                return self._encoder.turns([("user", f"{opening}\n\nNotes: {part}\n\n{ASK}")])

            fitted = self._encoder.fitted(make, text, tokens)
            if fitted is not None:
                return fitted

    def tiny(self) -> Rendered:
        number, _ = next(self._texts)
        return self._encoder.turns([("user", f"{number} and {number + 7}?")])

    def sentence(self, words: int) -> str:
        """The first words of a passage, for a turn of a conversation."""
        while True:
            number, (_, text) = next(self._texts)
            if len(text.split()) >= words:
                return f"{number}: " + " ".join(text.split()[:words])

    def questions(self, count: int) -> list[Question]:
        found = []
        for _ in range(count):
            place, question = next(self._questions)
            found.append(numbered(question, place + 1) if place >= self._size else question)
        return found

    def _of_size(self, make: Callable[[str, str], Rendered], tokens: int) -> Rendered:
        while True:
            number, (title, text) = next(self._texts)
            fitted = self._encoder.fitted(lambda part, opening=f"{number}. {title}": make(opening, part), text, tokens)
            if fitted is not None:
                return fitted
