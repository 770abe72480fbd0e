"""Files of the same bytes under several paths, in folders made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from synthscope.cli import app, main
from synthscope.data.duplicates import DUPLICATES, KINDS, conflict, describe_duplicates, duplicates
from synthscope.data.manifest import load_manifest, save_manifest, verify
from synthscope.schema import MANIFEST, conform

FILES = {  # path: number of the picture
    "train/real/a.png": 0, "train/real/b.png": 1, "train/real/c.png": 2,
    "train/ai/d.png": 3, "train/ai/e.png": 4, "test/real/f.png": 5, "test/ai/g.png": 6,
}  # fmt: skip


def folders(root: Path, **more: int) -> pl.DataFrame:
    """A verified manifest of ``FILES`` and others, whose split and label stand in the path."""
    rows = []
    for name, number in (FILES | {key.replace("__", "/") + ".png": value for key, value in more.items()}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (9, 9, 3), np.uint8)).save(path)
        split, kind, _ = name.split("/")
        rows.append({"path": path.as_posix(), "label": int(kind == "ai"), "split": split, "generator": kind})
    return verify(conform(pl.DataFrame(rows), MANIFEST, "test"))


def kinds(found: pl.DataFrame) -> dict[str, int]:
    return {kind: found.filter(kind=kind).height for kind in KINDS}


def test_different_files_are_no_duplicates(tmp_path: Path) -> None:
    found = duplicates(folders(tmp_path))
    assert found.schema == DUPLICATES and found.is_empty()
    assert describe_duplicates(found) is None and conflict(found) is None


def test_each_kind_is_counted_once_and_named(tmp_path: Path) -> None:
    table = folders(tmp_path, train__real__x=0, train__real__y=0, test__real__z=1, test__real__w=2, train__ai__v=2)
    found = duplicates(table)
    assert kinds(found) == {"one class and split": 1, "several splits": 1, "both classes": 1}
    rows = {row["kind"]: row for row in found.iter_rows(named=True)}
    names = {kind: tuple(Path(row[end]).name for end in ("one", "other")) for kind, row in rows.items()}
    assert names == {KINDS[0]: ("a.png", "y.png"), KINDS[1]: ("z.png", "b.png"), KINDS[2]: ("w.png", "v.png")}
    assert [rows[kind]["files"] for kind in KINDS] == [3, 2, 3]
    told = describe_duplicates(found) or ""
    assert "3 images lie under several paths" in told and "1 lie in several splits, such as" in told
    assert rows[KINDS[1]]["one"] in told and rows[KINDS[1]]["other"] in told
    shuffled = table.sample(fraction=1, shuffle=True, seed=1)
    assert duplicates(shuffled).equals(found)


def test_one_path_in_several_subsets_and_repeated_rows_are_no_duplicates(tmp_path: Path) -> None:
    table = folders(tmp_path)
    shared = table.filter(label=0)
    subsets = pl.concat([table, *(shared.with_columns(subset=pl.lit(name)) for name in ("ADM", "glide")), table])
    assert duplicates(subsets).is_empty()
    wrong = pl.concat([table, table.filter(label=1).head(1).with_columns(label=pl.lit(0, pl.Int8))])
    assert kinds(duplicates(wrong))["both classes"] == 1  # one path with two labels is wrong, too


def test_what_is_not_known_is_not_compared(tmp_path: Path) -> None:
    table = folders(tmp_path, train__real__x=0, test__real__z=1)
    assert duplicates(table.with_columns(sha256=pl.lit(None, pl.String))).is_empty()
    assert duplicates(table.with_columns(error=pl.lit("damaged"))).is_empty()
    somewhere = table.with_columns(split=pl.when(pl.col("split") == "train").then("split"))
    assert kinds(duplicates(somewhere)) == {"one class and split": 2, "several splits": 0, "both classes": 0}


def test_verify_and_audit_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["synthscope", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        return (int(code or 0), *capsys.readouterr())

    leaky = folders(tmp_path / "leaky", test__real__z=1).with_columns(sha256=pl.lit(None, pl.String))
    save_manifest(leaky, tmp_path / "leaky.parquet")
    code, out, _ = run("data", "audit", tmp_path / "leaky.parquet")
    assert code == 0 and "not looked for among 8 images" in out and "several paths" not in out
    code, out, _ = run("data", "verify", tmp_path / "leaky.parquet")
    assert code == 0 and "1 in several splits" in out and "real/z.png" in out and "real/b.png" in out
    code, out, _ = run("data", "audit", tmp_path / "leaky.parquet")
    assert code == 0 and "1 in several splits" in out and "not looked for" not in out

    both = folders(tmp_path / "both", test__ai__z=0)
    save_manifest(both, tmp_path / "both.parquet")
    code, out, problem = run("data", "verify", tmp_path / "both.parquet")
    assert code == 1 and "Expected one label for the same bytes" in problem
    assert f"real for {tmp_path}/both/train/real/a.png and AI for {tmp_path}/both/test/ai/z.png" in problem
    assert load_manifest(tmp_path / "both.parquet")["sha256"].null_count() == 0  # what was found is kept
    result = CliRunner().invoke(app, ["data", "audit", str(tmp_path / "both.parquet")])
    assert result.exit_code == 0 and "Expected one label" in result.stdout
