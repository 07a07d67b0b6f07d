"""What one call brings that another takes: an id of the right kind, or a value under the argument's own name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from toolfinch.data.synthesize.value_kinds import words_of
from toolfinch.data.teacher.domain import BOUNDS, Domain, objects
from toolfinch.message import ToolCall, ToolResult


def may_give(domain: Domain, giver: str, taker: str) -> bool:
    """Whether one tool may bring what another takes, as far as roles and logged results tell."""
    gives, takes = domain.roles.of[giver], domain.roles.of[taker]
    wants = {takes.kind if takes.key and takes.deed != "create" else "", *takes.refs.values()} - {""}
    if gives.deed in ("create", "search") and gives.kind in wants & set(domain.roles.ids):
        return True
    names = set(domain.tools[taker].parameters.get("required", ()))
    return any(names & set(item) for shape in domain.shapes.get(giver, ())[:3] for item in objects(shape))


def links(domain: Domain, taker: str, made: ToolCall, result: ToolResult) -> Iterator[dict[str, Any]]:
    """Arguments of a tool that the result of a call gives, one at a time; of several rows the first row's.

    What was an argument of the call itself is no link, nor are an option or a bound that has the same name by chance.
    """
    role, gives = domain.roles.of[taker], domain.roles.of[made.name]
    properties = domain.tools[taker].parameters["properties"]
    for name in domain.tools[taker].parameters.get("required", ()):
        kind = role.kind if name == role.key else role.refs.get(name, "")
        if role.deed == "create" and name == role.key:
            continue
        if kind in domain.roles.ids:
            names = [domain.keys[kind], name, *(["id"] if gives.kind == kind else [])]
        else:
            vague = "enum" in properties[name] or bool(set(words_of(name).split()) & BOUNDS) or len(name) < 3
            names = [] if vague else [name]
        for item in objects(decoded(result)):
            found = next((item[n] for n in names if n in item and n not in made.arguments), None)
            if isinstance(found, (str, int)) and not isinstance(found, bool) and found != "":
                yield {name: found}
                break


def last_shown(keys: Sequence[Any], results: Sequence[Any]) -> Any:
    """The one of some keys that the last result with any of them shows; None where it shows several."""
    for result in reversed(results):
        seen = {str(v) for item in objects(result) for v in item.values() if isinstance(v, (str, int))}
        if shown := [key for key in keys if str(key) in seen]:
            return shown[0] if len(shown) == 1 else None
    return None


def decoded(result: ToolResult) -> Any:
    """A result's JSON, or its text where it is none."""
    try:
        return msgspec.json.decode(result.content)
    except msgspec.DecodeError:
        return result.content
