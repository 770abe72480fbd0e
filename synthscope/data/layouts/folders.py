"""Layouts that say everything in folder and file names. Labels come from names, never from alphabetical order.

Every file below a class folder becomes a row, in the order of sorted names; a file without an image suffix is a row
with an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from synthscope.data.layouts.ilsvrc import VAL_NAME, val_synsets
from synthscope.data.layouts.imagenet import class_index, parse_name
from synthscope.data.layouts.walk import image_files, subfolders, tree
from synthscope.errors import SynthscopeError, UsageError, suggest

Row = dict[str, Any]  # the MANIFEST columns that names tell

SPLITS = {"training": "train", "validation": "val", "valid": "val", "testing": "test"} | {
    split: split for split in ("train", "val", "test")
}
_INNER = re.compile(r"imagenet_(?:ai_\d{4}_)?(\w+)", re.IGNORECASE)  # imagenet_midjourney, imagenet_ai_0419_sdv4
MERGED = "imagenet_ai"  # all generators in one tree: file names tell the fakes apart, all reals are shared
GENERATORS = {
    "midjourney": "Midjourney",
    "sdv4": "stable_diffusion_v_1_4",
    "sdv5": "stable_diffusion_v_1_5",
    "adm": "ADM",
    "glide": "glide",
    "wukong": "wukong",
    "vqdm": "VQDM",
    "biggan": "BigGAN",
}  # name in files and inner folders -> GenImage's folder


def genimage(root: Path, *, val_labels: str = "", synset_ids: str = "") -> Iterator[Row]:
    """``{Generator}/[inner folder/]{train,val}/{ai,nature}/*``; ``root`` may be any folder above ``ai`` and ``nature``.

    The subset is the name of the generator's folder. Below ``imagenet_ai``, GenImage's own name for all generators
    merged, it is read from the file names, and the reals belong to every subset. The names of ImageNet's validation
    images carry no class; ``val_labels`` and ``synset_ids`` name the files that do (see ``ilsvrc.val_synsets``).
    """
    labels = {"ai": 1, "nature": 0}
    val = _val_synsets(val_labels, synset_ids)
    for folder in class_folders(root, labels):
        *parts, kind = folder.parts
        split = SPLITS.get(parts[-1].lower())
        above = parts[:-1] if split else parts
        merged = above[-1] == MERGED
        subset = None if merged else subset_of(above, len(root.parts))
        label = labels[kind.lower()]
        for path, stem, error in image_files(folder):
            index, synset, name = parse_name(stem)
            if val and (match := VAL_NAME.match(stem)) and (synset := val.get(int(match[1]))):
                index = class_index(synset)
            if merged and label == 1:
                subset = GENERATORS.get(name or "", name or MERGED)
            known = {"class_index": index, "synset": synset, "error": error}
            yield named_row(path, label, subset, split) | known


def cnndetection(root: Path) -> Iterator[Row]:
    """``[{train,val,test}/]{generator}/[class/]{0_real,1_fake}/*``, or one generator without class folders as ``root``.

    Reals of a generator that has no fakes are shared ones (as in the diffusion sets of Ojha et al.): subset null.
    """
    return labelled_folders(root, {"0_real": 0, "1_fake": 1})


def labelled_folders(root: Path, labels: dict[str, int]) -> Iterator[Row]:
    """:func:`cnndetection` with other names of the class folders, in small letters."""
    places: list[tuple[Path, int, str, str | None]] = []
    for folder in class_folders(root, labels):
        above = folder.parent.relative_to(root).parts
        split = SPLITS.get(above[0].lower()) if above else None
        tail = above[1:] if split else above
        places.append((folder, labels[folder.name.lower()], tail[0] if tail else root.name, split))
    faked = {generator for _, label, generator, _ in places if label == 1}
    for folder, label, generator, split in places:
        subset = generator if generator in faked else None
        for path, _, error in image_files(folder):
            yield named_row(path, label, subset, split) | {"error": error}


def imagefolder(root: Path, *, ai: str = "", real: str = "") -> Iterator[Row]:
    """``[{split}/]{class}/*`` with the labels of the class folders given, as in ``?ai=sdxl,flux&real=photos``.

    Each ``ai`` folder is a generator and a subset; the reals belong to every subset.
    """
    labels = _given_labels(root, ai, real)
    children = subfolders(root)
    if any(child.name in labels for child in children):
        places: list[tuple[Path, str | None]] = [(child, None) for child in children]
    elif children and all(child.name.lower() in SPLITS for child in children):
        places = [(inner, SPLITS[child.name.lower()]) for child in children for inner in subfolders(child)]
    else:
        raise UsageError(_unlisted(root, labels, children))
    if any(folder.name not in labels for folder, _ in places) or {f.name for f, _ in places} != set(labels):
        raise UsageError(_unlisted(root, labels, [folder for folder, _ in places]))
    for folder, split in places:
        label = labels[folder.name]
        for path, _, error in image_files(folder):
            yield named_row(path, label, folder.name if label == 1 else None, split) | {"error": error}


def named_row(path: str, label: int, subset: str | None, split: str | None) -> Row:
    """A row of an image whose generator, where there is one, is called as its subset."""
    generator = subset if label == 1 else "real"
    return {"path": path, "label": label, "generator": generator, "subset": subset, "split": split}


def subset_of(above: list[str], depth: int) -> str:
    """Name of the generator's folder; ``above`` are the parts of the path above the split, ``depth`` the root's."""
    inner = _INNER.fullmatch(above[-1])
    if inner is None:
        return above[-1]
    if len(above) >= depth + 2:
        return above[-2]  # the generator's folder as the user named it
    return GENERATORS.get(inner[1].lower(), above[-2])


def _val_synsets(labels: str, ids: str) -> dict[int, str]:
    if ids and not labels:
        raise UsageError("Expected val_labels=FILE beside synset_ids=FILE, got only the second. Give both.")
    return val_synsets(Path(labels).expanduser(), Path(ids).expanduser() if ids else None) if labels else {}


def _given_labels(root: Path, ai: str, real: str) -> dict[str, int]:
    given = [(name, label) for names, label in ((ai, 1), (real, 0)) for name in names.split(",") if name]
    labels = dict(given)
    if not labels or len(labels) < len(given):
        found = ", ".join(sorted({path.name for path in subfolders(root)})) or "none"
        raise UsageError(
            f"Expected every class folder once, as in imagefolder:PATH?ai=NAME,NAME&real=NAME, got ai={ai!r} and "
            f"real={real!r}. The folders in {root} are: {found}."
        )
    return labels


def _unlisted(root: Path, labels: dict[str, int], folders: list[Path]) -> str:
    found = sorted({folder.name for folder in folders})
    absent = sorted(set(labels) - set(found))
    advice = suggest(absent[0], found) if absent else "List every folder after ai= or real=, or move it elsewhere."
    return (
        f"Expected the class folders {', '.join(sorted(labels))} in {root} or in its train, val or test folder, "
        f"got {', '.join(found) or 'none'}. {advice}"
    )


def class_folders(root: Path, names: Collection[str]) -> list[Path]:
    """The folders below ``root`` with one of these names, which are in small letters; raises where there are none."""
    below = [Path(path) for path, is_folder in tree(root, names) if is_folder]
    folders = [folder for folder in below if folder.name.lower() in names]
    if not folders:
        found = ", ".join(sorted(folder.name for folder in subfolders(root))) or "no folders"
        raise SynthscopeError(
            f"Expected folders named {' and '.join(sorted(names))} under {root}, got {found}. "
            "Check the path, or name another layout before the colon."
        )
    return folders
