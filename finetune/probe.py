"""What a model in torch computes for given questions and texts: python -m finetune.probe MODEL --questions FILE --out PROBE.npz

MODEL is a folder that `finetune.train` or `save_pretrained` wrote. `quantize.verify` asks for it, to hold a GGUF against the
model as it was trained, run by the code that trained it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from app.engine.base import LabelRequest
from app.errors import BadInput, LlamaCareError
from app.probes import MOST_TEXT_TOKENS, FloatArray, Probe, checked_prompts, label_row
from app.prompts import Style, prompt_digest, question_prompt
from app.questions import read_questions
from app.records import Question, Segment
from finetune.environment import INTERRUPTED, load_torch

CHUNK = 32  # questions between two steps of the bar


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.probe", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path, help="the folder of a model or of an adapter")
    parser.add_argument("--questions", type=Path, required=True, help="questions in any layout")
    parser.add_argument("--texts", type=Path, help="a file with a text a line, for the next tokens' probabilities")
    parser.add_argument("--style", choices=list(Style), default=Style.LABEL, help="how questions ask")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    options = parser.parse_args(arguments)
    try:
        questions = read_all(options.questions)
        texts = options.texts.read_text(encoding="utf-8").splitlines() if options.texts else []
        load_torch(os.environ)
        probe(options.model, questions, texts, Style(options.style)).save(options.out)
    except LlamaCareError as error:
        print(error.sentence, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or options.out} cannot be read or written ({error.strerror}).", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def read_all(path: Path) -> list[Question]:
    """Raises BadInput where a row cannot be used."""
    rows, refusals = read_questions(path)
    if refusals:
        raise BadInput(str(refusals[0]))
    return [question for _, question in rows]


def probe(model: Path, questions: Sequence[Question], texts: Sequence[str], style: Style) -> Probe:
    """Raises BadInput where the model cannot be opened or reads no labels."""
    from finetune.torch_reader import open_torch_reader  # noqa: PLC0415  # torch is loaded by then

    reader = open_torch_reader(model)
    head = "eci" if reader.labels("eci") else "letters"
    rows: list[FloatArray] = []
    begun = time.monotonic()
    with tqdm(total=len(questions), desc=f"{model.name}, float32", unit="question", file=sys.stderr) as bar:
        for first in range(0, len(questions), CHUNK):
            chunk = questions[first : first + CHUNK]
            requests = [LabelRequest(question_prompt(reader.form, one, style=style), tuple(one.options)) for one in chunk]
            rows += [label_row(one, scores) for one, scores in zip(chunk, reader.scores(requests, head), strict=True)]
            bar.update(len(chunk))
    seconds = time.monotonic() - begun
    prompts = [*checked_prompts(reader.form), *((Segment(text),) for text in texts)]
    ids = [reader.ids(prompt) for prompt in prompts]
    logits = [reader.logits(row[:MOST_TEXT_TOKENS]) for row in ids[len(ids) - len(texts) :]]
    return Probe(
        scores=np.array(rows),
        ids=tuple(np.array(row, np.int32) for row in ids),
        logits=tuple(logits),
        template=reader.form.template,
        prompt=prompt_digest(reader.form, style),
        seconds=seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
