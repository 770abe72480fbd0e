"""Classes, prompts and numbers to orders: as many images of every class, in every split, for every generator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from synthscope.data.manifest import draws
from synthscope.errors import UsageError
from synthscope.generation.classes import Kind
from synthscope.generation.contract import NAME, Order
from synthscope.generation.prompts import Template, drawn
from synthscope.generation.reals import local
from synthscope.runtime import seed_for


def class_orders(
    kinds: Sequence[Kind], templates: Sequence[Template], *, train: int, val: int, seed: int
) -> list[Order]:
    """``train`` and ``val`` images of every class, in an order that is balanced wherever it is cut.

    Images are numbered through both splits, and named as in GenImage: ``033_{generator}_00134``.

    Raises:
        UsageError: No images.
        SynthscopeError: A class without a template.
    """
    if train + val < 1:
        raise UsageError("Expected at least one image of a class, got none. Raise --train or --val.")
    orders = []
    for split, first, count in (("train", 0, train), ("val", train, val)):
        chosen = {kind: drawn(templates, kind, seed, count) for kind in kinds} if count else {}
        for i in range(count):
            for kind in kinds:
                orders.append(_order(kind, chosen[kind][i], split, first + i))
    return orders


def _order(kind: Kind, template: Template, split: str, number: int) -> Order:
    uid, path = f"{kind.number}_{number:05d}", f"{NAME}/{split}/ai/{kind.number}_{NAME}_{number:05d}"
    return Order(
        uid, path, split, template.prompt(kind), template.negative, class_index=kind.class_index, synset=kind.synset,
        class_name=kind.name,
    )  # fmt: skip


def with_reals(orders: Sequence[Order], reals: pl.DataFrame, seed: int) -> list[Order]:
    """The orders, each with a real image of its class and split as ``source``, as far as there are any.

    Args:
        orders: Of classes.
        reals: A manifest; its real images of known class are used, each once. Those without a split serve all splits.
        seed: Of the draw among images of a class.
    """
    usable = reals.filter(pl.col("label") == 0, pl.col("error").is_null()).unique("path", maintain_order=True)
    dealt = usable.with_columns(_draw=pl.Series(draws(usable, seed))).sort("_draw", "path", descending=True)
    waiting: dict[tuple[object, str | None], list[str]] = {}
    for path, index, synset, split in dealt.select("path", "class_index", "synset", "split").iter_rows():
        waiting.setdefault((synset if index is None else index, split), []).append(path)
    paired = []
    for order in orders:
        keys = [(k, s) for s in (order.split, None) for k in (order.class_index, order.synset) if k is not None]
        pool = next((waiting[key] for key in keys if waiting.get(key)), None)
        paired.append(replace(order, source=local(pool.pop())) if pool else order)
    return paired


def unpaired(orders: Sequence[Order]) -> str | None:
    """A sentence on the classes that lack real images; None where every order has one."""
    lacking = Counter((o.class_name or o.uid, o.split) for o in orders if o.source is None)
    if not lacking:
        return None
    listed = ", ".join(f"{name} ({n} in {split})" for (name, split), n in sorted(lacking.items())[:5])
    more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
    return (
        f"Expected a real image for each of {len(orders):,} orders, got none for {sum(lacking.values()):,}: "
        f"{listed}{more}. Add photographs of these classes, or ask for fewer images."
    )


def addressed(order: Order, generator: str, seed: int) -> Order:
    """The order as one generator gets it: its folder, and a seed from the run's, the uid, the generator and attempt."""
    path = order.path.replace(NAME, generator)
    return replace(order, path=path, seed=seed_for(seed, order.uid, generator, order.attempt))
