"""How often the rules of what is in scope are wrong: on photographs, AI images, and drawn screens, pages and charts.

``python benchmarks/scope.py [IMAGES IMAGES_2026] [--held-out]``. The folders hold a ``manifest.csv`` each. Limits were
set on what is measured without ``--held-out`` and on drawn pictures of other seeds.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from synthscope.data.images import read_rgb
from synthscope.inspection.scope import LIMITS, measured
from synthscope.metrics.intervals import wilson
from synthscope.sandbox.graphics import KINDS, draw

SHARED = Path(__file__).parents[2] / "shared"
SEEDS = range(1000, 1025)  # a kind; limits were set on seeds 0 to 7
WAYS = ((1.0, "PNG", 0), (1.0, "JPEG", 90), (1.0, "JPEG", 75), (1.5, "PNG", 0), (1.5, "JPEG", 75))  # one a seed in turn
SHOWN = 100  # photographs that appear in drawn windows, pages and chats
OWN = {
    "flat": ("blank",),
    "screenshot": ("window", "web page", "chat", "code"),
    "text": ("text page",),
    "drawing": ("chart", "diagram", "drawing"),
}


def classes(images: Path, images_2026: Path, *, held_out: bool) -> dict[str, list[Path]]:
    """Files by what they show: photographs, photo-like AI images, AI graphics, other AI images."""
    found: dict[str, list[Path]] = {}
    for folder in (images, images_2026):
        with (folder / "manifest.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if (row.get("use") == "evaluate") == held_out:
                    found.setdefault(_class(row), []).append(folder / row["path"])
    return found


def _class(row: dict[str, str]) -> str:
    if row["label"] == "0":
        return "photographs"
    if row.get("class_name") in ("photo-like", "graphic"):
        return f"AI, {row['class_name']}"
    return "AI, other"


def refused(values: dict[str, float]) -> set[str]:
    """Rules that apply."""
    return {rule for rule, value in values.items() if value >= LIMITS[rule]}


def of_file(path: Path) -> dict[str, float]:
    """What the rules measure in a file."""
    cv2.setNumThreads(1)
    return measured(read_rgb(path))


def of_compressed(path: Path) -> dict[str, float]:
    """The same after JPEG of quality 30, which no rule is made for."""
    return measured(_stored(Image.fromarray(read_rgb(path)), "JPEG", 30))


def drawn(task: tuple[str, int, list[Path]]) -> dict[str, float]:
    """What the rules measure in a drawn picture as it is scaled and stored."""
    kind, seed, photographs = task
    cv2.setNumThreads(1)
    image = draw(kind, seed, [Image.fromarray(read_rgb(path)) for path in photographs])
    scale, container, quality = WAYS[seed % len(WAYS)]
    if scale != 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    return measured(_stored(image, container, quality))


def _stored(image: Image.Image, container: str, quality: int) -> np.ndarray:
    file = BytesIO()
    image.save(file, container, **({"quality": quality} if quality else {}))
    return read_rgb(file.getvalue())


def shown(photographs: list[Path], seed: int) -> list[Path]:
    """The few photographs that one drawn picture may show."""
    few = photographs[:: max(1, len(photographs) // SHOWN)]
    return [few[(seed + 7 * i) % len(few)] for i in range(4)]


def measure_all(images: Path, images_2026: Path, *, held_out: bool) -> Iterator[tuple[str, list[set[str]]]]:
    """``(name of a set, the rules that apply to each of its images)``."""
    files = classes(images, images_2026, held_out=held_out)
    with ProcessPoolExecutor(2) as pool:

        def rules(work: Callable[..., dict[str, float]], tasks: Iterable[object]) -> list[set[str]]:
            return [refused(values) for values in pool.map(work, tasks, chunksize=4)]

        for name, paths in sorted(files.items(), reverse=True):
            yield name, rules(of_file, paths)
        if held_out:
            return
        yield "photographs, JPEG 30", rules(of_compressed, files["photographs"])
        for kind in KINDS:
            yield kind, rules(drawn, [(kind, seed, shown(files["photographs"], seed)) for seed in SEEDS])


def main(arguments: list[str]) -> None:
    """Print a row a set, a column a rule."""
    given = [Path(text) for text in arguments if not text.startswith("--")]
    folders = given or [SHARED / "images", SHARED / "images_2026"]
    if len(folders) != 2 or not all((folder / "manifest.csv").is_file() for folder in folders):
        print(f"Skipped: expected two folders with a manifest.csv, got {', '.join(map(str, folders))}.")
        return
    print(f"{'applies to':22}{'n':>5}" + "".join(f"{name:>22}" for name in [*LIMITS, "any of them"]))
    own: dict[str, list[bool]] = {}
    for name, found in measure_all(*folders, held_out="--held-out" in arguments):
        cells = [_cell(sum(rule in rules for rules in found), len(found)) for rule in LIMITS]
        print(f"{name:22}{len(found):5}" + "".join(cells) + _cell(sum(map(bool, found)), len(found)), flush=True)
        for rule in LIMITS:
            if name in OWN[rule]:
                own.setdefault(rule, []).extend(rule in rules for rules in found)
    for rule, hits in own.items():
        print(f"{rule}: applies to {sum(hits)} of {len(hits)} drawn ({', '.join(OWN[rule])})")


def _cell(k: int, n: int) -> str:
    low, high = wilson(k, n)
    return f"{f'{k} [{low:.1%}, {high:.1%}]':>22}"


if __name__ == "__main__":
    main(sys.argv[1:])
