"""What the README and ``docs/architecture.md`` say of the tree is true and complete."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import synthscope
from synthscope.explainers import EXPLAINERS

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))]
ROOMS = {folder.name for folder in (ROOT / "synthscope").iterdir() if (folder / "__init__.py").is_file()}
FILES = {file.stem for file in (ROOT / "synthscope").glob("*.py") if not file.stem.startswith("_")}


def column(page: str, head: str) -> list[str]:
    """Cells of the first column of the table whose first head is ``head``."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {head}"))
    cells = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells.append(line.split("|")[1])
    return cells


def test_the_readme_names_every_room_in_the_order_of_imports() -> None:
    from tests.test_architecture import ROOMS as ORDER

    named = [re.findall(r"`synthscope/(\w+)`", cell)[0] for cell in column("README.md", "room")]
    assert named == [room for room in ORDER if room in ROOMS]


def test_the_architecture_names_every_room_and_file_in_the_order_of_imports() -> None:
    from tests.test_architecture import ROOMS as ORDER

    named = [name for cell in column("docs/architecture.md", "room") for name in re.findall(r"`(\w+)`", cell)]
    assert named == [room for room in ORDER if room in ROOMS | FILES]


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [(ROOT / page).parent / link for link in re.findall(r"\]\(((?!http|#)[^)#]+)\)", text)]
    named = [ROOT / path for path in re.findall(r"`((?:synthscope|tests|docs|results|benchmarks)/[\w./]*)`", text)]
    rooms = [ROOT / "synthscope" / path for path in re.findall(r"`([a-z]+/[\w/]*(?:\.py)?)`", text)]
    rooms = [path for path in rooms if path.relative_to(ROOT / "synthscope").parts[0] in ROOMS]
    assert not (missing := [path for path in (*links, *named, *rooms) if not path.exists()]), missing


@pytest.mark.parametrize("page", PAGES)
def test_tests_that_a_page_names_exist(page: str) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / page).read_text(encoding="utf-8")):
        assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_python_names_of_the_readme_exist() -> None:
    table = re.findall(r"^\|.*\| `([\w.]+)(?:\(.*\))?` \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    names = [name.removeprefix("synthscope.") for name in table if "." in name]
    assert len(names) > 20
    for name in names:
        module, _, attribute = name.rpartition(".")
        whole = synthscope if not module else importlib.import_module(f"synthscope.{module}")
        assert hasattr(whole, attribute) or importlib.util.find_spec(f"synthscope.{name}"), name


def test_the_readme_names_every_explainer() -> None:
    text = (ROOT / "README.md").read_text()
    assert not (missing := [name for name in EXPLAINERS if f"`{name}`" not in text]), missing


def test_the_glossary_is_one_page() -> None:
    assert len((ROOT / "docs/glossary.md").read_text().splitlines()) <= 45
