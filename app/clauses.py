"""The statements that one sentence joins, as "it raises potassium, but does not lower calcium" does. Pure, lexical."""

from __future__ import annotations

import re
from collections import Counter

from app.statements import PRONOUNS, Statement, is_verb, listed
from app.words import is_stop, words

_JOINT = re.compile(r"(?:[,;]\s+(?:and|but|while|whereas|although|though)|(?<=\S)\s++(?:but|whereas)|;)\s+(?=\S)", re.IGNORECASE)
# What a sentence says first of the whole of it: "In pregnancy, …".
_GIVEN = re.compile(
    r"(?:in|for|during|after|before|with|without|if|when|unless|once|where|among|on|under|at|because|since)\b[^,;]*,\s+",
    re.IGNORECASE,
)
_POINTING = PRONOUNS | frozenset({"them", "him", "her", "others", "another", "former", "latter", "either", "neither", "which"})
_VERBS = (
    "stabilises stabilizes impairs enhances guides differs offers rests consists comprises arises results remains warrants "
    "favours favors carries rules halts limits masks slows speeds strengthens weakens boosts calms irritates"
)
_CONTRASTS = frozenset({"but", "yet", "whereas", "while", "although", "though", "however", "unlike", "except", "instead"})
_STANDS_FOR = frozenset({"it", "they", "he", "she"})


def parts(text: str) -> tuple[str, ...]:
    """Each statement as a sentence of its own, with what the sentence says first of all of them, and with the first one's subject
    where it has none or a pronoun; () where the sentence is one statement, or a part cannot stand alone."""
    given = _GIVEN.match(text)
    condition = given.group() if given else ""
    pieces = _JOINT.split(text[len(condition) :])
    if len(pieces) < 2:
        return ()
    first = _split(pieces[0])
    if first is None or not first[0] or _points(first[0]) or _points(first[1]):
        return ()
    found = [condition + pieces[0]]
    for piece in pieces[1:]:
        cut = _split(piece)
        if cut is None or _points(cut[1]):
            return ()
        subject, rest = cut
        if subject.strip().casefold() in _STANDS_FOR or not _says(subject):
            subject = first[0]
        elif _points(subject):
            return ()
        found.append(f"{condition}{subject.strip()} {rest}")
    return tuple(found)


def _split(piece: str) -> tuple[str, str] | None:
    """What stands before the first verb, and from it on; None where there is no verb, or nothing behind it."""
    said = words(piece)
    place = next((n for n, word in enumerate(said) if _verb(word.text)), None)
    if place is None or not any(not is_stop(word.stem) and not _verb(word.text) for word in said[place + 1 :]):
        return None
    return piece[: said[place].start], piece[said[place].start :]


def _verb(word: str) -> bool:
    return is_verb(word) or word.casefold() in listed(_VERBS)


def _points(text: str) -> bool:
    return any(word.text.casefold() in _POINTING for word in words(text))


def _says(text: str) -> bool:
    return any(not is_stop(word.stem) for word in words(text))


def main_clause(claim: Statement, stretch: Statement) -> int:
    """The clause of the stretch that has most of the claim's words; -1 for none."""
    mine = {term.root for term in claim.content}
    counted = Counter(term.clause for term in stretch.content if term.root in mine)
    return counted.most_common(1)[0][0] if counted else -1


def contrasted(claim: Statement, stretch: Statement) -> str:
    """A word of the claim stands in the stretch only beyond a "but" or "while" that the claim has not."""
    if any(t.word.casefold() in _CONTRASTS or t.word.casefold() == "without" for t in claim.terms):
        return ""
    mine = {t.root for t in claim.content}
    for clause in (t.clause for t in stretch.terms if t.word.casefold() in _CONTRASTS and t.clause):
        if any(t.word.casefold() in PRONOUNS for t in stretch.of_clause(clause)[:2]):
            continue
        before = {t.root for t in stretch.content if t.clause < clause}
        beyond = [t for t in stretch.content if t.clause >= clause and t.root in mine]
        crossing = [t for t in beyond if t.root not in before]
        if crossing and mine & before - {t.root for t in beyond}:
            return f"it has '{crossing[0].word}' in another part of its sentence"
    return ""


def apart(claim: Statement, stretch: Statement) -> str:
    """A word of the claim's statement is in the stretch the subject of another, beyond a semicolon."""
    subject = {t.root for t in claim.terms[:1]}
    beyond = [t for t in stretch.content if t.semicolon and t.specific and t.root in claim.roots - subject]
    main = main_clause(claim, stretch)
    for first in beyond:
        if first.clause != main and all(t.clause == first.clause for t in stretch.terms if t.root == first.root):
            return f"it has '{first.word}' in another part of its sentence"
    return ""
