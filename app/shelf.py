"""The models at hand and what is known of each: which answers, how fast it is here, what it was measured to be worth.

What the Models page stands on. Knows no page; loads nothing itself and downloads nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.catalogue import Catalogue, CatalogueModel, ModelAtHand, models_at_hand
from app.earned import ALL, Earned, Ledger, Measurement, Origin, Skill, earned
from app.engine.base import EngineStatus, ModelInfo, Phase
from app.engine.local import LocalModel
from app.engine.switch import Switch, SwitchingEngine
from app.errors import Conflict, LlamaCareError, NotFound
from app.lastrun import LastRun, LastRuns
from app.measuring import Measuring, MeasuringStatus

NOT_ALLOWED = (
    "Visitors of this application may not change or measure its model, because all of them would get it. "
    "Whoever runs it can allow that by starting it with --switching on."
)
NOTHING_KNOWN = Earned(None, (), Origin.NONE, "Not measured yet.")


@dataclass(frozen=True)
class Shelved:
    """A model at hand. ``info`` and ``status`` are those of the one that answers, None for the others; ``run`` is what was seen
    of it when it last ran here."""

    id: str
    model: ModelAtHand
    run: LastRun | None
    worth: Earned
    info: ModelInfo | None = None
    status: EngineStatus | None = None
    loading: bool = False


@dataclass(frozen=True)
class Worth:
    """How good the model in use was measured to be, in a few words."""

    sentence: str
    earned: bool


class Shelf:
    """``folders`` are looked through anew each time, so that a file which was just fetched is there at once."""

    def __init__(
        self,
        engine: SwitchingEngine,
        *,
        catalogue: Catalogue,
        folders: Sequence[Path],
        extra: Path | None,
        open_model: Callable[[ModelAtHand], LocalModel],
        ledger: Ledger,
        measuring: Measuring,
        last_runs: LastRuns,
        may_switch: bool,
    ) -> None:
        """``extra``: the file that the user named at the start. ``open_model``: how a model at hand is to be loaded."""
        self._engine = engine
        self._catalogue = catalogue
        self._folders = tuple(folders)
        self._extra = extra
        self._open_model = open_model
        self._ledger = ledger
        self._last_runs = last_runs
        self.measuring = measuring
        self.may_switch = may_switch

    def close(self) -> None:
        """Keeps what was seen of the model in use, and ends a measurement, which can go on at the next start."""
        self.measuring.close()
        self._note()

    def models(self) -> list[Shelved]:
        """The models at hand, in an order that does not change with the one that answers."""
        current, status, loads = self._engine.current_model(), self._engine.status(), self._engine.switching().path
        return [self._shelved(model, current, status, loads) for model in self._at_hand()]

    def elsewhere(self) -> list[CatalogueModel]:
        """The entries of the catalogue that are not at hand."""
        here = {model.entry.id for model in self._at_hand() if model.entry is not None}
        return [entry for entry in self._catalogue.models if entry.id not in here]

    def worth(self) -> Worth:
        """Of the model that answers."""
        info = self._engine.status().model
        return Worth("", False) if info is None else worth_in_words(self._earned(info))

    def switching(self) -> Switch:
        return self._engine.switching()

    def switch(self, identity: str) -> None:
        """Begins to change to the model of this id.

        Raises:
            NotFound: it is not at hand.
            Conflict: visitors may not, or the engine cannot now.
        """
        self._check_allowed()
        chosen = next((model for model in self._at_hand() if identity_of(model.path) == identity), None)
        if chosen is None:
            raise NotFound("This model is not at hand any more. Reload the page.")
        self._note()
        self._engine.switch(self._open_model(chosen))

    def measure(self, set_name: str, *, careful: bool) -> None:
        """Begins to measure the model that answers, or goes on where an earlier measurement of it stopped.

        Raises:
            NotFound: no such set.
            Conflict: visitors may not, or something is measured already.
        """
        self._check_allowed()
        self.measuring.start(set_name, careful)

    def stop_measuring(self) -> None:
        """Raises Conflict where visitors may not."""
        self._check_allowed()
        self.measuring.stop()

    def measuring_status(self) -> MeasuringStatus:
        return self.measuring.status()

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each kept measurement that cannot be used."""
        return self._ledger.problems

    def _check_allowed(self) -> None:
        if not self.may_switch:
            raise Conflict(NOT_ALLOWED)

    def _at_hand(self) -> list[ModelAtHand]:
        return models_at_hand(self._catalogue, self._folders, self._extra)

    def _note(self) -> None:
        current = self._engine.current_model()
        if current is not None:
            self._last_runs.note(current.path, self._engine.status())

    def _shelved(self, model: ModelAtHand, current: LocalModel | None, status: EngineStatus, loads: Path | None) -> Shelved:
        answers = current is not None and current.path.absolute() == model.path.absolute()
        info = status.model if answers else None
        run = self._last_runs.get(model.path)
        if info is not None and (run is None or run.decode_rate is None):
            self._last_runs.note(model.path, status)
        measured = self._ledger.get(run.digest) if run is not None and info is None else None
        worth = _kept(measured) if info is None else self._earned(info)
        loading = loads is not None and loads.absolute() == model.path.absolute()
        loading = loading or (answers and loads is None and status.phase is Phase.LOADING)
        return Shelved(identity_of(model.path), model, run, worth, info, status if answers else None, loading)

    def _earned(self, info: ModelInfo) -> Earned:
        try:
            return earned(info, self._ledger)
        except LlamaCareError as error:
            return Earned(None, (), Origin.NONE, error.sentence)


def identity_of(path: Path) -> str:
    """Names a file towards the page, which never gets or gives a path."""
    return hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:16]


def worth_in_words(found: Earned) -> Worth:
    """The skill over all exam questions, or over what else was measured; of the careful mode where there is one."""
    over_all = [skill for skill in found.skills if skill.name == ALL] or list(found.skills)
    if not over_all:
        return Worth("not measured", False)
    best = next((skill for skill in over_all if skill.mode == "careful"), over_all[0])
    return Worth(best.sentence, best.earned)


def by_mode(skills: Sequence[Skill]) -> list[tuple[str, list[Skill]]]:
    """Skills by how they were read, over all first, then those of systems that earned something, then by name."""
    modes = list(dict.fromkeys(skill.mode for skill in skills))
    return [
        (mode, sorted((s for s in skills if s.mode == mode), key=lambda s: (s.name != ALL, not s.earned, s.name)))
        for mode in modes
    ]


def _kept(measurement: Measurement | None) -> Earned:
    """What was measured of a model that does not run now. Whether it still holds is checked when it does."""
    if measurement is None:
        return NOTHING_KNOWN
    sets = " and ".join(f"{each.name} (n = {each.n})" for each in measurement.sets)
    sentence = f"Measured on {sets}, {measurement.finished[:10]}."
    return Earned(measurement.record, measurement.skills, Origin.OWN, sentence)
