"""How fast GGUF files are on this machine, and which one `auto` takes.

    python -m quantize.bench FILE.gguf... [--out FOLDER] [--json]

Each file is measured in rounds, all files taking turns, because a shared machine is faster in one minute than in the next; each
round in a process of its own, whose memory is then the file's alone. Writes bench.json, bench.md and, where a file's divergence
from its parent is known (verify.json beside it), bench.png.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import FrameType, MappingProxyType
from typing import Any

from tqdm import tqdm

from app.errors import BadInput, LlamaCareError
from app.files import write_aside, write_json
from quantize.child import call
from quantize.pictures import Point, speed_against_kl

INTERRUPTED = 130  # the shell's status for a command that Ctrl+C ended
PROMPT_TOKENS, DECODE_TOKENS, ROUNDS = 512, 64, 3
# The mix that files are ranked by: one chat, whose prompt is read and whose answer is written, and ten questions of an exam,
# which are only read.
CHAT_PROMPT, CHAT_ANSWER = 200, 100  # tokens
QUESTIONS, QUESTION_PROMPT = 10, 150  # tokens each
MIX = MappingProxyType(
    {"chat_prompt": CHAT_PROMPT, "chat_answer": CHAT_ANSWER, "questions": QUESTIONS, "question_prompt": QUESTION_PROMPT}
)
MIX_TOKENS = CHAT_PROMPT + CHAT_ANSWER + QUESTIONS * QUESTION_PROMPT
FIGURES, TABLE, PICTURE, VERIFIED = "bench.json", "bench.md", "bench.png", "verify.json"
HEADS = ("type", "MB", "prompt tokens/s", "decode tokens/s", "load s", "memory MB", "mix s", "KL of text, nats")
DASH = "–"

Tell = Callable[[int, int], object]
Answer = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Medians over the rounds.

    Attributes:
        prompt_per_s, decode_per_s: tokens a second, of one caller.
        load_s: until the application could answer, the file being in the system's cache after the first round.
        memory_bytes: the process's largest resident memory, 0 where the system does not say; memory_loaded: after loading.
            Both hold the pages of the file that were read. What lies on a GPU is in neither.
        mix_s: seconds for one chat and ten questions, reckoned from both rates; what `auto` ranks by.
        spread: figure -> its least and greatest over the rounds.
        threads: "prompt" and "decode" -> how many computed, in the last round.
    """

    prompt_per_s: float
    decode_per_s: float
    load_s: float
    memory_bytes: int
    memory_loaded: int
    mix_s: float
    rounds: int
    prompt_tokens: int
    decode_tokens: int
    device: str
    threads: Mapping[str, int]
    spread: Mapping[str, tuple[float, float]]

    @property
    def mix_per_s(self) -> float:
        """Tokens a second of the mix, read and written."""
        return MIX_TOKENS / self.mix_s

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        plain = {name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(self).items()}
        return plain | {"mix_per_s": self.mix_per_s}


def bench(
    path: Path,
    *,
    threads: int = 0,
    prompt_tokens: int = PROMPT_TOKENS,
    decode_tokens: int = DECODE_TOKENS,
    rounds: int = ROUNDS,
) -> Speed:
    """One file alone. Raises as ``bench_all``."""
    return bench_all([path], threads=threads, prompt_tokens=prompt_tokens, decode_tokens=decode_tokens, rounds=rounds)[path]


def bench_all(
    paths: Sequence[Path],
    *,
    threads: int = 0,
    prompt_tokens: int = PROMPT_TOKENS,
    decode_tokens: int = DECODE_TOKENS,
    rounds: int = ROUNDS,
    tell: Tell = lambda done, total: None,
) -> dict[Path, Speed]:
    """Several files, turn by turn.

    Args:
        threads: 0 as the application has it: every core for prompts, for decoding the number that a short trial finds best.
        tell: gets measurements done and in all.

    Raises:
        BadInput: nothing to measure, or a number below 1.
        ModelFileError: a file cannot be loaded.
        EngineDied: llama.cpp crashed on one.
    """
    if not paths or len(set(paths)) != len(paths):
        raise BadInput("No file is named, or one is named twice. Name each GGUF file once.")
    if min(prompt_tokens, decode_tokens, rounds) < 1 or threads < 0:
        raise BadInput(
            f"{rounds} rounds of {prompt_tokens} and {decode_tokens} tokens with {threads} threads cannot be measured; "
            "expected at least 1 of each, and of threads 0 or more."
        )
    found: dict[Path, list[Answer]] = {path: [] for path in paths}
    for turn in range(rounds):
        for place, path in enumerate(paths):
            request = {
                "work": "speed",
                "path": str(path.resolve()),
                "threads": threads,
                "prompt_tokens": prompt_tokens,
                "decode_tokens": decode_tokens,
            }
            found[path].append(call(request, what=f"measuring {path.name}"))
            tell(turn * len(paths) + place + 1, rounds * len(paths))
    return {path: summary(answers, prompt_tokens=prompt_tokens, decode_tokens=decode_tokens) for path, answers in found.items()}


def summary(answers: Sequence[Answer], *, prompt_tokens: int, decode_tokens: int) -> Speed:
    """The rounds of one file in one record."""
    rows = [{**one, "mix_s": mix_seconds(one["prompt_per_s"], one["decode_per_s"])} for one in answers]
    rates = ("prompt_per_s", "decode_per_s", "load_s", "mix_s")
    middle = {name: median(row[name] for row in rows) for name in rates}
    return Speed(
        **middle,
        memory_bytes=max(row["memory_bytes"] for row in rows),
        memory_loaded=max(row["memory_loaded"] for row in rows),
        rounds=len(rows),
        prompt_tokens=prompt_tokens,
        decode_tokens=decode_tokens,
        device=rows[-1]["device"],
        threads=MappingProxyType(dict(rows[-1]["threads"])),
        spread=MappingProxyType({name: (min(row[name] for row in rows), max(row[name] for row in rows)) for name in rates}),
    )


def mix_seconds(prompt_per_s: float, decode_per_s: float) -> float:
    """Seconds for one chat and ten questions."""
    return (CHAT_PROMPT + QUESTIONS * QUESTION_PROMPT) / prompt_per_s + CHAT_ANSWER / decode_per_s


@dataclass(frozen=True)
class Candidate:
    """A file that `auto` may take. ``memory`` in bytes; ``reason``: why it did not pass, for the sentence."""

    type: str
    path: Path
    speed: Speed
    passed: bool
    memory: int
    reason: str = ""


def choose(candidates: Sequence[Candidate], memory_limit: int | None) -> Candidate:
    """The fastest for the mix of those that passed and fit into ``memory_limit`` bytes; None: no limit.

    Raises:
        BadInput: there is none; the sentence says of each why.
    """
    able = [one for one in candidates if one.passed and (memory_limit is None or one.memory <= memory_limit)]
    if able:
        return min(able, key=lambda one: one.speed.mix_s)
    why = "; ".join(_objection(one, memory_limit) for one in candidates) or "none was given"
    raise BadInput(f"No type can be chosen: {why}. Allow more memory, name more types, or name one with --type.")


def _objection(one: Candidate, limit: int | None) -> str:
    if not one.passed:
        return f"{one.type} did not pass verify{f' ({one.reason})' if one.reason else ''}"
    return f"{one.type} takes {one.memory / 1e6:,.0f} MB where {(limit or 0) / 1e6:,.0f} MB are allowed"


@dataclass(frozen=True)
class Row:
    """One measured file as it is written. ``text_kl``: nats from its parent, None where unknown."""

    name: str
    file: str
    bytes: int
    speed: Speed
    text_kl: float | None


def table(rows: Sequence[Row]) -> str:
    """Markdown, the fastest for the mix first."""
    lines = [HEADS, ["---", *["---:"] * (len(HEADS) - 1)]]
    for row in sorted(rows, key=lambda one: one.speed.mix_s):
        speed = row.speed
        lines.append(
            [
                row.name.replace("|", "\\|"),
                f"{row.bytes / 1e6:,.0f}",
                f"{speed.prompt_per_s:,.1f}{_range(speed, 'prompt_per_s')}",
                f"{speed.decode_per_s:,.1f}{_range(speed, 'decode_per_s')}",
                f"{speed.load_s:.2f}",
                f"{speed.memory_bytes / 1e6:,.0f}" if speed.memory_bytes else DASH,
                f"{speed.mix_s:.2f}{_range(speed, 'mix_s')}",
                DASH if row.text_kl is None else f"{row.text_kl:.5f}",
            ]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _range(speed: Speed, name: str) -> str:
    if name not in speed.spread or speed.rounds < 2:
        return ""
    least, greatest = speed.spread[name]
    return f" ({least:,.2f} to {greatest:,.2f})" if name == "mix_s" else f" ({least:,.0f} to {greatest:,.0f})"


def caption(rows: Sequence[Row]) -> str:
    """What stands under the table."""
    speed = rows[0].speed
    threads = ", ".join(f"{count} for {what}" for what, count in speed.threads.items()) or "unknown"
    return (
        f"Medians of {speed.rounds} rounds (least to greatest) of {speed.prompt_tokens} prompt and {speed.decode_tokens} decoded "
        f"tokens on {speed.device or 'an unknown device'}, threads: {threads}. Memory: the process's largest. Mix: one chat of "
        f"{CHAT_PROMPT} prompt and {CHAT_ANSWER} answer tokens and {QUESTIONS} questions of {QUESTION_PROMPT} prompt tokens, "
        "less is better."
    )


def text_kl(path: Path) -> float | None:
    """From ``NAME.verify.json``, or ``verify.json`` where it names no other file than this; None where neither says it."""
    for place in (path.with_name(f"{path.stem}.{VERIFIED}"), path.with_name(VERIFIED)):
        try:
            found = json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict) and found.get("file", path.name) == path.name:
            value = found.get("text_kl")
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
    return None


def write(rows: Sequence[Row], folder: Path) -> list[Path]:
    """bench.json, bench.md and, where a divergence is known, bench.png; those that were written."""
    write_json(folder / FIGURES, {"files": _records(rows), "mix": dict(MIX)})
    text = f"{table(rows)}\n{caption(rows)}\n"
    write_aside(folder / TABLE, lambda aside: aside.write_text(text, encoding="utf-8"))
    points = [Point(row.name, row.bytes, row.speed.mix_per_s, row.text_kl) for row in rows if row.text_kl is not None]
    if not points:
        return [folder / FIGURES, folder / TABLE]
    write_aside(folder / PICTURE, lambda aside: speed_against_kl(points, aside))
    return [folder / FIGURES, folder / TABLE, folder / PICTURE]


def _records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{**vars(row), "speed": row.speed.as_dict()} for row in rows]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m quantize.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="GGUF files")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write bench.json, bench.md and bench.png there")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, not as a table")
    parser.add_argument("--threads", type=int, default=0, help="0: as the application chooses them")
    parser.add_argument("--prompt-tokens", type=int, default=PROMPT_TOKENS)
    parser.add_argument("--decode-tokens", type=int, default=DECODE_TOKENS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args(argv)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        rows = _measure(given)
        written = write(rows, given.out) if given.out else []
    except LlamaCareError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. Nothing was written; the same command measures anew.\n")
        return INTERRUPTED
    except OSError as error:
        sys.stderr.write(f"The folder {given.out} cannot be written ({error.strerror}). Give another --out.\n")
        return 2
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.stdout.write(json.dumps(_records(rows), indent=1) + "\n" if given.json else f"{table(rows)}\n{caption(rows)}\n")
    sys.stderr.write("".join(f"wrote {path}\n" for path in written))
    return 0


def _measure(given: argparse.Namespace) -> list[Row]:
    with tqdm(unit="measurement", file=sys.stderr, leave=False, total=len(given.files) * given.rounds) as bar:
        speeds = bench_all(
            given.files,
            threads=given.threads,
            prompt_tokens=given.prompt_tokens,
            decode_tokens=given.decode_tokens,
            rounds=given.rounds,
            tell=lambda done, total: bar.update(done - bar.n),
        )
    return [Row(path.stem, path.name, path.stat().st_size, speed, text_kl(path)) for path, speed in speeds.items()]


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
