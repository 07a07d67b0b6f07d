"""How well and how fast tools are found among many, and how well it is told that none fits.

    python bench/retrieve.py --suites FOLDER [--sgd FOLDER] [--part tools|none|turns|speed]

FOLDER has `seal_tools`, `stabletoolbench`, `nestful` and `when2call_300`, each as docs/suites.md says; BFCL's data comes with
`bfcl-eval`. Four parts:

- tools: all tools of a suite are one catalogue, each request is asked for its gold tools. NDCG@5 and recall at 1, 5, 10 (the
  share of a request's gold tools that are among so many), beside bm25s as it comes (its own tokenizer, over names and
  descriptions) and beside words split at humps. Suites hold tools that do the same by other names, and one of them is gold:
  no index reaches 1. ± is half of a 95 % interval over requests.
- none: the offered tools of each example, and whether none fits (it declines, or needs no tool) or one does (it calls, or asks
  for what is missing): ROC AUC of `none_fits`.
- turns: SGD's conversations among SGD's tools and those of BFCL and StableToolBench: whether the tool that is called next is
  shown, how many are, and how often a user turn leaves the tools block a prefix of the next.
- speed: an index of 10,000 tools, a search, and `choose`, beside bm25s's own `tokenize`, `index` and `retrieve`.

Left out: a dense index.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np

from toolfinch.evaluate import suite
from toolfinch.evaluate.suites import rows, seal_tools
from toolfinch.example import Example
from toolfinch.message import user
from toolfinch.retrieve import choose as choosing
from toolfinch.retrieve.bm25 import Bm25
from toolfinch.retrieve.choose import choose
from toolfinch.retrieve.terms import words
from toolfinch.tool import Tool

Asked = list[tuple[str, set[str]]]
"""Requests and the names of their gold tools."""
Search = Callable[[str, int], list[str]]


def seal(folder: Path) -> tuple[list[Tool], Asked]:
    apis = [api for _, api in rows.lines(folder / "tool.jsonl", seal_tools.Api) if " " not in api.api_name]
    tools = {api.api_name: rows.tool(seal_tools._bare(api), api.api_name) for api in apis}
    found = [
        row for name in seal_tools.FILES for _, row in rows.lines(folder / f"{name}.jsonl", seal_tools.Row)
    ]
    asked = [(row.query, {call.api for call in row.calling}) for row in found]
    return list(tools.values()), [(text, gold) for text, gold in asked if gold <= tools.keys()]


def stabletoolbench(folder: Path) -> tuple[list[Tool], Asked]:
    """An API's tool and its own name are one name."""

    def name(tool: str, api: str) -> str:
        return re.sub(r"[^\w.-]+", "_", f"{tool}.{api}")[:120]

    tools: dict[str, Tool] = {}
    asked: Asked = []
    for path in sorted(folder.glob("G*.json.gz")):
        for row in json.loads(gzip.decompress(path.read_bytes())):
            for api in row["api_list"]:
                given = api["required_parameters"] + api["optional_parameters"]
                properties = {
                    one["name"]: {"description": str(one.get("description") or "")} for one in given
                }
                key = name(api["tool_name"], api["api_name"])
                schema = {"type": "object", "properties": properties}
                tools.setdefault(key, Tool(key, api.get("api_description") or "", schema))
            asked.append((row["query"], {name(*one) for one in row["relevant APIs"]}))
    return list(tools.values()), [(text, gold & tools.keys()) for text, gold in asked if gold & tools.keys()]


def pooled(examples: Sequence[Example]) -> tuple[list[Tool], Asked]:
    """The tools of all examples, and the first requests of those that call."""
    tools = {tool.name: tool for example in examples for tool in example.tools}
    asked = [
        (example.messages[-1].content, {one.call.name for one in example.expected.calls})
        for example in examples
        if example.expected.calls and example.messages[-1].role == "user" and len(example.messages) <= 2
    ]
    return list(tools.values()), asked


def ours(tools: list[Tool]) -> Search:
    index = Bm25(tools)
    return lambda text, k: [tool.name for tool, _ in index.search(text, k)]


def split_words(tools: list[Tool]) -> Search:
    index = bm25s.BM25()
    index.index([words(f"{tool.name} {tool.description}") for tool in tools], show_progress=False)

    def search(text: str, k: int) -> list[str]:
        asked = words(text)
        order = (-index.get_scores(asked)).argsort(kind="stable")[:k] if asked else range(k)
        return [tools[i].name for i in order]

    return search


def as_it_comes(tools: list[Tool]) -> Search:
    index = bm25s.BM25()
    texts = [f"{tool.name} {tool.description}" for tool in tools]
    index.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)

    def search(text: str, k: int) -> list[str]:
        asked = bm25s.tokenize([text], show_progress=False)
        best, _ = index.retrieve(asked, k=min(k, len(tools)), show_progress=False)
        return [tools[i].name for i in best[0]]

    return search


def measured(search: Search, asked: Asked) -> str:
    found = []
    for text, gold in asked:
        hits = [name in gold for name in search(text, 10)]
        gain = sum(hit / np.log2(place + 2) for place, hit in enumerate(hits[:5]))
        most = sum(1 / np.log2(place + 2) for place in range(min(5, len(gold))))
        found.append((gain / most, *(sum(hits[:k]) / len(gold) for k in (1, 5, 10))))
    table = np.array(found)
    half = 1.96 * table[:, 0].std() / np.sqrt(len(table))
    ndcg, *recall = table.mean(axis=0)
    return f"{ndcg:.3f} ± {half:.3f} | " + " | ".join(f"{one:.3f}" for one in recall)


def tools_part(suites: Path) -> None:
    sets: dict[str, tuple[list[Tool], Asked]] = {
        "seal_tools": seal(suites / "seal_tools"),
        "stabletoolbench": stabletoolbench(suites / "stabletoolbench"),
        "bfcl": pooled(suite.load("bfcl")),
        "nestful": pooled(suite.load("nestful", suites / "nestful")),
        "built in": pooled(
            [e for name in ("scenarios_200", "unseen_tools_100", "forty") for e in suite.load(name)]
        ),
    }
    print(
        "| suite | tools | requests | index | NDCG@5 | recall@1 | @5 | @10 |\n|---|---|---|---|---|---|---|---|"
    )
    for name, (tools, asked) in sets.items():
        for label, made in (("bm25s as it comes", as_it_comes), ("split words", split_words), ("ours", ours)):
            print(
                f"| {name} | {len(tools)} | {len(asked)} | {label} | {measured(made(tools), asked)} |",
                flush=True,
            )


def auc(scores: list[float], positive: list[bool]) -> float:
    """The chance that a positive one scores above a negative one; ties count half."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    flags = np.array(positive)
    ones = int(flags.sum())
    return float((ranks[flags].sum() - ones * (ones + 1) / 2) / (ones * (len(flags) - ones)))


def none_part(suites: Path) -> None:
    loaded = {name: suite.load(name) for name in ("bfcl", *suite.BUILT_IN)}
    loaded["when2call_300"] = suite.load("when2call", suites / "when2call_300")
    live = [example for example in loaded["bfcl"] if example.scenario.startswith("live")]
    loaded["bfcl, live"] = live
    loaded["bfcl, not live"] = [e for e in loaded["bfcl"] if not e.scenario.startswith("live")]
    print("| suite | examples | none fits | AUC | 95 % |\n|---|---|---|---|---|")
    chance = np.random.default_rng(0)
    for name, examples in loaded.items():
        scores, none = [], []
        for e in examples:
            scores.append(choose(Bm25(e.tools), e.tools, e.messages, max(8, len(e.tools))).none_fits)
            none.append(e.expected.kind in ("decline", "say"))
        if 0 < sum(none) < len(none):
            draws = []
            for _ in range(200):
                drawn = chance.integers(0, len(none), len(none))
                if 0 < sum(none[i] for i in drawn) < len(drawn):
                    draws.append(auc([scores[i] for i in drawn], [none[i] for i in drawn]))
            low, high = np.quantile(draws, (0.025, 0.975))
            print(
                f"| {name} | {len(none)} | {sum(none)} | {auc(scores, none):.3f} | {low:.3f} to {high:.3f} |",
                flush=True,
            )


def turns_part(suites: Path, sgd: Path) -> None:
    examples = suite.load("sgd", sgd)
    others = [*pooled(suite.load("bfcl"))[0], *stabletoolbench(suites / "stabletoolbench")[0]]
    tools = list({tool.name: tool for tool in (*others, *pooled(examples)[0])}.values())
    index = Bm25(tools)
    conversations: dict[str, list[Example]] = {}
    for one in examples:
        conversations.setdefault(one.conversation_id, []).append(one)
    calling = [many for many in conversations.values() if any(e.expected.calls for e in many)]
    random.Random(2).shuffle(calling)
    calling = calling[:150]
    print(f"{len(tools)} tools, {len(calling)} conversations")
    print(
        "| k | counted | tool shown | tools shown | list unchanged | prefix kept |\n|---|---|---|---|---|---|"
    )
    fade, asked = choosing.FADE, choosing.ASKED
    for k in (5, 8, 16):
        for label, weights in (
            ("last turn", (0.0, 0.0)),
            ("earlier turns too", (fade, 0.0)),
            ("and what was asked", (fade, asked)),
        ):
            choosing.FADE, choosing.ASKED = weights
            shown, size, same, kept = [], [], [], []
            for many in calling:
                before: list[str] | None = None
                for e in many:
                    now = [tool.name for tool in choose(index, tools, e.messages, k).tools]
                    if e.expected.calls:
                        shown.append(e.expected.calls[0].call.name in now)
                        size.append(len(now))
                    if e.messages[-1].role == "user":
                        if before is not None:
                            same.append(now == before)
                            kept.append(now[: len(before)] == before)
                        before = now
            parts = (np.mean(shown), np.mean(same), np.mean(kept))
            print(
                f"| {k} | {label} | {parts[0]:.3f} | {np.mean(size):.1f} | {parts[1]:.3f} | {parts[2]:.3f} |",
                flush=True,
            )
    choosing.FADE, choosing.ASKED = fade, asked


def timed(run: Callable[[], Any], times: int) -> float:
    """Median milliseconds of CPU."""
    took = []
    for _ in range(times):
        began = time.process_time()
        run()
        took.append(time.process_time() - began)
    return statistics.median(took) * 1e3


def speed_part(suites: Path) -> None:
    seal_found, asked = seal(suites / "seal_tools")
    others = [*stabletoolbench(suites / "stabletoolbench")[0], *pooled(suite.load("bfcl"))[0]]
    real = [*seal_found, *others]
    tools = [Tool(f"{t.name}_{i}", t.description, t.parameters) for i, t in enumerate((real * 2)[:10_000])]
    texts = [text for text, _ in asked[:300]]
    index, theirs = Bm25(tools), as_it_comes(tools)
    print(f"{len(tools)} tools; median milliseconds of CPU | ours | bm25s as it comes")
    print(f"index | {timed(lambda: Bm25(tools), 3):.0f} | {timed(lambda: as_it_comes(tools), 3):.0f}")
    every = iter(texts * 4)
    print(f"search, k=8 | {timed(lambda: index.search(next(every), 8), 300):.2f} | ", end="")
    print(f"{timed(lambda: theirs(next(every), 8), 300):.2f}")
    print(f"choose, one turn, k=8 | {timed(lambda: choose(index, tools, [user(next(every))], 8), 100):.2f} |")
    ten = [user(text) for text in texts[:10]]
    print(f"choose, ten user turns, k=8 | {timed(lambda: choose(index, tools, ten, 8), 30):.2f} |")
    for count in (20, 128):
        print(f"index of {count} tools | {timed(lambda n=count: Bm25(real[:n]), 30):.2f} | ", end="")
        print(f"{timed(lambda n=count: as_it_comes(real[:n]), 30):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suites", type=Path, required=True)
    parser.add_argument("--sgd", type=Path)
    parser.add_argument("--part", choices=("tools", "none", "turns", "speed"))
    given = parser.parse_args()
    if given.part in (None, "tools"):
        tools_part(given.suites)
    if given.part in (None, "none"):
        none_part(given.suites)
    if given.part in (None, "turns") and given.sgd:
        turns_part(given.suites, given.sgd)
    if given.part in (None, "speed"):
        speed_part(given.suites)
