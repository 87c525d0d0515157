"""The README says the truth: its tree, its commands, its flags, its figures that can be counted."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from app.questions import Bank
from app.settings import all_flags

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def tree(readme: str) -> set[str]:
    """The paths of the README's tree, from its indentation."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    (block,) = [text for language, text in fenced if not language]
    paths: set[str] = set()
    parent = ""
    for line in block.splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            parent = name if name.endswith("/") else ""
        paths.add(parent + name if line.startswith(" ") else name)
    return paths


def test_every_path_of_the_tree_is_there(readme: str) -> None:
    absent = [path for path in tree(readme) if not (ROOT / path).exists()]
    assert absent == []


def test_every_module_of_the_application_stands_in_the_tree(readme: str) -> None:
    modules = {f"app/{path.name}" for path in (ROOT / "app").glob("*.py") if path.name != "__init__.py"}
    folders = {f"app/{path.parent.name}/" for path in (ROOT / "app").glob("*/__init__.py")}
    assert modules | folders == {path for path in tree(readme) if path.startswith("app/") and path != "app/"}


def test_every_make_command_is_a_target(readme: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    said = {word for line in re.findall(r"`?make ([a-z ]+)", readme) for word in line.split()}
    commands = set(re.findall(r"^make ([a-z-]+)", readme, re.MULTILINE)) | (said & {"run", "test", "clean", "check", "fast"})
    assert {"run", "test", "clean", "check", "fast"} <= commands <= targets


def test_plain_make_prints_the_targets() -> None:
    printed = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("make run", "make test", "make run CUDA=1"):
        assert target in printed


def test_the_table_of_flags_is_the_one_of_the_program(readme: str) -> None:
    rows = re.findall(r"^\| `(--[a-z-]+)` \| `([A-Z_]+)` \| `?([^`|]*)`? \| (.*) \|$", readme, re.MULTILINE)
    flags = all_flags({"HOME": "~"})
    assert rows == [
        (flag.option, flag.variable, (flag.default or "none").replace(f"{Path.cwd()}/", ""), flag.help) for flag in flags
    ]


def test_the_space_is_configured_as_pinned(readme: str) -> None:
    head = dict(line.split(": ", 1) for line in readme.split("---")[1].strip().splitlines())
    pinned = re.search(r"^gradio==(.+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned
    assert (head["sdk"], head["sdk_version"], head["app_file"]) == ("gradio", pinned[1], "app.py")
    assert len(head["short_description"]) <= 60


def test_the_number_of_questions_is_counted(readme: str, bank: Bank) -> None:
    said = re.search(r"(\d+) questions of our own", readme)
    assert said
    assert int(said[1]) == len(bank.questions)


def test_every_picture_is_there(readme: str) -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme)
    assert pictures
    assert [path for path in pictures if not (ROOT / path).exists()] == []


def test_the_build_installs_nothing_of_training() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"^(torch|transformers|peft)\b", text, re.MULTILINE)
