"""What an inspection gives, with its pictures: as evidence that holds them, as a page, and as a notebook shows it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synthscope.inspection.evidence import Evidence
from synthscope.inspection.looks import Look
from synthscope.report.uri import data_uri
from synthscope.runtime import in_notebook


class Inspection(NamedTuple):
    """Evidence, and the pixels that its pictures are made of."""

    evidence: Evidence
    rgb: np.ndarray | None  # uint8 (H, W, 3), upright
    looks: tuple[Look, ...] = ()

    def with_data_uris(self, *, raw: bool) -> Evidence:
        """Evidence whose overlays, and with ``raw`` whose heatmaps, are data: URIs."""
        heatmaps = tuple(
            look.heatmap.model_copy(
                update={
                    "raw": data_uri(look.raw(), "application/octet-stream") if raw else None,
                    "overlay": data_uri(look.overlay(), "image/png"),
                }
            )
            for look in self.looks
        )
        return self.evidence.model_copy(update={"heatmaps": heatmaps})

    def page(self) -> str:
        """A whole HTML document that can be saved; its one ``<article>`` can be shown in another page."""
        from synthscope.inspection.page.html import evidence_page
        from synthscope.inspection.page.pictures import jpeg

        picture = "" if self.rgb is None else data_uri(jpeg(self.rgb), "image/jpeg")
        return evidence_page(self.with_data_uris(raw=False), picture)

    def shown(self) -> Evidence:
        """The evidence; in a notebook with the page that it is shown as."""
        if in_notebook():
            vars(self.evidence)["page"] = self.page()
        return self.evidence
