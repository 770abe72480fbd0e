"""Build sdist and wheel, look at both, and install the wheel where nothing else is: no file is left out.

The wheel is built from the sdist, so what it holds the sdist holds, too. It must hold every file of the package that
git knows, and work in an empty environment, away from the repository, from one image to an answer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
CHECK = """
import sys, synthscope
from pathlib import Path
assert Path(synthscope.__file__).is_relative_to(sys.prefix), synthscope.__file__
from PIL import Image
Image.radial_gradient("L").convert("RGB").save("photo.jpg")
"""


def build(out: Path) -> Path:
    """Both packages in ``out``, checked by twine; the path of the wheel."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", out, ROOT], check=True, stdout=subprocess.DEVNULL)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], check=True)
    return wheel


def complete(wheel: Path) -> None:
    """Exit with the names of the files that git knows and the wheel lacks."""
    listed = subprocess.run(["git", "ls-files", "synthscope"], cwd=ROOT, check=True, capture_output=True, text=True)
    lacking = set(listed.stdout.splitlines()) - set(zipfile.ZipFile(wheel).namelist())
    if lacking:
        sys.exit(f"Expected all files of the package in {wheel.name}, got none of these: {', '.join(sorted(lacking))}.")


def works(wheel: Path, folder: Path) -> None:
    """Install the wheel with what it needs into an environment of its own, and inspect an image with it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    python = folder / "empty" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "empty"], check=True)
    subprocess.run([python, *PIP, "install", "-c", ROOT / "constraints.txt", wheel], check=True, env=environment)
    for command in (
        [python, "-c", CHECK],
        [python.with_name("synthscope"), "--version"],
        [python.with_name("synthscope"), "recipes", "list"],
        [python.with_name("synthscope"), "inspect", "photo.jpg", "--html", "photo.html"],
    ):
        subprocess.run(command, check=True, cwd=folder, env=environment)


def main(out: Path | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(out or folder / "dist")
        complete(wheel)
        works(wheel, folder)
    print("packages: complete, and work in an empty environment")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None)
