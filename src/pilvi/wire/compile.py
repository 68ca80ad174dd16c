"""Code that is written from a model once and then runs at the speed of code written by hand.

A `Source` collects functions as text together with the constants they use. They are compiled when one of them is first
asked for. What a service's operation needs is generated on the operation's first use and kept for the next: the
functions of shared shapes are shared.
"""

import linecache
import re
from collections.abc import Callable
from typing import Any

from pilvi.wire.model import Ref, ServiceModel, Shape


class Source:
    """One namespace of generated functions."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.scope: dict[str, Any] = {"__name__": f"pilvi.generated.{name}"}
        self._pending: list[str] = []
        self._tables: list[str] = []
        self._compiled = 0

    def constant(self, hint: str, value: object) -> str:
        """A name for `value`, usable in generated text."""
        name = self.unused(hint)
        self.scope[name] = value
        return name

    def unused(self, hint: str) -> str:
        """A name that nothing else has, reserved from now on."""
        base = re.sub(r"\W", "_", hint)
        name, number = base, 1
        while name in self.scope:
            number += 1
            name = f"{base}_{number}"
        self.scope[name] = None
        return name

    def define(self, text: str) -> None:
        """Adds the text of a function."""
        self._pending.append(text)

    def table(self, name: str, entries: dict[str, str]) -> None:
        """Adds a dict constant of keys and expressions; functions named there may be defined later than it."""
        rows = "".join(f"    {key!r}: {expression},\n" for key, expression in entries.items())
        self._tables.append(f"{name} = {{\n{rows}}}")

    def function(self, name: str) -> Callable[..., Any]:
        """The function of that name, compiled."""
        if self._pending or self._tables:
            self._compile()
        found: Callable[..., Any] = self.scope[name]
        return found

    def once(self, name: str, text: str) -> Callable[..., Any]:
        """A function that is kept by whoever asks for it, not by its name here."""
        if self._pending or self._tables:
            self._compile()
        scope: dict[str, Any] = {}
        exec(compile(text, f"<generated {self.name}>", "exec"), self.scope, scope)  # noqa: S102 - as below
        found: Callable[..., Any] = scope[name]
        return found

    def _compile(self) -> None:
        text = "\n\n".join([*self._pending, *self._tables])
        self._pending.clear()
        self._tables.clear()
        self._compiled += 1
        filename = f"<generated {self.name} {self._compiled}>"
        exec(compile(text, filename, "exec"), self.scope)  # noqa: S102 - our own text, made from botocore's models
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)


class Shapes:
    """Base of what generates functions by shape: each is generated once, recursive ones included.

    A subclass implements `structure`, `listing` and `mapping`, which define a function of the given name, and `leaf`,
    which names the function of a scalar.
    """

    def __init__(self, service: ServiceModel, source: Source, prefix: str) -> None:
        self.service = service
        self.source = source
        self.prefix = prefix
        self._names: dict[object, str] = {}

    def of(self, ref: Ref) -> str:
        """The name of the function for values that `ref` refers to."""
        shape = self.service.shape(ref)
        if shape.document or shape.type not in {"structure", "list", "map"}:
            return self.leaf(ref, shape)
        name = self._names.get(ref.shape)
        if name is None:
            name = self._names[ref.shape] = self.source.unused(f"{self.prefix}_{ref.shape}")
            build = {"structure": self.structure, "list": self.listing, "map": self.mapping}[shape.type]
            build(name, shape)
        return name

    def leaf(self, ref: Ref, shape: Shape) -> str:
        raise NotImplementedError

    def structure(self, name: str, shape: Shape) -> None:
        raise NotImplementedError

    def listing(self, name: str, shape: Shape) -> None:
        raise NotImplementedError

    def mapping(self, name: str, shape: Shape) -> None:
        raise NotImplementedError
