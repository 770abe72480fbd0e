"""Settings of these tests."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Threads of several test processes on the same cores wait for each other longer than they work."""
    torch.set_num_threads(1)
