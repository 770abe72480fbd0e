"""What hangs together: rows that share a value of any of several relations, directly or over others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl


def components(relations: Sequence[pl.Series], rows: int) -> np.ndarray:
    """Connected components of rows.

    Args:
        relations: Series of ``rows`` values each; rows with the same value belong together, null relates to nothing.
        rows: How many there are.

    Returns:
        int64 ``(rows,)``: a number for each component, from 0 on, in the order of their first rows.

    >>> components([pl.Series(["a", "a", None, None]), pl.Series([None, 1, 1, 2])], 4).tolist()
    [0, 0, 0, 1]
    """
    starts, ends, nodes = [np.empty(0, np.int64)], [np.empty(0, np.int64)], rows
    for values in relations:
        keys = values.drop_nulls().rank("dense").to_numpy().astype(np.int64)  # a node for every value
        starts.append(values.is_not_null().arg_true().to_numpy().astype(np.int64))
        ends.append(keys + nodes - 1)
        nodes += int(keys.max(initial=0))
    numbers = connected(np.column_stack([np.concatenate(starts), np.concatenate(ends)]), nodes)[:rows]
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def connected(edges: np.ndarray, nodes: int) -> np.ndarray:
    """int64 ``(nodes,)``: a number for the component of each node; ``edges`` are int64 ``(k, 2)`` pairs of nodes."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1].astype(np.int64)
