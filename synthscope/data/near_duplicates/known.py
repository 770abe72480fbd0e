"""Near-duplicates among images whose hashes are known from an earlier command, without decoding anything."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthscope.data.near_duplicates.clusters import describe_clusters, find_clusters
from synthscope.data.near_duplicates.stored import hashes_beside, known_hashes


def known_clusters(source: str | Path, table: pl.DataFrame) -> list[str]:
    """What there is to say of near-duplicates of a manifest; nothing where none of its images was ever hashed.

    Args:
        source: The manifest's file, beside which ``data dedupe`` and ``data split`` keep hashes.
        table: Its images; those without ``sha256`` count for nothing.
    """
    folder = hashes_beside(source)
    known = known_hashes(folder) if folder.is_dir() else pl.DataFrame()
    if known.is_empty():
        return []
    hashed = table.select("path", "sha256").drop_nulls().unique("path").join(known, on="sha256")
    return describe_clusters(find_clusters(table, hashed)) if hashed.height else []
