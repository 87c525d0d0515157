"""The figures of speed: medians, the mix that files are ranked by, the choice of `auto`, table and picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from matplotlib.text import Text

from app.errors import BadInput
from quantize.bench import Candidate, Row, Speed, bench_all, caption, choose, mix_seconds, summary, table, text_kl, write
from quantize.pictures import Point, drawn, speed_against_kl


def answer(prompt: float, decode: float, memory: int = 100_000_000) -> dict[str, Any]:
    return {
        "load_s": 0.5,
        "prompt_per_s": prompt,
        "decode_per_s": decode,
        "memory_loaded": memory // 2,
        "memory_bytes": memory,
        "device": "CPU, 2 threads",
        "threads": {"prompt": 2, "decode": 1},
    }


def speed(prompt: float, decode: float) -> Speed:
    return summary([answer(prompt, decode)], prompt_tokens=512, decode_tokens=64)


def candidate(
    name: str, prompt: float, decode: float, *, passed: bool = True, memory: int = 10**8, reason: str = ""
) -> Candidate:
    return Candidate(name, Path(f"{name}.gguf"), speed(prompt, decode), passed, memory, reason)


def row(name: str, prompt: float, decode: float, kl: float | None = None) -> Row:
    return Row(name, f"{name}.gguf", 10**8, speed(prompt, decode), kl)


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_the_mix_is_one_chat_and_ten_questions() -> None:
    assert mix_seconds(1700.0, 100.0) == pytest.approx(2.0)
    assert speed(1700.0, 100.0).mix_per_s == pytest.approx(900.0)


def test_figures_are_medians_over_the_rounds_with_their_range() -> None:
    found = summary([answer(100, 10), answer(900, 30, 3 * 10**8), answer(200, 20)], prompt_tokens=512, decode_tokens=64)
    assert (found.prompt_per_s, found.decode_per_s, found.rounds) == (200, 20, 3)
    assert found.spread["prompt_per_s"] == (100, 900)
    assert (found.memory_bytes, found.memory_loaded) == (3 * 10**8, 15 * 10**7)


def test_the_mix_of_the_median_is_that_of_a_whole_round() -> None:
    found = summary([answer(100, 100), answer(1700, 10), answer(1700, 100)], prompt_tokens=512, decode_tokens=64)
    assert found.mix_s == pytest.approx(11.0)  # the rounds took 18, 11 and 2 seconds


def test_figures_go_through_json() -> None:
    found = speed(1700, 100)
    back = json.loads(json.dumps(found.as_dict()))
    assert (back["mix_s"], back["threads"], back["spread"]["mix_s"]) == (
        found.mix_s,
        {"prompt": 2, "decode": 1},
        [found.mix_s] * 2,
    )


def test_auto_takes_the_fastest_for_the_mix_that_passed() -> None:
    slow, fast = candidate("Q8_0", 500, 50), candidate("Q4_0", 900, 90, passed=False)
    assert choose([slow, fast, candidate("Q4_K_M", 400, 80)], None) is slow


def test_auto_keeps_to_the_memory_that_is_allowed() -> None:
    small = candidate("Q4_K_M", 400, 80, memory=5 * 10**8)
    assert choose([candidate("Q8_0", 900, 90, memory=9 * 10**8), small], 5 * 10**8) is small


def test_when_none_can_be_chosen_the_sentence_says_of_each_why() -> None:
    given = [
        candidate("Q8_0", 900, 90, memory=9 * 10**8),
        candidate("Q4_0", 900, 90, passed=False, reason="agreement 0.91, at least 0.9 needed"),
        candidate("Q2_K", 900, 90, passed=False),
    ]
    with pytest.raises(BadInput) as refusal:
        choose(given, 5 * 10**8)
    said = refusal.value.sentence
    assert "Q8_0 takes 900 MB where 500 MB are allowed" in said
    assert "Q4_0 did not pass verify (agreement 0.91, at least 0.9 needed)" in said
    assert "Q2_K did not pass verify" in said
    with pytest.raises(BadInput, match="none was given"):
        choose([], None)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"prompt_tokens": 0}, {"decode_tokens": 0}, {"threads": -1}])
def test_what_cannot_be_measured_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="cannot be measured"):
        bench_all([Path("a.gguf")], **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("paths", [[], [Path("a.gguf"), Path("a.gguf")]])
def test_each_file_is_named_once(paths: Sequence[Path]) -> None:
    with pytest.raises(BadInput, match="Name each GGUF file once"):
        bench_all(paths)


def test_the_table_has_the_fastest_first_and_a_dash_for_what_is_unknown() -> None:
    lines = table([row("slow", 170, 10), row("fast", 1700, 100, 0.0123)]).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| fast", "| slow"]
    assert lines[2].endswith("| 2.00 | 0.01230 |")
    assert lines[3].endswith("| 20.00 | – |")
    assert len({line.count("|") for line in lines}) == 1


def test_the_caption_says_how_it_was_measured() -> None:
    said = caption([row("one", 170, 10)])
    assert "1 rounds (least to greatest) of 512 prompt and 64 decoded tokens on CPU, 2 threads" in said
    assert "threads: 2 for prompt, 1 for decode" in said


def test_what_was_measured_is_written_with_a_picture_only_where_a_divergence_is_known(tmp_path: Path) -> None:
    assert [path.name for path in write([row("one", 170, 10)], tmp_path / "a")] == ["bench.json", "bench.md"]
    written = write([row("one", 170, 10, 0.01), row("two", 200, 12)], tmp_path / "b")
    assert {path.name for path in (tmp_path / "b").iterdir()} == {path.name for path in written}
    assert png_size(tmp_path / "b" / "bench.png") == (800, 600)
    figures = json.loads((tmp_path / "b" / "bench.json").read_text(encoding="utf-8"))
    assert [one["text_kl"] for one in figures["files"]] == [0.01, None]
    assert figures["mix"] == {"chat_prompt": 200, "chat_answer": 100, "questions": 10, "question_prompt": 150}


def test_a_divergence_is_read_from_beside_the_file_that_it_is_of(tmp_path: Path) -> None:
    path = tmp_path / "one.gguf"
    assert text_kl(path) is None
    (tmp_path / "verify.json").write_text('{"text_kl": 0.5, "file": "other.gguf"}')
    assert text_kl(path) is None
    (tmp_path / "verify.json").write_text('{"text_kl": 0.5, "file": "one.gguf"}')
    assert text_kl(path) == 0.5
    (tmp_path / "one.verify.json").write_text('{"text_kl": 0.25}')
    assert text_kl(path) == 0.25
    (tmp_path / "one.verify.json").write_text("no json")
    assert text_kl(path) == 0.5


CROWD = [
    Point("Q5_K_M", 118_000_000, 480, 0.022),
    Point("Q5_0", 112_000_000, 470, 0.024),
    Point("Q4_K_M", 105_000_000, 430, 0.031),
    Point("Q4_K_S", 103_000_000, 431, 0.033),
    Point("IQ4_NL", 92_000_000, 434, 0.04),
    Point("Q4_1", 98_000_000, 433, 0.038),
    Point("F16", 270_000_000, 290, 0.0),
]


def test_labels_of_a_crowd_do_not_lie_on_each_other_nor_leave_the_picture() -> None:
    figure = drawn(CROWD)
    labels = [text for text in figure.axes[0].texts if text.get_text()]
    assert sorted(text.get_text() for text in labels) == sorted(f"{one.name}, {one.bytes // 10**6} MB" for one in CROWD)
    boxes = [Text.get_window_extent(text) for text in labels]
    assert not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[:number])
    inside = figure.axes[0].get_window_extent()
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1 for box in boxes)


def test_one_point_alone_is_a_picture_too(tmp_path: Path) -> None:
    speed_against_kl(CROWD[:1], tmp_path / "one.png")
    assert png_size(tmp_path / "one.png") == (800, 600)
