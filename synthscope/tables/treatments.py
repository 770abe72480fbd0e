"""What protocols did to the images of each test set, and what they left out."""

from __future__ import annotations

from typing import Any

import polars as pl

from synthscope.data.align.views import CLASSES, PROTOCOLS
from synthscope.tables.render import plain_text
from synthscope.tables.wording import in_order, pretty


def treatment_rows(treatments: pl.DataFrame, view: str) -> pl.DataFrame:
    """A row a test set: images of each class that the view shows and leaves out, and the side of its crop in pixels.

    Args:
        treatments: ``align.views.TREATMENTS``.
        view: One of its views.
    """
    table = treatments.filter(pl.col("view") == view).with_columns(pl.col("subset").fill_null("all"))
    rows = []
    for name in in_order(table["subset"].unique(maintain_order=True).to_list()):
        here = table.filter(subset=name)
        counts: dict[str, Any] = {
            f"{word}, {what}": here.filter(kept=kept, label=label)["n"].sum()
            for label, word in CLASSES.items()
            for kept, what in ((True, "shown"), (False, "left out"))
        }
        rows.append({"test set": pretty(name)} | counts | {"crop": here["side"].max()})
    return pl.DataFrame(rows)


def treatment_notes(treatments: pl.DataFrame, view: str) -> list[str]:
    """What the view is, and why images were left out."""
    left = treatments.filter(pl.col("view") == view, ~pl.col("kept")).group_by("label", "treatment").agg(n=pl.sum("n"))
    parts = [f"{n} {CLASSES[label]} ({why})" for label, why, n in left.sort("label", "treatment").rows()]
    says = f"The view {view}: {PROTOCOLS[view].says}." if view in PROTOCOLS else f"The view {view}."
    return [says, *([f"Left out: {'; '.join(parts)}."] if parts else [])]


def treatment_text(treatments: pl.DataFrame) -> str:
    """All views as they are printed."""
    views = treatments["view"].unique(maintain_order=True).to_list()
    return "\n\n".join(
        "\n".join(
            [
                f"Images in the view {view}",
                "",
                plain_text(treatment_rows(treatments, view)),
                *(f"  {note}" for note in treatment_notes(treatments, view)),
            ]
        )
        for view in views
    )
