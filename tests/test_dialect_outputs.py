"""What models really write, good and bad, and how each dialect reads it."""

from __future__ import annotations

from typing import Any

import pytest

from toolfinch import dialects
from toolfinch.dialects import qwen_xml
from toolfinch.dialects.dialect import Parsed
from toolfinch.message import ToolCall
from toolfinch.tool import Tool

HERMES, QWEN_XML, REACT = (dialects.get(name) for name in ("hermes", "qwen_xml", "react"))

WEATHER = Tool(
    "get_weather",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "celsius": {"type": "boolean"},
            "place": {"type": "object"},
        },
    },
)

OSLO = ToolCall("get_weather", {"city": "Oslo"})
ROME = ToolCall("get_weather", {"city": "Rome"})
H_OSLO = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
H_ROME = H_OSLO.replace("Oslo", "Rome")
H_UNQUOTED = H_OSLO.replace('Oslo"', "Oslo")
H_BAD = [
    f"<tool_call>{body}</tool_call>"
    for body in (
        "",
        "[]",
        "null",
        "get_weather",
        "{}",
        "{'name': 'f'}",
        '{"name": 1}',
        '{"name": ""}',
        '{"name": "f", "name": "g"}',
        '{"name": "f"} {"name": "g"}',
        '{"name": "f", "args": {"a": 1}}',
        '{"name": "f", "arguments": {}, "parameters": {}}',
        '{"name": "f", "arguments": [1]}',
        '{"name": "f", "arguments": "not json"}',
        '{"name": "f", "arguments": {"a": NaN}}',
        '{"name": "f", "arguments": {"a": 1e999}}',
        '{"name": "f", "arguments": {"a": 1, "a": 2}}',
        '{"name": "f", "arguments": {"a": "\\ud800"}}',
    )
]
X_OSLO = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"
)
X_ROME = X_OSLO.replace("Oslo", "Rome")
R_OSLO = 'Action: get_weather\nAction Input: {"city": "Oslo"}'
R_ROME = R_OSLO.replace("Oslo", "Rome")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"Sure.\n{H_OSLO}", Parsed("Sure.", (OSLO,)), id="text before"),
        pytest.param(f"\n\n{H_OSLO}\n", Parsed("", (OSLO,)), id="blank around"),
        pytest.param(f"{H_OSLO}\nDone.", Parsed("Done.", (OSLO,)), id="text after"),
        pytest.param(f"Sure.\n{H_OSLO}\nDone.", Parsed("Sure.\nDone.", (OSLO,)), id="text around"),
        pytest.param(f"{H_OSLO} {H_ROME}", Parsed("", (OSLO, ROME)), id="two on one line"),
        pytest.param(f"{H_OSLO}{H_ROME}", Parsed("", (OSLO, ROME)), id="two without a space"),
        pytest.param(H_OSLO.removesuffix("</tool_call>"), Parsed("", (OSLO,)), id="no closing tag"),
        pytest.param(H_OSLO.removesuffix("call>"), Parsed("", (OSLO,)), id="half a closing tag"),
        pytest.param(
            f"{H_OSLO.removesuffix('</tool_call>')}{H_ROME}", Parsed("", (OSLO, ROME)), id="no tag between"
        ),
        pytest.param(H_OSLO[:40], Parsed("", (), (H_OSLO[:40],)), id="cut off in the arguments"),
        pytest.param(
            f"{H_OSLO.replace('}}', '}}}')}\n{H_ROME}",
            Parsed("", (ROME,), (H_OSLO.replace("}}", "}}}"),)),
            id="a brace too many, then a good call",
        ),
        pytest.param(
            f"{H_OSLO.replace('}}', '}')}\n{H_ROME}",
            Parsed("", (ROME,), (H_OSLO.replace("}}", "}"),)),
            id="a brace too few, then a good call",
        ),
        pytest.param(
            f"{H_UNQUOTED}\n{H_ROME}",
            Parsed("", (ROME,), (H_UNQUOTED,)),
            id="a quote too few, then a good call",
        ),
        pytest.param(
            '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}</tool_call>',
            Parsed("", (OSLO,)),
            id="arguments as a string",
        ),
        pytest.param(H_OSLO.replace("arguments", "parameters"), Parsed("", (OSLO,)), id="parameters"),
        pytest.param(
            '<tool_call>\n{"name": "f"}\n</tool_call>', Parsed("", (ToolCall("f", {}),)), id="no arguments"
        ),
        pytest.param(
            '{"name": "get_weather", "arguments": {"city": "Oslo"}}',
            Parsed('{"name": "get_weather", "arguments": {"city": "Oslo"}}'),
            id="bare JSON is text",
        ),
        pytest.param(
            H_OSLO.replace("Oslo", "</tool_call> <tool_call>"),
            Parsed("", (ToolCall("get_weather", {"city": "</tool_call> <tool_call>"}),)),
            id="tags in a value",
        ),
        *(pytest.param(bad, Parsed("", (), (bad,)), id=bad[11:-12]) for bad in H_BAD),
        pytest.param(
            f"<think>\nMaybe <tool_call>?\n</think>\n\nSure.\n{H_OSLO}",
            Parsed("Sure.", (OSLO,), thinking="Maybe <tool_call>?"),
            id="thoughts, text and call",
        ),
        pytest.param(f"<think>\n\n</think>\n\n{H_OSLO}", Parsed("", (OSLO,)), id="empty thoughts"),
        pytest.param("<think>\nSo it ends", Parsed("", thinking="So it ends"), id="thoughts cut off"),
        pytest.param("Some <think> so.", Parsed("Some <think> so."), id="think in text"),
        pytest.param("a </tool_call> b", Parsed("a </tool_call> b"), id="closing tag alone"),
        pytest.param("a <tool_call", Parsed("a <tool_call"), id="half a trigger"),
    ],
)
def test_hermes_reads(text: str, expected: Parsed) -> None:
    """Each of these was read otherwise by some parser, or made it raise."""
    assert HERMES.parse(text, []) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"Sure.\n\n{X_OSLO}", Parsed("Sure.", (OSLO,)), id="text before"),
        pytest.param(f"{X_OSLO}\nDone.", Parsed("Done.", (OSLO,)), id="text after"),
        pytest.param(f"{X_OSLO} {X_ROME}", Parsed("", (OSLO, ROME)), id="two on one line"),
        pytest.param(X_OSLO.replace("\n", ""), Parsed("", (OSLO,)), id="all on one line"),
        pytest.param(X_OSLO.removesuffix("</tool_call>"), Parsed("", (OSLO,)), id="no closing tag"),
        pytest.param(
            f"{X_OSLO.removesuffix('</tool_call>')}{X_ROME}", Parsed("", (OSLO, ROME)), id="no tag between"
        ),
        pytest.param(X_OSLO[:60], Parsed("", (), (X_OSLO[:60],)), id="cut off in a value"),
        *(
            pytest.param(f"{bad}\n{X_ROME}", Parsed("", (ROME,), (bad,)), id=name)
            for name, bad in {
                "parameter not closed": X_OSLO.replace("</parameter>\n", ""),
                "function not closed": X_OSLO.replace("</function>\n", ""),
                "no name": X_OSLO.replace("=get_weather", "="),
                "text in the block": X_OSLO.replace("</function>", "so </function>"),
                "a key twice": X_OSLO.replace(
                    "</function>", "<parameter=city>\nBergen\n</parameter>\n</function>"
                ),
                "two functions": X_OSLO.replace("</function>", "</function><function=f></function>"),
                "JSON in the block": H_OSLO,
            }.items()
        ),
        pytest.param(
            "<tool_call>\n<function=f>\n</function>\n</tool_call>",
            Parsed("", (ToolCall("f", {}),)),
            id="no parameters",
        ),
        pytest.param(
            X_OSLO.replace("Oslo", "\n a </parameter>\n\n"),
            Parsed("", (ToolCall("get_weather", {"city": "\n a </parameter>\n\n"}),)),
            id="line breaks and a closing tag in a value",
        ),
        pytest.param(
            f"<think>\nhm\n</think>\n\n{X_OSLO}", Parsed("", (OSLO,), thinking="hm"), id="thoughts and call"
        ),
        pytest.param(X_OSLO[12:], Parsed(X_OSLO[12:]), id="no trigger is text"),
    ],
)
def test_qwen_xml_reads(text: str, expected: Parsed) -> None:
    """Each of these was read otherwise by some parser, or made it raise."""
    assert QWEN_XML.parse(text, [WEATHER]) == expected


ANY_OF = {"anyOf": [{"type": "string"}, {"type": "integer"}]}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "7", "7"),
        ({"type": "string"}, "true", "true"),
        ({"type": "string"}, '{"a": 1}', '{"a": 1}'),
        ({"type": "string"}, " x ", " x "),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"const": "null"}, "null", "null"),
        ({"enum": ["auto", 1]}, "1", 1),
        ({"enum": ["auto", 1]}, "auto", "auto"),
        ({"type": "integer"}, "7", 7),
        ({"type": "integer"}, " 7\n", 7),
        ({"type": "number"}, "7.0", 7.0),
        ({"type": "number"}, "seven", "seven"),
        ({"type": "number"}, "NaN", "NaN"),
        ({"type": "boolean"}, "True", True),
        ({"type": "boolean"}, "false", False),
        ({"type": "null"}, "None", None),
        ({"type": "array"}, '["1", 1]', ["1", 1]),
        ({"type": "object"}, '{"a": null}', {"a": None}),
        ({"type": ["string", "null"]}, "None", None),
        ({"type": ["string", "null"]}, "7", "7"),
        (ANY_OF, "7", 7),
        (ANY_OF, "7.5", "7.5"),
        (ANY_OF, "True", "True"),
        ({"oneOf": [{"type": "boolean"}, {"enum": ["on"]}]}, "on", "on"),
        ({"allOf": [ANY_OF, {"type": "string"}]}, "7", "7"),
        ({}, "7", 7),
        ({}, '"7"', '"7"'),
        ({}, "Oslo", "Oslo"),
        (True, "[1]", [1]),
        (None, "0150", "0150"),
    ],
)
def test_types_come_from_the_schema(schema: Any, text: str, value: Any) -> None:
    """The text alone does not say: a wrong type is a wrong call."""
    read = qwen_xml.read_value(text, qwen_xml.types(schema))
    assert (read, type(read)) == (value, type(value))


FINISH = 'Action: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "4 °C"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"Thought: Look.\n{R_OSLO}", Parsed("Look.", (OSLO,)), id="thought and call"),
        pytest.param(f"\nThought: \n{R_OSLO}\nObservation:", Parsed("", (OSLO,)), id="the stop itself"),
        pytest.param(R_OSLO, Parsed("", (OSLO,)), id="no thought"),
        pytest.param(f"Look.\n{R_OSLO}", Parsed("Look.", (OSLO,)), id="no word before the thought"),
        pytest.param(
            R_OSLO.replace("Action: ", "Action:\n"), Parsed("", (OSLO,)), id="name on the next line"
        ),
        pytest.param(R_OSLO.replace("Input: ", "Input:\n"), Parsed("", (OSLO,)), id="input on the next line"),
        pytest.param(f"{R_OSLO}\n{R_ROME}", Parsed("", (OSLO, ROME)), id="two pairs"),
        pytest.param(
            f"{R_OSLO} {R_ROME}".replace("\nAction I", " Action I"),
            Parsed("", (OSLO, ROME)),
            id="two on one line",
        ),
        pytest.param(
            f"Thought: a\n{R_OSLO}\nThought: b\n{R_ROME}", Parsed("a\nb", (OSLO, ROME)), id="two thoughts"
        ),
        pytest.param(f"{R_OSLO}\nOK.", Parsed("OK.", (OSLO,)), id="text after"),
        pytest.param(
            f"{R_OSLO}\nObservation: 9 °C\nThought: Good.\n{FINISH}",
            Parsed("", (OSLO,), (f"\nObservation: 9 °C\nThought: Good.\n{FINISH}",)),
            id="an invented result",
        ),
        pytest.param(
            f"Thought: Now I know.\n{FINISH}", Parsed("4 °C", thinking="Now I know."), id="an answer"
        ),
        pytest.param(
            'Thought: Too hard.\nAction: Finish\nAction Input: {"return_type": "give_up_and_restart"}',
            Parsed("Too hard."),
            id="giving up",
        ),
        pytest.param(
            FINISH.replace('"4 °C"', "4"), Parsed("", (), (FINISH.replace('"4 °C"', "4"),)), id="a bad answer"
        ),
        pytest.param("It is 4 °C.", Parsed("It is 4 °C."), id="only text"),
        pytest.param("Thought: cut", Parsed("cut"), id="cut off in the thought"),
        pytest.param(R_OSLO[:-1], Parsed("", (), (R_OSLO[:-1],)), id="cut off in the input"),
        pytest.param("Thought: a\nAction: f", Parsed("a", (), ("\nAction: f",)), id="cut off in the name"),
        *(
            pytest.param(f"{bad}\n{R_ROME}", Parsed("", (ROME,), (bad,)), id=name)
            for name, bad in {
                "input is not JSON": "Action: f\nAction Input: Oslo",
                "no input": "Action: f\nAction Input:",
                "an unclosed object": R_OSLO[:-1],
                "an unclosed string": R_OSLO[:-2],
                "no input line": "Action: f",
                "no name": "Action:\nAction Input: {}",
                "two names": "Action: f\ng\nAction Input: {}",
                "a key twice": 'Action: f\nAction Input: {"a": 1, "a": 2}',
            }.items()
        ),
    ],
)
def test_react_reads(text: str, expected: Parsed) -> None:
    """Each of these was read otherwise by some parser, or made it raise."""
    assert REACT.parse(text, []) == expected
