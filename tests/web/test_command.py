"""``synthscope serve``: where it listens, and what it refuses to start with."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from synthscope.cli.serve import serve_command
from synthscope.errors import SynthscopeError, UsageError
from synthscope.web.run import bound


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_other_machines_are_let_in_only_when_asked(host: str) -> None:
    with pytest.raises(UsageError, match="add --allow-network"):
        serve_command(host=host)


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SynthscopeError, match=f"port {port}.*Choose another --port"):
            bound("127.0.0.1", port)


def test_detectors_that_are_not_there_end_it() -> None:
    program = [sys.executable, "-m", "synthscope", "serve", "-d", "absent/detector", "--port", "0"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "absent/detector" in done.stderr and "Traceback" not in done.stderr


def test_the_page_is_served_where_torch_is_not_loaded() -> None:
    code = "import sys, synthscope.cli, synthscope.web.app, synthscope.web.run; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
