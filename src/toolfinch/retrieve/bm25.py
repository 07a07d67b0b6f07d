"""BM25 over the names and descriptions of tools: which of them share words with a request.

Names are split at underscores and humps, so that `getUserById` is found by "user". There is no stemming, and
scripts that do not part their words with spaces (Chinese, Thai) are matched by whole runs only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from toolfinch.tool import Tool

_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words(text: str) -> list[str]:
    """Lower-case words; `getHTTPStatus_v2` is `get`, `http`, `status`, `v2`."""
    return [word.lower() for run in _WORD.findall(text) for word in _HUMP.split(run)]


class Bm25:
    """An index over some tools: build once, search often. Five tools take 0.1 ms, ten thousand about 1 s."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        import bm25s  # its import takes 0.1 s

        self.tools = tuple(tools)
        documents = [words(f"{tool.name} {tool.description}") for tool in self.tools]
        self._index = None
        if any(documents):
            self._index = bm25s.BM25()
            self._index.index(documents, show_progress=False)

    def search(self, query: str, k: int) -> list[tuple[Tool, float]]:
        """The best `k` tools (or all, where there are fewer) and their scores, best first.

        Tools that share no word with the query come last with a score of 0; ties keep the tools' order.
        """
        asked = words(query)
        if self._index is None or not asked:
            return [(tool, 0.0) for tool in self.tools[:k]]
        scores = self._index.get_scores(asked)
        best = (-scores).argsort(kind="stable")[:k]
        return [(self.tools[i], float(scores[i])) for i in best]
