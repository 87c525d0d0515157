"""The whole way from an adapter to one file, on small random models, through the real converter and the real llama.cpp.

Their label rows are trained for a few steps at a high rate: near-ties of a random model would fall either way.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from app.calibration import EciRecord
from app.engine.base import Finished, Phase, Piece, Sampling
from app.engine.head import RECORD_KEY
from app.engine.local import LocalEngine, LocalModel
from app.errors import BadInput
from app.files import digest_of
from app.gguf_header import read_header
from app.probes import Probe
from app.prompts import ChatFormat, label_token, question_prompt
from app.questions import read_bank
from app.records import LABELS
from finetune import train
from finetune.probe import probe
from quantize import verify
from quantize.__main__ import main
from quantize.adapter import Onto, read_adapter
from quantize.export import converter_folder, export, licence_of, metadata
from quantize.merge import merge
from quantize.probe import probe_gguf
from quantize.samples import texts
from quantize.verify import log_shares
from tests.slow.conftest import settle
from tests.slow.tiny import BANK, save_model


def _no_converter() -> str:
    try:
        converter_folder()
    except BadInput as error:
        return error.sentence
    return ""


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(_no_converter()), reason=_no_converter())]
ROOT = Path(__file__).parents[2]
WAIT = 180  # seconds for something to happen; reaching it is a failure, not a measurement
NEAR = 0.02  # nats
# The stages after which a run is killed: while it merges, while it reads the exported file, while it measures or fits anew.
MOMENTS = ("probe-trained", "export", "compress-Q8_0")
# One text is enough here: its next tokens' distributions are of a vocabulary of 49,000.
COMMAND = (
    "import sys, quantize.pipeline as pipeline; from quantize.__main__ import main; first = pipeline.texts()[:1]; "
    "pipeline.texts = lambda: first; sys.exit(main(sys.argv[1:]))"
)


def train_tiny(folder: Path, kind: str, *overrides: str) -> Path:
    base, out = save_model(folder / "base", kind), folder / "adapter"
    config = ["--config", str(ROOT / "finetune" / "configs" / "smoke_cpu.yaml"), f"base={base}", f"out={out}"]
    steps = ["training.steps=3", "training.batch=1", "training.permute=false", "head.rate=0.3", "lora.rate=0.001"]
    assert train.main([*config, *steps, "dtype=float32", f"data.root={BANK}", "name=tiny", *overrides]) == 0
    return out


@dataclass(frozen=True)
class Done:
    """A run that was killed three times and then finished. ``seen``: what lay in the folder after each kill."""

    adapter: Path
    out: Path
    work: Path
    seen: dict[str, list[str]]

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out.with_suffix(".run.json").read_text())
        return found


def arguments(adapter: Path, out: Path) -> list[str]:
    work = os.path.relpath(out.parent / "work", ROOT)  # as people give it; the converter works in another folder
    options = ["--out", str(out), "--type", "Q8_0", "--limit", "20", "--questions", str(BANK), "--licence", "apache-2.0"]
    return [str(adapter), *options, "--shard", "8M", "--keep-work", "--work", work]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("tied")
    adapter, out = train_tiny(folder, "tied", "quantise=none"), folder / "made" / "tiny.gguf"
    seen = {moment: kill_after(moment, adapter, out) for moment in MOMENTS}
    command = [sys.executable, "-c", COMMAND, *arguments(adapter, out)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return Done(adapter, out, out.parent / "work", seen)


def kill_after(stage: str, adapter: Path, out: Path) -> list[str]:
    """Ends a run without warning soon after a stage is finished; returns what then lies where the file would."""
    process = subprocess.Popen([sys.executable, "-c", COMMAND, *arguments(adapter, out)], cwd=ROOT, stderr=subprocess.DEVNULL)
    state, deadline = out.parent / "work" / "stages.json", time.monotonic() + WAIT
    while not (state.is_file() and stage in json.loads(state.read_text())):
        assert process.poll() is None, f"it ended before {stage}"
        assert time.monotonic() < deadline, f"{stage} was not reached"
        time.sleep(0.01)
    time.sleep(0.5)  # into the next stage
    process.send_signal(signal.SIGKILL)
    process.wait()
    while working_in(out.parent):
        assert time.monotonic() < deadline, f"still at work: {working_in(out.parent)}"
        time.sleep(0.05)
    return sorted(path.name for path in out.parent.iterdir())


def working_in(folder: Path) -> list[str]:
    """Command lines of processes that speak of a folder."""
    processes = (place for place in Path("/proc").iterdir() if place.name.isdigit())
    return [line for place in processes if str(folder) in (line := command_line(place))]


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture(scope="module")
def engine(done: Done) -> Iterator[LocalEngine]:
    engine = settle(LocalEngine(LocalModel(path=done.out, name="tiny", context=2048)))
    assert engine.status().phase is Phase.READY, engine.status().sentence
    yield engine
    engine.close()


def differences(one: Probe, other: Probe) -> float:
    """The largest difference of a label's log-probability."""
    pair = [log_shares(each.scores) for each in (one, other)]
    there = np.isfinite(pair[0])
    assert (there == np.isfinite(pair[1])).all() and there.any()
    return float(np.abs(pair[0][there] - pair[1][there]).max())


def test_a_run_that_is_killed_leaves_nothing_under_the_final_name_and_the_next_one_finishes(done: Done) -> None:
    assert done.seen == {moment: ["work"] for moment in MOMENTS}
    beside = {path.name for path in done.out.parent.iterdir()}
    cards = {f"tiny.{ending}" for ending in ("md", "data-sheet.md", "run.json", "bench.json", "bench.md", "bench.png")}
    assert beside == {"work", "tiny.gguf"} | cards
    assert done.report["digest"] == digest_of(done.out)
    assert [path.name for path in done.work.rglob("*") if path.name.endswith((".part", ".raw", ".made"))] == []


def test_another_run_is_refused_while_the_file_is_there(done: Done, capsys: pytest.CaptureFixture[str]) -> None:
    before = digest_of(done.out)
    assert main(arguments(done.adapter, done.out)) == 2
    assert "tiny.gguf is there already. Choose another --out, or add --force" in capsys.readouterr().err
    assert digest_of(done.out) == before


def test_the_file_loads_trained_with_the_record_that_was_fitted_on_it(done: Done, engine: LocalEngine) -> None:
    info = engine.info()
    assert info.eci is not None and info.eci.record is not None
    assert info.eci.trained
    assert info.eci.token_ids == read_adapter(done.adapter).labels
    assert info.eci.record == EciRecord.from_json(read_header(done.out).metadata[RECORD_KEY])
    assert {(one.name, one.n) for one in info.eci.record.calibrations} == {("tiny", 2)}
    assert len(done.report["refit"]) == len(info.eci.record.calibrations)


def test_label_tokens_are_read_and_never_written(done: Done, engine: LocalEngine) -> None:
    info = engine.info()
    form = ChatFormat(info.chat_template, info.bos, info.eos)
    prompt = question_prompt(form, read_bank(BANK).questions[0])
    events = list(engine.stream(prompt, Sampling(max_tokens=12, temperature=0, repeat_penalty=1)))
    text = "".join(event.text for event in events if isinstance(event, Piece))
    last = events[-1]
    assert isinstance(last, Finished) and last.tokens > 0
    assert text.strip()
    assert not any(label_token(label) in text for label in LABELS)


def test_llama_cpp_reads_the_labels_that_torch_reads_merged_and_as_trained(done: Done) -> None:
    exported, merged, trained = (Probe.load(done.work / f"{name}.npz") for name in ("f16", "merged-original", "trained"))
    assert len(exported.scores) == 20
    assert differences(merged, trained) < 1e-3
    assert differences(exported, merged) < NEAR
    assert differences(exported, trained) < NEAR
    for name in ("merged", "exported"):
        found = done.report[name]
        assert (found["agreement"], found["strange_ids"], found["same_template"]) == (1.0, 0, True)


def test_an_independent_reader_finds_record_licence_base_and_tokens(done: Done) -> None:
    fields = gguf.GGUFReader(done.out).fields
    said = {name: fields[name].contents() for name in fields if name.startswith(("general.", "llamacare."))}
    assert said["general.license"] == "apache-2.0"
    assert (said["general.base_model.count"], said["general.base_model.0.name"]) == (1, "base")
    assert said["general.name"] == "LlamaCare tiny"
    assert "llamacare" in said["general.tags"]
    assert "changed: fine-tuned, merged and converted" in said["llamacare.base.notice"]
    assert json.loads(said["llamacare.provenance"])["adapter"] == read_adapter(done.adapter).run["adapter"]
    assert json.loads(said[RECORD_KEY])["prompt_digest"] == read_adapter(done.adapter).run["prompt"]
    tokens = fields["tokenizer.ggml.tokens"].contents()
    assert [tokens[place] for place in read_adapter(done.adapter).labels.values()] == [label_token(label) for label in LABELS]


def test_one_damaged_row_of_one_tensor_fails_in_a_sentence(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify, "texts", lambda: texts()[:1])
    damaged = tmp_path / "damaged.gguf"
    shutil.copyfile(done.out, damaged)
    header = read_header(damaged)
    tensor = next(one for one in header.tensors if one.name == "blk.1.ffn_down.weight")
    length = tensor.shape[1] // 32 * 34  # Q8_0: 32 values in 34 bytes
    with damaged.open("r+b") as file:
        place = header.data + tensor.offset + 5 * length
        file.seek(place)
        row = file.read(length)
        file.seek(place)
        file.write(bytes(value ^ 0xFF for value in row))
    compared = ["--parent", str(done.work / "f16.gguf"), "--questions", str(BANK), "--limit", "20"]
    assert verify.main([str(damaged), *compared, "--out", str(tmp_path / "found.json")]) == 1
    said = capsys.readouterr().err
    assert "damaged.gguf fails: the next token's mean KL is" in said
    assert "Traceback" not in said
    assert json.loads((tmp_path / "found.json").read_text())["failures"]


def test_four_bits_and_untied_embeddings_go_the_same_way(tmp_path: Path) -> None:
    """The label rows stand at the output layer alone, and the adapter goes onto the weights that it was trained on."""
    place = train_tiny(tmp_path, "untied", "quantise=nf4")
    adapter = read_adapter(place)
    merge(adapter, tmp_path / "merged", Onto.DEQUANTISED)
    merge(adapter, tmp_path / "other", Onto.ORIGINAL)
    values = metadata("tiny", licence_of(adapter.reference, None, given="mit"), adapter.record, {})
    export(tmp_path / "merged", tmp_path / "f16.gguf", values)
    questions = read_bank(BANK).questions[:4]
    style = verify.Style.LABEL
    with torch.inference_mode():
        trained, merged, other = (probe(path, questions, [], style) for path in (place, tmp_path / "merged", tmp_path / "other"))
    exported = probe_gguf(tmp_path / "f16.gguf", questions, [], style)
    assert differences(merged, trained) < 1e-3
    assert differences(exported, merged) < NEAR
    assert differences(other, trained) > differences(merged, trained)
    assert all(np.array_equal(one, two) for one, two in zip(exported.ids, trained.ids, strict=True))
    assert exported.template == trained.template and exported.prompt == trained.prompt
