"""Training on images behind URLs: only where somebody asked, and the weights are those of the same files on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
import torch

from synthscope.data.remote import permission
from synthscope.errors import SynthscopeError
from synthscope.training.config import TrainConfig
from synthscope.training.fit import train

Make = Callable[..., TrainConfig]
Weights = Callable[[Path], dict[str, torch.Tensor]]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def behind_urls(manifest: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Iterator[pl.DataFrame]:
    """The images of ``manifest`` on a web server; the ends of their paths, which seed what is drawn, are the same."""
    root = Path(manifest["path"][0]).parents[2]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(permission, "_granted", set())
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    address = f"http://127.0.0.1:{server.server_port}"
    yield manifest.with_columns(pl.col("path").str.replace(str(root), address, literal=True))
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("workers", [0, 1])
def test_weights_are_those_of_the_same_files_on_disk(
    workers: int, manifest: pl.DataFrame, behind_urls: pl.DataFrame, make_config: Make, weights: Weights, tmp_path: Path
) -> None:
    config = make_config(epochs=1, data={"workers": workers})
    permission.allow()
    here, there = train(config, manifest, tmp_path / "here"), train(config, behind_urls, tmp_path / "there")
    ours, theirs = weights(here), weights(there)
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_a_manifest_alone_reaches_no_server(behind_urls: pl.DataFrame, make_config: Make, tmp_path: Path) -> None:
    with pytest.raises(SynthscopeError, match="Run synthscope data verify"):
        train(make_config(epochs=1), behind_urls, tmp_path / "none")
