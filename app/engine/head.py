"""Where a model's labels are read, and what its file says was measured of them (DESIGN.md, ECI).

What `finetune` and `quantize` write into a GGUF is read back here, and nowhere else: the names of the keys live here.
"""

from __future__ import annotations

from typing import Protocol

from app.calibration import EciRecord
from app.engine.base import EciHead
from app.prompts import ChatFormat, label_tokens, prompt_digest
from app.records import ANSWER_WORDS, OPTION_LETTERS

RECORD_KEY = "llamacare.eci.record"  # EciRecord.to_json
VERSION_KEY = "llamacare.eci.version"  # the record's, for readers of the file


class Labelled(Protocol):
    """What is asked of a loaded model here; `app.engine.llama.Model` is one."""

    label_tokens: dict[str, int]

    @property
    def bos(self) -> str: ...
    @property
    def eos(self) -> str: ...
    def metadata(self, key: str) -> str: ...
    def chat_template(self) -> str: ...
    def tokenize(self, text: str, *, control: bool) -> list[int]: ...


def read_head(model: Labelled) -> tuple[EciHead | None, str]:
    """The trained head where the file's record fits the file, else the untrained one with a sentence that says why.

    A record that does not fit is no error: such a model reads its plain letters as any other does.
    """
    text = model.metadata(RECORD_KEY)
    if not text:
        # Label tokens without a record: trained without held-out rows, so nothing is known of them but where they are.
        return (EciHead(model.label_tokens, trained=True), "") if model.label_tokens else (untrained_head(model), "")
    try:
        record = EciRecord.from_json(text)
        _check(record, model)
    except ValueError as error:
        return untrained_head(model), f"The file's trained labels are not used ({error}). Export it anew with python -m quantize."
    return EciHead(dict(zip(record.labels, record.token_ids, strict=True)), trained=True, record=record), ""


def untrained_head(model: Labelled) -> EciHead | None:
    """Label -> the one token that it is after ``Answer:``, or None where a letter has none.

    A model may read letters alone: the words count only where each of them is one token.
    """
    letters = label_tokens(lambda text: model.tokenize(text, control=False), OPTION_LETTERS)
    if letters is None:
        return None
    return EciHead(letters | (label_tokens(lambda text: model.tokenize(text, control=False), ANSWER_WORDS) or {}))


def _check(record: EciRecord, model: Labelled) -> None:
    """Raises ValueError where the record speaks of other tokens or another prompt than this file and application have."""
    said = dict(zip(record.labels, record.token_ids, strict=True))
    for label, token in said.items():
        if model.label_tokens.get(label) != token:
            there = model.label_tokens.get(label, "none")
            raise ValueError(f"its record reads label {label} at token {token}, where the vocabulary has {there}")
    asked = prompt_digest(ChatFormat(model.chat_template(), model.bos, model.eos))
    if record.prompt_digest != asked:
        raise ValueError(f"they were measured with the prompt {record.prompt_digest}, and this application asks with {asked}")
