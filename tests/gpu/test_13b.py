"""A model of 13B's shape trains within 24 GB: random weights, NF4, sequence 1024, the real Trainer. Needs a GPU of 24 GB or more.

Weights are made a layer at a time on the GPU, so that the whole model never stands there in 16 bits.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any, cast

import bitsandbytes
import pynvml
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig

from app.records import LABELS
from finetune.base import Base, add_adapter, keep_trainable, quantise_linear, trainable
from finetune.batches import Plan, Pool
from finetune.config import Config, read_config
from finetune.encode import Encoded, Encoder
from finetune.heads import Classifier
from finetune.loop import Step, Trainer

LIMIT = 24 * 10**9  # bytes
SEQUENCE, ROWS, STEPS = 1024, 2, 3
LEARNT = 64  # tokens of a row's answer

# Llama-2-13b's shape (Touvron et al. 2023, table 1; its config.json).
SHAPE_13B = LlamaConfig(
    hidden_size=5120,
    intermediate_size=13824,
    num_hidden_layers=40,
    num_attention_heads=40,
    num_key_value_heads=40,
    vocab_size=32000,
    max_position_embeddings=4096,
    tie_word_embeddings=False,
)


def random_nf4(shape: LlamaConfig, device: torch.device) -> Any:
    """A model of a shape with random weights in NF4, frozen."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16)
    generator = torch.Generator(device).manual_seed(0)
    for layer in [module for module in model.modules() if not list(module.children())]:
        for name, parameter in list(layer.named_parameters(recurse=False)):
            if parameter.is_meta:
                values = torch.empty(parameter.shape, dtype=parameter.dtype, device=device)
                values = values.fill_(1.0) if parameter.dim() == 1 else values.normal_(0, 0.02, generator=generator)
                setattr(layer, name, nn.Parameter(values, requires_grad=False))
        if type(layer) is nn.Linear and layer is not model.get_output_embeddings():
            holder = _Holder(layer)
            quantise_linear(holder, torch.bfloat16)
            parent, _, name = next(path for path, module in model.named_modules() if module is layer).rpartition(".")
            setattr(model.get_submodule(parent), name, holder.only)
    with device:
        model.model.rotary_emb = type(model.model.rotary_emb)(config=shape)
    keep_trainable(model)
    return model.requires_grad_(False)


class _Holder(nn.Module):
    """One layer as a model of its own."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.only = layer

    def get_output_embeddings(self) -> None:
        return None


def row(number: int, vocabulary: int) -> Encoded:
    ids = torch.randint(0, vocabulary, (SEQUENCE,), generator=torch.Generator().manual_seed(number)).tolist()
    prompt = SEQUENCE - LEARNT
    learnt = (False,) * prompt + (True,) * LEARNT
    return Encoded(f"r{number}", tuple(ids), learnt, prompt, prompt - 1, labels=tuple(LABELS[:4]), truth=number % 4)


def config() -> Config:
    return read_config(
        {
            "name": "shape-13b",
            "base": "random",
            "quantise": "nf4",
            "dtype": "bfloat16",
            "data": {"train": ["none"], "max_tokens": SEQUENCE},
            "lora": {"rank": 64, "alpha": 16},
            "training": {"batch": ROWS, "micro_tokens": SEQUENCE, "checkpointing": "on"},
        }
    )


def plain_peft(model: Any, rows: list[Encoded], device: torch.device) -> float:
    """Tokens/s of the same step as anybody would write it: peft, the model's own loss, the same optimiser.

    Takes its adapter off again.
    """
    settings = LoraConfig(r=64, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    tuned = get_peft_model(model, settings).train()
    tuned.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    weights = [p for _, p in trainable(tuned)]
    paged = bitsandbytes.optim.PagedAdamW32bit if device.type == "cuda" else torch.optim.AdamW
    optimiser = paged(weights, lr=2e-4)
    seconds: list[float] = []
    for _ in range(STEPS):
        began = time.perf_counter()
        for one in rows:
            ids = torch.tensor([one.ids], device=device)
            labels = torch.where(torch.tensor([one.learnt], device=device), ids, -100)
            (tuned(input_ids=ids, labels=labels, use_cache=False).loss / len(rows)).backward()
        optimiser.step()
        optimiser.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    tuned.unload()
    return len(rows) * SEQUENCE / min(seconds)


def our_steps(model: Any, shape: LlamaConfig, rows: list[Encoded], device: torch.device, folder: Path) -> list[Step]:
    """Three steps of the real Trainer with label rows and adapter."""
    settings = config()
    base = Base(model, None, "random", "", torch.bfloat16, device)
    ids = {label: shape.vocab_size - len(LABELS) + place for place, label in enumerate(LABELS)}
    adapted = add_adapter(base, settings.lora, list(ids.values()), seed=1)
    adapted.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    classifier = Classifier(adapted, "rows", ids, weight=0.5, max_tokens=SEQUENCE)
    plan = Plan((Pool(1.0, encoded=tuple(rows)),), cast(Encoder, None), ROWS, 1, False, False)
    trainer = Trainer(classifier, plan, settings, steps=STEPS, checkpoint=folder / "checkpoint.pt", mark="13b")
    told: list[Step] = []
    assert trainer.run(told.append)
    return told


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU, and torch finds none here")
def test_13b_trains_below_24_gb_by_torch_and_by_nvml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(torch.cuda.current_device())
    before = int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
    device = torch.device("cuda")
    rows = [row(number, SHAPE_13B.vocab_size) for number in range(ROWS)]
    model = random_nf4(SHAPE_13B, device)
    plain = plain_peft(model, rows, device)
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    told = our_steps(model, SHAPE_13B, rows, device, tmp_path)
    by_torch = torch.cuda.max_memory_reserved()
    by_nvml = int(pynvml.nvmlDeviceGetMemoryInfo(handle).used) - before  # what torch has reserved it keeps, so this is the peak
    ours = ROWS * SEQUENCE / min(step.seconds for step in told)
    with capsys.disabled():
        print(f"\n13B shape, sequence {SEQUENCE}: ours {ours:.0f} tokens/s, plain peft {plain:.0f} tokens/s;", end=" ")
        print(f"peak {by_torch / 1e9:.1f} GB by torch, {by_nvml / 1e9:.1f} GB by NVML")
    assert by_torch < LIMIT
    assert by_nvml < LIMIT
