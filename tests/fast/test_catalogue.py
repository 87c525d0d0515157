"""The catalogue: what it says, how its mistakes are refused, and what is found on the disk."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.catalogue import Catalogue, embedded_at_hand, models_at_hand, read_catalogue
from app.engine.embedded import EMBEDDED_LICENCE, EMBEDDED_NAME, embedded_file
from app.errors import BadInput, ModelFileError, NotFound
from app.files import digest_of

ENTRY: dict[str, Any] = {
    "id": "tiny",
    "name": "Tiny",
    "parameters": 0.5,
    "kind": "instruct",
    "medical": True,
    "licence": "MIT",
    "terms": {"url": "https://example.org/mit", "demands": "Keep the notice."},
    "shape": {"layers": 2, "kv_heads": 3, "head_width": 5},
    "file": {"hub": "some/Tiny-GGUF", "name": "tiny-Q8_0.gguf", "type": "Q8_0", "size": 1000, "sha256": "ab" * 32},
    "figures": [{"set": "MedQA", "value": 41.5, "how": "5-shot", "source": "https://example.org/paper"}],
}


def toml(value: dict[str, Any], path: str = "model") -> str:
    """Enough of TOML for one entry."""
    lines = [f"[[{path}]]"] if path == "model" else []
    nested = {key: one for key, one in value.items() if isinstance(one, dict | list)}
    for key, one in value.items():
        if key not in nested:
            lines.append(f"{key} = {str(one).lower() if isinstance(one, bool) else repr(one)}")
    for key, one in nested.items():
        for part in one if isinstance(one, list) else [one]:
            lines += [f"[[{path}.{key}]]" if isinstance(one, list) else f"[{path}.{key}]", toml(part, f"{path}.{key}")]
    return "\n".join(lines)


def written(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "models.toml"
    path.write_text("\n".join(toml(entry) for entry in entries))
    return path


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return read_catalogue()


def test_an_entry_is_read_with_everything_that_it_says(tmp_path: Path) -> None:
    (model,) = read_catalogue(written(tmp_path, ENTRY)).models
    assert (model.id, model.parameters, model.medical, model.terms.demands) == ("tiny", 0.5, True, "Keep the notice.")
    assert model.file.address("http://hub/") == "http://hub/some/Tiny-GGUF/resolve/main/tiny-Q8_0.gguf"
    assert (model.figures[0].set, model.figures[0].value) == ("MedQA", 41.5)


def test_memory_is_the_file_and_keys_and_values_of_the_context(tmp_path: Path) -> None:
    (model,) = read_catalogue(written(tmp_path, ENTRY)).models
    assert model.memory(10) == 1000 + 2 * 2 * 3 * 5 * 2 * 10


@pytest.mark.parametrize("unknown", ["shape", "size"])
def test_memory_is_not_told_where_what_it_follows_from_is_not_known(tmp_path: Path, unknown: str) -> None:
    entry = copy.deepcopy(ENTRY)
    del (entry if unknown == "shape" else entry["file"])[unknown]
    (model,) = read_catalogue(written(tmp_path, entry)).models
    assert model.memory() is None


MISTAKES: dict[str, tuple[Callable[[dict[str, Any]], Any], tuple[str, ...]]] = {
    "no name": (lambda e: e.pop("name"), ("model 1 (tiny)", "'name' is missing")),
    "an empty licence": (lambda e: e.update(licence=" "), ("model 1 (tiny)", "licence is ' '", "not empty")),
    "a kind of its own": (lambda e: e.update(kind="clever"), ("kind is 'clever'", "instruct, thinking, hybrid")),
    "an id with a space": (lambda e: e.update(id="ti ny"), ("model 1", "id is 'ti ny'", "small letters")),
    "parameters in words": (lambda e: e.update(parameters="7B"), ("parameters is '7B'", "a number above 0")),
    "medical in words": (lambda e: e.update(medical="yes"), ("medical is 'yes'", "true or false")),
    "a digest too short": (lambda e: e["file"].update(sha256="ab"), ("(tiny), file", "sha256 is 'ab'", "64 small")),
    "a size below one": (lambda e: e["file"].update(size=0), ("(tiny), file", "size is 0", "whole number")),
    "a size that is a truth value": (lambda e: e["file"].update(size=True), ("size is True", "whole number")),
    "a file in a folder": (lambda e: e["file"].update(name="../x.gguf"), ("name is '../x.gguf'", "without a folder")),
    "a file that is no GGUF": (lambda e: e["file"].update(name="x.bin"), ("name is 'x.bin'", ".gguf")),
    "a hub without an owner": (lambda e: e["file"].update(hub="Tiny"), ("hub is 'Tiny'", "Qwen/")),
    "a branch as revision": (lambda e: e["file"].update(revision="dev"), ("revision is 'dev'", "commit of 40")),
    "a figure above all": (lambda e: e["figures"][0].update(value=101), ("figure 1", "value is 101", "at most 100")),
    "a figure without source": (lambda e: e["figures"][0].pop("source"), ("figure 1", "'source' is missing")),
    "a source that is no address": (lambda e: e["figures"][0].update(source="a paper"), ("source is 'a paper'", "https://")),
    "terms that are a text": (lambda e: e.update(terms="free"), ("terms is 'free'", "a table")),
    "a field nobody knows": (lambda e: e.update(licenze="MIT"), ("(tiny)", "'licenze' is not known", "licence")),
    "a shape nobody knows": (lambda e: e["shape"].update(heads=3), ("(tiny), shape", "'heads' is not known", "kv_heads")),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_by_entry_and_field(tmp_path: Path, mistake: str) -> None:
    change, said = MISTAKES[mistake]
    entry = copy.deepcopy(ENTRY)
    change(entry)
    with pytest.raises(BadInput) as refused:
        read_catalogue(written(tmp_path, entry))
    assert all(part in refused.value.sentence for part in said), refused.value.sentence


def test_two_entries_share_neither_id_nor_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the id 'tiny' stands at two models"):
        read_catalogue(written(tmp_path, ENTRY, ENTRY))
    with pytest.raises(BadInput, match=r"file name 'tiny-Q8_0\.gguf' stands at two"):
        read_catalogue(written(tmp_path, ENTRY, {**ENTRY, "id": "other"}))


@pytest.mark.parametrize(
    ("content", "said"), [(b"[[model]", "is not TOML"), (b"\xff", "is not TOML"), (b"x = 1", "'x' is not known")]
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "models.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said):
        read_catalogue(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_catalogue(tmp_path / "none.toml")


def test_what_is_shipped_has_what_was_promised(shipped: Catalogue) -> None:
    ids = {model.id for model in shipped.models}
    assert {"smollm2-135m", "medpsy-1.7b", "medpsy-4b", "medgemma-4b", "medgemma-27b-text", "qwen3-4b"} <= ids
    assert all("diagnosis" in model.terms.demands for model in shipped.models if model.id.startswith("medgemma"))


def test_the_embedded_model_is_in_the_catalogue_with_the_digest_of_its_file(shipped: Catalogue) -> None:
    model = embedded_at_hand(shipped)
    assert model.entry is not None
    assert (model.entry.file.sha256, model.entry.licence) == (digest_of(embedded_file()), EMBEDDED_LICENCE)
    assert (model.name, model.demo) == (EMBEDDED_NAME, True)


def test_an_unknown_id_is_refused_with_the_near_one(shipped: Catalogue) -> None:
    with pytest.raises(NotFound, match=r"no model 'medgema-4b'\. Did you mean medgemma-4b\?"):
        shipped.find("medgema-4b")


def test_models_at_hand_are_the_embedded_the_named_and_those_of_the_folders_none_twice(tmp_path: Path) -> None:
    catalogue = read_catalogue(written(tmp_path, ENTRY))
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "tiny-Q8_0.gguf").write_bytes(bytes(1000))
    (folder / "own.gguf").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"x")
    found = models_at_hand(catalogue, [folder, tmp_path / "absent"], folder / "own.gguf")
    assert [(one.name, one.size, one.licence) for one in found[1:]] == [("own", 1, "licence not stated"), ("Tiny", 1000, "MIT")]
    assert found[0].demo


def test_a_file_of_another_size_is_not_the_catalogues(tmp_path: Path) -> None:
    catalogue = read_catalogue(written(tmp_path, ENTRY))
    (tmp_path / "tiny-Q8_0.gguf").write_bytes(bytes(999))
    assert models_at_hand(catalogue, [tmp_path])[-1].entry is None


def test_of_a_file_in_parts_the_first_stands_for_all(tmp_path: Path) -> None:
    for part in (1, 2):
        (tmp_path / f"big-0000{part}-of-00002.gguf").write_bytes(b"x")
    found = models_at_hand(read_catalogue(written(tmp_path, ENTRY)), [tmp_path])
    assert [one.path.name for one in found if not one.demo] == ["big-00001-of-00002.gguf"]


def test_without_the_wheel_the_embedded_model_is_simply_not_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent() -> Path:
        raise ModelFileError("no wheel")

    monkeypatch.setattr("app.catalogue.embedded_file", absent)
    assert models_at_hand(read_catalogue(written(tmp_path, ENTRY)), []) == []
