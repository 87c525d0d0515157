"""Embeddings of passages by WordLlama, whose wheel ships its weights, to compare search with; none where it is not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.library_store import LibraryStore

DEEP = 50


@dataclass(frozen=True)
class Embeddings:
    """``vectors``: a passage a row, of length 1; ``documents``: whose."""

    model: Any
    vectors: np.ndarray
    documents: Sequence[str]

    def search(self, question: str) -> list[str]:
        """The documents of the nearest passages, each once, nearest first."""
        alike = self.vectors @ self.model.embed([question], norm=True)[0]
        best = np.argpartition(-alike, DEEP)[:DEEP]
        return list(dict.fromkeys(self.documents[place] for place in best[np.argsort(-alike[best])]))


def embeddings_of(store: LibraryStore) -> Embeddings | None:
    if importlib.util.find_spec("wordllama") is None:
        return None
    import wordllama  # noqa: PLC0415

    # the wheel's files, found without a download
    model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    passages = [
        (passage.text, document.id)
        for document in store.documents("")[0]
        for passage in store.passages("", document.id, count=10_000)[2]
    ]
    vectors = model.embed([text for text, _ in passages], norm=True)
    return Embeddings(model, vectors, [document for _, document in passages])


def fused(first: Sequence[str], second: Sequence[str], k: int, weight: float) -> list[str]:
    """By reciprocal rank; ``weight`` of the second list, the first one's is 1."""
    scores: dict[str, float] = {}
    for found, share in ((first, 1.0), (second, weight)):
        for place, one in enumerate(dict.fromkeys(found), start=1):
            scores[one] = scores.get(one, 0.0) + share / (k + place)
    return sorted(scores, key=lambda one: -scores[one])
