"""Settings: a flag beats its environment variable, which beats the default; what cannot be used is named with its cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.errors import SettingsError
from app.settings import Flag, all_flags, read_settings

# Flag -> two texts that are not its default, and what each means.
GOOD: dict[str, tuple[tuple[str, Any], tuple[str, Any]]] = {
    "host": (("::1", "::1"), (" 10.0.0.1 ", "10.0.0.1")),
    "port": (("0", 0), ("65535", 65535)),
    "data-dir": (("/srv/a", Path("/srv/a")), ("b/../c", Path.cwd() / "b/../c")),
    "model": (("/m/a.gguf", Path("/m/a.gguf")), ("b.gguf", Path.cwd() / "b.gguf")),
    "models": (("/m", (Path("/m"),)), (" a , /b,", (Path.cwd() / "a", Path("/b")))),
    "switching": ((" On ", "on"), ("off", "off")),
    "context": (("256", 256), ("1048576", 1048576)),
    "threads": (("1", 1), ("1024", 1024)),
    "gpu-layers": (("0", 0), ("99", 99)),
    "max-waiting": (("1", 1), ("10000", 10000)),
    "thinking": ((" Off ", "off"), ("on", "on")),
    "kv-type": (("q8_0", "q8_0"), (" Q4_0 ", "q4_0")),
    "allowed-hosts": (("a.example", ("a.example",)), ("A.example, b.example,", ("a.example", "b.example"))),
    "log": (("off", "off"), (" Requests ", "requests")),
}
BAD: dict[str, tuple[str, ...]] = {
    "host": (" ",),
    "port": ("-1", "65536", "80.5", "http", " ", "9" * 5000),
    "data-dir": (" ",),
    "models": (" ", ",", "~nobody-of-this-name/x"),
    "switching": (" ", "true", "maybe"),
    "context": ("255", "1048577", "8k"),
    "threads": ("-1", "1025", "all"),
    "gpu-layers": ("-2", "10001", "some"),
    "max-waiting": ("0", "10001", "many"),
    "thinking": (" ", "true", "maybe"),
    "kv-type": (" ", "f32", "q8"),
    "allowed-hosts": (" ", ",", " , "),
    "log": (" ", "on", "debug"),
}
NEVER_BAD = {"model"}  # any text is a path; whether a model is there is the engine's to say

FLAGS = all_flags({})
each_flag = pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)


def value(flag: Flag, arguments: list[str], **environ: str) -> Any:
    return getattr(read_settings(arguments, environ), flag.field)


def test_these_tests_know_every_flag() -> None:
    names = {flag.name for flag in FLAGS}
    assert set(GOOD) == names
    assert set(BAD) | NEVER_BAD == names


@each_flag
def test_a_flag_beats_its_variable_and_that_the_default(flag: Flag) -> None:
    (text, meaning), (other, other_meaning) = GOOD[flag.name]
    default = value(flag, [])
    assert value(flag, [flag.option, text], **{flag.variable: other}) == meaning
    assert value(flag, [], **{flag.variable: other}) == other_meaning
    assert str(other_meaning) not in (str(default), str(meaning)), "else the three could not be told apart"


@each_flag
def test_an_empty_variable_is_one_that_is_not_given(flag: Flag) -> None:
    assert value(flag, [], **{flag.variable: ""}) == value(flag, [])


@pytest.mark.parametrize(
    ("flag", "text"),
    [(flag, text) for flag in FLAGS for text in BAD.get(flag.name, ())],
    ids=lambda part: part if isinstance(part, str) else part.name,
)
def test_a_value_that_cannot_be_used_is_named_with_what_was_expected(flag: Flag, text: str) -> None:
    for name, arguments, environ in ((flag.option, [flag.option, text], {}), (flag.variable, [], {flag.variable: text})):
        with pytest.raises(SettingsError) as caught:
            read_settings(arguments, environ)
        assert caught.value.sentence.startswith(f"{name} is {text!r}; expected a")
        assert "--help" in caught.value.sentence


def test_an_empty_flag_is_not_taken_for_one_that_is_not_given() -> None:
    with pytest.raises(SettingsError, match="--port is ''; expected a whole number from 0 to 65535"):
        read_settings(["--port", ""], {})


@pytest.mark.parametrize("option", ["--data-dir", "--model"])
def test_a_home_that_nobody_has_is_named_too(option: str) -> None:
    with pytest.raises(SettingsError, match=f"{option} is '~nobody-of-this-name/x'; expected"):
        read_settings([option, "~nobody-of-this-name/x"], {})


@pytest.mark.parametrize("arguments", [["--por", "1"], ["--colour", "red"], ["stray"], ["--port"]], ids=" ".join)
def test_an_unknown_or_shortened_flag_ends_the_start(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(arguments, {})
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_help_tells_every_flag_with_its_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(["--help"], {})
    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for flag in FLAGS:
        assert f"{flag.option} " in shown
        assert f"{flag.help} [environment: {flag.variable}; default: {flag.default or 'none'}]" in shown


def test_the_variable_of_a_flag_is_its_name_in_capitals() -> None:
    assert {"LLAMACARE_PORT", "LLAMACARE_DATA_DIR", "LLAMACARE_MODEL"} <= {flag.variable for flag in FLAGS}


def test_by_default_nobody_but_this_machine_can_open_the_page() -> None:
    settings = read_settings([], {})
    assert (settings.host, settings.port, settings.space) == ("127.0.0.1", 7860, None)
    assert set(settings.allowed_hosts) == {"localhost", "127.0.0.1", "[::1]"}


def test_by_default_the_embedded_model_answers() -> None:
    assert read_settings([], {}).model is None


def test_conversations_go_where_the_user_keeps_data(tmp_path: Path) -> None:
    assert read_settings([], {"XDG_DATA_HOME": str(tmp_path)}).data_dir == tmp_path / "llamacare"
    assert read_settings([], {}).data_dir.parts[-3:] == (".local", "share", "llamacare")


def test_the_environment_that_is_passed_in_decides_where_the_home_is(tmp_path: Path) -> None:
    assert read_settings([], {"HOME": str(tmp_path)}).data_dir == tmp_path / ".local" / "share" / "llamacare"


def test_a_home_is_written_as_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_settings(["--data-dir", "~/kept"], {"HOME": str(tmp_path)}).data_dir == tmp_path / "kept"


def test_a_space_is_open_to_its_visitors_and_keeps_its_data_on_its_own_disk() -> None:
    settings = read_settings([], {"SPACE_ID": "Some-One/Llama_Care"})
    assert settings.space is not None
    assert (settings.host, settings.space.id) == ("0.0.0.0", "Some-One/Llama_Care")
    assert settings.space.host == "some-one-llama_care.hf.space"
    assert {"localhost", "127.0.0.1", settings.space.host} <= set(settings.allowed_hosts)
    assert settings.data_dir in (Path("/data/llamacare"), Path("/tmp/llamacare"))


def test_a_space_that_tells_its_host_is_believed() -> None:
    settings = read_settings([], {"SPACE_ID": "one/two", "SPACE_HOST": "one-two.hf.space"})
    assert settings.space is not None
    assert settings.space.host == "one-two.hf.space"
    assert "one-two.hf.space" in settings.allowed_hosts


def test_on_a_space_too_flags_and_variables_win() -> None:
    environ = {"SPACE_ID": "one/two", "LLAMACARE_HOST": "10.0.0.1"}
    settings = read_settings(["--data-dir", "/srv/x"], environ)
    assert (settings.host, settings.data_dir) == ("10.0.0.1", Path("/srv/x"))


@pytest.mark.parametrize(
    ("arguments", "environ", "may"),
    [
        ([], {}, True),
        (["--host", "::1"], {}, True),
        (["--host", "localhost"], {}, True),
        (["--host", "0.0.0.0"], {}, False),
        (["--host", "10.0.0.1"], {}, False),
        (["--host", "clinic.example"], {}, False),
        ([], {"SPACE_ID": "one/two"}, False),
        (["--host", "127.0.0.1"], {"SPACE_ID": "one/two"}, False),
        (["--host", "0.0.0.0", "--switching", "on"], {}, True),
        (["--switching", "off"], {}, False),
    ],
)
def test_only_who_sits_at_this_machine_changes_the_model_by_default(
    arguments: list[str], environ: dict[str, str], may: bool
) -> None:
    assert read_settings(arguments, environ).may_switch is may


def test_models_lie_in_the_project_and_among_the_users_data(tmp_path: Path) -> None:
    here, kept = read_settings(["--data-dir", str(tmp_path)], {}).model_folders
    assert (here / "..").resolve() == Path(__file__).parents[2]
    assert (here.name, kept) == ("models", tmp_path / "models")
    assert read_settings(["--data-dir", str(tmp_path), "--models", "/m"], {}).model_folders == (Path("/m"), kept)


def test_settings_cannot_be_changed_once_read() -> None:
    with pytest.raises(AttributeError):
        read_settings([], {}).port = 1  # type: ignore[misc]
