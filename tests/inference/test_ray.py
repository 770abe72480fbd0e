"""A Ray cluster of several node processes, images in an S3 server, and machines that die in the middle."""

from __future__ import annotations

import io
import logging
import os
import signal
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

pytest.importorskip("ray", reason="needs synthscope[ray]")
pytest.importorskip("moto", reason="needs an S3 server: pip install 'moto[s3]' flask flask-cors")

from synthscope.data.index import index
from synthscope.data.manifest import verify
from synthscope.data.remote import permission
from synthscope.detectors.hub import create_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inference.engines import cluster as pool
from synthscope.inference.heatmaps.explain import explain
from synthscope.inference.heatmaps.store import read_heatmap
from synthscope.inference.predict import predict

DETECTOR = """
import os, time
from pathlib import Path

from torch import nn

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.detectors.input import InputConfig


class Marked(Detector):
    "One convolution. Leaves a file named after its process, waits in the middle, dies of white images, as asked."

    class Options(Config):
        folder: str = ""
        mortal: bool = False

    default_input = InputConfig(resize=None, crop=32)

    def __init__(self, config):
        super().__init__(config)
        self.first = nn.Conv2d(3, 1, 5)
        self.batches = 0

    def forward(self, images):
        if self.options.folder:
            Path(self.options.folder, str(os.getpid())).touch()
            self.batches += 1
            while self.batches > 4 and Path(self.options.folder, "wait").exists():
                time.sleep(0.05)
        if self.options.mortal and bool((images == 255).all((1, 2, 3)).any()):
            os._exit(1)
        return self.first(self.normalize(images)).square().mean((1, 2, 3)) - 1
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of an S3 server on this machine, which the environment names; ``--remote`` is given."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**keys, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        patch.setattr(permission, "_granted", {""})
        yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture(scope="module")
def images(server: str) -> pl.DataFrame:
    """40 images in a bucket, of which 8 are in a shard; one is none, and one more is not there."""
    from pyarrow.fs import S3FileSystem

    system = S3FileSystem(
        endpoint_override=server.removeprefix("http://"), scheme="http", region="us-east-1", allow_bucket_creation=True
    )
    system.create_dir("images")
    rng, shard = np.random.default_rng(0), io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w") as archive:
        for number in range(40):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (40, 36 + number % 2 * 4, 3), dtype=np.uint8)).save(file, "PNG")
            data = file.getvalue() if number != 5 else b"no image"
            if number < 32:
                with system.open_output_stream(f"images/plain/{number:02}.png") as out:
                    out.write(data)
            else:
                entry = tarfile.TarInfo(f"ai/{number}.png")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    with system.open_output_stream("images/shards/000.tar") as out:
        out.write(shard.getvalue())
    found = pl.concat([index("s3://images/plain/"), index("wds:s3://images/shards/{000..000}.tar")])
    lost = found[:1].with_columns(path=pl.lit("s3://images/plain/lost.png"))
    return pl.concat([found, lost]).with_columns(error=None, sha256=None).cast(found.schema)  # all are to be read


@pytest.fixture(scope="module")
def nodes(server: str) -> Iterator[tuple[str, object, list[object]]]:
    """Address, cluster, and its nodes of one CPU each beside a head that has none."""
    import ray
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
        workers = [made.add_node(num_cpus=1, object_store_memory=small["object_store_memory"]) for _ in range(2)]
        yield made.address, made, workers
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def detector(tmp_path: Path) -> str:
    (tmp_path / "marked.py").write_text(DETECTOR)
    return f"{tmp_path / 'marked.py'}:Marked"


def pids(folder: Path) -> set[int]:
    """Of the processes that a detector has left a file of, but for this one."""
    return {int(path.name) for path in folder.iterdir() if path.name.isdecimal()} - {os.getpid()}


def test_a_worker_and_a_node_die_and_the_table_is_that_of_the_local_engine(
    images: pl.DataFrame, nodes: tuple[str, object, list[object]], detector: str, tmp_path: Path
) -> None:
    address, cluster, (first, _) = nodes
    (marks := tmp_path / "marks").mkdir()
    (marks / "wait").touch()
    made = create_detector(detector, name="marked", options={"folder": str(marks)})
    settings = {"conditions": ["none", "noise:sigma=8"], "batch_size": 2, "workers": 1}
    killed = []

    def harm() -> None:
        """Kill a worker when two have begun, and a node when its successor has; nobody comes to the end before."""
        while len(pids(marks)) < 2:
            time.sleep(0.05)
        killed.append(min(pids(marks)))
        os.kill(killed[0], signal.SIGKILL)
        while len(pids(marks)) < 3:
            time.sleep(0.05)
        cluster.remove_node(first, allow_graceful=False)  # type: ignore[attr-defined]
        killed.append(-1)
        (marks / "wait").unlink()

    threading.Thread(target=harm, daemon=True).start()
    table = predict(images, [made], out=tmp_path / "ray", engine="ray", address=address, **settings)
    assert len(killed) == 2
    local = predict(images, [made], out=tmp_path / "local", **settings)
    assert table.equals(local)
    assert table.height == 41 * 2
    assert table["logit"].null_count() == table["error"].len() - table["error"].null_count() == 4
    assert table["logit"].drop_nulls().n_unique() == 78
    parts = pl.read_parquet(tmp_path / "ray" / "parts" / "part-*.parquet")
    assert parts.height == 82 and parts.select("path", "condition").is_unique().all()
    before = len(pids(marks))
    again = predict(images, [made], out=tmp_path / "ray", engine="ray", address=address, **settings)
    assert again.equals(local)
    assert len(pids(marks)) == before  # nothing was left to score


def test_heatmaps_are_those_of_the_local_engine(
    images: pl.DataFrame, nodes: tuple[str, object, list[object]], tmp_path: Path
) -> None:
    detectors = [create_detector("timm:test_resnet", input={"crop": 32})]  # of classes that another package has
    rows = images[-12:]
    tables = [
        explain(rows, detectors, ["gradcam"], out=tmp_path / "local", workers=1),
        explain(rows, detectors, ["gradcam"], out=tmp_path / "ray", workers=1, engine="ray", address=nodes[0]),
    ]
    local, ray = (table.drop("part", "position") for table in tables)
    assert ray.equals(local) and ray.height == 12 and ray["error"].null_count() == 11
    heatmaps = [
        [read_heatmap(tmp_path / name / "heatmaps", row) for row in table.drop_nulls("part").iter_rows(named=True)]
        for name, table in zip(("local", "ray"), tables, strict=True)
    ]
    np.testing.assert_array_equal(*map(np.stack, heatmaps))


def test_a_block_that_kills_its_workers_is_given_up(
    nodes: tuple[str, object, list[object]], detector: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOST_LOSSES", 1)
    paths = [str(tmp_path / f"{shade}.png") for shade in (0, 255, 9)]
    for path in paths:
        Image.new("RGB", (40, 40), (int(Path(path).stem),) * 3).save(path)
    made = create_detector(detector, name="mortal", options={"mortal": True})
    table = predict(
        verify(index(f"files:{tmp_path}/*.png")), [made], out=tmp_path / "run", batch_size=1, workers=1, engine="ray",
        address=nodes[0], conditions=["none", "jpeg:q=50", "lr:20", "noise:sigma=8"],
    )  # fmt: skip
    dead = table.filter(pl.col("path") == paths[1])
    assert dead["error"].str.contains("died with this image").all() and dead.height == 4
    assert table.filter(pl.col("path") != paths[1])["logit"].null_count() == 0


def test_what_cannot_be_run_is_said_before_anything_is_read(tmp_path: Path) -> None:
    rows = pl.DataFrame({"path": ["a.png"]})
    with pytest.raises(UsageError, match=r"Expected an engine, got 'rai'. Did you mean ray\?"):
        predict(rows, ["x"], out=tmp_path, engine="rai")
    with pytest.raises(UsageError, match="Expected --engine ray beside the address"):
        predict(rows, ["x"], out=tmp_path, address="auto")
    with pytest.raises(SynthscopeError, match=r"Expected synthscope 0 on all nodes"):
        pool.Worker("0", (), lambda: print, [])
