"""The architecture of ``docs/architecture.md``: a room imports rooms before it, in no circle, and past torch."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

import synthscope

PACKAGE = Path(synthscope.__file__).parent
ROOT = PACKAGE.parent
ROOMS = (
    "errors", "runtime", "config", "registry", "schema", "numbering", "metrics", "data", "annotations", "sandbox",
    "generation", "detectors", "explainers", "training", "inference", "scoring", "tables", "studies", "benchmarking",
    "report", "inspection", "web", "cli", "__main__",
)  # fmt: skip
WITHOUT_TORCH = re.compile(r"synthscope\.(metrics|scoring|tables|report|cli|data\.manifest)\b.*")
BRING_TORCH = ("torch", "torchvision", "timm")


class Import(NamedTuple):
    """One import statement; ``late`` when it runs inside a function, ``typing`` when it never runs."""

    target: str
    line: int
    late: bool
    typing: bool


def modules() -> dict[str, Path]:
    """Dotted name -> file, of the whole package."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports_of(tree: ast.Module, known: Mapping[str, object]) -> Iterator[Import]:
    """Everything that a file imports, names from modules as the module that they come from."""

    def walk(node: ast.AST, late: bool, typing: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for name in child.names:
                    yield Import(name.name, child.lineno, late, typing)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0 and child.module, f"relative import in line {child.lineno}"
                for name in child.names:
                    whole = f"{child.module}.{name.name}"
                    yield Import(whole if whole in known else child.module, child.lineno, late, typing)
            else:
                function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                checked = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
                yield from walk(child, late or function, typing or checked)

    return walk(tree, False, False)


FILES = modules()
IMPORTS = {name: list(imports_of(ast.parse(file.read_text()), FILES)) for name, file in FILES.items()}
OURS = [(name, found) for name, all_ in IMPORTS.items() for found in all_ if found.target.split(".")[0] == "synthscope"]


def room(module: str) -> str:
    return [*module.split("."), ""][1]


def describe(name: str, found: Import) -> str:
    return f"{FILES[name].relative_to(ROOT)}:{found.line} imports {found.target}"


def circle(edges: Mapping[str, Mapping[str, str]]) -> str:
    """The imports of one circle, a line each; empty if there is none. ``edges``: node -> what it imports -> where."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return "\n".join(edges[a][b] for a, b in pairwise(reversed(error.args[1])))
    return ""


def test_every_room_has_its_place() -> None:
    assert {room(name) for name in FILES} - {""} == set(ROOMS)


def test_no_room_is_named_like_a_public_function() -> None:
    public = set(synthscope.__all__)
    assert not public & set(ROOMS), "importing the room would hide the function"


def test_a_room_imports_only_rooms_before_it() -> None:
    wrong = [
        f"{describe(name, found)}: {room(found.target)} comes after {room(name)} in the list of rooms"
        for name, found in OURS
        if room(name) and room(found.target) and ROOMS.index(room(found.target)) > ROOMS.index(room(name))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_imports_itself_over_others() -> None:
    edges: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name, found in OURS:
        if not found.typing and found.target != name:
            edges[name][found.target] = describe(name, found)
    found_circle = circle(edges)
    assert not found_circle, found_circle


def test_no_folder_imports_itself_over_others() -> None:
    """Folders and files beside each other: ``report/page`` may use ``report/figures``, or the reverse."""
    edges: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name, found in OURS:
        a, b = name.split("."), found.target.split(".")
        same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        if same < min(len(a), len(b)) and not found.typing:
            edges[".".join(a[: same + 1])][".".join(b[: same + 1])] = describe(name, found)
    found_circle = circle(edges)
    assert not found_circle, found_circle


def test_a_circle_is_told_by_its_lines() -> None:
    assert circle({"a": {"b": "a.py:1 imports b"}, "b": {"c": "b.py:2 imports c"}, "c": {}}) == ""
    assert set(circle({"a": {"b": "1"}, "b": {"c": "2"}, "c": {"a": "3"}}).splitlines()) == {"1", "2", "3"}


def way_to_torch(start: str) -> list[str]:
    """Modules from ``start`` to one that imports torch when it is loaded; empty if there is no such way."""
    ways = [[start]]
    seen = {start}
    for way in ways:
        for found in IMPORTS[way[-1]]:
            if found.late or found.typing:
                continue
            if found.target.split(".")[0] in BRING_TORCH:
                return [*way, found.target]
            parents = (found.target.rsplit(".", n)[0] for n in range(found.target.count(".") + 1))
            for target in parents:
                if target in FILES and target not in seen:
                    seen.add(target)
                    ways.append([*way, target])
    return []


@pytest.mark.parametrize("module", [name for name in FILES if WITHOUT_TORCH.fullmatch(name)])
def test_torch_is_not_loaded_on_the_way_to(module: str) -> None:
    way = way_to_torch(module)
    assert not way, " imports ".join(way)


def test_these_modules_load_where_torch_is_not_installed() -> None:
    names = [name for name in FILES if WITHOUT_TORCH.fullmatch(name)]
    code = f"""
import importlib, sys

class NotInstalled:
    def find_spec(self, name, *_):
        if name.split(".")[0] in {BRING_TORCH}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NotInstalled())
for name in {names}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_files_are_short() -> None:
    lengths = {name: len(file.read_text().splitlines()) for name, file in FILES.items()}
    too_long = {name: n for name, n in lengths.items() if n > 300}
    assert not too_long, too_long
    assert statistics.median(n for n in lengths.values() if n > 1) <= 130
