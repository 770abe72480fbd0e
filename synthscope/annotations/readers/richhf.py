"""RichHF-18K: heatmaps of artifacts in TFRecord files, read without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthscope.annotations.files import image_folder, located, parsing
from synthscope.annotations.heatmaps import heatmap_of
from synthscope.annotations.records import Row, image_rows
from synthscope.annotations.tfrecord import parse_example, read_record, record_offsets
from synthscope.errors import SynthscopeError


def read(root: Path, *, images: str = "") -> Iterator[Row]:
    """Rows of every ``*.tfrecord*`` file in or below ``root``: a heatmap, or none where it is zero everywhere.

    The heatmaps stay where they are (``heatmap_path`` is ``FILE.tfrecord#OFFSET``). The images are not part of the
    data set; they come from Pick-a-Pic.

    Args:
        root: A folder, or one TFRecord file.
        images: Folder that ``filename`` starts from; default ``root``.
    """
    files = [root] if root.is_file() else sorted(root.rglob("*.tfrecord*"))
    base = image_folder(images, root)
    if not files:
        raise SynthscopeError(f"Expected *.tfrecord files in {root}, got none. Check the path.")
    for file in files:
        with parsing(file, "records with filename and artifact_map"):
            for offset in record_offsets(file):
                features = parse_example(read_record(file, offset))
                name = features["filename"][0].decode()
                place = f"{file.as_posix()}#{offset}"
                regions = [{"heatmap_path": place, "text": "artifact_map"}] if heatmap_of(features, place).any() else []
                yield from image_rows({"path": located(base, name), "uid": name}, regions, kind="heatmap")
