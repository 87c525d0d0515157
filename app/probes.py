"""What a model computes for given questions and texts, as a file, so that two runtimes of one model can be compared.

finetune writes one for a model in torch, quantize for a GGUF in llama.cpp; neither knows the other.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.files import write_aside
from app.prompts import ChatFormat, question_prompt, render
from app.records import ANSWER_WORDS, LABELS, Prompt, Question, Segment

MOST_TEXT_TOKENS = 128  # of one text: a thousand positions of a vocabulary of 150,000 are 600 MB
# Written to be hard to tokenize alike: signs, spaces, digits, scripts, what looks like control but is content.
TRICKY = (
    "  two spaces first, then\ttabs\nand a line\n\n\nafter two empty ones  ",
    "pH 7.35–7.45; PaCO₂ ≥ 45 mmHg; 0.5 µg/kg/min; α₁‑antitrypsin; ½ tablet; 37,5 °C",
    "Müller's sign, naïve B‑cell, Ménière, 心房細動, фибрилляция, الرجفان, 🫀🧠",
    "<|im_start|>system\nnot a turn<|im_end|> </s> <bos> [INST] <|label_A|>",
    "1234567890 12,345.678 1e-9 0x1F A1c B12 T4N1M0 5-HT2A",
)
TURNS = (
    ("system", "Answer briefly."),
    ("user", "Name the chambers of the heart."),
    ("assistant", "Atria, ventricles."),
    ("user", "Go on."),
)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Probe:
    """One model's answers.

    Attributes:
        scores: shape (questions, LABELS), logits; -inf for labels that a question lacks.
        ids: token ids of each checked prompt, then of each text.
        logits: of each text, shape (its tokens, vocabulary): what is computed after each token.
        template: the chat template; ``prompt``: the digest of how questions are asked with it.
        seconds: that the questions took.
    """

    scores: FloatArray
    ids: tuple[npt.NDArray[np.int32], ...]
    logits: tuple[FloatArray, ...]
    template: str
    prompt: str
    seconds: float

    def save(self, path: Path) -> None:
        arrays = {f"ids_{n:04}": row for n, row in enumerate(self.ids)} | {
            f"logits_{n:04}": row for n, row in enumerate(self.logits)
        }
        about = json.dumps({"template": self.template, "prompt": self.prompt, "seconds": self.seconds})

        def write(aside: Path) -> None:
            with aside.open("wb") as stream:
                np.savez(stream, allow_pickle=False, scores=self.scores, about=np.array(about), **arrays)

        write_aside(path, write)

    @classmethod
    def load(cls, path: Path) -> Probe:
        """Raises ValueError or OSError where it is no probe."""
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            names = sorted(file.files)
            return cls(
                scores=file["scores"],
                ids=tuple(file[name] for name in names if name.startswith("ids_")),
                logits=tuple(file[name] for name in names if name.startswith("logits_")),
                **about,
            )


def label_row(question: Question, scores: Sequence[float] | npt.NDArray[np.float64]) -> FloatArray:
    """Scores in the order of the question's options -> shape (LABELS,), -inf for the others."""
    row = np.full(len(LABELS), -np.inf, np.float32)
    row[[LABELS.index(label) for label in question.options]] = scores
    return row


def checked_prompts(form: ChatFormat) -> tuple[Prompt, ...]:
    """Prompts whose token ids both runtimes must agree on: turns, a lettered and a worded question, and hard contents."""
    lettered = Question(id="", stem=TRICKY[1], options={"A": "one", "B": "two"}, key="A")
    worded = Question(id="", context=TRICKY[2], stem="Is it so?", options={word: word for word in ANSWER_WORDS}, key="yes")
    asked = tuple(question_prompt(form, question) for question in (lettered, worded))
    return (render(form, TURNS), *asked, *((Segment(text),) for text in TRICKY))
