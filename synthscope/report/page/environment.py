"""The templates of the pages: every text is escaped, every name must be given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(*more: str) -> Environment:
    """Templates of reports, with the filter ``breakable``; those of other packages, if named, go before them."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    packages = [*more, "synthscope.report.page"]
    found = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    found.filters["breakable"] = _breakable
    return found


def _breakable(text: str) -> Markup:
    """Escaped text that may break after the signs that join the words of an id."""
    return Markup(re.sub(r"([_|+]|[:.,](?!\d))(?=\w)", r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped just here
