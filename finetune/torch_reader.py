"""A Hugging Face model or a trained adapter as `finetune.evaluate` reads one: label scores and written answers, in torch.

Prompts that stand next to each other and begin alike, as the orders of one question do, share what was computed of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from transformers import DynamicCache

from app.bases import base_digest
from app.calibration import EciRecord
from app.engine.base import LabelRequest
from app.errors import BadInput
from app.files import digest_of
from app.prompts import ChatFormat, label_token
from app.records import ANSWER_WORDS, LABELS, OPTION_LETTERS, Prompt
from finetune.base import Base, add_labels, load_adapter, open_base, read_run
from finetune.config import read_config
from finetune.encode import Encoded, Encoder
from finetune.heads import PAPER, Batch, Classifier

HEAD_FILE = "head.safetensors"
ADAPTER_FILE = "adapter_model.safetensors"
MICRO_TOKENS = 4096
SHARED_LEAST = 32  # tokens that prompts must have in common to be worth a pass of their own
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Group:
    """Prompts with a common beginning of ``shared`` tokens; ``places`` are theirs among the requests."""

    places: tuple[int, ...]
    shared: int


class TorchReader:
    """A model in memory. ``classifiers``: head -> the read-out, all on the same weights."""

    def __init__(
        self,
        *,
        name: str,
        digest: str,
        encoder: Encoder,
        classifiers: dict[str, Classifier],
        kinds: str,
        record: EciRecord | None,
    ) -> None:
        self.name = name
        self.digest = digest
        self.form: ChatFormat = encoder.form
        self.record = record
        self.head_kind = kinds
        self._encoder = encoder
        self._classifiers = classifiers

    def labels(self, head: str) -> frozenset[str]:
        """What a head can read; nothing where the model does not have it."""
        return self._classifiers[head].readable if head in self._classifiers else frozenset()

    @torch.no_grad()
    def scores(self, requests: Sequence[LabelRequest], head: str) -> list[FloatArray]:
        classifier = self._classifiers[head]
        classifier.eval()
        prompts = [self._encoder.ids(request.prompt) for request in requests]
        found: dict[int, torch.Tensor] = {}
        singles: list[int] = []
        for group in _groups(prompts):
            if len(group.places) == 1 or classifier.kind in PAPER:  # the published head needs every position's state
                singles += group.places
            else:
                found.update(zip(group.places, self._shared(classifier, prompts, requests, group), strict=True))
        for places in _micro(singles, prompts):
            rows = [_row(prompts[place], requests[place]) for place in places]
            found.update(zip(places, classifier.scores(Batch.of(rows, self._device)), strict=True))
        return [_asked(found[place], request) for place, request in enumerate(requests)]

    def _shared(
        self, classifier: Classifier, prompts: list[list[int]], requests: Sequence[LabelRequest], group: _Group
    ) -> torch.Tensor:
        first = torch.tensor([prompts[group.places[0]][: group.shared]], device=self._device)
        cache = DynamicCache(config=classifier.model.config)
        classifier.model(input_ids=first, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(group.places))
        rests = [_row(prompts[place][group.shared :], requests[place]) for place in group.places]
        return classifier.scores(Batch.of(rests, self._device), cache=cache, before=group.shared)

    @torch.no_grad()
    def write(self, prompts: Sequence[Prompt], max_tokens: int) -> list[str]:
        """Greedy text, without the tokens of the labels, which are no text."""
        model, tokenizer = next(iter(self._classifiers.values())).model.eval(), self._encoder.tokenizer
        ids = [self._encoder.ids(prompt) for prompt in prompts]
        texts: dict[int, str] = {}
        for places in _micro(range(len(ids)), ids):
            batch = Batch.of([Encoded("", tuple(ids[p]), (False,) * len(ids[p]), len(ids[p])) for p in places], self._device)
            out = model.generate(
                input_ids=batch.ids,
                attention_mask=batch.mask,
                max_new_tokens=max_tokens,
                do_sample=False,
                pad_token_id=tokenizer.eos_token_id,
                suppress_tokens=self._silent or None,
            )
            for place, row in zip(places, out[:, batch.ids.shape[1] :], strict=True):
                texts[place] = tokenizer.decode(row, skip_special_tokens=True)
        return [texts[place] for place in range(len(prompts))]

    def ids(self, prompt: Prompt) -> list[int]:
        """The token ids that the model is given for a prompt."""
        return self._encoder.ids(prompt)

    @torch.no_grad()
    def logits(self, ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """What is computed after each token, shape (tokens, vocabulary)."""
        model = next(iter(self._classifiers.values())).model.eval()
        return np.asarray(model(input_ids=torch.tensor([list(ids)], device=self._device)).logits[0].float().cpu().numpy())

    def close(self) -> None:
        self._classifiers.clear()

    @property
    def _device(self) -> torch.device:
        return next(next(iter(self._classifiers.values())).parameters()).device

    @property
    def _silent(self) -> list[int]:
        trained = self._classifiers.get("eci")
        return trained.ids.tolist() if trained is not None and trained.kind == "rows" else []


def in_memory(base: Base, classifier: Classifier, *, name: str, digest: str, record: EciRecord | None = None) -> TorchReader:
    """The reader of a model that is open: its trained head, and the plain tokens of its labels."""
    encoder = Encoder(base.tokenizer, max_tokens=2**30)
    classifiers: dict[str, Classifier] = {}
    if classifier.kind != "none":
        classifiers["paper" if classifier.kind in PAPER else "eci"] = classifier
    own = _plain(encoder)
    if own:
        classifiers["letters"] = Classifier(classifier.model, "letters", own, weight=0.0, max_tokens=1)
    if not classifiers:
        raise BadInput(f"{name} has no token of its own for each letter, so no label can be read. Choose another model.")
    return TorchReader(name=name, digest=digest, encoder=encoder, classifiers=classifiers, kinds=classifier.kind, record=record)


def _plain(encoder: Encoder) -> dict[str, int]:
    letters = encoder.label_ids(OPTION_LETTERS)
    return letters | (encoder.label_ids(ANSWER_WORDS) or {}) if letters else {}


def open_torch_reader(path: Path) -> TorchReader:
    """A folder that ``save_pretrained`` or `quantize.merge` wrote, or one that `finetune.train` wrote.

    Raises:
        BadInput: it is neither, or its base is another than the one that was trained.
    """
    if not (path / "adapter_config.json").is_file():
        base = open_base(str(path))
        appended = _appended(base)
        head = Classifier(base.model, "rows" if appended else "none", appended, weight=0.0, max_tokens=1)
        return in_memory(base, head, name=path.name, digest=base.digest, record=_read_record(path))
    base, classifier, record = open_trained(path)
    return in_memory(base, classifier, name=path.name, digest=digest_of(path / ADAPTER_FILE), record=record)


def open_trained(path: Path) -> tuple[Base, Classifier, EciRecord | None]:
    """Base plus adapter plus head, as trained.

    Raises:
        BadInput: the folder is not complete, or its base is another than the one that was trained.
    """
    run = read_run(path)
    config = read_config(run["config"])
    digest = base_digest(config.base, config.revision)
    if digest != run["base"]["digest"]:
        raise BadInput(
            f"{path} was trained on {config.base} with digest {run['base']['digest'][:12]}, and what is there now has "
            f"{digest[:12]}. Restore that base: the adapter fits no other."
        )
    base = open_base(config.base, revision=config.revision, quantise=config.quantise, dtype=config.dtype)
    ids: dict[str, int] = {}
    if config.head.kind == "rows":
        ids = add_labels(base, init=config.head.init, seed=config.training.seed)
    elif config.head.kind == "letters":
        ids = _plain(Encoder(base.tokenizer, max_tokens=2**30))
    model = load_adapter(base, path)
    classifier = Classifier(model, config.head.kind, ids, weight=config.head.weight, max_tokens=config.data.max_tokens)
    if classifier.layer is not None:
        classifier.layer.load_state_dict(load_file(path / HEAD_FILE, device=str(base.device)))
    return base, classifier, _read_record(path)


def _appended(base: Base) -> dict[str, int]:
    """The label tokens of a merged model, none of any other."""
    known = base.tokenizer.get_vocab()
    return {label: known[label_token(label)] for label in LABELS if label_token(label) in known}


def _read_record(folder: Path) -> EciRecord | None:
    path = folder / "eci.json"
    if not path.is_file():
        return None
    try:
        return EciRecord.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} cannot be used ({error}). Run the training's last stage again.") from error


def _row(ids: Sequence[int], request: LabelRequest) -> Encoded:
    return Encoded("", tuple(ids), (False,) * len(ids), len(ids), read=len(ids) - 1, labels=request.labels)


def _asked(scores: torch.Tensor, request: LabelRequest) -> FloatArray:
    return scores[[LABELS.index(label) for label in request.labels]].double().cpu().numpy()


def _groups(prompts: Sequence[Sequence[int]]) -> Iterator[_Group]:
    """Neighbours that share at least half of the first one's tokens."""
    places: list[int] = []
    shared = 0
    for place, prompt in enumerate(prompts):
        if places:
            common = min(_common(prompts[places[0]], prompt), shared, len(prompt) - 1)
            if common >= max(SHARED_LEAST, len(prompts[places[0]]) // 2):
                places.append(place)
                shared = common
                continue
            yield _Group(tuple(places), shared)
        places, shared = [place], len(prompt) - 1  # each keeps a token of its own, whose logits are read
    if places:
        yield _Group(tuple(places), shared)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _micro(places: Sequence[int], prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    batch: list[int] = []
    for place in sorted(places, key=lambda place: (-len(prompts[place]), place)):
        if batch and len(prompts[batch[0]]) * (len(batch) + 1) > MICRO_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
