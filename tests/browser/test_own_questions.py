"""One's own questions and files: in by upload with a preview, out as files, and a backup that goes into another browser."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NewVisitor
from tests.browser.pages import press, the

pytestmark = pytest.mark.slow

HEAD = "stem;A;B;C;D;key;system;explanation"
GOOD = "\n".join(
    (
        HEAD,
        "Which nerve is most likely injured by a fracture of the humeral shaft?;Axillary;Median;Radial;Ulnar;C;nervous;Groove.",
        "Which ion enters the cell first in phase 0 of the ventricular action potential?;Calcium;Chloride;Potassium;Sodium;D;;",
    )
)
HOSTILE = "\n".join(
    (
        HEAD,
        "Which of these is right, says a row in order?;One;Two;Three;Four;B;renal;",
        "A key that no option has;One;Two;Three;Four;X;renal;",
        "Only one option;One;;;;A;renal;",
        "Two options alike;One;One;Three;Four;A;renal;",
        '=cmd|calc!A1;"<img src=x onerror=alert(1)>";Two;Three;Four;E;renal;',
    )
)


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    """A new visitor on the page of one's own questions."""
    page = new_visitor("/practise#questions")
    expect(the(page, "questions-page")).to_be_visible()
    return page


@pytest.fixture
def allowed() -> list[str]:
    return ["400 (Bad Request)", "404 (Not Found)", "413 ("]


def give(page: Page, text: str | bytes, name: str = "mine.csv", *, field: str = "import-file") -> None:
    content = text if isinstance(text, bytes) else text.encode()
    the(page, field).set_input_files(files=[{"name": name, "mimeType": "application/octet-stream", "buffer": content}])


def add(page: Page, text: str = GOOD) -> None:
    give(page, text)
    the(page, "import-add").click()
    expect(the(page, "import-said")).to_be_visible()


def total(page: Page) -> int:
    answer = page.request.get(f"{page.url.split('/practise')[0]}/api/practise/own")
    return int(answer.json()["total"])


def saved(page: Page, press_: Locator, folder: Path) -> Path:
    with page.expect_download() as download:
        press_.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_file_is_seen_added_and_practised(page: Page) -> None:
    with page.expect_file_chooser() as chooser:
        the(page, "import-file").click()
    chooser.value.set_files(files=[{"name": "mine.csv", "mimeType": "text/csv", "buffer": GOOD.encode()}])
    preview = the(page, "import-preview")
    expect(preview).to_contain_text("2 questions · 0 refused")
    expect(preview).to_contain_text("separated by semicolons")
    expect(preview.locator("h4").first).to_be_focused()
    expect(the(page, "preview-question")).to_have_count(2)
    expect(the(page, "preview-key").first).to_contain_text("C. Radial")
    expect(the(page, "preview-key").last).to_contain_text("D. Sodium")
    assert total(page) == 0

    the(page, "import-add").click()
    expect(the(page, "import-said")).to_contain_text("2 questions added from mine.csv.")
    expect(the(page, "own-batch")).to_have_count(1)
    expect(the(page, "own-batch")).to_contain_text("mine.csv")
    the(page, "own-practise").click()
    expect(page).to_have_url(re.compile("#s/"))
    stem = page.locator(".stem")
    expect(stem).to_contain_text("Which ")
    letter = "c" if "nerve" in (stem.text_content() or "") else "d"
    press(page, letter, "Enter")
    expect(the(page, "verdict")).to_contain_text(re.compile("right|correct", re.IGNORECASE))


def test_what_is_wrong_in_a_file_is_said_by_line_and_only_the_rest_is_added(page: Page, tmp_path: Path) -> None:
    give(page, HOSTILE, "hostile.csv")
    expect(the(page, "import-preview")).to_contain_text("1 question · 4 refused")
    rows = the(page, "import-refusals").locator("tbody tr")
    assert [row.locator("th").text_content() for row in rows.all()] == ["3", "4", "5", "6"]
    expect(the(page, "preview-question")).to_have_count(1)
    with saved(page, the(page, "refusals-download"), tmp_path).open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.reader(file))
    assert [row[0] for row in table] == ["line", "3", "4", "5", "6"]
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in table for cell in row)
    the(page, "import-add").click()
    expect(the(page, "import-said")).to_contain_text("1 question added")
    assert total(page) == 1


def test_a_file_without_a_question_adds_nothing_and_says_why(page: Page) -> None:
    for place, content in enumerate((b"", b"\x00\xff\xfe\x00garbage", b"[" * 5000, b'stem;A;B\n"unclosed;x;y\n')):
        give(page, content, f"broken-{place}.json")
        expect(the(page, "import-preview").locator("h4").first).to_have_text(f"What is in broken-{place}.json")
        expect(the(page, "import-preview")).to_contain_text("Nothing in this file can be added.")
        expect(the(page, "import-refusals").locator("tbody tr")).not_to_have_count(0)
        expect(the(page, "import-add")).to_have_count(0)
    assert total(page) == 0


def test_cancel_leaves_nothing_and_gives_the_focus_back(page: Page) -> None:
    give(page, GOOD)
    the(page, "import-cancel").click()
    expect(the(page, "import-preview")).to_have_count(0)
    expect(the(page, "import-file")).to_be_focused()
    assert total(page) == 0


def test_a_file_on_its_way_can_be_stopped(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/own/preview*", hold)
    give(page, GOOD)
    expect(the(page, "import-progress")).to_be_visible()
    the(page, "import-cancel").click()
    expect(the(page, "import-progress")).to_have_count(0)
    expect(the(page, "import-preview")).to_have_count(0)
    for route in held:
        route.abort()


def test_another_layout_reads_the_file_again(page: Page) -> None:
    row = {
        "question": "Which one?",
        "options": {"A": "This", "B": "That"},
        "answer_idx": "B",
        "answer": "That",
        "meta_info": "step1",
    }
    give(page, json.dumps(row), "medqa.jsonl")
    expect(the(page, "preview-key")).to_contain_text("B. That")
    the(page, "import-layout").focus()
    the(page, "import-layout").select_option("own")
    expect(the(page, "import-refusals")).to_be_visible()
    the(page, "import-layout").select_option("medqa")
    expect(the(page, "preview-key")).to_contain_text("B. That")
    expect(the(page, "import-layout")).to_be_focused()


def test_the_servers_sentence_stands_where_it_refuses_a_file(page: Page) -> None:
    page.route("**/own/preview*", lambda route: route.fulfill(status=413, json={"error": "The file is too large. Split it."}))
    give(page, GOOD)
    expect(page.get_by_role("alert")).to_have_text("The file is too large. Split it.")
    page.unroute("**/own/preview*")
    give(page, GOOD)
    expect(the(page, "import-preview")).to_be_visible()


def test_the_templates_can_be_added_as_they_are(page: Page, tmp_path: Path) -> None:
    for kind in ("csv", "jsonl"):
        path = saved(page, the(page, f"template-{kind}"), tmp_path)
        give(page, path.read_bytes(), path.name)
        expect(the(page, "import-preview")).to_contain_text(f"What is in {path.name}")
        expect(the(page, "import-preview")).to_contain_text("1 question · 0 refused")


def test_a_file_is_deleted_after_a_yes(page: Page) -> None:
    add(page)
    the(page, "own-delete").click()
    press(page, "Escape")
    expect(the(page, "own-batch")).to_have_count(1)
    the(page, "own-delete").click()
    the(page, "confirm-yes").click()
    expect(the(page, "own-batch")).to_have_count(0)
    expect(page.get_by_role("heading", name="What you have added")).to_be_focused()
    assert total(page) == 0


def test_questions_go_out_in_each_form(page: Page, tmp_path: Path) -> None:
    add(page)
    the(page, "export-what").select_option("all")
    page.get_by_text("Only some systems").click()
    page.get_by_label("Renal and urinary").check()
    button = the(page, "export")

    with saved(page, button, tmp_path).open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert table
    assert {row["system"] for row in table} == {"renal and urinary"}
    the(page, "export-form").select_option("json")
    lines = saved(page, button, tmp_path).read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(table)
    assert all(json.loads(line)["key"] for line in lines)
    the(page, "export-form").select_option("apkg")
    assert zipfile.is_zipfile(saved(page, button, tmp_path))
    the(page, "export-form").select_option("html")
    with page.context.expect_page() as opened:
        button.click()
    expect(opened.value.locator("body")).to_contain_text(re.compile(r"\w{4,}"))
    assert "Which " in (opened.value.locator("body").text_content() or "")


def test_an_empty_choice_is_said_in_place(page: Page) -> None:
    expect(the(page, "export-what").locator("option[value=wrong]")).to_have_text("Wrong (0)")
    for form in ("csv", "html"):
        the(page, "export-form").select_option(form)
        the(page, "export").click()
        expect(page.get_by_role("alert")).to_contain_text("nothing to export")


def test_a_backup_goes_into_another_browser(page: Page, new_visitor: NewVisitor, tmp_path: Path) -> None:
    add(page)
    the(page, "own-practise").click()
    expect(the(page, "option").first).to_be_visible()
    press(page, "a", "Enter")
    expect(the(page, "verdict")).to_be_visible()
    page.goto(page.url.split("#")[0] + "#questions")
    backup = saved(page, the(page, "backup"), tmp_path)

    other = new_visitor("/practise#questions")
    give(other, backup.read_bytes(), backup.name, field="restore-file")
    expect(the(other, "confirm-dialog")).to_contain_text("Nothing is deleted")
    the(other, "confirm-yes").click()
    expect(the(other, "restore-result")).to_contain_text("1 answer")
    expect(the(other, "restore-result")).to_contain_text("2 own questions")
    expect(the(other, "own-batch")).to_have_count(1)
    assert total(other) == 2
    expect(the(other, "export-what").locator("option[value=answered]")).to_have_text("Answered (1)")

    give(other, backup.read_bytes(), backup.name, field="restore-file")
    the(other, "confirm-yes").click()
    expect(the(other, "restore-result")).to_contain_text("Nothing was added.")


def test_what_is_no_backup_is_refused_in_place(page: Page) -> None:
    for content in (b"{", b'{"sessions": 3}', b"\xff\xfe"):
        give(page, content, "no-backup.json", field="restore-file")
        the(page, "confirm-yes").click()
        expect(page.get_by_role("alert")).to_contain_text("backup")
        expect(the(page, "restore-file")).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_a_phone_and_keeps_nobody_out(new_visitor: NewVisitor, theme: Any) -> None:
    page = new_visitor(
        "/practise#questions", viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True, color_scheme=theme
    )
    add(page)
    give(page, HOSTILE.replace("renal", "x" * 150), "hostile.csv")
    expect(the(page, "import-refusals")).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert not page.evaluate("document.querySelector('#main').scrollWidth > innerWidth")
    found = Axe().run(page).response["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")] == []
