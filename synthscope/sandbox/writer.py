"""Write the pictures of the sandbox as they come, and the tables about them at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from synthscope.sandbox.generators import DENOISING_LEVELS
from synthscope.sandbox.images import Made
from synthscope.sandbox.layouts import Placed

_LABELS = pa.list_(pa.struct([("label", pa.string()), ("points", pa.list_(pa.list_(pa.float64())))]))
XAIGD_SCHEMA = pa.schema(
    [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("generator", pa.string()),
        ("uid", pa.string()),
        ("labels", _LABELS),
        ("original_prompt", pa.string()),
        ("positive_prompt", pa.string()),
        ("negative_prompt", pa.string()),
        ("guidance_scale", pa.float64()),
        ("num_inference_steps", pa.int64()),
        ("scheduler", pa.string()),
        ("seed", pa.int64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("image_format", pa.string()),
        ("jpeg_quality", pa.int64()),
        ("chroma_subsampling", pa.string()),
    ]
)
ANNOTATIONS_SCHEMA = pa.schema([("path", pa.string()), ("labels", _LABELS)])


@dataclass
class Writer:
    """Files as they come, rows of tables collected until the end."""

    root: Path
    real: int = 0
    ai: int = 0
    regions: Counter[str] = field(default_factory=Counter)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    photographs: dict[str, Placed] = field(default_factory=dict)
    labelled: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"train": [], "test": []})

    def add(self, place: Placed, made: Made) -> None:
        """Write the file of a picture, or keep it as a row of an X-AIGD table; a photograph comes before
        the pictures of its caption."""
        generator = place.picture.generator
        self.real, self.ai = self.real + (generator is None), self.ai + (generator is not None)
        self.regions.update(artifact.label for artifact in made.artifacts)
        if place.uid is not None and generator is not None:
            self.labelled[place.split].append(self._row(place, made))
            return
        path = self.root / place.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.data)
        if place.uid is not None:
            self.photographs[place.uid] = place
        elif generator is not None:
            self.annotations.append({"path": place.path.removeprefix("genimage/"), "labels": made.labels})

    def _row(self, place: Placed, made: Made) -> dict[str, Any]:
        assert place.uid is not None
        picture, prompt = place.picture, place.picture.scene.prompt
        return {
            "image": {"bytes": made.data, "path": place.path},
            "generator": picture.generator,
            "uid": place.uid,
            "labels": made.labels,
            "original_prompt": prompt,
            "positive_prompt": f"{prompt}, photorealistic",
            "negative_prompt": "painting, drawing",
            "guidance_scale": 1.0,
            "num_inference_steps": len(DENOISING_LEVELS) if picture.generator == "denoiser" else 1,
            "scheduler": "none",
            "seed": picture.layout,
            "width": picture.width,
            "height": picture.height,
            "image_format": "JPEG",
            "jpeg_quality": self.photographs[place.uid].picture.quality,
            "chroma_subsampling": "4:2:0",
        }

    def finish(self) -> dict[str, Any]:
        """Write the tables; the fields of :class:`SandboxReport` beside the folder."""
        if (self.root / "genimage").is_dir():
            annotations = pa.Table.from_pylist(self.annotations, ANNOTATIONS_SCHEMA)
            pq.write_table(annotations, self.root / "genimage" / "annotations.parquet")
        if (self.root / "xaigd").is_dir():
            self._write_xaigd(self.root / "xaigd")
        return {"real": self.real, "ai": self.ai, "regions": dict(sorted(self.regions.items()))}

    def _write_xaigd(self, root: Path) -> None:
        (root / "data").mkdir()
        for split, rows in self.labelled.items():
            table = pa.Table.from_pylist(rows, XAIGD_SCHEMA)
            pq.write_table(table, root / "data" / f"labeled_{split}-00000-of-00001.parquet", row_group_size=100)
        photographs = [
            {
                "uid": uid,
                "file_name": f"{uid}.jpg",
                "source": "sandbox",
                "caption": place.picture.scene.prompt,
                "width": place.picture.width,
                "height": place.picture.height,
                "jpeg_quality": place.picture.quality,
            }
            for uid, place in self.photographs.items()
        ]
        pl.DataFrame(photographs).write_csv(root / "real_image_metadata.csv")
