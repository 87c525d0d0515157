"""The training loop: steps, their guards, checkpoints. Data-parallel under ``accelerate launch``.

A step is a function of its number and of the weights, so a run that was killed and goes on from its checkpoint ends with the
same weights as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import nn

from app.errors import LlamaCareError
from app.files import write_aside
from finetune.base import optimiser_for, trainable
from finetune.batches import Plan, micro_batches
from finetune.config import Config, Training
from finetune.encode import Encoded
from finetune.heads import PAPER, Batch, Classifier

STUCK_STEPS = 3  # steps with a loss of exactly 0.0: one can be a row whose answer is certain


class TrainingStopped(LlamaCareError):
    """Training cannot give a usable model; nothing is exported. The sentence names step, cause and cure."""


@dataclass(frozen=True)
class Step:
    """What one step came to. Losses are means over the step's tokens and labelled rows; ``seconds`` of this step."""

    step: int
    loss: float
    text_loss: float
    class_loss: float
    label_accuracy: float | None
    tokens: int
    labelled: int
    rate: float
    gradient: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def counts(rows: Sequence[Encoded], kind: str) -> tuple[int, int]:
    """How many tokens and classes a step learns: what its losses are divided by."""
    tokens = sum(len(row.ids) - 1 if kind == "paper" else sum(row.learnt[1:]) for row in rows)
    return tokens, 0 if kind == "none" else sum(row.truth >= 0 for row in rows)


def rate_factor(step: int, steps: int, training: Training) -> float:
    """What the learning rates are multiplied with at ``step``: a linear warm-up, then the schedule's way down to 0."""
    warm = max(1, round(training.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    way = (step - warm) / max(1, steps - warm)
    if training.schedule == "constant":
        return 1.0
    return 1 - way if training.schedule == "linear" else (1 + math.cos(math.pi * way)) / 2


class Trainer:
    """One run over its plan. ``checkpoint`` is where its state is kept."""

    def __init__(self, classifier: Classifier, plan: Plan, config: Config, *, steps: int, checkpoint: Path, mark: str) -> None:
        """``mark`` names config and data: a checkpoint of another run is not gone on with."""
        self.classifier = classifier
        self.plan = plan
        self.config = config
        self.steps = steps
        self.done = 0
        self._checkpoint = checkpoint
        self._mark = mark
        self._state = PartialState()
        self._device = next(classifier.parameters()).device
        self._adapter = [p for name, p in trainable(classifier) if "lora_" in name]
        self._heads = [p for name, p in trainable(classifier) if "lora_" not in name]
        groups = [{"params": self._adapter, "lr": config.lora.rate}, {"params": self._heads, "lr": config.head.rate}]
        used = [group for group in groups if group["params"]]
        self._optimiser = optimiser_for(used, self._device, weight_decay=config.training.weight_decay)
        self._rates = [group["lr"] for group in self._optimiser.param_groups]
        self._stuck = 0

    def resume(self) -> bool:
        """Goes on from the last complete checkpoint, if there is one of this very run.

        Raises:
            TrainingStopped: the checkpoint is another run's.
        """
        if not self._checkpoint.is_file():
            return False
        state = torch.load(self._checkpoint, map_location=self._device, weights_only=True)
        if state["mark"] != self._mark:
            raise TrainingStopped(
                f"{self._checkpoint} belongs to a run with another config or other data. Train into another folder with "
                "out=FOLDER, or begin anew with --fresh."
            )
        own = dict(trainable(self.classifier))
        with torch.no_grad():
            for name, value in state["weights"].items():
                own[name].copy_(value)
        self._optimiser.load_state_dict(state["optimiser"])
        self.done = state["step"]
        self._stuck = state["stuck"]
        return True

    def run(self, tell: Callable[[Step], None], *, stop: Callable[[], bool] = lambda: False) -> bool:
        """Trains to the end, or to where ``stop`` says so; True when it came to the end. Either way a checkpoint is written.

        Raises:
            TrainingStopped: a loss or gradient that is not finite, a loss stuck at 0, an adapter without gradient.
        """
        self.classifier.train()
        while self.done < self.steps and not stop():
            told = self.step(self.done)
            self.done += 1
            tell(told)
            if self.done % self.config.training.checkpoint_every == 0:
                self.save()
        self.save()
        return self.done == self.steps

    def step(self, number: int) -> Step:
        began = time.monotonic()
        torch.manual_seed(hash((self.config.training.seed, number, self._state.process_index)) % 2**63)  # dropout
        rows = self.plan.rows(number)
        tokens, labelled = counts(rows, self.config.head.kind)
        mine = rows[self._state.process_index :: self._state.num_processes]
        sums = torch.zeros(3, dtype=torch.float64, device=self._device)
        self._optimiser.zero_grad(set_to_none=False)
        for batch in micro_batches(mine, self.config.training.micro_tokens):
            part = self.classifier(Batch.of(batch, self._device))
            self.classifier.loss(part, tokens, labelled).backward()
            sums += torch.tensor([float(part.text.detach()), float(part.cls.detach()), part.correct], dtype=torch.float64).to(
                sums
            )
        text, cls, correct = self._reduced(sums).tolist()
        text_loss, class_loss = text / max(tokens, 1), cls / max(labelled, 1)
        weight = self.config.head.weight
        both = text_loss + class_loss if self.config.head.kind in PAPER else (1 - weight) * text_loss + weight * class_loss
        self._check_loss(number, both)
        gradient = self._gradients(number)
        factor = rate_factor(number, self.steps, self.config.training)
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self._optimiser.step()
        return Step(
            step=number + 1,
            loss=both,
            text_loss=text_loss,
            class_loss=class_loss,
            label_accuracy=correct / labelled if labelled else None,
            tokens=sum(len(row.ids) for row in rows),
            labelled=labelled,
            rate=self._rates[0] * factor,
            gradient=gradient,
            seconds=time.monotonic() - began,
        )

    def save(self) -> None:
        """A complete checkpoint in the last one's place."""
        if self._state.is_main_process:
            state = {
                "mark": self._mark,
                "step": self.done,
                "stuck": self._stuck,
                "weights": {name: p.detach() for name, p in trainable(self.classifier)},
                "optimiser": self._optimiser.state_dict(),
            }
            write_aside(self._checkpoint, lambda aside: torch.save(state, aside))
        self._state.wait_for_everyone()

    def _reduced(self, value: torch.Tensor) -> torch.Tensor:
        return reduce(value, "sum") if self._state.num_processes > 1 else value

    def _check_loss(self, number: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingStopped(
                f"Step {number + 1}: the loss is {loss}. Nothing was exported. Lower lora.rate and head.rate, or set "
                "dtype=float32."
            )
        self._stuck = self._stuck + 1 if loss == 0.0 else 0
        if self._stuck >= STUCK_STEPS:
            raise TrainingStopped(
                f"Step {number + 1}: the loss has been exactly 0.0 for {STUCK_STEPS} steps, so nothing is learnt. Nothing was "
                "exported. Check that the rows have answers and that head.weight leaves a loss for them."
            )

    def _gradients(self, number: int) -> float:
        """Summed over the processes, checked, clipped; returns their norm before that."""
        every = [*self._adapter, *self._heads]
        if self._state.num_processes > 1:
            for parameter in every:
                if parameter.grad is not None:
                    parameter.grad = reduce(parameter.grad, "sum")
        norm = float(nn.utils.clip_grad_norm_(every, self.config.training.clip))
        if not math.isfinite(norm):
            raise TrainingStopped(
                f"Step {number + 1}: a gradient is not finite (norm {norm}). Nothing was exported. Lower lora.rate and "
                "head.rate, or set dtype=float32."
            )
        if all(p.grad is None or not bool(p.grad.any()) for p in self._adapter):
            raise TrainingStopped(
                f"Step {number + 1}: the gradient of the whole adapter is zero, so it would learn nothing. Nothing was exported. "
                "On a CPU set quantise=none; elsewhere check that bitsandbytes is the release of finetune/requirements.txt."
            )
        return norm
