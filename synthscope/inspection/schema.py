"""The JSON schema of :class:`synthscope.inspection.evidence.Evidence`, which ships as ``evidence.json``.

``python -m synthscope.inspection.schema`` writes it anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthscope.inspection.evidence import SCHEMA_VERSION, Evidence
from synthscope.runtime.files import write_json

FILE = Path(__file__).parent / "evidence.json"


def evidence_schema() -> dict[str, Any]:
    """The schema of the model, with the dialect, a name of its own and the version."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:synthscope:evidence:{SCHEMA_VERSION}",
        "version": SCHEMA_VERSION,
        **Evidence.model_json_schema(),
    }


if __name__ == "__main__":
    write_json(FILE, evidence_schema())
    print(FILE)
