"""BM25 over tools: which of them share words with a request, and how well the best one fits it.

A tool's document is its name, its description, and the names and descriptions of its parameters, nested ones too, with
the values of their enums. Names weigh most; what a parameter is for weighs least, and finds what a description leaves
out ("in Oslo" finds `city`). Weights and constants were chosen on the suites of bench/retrieve.py, five quite different
sets of tools, where their neighbours do as well within a hundredth.

Left out: synonyms, which a dense index behind the same interface would find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolfinch.retrieve.terms import terms
from toolfinch.tool import Tool

NAME, DESCRIPTION, PARAMETER = 4, 3, 1
"""How often a term counts by where it stands; whole numbers, as a term is repeated."""
K1, B = 4.0, 0.75
"""A term that a document repeats goes on counting for longer than in prose, as the weights repeat it."""
ENOUGH = 3
"""Terms that a request and a tool share, of which more say no more."""


class Bm25:
    """An index over some tools: build once, search often (an `Index`)."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        import bm25s  # its import takes 0.1 s

        self.tools = tuple(tools)
        documents = [_document(tool) for tool in self.tools]
        self._index = None
        if any(documents):
            self._index = bm25s.BM25(k1=K1, b=B)
            self._index.index(documents, show_progress=False)

    def search(self, query: str, k: int) -> list[tuple[Tool, float]]:
        """The best `k` tools (or all, where there are fewer) and their scores, best first.

        A term that the query repeats counts once. Tools that share no term with it come last with a score of 0; ties
        keep the tools' order.
        """
        asked = list(dict.fromkeys(terms(query)))
        if self._index is None or not asked:
            return [(tool, 0.0) for tool in self.tools[:k]]
        scores = self._index.get_scores(asked)
        if 0 < k < len(scores) // 8:
            import numpy as np

            # Sorting ten thousand takes longer than scoring them: only what may be among the best is sorted.
            least = np.partition(scores, len(scores) - k)[len(scores) - k]
            near = np.flatnonzero(scores >= least)
            best = near[(-scores[near]).argsort(kind="stable")][:k]
        else:
            best = (-scores).argsort(kind="stable")[:k]
        return [(self.tools[i], float(scores[i])) for i in best]

    def fit(self, query: str, tool: Tool) -> float:
        """How well a tool fits a request, in [0, 1], comparable between requests and sets of tools.

        The mean of four shares: of the name's terms that the request has, of the description's (where there is one), of
        the request's terms that the tool has, and of `ENOUGH` shared terms. None of them leans on how rare a term is,
        which two or three offered tools cannot tell.
        """
        asked, named, described = set(terms(query)), set(terms(tool.name)), set(terms(tool.description))
        has = {*named, *described, *terms(" ".join(_parameters(tool.parameters)))}
        shares = [len(asked & whole) / len(whole) for whole in (named, described) if whole]
        if asked:
            shares += [len(asked & has) / len(asked), min(len(asked & has), ENOUGH) / ENOUGH]
        return sum(shares) / len(shares) if shares else 0.0


def _document(tool: Tool) -> list[str]:
    return (
        terms(tool.name) * NAME
        + terms(tool.description) * DESCRIPTION
        + terms(" ".join(_parameters(tool.parameters))) * PARAMETER
    )


def _parameters(schema: Mapping[str, Any]) -> Iterator[str]:
    """Names, descriptions and enum values of the parameters of an object's schema."""
    properties = schema.get("properties")
    for name, one in properties.items() if isinstance(properties, Mapping) else ():
        yield str(name)
        for part in (one, one.get("items")) if isinstance(one, Mapping) else ():
            if isinstance(part, Mapping):
                if isinstance(part.get("description"), str):
                    yield part["description"]
                yield from (value for value in part.get("enum") or () if isinstance(value, str))
                yield from _parameters(part)
