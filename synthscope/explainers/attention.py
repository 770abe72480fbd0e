"""Attention of vision transformers: plain rollout, gradient rollout and the relevance of Chefer et al.

The cores work on lists of attention matrices ``(B, heads, T, T)``, the first layer's first, and are differentiable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.errors import UsageError
from synthscope.explainers.base import FromForward
from synthscope.explainers.forward import Forward, Taps, unfused
from synthscope.explainers.pooling import attention_pool, gradients_of_pool, pool_attention
from synthscope.explainers.targets import ANY, find_transformer, patch_grid

DISCARD = 0.9  # of the fused attention, in the published code


@contextlib.contextmanager
def attention_taps(transformer: Any) -> Iterator[list[Tensor]]:
    """Attention matrices of every block, as the forward passes inside the block of code fill the list.

    Fused attention, which never holds the matrices, is off meanwhile.

    Args:
        transformer: timm's ViT or one of its kin.

    Yields:
        ``(B, heads, T, T)`` a block and forward pass, after softmax, in order of execution; part of the graph.
    """
    taps: list[Tensor] = []

    def tap(module: nn.Module, args: Any, output: Tensor) -> None:
        taps.append(output)

    layers = [block.attn for block in transformer.blocks]
    handles = [layer.attn_drop.register_forward_hook(tap) for layer in layers]
    try:
        with unfused(layers):
            yield taps
    finally:
        for handle in handles:
            handle.remove()


def attention_rollout(attentions: Sequence[Tensor], *, class_token: bool = True) -> Tensor:
    """Product over layers of half the mean attention and half the identity (Abnar and Zuidema, ACL 2020, eq. 1).

    Args:
        attentions: ``(B, heads, T, T)`` a layer.
        class_token: As in :func:`gradient_rollout`.

    Returns:
        ``(B, N)``.
    """
    return _read(_product([attention.mean(1) for attention in attentions]), class_token)


def gradient_rollout(attentions: Sequence[Tensor], gradients: Sequence[Tensor], *, class_token: bool = True) -> Tensor:
    """Gradient attention rollout, raw: before any division by the maximum, which only scales it.

    A layer counts as ``mean over heads of attention * gradient``, negative values cut off, plus the identity, rows
    divided by their sums; the layers are multiplied (vit-explain's ``grad_rollout`` without discarding; X-AIGD's A_cls
    is this divided by its maximum).

    Args:
        attentions: ``(B, heads, T, T)`` a layer, the first layer's first. The last may be ``(B, heads, L, T)``, of a
            pooling by attention, which has no skip connection.
        gradients: Of the logit by each of them.
        class_token: Read the row of token 0, the class token, and drop its column. Otherwise the mean of all rows, for
            networks that average their patches.

    Returns:
        ``(B, N)``: ``N = T - 1`` with a class token, else ``T``. Differentiable in both arguments.

    >>> a, g = torch.full((1, 1, 2, 2), 0.5), torch.tensor([[[[0.0, 2.0], [0.0, 0.0]]]])
    >>> gradient_rollout([a], [g]).tolist()  # rows of [[0, 1], [0, 0]] + I
    [[0.5]]
    """
    pairs = zip(attentions, gradients, strict=True)
    return _read(_product([(attention * gradient).mean(1).relu() for attention, gradient in pairs]), class_token)


def published_gradient_rollout(attentions: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """What vit-explain's code computes instead, raw, for networks with a class token: ``(B, T - 1)``.

    It meets the gradients in the order of the backward pass, the last layer's first, zeroes the lowest nine tenths of
    each fused layer, and divides columns by the sums of rows.
    """
    result = torch.eye(attentions[0].shape[-1], device=attentions[0].device)
    for attention, gradient in zip(attentions, reversed(gradients), strict=True):
        fused = (attention * gradient).mean(1).relu()
        flat = fused.flatten(1)
        lowest = flat.topk(int(flat.shape[1] * DISCARD), largest=False).indices
        layer = flat.scatter(1, lowest, 0).view_as(fused) + torch.eye(fused.shape[-1], device=fused.device)
        result = layer / layer.sum(-1)[:, None, :] @ result
    return _read(result, class_token=True)


def chefer_relevance(attentions: Sequence[Tensor], gradients: Sequence[Tensor], *, class_token: bool = True) -> Tensor:
    """Relevance of patches (Chefer et al., Generic Attention-model Explainability, ICCV 2021, eq. 5 and 6).

    ``R = R + mean over heads of relu(attention * gradient) @ R`` from the identity on, layer by layer. Arguments and
    result as in :func:`gradient_rollout`.
    """
    relevance = torch.eye(attentions[0].shape[-1], device=attentions[0].device, dtype=attentions[0].dtype)
    for attention, gradient in zip(attentions, gradients, strict=True):
        layer = (attention * gradient).relu().mean(1) @ relevance
        relevance = relevance + layer if _skipped(attention) else layer
    return _read(relevance, class_token)


def _product(layers: Sequence[Tensor]) -> Tensor:
    """Product of ``(layer + I)`` with rows that sum to 1, the last layer leftmost."""
    result = identity = torch.eye(layers[0].shape[-1], device=layers[0].device, dtype=layers[0].dtype)
    for layer in layers:
        mixed = layer + identity if _skipped(layer) else layer
        sums = mixed.sum(-1, keepdim=True)
        result = mixed / torch.where(sums > 0, sums, 1) @ result  # a pooling whose gradients all speak against AI
    return result


def _skipped(layer: Tensor) -> bool:
    """Whether a skip connection passes ``layer``: all but a pooling by attention, whose queries are not its tokens."""
    return layer.shape[-1] == layer.shape[-2]


def _read(matrix: Tensor, class_token: bool) -> Tensor:
    return matrix[:, 0, 1:] if class_token else matrix.mean(1)


def _matrices(name: str, transformer: Any) -> tuple[str, ...]:
    """Modules that return the attention matrices of the transformer called ``name``, the first block's first."""
    return tuple(f"{name}.blocks.{number}.attn.attn_drop" for number in range(len(transformer.blocks)))


class AttentionMethod(FromForward):
    """Attention of every block over the patches, as the head reads them: a class token, a pooling, or the mean."""

    core: ClassVar[Callable[..., Tensor]]
    needs_gradients: ClassVar[bool] = True

    def layer(self, detector: Detector) -> str:
        """Such as ``net.blocks.0-11.attn``, with ``+net.attn_pool`` where that pools."""
        name, transformer = self._transformer(detector)
        pool = f"+{name}.attn_pool" if attention_pool(transformer) else ""
        return f"{name}.blocks.0-{len(transformer.blocks) - 1}.attn{pool}"

    def taps(self, detector: Detector) -> Taps:
        """The attention matrices of every block."""
        name, transformer = self._transformer(detector)
        blocks = _matrices(name, transformer)
        pool = (f"{name}.attn_pool.kv",) if attention_pool(transformer) else ()
        if not self.needs_gradients:
            return Taps(outputs=blocks + pool)
        return Taps(outputs=pool, gradients=blocks + ((f"{name}.attn_pool.proj",) if pool else ()))

    def maps(self, detector: Detector, images: Tensor, seen: Forward) -> list[Tensor]:
        """A non-negative one with a value for every patch."""
        name, transformer = self._transformer(detector)
        blocks = _matrices(name, transformer)
        matrices = [[seen.outputs[block] for block in blocks]]
        if self.needs_gradients:
            matrices.append([seen.gradients[block] for block in blocks])
        if pool := attention_pool(transformer):
            kv, tokens = seen.outputs[f"{name}.attn_pool.kv"], matrices[0][0].shape[-1]
            matrices[0].append(pool_attention(pool, kv, tokens))
            if self.needs_gradients:
                by_output = seen.gradients[f"{name}.attn_pool.proj"]
                matrices[1].append(gradients_of_pool(pool, kv, by_output, tokens))
        prefix = transformer.num_prefix_tokens
        class_token = prefix > 0 and getattr(transformer, "global_pool", "token") == "token"
        patches = self.relevance(*matrices, class_token=class_token)[:, prefix - class_token :]
        grid = patch_grid(transformer, patches, images.shape[-2:])
        return [detector.over_input(grid, images, name)]

    def relevance(self, *matrices: list[Tensor], class_token: bool) -> Tensor:
        """The core of the method on attentions and, where it needs them, gradients."""
        return type(self).core(*matrices, class_token=class_token)

    def _transformer(self, detector: Detector) -> tuple[str, Any]:
        if (found := find_transformer(detector)) is None:
            raise UsageError(
                f"Expected a transformer with global attention for {self.name}, got {detector.config.name}. {ANY}"
            )
        return found


class AttentionRollout(AttentionMethod):
    """Plain rollout: where attention flows from, whatever the logit."""

    name = "attn_rollout"
    core = staticmethod(attention_rollout)
    needs_gradients = False


class GradientRollout(AttentionMethod):
    """Gradient rollout, as X-AIGD aligns it with artifacts."""

    class Options(Config):
        """Whose meaning."""

        variant: Literal["paper", "published"] = "paper"  # published: order, division and discarding of vit-explain

    name = "grad_rollout"
    core = staticmethod(gradient_rollout)

    def relevance(self, *matrices: list[Tensor], class_token: bool) -> Tensor:
        """One of the two variants."""
        if self.options.variant == "paper":
            return super().relevance(*matrices, class_token=class_token)
        if not class_token:
            raise UsageError("Expected a class token for variant=published, got a network without. Use variant=paper.")
        return published_gradient_rollout(*matrices)


class Chefer(AttentionMethod):
    """Relevance of Chefer et al. (``grad_attn``): attention times its gradient, added up over layers."""

    name = "chefer"
    core = staticmethod(chefer_relevance)
