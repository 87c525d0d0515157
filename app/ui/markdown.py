"""A model's Markdown -> HTML that is safe to put into a page: no HTML of its own runs, nothing is loaded, no link leads out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

# Private-use characters stand for a mark while Markdown is rendered; any that stand in the text are replaced.
_OPEN, _CLOSE = "\ue010", "\ue011"
_MARK_CHARACTERS = re.compile(f"[{_OPEN}{_CLOSE}]")
_MARK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


class AnswerMarkdown:
    """Renders answers. One object serves all threads: rendering keeps no state in it."""

    def __init__(self) -> None:
        # "commonmark" with html off escapes raw HTML. Links and images are not parsed, so their text is shown as written:
        # an address in a model's answer was made up by the model, and an image would be a request to somebody's server.
        self._markdown = MarkdownIt("commonmark", {"html": False, "breaks": True})
        self._markdown.enable(["table", "strikethrough"]).disable(["link", "image", "autolink", "reference"])
        self._markdown.add_render_rule("table_open", _table_open)
        self._markdown.add_render_rule("table_close", _table_close)

    def html(self, text: str, marks: Sequence[int] = ()) -> str:
        """``marks``: places in the text, in order; at each stands an empty ``span.claim`` with its number from 0."""
        plain = _MARK_CHARACTERS.sub("\ufffd", text)
        parts, at = [], 0
        for number, place in enumerate(marks):
            parts += [plain[at:place], f"{_OPEN}{number}{_CLOSE}"]
            at = place
        rendered = str(self._markdown.render("".join([*parts, plain[at:]])))
        return _MARK.sub(r'<span class="claim" data-claim="\1"></span>', rendered)


def _table_open(renderer: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
    return '<div class="table" tabindex="0" role="region" aria-label="Table"><table>'


def _table_close(renderer: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
    return "</table></div>"
