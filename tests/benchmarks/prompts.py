"""A prompt as the application renders it, with its token ids: every peer is given the same one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.records import Prompt, Segment

# What every peer is told beside its own defaults: greedy, with the penalty that the application has.
REPEAT_PENALTY = 1.1


@dataclass(frozen=True)
class Rendered:
    """``ids`` is what llama.cpp reads of ``prompt``, segment by segment."""

    prompt: Prompt
    ids: tuple[int, ...]

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.prompt)

    def frame(self) -> dict[str, Any]:
        return {"segments": [[segment.text, segment.control] for segment in self.prompt], "ids": list(self.ids)}

    @classmethod
    def of(cls, frame: Mapping[str, Any]) -> Rendered:
        return cls(tuple(Segment(text, control) for text, control in frame["segments"]), tuple(frame["ids"]))


def shared_length(prompts: Sequence[Rendered]) -> int:
    """How many first tokens all prompts have in common."""
    length = 0
    for column in zip(*(prompt.ids for prompt in prompts), strict=False):
        if len(set(column)) > 1:
            break
        length += 1
    return length
