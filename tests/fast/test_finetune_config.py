"""A config that cannot be is refused by place, value and what was expected; overrides reach every key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.errors import BadInput
from app.prompts import Style
from finetune.config import Config, Source, load_config, read_config


def values(**more: Any) -> dict[str, Any]:
    return {"name": "run", "base": "embedded", "data": {"train": ["a.jsonl"]}, **more}


def written(folder: Path, text: str) -> Path:
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return path


LEAST = "base: embedded\ndata: {train: [a.jsonl]}\n"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"lora": {"rank": 0}}, "The config's lora.rank is 0; expected 1 to 1024."),
        ({"lora": {"rank": 1.5}}, "The config's lora.rank is 1.5; expected a whole number."),
        ({"lora": {"rank": True}}, "The config's lora.rank is True; expected a whole number."),
        ({"lora": {"rate": "quick"}}, "The config's lora.rate is 'quick'; expected a number."),
        ({"lora": {"dropout": float("nan")}}, "The config's lora.dropout is nan; expected 0 to 0.9."),
        ({"head": {"weight": 2}}, "The config's head.weight is 2.0; expected 0 to 1."),
        ({"head": {"kind": "row"}}, "The config's head.kind is 'row'; expected one of rows, letters, hidden, "),
        ({"training": {"permute": "yes"}}, "The config's training.permute is 'yes'; expected true or false."),
        ({"training": {"micro_tokens": 100}}, "The config's training.micro_tokens is 100; expected 512 to "),
        ({"quantise": "int8"}, "The config's quantise is 'int8'; expected one of nf4, none."),
        ({"base": 7}, "The config's base is 7; expected a text."),
        ({"lora": 16}, "The config's lora is 16; expected keys below it."),
        ({"data": {"train": "a.jsonl"}}, "The config's data.train is 'a.jsonl'; expected a list."),
        ({"data": {"train": []}}, "The config's data.train is empty; expected at least one file of training rows."),
        ({"data": {"train": [{"weight": 1}]}}, "The config lacks data.train.file. Give it a value."),
        ({"data": {"train": [{"file": "a.jsonl", "weight": 0}]}}, "weight of a.jsonl is 0.0; expected 1e-06 to 1000."),
        ({"trainig": {}}, "The config has no key trainig. Did you mean training?"),
        ({"lora": {"xyz": 1}}, "The config has no key lora.xyz. Expected one of rank, alpha, dropout, rate."),
        ({"head": {"kind": "none"}}, "head.kind is none and its head.weight 0.5; expected 0, as no class is trained."),
    ],
)
def test_what_cannot_be_is_refused_by_place_value_and_expectation(more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_config(values(**more))
    assert sentence in refused.value.sentence


@pytest.mark.parametrize("missing", ["name", "base"])
def test_a_key_that_is_needed_is_asked_for(missing: str) -> None:
    given = values()
    del given[missing]
    with pytest.raises(BadInput, match=f"lacks {missing}"):
        read_config(given)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a\n- b\n", "holds a list; expected keys"),
        ("base: [", "is not YAML"),
        ("", "holds a NoneType; expected keys"),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadInput) as refused:
        load_config(path)
    assert str(path) in refused.value.sentence
    assert sentence in refused.value.sentence


def test_a_file_that_is_not_there_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.yaml cannot be read .* finetune/configs"):
        load_config(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("training.seed", "expected key=value, like training.seed=2"),
        ("=2", "expected key=value"),
        ("base.x=2", "goes into 'base', which holds a value and no keys"),
        ("base=[", "has a value that is not YAML"),
        ("training.sede=2", "no key training.sede. Did you mean seed?"),
        ("training.seed=-1", "training.seed is -1; expected 0 to "),
    ],
)
def test_an_override_that_cannot_be_is_refused(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        load_config(written(tmp_path, LEAST), [override])
    assert sentence in refused.value.sentence


def test_overrides_reach_every_depth_and_win_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, LEAST + "training: {seed: 1}\n")
    overrides = ["training.seed=7", "data.split.calibration=25", "data.train=[{file: b.jsonl, weight: 0.5}]", "out=/tmp/x"]
    config = load_config(path, overrides)
    assert config.training.seed == 7
    assert config.data.split.calibration == 25
    assert config.data.train == (Source(file="b.jsonl", weight=0.5),)
    assert config.folder == Path("/tmp/x")


def test_a_run_is_called_as_its_file_unless_it_has_a_name(tmp_path: Path) -> None:
    path = written(tmp_path, LEAST)
    assert load_config(path).name == "one"
    assert load_config(path, ["name=two"]).folder == Path("runs/two")


@pytest.mark.parametrize("text", ["2e-4", "0.0002", "'2e-4'"])
def test_a_rate_may_be_written_as_people_write_it(tmp_path: Path, text: str) -> None:
    """YAML 1.1 reads 2e-4, without a point, as a text."""
    assert load_config(written(tmp_path, LEAST), [f"lora.rate={text}"]).lora.rate == 2e-4


@pytest.mark.parametrize("text", ["on", "off", "auto", "'on'"])
def test_on_and_off_are_words_here(tmp_path: Path, text: str) -> None:
    """YAML 1.1 reads a bare on as true."""
    config = load_config(written(tmp_path, LEAST), [f"training.checkpointing={text}"])
    assert config.training.checkpointing == text.strip("'")


def test_a_config_comes_back_from_its_record() -> None:
    config: Config = read_config(values(training={"style": "steps"}))
    assert config.training.style is Style.STEPS
    assert read_config(config.as_dict()) == config
