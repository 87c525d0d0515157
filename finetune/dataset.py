"""The rows of a run: read, checked, held out, cut to length, before any model is loaded. Knows no torch."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import BadInput
from app.files import digest_of
from app.records import Question
from finetune.batches import Pool
from finetune.config import Config, Source
from finetune.encode import Encoder, TooLong
from finetune.overlap import find_overlap
from finetune.rows import ChatRow, QuestionRow, Report, Row, TextRow, collect, read_path


@dataclass(frozen=True)
class Dataset:
    """What a run reads: rows a source, and questions held out of training. ``digests``: file -> SHA-256."""

    sources: tuple[tuple[Source, tuple[Row, ...]], ...]
    calibration: tuple[Question, ...]
    conformal: tuple[Question, ...]
    report: Report
    digests: dict[str, str]

    @property
    def labelled(self) -> tuple[Question, ...]:
        """Every question that is trained on."""
        return tuple(row.question for _, rows in self.sources for row in rows if isinstance(row, QuestionRow))

    def summary(self) -> dict[str, Any]:
        kinds = {"questions": QuestionRow, "conversations": ChatRow, "texts": TextRow}
        return {
            "sources": [
                {"file": source.file, "weight": source.weight}
                | {name: sum(isinstance(row, kind) for row in rows) for name, kind in kinds.items()}
                for source, rows in self.sources
            ],
            "calibration": len(self.calibration),
            "conformal": len(self.conformal),
            "report": self.report.record(),
            "digests": self.digests,
        }


def read_dataset(config: Config) -> Dataset:
    """Every row that the config names, without those that cannot be used or that stand in the evaluation files too.

    Raises:
        BadInput: a file is missing, no row is left, fewer questions than are to be held out, or ``on_bad`` is "stop" and a
            row is bad.
    """
    data, root, seed = config.data, Path(config.data.root), config.training.seed
    files = {s.file for s in (*data.train, *data.calibration, *data.conformal)} | set(data.evaluation)
    missing = [file for file in sorted(files) if not (root / file).is_file()]
    if missing:
        raise BadInput(
            f"{root / missing[0]} is not there. Set data.root to the folder that holds {missing[0]}, as in "
            "`python -m finetune.train --config ... data.root=FOLDER`."
        )
    readings = [read_path(root / source.file) for source in data.train]
    rows = collect(readings, on_bad=data.on_bad)
    left = {row.id: row for row in rows.rows}
    tested = [row.question for file in data.evaluation for row in _questions(root / file)]
    calibration = _held(config, data.calibration)
    conformal = _held(config, data.conformal)
    report = rows.report
    for where, others in (("an evaluation file", tested), ("the held-out rows", [*calibration, *conformal])):
        found = find_overlap(tuple(left.values()), others)
        twins = [twin for twin in found if twin.kind == "exact" or twin.share >= data.overlap_share]
        reasons = tuple(dict.fromkeys(f"{twin} ({where})." for twin in twins))
        gone = {twin.train for twin in twins}
        if gone and data.on_bad == "stop":
            raise BadInput(f"{len(gone)} training rows stand in {where} too: {reasons[0]} Remove them, or set data.on_bad=drop.")
        for identity in gone:
            left.pop(identity, None)
        report = report.adding("overlap", reasons[: len(gone)])
    sources = [(s, _limited([left.pop(row.id) for _, row in r.rows if row.id in left], s.limit, f"{seed}-{s.file}"))
               for s, r in zip(data.train, readings, strict=True)]  # fmt: skip
    sources, (calibration_2, conformal_2) = _split(sources, (data.split.calibration, data.split.conformal), seed)
    if not any(rows for _, rows in sources):
        raise BadInput("No training row is left. Name more files in data.train, or hold out fewer rows in data.split.")
    return Dataset(
        sources=tuple((source, tuple(rows)) for source, rows in sources),
        calibration=(*calibration, *calibration_2),
        conformal=(*conformal, *conformal_2),
        report=report,
        digests={file: digest_of(root / file) for file in sorted(files)},
    )


def pools_of(dataset: Dataset, encoder: Encoder, config: Config) -> tuple[tuple[Pool, ...], Report]:
    """The rows as token ids where these do not change, and the report with what was too long.

    Raises:
        BadInput: a row is too long and ``on_long`` is "stop", or none is left.
    """
    report, pools = dataset.report, []
    trim = config.data.on_long == "trim"
    for source, rows in dataset.sources:
        questions, encoded, long = [], [], []
        for row in rows:
            try:
                if isinstance(row, QuestionRow):
                    encoder.question(row.question, row.examples, trim=trim)
                    questions.append(row)
                elif isinstance(row, ChatRow):
                    encoded.append(encoder.chat(row))
            except TooLong as error:
                long.append(f"{row.id!r} has {error.tokens} tokens; expected at most {config.data.max_tokens}.")
        encoded += list(encoder.texts([row for row in rows if isinstance(row, TextRow)]))
        if long and config.data.on_long == "stop":
            raise BadInput(
                f"{len(long)} rows of {source.file} are too long. {long[0]} Raise data.max_tokens or set data.on_long."
            )
        report = report.adding("over-long", long)
        pools.append(Pool(source.weight, tuple(questions), tuple(encoded)))
    if not any(pools):
        raise BadInput(
            f"Every row has more than data.max_tokens = {config.data.max_tokens} tokens. Raise it, or set data.on_long."
        )
    return tuple(pools), report


def fitting(questions: Iterable[Question], encoder: Encoder, room: int, *, trim: bool) -> list[Question]:
    """Held-out questions whose prompts fit, trimmed as those that are trained on."""
    kept = []
    for question in questions:
        if len(encoder.prompt(question)) <= room:
            kept.append(question)
        elif trim:
            shorter = encoder.trimmed(question, room)
            if len(encoder.prompt(shorter)) <= room:
                kept.append(shorter)
    return kept


def fingerprint(config: Config, dataset: Dataset) -> str:
    """Names a run by what decides its result: config without folder, and the data's digests."""
    values = {key: value for key, value in config.as_dict().items() if key not in ("out", "name", "country")}
    values["training"] = {k: v for k, v in values["training"].items() if k != "checkpoint_every"}
    return hashlib.sha256(repr((values, sorted(dataset.digests.items()))).encode()).hexdigest()[:16]


def _questions(path: Path) -> list[QuestionRow]:
    return [row for _, row in read_path(path).rows if isinstance(row, QuestionRow)]


def _held(config: Config, sources: Sequence[Source]) -> list[Question]:
    root, seed = Path(config.data.root), config.training.seed
    found: list[Question] = []
    for source in sources:
        rows = _limited(_questions(root / source.file), source.limit, f"{seed}-{source.file}")
        found += [row.question for row in rows if isinstance(row, QuestionRow)]
    return found


def _limited(rows: Sequence[Row], limit: int, seed: str) -> list[Row]:
    if not limit or limit >= len(rows):
        return list(rows)
    chosen = set(random.Random(seed).sample(range(len(rows)), limit))
    return [row for place, row in enumerate(rows) if place in chosen]


def _split(
    sources: Sequence[tuple[Source, list[Row]]], sizes: Sequence[int], seed: int
) -> tuple[list[tuple[Source, list[Row]]], list[list[Question]]]:
    """Holds out ``sizes`` questions, each part with the keys in the shares that they have in all of them."""
    if not any(sizes):
        return list(sources), [[] for _ in sizes]
    every = [row.question for _, rows in sources for row in rows if isinstance(row, QuestionRow)]
    if sum(sizes) >= len(every):
        raise BadInput(
            f"data.split holds out {sum(sizes)} questions of {len(every)}, so none is left to train on. Hold out fewer."
        )
    even = stratified(every, seed)
    parts, begin = [], 0
    for size in sizes:
        parts.append(even[begin : begin + size])
        begin += size
    gone = {question.id for part in parts for question in part}
    return [(source, [row for row in rows if row.id not in gone]) for source, rows in sources], parts


def stratified(questions: Sequence[Question], seed: int) -> list[Question]:
    """A seeded order of which every stretch has the keys in about the shares that all of them have."""
    shuffled = list(questions)
    random.Random(f"split-{seed}").shuffle(shuffled)
    groups: dict[tuple[int, str], list[Question]] = {}
    for question in shuffled:
        groups.setdefault((len(question.options), question.key), []).append(question)
    placed = [((place + 0.5) / len(group), question) for group in groups.values() for place, question in enumerate(group)]
    return [question for _, question in sorted(placed, key=lambda pair: pair[0])]
