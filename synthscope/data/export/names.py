"""Names of files and folders that a manifest, which may come from anywhere, cannot turn into other places."""

from __future__ import annotations

from synthscope.data.layouts.walk import IMAGE_SUFFIXES

MOST_BYTES = 200  # of a name; file systems take 255
_SUFFIXES = {"JPEG": "jpg", "TIFF": "tif", "JPEG2000": "jp2"}  # of Pillow's formats that are called otherwise
_TAKEN = frozenset({"__macosx", "thumbs.db", "desktop.ini", "con", "prn", "aux", "nul"})


def safe(text: str) -> str:
    """A text as one name: nothing hidden, no separators, at most ``MOST_BYTES`` bytes, its suffix kept.

    >>> safe("../../etc/passwd"), safe("a/b.png"), safe(".."), safe("cat.png")
    ('_.._etc_passwd', 'a_b.png', '_', 'cat.png')
    """
    shown = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in text).strip(". ")
    stem, dot, suffix = shown.rpartition(".")
    if not dot or len(suffix.encode()) > 16:
        stem, dot, suffix = shown, "", ""
    room = MOST_BYTES - len(f"{dot}{suffix}".encode())
    name = f"{stem.encode()[:room].decode(errors='ignore')}{dot}{suffix}"
    return f"_{name}" if not name or name.lower() in _TAKEN else name


def file_name(path: str, form: str | None) -> str:
    """What the image at a manifest's ``path`` may be called in another place, with a suffix of images.

    >>> file_name("/data/0.tar#512+9/ai/7.PNG", "PNG"), file_name("s3://b/x?v=1", "JPEG")
    ('7.PNG', 'x.jpg')
    """
    name = safe(path.rpartition("/")[2].partition("?")[0])
    return name if name.rpartition(".")[2].lower() in IMAGE_SUFFIXES else f"{name}.{suffix(path, form)}"


def suffix(path: str, form: str | None) -> str:
    """Of an image: its format's, else the path's, else ``img``, which is no suffix of images.

    >>> suffix("a.JPEG", None), suffix("a.png", "WEBP")
    ('jpeg', 'webp')
    """
    if form:
        return _SUFFIXES.get(form, form.lower())
    told = path.rpartition(".")[2].lower()
    return told if told in IMAGE_SUFFIXES else "img"
