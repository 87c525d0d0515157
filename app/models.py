"""Which models there are: the embedded one and any GGUF that the user names. Never imports llama_cpp."""

from __future__ import annotations

from pathlib import Path

from app.engine.embedded import EMBEDDED_LICENCE, EMBEDDED_NAME, embedded_file
from app.engine.local import LocalModel
from app.settings import Settings


def chosen_model(settings: Settings) -> LocalModel:
    """The model that the settings name, else the embedded one. A named file is checked by the engine, not here.

    Raises:
        ModelFileError: no model is named and the wheel that embeds one is not installed.
    """
    path = settings.model
    if path is not None:
        return _local(settings, path)
    return _local(settings, embedded_file(), name=EMBEDDED_NAME, licence=EMBEDDED_LICENCE, demo=True)


def _local(settings: Settings, path: Path, *, name: str = "", licence: str = "", demo: bool = False) -> LocalModel:
    return LocalModel(
        path=path,
        name=name,
        licence=licence,
        demo=demo,
        context=settings.context,
        threads=settings.threads,
        thread_cache=settings.data_dir / "threads.json",
        kv_type=settings.kv_type,
        gpu_layers=settings.gpu_layers,
    )
