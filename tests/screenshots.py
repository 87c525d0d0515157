"""Pictures of the pages on the real application and model: ``python -m tests.screenshots [FOLDER]``.

Writes PNG files, five pages by two themes by two sizes, to assets/screenshots and prints their names and sizes.
They are looked at by a person; no test compares them.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image  # comes with gradio
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.application import ROOT, Application, chromium, running
from tests.browser.pages import answer_with_status, ask, await_question, await_reading, commit, practise, the

SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
QUESTION = "How is hyperkalemia with ECG changes treated first?"
"""The sample library answers it; what the small model writes is folded away, so it is not pictured saying wrong medicine."""
SEARCHED = "potassium ECG"
LETTER = "b"
COLOURS = 240  # keeps the accents' hues, at under half of the bytes


def main(folder: Path) -> None:
    expect.set_options(timeout=120_000)
    folder.mkdir(parents=True, exist_ok=True)
    with running() as application, chromium() as browser:
        application.await_engine(lambda engine: engine["state"] == "ready")
        visitor = prepare(browser, application)
        for size, viewport in SIZES.items():
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport=viewport,
                    color_scheme=theme,
                    storage_state=visitor,
                    has_touch=size == "phone",
                    is_mobile=size == "phone",
                )
                picture(context, application, folder, f"{size}-{theme}")
                context.close()


def prepare(browser: Browser, application: Application) -> dict[str, object]:
    """A visitor who has asked one question and committed one answer, as Playwright's storage state, so that all pictures
    show the same."""
    context = browser.new_context(viewport=SIZES["desktop"])
    page = context.new_page()
    page.goto(application.address)
    ask(page, QUESTION)
    answer_with_status(page, "complete")
    page.goto(f"{application.address}/practise")
    practise(page)
    commit(page, LETTER)
    await_reading(page)
    state = dict(context.storage_state())
    context.close()
    return state


def picture(context: BrowserContext, application: Application, folder: Path, name: str) -> None:
    page = context.new_page()
    page.goto(application.address)
    link = page.locator('[data-testid="conversation"] a').get_attribute("href")
    page.goto(f"{application.address}{link}")
    answer_with_status(page, "complete")
    expect(the(page, "status-line")).to_contain_text("SmolLM2")
    page.locator(".scroller").evaluate("scroller => scroller.scrollTo(0, 0)")
    save(page, folder / f"ask-{name}.png")

    page.goto(f"{application.address}/library")
    the(page, "library-search").fill(SEARCHED)
    expect(the(page, "found").first).to_be_visible()
    expect(the(page, "status-line")).to_contain_text("SmolLM2")
    save(page, folder / f"library-{name}.png")

    page.goto(f"{application.address}/evidence")
    the(page, "evidence-example").click()
    the(page, "evidence-go").click()
    expect(the(page, "evidence-verdict")).to_be_visible()
    expect(the(page, "rests")).to_be_attached()
    expect(the(page, "evidence-stop")).to_be_hidden()
    the(page, "evidence-verdict").evaluate("verdict => verdict.scrollIntoView({ block: 'start' })")
    save(page, folder / f"evidence-{name}.png")

    page.goto(f"{application.address}/practise")
    the(page, "continue").click()
    the(page, "grid-item", number=1).dispatch_event("click")  # in its drawer on a phone
    await_question(page)
    await_reading(page)
    expect(the(page, "status-line")).to_contain_text("SmolLM2")
    # As the page stands right after a commit.
    the(page, "verdict").evaluate("verdict => verdict.scrollIntoView({ block: 'start' })")
    save(page, folder / f"practise-{name}.png")

    page.goto(f"{application.address}/models")
    expect(page.get_by_role("heading", name="Models at hand")).to_be_visible()
    expect(the(page, "status-line")).to_contain_text("SmolLM2")
    page.wait_for_load_state("networkidle")
    save(page, folder / f"models-{name}.png")


def save(page: Page, path: Path) -> None:
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    print(f"{shown}  {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "assets" / "screenshots")
