"""Types of compressed files: which can be made, what each must reach, what a file really holds; and what compressing refuses."""

from __future__ import annotations

import random
from pathlib import Path

import gguf
import numpy as np
import pytest

from app.errors import BadInput
from quantize.child import epitaph
from quantize.compress import ROOM, compress, refuse_no_room
from quantize.ggml_types import THRESHOLDS, TYPES, TensorCount, file_type, sentence, tensor_types, thresholds
from quantize.tensor_table import read_table

REFUSED = [one.name for one in TYPES if one.refusal]


def write_gguf(path: Path) -> Path:
    """Tensors of four types behind metadata of every kind."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list([f"token {number}" for number in range(50)])
    writer.add_token_scores([0.5] * 50)
    writer.add_string("llamacare.note", "kept")
    writer.add_bool("llamacare.flag", True)
    writer.add_float64("llamacare.wide", 2.5)
    drawn = np.random.default_rng(0)
    matrix = drawn.standard_normal((4, 64)).astype(np.float32)
    writer.add_tensor("plain", matrix)
    writer.add_tensor("half", matrix.astype(np.float16))
    writer.add_tensor("one", np.ones(64, np.float32))
    for name, kind in (("coarse", gguf.GGMLQuantizationType.Q4_0), ("fine", gguf.GGMLQuantizationType.Q8_0)):
        writer.add_tensor(name, gguf.quantize(matrix, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_types_are_those_of_the_gguf_library_by_name_and_number() -> None:
    known = {one.name.removeprefix("MOSTLY_").removeprefix("ALL_"): int(one) for one in gguf.LlamaFileType}
    del known["GUESSED"]
    assert {one.name: one.id for one in TYPES}.items() >= known.items()
    assert len({one.id for one in TYPES}) == len(TYPES) == len({one.name for one in TYPES})


@pytest.mark.parametrize("name", ["Q4_K_M", "q4_k_m", " Q4-K-M "])
def test_a_type_is_known_however_it_is_written(name: str) -> None:
    assert (file_type(name).name, file_type(name).id) == ("Q4_K_M", 15)


@pytest.mark.parametrize(("wrong", "meant"), [("Q4_KM", "Q4_K_M"), ("Q8", "Q8_0"), ("FP16", "F16"), ("Q6K", "Q6_K")])
def test_a_misspelt_type_is_told_what_it_may_have_meant(wrong: str, meant: str) -> None:
    with pytest.raises(BadInput, match=f"'{wrong}' is no type .* Did you mean {meant}"):
        file_type(wrong)


def test_a_name_that_is_like_none_gets_the_list() -> None:
    with pytest.raises(BadInput, match=r"knows\. Those that can be made: F32, F16, .*Q4_K_M"):
        file_type("!")


@pytest.mark.parametrize("name", REFUSED)
def test_a_type_that_cannot_be_made_says_why_and_names_one_that_can(name: str) -> None:
    with pytest.raises(BadInput) as refusal:
        file_type(name)
    usable = {one.name for one in TYPES if not one.refusal}
    assert refusal.value.sentence.startswith(f"The type {name} ")
    assert usable & set(refusal.value.sentence.replace(",", " ").replace(".", " ").split())


def test_types_that_need_an_importance_matrix_say_so() -> None:
    for name in ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_M", "IQ3_XXS", "IQ3_XS", "Q2_K_S"):
        with pytest.raises(BadInput, match="importance matrix"):
            file_type(name)


def test_the_promised_agreement_of_each_type_is_its_threshold() -> None:
    assert {name: thresholds(name).agreement for name in ("F16", "Q8_0", "Q4_K_M")} == {
        "F16": 0.995,
        "Q8_0": 0.98,
        "Q4_K_M": 0.93,
    }


def test_fewer_bits_are_never_held_to_more() -> None:
    bits = [least for least, _ in THRESHOLDS]
    assert bits == sorted(bits, reverse=True) and bits[-1] == 0
    limits = [limit for _, limit in THRESHOLDS]
    assert [one.agreement for one in limits] == sorted((one.agreement for one in limits), reverse=True)
    for figure in ("label_kl", "text_kl", "perplexity_ratio"):
        values = [getattr(one, figure) for one in limits]
        assert values == sorted(values) and values[0] > 0


def test_every_type_that_can_be_made_has_thresholds() -> None:
    for one in TYPES:
        if not one.refusal:
            assert 0 < thresholds(one.name).agreement < 1 < thresholds(one.name).perplexity_ratio


def test_the_sentence_counts_the_types_that_are_really_there() -> None:
    counts = {"Q5_0": TensorCount(132, 9), "Q8_0": TensorCount(31, 5), "F32": TensorCount(61, 1)}
    assert sentence("Q4_K_M", counts) == "Q4_K_M: really Q5_0 x 132, Q8_0 x 31, F32 x 61"


def test_the_table_of_tensors_is_what_the_gguf_library_reads(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf")
    theirs = gguf.GGUFReader(path)
    table = read_table(path)
    assert table.data_offset == theirs.data_offset
    assert [(one.name, one.type, one.bytes) for one in table.tensors] == [
        (one.name, one.tensor_type.name, one.n_bytes) for one in theirs.tensors
    ]
    assert [one.shape for one in table.tensors] == [tuple(reversed(one.shape.tolist())) for one in theirs.tensors]


def test_types_are_counted_with_their_bytes_the_heaviest_first(tmp_path: Path) -> None:
    counts = tensor_types(write_gguf(tmp_path / "model.gguf"))
    assert dict(counts) == {
        "F32": TensorCount(2, 4 * 64 * 4 + 64 * 4),
        "F16": TensorCount(1, 4 * 64 * 2),
        "Q8_0": TensorCount(1, 4 * 2 * 34),
        "Q4_0": TensorCount(1, 4 * 2 * 18),
    }
    assert list(counts) == ["F32", "F16", "Q8_0", "Q4_0"]


def test_a_file_cut_off_anywhere_is_refused_in_a_sentence(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "model.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in range(0, len(whole) - 32, 7):  # the last tensor's padding may be missing
        cut.write_bytes(whole[:length])
        with pytest.raises(BadInput, match=r"cut\.gguf is no (usable|whole) GGUF file: .*\. (Download|Write or copy) it again\."):
            tensor_types(cut)


def test_a_damaged_head_ends_in_a_refusal_or_in_a_table(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf")
    whole = path.read_bytes()
    end = read_table(path).data_offset
    drawn = random.Random(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(4):
            damaged[drawn.randrange(end)] = drawn.randrange(256)
        path.write_bytes(damaged)
        try:
            tensor_types(path)
        except BadInput:
            refused += 1
    assert 0 < refused < 400


@pytest.mark.parametrize("content", [b"", b"not a model", b"GGUF", b"GGUF\x09\x00\x00\x00" + bytes(16)])
def test_what_is_no_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"x\.gguf is no usable GGUF file"):
        tensor_types(path)


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.gguf does not exist"):
        compress(tmp_path / "absent.gguf", tmp_path / "out.gguf", "Q8_0")


def test_a_quantised_source_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "model.gguf")
    with pytest.raises(BadInput, match=r"is quantised already: .*Q8_0 x 1.*Export the model to F16 first"):
        compress(source, tmp_path / "sub" / "out.gguf", "Q4_K_M")
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]


def test_a_type_is_checked_before_the_source_is_opened(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="importance matrix"):
        compress(tmp_path / "absent.gguf", tmp_path / "out.gguf", "IQ2_XS")


def test_too_little_room_names_what_is_needed_and_what_is_there(tmp_path: Path) -> None:
    refuse_no_room(1000, ROOM + 1000, tmp_path / "out.gguf")
    with pytest.raises(BadInput, match=r"out\.gguf needs 5,000 MB and 67 MB to spare, and its disk has 1,000 MB free"):
        refuse_no_room(5_000_000_000, 1_000_000_000, tmp_path / "out.gguf")


@pytest.mark.parametrize(
    ("code", "last", "said"),
    [
        (-9, [], "was ended while writing x (kill -9, or out of memory"),
        (-4, [], "was built for another processor"),
        (
            -6,
            ["/build/ggml.c:12: GGML_ASSERT(n > 0) failed", "more"],
            "crashed while writing x (SIGABRT: GGML_ASSERT(n > 0) failed)",
        ),
        (-11, [], "crashed while writing x (SIGSEGV)"),
        (1, ["MemoryError"], "ended while writing x (exit status 1: MemoryError)"),
    ],
)
def test_a_crash_is_told_with_its_reason(code: int, last: list[str], said: str) -> None:
    assert said in epitaph(code, last, what="writing x")
