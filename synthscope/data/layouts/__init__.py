"""Collections of images as they lie on disk -> what names tell of each image: ``"<layout>:<path>[?key=value&…]"``.

A layout is a generator function ``(root, **options)`` that yields rows of the manifest; ``data.index`` adds what
headers tell. Where its first argument is called ``pattern``, there need be nothing at that very path, and a URL comes
as ``str``. Third parties add some by the entry point group ``synthscope.layout``.
"""

from __future__ import annotations

from synthscope.data.layouts.source import Readers
from synthscope.registry import Registry

LAYOUTS: Readers = Registry("layout")
LAYOUTS.register("genimage", "synthscope.data.layouts.folders:genimage")
LAYOUTS.register("cnndetection", "synthscope.data.layouts.folders:cnndetection")
LAYOUTS.register("imagefolder", "synthscope.data.layouts.folders:imagefolder")
LAYOUTS.register("files", "synthscope.data.layouts.files:files")
LAYOUTS.register("csv", "synthscope.data.layouts.tables:csv_table")
LAYOUTS.register("parquet", "synthscope.data.layouts.tables:parquet_table")
LAYOUTS.register("wds", "synthscope.data.layouts.wds:wds")
LAYOUTS.register("xaigd", "synthscope.data.layouts.xaigd:xaigd")
LAYOUTS.register("hf", "synthscope.data.layouts.hf:hf")
LAYOUTS.register("commfor", "synthscope.data.layouts.commfor:commfor")
LAYOUTS.register("opensdi", "synthscope.data.layouts.opensdi:opensdi")
LAYOUTS.register("synthbuster", "synthscope.data.layouts.synthbuster:synthbuster")
LAYOUTS.register("mnw", "synthscope.data.layouts.mnw:mnw")
LAYOUTS.register("fakebench", "synthscope.data.layouts.fakebench:fakebench")
LAYOUTS.register("df40", "synthscope.data.layouts.df40:df40")
