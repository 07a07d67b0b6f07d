"""The floors: callers without a model. A model that is not above them has learnt nothing.

They have the shape of every other `ToolCaller`, so they run through the same evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolfinch.caller import Decoding, Reply
from toolfinch.callers.rule_filled import fill
from toolfinch.message import Message, ToolCall, assistant
from toolfinch.retrieve.terms import words
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
        self._index = _PlainBm25(())

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        if not tools:
            return Reply(assistant())
        index = self._index  # the server shares this caller between threads
        if index.tools != tuple(tools):
            index = self._index = _PlainBm25(tools)
        request = next((m.content for m in reversed(messages) if m.role == "user"), "")
        tool = index.best(request)
        return Reply(assistant("", ToolCall(tool.name, fill(tool, messages))), stop="tool_calls")


class _PlainBm25:
    """BM25 as it comes, over names and descriptions. A floor stays where it is when `retrieve.bm25` gets better."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        import bm25s  # its import takes 0.1 s

        self.tools = tuple(tools)
        documents = [words(f"{tool.name} {tool.description}") for tool in self.tools]
        self._index = None
        if any(documents):
            self._index = bm25s.BM25()
            self._index.index(documents, show_progress=False)

    def best(self, request: str) -> Tool:
        """The first of those that share most; the first of all where none shares a word."""
        asked = words(request)
        if self._index is None or not asked:
            return self.tools[0]
        return self.tools[int(self._index.get_scores(asked).argmax())]
