"""What a model computes, read in the two runtimes that are compared: a GGUF in llama.cpp, a folder in torch.

Labels of a GGUF are read through the application's own engine, so what is checked is what users run. A folder is read by
`finetune.probe`, the code that trained it, as a process of its own: the two packages speak through files.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from app.engine.base import Engine, LabelRequest
from app.engine.local import LocalEngine, LocalModel
from app.engine.ready import await_ready
from app.engine.wire import pack
from app.errors import NoLabels
from app.probes import MOST_TEXT_TOKENS, Probe, checked_prompts, label_row
from app.prompts import ChatFormat, Style, prompt_digest, question_prompt
from app.records import LABELS, Question, Segment
from quantize.child import call, run_module

CHUNK = 32  # questions a call of the engine
CONTEXT = 8192  # tokens, for all that is read at once
Tell = Callable[[int, int], None]


def probe_gguf(
    path: Path, questions: Sequence[Question], texts: Sequence[str], style: Style, *, tell: Tell = lambda *_: None
) -> Probe:
    """Raises EngineError where the file does not load or reads no labels."""
    with opened(path) as engine:
        info = engine.info()
        if info.eci is None:
            raise NoLabels(f"{path.name} has no token of its own for each label, so nothing can be compared.")
        form = ChatFormat(info.chat_template, info.bos, info.eos)
        begun = time.monotonic()
        rows = []
        for first in range(0, len(questions), CHUNK):
            chunk = questions[first : first + CHUNK]
            requests = [LabelRequest(question_prompt(form, one, style=style), tuple(one.options)) for one in chunk]
            rows += [label_row(one, scores) for one, scores in zip(chunk, engine.label_scores(requests), strict=True)]
            tell(len(rows), len(questions))
        seconds = time.monotonic() - begun
    prompts = [*checked_prompts(form), *((Segment(text),) for text in texts)]
    with tempfile.TemporaryDirectory() as folder:
        asked, found = Path(folder, "prompts.json"), Path(folder, "found.npz")
        asked.write_text(json.dumps([pack(prompt) for prompt in prompts]), encoding="utf-8")
        request = {"work": "read", "path": str(path.absolute()), "prompts": str(asked), "texts": len(texts), "target": str(found)}
        call(request | {"longest": MOST_TEXT_TOKENS}, what=f"reading texts with {path.name}")
        with np.load(found) as arrays:
            ids = tuple(arrays[name] for name in sorted(arrays.files) if name.startswith("ids_"))
            logits = tuple(arrays[name] for name in sorted(arrays.files) if name.startswith("logits_"))
    return Probe(
        np.array(rows, np.float32).reshape(len(rows), len(LABELS)),
        ids,
        logits,
        form.template,
        prompt_digest(form, style),
        seconds,
    )


def probe_folder(folder: Path, questions: Path, texts: Path, style: Style, out: Path) -> Probe:
    """The model of a folder in torch, in float32 or as it was trained; its progress goes to stderr.

    Raises:
        BadInput: it cannot be read; the reason stands on stderr.
    """
    asked = [str(folder.absolute()), "--questions", str(questions.absolute()), "--texts", str(texts.absolute())]
    run_module("finetune.probe", [*asked, "--style", style, "--out", str(out.absolute())], what=f"reading {folder.name} in torch")
    return Probe.load(out)


@contextmanager
def opened(path: Path) -> Iterator[Engine]:
    """The application's engine on a file, ready.

    Raises:
        EngineError: the file does not load.
    """
    engine = LocalEngine(LocalModel(path=path, name=path.stem, context=CONTEXT))
    try:
        await_ready(engine, path.name)
        yield engine
    finally:
        engine.close()
