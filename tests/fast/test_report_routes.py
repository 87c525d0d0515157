"""Reports over HTTP, behind the real guards: what is kept of an answer, whose it may be, and what is refused in which words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.database import Database
from app.engine.fake import FakeEngine
from app.grounding import Wanted
from app.prompts import CHAT_SYSTEM, GROUNDED_SYSTEM
from app.questions import Bank
from app.records import Role, Scope, Status
from app.report_store import Asked, Kind, Report, ReportStore
from app.reporting import MAX_TEXT, THANKS
from app.turns import Ended
from app.ui.visitors import HEADER
from app.web import Parts, build_web
from tests.conftest import parts_for, settings_for

GOUT = b"# Gout\n\n## Treatment\n\nA flare of gout is treated with colchicine. Allopurinol lowers urate between flares.\n"
QUESTION = "How is a flare of gout treated?"
TOKEN, OTHERS = "a" * 43, "b" * 43


class House:
    """The application with a visitor who has a document on gout and has asked about it."""

    def __init__(self, folder: Path, bank: Bank) -> None:
        self.database = Database(folder)
        self.engine = FakeEngine("Colchicine treats a flare of gout.")
        self.parts: Parts = parts_for(self.engine, self.database, bank)
        self.web = build_web(settings_for(folder), self.parts)
        self.visitor = self.parts.store.visitor(TOKEN)
        list(self.parts.library.add(self.owner, "gout.md", GOUT, licence="CC0"))

    @property
    def owner(self) -> str:
        return self.parts.store.owner(self.visitor)

    def client(self, token: str = TOKEN) -> TestClient:
        return TestClient(self.web, headers={HEADER: token})

    def asked(self, question: str = QUESTION, scope: Scope = Scope.ALL, conversation: str | None = None) -> dict[str, Any]:
        """Asks, and names the answer as the page does."""
        turn = self.parts.chat.begin(self.visitor, question, wanted=Wanted(scope), conversation=conversation)
        *_, last = turn.events()
        assert isinstance(last, Ended)
        assert turn.conversation
        return {"message": last.answer.id, "conversation": turn.conversation.id}

    def reports(self) -> list[Report]:
        return list(ReportStore(self.database).reports())

    def report(self, about: dict[str, Any], **more: Any) -> Report:
        answer = self.client().post("/api/reports", json={"kinds": ["wrong"], "text": "", **about, **more})
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"sentence": THANKS}
        return self.reports()[-1]

    def refused(self, status: int, token: str = TOKEN, **body: Any) -> str:
        answer = self.client(token).post("/api/reports", json=body)
        assert answer.status_code == status, answer.text
        return str(answer.json()["error"])


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, bank: Bank) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("reports"), bank)
    yield house
    house.parts.library.close()
    house.database.close()


@pytest.fixture
def house(started: House) -> House:
    """Built once; every test begins without reports."""
    with started.database.write():
        started.database.run("delete from reports")
    return started


def test_a_report_keeps_answer_model_prompt_and_passages(house: House) -> None:
    about = house.asked()
    report = house.report(about, kinds=["unsafe", "citation", "unsafe"], text="  Not in renal failure. ")
    assert report.kinds == (Kind.UNSAFE, Kind.CITATION)
    assert report.text == "Not in renal failure."
    assert report.question == QUESTION
    assert "treated with colchicine. [1]" in report.answer
    assert report.draft.startswith("Colchicine treats a flare of gout")
    assert (report.model, report.file) == ("Fake", "fake.gguf")
    assert [passage.title for passage in report.passages] == ["Gout"]
    assert "Allopurinol" in report.passages[0].text


def test_the_prompt_of_a_report_is_what_the_model_was_given(house: House) -> None:
    first = house.asked("What is gout?")
    about = house.asked(conversation=first["conversation"])
    told = [segment.text for segment in house.engine.prompts[-1] if not segment.control]
    prompt = house.report(about).prompt
    assert [prompt.system, *(text for _, text in prompt.history), *prompt.questions] == told
    assert prompt.system == GROUNDED_SYSTEM
    assert [role for role, _ in prompt.history] == ["user", "assistant"]


def test_an_answer_of_the_model_alone_is_reported_without_passages(house: House) -> None:
    report = house.report(house.asked(scope=Scope.NONE))
    assert report.passages == ()
    assert report.prompt == Asked(CHAT_SYSTEM, (), (QUESTION,))
    assert report.answer == "Colchicine treats a flare of gout."


def test_a_second_report_on_one_answer_replaces_the_first(house: House) -> None:
    about = house.asked()
    house.report(about, text="first")
    house.report(about, text="second")
    assert [report.text for report in house.reports()] == ["second"]


def test_a_report_in_words_alone_and_one_in_ticks_alone_are_taken(house: House) -> None:
    about = house.asked()
    assert house.report(about, kinds=[], text="Look at the dose").kinds == ()
    assert house.report(about, kinds=["other"], text="").text == ""


def test_another_visitors_answer_is_not_found(house: House) -> None:
    about = house.asked()
    said = house.refused(404, OTHERS, **about, kinds=["wrong"])
    assert said.startswith("There is no conversation")
    assert house.reports() == []


def test_a_question_is_no_answer_to_report(house: House) -> None:
    about = house.asked()
    question = house.parts.store.messages(house.visitor, about["conversation"])[0]
    assert question.role is Role.USER
    said = house.refused(404, message=question.id, conversation=about["conversation"], kinds=["wrong"])
    assert said.startswith("There is no answer")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"kinds": [], "text": " \n "}, 400, "The report is empty"),
        ({"kinds": ["rude"]}, 400, "kinds"),
        ({"text": "x" * (MAX_TEXT + 1)}, 413, "The report has 4,001 characters; at most 4,000"),
        ({"kinds": ["wrong"]}, 400, "Nothing says which answer is meant"),
        ({"kinds": ["wrong"], "message": "m"}, 400, "Nothing says which answer is meant"),
        ({"kinds": ["wrong"], "message": "m", "conversation": "c"}, 404, "There is no conversation 'c'"),
        ({"kinds": ["wrong"], "kept": {"question": "q", "answer": "a", "template": "poem"}}, 400, "The template is 'poem'"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(house: House, body: dict[str, Any], status: int, said: str) -> None:
    assert said in house.refused(status, **body)
    assert house.reports() == []


def test_an_answer_that_is_still_written_waits_for_its_report(house: House) -> None:
    turn = house.parts.chat.begin(house.visitor, QUESTION)
    assert turn.conversation
    answer = house.parts.store.messages(house.visitor, turn.conversation.id)[-1]
    assert answer.status is Status.STREAMING
    said = house.refused(409, message=answer.id, conversation=turn.conversation.id, kinds=["wrong"])
    assert "still being written" in said
    turn.abandon()


def test_a_private_answer_is_kept_as_the_page_tells_it_unless_a_passage_is_gone_or_another_visitors(house: House) -> None:
    other = house.parts.store.owner(house.parts.store.visitor(OTHERS))
    list(house.parts.library.add(other, "secret.md", b"# Secret\n\nNobody else may read this sentence."))
    (own,) = house.parts.library.search(house.owner, QUESTION).found
    (secret,) = house.parts.library.search(other, "Nobody else may read this sentence").found
    kept = {
        "question": QUESTION,
        "answer": "Colchicine. [1]",
        "model": "Fake",
        "draft": "Colchicine it is.",
        "template": "quick",
        "passages": [own.passage.id],
    }
    report = house.report({"message": None, "conversation": None, "kept": kept})
    assert [passage.id for passage in report.passages] == [own.passage.id]
    assert (report.question, report.draft) == (QUESTION, "Colchicine it is.")
    assert report.answer.startswith("Colchicine. [1]")
    assert report.prompt.system == GROUNDED_SYSTEM
    assert "> A flare of gout" in report.prompt.questions[0]
    assert QUESTION in report.prompt.questions[0]
    house.report({"kept": kept}, text="again")
    assert [each.text for each in house.reports()] == ["again"]
    for gone in (secret.passage.id, 999_999):
        report = house.report({"kept": {**kept, "passages": [own.passage.id, gone]}}, text="of what is gone")
        assert (report.question, report.erased) == (QUESTION, True)
        assert (report.answer, report.draft, report.passages, report.prompt) == ("", "", (), Asked())


def test_the_prompt_of_a_private_answer_is_kept_only_where_the_page_says_how_it_was_asked(house: House) -> None:
    report = house.report({"kept": {"question": "q", "answer": "a"}})
    assert (report.question, report.answer, report.model, report.prompt) == ("q", "a", "", Asked())
    (own,) = house.parts.library.search(house.owner, QUESTION).found
    told = {"question": "q", "answer": "a", "model": "Fake"}
    report = house.report({"kept": {**told, "passages": [own.passage.id]}}, text="with its passage")
    assert ([passage.id for passage in report.passages], report.prompt) == ([own.passage.id], Asked())
    report = house.report({"kept": {**told, "template": ""}}, text="of the model alone")
    assert report.prompt == Asked(CHAT_SYSTEM, (), ("q",))


def test_a_document_erased_while_its_answer_is_reported_is_not_in_the_report(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = house.asked()
    (quoted,) = {passage.document for passage in house.report(about).passages}
    monkeypatch.setattr(house.parts.library, "missing", lambda documents: {quoted} & set(documents))
    report = house.report(about)
    assert (report.erased, report.passages, report.answer, report.draft) == (True, (), "", "")
    assert report.question == QUESTION


def test_half_a_character_is_refused_in_a_sentence(house: House) -> None:
    about = house.asked()
    raw = f'{{"message": "{about["message"]}", "conversation": "{about["conversation"]}", "text": "\\ud800"}}'
    answer = house.client().post("/api/reports", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert house.reports() == []
