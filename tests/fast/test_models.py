"""Which model is run, and the command ``python -m app.models``, against a hub on this machine."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.catalogue import Catalogue, CatalogueFile, CatalogueModel, Shape, Terms, at_hand, models_at_hand
from app.engine.embedded import EMBEDDED_LICENCE, EMBEDDED_NAME, embedded_file
from app.errors import ModelFileError
from app.gguf_header import read_header
from app.models import ProgressLine, chosen_model, local_model, main
from app.settings import read_settings
from tests.fast.test_download import Hub, hub

__all__ = ["hub"]
ROOT = Path(__file__).parents[2]


def gguf(*, tensors: int = 1, data: int = 64, metadata: bytes | None = None) -> bytes:
    """A GGUF of empty tensors: header, one string of metadata, rows of tensors, ``data`` bytes."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    entry = text("general.architecture") + struct.pack("<I", 8) + text("llama") if metadata is None else metadata
    rows = b"".join(text(f"t{i}") + struct.pack("<IQIQ", 1, 8, 0, 32 * i) for i in range(tensors))
    head = b"GGUF" + struct.pack("<IQQ", 3, tensors, 1) + entry + rows
    return head + bytes(-len(head) % 32) + bytes(data)


GOOD = gguf()
GOOD_DIGEST = hashlib.sha256(GOOD).hexdigest()


def entry(name: str, *, published: bool = True) -> CatalogueModel:
    return CatalogueModel(
        id=name,
        name=name.title(),
        parameters=1,
        kind="instruct",
        medical=True,
        licence="MIT",
        terms=Terms("https://example.org", "Keep the notice."),
        file=CatalogueFile("some/Repo", f"{name}.gguf", "Q8_0", "main", *((len(GOOD), GOOD_DIGEST) if published else ())),
        shape=Shape(1, 1, 1),
    )


CATALOGUE = Catalogue((entry("tiny"), entry("wild", published=False)))
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command with a catalogue of two models, against the hub; returns exit code, output, errors."""
    hub.content = GOOD
    monkeypatch.setattr("app.models.read_catalogue", lambda: CATALOGUE)
    environ = {
        "LLAMACARE_DATA_DIR": str(tmp_path / "data"),
        "LLAMACARE_MODELS": str(tmp_path / "models"),
        "HF_ENDPOINT": hub.address,
    }

    def command(*arguments: str, **more: str) -> tuple[int, str, str]:
        code = main(arguments, {**environ, **more})
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_the_named_file_is_run_else_the_embedded_model(tmp_path: Path) -> None:
    named = chosen_model(read_settings(["--data-dir", str(tmp_path), "--model", str(tmp_path / "own.gguf")], {}))
    assert (named.path.name, named.name, named.licence, named.demo) == ("own.gguf", "", "", False)
    default = chosen_model(read_settings(["--data-dir", str(tmp_path)], {}))
    assert (default.name, default.licence, default.demo) == (EMBEDDED_NAME, EMBEDDED_LICENCE, True)


def test_any_model_at_hand_is_opened_under_the_settings_with_the_catalogues_licence(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(GOOD)
    settings = read_settings(["--data-dir", str(tmp_path), "--context", "512", "--threads", "2", "--kv-type", "q8_0"], {})
    model = local_model(settings, at_hand(CATALOGUE, tmp_path / "tiny.gguf"))
    assert (model.name, model.licence, model.demo) == ("Tiny", "MIT", False)
    assert (model.context, model.threads, model.kv_type, model.gpu_layers) == (512, 2, "q8_0", -1)
    assert (model.thread_cache, model.digest_cache) == (tmp_path / "threads.json", tmp_path / "digests.json")


def test_a_file_that_nobody_knows_keeps_its_own_name_and_licence(tmp_path: Path) -> None:
    (tmp_path / "own.gguf").write_bytes(GOOD)
    own = models_at_hand(CATALOGUE, [tmp_path])[-1]
    model = local_model(read_settings(["--data-dir", str(tmp_path)], {}), own)
    assert (own.name, model.name, model.licence) == ("own", "", "")


def test_the_command_explains_itself_without_llama_cpp() -> None:
    script = (
        "import sys\nfrom app.models import main\ntry:\n    main(['--help'], {})\n"
        "except SystemExit:\n    print([m for m in ('llama_cpp', 'gradio', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(command in done.stdout for command in ("list", "get", "check"))


def test_the_list_says_what_is_known_and_what_is_at_hand(run: Run, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.gguf").write_bytes(GOOD)
    (tmp_path / "models" / "own.gguf").write_bytes(b"x")
    code, out, _ = run("list")
    lines = {line.split()[0] + " " + line.split()[1]: line for line in out.splitlines() if line and not line.startswith("Memory")}
    assert code == 0
    assert str(tmp_path / "models" / "tiny.gguf") in lines["tiny Tiny"]
    assert lines["wild Wild"].split()[2:] == ["?", "MIT", "?", "no"]
    assert "licence not stated" in lines["- own"]
    assert len({line.index("MIT") for line in lines.values() if "MIT" in line}) == 1


def test_the_list_as_json_says_everything(run: Run, tmp_path: Path) -> None:
    known = json.loads(run("list", "--json")[1])
    tiny = known["models"][0]
    assert (tiny["id"], tiny["file"]["sha256"], tiny["memory"], tiny["at_hand"]) == ("tiny", GOOD_DIGEST, len(GOOD) + 32768, None)
    assert known["files"][0]["demo"] is True


def test_get_fetches_into_the_data_folder_and_says_the_terms_first(run: Run, hub: Hub, tmp_path: Path) -> None:
    code, out, err = run("get", "tiny", HF_TOKEN="secret")
    assert (code, (tmp_path / "data" / "models" / "tiny.gguf").read_bytes()) == (0, GOOD)
    assert "digest as published" in out
    assert err == "Tiny, MIT (https://example.org): Keep the notice.\n"
    ((path, headers),) = hub.requests
    assert (path, headers["authorization"]) == ("/some/Repo/resolve/main/tiny.gguf", "Bearer secret")


def test_what_is_at_hand_is_not_fetched_again(run: Run, hub: Hub) -> None:
    run("get", "tiny")
    code, out, _ = run("get", "tiny")
    assert (code, len(hub.requests)) == (0, 1)
    assert "is at hand already" in out


def test_without_a_published_digest_it_is_refused_until_told_otherwise(run: Run, hub: Hub, tmp_path: Path) -> None:
    code, _, err = run("get", "wild")
    assert (code, hub.requests) == (2, [])
    assert "cannot be checked: the catalogue knows no published digest" in err
    code, out, _ = run("get", "wild", "--unverified", "--to", str(tmp_path))
    assert code == 0
    assert f"NOT checked against a published digest; SHA-256 {GOOD_DIGEST}" in out
    assert (tmp_path / "wild.gguf.sha256").read_text() == f"{GOOD_DIGEST}  wild.gguf\n"


def test_a_remembered_digest_is_what_the_file_is_checked_by(run: Run, tmp_path: Path) -> None:
    run("get", "wild", "--unverified", "--to", str(tmp_path))
    path = tmp_path / "wild.gguf"
    assert run("check", str(path))[:2] == (0, f"ok     {path}: digest as remembered; GGUF version 3, 1 tensors, llama\n")
    path.write_bytes(gguf(data=65))
    code, out, _ = run("check", str(path))
    assert code == 1
    assert "remembered from its download" in out


def test_a_wrong_digest_is_refused_by_the_command_too(run: Run, hub: Hub, tmp_path: Path) -> None:
    hub.content = GOOD[:-1] + b"!"
    code, _, err = run("get", "tiny")
    assert code == 2
    assert GOOD_DIGEST in err
    assert list((tmp_path / "data" / "models").iterdir()) == []


def test_an_interrupt_says_that_the_same_command_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.models.download", interrupted)
    code, _, err = run("get", "tiny")
    assert code == 130
    assert "tiny.gguf.part is kept; the same command goes on from there." in err


@pytest.mark.parametrize(
    ("endpoint", "token", "said"),
    [("huggingface.co", "", "expected an address"), ("http://mirror.example", "secret", "HF_TOKEN would be sent unencrypted")],
)
def test_an_endpoint_that_cannot_be_used_is_refused(run: Run, endpoint: str, token: str, said: str) -> None:
    code, _, err = run("get", "tiny", HF_ENDPOINT=endpoint, HF_TOKEN=token)
    assert code == 2
    assert said in err


def test_an_unknown_model_is_refused(run: Run) -> None:
    code, _, err = run("get", "tinny")
    assert code == 2
    assert "Did you mean tiny?" in err
    assert "is not at hand" in run("check", "tiny")[2]


def test_check_without_names_checks_everything_at_hand(run: Run, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.gguf").write_bytes(GOOD)
    (tmp_path / "models" / "own.gguf").write_bytes(b"GGML")
    code, out, _ = run("check")
    assert code == 1
    assert f"ok     {tmp_path}/models/tiny.gguf: digest as published" in out
    assert "own.gguf is no usable GGUF file: it begins with b'GGML'" in out


def test_check_by_id_finds_the_file(run: Run) -> None:
    run("get", "tiny")
    assert run("check", "tiny")[0] == 0


def test_a_file_of_the_catalogues_name_and_another_size_is_wrong(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf(data=100))
    code, out, _ = run("check", str(path))
    assert code == 1
    assert "It was cut, or is another model" in out
    path.write_bytes(GOOD[:-1] + b"!")
    assert f"published is {GOOD_DIGEST}" in run("check", str(path))[1]


def long_text(length: int) -> bytes:
    return struct.pack("<Q", length)


BROKEN = {
    "nothing": (b"", "it begins with b''"),
    "another version": (b"GGUF" + struct.pack("<I", 9), "its version is 9"),
    "a cut header": (GOOD[:40], "within its header"),
    "cut tensors": (gguf(tensors=4, data=60), "before its last tensor begins"),
    "a text beyond the end": (gguf(metadata=long_text(1 << 60)), "within its header"),
    "a type nobody knows": (gguf(metadata=struct.pack("<QcI", 1, b"k", 99)), "the type 99, which is not known"),
    "a text that is none": (gguf(metadata=struct.pack("<Qc", 1, b"\xff")), "codec can't decode"),
    "too many tensors": (b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 1), "it claims 1,099,511,627,776 tensors"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_header_is_refused_in_words(tmp_path: Path, what: str) -> None:
    content, said = BROKEN[what]
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ModelFileError) as refused:
        read_header(tmp_path / "x.gguf")
    assert said in refused.value.sentence


def test_the_embedded_models_header_is_read() -> None:
    header = read_header(embedded_file())
    assert (len(header.tensors), header.metadata["general.architecture"], header.metadata["llama.block_count"]) == (
        272,
        "llama",
        30,
    )
    with pytest.raises(ModelFileError, match="does not exist"):
        read_header(Path("/nowhere/x.gguf"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_line_says_how_much_how_fast_and_how_long() -> None:
    times = iter([0.0, 10.0, 20.0])
    stream = Terminal()
    with ProgressLine(stream, lambda: next(times)) as line:
        line(0, 4_000_000_000)
        line(1_000_000_000, 4_000_000_000)
        line(4_000_000_000, 4_000_000_000)
    shown = [part.removesuffix("\x1b[K\n").removesuffix("\x1b[K") for part in stream.getvalue().split("\r")]
    assert shown[-2] == "25 %  1.00 GB of 4.00 GB  100.0 MB/s  30 s left"
    assert shown[-1] == "100 %  4.00 GB of 4.00 GB  200.0 MB/s  checking"


def test_the_rate_counts_only_what_this_attempt_fetched() -> None:
    times = iter([5.0, 6.0])
    stream = Terminal()
    line = ProgressLine(stream, lambda: next(times))
    line(900_000_000, 1_000_000_000)
    line(950_000_000, 1_000_000_000)
    assert "50.0 MB/s  1 s left" in stream.getvalue()


def test_the_progress_line_is_silent_where_nobody_looks() -> None:
    stream = io.StringIO()
    with ProgressLine(stream) as line:
        line(1, 2)
    assert stream.getvalue() == ""


def test_the_shipped_catalogue_and_the_embedded_file_pass_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(embedded_file(), tmp_path)
    assert main(["check", str(tmp_path / embedded_file().name)], {"LLAMACARE_DATA_DIR": str(tmp_path)}) == 0
    assert "digest as published" in capsys.readouterr().out
