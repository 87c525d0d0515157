"""Phrases of one meaning in one form: short forms and their long ones, lay words, bounds, times of dosing. Pure; linear time."""

from __future__ import annotations

import re
from functools import lru_cache

# Short forms that stand for one thing alone where medicine is written about, each with its words.
_SHORT_FORMS = """
ACS acute coronary syndrome
AF atrial fibrillation
AKI acute kidney injury
ARDS acute respiratory distress syndrome
BMI body mass index
BP blood pressure
BPH benign prostatic hyperplasia
CAP community-acquired pneumonia
CHF congestive heart failure
CKD chronic kidney disease
COPD chronic obstructive pulmonary disease
CSF cerebrospinal fluid
DKA diabetic ketoacidosis
DOAC direct oral anticoagulant
DVT deep vein thrombosis
GCA giant cell arteritis
GI gastrointestinal
HF heart failure
HFpEF heart failure with preserved ejection fraction
HFrEF heart failure with reduced ejection fraction
IBD inflammatory bowel disease
IBS irritable bowel syndrome
ICU intensive care unit
IM intramuscular
IV intravenous
LMWH low-molecular-weight heparin
LVEF left ventricular ejection fraction
MI myocardial infarction
OSA obstructive sleep apnoea
PCI percutaneous coronary intervention
PCOS polycystic ovary syndrome
PE pulmonary embolism
PPI proton pump inhibitor
PTH parathyroid hormone
SC subcutaneous
SLE systemic lupus erythematosus
SSRI selective serotonin reuptake inhibitor
TB tuberculosis
TIA transient ischaemic attack
TSH thyroid-stimulating hormone
UTI urinary tract infection
VKA vitamin K antagonist
VTE venous thromboembolism
"""
# What stands before a Roman four, which is not "intravenous".
_CLASSES = ("class", "stage", "type", "grade", "phase", "factor", "nerve", "group", "I or", "I to", "I and")
_GENERA = (
    "Staphylococcus:aureus,epidermidis,saprophyticus Streptococcus:pneumoniae,pyogenes,agalactiae Escherichia:coli "
    "Clostridioides:difficile Haemophilus:influenzae Helicobacter:pylori Klebsiella:pneumoniae Pseudomonas:aeruginosa "
    "Plasmodium:falciparum,vivax Neisseria:gonorrhoeae,meningitidis Listeria:monocytogenes Mycobacterium:tuberculosis"
)
# What is said in other words, and the words that stand for it. In their order: what comes first is changed first.
_PHRASES = (
    (r"\bsulph", "sulf"),
    (r"\bnon-(?=[a-z])", "non"),
    (r"(?:\bwho (?:is|are) )?\bnot pregnant\b", "nonpregnant"),
    (r"\b(?:trimethoprim[-–/ ](?:and )?sulfamethoxazole|co-trimoxazole|TMP[-–/]SMX)\b", "cotrimoxazole"),
    (r"\b(?:amoxicillin[-–/]clavulan(?:ate|ic acid)|co-amoxiclav)\b", "coamoxiclav"),
    (r"\bsodium[-– ]glucose[- ]co-?transporter[- ]?2\b|\bSGLT-2\b", "SGLT2"),
    (r"\bangiotensin[- ]converting[- ]enzyme\b", "ACE"),
    (r"\bangiotensin(?:[- ]II)?[- ]receptor[- ](?:blocker|antagonist)(s?)\b", r"ARB\1"),
    (r"\blow-density lipoprotein\b", "LDL"),
    (r"\bhigh-density lipoprotein\b", "HDL"),
    (r"\bestimated (?:glomerular filtration rate|GFR)\b", "eGFR"),
    (r"\bglomerular filtration rate\b", "GFR"),
    (r"\b(?:haemoglobin|hemoglobin) A1c\b|\bglycated h(?:a?)emoglobin\b", "HbA1c"),
    (r"\bwhite (?:blood )?cells?(?= counts?\b)", "leukocyte"),
    (r"\b(?:full|complete) blood count\b|\b(?:FBC|CBC)\b", "full blood count"),
    (r"\bcomputed tomography\b", "CT"),
    (r"\bmagnetic resonance imaging\b", "MRI"),
    (r"\bnonsteroidal anti-?inflammatory drugs?\b|\bNSAIDs\b", "NSAID"),
    (r"\bhigh blood pressure\b", "hypertension"),
    (r"\blow blood pressure\b", "hypotension"),
    (r"\bheart attacks?\b", "myocardial infarction"),
    (r"\bheart muscle\b", "myocardium"),
    (r"\bblood sugar\b", "blood glucose"),
    (r"\blow blood glucose\b", "hypoglycaemia"),
    (r"\bhigh blood glucose\b", "hyperglycaemia"),
    (r"(?<!and )\blow (?:serum )?potassium\b(?! (?:diet|intake|food|and (?:high|low)))", "hypokalaemia"),
    (r"(?<!and )\bhigh (?:serum )?potassium\b(?! (?:diet|intake|food|and (?:high|low)))", "hyperkalaemia"),
    (r"(?<!and )\blow (?:serum )?sodium\b(?! (?:diet|intake|food|and (?:high|low)))", "hyponatraemia"),
    (r"(?<!and )\bhigh (?:serum )?sodium\b(?! (?:diet|intake|food|and (?:high|low)))", "hypernatraemia"),
    (r"(?<!and )\blow (?:serum )?calcium\b(?! (?:diet|intake|food|and (?:high|low)))", "hypocalcaemia"),
    (r"(?<!and )\bhigh (?:serum )?calcium\b(?! (?:diet|intake|food|and (?:high|low)))", "hypercalcaemia"),
    (r"\bunderactive thyroid\b", "hypothyroidism"),
    (r"\boveractive thyroid\b", "hyperthyroidism"),
    (r"\blow platelets?(?: counts?)?\b", "thrombocytopenia"),
    (r"\bshort(?:ness)? of breath\b", "breathlessness"),
    (r"\bblood thinner(s?)\b", r"anticoagulant\1"),
    (r"\bkidney stones?\b", "nephrolithiasis"),
    (r"\bsodium chloride\b", "saline"),
    (r"\b(?:glyceryl trinitrate|GTN)\b", "nitroglycerin"),
    (r"\bvitamin B6\b", "pyridoxine"),
    (r"\bvitamin B1\b", "thiamine"),
    (r"\bwithout symptoms\b|\bsymptom-free\b", "asymptomatic"),
    (r"\bolder (?=(?:people|adults|patients|persons)\b)", "elderly "),
    (r"\bhospital admissions?\b|\badmissions? to hospital\b", "hospitalisation"),
    (r"\b(?:by mouth|per os)\b", "oral"),
    (r"\bunder the skin\b", "subcutaneously"),
    (r"\binto (?:a|the) vein\b", "intravenously"),
    (r"\binto (?:a|the) muscle\b", "intramuscularly"),
    (r"\boperated on at once\b", "immediate surgery"),
    (r"\b(?:at once|straight away|right away|without delay)\b", "immediately"),
    (r"\b(?:prior to|previous to|in advance of)\b", "before"),
    (r"(?<!the )\b(?:following|subsequent to)\b(?= \w)", "after"),
    (r"\bas (?!well|soon|long|far|much|many)(\w+) as\b", r"equally \1 as"),
    (r"\bas well as\b", "and"),
    (r"\b(?:along|together) with\b", "with"),
    (r"\b(?:on account of|owing to)\b", "because of"),
    (r"\bleading\b(?! to\b)", "main"),  # its stem is that of what leads to a thing, which is a cause
    (r"\bin the absence of\b", "without"),
    (r"\bin (?:the event|case) of\b", "in"),
    (
        r"\b(?:barring|unless there (?:is|are)(?: an?y?)?|without) contraindications?\b|\bif not contraindicated\b",
        "unless contraindicated",
    ),
    (r"\b(?:with the exception of|apart from|aside from|other than)\b", "except"),
    (r"\b(?:does|do) not (?:extend|apply) to\b", "is except in"),
    (r"\b(?:drug|agent|medicine|treatment|therapy|antibiotic|test)(s?) of (?:first )?choice\b", r"preferred drug\1"),
    (r"\bfirst[- ]choice\b", "first-line"),
    (r"\bwith(?:hold|held)\b(?=[^.;,]{0,60}\buntil\b)", "delayed"),
    (r"\b(is|are|be|been|being) withdrawn\b", r"\1 stopped"),
    (r"\bbring(?:s|ing)? ((?:the |serum |blood |plasma )*\w+(?: pressure| glucose| cholesterol)?) down\b", r"lowers \1"),
    (r"\b(?:an?yone|everyone|someone|those|people|patients?|a person) who (?:has|have)\b", "patients with"),
    (r"\b(?:should|must|may|do|does|need)? ?not (?:to )?exceed(?:ing)?\b", " at most"),
    (r"\b(?:to a maximum of|capped at)\b", "up to"),
    (r"\bfrom (?:the age of )?(\d{1,3}) years(?: of age| old)?\b(?! (?:to|until|up)\b)", r"at least \1 years"),
    (r"\bfrom the age of (\d{1,3})\b(?! (?:to|until|up)\b)", r"at least \1 years"),
    (r"\bhalf an hour\b", "30 minutes"),
    (r"\ba fortnight\b", "2 weeks"),
    (r"\b(?:every (?:other|second) day|on alternate days)\b", "every 2 days"),
    (r"\b(two|three|four|six|eight|twelve|\d{1,2})-(hour|week|month|year)ly\b", r"every \1 \2s"),
    (r"\b(?:every|each) (hour|week|month|year)\b", r"\1ly"),
    (r"\b(?:every|each) day\b", "daily"),
    (r"\bfor life\b|\blifelong\b", "life long"),
    (r"\bcells?(?=/| per )", ""),
)


def plain(text: str) -> str:
    """The text with each phrase in the one form that stands for all of its meaning."""
    for phrase, instead in _compiled():
        text = phrase.sub(instead, text)
    return text


@lru_cache(maxsize=1)
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    forms = [line.split(" ", 1) for line in _SHORT_FORMS.strip().splitlines()]
    numeral = "".join(f"(?<!{word} )" for each in _CLASSES for word in (each, each.capitalize())) + r"(?<![-–])"
    spelled = [(re.compile(rf"{numeral if short == 'IV' else ''}\b{short}(?=s?\b)"), long) for short, long in forms]
    genera = [each.split(":") for each in _GENERA.split()]
    species = [
        (re.compile(rf"\b{genus[0]}\. ?(?={name}\b)"), f"{genus} ") for genus, names in genera for name in names.split(",")
    ]
    return (*spelled, *species, *((re.compile(phrase, re.IGNORECASE), instead) for phrase, instead in _PHRASES))
