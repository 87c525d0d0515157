"""A model's reading of a question, as the pages show it."""

from __future__ import annotations

from typing import Any

from app.readout import Readout

UNCALIBRATED_NOTE = "{}, not calibrated: nobody has measured how often it is right when read like this. No second opinion."
MEASURED_NOTE = "{}. {}"
COVERAGE_NOTE = " Answer sets like this one hold the key in {:.0f} % of questions like those."


def readout_json(readout: Readout) -> dict[str, Any]:
    """``measured`` and not ``earned``: the probabilities are to be folded away, behind ``skill``."""
    return {
        "probabilities": readout.probabilities,
        "answer_set": list(readout.answer_set),
        "mass": readout.mass,
        "sure": readout.sure,
        "choice": readout.choice,
        "calibration": readout.calibration,
        "model": readout.model,
        "orders": readout.orders,
        "coverage": readout.coverage,
        "measured": bool(readout.skill),
        "earned": readout.earned,
        "skill": readout.skill,
        "source": readout.source,
        "note": _note(readout),
    }


def _note(readout: Readout) -> str:
    how = "Read off in one pass" if readout.orders == 1 else f"The mean of {readout.orders} orders of the options"
    if not readout.skill and readout.coverage is None and readout.calibration == "uncalibrated":
        return UNCALIBRATED_NOTE.format(how)
    coverage = "" if readout.coverage is None else COVERAGE_NOTE.format(100 * readout.coverage)
    return MEASURED_NOTE.format(how, readout.source) + coverage
