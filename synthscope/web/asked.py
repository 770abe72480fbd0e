"""The detectors of a server, loaded beside it, and what they answer with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from synthscope.inspection.examine import Examined

if TYPE_CHECKING:
    from synthscope.inspection.calibrated import Calibrated
    from synthscope.inspection.inspect import Settings
    from synthscope.inspection.pictured import Inspection


class Asked(NamedTuple):
    """What files are shown to."""

    detectors: tuple[Calibrated, ...]
    settings: Settings

    def inspect(self, examined: Examined, **changes: bool) -> Inspection:
        """:func:`synthscope.inspection.inspect.inspect_image` by these detectors, with some settings changed."""
        from synthscope.inspection.inspect import inspect_image

        return inspect_image(examined, self.detectors, self.settings.model_copy(update=changes))

    def as_json(self, examined: Examined, **changes: bool) -> str:
        """Evidence as JSON; heatmaps are data: URIs."""
        return self.inspect(examined, **changes).with_data_uris(raw=True).model_dump_json()

    def as_page(self, examined: Examined, **changes: bool) -> str:
        """A whole HTML document that can be saved; its one ``<article>`` can be shown in another page."""
        return self.inspect(examined, **changes).page()


def load_asked(specs: Sequence[str], options: dict[str, Any]) -> Asked:
    """Load detectors, and torch with them.

    Args:
        specs: As :func:`synthscope.load_detector` takes them.
        options: Fields of :class:`synthscope.inspection.inspect.Settings`.

    Raises:
        SynthscopeError: Absent, damaged or foreign files, or a setting out of range.
    """
    from synthscope.config import validate
    from synthscope.explainers.base import create_explainer
    from synthscope.inspection.calibrated import load_calibrated
    from synthscope.inspection.inspect import Settings

    settings = validate(Settings, options, "the options")
    for explainer in settings.explainers:
        create_explainer(explainer)  # an unknown one is told now
    return Asked(tuple(load_calibrated(spec) for spec in specs), settings)
