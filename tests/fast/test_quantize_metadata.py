"""New metadata of a GGUF, read back by the gguf library: every key that was not named and every tensor stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from app.errors import ModelFileError
from app.gguf_header import read_header
from quantize.metadata import Value, write_pairs

OWN = ("GGUF.version", "GGUF.tensor_count", "GGUF.kv_count")
VALUES: dict[str, Value] = {
    "llamacare.eci.record": '{"größe": "½"}',
    "general.name": "Anders, and longer than what stood there before, so that everything after it moves",
    "general.base_model.count": 1,
    "llamacare.flag": True,
    "general.tags": ("medical", "наука", ""),
    "llamacare.none": (),
}


def write_gguf(path: Path, *, alignment: int = 32) -> Path:
    """Every kind of value, and tensors whose sizes are no multiples of the alignment."""
    writer = gguf.GGUFWriter(path, "llama")
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    writer.add_name("before")
    writer.add_token_list([f"token {number}" for number in range(50)])
    writer.add_token_scores([0.5, -1.0])
    writer.add_array("llamacare.flags", [True, False])
    writer.add_bool("llamacare.flag", False)
    writer.add_float64("llamacare.wide", 2.5)
    writer.add_uint8("llamacare.byte", 200)
    writer.add_int16("llamacare.short", -300)
    writer.add_uint64("llamacare.long", 1 << 40)
    drawn = np.random.default_rng(0)
    writer.add_tensor("odd", drawn.standard_normal((3, 5)).astype(np.float32))
    writer.add_tensor("half", drawn.standard_normal((4, 64)).astype(np.float16))
    coarse = gguf.quantize(drawn.standard_normal((4, 64)).astype(np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("coarse", coarse, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def pairs(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items() if name not in OWN}


def tensors(path: Path) -> dict[str, tuple[Any, ...]]:
    found = gguf.GGUFReader(path).tensors
    return {one.name: (one.tensor_type, tuple(one.shape.tolist()), one.data.tobytes()) for one in found}


@pytest.mark.parametrize("alignment", [8, 32, 64, 4096])
def test_new_keys_are_read_back_and_every_other_key_and_tensor_stays(tmp_path: Path, alignment: int) -> None:
    source = write_gguf(tmp_path / "a.gguf", alignment=alignment)
    before = source.read_bytes()
    write_pairs(source, tmp_path / "b.gguf", VALUES)
    expected = {name: list(value) if isinstance(value, tuple) else value for name, value in VALUES.items()}
    kept = {name: value for name, value in pairs(source).items() if name not in VALUES}
    assert pairs(tmp_path / "b.gguf") == kept | expected
    assert tensors(tmp_path / "b.gguf") == tensors(source)
    assert gguf.GGUFReader(tmp_path / "b.gguf").data_offset % alignment == 0
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gguf", "b.gguf"]


@pytest.mark.parametrize("alignment", [32, 64])
def test_a_file_is_changed_in_its_place(tmp_path: Path, alignment: int) -> None:
    path = write_gguf(tmp_path / "a.gguf", alignment=alignment)
    known, data = pairs(path), tensors(path)
    write_pairs(path, path, {"general.name": "after"})
    assert pairs(path) == known | {"general.name": "after"}
    assert tensors(path) == data
    assert [file.name for file in tmp_path.iterdir()] == ["a.gguf"]


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "a.gguf")
    write_pairs(path, path, VALUES)
    once = path.read_bytes()
    write_pairs(path, path, VALUES)
    assert path.read_bytes() == once


def test_nothing_to_set_gives_the_same_bytes(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "a.gguf")
    write_pairs(source, tmp_path / "b.gguf", {})
    assert (tmp_path / "b.gguf").read_bytes() == source.read_bytes()


def test_what_is_written_is_read_by_the_applications_own_reader(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "a.gguf", alignment=64)
    write_pairs(source, tmp_path / "b.gguf", VALUES)
    header = read_header(tmp_path / "b.gguf")
    assert {name: header.metadata[name] for name, value in VALUES.items() if not isinstance(value, tuple)} == {
        name: value for name, value in VALUES.items() if not isinstance(value, tuple)
    }
    assert [one.name for one in header.tensors] == ["odd", "half", "coarse"]


def test_a_source_that_is_no_gguf_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGML, of long ago")
    with pytest.raises(ModelFileError, match=r"a\.gguf is no usable GGUF file"):
        write_pairs(tmp_path / "a.gguf", tmp_path / "b.gguf", VALUES)
    assert [file.name for file in tmp_path.iterdir()] == ["a.gguf"]


def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_gguf(tmp_path / "a.gguf")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("quantize.metadata.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        write_pairs(path, path, VALUES)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.gguf"]
