"""The catalogue of models (``assets/models.toml``), and which model files are at hand. Opens no model and no connection."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.engine.embedded import EMBEDDED_LICENCE, EMBEDDED_NAME, embedded_file
from app.errors import BadInput, ModelFileError, NotFound

CATALOGUE = Path(__file__).parents[1] / "assets" / "models.toml"
KINDS = ("instruct", "thinking", "hybrid")
CONTEXT = 8192  # tokens for which the memory is told
BYTES_A_VALUE = 2  # of keys and values in f16
UNKNOWN_LICENCE = "licence not stated"


@dataclass(frozen=True)
class Terms:
    """Where a licence's text is, and what it demands, in our words."""

    url: str
    demands: str


@dataclass(frozen=True)
class Shape:
    """What the memory of keys and values follows from."""

    layers: int
    kv_heads: int
    head_width: int

    def context_bytes(self, tokens: int) -> int:
        """Keys and values in f16, as if no layer had a sliding window."""
        return 2 * self.layers * self.kv_heads * self.head_width * BYTES_A_VALUE * tokens


@dataclass(frozen=True)
class CatalogueFile:
    """One file of a hub. ``size`` in bytes and ``sha256`` are None where no source confirms them."""

    hub: str
    name: str
    type: str
    revision: str = "main"
    size: int | None = None
    sha256: str | None = None

    def address(self, endpoint: str) -> str:
        return f"{endpoint.rstrip('/')}/{self.hub}/resolve/{self.revision}/{self.name}"

    def page(self, endpoint: str) -> str:
        return f"{endpoint.rstrip('/')}/{self.hub}"


@dataclass(frozen=True)
class Figure:
    """A published result: ``value`` percent of ``set`` answered rightly, got ``how``, read at ``source``."""

    set: str
    value: float
    how: str
    source: str


@dataclass(frozen=True, kw_only=True)
class CatalogueModel:
    """One entry. ``parameters`` in billions; ``kind`` is one of KINDS."""

    id: str
    name: str
    parameters: float
    kind: str
    medical: bool
    licence: str
    terms: Terms
    file: CatalogueFile
    shape: Shape | None = None
    figures: tuple[Figure, ...] = ()

    def memory(self, context: int = CONTEXT) -> int | None:
        """Bytes for weights and for ``context`` tokens in f16, without buffers; None where size or shape are not known."""
        if self.file.size is None or self.shape is None:
            return None
        return self.file.size + self.shape.context_bytes(context)


@dataclass(frozen=True)
class Catalogue:
    """Every entry, in the file's order."""

    models: tuple[CatalogueModel, ...]

    def find(self, name: str) -> CatalogueModel:
        """The entry of an id.

        Raises:
            NotFound: there is none; the sentence lists the known ids.
        """
        for model in self.models:
            if model.id == name:
                return model
        ids = [model.id for model in self.models]
        near = difflib.get_close_matches(name, ids, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise NotFound(f"The catalogue has no model {name!r}.{meant} It has: {', '.join(ids)}.")

    def entry_of(self, name: str, size: int) -> CatalogueModel | None:
        """The entry of a file by its name, and by its size in bytes where the catalogue knows it."""
        entry = self.named(name)
        return entry if entry is not None and entry.file.size in (None, size) else None

    def named(self, name: str) -> CatalogueModel | None:
        """The entry whose file has this name, whatever its size."""
        return next((model for model in self.models if model.file.name == name), None)


@dataclass(frozen=True)
class ModelAtHand:
    """A model file on this machine, known by name and size alone. ``demo``: the embedded one, which knows no medicine."""

    path: Path
    name: str
    size: int
    entry: CatalogueModel | None
    demo: bool = False
    licence: str = UNKNOWN_LICENCE


def models_at_hand(catalogue: Catalogue, folders: Iterable[Path], extra: Path | None = None) -> list[ModelAtHand]:
    """The embedded model, then ``extra`` (the file that --model names), then every .gguf of the folders; none twice.

    What is not there is left out; of a file in parts (``-00001-of-00003``) the first part stands for all.
    """
    found = [_embedded(catalogue), None if extra is None or not extra.is_file() else at_hand(catalogue, extra)]
    for folder in folders:
        paths = sorted(folder.glob("*.gguf")) if folder.is_dir() else []
        found += [at_hand(catalogue, path) for path in paths if path.is_file() and not _later_part(path)]
    once: dict[Path, ModelAtHand] = {}
    for model in found:
        if model is not None:
            once.setdefault(model.path.resolve(), model)
    return list(once.values())


def embedded_at_hand(catalogue: Catalogue) -> ModelAtHand:
    """The embedded model.

    Raises:
        ModelFileError: the wheel that embeds it is not installed.
    """
    path = embedded_file()
    size = path.stat().st_size
    return ModelAtHand(path, EMBEDDED_NAME, size, catalogue.entry_of(path.name, size), True, EMBEDDED_LICENCE)


def at_hand(catalogue: Catalogue, path: Path) -> ModelAtHand:
    """A file, which need not be there: then its size is 0, and who opens it says so."""
    size = path.stat().st_size if path.is_file() else 0
    entry = catalogue.entry_of(path.name, size)
    if entry is None:
        return ModelAtHand(path, path.stem, size, None)
    return ModelAtHand(path, entry.name, size, entry, licence=entry.licence)


def _embedded(catalogue: Catalogue) -> ModelAtHand | None:
    try:
        return embedded_at_hand(catalogue)
    except ModelFileError:
        return None


def _later_part(path: Path) -> bool:
    part = re.search(r"-(\d{5})-of-\d{5}$", path.stem)
    return part is not None and int(part[1]) > 1


def read_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """The catalogue of a TOML file.

    Raises:
        BadInput: the file cannot be read, or an entry has a mistake; the sentence names entry, field and value.
    """
    try:
        with path.open("rb") as stream:
            content = tomllib.load(stream)
    except OSError as error:
        raise BadInput(f"The catalogue {path} cannot be read ({error.strerror}). Restore it from the repository.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The catalogue {path} is not TOML ({error}). Correct it, or restore it from the repository.") from error
    top = _Fields(path.name, content)
    models = tuple(_model(fields) for fields in top.tables("model", "model {}"))
    top.end()
    for what, values in (("id", [one.id for one in models]), ("file name", [one.file.name for one in models])):
        twice = _first_twice(values)
        if twice is not None:
            raise BadInput(f"{path.name}: the {what} {twice!r} stands at two models. Give each its own.")
    return Catalogue(models)


def _model(fields: _Fields) -> CatalogueModel:
    name = fields.text("id", r"[a-z0-9][a-z0-9.-]*", "a word of small letters, digits, dots and hyphens")
    fields.where = f"{fields.where} ({name})"
    model = CatalogueModel(
        id=name,
        name=fields.text("name"),
        parameters=fields.number("parameters"),
        kind=fields.one_of("kind", KINDS),
        medical=fields.flag("medical"),
        licence=fields.text("licence"),
        terms=_terms(fields.table("terms")),
        file=_file(fields.table("file")),
        shape=_shape(fields.table("shape")) if "shape" in fields else None,
        figures=tuple(_figure(figure) for figure in fields.tables("figures", "figure {}")),
    )
    fields.end()
    return model


def _terms(fields: _Fields) -> Terms:
    terms = Terms(fields.url("url"), fields.text("demands"))
    fields.end()
    return terms


def _shape(fields: _Fields) -> Shape:
    shape = Shape(fields.whole("layers"), fields.whole("kv_heads"), fields.whole("head_width"))
    fields.end()
    return shape


def _file(fields: _Fields) -> CatalogueFile:
    file = CatalogueFile(
        hub=fields.text("hub", r"[\w.-]+/[\w.-]+", "a hub id, as Qwen/Qwen3-4B-GGUF"),
        name=fields.text("name", r"[\w.-]+\.gguf", "a file name that ends in .gguf, without a folder"),
        type=fields.text("type", r"[A-Z0-9_]+", "a type of llama.cpp, as Q4_K_M"),
        revision=fields.text("revision", r"[0-9a-f]{40}", "a commit of 40 hexadecimal digits")
        if "revision" in fields
        else "main",
        size=fields.whole("size") if "size" in fields else None,
        sha256=fields.text("sha256", r"[0-9a-f]{64}", "64 small hexadecimal digits") if "sha256" in fields else None,
    )
    fields.end()
    return file


def _figure(fields: _Fields) -> Figure:
    figure = Figure(fields.text("set"), fields.number("value", 100), fields.text("how"), fields.url("source"))
    fields.end()
    return figure


def _first_twice(values: Sequence[str]) -> str | None:
    return next((value for index, value in enumerate(values) if value in values[:index]), None)


class _Fields:
    """One TOML table, read field by field; what nobody asked for is refused by ``end``."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self.where = where
        self._values = values
        self._asked: set[str] = set()

    def __contains__(self, field: str) -> bool:
        self._asked.add(field)
        return field in self._values

    def text(self, field: str, pattern: str = r".*\S.*", expected: str = "a text that is not empty") -> str:
        value = self._value(field)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self._refusal(field, value, expected)
        return value

    def url(self, field: str) -> str:
        return self.text(field, r"https://\S+", "an address that begins with https://")

    def one_of(self, field: str, words: Sequence[str]) -> str:
        return self.text(field, "|".join(words), f"one of {', '.join(words)}")

    def whole(self, field: str) -> int:
        value = self._value(field)
        if type(value) is not int or value < 1:
            raise self._refusal(field, value, "a whole number above 0")
        return value

    def number(self, field: str, highest: float = 10_000) -> float:
        value = self._value(field)
        if type(value) not in (int, float) or not 0 < value <= highest:
            raise self._refusal(field, value, f"a number above 0, at most {highest:g}")
        return float(value)

    def flag(self, field: str) -> bool:
        value = self._value(field)
        if type(value) is not bool:
            raise self._refusal(field, value, "true or false")
        return value

    def table(self, field: str) -> _Fields:
        value = self._value(field)
        if not isinstance(value, dict):
            raise self._refusal(field, value, "a table")
        return _Fields(f"{self.where}, {field}", value)

    def tables(self, field: str, name: str) -> list[_Fields]:
        """A list of tables, each called by ``name`` with its number; none where the field is absent."""
        value = self._value(field) if field in self else []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self._refusal(field, value, "a list of tables")
        return [_Fields(f"{self.where}, {name.format(number)}", one) for number, one in enumerate(value, start=1)]

    def end(self) -> None:
        unknown = sorted(self._values.keys() - self._asked)
        if unknown:
            raise BadInput(f"{self.where}: the field {unknown[0]!r} is not known. Known here: {', '.join(sorted(self._asked))}.")

    def _value(self, field: str) -> Any:
        self._asked.add(field)
        if field not in self._values:
            raise BadInput(f"{self.where}: the field {field!r} is missing. Add it.")
        return self._values[field]

    def _refusal(self, field: str, value: object, expected: str) -> BadInput:
        return BadInput(f"{self.where}: {field} is {value!r}; expected {expected}. Correct it.")
