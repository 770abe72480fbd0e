"""What the README and the pages say of the tree is true and complete."""

from __future__ import annotations

import re
import tomllib
from os.path import normpath
from pathlib import Path

import pytest

from synthscope.explainers import EXPLAINERS
from synthscope.metrics.detection import METRICS
from synthscope.metrics.localization.maps import LOCALIZATION

ROOT = Path(__file__).parents[1]
DOCS = sorted(str(page.relative_to(ROOT)) for folder in ("docs", "results") for page in (ROOT / folder).rglob("*.md"))
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", *DOCS]
NAV = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
GENERATED = set(re.findall(r'^    "(reference/\w+\.md)": ', (ROOT / "docs/generated.py").read_text(), re.MULTILINE))
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


def test_the_architecture_names_every_room_and_file_in_the_order_of_imports() -> None:
    from tests.test_architecture import ROOMS as ORDER

    named = [name for cell in column("docs/architecture.md", "room") for name in re.findall(r"`(\w+)`", cell)]
    assert named == [room for room in ORDER if room in ROOMS | FILES]


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [(ROOT / page).parent / link for link in re.findall(r"\]\(((?!http|#)[^)#]+)(?:#[^)]*)?\)", text)]
    links = [link for link in links if normpath(link) not in {str(ROOT / "docs" / place) for place in GENERATED}]
    named = [
        ROOT / path for path in re.findall(r"`((?:synthscope|tests|docs|results|benchmarks|examples)/[\w./]*)`", text)
    ]
    rooms = [ROOT / "synthscope" / path for path in re.findall(r"`([a-z]+/[\w/]*(?:\.py)?)`", text)]
    rooms = [path for path in rooms if path.relative_to(ROOT / "synthscope").parts[0] in ROOMS]
    assert not (missing := [path for path in (*links, *named, *rooms) if not path.exists()]), missing


@pytest.mark.parametrize("page", PAGES)
def test_tests_that_a_page_names_exist(page: str) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / page).read_text(encoding="utf-8")):
        assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_the_tutorial_names_every_explainer() -> None:
    text = (ROOT / "docs/tutorials/explainer.md").read_text()
    assert not (missing := [name for name in EXPLAINERS if f"`{name}`" not in text]), missing


def test_every_metric_and_measure_has_its_formula() -> None:
    text = (ROOT / "docs/how/metrics.md").read_text()
    assert not (missing := [name for name in (*METRICS, *LOCALIZATION) if f"`{name}`" not in text]), missing


def test_every_extra_has_a_row() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    rows = {re.findall(r"`(\w+)`", cell)[0] for cell in column("docs/start/install.md", "extra")}
    assert rows == set(extras)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_page_has_a_place_in_the_site_and_every_place_a_page() -> None:
    places = re.findall(r"([\w/]+\.md)$", NAV, re.MULTILINE)
    assert len(places) == len(set(places))
    pages = {page.removeprefix("docs/") for page in DOCS if page.startswith("docs/")}
    readmes = {page for page in DOCS if page.startswith("results/") and page.endswith("README.md")}
    outside = {"CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "results/speed.md"}
    assert set(places) == pages | readmes | outside | GENERATED


def test_every_page_with_commands_is_run_by_ci() -> None:
    run = (ROOT / ".ci/run").read_text()
    commands = [page for page in PAGES if re.search(r"^```(sh|python)$", (ROOT / page).read_text(), re.MULTILINE)]
    assert not (missing := [page for page in commands if page not in run]), missing


def test_the_glossary_is_one_page() -> None:
    assert len((ROOT / "docs/glossary.md").read_text().splitlines()) <= 50
