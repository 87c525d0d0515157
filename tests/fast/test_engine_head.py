"""Where labels are read, by what a model's file says of itself; a record that does not fit the file is left unused, and said."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from app.calibration import RECORD_VERSION, EciRecord
from app.engine.head import RECORD_KEY, read_head, untrained_head
from app.prompts import ANSWER_PREFIX, ChatFormat, prompt_digest
from app.records import ANSWER_WORDS, LABELS, OPTION_LETTERS

TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
FORM = ChatFormat(TEMPLATE, "<s>", "</s>")
APPENDED = {label: 500 + place for place, label in enumerate(LABELS)}


@dataclass
class Fake:
    """A file with these entries, whose tokens are characters; words after ``Answer:`` are one token each where ``words``."""

    label_tokens: dict[str, int] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    template: str = TEMPLATE
    words: bool = True
    letters: bool = True
    bos: str = "<s>"
    eos: str = "</s>"

    def metadata(self, key: str) -> str:
        return self.entries.get(key, "")

    def chat_template(self) -> str:
        return self.template

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        head, found, label = text.partition(ANSWER_PREFIX)
        tokens = [ord(character) for character in head + found]
        label = label.strip()
        if not label:
            return tokens
        whole = self.letters if label in OPTION_LETTERS else self.words
        return [*tokens, 1000 + LABELS.index(label)] if whole else [*tokens, ord(" "), *map(ord, label)]


RECORD = EciRecord(
    labels=LABELS,
    token_ids=tuple(APPENDED.values()),
    prompt_digest=prompt_digest(FORM),
    calibrations=(),
    thresholds=(),
    skill={"made up, 4 labels, fast": {"accuracy": 0.5}},
)


def trained(text: str, **changes: object) -> Fake:
    values = {"label_tokens": APPENDED, "entries": {RECORD_KEY: text}, **changes}
    return Fake(**values)  # type: ignore[arg-type]


def test_the_record_of_a_trained_file_is_read_back() -> None:
    head, said = read_head(trained(RECORD.to_json()))
    assert head is not None
    assert (head.trained, head.token_ids, head.record, said) == (True, APPENDED, RECORD, "")


def test_label_tokens_without_a_record_are_trained_and_nothing_is_known_of_them() -> None:
    head, said = read_head(Fake(label_tokens=APPENDED))
    assert head is not None
    assert (head.trained, head.token_ids, head.record, said) == (True, APPENDED, None, "")


def test_any_other_file_is_read_at_its_own_letters_and_words() -> None:
    head, said = read_head(Fake())
    assert head is not None and head == untrained_head(Fake())
    assert (head.trained, head.record, said) == (False, None, "")
    assert list(head.token_ids) == list(LABELS)
    assert len(set(head.token_ids.values())) == len(LABELS)


def test_words_count_only_where_each_is_one_token_and_without_letters_there_is_no_head() -> None:
    lettered = untrained_head(Fake(words=False))
    assert lettered is not None and list(lettered.token_ids) == list(OPTION_LETTERS)
    assert not set(ANSWER_WORDS) & set(lettered.token_ids)
    assert untrained_head(Fake(letters=False)) is None
    assert read_head(Fake(letters=False)) == (None, "")


def without_one() -> dict[str, int]:
    return {label: token for label, token in APPENDED.items() if label != "maybe"}


UNFIT = {
    "garbage": (trained("{never JSON"), "the ECI record is no JSON"),
    "another shape": (trained("[]"), "version None"),
    "deep garbage": (trained("[" * 100_000), "the ECI record is no JSON"),
    "a later version": (
        trained(json.dumps(json.loads(RECORD.to_json()) | {"version": RECORD_VERSION + 1})),
        f"version {RECORD_VERSION + 1}; this application reads version {RECORD_VERSION}",
    ),
    "a field too many": (trained(json.dumps(json.loads(RECORD.to_json()) | {"more": 1})), "has the fields"),
    "other token ids": (
        trained(RECORD.to_json(), label_tokens=APPENDED | {"C": 7}),
        "its record reads label C at token 502, where the vocabulary has 7",
    ),
    "a token that is not there": (
        trained(RECORD.to_json(), label_tokens=without_one()),
        "its record reads label maybe at token 512, where the vocabulary has none",
    ),
    "no label tokens": (
        trained(RECORD.to_json(), label_tokens={}),
        "its record reads label A at token 500, where the vocabulary has none",
    ),
    "another prompt": (
        trained(replace(RECORD, prompt_digest="0123456789abcdef").to_json()),
        f"measured with the prompt 0123456789abcdef, and this application asks with {prompt_digest(FORM)}",
    ),
    "another template": (
        trained(RECORD.to_json(), template=TEMPLATE.replace("<assistant>", "<model>")),
        f"measured with the prompt {prompt_digest(FORM)}",
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_record_that_does_not_fit_is_left_unused_with_a_sentence(what: str) -> None:
    model, why = UNFIT[what]
    head, said = read_head(model)
    assert head == untrained_head(model)
    assert head is not None and not head.trained
    assert said.startswith("The file's trained labels are not used (") and said.endswith("with python -m quantize.")
    assert why in said


def test_an_unfit_record_of_a_model_without_letters_leaves_no_head() -> None:
    head, said = read_head(trained("{", letters=False))
    assert head is None
    assert said.startswith("The file's trained labels are not used (")
