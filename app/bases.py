"""What finetune and quantize must agree on of a trained folder: which base it has, and where its held-out questions lie."""

from __future__ import annotations

import hashlib
from pathlib import Path

from app.engine.embedded import embedded_file
from app.files import digest_of_all

EMBEDDED = "embedded"  # the application's own model
WEIGHTS = ("*.safetensors", "*.gguf")
# Questions that were held out of the training, as the calibration and its thresholds saw them, beside the adapter.
CALIBRATION_ROWS, CONFORMAL_ROWS = "calibration.jsonl", "conformal.jsonl"


def base_path(reference: str) -> Path:
    """The file or folder that a reference names; of a hub id, a path that does not exist.

    Raises:
        ModelFileError: the wheel that embeds a model is not installed.
    """
    return embedded_file() if reference == EMBEDDED else Path(reference)


def base_digest(reference: str, revision: str = "") -> str:
    """SHA-256 over a base's weight files in the order of their names; of id and revision for the hub."""
    path = base_path(reference)
    files = [path] if path.is_file() else sorted(f for pattern in WEIGHTS for f in path.glob(pattern)) if path.is_dir() else []
    return digest_of_all(files) if files else hashlib.sha256(f"{reference}@{revision}".encode()).hexdigest()
