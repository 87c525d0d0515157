"""Compressing and measuring with the real llama.cpp: on random models as wide as K types want them, and on too narrow ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import pytest

from app.engine.embedded import embedded_file
from app.engine.head import RECORD_KEY
from app.errors import BadInput, EngineDied, ModelFileError
from quantize.bench import bench_all
from quantize.bench import main as bench
from quantize.child import ROOT
from quantize.compress import Compressed, compress, planned_bytes
from quantize.compress import main as compress_main
from quantize.ggml_types import TYPES, file_type, tensor_types
from quantize.metadata import write_pairs
from quantize.tensor_table import read_table

pytestmark = pytest.mark.slow

WAIT = 120  # seconds for something to happen; reaching it is a failure, not a measurement
BYTES = [f"<0x{value:02X}>".encode() for value in range(256)]


def write_model(path: Path, *, width: int, blocks: int = 3, said: int | None = None, kind: type[np.generic] = np.float16) -> Path:
    """A random model of the llama kind whose tokens are bytes. ``said``: the number of blocks that its head claims."""
    writer = gguf.GGUFWriter(path, "llama")
    count = 3 + len(BYTES)
    writer.add_context_length(1024)
    writer.add_embedding_length(width)
    writer.add_block_count(blocks if said is None else said)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 4)
    writer.add_file_type(1 if kind is np.float16 else 0)
    writer.add_vocab_size(count)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([b"<unk>", b"<s>", b"</s>", *BYTES])
    writer.add_token_scores([0.0] * count)
    writer.add_token_types([2, 3, 3, *[6] * len(BYTES)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_string("llamacare.eci.note", "travels along, with ünï")
    drawn = np.random.default_rng(0)
    shapes = {"token_embd": (count, width), "output": (count, width)}
    for block in range(blocks):
        shapes |= {f"blk.{block}.attn_{name}": (width, width) for name in ("q", "k", "v", "output")}
        shapes |= {f"blk.{block}.ffn_{name}": (2 * width, width) for name in ("gate", "up")}
        shapes |= {f"blk.{block}.ffn_down": (width, 2 * width)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", (drawn.standard_normal(shape) * 0.05).astype(kind))
    norms = ("output_norm", *(f"blk.{block}.{name}" for block in range(blocks) for name in ("attn_norm", "ffn_norm")))
    for name in norms:
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("wide") / "wide.gguf", width=256)


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that takes seconds to be written as IQ3_S, so that there is time to end it."""
    return write_model(tmp_path_factory.mktemp("heavy") / "heavy.gguf", width=768, blocks=3)


def test_the_types_are_those_of_the_installed_llama_cpp_by_name_and_number() -> None:
    native = {name: value for name, value in vars(llama_cpp).items() if name.startswith("LLAMA_FTYPE_") and value != 1024}
    plain = {name.removeprefix("LLAMA_FTYPE_").removeprefix("MOSTLY_").removeprefix("ALL_"): n for name, n in native.items()}
    assert len(plain) > 30
    assert {one.name: one.id for one in TYPES}.items() >= plain.items()


def test_what_is_offered_llama_cpp_writes_and_what_is_refused_it_refuses(wide: Path, tmp_path: Path) -> None:
    """All in one process, since starting one takes longer than the work."""
    script = f"""
import json
from app.errors import ModelFileError
from quantize.ggml_types import TYPES
from quantize.native import quantise
said = {{}}
for one in TYPES:
    try:
        quantise({str(wide)!r}, {str(tmp_path)!r} + "/" + one.name, one.id, 1, dry=False, head="")
        said[one.name] = ""
    except ModelFileError as error:
        said[one.name] = error.sentence
print(json.dumps(said))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    reasons = {"this quantization requires an imatrix!", "invalid output file type"}
    assert {why.rstrip(" 0123456789") for why in said.values() if why} == reasons
    # Q2_0 is written, and then nothing here could read it.
    assert {name for name, why in said.items() if why} == {one.name for one in TYPES if one.refusal} - {"Q2_0"}
    count = sum(one.tensors for one in tensor_types(wide).values())
    for one in TYPES:
        if not one.refusal:
            assert sum(found.tensors for found in tensor_types(tmp_path / one.name).values()) == count, one.name
    with pytest.raises(BadInput, match="is of the type 42, which the gguf library does not know"):
        tensor_types(tmp_path / "Q2_0")


@pytest.mark.parametrize("name", ["BF16", "Q4_K_M", "Q8_0"])
def test_a_file_is_written_whole_with_progress_and_as_large_as_was_planned(wide: Path, tmp_path: Path, name: str) -> None:
    told: list[tuple[int, int]] = []
    made = compress(wide, tmp_path / "out.gguf", name, threads=1, tell=lambda done, total: told.append((done, total)))
    assert [path.name for path in tmp_path.iterdir()] == ["out.gguf"]
    assert (made.type, made.bytes) == (name, (tmp_path / "out.gguf").stat().st_size)
    count = sum(one.tensors for one in tensor_types(wide).values())
    assert sum(one.tensors for one in made.tensors.values()) == count
    assert told == [(number, count) for number in range(1, count + 1)]
    assert abs(planned_bytes(wide, name) - made.bytes) < 0.01 * made.bytes + 2**15


def test_k_types_are_really_used_where_rows_are_multiples_of_256(wide: Path, tmp_path: Path) -> None:
    def matrices(name: str) -> set[str]:
        return set(compress(wide, tmp_path / f"{name}.gguf", name).tensors) - {"F32"}

    assert matrices("Q4_K_M") == {"Q4_K", "Q6_K"}
    assert matrices("Q5_K_M") == {"Q5_K", "Q6_K"}
    assert matrices("Q6_K") == {"Q6_K"}
    assert {"Q2_K", "Q3_K"} <= matrices("Q2_K")


def test_of_a_narrow_model_the_tensors_that_are_really_there_are_told(tmp_path: Path) -> None:
    source = write_model(tmp_path / "narrow.gguf", width=96)
    made = compress(source, tmp_path / "out.gguf", "Q4_K_M")
    assert not {"Q4_K", "Q6_K"} & set(made.tensors)
    assert made.sentence.startswith("Q4_K_M: really Q5_0 x ")


def test_metadata_travel_along_and_the_file_says_its_type(wide: Path, tmp_path: Path) -> None:
    compress(wide, tmp_path / "out.gguf", "Q8_0")
    read = gguf.GGUFReader(tmp_path / "out.gguf")
    before = gguf.GGUFReader(wide)
    changed = {"general.file_type", "general.quantization_version"}
    kept = [name for name in before.fields if name not in changed and not name.startswith("GGUF.")]
    assert "llamacare.eci.note" in kept
    assert {name: read.fields[name].contents() for name in kept} == {name: before.fields[name].contents() for name in kept}
    assert read.fields["general.file_type"].contents() == file_type("Q8_0").id


def test_f32_and_f16_are_written_without_a_change_of_value(wide: Path, tmp_path: Path) -> None:
    compress(wide, tmp_path / "f32.gguf", "F32")
    compress(tmp_path / "f32.gguf", tmp_path / "f16.gguf", "F16")
    one, other = gguf.GGUFReader(wide), gguf.GGUFReader(tmp_path / "f16.gguf")
    values = {tensor.name: tensor.data for tensor in other.tensors}
    assert all(np.array_equal(tensor.data, values[tensor.name]) for tensor in one.tensors)


def test_a_quantised_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is quantised already: .*Q4_1 x "):
        compress(embedded_file(), tmp_path / "out.gguf", "Q8_0")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_never_written_over_its_source(wide: Path) -> None:
    before = wide.read_bytes()
    with pytest.raises(BadInput, match="is read and would be written"):
        compress(wide, wide.parent / ".." / wide.parent.name / wide.name, "Q8_0")
    assert wide.read_bytes() == before


def test_a_native_abort_ends_in_a_sentence_and_without_a_file(tmp_path: Path) -> None:
    source = write_model(tmp_path / "odd.gguf", width=64, said=513)
    with pytest.raises(EngineDied, match=r"crashed while reading odd\.gguf \(SIGABRT: GGML_ASSERT.*damaged"):
        compress(source, tmp_path / "out.gguf", "Q8_0")
    with pytest.raises(EngineDied, match=r"crashed while measuring odd\.gguf \(SIGABRT"):
        bench_all([source], rounds=1)
    assert [path.name for path in tmp_path.iterdir()] == ["odd.gguf"]


def test_a_full_disk_ends_in_a_sentence_and_keeps_the_file_that_was_there(wide: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.gguf"
    target.write_bytes(b"the earlier one")
    line = f'ulimit -f 500; exec "{sys.executable}" -m quantize.compress "{wide}" --out "{target}" --type Q8_0 --force'
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "The disk took no more while writing out.gguf as Q8_0. Make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the earlier one"]


@pytest.fixture
def running(heavy: Path, tmp_path: Path, wait_for: Callable[[Callable[[], bool]], None]) -> Iterator[subprocess.Popen[str]]:
    """A compression in the midst of writing."""
    command = [sys.executable, "-m", "quantize.compress", str(heavy), "--out", str(tmp_path / "out.gguf"), "--type", "IQ3_S"]
    process = subprocess.Popen([*command, "--threads", "1"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    aside = tmp_path / ".out.gguf.part"
    wait_for(lambda: aside.exists() and aside.stat().st_size > 0)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def children_at(folder: Path) -> list[str]:
    """Processes that name the folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in line and "quantize" in line:
            found.append(line)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_politely_it_leaves_neither_a_file_nor_a_process(
    running: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    running.send_signal(number)
    _, said = running.communicate(timeout=WAIT)
    assert running.returncode == 130
    assert "Stopped." in said and "was not written" in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    assert children_at(tmp_path) == []


def test_killed_it_leaves_no_file_of_the_final_name_no_process_and_the_next_run_is_whole(
    running: subprocess.Popen[str], tmp_path: Path, wide: Path, wait_for: Callable[[Callable[[], bool]], None]
) -> None:
    running.kill()
    running.communicate(timeout=WAIT)
    wait_for(lambda: children_at(tmp_path) == [])
    assert not (tmp_path / "out.gguf").exists()
    assert compress_main([str(wide), "--out", str(tmp_path / "out.gguf"), "--type", "Q8_0"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.gguf"]


def test_a_file_that_is_there_is_not_replaced_unasked(wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.gguf"
    target.write_bytes(b"mine")
    assert compress_main([str(wide), "--out", str(target), "--type", "Q8_0"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"
    assert compress_main([str(wide), "--out", str(target), "--type", "Q8_0", "--force"]) == 0
    assert "Q8_0: really Q8_0 x " in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(wide: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(BadInput, match="cannot be written"):
        compress(wide, tmp_path / "locked" / "out.gguf", "Q8_0")


@pytest.fixture(scope="module")
def pair(wide: Path) -> list[Path]:
    made: list[Compressed] = [compress(wide, wide.with_name(f"{name}.gguf"), name) for name in ("Q8_0", "Q4_K_M")]
    return [wide.with_name(f"{one.type}.gguf") for one in made]


def test_files_are_measured_in_turns(pair: list[Path]) -> None:
    told: list[tuple[int, int]] = []
    found = bench_all(pair, prompt_tokens=32, decode_tokens=4, rounds=2, tell=lambda *at: told.append(at))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for speed in found.values():
        assert min(speed.prompt_per_s, speed.decode_per_s, speed.load_s, speed.mix_s) > 0
        assert 0 < speed.memory_loaded <= speed.memory_bytes < 2**31
        assert speed.rounds == 2 and speed.device.startswith("CPU")
        assert all(least <= greatest for least, greatest in speed.spread.values())


def test_the_command_writes_figures_a_table_and_a_picture(
    pair: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, kl in zip(pair, (0.001, 0.03), strict=True):
        path.with_name(f"{path.stem}.verify.json").write_text(json.dumps({"text_kl": kl}))
    given = ["--rounds", "1", "--prompt-tokens", "16", "--decode-tokens", "2", "--threads", "1", "--out", str(tmp_path)]
    assert bench([*map(str, pair), *given]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"bench.json", "bench.md", "bench.png"}
    assert "| Q8_0 |" in capsys.readouterr().out
    figures = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert [one["text_kl"] for one in figures["files"]] == [0.001, 0.03]
    assert figures["files"][0]["speed"]["threads"] == {"prompt": 1, "decode": 1}


def test_more_tokens_than_the_model_has_room_for_are_refused(wide: Path) -> None:
    with pytest.raises(ModelFileError, match="has room for 1024 tokens, and 2064 are to be measured"):
        bench_all([wide], prompt_tokens=2000, decode_tokens=64, rounds=1)


def test_the_rows_that_trained_labels_are_read_at_stay_in_f16(wide: Path, tmp_path: Path) -> None:
    trained = tmp_path / "trained.gguf"
    write_pairs(wide, trained, {RECORD_KEY: "{}"})
    types = {}
    for source in (wide, trained):
        compress(source, tmp_path / f"{source.stem}.Q4_K_M.gguf", "Q4_K_M")
        types[source] = {one.name: one.type for one in read_table(tmp_path / f"{source.stem}.Q4_K_M.gguf").tensors}
    assert types[trained].pop("output.weight") == "F16" != types[wide].pop("output.weight")
    assert types[trained] == types[wide]
