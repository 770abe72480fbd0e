"""Names to objects, resolved on first use, so that listing names imports nothing heavy."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from synthscope.errors import SynthscopeError, UsageError, suggest

T = TypeVar("T")


class Registry(Generic[T]):
    """A name space of one kind of thing (``"detector"``, ``"layout"``, …).

    A value is registered as an object, or as ``"package.module:attribute"`` that is imported when first asked for.
    Installed packages add names through the entry point group ``synthscope.<kind>``.

    >>> layouts: Registry[str] = Registry("layout")
    >>> layouts.register("genimage", "os:sep")
    >>> "genimage" in layouts, "genimag" in layouts
    (True, False)
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._values: dict[str, T | str] = {}

    def register(self, name: str, value: T | str) -> None:
        """Add a name. Raises ``UsageError`` when it is taken: silent replacement would change results."""
        if name in self._values:
            raise UsageError(f"Expected a new {self.kind} name, got {name!r}, which is taken. Choose another name.")
        self._values[name] = value

    def add(self, name: str) -> Callable[[T], T]:
        """Decorator form of :meth:`register`."""

        def decorate(value: T) -> T:
            self.register(name, value)
            return value

        return decorate

    @property
    def registered(self) -> list[str]:
        """The sorted names that were registered; those of installed packages would take a while to find."""
        return sorted(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._values or name in self._plugins())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._values, *self._plugins()}))

    def __getitem__(self, name: str) -> T:
        """The thing called ``name``, also as ``./file.py:Attribute``. Raises ``UsageError`` with a suggestion."""
        value: Any = self._values.get(name)
        if isinstance(value, str):
            value = self._values[name] = self._import(name, value)
        if value is None and name in (plugins := self._plugins()):
            value = plugins[name].load()
        if value is None and ".py:" in name:
            value = _import_file(name)
        if value is None:
            article = "an" if self.kind[0] in "aeiou" else "a"
            raise UsageError(f"Expected the name of {article} {self.kind}, got {name!r}. {suggest(name, self)}")
        return cast(T, value)

    def _plugins(self) -> dict[str, Any]:
        return {point.name: point for point in entry_points(group=f"synthscope.{self.kind}")}

    def _import(self, name: str, target: str) -> Any:
        module, _, attribute = target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ModuleNotFoundError, AttributeError) as error:
            raise SynthscopeError(
                f"Expected {target} for the {self.kind} {name!r}, got: {error}. Mend the line that registers it, or "
                f"install what it needs."
            ) from error


def _import_file(target: str) -> Any:
    file, _, attribute = target.rpartition(":")
    if not Path(file).is_file():
        raise UsageError(f"Expected a Python file, got {file}, which does not exist. Check the path before the colon.")
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"Expected a Python file, got {file}. Name a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, attribute):
        raise UsageError(f"Expected {attribute!r} in {file}, got none. {suggest(attribute, vars(module))}")
    return getattr(module, attribute)
