"""`conversations`: the key that ShareGPT, Hermes and ToolBench rows share, and which of the three a row is.

    {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}, …]}

Read as well: `role` for `from`, `content` for `value`, and the columns that a table makes of such a list
(`{"from": […], "value": […]}`). Left out: a whole conversation as one string of JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from toolfinch.dialects.tagged import OPEN
from toolfinch.errors import DataError

Role = Literal["system", "user", "assistant", "call", "result"]
ROLES: dict[str, Role] = {
    **dict.fromkeys(("system",), "system"),
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "model", "bot"), "assistant"),
    **dict.fromkeys(("function_call", "function-call", "tool_call", "tool_calls"), "call"),
    **dict.fromkeys(
        ("observation", "tool", "function", "function_response", "function-response", "tool_response"),
        "result",
    ),
}
Family = Literal["", "sharegpt", "hermes", "toolbench"]
APIS = "access to the following APIs:"
"""What stands before the tools in a system message of ToolBench."""
ACTION = re.compile(r"^[ \t]*Action:(?P<name>[^\n]*)\n\s*Action Input:", re.MULTILINE)
RESPONSE = "<tool_response>"


class Turn(NamedTuple):
    place: int
    """In the list; -1 beside it."""
    role: Role
    value: Any
    raw: Mapping[str, Any]
    """All of it, with keys that few dialects have."""

    @property
    def where(self) -> str:
        return f"conversations[{self.place}]" if self.place >= 0 else "system"

    def text(self) -> str:
        """Raises DataError where it is not text."""
        value = self.value
        if not isinstance(value, str):
            raise DataError(f"{self.where}: expected text, got {type(value).__name__}")
        return value


def turns(row: Mapping[str, Any]) -> list[Turn]:
    """Raises DataError naming the turn for a role that is not known, and for an empty conversation."""
    found = []
    for i, raw in enumerate(_listed(row.get("conversations"))):
        if not isinstance(raw, dict):
            raise DataError(f"conversations[{i}]: expected an object, got {type(raw).__name__}")
        name = raw["from"] if "from" in raw else raw.get("role")
        role = ROLES.get(name) if type(name) is str else None
        if role is None:
            raise DataError(f"conversations[{i}]: the role is not one of {', '.join(ROLES)}")
        found.append(Turn(i, role, raw["value"] if "value" in raw else raw.get("content"), raw))
    if not found:
        raise DataError("conversations: empty")
    return found


def family(row: Mapping[str, Any]) -> Family:
    """Whose layout a row has; "" where it is none of the three. Never raises."""
    said: dict[Role, list[str]] = {role: [] for role in ROLES.values()}
    try:
        listed = [raw for raw in _listed(row.get("conversations")) if isinstance(raw, dict)]
    except DataError:
        return ""
    if not listed or not {"from", "role"} & set(listed[0]):
        return ""
    for raw in listed:
        role, value = _role(raw), _value(raw)
        if role is not None:
            said[role].append(value if isinstance(value, str) else "")
    if said["call"]:
        return "sharegpt"
    if (
        any("<tools>" in text for text in said["system"])
        or any(OPEN in text for text in said["assistant"])
        or any(text.lstrip().startswith(RESPONSE) for text in (*said["result"], *said["user"]))
    ):
        return "hermes"
    if any(APIS in text for text in said["system"]):
        return "toolbench"
    # The words alone are no sign: people talk about prompts, too.
    acts = bool(row.get("tools") or said["result"]) and any(ACTION.search(t) for t in said["assistant"])
    return "toolbench" if acts else "sharegpt"


def _role(raw: Mapping[str, Any]) -> Role | None:
    name = raw.get("from", raw.get("role"))
    return ROLES.get(name) if isinstance(name, str) else None


def _value(raw: Mapping[str, Any]) -> Any:
    return raw.get("value", raw.get("content"))


def _listed(conversations: Any) -> Sequence[Any]:
    if isinstance(conversations, list):
        return conversations
    if isinstance(conversations, dict):
        roles, values = conversations.get("from"), conversations.get("value")
        if isinstance(roles, list) and isinstance(values, list) and len(roles) == len(values):
            return [{"from": role, "value": value} for role, value in zip(roles, values, strict=True)]
    raise DataError("conversations: expected a list of turns")
