"""A model's answer becomes HTML in which nothing runs, nothing is loaded and no link leads out."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest

from app.ui.markdown import AnswerMarkdown

# Everything that an answer may consist of, with the attributes that it may have.
TAGS: dict[str, set[str]] = {
    **{tag: set() for tag in ("p", "br", "hr", "em", "strong", "s", "ul", "li", "blockquote", "pre")},
    **{tag: set() for tag in ("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr")},
    "ol": {"start"},
    "code": {"class"},
    "div": {"class", "tabindex", "role", "aria-label"},
    "th": {"style"},
    "td": {"style"},
}
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=//evil.example></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<style>*{background:url(//evil.example)}</style>",
    "<!-- x --><!DOCTYPE x><?php x ?><![CDATA[x]]>",
    "</p></div></body>",
    "[x](javascript:alert(1))",
    "[x](https://evil.example 'title')",
    "![x](https://evil.example/x.png)",
    "[![x](//evil.example/x.png)](//evil.example)",
    "<https://evil.example>",
    "<mailto:a@evil.example>",
    "https://evil.example www.evil.example a@evil.example",
    "[x]: https://evil.example\n\n[x] [x][] [y][x] ![x]",
    '```"><script>alert(1)</script>\nx\n```',
    "`<b>`",
    "    <b onclick=x>",
    "| a | b |\n|:--|--:|\n| <i>x</i> | [y](//evil.example) |",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62;",
    "a\0<scr\0ipt>",
)


class Reader(HTMLParser):
    """What a browser would make of it: elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.other = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.other += data

    def handle_decl(self, decl: str) -> None:
        self.other += decl

    def handle_pi(self, data: str) -> None:
        self.other += data

    def unknown_decl(self, data: str) -> None:
        self.other += data


@pytest.fixture(scope="module")
def markdown() -> AnswerMarkdown:
    return AnswerMarkdown()


def assert_harmless(html: str) -> None:
    reader = Reader(html)
    assert reader.other == ""
    for tag, attributes in reader.elements:
        assert tag in TAGS, f"<{tag}> in {html!r}"
        assert attributes.keys() <= TAGS[tag], f"{attributes} of <{tag}> in {html!r}"
        assert attributes.get("style") in (None, "text-align:left", "text-align:right", "text-align:center")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_an_answer_runs_or_leads_out(markdown: AnswerMarkdown, text: str) -> None:
    assert_harmless(markdown.html(text))


def test_no_mixture_of_hostile_texts_gets_through(markdown: AnswerMarkdown) -> None:
    draw = random.Random(11)
    pieces = [*HOSTILE, "\n", "\n\n", "> ", "- ", "1. ", "# ", "`", "```\n", "*", "**", "~~", "|", "\\", "    ", "é"]
    for _ in range(300):
        assert_harmless(markdown.html("".join(draw.choices(pieces, k=draw.randint(2, 8)))))


def test_every_beginning_of_an_answer_can_be_shown(markdown: AnswerMarkdown) -> None:
    """An answer is drawn while it grows: each cut of its text is shown once."""
    text = "# A\n\n1. **bold** `co<de>`\n\n| a | b |\n|--|--|\n| [x](//e.example) | <b> |\n\n```py\nx<y\n```\n"
    for end in range(len(text)):
        assert_harmless(markdown.html(text[:end]))


def test_a_link_is_shown_as_it_was_written(markdown: AnswerMarkdown) -> None:
    """An address in an answer was made up by the model; it stays readable, and cannot be followed by a slip."""
    assert Reader(markdown.html("[WHO](https://who.example/x)")).text.strip() == "[WHO](https://who.example/x)"


def test_a_line_that_defines_a_link_is_not_swallowed(markdown: AnswerMarkdown) -> None:
    assert Reader(markdown.html("See [1].\n\n[1]: https://who.example/x")).text.split() == [
        "See",
        "[1].",
        "[1]:",
        "https://who.example/x",
    ]


def test_html_is_shown_as_it_was_written(markdown: AnswerMarkdown) -> None:
    assert Reader(markdown.html("Use <b>bold</b> & more")).text.strip() == "Use <b>bold</b> & more"


def test_less_than_in_a_figure_is_kept(markdown: AnswerMarkdown) -> None:
    assert Reader(markdown.html("Na <135 mmol/L, K >5.0, p<0.05")).text.strip() == "Na <135 mmol/L, K >5.0, p<0.05"


def test_headings_lists_emphasis_code_and_strikes_are_laid_out(markdown: AnswerMarkdown) -> None:
    html = markdown.html("# Title\n\n- one\n- two\n\n3. three\n\n**b** *i* ~~s~~ `c`\nnext line\n\n> quote\n\n```\ncode\n```")
    tags = {tag for tag, _ in Reader(html).elements}
    assert tags == {"h1", "ul", "li", "ol", "p", "strong", "em", "s", "code", "br", "blockquote", "pre"}


def test_a_table_stands_in_a_box_that_scrolls_and_can_be_reached_by_keyboard(markdown: AnswerMarkdown) -> None:
    elements = Reader(markdown.html("| Drug | Dose |\n|---|--:|\n| A | 5 mg |")).elements
    assert elements[0] == ("div", {"class": "table", "tabindex": "0", "role": "region", "aria-label": "Table"})
    assert elements[1] == ("table", {})
    assert ("td", {"style": "text-align:right"}) in elements
    assert markdown.html("| a |\n|---|\n| b |").rstrip().endswith("</table></div>")


def test_deep_nesting_is_shown_and_not_a_fault(markdown: AnswerMarkdown) -> None:
    for text in ("> " * 2000 + "x", "- " * 2000 + "x", "[" * 5000, "*" * 5000, "`" * 5000, "**a " * 1000):
        assert_harmless(markdown.html(text))


def test_one_renderer_serves_many_threads(markdown: AnswerMarkdown) -> None:
    texts = [f"# {n}\n\n| a{n} |\n|---|\n| **{n}** |\n\n" + "\n".join(f"- {n}.{k}" for k in range(n)) for n in range(1, 25)]
    alone = [AnswerMarkdown().html(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(markdown.html, texts * 4)) == alone * 4
