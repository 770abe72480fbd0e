"""CLIP's row in the table of candidates by itself: minutes instead of hours, on the same folds and images.

    python benchmarks/bundled/upper_reference.py IMAGES IMAGES_2026 WORK --clip clip_b16_8bit.safetensors

replaces it in ``results/bundled/candidates.csv`` and ``.md``.
"""

from __future__ import annotations

import polars as pl
from candidates import SIDE, candidates
from card import markdown
from crossfit import Images, crossfit
from pixels import cached, clip_features, in_view, middles, standardised, stored
from run import RESULTS, WEIGHTS, asked

from synthscope.runtime.files import write_text
from synthscope.schema import write_table
from synthscope.studies.unseen import ALL, FIGURES, unseen

VIEW = "laundered"


def main() -> None:
    given, _, manifest = asked(__doc__)
    shown = stored(in_view(manifest, VIEW), given.work / VIEW)
    pixels = cached(given.work / f"{VIEW}.npy", lambda: middles(shown, SIDE))
    embedded = cached(given.work / "clip.npy", lambda: clip_features(pixels, given.clip))
    features = {"clip": {VIEW: standardised(embedded)}}
    (clip,) = (one for one in candidates(WEIGHTS) if one.features == "clip")
    figures = unseen(crossfit(clip, Images({VIEW: shown}, {VIEW: pixels}, {}, features), given.work))
    known = pl.read_csv(RESULTS / "candidates.csv", schema=FIGURES)
    order = pl.col("candidate").replace_strict(
        {name: place for place, name in enumerate(known["candidate"].unique(maintain_order=True))}
    )
    both = pl.concat([known.filter(pl.col("candidate") != clip.name), figures]).sort(order, maintain_order=True)
    write_table(both, RESULTS / "candidates.csv")
    write_text(RESULTS / "candidates.md", markdown(both.filter(test_set=ALL).drop("test_set"), ["candidate", "view"]))


if __name__ == "__main__":
    main()
