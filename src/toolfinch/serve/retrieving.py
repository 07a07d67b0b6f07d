"""`Retrieving`: a caller that is shown the few tools of many that may be needed.

Where a request offers more than `k`, or a catalogue stands behind the server, `retrieve.choose` picks; the caller behind is
given only those, unchanged. What a request itself offers comes first, and wins where the catalogue has a tool of the same name.
A reply says what was shown, and how likely it is that none fits.

A catalogue's tools can be called by clients that never sent them, so they must know how to run them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing

import msgspec

from toolfinch.caller import Decoding, Delta, Reply, ToolCaller, streamed
from toolfinch.message import Message
from toolfinch.retrieve.bm25 import Bm25
from toolfinch.retrieve.choose import Choice, choose
from toolfinch.retrieve.index import Index
from toolfinch.tool import Tool

_INDEXES = 32


class Retrieving:
    """Implements `StreamingCaller`; safe to share between threads."""

    def __init__(self, caller: ToolCaller, k: int, catalogue: Sequence[Tool] = ()) -> None:
        """`k`: tools that are shown at first; see `retrieve.choose`."""
        self.caller = caller
        self._k = k
        self._catalogue = tuple(catalogue)
        self.behind = frozenset(tool.name for tool in catalogue)
        self._indexes: OrderedDict[bytes, Index] = OrderedDict()
        self._lock = threading.Lock()
        if catalogue:
            self._index(())

    @property
    def name(self) -> str:
        return self.caller.name

    def offered(self, tools: Sequence[Tool]) -> tuple[Tool, ...]:
        """All that may be called: the request's tools and the catalogue's."""
        own = {tool.name for tool in tools}
        return (*tools, *(tool for tool in self._catalogue if tool.name not in own))

    def choice(self, messages: Sequence[Message], tools: Sequence[Tool], tool_choice: str) -> Choice | None:
        """What is shown of them; None where all are."""
        everything = self.offered(tools)
        if len(everything) <= self._k:
            return None
        return choose(self._index(tools), everything, messages, self._k, tool_choice)

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        """What the caller behind gives, shown the chosen tools."""
        choice = self.choice(messages, tools, decoding.tool_choice)
        shown = self.offered(tools) if choice is None else choice.tools
        with closing(streamed(self.caller, messages, shown, decoding)) as items:
            for item in items:
                if choice is not None and isinstance(item, Reply):
                    names = tuple(tool.name for tool in choice.tools)
                    item = msgspec.structs.replace(item, shown=names, none_fits=choice.none_fits)
                yield item

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        """The last item of `stream`."""
        *_, last = self.stream(messages, tools, decoding)
        assert isinstance(last, Reply)
        return last

    def _index(self, tools: Sequence[Tool]) -> Index:
        """The index over a request's tools and the catalogue, made once while the same ones come again and again."""
        key = msgspec.json.encode(tools)
        with self._lock:
            if (index := self._indexes.get(key)) is None:
                index = self._indexes[key] = Bm25(self.offered(tools))
                if len(self._indexes) > _INDEXES:
                    self._indexes.popitem(last=False)
            self._indexes.move_to_end(key)
            return index
