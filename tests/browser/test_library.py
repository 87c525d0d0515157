"""The library in a real browser: documents go in, are found in their text, opened at the passage, and removed."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import docx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.application import Application
from tests.browser.conftest import NewVisitor
from tests.browser.pages import press, the
from tests.browser.test_layout import fits

pytestmark = pytest.mark.slow

PHONE = {"width": 360, "height": 740}
NOTE = (
    "# Quokka fever\n\n## Signs\n\nQuokka fever \N{GRINNING FACE} begins with a rash of the pinna and a slow pulse.\n\n"
    "## Treatment\n\nBedrest and thimbleberry tea cure quokka fever within a week.\n"
)
LONG = "# Long paper\n\n" + "\n\n".join(
    f"## Part {number}\n\n" + f"Sentence on topic{number} which stands in this part alone. " * 4 for number in range(90)
)


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    page = new_visitor("/library")
    expect(the(page, "document").first).to_be_visible()  # the sample pages
    return page


@pytest.fixture
def allowed() -> list[str]:
    return ["404 (Not Found)", "413 (", "400 (Bad Request)", "net::ERR_FAILED"]


LEAVE = "window.dispatchEvent(new Event('beforeunload', {cancelable: true}))"  # false where the page asks before it is left


def file(name: str, content: str | bytes) -> FilePayload:
    raw = content if isinstance(content, bytes) else content.encode()
    return {"name": name, "mimeType": "application/octet-stream", "buffer": raw}


def give(page: Page, *files: FilePayload) -> None:
    the(page, "add-files").set_input_files(files=list(files))


def queued(page: Page, name: str, state: str = "added") -> Locator:
    """Waits until a file of the queue has come to that."""
    item = the(page, "queue-item").filter(has_text=name)
    expect(item).to_have_attribute("data-state", state)
    return item


def add(page: Page, *files: FilePayload) -> None:
    give(page, *files)
    for one in files:
        queued(page, one["name"])


def find(page: Page, words: str) -> Locator:
    the(page, "library-search").fill(words)
    expect(the(page, "found").first).to_be_visible()
    return the(page, "found")


def own(page: Page) -> Locator:
    return page.locator('[data-testid="document"][data-whose="Yours"]')


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]


def word_file(text: str) -> bytes:
    document, raw = docx.Document(), io.BytesIO()
    document.add_heading("Word paper", level=1)
    document.add_paragraph(text)
    document.save(raw)
    return raw.getvalue()


def pdf_file(text: str) -> bytes:
    """One page with one line of text."""
    drawn = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    raw, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(raw))
        raw += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n" + table
    return raw + head + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(raw)


# In


def test_a_document_is_added_found_in_its_text_and_opened_at_the_passage(page: Page) -> None:
    with page.expect_file_chooser() as chooser:
        the(page, "choose-files").click()
    chooser.value.set_files(files=[file("quokka.md", NOTE)])
    expect(queued(page, "quokka.md")).to_contain_text("quokka.md was added: 2 passages")
    expect(the(page, "queue-sum")).to_have_text("1 of 1 file done")
    expect(own(page)).to_have_count(1)
    expect(own(page)).to_contain_text("Quokka fever")
    expect(the(page, "counts")).to_contain_text("1 document of yours")
    find(page, "pinna rash in quokka fever")
    expect(the(page, "search-said")).to_contain_text("passage")
    opener = the(page, "found-open").first
    opener.click()
    asked = the(page, "passage-asked")
    expect(asked).to_be_in_viewport()
    expect(asked).to_be_focused()
    expect(asked.locator("mark").filter(has_text="pinna")).to_have_text("pinna")
    expect(asked).to_contain_text("Signs")
    expect(the(page, "viewer")).to_contain_text("Treatment")
    expect(page).to_have_url(re.compile(r"/library#d/[\w-]+/\d+$"))
    press(page, "Escape")
    expect(the(page, "viewer")).to_have_count(0)
    expect(opener).to_be_focused()
    expect(page).to_have_url(re.compile(r"/library$"))


def test_documents_of_every_kind_go_in_with_what_is_said_of_them(page: Page) -> None:
    page.get_by_text("Say more of what you add").click()
    the(page, "add-licence").fill("CC BY 4.0")
    the(page, "add-date").fill("2024-05")
    rows = [{"id": "1", "focus": "Row paper", "question": "What is a fifthword?", "answer": "It is the fifthword of all."}]
    add(
        page,
        file("one.txt", "A plain paper.\n\nThis holds the firstword of all."),
        file("two.html", "<title>Web paper</title><h1>Web paper</h1><p>This holds the secondword of all.</p>"),
        file("three.docx", word_file("This holds the thirdword of all.")),
        file("four.pdf", pdf_file("This holds the fourthword of all.")),
        file("five.jsonl", "\n".join(map(json.dumps, rows))),
    )
    expect(own(page)).to_have_count(5)
    for kind in ("Text", "HTML", "Word", "PDF · 1 page", "Row of JSON Lines"):
        row = own(page).filter(has_text=f"{kind} ·")
        expect(row).to_contain_text("dated 2024-05 · licence: CC BY 4.0")
    for place in ("first", "second", "third", "fourth", "fifth"):
        expect(find(page, f"{place}word").first.locator("mark").first).to_have_text(f"{place}word")


def test_what_is_there_already_and_what_is_newer_is_told(page: Page) -> None:
    add(page, file("quokka.md", NOTE))
    the(page, "queue-clear").click()
    expect(the(page, "choose-files")).to_be_focused()
    add(page, file("quokka.md", NOTE))
    expect(the(page, "queue-item")).to_contain_text("Was there already")
    the(page, "queue-clear").click()
    add(page, file("quokka.md", NOTE.replace("thimbleberry", "salmonberry")))
    expect(the(page, "queue-item")).to_contain_text("Updated")
    expect(own(page)).to_have_count(1)
    expect(find(page, "salmonberry").first).to_contain_text("salmonberry tea")
    the(page, "library-search").fill("thimbleberry")
    expect(page.locator(".found mark").filter(has_text="thimbleberry")).to_have_count(0)


def test_rows_that_are_refused_are_told_by_line_and_the_rest_goes_in(page: Page) -> None:
    good = {"id": "1", "focus": "Quokkas", "question": "What are they?", "answer": "Small and round."}
    give(page, file("rows.jsonl", "\n".join([json.dumps(good), "{broken", json.dumps(good | {"answer": ""})])))
    item = queued(page, "rows.jsonl")
    expect(item).to_contain_text("1 document added")
    item.get_by_text("2 refused: which, and why").click()
    expect(item.locator("li")).to_have_count(2)
    expect(item.locator("li").first).to_contain_text("line 2: ")
    the(page, "queue-copy").click()
    expect(page.locator(".toast")).to_be_visible()


def test_one_bad_file_stops_no_other(page: Page) -> None:
    give(
        page, file("a.md", NOTE), file("broken.pdf", b"%PDF-1.4 nothing"), file("empty.txt", b""), file("d.txt", "Last of four.")
    )
    queued(page, "a.md")
    for name in ("broken.pdf", "empty.txt"):
        expect(queued(page, name, "failed").locator(".queue-problem")).to_contain_text(name)
    queued(page, "d.txt")
    expect(the(page, "queue-sum")).to_have_text("2 of 4 files done, 2 not added")
    expect(own(page)).to_have_count(2)


def test_a_folder_goes_in_with_its_paths_and_without_what_is_not_read(page: Page, tmp_path: Path) -> None:
    (tmp_path / "papers" / "deep").mkdir(parents=True)
    (tmp_path / "papers" / "quokka.md").write_text(NOTE)
    (tmp_path / "papers" / "deep" / "other.txt").write_text("A deeper paper on quokkas.")
    (tmp_path / "papers" / "picture.png").write_bytes(b"\x89PNG")
    the(page, "add-folder").set_input_files(tmp_path / "papers")
    queued(page, "papers/quokka.md")
    queued(page, "papers/deep/other.txt")
    expect(the(page, "add-note")).to_have_text("1 file of the folder left out: of a kind that is not read here.")
    expect(own(page).filter(has_text="papers/deep/other.txt")).to_have_count(1)


def drop(page: Page, script: str) -> None:
    """Drops files made in the page, where a test could not hand over so many bytes."""
    page.evaluate(
        f"""() => {{
          const dataTransfer = new DataTransfer();
          for (const [name, parts] of {script}) dataTransfer.items.add(new File(parts, name));
          document.querySelector('[data-testid="drop"]').dispatchEvent(
            new DragEvent("drop", {{ dataTransfer, bubbles: true, cancelable: true }}));
        }}"""
    )


def test_a_dropped_file_goes_in_and_one_that_is_too_large_is_not_sent(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/add" in request.url else None)
    drop(page, '[["big.txt", [new Uint8Array(64 * 2 ** 20 + 1)]], ["small.txt", ["Dropped on the page."]]]')
    expect(queued(page, "big.txt", "failed")).to_contain_text("larger than 64 MB")
    queued(page, "small.txt")
    assert len(sent) == 1


def test_a_file_on_its_way_is_stopped_and_goes_on(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/library/add*", hold)
    give(page, file("a.md", NOTE), file("b.txt", "Second."))
    queued(page, "a.md", "sending")
    assert not page.evaluate(LEAVE)
    the(page, "queue-stop").click()
    queued(page, "a.md", "stopped")
    expect(the(page, "queue-go-on")).to_be_focused()
    queued(page, "b.txt", "waiting")
    page.unroute("**/api/library/add*")
    the(page, "queue-go-on").click()
    queued(page, "a.md")
    queued(page, "b.txt")
    expect(own(page)).to_have_count(2)
    assert page.evaluate(LEAVE)


def test_a_broken_connection_and_a_refusal_are_told_and_can_be_tried_again(page: Page) -> None:
    page.route("**/api/library/add*", lambda route: route.abort())
    give(page, file("quokka.md", NOTE))
    expect(queued(page, "quokka.md", "failed")).to_contain_text("The connection broke")
    page.unroute("**/api/library/add*")
    page.route("**/api/library/add*", lambda route: route.fulfill(status=413, body="<html>proxy</html>"))
    the(page, "queue-again").click()
    expect(queued(page, "quokka.md", "failed")).to_contain_text("larger than what may be sent at once")
    page.unroute("**/api/library/add*")
    the(page, "queue-again").click()
    queued(page, "quokka.md")


# Whose


def test_another_visitor_sees_nothing_of_it(page: Page, new_visitor: NewVisitor) -> None:
    add(page, file("quokka.md", NOTE))
    find(page, "quokka pinna")
    the(page, "found-open").first.click()
    expect(the(page, "passage-asked")).to_be_visible()
    other = new_visitor(f"/library#{page.url.split('#')[1]}")
    expect(the(other, "viewer-problem")).to_be_visible()
    expect(the(other, "viewer")).not_to_contain_text("Quokka")
    press(other, "Escape")
    expect(the(other, "document").first).to_be_visible()
    expect(own(other)).to_have_count(0)
    the(other, "library-search").fill("thimbleberry")
    expect(the(other, "search-said")).not_to_be_empty()
    expect(other.locator(".found").filter(has_text="thimbleberry")).to_have_count(0)


def test_sample_pages_are_marked_and_cannot_be_removed_here(page: Page) -> None:
    first = the(page, "document").first
    expect(first.locator(".tag")).to_have_text("Sample")
    expect(the(page, "document-remove")).to_have_count(0)
    expect(the(page, "document-select")).to_have_count(0)
    expect(the(page, "shared-note")).to_contain_text("python -m app.library sample off")
    expect(the(page, "list-said")).to_contain_text("You have added nothing yet")


# The document in its dialog


def test_the_rest_of_a_document_comes_while_one_scrolls(page: Page) -> None:
    add(page, file("long.md", LONG))
    find(page, "topic45")
    the(page, "found-open").first.click()
    asked = the(page, "passage-asked")
    expect(asked).to_be_in_viewport()
    text = the(page, "viewer-text")
    expect(text.get_by_text("Part 5", exact=True)).to_have_count(0)
    for _ in range(10):
        text.evaluate("(element) => { element.scrollTop = 0; }")
        page.wait_for_timeout(100)
    expect(text.get_by_text("Part 0", exact=True)).to_have_count(1)
    expect(the(page, "viewer-earlier")).to_be_hidden()
    for _ in range(10):
        text.evaluate("(element) => { element.scrollTop = element.scrollHeight; }")
        page.wait_for_timeout(100)
    expect(text.get_by_text("Part 89", exact=True)).to_be_in_viewport()
    headings = text.locator(".passage-section:visible").all_text_contents()
    assert headings == [f"Part {number}" for number in range(90)] or headings[1:] == [f"Part {number}" for number in range(90)]


def test_scrolling_up_keeps_in_view_what_was_in_view(page: Page) -> None:
    add(page, file("long.md", LONG))
    find(page, "topic45")
    the(page, "found-open").first.click()
    text = the(page, "viewer-text")
    expect(the(page, "passage-asked")).to_be_in_viewport()
    top = the(page, "passage").first
    before = top.get_attribute("data-passage")
    text.evaluate("(element) => { element.scrollTop = 0; }")
    expect(the(page, "passage").first).not_to_have_attribute("data-passage", before or "")
    expect(page.locator(f'[data-passage="{before}"]')).to_be_in_viewport()


def test_a_quotation_is_set_off_by_its_code_points(page: Page) -> None:
    add(page, file("quokka.md", NOTE))
    found = page.request.get(f"{page.url}".replace("/library", "/api/library/search?q=pinna&scope=own")).json()["passages"][0]
    words = "begins with a rash"
    start = found["text"].index(words)
    page.evaluate(
        """async ([document, passage, quote, marks]) => {
          const { openPassage } = await import("/static/ui/document_viewer.js");
          openPassage({ document, passage, quote, marks, number: 2 });
        }""",
        [found["document"], found["id"], [start, start + len(words)], [[start + 14, start + 18], [0, 6]]],
    )
    asked = the(page, "passage-asked")
    expect(the(page, "quoted")).to_have_text(words)
    expect(the(page, "quoted").locator("mark")).to_have_text("rash")
    expect(asked.locator("mark").first).to_have_text("Quokka")
    expect(asked).to_contain_text("The quoted words are set off (citation 2)")
    expect(the(page, "viewer-library")).to_have_attribute("href", f"/library#d/{found['document']}/{found['id']}")
    line = the(page, "quoted").evaluate("(element) => getComputedStyle(element).borderInlineStartWidth")
    assert float(line.removesuffix("px")) >= 2


def test_a_documents_address_opens_it_and_going_back_closes_it(page: Page, application: Application) -> None:
    title = the(page, "document-open").first
    name = title.text_content() or ""
    title.click()
    expect(the(page, "viewer").locator("h2")).to_have_text(name)
    expect(the(page, "viewer")).to_contain_text("A sample page")
    address = page.url
    page.go_back()
    expect(the(page, "viewer")).to_have_count(0)
    page.go_forward()
    expect(the(page, "viewer").locator("h2")).to_have_text(name)
    page.goto(f"{application.address}/models")
    page.goto(address)
    expect(the(page, "viewer").locator("h2")).to_have_text(name)
    the(page, "viewer-close").click()
    expect(page).to_have_url(f"{application.address}/library")


def test_the_focus_stays_in_the_document_until_it_is_closed(page: Page) -> None:
    the(page, "document-open").first.focus()
    press(page, "Enter")
    expect(the(page, "viewer").locator("h2")).to_be_visible()
    for _ in range(8):
        press(page, "Tab")
        inside = "!document.activeElement || document.activeElement === document.body || document.activeElement.closest('dialog')"
        assert page.evaluate(f"Boolean({inside})")
    press(page, "Escape")
    expect(the(page, "document-open").first).to_be_focused()


# Out


def test_a_removed_document_is_found_no_more(page: Page) -> None:
    add(page, file("quokka.md", NOTE), file("other.txt", "Another paper."))
    find(page, "quokka fever")
    own(page).filter(has_text="Quokka fever").locator('[data-testid="document-remove"]').click()
    dialog = the(page, "confirm-dialog")
    expect(dialog).to_contain_text("Remove Quokka fever?")
    expect(dialog).to_contain_text("its 2 passages, also from the search index, and what your answers quoted")
    press(page, "Escape")
    expect(own(page)).to_have_count(1)  # the list shows the titles that are searched for
    own(page).locator('[data-testid="document-remove"]').click()
    the(page, "confirm-yes").click()
    expect(the(page, "remove-said")).to_contain_text("1 document is removed")
    expect(the(page, "remove-said")).to_be_focused()
    expect(page.locator(".found").filter(has_text="Quokka")).to_have_count(0)
    the(page, "library-search").fill("")
    expect(own(page)).to_have_count(1)


def test_those_that_are_selected_are_asked_together(page: Page) -> None:
    add(page, file("a.md", NOTE), file("b.txt", "Second."))
    expect(the(page, "ask-selected")).to_be_disabled()
    the(page, "select-all").check()
    the(page, "ask-selected").click()
    scope = the(page, "option-scope")
    expect(scope.locator("option:checked")).to_have_text("only 2 chosen documents")
    page.go_back()
    the(page, "document-select").first.check()
    the(page, "ask-selected").click()
    expect(scope.locator("option:checked")).to_have_text(re.compile("^only “.+”$"))


def test_several_are_removed_at_once_and_then_all(page: Page) -> None:
    add(page, *(file(f"paper-{number}.txt", f"Paper number {number}.") for number in range(5)))
    expect(own(page)).to_have_count(5)
    for number in (1, 3):
        own(page).filter(has_text=f"paper-{number}").locator("input").check()
    expect(the(page, "remove-selected")).to_have_text("Remove 2 selected")
    the(page, "remove-selected").click()
    expect(the(page, "confirm-dialog")).to_contain_text("Remove 2 documents?")
    the(page, "confirm-yes").click()
    expect(own(page)).to_have_count(3)
    the(page, "select-all").check()
    expect(the(page, "remove-selected")).to_have_text("Remove 3 selected")
    the(page, "remove-all").click()
    expect(the(page, "confirm-dialog")).to_contain_text("Remove all 3 documents of yours?")
    the(page, "confirm-yes").click()
    expect(own(page)).to_have_count(0)
    expect(the(page, "document").first).to_be_visible()


# Everybody


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling_here(new_visitor: NewVisitor, theme: str) -> None:
    page = new_visitor("/library", viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=theme)
    add(page, file("a-very-long-name-" + "x" * 120 + ".md", NOTE.replace("Signs", "S" * 90)))
    expect(own(page)).to_have_count(1)
    fits(page)
    assert serious(page) == []
    find(page, "quokka pinna")
    fits(page)
    the(page, "found-open").first.tap()
    expect(the(page, "passage-asked")).to_be_in_viewport()
    fits(page)
    assert the(page, "viewer").bounding_box() == {"x": 0, "y": 0, "width": 360, "height": 740}
    assert the(page, "viewer-text").evaluate("(element) => element.scrollWidth <= element.clientWidth")
    assert serious(page) == []
    the(page, "viewer-close").tap()
    expect(the(page, "viewer")).to_have_count(0)


def test_nobody_is_kept_out_of_the_library(page: Page) -> None:
    give(page, file("quokka.md", NOTE), file("rows.jsonl", "{}\n{}"), file("empty.txt", b""))
    queued(page, "quokka.md")
    queued(page, "empty.txt", "failed")
    find(page, "quokka")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert serious(page) == []
    the(page, "found-open").first.click()
    expect(the(page, "passage-asked")).to_be_visible()
    assert serious(page) == []


def test_a_passage_is_found_and_opened_by_keyboard_alone(page: Page) -> None:
    add(page, file("quokka.md", NOTE))
    the(page, "library-search").focus()
    page.keyboard.type("thimbleberry")
    press(page, "Enter")
    expect(the(page, "found").first).to_be_visible()
    press(page, "Tab", "Tab", "Enter")
    expect(the(page, "passage-asked").locator("mark").first).to_have_text("thimbleberry")
    press(page, "Escape")
    expect(the(page, "found-open").first).to_be_focused()


def test_a_list_drawn_anew_behind_an_open_document_gives_the_focus_back_to_its_row(page: Page) -> None:
    add(page, file("quokka.md", NOTE))
    find(page, "thimbleberry")
    the(page, "found-open").first.focus()
    press(page, "Enter")
    expect(the(page, "passage-asked")).to_be_visible()
    row = the(page, "found").first.element_handle()
    the(page, "library-search").dispatch_event("input")  # a search, as a file that was just added starts one
    page.wait_for_function("(row) => !row.isConnected", arg=row)
    press(page, "Escape")
    expect(the(page, "found-open").first).to_be_focused()
