"""What a question is looked up by: its own words, or those of the question before it too where it only goes on from that."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from app.records import SearchResult
from app.topics import content_words
from app.words import specific, words

SHORT = 3  # content words; a shorter question may go on from the one before it
_POINTS_BACK = re.compile(r"\b(?:it|its|they|their|them)\b", re.IGNORECASE)
_GOES_ON = re.compile(r"\W*(?:and|but|or|also|what about|how about|in|for|with|during|after|if)\b", re.IGNORECASE)
_WHOLE = re.compile(
    r"\W*(?:what|which|who|how|why|when|where|is|are|does|do|did|can|could|should|would|may|must|has|have|tell|explain|describe"
    r"|compare|define|list|name|give)\b",
    re.IGNORECASE,
)

Search = Callable[[str, Sequence[str]], SearchResult]  # a query, and the documents that it is looked up in; all where none


def looked_up(asked: Sequence[str], assumed: str, search: Search, documents: Sequence[str] = ()) -> tuple[str, SearchResult]:
    """The words by which the last question of a conversation was looked up, and what was found.

    A short question, or one that points back ("Can it be given in renal impairment?"), is looked up together with the one before
    it where it names no topic itself ("And its dose?"), or leaves it unsaid and the best document of both together answers it
    ("And in pregnancy?"). Else it is on another topic and stands alone: what was asked before must not answer it.

    Args:
        asked: the questions, ending in this one. assumed: words that are looked up besides.
    """
    question = asked[-1]
    alone = f"{question} {assumed}".strip()
    short, points_back = len(content_words(question)) < SHORT, _POINTS_BACK.search(question) is not None
    if len(asked) == 1 or not (short or points_back):
        return alone, search(alone, documents)
    both = f"{asked[-2]} {alone}"
    together = search(both, documents)
    topic = _stems(question)
    if not topic:
        return both, together
    by_itself = search(alone, documents)
    named = bool(by_itself.found) and topic <= _stems(by_itself.found[0].passage.title)
    unsaid = points_back or not named or _GOES_ON.match(question) is not None
    if unsaid and together.found and search(question, [together.found[0].passage.document]).relevant:
        return both, together
    stands = not short or named or _WHOLE.match(question) is not None or words(question)[0].stem in topic
    return (alone, by_itself) if stands and (by_itself.relevant or not together.relevant) else (both, together)


def _stems(text: str) -> frozenset[str]:
    """Of the words that say something of a topic."""
    return frozenset(word.stem for word in specific(text))
