"""Would break: one bad tool losing a whole listing, a second page of tools never asked for, a tool that may delete things
taken for one that reads, a renamed tool that nobody can call at its source, a cycle of references that never ends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.data.readers.tools import read_tools
from toolfinch.errors import DataError
from toolfinch.retrieve import mcp_servers
from toolfinch.retrieve.catalogue import Catalogue, read_catalogue
from toolfinch.retrieve.listing import hashed, safe
from toolfinch.tool import Tool

SERVER = Path(__file__).with_name("mcp_server.py")
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def written(folder: Path, name: str, content: Any) -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def named(found: Catalogue) -> dict[str, Tool]:
    return {tool.name: tool for tool in found.tools}


# Tool files


def good(name: str, description: str = "") -> dict[str, Any]:
    return {"name": name, "description": description, "parameters": OBJECT}


@pytest.mark.parametrize(
    "content",
    [
        [good("one"), good("two")],
        {"tools": [good("one"), {"type": "function", "function": good("two")}]},
        {"here": [good("one")], "there": [good("two")]},
        {"one": good("one"), "two": {"name": "two", "inputSchema": OBJECT}},
        "\ufeff" + json.dumps(good("one")) + "\n\n" + json.dumps(good("two")),
    ],
)
def test_every_form_of_a_tool_file(tmp_path: Path, content: Any) -> None:
    """What `read_tools` reads, a catalogue reads too, and the other way round."""
    path = written(tmp_path, "tools.json", content)
    found = read_catalogue([path])
    assert [tool.name for tool in found.tools] == ["one", "two"]
    assert not found.set_aside
    assert found.tools == read_tools(Path(path))


def test_bad_tools_of_a_file_are_set_aside_by_name(tmp_path: Path) -> None:
    bad = {"name": "odd", "parameters": {"type": "object", "properties": {"x": {"type": "strnig"}}}}
    path = written(tmp_path, "tools.json", [good("one"), bad, 7, good("my.dotted:name"), good("one", "else")])
    found = read_catalogue([path])
    assert list(named(found)) == ["one", "my.dotted:name", "tools__one"]
    assert [(one.name, one.reason) for one in found.set_aside] == [
        ("odd", "tool 'odd': parameters.properties.x.type: unknown type"),
        ("", "[2]: expected an object, got int"),
    ]


def test_two_sources_of_one_name(tmp_path: Path) -> None:
    """A source that is added at the end renames nothing; the same tool twice is one tool."""
    first = written(tmp_path, "first.json", [good("search", "Searches mail."), good("same")])
    second = written(tmp_path, "my docs.json", [good("search", "Searches documents."), good("same")])
    found = read_catalogue([first, second])
    assert [tool.name for tool in found.tools] == ["search", "same", "my_docs__search"]
    assert found.tools[:2] == read_catalogue([first]).tools
    assert (found.origins["my_docs__search"].source, found.origins["my_docs__search"].name) == (
        second,
        "search",
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "neither JSON nor JSON lines"),
        ("a.json", "[" * 5000, "neither JSON nor JSON lines"),
        ("a.json", [], "there are no tools in it"),
        ("a.yaml", "a: [", "not YAML"),
        ("a.json", {"swagger": "2.0", "paths": {}}, "expected OpenAPI 3.0 or 3.1, got '2.0'"),
        ("a.json", {"openapi": "3.0.0", "paths": {}}, "there are no tools in it"),
        ("a.json", {"openapi": "3.0.0", "paths": []}, "paths: expected an object"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: Any, said: str) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(DataError, match="(?s)" + said) as caught:
        read_catalogue([path])
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_source() -> None:
    for source in ("nowhere.json", "mcp:"):
        with pytest.raises(DataError, match=source):
            read_catalogue([source])


@given(st.text(max_size=100))
def test_safe_names(name: str) -> None:
    """Both are names that OpenAI takes; one that is one already is left alone."""
    import re

    for made in (safe(name), hashed(name)):
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", made) or not name
    assert safe(safe(name)) == safe(name)
    if re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
        assert safe(name) == name


def test_long_and_foreign_names_stay_apart() -> None:
    assert safe("查询") != safe("天气")
    assert safe("x" * 70 + "a") != safe("x" * 70 + "b")


# OpenAPI

PETS: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pet store", "version": "1"},
    "paths": {
        "/pets/{petId}": {
            "parameters": [{"$ref": "#/components/parameters/PetId"}],
            "get": {"operationId": "getPet", "summary": "Reads a pet.", "description": "By its id."},
            "delete": {"summary": "Removes a pet."},
            "put": {
                "operationId": "pets/replace",
                "requestBody": {"$ref": "#/components/requestBodies/Pet"},
                "parameters": [
                    {"name": "X-Dry-Run", "in": "header", "schema": {"type": "boolean"}},
                    {"name": "Authorization", "in": "header", "required": True, "schema": {"type": "string"}},
                    {"name": "session", "in": "cookie", "schema": {"type": "string"}},
                ],
            },
        },
        "/pets": {
            "post": {
                "operationId": "addPets",
                "requestBody": {
                    "required": True,
                    "content": {"application/vnd.pets+json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}}},
                },
            },
            "patch": {"operationId": "upload", "requestBody": {"required": True, "content": {"image/png": {}}}},
            "head": {"operationId": "login", "parameters": [{"name": "sid", "in": "cookie", "required": True}]},
            "get": {"operationId": "tree", "parameters": [{"name": "node", "in": "query", "schema": {"$ref": "#/components/schemas/Node"}}]},
            "options": {"operationId": "lost", "parameters": [{"$ref": "#/components/parameters/None"}]},
        },
        "/away": {"$ref": "other.yaml#/paths/x"},
        "/clash/{id}": {
            "post": {
                "operationId": "clash",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "id", "in": "query", "description": "Another.", "schema": {"type": "integer"}},
                ],
                "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object", "properties": {"id": {"type": "string"}}}}}},
            }
        },
    },
    "components": {
        "parameters": {"PetId": {"name": "petId", "in": "path", "required": True, "description": "Which.", "schema": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}}},
        "requestBodies": {"Pet": {"required": True, "content": {"text/xml": {}, "application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/Pet"}}}}},
        "schemas": {
            "Pet": {
                "type": "object",
                "xml": {"name": "pet"},
                "required": ["id", "name"],
                "properties": {
                    "id": {"type": "integer", "readOnly": True},
                    "name": {"type": "string", "x-order": 1},
                    "owner": {"$ref": "#/components/schemas/Owner%20of"},
                    "xml": {"type": "string", "nullable": True},
                },
            },
            "Owner of": {"type": "object", "properties": {"born": {"type": "string", "format": "date"}}},
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}},
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return read_catalogue([written(tmp_path_factory.mktemp("pets"), "pets.json", PETS)])


def test_operations_are_tools(pets: Catalogue) -> None:
    tools = named(pets)
    assert {name: (tool.risk, tool.idempotent) for name, tool in tools.items()} == {
        "getPet": ("read", True),
        "delete_pets_petId": ("destructive", True),
        "pets_replace": ("write", True),
        "addPets": ("write", False),
        "clash": ("write", False),
    }
    assert tools["getPet"].description == "Reads a pet.\nBy its id."
    pet_id = {"type": "integer", "exclusiveMinimum": 0, "description": "Which."}
    assert tools["getPet"].parameters == {
        "type": "object",
        "properties": {"petId": pet_id},
        "required": ["petId"],
    }
    assert pets.origins["pets_replace"].name == "PUT /pets/{petId}"


def test_a_body_joins_the_parameters(pets: Catalogue) -> None:
    """Without what only the server sets, what is no parameter, and what is for other programs."""
    assert named(pets)["pets_replace"].parameters == {
        "type": "object",
        "properties": {
            "petId": {"type": "integer", "exclusiveMinimum": 0, "description": "Which."},
            "X-Dry-Run": {"type": "boolean"},
            "name": {"type": "string"},
            "owner": {"type": "object", "properties": {"born": {"type": "string", "format": "date"}}},
            "xml": {"type": ["string", "null"]},
        },
        "required": ["petId", "name"],
    }


def test_a_body_that_is_no_plain_object_stays_whole(pets: Catalogue) -> None:
    tools = named(pets)
    assert list(tools["addPets"].parameters["properties"]) == ["body"]
    assert tools["addPets"].parameters["required"] == ["body"]
    assert list(tools["clash"].parameters["properties"]) == ["id", "query_id", "body"]
    assert tools["clash"].parameters["required"] == ["id", "body"]


def test_operations_that_cannot_be_called_are_set_aside(pets: Catalogue) -> None:
    assert {one.name: one.reason for one in pets.set_aside} == {
        "upload": "PATCH /pets: tool 'upload': needs a body of image/png, which is not JSON",
        "login": "HEAD /pets: tool 'login': needs the cookie 'sid'",
        "tree": "GET /pets: tool 'tree': parameters.properties.node.properties.next.$ref: recursive, and a call's "
        "arguments are finite",
        "lost": "OPTIONS /pets: $ref #/components/parameters/None: not in the document",
        "/away": "/away: $ref other.yaml#/paths/x: not in the document",
    }


def test_yaml_is_read_as_json_has_it(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    text = """
openapi: 3.1.0
paths:
  /a:
    get:
      operationId: a
      parameters:
      - {name: mode, in: query, schema: {enum: [on, off, no]}}
      - {name: when, in: query, schema: {type: string, default: 2024-01-01}}
      - {name: sure, in: query, schema: {type: boolean, default: true}}
      responses: {200: {description: fine}}
"""
    (tool,) = read_catalogue([written(tmp_path, "a.yml", text)]).tools
    assert tool.parameters["properties"] == {
        "mode": {"type": "string", "enum": ["on", "off", "no"]},
        "when": {"type": "string", "default": "2024-01-01"},
        "sure": {"type": "boolean", "default": True},
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$ref", "get", "post", "parameters", "schema", "requestBody", "content", "name", "in", "x"]),
            inner | st.sampled_from(["#/paths/a", "#/paths/a/get", "query", "#/", "#/paths/~1a/get/parameters/0"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_no_document_breaks_the_reader(item: Any) -> None:
    """Whatever stands under a path is a tool or is set aside."""
    from toolfinch.retrieve import openapi

    found = openapi.listing("x", "x", {"openapi": "3.1.0", "paths": {"a": item, "b": {"get": item}}})
    assert len(found.tools) + len(found.set_aside) >= 1


# MCP


def command(mode: str) -> str:
    return f"{sys.executable} {SERVER} {mode}"


def checked_files(found: Catalogue) -> None:
    tools = named(found)
    assert {name: (tool.risk, tool.idempotent) for name, tool in tools.items()} == {
        "read_file": ("read", True),
        "untyped": ("destructive", False),
        "sly": ("destructive", False),
        "delete_file": ("destructive", False),
        "fs_write": ("write", True),
    }
    assert tools["read_file"].description == "Reads  a file;\n\ttabs and 中文 stay."
    assert tools["untyped"].parameters["properties"] == {"a": {"type": "integer"}}
    assert found.origins["fs_write"].name == "fs.write"
    assert [(one.name, one.reason) for one in found.set_aside] == [
        (
            "circle",
            "tool 'circle': parameters.properties.a.$ref: recursive, and a call's arguments are finite",
        ),
        ("", "tools[3]: no name"),
        ("", "tools[4]: no name"),
    ]


def test_a_server_over_stdio(tmp_path: Path) -> None:
    """Two pages, bad tools among them, and a name that a file has already."""
    pytest.importorskip("mcp")
    checked_files(read_catalogue([f"mcp:{command('stdio')}"]))
    file = written(tmp_path, "mine.json", [good("read_file")])
    found = read_catalogue([file, f"mcp:{command('stdio')}"])
    assert [tool.name for tool in found.tools][:2] == ["read_file", "Files_folders__read_file"]


@pytest.fixture
def port() -> Iterator[int]:
    pytest.importorskip("mcp")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, str(SERVER), str(number)])
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", number)) == 0:
                    break
            time.sleep(0.1)
        yield number
    finally:
        server.terminate()
        server.wait(10)


def test_a_server_over_http(port: int) -> None:
    checked_files(read_catalogue([f"http://127.0.0.1:{port}/mcp"]))


@pytest.mark.parametrize(
    ("mode", "said"),
    [("dies", "Connection closed"), ("circle", "no end"), ("'", "not a command line")],
)
def test_a_server_that_is_none(mode: str, said: str) -> None:
    pytest.importorskip("mcp")
    with pytest.raises(DataError, match=said):
        mcp_servers.listing(command(mode))


def test_nothing_to_connect_to() -> None:
    pytest.importorskip("mcp")
    with pytest.raises(DataError, match="no_such_program_here"):
        read_catalogue(["mcp:no_such_program_here --flag"])
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/mcp"):
        read_catalogue(["http://127.0.0.1:9/mcp"])
    with pytest.raises(DataError) as caught:
        read_catalogue(["http://me:secret@127.0.0.1:9/mcp?key=secret"])
    assert "secret" not in str(caught.value)
    with pytest.raises(DataError, match="API_KEY=") as caught:
        read_catalogue(["mcp:no_such_program API_KEY=secret serve"])
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mcp")
    monkeypatch.setattr(mcp_servers, "SECONDS", 2.0)
    with pytest.raises(DataError, match="no answer in 2 s"):
        mcp_servers.listing(command("silent"))
