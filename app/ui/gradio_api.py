"""The Gradio API: /ask and /score_options, for gradio_client. Each call carries its visitor's token in a header."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import gradio as gr

from app.chat import Chat
from app.errors import BadInput, LlamaCareError
from app.grounding import Wanted
from app.grounds import short_text, whole_text
from app.questions import MIN_OPTIONS
from app.quiz import Quiz
from app.records import OPTION_LETTERS, Question, Scope, Status
from app.turns import Ended, Grown, Sourced
from app.ui.visitors import visitor_id


class GradioApi:
    """The endpoints over these parts. ``register`` is called inside a Blocks context."""

    def __init__(self, chat: Chat, quiz: Quiz) -> None:
        self._chat = chat
        self._quiz = quiz

    def register(self) -> None:
        # concurrency_limit None: the engine has a queue of its own, in which every caller's work advances.
        gr.api(self.ask, api_name="ask", concurrency_limit=None)
        gr.api(self.ask_library, api_name="ask_library", concurrency_limit=None)
        gr.api(self.score_options, api_name="score_options", concurrency_limit=None)

    def ask(self, request: gr.Request, message: str, conversation_id: str | None = None) -> Iterator[str]:
        """Streams the model's own answer to a message, each time the whole text so far. No document is looked at.

        Args:
            message: the question.
            conversation_id: one of the caller's conversations, to go on in it; none begins a new one.
        """
        yield from self._told(request, message, conversation_id, Scope.NONE)

    def ask_library(
        self, request: gr.Request, message: str, conversation_id: str | None = None, sources: str = "all"
    ) -> Iterator[str]:
        """Streams an answer from documents: first what their passages say, at the end with the list of sources. What a model
        writes that has not earned prose is left out.

        Args:
            message: the question.
            conversation_id: one of the caller's conversations, to go on in it; none begins a new one.
            sources: which documents: all, own or shared.
        """
        yield from self._told(request, message, conversation_id, sources)

    def _told(self, request: gr.Request, message: str, conversation_id: str | None, sources: object) -> Iterator[str]:
        try:
            wanted = Wanted(_scope(sources))
            turn = self._chat.begin(_visitor(request), message, conversation=conversation_id or None, wanted=wanted)
            with closing(turn.events()) as events:  # a cancelled call stops the work at once
                for event in events:
                    if isinstance(event, Sourced):
                        yield short_text(event.grounds.short) or event.grounds.sentence
                    elif isinstance(event, Grown):
                        if event.text:  # else the model is still thinking
                            yield event.text
                    elif isinstance(event, Ended):
                        if event.answer.status is Status.FAILED:
                            raise gr.Error(event.answer.note, print_exception=False)
                        yield whole_text(event.answer)
        except LlamaCareError as error:
            raise gr.Error(error.sentence, print_exception=False) from error

    def score_options(self, request: gr.Request, stem: str, options: list[str], careful: bool = False) -> dict[str, float]:
        """The model's probability for each option of a question: {"A": 0.2, ...}, calibrated where it was measured. No text
        is generated.

        Args:
            stem: the question.
            options: two to ten texts; the first is A.
            careful: the mean over all cyclic orders of the options, slower and without favour for a letter.
        """
        try:
            _visitor(request)
            if not isinstance(careful, bool):
                raise BadInput(f"careful is {careful!r:.60}; expected true or false.")
            return self._quiz.read(_question(stem, options), careful=careful).probabilities
        except LlamaCareError as error:
            raise gr.Error(error.sentence, print_exception=False) from error


def _visitor(request: gr.Request) -> int:
    inner = request.request
    assert inner is not None
    return visitor_id(inner)


def _scope(sources: object) -> Scope:
    if not isinstance(sources, str) or sources not in list(Scope):
        raise BadInput(f"sources is {sources!r:.60}; expected one of {', '.join(Scope)}.")
    return Scope(sources)


def _question(stem: object, options: object) -> Question:
    """A question as the read-out needs it; what comes over the wire is of any type."""
    if not isinstance(stem, str) or not stem.strip():
        raise BadInput(f"The stem is {stem!r:.60}; expected a text that is not empty.")
    if not isinstance(options, list) or not all(isinstance(option, str) and option.strip() for option in options):
        raise BadInput(f"The options are {options!r:.60}; expected a list of texts that are not empty.")
    if not MIN_OPTIONS <= len(options) <= len(OPTION_LETTERS):
        raise BadInput(f"There are {len(options)} options; expected {MIN_OPTIONS} to {len(OPTION_LETTERS)}.")
    lettered = dict(zip(OPTION_LETTERS, options, strict=False))
    return Question(id="", stem=stem, options=lettered, key="")
