"""The public question sets' layouts: which one a row has, and where in it each field of ours stands.

Renames and rearranges only. It judges no value (`questions.py` does) and opens no file.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeGuard

from app.records import ANSWER_WORDS, OPTION_LETTERS, Support
from app.rowfiles import BadRow, Fault, Row

CLAIMS = "claims"  # the system of questions whether a passage carries a claim
SUPPORT_WORDS: Mapping[str, str] = MappingProxyType({Support.SUPPORTED: "yes", Support.UNSUPPORTED: "no", Support.WEAK: "maybe"})

# A field of ours -> what it is called in the row, and its value; None stands for "not there".
Cells = Mapping[str, tuple[str, Any]]


class Layout(enum.StrEnum):
    """OWN is DESIGN.md's, CLAIMS that of assets/claims: a claim, a passage, and whether the passage carries the claim. The others
    as the sets are published, and as ``shared/data`` keeps them."""

    OWN = "own"
    MEDQA = "medqa"
    MEDMCQA = "medmcqa"
    PUBMEDQA = "pubmedqa"
    HEADQA = "headqa"
    MMLU = "mmlu"
    CLAIMS = "claims"


@dataclass(frozen=True)
class Numbered:
    """A key that is an option's number: ``number`` of ``count`` options, counted from 0 or from 1."""

    field: str
    number: int
    count: int


def recognise(row: Row) -> Layout | None:
    """The layout that a row's field names speak of."""
    names = row.keys()
    medmcqa = {"cop", "opa"} & names or ("answer_idx" in names and {"explanation", "choice_type"} & names)
    signs = (
        (Layout.OWN, "stem" in names),
        (Layout.CLAIMS, {"claim", "passage", "judgement"} <= names),
        (Layout.PUBMEDQA, {"final_decision", "contexts", "CONTEXTS"} & names),
        (Layout.MMLU, "choices" in names),
        (Layout.HEADQA, "has_image" in names),
        (Layout.MEDMCQA, medmcqa),
        (Layout.MEDQA, {"question", "options", "answer_idx"} <= names),
    )
    return next((layout for layout, shown in signs if shown), None)


def cells(layout: Layout, row: Row, *, first: int = 0) -> Cells:
    """Where our fields stand in a row. ``first`` is the number of the first option where the key is a number.

    Raises:
        BadRow: the row needs a picture, or its key is a number that no option has.
    """
    plain = {Layout.MEDQA: _medqa, Layout.PUBMEDQA: _pubmedqa, Layout.HEADQA: _headqa, Layout.CLAIMS: _claims}
    match layout:
        case Layout.OWN:
            return {name: (name, value) for name, value in row.items()}
        case Layout.MEDMCQA:
            return _medmcqa(row, first)
        case Layout.MMLU:
            return _mmlu(row, first)
        case _:
            return plain[layout](row)


def numbered(layout: Layout, row: Row) -> Numbered | None:
    """The number that a row's key is, where it is one; what it names hangs on where its file counts from."""
    choices, cop, answer = row.get("choices"), row.get("cop"), row.get("answer")
    if layout is Layout.MEDMCQA and "options" not in row and _is_number(cop):
        return Numbered("cop", cop, 4)
    if layout is Layout.MMLU and isinstance(choices, list) and _is_number(answer):
        return Numbered("answer", answer, len(choices))
    return None


def counted_from(found: Iterable[Numbered]) -> int | None:
    """Whether the keys of a file count from 0 or from 1, judged by all of them: only from 0 is there a number 0, only from 1 one
    as high as the number of options. None where neither shows, or both."""
    zero = top = False
    for key in found:
        zero |= key.number == 0
        top |= key.number == key.count
    return int(top) if zero != top else None


def content_id(prefix: str, *texts: str) -> str:
    """An id for what has none: the same texts get the same one, in every file and order of rows."""
    return f"{prefix}-{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:12]}"


def _medqa(row: Row) -> Cells:
    options, key, answer = row.get("options"), row.get("answer_idx"), row.get("answer")
    if isinstance(options, dict) and isinstance(key, str) and isinstance(answer, str) and key in options:
        meant = options[key]
        if isinstance(meant, str) and meant.strip() != answer.strip():
            raise BadRow("answer", f"it is {answer[:60]!r}, but option {key} is {meant[:60]!r}. Make the two agree.", Fault.LABEL)
    steps = {"step1": "1", "step2&3": "2 CK"}  # MedQA joins Steps 2 and 3; most of Step 2 CK's and 3's matter is the same
    return {
        "stem": ("question", row.get("question")),
        "options": ("options", options),
        "key": ("answer_idx", key),
        "step": ("meta_info", steps.get(str(row.get("meta_info")))),
        "source": ("", "MedQA"),
        "licence": ("", "MIT"),
    }


def _medmcqa(row: Row, first: int) -> Cells:
    if "options" in row:
        options = ("options", row["options"])
        key = ("answer_idx", row.get("answer_idx"))
    else:
        options = ("opa..opd", {letter: row.get(f"op{letter.lower()}") for letter in "ABCD"})
        key = ("cop", _letter("cop", row.get("cop"), first=first, count=4))
    why = "explanation" if "explanation" in row else "exp"
    subject = "subject" if "subject" in row else "subject_name"
    return {
        "id": ("id", row.get("id")),
        "stem": ("question", row.get("question")),
        "options": options,
        "key": key,
        "explanations": (why, _why(key[1], row.get(why))),
        "subject": (subject, row.get(subject)),
        "source": ("", "MedMCQA"),
        "licence": ("", "MIT"),
    }


def _pubmedqa(row: Row) -> Cells:
    """``long_answer`` is the conclusion that the question was made of: it stands behind the answer, never before it."""
    if "QUESTION" in row:
        number, question, key, why = "pmid", "QUESTION", "final_decision", "LONG_ANSWER"
        parts, labels = ("CONTEXTS", row.get("CONTEXTS")), row.get("LABELS")
    elif isinstance(row.get("context"), dict):
        number, question, key, why = "pubid", "question", "final_decision", "long_answer"
        parts, labels = ("context.contexts", row["context"].get("contexts")), row["context"].get("labels")
    else:
        number, question, key, why = "pmid", "question", "answer", "long_answer"
        parts, labels = ("contexts", row.get("contexts")), row.get("section_labels")
    answer = row.get(key)
    return {
        "id": (number, str(row[number]) if row.get(number) is not None else None),
        "stem": (question, row.get(question)),
        "context": (parts[0], _sections(*parts, labels)),
        "options": ("", {word: word for word in ANSWER_WORDS}),
        "key": (key, answer),
        "explanations": (why, _why(answer, row.get(why))),
        "source": ("", "PubMedQA"),
        "licence": ("", "MIT"),
    }


def _why(key: object, text: object) -> dict[str, object] | None:
    """The key's explanation alone. Some sets have an empty one, which is none."""
    return {key: text} if isinstance(key, str) and text not in (None, "") else None


def _sections(field: str, parts: object, labels: object) -> str:
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        raise BadRow(field, "expected a list of texts that are not empty.", Fault.MISSING if parts is None else Fault.VALUE)
    named = isinstance(labels, list) and len(labels) == len(parts)
    heads = [str(label).strip() for label in labels] if isinstance(labels, list) and named else [""] * len(parts)
    return "\n".join(f"{head}: {part.strip()}" if head else part.strip() for head, part in zip(heads, parts, strict=True))


def _headqa(row: Row) -> Cells:
    if row.get("has_image"):
        raise BadRow(
            "has_image", "it is true: the question needs its picture, which is not read. Leave the row out.", Fault.PICTURE
        )
    return {
        "id": ("id", row.get("id")),
        "stem": ("question", row.get("question")),
        "options": ("options", row.get("options")),
        "key": ("answer_idx", row.get("answer_idx")),
        "subject": ("category", row.get("category")),
        "source": ("", "HEAD-QA"),
        "licence": ("", "MIT"),
    }


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _mmlu(row: Row, first: int) -> Cells:
    choices, answer = row.get("choices"), row.get("answer")
    if not isinstance(choices, list) or len(choices) > len(OPTION_LETTERS):
        raise BadRow(
            "choices", f"expected a list of 2 to {len(OPTION_LETTERS)} texts.", Fault.MISSING if choices is None else Fault.VALUE
        )
    return {
        "stem": ("question", row.get("question")),
        "options": ("choices", dict(zip(OPTION_LETTERS, choices, strict=False))),
        "key": ("answer", answer if isinstance(answer, str) else _letter("answer", answer, first=first, count=len(choices))),
        "subject": ("subject", row.get("subject")),
        "source": ("", "MMLU"),
    }


def _claims(row: Row) -> Cells:
    claim, passage, judgement = row.get("claim"), row.get("passage"), row.get("judgement")
    key = SUPPORT_WORDS.get(judgement, judgement) if isinstance(judgement, str) else judgement
    identity = row.get("id")
    return {
        "id": ("id", content_id("claims", f"{claim}", f"{passage}") if identity is None else str(identity)),
        "stem": ("claim", claim_stem(claim) if isinstance(claim, str) and claim.strip() else claim),
        "context": ("passage", passage),
        "options": ("", {word: word for word in ANSWER_WORDS}),
        "key": ("judgement", key),
        "explanations": ("reason", _why(key, row.get("reason"))),
        "system": ("", CLAIMS),
    }


def claim_stem(claim: str) -> str:
    """How a model is asked whether a passage carries a claim."""
    return f"Does the text show this: {claim}"


def _letter(field: str, value: object, *, first: int, count: int) -> str | None:
    """The letter of an option that is named by its number."""
    if value is None:
        return None
    if not _is_number(value) or not first <= value < first + count:
        none = " -1 stands in splits whose answers are kept back; use another." if value == -1 else ""
        raise BadRow(
            field, f"it is {value!r:.40}; expected the option's number, {first} to {first + count - 1}.{none}", Fault.LABEL
        )
    return OPTION_LETTERS[value - first]
