"""Runs: balanced, resumed after a kill to the same bytes, and patient with bad pictures, little memory, full disks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from synthscope.data.index import index
from synthscope.data.manifest import load_manifest
from synthscope.errors import SynthscopeError, UsageError
from synthscope.generation.classes import imagenet_classes
from synthscope.generation.contract import Made, Order, Permission
from synthscope.generation.estimate import estimate
from synthscope.generation.plan import class_orders, with_reals
from synthscope.generation.prompts import template
from synthscope.generation.run import generate
from synthscope.runtime import seed_for
from synthscope.schema import MANIFEST, conform
from tests.generation.tiny import Noise

ORDERS = class_orders(imagenet_classes()[:2], [template("a {name}")], train=2, val=1, seed=0)


def files(folder: Path) -> dict[str, bytes]:
    """All images below a folder."""
    found = (path for kind in ("ai", "nature") for path in folder.glob(f"*/*/{kind}/*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def prompts(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "prompts.parquet")


def with_photographs(folder: Path) -> list[Order]:
    """The orders, each with a photograph of its own."""
    rows = []
    for i in range(6):
        path = folder / f"{i}.jpg"
        cv2.imwrite(str(path), np.random.default_rng(i).integers(0, 256, (20, 30, 3), np.uint8))
        rows.append((str(path), 0, i % 2))
    table = pl.DataFrame(rows, schema=["path", "label", "class_index"], orient="row")
    return with_reals(ORDERS, conform(table, MANIFEST, "reals"), 0)


def test_two_generators_make_a_balanced_benchmark_that_layouts_read(tmp_path: Path) -> None:
    orders = with_photographs(tmp_path)
    report = generate(orders, [Noise("a"), Noise("b", batch=4)], tmp_path / "out", asked={"train": 2})
    assert (report.made, report.failed, report.missing) == (12, 0, 0)
    manifest = load_manifest(tmp_path / "out" / "manifest.parquet")
    counts = manifest.group_by("subset", "split", "class_index", "label").len()
    assert counts.height == 2 * 2 * 2 * 2
    assert set(counts.filter(split="train")["len"]) == {2} and set(counts.filter(split="val")["len"]) == {1}
    pairs = manifest.group_by("group").agg(pl.len(), pl.col("split").n_unique(), pl.col("class_index").n_unique())
    assert pairs.height == 6 and pairs.select("len", "split", "class_index").unique().rows() == [(4, 1, 1)]
    read = index(f"genimage:{tmp_path / 'out'}")
    assert read.drop("group").equals(manifest.drop("group"))
    told = prompts(tmp_path / "out")
    assert told.height == 12 and told["seed"].n_unique() == 12
    first = told.row(0, named=True)
    assert first["seed"] == seed_for(0, first["uid"], "a", 0)
    for row in told.iter_rows(named=True):
        assert (tmp_path / "out" / row["real"]).read_bytes() == Path(row["source"]).read_bytes()
        assert (row["width"], row["height"], row["attempt"], row["rejected"]) == (16, 16, 0, None)


def test_nothing_is_made_twice_and_other_settings_are_refused(tmp_path: Path) -> None:
    generate(ORDERS, [Noise("a")], tmp_path)
    before = files(tmp_path)
    again, other = Noise("a"), Noise("b")
    generate(ORDERS, [again, other], tmp_path)
    assert again.asked == [[]] and {path: files(tmp_path)[path] for path in before} == before
    assert prompts(tmp_path)["generator"].to_list() == ["a"] * 6 + ["b"] * 6
    with pytest.raises(SynthscopeError, match="same model of a as in .*generate.json, which is 'a', got 'else'"):
        generate(ORDERS, [Noise("a", model="else")], tmp_path)
    with pytest.raises(SynthscopeError, match="same seed as in .* which is 0, got 1"):
        generate(ORDERS, [Noise("a")], tmp_path, seed=1)
    with pytest.raises(SynthscopeError, match="same orders as in .* which is 6, got 5. Name a new folder"):
        generate(ORDERS[:5], [Noise("a")], tmp_path)
    assert {path: files(tmp_path)[path] for path in before} == before


def test_batches_and_shards_change_nothing(tmp_path: Path) -> None:
    generate(ORDERS, [Noise(batch=5)], tmp_path / "whole")
    first = generate(ORDERS, [Noise(batch=1)], tmp_path / "parts", shard=(1, 2))
    assert first.missing == 3 and not (tmp_path / "parts" / "prompts.parquet").exists()
    assert generate(ORDERS, [Noise(batch=2)], tmp_path / "parts", shard=(0, 2)).missing == 0
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    assert prompts(tmp_path / "parts").equals(prompts(tmp_path / "whole"))


class Faulty(Noise):
    """Black on the first attempt at the uids given, always at the last of them."""

    def __init__(self, *uids: str) -> None:
        super().__init__()
        self.uids = uids

    def answer(self, order: Order) -> Made:
        if order.uid == self.uids[-1] or (order.uid in self.uids and not order.attempt):
            return Made(np.full((16, 16, 3), 7, np.uint8), {"cost": 0.5})
        return super().answer(order)


def test_a_black_picture_is_made_again_with_another_seed_and_told(tmp_path: Path) -> None:
    good, never = ORDERS[0].uid, ORDERS[1].uid
    report = generate(ORDERS, [Faulty(good, never)], tmp_path)
    assert (report.made, report.failed, report.missing) == (5, 1, 0)
    rows = {row["uid"]: row for row in prompts(tmp_path).iter_rows(named=True)}
    assert rows[good]["attempt"] == 1 and rows[good]["rejected"] == "attempt 0: a picture of one colour"
    assert rows[good]["seed"] == seed_for(0, good, "noise", 1) and rows[good]["cost"] == 0.5
    assert rows[never]["error"] == "a picture of one colour" and rows[never]["cost"] == 1.5
    assert rows[never]["path"] is None and len(files(tmp_path)) == 5
    assert load_manifest(tmp_path / "manifest.parquet").height == 5
    permission, again = Permission(), Noise()
    assert generate(ORDERS, [again], tmp_path, permission=permission).failed == 0
    assert [order.attempt for order in again.asked[0]] == [3], "the next run goes on with new seeds"
    assert permission.spent == 2.0


def test_memory_that_ends_halves_the_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Small(Noise):
        most = 2

        def generate(self, orders: Sequence[Order]) -> list[Made]:
            if len(orders) > self.most:
                raise MemoryError
            return super().generate(orders)

    small = Small(batch=6)
    assert generate(ORDERS, [small], tmp_path / "a").made == 6
    assert [len(orders) for orders in small.asked[:-1]] == [1] * 6  # 6, 3, 1
    assert "memory ended with 6 images at a time; going on with 3" in capsys.readouterr().err
    none = Small()
    none.most = 0
    with pytest.raises(SynthscopeError, match="memory for one image of noise, got too little"):
        generate(ORDERS, [none], tmp_path / "b")


def test_what_generators_lack_is_told_before_anything_is_made(tmp_path: Path) -> None:
    hungry = Noise("b")
    hungry.needs = ("source",)
    with pytest.raises(SynthscopeError, match="source of every order for b, got none for 6 of 6, .* by --reals"):
        generate(ORDERS, [Noise("a"), hungry], tmp_path)
    with pytest.raises(UsageError, match="different names, got a twice"):
        generate(ORDERS, [Noise("a"), Noise("a")], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_real_that_cannot_be_read_is_a_row_with_an_error(tmp_path: Path) -> None:
    orders = with_photographs(tmp_path)
    assert orders[0].source is not None
    orders[0].source.write_bytes(b"")
    assert generate(orders, [Noise()], tmp_path / "out").failed == 1
    told = prompts(tmp_path / "out").row(0, named=True)
    assert "got an empty file" in told["error"] and len(files(tmp_path / "out")) == 10


SLOW = """
import sys, time
from pathlib import Path
from synthscope.generation.run import generate
from tests.generation.test_run import ORDERS
from tests.generation.tiny import Noise

class Slow(Noise):
    def answer(self, order):
        time.sleep(0.2)
        return super().answer(order)

generate(ORDERS, [Slow()], Path(sys.argv[1]))
"""


def test_a_run_survives_kill_9(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path / "killed")])
    log, deadline = tmp_path / "killed" / "record" / "shard-0-of-1.jsonl", time.monotonic() + 120
    while not (log.is_file() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    lines = log.read_text().splitlines()
    assert 0 < len(lines) < 6
    with log.open("a") as file:
        file.write('{"uid": "half a li')  # what a kill in the middle of a write leaves
    again = Noise()
    assert generate(ORDERS, [again], tmp_path / "killed").missing == 0
    assert sum(map(len, again.asked)) == 6 - len(lines), "only what was lost is made again"
    generate(ORDERS, [Noise()], tmp_path / "whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    assert prompts(tmp_path / "killed").equals(prompts(tmp_path / "whole"))


FULL = """
import resource, signal, sys
from pathlib import Path
from synthscope.errors import SynthscopeError
from synthscope.generation.run import generate
from tests.generation.test_run import ORDERS
from tests.generation.tiny import Noise

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # a disk that is full after so many bytes
try:
    generate(ORDERS, [Noise(batch=1)], Path(sys.argv[1]))
except SynthscopeError as error:
    print(error)
"""


@pytest.mark.parametrize(("most", "what"), [(700, "noise/train/ai/000_noise_00000.png"), (1500, "record/shard-0-of-1")])
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path, most: int, what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(most)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"Expected to write {tmp_path}/{what}")
    assert "got: file too large. Make room and run again." in done.stdout
    assert generate(ORDERS, [Noise()], tmp_path).made == 6


def test_a_second_run_at_a_shard_is_refused(tmp_path: Path) -> None:
    class Nested(Noise):
        def answer(self, order: Order) -> Made:
            with pytest.raises(SynthscopeError, match="alone, got another run at it"):
                generate(ORDERS, [Noise()], tmp_path)
            return super().answer(order)

    assert generate(ORDERS, [Nested()], tmp_path).made == 6


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    generate(ORDERS, [Noise()], tmp_path)
    log = tmp_path / "record" / "shard-0-of-1.jsonl"
    log.write_text("not json\n" + log.read_text())
    with pytest.raises(SynthscopeError, match="Expected lines of JSON in .*shard-0-of-1.jsonl"):
        generate(ORDERS, [Noise()], tmp_path)


def test_a_dry_run_tries_two_batches_and_nothing_that_costs() -> None:
    free, paid = Noise("free"), Noise("paid", price=0.25)
    first, second = estimate(ORDERS, [free, paid])
    assert [len(orders) for orders in free.asked] == [2, 2, 0] and paid.asked == [[]]
    assert (first.images, first.classes, first.total, first.cost) == ({"train": 4, "val": 2}, 2, 6, 0)
    assert first.seconds is not None and first.bytes is not None and 768 < first.bytes < 1200  # noise of 16 x 16 x 3
    assert (second.seconds, second.bytes, second.cost) == (None, None, 1.5)


def test_what_was_asked_stays_readable(tmp_path: Path) -> None:
    generate(ORDERS, [Noise("a", steps=4)], tmp_path, seed=3, asked={"classes": "imagenet"})
    told = json.loads((tmp_path / "generate.json").read_text())
    assert told["asked"]["classes"] == "imagenet" and told["asked"]["seed"] == 3
    assert told["generators"] == {"a": {"model": "a", "steps": 4}}
    assert prompts(tmp_path)["steps"].unique().to_list() == [4]
