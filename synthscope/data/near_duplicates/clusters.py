"""Clusters of images that look alike: a list, what it warns of, and a manifest without the later copies.

A cluster is connected: its images lie within the threshold of another one, not of every other one. Flat pictures, as of
one colour, have no hash and are compared by their bytes alone.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from synthscope.data.components import components, connected
from synthscope.data.near_duplicates.hashing import distances
from synthscope.data.near_duplicates.search import near_pairs

THRESHOLD = 6  # bits of 64, of both hashes; docs/data.md has its rates of misses and false alarms
CLUSTERS = pl.Schema(
    {
        "cluster": pl.Int64,  # from 1 on
        "path": pl.String,
        "label": pl.Int8,
        "generator": pl.String,
        "split": pl.String,
        "sha256": pl.String,
        "phash": pl.UInt64,  # null = flat
        "dhash": pl.UInt64,
        "distance": pl.Int16,  # bits to the first image of the cluster, of the hash that differs more
    }
)
KINDS = ["phash", "dhash"]
ORDER = {
    "test": 0,
    "val": 1,
    "train": 2,
}  # copies are dropped where they are trained on, so that tests stay as they are


def find_clusters(table: pl.DataFrame, hashed: pl.DataFrame, threshold: int = THRESHOLD) -> pl.DataFrame:
    """Images with near-duplicates.

    Args:
        table: A manifest.
        hashed: ``path``, ``sha256``, ``phash`` and ``dhash``, of :func:`hash_images`; without, an image is alone.
        threshold: Bits in which hashes of near-duplicates may differ.

    Returns:
        Columns of ``CLUSTERS``. In a cluster real images come before AI ones, then those of test before val and train,
        then by path. Clusters stand in the order of their first images.
    """
    rank = pl.col("split").replace_strict(ORDER, default=len(ORDER), return_dtype=pl.Int64)
    images = table.filter(pl.col("error").is_null()).sort("label", rank, "path", nulls_last=True)
    images = images.unique("path", keep="first", maintain_order=True).select("path", "label", "generator", "split")
    images = images.join(hashed.select("path", "sha256", *KINDS), on="path", how="left", maintain_order="left")
    images = images.with_columns(cluster=components(_relations(images, threshold), images.height))
    images = images.filter(pl.len().over("cluster") > 1)
    images = images.with_columns(pl.col("cluster").rank("dense").cast(pl.Int64)).sort("cluster", maintain_order=True)
    first = images.select(pl.col(KINDS).first().over("cluster"))
    far = distances(_numbers(images), _numbers(first))
    return images.with_columns(distance=pl.Series(far, dtype=pl.Int16)).select(CLUSTERS.names()).cast(CLUSTERS)


def _relations(images: pl.DataFrame, threshold: int) -> list[pl.Series]:
    """Numbers that images of the same bytes share, and those of hashes that are near, over others as well."""
    known = images.drop_nulls(KINDS).unique(KINDS, keep="first", maintain_order=True).select(KINDS)
    named = known.with_columns(alike=connected(near_pairs(_numbers(known), threshold), known.height))
    return [images["sha256"], images.join(named, on=KINDS, how="left", maintain_order="left")["alike"]]


def copies(clusters: pl.DataFrame, threshold: int = THRESHOLD) -> pl.Series:
    """Paths of the images that are not needed: each lies within ``threshold`` of an earlier one that stays.

    Real and AI images that look alike both stay, because a reconstruction of a photograph is no copy of it.
    """
    dropped: list[str] = []
    for _, rows in clusters.group_by("cluster", "label", maintain_order=True):
        hashes, kept = _numbers(rows), np.empty((0, len(KINDS)), np.uint64)
        for path, each in zip(rows["path"], hashes, strict=True):
            if (distances(kept, each) <= threshold).any():
                dropped.append(path)
            else:
                kept = np.vstack([kept, each])
    return pl.Series("path", dropped, dtype=pl.String)


def _numbers(table: pl.DataFrame) -> np.ndarray:
    """uint64 ``(n, 2)`` hashes; 0 of flat pictures, which only the same bytes bring into a cluster."""
    return table.select(pl.col(KINDS).fill_null(0)).to_numpy()


def describe_clusters(clusters: pl.DataFrame) -> list[str]:
    """How many clusters there are; a warning where some stand in several splits; what it means where labels differ."""
    if clusters.is_empty():
        return ["No near-duplicates found."]
    told = [f"Images that look alike: {clusters.height:,} in {clusters['cluster'].n_unique():,} clusters."]
    told += [sentence for sentence in (leak(clusters),) if sentence]
    ai = pl.col("path").filter(pl.col("label") == 1).first()
    mixed = clusters.group_by("cluster", maintain_order=True).agg(
        pl.col("path").first(), other=ai, n=pl.col("label").drop_nulls().n_unique()
    )
    if (both := mixed.filter(pl.col("n") > 1)).height:
        told.append(
            f"Clusters of real and AI images: {both.height:,}, such as {both['path'][0]} and {both['other'][0]}. One "
            "is a reconstruction of the other or the result of image-to-image, or wrongly labelled. Both stay."
        )
    return told


def leak(clusters: pl.DataFrame) -> str | None:
    """A warning of clusters that stand in several splits, if there are any."""
    placed = clusters.drop_nulls("split").group_by("cluster", maintain_order=True)
    apart = placed.agg("path", "split").filter(pl.col("split").list.n_unique() > 1)
    if apart.is_empty():
        return None
    paths, splits = apart["path"][0], apart["split"][0]
    other = (splits != splits[0]).arg_true()[0]
    return (
        f"A detector may be tested on images that it was trained on. Clusters in several splits: {apart.height:,}, "
        f"such as {paths[0]} ({splits[0]}) and {paths[other]} ({splits[other]}). Divide the images anew by "
        "synthscope data split, or drop the copies."
    )
