"""What carries a claim: a passage's own words, numbers and sense, and nothing that only looks like them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.citations import without_citations
from app.claims import match
from app.quantities import quantities, same
from app.records import Claim, Support
from app.words import stem, words
from tests.benchmarks.support import FOLDER, found, read_pairs

PASSAGE = (
    "Torsemide relieves oedema in adults at 10 to 20 mg once daily. It may raise uric acid. "
    "It must not be given in anuria, because it cannot act. Amiloride raises potassium, and torsemide lowers it."
)


def only(claim: str, passages: Sequence[str] = (PASSAGE,)) -> Claim:
    claims = match(claim, passages)
    assert len(claims) == 1
    return claims[0]


def test_a_passages_own_sentence_is_supported_and_its_quote_is_that_sentence() -> None:
    claim = only("Torsemide relieves edema in adults at 10 to 20 mg once a day.")
    assert (claim.support, claim.numbers, claim.passage) == (Support.SUPPORTED, (1,), 1)
    assert PASSAGE[slice(*claim.quote)] == "Torsemide relieves oedema in adults at 10 to 20 mg once daily."


@pytest.mark.parametrize(
    ("claim", "word"),
    [
        ("Torsemide relieves oedema in adults at 40 mg once daily.", "40 mg"),
        ("Torsemide relieves oedema in adults at 10 to 20 g once daily.", "mg"),
        ("Torsemide may lower uric acid.", "raise"),
        ("Torsemide must be given in anuria.", "denies"),
        ("Torsemide raises potassium.", "lowers"),
        ("Furosemide relieves oedema in adults at 10 to 20 mg once daily.", "Torsemide"),
    ],
)
def test_what_contradicts_the_passage_is_unsupported_and_says_by_which_word(claim: str, word: str) -> None:
    carried = only(claim)
    assert (carried.support, carried.numbers, carried.passage) == (Support.UNSUPPORTED, (), 1)
    assert word in carried.why


@pytest.mark.parametrize(
    ("claim", "word"),
    [
        ("Torsemide raises uric acid.", "may"),
        ("Torsemide relieves oedema at 10 to 20 mg once daily.", "adults"),
        ("Torsemide relieves oedema and ascites in adults at 10 to 20 mg once daily.", "ascites"),
        ("Torsemide may raise uric acid by 15 percent.", "15 percent"),
    ],
)
def test_what_says_more_than_the_passage_is_weak_and_says_what_is_missing(claim: str, word: str) -> None:
    carried = only(claim)
    assert (carried.support, carried.numbers) == (Support.WEAK, (1,))
    assert word in carried.why


def test_what_no_passage_speaks_of_is_unsupported_and_names_none() -> None:
    claim = only("Scabies mites burrow between the fingers.")
    assert (claim.support, claim.passage, claim.quote) == (Support.UNSUPPORTED, 0, (0, 0))


def test_a_claim_that_another_passage_contradicts_is_no_more_than_weak() -> None:
    passages = ["Colestipol raises triglycerides in diabetes.", "Colestipol lowers triglycerides in diabetes."]
    claim = only("Colestipol raises triglycerides in diabetes.", passages)
    assert claim.support is Support.WEAK
    assert "passage 2 says otherwise" in claim.why


def test_the_passages_that_carry_a_claim_are_all_named() -> None:
    passages = ["Colchicine treats gout.", "The moon is far.", "Gout is treated with colchicine."]
    assert sorted(only("Colchicine treats gout.", passages).numbers) == [1, 3]


def test_greetings_headings_questions_and_lead_ins_get_no_mark() -> None:
    empty = "# Torsemide\nSure, here is what I found:\n\nWhat does it do?\n\nPlease consult your doctor.\n\n"
    answer = f"{empty}Torsemide may raise uric acid."
    assert [claim.text for claim in match(answer, [PASSAGE])] == ["Torsemide may raise uric acid."]


def test_an_item_is_read_with_the_line_above_its_list() -> None:
    passage = "Dry cough is a side effect of lisinopril. Asthma is treated with budesonide."
    claims = match("Side effects of lisinopril:\n\n- dry cough\n- asthma", [passage])
    assert [claim.support for claim in claims] == [Support.SUPPORTED, Support.WEAK]


def test_an_it_stands_for_what_the_answer_spoke_of_before() -> None:
    passage = "Budesonide must be inhaled twice daily."
    assert match("Lithium calms mania. It must be inhaled twice daily.", [passage])[1].support is Support.WEAK


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("Antibiotics are useful in bronchitis.", "Antibiotics are of little use in bronchitis."),
        ("A normal film rules out scurvy.", "A normal film hardly rules out scurvy."),
        ("Cefalexin covers pseudomonas.", "Ceftazidime covers pseudomonas, unlike cefalexin."),
        ("Nitrates cure angina.", "It is a myth that nitrates cure angina."),
    ],
)
def test_little_hardly_unlike_and_myth_deny(claim: str, passage: str) -> None:
    assert only(claim, [passage]).support is Support.UNSUPPORTED


@pytest.mark.parametrize(
    "passage",
    [
        "Garlic probably lowers cholesterol.",
        "Garlic seems to lower cholesterol.",
        "It has been suggested that garlic lowers cholesterol.",
        "Garlic is thought to lower cholesterol.",
        "One small study found that garlic lowers cholesterol.",
        "In mice, garlic lowers cholesterol.",
        "A trial tested whether garlic lowers cholesterol.",
    ],
)
def test_what_is_only_supposed_or_tested_carries_no_plain_claim(passage: str) -> None:
    assert only("Garlic lowers cholesterol.", [passage]).support is Support.WEAK


def test_a_risk_that_both_name_is_no_hedge_of_the_claim() -> None:
    assert only("Statins lower the risk of gout.", ["Statins may lower the risk of gout."]).support is Support.WEAK


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("Sildenafil lowers mortality.", "Sildenafil lowers mortality in diabetics."),
        ("Rivaroxaban prevents stroke.", "Rivaroxaban prevents stroke after surgery."),
        ("Splenectomy cures spherocytosis.", "Splenectomy cures spherocytosis after the age of six years."),
        ("Surgery is better.", "Surgery is better than banding."),
        ("Dexamethasone lowers mortality.", "Dexamethasone lowers mortality of pneumococcal meningitis."),
        ("Aspirin prevents gout in women.", "Aspirin prevents gout in women at high risk."),
        ("Vincristine is given intrathecally.", "Vincristine is fatal if given intrathecally."),
    ],
)
def test_what_the_passage_says_of_some_alone_carries_no_claim_on_all(claim: str, passage: str) -> None:
    assert only(claim, [passage]).support is not Support.SUPPORTED


@pytest.mark.parametrize(
    ("claim", "passage", "support"),
    [
        ("Relapses of gout fell by 30%.", "Relapses of gout fell to 30%.", Support.UNSUPPORTED),
        ("Colchicine is taken for at least 6 weeks.", "Colchicine is taken for 6 weeks or less.", Support.UNSUPPORTED),
        ("Colchicine is taken for 6 weeks.", "Colchicine is taken for up to 6 weeks.", Support.WEAK),
        ("Surgery follows above 5.5 cm.", "Surgery follows above a diameter of 5.5 cm.", Support.SUPPORTED),
    ],
)
def test_a_bound_of_a_number_belongs_to_the_number(claim: str, passage: str, support: Support) -> None:
    assert only(claim, [passage]).support is support


@pytest.mark.parametrize(
    ("claim", "passage", "support"),
    [
        ("Cultures are taken following antibiotics.", "Cultures are taken prior to antibiotics.", Support.UNSUPPORTED),
        ("Cultures are taken before antibiotics.", "Cultures are taken with antibiotics.", Support.WEAK),
        ("Thiamine is given prior to glucose.", "Thiamine is given before glucose.", Support.SUPPORTED),
        ("Thiamine is checked every day.", "Thiamine is checked daily.", Support.SUPPORTED),
    ],
)
def test_times_are_compared_in_whatever_words(claim: str, passage: str, support: Support) -> None:
    assert only(claim, [passage]).support is support


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("Desmopressin treats hyponatraemia.", "Desmopressin causes hyponatraemia."),
        ("Tranexamic acid causes bleeding.", "Tranexamic acid treats bleeding."),
        ("Gout causes hypertension.", "Gout is associated with hypertension."),
        ("Warfarin is continued in surgery.", "Warfarin is stopped in surgery."),
        ("Radiotherapy is used in lymphoma.", "Radiotherapy is omitted in lymphoma."),
        ("Biopsy is required in melanoma.", "Biopsy is optional in melanoma."),
        ("Ibuprofen is as effective as codeine.", "Ibuprofen is more effective than codeine."),
        ("Gout is the leading cause of arthritis.", "Gout is a cause of arthritis."),
        ("All adults with gout need colchicine.", "Adults with gout need colchicine."),
        ("Only colchicine treats gout.", "Colchicine treats gout."),
        ("Gout is a cause of hypertension.", "Hypertension is associated with gout."),
        ("Hypertension and stroke are caused by gout.", "Gout is associated with hypertension and stroke."),
    ],
)
def test_what_one_thing_does_to_another_is_no_filler(claim: str, passage: str) -> None:
    assert only(claim, [passage]).support is not Support.SUPPORTED


@pytest.mark.parametrize(
    ("claim", "support"),
    [
        ("Naloxone reverses opioids.", Support.SUPPORTED),
        ("Flumazenil reverses benzodiazepines.", Support.SUPPORTED),
        ("Naloxone reverses benzodiazepines.", Support.UNSUPPORTED),
    ],
)
def test_two_halves_of_a_sentence_are_not_joined(claim: str, support: Support) -> None:
    assert only(claim, ["Naloxone reverses opioids and flumazenil reverses benzodiazepines."]).support is support


def test_a_word_beyond_a_but_is_not_said_of_what_stands_before_it() -> None:
    passage = "Finasteride prevents prostate cancer, yet deaths are equal."
    assert only("Finasteride prevents death from prostate cancer.", [passage]).support is Support.WEAK


def test_what_a_passage_is_about_is_not_what_each_of_its_sentences_acts_on() -> None:
    passage = "Asthma is treated with inhaled steroids. Aspirin worsens nasal polyps. Montelukast is taken at night."
    assert only("Aspirin worsens asthma.", [passage]).support is not Support.SUPPORTED
    assert only("Montelukast is taken with inhaled steroids.", [passage]).support is not Support.SUPPORTED
    assert only("In asthma, montelukast is taken at night.", [passage]).support is Support.SUPPORTED


def test_an_item_of_a_passage_is_read_with_the_line_above_its_list() -> None:
    passage = "Contraindications to thrombolysis:\n\n- recent bleeding\n- aortic dissection"
    assert only("Aortic dissection is a contraindication to thrombolysis.", [passage]).support is Support.SUPPORTED
    assert only("Thrombolysis is indicated in aortic dissection.", [passage]).support is Support.UNSUPPORTED


@pytest.mark.parametrize("opening", ["Of course, ", "Sure! ", "Yes, ", "No, ", "I'm not sure, but "])
def test_a_claim_behind_a_courtesy_is_judged_like_any_other(opening: str) -> None:
    claims = match(f"{opening}torsemide 500 mg may raise uric acid.", [PASSAGE])
    assert [claim.support for claim in claims if "torsemide" in claim.text] == [Support.WEAK]


def test_a_sentence_without_end_is_not_judged_and_says_so() -> None:
    claim = only("5 mg " * 2000, ["6 mg 5 mg " * 100] * 6)
    assert (claim.support, claim.passage) == (Support.UNSUPPORTED, 0)
    assert "was not judged" in claim.why


def test_offsets_count_characters_outside_the_basic_plane_as_one() -> None:
    answer, passage = "🫀🫀 Well. Colchicine treats gout.", "🫀 First words here. Colchicine treats gout."
    claim = match(answer, [passage])[-1]
    assert answer[claim.start : claim.end] == "Colchicine treats gout."
    assert passage[slice(*claim.quote)] == "Colchicine treats gout."


@pytest.mark.parametrize("name", ["tuning", "pairs", "later"])
def test_supported_is_right_in_at_least_95_of_100_judged_pairs(name: str) -> None:
    results = found(read_pairs(FOLDER / f"{name}.jsonl"), 0)
    said = [result.pair.judged for result in results if result.support is Support.SUPPORTED]
    assert said.count(Support.SUPPORTED) >= 0.95 * len(said)
    true = [result.support for result in results if result.pair.judged is Support.SUPPORTED]
    assert true.count(Support.SUPPORTED) >= 0.7 * len(true)


def test_a_claim_in_words_of_its_own_is_seldom_called_unsupported_and_never_supported_wrongly() -> None:
    results = found(read_pairs(FOLDER / "unseen.jsonl"), 0)
    assert all(result.pair.judged is Support.SUPPORTED for result in results if result.support is Support.SUPPORTED)
    true = [result.support for result in results if result.pair.judged is Support.SUPPORTED]
    assert true.count(Support.UNSUPPORTED) <= 0.15 * len(true)


@given(st.text(max_size=120), st.lists(st.text(max_size=80), max_size=3))
def test_any_answer_and_any_passages_are_matched_in_bounds(answer: str, passages: list[str]) -> None:
    for claim in match(answer, passages):
        assert answer[claim.start : claim.end] == claim.text
        assert 0 <= claim.passage <= len(passages)
        assert all(1 <= number <= len(passages) for number in claim.numbers)
        assert (claim.support is Support.UNSUPPORTED) == (not claim.numbers)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("1 g", "1000 mg", True),
        ("0.5 mg", "500 µg", True),
        ("one hour", "60 minutes", True),
        ("5 percent", "5%", True),
        ("40 mg", "40 mg daily", True),
        ("12 months", "1 year", True),
        ("40 mg", "40 g", False),
        ("30 mL/kg", "30 mL", False),
        ("1 g per hour", "1 g per day", False),
        ("-2.5", "2.5", False),
        ("twice", "three times", False),
    ],
)
def test_quantities_are_the_same_by_value_and_unit(one: str, other: str, alike: bool) -> None:
    assert same(quantities(one)[0], quantities(other)[0]) is alike


def test_a_range_has_its_unit_on_both_ends_and_names_with_digits_are_no_numbers() -> None:
    assert [(q.value, q.dimension) for q in quantities("15 to 25 % by FEV1, B12 and T4")] == [(15, "share"), (25, "share")]


def test_spellings_and_endings_share_a_stem_and_organs_are_not_their_inflammation() -> None:
    assert stem("Oedema") == stem("edema")
    assert stem("Anaemias") == stem("anemia")
    assert stem("tumour's") == stem("tumors")
    assert stem("hepatitis") != stem("hepatic")
    assert [word.text for word in words("beta-blocker, 5 mg")] == ["beta", "blocker", "5", "mg"]


@pytest.mark.parametrize(
    ("text", "bare", "lost"),
    [
        ("It helps [1]. It harms [2, 7].", "It helps. It harms.", 1),
        ("It helps [0] and [^9].", "It helps and.", 2),
        ("It works (Smith et al., 2019).", "It works.", 1),
        ("Proven (NICE, 2021; ESC 2022), so [1].", "Proven, so.", 1),
        ("See PMID: 12345678.", "See.", 1),
        ("Read doi:10.1000/xyz.12 today.", "Read today.", 1),
        ("Go to https://example.org/a.", "Go to.", 1),
        ("Read [this page](https://example.org) now.", "Read this page now.", 1),
        ("Good.\n\n**References:**\n1. Smith J. Heart. 2019.\n2. https://example.org", "Good.", 2),
        ("The odds ratio is 3 (95% CI [2, 7]).", "The odds ratio is 3 (95% CI [2, 7]).", 0),
        ("Lead poisons.\n\nSources:\n- old paint\n- pipes", "Lead poisons.\n\nSources:\n- old paint\n- pipes", 0),
        ("Lead poisons.\n\nSources:\n- Heart journal", "Lead poisons.", 1),
        ("Na+ and [H+] since (May 2020) in (COVID-19).", "Na+ and [H+] since (May 2020) in (COVID-19).", 0),
    ],
)
def test_marks_and_invented_references_are_taken_out_and_those_that_lead_nowhere_counted(text: str, bare: str, lost: int) -> None:
    assert without_citations(text, 2) == (bare, lost)


def test_a_reference_that_stands_in_a_passage_stays() -> None:
    text = "As shown (Meyer, 2011), see https://example.org/p."
    assert without_citations(text, 1, passages=["(Meyer, 2011) https://example.org/p"]) == (text, 0)


@given(st.text(alphabet=st.sampled_from("[]()1 29,AaZ.†【】\nhtps:/w"), max_size=80), st.integers(0, 3))
def test_taking_out_citations_never_fails_and_never_lengthens_by_much(text: str, count: int) -> None:
    bare, lost = without_citations(text, count)
    assert lost >= 0
    assert len(bare) <= len(text) + 30 * lost


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        (
            "DOACs are preferred to VKAs in AF.",
            "In atrial fibrillation a direct oral anticoagulant is preferred to a vitamin K antagonist.",
        ),
        ("Artesunate is given IV in malaria.", "Artesunate is given intravenously in malaria."),
        ("Cefazolin covers S. aureus.", "Cefazolin covers Staphylococcus aureus."),
        ("Hypokalaemia is treated with spironolactone.", "A low potassium is treated with spironolactone."),
        ("Frusemide is taken by mouth.", "Furosemide is taken orally."),
        ("Naproxen is advised in gout.", "Naproxen is recommended in gout."),
        ("Naproxen is the agent of choice in gout.", "Naproxen is the preferred drug in gout."),
    ],
)
def test_short_and_long_forms_lay_words_and_words_of_one_meaning_are_the_same(claim: str, passage: str) -> None:
    assert only(claim, [passage]).support is Support.SUPPORTED
    assert only(passage, [claim]).support is Support.SUPPORTED


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("Ferritin is rechecked after fourteen days.", "Ferritin is rechecked after two weeks."),
        ("Denosumab is injected every six months.", "Denosumab is injected six-monthly."),
        ("The dose of torsemide should not exceed 80 mg.", "The dose of torsemide is at most 80 mg."),
        ("Prasugrel is avoided in people aged 75 or older.", "Prasugrel is avoided from 75 years of age."),
        ("Iron is taken at most once a day.", "Iron is taken no more than once a day."),
        ("Alendronate is taken for a minimum of eighteen months.", "Alendronate is taken for at least 18 months."),
    ],
)
def test_a_number_and_its_bound_are_the_same_in_other_words(claim: str, passage: str) -> None:
    assert only(claim, [passage]).support is Support.SUPPORTED


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("The dose of torsemide should exceed 80 mg.", "The dose of torsemide should not exceed 80 mg."),
        ("Prasugrel is avoided in people under 75.", "Prasugrel is avoided from 75 years of age."),
        ("Severe malaria is treated with artesunate.", "Non-severe malaria is treated with artesunate."),
        ("Lupus nephritis is treated with IV cyclophosphamide.", "Class IV lupus nephritis is treated with cyclophosphamide."),
        ("Naproxen is preferred in gout, except in asthma.", "Naproxen is preferred in gout with asthma."),
        ("Probenecid treats gout when eGFR is below 30.", "Probenecid treats gout. It is stopped when eGFR is below 30."),
        ("Potassium above 6 mmol/L requires dialysis.", "Potassium above 6 mmol/L requires calcium; dialysis follows."),
    ],
)
def test_what_only_sounds_the_same_carries_no_claim(claim: str, passage: str) -> None:
    assert only(claim, [passage]).support is not Support.SUPPORTED


def test_a_sentence_of_two_statements_is_supported_where_one_passage_says_each_of_them() -> None:
    claim = "Losartan lowers uric acid, but valsartan raises potassium."
    passage = "Losartan lowers uric acid. Most patients tolerate both. Valsartan raises potassium."
    carried = only(claim, [passage])
    assert (carried.support, carried.quote) == (Support.SUPPORTED, (0, len(passage)))
    halves = ["Losartan lowers uric acid. It is cheap.", "Valsartan raises potassium. It is cheap."]
    assert only(claim, halves).support is not Support.SUPPORTED


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("Losartan lowers uric acid, but does not raise sodium.", "Losartan lowers uric acid. Valsartan does not raise sodium."),
        (
            "In pregnancy, losartan is harmful, and labetalol is safe.",
            "In pregnancy, losartan is harmful. Labetalol is safe in asthma.",
        ),
        ("Steroids treat sepsis, and vasopressin shortens shock.", "Steroids treat sepsis. Vasopressin may shorten shock."),
        ("Ceftriaxone covers pneumococci, but not legionella.", "Ceftriaxone covers pneumococci and legionella."),
    ],
)
def test_a_sentence_of_two_statements_is_not_supported_where_one_of_them_is_not(claim: str, passage: str) -> None:
    assert only(claim, [passage]).support is not Support.SUPPORTED


def test_a_sentence_that_begins_with_it_is_used_says_when_or_to_whom_of_the_one_before() -> None:
    claim = "Co-trimoxazole prevents pneumonia in adults with a CD4 count below 200."
    passage = "Co-trimoxazole prevents pneumonia in adults. It is indicated when the CD4 count is under 200."
    assert only(claim, [passage]).support is Support.SUPPORTED


@pytest.mark.parametrize("second", ["It raises penicillin in children.", "It is also used for gonorrhoea in children."])
def test_words_of_two_statements_on_one_drug_are_not_joined_to_a_third(second: str) -> None:
    assert only("Probenecid treats gout in children.", [f"Probenecid treats gout. {second}"]).support is not Support.SUPPORTED
    again = second.replace("It", "Probenecid")
    assert only("Probenecid treats gout in children.", [f"Probenecid treats gout. {again}"]).support is not Support.SUPPORTED


def test_a_sentence_on_another_matter_does_not_take_back_what_a_passage_says() -> None:
    passage = "Losartan lowers uric acid. Valsartan raises potassium."
    assert only("Losartan lowers uric acid.", [passage]).support is Support.SUPPORTED


def test_a_risk_group_that_the_passage_defines_is_what_defines_it() -> None:
    passage = "Risk decides how pulmonary embolism is treated. High-risk disease, defined by shock, should receive alteplase."
    assert only("Pulmonary embolism with shock is treated with alteplase.", [passage]).support is Support.SUPPORTED
    assert only("Pulmonary embolism is treated with alteplase.", [passage]).support is not Support.SUPPORTED


@pytest.mark.parametrize(
    "other", ["Early disease", "Another disease", "The other condition", "Fistulating disease", "High-risk disease"]
)
def test_what_is_said_of_some_disease_is_not_said_of_the_passages_own(other: str) -> None:
    passage = f"Crohn disease affects the gut. {other} is treated with surgery."
    assert only("Crohn disease is treated with surgery.", [passage]).support is not Support.SUPPORTED


def test_a_level_is_the_serums_where_no_other_sample_is_named() -> None:
    claim = "Insulin is delayed if the serum level is under 3.5 mmol/L."
    assert only(claim, ["Insulin is delayed if the value is below 3.5 mmol/L."]).support is Support.SUPPORTED
    assert only(claim, ["Insulin is delayed if the urinary value is below 3.5 mmol/L."]).support is not Support.SUPPORTED


def test_what_has_no_effect_on_a_thing_does_not_lower_it() -> None:
    passage = "Calcium gluconate has no effect on potassium."
    assert only("Calcium gluconate does not lower potassium.", [passage]).support is Support.SUPPORTED
    assert only("Calcium gluconate lowers potassium.", [passage]).support is not Support.SUPPORTED
    assert only("Calcium gluconate does not lower sodium.", [passage]).support is not Support.SUPPORTED


@pytest.mark.parametrize(
    "text", ["In summary.", "I’m not sure about gout.", "Thanks for asking about gout.", "I hope this helps."]
)
def test_what_says_nothing_is_no_claim(text: str) -> None:
    assert match(text, ["Gout is arthritis."]) == []


def test_a_run_of_spaces_is_no_place_where_statements_join() -> None:
    """Each space of a run was once tried as the beginning of a joint, which took seconds."""
    gap = "Torsemide" + " " * 200_000 + "lowers potassium."
    assert len(match(gap, ["Torsemide lowers potassium."])) == 1
