"""The dialect of Qwen3-Coder and Qwen3.5: a function with parameters between tags, values as plain text.

    <tool_call>
    <function=get_weather>
    <parameter=city>
    Oslo
    </parameter>
    </function>
    </tool_call>

A string is written raw, any other value as JSON, and the text alone does not say which it was: the tool's
schema does. Where a parameter can only be a string, the text is the value. Where it cannot be one, the text
is JSON, and text that is not JSON stays text, for the schema to refuse. Where it may be either (`anyOf`, no
type, an unknown tool or parameter), text that reads as JSON of another allowed type is that, and any other
text is a string. `True`, `False` and `None` count as JSON: the family's templates print them so.

So there are values that the format cannot hold, and `render_calls` refuses them:
- a string with one of the tags `<tool_call>`, `</tool_call>`, `<function=`, `</function>`, `<parameter=` in
  it (`</parameter>` is no trouble, nor are line breaks at either end), at any depth;
- a string that reads as another type which the schema allows too, such as "7" where no type is given;
- a name or key that is empty or has `>` or a line break in it.

A call without `</function>` is unread, whatever follows; one without `<tool_call>` is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from toolfinch.dialects import rules, strict_json
from toolfinch.dialects.dialect import Dialect
from toolfinch.dialects.tagged import CLOSE, OPEN, Block, resync, tagged
from toolfinch.message import ToolCall
from toolfinch.tool import Tool

_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>(.*)</function>\s*", re.DOTALL)
_PARAMETER = re.compile(r"\s*<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>\s*(?=<parameter=|\Z)", re.DOTALL)
_TAG = re.compile(r"</?tool_call>|<function=|</function>|<parameter=")
_PYTHON = {"True": True, "False": False, "None": None}
ANY = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})


def write_call(call: ToolCall) -> str:
    lines = [OPEN, f"<function={call.name}>"]
    for key, value in call.arguments.items():
        text = value if isinstance(value, str) else strict_json.dumps(value)
        if tag := _TAG.search(text):
            raise ValueError(f"argument {key!r} has {tag.group()} in it")
        lines += [f"<parameter={key}>", text, "</parameter>"]
    return "\n".join([*lines, "</function>", CLOSE])


def write_turn(content: str, calls: str) -> str:
    content = content.strip()  # as the family's templates do
    return f"{content}\n\n{calls}" if content and calls else content + calls


def read_block(text: str, tools: Sequence[Tool], final: bool) -> Block | None:
    block = resync(text, len(OPEN), final)
    if block is None:
        return None
    length, _ = block
    return length, _read_call(text[len(OPEN) : length].removesuffix(CLOSE), tools)


def _read_call(body: str, tools: Sequence[Tool]) -> ToolCall | None:
    function = _FUNCTION.fullmatch(body)
    if function is None:
        return None
    name, inner = function.groups()
    properties: dict[str, Any] = next(
        (t.parameters.get("properties", {}) for t in tools if t.name == name), {}
    )
    arguments: dict[str, Any] = {}
    at = 0
    while inner[at:].strip():
        parameter = _PARAMETER.match(inner, at)
        if parameter is None:
            return None
        key, text = parameter.groups()
        if key in arguments or _TAG.search(text):
            return None
        arguments[key] = read_value(text, types(properties.get(key)))
        at = parameter.end()
    return ToolCall(name, arguments)


def read_value(text: str, allowed: frozenset[str]) -> Any:
    """The value that a parameter's text stands for, given the JSON types that its schema allows."""
    if allowed == {"string"}:
        return text
    try:
        value = _PYTHON[text.strip()] if text.strip() in _PYTHON else strict_json.loads(text)
    except ValueError:
        return text
    if "string" in allowed and (isinstance(value, str) or not allowed & _types_of(value)):
        return text
    return value


def types(schema: Any) -> frozenset[str]:
    """The JSON types that a normalised schema allows; all of them where it does not say."""
    if not isinstance(schema, Mapping):
        return ANY
    allowed = ANY
    if "type" in schema:
        named = schema["type"]
        allowed &= frozenset([named] if isinstance(named, str) else named)
        if "number" in allowed:
            allowed |= {"integer"}
    if "const" in schema:
        allowed &= _types_of(schema["const"])
    if "enum" in schema:
        allowed &= frozenset().union(*(_types_of(value) for value in schema["enum"]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            allowed &= frozenset().union(*(types(part) for part in schema[key]))
    for part in schema.get("allOf", ()):
        allowed &= types(part)
    return allowed


def _types_of(value: Any) -> frozenset[str]:
    match value:
        case None:
            return frozenset({"null"})
        case bool():
            return frozenset({"boolean"})
        case int():
            return frozenset({"integer", "number"})
        case float():
            return frozenset({"number"})
        case str():
            return frozenset({"string"})
        case list() | tuple():
            return frozenset({"array"})
        case _:
            return frozenset({"object"})


def forced_start(name: str | None) -> str:
    return f"{OPEN}\n<function=" if name is None else f"{OPEN}\n<function={name}>\n"


def grammar(tools: Sequence[Tool], required: bool) -> str:
    """Where a string is allowed, any text without tags is: it is not held to a pattern or a length.

    Nor to what only a branch of the whole schema says (`allOf` beside the properties), nor are keys that the
    schema does not name kept from coming twice, nor tags from the strings inside of a list or an object.
    """
    calls = rules.either([f"call{i}" for i in range(len(tools))])
    lines = [
        f'call: "\\n<function=" {calls} "</function>\\n" end',
        f"string[lazy]: TEXT {_CLOSE}",
        rf"TEXT: /(.|\n)*/ & ~/(.|\n)*({_TAG.pattern.replace('/', chr(92) + '/')})(.|\n)*/",
    ]
    values: dict[bytes, str] = {}
    for i, tool in enumerate(tools):
        lines.append(f"call{i}: {rules.literal(tool.name + '>' + chr(10))} parameters{i}")
        lines += _parameters(i, rules.held(tool.parameters), values)
    return "\n".join([*lines, *rules.value_rules(values)])


def _parameters(i: int, schema: Mapping[str, Any], values: dict[bytes, str]) -> list[str]:
    """`parameters{i}`: those that the schema names, in its order, and then others, if it allows any."""
    named = {
        key: f"{rules.literal(f'<parameter={key}>{chr(10)}')} {_value(part, values)}"
        for key, part in schema["properties"].items()
        if part is not False
    }
    others = True if "patternProperties" in schema else schema.get("additionalProperties", True)
    required = schema.get("required", ())
    keys = " ".join(item if key in required else f"({item})?" for key, item in named.items())
    if others is False:
        return [f"parameters{i}: {keys or rules.literal('')}"]
    but = f" & ~{rules.either([rules.literal(key) for key in named])}" if named else ""
    return [
        f"parameters{i}: {keys} other{i}*",
        f'other{i}: "<parameter=" OTHER{i} ">\\n" {_value(others, values)}',
        rf"OTHER{i}: /[^>\n]+/{but}",
    ]


_CLOSE = r'"\n</parameter>\n"'


def _value(schema: Any, values: dict[bytes, str]) -> str:
    """A parameter's text and its closing tag."""
    allowed = types(schema)
    listed: Sequence[Any] = ()
    if isinstance(schema, Mapping):
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches and not {"enum", "const", "type"} & set(schema):
            return rules.either([_value(branch, values) for branch in branches])
        listed = schema.get("enum", [schema["const"]] if "const" in schema else ())
    if listed:
        options = [rules.literal(v if isinstance(v, str) else strict_json.dumps(v)) for v in listed]
    elif "string" in allowed:
        return "string"
    else:
        options = [rules.shared(schema, values)]
    options += [rules.literal(word) for word, v in _PYTHON.items() if not listed and _types_of(v) <= allowed]
    return f"{rules.either(options)} {_CLOSE}"


QWEN_XML = Dialect(
    name="qwen_xml",
    trigger=OPEN,
    end=CLOSE,
    stops=(),
    thinks=True,
    write_call=write_call,
    write_turn=write_turn,
    forced_start=forced_start,
    grammar=grammar,
    step=tagged(read_block, separators=("\n\n", "\n")),
)
