"""Model card and data sheet: what is known stands there, what is unknown is said to be, nothing is invented."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from app.errors import BadInput
from quantize.card import Facts, Licence, data_sheet, model_card
from quantize.ggml_types import TensorCount

SKILL = {
    "n": 120,
    "accuracy": 0.55,
    "accuracy_low": 0.46,
    "accuracy_high": 0.64,
    "baseline": 0.5,
    "macro_f1": 0.24,
    "invalid": 0.0,
    "recall_spread": 1.0,
    "ece": 0.036,
    "ece_floor": 0.047,
    "brier": 0.57,
    "brier_skill": -0.01,
    "nll": 0.93,
    "auroc_error": None,
    "risk_50": 0.4,
    "risk_80": 0.4,
    "risk_100": 0.45,
}
FITTED = {"labels": ["yes", "no", "maybe"], "mode": "fast", "n": 60, "name": "trial"}
ECI = {
    "skill": {"trial, 3 labels, fast": SKILL},
    "calibrations": [FITTED | {"bias": [0, 0, 0], "scale": 1.0}],
    "thresholds": [FITTED | {"n": 100, "level": 0.9, "value": 0.8}],
}
TRAINING = {
    "config": {
        "name": "trial",
        "quantise": "nf4",
        "lora": {"rank": 16},
        "head": {"kind": "rows"},
        "training": {"batch": 4},
        "data": {"root": "/home/someone/data", "evaluation": ["medqa/dev.jsonl"], "overlap_share": 0.2},
    },
    "seed": 1,
    "base": {"reference": "embedded", "digest": "b" * 64},
    "labels": {"A": 10, "yes": 11},
    "data": {
        "sources": [{"file": "train.jsonl", "weight": 1.0, "questions": 60, "conversations": 2, "texts": 3}],
        "calibration": 61,
        "conformal": 100,
        "report": {
            "read": 70,
            "kept": 60,
            "counts": {"overlap": 7, "needs a picture": 3},
            "reasons": ["/home/someone/data/x: ..."],
        },
        "digests": {"train.jsonl": "a" * 64, "medqa/dev.jsonl": "c" * 64},
    },
    "steps": 15,
    "seconds": 152.1,
    "tokens": 11693,
    "energy": {"kwh": 0.0028, "co2_kg": 0.001, "country": "DEU", "by": "codecarbon 3.3.2"},
    "adapter": "d" * 64,
    "versions": {"torch": "2.13.0"},
}
SPLITS = {
    "inputs": [{"path": "/home/someone/data/all.jsonl", "sha256": "e" * 64}],
    "arguments": {"parts": "train=60,test=rest"},
    "seed": 7,
}
NOTHING = Facts(name="Bare", file="bare.gguf")
FULL = Facts(
    name="Full: a model",
    file="full.gguf",
    base_name="SmolLM2-135M-Instruct",
    base_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    licence=Licence("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", "Copyright of the base's makers."),
    language=("en",),
    quantisation="Q4_K_M",
    tensors={"Q5_0": TensorCount(166, 9), "F32": TensorCount(61, 1)},
    bytes=105_454_144,
    parameters=134_515_008,
    sha256="f" * 64,
    training=TRAINING,
    eci=ECI,
    verify={"text_kl": 0.0312, "passed": True, "perplexity": {"parent": 29.1}, "disagreements": [1, 2]},
    bench={"decode_per_s": 81.25},
    data_licences={"train.jsonl": "MIT"},
    splits=SPLITS,
)


def front(card: str) -> dict[str, Any]:
    found = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert found
    matter = yaml.safe_load(found[1])
    assert isinstance(matter, dict)
    return matter


def test_the_front_matter_is_what_the_hub_reads() -> None:
    matter = front(model_card(FULL))
    assert matter["license"] == "apache-2.0"
    assert matter["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (matter["library_name"], matter["pipeline_tag"], matter["language"]) == ("gguf", "text-generation", ["en"])
    assert {"gguf", "llamacare", "Q4_K_M"} <= set(matter["tags"])


def test_the_model_index_holds_measured_figures_with_interval_and_n_alone() -> None:
    (model,) = front(model_card(FULL))["model-index"]
    (result,) = model["results"]
    assert result["dataset"] == {"name": "trial, 3 labels, fast", "type": "trial-3-labels-fast"}
    assert {one["type"]: one["value"] for one in result["metrics"]} == {
        "accuracy": 0.55,
        "f1": 0.24,
        "expected_calibration_error": 0.036,
        "brier_skill": -0.01,
    }
    assert "95 % interval 0.460 to 0.640, n = 120" in result["metrics"][0]["name"]


def test_a_figure_that_is_undefined_is_left_out_of_the_index() -> None:
    eci = {"skill": {"trial": SKILL | {"brier_skill": None, "ece": None, "macro_f1": None}}}
    (model,) = front(model_card(Facts(name="X", file="x.gguf", eci=eci)))["model-index"]
    assert [one["type"] for one in model["results"][0]["metrics"]] == ["accuracy"]


def test_a_model_without_figures_has_no_index_no_base_and_no_licence_to_show() -> None:
    matter = front(model_card(NOTHING))
    assert not matter.keys() & {"model-index", "base_model", "license", "language"}


def test_a_licence_that_the_hub_does_not_list_is_other_with_its_name_and_link() -> None:
    terms = Licence("Health AI Developer Foundations", "https://example.org/terms")
    matter = front(model_card(Facts(name="X", file="x.gguf", licence=terms)))
    assert matter["license"] == "other"
    assert (matter["license_name"], matter["license_link"]) == ("health-ai-developer-foundations", "https://example.org/terms")


@pytest.mark.parametrize("text", ['quote " and: colon', "# hash", "- dash", "ünï ©", "line\nbreak", "{brace", "yes"])
def test_any_name_survives_the_front_matter(text: str) -> None:
    card = model_card(Facts(name=text, file="x.gguf", base_id=text, eci=ECI))
    assert front(card)["base_model"] == text
    assert front(card)["model-index"][0]["name"] == text


def test_the_card_says_what_the_model_is_worth_with_interval_and_n() -> None:
    card = model_card(FULL)
    assert "no skill: " in card and "95 % interval 46.0 % to 64.0 %" in card and "on 120 questions" in card
    assert "uncalibrated (60 rows of trial called for no change)" in card
    assert "meant to hold the key in 90 % of such questions, fitted on trial, n = 100" in card


def test_the_card_claims_no_coverage_below_a_hundred_rows() -> None:
    eci = json.loads(json.dumps(FULL.eci))
    eci["thresholds"][0]["n"] = 76
    card = model_card(replace(FULL, eci=eci))
    assert "no coverage is claimed for its answer sets (fitted on trial, n = 76, under 100)" in card
    assert "meant to hold the key" not in card


def test_the_card_names_the_tensors_that_are_really_there_and_the_notice() -> None:
    card = model_card(FULL)
    assert "Q4_K_M: really Q5_0 x 166, F32 x 61" in card
    assert "Copyright of the base's makers." in card
    assert "| text kl | 0.0312 |" in card and "| perplexity, parent | 29.1 |" in card and "| decode per s | 81.25 |" in card


def test_every_card_says_that_it_is_no_medical_device() -> None:
    for facts in (FULL, NOTHING):
        assert "It is no medical device." in model_card(facts)
        assert "supports a professional and replaces none" in model_card(facts)


def test_what_is_unknown_is_said_to_be_unknown() -> None:
    card, sheet = model_card(NOTHING), data_sheet(NOTHING)
    assert "**Tuned from**: unknown" in card and "SHA-256 unknown" in card
    assert "Nothing was measured: treat it as a model without any shown medical knowledge." in card
    assert "The base's licence is unknown." in card
    assert "The file was not compared with its parent" in card
    assert "What the model was trained on is not recorded." in sheet
    assert not re.search(r"\bNone\b|\bnan\b|\{\}", card + sheet)


def test_the_data_sheet_names_files_counts_licences_and_digests() -> None:
    sheet = data_sheet(FULL)
    assert f"| train.jsonl | 1.0 | 60 | 2 | 3 | MIT | `{'a' * 64}` |" in sheet
    assert f"- medqa/dev.jsonl: SHA-256 `{'c' * 64}`, licence unknown" in sheet
    assert "questions held out to calibrate: 61" in sheet and "to measure: 100" in sheet
    assert f"Drawn from all.jsonl (SHA-256 `{'e' * 64}`): parts train=60,test=rest, seed 7." in sheet


def test_the_data_sheet_tells_what_was_dropped_and_against_what() -> None:
    sheet = data_sheet(FULL)
    assert "60 of 70 rows were kept" in sheet and "- overlap: 7 rows" in sheet
    assert "20% of the question or more: medqa/dev.jsonl." in sheet
    without = TRAINING | {"config": {"data": {"evaluation": []}}}
    assert "overlap with one was not looked for" in data_sheet(Facts(name="X", file="x.gguf", training=without))


def test_no_folder_of_the_machine_is_told() -> None:
    assert "/home/someone" not in model_card(FULL) + data_sheet(FULL)


@pytest.mark.parametrize("gone", TRAINING)
def test_a_training_record_without_one_of_its_parts_still_makes_both(gone: str) -> None:
    facts = Facts(name="X", file="x.gguf", training={key: value for key, value in TRAINING.items() if key != gone})
    assert "None" not in model_card(facts) + data_sheet(facts)


def test_a_training_record_of_nulls_still_makes_both() -> None:
    facts = Facts(name="X", file="x.gguf", training=dict.fromkeys(TRAINING))
    assert "None" not in model_card(facts) + data_sheet(facts)


def test_skill_that_training_did_not_write_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"'odd' in eci\.json cannot be read"):
        model_card(Facts(name="X", file="x.gguf", eci={"skill": {"odd": {"accuracy": 0.9}}}))
