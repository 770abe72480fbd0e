"""Golden files by CVAT's own code: cvat-sdk 2.80.0, and datumaro 1.13.12, which CVAT imports and exports with.

    pip install cvat-sdk==2.80.0 datumaro==1.13.12
    python tests/annotations/golden/make_cvat.py

Made by their code: ``cvat.xml``, an export in "CVAT for images 1.1" by datumaro. Checked by their code: what datumaro
reads in our file of earlier marks (``ours_cvat.xml``, of ours.py), our label specification against cvat-sdk's models
and its validators of attribute values, and our runs of the mask against ``cvat_sdk.masks``. Not exercised: CVAT's
server.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from cvat_sdk import models
from cvat_sdk.attributes import attribute_value_validator
from cvat_sdk.masks import decode_mask, encode_mask
from datumaro.components.annotation import Bbox, Mask, Polygon, RotatedBbox
from datumaro.components.dataset import Dataset
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image
from datumaro.plugins.data_formats.cvat.base import CvatBase
from PIL import Image as Picture

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from asked import BOX, DEGREES, HEIGHT, NAME, POLYGON, REASON, TURNED, WIDTH, mask  # noqa: E402

LABELS = ["low-level-texture", "other", "high-level-semantics", "low-level-color"]


def export() -> None:
    flat = [value for point in POLYGON for value in point]
    (x0, y0, x1, y1), (u0, v0, u1, v1) = BOX, TURNED
    marks = [
        Polygon(flat, label=0, group=3, attributes={"text": REASON, "confidence": "sure"}),
        Polygon([1, 1, 3, 1, 3, 2], label=0, group=3),
        Bbox(x0, y0, x1 - x0, y1 - y0, label=1, attributes={"confidence": "unsure"}),
        RotatedBbox((u0 + u1) / 2, (v0 + v1) / 2, u1 - u0, v1 - v0, DEGREES, label=2),
        Mask(image=mask(), label=3),
    ]
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    items = [
        DatasetItem("000001", media=Image.from_numpy(black), annotations=marks, attributes={"frame": 0}),
        DatasetItem("000002", media=Image.from_numpy(black), attributes={"frame": 1}),
    ]
    with tempfile.TemporaryDirectory() as folder:
        Dataset.from_iterable(items, categories=LABELS).export(
            folder, "cvat", save_media=False, allow_undeclared_attrs=True, image_ext=".png"
        )
        (file,) = Path(folder).rglob("*.xml")
        text = re.sub(r"<(created|updated|dumped)>[^<]*<", r"<\1>2026-11-30<", file.read_text(encoding="utf-8"))
    (HERE / "cvat.xml").write_text(text, encoding="utf-8")


def read() -> list[dict]:
    """Our earlier marks as datumaro reads them."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "images").mkdir()
        Picture.new("RGB", (WIDTH, HEIGHT)).save(Path(folder) / "images" / NAME)
        copy = Path(folder) / "annotations.xml"
        copy.write_bytes((HERE / "ours_cvat.xml").read_bytes())
        base = CvatBase(str(copy))
        names = [label.name for label in base.categories()[next(iter(base.categories()))].items]
        found = []
        for item in base:
            for mark in item.annotations:
                shape = {"type": mark.type.name, "label": names[mark.label], "group": mark.group}
                shape["attributes"] = {
                    name: value for name, value in mark.attributes.items() if name in ("text", "confidence")
                }
                if mark.type.name == "mask":
                    shape["is_the_mask_asked"] = bool((np.asarray(mark.image, bool) == mask()).all())
                else:
                    shape["points"] = [float(value) for value in mark.points]
                found.append(shape)
    return found


def labels() -> list[str]:
    """Names of our labels, each accepted by cvat-sdk's model, its values by the validators."""
    names = []
    for label in json.loads((HERE / "ours_cvat_labels.json").read_text()):
        specs = [models.AttributeRequest(**attribute) for attribute in label.pop("attributes")]
        names.append(models.PatchedLabelRequest(**label, attributes=specs).name)
        text, confidence = map(attribute_value_validator, specs)
        assert text(REASON) and confidence("sure") and confidence("no artifact") and not confidence("1.0")
    return names


def main() -> None:
    export()
    encoded = encode_mask(mask())
    assert (decode_mask(encoded, image_width=WIDTH, image_height=HEIGHT) == mask()).all()
    checked = {
        "cvat-sdk": version("cvat-sdk"),
        "datumaro": version("datumaro"),
        "labels": labels(),
        "read": read(),
        "mask": [int(value) for value in encoded],
        "name": NAME,
    }
    (HERE / "checked_cvat.json").write_text(json.dumps(checked, indent=1) + "\n")
    print(json.dumps(checked["read"]))


main()
