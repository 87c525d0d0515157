"""What a word shares with its other forms and its synonyms: raise, rises, increased. Pure; linear time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from app.words import stem

# Each line: words of one meaning where medicine is written about. The first one's root stands for all.
_SYNONYMS = """
kidney renal
lack deficiency deficient
heart cardiac
lung pulmonary
adrenaline epinephrine
noradrenaline norepinephrine
salbutamol albuterol
paracetamol acetaminophen
rifampicin rifampin
child children pediatric paediatric
woman women
man men
lower reduce decrease diminish lessen reduction fall falls drop drops dip dips
raise increase elevate elevation rise rises
stop discontinue cease halt
start begin initiate commence
give given gave administer receive use used administration
take taken
check measure monitor measurement
cause causes produce provoke induce lead leads result
trigger precipitate
show shows indicate
contain hold
avoid contraindicated contraindication forbidden avoidance
usual typical common frequent often commonly frequently usually typically
rare uncommon infrequent rarely
week weekly
day daily
month monthly
hour hourly
surgery surgical operate operation operated
radiograph xray
sufficient enough
immediate immediately urgently
main chief major
drug medicine medication agent
treat treatment therapy treated regimen
bleed bleeding haemorrhage
fever febrile pyrexia
itch pruritus
breathlessness dyspnoea
tiredness fatigue tired
require need necessary
continue goes
protect stabilise
severe serious
clot thrombus
duodenum duodenal
rectum rectal
brain cerebral
chest thoracic
abdomen abdominal
spine spinal
vein venous
vertebra vertebrae vertebral
uterus uterine
stomach gastric
skin cutaneous
pancreas pancreatic
inject injected injection
spasm bronchospasm
fetus fetal foetal foetus
liver hepatic
intestine intestinal bowel gut
eye ocular
joint articular
artery arterial
nose nasal
prostate prostatic
ovary ovarian
spleen splenic
tooth teeth dental
myocardium myocardial
prefer preferred preferable preference favour favoured
recommend recommended recommendation advise advised advisable
prevent prevention preventive preventative prophylaxis prophylactic
worsen exacerbate aggravate
relieve alleviate relief
delay postpone defer
pause interrupt suspend
omit skip skipped omission
small modest slight
rapid quick swift
assess evaluate
marked pronounced
doctor physician clinician
baby babies infant infancy
newborn neonate neonatal
adolescent teenager teenage
food meal
tablet pill
level value concentration
mortality death
survive survival
absorb absorption
excrete excretion
choose chosen select selection
vaccine vaccination vaccinate immunise immunisation
thrombolysis lysis thrombolytic fibrinolysis fibrinolytic
steroid corticosteroid glucocorticoid
leukocyte leucocyte
ecg ekg electrocardiogram electrocardiography
echocardiogram echocardiography
ultrasound ultrasonography sonography
furosemide frusemide
lidocaine lignocaine
ciclosporin cyclosporin cyclosporine
glibenclamide glyburide
pethidine meperidine
isoprenaline isoproterenol
suxamethonium succinylcholine
aciclovir acyclovir
glucose dextrose
levothyroxine thyroxine
vomiting emesis
"""
_TAILS = ("atori", "ation", "ment", "anci", "enci", "anc", "enc", "ant", "ent", "ori", "iv", "ic", "al", "i", "e")
ROOT = 5  # characters that a root keeps at least when an ending is cut


def root_of(word: str) -> str:
    """What a word shares with its other forms and its synonyms."""
    return _root(word.casefold())


@lru_cache(maxsize=20_000)
def _root(word: str) -> str:
    plain = _cut(stem(word))
    return _synonyms().get(plain, plain)


@lru_cache(maxsize=1)
def _synonyms() -> Mapping[str, str]:
    lines = [[_cut(stem(word)) for word in line.split()] for line in _SYNONYMS.strip().splitlines()]
    return {other: line[0] for line in reversed(lines) for other in line}


def _cut(stemmed: str) -> str:
    tail = next((t for t in _TAILS if stemmed.endswith(t) and len(stemmed) - len(t) >= ROOT), "")
    return stemmed.removesuffix(tail) if tail else stemmed
