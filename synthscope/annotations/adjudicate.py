"""One annotation of each image out of several: the adjudicator's word, else the majority, else everything.

1. Where the adjudicator has annotated an image, that annotation is final.
2. Else the last round counts: its annotators had the marks of the rounds before in front of them to correct.
3. Three or more annotators: a region stays if more than half of them marked it. Regions are the same at IoU >= 0.5,
   also over a third. What stays has the outline that overlaps the others best and the category that most gave it.
4. Two annotators: everything that one of them marked, what both marked once.
5. One annotator: that annotation.

A region of confidence 0 ("no artifact") is never kept. Under 3 and 4 the confidence is the share of the annotators who
marked the region.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import polars as pl

from synthscope.annotations.agreement import match
from synthscope.annotations.conflicts import SAME, iou
from synthscope.annotations.masks import image_masks
from synthscope.annotations.records import ANNOTATIONS, IMAGE_COLUMNS, Row, size_of
from synthscope.errors import UsageError
from synthscope.runtime import track


def adjudicate(table: pl.DataFrame, *, adjudicator: str | None = None) -> pl.DataFrame:
    """The final annotation of every image.

    Args:
        table: Columns of ``ANNOTATIONS``: all annotators and rounds.
        adjudicator: Who has the last word.

    Returns:
        Columns of ``ANNOTATIONS``, with ``annotator`` the person whose word it is, ``majority of N`` or ``union of 2``.

    Raises:
        UsageError: An adjudicator who has annotated nothing.
        SynthscopeError: An image of unknown size or a region that is wrong, where annotations are compared.
    """
    if adjudicator is not None and adjudicator not in table["annotator"]:
        known = ", ".join(sorted(table["annotator"].drop_nulls().unique())) or "nobody"
        raise UsageError(f"Expected annotations by {adjudicator}, got those of {known}. Correct the name.")
    rows: list[Row] = []
    for _, image in track(list(table.group_by("path", maintain_order=True)), "deciding"):
        rows += _final(image, adjudicator)
    return pl.DataFrame(rows, ANNOTATIONS)


def _final(image: pl.DataFrame, adjudicator: str | None) -> list[Row]:
    word = image.filter(pl.col("annotator") == adjudicator) if adjudicator is not None else image.clear()
    counted = word if word.height else image
    counted = counted.filter((rounds := pl.col("round").fill_null(1)) == rounds.max())
    people = [rows for _, rows in sorted(counted.group_by("annotator"), key=lambda group: str(group[0][0]))]
    kept = [_marked(rows) for rows in people]
    if len(people) == 1:
        who, regions = people[0]["annotator"][0], kept[0]
    else:
        who = f"majority of {len(people)}" if len(people) > 2 else "union of 2"
        regions = _voted(
            kept, size_of(people[0].row(0, named=True)), least=len(people) // 2 + 1 if len(people) > 2 else 1
        )
    common = {name: counted[name].drop_nulls().first() for name in (*IMAGE_COLUMNS, "revision")}
    common |= {"annotator": who, "round": counted["round"].max()}
    if not regions:
        return [common | {"gt_kind": counted["gt_kind"][0]}]
    return [row | common | {"region": number} for number, row in enumerate(regions, start=1)]


def _marked(rows: pl.DataFrame) -> list[Row]:
    return rows.filter(pl.col("region").is_not_null(), pl.col("confidence").fill_null(1) > 0).to_dicts()


def _voted(kept: list[list[Row]], size: tuple[int, int], *, least: int) -> list[Row]:
    """One region of every set of same regions that ``least`` annotators have part in."""
    rows = [row for own in kept for row in own]
    owner = [person for person, own in enumerate(kept) for _ in own]
    masks = image_masks(rows, *size, per="instance")
    places = [[i for i, who in enumerate(owner) if who == person] for person in range(len(kept))]
    leader = list(range(len(rows)))  # of its set: the first region
    for one, other in combinations(places, 2):
        for i, j in match(masks[one], masks[other], SAME):
            a, b = sorted((leader[one[i]], leader[other[j]]))
            leader = [a if found == b else found for found in leader]
    chosen = []
    for first in dict.fromkeys(leader):
        members = [i for i, found in enumerate(leader) if found == first]
        votes = len({owner[i] for i in members})
        if votes >= least:
            best = max(members, key=lambda i: sum(iou(masks[i], masks[j]) for j in members))
            given = Counter(rows[i]["category"] for i in members)
            most = [category for category, n in given.items() if n == max(given.values())]
            own = rows[best]["category"]
            chosen.append(rows[best] | {"category": own if own in most else most[0], "confidence": votes / len(kept)})
    return chosen
