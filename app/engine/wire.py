"""Frames between the application and the engine's process: one JSON object a line, UTF-8.

A frame from the application has ``op`` and, for calls, ``id``; one from the engine has ``kind`` and, for calls, ``id``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any

from app.calibration import EciRecord
from app.engine.base import EciHead, ModelInfo
from app.records import Prompt, Segment

Frame = dict[str, Any]


class FrameWriter:
    """Writes whole frames to one pipe from any thread."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def write(self, frame: Frame) -> None:
        """Raises OSError (a broken pipe) when the other side has gone, ValueError when this side was closed."""
        line = json.dumps(frame, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            self._pipe.write(line)
            self._pipe.flush()


def read_frames(pipe: IO[bytes]) -> Iterator[Frame]:
    """Frames until the other side closes; a line torn by its death ends the stream."""
    for line in pipe:
        if not line.endswith(b"\n"):
            return
        yield json.loads(line)


def pack(prompt: Prompt) -> list[list[Any]]:
    return [[segment.text, segment.control] for segment in prompt]


def unpack(segments: list[list[Any]]) -> Prompt:
    return tuple(Segment(text, control) for text, control in segments)


def pack_info(info: ModelInfo) -> Frame:
    head = info.eci
    record = head.record.to_json() if head is not None and head.record is not None else None
    packed = None if head is None else {"token_ids": head.token_ids, "trained": head.trained, "record": record}
    return {**asdict(info), "eci": packed}


def unpack_info(frame: Frame) -> ModelInfo:
    head = frame["eci"]
    if head is not None:
        head = EciHead(**{**head, "record": EciRecord.from_json(head["record"]) if head["record"] else None})
    return ModelInfo(**{**frame, "eci": head})
