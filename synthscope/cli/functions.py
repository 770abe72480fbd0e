"""The function behind every verb, for those who go on in Python; the help of each verb names its own."""

from __future__ import annotations

import typer

# Below ``synthscope``. Names without a dot are public; where the others lie may change, see CONTRIBUTING.
FUNCTIONS = {
    "inspect": "inspect",
    "serve": "web.app.create_app",
    "calibrate": "calibrate",
    "browse": "web.browse.app.create_browser",
    "explain": "explain",
    "demo": "benchmark",
    "train": "train",
    "predict": "predict",
    "export": "inference.export.folder.export_detector",
    "score": "score",
    "benchmark": "benchmark",
    "report": "write_report",
    "data index": "index",
    "data verify": "data.manifest.verify",
    "data audit": "audit",
    "data align": "data.align.select.align",
    "data dedupe": "data.near_duplicates.clusters.find_clusters",
    "data split": "data.splits.divide",
    "data pair": "data.pairing.pair",
    "data generate": "generation.run.generate",
    "data sandbox": "build_sandbox",
    "data card": "report.card.html.write_card",
    "data export": "data.export.run.export",
    "data push": "data.export.push.push",
    "analyze frequency": "studies.frequency.study.residual_spectra",
    "analyze null": "benchmark",
    "analyze correlation": "studies.correlation.correlate",
    "analyze scaling": "studies.scaling.study.scaling",
    "analyze content": "studies.content.content",
    "analyze truth": "studies.truth.study.truth",
    "analyze fidelity": "studies.fidelity.study.write_fidelity",
    "analyze errors": "studies.errors.prediction.error_prediction",
    "analyze attacks": "studies.attacks.study.write_attacks",
    "annotate project": "annotations.project.build.build_project",
    "annotate import": "annotations.load.load_together",
    "annotate report": "report.page.annotators.write_agreement_page",
    "annotate adjudicate": "annotations.adjudicate.adjudicate",
    "annotate export": "annotations.exchange.export",
    "annotate validate": "annotations.validate.validate",
    "annotate agreement": "annotations.agreement.agreement",
    "annotate config": "annotations.taxonomy.label_studio_config",
    "detectors list": "detectors.hub.detectors_table",
    "detectors show": "detectors.hub.show_detector",
    "detectors import": "detectors.published.import_checkpoint",
    "recipes list": "config.recipe_names",
    "recipes degradations": "data.degrade.listing.plain",
    "xaigd-metrics pixel": "scoring.xaigd.official.score_pixels",
    "xaigd-metrics instance": "scoring.xaigd.official.score_instances",
}


def name_functions(app: typer.Typer, group: str = "") -> None:
    """Let the help of every command of ``app``, and of its groups, end with its function."""
    for command in app.registered_commands:
        if (name := FUNCTIONS.get(f"{group}{command.name}")) is not None:
            command.epilog = f"From Python: synthscope.{name}"
    for part in app.registered_groups:
        if part.typer_instance is not None:
            name_functions(part.typer_instance, f"{group}{part.name} ")
