"""What a finished training must look like before anything is made of it; everything else is refused by its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file

from app.bases import base_digest
from app.calibration import EciRecord
from app.errors import BadInput
from app.files import digest_of
from quantize.adapter import ADAPTER_FILE, CONFIG_FILE, ECI_FILE, PREFIX, RUN_FILE, Onto, choices, read_adapter

QUERY, EMBEDDING, OUTPUT = "model.layers.0.self_attn.q_proj", "model.embed_tokens", "lm_head"
RECORD = EciRecord(labels=("A", "B"), token_ids=(6, 7), prompt_digest="0123", calibrations=(), thresholds=(), skill={})
Tensors = Mapping[str, npt.NDArray[Any]]


def factors(module: str = QUERY, *, rank: int = 2, inside: int = 4, outside: int = 4) -> dict[str, npt.NDArray[np.float32]]:
    """Whole numbers, so that sums of their products are exact."""
    drawn = np.random.default_rng(1)
    return {
        f"{PREFIX}{module}.lora_A.weight": drawn.integers(-4, 5, (rank, inside)).astype(np.float32),
        f"{PREFIX}{module}.lora_B.weight": drawn.integers(-4, 5, (outside, rank)).astype(np.float32),
    }


def trained_rows(module: str = EMBEDDING, *, count: int = 2, width: int = 4) -> dict[str, npt.NDArray[np.float32]]:
    rows = np.arange(100, 100 + count * width, dtype=np.float32).reshape(count, width)
    return {f"{PREFIX}{module}.token_adapter.trainable_tokens_delta": rows}


def write_adapter(
    folder: Path,
    base: Path,
    tensors: Tensors | None = None,
    *,
    ids: Any = (6, 7),
    config: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
) -> Path:
    """A folder as `finetune.train` writes it; ``config`` and ``run`` change what stands in the two files."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(factors() | trained_rows() if tensors is None else tensors), folder / ADAPTER_FILE)
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none"}
    indices = {"trainable_token_indices": list(ids) if isinstance(ids, tuple) else ids}
    (folder / CONFIG_FILE).write_text(json.dumps(settings | indices | dict(config or {})))
    about = {
        "kind": "llamacare-training",
        "version": 1,
        "config": {"quantise": "none", "head": {"kind": "rows"}},
        "base": {"reference": str(base), "revision": "", "digest": base_digest(str(base)), "dtype": "torch.float32"},
        "labels": {"A": 6, "B": 7},
        "prompt": "0123",
        "adapter": digest_of(folder / ADAPTER_FILE),
    }
    (folder / RUN_FILE).write_text(json.dumps(about | dict(run or {})))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(BadInput) as refused:
        read_adapter(folder)
    return refused.value.sentence


def test_a_finished_training_is_read_with_its_factors_rows_scale_and_labels(tmp_path: Path) -> None:
    adapter = read_adapter(write_adapter(tmp_path, tmp_path / "base"))
    assert (adapter.pairs, adapter.rows, adapter.scale) == ({QUERY: 2}, {EMBEDDING: (6, 7)}, 2.0)
    assert (adapter.labels, adapter.head, adapter.dtype, adapter.quantised) == ({"A": 6, "B": 7}, "rows", "float32", False)
    given = factors()
    for found, name in zip(adapter.factors(QUERY), ("lora_A", "lora_B"), strict=True):
        assert np.array_equal(found, given[f"{PREFIX}{QUERY}.{name}.weight"])
    assert np.array_equal(adapter.trained_rows(EMBEDDING), trained_rows().popitem()[1])
    assert adapter.record is None


def test_the_rows_ids_are_found_under_the_modules_name_too(tmp_path: Path) -> None:
    tensors = factors() | trained_rows(OUTPUT)
    assert read_adapter(write_adapter(tmp_path, tmp_path / "base", tensors, ids={OUTPUT: [6, 7]})).rows == {OUTPUT: (6, 7)}


def test_the_record_beside_it_is_read(tmp_path: Path) -> None:
    write_adapter(tmp_path, tmp_path / "base")
    (tmp_path / ECI_FILE).write_text(RECORD.to_json())
    assert read_adapter(tmp_path).record == RECORD


def test_an_adapter_goes_onto_the_weights_that_it_was_trained_on_first(tmp_path: Path) -> None:
    four_bits = {"config": {"quantise": "nf4", "head": {"kind": "rows"}}}
    assert choices(read_adapter(write_adapter(tmp_path, tmp_path / "base"))) == (Onto.ORIGINAL,)
    assert choices(read_adapter(write_adapter(tmp_path, tmp_path / "base", run=four_bits))) == (Onto.DEQUANTISED, Onto.ORIGINAL)


def test_a_file_changed_after_the_training_is_refused_by_its_digest(tmp_path: Path) -> None:
    path = write_adapter(tmp_path, tmp_path / "base") / ADAPTER_FILE
    before = digest_of(path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    said = refusal(tmp_path)
    assert f"{path} has the digest {digest_of(path)[:12]}, and run.json speaks of {before[:12]}" in said


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.pt", "old.pkl", "x.ckpt", "y.pth"])
def test_a_pickle_beside_it_is_refused_and_never_opened(tmp_path: Path, name: str) -> None:
    write_adapter(tmp_path, tmp_path / "base")
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    assert f"{tmp_path / name} is a pickle, which can run any code" in refusal(tmp_path)


def with_value(value: float) -> Tensors:
    spoilt = factors() | trained_rows()
    spoilt[f"{PREFIX}{QUERY}.lora_B.weight"][1, 1] = value
    return spoilt


def without(name: str) -> Tensors:
    return {key: values for key, values in (factors() | trained_rows()).items() if not key.endswith(name)}


TENSORS: dict[str, tuple[Tensors, str]] = {
    "a key of another kind": (
        factors() | {f"{PREFIX}{QUERY}.lora_magnitude_vector": np.ones(4, np.float32)},
        f"holds '{PREFIX}{QUERY}.lora_magnitude_vector', which this merge does not know",
    ),
    "a key without the prefix": (
        {"model.lm_head.weight": np.ones((2, 2), np.float32)},
        "holds 'model.lm_head.weight', which this merge does not know",
    ),
    "one factor alone": (without("lora_B.weight"), f"holds lora_A of {QUERY} without the other factor"),
    "the other alone": (without("lora_A.weight"), f"holds lora_B of {QUERY} without the other factor"),
    "another rank than the config's": (
        factors(rank=3) | trained_rows(),
        f"has factors of shapes (3, 4) and (4, 3) for {QUERY}; expected (2, in) and (out, 2)",
    ),
    "a factor of one dimension": (
        factors() | {f"{PREFIX}{QUERY}.lora_A.weight": np.ones(2, np.float32)},
        f"has factors of shapes (2,) and (4, 2) for {QUERY}",
    ),
    "rows of another number": (
        factors() | trained_rows(count=3),
        f"has trained rows of shape (3, 4) for {EMBEDDING}; expected (2, width)",
    ),
    "not a number": (with_value(float("nan")), f"a value that is not finite in {PREFIX}{QUERY}.lora_B.weight"),
    "infinity": (with_value(float("-inf")), f"a value that is not finite in {PREFIX}{QUERY}.lora_B.weight"),
}


@pytest.mark.parametrize("what", TENSORS)
def test_tensors_that_the_training_does_not_write_are_refused_by_name(tmp_path: Path, what: str) -> None:
    tensors, said = TENSORS[what]
    sentence = refusal(write_adapter(tmp_path, tmp_path / "base", tensors))
    assert said in sentence
    assert str(tmp_path / ADAPTER_FILE) in sentence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"use_dora": True}, "sets use_dora to True, which this merge does not know"),
        ({"use_rslora": True}, "sets use_rslora to True"),
        ({"modules_to_save": ["lm_head"]}, "sets modules_to_save to ['lm_head']"),
        ({"rank_pattern": {"q_proj": 4}}, "sets rank_pattern to {'q_proj': 4}"),
        ({"fan_in_fan_out": True}, "sets fan_in_fan_out to True"),
        ({"bias": "all"}, "sets bias to 'all'; expected 'none'"),
        ({"peft_type": "IA3"}, "is of type 'IA3'; expected LORA"),
        ({"r": 0}, "sets r to 0; expected a number above 0"),
        ({"r": "2"}, "sets r to '2'; expected a number above 0"),
        ({"lora_alpha": float("nan")}, "sets lora_alpha to nan; expected a number above 0"),
        ({"trainable_token_indices": None}, f"names no token ids for the rows of {EMBEDDING}"),
        ({"trainable_token_indices": [6, -7]}, f"names no token ids for the rows of {EMBEDDING}"),
        ({"trainable_token_indices": {"lm_head": [6, 7]}}, f"names no token ids for the rows of {EMBEDDING}"),
    ],
)
def test_settings_that_the_merge_does_not_know_are_refused_by_name(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    sentence = refusal(write_adapter(tmp_path, tmp_path / "base", config=change))
    assert said in sentence
    assert str(tmp_path / CONFIG_FILE) in sentence


@pytest.mark.parametrize("kind", ["hidden", "paper"])
def test_a_head_that_no_gguf_carries_is_refused(tmp_path: Path, kind: str) -> None:
    run = {"config": {"quantise": "none", "head": {"kind": kind}}}
    said = refusal(write_adapter(tmp_path, tmp_path / "base", run=run))
    assert f"was trained with head.kind={kind}, a layer that no GGUF can carry. Train with head.kind=rows" in said


@pytest.mark.parametrize("change", [{"kind": "llamacare-merged"}, {"version": 2}, {"kind": None}])
def test_a_run_of_another_kind_or_version_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    said = refusal(write_adapter(tmp_path, tmp_path / "base", run=change))
    assert str(tmp_path / RUN_FILE) in said
    assert "expected 'llamacare-training', version 1" in said


@pytest.mark.parametrize("key", ["base", "config", "labels", "adapter", "prompt"])
def test_a_run_that_lacks_a_part_is_refused(tmp_path: Path, key: str) -> None:
    path = write_adapter(tmp_path, tmp_path / "base") / RUN_FILE
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != key}))
    assert f"{path} lacks {key!r}" in refusal(tmp_path)


def spoil(name: str, text: bytes | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        if text is not None:
            (folder / name).write_bytes(text)

    return change


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        (spoil(RUN_FILE, None), RUN_FILE, "cannot be read"),
        (spoil(RUN_FILE, b"{"), RUN_FILE, "cannot be read"),
        (spoil(RUN_FILE, b"[" * 100_000), RUN_FILE, "cannot be read"),
        (spoil(RUN_FILE, b"[]"), RUN_FILE, "holds no object"),
        (spoil(CONFIG_FILE, b"\xff\xfe"), CONFIG_FILE, "cannot be read"),
        (spoil(CONFIG_FILE, None), CONFIG_FILE, "cannot be read"),
        (spoil(ADAPTER_FILE, None), ADAPTER_FILE, "is not there"),
        (spoil(ECI_FILE, b"{"), ECI_FILE, "cannot be used"),
        (spoil(ECI_FILE, b'{"version": 9}'), ECI_FILE, "version 9"),
        (spoil(ECI_FILE, b"\xff"), ECI_FILE, "cannot be used"),
    ],
)
def test_a_file_that_is_missing_or_broken_is_named(tmp_path: Path, change: Callable[[Path], None], name: str, said: str) -> None:
    change(write_adapter(tmp_path, tmp_path / "base"))
    sentence = refusal(tmp_path)
    assert str(tmp_path / name) in sentence
    assert said in sentence


@pytest.mark.parametrize("content", [b"", b"\x10", b"garbage that is no safetensors", b"\xff" * 64])
def test_an_adapter_that_is_no_safetensors_is_refused_even_where_its_digest_fits(tmp_path: Path, content: bytes) -> None:
    write_adapter(tmp_path, tmp_path / "base")
    (tmp_path / ADAPTER_FILE).write_bytes(content)
    about = json.loads((tmp_path / RUN_FILE).read_text())
    (tmp_path / RUN_FILE).write_text(json.dumps(about | {"adapter": digest_of(tmp_path / ADAPTER_FILE)}))
    assert f"{tmp_path / ADAPTER_FILE} cannot be read" in refusal(tmp_path)
