"""What the gate leaves alone: names of tools and values of enums, and what the project makes up itself.

A tool's name and an enum's value are what a model has to write, so the anonymizer leaves them; an operator who has
real names in them has to change the tools. Pseudonyms are made of what standards keep for examples.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any

from toolfinch.data.anonymize.fold import bare
from toolfinch.data.anonymize.known import Known

# --- schemas


def stands_in_schema(path: str) -> bool:
    """Whether names of tools and values of enums may stand there: in tools, in calls, in what is said of calls."""
    return path.startswith(("tools[", "marks.")) or ".tool_calls[" in path or path.endswith("].name")


def opened(path: str, key: str, text: str, words: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """A text of a row, with its path and key, as it is to be searched. Arguments of calls are texts that are JSON: what
    of schemas is a value there comes by itself, and they without it. Those that repeat a key stay whole."""
    inside: list[str] = []
    if words and ".tool_calls[" in path and path.endswith(".function.arguments"):
        try:
            value = json.loads(text, object_pairs_hook=_each_once)
        except (ValueError, RecursionError):
            value = None
        text = (
            json.dumps(rest, ensure_ascii=False)
            if (rest := _without(value, words, inside)) != value
            else text
        )
    yield path, key, text
    yield from ((f"{path}.*", "", word) for word in inside)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key comes again")
    return value


def _without(value: Any, words: frozenset[str], inside: list[str]) -> Any:
    """The value with nothing in place of words of schemas, which are added to `inside`. Keys stay: they may say that
    what they are the keys of names someone."""
    if isinstance(value, str) and value in words:
        inside.append(value)
        return ""
    if isinstance(value, dict):
        return {name: _without(inner, words, inside) for name, inner in value.items()}
    return [_without(inner, words, inside) for inner in value] if isinstance(value, list) else value


def schema_words(value: Any) -> frozenset[str]:
    """The names of a row's tools and of their arguments, and the values of their enums."""
    tools = value.get("tools") if isinstance(value, dict) else None
    found: set[str] = set()
    for tool in tools if isinstance(tools, list) else ():
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if isinstance(function, dict):
            found.add(str(function.get("name", "")))
            _schema(function.get("parameters"), found)
    return frozenset(found)


def _schema(node: Any, into: set[str]) -> None:
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            into.update(node["properties"])
        for key in ("enum", "required"):
            if isinstance(node.get(key), list):
                into.update(text for text in node[key] if isinstance(text, str))
        if isinstance(node.get("const"), str):
            into.add(node["const"])
        for inner in node.values():
            _schema(inner, into)
    elif isinstance(node, list):
        for inner in node:
            _schema(inner, into)


# --- what we make ourselves

EXAMPLE = "example"
"""In every secret that stands for a real one, as in AWS's own documents (AKIAIOSFODNN7EXAMPLE)."""
_HOSTS = re.compile(
    r"(?:^|[./@])(?:example\.(?:com|org|net)|[\w-]+\.(?:example|test|invalid))(?:[:/?#]|$)", re.IGNORECASE
)
"""RFC 2606 and 6761."""
_NETWORKS = tuple(
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)
"""RFC 5737 and 3849."""


def is_ours(known: Known) -> bool:
    """Whether it belongs to nobody, as all pseudonyms do: a log that has such a token may keep it."""
    if known.kind in ("e-mail", "URL"):
        return _HOSTS.search(known.text) is not None
    if known.kind == "phone":
        return re.search(r"55501\d\d$", bare(known.text)) is not None
    if known.kind == "IP address":
        try:
            address = ipaddress.ip_address(known.text)
        except ValueError:
            return False
        return any(address in net for net in _NETWORKS)
    return known.kind == "secret" and EXAMPLE in known.text.lower()
