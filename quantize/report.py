"""What a run found, as a person reads it: Markdown tables of comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

HEADS = (
    "model",
    "beside",
    "n",
    "same label",
    "95 %",
    "decided",
    "same label of those",
    "labels' KL",
    "next token's KL",
    "perplexity",
    "its parent's",
)


def comparison_lines(report: Mapping[str, Any], parent: str = "F16") -> Iterator[str]:
    """A Markdown table, a row a comparison, line by line. ``parent``: what the types were made of."""
    yield f"| {' | '.join(HEADS)} |"
    yield f"| --- | --- | {' | '.join(['---:'] * (len(HEADS) - 2))} |"
    for onto, found in report.get("merges", {}).items():
        yield _row(f"merged onto the {onto} weights, float32", "as trained", found)
    if "exported" in report:
        yield _row("F16 in llama.cpp", "merged, float32" if "merged" in report else "as trained", report["exported"])
    for name, found in report.get("types", {}).items():
        yield _row(name, parent, found)


def _row(child: str, parent: str, found: Mapping[str, Any]) -> str:
    cells = (
        child,
        parent,
        f"{found['n']:,}",
        f"{found['agreement']:.2%}",
        f"{found['agreement_low']:.1%} to {found['agreement_high']:.1%}",
        f"{found['clear']:,} (by {found['tie']:.2f} nats)",
        f"{found['clear_agreement']:.2%}",
        _figure(found["label_kl"], ".2g"),
        _figure(found["text_kl"], ".2g"),
        _figure(found["perplexity"], ".3f"),
        _figure(found["parent_perplexity"], ".3f"),
    )
    return f"| {' | '.join(cells)} |"


def _figure(value: float | None, form: str) -> str:
    """None is what was not finite."""
    return "not finite" if value is None else format(value, form)
