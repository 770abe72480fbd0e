"""No page of the built site loads anything from elsewhere: no script, style, font, image or frame of another host."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

FOREIGN = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
LOADED = dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed"), "src")
LOADED |= {"object": "data", "link": "href", "use": "href", "image": "href"}
SAID = {
    "canonical",
    "alternate",
    "author",
    "license",
    "prev",
    "next",
    "edit",
}  # links that no browser follows by itself
IN_STYLE = re.compile(r"(?:@import\s+|url\(\s*)[\"']?((?:https?:)?//[^\"')]+)", re.IGNORECASE)


class Loads(HTMLParser):
    """Collects what a page loads from other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of one tag: what its attribute names, each part of a srcset, and what its style loads."""
        values = {name: value or "" for name, value in attrs}
        address = values.get(LOADED.get(tag, ""), "")
        if FOREIGN.match(address) and not (tag == "link" and set(values.get("rel", "").split()) & SAID):
            self.found.append(f"<{tag}> {address}")
        self.found += [f"srcset {part}" for part in values.get("srcset", "").split(",") if FOREIGN.match(part)]
        self.found += [f"style {found}" for found in IN_STYLE.findall(values.get("style", ""))]


def foreign(file: Path) -> list[str]:
    """What a page or a style sheet loads from other hosts, a line each."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".css":
        return IN_STYLE.findall(text)
    loads = Loads()
    loads.feed(text)
    return loads.found + IN_STYLE.findall("".join(re.findall(r"<style.*?</style>", text, re.DOTALL)))


def main(site: Path) -> None:
    """Exit with the first findings, or say how many files were looked at."""
    files = sorted(path for path in site.rglob("*") if path.suffix in {".html", ".css", ".svg"})
    if not files:
        sys.exit(f"Expected a built site in {site}, got none. Run make docs.")
    if found := [f"{file}: loads {what}" for file in files for what in foreign(file)]:
        sys.exit("\n".join(["Expected nothing from other hosts, got:", *found[:20]]))
    print(f"{len(files)} files, nothing from other hosts")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
