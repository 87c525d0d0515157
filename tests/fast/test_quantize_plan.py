"""What a run will need, said and refused before it begins; and what the command takes."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import BadInput
from quantize import plan
from quantize.__main__ import _bytes, _count, main
from quantize.plan import Estimate, Size, estimate, existing, refuse_what_cannot_fit

GB = 10**9
SEVEN = Size(7_000_000_000, 150_000 * 4096)
ENOUGH = Estimate(
    disk=20 * GB, merge=4 * GB, torch=30 * GB, trained=6 * GB, llama=15 * GB, seconds=1234, free_disk=50 * GB, free_memory=16 * GB
)


@pytest.fixture(autouse=True)
def same_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "product_speed", lambda: 1e11)


def planned(*types: str, size: Size = SEVEN, merges: int = 1, questions: int = 1000, shard: int = 1 << 30) -> Estimate:
    return estimate(size, types, merges=merges, questions=questions, quantised=merges > 1, shard=shard, work=Path("/"))


def test_every_further_type_and_merge_needs_more_of_disk_and_time() -> None:
    one, two, merged = planned("Q8_0"), planned("Q8_0", "Q4_K_M"), planned("Q8_0", merges=2)
    assert one.disk < two.disk < merged.disk
    assert one.seconds < two.seconds and one.seconds < merged.seconds
    assert planned("Q4_K_M").disk < one.disk
    assert planned("Q8_0", questions=2000).seconds > one.seconds


def test_a_merged_model_in_float32_two_halves_and_two_files_lie_on_the_disk() -> None:
    assert planned("Q8_0").disk == pytest.approx(1.05 * 7e9 * (4 + 2 * 2 + 2 * 8.5 / 8), rel=1e-3)


def test_merging_needs_the_memory_of_a_shard_and_not_of_the_model() -> None:
    small = planned("Q8_0")
    assert small.merge < 16 * GB < small.torch
    assert planned("Q8_0", size=Size(70_000_000_000, SEVEN.largest)).merge == small.merge
    assert planned("Q8_0", shard=8 << 30).merge > small.merge
    # A tensor that is larger than a shard is still one tensor.
    assert planned("Q8_0", size=Size(SEVEN.parameters, 4 << 30)).merge > small.merge


def test_a_model_as_trained_in_four_bits_is_a_fraction_of_it() -> None:
    assert planned("Q8_0", merges=2).trained < planned("Q8_0", merges=1).trained / 3


def test_what_fits_is_not_refused() -> None:
    refuse_what_cannot_fit(ENOUGH, Path("work"), already=0)
    refuse_what_cannot_fit(replace(ENOUGH, free_disk=20 * GB, merge=16 * GB), Path("work"), already=0)


def test_too_little_disk_is_refused_with_both_figures_and_the_cure() -> None:
    tight = replace(ENOUGH, free_disk=19 * GB)
    with pytest.raises(BadInput) as refused:
        refuse_what_cannot_fit(tight, Path("here/work"), already=0)
    assert refused.value.sentence == (
        "The working folder here/work needs 20.0 GB, and its disk has 19.0 GB free. Make room, or choose another disk with "
        "--work."
    )
    refuse_what_cannot_fit(tight, Path("here/work"), already=GB)


def test_too_little_memory_to_merge_is_refused_with_both_figures_and_the_cure() -> None:
    with pytest.raises(BadInput) as refused:
        refuse_what_cannot_fit(replace(ENOUGH, free_memory=3 * GB), Path("work"), already=0)
    assert refused.value.sentence == (
        "Merging needs 4.0 GB of memory, and 3.0 GB are available. Close other programs, or give smaller shards with --shard."
    )


def test_the_plan_says_what_is_needed_what_is_there_and_what_is_left_out() -> None:
    text = ENOUGH.text()
    for part in ("Disk: 20.0 GB", "50.0 GB free", "16.0 GB available", "4.0 GB to merge", "15.0 GB to run the exported file"):
        assert part in text
    assert "30.0 GB to run the merged model in float32; too little, so this comparison is left out" in text
    assert "about 21 minutes" in text
    roomy = replace(ENOUGH, free_memory=64 * GB)
    assert "left out" not in roomy.text()
    assert (ENOUGH.runs_torch, ENOUGH.runs_trained, roomy.runs_torch) == (False, True, True)


def test_the_disk_is_that_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert existing(tmp_path / "not" / "yet") == tmp_path
    assert existing(tmp_path) == tmp_path
    assert existing(Path("neither/of/these")) == Path.cwd()


@pytest.mark.parametrize(
    ("text", "count"),
    [("8G", 8 * GB), ("500m", 5 * 10**8), ("1.5 GB", 3 * GB // 2), ("2T", 2000 * GB), ("42", 42), ("7kB", 7000)],
)
def test_a_number_of_bytes_is_written_as_people_write_it(text: str, count: int) -> None:
    assert _bytes(text) == count


@pytest.mark.parametrize("text", ["", "G", "0", "0G", "-1G", "8 X", "eight", "1e9"])
def test_what_is_no_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no number of bytes; expected one like 8G or 500M"):
        _bytes(text)


@pytest.mark.parametrize("text", ["0", "-3", "2.5", "ten", ""])
def test_what_is_no_number_of_questions_is_refused(text: str) -> None:
    assert _count("20") == 20
    with pytest.raises(argparse.ArgumentTypeError, match="is no number of questions; expected 1 or more"):
        _count(text)


def test_a_folder_that_is_no_training_ends_the_command_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent"), "--out", str(tmp_path / "x.gguf")]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'absent' / 'run.json'} cannot be read" in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
