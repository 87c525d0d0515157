"""Training on small random models: what is learnt, what is kept, what stops it. No knowledge is claimed of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import llama_cpp
import pytest
import torch
from safetensors.torch import load_file

from app.calibration import EciRecord
from app.engine.base import LabelRequest
from app.engine.embedded import embedded_file
from app.engine.llama import Model, NativeLog
from app.errors import BadInput
from app.prompts import ChatFormat, Style, question_prompt
from app.records import LABELS, Question
from finetune import evaluate, train
from finetune.base import Base, add_adapter, add_labels, keep_trainable, open_base, open_tokenizer, trainable
from finetune.config import Config, Lora, load_config
from finetune.encode import Encoded, Encoder
from finetune.heads import Batch, Classifier
from finetune.loop import Trainer, TrainingStopped
from finetune.torch_reader import open_torch_reader
from tests.slow.tiny import KINDS, save_model, save_sentencepiece_gguf

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "finetune" / "configs" / "smoke_cpu.yaml"

LETTERED = Question(
    id="q1",
    stem="Which organ makes  insulin? ",
    options={"A": "liver", "B": " pancreas", "C": "12 spleens", "D": "kidney\n"},
    key="B",
    explanations={"B": "Its islets do."},
)
WORDED = Question(
    id="w1",
    context="We gave ten people the drug: 5 % were better.\n\nNothing else changed — é <|im_end|>.",
    stem="Does it work?",
    options={"yes": "yes", "no": "no", "maybe": "maybe"},
    key="no",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small model of a kind, made once."""
    root = tmp_path_factory.mktemp("models")

    def made(kind: str) -> Path:
        place = root / kind.replace(" ", "-")
        return place if place.exists() else save_model(place, kind)

    return made


def classifier_on(base: Base, kind: str = "rows") -> Classifier:
    own = Encoder(base.tokenizer, max_tokens=512).label_ids(LABELS)
    assert own is not None
    ids = add_labels(base, init="label", seed=1) if kind == "rows" else own
    model = add_adapter(base, Lora(rank=4), list(ids.values()) if kind == "rows" else [], seed=1)
    return Classifier(model, kind, ids, weight=0.5, max_tokens=256)


def rows_of(base: Base) -> list[Encoded]:
    encoder = Encoder(base.tokenizer, max_tokens=512)
    return [encoder.question(LETTERED), encoder.question(WORDED)]


def prompt_of(row: Encoded) -> Encoded:
    """The row without its answer."""
    return replace(row, ids=row.ids[: row.prompt], learnt=row.learnt[: row.prompt])


def run(folder: Path, out: Path, *overrides: str) -> int:
    return train.main(["--config", str(SMOKE), f"base={folder}", f"out={out}", f"data.root={ROOT}/assets/bank", *overrides])


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "adapter_model.safetensors")


@pytest.mark.parametrize("quantise", ["none", "nf4"])
@pytest.mark.parametrize("kind", KINDS)
def test_label_rows_begin_as_the_labels_own_and_both_losses_reach_adapter_and_rows(
    folder: Callable[[str], Path], kind: str, quantise: str
) -> None:
    base = open_base(str(folder(kind)), quantise=quantise, dtype="float32")
    plain = Encoder(base.tokenizer, max_tokens=512).label_ids(LABELS)
    classifier = classifier_on(base)
    batch = Batch.of(rows_of(base), base.device)
    prompts = Batch.of([prompt_of(row) for row in rows_of(base)], base.device)
    trained = classifier.scores(prompts)
    letters = Classifier(classifier.model, "letters", plain or {}, weight=0, max_tokens=1).scores(prompts)
    assert torch.allclose(trained, letters, atol=1e-5)
    classifier.scores(prompts)  # a forward without gradients must not end the learning (FACTS: repacked NF4 layers)
    sums = classifier(batch)
    assert (sums.labelled, sums.tokens) == (2, sum(sum(row.learnt) for row in rows_of(base)))
    classifier.loss(sums, sums.tokens, sums.labelled).backward()
    gradients = {name: float(p.grad.norm()) for name, p in trainable(classifier) if p.grad is not None}
    assert [name for name, norm in gradients.items() if "lora_B" in name and not norm] == []
    assert [norm for name, norm in gradients.items() if "trainable_tokens" in name and norm]
    assert all(p.dtype == torch.float32 for _, p in trainable(classifier))


def test_the_class_is_read_before_any_text_of_the_answer(folder: Callable[[str], Path]) -> None:
    base = open_base(str(folder("tied")), dtype="float32")
    classifier = classifier_on(base)
    encoder = Encoder(base.tokenizer, max_tokens=512)
    with torch.no_grad():
        whole = classifier(Batch.of([encoder.question(LETTERED)], base.device)).cls
        alone = classifier.scores(Batch.of([prompt_of(encoder.question(LETTERED))], base.device))
    key = LABELS.index(LETTERED.key)
    assert float(whole) == pytest.approx(float(-alone.log_softmax(-1)[0, key]), abs=1e-5)


def test_padding_and_company_change_no_score(folder: Callable[[str], Path]) -> None:
    base = open_base(str(folder("softcap")), dtype="float32")
    classifier = classifier_on(base)
    rows = rows_of(base)
    with torch.no_grad():
        together = classifier(Batch.of(rows, base.device))
        alone = [classifier(Batch.of([row], base.device)) for row in rows]
    assert float(together.text) == pytest.approx(sum(float(one.text) for one in alone), rel=1e-4)
    assert float(together.cls) == pytest.approx(sum(float(one.cls) for one in alone), rel=1e-4)


@pytest.fixture(scope="module")
def sentencepiece_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sentencepiece_gguf(tmp_path_factory.mktemp("vocabulary") / "pieces.gguf")


@pytest.fixture(scope="module", params=["BPE", "SentencePiece"])
def gguf_file(request: pytest.FixtureRequest, sentencepiece_gguf: Path) -> Path:
    return embedded_file() if request.param == "BPE" else sentencepiece_gguf


@pytest.fixture(scope="module")
def native(gguf_file: Path) -> Iterator[Model]:
    log = NativeLog()
    llama_cpp.llama_backend_init()
    model = Model(gguf_file, gpu_layers=0, log=log)
    yield model
    model.close()


@pytest.fixture(scope="module")
def tokenizer(gguf_file: Path) -> Any:
    return open_tokenizer({"pretrained_model_name_or_path": str(gguf_file.parent), "gguf_file": gguf_file.name})


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("question", [LETTERED, WORDED], ids=["lettered", "worded"])
def test_training_and_serving_see_the_same_tokens(tokenizer: Any, native: Model, question: Question, style: Style) -> None:
    encoder = Encoder(tokenizer, max_tokens=2048, style=style)
    form = ChatFormat(native.chat_template(), native.bos, native.eos)
    assert encoder.form == form
    for asked in (form, ChatFormat("", form.bos, form.eos)):
        prompt = question_prompt(asked, question, (LETTERED,), style=style)
        assert encoder.ids(prompt) == native.encode(prompt)
    row = encoder.question(question)
    assert list(row.ids[: row.read + 1]) == native.encode(question_prompt(form, question, style=style))


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(folder: Callable[[str], Path], tmp_path: Path) -> None:
    short = ("training.steps=12", "training.checkpoint_every=1", "training.careful=false")
    assert run(folder("tied"), tmp_path / "whole", *short) == 0
    cut = (f"base={folder('tied')}", f"out={tmp_path / 'cut'}", f"data.root={ROOT}/assets/bank", *short)
    command = [sys.executable, "-m", "finetune.train", "--config", str(SMOKE), *cut]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    metrics = tmp_path / "cut" / "metrics.jsonl"
    while process.poll() is None and (not metrics.is_file() or metrics.read_text().count("\n") < 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cut" / "run.json").exists()
    assert run(folder("tied"), tmp_path / "cut", *short) == 0
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert steps == list(range(1, 13))


def test_a_finished_run_is_complete_and_its_adapter_reads_as_it_was_trained(
    folder: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert run(folder("untied"), out, "training.careful=true") == 0
    about = json.loads((out / "run.json").read_text())
    assert about["energy"]["country"] == "DEU"
    assert about["energy"]["kwh"] > 0
    assert {path.name for path in out.iterdir()} >= {"adapter_model.safetensors", "eci.json", "metrics.jsonl", "curves.png"}
    assert not (out / "checkpoint.pt").exists()
    record = EciRecord.from_json((out / "eci.json").read_text())
    assert {(c.labels, c.mode) for c in record.calibrations} == {(tuple("ABCDE"), "fast"), (tuple("ABCDE"), "careful")}
    reader = open_torch_reader(out)
    orders = [LETTERED, LETTERED.in_order([2, 0, 3, 1]), WORDED, WORDED.in_order([2, 1, 0])]
    requests = [LabelRequest(question_prompt(reader.form, each), tuple(each.options)) for each in orders]
    together = reader.scores(requests, "eci")
    for request, scores in zip(requests, together, strict=True):
        assert scores == pytest.approx(reader.scores([request], "eci")[0], abs=1e-4)
    assert "label_" not in "".join(reader.write([question_prompt(reader.form, LETTERED)], 8))
    capsys.readouterr()
    assert run(folder("untied"), out) == 2
    assert "holds a finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "method"), [("rows", "eci"), ("rows", "branched"), ("rows", "generate"), ("hidden", "eci"), ("paper", "paper")]
)
def test_what_was_trained_can_be_measured(folder: Callable[[str], Path], tmp_path: Path, kind: str, method: str) -> None:
    assert run(folder("tied"), tmp_path / "run", f"head.kind={kind}", "quantise=none", "data.split={}") == 0
    questions = str(ROOT / "assets" / "bank" / "immune.jsonl")
    measured = ["--model", str(tmp_path / "run"), "--questions", questions, "--method", method, "--out", str(tmp_path / "out")]
    assert evaluate.main([*measured, "--limit", "3"]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["n"] == 3
    assert (metrics["ece"] is None) == (method == "generate")
    if method == "branched":
        assert metrics["flips"] == 0


@pytest.mark.parametrize("kind", ["tied", "untied"])
def test_bfloat16_and_gradient_checkpointing_train_as_on_a_gpu(folder: Callable[[str], Path], tmp_path: Path, kind: str) -> None:
    as_there = ("dtype=bfloat16", "quantise=nf4", "training.checkpointing=on", "training.style=steps")
    assert run(folder(kind), tmp_path, *as_there) == 0
    assert {weight.dtype for weight in weights(tmp_path).values()} == {torch.float32}


def test_an_adapter_is_refused_on_another_base(folder: Callable[[str], Path], tmp_path: Path) -> None:
    base = save_model(tmp_path / "base", "tied")
    assert run(base, tmp_path / "run", "quantise=none", "data.split={}") == 0
    weights_file = base / "model.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:-1] + b"\x00")
    with pytest.raises(BadInput, match="the adapter fits no other"):
        open_torch_reader(tmp_path / "run")


def test_the_smoke_config_trains_the_embedded_model_in_four_bits(tmp_path: Path) -> None:
    overrides = [f"out={tmp_path}", f"data.root={ROOT}/assets/bank"]
    assert train.main(["--config", str(SMOKE), *overrides]) == 0
    steps = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == 3
    assert all(step["gradient"] > 0 for step in steps)


def test_two_processes_train_as_one(folder: Callable[[str], Path], tmp_path: Path) -> None:
    short = ("quantise=none", "training.steps=3", "data.split={}")
    assert run(folder("tied"), tmp_path / "one", *short) == 0
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1",
              "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "finetune.train", "--config", str(SMOKE),
              f"base={folder('tied')}", f"out={tmp_path / 'two'}", f"data.root={ROOT}/assets/bank", *short]  # fmt: skip
    done = subprocess.run(launch, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert [name for name in one if not torch.allclose(one[name], two[name], atol=1e-5)] == []
    told = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in told] == [1, 2, 3]


def test_fsdp_is_refused_by_name(folder: Callable[[str], Path], tmp_path: Path) -> None:
    environment = os.environ | {"ACCELERATE_USE_FSDP": "true"}
    command = [sys.executable, "-m", "finetune.train", "--config", str(SMOKE), f"base={folder('tied')}", f"out={tmp_path / 'x'}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "FSDP" in done.stderr
    assert "Traceback" not in done.stderr


class Broken(Classifier):
    """A classifier whose loss is what a test wants."""

    spoil: Callable[[torch.Tensor], torch.Tensor]

    def loss(self, *arguments: Any) -> torch.Tensor:
        return self.spoil(super().loss(*arguments))

    def forward(self, batch: Batch) -> Any:
        sums = super().forward(batch)
        return replace(sums, text=self.spoil(sums.text), cls=self.spoil(sums.cls))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda loss: loss * float("nan"), "Step 1: the loss is nan"),
        (lambda loss: loss * float("inf"), "Step 1: the loss is inf"),
        (lambda loss: loss * 0.0, "Step 1: the gradient of the whole adapter is zero"),
        (lambda loss: loss.detach() + 0 * loss, "Step 1: the gradient of the whole adapter is zero"),
    ],
)
def test_a_loss_that_cannot_teach_stops_with_the_step_named(
    folder: Callable[[str], Path], tmp_path: Path, spoil: Callable[[torch.Tensor], torch.Tensor], said: str
) -> None:
    base = open_base(str(folder("tied")), dtype="float32")
    made = classifier_on(base)
    broken = Broken(made.model, "rows", dict(zip(LABELS, made.ids.tolist(), strict=True)), weight=0.5, max_tokens=256)
    broken.spoil = spoil
    config: Config = load_config(SMOKE)

    class Plan:
        def rows(self, step: int) -> list[Encoded]:
            return rows_of(base)

    trainer = Trainer(broken, Plan(), config, steps=5, checkpoint=tmp_path / "checkpoint.pt", mark="")  # type: ignore[arg-type]
    with pytest.raises(TrainingStopped, match=said):
        trainer.run(lambda step: None)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_layers_that_would_be_repacked_for_inference_are_kept_trainable(folder: Callable[[str], Path]) -> None:
    base = open_base(str(folder("tied")), quantise="nf4", dtype="float32")
    keep_trainable(base.model)
    layers = [layer for layer in base.model.modules() if type(layer).__name__ == "Linear4bit"]
    assert layers
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)
