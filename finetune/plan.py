"""What a run will need, said before its model is loaded: parameters, memory, steps, about how long. Refuses what cannot fit.

Parameters are counted on the meta device, memory follows the formulas below, and time is measured: a model of the same shapes
with one layer, and with two, computes real rows of the run on this machine.
"""

from __future__ import annotations

import copy
import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
import transformers
from torch import nn

from app.errors import BadInput
from app.records import LABELS
from finetune.base import Base, add_adapter, device_and_dtype, locate, open_config, quantise_linear
from finetune.batches import Plan, micro_batches
from finetune.config import Config
from finetune.encode import Encoded
from finetune.heads import PAPER, Batch, Classifier
from finetune.loop import counts

SAMPLED_STEPS = 20
BENCHMARK_SECONDS = 0.5  # of each of the four measurements
# Bits a weight in NF4 with double quantisation: 4 + 8/64 + 32/(64*256) (Dettmers et al. 2023, QLoRA, section 3).
NF4_BITS = 4.127
# Resident beside weights and a step's tensors. CPU: Python with torch, transformers, peft and bitsandbytes, 0.5 GiB, and what the
# first pass leaves loaded, measured with torch 2.13. CUDA: its context, a guess, as no GPU was at hand.
PROCESS_BYTES = {"cpu": 800 * 2**20, "cuda": 600 * 2**20}
# How much more a process holds than a step's activations, since freed blocks are not all given back. CPU: 1.0 to 1.7 measured;
# logits are large enough to be mapped one by one. CUDA, its caching allocator: a guess.
HELD = {"cpu": 1.65, "cuda": 1.2}
# Weight, gradient and AdamW's two moments of a trained parameter, each in float32.
TRAINED_BYTES = 16
SPARE = 0.05  # of the available memory, left to others
GIB = 2**30


@dataclass(frozen=True)
class Shape:
    """An architecture, counted. ``linear``: weights of the layers that are quantised and adapted; ``widest`` of the largest."""

    parameters: int
    linear: int
    widest: int
    adapter: int
    hidden: int
    inner: int
    attention: int
    layers: int
    vocabulary: int


@dataclass(frozen=True)
class Estimate:
    """Sizes in bytes, time in seconds (None where it could not be measured), tokens without padding and for the whole run."""

    parameters: int
    trainable: int
    weights: int
    peak: int
    available: int
    device: str
    dtype: str
    quantise: str
    steps: int
    rows_per_epoch: int
    tokens: int
    seconds: float | None

    @property
    def share(self) -> float:
        """Of all parameters, the trained ones among them."""
        return self.trainable / (self.parameters + self.trainable)

    @property
    def fits(self) -> bool:
        return self.peak <= (1 - SPARE) * self.available

    def text(self) -> str:
        """For people, one figure a line."""
        lines = [
            ("parameters", f"{self.parameters:,}, of these trained {self.trainable:,} more ({self.share:.2%})"),
            ("computed in", f"{self.dtype} on {self.device}, base weights {self.quantise} ({_gib(self.weights)})"),
            ("peak memory", f"about {_gib(self.peak)}; available {_gib(self.available)}"),
            ("steps", f"{self.steps:,} ({self.rows_per_epoch:,} rows an epoch, about {self.tokens:,} tokens in all)"),
        ]
        if self.seconds is not None:
            lines.append(("duration", f"about {spoken(self.seconds)} on this machine, held-out rows included"))
        return "\n".join(f"{name:<12} {value}" for name, value in lines)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"share": self.share}


def estimate(config: Config, plan: Plan, *, steps: int, held: int, timed: bool) -> Estimate:
    """What a run of ``steps`` will need, ``held`` questions being read for calibration after it. ``timed``: how long too, which
    takes some seconds of work to find out.

    Raises:
        BadInput: the base cannot be found.
    """
    device, dtype = device_and_dtype(config.dtype)
    architecture = _architecture(config)
    shape = shape_of(architecture, config.lora.rank)
    trainable = shape.adapter + _head_size(config, shape)
    taken = sorted({round(place * (steps - 1) / max(1, SAMPLED_STEPS - 1)) for place in range(SAMPLED_STEPS)})
    sampled = [plan.rows(step) for step in taken if step < steps]
    weights = weight_bytes(shape, config, dtype)
    work = max(
        work_bytes(shape, rows, config, dtype, device)
        for step in sampled
        for rows in micro_batches(step, config.training.micro_tokens)
    )
    training = weights + TRAINED_BYTES * trainable + work
    peak = PROCESS_BYTES[device.type] + max(loading_bytes(shape, config, dtype), training)
    found = Estimate(
        parameters=shape.parameters,
        trainable=trainable,
        weights=weights,
        peak=peak,
        available=_available(device),
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        quantise=config.quantise if config.quantise == "nf4" else "not quantised",
        steps=steps,
        rows_per_epoch=plan.rows_per_epoch,
        tokens=round(steps * statistics.fmean(sum(len(row.ids) for row in step) for step in sampled)),
        seconds=None,
    )
    if not (found.fits and timed):
        return found
    return dataclasses.replace(found, seconds=_seconds(config, architecture, shape, sampled, steps=steps, held=held))


def refuse_what_cannot_fit(estimate: Estimate) -> None:
    """Raises BadInput where the estimated peak is more than there is."""
    if estimate.fits:
        return
    cures = ["a smaller training.micro_tokens", "training.checkpointing=on", "a smaller lora.rank"]
    if estimate.quantise != "nf4":
        cures.append("quantise=nf4")
    raise BadInput(
        f"This run needs about {_gib(estimate.peak)} on {estimate.device}, and {_gib(estimate.available)} are available. "
        f"Set {', '.join(cures)}, or choose a smaller base."
    )


def shape_of(architecture: Any, rank: int) -> Shape:
    """Counts an architecture without its weights."""
    model = _on_meta(architecture)
    text = architecture.get_text_config()
    output = model.get_output_embeddings()
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer is not output]
    heads = text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    return Shape(
        parameters=sum(p.numel() for p in model.parameters()),
        linear=sum(layer.weight.numel() for layer in linear),
        widest=max((layer.weight.numel() for layer in linear), default=0),
        adapter=sum(rank * (layer.in_features + layer.out_features) for layer in linear),
        hidden=text.hidden_size,
        inner=text.intermediate_size,
        attention=heads * width,
        layers=text.num_hidden_layers,
        vocabulary=output.weight.shape[0],
    )


def weight_bytes(shape: Shape, config: Config, dtype: torch.dtype) -> int:
    """The frozen base in memory: its linear layers in NF4 or not, everything else in the compute type."""
    small = shape.linear * NF4_BITS / 8 if config.quantise == "nf4" else shape.linear * dtype.itemsize
    return round(small + (shape.parameters - shape.linear) * dtype.itemsize)


def loading_bytes(shape: Shape, config: Config, dtype: torch.dtype) -> int:
    """The peak while the base is opened. A GGUF is de-quantised as a whole before it is quantised again."""
    if "gguf_file" not in locate(config.base, config.revision):
        return weight_bytes(shape, config, dtype)
    return shape.parameters * dtype.itemsize + shape.parameters * 4


def work_bytes(shape: Shape, rows: Sequence[Encoded], config: Config, dtype: torch.dtype, device: torch.device) -> int:
    """What one micro-batch needs beside weights and optimiser: what autograd keeps, and the logits."""
    width = max(len(row.ids) for row in rows)
    tokens = len(rows) * width
    layer = layer_bytes(shape, dtype, width=width, rank=config.lora.rank, dropout=config.lora.dropout > 0) * tokens
    if config.training.checkpointing == "on" or (config.training.checkpointing == "auto" and device.type == "cuda"):
        kept = shape.layers * shape.hidden * dtype.itemsize * tokens + layer
    else:
        kept = shape.layers * layer
    # Gradients of a layer's two widest states while it is gone back through, and its de-quantised weight.
    passing = 3 * tokens * max(shape.inner, shape.hidden) * 4 + shape.widest * dtype.itemsize
    return round(HELD[device.type] * (kept + passing)) + logit_bytes(shape, rows, config, dtype)


def layer_bytes(shape: Shape, dtype: torch.dtype, *, width: int, rank: int, dropout: bool) -> float:
    """Bytes a token that autograd keeps of one decoder layer with a frozen base and a float32 LoRA; derived as follows.

    Norms keep their float32 input (2 of ``hidden``). A frozen linear layer keeps none of its input, but LoRA's A keeps it in
    float32: in float32 the shared tensor (once for q, k, v and once for gate, up), in bfloat16 a copy for each (5 of ``hidden``),
    and so for the inputs of o (``attention``) and down (``inner``). Attention keeps q, k and v, repeated to all heads, its
    output and the output's reordered copy (5 of ``attention``), and a row of its mask. The gated unit keeps gate, its
    activation and up (3 of ``inner``). Each of the seven As keeps its ``rank`` results. Dropout
    keeps a copy of each input and a float32 mask.
    """
    apart = 5 * shape.hidden + shape.attention + shape.inner
    inputs = apart if dropout or dtype.itemsize < 4 else 2 * shape.hidden + shape.inner
    masks = apart if dropout else 0
    states = 5 * shape.attention + 3 * shape.inner + width
    return 4 * (2 * shape.hidden + inputs + masks + 7 * rank) + states * dtype.itemsize


def logit_bytes(shape: Shape, rows: Sequence[Encoded], config: Config, dtype: torch.dtype) -> int:
    """Logits of the kept positions and their gradient; of the learnt ones also their float32 copy, softmax and its gradient.

    With trained label rows the output matrix is put together anew in each pass, and its gradient is as large.
    """
    width = max(len(row.ids) for row in rows)
    paper = config.head.kind == "paper"
    first = min((width - len(row.ids) + (0 if paper else _first(row)) for row in rows), default=0)
    read = max((len(row.ids) - row.read for row in rows if row.read >= 0), default=0)
    kept = min(width, max(width - first + 1, read)) * len(rows)
    learnt, _ = counts(rows, config.head.kind)
    logits = shape.vocabulary * (2 * kept * dtype.itemsize + learnt * (3 * 4 + dtype.itemsize))
    output = 2 * shape.vocabulary * shape.hidden * dtype.itemsize if config.head.kind == "rows" else 0
    return logits + output


def spoken(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def _first(row: Encoded) -> int:
    return next((place for place, learnt in enumerate(row.learnt) if learnt), len(row.ids) - 1)


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"


def _available(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _head_size(config: Config, shape: Shape) -> int:
    if config.head.kind == "rows":
        return len(LABELS) * shape.hidden
    if config.head.kind == "hidden":
        return len(LABELS) * (shape.hidden + 1)
    if config.head.kind in PAPER:
        return len(LABELS) * (shape.hidden * config.data.max_tokens + 1)
    return 0


def _architecture(config: Config) -> Any:
    try:
        found = open_config(locate(config.base, config.revision))
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(
            f"The base {config.base!r} cannot be opened ({reason:.300}). Check the name, the files or the network."
        ) from error
    if hasattr(found, "quantization_config"):
        del found.quantization_config
    return found


def _on_meta(architecture: Any) -> Any:
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(architecture)


def _seconds(
    config: Config, architecture: Any, shape: Shape, sampled: Sequence[Sequence[Encoded]], *, steps: int, held: int
) -> float | None:
    """Time of one layer and of what is not a layer, measured on a typical micro-batch, times how many there are."""
    batches = [rows for step in sampled for rows in micro_batches(step, config.training.micro_tokens)]
    typical = sorted(batches, key=lambda rows: len(rows) * len(rows[0].ids))[len(batches) // 2][:8]
    try:
        (one, read_one), (two, read_two) = (_measure(config, architecture, typical, layers=layers) for layers in (1, 2))
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError):
        return None  # an architecture that cannot be cut to a layer or two still trains
    padded = statistics.fmean(len(rows) * len(rows[0].ids) for rows in batches) / (len(typical) * len(typical[0].ids))
    whole = one + (shape.layers - 1) * max(0.0, two - one)
    reading = (read_one + (shape.layers - 1) * max(0.0, read_two - read_one)) / len(typical)
    options = statistics.fmean([len(row.labels) for row in typical if row.labels] or [0])
    passes = options if config.training.careful else 1
    return steps * len(batches) / len(sampled) * padded * whole + held * passes * reading


def _measure(config: Config, architecture: Any, rows: Sequence[Encoded], *, layers: int) -> tuple[float, float]:
    """Seconds of a forward and backward pass, and of a forward pass alone, of a random model with so many layers."""
    cut = copy.deepcopy(architecture)
    text = cut.get_text_config()
    text.num_hidden_layers = layers
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:layers]
    device, dtype = device_and_dtype(config.dtype)
    with device:
        model = transformers.AutoModelForCausalLM.from_config(cut, dtype=dtype)
    if config.quantise == "nf4":
        quantise_linear(model, dtype)
    model.requires_grad_(False)
    base = Base(model, None, config.base, "", dtype, device)
    ids = {label: place for place, label in enumerate(LABELS)} if config.head.kind in ("rows", "letters") else {}
    adapted = add_adapter(base, config.lora, list(ids.values()) if config.head.kind == "rows" else [], seed=0)
    checkpointing = config.training.checkpointing
    if checkpointing == "on" or (checkpointing == "auto" and device.type == "cuda"):
        adapted.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    classifier = Classifier(adapted, config.head.kind, ids, weight=config.head.weight, max_tokens=config.data.max_tokens).train()
    tokens, labelled = counts(rows, config.head.kind)
    batch = Batch.of(rows, device)
    trained = _fastest(lambda: classifier.loss(classifier(batch), tokens, labelled).backward(), device)
    with torch.no_grad():
        return trained, _fastest(lambda: classifier(batch), device)


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the quickest of up to four rounds; no further one is begun after BENCHMARK_SECONDS."""
    rounds: list[float] = []
    while len(rounds) < 4 and sum(rounds) < BENCHMARK_SECONDS:
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        rounds.append(time.perf_counter() - began)
    return min(rounds)
