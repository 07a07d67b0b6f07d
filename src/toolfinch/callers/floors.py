"""The floors: callers without a model. A model that is not above them has learnt nothing.

They have the shape of every other `ToolCaller`, so they run through the same evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolfinch.caller import Decoding, Reply
from toolfinch.callers.rule_filled import fill
from toolfinch.message import Message, ToolCall, assistant
from toolfinch.retrieve.bm25 import Bm25
from toolfinch.tool import Tool


class NeverCall:
    """Never calls: right wherever no call is due, so no-tool figures mean little without call recall."""

    name = "never-call"

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        return Reply(assistant("I cannot help with that."))


class AlwaysAsk:
    """Always asks back: right wherever no call is due, and of the right kind where the user has to be asked."""

    name = "always-ask"

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        return Reply(assistant("Could you tell me more?"))


class Bm25Pick:
    """Always calls the tool that shares most words with the last user message, its arguments filled by rules.

    It never declines, says or asks a thing (but where there is no tool): a floor has one behaviour.
    """

    name = "bm25-pick"

    def __init__(self) -> None:
        self._index = Bm25(())

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        if not tools:
            return Reply(assistant())
        index = self._index  # the server shares this caller between threads
        if index.tools != tuple(tools):
            index = self._index = Bm25(tools)
        request = next((m.content for m in reversed(messages) if m.role == "user"), "")
        (tool, _), *_ = index.search(request, 1)
        return Reply(assistant("", ToolCall(tool.name, fill(tool, messages))), stop="tool_calls")
