"""From drawn tokens to text: whole characters, reasoning apart from the answer, an end before a stop text. Pure.

How the loop uses it, for each token that does not end the answer by itself::

    raw = model.piece(token)
    for stretch in writing.feed(raw) if raw else writing.feed_control(model.piece(token, special=True)):
        send({"kind": stretch.kind, "id": call, "text": stretch.text})
    if writing.stopped:
        finish(Ending.STOP)

and once at the end, whatever ended it: ``for stretch in writing.finish(): send(...)``. A stretch's ``kind`` is its frame's.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Literal, NamedTuple

from app.records import Prompt
from app.thinking import MARKS, prompt_mark

Kind = Literal["piece", "thought"]


class Stretch(NamedTuple):
    """Finished text, of the answer ("piece") or of the reasoning before it ("thought"). Never empty."""

    kind: Kind
    text: str


def thinking_open(prompt: Prompt) -> bool:
    """Whether a prompt ends inside an open block of reasoning, so that the model's first word belongs to it."""
    return prompt_mark(prompt) is not None


class Writing:
    """One answer as it is written.

    It begins undecided: white space, and what may still become an opening mark, is held back. With an opening mark it is
    reasoning up to the closing one; then white space is dropped, and it is undecided again, for some models think in several
    blocks. Anything else begins the answer, which goes on to the end: marks in it are text. A control token shows only
    where it is a mark's, or a part of one.

    Within the answer nothing is given out that may still become one of ``stop``. Of several that overlap, the one that is
    whole first ends the answer. Reasoning knows no stop texts: a model's own blank lines or lists would end it.
    """

    def __init__(self, prompt: Prompt = (), stop: Sequence[str] = ()) -> None:
        """``prompt``: what the model goes on from; only its end is looked at."""
        self.stopped = False  # a stop text came: what follows is dropped
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._stop = tuple(text for text in stop if text)
        self._plain = False  # the answer has begun and no stop text can end it: the fast path
        self._answering = False
        mark = prompt_mark(prompt)
        self._close = mark.close if mark else ""  # what ends the reasoning that is being written, "" outside of it
        self._held = ""  # text that is not decided yet
        self._seen = ""  # while nothing is decided: the same with control tokens, as marks are compared with it
        self._lead = ""  # what stands before the next word of reasoning: "" within a block
        self._inside = False  # the block of reasoning has its first word
        self._closed = False  # a block has ended: white space before what follows is dropped

    def feed(self, raw: bytes) -> Sequence[Stretch]:
        """The text that the next bytes finish."""
        text = self._decode(raw)
        if self._plain:
            return (Stretch("piece", text),) if text else ()
        return self._take(text) if text else ()

    def feed_control(self, special: bytes) -> Sequence[Stretch]:
        """The text that a control token finishes; ``special`` is its name, as ``<think>`` or ``<|channel|>``."""
        if self._answering:
            return ()
        name = special.decode("utf-8", "replace")
        if self._close:
            # Half a character before the mark will not be completed.
            return self._take(self._decode(b"", True) + name) if name == self._close else ()
        seen = self._seen.lstrip() + name
        if not any(mark.open.startswith(seen) for mark in MARKS):
            return ()
        self._seen = seen
        return self._decide()

    def finish(self) -> Sequence[Stretch]:
        """What was held back, once nothing follows. Half a character becomes the replacement character."""
        stretches = list(self._take(self._decode(b"", True)))
        held, self._held, self._seen = self._held, "", ""
        if self._close:
            return [*stretches, *self._think(held.rstrip())]
        if self._closed and not self._answering:
            held = held.lstrip()
        return [*stretches, *_piece(held)]

    def _take(self, text: str) -> Sequence[Stretch]:
        if self._answering:
            return self._answer(text)
        if self._close:
            return self._reason(text)
        self._held += text
        self._seen += text
        return self._decide()

    def _decide(self) -> Sequence[Stretch]:
        """Reasoning, the answer, or not to be known yet."""
        seen = self._seen.lstrip()
        if _may_open(seen):
            return ()
        held, self._held, self._seen = self._held, "", ""
        mark = next((mark for mark in MARKS if seen.startswith(mark.open)), None)
        if mark is not None and mark.close:
            self._close = mark.close
            return self._reason(seen[len(mark.open) :])
        self._answering = True
        self._plain = not self._stop
        if mark is not None:
            return self._answer(seen[len(mark.open) :])
        return self._answer(held.lstrip() if self._closed else held)

    def _reason(self, text: str) -> Sequence[Stretch]:
        text = self._held + text
        at = text.find(self._close)
        if at < 0:
            # White space at the end waits too: a block ends without it.
            cut = len(text[: _settled(text, (self._close,))].rstrip())
            self._held = text[cut:]
            return self._think(text[:cut])
        stretches = self._think(text[:at].rstrip())
        rest = text[at + len(self._close) :]
        self._lead = "\n\n" if self._inside or self._lead else ""
        self._held = self._close = ""
        self._inside = False
        self._closed = True
        return [*stretches, *self._take(rest)]

    def _think(self, text: str) -> Sequence[Stretch]:
        if not self._inside:
            text = text.lstrip()
            if text:
                text, self._lead, self._inside = self._lead + text, "", True
        return (Stretch("thought", text),) if text else ()

    def _answer(self, text: str) -> Sequence[Stretch]:
        if self.stopped:
            return ()
        text = self._held + text
        found = [(at + len(stop), at) for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return _piece(text[: min(found)[1]])
        cut = _settled(text, self._stop)
        self._held = text[cut:]
        return _piece(text[:cut])


def _piece(text: str) -> Sequence[Stretch]:
    return (Stretch("piece", text),) if text else ()


def _may_open(seen: str) -> bool:
    """Whether more text could still make an opening mark of it."""
    return any(len(seen) < len(mark.open) and mark.open.startswith(seen) for mark in MARKS)


def _settled(text: str, marks: Sequence[str]) -> int:
    """How much of ``text`` stands before a tail that could still become one of ``marks``. None of them is in it whole."""
    settled = len(text)
    for mark in marks:
        at = text.find(mark[0], max(0, len(text) - len(mark) + 1))
        while at >= 0 and not mark.startswith(text[at:]):
            at = text.find(mark[0], at + 1)
        if at >= 0:
            settled = min(settled, at)
    return settled
