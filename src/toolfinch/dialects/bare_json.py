"""Calls as bare JSON: an object with a name and arguments, or a list of such objects.

    {"name": "get_weather", "parameters": {"city": "Oslo"}}

is what Llama 3.1 and 3.2 write, and what is written here, one call a line. Other families put a list, a
fence or a mark around the same objects, and these are read as well, with `arguments` or `parameters`:

    [{"name": …, "arguments": {…}}]                        xLAM; Hammer in a fence; Phi-4-mini after `functools`
    [TOOL_CALLS][{"name": …, "arguments": {…}}]            Mistral up to 7B 0.3
    [TOOL_CALLS]get_weather[ARGS]{…}                       Mistral since then, some with [CALL_ID]… between
    <|tool_call|>[…]<|/tool_call|>, <tool_call>[…]         Granite 3, Phi-4-mini
    <function_call>{…}, <|python_tag|>{…}; {…}             Granite 20B, Llama 3

Behind a mark an object is a call whatever its name. Without one it is a call only if its name is that of an
offered tool (in a list: if one of them is); any other JSON is text, and so are `[]`, which xLAM and Hammer
write where no tool fits, and the description of a tool. What names an offered tool and cannot be read (cut
off, single quotes, a repeated key, NaN, further keys) is unread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from toolfinch.dialects import rules, strict_json
from toolfinch.dialects.dialect import Dialect
from toolfinch.dialects.untagged import Found, begun, closed, unread, untagged
from toolfinch.message import ToolCall
from toolfinch.tool import Tool

MARKS = {
    "[TOOL_CALLS]": "",
    "<|python_tag|>": "",
    "<|tool_call|>": "<|/tool_call|>",
    "<|tool_call_start|>": "<|tool_call_end|>",
    "<tool_call>": "</tool_call>",
    "<function_call>": "</function_call>",
}
"""What may stand before the JSON, and what closes it."""
FENCE = "```"

_MARK = "|".join(map(re.escape, MARKS))
_LEAD = rf"(?:{FENCE}\w*\s*|functools)?"
_KEYS = "name|type|function|id|arguments|parameters"
_BEGIN = re.compile(rf"""(?:{_MARK})|{_LEAD}(?:\[\s*)?\{{\s*["'](?:{_KEYS})["']\s*:""")
# As much of the same as may be there at the end of a text.
_BEGUN = re.compile(
    rf"""{begun([*MARKS, FENCE, "functools["])}|{FENCE}\w*\s*\Z"""
    rf"""|{_LEAD}(?:\[\s*)?\{{\s*(?:["']\w{{0,10}}(?:["']\s*)?)?\Z|{_LEAD}\[\s*\Z"""
)
_OPENED = re.compile(rf"({_MARK})?\s*({_LEAD})\s*")
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*([\w.:/-]+)(?:\[CALL_ID\][\w-]+)?(?:\[ARGS\])?")
_MISTRAL_BEGUN = re.compile(r"(?:\[[A-Z_]*\]?)?\Z")
_NAMED = re.compile(r"""["'](?:name|function)["']\s*:\s*["']([^"'\n]*)["']""")


def write_call(call: ToolCall) -> str:
    return strict_json.dumps({"name": call.name, "parameters": call.arguments})


def write_turn(content: str, calls: str) -> str:
    return f"{content}\n{calls}" if content and calls else content + calls


def find(text: str, tools: Sequence[Tool], fresh: bool) -> int:
    found = _BEGIN.search(text) or _BEGUN.search(text)
    return found.start() if found else len(text)


def read(text: str, tools: Sequence[Tool], final: bool) -> Found | None:
    opened = _OPENED.match(text)
    if opened is None or not _BEGIN.match(text):
        return (len(text), ()) if final else None
    if mistral := _MISTRAL.match(text):
        return _read_mistral(text, mistral, final)
    mark, lead = opened[1] or "", opened[2]
    state, end = strict_json.object_end(text, opened.end(), "{[")
    if state == "open" and not final:
        return None
    stop = end
    if state == "broken" and (stop := text.find("\n", end)) < 0:
        if not final:
            return None
        stop = len(text)
    items = _items(text[opened.end() : end]) if state == "closed" else None
    if not mark and not _offered(items, text[:stop], tools):
        return end, ()
    if state == "broken":
        return unread(text, end, MARKS.get(mark, ""), final)
    ends = (*([FENCE] if lead.startswith(FENCE) else []), MARKS.get(mark) or ";")
    after = closed(text, end, ends, final)
    if after is None:
        return None
    calls = tuple(call for item in items or () if (call := read_call(item)))
    return after, calls if items and len(calls) == len(items) else None


def _read_mistral(text: str, named: re.Match[str], final: bool) -> Found | None:
    """A name, and its arguments alone as JSON."""
    begin = named.end()
    state, end = strict_json.object_end(text, begin)
    if state == "open" or _MISTRAL_BEGUN.match(text, begin):
        return (len(text), None) if final else None
    if state == "closed":
        items = _items(text[begin:end])
        return end, (ToolCall(named[1], items[0]),) if items else None
    line, again = text.find("\n", end), text.find("[TOOL_CALLS]", end)
    ends = [at for at in (line, again) if at >= 0]
    if not ends and not final:
        return None
    return min(ends, default=len(text)), None


def _items(text: str) -> list[Any] | None:
    """The objects that may be calls; None where the text is not strictly JSON."""
    try:
        value = strict_json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, list) else [value]


def _offered(items: list[Any] | None, text: str, tools: Sequence[Tool]) -> bool:
    """Whether it tries to call an offered tool, as far as that can be told of what is broken."""
    names = {tool.name for tool in tools}
    if items is None:
        return not names.isdisjoint(_NAMED.findall(text))
    bodies = [_body(item) for item in items if isinstance(item, dict)]
    return any(
        isinstance(name := body.get("name"), str)
        and name in names
        and "description" not in body
        and not body.keys().isdisjoint(("arguments", "parameters"))
        for body in bodies
    )


def _body(item: dict[str, Any]) -> dict[str, Any]:
    """The name and the arguments, which OpenAI's shape has under `function`, and some models call so."""
    match item.get("function"):
        case dict() as body if item.keys() <= {"type", "id", "function"}:
            return body
        case str() as name if "name" not in item:
            return {**{key: value for key, value in item.items() if key != "function"}, "name": name}
        case _:
            return item


def read_call(item: Any) -> ToolCall | None:
    """One object as a call; None where it is none. No arguments at all are read as none given."""
    if not isinstance(item, dict) or item.get("type", "function") != "function":
        return None
    body = _body(item)
    if not body.keys() <= {"name", "arguments", "parameters", "type", "id"}:
        return None
    if "arguments" in body and "parameters" in body:
        return None
    name, arguments = body.get("name"), body.get("arguments", body.get("parameters"))
    if isinstance(arguments, str) and arguments:
        try:
            arguments = strict_json.loads(arguments)
        except ValueError:
            return None
    if arguments is None or arguments == "":
        arguments = {}
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return None
    return ToolCall(name, arguments)


def forced_start(name: str | None) -> str:
    return '{"name": "' if name is None else f'{{"name": {strict_json.dumps(name)}, "parameters":'


def grammar(tools: Sequence[Tool], required: bool) -> str:
    values: dict[bytes, str] = {}
    lines = []
    for i, tool in enumerate(tools):
        head = f'{strict_json.dumps(tool.name)[1:]}, "parameters": '
        lines.append(f"call{i}: {rules.literal(head)} arguments{i}")
        lines += rules.arguments(f"arguments{i}", tool.parameters, values)
    calls = rules.either([f"call{i}" for i in range(len(tools))])
    return "\n".join([f'call: {calls} "}}"', *lines, *rules.value_rules(values)])


BARE_JSON = Dialect(
    name="bare_json",
    trigger='{"name": "',
    end="",
    stops=(),
    thinks=True,
    write_call=write_call,
    write_turn=write_turn,
    forced_start=forced_start,
    grammar=grammar,
    step=untagged(find, read, separator="\n"),
)
