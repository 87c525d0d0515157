"""Merging: what each weight becomes, to the last bit, and what is refused before or while it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from app.errors import BadInput
from quantize import merge as merging
from quantize.adapter import RUN_FILE, Adapter, Onto, read_adapter, read_merged
from quantize.merge import merge
from quantize.weights import INDEX
from tests.fast.test_quantize_adapter import EMBEDDING, OUTPUT, QUERY, factors, trained_rows, write_adapter

VOCABULARY, WIDTH = 6, 4
NAMES = (f"{EMBEDDING}.weight", f"{QUERY}.weight", "model.norm.weight")


def eighths(*shape: int) -> torch.Tensor:
    """Numbers whose sums and products with small whole ones are exact in float32."""
    drawn = torch.Generator().manual_seed(3)
    return torch.randint(-16, 17, shape, generator=drawn).float() / 8


def write_base(folder: Path, *, rows: int = VOCABULARY, tied: bool = True, dtype: torch.dtype = torch.float32) -> Path:
    tensors = dict(zip(NAMES, (eighths(rows, WIDTH), eighths(WIDTH, WIDTH), eighths(WIDTH)), strict=True))
    if not tied:
        tensors[f"{OUTPUT}.weight"] = eighths(rows, WIDTH) + 1
    folder.mkdir()
    save_file({name: values.to(dtype) for name, values in tensors.items()}, folder / "model.safetensors")
    config = {"vocab_size": rows, "tie_word_embeddings": tied, "torch_dtype": "bfloat16", "quantization_config": {"bits": 4}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def ready(tmp_path: Path, *, base: dict[str, Any] | None = None, **changes: Any) -> tuple[Adapter, Path]:
    """An adapter on a small base, and where its merge goes."""
    where = write_base(tmp_path / "base", **(base or {}))
    return read_adapter(write_adapter(tmp_path / "adapter", where, **changes)), tmp_path / "out" / "merged"


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").iterdir())


def test_a_weight_becomes_itself_and_the_scaled_product_of_the_factors(tmp_path: Path) -> None:
    adapter, out = ready(tmp_path)
    made = merge(adapter, out, Onto.ORIGINAL)
    a, b = adapter.factors(QUERY)
    found, stored = tensors_of(out), tensors_of(tmp_path / "base")
    assert np.array_equal(found[f"{QUERY}.weight"].numpy(), stored[f"{QUERY}.weight"].numpy() + np.float32(2) * (b @ a))
    assert torch.equal(found["model.norm.weight"], stored["model.norm.weight"])
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    assert (made.tensors, made.bytes) == (3, sum(tensor.nbytes for tensor in found.values()))
    assert left(tmp_path) == ["merged"]


def test_a_small_update_of_a_bfloat16_base_is_not_rounded_away(tmp_path: Path) -> None:
    tiny = {name: values * 2**-12 if "lora_A" in name else values for name, values in (factors() | trained_rows()).items()}
    adapter, out = ready(tmp_path, base={"dtype": torch.bfloat16}, tensors=tiny)
    merge(adapter, out, Onto.ORIGINAL)
    a, b = adapter.factors(QUERY)
    stored = load_file(tmp_path / "base" / "model.safetensors")[f"{QUERY}.weight"].float()
    merged = tensors_of(out)[f"{QUERY}.weight"]
    assert torch.equal(merged, stored + torch.from_numpy(2 * (b @ a)))
    moved = torch.from_numpy(b @ a) != 0
    assert bool((merged != stored)[moved].all())
    assert bool((merged.bfloat16().float() == stored)[moved].any())


def test_rows_that_the_vocabulary_has_are_replaced_and_no_other_changes(tmp_path: Path) -> None:
    adapter, out = ready(tmp_path, base={"rows": 9})
    merge(adapter, out, Onto.ORIGINAL)
    expected = load_file(tmp_path / "base" / "model.safetensors")[f"{EMBEDDING}.weight"].clone()
    expected[[6, 7]] = torch.from_numpy(adapter.trained_rows(EMBEDDING))
    assert torch.equal(tensors_of(out)[f"{EMBEDDING}.weight"], expected)


def test_rows_of_new_tokens_lengthen_tied_embeddings(tmp_path: Path) -> None:
    adapter, out = ready(tmp_path)
    merge(adapter, out, Onto.ORIGINAL)
    stored = load_file(tmp_path / "base" / "model.safetensors")[f"{EMBEDDING}.weight"]
    merged = tensors_of(out)
    assert torch.equal(merged[f"{EMBEDDING}.weight"][:VOCABULARY], stored)
    assert torch.equal(merged[f"{EMBEDDING}.weight"][VOCABULARY:], torch.from_numpy(adapter.trained_rows(EMBEDDING)))
    assert f"{OUTPUT}.weight" not in merged


def test_rows_of_new_tokens_lengthen_both_embeddings_where_they_are_apart(tmp_path: Path) -> None:
    tensors = factors() | trained_rows(OUTPUT)
    adapter, out = ready(tmp_path, base={"tied": False}, tensors=tensors, ids={OUTPUT: [6, 7]})
    merge(adapter, out, Onto.ORIGINAL)
    stored, merged = load_file(tmp_path / "base" / "model.safetensors"), tensors_of(out)
    for name in (f"{EMBEDDING}.weight", f"{OUTPUT}.weight"):
        assert merged[name].shape == (8, WIDTH)
        assert torch.equal(merged[name][:VOCABULARY], stored[name])
    assert torch.equal(merged[f"{OUTPUT}.weight"][VOCABULARY:], torch.from_numpy(adapter.trained_rows(OUTPUT)))
    assert torch.allclose(merged[f"{EMBEDDING}.weight"][7], stored[f"{EMBEDDING}.weight"].mean(0))


def test_the_config_says_what_was_written_and_the_run_what_of(tmp_path: Path) -> None:
    adapter, out = ready(tmp_path)
    merge(adapter, out, Onto.ORIGINAL)
    config = json.loads((out / "config.json").read_text())
    assert config == {"vocab_size": 8, "tie_word_embeddings": True, "torch_dtype": "float32"}
    about = read_merged(out)
    assert (about["adapter"], about["onto"], about["labels"]) == (adapter.run["adapter"], "original", {"A": 6, "B": 7})


def test_another_base_is_refused_by_its_digest(tmp_path: Path) -> None:
    adapter, out = ready(tmp_path)
    path = tmp_path / "base" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(BadInput, match=r"was trained on .*base with digest \w{12}, and .*base has \w{12}.*fits\s+no other"):
        merge(adapter, out, Onto.ORIGINAL)
    assert not out.parent.exists()


def test_a_base_that_was_moved_is_taken_from_its_new_place(tmp_path: Path) -> None:
    adapter, out = ready(tmp_path)
    (tmp_path / "base").rename(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match=r"nothing is there\. .*name it with --base"):
        merge(adapter, out, Onto.ORIGINAL)
    assert merge(adapter, out, Onto.ORIGINAL, base=tmp_path / "elsewhere").tensors == 3


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (factors(outside=5) | trained_rows(), rf"changes {QUERY}\.weight of shape \(5, 4\), and the base has \(4, 4\)"),
        (factors("model.ghost") | trained_rows(), r"changes model\.ghost\.weight of shape .* the base has no such tensor"),
        (factors() | trained_rows(width=5), rf"rows of width 5 for {EMBEDDING}\.weight, and the base has \(6, 4\)"),
        (factors() | trained_rows("model.ghost"), r"rows of width 4 for model\.ghost\.weight, and the base has no such tensor"),
        (factors() | trained_rows(QUERY), rf"The labels need 8 rows of {QUERY}\.weight, which has 4 and cannot be lengthened"),
    ],
)
def test_an_adapter_that_does_not_fit_the_base_is_refused_by_the_tensors_name(tmp_path: Path, tensors: Any, said: str) -> None:
    adapter, out = ready(tmp_path, tensors=tensors)
    with pytest.raises(BadInput, match=said):
        merge(adapter, out, Onto.ORIGINAL)
    assert not out.parent.exists()


def test_an_output_layer_with_a_bias_is_refused(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", tied=False)
    save_file(load_file(base / "model.safetensors") | {"lm_head.bias": torch.zeros(VOCABULARY)}, base / "model.safetensors")
    adapter = read_adapter(write_adapter(tmp_path / "adapter", base))
    with pytest.raises(BadInput, match=r"The base has lm_head\.bias, whose values for the labels"):
        merge(adapter, tmp_path / "out", Onto.ORIGINAL)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", NAMES)
def test_a_value_of_the_base_that_is_not_finite_is_refused_by_its_tensor(tmp_path: Path, name: str, value: float) -> None:
    base = write_base(tmp_path / "base")
    tensors = load_file(base / "model.safetensors")
    tensors[name].view(-1)[3] = value
    save_file(tensors, base / "model.safetensors")
    adapter = read_adapter(write_adapter(tmp_path / "adapter", base))
    with pytest.raises(BadInput, match=f"not finite in {name}"):
        merge(adapter, tmp_path / "out" / "merged", Onto.ORIGINAL)
    assert left(tmp_path) == []


def test_a_tensor_without_dimensions_is_kept(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    save_file(load_file(base / "model.safetensors") | {"model.scale": torch.tensor(2.5)}, base / "model.safetensors")
    adapter = read_adapter(write_adapter(tmp_path / "adapter", base))
    merge(adapter, tmp_path / "out", Onto.ORIGINAL)
    assert float(tensors_of(tmp_path / "out")["model.scale"]) == 2.5


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_base_without_weights_or_config_is_refused(tmp_path: Path, name: str) -> None:
    base = write_base(tmp_path / "base")
    (base / name).rename(base / "other.bin")
    adapter = read_adapter(write_adapter(tmp_path / "adapter", base))
    with pytest.raises(BadInput, match=r"lacks config\.json or \*\.safetensors\. Pickled weights are not opened"):
        merge(adapter, tmp_path / "out", Onto.ORIGINAL)


def test_shards_hold_the_same_tensors_as_one_file_and_transformers_opens_them(tmp_path: Path) -> None:
    shape = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        intermediate_size=8,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(shape).save_pretrained(tmp_path / "base")
    adapter = read_adapter(write_adapter(tmp_path / "adapter", tmp_path / "base"))
    told: list[tuple[int, int]] = []
    one = merge(adapter, tmp_path / "one", Onto.ORIGINAL, tell=lambda done, total: told.append((done, total)))
    many = merge(adapter, tmp_path / "many", Onto.ORIGINAL, shard_bytes=100)
    assert told[-1] == (one.bytes, one.bytes) == (many.bytes, many.bytes)
    whole, parts = tensors_of(tmp_path / "one"), tensors_of(tmp_path / "many")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    index = json.loads((tmp_path / "many" / INDEX).read_text())
    assert len(set(index["weight_map"].values())) > 3
    assert index["metadata"]["total_size"] == many.bytes
    for name, file in index["weight_map"].items():
        with safe_open(tmp_path / "many" / file, "pt") as opened:
            assert name in opened.keys()  # noqa: SIM118  # safe_open has no iterator
    ids = torch.tensor([[1, 6, 7]])
    models = [transformers.AutoModelForCausalLM.from_pretrained(tmp_path / name) for name in ("one", "many")]
    with torch.no_grad():
        assert torch.equal(*(model(input_ids=ids).logits for model in models))


@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_fills_up_in_the_middle_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    adapter, out = ready(tmp_path)
    if there:
        merge(adapter, out, Onto.ORIGINAL)
    before = {path.name: path.read_bytes() for path in out.iterdir()} if there else {}
    real, written = merging.save_file, []

    def full(tensors: Any, path: Path, **options: Any) -> None:
        if written:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        real(tensors, path, **options)

    monkeypatch.setattr(merging, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        merge(adapter, out, Onto.ORIGINAL, shard_bytes=1)
    assert len(written) == 1
    assert left(tmp_path) == (["merged"] if there else [])
    assert before == ({path.name: path.read_bytes() for path in out.iterdir()} if there else {})


def test_what_a_killed_merge_left_is_no_hindrance(tmp_path: Path) -> None:
    adapter, out = ready(tmp_path)
    (out.parent / ".merged.part").mkdir(parents=True)
    (out.parent / ".merged.part" / "model-00001-of-00002.safetensors").write_bytes(b"half")
    merge(adapter, out, Onto.ORIGINAL)
    assert left(tmp_path) == ["merged"]
    assert {path.name for path in out.iterdir()} == {"model.safetensors", "config.json", RUN_FILE}


def test_a_folder_that_was_not_merged_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has no run\.json that can be read"):
        read_merged(tmp_path)
    (tmp_path / RUN_FILE).write_text('{"kind": "llamacare-training", "version": 1}')
    with pytest.raises(BadInput, match=r"is no folder that python -m quantize\.merge wrote"):
        read_merged(tmp_path)


def test_the_command_says_what_it_wrote_or_why_it_did_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adapter, out = ready(tmp_path)
    assert merging.main([str(adapter.folder), "--out", str(out)]) == 0
    assert f"{out}: 3 tensors" in capsys.readouterr().err
    assert merging.main([str(tmp_path / "base"), "--out", str(out)]) == 2
    assert "run.json cannot be read" in capsys.readouterr().err
