"""What a program can check of a question bank: fields, spread, cues that give the key away, figures, the blind second reading.

    python -m app.bank lint [FOLDER]

Of the application's own bank every threshold holds. Another folder may be in any layout that is read, and what only a whole bank
must have is told of it as a note.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from app.baseline import FOLDS, Baseline, options_only
from app.errors import BadInput, LlamaCareError
from app.questions import DIFFICULTIES, REASONINGS, STEPS, read_file, read_questions
from app.records import OPTION_LETTERS, Question
from app.rowfiles import Refusal
from app.stems import ImageBlock, TextBlock, stem_blocks

BANK = Path(__file__).parents[1] / "assets" / "bank"
FIGURES = "figures"
REVIEW = "REVIEW.csv"
OURS = ("LlamaCare authors", "Apache-2.0")
SYSTEMS, OF_SYSTEM, QUESTIONS, SUBJECTS = 12, 10, 120, 10  # at least
OF_SUBJECT = 0.25  # of all questions, at most
OPTIONS = (4, 5)
EXPLAINED = 8  # words
ONE_LINE = 200  # characters of an objective
Z = 3.0  # standard deviations from chance that are taken for chance: 1 of 370
NEAR_EQUAL = 0.3  # of two stems' runs of three words
SAME_OPTIONS = 0.6  # of two questions' options: four of five
CONTENT = 5  # letters that a word of content has at least
MAX_FIGURE = 200_000  # bytes

REFERS_BY_LETTER = re.compile(
    r"\b(?i:options?|choices?|answers?|distractors?|letters?)\s+\(?[A-J]\b|\([A-J]\)|\b[A-J] (?:is|and [A-J] are) (?:in)?correct"
)
ALL_OR_NONE = re.compile(r"(?i)\b(?:all|any|both|none|neither|either) of (?:the )?(?:above|these|those|others?|following)\b")
TWO_LETTERS = re.compile(r"\b(?i:both )?[A-J](?:,| and| or) (?:and |or )?[A-J]\b(?! [a-z])")
ABSOLUTE = re.compile(r"(?i)\b(?:always|never)\b")
NEGATIVE = re.compile(
    r"\b(?:NOT|EXCEPT|LEAST)\b|(?i:\bexcept\b|\bwhich of (?:the following|these)(?: \w+){0,4} not\b|\bleast likely\b)"
)
ARTICLE = re.compile(r"(?i)\b(an?)\W*$")
# Long words that stand in any stem and point at nothing.
COMMON = re.compile(
    "about|above|after|again|against|along|among|another|because|before|below|being|between|could|during|either|every|first|"
    "following|found|further|given|having|increased?|decreased?|later|least|likely|might|months|never|normal|often|other|"
    "patient|rather|right|second|shows|since|still|taken|their|there|these|third|those|though|three|today|through|under|"
    "until|using|weeks|where|which|while|whose|within|without|would|years"
)
DRAWS = re.compile(  # the elements that a figure may hold
    "svg|g|title|desc|defs|path|line|polyline|polygon|rect|circle|ellipse|text|tspan|marker|clipPath|pattern|"
    "linearGradient|radialGradient|stop|use"
)
LOADS = re.compile(r"(?i)url\(\s*['\"]?(?!#)|javascript:")

Words = tuple[str, str]  # a field and what is wrong with it
Rule = Callable[[Question], Iterator[Words]]


@dataclass(frozen=True)
class Row:
    """A question and where it stands; ``line`` counts from 1."""

    file: str
    line: int
    question: Question


@dataclass(frozen=True)
class Finding:
    """Something to change. ``line`` is 0 and ``id`` blank where it is a whole file's or the bank's."""

    file: str
    line: int
    id: str
    field: str
    reason: str

    def __str__(self) -> str:
        parts = [self.file, f"line {self.line}" if self.line else "", self.id, f"field {self.field}" if self.field else ""]
        return f"{', '.join(part for part in parts if part)}: {self.reason}".encode(errors="backslashreplace").decode()


@dataclass(frozen=True)
class Report:
    """``notes`` are no faults. ``baseline`` is None where there are too few questions for it."""

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...] = ()
    baseline: Baseline | None = None


def lint(folder: Path, *, ours: bool) -> Report:
    """Every finding of a folder's question files. ``ours``: as the application's own bank is judged.

    Raises:
        BadInput: it is no folder, or holds no question file.
    """
    rows, findings = _read(folder, ours=ours)
    rules = (*RULES, *OWN_RULES) if ours else RULES
    findings += [
        Finding(row.file, row.line, row.question.id, field, reason)
        for row in rows
        for rule in rules
        for field, reason in rule(row.question)
    ]
    findings += [*alike(rows), *figures(folder, rows, ours=ours), *biases(rows)]
    notes = [*amounts(rows)]
    if ours:
        findings, notes = [*findings, *notes], []
    else:
        notes += _blanks(rows)
    if ours or (folder / REVIEW).is_file():
        findings += review(folder / REVIEW, rows)
    baseline = options_only([row.question for row in rows]) if len(rows) >= 2 * FOLDS else None
    if baseline and baseline.accuracy > baseline.chance_high:
        findings.append(
            _of_bank("options", f"{baseline}. Find what only keys look like: length, wording, numbers; and even it out.")
        )
    return Report(tuple(rows), tuple(findings), tuple(notes), baseline)


def _read(folder: Path, *, ours: bool) -> tuple[list[Row], list[Finding]]:
    paths = sorted(path for path in folder.glob("*") if path.suffix in (".jsonl", ".csv") and path.name != REVIEW)
    if not paths:
        raise BadInput(f"{folder} holds no question file (*.jsonl or *.csv). Name a folder that does.")
    rows: dict[str, Row] = {}
    findings: list[Finding] = []
    for path in paths:
        found, refusals = read_file(path) if ours else read_questions(path)
        findings += [_of_refusal(refused) for refused in refusals]
        for line, question in found:
            first = rows.setdefault(question.id, Row(path.name, line, question))
            if (first.file, first.line) != (path.name, line):
                reason = f"it stands in {first.file}, line {first.line}, too. Give each row an id of its own."
                findings.append(Finding(path.name, line, question.id, "id", reason))
    return list(rows.values()), findings


def _of_refusal(refused: Refusal) -> Finding:
    return Finding(refused.file, refused.line, "", refused.field, refused.reason)


def _of_bank(field: str, reason: str) -> Finding:
    return Finding("the bank", 0, "", field, reason)


# Rules on one question


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def by_letter(question: Question) -> Iterator[Words]:
    """Letters move when options are shown in another order."""
    texts = [("stem", question.stem), ("objective", question.objective), ("fact", question.fact)]
    texts += [("hints", hint) for hint in question.hints]
    texts += [("explanations", text) for text in question.explanations.values()]
    for field, text in texts:
        if found := REFERS_BY_LETTER.search(text):
            yield field, f"{found[0]!r} refers to an option by its letter, which moves. Name what the option says."


def forbidden(question: Question) -> Iterator[Words]:
    for letter, text in question.options.items():
        for sign, why in (
            (ALL_OR_NONE, "an option about the others"),
            (TWO_LETTERS, "an option made of others"),
            (ABSOLUTE, "an absolute, which is hardly ever the key"),
        ):
            if found := sign.search(text):
                yield "options", f"{letter} holds {found[0]!r}: {why}. Write an option that stands for itself."
                break
    if found := NEGATIVE.search(lead_in(question)):
        yield "stem", f"the lead-in is negative ({found[0]!r}). Ask for the one best answer."


def told(question: Question) -> Iterator[Words]:
    """The key's own words before the answer. A short key, as a number, may stand in a stem for another reason."""
    key = " ".join(words(question.options[question.key]))
    for field, text in (("stem", question.stem), *(("hints", hint) for hint in question.hints)):
        if len(key) > 3 and not question.worded and f" {key} " in f" {' '.join(words(text))} ":
            yield field, f"it says the key, {question.options[question.key]!r:.80}. Describe it in other words."


def clue(question: Question) -> Iterator[Words]:
    """Who looks for an option with a word of the stem finds the key alone."""
    stem = _content(question.stem)
    sharing = {label: stem & _content(text) for label, text in question.options.items()}
    if sharing[question.key] and not any(found for label, found in sharing.items() if label != question.key):
        shared = ", ".join(sorted(sharing[question.key]))
        yield (
            "options",
            f"only the key shares a word with the stem ({shared}). Use another word, or let a distractor share one too.",
        )


def _content(text: str) -> set[str]:
    found = re.findall(r"[^\W\d_]+", text.casefold())
    return {word for word in found if len(word) >= CONTENT and not COMMON.fullmatch(word)}


def grammar(question: Question) -> Iterator[Words]:
    found = ARTICLE.search(lead_in(question))
    if not found:
        return
    wants_vowel = found[1].casefold() == "an"
    misfits = [
        label
        for label, text in question.options.items()
        if text[:1].isalpha() and (text[0].casefold() in "aeiou") is not wants_vowel
    ]
    if misfits:
        yield "stem", f"the lead-in ends in {found[1]!r}, which {', '.join(misfits)} cannot follow. End it without an article."


def lead_in(question: Question) -> str:
    """The question at the end of a stem: its last sentence with a question mark, or else its last."""
    text = " ".join(block.text for block in stem_blocks(question.stem) if isinstance(block, TextBlock))
    sentences = re.split(r"(?<=[.?!])[\"'”’)]*\s+", text.strip())
    return next((sentence for sentence in reversed(sentences) if "?" in sentence), sentences[-1])


def markup(question: Question) -> Iterator[Words]:
    for block in stem_blocks(question.stem):
        if isinstance(block, ImageBlock) and not block.alt:
            yield "stem", f"the figure {block.src[:60]} has no description. Write what is seen between the brackets."
        if isinstance(block, TextBlock):
            lines = [line.strip() for line in block.text.split("\n")]
            if any(re.search(r"!\[[^\]]*\]\(", line) for line in lines):
                yield (
                    "stem",
                    "a figure is written in a way that is not shown. Give it a line of its own: ![what](figures/NAME.svg).",
                )
            if sum(line.startswith("|") for line in lines) > 1:
                yield "stem", "a table is not shown as one. Write head, | --- | line and rows with as many cells each."


def repeated(question: Question) -> Iterator[Words]:
    for field, texts in (("explanations", list(question.explanations.values())), ("hints", list(question.hints))):
        if len(set(texts)) != len(texts):
            yield field, "a text stands twice. Write each for its own place."


def one_line(question: Question) -> Iterator[Words]:
    if "\n" in question.objective or len(question.objective) > ONE_LINE:
        yield "objective", f"it has {len(question.objective)} characters; expected one line of at most {ONE_LINE}."


def full(question: Question) -> Iterator[Words]:
    """What only the application's own questions must have."""
    if len(question.options) not in OPTIONS:
        yield "options", f"there are {len(question.options)}; expected {' or '.join(map(str, OPTIONS))}."
    for letter, text in question.explanations.items():
        if len(words(text)) < EXPLAINED:
            yield "explanations", f"{letter}'s has {len(words(text))} words; expected at least {EXPLAINED} that say why."
    if (question.source, question.licence) != OURS:
        yield "source", f"it is {question.source!r:.40}, {question.licence!r:.40}; expected {OURS[0]!r}, {OURS[1]!r}."


RULES: tuple[Rule, ...] = (by_letter, forbidden, told, clue, grammar, markup, repeated, one_line)
OWN_RULES: tuple[Rule, ...] = (full,)


# Rules on all questions


def amounts(rows: Sequence[Row]) -> Iterator[Finding]:
    """Enough questions, and spread over systems, subjects and steps."""
    systems, subjects, steps = (
        Counter(getattr(row.question, field) for row in rows if getattr(row.question, field))
        for field in ("system", "subject", "step")
    )
    if len(rows) < QUESTIONS:
        yield _of_bank("", f"it has {len(rows)} questions; expected at least {QUESTIONS}.")
    if len(systems) < SYSTEMS:
        yield _of_bank("system", f"there are {len(systems)}; expected at least {SYSTEMS}.")
    for system, n in sorted(systems.items()):
        if n < OF_SYSTEM:
            yield _of_bank("system", f"{system!r} has {n} questions; expected at least {OF_SYSTEM}.")
    if len(subjects) < SUBJECTS:
        yield _of_bank("subject", f"there are {len(subjects)}; expected at least {SUBJECTS}.")
    for subject, n in sorted(subjects.items()):
        if n > OF_SUBJECT * len(rows):
            yield _of_bank("subject", f"{subject!r} has {n} of {len(rows)} questions; expected at most a quarter.")
    for step in STEPS:
        if not steps[step]:
            yield _of_bank("step", f"no question is of step {step}; expected each of {', '.join(STEPS)}.")


def biases(rows: Sequence[Row]) -> Iterator[Finding]:
    """Keys at one letter more or less often than chance, or more often the longest or the shortest option."""
    questions = [row.question for row in rows if not row.question.worded]
    for letter in OPTION_LETTERS:
        can = [question for question in questions if letter in question.options]
        keys = sum(question.key == letter for question in can)
        if abs(away := away_from_chance(keys, can)) >= Z:
            reason = f"{letter} is the key of {keys} of {len(can)} questions, {abs(away):.1f} standard deviations from chance."
            yield _of_bank("key", f"{reason} Put options in another order.")
    for name, extreme in (("longest", max), ("shortest", min)):
        hits = sum(has_extreme(question, extreme) for question in questions)
        if (away := away_from_chance(hits, questions)) >= Z:
            reason = f"the key is the {name} option of {hits:.1f} of {len(questions)} questions, {away:.1f} standard deviations"
            yield _of_bank("options", f"{reason} above chance. Make distractors as long as keys.")


def away_from_chance(hits: float, questions: Sequence[Question]) -> float:
    """How many standard deviations ``hits`` lies from what guessing among the options gives; 0 of no question."""
    chances = [1 / len(question.options) for question in questions]
    spread = math.sqrt(sum(chance * (1 - chance) for chance in chances))
    return (hits - sum(chances)) / spread if spread else 0.0


def has_extreme(question: Question, extreme: Callable[[Iterable[int]], int]) -> float:
    """1 where the key alone is the longest (shortest) option, a share of it where several are, else 0."""
    lengths = {label: len(text) for label, text in question.options.items()}
    ends = [label for label, length in lengths.items() if length == extreme(lengths.values())]
    return (question.key in ends) / len(ends)


def alike(rows: Sequence[Row]) -> Iterator[Finding]:
    """Each question whose stem or set of options is nearly that of an earlier one, with the nearest."""
    lettered = [row for row in rows if not row.question.worded]
    stems = [frozenset(runs(row.question.stem)) for row in rows]
    sets = [frozenset(" ".join(words(text)) for text in row.question.options.values()) for row in lettered]
    for field, among, things, least in (("stem", rows, stems, NEAR_EQUAL), ("options", lettered, sets, SAME_OPTIONS)):
        nearest: dict[int, tuple[float, int]] = {}
        for first, second, share in near_pairs(things, least):
            nearest[second] = max(nearest.get(second, (0.0, 0)), (share, first))
        for second, (share, first) in nearest.items():
            row, other = among[second], among[first]
            where = f"{other.question.id} ({other.file}, line {other.line})"
            reason = f"{100 * share:.0f} % of it is that of {where}. Keep one, or write anew."
            yield Finding(row.file, row.line, row.question.id, field, reason)


def runs(text: str) -> Iterator[tuple[str, str, str]]:
    """Each three words that follow one another."""
    found = words(text)
    return zip(found, found[1:], found[2:], strict=False)


def near_pairs(things: Sequence[frozenset[object]], least: float) -> Iterator[tuple[int, int, float]]:
    """The pairs of sets that share more than ``least`` of what is in either, with that share (Jaccard 1912).

    Two such sets share one of their rarest parts, and only those are looked up: not every pair is compared.
    """
    often = Counter(part for thing in things for part in thing)
    by_part: dict[object, list[int]] = defaultdict(list)
    for second, thing in enumerate(things):
        rarest = sorted(thing, key=lambda part: (often[part], str(part)))[: len(thing) - math.ceil(least * len(thing)) + 1]
        for first in sorted({first for part in rarest for first in by_part[part]}):
            share = len(things[first] & thing) / len(things[first] | thing)
            if share > least:
                yield first, second, share
        for part in rarest:
            by_part[part].append(second)


def _blanks(rows: Sequence[Row]) -> Iterator[Finding]:
    """Which fields of practice are blank, and how often."""
    for field in ("explanations", "objective", "hints", "subject", "system", "step", "difficulty", "reasoning", "fact"):
        blank = sum(not getattr(row.question, field) for row in rows)
        if blank:
            yield _of_bank(field, f"it is blank in {blank} of {len(rows)} questions.")


# Figures and the second reading


def figures(folder: Path, rows: Sequence[Row], *, ours: bool) -> Iterator[Finding]:
    """Figures that stems show are there and safe; of our own bank also: every figure is shown."""
    shown: set[str] = set()
    for row in rows:
        for block in stem_blocks(row.question.stem):
            if isinstance(block, ImageBlock) and block.src.startswith(f"{FIGURES}/"):
                shown.add(block.src)
                if fault := unsafe_svg(folder / block.src):
                    yield Finding(row.file, row.line, row.question.id, "stem", f"{block.src} {fault}")
    for path in sorted((folder / FIGURES).glob("*")) if ours else ():
        if f"{FIGURES}/{path.name}" not in shown:
            yield Finding(f"{FIGURES}/{path.name}", 0, "", "", "no stem shows it. Show it, or remove it.")


def unsafe_svg(path: Path) -> str:
    """What is wrong with a figure, "" of one that can be shown: it draws, runs nothing and loads nothing."""
    try:
        return next(_svg_faults(path.read_text(encoding="utf-8")), "")
    except OSError as error:
        return f"cannot be read ({error.strerror}). Put it there."
    except UnicodeDecodeError:
        return "is not UTF-8. Save it as UTF-8."
    except ET.ParseError as error:
        return f"is not XML ({error}). Draw it anew."


def _svg_faults(text: str) -> Iterator[str]:
    """Raises ET.ParseError where it is no XML."""
    if len(text) > MAX_FIGURE:
        yield f"has {len(text)} characters; expected at most {MAX_FIGURE}."
    if re.search(r"(?i)<!(?:DOCTYPE|ENTITY)|<\?xml-stylesheet", text):
        yield "declares a document type, an entity or a style sheet. Take it out."
    root = ET.fromstring(text)
    if root.tag.rpartition("}")[2] != "svg" or "viewBox" not in root.attrib:
        yield "is no svg element with a viewBox. Draw it anew."
    for element in root.iter():
        tag = element.tag.rpartition("}")[2]
        if not DRAWS.fullmatch(tag):
            yield f"holds a <{tag[:40]}>, which does not only draw. Take it out."
        for name, value in element.attrib.items():
            plain = name.rpartition("}")[2].casefold()
            outside = plain in ("href", "src") and not value.startswith("#")
            if plain.startswith("on") or outside or LOADS.search(value):
                yield f"holds {plain}={value[:40]!r}, which may run or load something. Take it out."


def review(path: Path, rows: Sequence[Row]) -> Iterator[Finding]:
    """Every question was answered once by somebody who did not see its key, with the key, and with a reason."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            read = [(lines.line_num, {name: text or "" for name, text in line.items() if name}) for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        yield Finding(path.name, 0, "", "", f"it cannot be read ({error}). Write id, blind_answer and reason of every question.")
        return
    keys = {row.question.id: row.question.key for row in rows}
    times = Counter(line.get("id", "") for _, line in read)
    for number, line in read:
        name = line.get("id", "")
        if name not in keys:
            yield Finding(path.name, number, name, "id", "the bank has no such question. Take the line out.")
            continue
        if times[name] > 1:
            yield Finding(path.name, number, name, "id", f"it stands {times[name]} times. Keep one.")
        if line.get("blind_answer") != keys[name]:
            reason = f"it is {line.get('blind_answer', '')!r:.20} and the key {keys[name]!r}. Find out which is right."
            yield Finding(path.name, number, name, "blind_answer", reason)
        if not line.get("reason", "").strip():
            yield Finding(path.name, number, name, "reason", "it is blank. Say in a sentence why.")
    for row in rows:
        if not times[row.question.id]:
            reason = f"{path.name} has no blind answer. Have somebody answer it who has not seen the key."
            yield Finding(row.file, row.line, row.question.id, "", reason)


# The command


def summary(report: Report) -> str:
    """What was looked at, in a few lines."""
    questions = [row.question for row in report.rows]
    files = len({row.file for row in report.rows})
    head = f"{len(questions)} questions in {files} files: {len(report.findings)} findings, {len(report.notes)} notes."
    lines = [head]
    for field, order in (
        ("system", ()),
        ("subject", ()),
        ("step", STEPS),
        ("difficulty", DIFFICULTIES),
        ("reasoning", REASONINGS),
    ):
        counts = Counter(getattr(question, field) or "blank" for question in questions)
        names = [*(name for name in order if name in counts), *sorted(counts.keys() - set(order))]
        lines.append(f"{field}: {', '.join(f'{name} {counts[name]}' for name in names)}")
    keys = Counter(question.key for question in questions)
    lines.append(f"key: {', '.join(f'{letter} {keys[letter]}' for letter in sorted(keys))}")
    chance = sum(1 / len(question.options) for question in questions)
    ends = [
        f"the {name} {sum(has_extreme(q, end) for q in questions):.1f}" for name, end in (("longest", max), ("shortest", min))
    ]
    lines.append(f"key is {' and '.join(ends)} times; by chance {chance:.1f}")
    lines.append(str(report.baseline or f"options alone: not looked at, fewer than {2 * FOLDS} questions"))
    return "\n".join(lines)


def main(argv: Sequence[str], out: TextIO, err: TextIO) -> int:
    """The exit code: 0 without findings, 1 with some, 2 where nothing could be looked at."""
    parser = argparse.ArgumentParser(prog="python -m app.bank", description="look after a question bank")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("lint", help="tell what is wrong with a folder's questions")
    command.add_argument(
        "folder", nargs="?", type=Path, default=BANK, metavar="FOLDER", help="the application's own if not given"
    )
    folder = parser.parse_args(argv).folder
    try:
        report = lint(folder, ours=folder.resolve() == BANK.resolve())
    except LlamaCareError as error:
        err.write(f"{error.sentence}\n")
        return 2
    for finding in report.findings:
        out.write(f"{finding}\n")
    for note in report.notes:
        out.write(f"note: {note}\n")
    out.write(f"{summary(report)}\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout, sys.stderr))
