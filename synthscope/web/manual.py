"""The interface as a page, from its OpenAPI schema: FastAPI's own pages load their scripts from elsewhere."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def manual(schema: dict[str, Any]) -> str:
    """An HTML document of all operations and the models that they speak of.

    Args:
        schema: OpenAPI 3.1, as :meth:`fastapi.FastAPI.openapi` makes it.
    """
    operations = [
        (method.upper(), path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    models = schema.get("components", {}).get("schemas", {})
    return _environment().get_template("manual.html").render(info=schema["info"], operations=operations, models=models)


def kind(schema: dict[str, Any]) -> str:
    """What a value is, in words.

    >>> kind({"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/Finding"}}, {"type": "null"}]})
    'list of Finding, or null'
    >>> kind({"const": "ok", "type": "string"}), kind({"additionalProperties": {"type": "number"}, "type": "object"})
    ('"ok"', 'object of number')
    """
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if choices := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return ", ".join(f'"{choice}"' for choice in choices)
    if "anyOf" in schema:
        return ", or ".join(kind(one) for one in schema["anyOf"])
    inner = schema.get("items") or schema.get("additionalProperties")
    name = {"array": "list"}.get(schema.get("type", "anything"), schema.get("type", "anything"))
    return f"{name} of {kind(inner)}" if isinstance(inner, dict) else name


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("synthscope.web"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals["kind"] = kind
    return environment
