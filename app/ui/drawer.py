"""Turns of the chat as the page takes them: events and messages as JSON, answers as safe HTML. No rule lives here."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import asdict, replace
from typing import Any, Protocol

from app.engine.base import Engine, Prefilling, Queued
from app.errors import EngineError
from app.records import Block, Conversation, Grounds, Message, Prose, Role, Speed
from app.turns import Begun, Drafted, Ended, Fitted, Grown, Sourced, TurnEvent
from app.ui.event_stream import EventSource
from app.ui.library_routes import passage_json
from app.ui.markdown import AnswerMarkdown

REDRAW_SECONDS = 0.09  # between two pictures of a growing answer: eleven a second


class Drawn(Protocol):
    """A turn, as far as it is drawn."""

    def events(self) -> Generator[TurnEvent, None, None]: ...


class Drawer:
    """Turns chat records into what the page shows."""

    def __init__(self, markdown: AnswerMarkdown, engine: Engine) -> None:
        self._markdown = markdown
        self._engine = engine

    def draw(self, turn: Drawn) -> EventSource:
        """The turn's events as JSON; of a growing answer, a picture eleven times a second. Its reasoning is "" where it has
        not grown since the last one: it may be longer than the answer.
        """
        drawn_at = 0.0
        sent = ""
        events = turn.events()
        try:
            for event in events:
                if not isinstance(event, Grown | Drafted):
                    yield self.event_json(event)
                elif time.monotonic() - drawn_at >= REDRAW_SECONDS:
                    drawn_at = time.monotonic()
                    yield self.event_json(replace(event, reasoning=event.reasoning if event.reasoning != sent else ""))
                    sent = event.reasoning
        finally:
            events.close()

    def event_json(self, event: TurnEvent) -> dict[str, Any]:
        record: dict[str, Any]
        match event:
            case Begun(turn, conversation, question):
                place = None if conversation is None else conversation_json(conversation)
                record = {"type": "turn", "turn": turn, "conversation": place, "user": self.message_json(question)}
            case Sourced(grounds):
                record = {"type": "sources", **self.grounds_json(grounds)}
            case Fitted(dropped):
                record = {"type": "fitted", "dropped_turns": dropped}
            case Queued(place_in_queue):
                record = {"type": "queue", "place": place_in_queue}
            case Prefilling(done, total):
                record = {"type": "prefill", "done": done, "total": total}
            case Grown(text, reasoning):
                record = {"type": "text", "html": self._markdown.html(text), "reasoning": reasoning}
            case Drafted(text, reasoning):
                record = {"type": "draft", "html": self._markdown.html(text), "reasoning": reasoning}
            case Ended(answer, used, size, dropped):
                context = None if used is None or size is None else {"used": used, "size": size}
                record = {"type": "end", "message": self.message_json(answer), "context": context, "dropped_turns": dropped}
        return record

    def message_json(self, message: Message) -> dict[str, Any]:
        grounds = message.grounds
        marks = [claim.end for claim in grounds.claims] if grounds and grounds.prose is Prose.OPEN else []
        return {
            "id": message.id,
            "role": message.role,
            "text": message.text,
            "reasoning": message.reasoning,
            "html": self._markdown.html(message.text, marks) if message.role is Role.ASSISTANT else "",
            "status": message.status,
            "note": message.note,
            "model": message.model,
            "source": message.source,
            "grounds": None if grounds is None else self.grounds_json(grounds),
            **speed_json(message.speed),
        }

    def grounds_json(self, grounds: Grounds) -> dict[str, Any]:
        folded = [claim.end for claim in grounds.claims] if grounds.prose is Prose.FOLDED else []
        return {
            "found": grounds.found,
            "sentence": grounds.sentence,
            "passages": [
                passage_json(found.passage, number=number, marks=found.marks)
                for number, found in enumerate(grounds.passages, start=1)
            ],
            "short": [block_json(block) for block in grounds.short],
            "prose": grounds.prose,
            "prose_why": grounds.prose_why,
            "template": grounds.template,
            "assumptions": dict(grounds.assumptions),
            "expanded": list(grounds.expanded),
            "draft_html": self._markdown.html(grounds.draft, folded),
            "draft_text": grounds.draft,
            "claims": [asdict(claim) for claim in grounds.claims],
            "judged_by": grounds.judged_by,
            "removed": grounds.removed,
            "followups": list(grounds.followups),
            "erased": grounds.erased,
        }

    def context_json(self, messages: list[Message]) -> dict[str, int] | None:
        """How full the context was after the last answer; None while nothing is known."""
        used = next((message.context_used for message in reversed(messages) if message.context_used), None)
        try:
            size = self._engine.info().context
        except EngineError:
            return None
        return None if used is None else {"used": used, "size": size}


def block_json(block: Block) -> dict[str, Any]:
    return {"heading": block.heading, "sentences": [asdict(quote) for quote in block.quotes], "missing": block.missing}


def speed_json(speed: Speed) -> dict[str, Any]:
    return {"first_token_s": speed.first_token, "tokens_per_s": speed.tokens_per_second, "tokens": speed.tokens}


def conversation_json(conversation: Conversation) -> dict[str, Any]:
    return {"id": conversation.id, "title": conversation.title, "updated": conversation.updated.isoformat()}
