"""The embedded model measured on questions of the bank, stopped in the middle and gone on with."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from app.earned import ALL, Ledger, Origin, earned
from app.engine.local import LocalEngine
from app.labelled import read_labelled
from app.measure_sets import CHUNK, Wanted, measure_sets
from app.questions import read_bank
from app.readout import read_options

pytestmark = pytest.mark.slow

BANK = Path(__file__).parents[2] / "assets" / "bank"
COUNT = 24


def test_a_measurement_of_the_embedded_model_is_stopped_and_gone_on_with(shared_engine: LocalEngine, tmp_path: Path) -> None:
    whole = read_labelled(BANK)
    bank = replace(whole, questions=whole.questions[:COUNT])
    wanted = Wanted(sets=(bank,), command="tests/slow")
    told: list[int] = []
    stop = threading.Event()

    def stop_in_the_middle(done: int, total: int) -> None:
        told.append(done)
        if done == COUNT // 2:
            stop.set()

    assert measure_sets(shared_engine, wanted, tmp_path / "rows", tell=stop_in_the_middle, stopped=stop) is None
    measurement = measure_sets(shared_engine, wanted, tmp_path / "rows", tell=stop_in_the_middle)
    assert told == [*range(0, COUNT // 2 + 1, CHUNK), *range(COUNT // 2, COUNT + 1, CHUNK)]

    assert measurement is not None
    (skill,) = (skill for skill in measurement.skills if skill.name == ALL)
    assert (measurement.n, skill.n) == (COUNT, COUNT)
    assert 0 <= skill.low <= skill.accuracy <= skill.high <= 1

    ledger = Ledger(tmp_path / "measurements")
    ledger.put(measurement)
    info = shared_engine.info()
    assert ledger.get(info.digest) == measurement
    assert earned(info, ledger).origin is Origin.OWN
    readout = read_options(shared_engine, read_bank(BANK).questions[0], ledger=ledger)
    assert readout.skill == f"{skill.sentence}; too few of {bank.questions[0].system} to tell"
    assert readout.coverage is None
