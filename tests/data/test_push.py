"""Uploads against a hub on this machine that speaks its protocol: what is sent, and each refusal as a sentence."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from synthscope.cli import app
from synthscope.data.export.push import push, to_push
from synthscope.errors import SynthscopeError, UsageError


class Hub(ThreadingHTTPServer):
    """One data set, its files, and what it answers to making one."""

    private = True
    refusal = 0
    files: dict[str, bytes]
    asked: list[str]


class Answers(BaseHTTPRequestHandler):
    """The few requests that an upload of small files is made of."""

    server: Hub

    @property
    def home(self) -> str:
        """The data set's page."""
        return f"http://127.0.0.1:{self.server.server_port}/datasets/me/set"

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append(self.path)
        if self.server.refusal:
            return self.say(self.server.refusal, {"error": "no"})
        if self.path == "/api/repos/create":
            self.say(200, {"url": self.home})
        elif "/preupload/" in self.path:
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(data)["files"]
            ]
            self.say(200, {"files": files})
        elif "/commit/" in self.path:
            for line in map(json.loads, data.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.say(200, {"commitUrl": f"{self.home}/commit/c0ffee", "commitOid": "c0ffee", "success": True})
        else:
            self.say(200, {})

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.say(200, {"id": "me/set", "sha": "c0ffee", "private": self.server.private, "siblings": []})

    def say(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing: tests read stderr."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that knows a token."""
    server = Hub(("127.0.0.1", 0), Answers)
    server.files, server.asked = {}, []
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_made_up")
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in (
        ("data/train-0.parquet", b"PAR1"),
        ("README.md", b"# set"),
        (".export.json", b"{}"),
        ("data/.half", b""),
    ):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(data)
    return tmp_path / "out"


def test_files_arrive_and_hidden_ones_stay(hub: Hub, folder: Path) -> None:
    assert push(folder, "me/set", private=True).endswith("/me/set")
    assert hub.files == {"data/train-0.parquet": b"PAR1", "README.md": b"# set"}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "a token that the hub does not know"),
        (403, "a token that may not write there"),
        (429, "too many requests. Wait some minutes and run again"),
        (500, "Run again to go on"),
    ],
)
def test_refusals_are_sentences(
    hub: Hub, folder: Path, status: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.refusal = status
    with pytest.raises(SynthscopeError, match=f"Expected to upload .*out to me/set, got .*{message}") as told:
        push(folder, "me/set", private=True)
    assert "\n" not in str(told.value) and not hub.files


def test_nothing_private_goes_where_others_see_it(hub: Hub, folder: Path) -> None:
    hub.private = False
    with pytest.raises(SynthscopeError, match="Expected me/set to be private, got a public data set of that name"):
        push(folder, "me/set", private=True)
    assert not hub.files


def test_without_a_token_nobody_is_asked(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(SynthscopeError, match="Expected a token of the Hugging Face Hub in HF_TOKEN"):
        push(folder, "me/set", private=True)
    with pytest.raises(UsageError, match="Expected OWNER/NAME"):
        push(folder, "../set", private=True)
    assert not hub.asked


def test_nothing_leaves_without_yes(hub: Hub, folder: Path) -> None:
    told = CliRunner().invoke(app, ["data", "push", str(folder), "me/set", "--dry-run"])
    assert told.exit_code == 0 and told.stdout.splitlines()[-1] == "2 files, 9 bytes to me/set"
    assert [line.split() for line in told.stdout.splitlines()[:-1]] == [
        ["5", "README.md"],
        ["4", "data/train-0.parquet"],
    ]
    for arguments in ([], ["--private"], ["--yes"]):
        result = CliRunner().invoke(app, ["data", "push", str(folder), "me/set", *arguments])
        assert isinstance(result.exception, UsageError) and "2 files, 9 bytes" in str(result.exception)
    assert not hub.asked
    assert CliRunner().invoke(app, ["data", "push", str(folder), "me/set", "--private", "--yes"]).exit_code == 0
    assert set(hub.files) == {"README.md", "data/train-0.parquet"}


def test_links_are_not_published(folder: Path) -> None:
    (folder / "data/secret.txt").symlink_to("/etc/passwd")
    with pytest.raises(SynthscopeError, match=r"got .*secret\.txt, which is a link"):
        to_push(folder)
    for path in (folder / "nowhere", folder / "data"):
        (folder / "data/secret.txt").unlink(missing_ok=True)
        (folder / "data/train-0.parquet").unlink(missing_ok=True)
        with pytest.raises(SynthscopeError, match="Expected (a folder|files)"):
            to_push(path)
