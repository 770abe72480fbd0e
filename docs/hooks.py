"""How the site is put together: pages from outside of ``docs/``, and links as they stand in the repository.

Every page can be read in the repository, too, so links are written as they must be there. What a page links to and
is no page becomes one: a file of code as a page with its text, anything else as it is.
"""

from __future__ import annotations

import re
import sys
from os.path import normpath, relpath
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

sys.path.insert(0, str(Path(__file__).parent))
import generated

ROOT = Path(__file__).parent.parent
# A block of code, a link of the repository, or code in a line: whichever comes first, none inside of another.
PARTS = re.compile(
    r"^ *```.*?^ *```$|(?P<text>!?\[(?:[^\[\]]|\[[^\]]*\])*\])"
    r"\((?P<link>(?!https?:|data:|mailto:|#)[^)\s#]+)(?P<anchor>#[^)\s]*)?\)|`[^`\n]+`",
    re.MULTILINE | re.DOTALL,
)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".sbatch": "bash", ".json": "json", ".toml": "toml", ".txt": "text"}
OUTSIDE = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
ROLE = re.compile(r":(?:func|meth|class|mod|attr|data):(?=<code|`)")


def place_of(path: str) -> str:
    """Where a file of the repository is on the site: ``docs/a.md`` as ``a.md``, what is no page in ``source``."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path == "README.md":
        return "index.md"
    if path in OUTSIDE or path.startswith("results/"):
        return path
    return f"source/{path}.md" if Path(path).suffix in LANGUAGES or not Path(path).suffix else f"source/{path}"


def target_of(page: str, link: str) -> str | None:
    """The file of the repository that a link on ``page`` leads to, its README where it is a folder; None if neither."""
    path = normpath(PurePosixPath(page).parent / link)
    path = f"{path}/README.md" if (ROOT / path).is_dir() else path
    return path if (ROOT / path).is_file() else None


def on_files(files: Files, config: Any) -> Files:
    """Add generated pages, pages from outside of ``docs``, and everything that these and the others link to."""
    for place, write in generated.PAGES.items():
        files.append(File.generated(config, place, content=write()))
    results = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "results").rglob("*.md"))]
    known = {f"docs/{file.src_uri}" for file in files}
    waiting = [*sorted(path for path in known if path.endswith(".md") and (ROOT / path).is_file()), *OUTSIDE, *results]
    for page in waiting:  # grows while it is read
        if page not in known:
            known.add(page)
            files.append(_file(page, config))
        if page.endswith(".md"):
            text = (ROOT / page).read_text(encoding="utf-8")
            found = {target_of(page, part["link"]) for part in PARTS.finditer(text) if part["link"]}
            waiting += sorted(path for path in found - known - {None, "README.md"} if path)
    return files


def _file(path: str, config: Any) -> File:
    language = LANGUAGES.get(Path(path).suffix, "text")
    place = place_of(path)
    if place == f"source/{path}.md":
        text = (ROOT / path).read_text(encoding="utf-8")
        content = (
            f"---\nsearch:\n  exclude: true\n---\n\n# {Path(path).name}\n\n`{path}`\n\n````{language}\n{text}\n````\n"
        )
        return File.generated(config, place, content=content, inclusion=InclusionLevel.NOT_IN_NAV)
    file = File.generated(config, place, abs_src_path=str(ROOT / path), inclusion=InclusionLevel.NOT_IN_NAV)
    file.edit_uri = path
    return file


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links of the repository become links of the site; links to folders without a README become words."""
    place = page.file.src_uri
    path = place if place in OUTSIDE or place.startswith("results/") else f"docs/{place}"
    if place.startswith("source/"):
        path = place.removeprefix("source/")
    if place in generated.PAGES:
        return ROLE.sub("", markdown)

    def moved(part: re.Match[str]) -> str:
        target = target_of(path, part["link"]) if part["link"] else None
        if target:
            return f"{part['text']}({relpath(place_of(target), PurePosixPath(place).parent)}{part['anchor'] or ''})"
        generated_page = part["link"] and normpath(PurePosixPath(place).parent / part["link"]) in generated.PAGES
        return part[0] if not part["link"] or generated_page else part["text"]

    return PARTS.sub(moved, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Docstrings name functions as Sphinx does; on a page the name is enough."""
    return ROLE.sub("", html)
