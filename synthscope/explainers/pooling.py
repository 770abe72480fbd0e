"""Pooling by attention, as in SigLIP: a learnt query reads the patches instead of a class token.

timm's layer never hands its matrix out; it follows from what its ``kv`` returns, and the logit's gradient by it from
that by what its ``proj`` returns.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional


def attention_pool(transformer: Any) -> Any | None:
    """timm's attention pooling of ``transformer``, None where a class token or a mean is read."""
    pool = getattr(transformer, "attn_pool", None)
    return pool if hasattr(pool, "latent") else None


def pool_attention(pool: Any, kv: Tensor, tokens: int) -> Tensor:
    """How much each of ``L`` learnt queries reads of every token: ``(B, heads, L, tokens)``, after softmax.

    Args:
        pool: As :func:`attention_pool` found it.
        kv: ``(B, N, 2 C)``, what ``pool.kv`` returned.
        tokens: Of the blocks before, prefix tokens among them, of which the pooling may read only the last ``N``.
    """
    keys = pool.k_norm(_heads(pool, kv)[0])
    queries = pool.q(pool.latent).unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
    return _widened((pool.q_norm(queries) * pool.scale @ keys.mT).softmax(-1), tokens)


def gradients_of_pool(pool: Any, kv: Tensor, by_output: Tensor, tokens: int) -> Tensor:
    """Gradient of the logit by :func:`pool_attention`, from that by what ``pool.proj`` returned ``(B, L, C)``."""
    inner = (by_output @ pool.proj.weight).unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
    return _widened(inner @ _heads(pool, kv)[1].mT, tokens)


def _heads(pool: Any, kv: Tensor) -> Tensor:
    """Keys and values ``(2, B, heads, N, D)``."""
    return kv.unflatten(-1, (2, pool.num_heads, -1)).permute(2, 0, 3, 1, 4)


def _widened(matrix: Tensor, tokens: int) -> Tensor:
    return functional.pad(matrix, (tokens - matrix.shape[-1], 0))
