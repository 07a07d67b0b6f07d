"""`Catalogue`: all the tools of some sources, each of a name of its own, and what was set aside.

A source is a file (JSON tools in the forms of `tool_file`, or an OpenAPI document, JSON or YAML, told apart by what is in
it), the URL of an MCP server, or `mcp:` and a command that starts one: `tools.json`, `petstore.yaml`,
`https://host/mcp`, `mcp:npx -y @scope/server DIR`.

**Names.** A tool keeps the name that its source gives it, as far as OpenAI's names allow (MCP and OpenAPI names are made
to fit; a tool file's stay as written). Where two sources have tools of one name the first keeps it, and the later ones
are called `<label>__<name>`: so adding a source at the end renames nothing that was there, and a model that learnt a
tool's name meets it again.

Left out: running the tools, and following changes; a catalogue is read once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.errors import DataError, MissingDependency
from toolfinch.retrieve import mcp_servers, openapi, tool_file
from toolfinch.retrieve.listing import LONGEST, Listing, SetAside, hashed, safe
from toolfinch.tool import Tool

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Origin(msgspec.Struct, frozen=True):
    """Where a tool is from, and what it is called there."""

    source: str
    """As it was given to `read_catalogue`."""
    name: str
    """A tool's name, or an operation's method and path."""


class Catalogue(msgspec.Struct, frozen=True):
    """Tools, in the order of the sources."""

    tools: tuple[Tool, ...]
    set_aside: tuple[SetAside, ...]
    origins: dict[str, Origin] = {}
    """By the tool's name here."""


def read_catalogue(sources: Sequence[str | Path]) -> Catalogue:
    """All tools of the sources; a tool that cannot be used is set aside, and the others stay.

    Raises DataError naming the source where one cannot be read at all or has no tools, MissingDependency where it needs a
    library that is not there.
    """
    tools: dict[str, Tool] = {}
    origins: dict[str, Origin] = {}
    aside: list[SetAside] = []
    for source in map(str, sources):
        found = _listing(source)
        if not found.tools and not found.set_aside:
            raise DataError(f"{found.source}: there are no tools in it")
        aside += found.set_aside
        for listed in found.tools:
            tool = listed.tool
            if tools.get(tool.name) == tool and origins[tool.name].source != source:
                continue  # the same tool again, such as a list that was exported twice
            if tool.name in tools:
                tool = msgspec.structs.replace(tool, name=_apart(found.label, tool.name))
            if tool.name in tools:
                aside.append(
                    SetAside(found.source, listed.original, f"{listed.original!r}: the name is given twice")
                )
                continue
            tools[tool.name] = tool
            origins[tool.name] = Origin(source, listed.original)
    return Catalogue(tuple(tools.values()), tuple(aside), origins)


def _apart(label: str, name: str) -> str:
    together = f"{safe(label) or 'other'}__{name}"
    return together if len(together) <= LONGEST else hashed(together)


def _listing(source: str) -> Listing:
    if source.startswith(("http://", "https://")):
        found = mcp_servers.listing(source)
        host = re.sub(r"^https?://(?:[^@/]*@)?", "", source).partition("/")[0]
        return msgspec.structs.replace(found, label=found.label or host)
    if source.startswith("mcp:"):
        command = source.removeprefix("mcp:").strip()
        if not command:
            raise DataError(f"{source}: expected a command after mcp:")
        found = mcp_servers.listing(command)
        return msgspec.structs.replace(found, label=found.label or Path(command.split()[0]).stem)
    path = Path(source)
    if not path.is_file():
        raise DataError(f"{source}: no such file", hint="an MCP server is given as a URL, or as mcp:COMMAND")
    raw = _document(path)
    if openapi.looks_like(raw):
        info = raw.get("info")
        title = info.get("title") if isinstance(info, dict) else None
        return openapi.listing(source, title if isinstance(title, str) and title else path.stem, raw)
    return tool_file.listing(source, path.stem, raw)


def _document(path: Path) -> Any:
    """A file's content: YAML where its name says so, else JSON, or a list of what stands on each line."""
    data = path.read_bytes().removeprefix(_BYTE_ORDER_MARK)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _yaml(path, data)
    not_json = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    try:
        return msgspec.json.decode(data)
    except not_json as whole:
        try:
            return [msgspec.json.decode(line) for line in data.splitlines() if line.strip()]
        except not_json:
            raise DataError(f"{path}: neither JSON nor JSON lines: {whole}") from whole


def _yaml(path: Path, data: bytes) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingDependency(
            f"{path}: reading YAML needs PyYAML", hint="pip install 'toolfinch[serve]'"
        ) from error

    class Plain(yaml.SafeLoader):  # type: ignore[misc]
        """YAML as JSON has it (the rules OpenAPI asks for): `on`, `no` and 2024-01-01 are text."""

    Plain.yaml_implicit_resolvers = {
        first: [
            (tag, pattern)
            for tag, pattern in rules
            if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
        ]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Plain.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"true|false$", re.IGNORECASE), list("tTfF")
    )
    try:
        return _keys_as_text(yaml.load(data, Loader=Plain))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not YAML: {' '.join(str(error).split())}") from error


def _keys_as_text(value: Any) -> Any:
    """Of `200:` the key is a number, in JSON it is text."""
    if isinstance(value, dict):
        return {
            str(key).lower() if isinstance(key, bool) else str(key): _keys_as_text(part)
            for key, part in value.items()
        }
    return [_keys_as_text(part) for part in value] if isinstance(value, list) else value
