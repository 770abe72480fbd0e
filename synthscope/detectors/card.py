"""The model card (README.md) of a detector folder: what it is, what it has seen, how it did on held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from synthscope.detectors.base import Calibration, DetectorConfig
from synthscope.detectors.sight import sees


def model_card(
    config: DetectorConfig, metrics: Mapping[str, float] | None = None, *, seen_share: float | None = None
) -> str:
    """Markdown with the Hugging Face front matter.

    Args:
        config: Of the detector.
        metrics: Figures on images held out of its training set, fractions.
        seen_share: Mean share of these images that lies inside the input, where it is known.
    """
    seen = config.trained_on
    trained = (
        f"{seen.n_real} real and {seen.n_ai} AI-generated images of {', '.join(seen.subsets) or 'one unnamed set'} "
        f"(view `{seen.view}`, recipe `{seen.recipe}`, seed {seen.seed}, manifest `{seen.manifest_sha256}`)"
        if seen.n_real + seen.n_ai
        else "nothing that its configuration records"
    )
    lines = [
        f"# {config.name}",
        "",
        "Detector of AI-generated images; one logit, positive = AI-generated.",
        "",
        f"- Architecture: `{config.architecture}` {_plain(config.options)}".rstrip(),
        f"- Paper: {config.paper or 'none'}",
        f"- Licence of the weights: {config.licence or 'not stated'}",
        f"- Input: `{config.input.model_dump_json()}`",
        f"- Sees of an image: {sees(config.input)}{_on_average(seen_share)}",
        f"- Trained on: {trained}",
        f"- Threshold on the logit: {config.threshold:g}; p_ai = sigmoid(logit / {config.calibration.temperature:.4g} "
        f"{config.calibration.bias:+.4g})",
        f"- Calibration: {_calibration(config.calibration)}",
    ]
    if metrics:
        lines += ["", "| images of the training set, held out to calibrate | value |", "|---|---|"]
        lines += [f"| {key.replace('_', ' ')} | {value:.4f} |" for key, value in metrics.items()]
        lines += ["", "They say nothing about other generators, and flatter where the classes differ in format."]
    return (
        f"---\n{yaml.safe_dump(_front_matter(config, metrics or {}), sort_keys=False)}---\n" + "\n".join(lines) + "\n"
    )


def _on_average(share: float | None) -> str:
    return "" if share is None else f"; {100 * share:.1f} % of the held-out images, on average"


def _calibration(calibration: Calibration) -> str:
    if calibration.prior is None:
        return "none that its configuration records"
    chose = "they chose the epoch, too, which flatters p_ai" if calibration.chose_epoch else "they chose no epoch"
    return (
        f"fitted on {calibration.n_real} real and {calibration.n_ai} AI-generated images held out of training; "
        f"{chose}. It holds where {calibration.prior:.4g} of the images are AI-generated"
    )


def _front_matter(config: DetectorConfig, metrics: Mapping[str, float]) -> dict[str, Any]:
    matter: dict[str, Any] = {"library_name": "synthscope", "tags": ["ai-generated-image-detection"]}
    if config.licence:
        matter |= {"license": "other", "license_name": config.licence}
    if metrics:
        result = {
            "task": {"type": "image-classification"},
            "dataset": {"name": "+".join(config.trained_on.subsets) or "held out", "type": "held-out"},
            "metrics": [{"type": key, "value": round(float(value), 6)} for key, value in metrics.items()],
        }
        matter["model-index"] = [{"name": config.name, "results": [result]}]
    return matter


def _plain(options: Mapping[str, Any]) -> str:
    return f"({', '.join(f'{key}={value}' for key, value in options.items())})" if options else ""
