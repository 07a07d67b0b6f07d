"""The ReAct dialect of ToolBench: a thought, a tool's name and its input, each behind a word.

    Thought: I need the weather.
    Action: get_weather
    Action Input: {"city": "Oslo"}

The thought is the content of a turn that calls. A turn that does not call is written as an action too,
`Finish` with `{"return_type": "give_answer", "final_answer": ...}`: its answer is the content, and the
thought before it is `thinking`. A `Finish` with `give_up_and_restart` is no call either: its content is the
answer if it has one, or else the thought. So no tool can be named `Finish`, and a thought is held back
until it is known which of the two it belongs to.

Read as well: the name on the next line, several pairs of action and input, a missing thought, text without
any of the words (all of it is content), and a turn that begins with `Action:`, which the trigger, a line
that begins so, does not match. The tool's answer begins with `Observation:`; the model may not
write one, so decoding stops there, and what is written after it all the same is unread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from toolfinch.dialects import rules, strict_json
from toolfinch.dialects.dialect import Dialect, Parser
from toolfinch.message import ToolCall
from toolfinch.tool import Tool

FINISH = "Finish"
_NEXT = re.compile(r"(?:\A\s*|\n[ \t]*)(Action|Observation):")
_AFTER_NAME = re.compile(r"(Action Input:)|\n[ \t]*(?:Action|Observation|Thought):")
_THOUGHT = re.compile(r"\s*Thought:[ ]?")


def write_call(call: ToolCall) -> str:
    return f"Action: {call.name}\nAction Input: {strict_json.dumps(call.arguments)}"


def write_turn(content: str, calls: str) -> str:
    if calls:
        return f"Thought: {content}\n{calls}"
    finish = ToolCall(FINISH, {"return_type": "give_answer", "final_answer": content})
    return f"Thought: \n{write_call(finish)}"


def step(parser: Parser, final: bool) -> bool:
    text = parser.pending
    head = _NEXT.search(text)
    if head is None or head[1] == "Observation":
        if final:
            _say(parser, _thought(parser, text[: head.start()] if head else text))
            if head and text[head.end() :].strip():
                parser.lose(text[head.start() :])
            parser.take(len(text))
        return False
    action = _read_action(text, head.end(), final)
    if action is None:
        return False
    end, call = action
    thought = _thought(parser, text[: head.start()])
    parser.take(end)
    if call is None:
        _say(parser, thought)
        parser.lose(text[head.start() : end])
    elif call.name != FINISH:
        _say(parser, thought)
        parser.call(call)
    elif answer := call.arguments.get("final_answer"):
        parser.think(thought)
        _say(parser, answer)
    elif call.arguments.get("return_type") == "give_up_and_restart":
        _say(parser, thought)
    else:
        parser.think(thought)
    return True


def _read_action(text: str, begin: int, final: bool) -> tuple[int, ToolCall | None] | None:
    """Where the action ends whose name begins at `begin`, and its call (None: unread); None: not whole."""
    after = _AFTER_NAME.search(text, begin)
    if after is None:
        return (len(text), None) if final else None
    if after[1]:
        state, end = strict_json.object_end(text, after.end())
        if state == "open" and not final:
            return None
        if state == "closed" and (
            call := _call(text[begin : after.start()].strip(), text[after.end() : end])
        ):
            return end, call
    # Unread, up to the next action: a line that begins with one cannot be inside of JSON.
    again = _NEXT.search(text, after.end() if after[1] else after.start())
    if again is None:
        return (len(text), None) if final else None
    return again.start(), None


def _call(name: str, arguments_text: str) -> ToolCall | None:
    try:
        arguments = strict_json.loads(arguments_text)
    except ValueError:
        return None
    if not name or "\n" in name:
        return None
    if name == FINISH and not (
        set(arguments) <= {"return_type", "final_answer"}
        and arguments.get("return_type", "give_answer") in ("give_answer", "give_up_and_restart")
        and isinstance(arguments.get("final_answer", ""), str)
    ):
        return None
    return ToolCall(name, arguments)


def _thought(parser: Parser, text: str) -> str:
    word = _THOUGHT.match(text)
    if word:
        return text[word.end() :]
    return text if parser.last == "start" else text.strip()


def _say(parser: Parser, text: str) -> None:
    parser.say(f"\n{text}" if parser.said and text else text)


def forced_start(name: str | None) -> str:
    return "Thought: \nAction:" if name is None else f"Thought: \nAction: {name}\nAction Input:"


_ANSWER = {
    "type": "object",
    "properties": {
        "return_type": {"enum": ["give_answer", "give_up_and_restart"]},
        "final_answer": {"type": "string"},
    },
    "required": ["return_type"],
}


def grammar(tools: Sequence[Tool], required: bool) -> str:
    actions = [(tool.name, tool.parameters) for tool in tools]
    if not required:
        actions.append((FINISH, _ANSWER))
    values: dict[bytes, str] = {}
    lines = []
    for i, (name, parameters) in enumerate(actions):
        head = f" {name}\nAction Input: "
        lines.append(f"call{i}: {rules.literal(head)} arguments{i}")
        lines += rules.arguments(f"arguments{i}", parameters, values)
    calls = rules.either([f"call{i}" for i in range(len(actions))])
    return "\n".join([f"call: {calls}", *lines, *rules.value_rules(values)])


REACT = Dialect(
    name="react",
    trigger="\nAction:",
    end="",
    stops=("\nObservation:",),
    thinks=False,
    write_call=write_call,
    write_turn=write_turn,
    forced_start=forced_start,
    grammar=grammar,
    step=step,
)
