"""The evaluation through the application's own engine, on the embedded model and six questions of our bank."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.engine.embedded import embedded_file
from finetune.evaluate import main

pytestmark = pytest.mark.slow

BANK = Path(__file__).parents[2] / "assets" / "bank"


@pytest.mark.parametrize(
    ("method", "flags"), [("letters", ()), ("generate", ()), ("branched", ()), ("eci", ("--mode", "careful"))]
)
def test_the_embedded_model_is_measured(method: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    given = ["--model", str(embedded_file()), "--questions", str(BANK / "renal.jsonl"), "--method", method]
    count = 2 if "careful" in flags else 6  # it reads each question ten times
    assert main([*given, "--limit", str(count), "--out", str(tmp_path), *flags]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["n"] == count
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"] or metrics["accuracy"] in (0, 1)
    assert metrics["questions_per_s"] > 0
    assert metrics["calibration"] == ("none" if method == "generate" else "uncalibrated")
    assert metrics["head"] == {"generate": None, "letters": "plain tokens"}.get(method, "untrained")
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    if method == "generate":
        assert all(line["written"] for line in lines)
    else:
        assert all(sum(line["probabilities"]) == pytest.approx(1) for line in lines)
    if method == "branched":
        assert metrics["flips"] == 0
