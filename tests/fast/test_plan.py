"""What a plan says beforehand agrees with what torch then counts, and what cannot fit is refused before it is loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from app.errors import BadInput
from app.records import LABELS
from finetune.base import Base, add_adapter, quantise_linear, trainable
from finetune.batches import Plan, Pool
from finetune.config import Config, Lora, read_config
from finetune.encode import Encoded, Encoder
from finetune.plan import Estimate, estimate, layer_bytes, refuse_what_cannot_fit, shape_of, spoken, weight_bytes, work_bytes

RANK, ROWS, WIDTH = 8, 3, 200


def architecture(*, layers: int = 2, tied: bool = True, kv: int = 2) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=kv,
        vocab_size=256,
        tie_word_embeddings=tied,
    )


def model_of(shape: LlamaConfig, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(shape, dtype=dtype).requires_grad_(False)


def adapted(model: Any, *, rows: int = 0, dropout: float = 0.0) -> Any:
    base = Base(model, None, "", "", model.dtype, torch.device("cpu"))
    return add_adapter(base, Lora(rank=RANK, dropout=dropout), list(range(rows)), seed=0).train()


def encoded(number: int, length: int = 60, *, learnt: int = 5) -> Encoded:
    prompt = length - learnt
    return Encoded(
        f"r{number}", (1,) * length, (False,) * prompt + (True,) * learnt, prompt, prompt - 1, labels=("A", "B"), truth=0
    )


def config_of(folder: Path | str, **more: Any) -> Config:
    values = {"name": "x", "base": str(folder), "quantise": "none", "dtype": "float32", "data": {"train": ["a"]}}
    return read_config({**values, "lora": {"rank": RANK}, **more})


def plan_of(*rows: Encoded, batch: int = 4) -> Plan:
    return Plan((Pool(1.0, encoded=rows),), cast(Encoder, None), batch, 1, False, False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base")
    model_of(architecture(kv=4)).save_pretrained(path)
    return path


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_counted_as_torch_counts_them(tied: bool) -> None:
    shape = shape_of(architecture(tied=tied), RANK)
    model = model_of(architecture(tied=tied))
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    rows = adapted(model, rows=len(LABELS))
    assert shape.adapter + len(LABELS) * shape.hidden == sum(p.numel() for _, p in trainable(rows))


@pytest.mark.parametrize("kind", ["rows", "letters", "hidden", "paper"])
def test_the_head_is_counted_with_what_is_trained(folder: Path, kind: str) -> None:
    config = config_of(folder, head={"kind": kind})
    found = estimate(config, plan_of(encoded(1)), steps=1, held=0, timed=False)
    adapter = shape_of(architecture(kv=4), RANK).adapter
    labels = len(LABELS)
    sizes = {"rows": labels * 128, "letters": 0, "hidden": labels * 129, "paper": labels * (128 * config.data.max_tokens + 1)}
    assert found.trainable - adapter == sizes[kind]


def test_nf4_weights_take_what_bitsandbytes_gives_them() -> None:
    model = model_of(architecture())
    shape = shape_of(architecture(), RANK)
    quantise_linear(model, torch.float32)
    real = 0
    for parameter in model.parameters():
        real += parameter.numel() * parameter.element_size()
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            real += state.absmax.numel() + 4 * state.state2.absmax.numel()
    assert weight_bytes(shape, config_of("x/y", quantise="nf4"), torch.float32) == pytest.approx(real, rel=0.03)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [0.0, 0.05])
@pytest.mark.parametrize("quantised", [False, True])
def test_the_formula_of_a_layer_is_what_autograd_keeps(dtype: torch.dtype, dropout: float, quantised: bool) -> None:
    """Within 10 %, and never less."""
    one, three = (kept_bytes(layers, dtype, dropout, quantised) for layers in (1, 3))
    real = (three - one) / 2 / (ROWS * WIDTH)
    said = layer_bytes(shape_of(architecture(), RANK), dtype, width=WIDTH, rank=RANK, dropout=dropout > 0)
    assert real <= said <= 1.1 * real


def kept_bytes(layers: int, dtype: torch.dtype, dropout: float, quantised: bool) -> int:
    """Bytes that autograd keeps for a backward pass, weights aside."""
    model = model_of(architecture(layers=layers), dtype)
    if quantised:
        quantise_linear(model, dtype)
    model = adapted(model, dropout=dropout)
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    ids = torch.ones(ROWS, WIDTH, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[0, :5] = 0  # padding, as in a batch: without it attention would take another way
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(input_ids=ids, attention_mask=mask, logits_to_keep=1, use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in own)


def test_checkpointing_and_smaller_micro_batches_need_less(folder: Path) -> None:
    shape = shape_of(architecture(layers=8), RANK)
    device = torch.device("cpu")
    plain, saving = (config_of(folder, training={"checkpointing": mode}) for mode in ("off", "on"))
    few, many = [encoded(1)], [encoded(n) for n in range(4)]
    assert work_bytes(shape, many, saving, torch.float32, device) < work_bytes(shape, many, plain, torch.float32, device) / 2
    assert work_bytes(shape, few, plain, torch.float32, device) < work_bytes(shape, many, plain, torch.float32, device) / 2


def test_a_plan_counts_steps_rows_and_tokens_and_measures_time(folder: Path) -> None:
    rows = [encoded(n, 40 + n) for n in range(8)]
    found = estimate(config_of(folder), plan_of(*rows), steps=2, held=3, timed=True)
    assert (found.steps, found.rows_per_epoch, found.tokens) == (2, 8, sum(40 + n for n in range(8)))
    assert found.seconds is not None
    assert found.seconds > 0
    text = found.text()
    for said in (f"{found.parameters:,}", f"{found.trainable:,}", "GiB", "float32 on cpu", "about"):
        assert said in text


def test_two_plans_of_one_run_agree_in_all_but_what_is_measured(folder: Path) -> None:
    first, second = (estimate(config_of(folder), plan_of(encoded(1)), steps=1, held=0, timed=True) for _ in range(2))
    assert dataclasses.replace(first, seconds=None, available=0) == dataclasses.replace(second, seconds=None, available=0)


def estimated(*, peak: int, available: int, quantise: str = "nf4") -> Estimate:
    return Estimate(
        parameters=10**10,
        trainable=10**7,
        weights=2**33,
        peak=peak,
        available=available,
        device="cuda",
        dtype="bfloat16",
        quantise=quantise,
        steps=1,
        rows_per_epoch=1,
        tokens=1,
        seconds=None,
    )


def test_what_fits_is_not_refused() -> None:
    refuse_what_cannot_fit(estimated(peak=20 * 2**30, available=24 * 2**30))


@pytest.mark.parametrize(("quantise", "advised"), [("nf4", False), ("not quantised", True)])
def test_what_cannot_fit_is_refused_with_need_supply_and_cure(quantise: str, advised: bool) -> None:
    with pytest.raises(BadInput) as refused:
        refuse_what_cannot_fit(estimated(peak=30 * 2**30, available=24 * 2**30, quantise=quantise))
    sentence = refused.value.sentence
    assert "about 30.0 GiB on cuda, and 24.0 GiB are available" in sentence
    assert "training.micro_tokens" in sentence
    assert "training.checkpointing=on" in sentence
    assert "lora.rank" in sentence
    assert ("quantise=nf4" in sentence) == advised


def test_a_base_that_is_not_there_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        estimate(config_of(tmp_path / "absent"), plan_of(encoded(1)), steps=1, held=0, timed=False)


@pytest.mark.parametrize(("seconds", "said"), [(12, "12 s"), (600, "10 minutes"), (3 * 3600, "3.0 hours")])
def test_durations_are_spoken_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
