"""What is erased in every image of a run, and the image, its regions and its twin as the detectors get them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import polars as pl

from synthscope.annotations import rows_by_image
from synthscope.annotations.targets import targets
from synthscope.data.degrade.recipe import Recipe, parse_recipe
from synthscope.data.images import read_file, read_rgb
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.inference.plan import Plan
from synthscope.studies.erasure.values import REPAIR, Row, Shown, image_values

KEY = ["sha256", "view", "regions", "twin", "detector", "preprocessing", "fill", "draws", "seed"]
IMAGE = ["path", "sha256", "generator", "subset", "split", "group", "view"]
_REGION = ("region", "category", "width", "height", "gt_kind", "polygons", "box", "rle", "mask_path", "heatmap_path")


@dataclass(frozen=True)
class Run:
    """What is computed for every image."""

    plan: Plan
    units: list[Row]  # what is known of each detector
    fills: tuple[str, ...]
    draws: int

    def image(
        self, image: Row, regions: pl.DataFrame, twin: str | None, done: set[tuple[Any, ...]]
    ) -> tuple[list[Row], list[Row]]:
        """A line with key and error for every detector and fill, and columns of ``PART`` of those not ``done``."""
        view = parse_recipe(image["view"] or "none")
        common = {name: image[name] for name in (*IMAGE, "error")} | {"view": str(view), "regions": _digest(regions)}
        common["twin"] = twin or "none"
        try:
            data, common["sha256"] = _read(image)
            other, common["twin"] = (None, "none") if twin is None else read_file(twin)
            lines = self._lines(common)
            missing = [line for line in lines if key_of(line) not in done]
            if not missing:
                return lines, []
            shown = _shown(image["path"], data, common["sha256"], view, regions, seed=self.plan.seed)
            if twin is not None and other is not None:
                shown = _with_twin(shown, twin, other, view, seed=self.plan.seed)
            return lines, self._values(shown, missing)
        except (OSError, RuntimeError, ValueError, SynthscopeError) as error:
            return self._lines(common | {"error": str(error)}), []

    def _values(self, shown: Shown, missing: list[Row]) -> list[Row]:
        """Columns of ``PART``; lines of detectors that fail get their ``error``."""
        wanted: dict[int, dict[str, Row]] = {}
        for line in missing:
            wanted.setdefault(line["unit"], {})[line["fill"]] = line
        fills = {number: list(lines) for number, lines in wanted.items()}
        values: list[Row] = []
        for number, answer in image_values(shown, fills, self.plan, draws=self.draws, seed=self.plan.seed).items():
            if isinstance(answer, str):
                for line in wanted[number].values():
                    line["error"] = answer
            else:
                values += [wanted[number][value["fill"]] | value for value in answer]
        return values

    def _lines(self, common: Row) -> list[Row]:
        fills = self.fills if common["twin"] == "none" else (*self.fills, REPAIR)
        return [
            common | {name: unit[name] for name in ("unit", "detector", "preprocessing", "threshold", "seed")} | own
            for unit in self.units
            for own in ({"fill": fill, "draws": self.draws} for fill in fills)
        ]


def key_of(row: Row) -> tuple[Any, ...]:
    """Values of ``KEY``."""
    return tuple(row[name] for name in KEY)


def _read(image: Row) -> tuple[bytes, str]:
    if image["error"] is not None:
        raise UnreadableImageError(image["error"])
    return read_file(image["path"], image["sha256"])


def _shown(path: str, data: bytes, sha256: str, view: Recipe, regions: pl.DataFrame, *, seed: int) -> Shown:
    rgb = read_rgb(data, name=path)
    found = [t for t in targets(regions, rgb.shape[:2], str(view)) if t.level is None or t.category is not None]
    return Shown(sha256, view.apply(rgb, key=sha256, seed=seed), found, None)


def _with_twin(shown: Shown, path: str, data: bytes, view: Recipe, *, seed: int) -> Shown:
    rgb = view.apply(read_rgb(data, name=path), key=shown.key, seed=seed)  # what a view draws, it draws alike
    if rgb.shape != shown.rgb.shape:
        raise SynthscopeError(
            f"Expected a twin of {shown.rgb.shape[1]} x {shown.rgb.shape[0]} pixels, got {rgb.shape[1]} x "
            f"{rgb.shape[0]} in {path}. Name the same picture without artifacts."
        )
    return shown._replace(twin=rgb)


def _digest(regions: pl.DataFrame) -> str:
    """Of an image's annotation: another one is another experiment."""
    columns = [name for name in _REGION if name in regions.columns]
    return hashlib.sha256(regions.select(columns).write_json().encode()).hexdigest()[:12]


def annotated(images: pl.DataFrame, annotations: pl.DataFrame) -> list[tuple[Row, pl.DataFrame]]:
    """AI-generated images with annotated regions, and these."""
    known = rows_by_image(annotations.filter(pl.col("region").is_not_null()))
    pairs = [(row, known.get(row["path"], known.get(row["sha256"]))) for row in images.filter(label=1).to_dicts()]
    if found := [(row, regions) for row, regions in pairs if regions is not None]:
        return found
    raise SynthscopeError(
        "Expected AI-generated images with annotated regions, got none. Check that the annotations name the images by "
        "path or sha256."
    )
