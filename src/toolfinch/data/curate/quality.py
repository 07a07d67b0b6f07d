"""A conversation is fit to learn from: it ends properly, its calls fit their schemas, and it is not too long.

Each filter is a pure function from a conversation to why it goes ("" to keep it).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from toolfinch.data.pairs import unpaired
from toolfinch.data.stage import Filter
from toolfinch.errors import ToolfinchError
from toolfinch.example import Conversation
from toolfinch.schema import violations
from toolfinch.tool import shown


def calls_fit(conversation: Conversation) -> str:
    """Every call is of an offered tool and fits its schema. Names the first tool and path that does not.

    Turns marked `skip` are no decisions to learn and are passed over.
    """
    tools = {tool.name: tool for tool in conversation.tools}
    for index, message in enumerate(conversation.messages):
        if message.calls and (index not in conversation.marks or not conversation.marks[index].skip):
            for call in message.calls:
                if call.name not in tools:
                    return f"calls {shown(call.name)!r}, which is not offered"
                if found := violations(tools[call.name], call.arguments):
                    return f"call of {call.name!r}: {found[0]}"
    return ""


def ends_properly(conversation: Conversation) -> str:
    """The last message is an assistant turn, and every call before it has its result.

    A call in that last turn needs none: the decision to make it is there to learn.
    """
    if not any(message.role == "assistant" for message in conversation.messages):
        return "no assistant turn"
    last = len(conversation.messages) - 1
    role = conversation.messages[last].role
    if role != "assistant":
        return f"ends with a {role} message"
    pairs = unpaired(conversation.messages)
    if pairs.orphans:
        return "a tool result without a call"
    if any(index != last for index in pairs.unanswered):
        return "a call without a result"
    return ""


def at_most(tokens: int, count: Callable[[Conversation], int]) -> Filter:
    """No longer than this many tokens as `count`, the target tokenizer's, has it.

    What the target's dialect or template refuses to write is dropped for the reason that it gives.
    """

    def too_long(conversation: Conversation) -> str:
        try:
            return f"longer than {tokens} tokens" if count(conversation) > tokens else ""
        except ToolfinchError as error:
            return str(error)

    return too_long


def trim(conversation: Conversation) -> Conversation:
    """Without what follows its last assistant turn: nothing there is a decision.

    A log is often cut after the user's last thanks or before the last answer.
    """
    end = len(conversation.messages)
    while end and conversation.messages[end - 1].role != "assistant":
        end -= 1
    if end in (0, len(conversation.messages)):
        return conversation
    return msgspec.structs.replace(conversation, messages=conversation.messages[:end])
