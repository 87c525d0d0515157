"""The configs that ship: each can be read, says in its header how it is started, and what it costs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.bases import EMBEDDED
from finetune.config import Config, load_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "finetune" / "configs").glob("*.yaml"))
each_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


def header(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(lines[: next(place for place, line in enumerate(lines) if not line.startswith("#"))])


def test_the_configs_are_those_of_the_design() -> None:
    names = {path.stem for path in CONFIGS}
    assert names == {
        "smoke_cpu", "demo_cpu", "pubmedqa_cpu", "usmle_cpu", "pretrain_cpu",
        "usmle_24gb_8b", "usmle_24gb_13b", "usmle_multi_gpu",
    }  # fmt: skip


@each_config
def test_a_config_can_be_read_and_is_called_as_its_file(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem
    assert config.folder == Path("runs") / path.stem


@each_config
def test_the_header_holds_the_command_of_this_very_file(path: Path) -> None:
    command = f"--config finetune/configs/{path.name}" if path.stem == "usmle_multi_gpu" else f"make train CONFIG={path.stem}"
    assert re.search(rf"^#   \S.*{re.escape(command)}$|^#   {re.escape(command)}$", header(path), re.MULTILINE)


@each_config
def test_the_header_says_time_and_memory(path: Path) -> None:
    said = header(path)
    assert re.search(r"[Aa]bout (\d+|a|an|two|three|half an) (seconds|minutes?|hours?)", said)
    assert re.search(r"\d+ GB", said)


@each_config
def test_the_files_are_there(path: Path) -> None:
    config = load_config(path)
    root = ROOT / config.data.root
    if path.stem == "pretrain_cpu":
        pytest.skip("its rows are made by the first command of its header")
    if not root.is_dir():
        pytest.skip(f"the data folder {config.data.root} is not here")
    parts = (config.data.train, config.data.calibration, config.data.conformal)
    files = [source.file for part in parts for source in part] + list(config.data.evaluation)
    assert [file for file in files if not (root / file).is_file()] == []


@each_config
def test_no_config_trains_on_what_it_is_to_be_judged_by(path: Path) -> None:
    data = load_config(path).data
    assert not {source.file for source in data.train} & set(data.evaluation)


def test_the_smoke_run_needs_nothing_but_the_repository() -> None:
    config = load_config(ROOT / "finetune" / "configs" / "smoke_cpu.yaml")
    assert (config.base, config.quantise, config.data.root) == (EMBEDDED, "nf4", "assets/bank")


@each_config
def test_what_needs_a_network_says_so_by_its_download(path: Path) -> None:
    config: Config = load_config(path)
    assert (config.base != EMBEDDED) == ("download" in header(path))
