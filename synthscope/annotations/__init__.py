"""Regions that people marked in images: taxonomy, table, masks, import and export, agreement, checks, erasure."""

from synthscope.annotations.load import load_annotations
from synthscope.annotations.masks import image_masks, region_mask
from synthscope.annotations.records import ANNOTATIONS, rows_by_image, save_annotations
from synthscope.annotations.taxonomy import CATEGORIES, LEVELS, Category

__all__ = [
    "ANNOTATIONS",
    "CATEGORIES",
    "LEVELS",
    "Category",
    "image_masks",
    "load_annotations",
    "region_mask",
    "rows_by_image",
    "save_annotations",
]
