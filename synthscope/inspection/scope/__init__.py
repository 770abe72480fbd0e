"""What a detector of generated photographs is not made for: tiny images, blank ones, screens, pages of text, drawings.

A camera never records two areas of exactly one value with a sharp edge between them, and a renderer writes little else.
The rules measure that in native pixels; JPEG of quality 75 and better and resizing leave it. They rather miss a
screenshot than refuse a photograph. Limits were set on some photographs, then measured once on others; the figures are
those of ``python benchmarks/scope.py``, the others by ``--held-out``. One photograph is refused: it shows a web page.
What an image generator draws in the manner of a screen or a poster is not exact, and stays in scope.
"""

from __future__ import annotations

import cv2
import numpy as np

from synthscope.inspection.evidence import ScopeCheck
from synthscope.inspection.scope.colours import one_colour, painted
from synthscope.inspection.scope.edges import straight_edges
from synthscope.inspection.scope.lines import text_lines

SHORT_SIDE = 64  # pixels
LIMITS = {
    "flat": 0.98,  # share of pixels of one colour; photographs reach 0.90
    "screenshot": 8,  # straight edges; a photograph in a double frame has 6
    "text": 6,  # lines; photographs whose background has one value reach 2.5
    "drawing": 0.5,  # share painted in areas of one value; photographs reach 0.15, at JPEG quality 30 0.64
}
APPLIES = {
    "flat": "This image is nearly of one colour.",
    "screenshot": "This is a screenshot or a diagram.",
    "text": "This is a page of text.",
    "drawing": "This is a drawing in flat colours.",
}
DOES_NOT = {
    "flat": "The image is not of one colour.",
    "screenshot": "No sign of a screenshot.",
    "text": "No page of text.",
    "drawing": "No drawing in flat colours.",
}
_SET_ON = "of 852 photographs that its limit was set on, to"
_COMMAND = "(python benchmarks/scope.py)"
ERROR_RATES = {
    "flat": f"applies to 0 {_SET_ON} 0 of 59 others, and to 25 of 25 drawn blank images {_COMMAND}",
    "screenshot": f"applies to 1 {_SET_ON} 0 of 59 others, and to 85 of 100 drawn windows, web pages, chats, editors "
    + _COMMAND,
    "text": f"applies to 0 {_SET_ON} 0 of 59 others, and to 25 of 25 drawn pages of text {_COMMAND}",
    "drawing": f"applies to 0 {_SET_ON} 0 of 59 others, and to 58 of 75 drawn charts, diagrams and flat drawings "
    + _COMMAND,
}


def check_scope(rgb: np.ndarray) -> tuple[ScopeCheck, ...]:
    """Whether an image is out of scope, by every rule; the first that applies is the one to tell.

    Args:
        rgb: uint8 ``(H, W, 3)``.

    >>> [check.rule for check in check_scope(np.zeros((20, 300, 3), np.uint8)) if check.applies]
    ['size', 'flat']
    """
    short = min(rgb.shape[:2])
    small = f"This image is too small: its short side has {short} pixels, fewer than {SHORT_SIDE}."
    size = ScopeCheck(
        rule="size",
        applies=short < SHORT_SIDE,
        sentence=small if short < SHORT_SIDE else f"The short side has {short} pixels, at least {SHORT_SIDE}.",
        value=short,
        limit=SHORT_SIDE,
    )
    return size, *(_judged(rule, value) for rule, value in measured(rgb).items())


def measured(rgb: np.ndarray) -> dict[str, float]:
    """What each rule of ``LIMITS`` looks at, for uint8 ``(H, W, 3)``."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    counts = cv2.calcHist([gray], [0], None, [256], [0, 256]).ravel()
    background = int(counts.argmax())
    return {
        "flat": one_colour(rgb),
        "screenshot": straight_edges(gray),
        "text": text_lines(gray, background, float(counts[background]) / gray.size),
        "drawing": painted(gray, background),
    }


def _judged(rule: str, value: float) -> ScopeCheck:
    applies = value >= LIMITS[rule]
    return ScopeCheck(
        rule=rule,
        applies=applies,
        sentence=(APPLIES if applies else DOES_NOT)[rule],
        value=round(value, 4),
        limit=LIMITS[rule],
        error_rate=ERROR_RATES[rule],
    )
