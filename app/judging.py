"""Whether a passage carries a claim, read off a model that was measured to tell; of any other model the words stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.earned import LEAST, Ledger, earned
from app.engine.base import Engine
from app.engine.switch import held
from app.layouts import CLAIMS, SUPPORT_WORDS, claim_stem
from app.readout import read_many
from app.records import ANSWER_WORDS, Question, Support

BY_WORDS = "Lines are judged by their words; this model was not measured to judge them."
UNSKILLED = "Lines are judged by their words; this model showed {}."
BY_MODEL = "Lines are judged by {}, {}."


@dataclass(frozen=True)
class Judged:
    """``values``: one for each pair, None where the model has not earned to judge; ``sentence`` says which, for the page."""

    values: tuple[Support, ...] | None
    sentence: str


def judge(engine: Engine, ledger: Ledger | None, pairs: Sequence[tuple[str, str]]) -> Judged:
    """How far each passage carries its claim, in one call of the engine; nothing is read of a model without skill in that.

    The skill is that of the system ``CLAIMS`` alone, over at least LEAST pairs: what a model knows of anything else says nothing
    of how it judges lines.

    Args:
        pairs: (claim, the passage's text).

    Raises:
        EngineError: no answer can be computed. Busy: too many wait.
    """
    with held(engine) as one:
        info = one.info()
        skills = [skill for skill in earned(info, ledger).skills if skill.name.casefold() == CLAIMS and skill.n >= LEAST]
        skill = next((skill for skill in skills if skill.earned), None)
        if skill is None:
            return Judged(None, UNSKILLED.format(skills[0].sentence) if skills else BY_WORDS)
        questions = [_question(claim, passage) for claim, passage in pairs]
        read = read_many(one, questions, careful=skill.mode == "careful", ledger=ledger) if questions else []
    supports = {word: Support(support) for support, word in SUPPORT_WORDS.items()}
    return Judged(tuple(supports[each.choice] for each in read), BY_MODEL.format(info.name, skill.sentence))


def _question(claim: str, passage: str) -> Question:
    options = {word: word for word in ANSWER_WORDS}
    return Question(id="claim", context=passage, stem=claim_stem(claim), options=options, key="", system=CLAIMS)
