"""Calls as Python writes them, in a list: LFM2, Llama 3.2 and 4, ToolACE, OLMo 3.

    <|tool_call_start|>[get_weather(city='Oslo', days=3), now()]<|tool_call_end|>

is what LFM2 writes, and what is written here: strings in single quotes, `True`, `False` and `None`, and lists
and objects as JSON. Read are Python's literals and JSON's anywhere, `<|python_start|>`, `<|python_tag|>` and
`<function_calls>` as marks, a list without a mark, and, without a list, a call that has a line of its own.
Nothing is ever run: the arguments are taken apart by commas and brackets, and each is read as a literal.

Behind a mark a call is one whatever its name. Without a mark the first name has to be that of an offered
tool; any other list is text. Unread are arguments without a name, expressions, repeated keys, `nan`, numbers
too large, and what is cut off. A key that is no identifier is written as `**{"a key": 1}`.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from toolfinch.dialects import rules, strict_json
from toolfinch.dialects.dialect import Dialect
from toolfinch.dialects.qwen_xml import types
from toolfinch.dialects.untagged import Found, begun, closed, unread, untagged
from toolfinch.message import ToolCall
from toolfinch.tool import Tool

OPEN = "<|tool_call_start|>"
CLOSE = "<|tool_call_end|>"
MARKS = {
    OPEN: CLOSE,
    "<|python_start|>": "<|python_end|>",
    "<|python_tag|>": "",
    "<function_calls>": "</function_calls>",
}
"""What may stand before the calls, and what closes them."""
FENCE = "```"


_MARK = "|".join(map(re.escape, MARKS))
_FENCE = rf"{FENCE}\w*\s*"
_NAME = r"[\w.:/-]+"
_OPENED = re.compile(rf"({_MARK})?\s*({_FENCE})?")
# What may be the beginning of a call at the end of a text; `line`: only at the start of one.
_BEGUN = re.compile(
    rf"{begun([*MARKS, FENCE])}|(?:{_FENCE})?\[\s*(?P<listed>{_NAME})?\Z|{_FENCE}(?P<fenced>{_NAME})?\Z"
    rf"|(?P<line>^[ \t]*)(?P<alone>{_NAME})\Z",
    re.MULTILINE,
)
_CALL = re.compile(rf"\s*({_NAME})\((.*)\)\s*", re.DOTALL)
_ARGUMENT = re.compile(r"\s*([\w.-]+)\s*=(?!=)(.*)", re.DOTALL)
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
# No possessive repeat of a group that may backtrack: Python before 3.11.5 matches it wrongly (gh-106052).
_LEXEME = re.compile(
    r"""(?P<plain>[^\]\[(){}'"\#\\,;\n]++)"""
    r"""|(?P<string>\'{3}(?:[^'\\]|\\.|'(?!''))*\'{3}|"{3}(?:[^"\\]|\\.|"(?!""))*"{3}"""
    r"""|'(?!'')(?:[^'\\]++|\\.)*+'|"(?!"")(?:[^"\\]++|\\.)*+")"""
    r"""|(?P<open>[\[({])|(?P<close>[\])}])|(?P<between>[,;\n])""",
    re.DOTALL,
)
_CLOSES = {"[": "]", "(": ")", "{": "}"}
_RAW_LINE = re.compile(r"\\.|\n|\r", re.DOTALL)
_WORDS = {"true": True, "false": False, "null": None}


def write_call(call: ToolCall) -> str:
    return f"{OPEN}[{call.name}({', '.join(_write(k, v) for k, v in call.arguments.items())})]{CLOSE}"


def _write(key: str, value: Any) -> str:
    if _IDENTIFIER.fullmatch(key):
        return f"{key}={write_value(value)}"
    return f"**{strict_json.dumps({key: value})}"


def write_value(value: Any) -> str:
    """As LFM2's template does: JSON inside of lists and objects, Python outside."""
    written = strict_json.dumps(value)
    if isinstance(value, bool) or value is None:
        return str(value)
    if not isinstance(value, str):
        return written
    for character, escape in _ESCAPES.items():
        value = value.replace(character, escape)
    return f"'{value}'"


_ESCAPES = {"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\0": r"\x00"}


def write_turn(content: str, calls: str) -> str:
    if calls and content.endswith("\n"):
        content += "\n"  # one of them is read as what keeps a call off the text
    # A value holds no line break, so this one stands between two calls.
    return content + calls.replace(f")]{CLOSE}\n{OPEN}[", "), ")


def find(text: str, tools: Sequence[Tool], fresh: bool) -> int:
    names = tuple(tool.name for tool in tools)
    for pattern in (_begin(names), _BEGUN):
        for found in pattern.finditer(text):
            part = found.groupdict()
            name = part.get("listed") or part.get("fenced") or part.get("alone") or ""
            if part["line"] is not None and found.start() == 0 and not fresh:
                continue
            if any(known.startswith(name) for known in names) or not name:
                return found.start()
    return len(text)


@lru_cache(maxsize=256)
def _begin(names: tuple[str, ...]) -> re.Pattern[str]:
    """What begins a call: a mark, or the name of an offered tool in a list, behind a fence, or in a new line."""
    name = rf"(?:{'|'.join(map(re.escape, names))})\(" if names else r"(?!)"
    return re.compile(
        rf"(?:{_MARK})|(?:{_FENCE})?\[\s*{name}|{_FENCE}{name}|(?P<line>^[ \t]*){name}", re.MULTILINE
    )


def read(text: str, tools: Sequence[Tool], final: bool) -> Found | None:
    opened = _OPENED.match(text)
    if opened is None or not _begin(tuple(tool.name for tool in tools)).match(text):
        return (len(text), ()) if final else None
    mark, fence, at = opened[1] or "", opened[2], opened.end()
    at += len(text[at:]) - len(text[at:].lstrip())
    ends = [end for end in (FENCE if fence else "", MARKS.get(mark, "")) if end]
    if text[at : at + 1] != "[" and (mark or fence):
        return _read_lines(text, at, ends, final)
    state, end = _follow(text, text.find("[" if text[at] == "[" else "(", at))
    if state == "open":
        return (len(text), None) if final else None
    if state == "broken":
        return unread(text, end, ends[-1] if ends else "", final)
    if text[at] == "[":
        after = closed(text, end, ends, final)
        return None if after is None else (after, read_calls(text[at + 1 : end - 1]))
    rest = text[end:].lstrip(" \t")
    if not rest and not final:
        return None
    if rest and rest[0] not in "\n\r;":
        return end, ()  # a sentence that begins with a call
    return end + rest.startswith(";") * (len(text) - end - len(rest) + 1), read_calls(text[at:end])


def _read_lines(text: str, at: int, ends: list[str], final: bool) -> Found | None:
    """Calls behind a mark or a fence that are in no list, up to what closes it."""
    stop = text.find(ends[0], at) if ends and at < len(text) else -1
    if stop >= 0:
        after = closed(text, stop, ends, final)
        return None if after is None else (after, read_calls(text[at:stop]))
    return (len(text), read_calls(text[at:])) if final else None


def read_calls(text: str) -> tuple[ToolCall, ...] | None:
    """The calls between the brackets of a list, or one a line; None where there is anything else, or nothing."""
    parts = _split(text, ",;\n")
    found = [_CALL.fullmatch(part) for part in parts or () if part.strip()]
    try:
        calls = [ToolCall(one[1], _arguments(one[2])) for one in found if one]
    except ValueError:
        return None
    return tuple(calls) if calls and len(calls) == len(found) else None


def _arguments(text: str) -> dict[str, Any]:
    """Raises ValueError for anything but literals by name, each once."""
    parts = _split(text, ",")
    if parts is None:
        raise ValueError("brackets that do not fit")
    if not parts[-1].strip():
        parts.pop()  # nothing at all, or a comma at the end
    arguments: dict[str, Any] = {}
    for part in parts:
        named = _ARGUMENT.fullmatch(part)
        if named:
            given = {named[1]: read_value(named[2])}
        elif part.strip().startswith("**"):
            given = read_value(part.strip()[2:])
        else:
            raise ValueError("an argument without a name")
        if not isinstance(given, dict) or not arguments.keys().isdisjoint(given):
            raise ValueError("an argument that is given twice")
        arguments.update(given)
    return arguments


def _follow(text: str, at: int) -> tuple[str, int]:
    """Follow the bracket at `at`: closed and where it ends, still open, or broken and where."""
    stack: list[str] = []
    while at < len(text):
        found = _LEXEME.match(text, at)
        if found is None:
            return ("open", len(text)) if text[at] in "'\"" else ("broken", at)
        if found["open"]:
            stack.append(_CLOSES[found[0]])
        elif found["close"]:
            if stack.pop() != found[0]:
                return "broken", at
            if not stack:
                return "closed", found.end()
        at = found.end()
    return "open", at


def _split(text: str, between: str) -> list[str] | None:
    """The parts between separators that stand in no bracket and no string; None where brackets do not fit."""
    parts, depth, begin, at = [], 0, 0, 0
    while at < len(text):
        found = _LEXEME.match(text, at)
        if found is None:
            return None
        depth += bool(found["open"]) - bool(found["close"])
        if depth < 0:
            return None
        if found["between"] and not depth and found[0] in between:
            parts.append(text[begin:at])
            begin = found.end()
        at = found.end()
    return None if depth else [*parts, text[begin:]]


def read_value(text: str) -> Any:
    """A literal of JSON or of Python. Raises ValueError for anything else, and for what JSON cannot hold."""
    text = text.strip()
    try:
        return strict_json.loads(text)
    except ValueError:
        pass
    if text[:1] in ("'", '"'):  # LFM2.5 writes line breaks in a string as they are
        lines = {"\n": r"\n", "\r": r"\r"}
        text = _RAW_LINE.sub(lambda found: lines.get(found[0], found[0]), text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # '\d' is no escape and stays as it is
            value = _plain(ast.parse(text, mode="eval").body)
        strict_json.dumps(value).encode()
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("no literal") from error
    return value


def _plain(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.Name(id=word) if word in _WORDS:
            return _WORDS[word]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if (
            not isinstance(number, bool)
        ):
            return -number
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_plain(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            names = [_plain(key) if key else None for key in keys]
            if len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
                raise ValueError("keys that JSON does not have")
            return dict(zip(names, map(_plain, values), strict=True))
        case _:
            raise ValueError("no literal")


def forced_start(name: str | None) -> str:
    return f"{OPEN}[" if name is None else f"{OPEN}[{name}("


def grammar(tools: Sequence[Tool], required: bool) -> str:
    """Strings that are arguments themselves are not held to a pattern or a format.

    Nor to what only a branch of the whole schema says (`allOf` beside the properties); keys that the schema
    does not name come last.
    """
    lines = [
        'call: "[" one (", " one)* "]" end',
        f"one: {rules.either([f'call{i}' for i in range(len(tools))])}",
    ]
    values: dict[bytes, str] = {}
    for i, tool in enumerate(tools):
        lines.append(f'call{i}: {rules.literal(tool.name + "(")} arguments{i} ")"')
        lines += _rules(f"arguments{i}", rules.held(tool.parameters), values)
    return "\n".join([*lines, *rules.value_rules(values)])


def _rules(rule: str, schema: Mapping[str, Any], values: dict[bytes, str]) -> list[str]:
    properties = {key: part for key, part in schema["properties"].items() if part is not False}
    required = [key for key in schema.get("required", ()) if key in properties]
    others = True if "patternProperties" in schema else schema.get("additionalProperties", True)
    items = {key: _item(key, part, values) for key, part in properties.items()}
    named, lines = rules.keys(rule, items, required) if items else ("", [])
    ways = [named] if items else []
    if others is not False:
        more = f'(", " {rule}_other)*'
        ways = [f"{way} {more}" for way in (*ways, *([] if required else [f"{rule}_other"]))]
        but = f" & ~{rules.either([rules.literal(key) for key in properties])}" if properties else ""
        whole = rules.shared({"type": "object"}, values)
        lines += [
            f'{rule}_other: {rule.upper()}_KEY "=" {_value(others, values)} | "**" {whole}',
            rf"{rule.upper()}_KEY: /[^\W\d]\w*/{but}",
        ]
    return [f"{rule}: {' | '.join([*ways, *([] if required else [rules.literal('')])])}", *lines]


def _item(key: str, schema: Any, values: dict[bytes, str]) -> str:
    if _IDENTIFIER.fullmatch(key):
        return f"{rules.literal(key + '=')} {_value(schema, values)}"
    return f'{rules.literal("**{" + strict_json.dumps(key) + ": ")} {rules.shared(schema, values)} "}}"'


def _value(schema: Any, values: dict[bytes, str]) -> str:
    allowed = types(schema)
    part: Mapping[str, Any] = schema if isinstance(schema, Mapping) else {}
    branches = part.get("anyOf") or part.get("oneOf")
    if branches and not {"enum", "const", "type"} & set(part):
        return rules.either([_value(branch, values) for branch in branches])
    if "enum" in part or "const" in part:
        listed = part.get("enum", [part.get("const")])
        return rules.either([rules.literal(write_value(value)) for value in listed])
    options = [rules.literal(str(word)) for word in (True, False) if "boolean" in allowed]
    if "null" in allowed:
        options.append('"None"')
    if "string" in allowed:
        least, most = part.get("minLength", 0), part.get("maxLength", "")
        times = f"{{{least},{most}}}" if least or most != "" else "*"
        options.append(rf"/'([^'\\\n\r\x00]|\\['\\nr]|\\x00){times}'/")
    rest = sorted(allowed & {"integer", "number", "array", "object"})
    if rest:
        options.append(rules.shared({**part, "type": rest}, values))
    return rules.either(options)


PYTHONIC = Dialect(
    name="pythonic",
    trigger=OPEN,
    end=CLOSE,
    stops=(),
    thinks=True,
    write_call=write_call,
    write_turn=write_turn,
    forced_start=forced_start,
    grammar=grammar,
    step=untagged(find, read, separator="\n"),
)
