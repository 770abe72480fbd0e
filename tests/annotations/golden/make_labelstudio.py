"""Golden files by Label Studio's own code: label-studio-sdk 2.1.2, in an environment of its own (it brings OpenCV).

    pip install label-studio-sdk==2.1.2
    python tests/annotations/golden/make_labelstudio.py

Made by their code: every region (``LabelInterface`` controls, their pydantic values, ``converter.brush.mask2rle``), the
annotation and the task around it (``AnnotationValue``, ``TaskValue``), ``labelstudio_coco.json`` out of these by their
``Converter`` (whose box around the turned one is wrong: it turns percents), and the corners of the turned box by their
``convert_annotation_to_yolo_obb``. Written here, because only the server writes it: sizes, ``completed_by`` as an
object, dates.
Checked by their code: our configuration, and our tasks with predictions (``ours_labelstudio.json``, of ours.py).
Not exercised: the server and the page on which people draw.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import decode_rle, mask2rle
from label_studio_sdk.converter.utils import convert_annotation_to_yolo_obb
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import AnnotationValue, TaskValue

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from asked import BOX, DEGREES, HEIGHT, NAME, POLYGON, REASON, TURNED, WIDTH, mask  # noqa: E402

CONFIG = (HERE.parents[2] / "synthscope" / "annotations" / "label_studio.xml").read_text(encoding="utf-8")


def percent(box: list[float]) -> dict[str, float]:
    x0, y0, x1, y1 = box
    return {
        "x": x0 / WIDTH * 100,
        "y": y0 / HEIGHT * 100,
        "width": (x1 - x0) / WIDTH * 100,
        "height": (y1 - y0) / HEIGHT * 100,
    }


def regions(interface: LabelInterface) -> list[dict]:
    points = [[x / WIDTH * 100, y / HEIGHT * 100] for x, y in POLYGON]
    polygon = interface.get_control("polygonlabels").label("low-level-texture", points=points)
    box = interface.get_control("rectanglelabels").label("other", rotation=0, **percent(BOX))
    turned = interface.get_control("rectanglelabels").label("high-level-semantics", rotation=DEGREES, **percent(TURNED))
    rle = mask2rle(mask().astype(np.uint8) * 255)
    brush = interface.get_control("brushlabels").label("low-level-color", format="rle", rle=rle)
    found = []
    for number, region in enumerate((polygon, box, turned, brush)):
        region.id = f"region{number}"
        found.append(region)
    reason = interface.get_control("reason").label(text=[REASON])
    doubt = interface.get_control("confidence").label(choices=["unsure"])
    reason.id, doubt.id = "region0", "region1"
    return [*found, reason, doubt]


def main() -> None:
    interface = LabelInterface(CONFIG)
    interface.validate()
    annotation = AnnotationValue(completed_by=7, result=regions(interface))
    task = TaskValue(data={"image": f"/data/local-files/?d=ann/images/{NAME}", "name": NAME}, annotations=[annotation])
    content = task.model_dump()
    assert interface.validate_annotation(content["annotations"][0])
    for item in content["annotations"][0]["result"]:
        item |= {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    content["annotations"][0] |= {
        "completed_by": {"id": 7, "email": "eve@example.org"},
        "updated_at": "2026-11-30T10:00:00Z",
    }
    (HERE / "labelstudio.json").write_text(json.dumps([content | {"id": 1}], indent=1) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        converter = Converter(CONFIG, folder, upload_dir=folder, download_resources=False)
        converter.convert_to_coco(str(HERE / "labelstudio.json"), folder, is_dir=False, output_image_dir=folder)
        coco = json.loads((Path(folder) / "result.json").read_text())
    coco["info"]["date_created"] = "2026-11-30"
    (HERE / "labelstudio_coco.json").write_text(json.dumps(coco, indent=1) + "\n")
    print(json.dumps(coco["annotations"]))

    tasks = json.loads((HERE / "ours_labelstudio.json").read_text())
    errors = [
        e
        for task in tasks
        for p in task.get("predictions", [])
        for e in interface.validate_prediction(p, return_errors=True)
    ]
    brushes = [
        np.asarray(decode_rle(item["value"]["rle"]), np.uint8).reshape(HEIGHT, WIDTH, 4)[..., 3] > 0
        for task in tasks for p in task.get("predictions", []) for item in p["result"] if item["type"] == "brushlabels"
    ]  # fmt: skip
    turned = {"original_width": WIDTH, "original_height": HEIGHT, "rotation": DEGREES} | percent(TURNED)
    checked = {
        "label-studio-sdk": version("label-studio-sdk"),
        "configuration": "valid",
        "predictions": sum(len(task.get("predictions", [])) for task in tasks),
        "tasks_have_what_the_configuration_asks": all(
            interface.validate_task({"data": task["data"]}) for task in tasks
        ),
        "errors": errors,
        "corners_of_the_turned_box": convert_annotation_to_yolo_obb(turned, normalize=False),
        "brushes_that_decode_to_the_mask_asked": [bool((found == mask()).all()) for found in brushes],
    }
    (HERE / "checked_labelstudio.json").write_text(json.dumps(checked, indent=1) + "\n")
    print(json.dumps(checked))


main()
