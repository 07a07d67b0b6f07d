"""The built-in tools' schemas."""

from __future__ import annotations

import jsonschema_rs
import pytest

from toolfinch.schema import normalise
from toolfinch.tool import Tool
from toolfinch.toolbox import builtin_tools

NAMES = {
    *(
        "web_search",
        "get_webpage",
        "execute_python",
        "read_file",
        "write_file",
        "list_directory",
        "send_email",
    ),
    *("get_current_datetime", "calculate", "translate", "get_weather", "create_calendar_event"),
    *("database_query", "http_request", "shell_command"),
}


def test_there_are_fifteen() -> None:
    """Recipes, suites and docs count on these names."""
    assert {tool.name for tool in builtin_tools()} == NAMES
    assert len(builtin_tools()) == 15


@pytest.mark.parametrize("tool", builtin_tools(), ids=lambda tool: tool.name)
def test_schemas_are_strict_and_terse(tool: Tool) -> None:
    """An undescribed parameter cannot be read once its name is masked; a long one costs tokens in each prompt."""
    assert normalise(tool.parameters, tool.name) == (tool.parameters, ())
    jsonschema_rs.meta.validate(tool.parameters)
    properties = tool.parameters["properties"]
    assert 1 <= len(properties) <= 5
    assert tool.parameters["additionalProperties"] is False
    assert set(tool.parameters["required"]) <= set(properties)
    assert len(tool.description.split()) <= 14
    for schema in properties.values():
        assert schema["type"] and 1 <= len(schema["description"].split()) <= 12
        if "default" in schema:
            assert jsonschema_rs.is_valid(schema, schema["default"])


def test_risk_is_declared() -> None:
    """The gate asks before it runs what cannot be taken back."""
    risks = {tool.name: tool.risk for tool in builtin_tools()}
    assert risks["send_email"] == risks["shell_command"] == "destructive"
    assert risks["get_weather"] == risks["read_file"] == "read"
    assert all(tool.idempotent for tool in builtin_tools() if tool.risk == "read")
