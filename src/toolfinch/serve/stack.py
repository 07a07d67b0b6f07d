"""The stack behind the server: a model, and around it a gate, a bigger model and a catalogue, where they are asked for.

From the outside in: `Retrieving` shows few tools of many, `Gated` judges what was made and may hand it to the bigger model,
and in the middle stands the model itself, on this machine or at an endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from toolfinch import models
from toolfinch.caller import ToolCaller
from toolfinch.callers.load import load
from toolfinch.callers.local import LocalCaller
from toolfinch.decode import calibration
from toolfinch.errors import UsageError
from toolfinch.retrieve.catalogue import read_catalogue
from toolfinch.serve.escalate import RETRIES, Gated, gated
from toolfinch.serve.offered import why_not
from toolfinch.serve.retrieving import Retrieving
from toolfinch.tool import Tool

TOOLS_K = 8
"""Tools that are shown of a catalogue, where nothing else is said."""


class Stack(msgspec.Struct, frozen=True):
    """What is asked for beside the model."""

    gate: bool = False
    escalate_to: str = ""
    """`http://host:8000/v1#model`; asks for the gate as well."""
    tools_k: int = 0
    """0: all tools of a request are shown, and `TOOLS_K` of a catalogue's."""
    catalogue: tuple[str, ...] = ()
    """Sources of `retrieve.catalogue`."""


def assemble(
    model: str,
    dialect: str | None,
    stack: Stack,
    say: Callable[[str], None],
    *,
    format: str = "",
    device: str = "",
    context: int = 8192,
    n_threads: int = 0,
    live: int = 1,
    prefixes: Path | None = None,
) -> ToolCaller:
    """The model and what stands around it; `say` is told what the operator should know. For the rest see `load`.

    Raises what `load`, `gated` and `read_catalogue` raise.
    """
    sources = read_catalogue(stack.catalogue) if stack.catalogue else None
    caller = load(
        model,
        dialect,
        format=format,
        device=device,
        context=context,
        n_threads=n_threads,
        live=live,
        prefixes=prefixes,
        retries=RETRIES,
    )
    tools: tuple[Tool, ...] = ()
    if sources is not None:
        for one in sources.set_aside:
            say(f"{one.source}: {one.name or 'a tool without a name'} is set aside: {one.reason}")
        tools = _held(caller, sources.tools, say)
        if not tools:
            raise UsageError(f"{', '.join(stack.catalogue)}: no tool in it that can be used")
    if stack.gate or stack.escalate_to:
        if not isinstance(caller, LocalCaller):
            raise UsageError(
                f"{model}: only a model on this machine can be gated: an endpoint gives no signals"
            )
        caller = gated(caller, model, format=format, escalate_to=stack.escalate_to)
    elif isinstance(caller, LocalCaller):
        path = models.HERE / model if model in models.packaged() else Path(model)
        if calibration.beside(path).is_file():
            caller.calibrated = calibration.load(path, format=format)
    if stack.tools_k or tools:
        caller = Retrieving(caller, stack.tools_k or TOOLS_K, tools)
    return caller


def innermost(caller: ToolCaller) -> ToolCaller:
    """The model that answers first."""
    while isinstance(caller, Retrieving | Gated):
        caller = caller.caller if isinstance(caller, Retrieving) else caller.small
    return caller


def _held(caller: ToolCaller, tools: Sequence[Tool], say: Callable[[str], None]) -> tuple[Tool, ...]:
    """Without those whose calls the model cannot be held to: one of them would fail every request that finds it."""
    kept = []
    for tool in tools:
        if why := why_not(caller, tool):
            say(f"catalogue: {tool.name} is set aside: {why}")
        else:
            kept.append(tool)
    return tuple(kept)
