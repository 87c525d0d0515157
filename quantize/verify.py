"""Whether a file still answers as its parent: python -m quantize.verify FILE.gguf --parent PARENT.gguf --questions FILE...

Four models are held against each other, each beside the one that it was made of: as trained (in torch, 4-bit base plus
adapter), merged (in torch, float32), exported (F16, in llama.cpp), compressed. Labels are compared on questions, the next
token's distribution and the perplexity on texts, and the token ids and the chat template exactly. Below the limits of its type
a file fails.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.calibration import EciRecord
from app.errors import BadInput, LlamaCareError
from app.files import write_json
from app.gguf_header import read_header
from app.measure import ece, ece_floor, wilson
from app.probes import FloatArray, Probe
from app.prompts import Style
from app.readings import labels_of
from app.records import LABELS, Question
from quantize.ggml_types import TYPES, Thresholds, file_type, thresholds
from quantize.probe import probe_folder, probe_gguf
from quantize.report import comparison_lines
from quantize.samples import BANK, WANTED, Sample, sample, texts, write_questions
from quantize.terminal import INTERRUPTED, bar, say

# The merged model against the model as trained: nothing is quantised between the two, so what is lost is rounding, and in the
# case of a 4-bit base the choice of weights. Issue and DESIGN want 98 %; the others follow from it.
MERGE_LIMITS = Thresholds(agreement=0.98, label_kl=0.01, text_kl=0.02, perplexity_ratio=1.02)
MOST_LOSS = 700.0  # nats a token, whose exponential is still a number
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Disagreement:
    """A question on which two models choose differently. ``margin``: by how much the parent preferred its choice to the child's,
    in nats; near 0 it had hardly a preference."""

    question: str
    parent: str
    child: str
    margin: float


@dataclass(frozen=True)
class Comparison:
    """A child beside its parent.

    Attributes:
        n: questions; ``agreement`` the share on which both choose the same label, with its 95 % Wilson interval.
        clear: questions on which the parent prefers its choice to every other by ``tie`` nats or more; ``clear_agreement`` the
            share of those, 1 where there are none.
        label_kl, text_kl: mean Kullback-Leibler divergence of the child from the parent, in nats: of the labels' distribution a
            question, of the next token's a position.
        tokens: positions of the texts; ``perplexity`` of the child on them, ``parent_perplexity`` of the parent.
        strange_ids: prompts and texts that the two tokenize differently.
        same_template: the chat templates are equal, byte for byte, and questions render to the same prompt.
    """

    n: int
    agreement: float
    agreement_low: float
    agreement_high: float
    tie: float
    clear: int
    clear_agreement: float
    label_kl: float
    tokens: int
    text_kl: float
    perplexity: float
    parent_perplexity: float
    strange_ids: int
    same_template: bool
    disagreements: tuple[Disagreement, ...]

    @property
    def perplexity_ratio(self) -> float:
        return self.perplexity / self.parent_perplexity

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON, which has no word for what is not finite: None."""
        plain: dict[str, Any] = _finite(asdict(self) | {"perplexity_ratio": self.perplexity_ratio})
        return plain


@dataclass(frozen=True)
class Quality:
    """How good a model's labels are on the questions whose key is known, through its calibration where there is one."""

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    ece: float
    ece_floor: float


def compare(parent: Probe, child: Probe, questions: Sequence[Question], tie: float = 0.0) -> Comparison:
    """``tie``: nats of the parent's preference below which it counts as undecided (``Thresholds.tie``).

    Raises:
        ValueError: the two did not read the same questions and texts.
    """
    if parent.scores.shape != child.scores.shape or len(parent.scores) != len(questions) or len(parent.ids) != len(child.ids):
        raise ValueError(
            f"the parent read {parent.scores.shape[0]} questions and {len(parent.ids)} texts, the child "
            f"{child.scores.shape[0]} and {len(child.ids)}, of {len(questions)}; expected the same"
        )
    logs = log_shares(parent.scores), log_shares(child.scores)
    chosen = [each.argmax(axis=1) for each in logs]
    apart = np.flatnonzero(chosen[0] != chosen[1])
    low, high = wilson(len(questions) - len(apart), len(questions))
    first, second = np.sort(logs[0], axis=1)[:, :-3:-1].T
    clear = first - second >= tie
    texts = text_divergence(parent, child)
    return Comparison(
        n=len(questions),
        agreement=1 - len(apart) / len(questions),
        agreement_low=low,
        agreement_high=high,
        tie=tie,
        clear=int(clear.sum()),
        clear_agreement=float((chosen[0] == chosen[1])[clear].mean()) if clear.any() else 1.0,
        label_kl=float(_kl(*logs).mean()),
        tokens=texts.tokens,
        text_kl=texts.kl,
        perplexity=texts.child,
        parent_perplexity=texts.parent,
        strange_ids=sum(not np.array_equal(a, b) for a, b in zip(parent.ids, child.ids, strict=True)),
        same_template=parent.template == child.template and parent.prompt == child.prompt,
        disagreements=tuple(
            Disagreement(
                questions[int(place)].id,
                LABELS[chosen[0][place]],
                LABELS[chosen[1][place]],
                float(logs[0][place, chosen[0][place]] - logs[0][place, chosen[1][place]]),
            )
            for place in apart
        ),
    )


def failures(found: Comparison, limits: Thresholds) -> tuple[str, ...]:
    """What is below the limits, each as a sentence; empty where the child passes."""
    said = []
    if found.strange_ids:
        said.append(f"{found.strange_ids} texts are tokenized differently, where all must be tokenized alike")
    if not found.same_template:
        said.append("the chat template is not the parent's, byte for byte")
    if found.clear_agreement < limits.agreement:
        said.append(
            f"the labels agree on {found.clear_agreement:.2%} of the {found.clear} questions on which the parent is decided; at "
            f"least {limits.agreement:.1%} are required"
        )
    for name, value, most in (
        ("the labels' mean KL", found.label_kl, limits.label_kl),
        ("the next token's mean KL", found.text_kl, limits.text_kl),
        ("the perplexity's ratio", found.perplexity_ratio, limits.perplexity_ratio),
    ):
        if not value <= most:  # a value that is none fails
            said.append(f"{name} is {value:.4g}; at most {most:g} is allowed")
    return tuple(said)


def quality(probe: Probe, questions: Sequence[Question], record: EciRecord | None) -> Quality:
    """Accuracy and calibration of one model's labels; without a record of the softmax of its scores."""
    confidence, correct = np.zeros(len(questions)), np.zeros(len(questions), dtype=np.bool_)
    for place, (question, row) in enumerate(zip(questions, probe.scores, strict=True)):
        labels = labels_of(question)
        scores = row[[LABELS.index(label) for label in labels]].astype(np.float64)
        fitted = record.calibration(labels, "fast") if record else None
        shares = fitted.probabilities(scores) if fitted else np.exp(scores - np.logaddexp.reduce(scores))
        confidence[place], correct[place] = shares.max(), labels[int(shares.argmax())] == question.key
    low, high = wilson(int(correct.sum()), len(questions))
    return Quality(
        n=len(questions),
        accuracy=float(correct.mean()),
        accuracy_low=low,
        accuracy_high=high,
        ece=ece(confidence, correct),
        ece_floor=ece_floor(confidence, seed=0),
    )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_finite, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def log_shares(scores: FloatArray) -> Doubles:
    """Scores (n, LABELS), -inf where there is no label -> logarithms of the probabilities."""
    table = scores.astype(np.float64)
    return np.asarray(table - np.logaddexp.reduce(table, axis=-1, keepdims=True), dtype=np.float64)


def _kl(parent: Doubles, child: Doubles) -> Doubles:
    """KL(parent || child) of each row of log-probabilities; where the parent's is -inf, nothing is added."""
    with np.errstate(invalid="ignore"):
        terms = np.exp(parent) * (parent - child)
    return np.asarray(np.where(np.isneginf(parent), 0.0, terms).sum(axis=-1), dtype=np.float64)


@dataclass(frozen=True)
class Divergence:
    """On texts: positions, mean KL in nats, and both perplexities; nan without a position."""

    tokens: int
    kl: float
    parent: float
    child: float


def text_divergence(parent: Probe, child: Probe) -> Divergence:
    """Over all positions that have a next token. Vocabularies may differ by padding rows: what both have is compared."""
    kl, losses, tokens = 0.0, [0.0, 0.0], 0
    first = len(parent.ids) - len(parent.logits)
    for ids, one, other in zip(parent.ids[first:], parent.logits, child.logits, strict=True):
        if len(one) < 2 or len(one) != len(other):
            continue
        width = min(one.shape[1], other.shape[1])
        logs = [log_shares(each[:-1, :width]) for each in (one, other)]
        following = ids[1 : len(one)].astype(np.int64)
        rows = np.arange(len(following))
        kl += float(_kl(*logs).sum())
        losses = [loss - float(each[rows, following].sum()) for loss, each in zip(losses, logs, strict=True)]
        tokens += len(following)
    if not tokens:
        return Divergence(0, math.nan, math.nan, math.nan)
    parent_perplexity, child_perplexity = (float(np.exp(np.minimum(loss / tokens, MOST_LOSS))) for loss in losses)
    return Divergence(tokens, kl / tokens, parent_perplexity, child_perplexity)


def main(arguments: Sequence[str] | None = None) -> int:
    """Status 0 when the file passes, 1 when it does not, 2 with a sentence where it cannot be told."""
    parser = argparse.ArgumentParser(prog="python -m quantize.verify", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE.gguf", help="the file to check")
    parser.add_argument("--parent", type=Path, required=True, help="what it was made of: a GGUF, or a folder to be run in torch")
    parser.add_argument("--questions", type=Path, nargs="+", default=[BANK], metavar="FILE", help="without it our own bank")
    parser.add_argument("--limit", type=int, default=WANTED, metavar="N", help="of these questions")
    parser.add_argument("--type", default="", help="whose limits it must keep; the file's own type without it")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="every figure and every disagreement")
    given = parser.parse_args(arguments)
    try:
        kind = file_type(given.type).name if given.type else type_of(given.file)
        found, passed = verify(given.file, given.parent, sample(given.questions, given.limit), thresholds(kind))
        if given.out:
            write_json(given.out, found.as_dict() | {"file": given.file.name, "type": kind, "failures": list(passed)})
    except LlamaCareError as error:
        say(error.sentence)
        return 2
    except OSError as error:
        say(f"{error.filename or given.out} cannot be read or written ({error.strerror}).")
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    print("\n".join(comparison_lines({"types": {kind: found.as_dict()}}, parent=given.parent.name)))
    for why in passed:
        say(f"{given.file.name} fails: {why}.")
    return int(bool(passed))


def verify(file: Path, parent: Path, chosen: Sample, limits: Thresholds) -> tuple[Comparison, tuple[str, ...]]:
    """One file beside its parent, and why it fails, empty where it passes.

    Raises:
        LlamaCareError: one of the two cannot be read.
    """
    with bar(f"reading with {file.name}", "question") as tell:
        child = probe_gguf(file, chosen.questions, texts(), Style.LABEL, tell=tell)
    if parent.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            questions, lines = Path(folder, "questions.jsonl"), Path(folder, "texts.txt")
            write_questions(questions, chosen.questions)
            lines.write_text("\n".join(texts()) + "\n", encoding="utf-8")
            above = probe_folder(parent, questions, lines, Style.LABEL, Path(folder, "probe.npz"))
    else:
        with bar(f"reading with {parent.name}", "question") as tell:
            above = probe_gguf(parent, chosen.questions, texts(), Style.LABEL, tell=tell)
    found = compare(above, child, chosen.questions, limits.tie)
    return found, failures(found, limits)


def type_of(path: Path) -> str:
    """The file type that a GGUF says of itself.

    Raises:
        LlamaCareError: it is no GGUF, or says a type that is not known here.
    """
    number = read_header(path).metadata.get("general.file_type")
    found = next((one.name for one in TYPES if one.id == number), None)
    if found is None:
        raise BadInput(f"{path} names the file type {number!r}, which is not known. Say with --type whose limits it must keep.")
    return found


if __name__ == "__main__":
    sys.exit(main())
