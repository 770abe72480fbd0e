"""What a contributor is given agrees with what CI runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import synthscope

ROOT = Path(__file__).parents[1]
PYTHONS = ["3.11", "3.12", "3.13"]


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", read("Makefile"), re.MULTILINE)
    assert found is not None
    return [line.strip() for line in found[1].splitlines()]


def test_hooks_before_a_commit_are_make_lint() -> None:
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == recipe("lint")
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in repository["hooks"])


def test_workflows_run_the_same_scripts_on_every_python() -> None:
    jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    assert jobs["run"]["strategy"]["matrix"]["python"] == PYTHONS
    assert ".ci/run" in [step.get("run") for step in jobs["run"]["steps"]]
    for name in ("ci", "build"):
        for job in yaml.safe_load(read(f".github/workflows/{name}.yml"))["jobs"].values():
            for command in (step["run"] for step in job["steps"] if "run" in step):
                scripts = re.findall(r"\.ci/[\w.]+", command)
                assert command.startswith("make ") or scripts, command
                assert all((ROOT / script).is_file() for script in scripts), command


def test_issue_templates_are_forms() -> None:
    for form in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml")):
        content = yaml.safe_load(form.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(content), form


def test_versions_agree() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    citation = yaml.safe_load(read("CITATION.cff"))
    assert project["version"] == citation["version"] == synthscope.__version__
    assert citation["license"] == project["license"]
    assert re.search(rf"^## \[?({re.escape(project['version'])}|Unreleased)", read("CHANGELOG.md"), re.MULTILINE)


def test_both_papers_are_cited() -> None:
    references = yaml.safe_load(read("CITATION.cff"))["references"]
    assert [reference["identifiers"][0]["value"] for reference in references] == [
        "arXiv:2306.08571",
        "arXiv:2601.19430",
    ]


def test_every_kind_of_addition_has_a_template_and_its_test() -> None:
    folder = ROOT / "examples/templates"
    named = re.findall(r"examples/templates/(\w+\.py)\)", read("CONTRIBUTING.md"))
    assert sorted(named) == sorted(file.name for file in folder.glob("*.py") if file.name != "conftest.py")


def test_the_lowest_versions_that_are_allowed_are_those_that_are_tested() -> None:
    bounds = re.compile(r"^([\w.-]+)(?:\[.*\])?>=([\d.]+)")
    project = tomllib.loads(read("pyproject.toml"))["project"]
    tested = dict(line.split("==") for line in read("constraints-min.txt").splitlines() if not line.startswith("#"))
    for requirement in project["dependencies"]:
        match = bounds.match(requirement)
        assert match is not None, requirement
        name, lowest = match.groups()
        assert tested[name] == lowest or tested[name].startswith(f"{lowest}."), requirement


def test_the_site_is_searched_without_a_server_or_another_host() -> None:
    config = read("mkdocs.yml")
    assert "\n  - offline\n" in config and "\nuse_directory_urls: false" in config
    assert "  polyfills: [iframe-worker.js]" in config  # the plugin adds one of another host unless one is named
    script = read("docs/iframe-worker.js")
    assert "Permission is hereby granted" in script and 'location.protocol==="file:"' in script


def test_the_pythons_that_are_tested_begin_with_the_lowest_that_is_allowed() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    assert project["project"]["requires-python"] == f">={PYTHONS[0]}"
    assert project["tool"]["ruff"]["target-version"] == f"py{PYTHONS[0].replace('.', '')}"
    assert project["tool"]["mypy"]["python_version"] == PYTHONS[0]
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in read("CONTRIBUTING.md")
    for job in yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"].values():
        (python,) = [
            step["with"]["python-version"] for step in job["steps"] if "python-version" in step.get("with", {})
        ]
        assert python in ("${{ matrix.python }}", PYTHONS[0])
