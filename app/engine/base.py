"""What the application asks of a model: the Engine Protocol and the records that cross it (DESIGN.md, Engine)."""

from __future__ import annotations

import enum
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.calibration import EciRecord
from app.records import Prompt


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are drawn. ``temperature`` 0 is greedy; ``repeat_penalty`` 1 is off; ``max_tokens`` bounds reasoning and answer.

    ``stop``: the answer ends before any of these texts. ``max_seconds`` bounds the time from the first token on.

    The same ``seed`` gives the same text only where it is computed in the same way, as on two engines that have done nothing
    else: llama.cpp's kernels round differently by the shape of a batch and the place of the cells, and a close choice then
    falls the other way.
    """

    max_tokens: int = 768
    temperature: float = 0.4
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.1
    seed: int = 0
    stop: tuple[str, ...] = ()
    max_seconds: float = 900.0


@dataclass(frozen=True)
class Queued:
    """The request waits; ``place`` 1 is next, 0 means that the model itself is not ready yet."""

    place: int


@dataclass(frozen=True)
class Prefilling:
    """The prompt is being read: ``done`` of ``total`` tokens."""

    done: int
    total: int


@dataclass(frozen=True)
class Piece:
    """A stretch of the answer. Whole characters only."""

    text: str


@dataclass(frozen=True)
class Thought:
    """A stretch of what a thinking model writes before its answer. Whole characters only; never a part of the answer."""

    text: str


class Ending(enum.StrEnum):
    """Why an answer ended: the model said so or a stop text came, the token limit or a full context, the time limit, or it
    only repeated itself."""

    STOP = "stop"
    LENGTH = "length"
    TIME = "time"
    REPETITION = "repetition"


@dataclass(frozen=True)
class Finished:
    """The last event of a stream. Rates in tokens per second; ``reused`` of the prompt's tokens were not computed anew."""

    ending: Ending
    prompt_tokens: int
    tokens: int
    tokens_per_second: float | None
    reused: int = 0


StreamEvent = Queued | Prefilling | Thought | Piece | Finished


@dataclass(frozen=True)
class LabelRequest:
    """One question to score: the prompt up to and including ``Answer:``, and the labels that it has."""

    prompt: Prompt
    labels: tuple[str, ...]


@dataclass(frozen=True)
class EciHead:
    """Where labels are read: label -> token id. Untrained: the model's own tokens, not calibrated.

    ``record``: what the model's file says was fitted and measured of its trained labels.
    """

    token_ids: dict[str, int]
    trained: bool = False
    record: EciRecord | None = None


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What is known of a loaded model. ``size`` in bytes, ``context`` in tokens for one request, ``digest``: its SHA-256."""

    name: str
    file: str
    size: int
    parameters: int
    quantisation: str
    device: str
    context: int
    licence: str
    demo: bool
    chat_template: str
    bos: str
    eos: str
    eci: EciHead | None
    digest: str = ""
    notice: str = ""  # what the user should know of how it was loaded, as that it runs on the CPU and why


class Phase(enum.StrEnum):
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What the engine is doing, in figures. Counts begin with the engine's process; rates are of the last minute of work.

    No text of anybody's is in it, so it can be shown and logged.
    """

    active: int  # requests being computed, at most ``slots``
    slots: int
    queued: int  # requests that wait for a slot or for cells
    cells: int  # the KV store's size in tokens
    cells_active: int  # of which requests hold, and
    cells_kept: int  # of which finished requests have left for a prefix to be used again
    requests: int  # finished, cancelled ones included
    cancelled: int
    prompt_tokens: int  # of all requests that began
    reused_tokens: int  # of which were not computed anew
    answer_tokens: int
    prompt_rate: float | None  # tokens/s
    decode_rate: float | None  # tokens/s, of all callers together
    threads_decode: int
    threads_prefill: int
    memory: int  # bytes, resident in the engine's process
    kv_bytes: int


@dataclass(frozen=True)
class EngineStatus:
    """``sentence`` says in words what happened and what to do; ``retry_in`` is in seconds; ``restarts`` counts the engine's
    own since the application began; ``sight`` is a second old at most while there is work."""

    phase: Phase
    sentence: str = ""
    retry_in: float | None = None
    waiting: int = 0
    model: ModelInfo | None = None
    restarts: int = 0
    sight: Sight | None = None


class Engine(Protocol):
    """A model, callable from any number of threads at once.

    Every call raises ``EngineError`` (or a child of it) when no answer can be computed, ``Busy`` when too many wait.
    """

    def status(self) -> EngineStatus:
        """What the page's header shows. Never blocks."""

    def info(self) -> ModelInfo:
        """The loaded model. Raises EngineError with the reason while there is none."""

    def stream(self, prompt: Prompt, sampling: Sampling) -> Generator[StreamEvent, None, None]:
        """The answer as events, ending in Finished. At least four a second, so that a caller can stop between any two;
        closing the iterator stops the work, in prefill too. Waits while the model loads."""

    def label_scores(self, requests: Sequence[LabelRequest]) -> list[npt.NDArray[np.float64]]:
        """One array a request, shape (its labels,): the logits of the label tokens after the prompt. No text is generated."""

    def count(self, prompts: Sequence[Prompt]) -> list[int]:
        """The number of tokens of each prompt."""

    def retry(self) -> None:
        """Starts a failed engine again, and one that waits for its next start at once; nothing in any other state."""

    def close(self) -> None:
        """Ends the engine. Calls that are open fail."""
