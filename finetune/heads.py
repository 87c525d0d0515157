"""Where the class is read, and the loss that trains it together with the text.

``rows`` is ECI as DESIGN.md has it: appended label tokens, read as ordinary logits at ``Answer:``. ``letters`` reads the plain
tokens of the labels there. ``hidden`` is a float32 layer on the hidden state there. ``paper`` is the published ECI: one layer
over the flattened hidden states of all positions, a LeakyReLU on its logits, trained on texts that contain the answer while
inference sees the prompt alone (LlamaCare, arXiv 2406.02350, and its code); ``paper_repaired`` sees the prompt in training too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from app.records import LABELS
from finetune.encode import Encoded

PAPER = ("paper", "paper_repaired")


@dataclass(frozen=True)
class Sums:
    """Of one micro-batch: summed losses with their gradients, and the counts that make them means."""

    text: torch.Tensor
    tokens: int
    cls: torch.Tensor
    labelled: int
    correct: int


@dataclass(frozen=True)
class Batch:
    """Rows as tensors, padded on the LEFT, so that answers lie together at the end. Shapes (rows, tokens) unless said."""

    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor
    learnt: torch.Tensor
    read: torch.Tensor  # (rows,), counted from the row's end: 1 is its last token; 0 where no class is read
    lengths: torch.Tensor  # (rows,)
    prompts: torch.Tensor  # (rows,), tokens of the prompt
    labels: torch.Tensor  # (rows, LABELS), whether the question has the label
    truth: torch.Tensor  # (rows,), an index into LABELS, -1 without a class

    @classmethod
    def of(cls, rows: Sequence[Encoded], device: torch.device) -> Batch:
        width = max(len(row.ids) for row in rows)
        ids, learnt = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.bool)
        mask, labels = torch.zeros_like(ids), torch.zeros(len(rows), len(LABELS), dtype=torch.bool)
        for place, row in enumerate(rows):
            first = width - len(row.ids)
            ids[place, first:] = torch.tensor(row.ids)
            learnt[place, first:] = torch.tensor(row.learnt)
            mask[place, first:] = 1
            labels[place, [LABELS.index(label) for label in row.labels]] = True
        truth = [LABELS.index(row.labels[row.truth]) if row.truth >= 0 else -1 for row in rows]
        read = [len(row.ids) - row.read if row.read >= 0 else 0 for row in rows]
        whole = (ids, mask, (mask.cumsum(1) - 1).clamp(min=0), learnt)
        counts = (torch.tensor(read), torch.tensor([len(row.ids) for row in rows]), torch.tensor([row.prompt for row in rows]))
        return cls(*(t.to(device) for t in (*whole, *counts, labels, torch.tensor(truth))))


class Classifier(nn.Module):
    """A model with its read-out. ``ids``: label -> token, for the kinds that read tokens."""

    ids: torch.Tensor

    def __init__(self, model: Any, kind: str, ids: Mapping[str, int], *, weight: float, max_tokens: int) -> None:
        super().__init__()
        self.model = model
        self.kind = kind
        self.weight = weight
        self.max_tokens = max_tokens
        device = next(model.parameters()).device
        self.readable = frozenset(ids or LABELS)
        places = [ids.get(label, 0) for label in LABELS] if ids else []
        self.register_buffer("ids", torch.tensor(places, dtype=torch.long, device=device), persistent=False)
        width = model.config.get_text_config().hidden_size
        self.layer: nn.Linear | None = None
        if kind == "hidden":
            self.layer = nn.Linear(width, len(LABELS), device=device, dtype=torch.float32)
        elif kind in PAPER:
            self.layer = nn.Linear(width * max_tokens, len(LABELS), device=device, dtype=torch.float32)

    @torch.no_grad()
    def start_from_labels(self, own: Mapping[str, int]) -> None:
        """The float32 layer on the hidden state begins as the labels' own output rows."""
        assert self.layer is not None
        rows = self.model.get_output_embeddings().weight[[own[label] for label in LABELS]]
        self.layer.weight.copy_(rows.float())
        self.layer.bias.zero_()

    def forward(self, batch: Batch) -> Sums:
        """One pass for both losses; neither is divided by its count, so micro-batches add up to the step's exact mean."""
        learnt = batch.learnt.clone()
        if self.kind == "paper":
            learnt |= batch.mask.bool()  # the published code learns the prompt's tokens too
        learnt[:, 0] = False  # nothing predicts the first
        width = batch.ids.shape[1]
        first = int(learnt.any(0).int().argmax()) if bool(learnt.any()) else width - 1
        # Logits of the last tokens are all that is needed: from the one before the first learnt, or from where a class is read.
        kept = min(max(width - first + 1, int(batch.read.max())), width)
        logits, hidden = self._run(batch, kept)
        targets, wanted = batch.ids[:, width - kept + 1 :], learnt[:, width - kept + 1 :]
        predicted = logits[:, :-1][wanted]
        text = functional.cross_entropy(predicted.float(), targets[wanted], reduction="sum")
        zero = text.new_zeros(())
        labelled = batch.truth >= 0
        if self.kind == "none" or not bool(labelled.any()):
            return Sums(text, int(wanted.sum()), zero, 0, 0)
        shown = batch.lengths if self.kind == "paper" else batch.prompts
        scores = self._scores(logits, hidden, batch, shown)[labelled]
        truth = batch.truth[labelled]
        cls = functional.cross_entropy(scores, truth, reduction="sum")
        return Sums(text, int(wanted.sum()), cls, int(labelled.sum()), int((scores.argmax(-1) == truth).sum()))

    def loss(self, sums: Sums, tokens: int, labelled: int) -> torch.Tensor:
        """The micro-batch's share of the step's loss, ``tokens`` and ``labelled`` being the whole step's counts."""
        text, cls = sums.text / max(tokens, 1), sums.cls / max(labelled, 1)
        if self.kind in PAPER:
            return text + cls  # the published joint loss adds the two
        return (1 - self.weight) * text + self.weight * cls

    @torch.no_grad()
    def scores(self, batch: Batch, *, cache: Any = None, before: int = 0) -> torch.Tensor:
        """Label scores of prompts that end in ``Answer:``, shape (rows, LABELS), -inf for labels that a question lacks.

        ``cache`` holds what was computed of the ``before`` tokens that stand in front of every row.
        """
        logits, hidden = self._run(batch, 1, cache=cache, before=before)
        return self._scores(logits, hidden, batch, batch.lengths)

    def _run(self, batch: Batch, kept: int, *, cache: Any = None, before: int = 0) -> tuple[torch.Tensor, torch.Tensor | None]:
        out = self.model(
            input_ids=batch.ids,
            attention_mask=functional.pad(batch.mask, (before, 0), value=1),
            position_ids=batch.positions + before,
            logits_to_keep=kept,
            past_key_values=cache,
            use_cache=cache is not None,
            output_hidden_states=self.layer is not None,
        )
        return out.logits, out.hidden_states[-1] if self.layer is not None else None

    def _scores(self, logits: torch.Tensor, hidden: torch.Tensor | None, batch: Batch, shown: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(len(batch.ids), device=batch.ids.device)
        back = batch.read.clamp(min=1)
        if self.kind in PAPER:
            assert hidden is not None and self.layer is not None
            scores = functional.leaky_relu(self.layer(self._flat(hidden, batch, shown)))
        elif self.kind == "hidden":
            assert hidden is not None and self.layer is not None
            scores = self.layer(hidden[rows, hidden.shape[1] - back].float())
        else:
            scores = logits[rows, logits.shape[1] - back][:, self.ids].float()
        return scores.masked_fill(~batch.labels, -torch.inf)

    def _flat(self, hidden: torch.Tensor, batch: Batch, shown: torch.Tensor) -> torch.Tensor:
        """All positions' states end to end, from the row's first token on, zero where nothing is shown."""
        width = hidden.shape[1]
        places = torch.arange(self.max_tokens, device=hidden.device)[None, :]
        start = (width - batch.lengths)[:, None]
        index = (start + places).clamp(max=width - 1)
        states = hidden.gather(1, index[:, :, None].expand(-1, -1, hidden.shape[2])).float()
        return (states * (places < shown[:, None])[:, :, None]).flatten(1)
