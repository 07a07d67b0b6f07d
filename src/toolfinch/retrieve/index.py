"""`Index`: what every index over tools can do, by words (`bm25.Bm25`) or by meaning."""

from __future__ import annotations

from typing import Protocol

from toolfinch.tool import Tool


class Index(Protocol):
    """Finds tools for a request. Searching changes nothing, so that threads may share one index."""

    def search(self, query: str, k: int) -> list[tuple[Tool, float]]:
        """At most `k` tools and their scores, best first.

        A score is 0 where nothing speaks for the tool. Scores of two searches of one index can be weighed and added;
        those of two indexes cannot be compared.
        """
        ...

    def fit(self, query: str, tool: Tool) -> float:
        """How well a tool fits a request, in [0, 1], comparable between requests and sets of tools."""
        ...
