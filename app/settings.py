"""The only reader of flags and environment. A Settings value is built from an argument list and an environ, both passed in.

Each flag has an environment variable of the same name (``--data-dir``, ``LLAMACARE_DATA_DIR``); a flag wins over it.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import SettingsError

PREFIX = "LLAMACARE_"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a Hugging Face Space says of itself. ``host`` is the public host name of the page."""

    id: str
    host: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that can be set. ``context`` in tokens, ``threads`` 0 = as many as usable, ``gpu_layers`` -1 = all."""

    host: str
    port: int
    data_dir: Path
    model: Path | None
    models: tuple[Path, ...]
    switching: str
    context: int
    threads: int
    gpu_layers: int
    kv_type: str
    max_waiting: int
    thinking: str
    allowed_hosts: tuple[str, ...]
    log: str
    space: Space | None

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Where model files are looked for."""
        return (*self.models, self.data_dir / "models")

    @property
    def may_switch(self) -> bool:
        """Whether visitors may change and measure the model; by itself only where all of them sit at this machine."""
        if self.switching != "auto":
            return self.switching == "on"
        return self.space is None and _is_loopback(self.host)


@dataclass(frozen=True)
class Flag:
    """One setting. ``default`` is text, parsed like what a user gives."""

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str

    @property
    def option(self) -> str:
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper().replace("-", "_")

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")


def read_settings(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Flags, then environment variables, then defaults.

    Raises:
        SettingsError: a value that cannot be used; the sentence names it, its value and what was expected.
        SystemExit: ``--help`` was asked for, or a flag is unknown (argparse prints why).
    """
    flags = all_flags(environ)
    given = vars(_parser(flags).parse_args(arguments))
    values: dict[str, Any] = {}
    for flag in flags:
        from_flag = given[flag.field]
        name, text = (flag.option, from_flag) if from_flag is not None else (flag.variable, environ.get(flag.variable, ""))
        if not text and from_flag is None:
            name, text = flag.option, flag.default
        try:
            values[flag.field] = flag.parse(text)
        except ValueError as error:
            raise SettingsError(f"{name} is {text!r}; expected {error}. See `python app.py --help`.") from error
    return Settings(**values, space=_space(environ))


def all_flags(environ: Mapping[str, str]) -> tuple[Flag, ...]:
    """Every flag; some defaults depend on where the application runs."""
    space = _space(environ)
    hosts = f"localhost,127.0.0.1,[::1],{space.host}" if space else "localhost,127.0.0.1,[::1]"
    return (
        Flag("host", "0.0.0.0" if space else "127.0.0.1", _text, "address to listen on; 127.0.0.1 is this machine alone"),
        Flag("port", "7860", _whole(0, 65535), "port to listen on; 0 takes a free one"),
        Flag("data-dir", str(_data_dir(environ, space)), _path(environ), "folder for conversations and practice; made if absent"),
        Flag("model", "", _model(environ), "path of a .gguf file; the embedded SmolLM2-135M-Instruct if not given"),
        Flag(
            "models",
            str(ROOT / "models"),
            _paths(environ),
            "folders with .gguf files, separated by commas; and models in --data-dir",
        ),
        Flag(
            "switching",
            "auto",
            _one_of("auto", "on", "off"),
            "whether visitors may change the model; auto: on this machine alone",
        ),
        Flag("context", "8192", _whole(256, 1 << 20), "tokens that prompt and answer may have together"),
        Flag("threads", "0", _whole(0, 1024), "threads that compute; 0 measures and adapts, up to every core that may be used"),
        Flag("gpu-layers", "-1", _whole(-1, 10_000), "layers on the GPU; -1 all that fit, 0 none; without effect in a CPU build"),
        Flag("kv-type", "f16", _one_of("f16", "q8_0", "q4_0"), "how the context is stored; q8_0 halves its memory, q4_0 again"),
        Flag("max-waiting", "32", _whole(1, 10_000), "requests that may be open at once; more are turned away"),
        Flag("thinking", "off", _one_of("off", "on"), "on: a thinking model may reason before it answers, which is slower"),
        Flag("allowed-hosts", hosts, _hosts, "host names, separated by commas, by which the page may be opened"),
        Flag("log", "off", _one_of("off", "requests"), "requests: a line each on stderr, with figures and without any text"),
    )


def _parser(flags: Sequence[Flag]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="LlamaCare: a private medical chat and exam practice on a model that runs on this machine.",
        formatter_class=argparse.RawTextHelpFormatter,
        allow_abbrev=False,
    )
    for flag in flags:
        default = flag.default or "none"
        text = f"{flag.help}\n[environment: {flag.variable}; default: {default}]".replace("%", "%%")
        parser.add_argument(flag.option, dest=flag.field, metavar=flag.name.rsplit("-", 1)[-1].upper(), help=text)
    return parser


def _space(environ: Mapping[str, str]) -> Space | None:
    space = environ.get("SPACE_ID", "")
    if not space:
        return None
    return Space(id=space, host=environ.get("SPACE_HOST", "") or f"{space.lower().replace('/', '-')}.hf.space")


def _data_dir(environ: Mapping[str, str], space: Space | None) -> Path:
    """XDG's place for a user's data; on a Space its persistent disk, else a folder that goes with the container."""
    if space is not None:
        persistent = Path("/data")
        return (persistent if os.access(persistent, os.W_OK) else Path(environ.get("TMPDIR", "/tmp"))) / "llamacare"
    data_home = environ.get("XDG_DATA_HOME", "") or f"{environ.get('HOME', '')}/.local/share"
    return Path(data_home) / "llamacare"


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("a text that is not empty")
    return text.strip()


def _path(environ: Mapping[str, str]) -> Callable[[str], Path]:
    def parse(text: str) -> Path:
        path = Path(_text(text))
        if path.parts[0].startswith("~"):
            home = environ.get("HOME", "")
            if path.parts[0] != "~" or not home:
                raise ValueError("a path; of homes, only ~/ is known, and only where HOME is set")
            path = Path(home, *path.parts[1:])
        return path.absolute()

    return parse


def _paths(environ: Mapping[str, str]) -> Callable[[str], tuple[Path, ...]]:
    def parse(text: str) -> tuple[Path, ...]:
        parts = [part for part in text.split(",") if part.strip()]
        if not parts:
            raise ValueError("at least one path")
        return tuple(_path(environ)(part) for part in parts)

    return parse


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _model(environ: Mapping[str, str]) -> Callable[[str], Path | None]:
    return lambda text: _path(environ)(text) if text.strip() else None


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError(f"a word of these: {', '.join(words)}")
        return word

    return parse


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    if not hosts:
        raise ValueError("at least one host name")
    return hosts
