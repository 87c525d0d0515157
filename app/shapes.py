"""The shapes of answers and what they assume of the patient. Pure: they hold for any model, because no model makes them.

A template names an answer's parts. A part is filled with sentences of passages that its cue words point to, and is what a
model that writes is asked for under that heading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from app.errors import BadInput


@dataclass(frozen=True)
class Part:
    """One part of an answer. ``cues``: words of passages that belong here; ``most`` sentences of them; ``ask``: what a model
    is told to write; an empty ``heading`` stands for none. ``bars``: words that keep a sentence out, in it or in the heading of
    its section."""

    heading: str
    cues: tuple[str, ...]
    most: int
    ask: str
    bars: tuple[str, ...] = ()


@dataclass(frozen=True)
class Template:
    """``ranked``: the parts are filled for each candidate, which is a document with a sentence for the first part, as a
    differential is."""

    id: str
    label: str
    hint: str
    parts: tuple[Part, ...]
    ranked: bool = False


@dataclass(frozen=True)
class Choice:
    """What can be assumed. ``words`` are looked up with the question, ``tells`` stands in the prompt; both may be empty."""

    value: str
    label: str
    words: str = ""
    tells: str = ""


@dataclass(frozen=True)
class Assumption:
    """Something that the answer assumes unless the user corrects it; the first choice is what is assumed."""

    name: str
    label: str
    choices: tuple[Choice, ...]

    @property
    def default(self) -> str:
        return self.choices[0].value


QUICK = "quick"
# Words that a sentence may join others with and still only repeat them.
JOINING = frozenset({"a", "an", "the", "and", "this", "that", "with", "who", "has", "have", "for", "we", "assume", "assuming"})
TEMPLATES: tuple[Template, ...] = (
    Template(
        QUICK,
        "Quick answer",
        "Two or three sentences that answer, then detail",
        (Part("", (), 3, "Answer in two or three sentences, then give what matters most of the detail."),),
    ),
    Template(
        "differential",
        "Differential",
        "Candidates in order, each with findings for and against",
        (
            Part(
                "Findings for",
                ("findings for", "features", "signs", "symptoms", "presents", "presentation", "suggests", "favors"),
                2,
                "List the likeliest diagnoses in order, and for each the findings that speak for it.",
                bars=("against", "instead of", "rather than", "unlikely", "rules out", "excludes"),
            ),
            Part(
                "Findings against",
                ("findings against", "argues against", "speaks against", "unlikely", "distinguishes"),
                2,
                "For each of these diagnoses, name the findings that speak against it.",
                bars=("findings for",),
            ),
        ),
        ranked=True,
    ),
    Template(
        "drug",
        "Drug question",
        "Use, dose, who should not have it, what to watch",
        (
            Part(
                "Use",
                ("indicated", "first-line", "treatment", "used for", "use", "mechanism", "acts"),
                2,
                "Say what the drug is used for and how it works.",
            ),
            Part(
                "Dose",
                ("dose", "dosing", "mg", "daily", "titrate", "start", "maximum", "adjust"),
                2,
                "Give the usual dose and how it is adjusted, only where you know it.",
            ),
            Part(
                "Cautions",
                ("contraindicated", "avoid", "caution", "pregnancy", "renal impairment", "interaction"),
                2,
                "Say who should not have it, and with what it interacts.",
            ),
            Part(
                "Watch",
                ("adverse", "side effects", "monitor", "monitoring", "check", "risk"),
                2,
                "Say which adverse effects to expect and what to monitor.",
            ),
        ),
    ),
    Template(
        "patient",
        "Explain to a patient",
        "Plain words, what to do, when to seek help",
        (
            Part(
                "In plain words",
                ("for patients", "plain words", "you", "your", "means", "overview"),
                3,
                "Explain it to a patient in plain words and short sentences.",
            ),
            Part(
                "What you can do", ("for patients", "take", "drink", "keep", "you can", "tell"), 2, "Say what a patient can do."
            ),
            Part(
                "When to seek help",
                ("red flags", "emergency", "urgent", "immediately", "call", "seek", "worse"),
                2,
                "Say which signs mean that help is needed at once.",
            ),
        ),
    ),
)
ASSUMPTIONS: tuple[Assumption, ...] = (
    Assumption(
        "age",
        "Age",
        (
            Choice("adult", "Adult", "", "The patient is an adult."),
            Choice("child", "Child", "children pediatric", "The patient is a child."),
            Choice("older", "Older adult", "older adults elderly", "The patient is an older adult."),
        ),
    ),
    Assumption(
        "pregnancy",
        "Pregnancy",
        (
            Choice("no", "Not pregnant", "", "The patient is not pregnant."),
            Choice("pregnant", "Pregnant", "pregnancy", "The patient is pregnant."),
            Choice("breastfeeding", "Breastfeeding", "breastfeeding lactation", "The patient is breastfeeding."),
        ),
    ),
    Assumption(
        "renal",
        "Renal function",
        (
            Choice("unknown", "Renal function unknown", "", "The patient's renal function is unknown."),
            Choice("normal", "Normal renal function", "", "The patient's renal function is normal."),
            Choice("reduced", "Reduced renal function", "renal impairment", "The patient's renal function is reduced."),
            Choice("dialysis", "On dialysis", "dialysis renal impairment", "The patient is on dialysis."),
        ),
    ),
)


def template_of(identity: str) -> Template:
    """Raises BadInput where there is none of that name."""
    found = next((template for template in TEMPLATES if template.id == identity), None)
    if found is None:
        names = ", ".join(template.id for template in TEMPLATES)
        raise BadInput(f"The template is {identity!r:.60}; expected one of {names}.")
    return found


def assumed(given: Mapping[str, str]) -> dict[str, str]:
    """Every assumption by name, as ``given`` or else its default.

    Raises:
        BadInput: an assumption or a value that does not exist.
    """
    names = [assumption.name for assumption in ASSUMPTIONS]
    for name in given:
        if name not in names:
            raise BadInput(f"There is no assumption {name!r:.60}; expected some of {', '.join(names)}.")
    return {each.name: _choice(each, given.get(each.name, each.default)).value for each in ASSUMPTIONS}


def search_words(assumptions: Mapping[str, str]) -> str:
    """What is looked up besides the question."""
    return " ".join(words for words in (choice.words for choice in _choices(assumptions)) if words)


def told(assumptions: Mapping[str, str]) -> str:
    """What a model is told of the patient."""
    return " ".join(choice.tells for choice in _choices(assumptions))


def restates(sentence: str, assumptions: Mapping[str, str]) -> bool:
    """Whether a sentence only repeats what a model was told: every word of it stands there or joins such words, and it denies
    the same ones."""
    facts, said = _words(told(assumptions)), _words(sentence)
    denied = {word for before, word in pairwise(facts) if before == "not"}
    if not said or not set(said) <= set(facts) | JOINING:
        return False
    return all((before == "not") == (word in denied) for before, word in pairwise(["", *said]) if word != "not")


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold().replace("'s", "").replace("’s", ""))


def _choices(assumptions: Mapping[str, str]) -> list[Choice]:
    return [_choice(each, assumptions.get(each.name, each.default)) for each in ASSUMPTIONS]


def _choice(assumption: Assumption, value: str) -> Choice:
    found = next((choice for choice in assumption.choices if choice.value == value), None)
    if found is None:
        values = ", ".join(choice.value for choice in assumption.choices)
        raise BadInput(f"The assumption {assumption.name} is {value!r:.60}; expected one of {values}.")
    return found
