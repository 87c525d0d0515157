"""Conversations as files: Markdown to read, JSON to process."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from app.grounds import grounds_text, whole_text
from app.records import Message, Role

Form = Literal["md", "json"]
FORMAT = "llamacare.conversation/1"


def as_markdown(title: str, messages: Sequence[Message]) -> str:
    parts = [f"# {title}"]
    for message in messages:
        if message.role is Role.USER:
            parts += ["## Question", message.text]
        else:
            parts.append("## Answer")
            if message.reasoning:
                parts.append(_quoted(f"**The model's reasoning, no part of its answer**\n\n{message.reasoning}"))
            parts.append(whole_text(message) or "(no text)")
            parts += _draft(message)
            parts.append(f"*{' · '.join(filter(None, (message.model, message.source)))}*")
            if message.note:
                parts.append(f"*{message.note}*")
    return "\n\n".join(parts) + "\n"


def as_json(title: str, messages: Sequence[Message], updated: datetime | None) -> str:
    value: dict[str, Any] = {"format": FORMAT, "title": title, "updated": updated.isoformat() if updated else None}
    value["messages"] = [
        {
            "role": message.role,
            "text": message.text,
            "reasoning": message.reasoning,
            "status": message.status,
            "note": message.note,
            "model": message.model,
            "source": message.source,
            "grounds": json.loads(grounds_text(message.grounds) or "null"),
        }
        for message in messages
    ]
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _draft(message: Message) -> list[str]:
    """What a model wrote that has not earned prose."""
    grounds = message.grounds
    if grounds is None or not grounds.draft:
        return []
    return [_quoted(f"**What the model wrote, no part of the answer.** {grounds.prose_why}\n\n{grounds.draft}")]


def _quoted(text: str) -> str:
    """A block quotation: whatever is in it, a heading or half of a code block, ends with it."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def file_name(title: str, form: Form) -> str:
    """A name that every file system takes, from the title's first words."""
    words = re.sub(r"[^\w-]+", "-", title, flags=re.UNICODE).strip("-")[:60].rstrip("-")
    return f"{words or 'conversation'}.{form}"
