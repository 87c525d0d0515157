"""Examples that stand before a question: the same for all questions of a label set, never a question under test."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from app.errors import BadInput
from app.readings import Labels, labels_of
from app.records import Question
from finetune.overlap import same_question


def choose_examples(
    pool: Sequence[Question], tested: Sequence[Question], shots: int, seed: int
) -> dict[Labels, tuple[Question, ...]]:
    """``shots`` examples for each label set under test, their keys as different as the pool allows.

    Raises:
        BadInput: the pool has too few questions of a label set that are not under test.
    """
    if not shots:
        return {}
    ids, texts = {one.id for one in tested}, {same_question(one) for one in tested}
    free = [one for one in pool if one.id not in ids and same_question(one) not in texts]
    chosen = {}
    for labels in sorted({labels_of(one) for one in tested}):
        fitting = [one for one in free if labels_of(one) == labels]
        if len(fitting) < shots:
            raise BadInput(
                f"--shots-from has {len(fitting)} questions with the labels {', '.join(labels)} that are not under test; "
                f"expected at least {shots}. Add a file that has, or give --shots 0."
            )
        # Sorted first: the same examples whatever the order of the files.
        shuffled = sorted(fitting, key=lambda one: one.id)
        random.Random(f"{seed} {labels}").shuffle(shuffled)
        chosen[labels] = tuple(_balanced(shuffled, shots))
    return chosen


def _balanced(questions: Iterable[Question], count: int) -> list[Question]:
    """The first questions in order whose keys have stood least often so far."""
    left, taken, keys = list(questions), [], Counter[str]()
    for _ in range(count):
        one = min(left, key=lambda question: keys[question.key])
        left.remove(one)
        taken.append(one)
        keys[one.key] += 1
    return taken
