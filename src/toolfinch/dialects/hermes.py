"""The Hermes dialect, which Qwen2.5 and Qwen3 write: a JSON object between tags.

    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Oslo"}}
    </tool_call>

Several calls are on lines of their own; text before the first ends with a line break. Read as well, because
small models write them: `parameters` for `arguments`, arguments as a JSON string, none at all for none, other
white space, and a missing closing tag at the end or before the next call. A call's end is found by following
its JSON, so a value may hold the tags. JSON without tags is text; a block with anything else in it is unread.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolfinch.dialects import rules, strict_json
from toolfinch.dialects.dialect import Dialect
from toolfinch.dialects.tagged import CLOSE, OPEN, Block, resync, tagged
from toolfinch.message import ToolCall
from toolfinch.tool import Tool


def write_call(call: ToolCall) -> str:
    body = strict_json.dumps({"name": call.name, "arguments": call.arguments})
    return f"{OPEN}\n{body}\n{CLOSE}"


def write_turn(content: str, calls: str) -> str:
    return f"{content}\n{calls}" if content and calls else content + calls


def read_block(text: str, tools: Sequence[Tool], final: bool) -> Block | None:
    state, end = strict_json.object_end(text, len(OPEN))
    if state == "broken":
        return resync(text, end, final)
    if state == "open":
        return (len(text), None) if final else None
    rest = text[end:].lstrip()
    after = len(text) - len(rest)
    if rest.startswith(CLOSE):
        length = after + len(CLOSE)
    elif rest.startswith(OPEN):
        length = end
    elif CLOSE.startswith(rest) and final:
        length = len(text)
    elif CLOSE.startswith(rest) or (OPEN.startswith(rest) and not final):
        return None
    else:
        return resync(text, after, final)
    return length, read_call(text[len(OPEN) : end])


def read_call(text: str) -> ToolCall | None:
    """The call that is all of the text; None where it is none."""
    try:
        body = strict_json.loads(text)
        if len(body) > 2 or not set(body) <= {"name", "arguments", "parameters"}:
            return None
        name, arguments = body.get("name"), body.get("arguments", body.get("parameters"))
        if isinstance(arguments, str) and arguments:
            arguments = strict_json.loads(arguments)
    except ValueError:
        return None
    if arguments is None or arguments == "":
        arguments = {}
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return None
    return ToolCall(name, arguments)


def forced_start(name: str | None) -> str:
    if name is None:
        return f'{OPEN}\n{{"name": "'
    return f'{OPEN}\n{{"name": {strict_json.dumps(name)}, "arguments":'


def grammar(tools: Sequence[Tool], required: bool) -> str:
    values: dict[bytes, str] = {}
    lines = []
    for i, tool in enumerate(tools):
        head = f'{strict_json.dumps(tool.name)[1:]}, "arguments": '
        lines.append(f"call{i}: {rules.literal(head)} arguments{i}")
        lines += rules.arguments(f"arguments{i}", tool.parameters, values)
    calls = rules.either([f"call{i}" for i in range(len(tools))])
    start, close = rules.literal('\n{"name": "'), rules.literal("}\n")
    return "\n".join([f"call: {start} {calls} {close} end", *lines, *rules.value_rules(values)])


HERMES = Dialect(
    name="hermes",
    trigger=OPEN,
    end=CLOSE,
    stops=(),
    thinks=True,
    write_call=write_call,
    write_turn=write_turn,
    forced_start=forced_start,
    grammar=grammar,
    step=tagged(read_block, separators=("\n",)),
)
