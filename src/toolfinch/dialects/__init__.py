"""How model families write tool calls as text. One file a family; `get` finds one by name."""

from __future__ import annotations

from toolfinch.dialects.bare_json import BARE_JSON
from toolfinch.dialects.dialect import Dialect, Parsed, Parser
from toolfinch.dialects.hermes import HERMES
from toolfinch.dialects.pythonic import PYTHONIC
from toolfinch.dialects.qwen_xml import QWEN_XML
from toolfinch.dialects.react import REACT
from toolfinch.errors import UsageError

__all__ = ["DIALECTS", "Dialect", "Parsed", "Parser", "get"]

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (HERMES, QWEN_XML, REACT, BARE_JSON, PYTHONIC)
}


def get(name: str) -> Dialect:
    """The dialect of that name. Raises UsageError with the names that there are."""
    if name not in DIALECTS:
        raise UsageError(f"no dialect {name!r}; there are {', '.join(DIALECTS)}")
    return DIALECTS[name]
