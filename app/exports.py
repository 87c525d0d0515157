"""Questions -> files that others read: CSV, JSON Lines, an Anki package, a page to print; the only home of genanki. Pure.

CSV and JSON come back through `imports.py` as the very same questions. Nothing touches the disk: genanki's own way of writing a
package leaves a file behind, so its tables are written in memory.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import html
import io
import itertools
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import genanki

from app.columns import PRIVATE, guarded, key_cell
from app.imports import own_id
from app.records import OPTION_LETTERS, Attempt, Question
from app.stems import ImageBlock, TableBlock, TextBlock, stem_blocks

# A bank's figure by its name in the folder; None where there is none.
Figures = Callable[[str], bytes | None]

TEXTS = ("objective", "subject", "system", "step", "difficulty", "reasoning", "fact", "reference", "source", "licence")
MIN_HINTS = 3  # columns
MODEL = "LlamaCare question"
FIELDS = ("Stem", "Options", "Key", "Explanations", "Objective", "Source")
ANKI_FRONT = '<div class="stem">{{Stem}}</div>{{Options}}'
ANKI_BACK = (
    "{{FrontSide}}<hr id=answer><p>Key: <b>{{Key}}</b></p>{{Explanations}}"
    '{{#Objective}}<p class="objective">{{Objective}}</p>{{/Objective}}<p class="source">{{Source}}</p>'
)
ANKI_STYLE = (
    ".card{font-family:sans-serif;font-size:18px;line-height:1.45;text-align:left;max-width:42em;margin:0 auto;padding:0 .5em}"
    "p{white-space:pre-line}table{border-collapse:collapse;margin:.6em 0}td,th{border:1px solid #888;padding:.2em .6em}"
    "img{max-width:100%}ol{padding-left:1.6em}.source{font-size:.8em;opacity:.7}"
)
PRINT_STYLE = """
:root { color-scheme: light; }
body { font: 11pt/1.45 Georgia, serif; color: #000; background: #fff; max-width: 46em; margin: 0 auto; padding: 1em; }
h1, h2, h3 { font-family: Arial, sans-serif; line-height: 1.2; }
article { break-inside: avoid; margin: 0 0 1.8em; }
p { white-space: pre-line; margin: .4em 0; }
table { border-collapse: collapse; margin: .6em 0; }
th, td { border: 1px solid #000; padding: .15em .5em; text-align: left; }
img { max-width: 100%; max-height: 12cm; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15em .7em; margin: .5em 0; }
dt { font-weight: bold; }
dd { margin: 0; white-space: pre-line; }
.answers { break-before: page; }
.filed { font-size: 9pt; }
@page { margin: 18mm; }
@media print { body { padding: 0; max-width: none; } }
"""
_NO_TAG = re.compile(r"[^\w.-]+")
_KINDS: Mapping[str, str] = MappingProxyType({"jpeg": "jpg"})


# Tables and JSON


def as_csv(questions: Sequence[Question], attempts: Mapping[str, Attempt]) -> bytes:
    """A table in UTF-8 with its mark, for spreadsheets; ``attempts``: question -> the learner's last answer to it.

    A cell that a spreadsheet would take for a formula begins with an apostrophe, which `imports.py` takes away again.
    """
    letters = OPTION_LETTERS[: max((len(question.options) for question in questions), default=5)]
    hints = max((len(question.hints) for question in questions), default=MIN_HINTS)
    why = [f"explanation_{letter}" for letter in letters]
    header = ["id", "stem", "context", *letters, "key", *why, *(f"hint{n}" for n in range(1, max(hints, MIN_HINTS) + 1)), *TEXTS]
    rows = [{**_cells(question), **_answer(attempts.get(question.id))} for question in questions]
    if attempts:
        header += [f"{PRIVATE}_{name}" for name in ("answer", "result", "confidence", "seconds", "date", "miss")]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([guarded(row.get(name, "")) for name in header] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def as_json(questions: Sequence[Question], attempts: Mapping[str, Attempt]) -> bytes:
    """JSON Lines in our own layout; the learner's last answer stands in ``attempt``, which an import passes over."""
    rows = []
    for question in questions:
        attempt = attempts.get(question.id)
        row = question_row(question)
        if attempt:
            row["attempt"] = {name.removeprefix(f"{PRIVATE}_"): value for name, value in _answer(attempt).items()}
        rows.append(json.dumps(row, ensure_ascii=False))
    return "".join(f"{row}\n" for row in rows).encode()


def question_row(question: Question) -> dict[str, Any]:
    """A question as a row of our own layout, without the fields that are empty."""
    row: dict[str, Any] = {"id": question.id, "stem": question.stem, "context": question.context}
    row |= {"options": dict(question.options), "key": question.key, "explanations": dict(question.explanations)}
    row |= {"hints": list(question.hints), **{field: getattr(question, field) for field in TEXTS}}
    return {field: value for field, value in row.items() if value}


def _cells(question: Question) -> dict[str, str]:
    letters = dict(zip(question.options, OPTION_LETTERS, strict=False))  # the words of an abstract's question take letters
    return {
        "id": question.id,
        "stem": question.stem,
        "context": question.context,
        **{letters[label]: text for label, text in question.options.items()},
        "key": question.key if question.worded else key_cell(question),
        **{f"explanation_{letters[label]}": text for label, text in question.explanations.items()},
        **{f"hint{number}": hint for number, hint in enumerate(question.hints, start=1)},
        **{field: getattr(question, field) for field in TEXTS},
    }


def _answer(attempt: Attempt | None) -> dict[str, str]:
    if attempt is None:
        return {}
    values = {
        "answer": attempt.chosen,
        "result": "right" if attempt.correct else "wrong",
        "confidence": attempt.confidence.value,
        "seconds": f"{attempt.seconds:.0f}",
        "date": attempt.when.isoformat(timespec="seconds"),
        "miss": attempt.miss.value if attempt.miss else "",
    }
    return {f"{PRIVATE}_{name}": value for name, value in values.items()}


# Anki


def as_apkg(questions: Sequence[Question], deck_name: str, *, when: datetime, figures: Figures) -> bytes:
    """An Anki package. Notes, deck and note type keep their ids from export to export, so importing again updates them."""
    media: dict[str, bytes] = {}
    deck = genanki.Deck(_stable_id(f"deck {deck_name}"), deck_name)
    model = genanki.Model(
        _stable_id(MODEL),
        MODEL,
        fields=[{"name": name} for name in FIELDS],
        templates=[{"name": "Question", "qfmt": ANKI_FRONT, "afmt": ANKI_BACK}],
        css=ANKI_STYLE,
    )
    for question in questions:
        fields = _anki_fields(question, figures, media)
        guid = genanki.guid_for("llamacare", own_id(question))
        deck.add_note(genanki.Note(model, fields, tags=_tags(question), guid=guid, sort_field=_anki(question.stem[:200])))
    stamp = when.timestamp()
    connection = sqlite3.connect(":memory:")
    try:
        genanki.Package(deck).write_to_db(connection.cursor(), stamp, itertools.count(int(stamp * 1000)))
        connection.commit()
        collection = connection.serialize()
    finally:
        connection.close()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("collection.anki2", collection)
        package.writestr("media", json.dumps({str(number): name for number, name in enumerate(media)}))
        for number, picture in enumerate(media.values()):
            package.writestr(str(number), picture)
    return out.getvalue()


def _anki_fields(question: Question, figures: Figures, media: dict[str, bytes]) -> list[str]:
    """The texts of a note's ``FIELDS``; its pictures are put into ``media``, by name."""

    def picture(block: ImageBlock) -> str | None:
        kind, raw = _picture(block, figures)
        if raw is None:
            return None
        name = f"llamacare-{hashlib.sha256(raw).hexdigest()[:16]}.{_KINDS.get(kind, kind)}"
        media[name] = raw
        return name

    options = "".join(f"<li>{_anki(text)}</li>" for text in question.options.values())
    why = "".join(f"<p><b>{_anki(label)}</b> {_anki(text)}</p>" for label, text in question.explanations.items())
    key = question.key if question.worded else f"{question.key}. {question.options[question.key]}"
    return [
        _stem_html(question, picture, _anki),
        f'<ol type="A">{options}</ol>',
        _anki(key),
        why,
        _anki(question.objective),
        _anki(" · ".join(filter(None, (question.source, question.licence, question.reference)))),
    ]


def _anki(text: str) -> str:
    """Text for a field: no tag, and nothing that Anki would play, render by LaTeX or fill in."""
    return _escaped(text).replace("[", "&#91;").replace("{", "&#123;")


def _tags(question: Question) -> list[str]:
    named = {"system": question.system, "subject": question.subject, "step": question.step}
    return [f"{kind}::{_NO_TAG.sub('_', name)}" for kind, name in named.items() if name]


def _stable_id(name: str) -> int:
    """A number from 2^30 to 2^31, as Anki's tools use them, that a name always has."""
    return (1 << 30) + int.from_bytes(hashlib.sha256(f"llamacare {name}".encode()).digest()[:8], "big") % (1 << 30)


# Print


def as_html(questions: Sequence[Question], *, title: str, figures: Figures) -> bytes:
    """One page to print, with everything in it and no script: the questions, then, on pages of their own, the answers."""

    def picture(block: ImageBlock) -> str | None:
        kind, raw = _picture(block, figures)
        kind = "svg+xml" if kind == "svg" else kind
        return None if raw is None else f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"

    numbered = list(enumerate(questions, start=1))
    asked = "".join(_asked(number, question, picture) for number, question in numbered)
    answered = "".join(_answered(number, question) for number, question in numbered)
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_escaped(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{PRINT_STYLE}</style></head><body>'
        f"<h1>{_escaped(title)}</h1><main><section><h2>Questions</h2>{asked}</section>"
        f'<section class="answers"><h2>Answers</h2>{answered}</section></main></body></html>\n'
    )
    return page.encode()


def _asked(number: int, question: Question, picture: Callable[[ImageBlock], str | None]) -> str:
    return f"<article><h3>Question {number}</h3>{_stem_html(question, picture, _escaped)}{_terms(question.options)}</article>"


def _answered(number: int, question: Question) -> str:
    key = question.key if question.worded else f"{question.key}. {question.options[question.key]}"
    step = f"Step {question.step}" if question.step else ""
    filed = " · ".join(filter(None, (question.system, question.subject, step, question.source, question.licence)))
    objective = f"<p>{_escaped(question.objective)}</p>" if question.objective else ""
    return (
        f"<article><h3>Question {number}: {_escaped(key)}</h3>{_terms(question.explanations)}{objective}"
        f'<p class="filed">{_escaped(filed)}</p></article>'
    )


def _terms(texts: Mapping[str, str]) -> str:
    items = "".join(f"<dt>{_escaped(label)}</dt><dd>{_escaped(text)}</dd>" for label, text in texts.items())
    return f"<dl>{items}</dl>" if items else ""


# Both


def _stem_html(question: Question, picture: Callable[[ImageBlock], str | None], escape: Callable[[str], str]) -> str:
    """Context and stem; ``picture`` gives an image's address, None where it is not to be had."""
    parts: list[str] = []
    for block in (*stem_blocks(question.context), *stem_blocks(question.stem)):
        match block:
            case TextBlock(text):
                parts.append(f"<p>{escape(text)}</p>")
            case TableBlock(head, rows):
                lines = (("th", head), *(("td", row) for row in rows))
                cells = ("".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) for tag, row in lines)
                parts.append(f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>")
            case ImageBlock(_, alt):
                source = picture(block)
                image = f'<img src="{source}" alt="{escape(alt)}">' if source else f"Figure: {escape(alt)}"
                parts.append(f"<p>{image}</p>")
    return "".join(parts)


def _picture(block: ImageBlock, figures: Figures) -> tuple[str, bytes | None]:
    """The kind of an image, like png, and its bytes, None where they cannot be had."""
    if block.src.startswith("data:"):
        head, _, data = block.src.partition(",")
        kind = head.removeprefix("data:image/").removesuffix(";base64")
        try:
            return kind, base64.b64decode(data)
        except binascii.Error:
            return kind, None
    return "svg", figures(block.src.removeprefix("figures/"))


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
