"""Build the wheel, install it without dependencies into an empty folder and run it from there: no file is left out."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT], check=True, stdout=-3)
        (wheel,) = folder.glob("*.whl")
        subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
        environment = os.environ | {"PYTHONPATH": str(folder / "site")}
        check = (
            "from pathlib import Path; import synthscope; from synthscope.config import recipe_names;"
            f"assert Path(synthscope.__file__).is_relative_to({str(folder)!r}), synthscope.__file__;"
            "assert recipe_names('synthscope.training') and recipe_names('synthscope.benchmarking');"
            "from importlib.resources import files;"
            "assert [f for f in (files('synthscope.report.page') / 'templates').iterdir() if f.name.endswith('.html')];"
            "inspection = files('synthscope.inspection');"
            "left_out = [name for name in ('evidence.json', 'page/assets/page.css', 'page/assets/page.js',"
            " 'page/templates/article.html', 'bundled/config.json', 'bundled/model.safetensors',"
            " 'bundled/reference.json', 'bundled/README.md') if not inspection.joinpath(*name.split('/')).is_file()];"
            "assert not left_out, left_out"
        )
        subprocess.run([sys.executable, "-c", check], check=True, cwd=folder, env=environment)
        subprocess.run([sys.executable, "-m", "synthscope", "--version"], check=True, cwd=folder, env=environment)
    print("wheel: complete")


if __name__ == "__main__":
    main()
