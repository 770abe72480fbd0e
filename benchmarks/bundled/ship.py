"""From a trained folder to the one in the wheel: float16 weights, reference set, one look at other images, card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import torch
from card import card
from pixels import in_view, stored

from synthscope.data.images import read_rgb
from synthscope.detectors.base import Detector, preprocess
from synthscope.detectors.hub import load_detector, save_detector
from synthscope.inspection.calibrate import calibrate
from synthscope.inspection.reference import ReferenceSet, save_reference
from synthscope.runtime import track
from synthscope.runtime.files import write_text
from synthscope.schema import write_table
from synthscope.studies.unseen import SCORES, clears_bar, unseen

LICENCE = "Apache-2.0 (backbone and head); its training images are under licences of their own, see README.md"
VIEWS = "none", "laundered", "aligned"
FEWEST = 20  # images of a class that a view must leave


def halved(folder: Path) -> Detector:
    """The detector of a folder with its weights rounded to float16."""
    detector = load_detector(folder)
    detector.config = detector.config.model_copy(update={"stored": "fp16", "licence": LICENCE})
    detector.load_state_dict({k: v.half() if v.is_floating_point() else v for k, v in detector.state_dict().items()})
    return detector


def evaluate(detector: Detector, test: pl.DataFrame, reference: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """``FIGURES`` on images that nothing was chosen by, against reference photographs seen in the same way.

    Args:
        detector: As it ships.
        test: Manifest of the images.
        reference: Manifest of photographs that it was not trained on.
        folder: For images as the views show them, and ``evaluate.scores.parquet``.
    """
    parts = {"test": test, "reference": reference.filter(label=0)}
    scores = []
    for view in VIEWS:
        rows = {part: images.with_columns(fold=pl.lit("evaluate")) for part, images in parts.items()}
        if (
            view == "aligned"
        ):  # photographs are cropped as they are: the reference has no other class to be matched with
            rows["test"] = in_view(rows["test"], view)
            rows["reference"] = rows["reference"].with_columns(view=pl.lit("crop:size=256,grid=16"))
        elif view == "laundered":
            together = in_view(pl.concat(rows.values()), view)
            rows = {part: together.join(images.select("path"), on="path", how="semi") for part, images in parts.items()}
        else:
            rows = {part: images.with_columns(view=pl.lit("none")) for part, images in rows.items()}
        counts = rows["test"]["label"].value_counts()
        if counts.height < 2 or counts["count"].min() < FEWEST:
            continue
        for part, images in rows.items():
            files = stored(images, folder / f"{view}.{part}")
            told = {"candidate": detector.config.name, "view": view, "fold": "evaluate", "part": part}
            named = files.with_columns(
                path="original", member="subset", logit=pl.Series(logits_of(detector, files["path"])),
                **{column: pl.lit(text) for column, text in told.items()},
            )  # fmt: skip
            scores.append(named.select(SCORES.names()).cast(dict(SCORES)))  # type: ignore[arg-type]
    table = pl.concat(scores)
    write_table(table, folder / "evaluate.scores.parquet")
    return unseen(table)


@torch.no_grad()
def logits_of(detector: Detector, paths: pl.Series) -> np.ndarray:
    """float64 ``(n,)`` of files as the detector itself prepares them."""
    found = []
    for start in track(range(0, len(paths), 32), "scoring", total=-(-len(paths) // 32), unit="batches"):
        images = [preprocess(read_rgb(path), detector.config.input) for path in paths[start : start + 32]]
        found.append(detector(torch.stack(images)))
    return torch.cat(found).double().numpy()


def licensed(reference: ReferenceSet, table: pl.DataFrame) -> ReferenceSet:
    """The reference set with the licences of its sources, of which each has one."""
    licences = dict(
        table.select(pl.when(pl.col("label") == 1).then("generator").otherwise("subset"), "licence").iter_rows()
    )
    sources = tuple(s.model_copy(update={"licence": licences.get(s.name)}) for s in reference.sources)
    return reference.model_copy(update={"sources": sources})


def ship(
    trained: Path, candidates: pl.DataFrame, chosen: str, chance: dict[str, float], tables: dict[str, pl.DataFrame],
    licences: pl.DataFrame, work: Path, results: Path, out: Path,
) -> bool:  # fmt: skip
    """Write the folder in the package; True where the detector is proven.

    Proven is what clears the bar among the candidates, there beats labels exchanged between whole generators and
    sources (p up to 0.05 in every view), and clears the bar again on the ``evaluate`` rows. What is not is named so.
    """
    detector = halved(trained)
    figures = evaluate(detector, tables["evaluate"], tables["reference"], work)
    write_table(figures, results / "evaluate.csv")
    among = clears_bar(candidates, chosen) and max(chance.values()) <= 0.05
    proven = among and clears_bar(figures, detector.config.name)
    detector.config = detector.config.model_copy(update={"name": "bundled" if proven else "demo_only"})
    save_detector(detector, out)
    photographs, ai = (tables["reference"].filter(label=label) for label in (0, 1))
    made = calibrate(out, photographs, ai, out=out, name="ImageNet sample photographs")
    reference = licensed(made, licences).model_copy(update={"demo_only": not proven})
    save_reference(reference, out)
    write_text(out / "README.md", card(detector.config, reference, candidates, chosen, chance, figures, proven=proven))
    return proven
