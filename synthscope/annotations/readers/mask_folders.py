"""Data sets that are folders of images beside folders of masks: PAL4VST, PAL4Inpaint, SID-Set, FakeShield.

A mask becomes run lengths (``rle``), so that each data set's rule of what is inside is applied once, here. An image
whose mask is all zero has one row without a region. None of these has categories of artifacts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthscope.annotations.mask_files import Rule, read_mask
from synthscope.annotations.records import Row, image_rows
from synthscope.annotations.rle import encode_rle
from synthscope.data.layouts.walk import IMAGE_SUFFIXES
from synthscope.errors import SynthscopeError
from synthscope.runtime import track


def pal(root: Path, *, images: str = "images", labels: str = "labels") -> Iterator[Row]:
    """``[{split}/]{images,labels}/{stem}.*``, masks of 0 and 1 (in PAL4Inpaint, ``masks`` holds the holes).

    Args:
        root: Any folder above the two.
        images: Name of the folder of images, such as mmsegmentation's ``img_dir``.
        labels: Name of the folder of masks.
    """
    for image_folder, label_folder in _sibling_folders(root, images, labels):
        yield from _rows(_by_stem(_images_in(image_folder), label_folder), rule="zero_one")


def fakeshield(root: Path) -> Iterator[Row]:
    """``[{domain}/]{image,mask}/*``, paired by name or else, as in the official loader, by the order of names."""
    for image_folder, mask_folder in _sibling_folders(root, "image", "mask"):
        images, masks = _images_in(image_folder), _images_in(mask_folder)
        if {path.stem for path in images} <= {path.stem for path in masks}:
            pairs = _by_stem(images, mask_folder)
        elif len(images) == len(masks):
            pairs = list(zip(images, masks, strict=True))
        else:
            raise SynthscopeError(
                f"Expected a mask for each of the {len(images)} images of {image_folder}, got {len(masks)} with other "
                f"names in {mask_folder}. Complete the folders."
            )
        yield from _rows(pairs, rule="bright")


def sidset(root: Path) -> Iterator[Row]:
    """``[{train,validation}/]{real,full_synthetic,tampered,masks}/*`` with masks ``{stem}_mask.*``.

    Real images are annotated without a region. Fully synthetic ones have no masks and are left out.
    """
    for real, masks in _sibling_folders(root, "real", "masks"):
        for path in _images_in(real):
            yield from image_rows({"path": path.as_posix(), "uid": path.stem}, [], kind="mask")
        tampered = real.parent / "tampered"
        images = _images_in(tampered) if tampered.is_dir() else []
        yield from _rows(_by_stem(images, masks, suffix="_mask"), rule="bright")


def _sibling_folders(root: Path, *names: str) -> list[tuple[Path, ...]]:
    """Every set of folders called ``names`` side by side in or below ``root``, by path."""
    firsts = sorted(path for path in [root / names[0], *root.rglob(names[0])] if path.is_dir())
    found = [tuple(first.parent / name for name in names) for first in dict.fromkeys(firsts)]
    complete = [folders for folders in found if all(folder.is_dir() for folder in folders)]
    if not complete:
        raise SynthscopeError(
            f"Expected folders {' and '.join(names)} side by side in {root}, got none. Check the path."
        )
    return complete


def _images_in(folder: Path) -> list[Path]:
    """Image files directly in ``folder``, by name."""
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in files if path.suffix.lower().removeprefix(".") in IMAGE_SUFFIXES)


def _by_stem(images: list[Path], folder: Path, *, suffix: str = "") -> list[tuple[Path, Path]]:
    """Every image and the mask in ``folder`` that is called like it."""
    named = {path.stem: path for path in _images_in(folder)}
    for image in images:
        if image.stem + suffix not in named:
            raise SynthscopeError(
                f"Expected a mask {image.stem}{suffix}.* for {image} in {folder}, got none. Fetch it again."
            )
    return [(image, named[image.stem + suffix]) for image in images]


def _rows(pairs: list[tuple[Path, Path]], *, rule: Rule) -> Iterator[Row]:
    for image, file in track(pairs, "reading masks"):
        mask = read_mask(file, rule=rule)
        height, width = mask.shape
        known = {"path": image.as_posix(), "uid": image.stem, "width": width, "height": height}
        regions = [{"rle": encode_rle(mask), "mask_path": file.as_posix()}] if mask.any() else []
        yield from image_rows(known, regions, kind="mask")
