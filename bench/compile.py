"""What it costs to hold calls to tools that were never seen: CPU milliseconds from the tools to the first mask.

    python bench/compile.py MODEL.gguf [--peer PYTHON] [--rounds 20] [--json]

Of MODEL only the vocabulary is used. PYTHON is an interpreter of an environment with xgrammar (0.2.8), which does the same
beside ours, by turns with it: its own tags for Qwen's calls, one thread, its cache on. Tools are BFCL's: sets of 8 that share none,
and 1,644 at once. `compile` is from tools to something that can be asked, `mask` is the first mask behind the call's trigger, as some
of the work is put off until then. CPU time, medians; 1,644 tools are compiled once by the peer and five times by us.

Left out: the cost of a mask later on (`bench/constrain.py`), and tools that were seen before, which both keep.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from toolfinch import dialects
from toolfinch.callers.llama_cpp_engine import LlamaCppEngine
from toolfinch.decode.grammar import Constraint
from toolfinch.evaluate.suites.bfcl import installed, read
from toolfinch.example import Example
from toolfinch.export.gguf import read_vocab
from toolfinch.tool import Tool, to_openai

FEW, MANY = 8, 1644
GOALS_MS = {FEW: 3, MANY: 400}

THEIRS = """
import json, sys, time
import xgrammar
from xgrammar import GrammarCompiler, GrammarMatcher, TokenizerInfo, VocabType, allocate_token_bitmask, get_model_structural_tag

words = json.loads(sys.stdin.readline())
info = TokenizerInfo(words["tokens"], VocabType.BYTE_LEVEL, stop_token_ids=words["stops"])
compiler = GrammarCompiler(info, max_threads=1)
print("ready", flush=True)
for line in sys.stdin:
    began = time.process_time()
    tag = get_model_structural_tag("qwen_3", tools=json.loads(line), reasoning=False)
    compiled = compiler.compile_structural_tag(tag)
    took = time.process_time() - began
    began = time.process_time()
    matcher = GrammarMatcher(compiled)
    bits = allocate_token_bitmask(1, info.vocab_size)
    assert matcher.accept_string("<tool_call>")
    matcher.fill_next_token_bitmask(bits)
    print(json.dumps([took, time.process_time() - began]), flush=True)
"""


def pool() -> list[Tool]:
    """Tools of BFCL, one a name, that calls can be held to."""
    found: dict[str, Tool] = {}
    for row in read(installed()):
        if isinstance(row, Example):
            found.update({tool.name: tool for tool in row.tools if tool.name not in found})
    return list(found.values())


def ours(engine: LlamaCppEngine, tools: Sequence[Tool], trigger: int) -> tuple[float, float]:
    dialect = dialects.get("hermes")
    began = time.process_time()
    constraint = Constraint(engine, dialect, tools, required=False)
    took = time.process_time() - began
    began = time.process_time()
    constraint.feed(trigger)
    constraint.allowed(engine.lltokenizer.vocab_size)
    return took, time.process_time() - began


class Peer:
    """xgrammar in its own process."""

    def __init__(self, python: str, model: Path, stops: frozenset[int]) -> None:
        self._process = subprocess.Popen(
            [python, "-c", THEIRS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to: IO[str] = self._process.stdin
        self._back: IO[str] = self._process.stdout
        self._ask({"tokens": read_vocab(model).tokens, "stops": sorted(stops)})

    def __call__(self, tools: Sequence[Tool]) -> tuple[float, float]:
        shaped = [to_openai(tool) for tool in tools]
        for tool in shaped:
            tool["function"]["strict"] = True  # else it holds to the name alone
        took, mask = json.loads(self._ask(shaped))
        return took, mask

    def _ask(self, what: Any) -> str:
        self._to.write(json.dumps(what) + "\n")
        self._to.flush()
        line = self._back.readline()
        if not line:
            sys.exit("the peer ended")
        return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--peer", help="an interpreter with xgrammar")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    engine = LlamaCppEngine(given.model, context=64, n_threads=1)
    (trigger,) = engine.encode("<tool_call>")
    engine.lltokenizer  # noqa: B018  (made once a model)
    tools = pool()
    sides: dict[str, Any] = {"toolfinch": lambda some: ours(engine, some, trigger)}
    if given.peer:
        sides["xgrammar"] = Peer(given.peer, given.model, engine.stop_ids)

    took: dict[str, dict[int, list[tuple[float, float]]]] = {name: {FEW: [], MANY: []} for name in sides}
    for turn in range(given.rounds + 1):
        for name, side in sides.items():
            seconds = side(tools[FEW * turn : FEW * (turn + 1)])
            if turn:  # the first makes what is made once
                took[name][FEW].append(seconds)
    for turn in range(5):
        for name, side in sides.items():
            if name == "toolfinch" or turn == 0:
                took[name][MANY].append(side(_renamed(tools[:MANY], turn)))

    out: dict[str, Any] = {}
    for size in (FEW, MANY):
        for name in sides:
            compiled, mask = (statistics.median(each) * 1e3 for each in zip(*took[name][size], strict=True))
            out[f"{name}, {size} tools"] = {"compile_ms": compiled, "mask_ms": mask}
        mine = sum(out[f"toolfinch, {size} tools"].values())
        if given.peer:
            out[f"ratio, {size} tools"] = mine / sum(out[f"xgrammar, {size} tools"].values())
        out[f"goal, {size} tools"] = f"{mine:.2f} ms, at most {GOALS_MS[size]}"
    if given.json:
        print(json.dumps(out))
        return
    for what, value in out.items():
        print(f"{what}: {value}")


def _renamed(tools: Sequence[Tool], turn: int) -> list[Tool]:
    return [msgspec.structs.replace(tool, name=f"{tool.name}_{turn}") for tool in tools]


if __name__ == "__main__":
    main()
