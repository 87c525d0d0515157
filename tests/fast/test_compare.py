"""Evaluations side by side: only of the same questions, with every difference tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.compare import main as compare
from finetune.evaluate import main as evaluate
from tests.fast.test_evaluate import FORTY, FakeReader, knows, likes_a, no_pictures, question, write_questions

EASY = [question(number, key="A" if number < 30 else "B") for number in range(40)]


def half(text: str, label: str) -> float:
    """Right on the even ones of the questions that ``knows`` gets right."""
    number = int(text.partition("Stem ")[2].partition("?")[0])
    return knows(text, label) if number % 2 == 0 else 1.0 * (label == "C")


def run(folder: Path, name: str, reader: FakeReader, *flags: str, method: str = "letters", rows: Any = EASY) -> Path:
    file = write_questions(folder / f"{name}.jsonl", rows)
    given = ["--questions", str(file), "--method", method, "--out", str(folder / name), "--model", "m", *flags]
    assert evaluate(given, opener=lambda path: reader, draw=no_pictures) == 0
    return folder / name


def figures(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_methods_stand_in_one_table_with_mcnemar_against_the_first(tmp_path: Path) -> None:
    folders = [run(tmp_path, "one", FakeReader(knows)), run(tmp_path, "two", FakeReader(half), method="branched")]
    folders.append(run(tmp_path, "three", FakeReader(knows, say=lambda text: "?"), method="generate"))
    assert compare([*map(str, folders), "--out", str(tmp_path / "all")]) == 0
    assert {path.name for path in (tmp_path / "all").iterdir()} == {
        "compare.json",
        "compare.md",
        "reliability.png",
        "risk_coverage.png",
    }
    table = (tmp_path / "all" / "compare.md").read_text(encoding="utf-8")
    assert [line.split(" |")[0] for line in table.splitlines()[2:5]] == ["| letters", "| branched", "| generate"]
    tests = {test["method"]: test for test in figures(tmp_path / "all")["mcnemar"]}
    assert tests.keys() == {"branched", "generate"}
    assert (tests["generate"]["only_this"], tests["generate"]["only_other"]) == (0, 30)
    assert tests["generate"]["p"] < 1e-6


def test_counts_of_mcnemar_are_of_questions_that_one_alone_got_right(tmp_path: Path) -> None:
    folders = [run(tmp_path, "one", FakeReader(knows)), run(tmp_path, "two", FakeReader(half, digest="e" * 64))]
    assert compare([*map(str, folders), "--out", str(tmp_path / "all"), "--against", str(folders[1])]) == 0
    (test,) = figures(tmp_path / "all")["mcnemar"]
    assert (test["only_this"], test["only_other"]) == (15, 0)


def test_seeds_of_one_method_have_their_mean_and_range(tmp_path: Path) -> None:
    folders = [
        run(tmp_path, f"seed{number}", FakeReader(score, digest=str(number) * 64)) for number, score in ((1, knows), (2, half))
    ]
    assert compare([*map(str, folders), "--out", str(tmp_path / "all")]) == 0
    (group,) = figures(tmp_path / "all")["seeds"]
    assert group["accuracy"] == {"mean": pytest.approx(0.5625), "least": 0.375, "greatest": 0.75}
    assert "mean of 2 seeds" in (tmp_path / "all" / "compare.md").read_text(encoding="utf-8")


def test_different_questions_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [run(tmp_path, "one", FakeReader(knows)), run(tmp_path, "two", FakeReader(knows), rows=EASY[:39])]
    assert compare([*map(str, folders), "--out", str(tmp_path / "all")]) == 2
    said = capsys.readouterr().err
    assert "'q39'" in said
    assert f"{folders[1]} lacks" in said


def test_other_keys_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [run(tmp_path, "one", FakeReader(knows)), run(tmp_path, "two", FakeReader(knows), rows=FORTY)]
    assert compare([*map(str, folders), "--out", str(tmp_path / "all")]) == 2
    assert "have different keys" in capsys.readouterr().err


def test_an_unfinished_or_changed_evaluation_is_refused_with_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(tmp_path, "one", FakeReader(likes_a))
    path = folder / "predictions.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    assert compare([str(folder), "--out", str(tmp_path / "all")]) == 2
    assert "Run its command again: python -m finetune.evaluate --questions" in capsys.readouterr().err
    (folder / "metrics.json").unlink()
    assert compare([str(folder), "--out", str(tmp_path / "all")]) == 2
    assert "is not finished" in capsys.readouterr().err


def test_the_same_folder_twice_or_an_evaluation_as_out_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(run(tmp_path, "one", FakeReader(knows)))
    assert compare([folder, folder, "--out", str(tmp_path / "all")]) == 2
    assert "twice" in capsys.readouterr().err
    assert compare([folder, "--out", folder]) == 2
    assert "written over" in capsys.readouterr().err
    assert compare([str(tmp_path / "none"), "--out", str(tmp_path / "all")]) == 2
    assert "cannot be read" in capsys.readouterr().err
