"""Recipe strings such as ``jpeg:q=65|lr:112``, the steps that they name, and named sets of them.

``DEGRADATIONS["jpeg"]`` is the class of a step. Third parties add some by the entry point group
``synthscope.degradation``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthscope.registry import Registry

if TYPE_CHECKING:
    from synthscope.data.degrade.step import Step

DEGRADATIONS: Registry[type[Step]] = Registry("degradation")
DEGRADATIONS.register("avif", "synthscope.data.degrade.codecs:Avif")
DEGRADATIONS.register("balance", "synthscope.data.degrade.colours:Balance")
DEGRADATIONS.register("blur", "synthscope.data.degrade.filters:Blur")
DEGRADATIONS.register("crop", "synthscope.data.degrade.sizes:Crop")
DEGRADATIONS.register("display", "synthscope.data.degrade.sizes:Display")
DEGRADATIONS.register("heic", "synthscope.data.degrade.codecs:Heic")
DEGRADATIONS.register("jpeg", "synthscope.data.degrade.jpeg:Jpeg")
DEGRADATIONS.register("jpeg_below", "synthscope.data.degrade.jpeg:JpegBelow")
DEGRADATIONS.register("jpeg_tables", "synthscope.data.degrade.jpeg:JpegTables")
DEGRADATIONS.register("lr", "synthscope.data.degrade.sizes:LowResolution")
DEGRADATIONS.register("moire", "synthscope.data.degrade.screens:Moire")
DEGRADATIONS.register("noise", "synthscope.data.degrade.filters:Noise")
DEGRADATIONS.register("perspective", "synthscope.data.degrade.screens:Perspective")
DEGRADATIONS.register("profile", "synthscope.data.degrade.colours:Profile")
DEGRADATIONS.register("rejpeg", "synthscope.data.degrade.jpeg:RepeatedJpeg")
DEGRADATIONS.register("resize", "synthscope.data.degrade.sizes:Resize")
DEGRADATIONS.register("webp", "synthscope.data.degrade.codecs:Webp")
