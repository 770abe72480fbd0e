"""One compute thread a test process: threads of several processes on few cores wait longer than they work."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported; processes that tests start inherit it
settings.register_profile("no deadline", deadline=None)  # a first example loads libraries; tests assert no times
settings.load_profile("no deadline")
