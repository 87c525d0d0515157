"""Two models side by side, against figures worked out by hand, and the sentences below the limits."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.calibration import Calibration, EciRecord
from app.engine.digests import file_digest
from app.probes import TRICKY, Probe, checked_prompts, label_row
from app.prompts import ChatFormat
from app.records import LABELS, Question
from quantize.ggml_types import Thresholds, thresholds
from quantize.report import comparison_lines
from quantize.verify import compare, failures, quality, text_divergence

LIMITS = Thresholds(agreement=0.98, label_kl=0.01, text_kl=0.02, perplexity_ratio=1.02)
LN3 = math.log(3)


def ask(name: str, key: str = "A") -> Question:
    return Question(id=name, stem=name, options={"A": "one", "B": "two"}, key=key)


QUESTIONS = [ask("q1"), ask("q2"), ask("q3", "B"), ask("q4")]


def probe(shares: list[tuple[float, float]], text: list[list[float]] | None = None, **changes: Any) -> Probe:
    """Label probabilities of questions with the labels A and B; ``text``: probabilities after each of the tokens 0, 1, 0."""
    rows = [label_row(question, np.log(row)) for question, row in zip(QUESTIONS, shares, strict=False)]
    logits = (np.log(np.array(text or [[0.5, 0.5]] * 3, np.float32)) + 7,)  # logits are known up to a constant
    ids = (np.array([5, 6], np.int32), np.array([0, 1, 0], np.int32))
    values = {"scores": np.array(rows), "ids": ids, "logits": logits, "template": "t", "prompt": "p", "seconds": 1.0}
    return Probe(**(values | changes))


PARENT = probe([(0.75, 0.25), (0.75, 0.25), (0.25, 0.75), (0.9, 0.1)])
CHILD = probe([(0.25, 0.75), (0.75, 0.25), (0.25, 0.75), (0.9, 0.1)], [[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]])


def test_agreement_divergence_and_perplexity_are_those_worked_out_by_hand() -> None:
    found = compare(PARENT, CHILD, QUESTIONS)
    assert (found.n, found.agreement) == (4, 0.75)
    # Wilson's interval of 3 of 4.
    assert (found.agreement_low, found.agreement_high) == (pytest.approx(0.3006, abs=1e-4), pytest.approx(0.9544, abs=1e-4))
    assert found.label_kl == pytest.approx((0.75 * LN3 - 0.25 * LN3) / 4, rel=1e-5)
    assert found.tokens == 2
    assert found.text_kl == pytest.approx(0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75), rel=1e-5)
    # The next tokens are 1 and 0, which the parent gives 1/2 each and the child 3/4.
    assert (found.parent_perplexity, found.perplexity) == (pytest.approx(2), pytest.approx(4 / 3))
    assert found.perplexity_ratio == pytest.approx(2 / 3)
    assert (found.strange_ids, found.same_template) == (0, True)


def test_a_disagreement_is_told_with_both_choices_and_the_parents_margin() -> None:
    (found,) = compare(PARENT, CHILD, QUESTIONS).disagreements
    assert (found.question, found.parent, found.child, found.margin) == ("q1", "A", "B", pytest.approx(LN3, rel=1e-5))


def test_a_model_beside_itself_differs_in_nothing() -> None:
    found = compare(PARENT, PARENT, QUESTIONS)
    assert (found.agreement, found.label_kl, found.text_kl, found.perplexity_ratio) == (1.0, 0.0, 0.0, 1.0)
    assert failures(found, LIMITS) == ()


def test_scores_that_differ_by_a_constant_are_the_same_answer() -> None:
    shifted = replace(PARENT, scores=PARENT.scores + 30, logits=tuple(each - 30 for each in PARENT.logits))
    found = compare(PARENT, shifted, QUESTIONS)
    assert (found.label_kl, found.text_kl) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))


def test_each_limit_that_is_missed_is_named_with_both_figures() -> None:
    good = compare(PARENT, PARENT, QUESTIONS)
    said = {
        "clear_agreement": (
            0.97,
            "the labels agree on 97.00% of the 4 questions on which the parent is decided; at least 98.0% are required",
        ),
        "label_kl": (0.011, "the labels' mean KL is 0.011; at most 0.01 is allowed"),
        "text_kl": (0.5, "the next token's mean KL is 0.5; at most 0.02 is allowed"),
        "perplexity": (good.parent_perplexity * 1.5, "the perplexity's ratio is 1.5; at most 1.02 is allowed"),
        "strange_ids": (2, "2 texts are tokenized differently, where all must be tokenized alike"),
        "same_template": (False, "the chat template is not the parent's, byte for byte"),
    }
    assert {field.name for field in fields(Thresholds)} - {"perplexity_ratio", "agreement"} < said.keys()
    for name, (value, sentence) in said.items():
        assert failures(replace(good, **{name: value}), LIMITS) == (sentence,)
    everything = replace(good, **{name: value for name, (value, _) in said.items()})
    assert set(failures(everything, LIMITS)) == {sentence for _, sentence in said.values()}


def test_only_questions_on_which_the_parent_is_decided_count_for_the_limit() -> None:
    found = compare(PARENT, CHILD, QUESTIONS)
    margin = max(each.margin for each in found.disagreements)
    undecided = compare(PARENT, CHILD, QUESTIONS, tie=margin + 0.01)
    assert undecided.agreement == found.agreement < 1 == undecided.clear_agreement
    assert undecided.clear < found.clear == len(QUESTIONS)
    assert compare(PARENT, CHILD, QUESTIONS, tie=1e9).clear_agreement == 1  # a parent that never decides


def test_the_margin_of_a_tie_is_what_the_allowed_divergence_can_turn() -> None:
    tie = Thresholds(agreement=1, label_kl=0.005, text_kl=1, perplexity_ratio=1).tie
    halves = np.log(np.array([[0.5, 0.5], 1 / (1 + np.exp([-tie / 2, tie / 2]))]))  # one pulled apart by the tie, half each way
    apart = halves[1] - np.logaddexp.reduce(halves[1])
    assert float((np.exp(apart) * (apart - halves[0])).sum()) < 0.005 * 1.1


def test_a_figure_on_its_limit_passes() -> None:
    good = compare(PARENT, PARENT, QUESTIONS)
    edge = replace(good, clear_agreement=0.98, label_kl=0.01, text_kl=0.02, perplexity=1.02, parent_perplexity=1.0)
    assert failures(edge, LIMITS) == ()


def spoilt(value: float) -> Probe:
    scores, logits = CHILD.scores.copy(), CHILD.logits[0].copy()
    scores[1, :2], logits[0, 1] = value, value
    return replace(CHILD, scores=scores, logits=(logits,))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_child_that_computes_what_is_no_number_fails_and_can_still_be_reported(value: float) -> None:
    with np.errstate(invalid="ignore"):
        found = compare(PARENT, spoilt(value), QUESTIONS)
    said = " ".join(failures(found, LIMITS))
    for name in ("the labels' mean KL", "the next token's mean KL", "the perplexity's ratio"):
        assert name in said
    json.dumps(found.as_dict(), allow_nan=False)
    (row,) = list(comparison_lines({"types": {"Q8_0": found.as_dict()}}))[2:]
    assert "| Q8_0 | F16 | 4 |" in row
    assert "not finite" in row


def test_a_child_that_is_sure_of_the_wrong_text_fails_with_a_number() -> None:
    wrong = replace(CHILD, logits=(np.array([[5000, 0], [0, 5000], [0, 0]], np.float32),))
    found = compare(PARENT, wrong, QUESTIONS)
    assert math.isfinite(found.perplexity) and found.perplexity > 1e100
    assert "the perplexity's ratio" in " ".join(failures(found, LIMITS))


def test_a_label_that_the_child_rules_out_is_an_endless_divergence() -> None:
    without = label_row(ask("x"), [0.0, -math.inf])
    found = compare(PARENT, replace(PARENT, scores=np.array([without, *PARENT.scores[1:]])), QUESTIONS)
    assert found.label_kl == math.inf
    assert failures(found, LIMITS) == ("the labels' mean KL is inf; at most 0.01 is allowed",)


def test_without_a_text_nothing_is_claimed_of_texts() -> None:
    bare = {"ids": PARENT.ids[:1], "logits": ()}
    found = compare(replace(PARENT, **bare), replace(PARENT, **bare), QUESTIONS)
    assert found.tokens == 0
    assert [name for name in ("next token", "perplexity") if name in " ".join(failures(found, LIMITS))] == [
        "next token",
        "perplexity",
    ]


def test_a_template_or_a_prompt_or_a_token_of_another_kind_is_seen() -> None:
    assert not compare(PARENT, replace(PARENT, template="u"), QUESTIONS).same_template
    assert not compare(PARENT, replace(PARENT, prompt="u"), QUESTIONS).same_template
    other = (np.array([5, 7], np.int32), PARENT.ids[1])
    assert compare(PARENT, replace(PARENT, ids=other), QUESTIONS).strange_ids == 1
    longer = (np.array([5, 6, 6], np.int32), PARENT.ids[1])
    assert compare(PARENT, replace(PARENT, ids=longer), QUESTIONS).strange_ids == 1


def test_vocabularies_that_differ_by_padding_are_compared_on_what_both_have() -> None:
    padded = tuple(np.pad(each, ((0, 0), (0, 3)), constant_values=40) for each in CHILD.logits)
    for pair in ((PARENT, replace(CHILD, logits=padded)), (replace(PARENT, logits=padded), PARENT)):
        assert math.isfinite(text_divergence(*pair).kl)
    assert text_divergence(PARENT, replace(CHILD, logits=padded)) == text_divergence(PARENT, CHILD)


def test_probes_of_other_questions_or_texts_are_no_pair() -> None:
    with pytest.raises(ValueError, match="the parent read 4 questions and 2 texts, the child 3 and 2, of 4"):
        compare(PARENT, replace(CHILD, scores=CHILD.scores[:3]), QUESTIONS)
    with pytest.raises(ValueError, match="of 3; expected the same"):
        compare(PARENT, CHILD, QUESTIONS[:3])
    with pytest.raises(ValueError, match="the child 4 and 1"):
        compare(PARENT, replace(CHILD, ids=CHILD.ids[:1]), QUESTIONS)


def test_quality_counts_the_keys_and_goes_through_the_calibration() -> None:
    plain = quality(PARENT, QUESTIONS, None)
    assert (plain.n, plain.accuracy) == (4, 1.0)
    # Bins (0.7, 0.8] and (0.8, 0.9]: three sure of 3/4 and one of 9/10, all right.
    assert plain.ece == pytest.approx((3 * 0.25 + 0.1) / 4)
    flip = Calibration(labels=("A", "B"), mode="fast", scale=1.0, bias=(-9.0, 0.0), n=100, name="made up")
    record = EciRecord(("A", "B"), (6, 7), "p", (flip,), (), {})
    assert quality(PARENT, QUESTIONS, record).accuracy == 0.25


def test_every_types_limits_pass_the_parent_itself() -> None:
    same = compare(PARENT, PARENT, QUESTIONS)
    assert [name for name in ("F16", "Q8_0", "Q4_K_M", "Q2_K") if failures(same, thresholds(name))] == []


# Probes


def test_a_probe_is_read_back_bit_by_bit(tmp_path: Path) -> None:
    odd = np.array([[np.nan, -0.0], [np.inf, 1e-45]], np.float32)
    many = tuple(np.array([number], np.int32) for number in range(12))  # more than ten, so that order is not the alphabet's
    before = replace(CHILD, ids=many, logits=(odd,) * 11, template="{{ 'ünï' }}\n", seconds=0.1 + 0.2)
    before.save(tmp_path / "p.npz")
    after = Probe.load(tmp_path / "p.npz")
    assert after.scores.dtype == np.float32 and after.scores.tobytes() == before.scores.tobytes()
    assert [row.tobytes() for row in after.ids] == [row.tobytes() for row in many]
    assert [row.tobytes() for row in after.logits] == [odd.tobytes()] * 11
    assert (after.template, after.prompt, after.seconds) == (before.template, before.prompt, before.seconds)
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]


def test_a_probe_without_questions_or_texts_is_read_back_too(tmp_path: Path) -> None:
    Probe(np.zeros((0, len(LABELS)), np.float32), (), (), "", "", 0.0).save(tmp_path / "p.npz")
    after = Probe.load(tmp_path / "p.npz")
    assert (after.scores.shape, after.ids, after.logits) == ((0, len(LABELS)), (), ())


def test_scores_stand_at_their_labels_whatever_their_order() -> None:
    shuffled = Question(id="w", stem="s", options={word: word for word in ("no", "yes", "maybe")}, key="no")
    row = label_row(shuffled, [1.0, 2.0, 3.0])
    assert {label: float(value) for label, value in zip(LABELS, row, strict=True) if np.isfinite(value)} == {
        "yes": 2.0,
        "no": 1.0,
        "maybe": 3.0,
    }


def test_the_checked_prompts_hold_turns_questions_and_hard_contents() -> None:
    prompts = checked_prompts(ChatFormat(""))
    texts = ["".join(segment.text for segment in prompt) for prompt in prompts]
    assert texts[-len(TRICKY) :] == list(TRICKY)
    assert len(prompts) == 3 + len(TRICKY)
    assert all(not segment.control for prompt in prompts[-len(TRICKY) :] for segment in prompt)


# Digests


def test_a_digest_is_computed_once_for_a_file_that_does_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = tmp_path / "m.gguf", tmp_path / "digests.json"
    path.write_bytes(b"abc")
    first = file_digest(path, cache)
    assert first == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    def computed(*_: object) -> None:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr("app.engine.digests.hashlib.file_digest", computed)
        assert file_digest(path, cache) == first
    path.write_bytes(b"abcd")
    assert file_digest(path, cache) == file_digest(path) != first


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"PATH": 3}', b'{"PATH": [3, 4]}'])
def test_a_digest_cache_that_is_broken_is_no_error(tmp_path: Path, content: bytes) -> None:
    path, cache = tmp_path / "m.gguf", tmp_path / "digests.json"
    path.write_bytes(b"abc")
    cache.write_bytes(content.replace(b"PATH", str(path).encode()))
    assert file_digest(path, cache) == file_digest(path)
    assert file_digest(path, tmp_path / "absent" / "digests.json") == file_digest(path)
