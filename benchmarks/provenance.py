"""Error rates that findings of provenance state: compressions counted, and watermarks found where there are none.

    python benchmarks/provenance.py IMAGES

The folder holds images in the layout of GenImage. Compressions are counted on images of ``val``, which chose no
constant; the level of ``recompressed.py`` was set on generated ones of ``train``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from synthscope.data.images import read_rgb
from synthscope.inspection.provenance.containers import read_parts
from synthscope.inspection.provenance.jpeg import read_layout
from synthscope.inspection.provenance.recompressed import FEWEST, LEVEL, decoded_luma, evidence_of_two
from synthscope.inspection.provenance.watermark import MESSAGES, best_matches, chance_of

LAST = (75, 85, 90, 95)
EARLIER = (50, 60, 70, 80, 88, 93, 97)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--every", type=int, default=1, help="take every so manyth image")
    options = parser.parse_args()
    generated = sorted(options.folder.glob(f"*/{options.split}/ai/*.png"))[:: options.every]
    photographs = sorted(options.folder.glob(f"*/{options.split}/nature/*"))[:: options.every]
    print("generated images, lossless")
    count_compressions(Image.fromarray(read_rgb(path)) for path in generated)
    print("photographs, halved so that their own compression is gone")
    count_compressions(Image.fromarray(read_rgb(path)).reduce(2) for path in photographs)
    match_watermarks(sorted(options.folder.glob("*/*/nature/*"))[:: options.every])


def count_compressions(images: Iterable[Image.Image]) -> None:
    """Shares called twice compressed, by what was done."""
    said: dict[str, list[bool]] = {"once": [], "lower before": [], "higher before": []}
    right, judged, files, n = [], 0, 0, 0
    for n, image in enumerate(images, 1):  # noqa: B007
        for last in LAST:
            for earlier in (None, *EARLIER):
                data = compressed(image, [last] if earlier is None else [earlier, last])
                luma, (tables, _) = decoded_luma(data), read_layout(read_parts(data))
                assert luma is not None
                score, quality, counted = evidence_of_two(luma, tables[0])
                files += 1
                if counted < FEWEST:
                    continue
                judged += 1
                kind = "once" if earlier is None else "lower before" if earlier < last else "higher before"
                said[kind].append(score >= LEVEL)
                if kind == "lower before" and score >= LEVEL:
                    right.append(abs(quality - (earlier or 0)) <= 2)
    print(f"{n} images, {files} files, {judged} of them judged")
    for kind, answers in said.items():
        print(f"{kind}: {np.mean(answers):.3f} of {len(answers)} called compressed at least twice")
    print(f"quality within 2: {np.mean(right):.3f} of {len(right)} found")


def compressed(image: Image.Image, qualities: Iterable[int]) -> bytes:
    data = b""
    for quality in qualities:
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        data = file.getvalue()
        image = Image.open(BytesIO(data)).convert("RGB")
    return data


def match_watermarks(paths: list[Path]) -> None:
    """The smallest chance that photographs reach, which hold no watermark of a generator."""
    least, n = dict.fromkeys(MESSAGES, 1.0), 0
    for path in paths:
        rgb = read_rgb(path)
        matches = best_matches(rgb)
        n += bool(matches)
        for name, matched in matches.items():
            least[name] = min(least[name], chance_of(matched, len(MESSAGES[name])))
    for name, chance in least.items():
        print(f"{name}: of {n} photographs the likeliest reaches a chance of {chance:.1e}")


if __name__ == "__main__":
    main()
