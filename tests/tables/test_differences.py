"""Tables of paired differences: layout, signs, and marks that hold among all comparisons of a table."""

from __future__ import annotations

import polars as pl
import pytest

from synthscope.errors import UsageError
from synthscope.schema import DIFFERENCES, SCORES, conform
from synthscope.scoring.differences import as_differences, in_families
from synthscope.tables.differences import difference_table, difference_tables


def row(kind: str, **told: object) -> dict:
    common = {"detector": "r@1", "test_set": "ADM", "view": "none", "condition": "none", "metric": "balanced_accuracy"}
    common |= {"value": 0.02, "ci_low": -0.01, "ci_high": 0.05, "n_real": 30, "n_ai": 40, "n_error": 0, "p_value": 0.5}
    return common | {"kind": kind} | told


def table_of(*rows: dict) -> pl.DataFrame:
    return in_families(conform(pl.DataFrame(list(rows), infer_schema_length=None), DIFFERENCES, "test"))


def pair(**told: object) -> dict:
    return row("detectors", detector="a@1 − b@1", a="a@1", b="b@1", **told)


def test_pairs_are_signed_and_marked_where_they_hold_among_all() -> None:
    found = table_of(
        pair(value=0.02, ci_low=0.01, ci_high=0.03, p_value=0.004),
        pair(value=-0.02, ci_low=-0.05, ci_high=-0.001, condition="lr:64", p_value=0.04),  # 2 x 0.04 is no more sure
        pair(value=-0.0001, ci_low=-0.05, ci_high=0.01, condition="lr:112", p_value=0.9),
    )
    table = difference_table(found, metric="balanced_accuracy", view="none")
    assert table.columns == ("clean", "lr:112", "lr:64")
    text = table.to_text()
    assert "+2.0 [+1.0, +3.0]*" in text and "-2.0 [-5.0, -0.1]\n" in text and "+0.0 [-5.0, +1.0]" in text
    assert "Holm's correction for the 3 comparisons of this table." in text and "Wilson" not in text
    assert "$-$" in table.to_latex()
    with pytest.raises(UsageError, match="view 'aligned'"):
        difference_table(found, metric="balanced_accuracy", view="aligned")


def test_views_stand_in_one_table_with_the_test_sets_across() -> None:
    told = {"view": "none − aligned", "a": "none", "b": "aligned"}
    found = table_of(
        row("views", detector="metadata.x@1", value=0.3, p_value=1e-9, **told),
        row("views", detector="r@1", test_set="glide", **told),
        row("views", detector="r@1", p_value=1e-5, **told),
        row("views", detector="r@1", test_set="mean", p_value=0.02, **told),
        row("views", detector="r@1", condition="jpeg:q=65", p_value=1e-5, **told),
    )
    (table,) = difference_tables(found)
    assert table.name == "differences_views_balanced_accuracy" and "raw − aligned" in table.title
    assert table.columns == ("ADM", "GLIDE", "mean")
    assert [name for name, _ in table.rows] == ["r", "metadata.x (floor)"]
    assert [cell.mark for cell in table.rows[0][1]] == ["*", "", "*"] and table.rows[1][1][0].mark == "*"
    assert "for the 4 comparisons" in table.to_text()
    both = pl.concat([found, table_of(row("views", view="none − laundered", a="none", b="laundered"))])
    (table,) = difference_tables(both)
    assert [name for name, _ in table.rows] == [
        "r, raw − aligned",
        "r, raw − laundered",
        "metadata.x (floor), raw − aligned",
    ]


def test_conditions_are_those_of_the_mean_of_test_sets_else_of_each() -> None:
    def cost(b: str, **told: object) -> dict:
        return row("conditions", a="none", b=b, condition=f"none − {b}", **told)

    single = [cost("jpeg:q=65", p_value=1e-5), cost("mean", p_value=0.03), cost("lr:64"), cost("lr:64", view="aligned")]
    (table,) = difference_tables(table_of(*single))
    assert table.columns == ("lr:64", "jpeg:q=65", "mean") and "clean − degraded" in table.title
    assert [name for name, _ in table.rows] == ["r on ADM, raw", "r on ADM, aligned"]
    assert [cell.mark for cell in table.rows[0][1]] == ["", "*", ""]
    (table,) = difference_tables(table_of(*single, cost("lr:64", test_set="mean")))
    assert [name for name, _ in table.rows] == ["r"] and "1 comparisons" in table.to_text()


def test_old_files_are_shown_without_marks() -> None:
    old = table_of(pair(ci_low=0.01)).select(SCORES.names())
    (table,) = difference_tables(as_differences(old, "old"))
    assert "score again" in table.to_text() and "*" not in table.to_text()
    assert difference_tables(pl.DataFrame(schema=DIFFERENCES)) == []
