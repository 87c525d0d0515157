"""Calibration and thresholds fitted anew on a compressed file: what compression moved, they follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.calibration import Calibration, EciRecord
from app.earned import fit_record
from app.prompts import ChatFormat, Style, prompt_digest
from app.readings import score
from app.records import Question
from quantize.probe import opened

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Refit:
    """The new record, and by how much it moved, a line a calibration."""

    record: EciRecord
    lines: tuple[str, ...]


def refit(
    path: Path,
    before: EciRecord,
    calibration: Sequence[Question],
    conformal: Sequence[Question],
    *,
    style: Style,
    careful: bool,
    name: str,
    tell: Tell = lambda *_: None,
) -> Refit:
    """Reads the held-out questions with the file, through the application's engine, and fits on them as the training did.

    Raises:
        EngineError: the file does not load.
    """
    done, total = 0, len(calibration) + len(conformal)

    def count(more: int) -> None:
        nonlocal done
        done += more
        tell(done, total)

    with opened(path) as engine:
        info = engine.info()
        form = ChatFormat(info.chat_template, info.bos, info.eos)
        fitted, checked = (
            score(engine.label_scores, form, part, style=style, careful=careful, tell=count) for part in (calibration, conformal)
        )
    ids = dict(zip(before.labels, before.token_ids, strict=True))
    record = fit_record(token_ids=ids, prompt=prompt_digest(form, style), calibration=fitted, conformal=checked, name=name)
    return Refit(record, tuple(moves(before, record)))


def moves(before: EciRecord, after: EciRecord) -> Iterator[str]:
    """What became of each calibration and of its threshold."""
    for new in after.calibrations:
        words = f"{'/'.join(new.labels)}, {new.mode}"
        old = before.calibration(new.labels, new.mode)
        limit, was = after.threshold(new.labels, new.mode), before.threshold(new.labels, new.mode)
        moved = "" if limit is None or was is None else f"; threshold {was.value:.3f} -> {limit.value:.3f}"
        yield f"{words}: scale {_scale(old)} -> {new.scale:.3f}, largest bias {_bias(old)} -> {_bias(new)}{moved} (n = {new.n})"


def _scale(one: Calibration | None) -> str:
    return "none" if one is None else f"{one.scale:.3f}"


def _bias(one: Calibration | None) -> str:
    return "none" if one is None else f"{max(map(abs, one.bias)):.3f}"
