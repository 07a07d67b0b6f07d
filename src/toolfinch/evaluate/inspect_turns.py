"""Messages, tools and replies as Inspect has them, and back: what its tasks and its model provider share.

Inspect's tools know fewer keywords of JSON Schema than ours, and in an order of their own: a model of another
provider is shown types, enums, bounds of numbers and lengths, patterns, defaults, and what is required. The
exact tool goes along as an option, which providers that do not know it leave alone and ours reads. Its calls
need an id, so one without gets one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolfinch import dialects
from toolfinch import tool as tools_module
from toolfinch.caller import Reply, Stop, Usage
from toolfinch.dialects import auto
from toolfinch.errors import MissingDependency, ToolfinchError
from toolfinch.message import Message, ToolCall, assistant, system, tool, user
from toolfinch.tool import Tool

try:
    from inspect_ai._util.error import PrerequisiteError
    from inspect_ai.model import (
        ChatMessage,
        ChatMessageAssistant,
        ChatMessageSystem,
        ChatMessageTool,
        ChatMessageUser,
        ModelOutput,
    )
    from inspect_ai.tool import ToolCall as InspectCall
    from inspect_ai.tool import ToolCallError, ToolInfo, ToolParams
except ImportError as error:
    raise MissingDependency(
        "the suites as Inspect tasks need inspect-ai", hint="pip install 'toolfinch[inspect]'"
    ) from error

OPTION = "toolfinch"
"""The key of the exact tool among an Inspect tool's options."""


def in_one_line(error: ToolfinchError) -> PrerequisiteError:
    """A user's mistake as Inspect prints one: a line and no traceback."""
    said = f"{error} ({error.hint})" if error.hint else str(error)
    return PrerequisiteError(said.replace("--data FOLDER", "-T data=FOLDER").replace("[", r"\["))


def to_inspect(messages: Sequence[Message]) -> list[ChatMessage]:
    """A conversation for Inspect."""
    return list(_to_inspect(messages))


def _to_inspect(messages: Sequence[Message]) -> Iterator[ChatMessage]:
    asked: list[InspectCall] = []
    for turn, message in enumerate(messages):
        match message:
            case Message(role="system"):
                yield ChatMessageSystem(content=message.content)
            case Message(role="user"):
                yield ChatMessageUser(content=message.content)
            case Message(role="assistant"):
                asked = inspect_calls(message.calls, turn)
                yield ChatMessageAssistant(content=message.content, tool_calls=asked or None)
            case Message(result=result) if result is not None:
                # A result without an id answers the first call that has no answer yet.
                call = next((c for c in asked if c.id == result.call_id), asked[0] if asked else None)
                asked = [other for other in asked if other is not call]
                error = ToolCallError("unknown", result.content) if result.is_error else None
                yield ChatMessageTool(
                    content=result.content,
                    tool_call_id=call.id if call else result.call_id,
                    function=result.name or (call.function if call else None),
                    error=error,
                )


def inspect_calls(calls: Sequence[ToolCall], turn: int) -> list[InspectCall]:
    """The calls of one turn."""
    return [
        InspectCall(id=call.id or f"call_{turn}_{i}", function=call.name, arguments=call.arguments)
        for i, call in enumerate(calls)
    ]


def from_inspect(message: ChatMessage) -> Message:
    """One turn of Inspect's; calls that it could not parse are left out (`reply_of` has them)."""
    if isinstance(message, ChatMessageTool):
        said = message.error.message if message.error else message.text
        return tool(said, message.tool_call_id or "", message.function or "", is_error=bool(message.error))
    if isinstance(message, ChatMessageAssistant):
        return assistant(message.text, *_calls(message.tool_calls or ()))
    return system(message.text) if message.role == "system" else user(message.text)


def _calls(calls: Sequence[InspectCall]) -> list[ToolCall]:
    return [ToolCall(call.function, call.arguments, call.id) for call in calls if not call.parse_error]


def to_info(tool: Tool) -> ToolInfo:
    """A tool for Inspect: shown to the model, never run."""
    return ToolInfo(
        name=tool.name,
        description=tool.description,
        parameters=ToolParams.model_validate(_shown(tool.parameters)),
        options={OPTION: tools_module.to_record(tool)},
    )


def _shown(schema: Any) -> dict[str, Any]:
    """A schema in the keywords that Inspect knows."""
    if not isinstance(schema, Mapping):
        return {}  # `true`, which it has no form for
    out = {key: value for key, value in schema.items() if key not in ("oneOf", "const")}
    if "const" in schema:
        out["enum"] = [schema["const"]]
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        out["anyOf"] = [_shown(branch) for branch in branches]
    if "items" in schema:
        out["items"] = _shown(schema["items"])
    if "properties" in schema:
        out["properties"] = {name: _shown(part) for name, part in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), Mapping):
        out["additionalProperties"] = _shown(schema["additionalProperties"])
    return out


def from_info(info: ToolInfo) -> Tool:
    """The exact tool where it went along, or else what Inspect knows of it. Raises SchemaError."""
    if info.options and OPTION in info.options:
        return tools_module.read(info.options[OPTION])
    return tools_module.read(
        {
            "name": info.name,
            "description": info.description,
            "parameters": info.parameters.model_dump(exclude_none=True),
        }
    )


_STOPS: dict[str, Stop] = {"max_tokens": "length", "model_length": "context", "tool_calls": "tool_calls"}


def reply_of(output: ModelOutput, tools: Sequence[Tool], dialect: str = "") -> Reply:
    """What a model said, to be scored. A call whose arguments Inspect could not parse is unread.

    `dialect` reads calls that an endpoint left in its text; `auto` tries all.
    """
    message = output.message
    raw = message.tool_calls or []
    content, calls = message.text, tuple(_calls(raw))
    unread = tuple(call.parse_error for call in raw if call.parse_error)
    read_as = ""
    if dialect and tools and not raw:
        if dialect == "auto":
            parsed, read_as = auto.read(content, tools)
        else:
            parsed = auto.parse(dialects.get(dialect), content, tools)
            read_as = dialect if parsed.calls else ""
        content, calls, unread = parsed.content, parsed.calls, parsed.unread
    usage = output.usage
    return Reply(
        assistant(content, *calls),
        usage=Usage(usage.input_tokens, usage.output_tokens) if usage else Usage(),
        stop=_STOPS.get(output.stop_reason, "stop"),
        unread=unread,
        error=content if output.stop_reason == "model_length" else "",
        read_as=read_as,
    )
