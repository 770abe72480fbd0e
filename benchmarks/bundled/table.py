"""The images that the bundled detector is trained and judged on, as one table for the layout ``csv:``.

    python benchmarks/bundled/table.py IMAGES IMAGES_2026 OUT

writes ``train.csv``, ``reference.csv`` and ``evaluate.csv``. Both folders bring a ``manifest.csv`` of their own; their
READMEs say where each image is from. Of the second folder only rows with ``use=evaluate`` go to ``evaluate.csv``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from synthscope.runtime import whole_file

PHOTO_SOURCES = {"EliSchwartz/imagenet-sample-images": "imagenet", "BIDS/BSDS500": "bsds500"}
GENERATORS = {
    "gpt_image_2_freestylefly": "gpt_image_2", "gpt_image_2_evolink": "gpt_image_2",
    "midjourney_v7_pixmind": "midjourney_v7",
    "seedream_5_pro": "seedream_5", "swarmui_models": "swarmui",
}  # fmt: skip
# Each fold holds out a block of generators and a block of photo sources. Groceries stand beside groceries, latent
# diffusion beside its kin, all of 2026 beside the small sources of photographs.
BLOCKS = {
    "groceries": ("grocery_store", "sd35_medium"),
    "cameras": ("cartridge_phones", "odm_copr_drone", "brighton_beach_drone", "opensfm_examples", "exif_orientation",
                "gpt_image_2", "midjourney_v7", "seedream_5", "swarmui"),
    "imagenet": ("imagenet", "latent_diffusion", "glid3_xl", "sd_beta_2022", "simulacra_bot"),
    "bsds500": ("bsds500", "dalle_mini", "disco_diffusion", "midjourney_v3"),
}  # fmt: skip
# Photographs of one varied source, and images of recent generators: the shipped model is trained on none of either.
REFERENCE = "imagenet", "midjourney_v7", "seedream_5", "swarmui"
COLUMNS = ["path", "label", "generator", "subset", "split", "group", "licence"]


def older(root: Path) -> pl.DataFrame:
    """Photographs and images of eight generators of 2022 to 2025; one prompt or one grocery is one group."""
    rows = pl.read_csv(root / "manifest.csv")
    real = pl.col("label") == 0
    folder = pl.col("source_path").str.split("/").list.slice(0, pl.col("source_path").str.count_matches("/"))
    return rows.with_columns(
        path=pl.lit(f"{root.resolve()}/") + pl.col("path"),
        subset=pl.when(real).then(pl.col("source_repo").replace(PHOTO_SOURCES)).otherwise("generator"),
        group=pl.when(real).then("path").otherwise(folder.list.join("/")),
        split=pl.lit("train"),
    ).select(COLUMNS)


def newer(root: Path, use: str) -> pl.DataFrame:
    """Photographs of many cameras and images of 2023 to 2026; a small source of photographs is one scene, one group."""
    rows = pl.read_csv(root / "manifest.csv").filter(use=use)
    folder, real = pl.col("path").str.split("/").list.first(), pl.col("label") == 0
    name = pl.when(real | (folder != "ai_human_images")).then(folder.replace(GENERATORS)).otherwise("generator")
    scene = pl.when(folder == "grocery_store").then("class_name").when(real & (folder != "photoprism_examples"))
    group = scene.then(folder).when(folder == "ai_human_images").then("class_name").otherwise("path")
    return rows.with_columns(
        path=pl.lit(f"{root.resolve()}/") + pl.col("path"),
        generator=pl.when(real).then(pl.lit("real")).otherwise(pl.coalesce("generator", folder)),
        subset=name,
        group=group,
        split=pl.lit("train" if use == "train" else "test"),
    ).select(COLUMNS)


def images(older_root: Path, newer_root: Path) -> pl.DataFrame:
    """All images that may be trained on, photographs with their source in ``subset``, with the column ``fold``."""
    table = pl.concat([older(older_root), newer(newer_root, "train")])
    fold_of = {member: fold for fold, members in BLOCKS.items() for member in members}
    return table.with_columns(fold=pl.col("subset").replace_strict(fold_of))


def parts(older_root: Path, newer_root: Path) -> dict[str, pl.DataFrame]:
    """What the shipped detector is trained on, what it is compared with, and what it is measured on once at the end."""
    table, test = images(older_root, newer_root), newer(newer_root, "evaluate")
    compared = pl.col("subset").is_in(REFERENCE)
    known = pl.col("generator") == "stable-diffusion-3.5-medium"  # one image of a model that others are trained on
    return {"train": table.filter(~compared), "reference": table.filter(compared & ~known), "evaluate": test}


if __name__ == "__main__":
    first, second, out = map(Path, sys.argv[1:])
    for name, rows in parts(first, second).items():
        with whole_file(out / f"{name}.csv") as temporary:
            rows.select(COLUMNS).write_csv(temporary)
