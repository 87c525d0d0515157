"""Plain text and Markdown -> blocks. Run as ``python -m app.library.parsing_text KIND MEMORY CPU`` by `reading`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.library.blocks import Blocks, without_title
from app.library.child import serve
from app.library.decoding import text_of
from app.library.parsed import Parsed

MAX_MATTER = 100  # lines of front matter
_LINE_END = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*+\n)++")
_MATTER = re.compile(r"([A-Za-z][\w-]{0,40})[ \t]*:[ \t]*(.*)")
_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TABLE_RULE = frozenset(" \t:|-")
_COMMENT = re.compile(r"<!--(?:(?!<!--).)*?-->", re.DOTALL)
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\n]{0,1000}+(?:\([^()\n]{0,200}+\))?[^()\n]{0,200}+\)")
_STRONG = re.compile(r"(?<![\w*])(\*{1,3})(?=\S)([^*\n]{1,1000})(?<=\S)\1(?![\w*])")
_UNDERSCORED = re.compile(r"(?<!\w)(_{1,3})(?=\S)([^_\n]{1,1000})(?<=\S)\1(?!\w)")
_CODE = re.compile(r"(?<!`)`([^`\n]{1,1000})`(?!`)")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def parse_text(raw: bytes) -> Parsed:
    """Paragraphs parted by blank lines, under no heading.

    Raises:
        Unreadable: the bytes are no text.
    """
    text, notes = text_of(raw)
    blocks = Blocks()
    for paragraph in _BLANK_LINES.split(_LINE_END.sub("\n", text)):
        blocks.paragraph(paragraph)
    return Parsed("", "text", blocks.finish(), notes=notes)


def parse_markdown(raw: bytes) -> Parsed:
    """Text under its headings. Front matter gives title, date, licence and source; without a title the first heading is it.
    Emphasis and the addresses of links are left out, and so are comments, which a reader of the page does not see.

    Raises:
        Unreadable: the bytes are no text.
    """
    text, notes = text_of(raw)
    lines = _LINE_END.sub("\n", text).split("\n")
    matter, start = _front_matter(lines)
    body, hidden = _COMMENT.subn("", "\n".join(lines[start:]))
    blocks, first = _under_headings(body.split("\n"))
    title = matter.get("title") or first
    parsed = Parsed(
        title,
        "markdown",
        without_title(blocks.finish(), title),
        date=matter.get("date", ""),
        licence=matter.get("licence") or matter.get("license", ""),
        source=matter.get("source", ""),
        notes=notes,
    )
    return parsed.with_notes("Comments, which its readers do not see, were left out.") if hidden else parsed


def _front_matter(lines: list[str]) -> tuple[Mapping[str, str], int]:
    """Its values by their names in small letters, and the line where the text begins."""
    if lines[0].rstrip() != "---":
        return {}, 0
    values: dict[str, str] = {}
    for number, line in enumerate(lines[1:MAX_MATTER], start=1):
        if line.rstrip() in ("---", "..."):
            return values, number + 1
        if found := _MATTER.fullmatch(line.rstrip()):
            values[found[1].lower()] = found[2].strip().strip("\"'")
    return {}, 0


def _under_headings(lines: list[str]) -> tuple[Blocks, str]:
    """The blocks, and the first heading if no text stands above it."""
    blocks, paragraph = Blocks(), list[str]()
    first, fence, begun = "", "", False
    for line in lines:
        marks, was = _FENCE.match(line), fence
        fence = _after_fence(fence, line, marks)
        found = None if was or fence else _heading(line, paragraph)
        if found is None and line.strip() and fence == was:  # a block of code is a paragraph of its own
            paragraph.append(line)
            continue
        first = found[1] if found and not (begun or paragraph) else first
        begun = begun or bool(found or paragraph)
        blocks.paragraph(_plain(paragraph))
        paragraph.clear()
        if found:
            blocks.heading(*found)
    blocks.paragraph(_plain(paragraph))
    return blocks, first


def _heading(line: str, paragraph: list[str]) -> tuple[int, str] | None:
    """Level and text of a heading; a single line that this one underlines leaves the paragraph and becomes it."""
    if marks := _ATX.match(line):
        said = line[marks.end() :].strip()
        bare = said.rstrip("#")
        return len(marks[1]), _inline(said if bare.strip() and bare[-1] not in " \t" else bare.strip())
    if len(paragraph) == 1 and (under := _SETEXT.fullmatch(line)):
        return (1 if under[1][0] == "=" else 2), _inline(paragraph.pop())
    return None


def _after_fence(fence: str, line: str, marks: re.Match[str] | None) -> str:
    """The marks of the block of code that is open after this line, "" for none."""
    if not fence:
        return marks[1] if marks else ""
    return "" if marks and marks[1].startswith(fence) and not line.strip(" \t`~") else fence


def _plain(lines: list[str]) -> str:
    rows = [_table_row(line) for line in lines if not ("|" in line and "-" in line and _TABLE_RULE.issuperset(line))]
    return _inline("\n".join(rows))


def _table_row(line: str) -> str:
    """A row of a table as "a | b"; any other line as it is."""
    bare = line.strip()
    if len(bare) < 2 or not (bare.startswith("|") and bare.endswith("|")):
        return line.rstrip()
    return " | ".join(cell.strip() for cell in bare[1:-1].split("|"))


def _inline(text: str) -> str:
    text = _IMAGE_OR_LINK.sub(r"\1", text)
    for marks in (_STRONG, _UNDERSCORED):
        text = marks.sub(r"\2", text)
    return _ESCAPE.sub(r"\1", _CODE.sub(r"\1", text))


if __name__ == "__main__":
    serve({"text": parse_text, "markdown": parse_markdown})
