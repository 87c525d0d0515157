"""What finetune sets before torch is loaded, and what it leaves behind."""

from __future__ import annotations

from finetune.environment import WAITING, load_torch


def test_the_way_threads_wait_is_set_for_torch_alone() -> None:
    environ: dict[str, str] = {}
    load_torch(environ)
    assert WAITING not in environ


def test_what_the_user_has_set_stays() -> None:
    environ = {WAITING: "active", "TOKENIZERS_PARALLELISM": "true"}
    load_torch(environ)
    assert (environ[WAITING], environ["TOKENIZERS_PARALLELISM"]) == ("active", "true")
