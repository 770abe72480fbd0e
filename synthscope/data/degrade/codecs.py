"""Round trips through newer formats, and the versions of the libraries that decide them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any

import numpy as np

from synthscope.data.degrade.jpeg import Quality, Subsampling
from synthscope.data.degrade.step import Fixed, check_side
from synthscope.errors import SynthscopeError, UnreadableImageError, needing


class Webp(Fixed):
    """Lossy WebP round trip with Pillow's defaults."""

    op = "webp"
    ladder = ("q=90", "q=75", "q=50", "q=30", "q=15")
    q: Quality

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        check_side(rgb, 16383, "WebP")
        return _through(rgb, "WEBP", quality=self.q)


class Avif(Fixed):
    """AVIF round trip, by the libavif in Pillow at speed 8; ``q`` is libavif's, which is no JPEG quality."""

    op = "avif"
    ladder = ("q=90", "q=75", "q=50", "q=30", "q=15")
    q: Quality
    subsampling: Subsampling = "420"

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        from PIL import features

        if not features.check("avif"):
            raise SynthscopeError(
                "Expected Pillow with AVIF, got one without. Run pip install --force-reinstall pillow."
            )
        check_side(rgb, 16384, "AVIF")
        subsampling = ":".join(self.subsampling)
        # One thread: another number gives another file.
        return _through(rgb, "AVIF", quality=self.q, subsampling=subsampling, speed=8, max_threads=1)


class Heic(Fixed):
    """HEIC round trip, by the x265 and libde265 in pillow-heif (extra ``heic``); ``q`` is libheif's, which is no JPEG
    quality.
    """

    op = "heic"
    ladder = ("q=90", "q=75", "q=50", "q=30", "q=15")
    q: Quality
    subsampling: Subsampling = "420"

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        with needing("heic", "the degradation heic"):
            import pillow_heif
        check_side(rgb, 16384, "HEIC")
        file, size = BytesIO(), (rgb.shape[1], rgb.shape[0])
        image = pillow_heif.from_bytes("RGB", size, rgb.tobytes())
        try:
            # Pools: without threads of its own, as on a machine with one core, x265 writes another file.
            image.save(file, quality=self.q, chroma=int(self.subsampling), enc_params={"x265:pools": "1"})
        except RuntimeError as error:  # long strips: x265 has no level for them
            why = f"got {size[0]}x{size[1]}: {error}"
            raise UnreadableImageError(f"Expected a size that HEIC can hold, {why}. Crop the image.") from error
        file.seek(0)
        return np.array(pillow_heif.open_heif(file).to_pillow().convert("RGB"))


def encoder_versions() -> dict[str, str]:
    """Versions of the libraries that decide degraded pixels; pillow-heif, which brings its own, where there is one."""
    import cv2
    import PIL
    from PIL import features

    opencv_jpeg = re.search(r"JPEG:.*\(ver ([^)]+)\)", cv2.getBuildInformation())
    versions = {
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "opencv_jpeg": opencv_jpeg[1] if opencv_jpeg else "unknown",
        "pillow": PIL.__version__,
        "pillow_jpeg": str(features.version("libjpeg_turbo") or features.version("jpg")),
        "pillow_webp": str(features.version("webp")),
        "pillow_avif": str(features.version("avif")),
    }
    try:
        return versions | {"pillow_heif": version("pillow-heif")}
    except PackageNotFoundError:
        return versions


def _through(rgb: np.ndarray, name: str, **options: Any) -> np.ndarray:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(rgb).save(file, name, **options)
    with Image.open(file) as image:
        return np.array(image.convert("RGB"))
