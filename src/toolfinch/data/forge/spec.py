"""What the forge knows of an invented tool: `Spec`, its `Param`s, and the naming `Style` of its service.

The `Tool` in a spec is all that a conversation shows; the rest is what its author had in mind, from which
requests and gold calls are made.
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from toolfinch.data.forge.domains import Action, Field, Object
from toolfinch.data.forge.values import Value
from toolfinch.data.forge.verbs import Verb
from toolfinch.tool import Tool


class Style(msgspec.Struct, frozen=True):
    """How one service names its tools and parameters."""

    tool: str
    param: str
    masked_tool: bool
    masked_params: bool
    service: str
    """A made-up service name, for the styles that carry one."""


class Param(msgspec.Struct, frozen=True, eq=False):
    """A parameter of an invented tool."""

    field: Field
    name: str
    label: str
    """What people call it: plain words."""
    required: bool
    form: str = ""
    """How the tool wants it: `text` (a number as a string), `open` (options told in words only) or a date
    pattern; empty for the plain value."""
    group: str = ""
    """The object parameter that holds it, if any."""

    def argument(self, value: Value) -> Any:
        """The value as the call carries it."""
        if self.form in ("", "open"):
            return value.arg
        if self.form == "text":
            return str(value.arg)
        return datetime.date.fromisoformat(value.arg).strftime(self.form)


class Spec(msgspec.Struct, frozen=True, eq=False):
    """An invented tool and what it is about."""

    tool: Tool
    object: Object
    action: Action
    verb: Verb
    params: tuple[Param, ...]
    identity: Param | None
    """The parameter that names the record, where the tool acts on one."""

    def arguments(self, given: dict[Param, Value]) -> dict[str, Any]:
        """The call's arguments, in schema order."""
        out: dict[str, Any] = {}
        for param in self.params:
            value = given.get(param)
            if value is not None:
                home = out.setdefault(param.group, {}) if param.group else out
                home[param.name] = param.argument(value)
        return out

    @property
    def purpose(self) -> tuple[str, str]:
        """Two tools of one purpose could serve the same request."""
        return self.action.noun, self.verb.family
