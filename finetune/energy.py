"""Energy and CO2 of a run, estimated by codecarbon without a network. The only home of codecarbon."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

from codecarbon import OfflineEmissionsTracker

from app.errors import BadInput


class Energy:
    """Measures from ``with`` to its end; ``record`` is what came of it.

    The processor's share is an estimate from its rated power wherever its counters can't be read; the carbon intensity is the
    country's yearly mean. Both stand in the record.
    """

    def __init__(self, country: str, *, on: bool = True) -> None:
        """``country``: ISO 3166 alpha-3, as DEU.

        Raises:
            BadInput: codecarbon does not know it.
        """
        self.country = country
        self.record: dict[str, Any] = {}
        self._tracker = None
        if not on:
            return
        try:
            self._tracker = OfflineEmissionsTracker(
                country_iso_code=country,
                output_methods=[],
                log_level="critical",
                measure_power_secs=15,
                allow_multiple_runs=True,
            )
        except (ValueError, KeyError, SystemExit) as error:
            raise BadInput(
                f"The config's country is {country!r}; expected an ISO 3166 alpha-3 code like DEU. ({error})"
            ) from error

    def __enter__(self) -> Energy:
        if self._tracker:
            self._tracker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._tracker:
            return
        kilograms = self._tracker.stop()
        data = self._tracker.final_emissions_data
        self.record = {
            "kwh": _figure(data.energy_consumed),
            "co2_kg": _figure(kilograms),
            "cpu_kwh": _figure(data.cpu_energy),
            "gpu_kwh": _figure(data.gpu_energy),
            "ram_kwh": _figure(data.ram_energy),
            "seconds": _figure(data.duration),
            "country": self.country,
            "processor": data.cpu_model,
            "gpu": data.gpu_model,
            "by": f"codecarbon {data.codecarbon_version}, offline",
        }


def added(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of a run that was stopped and went on: figures summed, the rest as in the last part."""
    kept = [part for part in parts if part]
    if not kept:
        return {}
    figures = {name for part in kept for name, value in part.items() if isinstance(value, float)}
    return kept[-1] | {name: sum(part.get(name) or 0.0 for part in kept) for name in figures} | {"parts": len(kept)}


def _figure(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(float(value)) else None
