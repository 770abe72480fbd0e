"""Named recipes: ways that images travel, with what is known of them, and sets of recipes.

Tables store what a name spells, never the name: other parameters in a later version are other rows.
"""

from __future__ import annotations

from typing import NamedTuple


class Chain(NamedTuple):
    """One way that an image travels."""

    recipe: str  # in its canonical form
    words: str  # head of a column
    source: str  # of the parameters; what it does not name is assumed


_WHATSAPP = "resize:long=1600,interp=bilinear|jpeg:q=75"
_INSTAGRAM = "resize:wide=1080,interp=bilinear|jpeg:q=75"
_PHONE = "display:width=1080,height=2340"
CHAINS = {
    "whatsapp": Chain(_WHATSAPP, "WhatsApp-like", "assumed: neither size nor quality is published, and both change"),
    "telegram": Chain(
        "resize:long=1280,interp=box|jpeg:q=87",
        "Telegram-like",
        "1,280 pixels and quality 87: Telegram Desktop, Telegram/SourceFiles/storage/localimageloader.cpp, which sends "
        "smaller JPEG files of at most 4 bits a pixel as they are; kernel assumed",
    ),
    "signal": Chain(
        "resize:long=1600,interp=bilinear|jpeg:q=70",
        "Signal-like",
        "1,600 pixels and quality 70: Signal-Android, PushMediaConstraints.java, LEVEL_1, the default; its further "
        "shrinking of files above 1 MiB is left out; kernel assumed",
    ),
    "deltachat": Chain(
        "resize:mp=1.6384,interp=box|jpeg:q=75,subsampling=444",
        "Delta Chat-like",
        "1,280 x 1,280 pixels of area, quality 75, chroma at full size: chatmail/core, src/blob.rs and "
        "src/constants.rs, which sends files of up to 500 kB as they are; kernel assumed",
    ),
    "facebook": Chain(
        "resize:long=2048|jpeg:q=80",
        "Facebook-like",
        "2,048 pixels: the largest size that Facebook's help centre recommends; quality and kernel assumed",
    ),
    "instagram": Chain(
        _INSTAGRAM,
        "Instagram-like",
        "1,080 pixels of width: Instagram's help centre, on the resolution of photos; quality and kernel assumed",
    ),
    "twitter": Chain(
        "resize:long=1200|jpeg:q=85",
        "X-like",
        "1,200 pixels: Twitter API v1.1, data dictionary, sizes of media entities (medium); quality and kernel assumed",
    ),
    "wordpress": Chain(
        "resize:long=2560|jpeg:q=82",
        "WordPress-like",
        "2,560 pixels: WordPress developer reference, big_image_size_threshold (5.3); quality 82: WP_Image_Editor "
        "(4.5); kernel assumed",
    ),
    "mms": Chain(
        "resize:long=1600,interp=bilinear|jpeg_below:kib=300",
        "MMS-like",
        "1,600 pixels and 300 KiB: content class Megapixel of the OMA MMS conformance document 1.3; the search for a "
        "quality and the kernel assumed",
    ),
    "phone_screenshot": Chain(
        _PHONE, "phone screenshot", "assumed: full screen on 1,080 x 2,340 pixels, stored as PNG"
    ),
    "desktop_screenshot": Chain(
        "display:width=1920,height=1080|jpeg:q=90",
        "desktop screenshot, JPEG",
        "assumed: full screen on 1,920 x 1,080 pixels, stored as JPEG",
    ),
    "cropped_screenshot": Chain(
        f"{_PHONE}|crop:frac=0.95,offset=3",
        "cropped phone screenshot",
        "assumed: cut by hand, 5 % inside the edges of the image",
    ),
    "reposted": Chain(
        f"{_INSTAGRAM}|{_PHONE}|{_WHATSAPP}",
        "reposted",
        "assumed: through the imitated Instagram, a phone screenshot and the imitated WhatsApp",
    ),
    "rephoto": Chain(
        "perspective:tilt=0.02|blur:sigma=0.8|moire:depth=0.06|balance:red=1.06,blue=0.93|noise:sigma=3|jpeg:q=90",
        "photograph of a screen",
        "assumed: an approximation of the picture alone, without reflections, lens distortion or the camera's own "
        "processing",
    ),
}
# GenImage (arXiv 2306.08571, Table 5) publishes neither kernel nor subsampling: the defaults of the steps are ours.
NAMED = {
    **{name: (chain.recipe,) for name, chain in CHAINS.items()},
    "genimage": ("lr:112", "lr:64", "jpeg:q=65", "jpeg:q=30", "blur:sigma=3", "blur:sigma=5"),
    "social": (
        "whatsapp", "telegram", "signal", "deltachat", "facebook", "instagram", "twitter", "wordpress", "mms",
        "reposted",
    ),
    "screenshot": ("phone_screenshot", "desktop_screenshot", "cropped_screenshot", "rephoto"),
    "ladder": ("jpeg@1..5", "rejpeg@1..5", "webp@1..5", "resize@1..5", "blur@1..5", "noise@1..5"),
}  # fmt: skip
SETS = [name for name in NAMED if name not in CHAINS]


def chain_words(recipe: str) -> str:
    """What readers see of a canonical recipe: the words of a named one, else itself; ``none`` is clean.

    >>> chain_words("resize:long=1600,interp=bilinear|jpeg:q=70"), chain_words("jpeg:q=70"), chain_words("none")
    ('Signal-like', 'jpeg:q=70', 'clean')
    """
    return _WORDS.get(recipe, recipe)


def chain_notes(recipes: list[str]) -> list[str]:
    """A sentence that spells the named ones of some canonical recipes; nothing where none is."""
    named = [f"{_WORDS[recipe]} is {recipe}" for recipe in recipes if recipe in _WORDS and recipe != "none"]
    return [f"Imitations with parameters of docs/degradations.md: {'; '.join(named)}."] if named else []


_WORDS = {"none": "clean"} | {chain.recipe: chain.words for chain in CHAINS.values()}
