"""A run that was ended goes on from its last whole stage, and from no other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import BadInput, Conflict
from quantize.stages import STATE, Stages, bytes_of, key_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    """One finished stage, "merge" of key "k": a folder of two files and a file."""
    folder = tmp_path / "work"
    (folder / "merged" / "deep").mkdir(parents=True)
    (folder / "merged" / "a").write_bytes(b"12345")
    (folder / "merged" / "deep" / "b").write_bytes(b"678")
    (folder / "f16.gguf").write_bytes(b"GGUF")
    made = Stages(folder)
    made.finish("merge", "k", [folder / "merged", folder / "f16.gguf"], {"onto": "original"})
    return made


def test_a_finished_stage_is_there_for_the_next_run_too(stages: Stages) -> None:
    again = Stages(stages.folder)
    assert again.has("merge", "k")
    assert again.facts("merge") == {"onto": "original"}
    assert not again.has("export", "k")


def test_a_stage_of_another_key_is_made_anew(stages: Stages) -> None:
    assert not stages.has("merge", "K")


def test_a_stage_whose_files_changed_or_went_is_made_anew(stages: Stages) -> None:
    for change in (
        lambda: (stages.folder / "f16.gguf").write_bytes(b"GGUF!"),
        (stages.folder / "f16.gguf").unlink,
        lambda: (stages.folder / "merged" / "deep" / "b").write_bytes(b""),
        lambda: (stages.folder / "merged" / "c").write_bytes(b"more"),
    ):
        kept = {path: path.read_bytes() for path in stages.folder.rglob("*") if path.is_file()}
        change()
        assert not stages.has("merge", "k")
        (stages.folder / "merged" / "c").unlink(missing_ok=True)
        for path, content in kept.items():
            path.write_bytes(content)
        assert stages.has("merge", "k")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"merge": 3}', b'{"merge": {"key": "k"}}', b'{"merge": {"key": "k", "files": []}}'],
)
def test_a_state_that_is_broken_is_no_finished_stage_and_is_written_anew(stages: Stages, content: bytes) -> None:
    (stages.folder / STATE).write_bytes(content)
    assert not stages.has("merge", "k")
    stages.finish("merge", "k", [stages.folder / "f16.gguf"])
    assert stages.has("merge", "k")


def test_a_second_stage_leaves_the_first_as_it_was(stages: Stages) -> None:
    stages.finish("export", "e", [stages.folder / "f16.gguf"])
    assert stages.has("merge", "k") and stages.has("export", "e")
    stages.finish("merge", "other", [stages.folder / "merged"])
    assert not stages.has("merge", "k") and stages.has("merge", "other") and stages.has("export", "e")


def test_what_is_needed_no_more_is_removed_with_its_entry(stages: Stages) -> None:
    stages.forget("merge", [stages.folder / "merged", stages.folder / "f16.gguf", stages.folder / "never there"])
    assert not stages.has("merge", "k")
    assert [path.name for path in stages.folder.iterdir()] == [STATE]
    assert json.loads((stages.folder / STATE).read_text()) == {}


def test_the_whole_folder_goes_when_all_is_done(stages: Stages) -> None:
    stages.remove()
    assert not stages.folder.exists()
    stages.remove()


def test_another_process_is_kept_out_until_the_run_ends(stages: Stages) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom app.errors import Conflict\nfrom quantize.stages import Stages\n"
        "try:\n    with Stages(Path(sys.argv[1])).locked():\n        print('in')\n"
        "except Conflict as error:\n    print(error.sentence)"
    )

    def other() -> str:
        command = [sys.executable, "-c", script, str(stages.folder)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    with stages.locked():
        assert other().startswith(f"Another run works in {stages.folder}. Wait for it, or give this one a folder of its own")
        with pytest.raises(Conflict), stages.locked():
            raise AssertionError
    assert other() == "in"
    with stages.locked():
        pass


def test_the_lock_is_given_back_when_a_run_fails(stages: Stages) -> None:
    with pytest.raises(ZeroDivisionError), stages.locked():
        raise ZeroDivisionError
    with stages.locked():
        pass


def test_a_working_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BadInput, match=r"The working folder .*file/work cannot be made .*another place with --work"),
        Stages(tmp_path / "file" / "work").locked(),
    ):
        raise AssertionError


def test_a_key_changes_with_each_of_its_parts() -> None:
    keys = {key_of("a", "b"), key_of("b", "a"), key_of("ab"), key_of("a", "b", ""), key_of(("a", "b")), key_of("a", 1)}
    assert len(keys) == 6
    assert key_of("a", "b") == key_of("a", "b") and len(key_of()) == 16


def test_sizes_are_of_a_file_or_of_all_files_below_a_folder(stages: Stages) -> None:
    sizes = {name: bytes_of(stages.folder / name) for name in ("f16.gguf", "merged", "absent")}
    assert sizes == {"f16.gguf": 4, "merged": 8, "absent": -1}
