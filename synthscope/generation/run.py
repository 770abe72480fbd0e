"""Orders and generators to a folder of images in GenImage's layout, whatever interrupts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthscope.errors import SynthscopeError, UsageError
from synthscope.generation.contract import Generator, Order, Permission, Save
from synthscope.generation.making import make, outstanding
from synthscope.generation.record import check_settings, done, open_log
from synthscope.generation.saving import save_image
from synthscope.generation.tables import write_tables


@dataclass(frozen=True)
class Report:
    """What is in a folder. All numbers are of fakes of all its generators."""

    folder: Path
    made: int
    failed: int  # rows with an error; the next run tries them again
    missing: int  # not tried yet


def generate(
    orders: Sequence[Order],
    generators: Sequence[Generator],
    out: Path,
    *,
    seed: int = 0,
    asked: Mapping[str, Any] | None = None,
    permission: Permission | None = None,
    save: Save = save_image,
    shard: tuple[int, int] = (0, 1),
) -> Report:
    """Make every order with every generator, and copy its real image beside it. A second call goes on.

    When all orders are done, ``prompts.parquet`` (columns ``record.PROMPTS``) and ``manifest.parquet`` (``group`` =
    uid) are written; without failures, all classes, splits and generators then have what ``orders`` says.
    An order that failed is tried again by the next run.

    Args:
        orders: See ``plan`` and ``captions``.
        generators: Used one after the other.
        out: Folder; ``{generator}/{split}/{ai,nature}/`` below it.
        seed: Of every image, together with its uid, generator and attempt.
        asked: What the user typed, for ``generate.json``.
        permission: The one that ``generators`` have; what earlier runs paid is counted into it.
        save: Writes a picture.
        shard: (i, n): every n-th order, from the i-th on.

    Raises:
        UsageError: Two generators of one name.
        SynthscopeError: An order lacks what a generator needs, other settings than before, costs above the limit, a
            server or disk that refuses. What was made before stays.
    """
    _check(orders, generators)
    i, n = shard
    with open_log(out, shard) as log:
        facts = {generator.name: generator.facts() for generator in generators}
        check_settings(out, {**(asked or {}), "seed": seed}, orders, facts)
        before = done(out)
        if permission is not None:
            permission.spent += sum(row["cost"] or 0.0 for row in before.values())
        for generator in generators:
            tasks = outstanding(orders[i::n], generator.name, before, seed)
            make(tasks, generator, facts[generator.name], log, out, save=save, seed=seed)
            generator.close()
    return Report(out, *write_tables(out, orders))


def _check(orders: Sequence[Order], generators: Sequence[Generator]) -> None:
    names = [generator.name for generator in generators]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"Expected generators of different names, got {twice} twice. Add name= to one of them.")
    for generator in generators:
        for field in generator.needs:
            lacking = [order for order in orders if getattr(order, field) is None]
            if lacking:
                raise SynthscopeError(
                    f"Expected a {field} of every order for {generator.name}, got none for {len(lacking):,} of "
                    f"{len(orders):,}, such as {lacking[0].uid}. {_ADVICE.get(field, 'Leave this generator out.')}"
                )


_ADVICE = {
    "source": "Give real images of all classes by --reals, or captions of real images.",
    "class_index": "Name ImageNet's classes, or leave this generator out.",
}
