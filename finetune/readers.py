"""A loaded model under test, behind one Protocol: a GGUF through the application's own engine, or a folder through torch.

What is measured is what users run, so a GGUF is read by the engine that serves it. Knows no question and no figure.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from app.bases import EMBEDDED
from app.calibration import EciRecord
from app.eci import FloatArray
from app.engine.base import Engine, LabelRequest, Piece, Sampling
from app.engine.embedded import embedded_file
from app.engine.local import LocalEngine, LocalModel
from app.engine.ready import await_ready
from app.errors import BadInput, NoLabels
from app.files import digest_of
from app.prompts import ChatFormat, stop_texts
from app.readings import form_of
from app.records import Prompt
from finetune.environment import load_torch

CONTEXT = 16384  # tokens, shared by all that is read at once: five examples with a text each and a question are some 4000
WRITERS = 8  # answers written at once; as many as the engine decodes in one batch
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class Reader(Protocol):
    """One loaded model under test.

    Attributes:
        name: for tables. digest: SHA-256 of what was measured.
        head_kind: how the trained head reads, "none" where there is none.
        record: the calibrations and thresholds of a trained model.

    A head is "eci" (the trained one, where there is one), "letters" (the labels' plain tokens) or "paper" (the published
    layer, or it repaired).
    """

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def head_kind(self) -> str: ...

    @property
    def form(self) -> ChatFormat: ...

    @property
    def record(self) -> EciRecord | None: ...

    def labels(self, head: str) -> frozenset[str]:
        """What the head can read; empty where the model has no such head."""

    def scores(self, requests: Sequence[LabelRequest], head: str) -> list[FloatArray]:
        """One array of logits a request, shape (its labels,)."""

    def write(self, prompts: Sequence[Prompt], max_tokens: int) -> list[str]:
        """The most likely text after each prompt, token by token."""

    def close(self) -> None:
        """Frees the model."""


class EngineReader:
    """A GGUF in the application's engine. It has one head: "eci" and "letters" are the same where it was not trained."""

    def __init__(self, engine: Engine, *, digest: str) -> None:
        self._engine = engine
        self._info = engine.info()
        self.name = self._info.name
        self.digest = digest
        self.head_kind = "rows" if self._info.eci is not None and self._info.eci.trained else "none"
        self.form = form_of(self._info)
        self.record: EciRecord | None = None if self._info.eci is None else self._info.eci.record

    def labels(self, head: str) -> frozenset[str]:
        eci = self._info.eci
        if eci is None or head not in ("eci", "letters") or (head == "letters" and eci.trained):
            return frozenset()
        return frozenset(eci.token_ids)

    def scores(self, requests: Sequence[LabelRequest], head: str) -> list[FloatArray]:
        if not self.labels(head):
            raise NoLabels(f"{self.name} has no labels to read for --method {head}. Choose --method generate or another model.")
        return self._engine.label_scores(requests)

    def write(self, prompts: Sequence[Prompt], max_tokens: int) -> list[str]:
        sampling = Sampling(max_tokens=max_tokens, temperature=0, repeat_penalty=1.0, stop=stop_texts(self.form))

        def one(prompt: Prompt) -> str:
            return "".join(event.text for event in self._engine.stream(prompt, sampling) if isinstance(event, Piece))

        with ThreadPoolExecutor(WRITERS) as pool:
            return list(pool.map(one, prompts))

    def close(self) -> None:
        self._engine.close()


def open_reader(path: Path) -> Reader:
    """The model that stands at a path: a GGUF file (``embedded`` is the application's own), a Hugging Face folder, or the folder
    of an adapter trained here.

    Raises:
        BadInput: nothing is there, or nothing that can be read.
        EngineError: the model does not load.
    """
    if str(path) == EMBEDDED and not path.exists():
        path = embedded_file()
    if path.is_dir():
        _check_folder(path)
        # torch takes seconds to load and is not needed to measure a GGUF.
        load_torch(os.environ)
        from finetune.torch_reader import open_torch_reader  # noqa: PLC0415

        return open_torch_reader(path)
    if not path.exists():
        raise BadInput(f"The model {str(path)!r} does not exist; expected a .gguf file, or a folder of a model or an adapter.")
    return _open_gguf(path)


def _open_gguf(path: Path) -> EngineReader:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise BadInput(f"The model {str(path)!r} cannot be read ({error.strerror}). Check its permissions.") from error
    if magic != b"GGUF":
        raise BadInput(
            f"The model {path.name!r} begins with {magic!r} and is no GGUF file. Give a .gguf file, or the folder of a model."
        )
    engine = LocalEngine(LocalModel(path=path, name=path.stem, context=CONTEXT), max_waiting=2 * WRITERS)
    try:
        digest = digest_of(path)
        await_ready(engine, path.name)
        return EngineReader(engine, digest=digest)
    except BaseException:
        engine.close()
        raise


def _check_folder(path: Path) -> None:
    names = [file.name for file in path.iterdir()]
    adapter = "adapter_config.json" in names
    if not adapter and "config.json" not in names:
        raise BadInput(
            f"The folder {str(path)!r} holds neither config.json (a model) nor adapter_config.json (an adapter). "
            "Give the folder of a model, the output of finetune.train, or a .gguf file."
        )
    if adapter and "run.json" not in names:
        raise BadInput(
            f"The adapter in {str(path)!r} has no run.json, which names its base and labels. "
            "Give the folder as finetune.train wrote it."
        )
    # An adapter folder may hold weights of our own heads alone; its reader checks them.
    if not adapter and not any(name.endswith(".safetensors") for name in names):
        pickle = next((name for name in names if name.endswith(PICKLES)), None)
        cause = f"its weights are a pickle ({pickle}), which can run any code" if pickle else "no *.safetensors is there"
        raise BadInput(f"The folder {str(path)!r} cannot be read: {cause}. Save the model as safetensors and give that folder.")
