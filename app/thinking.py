"""The marks between which models write their reasoning, and whether a text ends between two of them. Pure.

Sources: the models' chat templates; for gpt-oss OpenAI's harmony response format; for Command A and R7B llama.cpp's parser.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.records import Prompt


@dataclass(frozen=True)
class Mark:
    """What opens a stretch of reasoning and what closes it. ``close`` "" means that the answer itself follows."""

    open: str
    close: str

    @property
    def shut(self) -> str:
        """What ends a block that a prompt has opened. Paired tags stand on lines of their own, as templates write them."""
        return f"\n\n{self.close}\n\n" if self.close.startswith("</") else self.close


# No opening is the beginning of another, so the first that fits is the one.
MARKS = (
    Mark("<think>", "</think>"),  # Qwen, DeepSeek, SmolLM3 and most others
    Mark("<thinking>", "</thinking>"),
    Mark("<reasoning>", "</reasoning>"),
    Mark("<thought>", "</thought>"),
    Mark("[THINK]", "[/THINK]"),  # Magistral
    Mark("<seed:think>", "</seed:think>"),  # Seed-OSS
    Mark("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A, Command R7B
    Mark("<|channel>thought", "<channel|>"),  # Gemma 4
    # gpt-oss writes messages, each on a channel: any number on the first two, then one on the last. A prompt ends in the
    # first message's <|start|>assistant, the model writes those of the others.
    Mark("<|channel|>analysis<|message|>", "<|end|>"),
    Mark("<|channel|>commentary<|message|>", "<|end|>"),
    Mark("<|channel|>final<|message|>", ""),
    Mark("<|start|>assistant<|channel|>analysis<|message|>", "<|end|>"),
    Mark("<|start|>assistant<|channel|>commentary<|message|>", "<|end|>"),
    Mark("<|start|>assistant<|channel|>final<|message|>", ""),
)


def open_mark(text: str) -> Mark | None:
    """The mark that ``text`` opens and does not close, None where there is none."""
    return next((mark for mark in MARKS if mark.close and text.rfind(mark.open) > text.rfind(mark.close)), None)


def prompt_mark(prompt: Prompt) -> Mark | None:
    """The mark that a prompt leaves open for the model to think behind. What people wrote opens none."""
    return open_mark(prompt[-1].text) if prompt and prompt[-1].control else None
