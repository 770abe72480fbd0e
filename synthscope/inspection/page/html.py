"""Evidence as HTML: a fragment for a server's page, a page that stands alone, and the index of a folder.

Nothing in it runs but the module ``assets/page.js``, nothing is loaded from elsewhere, and every value is escaped. A
fragment holds no inline script, style or event handler, so it works under ``script-src 'self'; style-src 'self'``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from synthscope.inspection import limits, wording
from synthscope.inspection.evidence import Answer, Evidence
from synthscope.inspection.page.listing import Row, listing
from synthscope.inspection.page.plot import plots
from synthscope.report.uri import data_uri
from synthscope.runtime.told import printable

ASSETS = files("synthscope.inspection.page") / "assets"  # page.css and page.js, for servers
MARKS = {
    Answer.EVIDENCE: "evidence",
    Answer.UNDECIDED: "undecided",
    Answer.NONE_FOUND: "none",
    Answer.NOT_APPLICABLE: "refused",
}
LONGEST = 600  # characters of a value before it is folded
SHORT = 120  # characters of a name where a line must do
MOST = 20_000  # characters of any text


def evidence_fragment(evidence: Evidence, picture: str, *, page: str = "") -> str:
    """One ``<article>`` for a page that loads ``page.css`` and ``page.js``.

    Args:
        evidence: Of one file. Overlays are data: URIs or URLs of transparent PNG files of the picture's proportions.
        picture: data: URI or URL of the upright image as JPEG or PNG; empty = it cannot be shown.
        page: URL of the page that stands alone, to be saved; empty = there is none.
    """
    return _article(evidence, picture, page=page)


def evidence_page(evidence: Evidence, picture: str) -> str:
    """A whole HTML document; see :func:`evidence_fragment`. URLs should be data: URIs or files beside the page."""
    article = Markup(_article(evidence, picture, itself=True))  # noqa: S704 - its template escapes
    title = f"{wording.headline(evidence.answer)}: {evidence.file.name}"
    return _document("page.html", title=title, article=article)


def index_page(rows: Iterable[Row], *, title: str = "Inspected files") -> str:
    """A whole HTML document that lists inspected files, those with most evidence first."""
    entries = listing(rows)
    answers = [(answer, sum(entry.evidence.answer == answer for entry in entries)) for answer in MARKS]
    return _document("index.html", title=title, entries=entries, answers=answers)


def _article(evidence: Evidence, picture: str, *, page: str = "", itself: bool = False) -> str:
    content = json.loads(evidence.model_dump_json())  # numbers that JSON does not know become null
    template = _environment().get_template("article.html")
    kinds = sorted({one.signed for one in evidence.heatmaps if one.overlay})
    return template.render(
        evidence=evidence,
        picture=picture,
        page=page,
        itself=itself,
        plots=plots(evidence),
        bars=[(signed, _colour_bar(signed=signed)) for signed in kinds],
        trusts=dict.fromkeys((f"{one.explainer} of {one.detector}", one.trust) for one in evidence.heatmaps),
        scopes=[(check.rule, wording.scope(check)) for check in evidence.scope],
        json=htmlsafe_json_dumps(content),
    )


def _document(template: str, **content: Any) -> str:
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; img-src 'self' data: file:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    return _environment().get_template(template).render(style=style, script=script, policy=policy, **content)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("synthscope.inspection.page"), autoescape=True, undefined=StrictUndefined,
        finalize=_visible, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {"wording": wording, "limits": limits, "marks": MARKS, "longest": LONGEST}
    environment.filters["shortened"] = _shortened
    return environment


def _visible(value: object) -> object:
    """Signs that change how others are read or shown, such as U+202E, as Python writes them; too long a text is cut.

    >>> _visible("a\\u202egnp.exe\\n")
    'a\\\\u202egnp.exe\\n'
    """
    if isinstance(value, Markup) or not isinstance(value, str) or (value.startswith("data:image/") and value.isascii()):
        return value
    hidden = {sign for sign in set(value) if unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - set("\n\t")
    text = "".join(printable(sign) if sign in hidden else sign for sign in value) if hidden else value
    return text if len(text) <= MOST else f"{text[:MOST]} … ({len(text) - MOST:,} more characters)"


def _shortened(text: str) -> str:
    """A name without its middle, where it is too long for a line; ends of file names matter."""
    return text if len(text) <= SHORT else f"{text[: SHORT - 31]}…{text[-30:]}"


def _asset(name: str) -> Markup:
    return Markup((ASSETS / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _colour_bar(*, signed: bool) -> str:
    from PIL import Image

    from synthscope.report.heatmaps.overlays import colour_bar

    buffer = io.BytesIO()
    Image.fromarray(colour_bar(signed=signed)).save(buffer, "PNG")
    return data_uri(buffer.getvalue(), "image/png")
