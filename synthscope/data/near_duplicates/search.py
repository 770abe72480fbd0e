"""All pairs of near hashes among millions, exactly, without comparing each with each.

Of m blocks of bits, hashes that differ in t bits have at least m - t in common. So hashes are sorted by every choice of
m - t blocks, and only those that agree in all of these are compared (Manku, Jain & Das Sarma 2007, "Detecting
near-duplicates for web crawling"). With m - t = 1 and t = 3 these are the four words of 16 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from synthscope.data.near_duplicates.hashing import distances
from synthscope.errors import UsageError

BITS = 64
MOST = 12  # bits of the threshold; above it sorted keys are too many and too short


def near_pairs(hashes: np.ndarray, threshold: int) -> np.ndarray:
    """Pairs of hashes of which both kinds differ in at most ``threshold`` bits; searched by the first kind.

    Args:
        hashes: uint64 ``(n, 2)``, all rows different.
        threshold: 0 to 12. Time grows with n and with the number of blocks' choices, 84 for 2.7 million and 6 bits.

    Returns:
        int64 ``(k, 2)`` of row numbers, the smaller one first, sorted.

    Raises:
        UsageError: Another threshold.
    """
    if not 0 <= threshold <= MOST:
        raise UsageError(f"Expected a threshold of 0 to {MOST} bits, got {threshold}. Correct it.")
    count = len(hashes)
    found = np.empty(0, np.int64)
    for mask in _masks(threshold, count):
        keys = hashes[:, 0] & mask
        order = np.argsort(keys)
        pairs = [
            first * count + second for first, second in _near_in_runs(hashes[order], keys[order], order, threshold)
        ]
        found = np.unique(np.concatenate([found, *pairs]))
    return np.column_stack([found // max(count, 1), found % max(count, 1)])


def _masks(threshold: int, count: int) -> Iterator[np.uint64]:
    """The bits of every choice of blocks; so many blocks that few hashes agree in one choice by chance."""
    agreeing = next(k for k in range(1, BITS) if k * BITS / (threshold + k) >= np.log2(max(count, 2)) - 2)
    edges = np.linspace(0, BITS, threshold + agreeing + 1).round().astype(int)
    blocks = [(1 << int(end)) - (1 << int(start)) for start, end in pairwise(edges)]
    for chosen in combinations(blocks, agreeing):
        yield np.uint64(sum(chosen))


def _near_in_runs(
    hashes: np.ndarray, keys: np.ndarray, rows: np.ndarray, threshold: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Near pairs of rows among sorted, equal keys: each with its next neighbour, then with that after it, and so on."""
    here, step = np.arange(len(keys)), 1
    while (here := here[here + step < len(keys)]).size:
        here = here[keys[here] == keys[here + step]]
        near = here[distances(hashes[here], hashes[here + step]) <= threshold]
        one, other = rows[near], rows[near + step]
        yield np.minimum(one, other), np.maximum(one, other)
        step += 1
