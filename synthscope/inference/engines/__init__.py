"""What runs a plan of predictions; all engines give the same logits."""

from __future__ import annotations

from synthscope.errors import UsageError, suggest

ENGINES = ("local", "ray")


def check_engine(engine: str, address: str | None) -> None:
    """Raise ``UsageError`` unless ``engine`` is one of ``ENGINES``, and needs an ``address`` if there is one."""
    if engine not in ENGINES:
        raise UsageError(f"Expected an engine, got {engine!r}. {suggest(engine, ENGINES)}")
    if address is not None and engine != "ray":
        raise UsageError(f"Expected --engine ray beside the address {address}, got {engine}. Change one of the two.")
