"""The fifteen built-in tools: their schemas, read from `builtin_tools.json`.

Descriptions are terse on purpose: every token of a schema is paid for in each prompt. What the tools do when
they run is left out; here they are only described.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import msgspec

from toolfinch.tool import Tool


@lru_cache(maxsize=1)
def builtin_tools() -> tuple[Tool, ...]:
    """The fifteen tools, in a fixed order. The same tuple each time: do not write into its schemas."""
    raw = files("toolfinch.toolbox").joinpath("builtin_tools.json").read_bytes()
    return tuple(msgspec.json.decode(raw, type=list[Tool]))
