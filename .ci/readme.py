"""Run every ```sh and ```python block of Markdown files, in order, in one scratch folder; the first failure ends it.

A page goes on where the one before it stopped: what that has written is there. Blocks marked ```console are not run:
they need data that is not here, and the text around them says which. ``make`` runs in the repository; everything else
in the scratch folder with the project's commands on the PATH.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(markdown: Path, scratch: str) -> None:
    """The blocks of one page."""
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", markdown.read_text(), flags=re.MULTILINE | re.DOTALL)
    if not blocks:
        sys.exit(f"Expected ```sh blocks in {markdown}, got none.")
    environment = os.environ | {"PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for number, (language, block) in enumerate(blocks, 1):
        command = [sys.executable, "-c", block] if language == "python" else ["bash", "-euo", "pipefail", "-c", block]
        folder = ROOT if block.startswith("make ") else scratch
        start = time.monotonic()
        print(f"--- {markdown}, block {number}/{len(blocks)}\n{block}", flush=True)
        if code := subprocess.run(command, cwd=folder, env=environment).returncode:
            sys.exit(f"block {number} of {markdown} ended with {code}")
        print(f"--- {time.monotonic() - start:.0f} s", flush=True)
    print(f"{markdown}: {len(blocks)} passed, 0 failed")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for page in sys.argv[1:]:
            run(Path(page), folder)
