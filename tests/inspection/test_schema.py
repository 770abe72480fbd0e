"""The schema that ships is the model's, and nothing is said of evidence that it does not allow."""

from __future__ import annotations

import json
from importlib.resources import files

from synthscope.inspection.evidence import SCHEMA_VERSION, Evidence
from synthscope.inspection.schema import FILE, evidence_schema


def test_the_shipped_schema_is_that_of_the_model() -> None:
    shipped = json.loads(FILE.read_text(encoding="utf-8"))
    assert shipped == evidence_schema(), "run: python -m synthscope.inspection.schema"
    own = {name: shipped.pop(name) for name in ("$schema", "$id", "version")}
    assert shipped == Evidence.model_json_schema()
    assert own["version"] == SCHEMA_VERSION and own["$id"].endswith(f":{SCHEMA_VERSION}")


def test_it_lies_in_the_package() -> None:
    assert (files("synthscope.inspection") / "evidence.json").is_file()
