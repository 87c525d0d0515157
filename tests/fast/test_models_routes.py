"""The Models page's routes on fake engines: what is at hand, changing, measuring, and who may."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient

from app.catalogue import Catalogue, CatalogueFile, CatalogueModel, Figure, Terms
from app.earned import ALL, Earned, Origin, Skill
from app.engine.base import EngineStatus, Phase
from app.engine.fake import FAKE_INFO, FAKE_SIGHT, FakeEngine
from app.engine.local import LocalModel
from app.engine.switch import SwitchingEngine
from app.errors import LlamaCareError
from app.shelf import Shelf, Worth, worth_in_words
from app.shell import Visitors
from app.ui.models_routes import models_router, worth_json
from tests.conftest import ROOT, shelf_for, visitor_headers

Wait = Callable[[Callable[[], bool]], None]
TERMS = Terms("https://example.org/licence", "Free for any use.")
PUBLISHED = Figure("MedQA", 61.5, "zero-shot", "https://example.org/paper")
KNOWN = CatalogueModel(
    id="b-4b",
    name="B 4B",
    parameters=4,
    kind="instruct",
    medical=True,
    licence="MIT",
    terms=TERMS,
    file=CatalogueFile("org/b", "b.gguf", "Q4_K_M"),
    figures=(PUBLISHED,),
)
FETCHED = CatalogueFile("org/c", "c.gguf", "Q8_0", size=9_000_000_000, sha256="0" * 64)
FETCHABLE = replace(KNOWN, id="c-8b", name="C 8B", parameters=8, file=FETCHED)
DIGESTS = {"a": "a" * 64, "b": "b" * 64}


@dataclass
class Bench:
    """A shelf with two models in its folder, a.gguf in use, and a client of its routes."""

    client: TestClient
    shelf: Shelf
    engine: SwitchingEngine
    folder: Path
    phases: dict[str, Phase]

    def models(self) -> dict[str, dict[str, Any]]:
        return {model["file"]: model for model in self.client.get("/api/models").json()["models"]}

    def use(self, file: str) -> Any:
        return self.client.post("/api/models/switch", json={"id": self.models()[file]["id"]})

    def settle(self, wait_for: Wait) -> None:
        wait_for(lambda: self.engine.switching().path is None)


class Phased(FakeEngine):
    def __init__(self, model: LocalModel, phase: Phase) -> None:
        name = model.path.stem
        super().__init__(info=replace(FAKE_INFO, name=name, file=model.path.name, digest=DIGESTS[name], device="CPU"))
        self.sight = replace(FAKE_SIGHT, decode_rate=54.21, prompt_rate=812.4, memory=512_000_000)
        self._phase = phase

    def status(self) -> EngineStatus:
        return super().status() if self._phase is Phase.READY else EngineStatus(self._phase, "The file is damaged.")


def told(_request: object, error: Exception) -> JSONResponse:
    assert isinstance(error, LlamaCareError)
    return JSONResponse({"error": error.sentence}, error.status)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def build(*, may_switch: bool = True) -> Bench:
        folder = tmp_path / "models"
        folder.mkdir()
        for name in DIGESTS:
            (folder / f"{name}.gguf").write_bytes(b"GGUF")
        phases = dict.fromkeys(DIGESTS, Phase.READY)
        engine = SwitchingEngine(
            LocalModel(path=folder / "a.gguf", name="a"),
            start=lambda model: Phased(model, phases[model.path.stem]),
            fits=lambda *_: True,
        )
        shelf = shelf_for(
            engine, tmp_path, catalogue=Catalogue((KNOWN, FETCHABLE)), bank=ROOT / "assets" / "bank", may_switch=may_switch
        )
        web = FastAPI()
        web.add_middleware(Visitors, lookup=lambda token: 1, in_frame=False)
        web.include_router(models_router(shelf))
        web.add_exception_handler(LlamaCareError, told)
        made.append(Bench(TestClient(web, headers=visitor_headers()), shelf, engine, tmp_path, phases))
        return made[-1]

    yield build
    for bench in made:
        bench.shelf.close()
        bench.engine.close()


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()


def test_what_is_at_hand_is_told_with_all_that_is_known_of_it(bench: Bench) -> None:
    models = bench.models()
    used, known = models["a.gguf"], models["b.gguf"]
    assert (used["current"], known["current"]) == (True, False)
    assert (used["prompt_rate"], used["decode_rate"], used["memory"]) == (812.0, 54.2, "512 MB now")
    assert used["labels"] == "reads option letters, not trained for it"
    assert (known["prompt_rate"], known["labels"], known["memory"]) == (None, None, None)
    assert (known["name"], known["licence"], known["quantisation"]) == ("B 4B", "MIT", "Q4_K_M")
    assert known["terms"] == {"url": TERMS.url, "demands": TERMS.demands}
    assert known["figures"] == [{"set": "MedQA", "value": 61.5, "how": "zero-shot", "source": PUBLISHED.source}]
    assert known["worth"] == {"sentence": "Not measured yet.", "modes": []}


def test_the_page_learns_no_path(bench: Bench) -> None:
    assert str(bench.folder) not in bench.client.get("/api/models").text


def test_what_is_not_at_hand_is_listed_with_the_command_that_fetches_it(bench: Bench) -> None:
    (entry,) = bench.client.get("/api/models").json()["catalogue"]
    assert (entry["id"], entry["size"], entry["parameters"]) == ("c-8b", "9 GB", "8 B")
    assert (entry["command"], entry["checked"]) == ("python -m app.models get c-8b", True)
    (bench.folder / "models" / "b.gguf").unlink()
    unchecked = bench.client.get("/api/models").json()["catalogue"][0]
    assert (unchecked["command"], unchecked["checked"]) == ("python -m app.models get b-4b --unverified", False)


def test_a_model_is_chosen_and_keeps_its_figures_when_it_rests(bench: Bench, wait_for: Wait) -> None:
    answer = bench.use("b.gguf")
    assert answer.status_code == 202
    bench.settle(wait_for)
    models = bench.models()
    assert (models["a.gguf"]["current"], models["b.gguf"]["current"]) == (False, True)
    rests = models["a.gguf"]
    assert (rests["decode_rate"], rests["memory"]) == (54.2, "512 MB when it last ran")
    assert rests["labels"] == "reads option letters, not trained for it"


def test_a_model_that_cannot_be_loaded_is_told_with_its_reason(bench: Bench, wait_for: Wait) -> None:
    bench.phases["b"] = Phase.FAILED
    bench.use("b.gguf")
    bench.settle(wait_for)
    told = bench.client.get("/api/models").json()
    assert told["switching"]["sentence"] == "B 4B was not loaded: The file is damaged. a goes on answering."
    assert bench.models()["a.gguf"]["current"]


def test_a_model_that_loads_is_marked_until_it_answers(bench: Bench, wait_for: Wait) -> None:
    bench.phases["b"] = Phase.LOADING
    bench.use("b.gguf")
    told = bench.client.get("/api/models").json()
    assert (told["switching"]["active"], told["switching"]["sentence"].startswith("Loading B 4B, ")) == (True, True)
    assert [model["file"] for model in told["models"] if model["loading"]] == ["b.gguf"]
    assert bench.use("b.gguf").json()["error"] == "B 4B is being loaded. Wait for it, then choose again."


def test_an_unknown_model_and_the_one_in_use_are_refused(bench: Bench) -> None:
    unknown = bench.client.post("/api/models/switch", json={"id": "../../etc/passwd"})
    assert (unknown.status_code, unknown.json()["error"]) == (404, "This model is not at hand any more. Reload the page.")
    assert bench.use("a.gguf").status_code == 409


def test_where_visitors_may_not_they_see_all_and_change_nothing(make: Callable[..., Bench]) -> None:
    bench = make(may_switch=False)
    told = bench.client.get("/api/models").json()
    assert told["allowed"] is False
    assert "--switching on" in told["why_not"]
    calls = (
        bench.use("b.gguf"),
        bench.client.post("/api/models/measure", json={"set": "question bank"}),
        bench.client.delete("/api/models/measure"),
    )
    assert [(answer.status_code, answer.json()["error"]) for answer in calls] == [(409, told["why_not"])] * 3
    assert bench.models()["a.gguf"]["current"]


def test_a_measurement_is_started_followed_and_read(bench: Bench, wait_for: Wait) -> None:
    offered = bench.client.get("/api/models/measure").json()
    assert offered["sets"][0]["name"] == "question bank"
    begun = bench.client.post("/api/models/measure", json={"set": "question bank"})
    assert begun.status_code == 202
    wait_for(lambda: not bench.client.get("/api/models").json()["measuring"]["running"])
    ended = bench.client.get("/api/models").json()["measuring"]
    assert (ended["phase"], ended["done"]) == ("done", offered["sets"][0]["n"])
    worth = bench.models()["a.gguf"]["worth"]
    assert worth["sentence"].startswith("Measured on this machine on question bank")
    assert worth["modes"][0]["skills"][0]["name"] == ALL
    assert (
        bench.client.get("/api/models/worth").json()["sentence"]
        == worth_in_words(bench.shelf._earned(bench.engine.info())).sentence
    )


def test_what_was_measured_of_a_model_stays_with_it_when_another_answers(bench: Bench, wait_for: Wait) -> None:
    bench.client.post("/api/models/measure", json={"set": "question bank"})
    wait_for(lambda: bench.shelf.measuring_status().phase != "running")
    bench.use("b.gguf")
    bench.settle(wait_for)
    models = bench.models()
    assert models["a.gguf"]["worth"]["sentence"].startswith("Measured on question bank (n = ")
    assert models["a.gguf"]["worth"]["modes"]
    assert models["b.gguf"]["worth"]["modes"] == []


def test_an_unknown_set_is_named(bench: Bench) -> None:
    answer = bench.client.post("/api/models/measure", json={"set": "mine"})
    assert (answer.status_code, "'mine'" in answer.json()["error"]) == (404, True)


def test_a_kept_measurement_that_cannot_be_read_is_told(bench: Bench) -> None:
    (bench.folder / "measurements").mkdir()
    (bench.folder / "measurements" / f"{DIGESTS['a']}.json").write_text("{")
    (problem,) = bench.client.get("/api/models").json()["problems"]
    assert "Measure the model again" in problem


def test_nobody_without_a_visitor_is_answered(bench: Bench) -> None:
    nobody = TestClient(bench.client.app)
    for path in ("/api/models", "/api/models/worth", "/api/models/measure"):
        assert nobody.get(path).status_code == 401
    assert nobody.post("/api/models/switch", json={"id": "x"}).status_code == 401


def skills() -> tuple[Skill, ...]:
    return (
        Skill("renal", "fast", 40, 12, 0.25),
        Skill(ALL, "fast", 100, 60, 0.25),
        Skill("cardiac", "fast", 40, 30, 0.25),
        Skill(ALL, "careful", 100, 64, 0.25),
    )


def test_worth_is_told_by_mode_what_was_earned_first() -> None:
    told = worth_json(Earned(None, skills(), Origin.OWN, "Measured."))
    assert [(mode["mode"], [(s["name"], s["earned"]) for s in mode["skills"]]) for mode in told["modes"]] == [
        ("fast", [(ALL, True), ("cardiac", True), ("renal", False)]),
        ("careful", [(ALL, True)]),
    ]
    assert json.dumps(told)


def test_in_the_header_stands_the_careful_skill_over_all_questions() -> None:
    words = worth_in_words(Earned(None, skills(), Origin.OWN, "Measured."))
    assert words == Worth(skills()[3].sentence, True)
    assert worth_in_words(Earned(None, skills()[:2], Origin.OWN, "")) == Worth(skills()[1].sentence, True)
    assert worth_in_words(Earned(None, (), Origin.NONE, "")).sentence == "not measured"
