"""The screens, Ask ("/") and those under their names ("/library", "/practise", ...), as a Gradio app with empty mount points.

What shows on them is made by the scripts in `static/`, which speak to our own routes. No Gradio event is used: Gradio
keeps no visitor apart from another. This module knows nothing of the engine, the store or the routes.

The mount points are layout blocks and not `gr.HTML`: that component compiles its template with `Function(...)` in the
browser and would force 'unsafe-eval' into the content security policy.
"""

from __future__ import annotations

from typing import TypedDict

import gradio as gr
from gradio.components.navbar import Navbar

from app.ui.gradio_api import GradioApi

STYLES = (
    "tokens.css",
    "base.css",
    "engine.css",
    "ask.css",
    "ask_sources.css",
    "report.css",
    "practise.css",
    "practise_session.css",
    "practise_results.css",
    "models.css",
    "library.css",
    "evidence.css",
)
PAPER, PAPER_DARK = "#faf8f4", "#131716"
"""Gradio's first paint, before our style sheets are there. The same as --paper in tokens.css."""

HIDE_GRADIO = "gradio-app { visibility: hidden; }"
"""Gradio's spinner and navigation bar; also part of the theme, which arrives before the rest."""


class MountOptions(TypedDict):
    """Keywords of `gr.mount_gradio_app` that make Gradio show our pages and do nothing else."""

    head: str
    css: str
    theme: gr.themes.Base
    footer_links: list[str]
    run_history: bool
    enable_monitoring: bool
    pwa: bool
    ssr_mode: bool
    mcp_server: bool
    show_error: bool


def build_pages(api: GradioApi) -> gr.Blocks:
    """Return the Gradio app of all pages and the API; to be mounted at "/" with `mount_options()`."""
    pages = gr.Blocks(title="LlamaCare", analytics_enabled=False, fill_width=True)
    with pages:
        api.register()
        Navbar(visible=False)
        gr.Column(elem_id="llamacare-ask")
    with pages.route("Library", "library", show_in_navbar=False):
        Navbar(visible=False)
        gr.Column(elem_id="llamacare-library")
    with pages.route("Evidence", "evidence", show_in_navbar=False):
        Navbar(visible=False)
        gr.Column(elem_id="llamacare-evidence")
    with pages.route("Practise", "practise", show_in_navbar=False):
        Navbar(visible=False)
        gr.Column(elem_id="llamacare-practise")
    with pages.route("Models", "models", show_in_navbar=False):
        Navbar(visible=False)
        gr.Column(elem_id="llamacare-models")
    return pages


def page_head() -> str:
    """Return the tags for <head>: our icon, style sheets and the entry script, all from this server."""
    styles = "".join(f'<link rel="stylesheet" href="/static/styles/{name}">' for name in STYLES)
    return (
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="same-origin">'
        '<link rel="icon" type="image/svg+xml" href="/static/ui/icon.svg">'
        f'{styles}<script type="module" src="/static/ui/main.js"></script>'
    )


def page_theme() -> gr.themes.Base:
    """Return a theme that loads no font and paints our paper colour until the style sheets have arrived."""
    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    theme.custom_css = HIDE_GRADIO
    return theme.set(body_background_fill=PAPER, body_background_fill_dark=PAPER_DARK)


def mount_options() -> MountOptions:
    """Return the keywords for `gr.mount_gradio_app(app, build_pages(), path="/", **mount_options())`."""
    return {
        "head": page_head(),
        "css": HIDE_GRADIO,
        "theme": page_theme(),
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "pwa": False,
        "ssr_mode": False,
        "mcp_server": False,
        "show_error": False,
    }
