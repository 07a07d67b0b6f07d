"""How many tokens of a call the model is asked for, on the gold calls of BFCL, with all tools of an example offered.

    python bench/steps.py MODEL.gguf [--sets live_multiple,multiple] [--dialect hermes] [--json]

Of the model only the vocabulary is used: it is told each gold call token by token, by logits that have nothing but the next
gold token in them, through the `Writer` that serves replies. Counted are the tokens of a turn from the call's trigger
to the end of the turn, and those among them that the model was asked for, with a free decision (`auto`: trigger and
end are asked for) and with a call required. A gold call that the writer leaves is `refused`: its values break the tool's own
schema. `uncanonical` are forced tokens that the tokenizer would have written otherwise.

Arguments are in the order of their schemas, as calls are taught and rendered. `as_given` is the share of gold calls whose
arguments stand in that order in BFCL's own files. Left out: speed (`warm_call.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from toolfinch import dialects
from toolfinch.caller import Decoding
from toolfinch.callers.llama_cpp_engine import LlamaCppEngine
from toolfinch.decode.engine import Engine
from toolfinch.decode.writer import Writer
from toolfinch.dialects import Dialect
from toolfinch.errors import SchemaError, ToolfinchError
from toolfinch.evaluate.suites.bfcl import installed, read
from toolfinch.example import Example, gold_message
from toolfinch.schema import violations
from toolfinch.tool import in_schema_order

SETS = "live_multiple,multiple,simple_python,live_simple,parallel,parallel_multiple"
GOAL = 0.41
SURE = np.float32(100)

Verdict = Literal["written", "refused", "uncanonical"]


class Count(msgspec.Struct):
    """Of one set."""

    calls: int = 0
    """Turns with one gold call or several."""
    written: int = 0
    """Of them; the counts of tokens are theirs."""
    tokens: int = 0
    auto: int = 0
    required: int = 0
    refused: int = 0
    unwritable: int = 0
    """The dialect cannot write the call, or no grammar can hold calls to one of the tools."""
    uncanonical: int = 0
    as_given: int = 0


def told(
    engine: Engine, dialect: Dialect, example: Example, gold: Sequence[int], choice: str
) -> tuple[int, Verdict]:
    """How many tokens the writer asked for, and whether it wrote `gold`."""
    prompt = engine.encode("\n")
    writer = Writer(
        engine, dialect, prompt, example.tools, Decoding(max_tokens=len(gold), tool_choice=choice)
    )
    logits = np.zeros(engine.lltokenizer.vocab_size, np.float32)
    writer.begin()
    forced, written, asked = list(writer.wanted[len(prompt) :]), 0, 0
    while True:
        theirs = gold[written : written + len(forced)]
        if forced != list(theirs):
            rest = engine.decode(gold[written:])
            return asked, "uncanonical" if rest.startswith(engine.decode(forced)) else "refused"
        written += len(forced)
        if writer.done:
            return asked, "written"
        token = gold[written]
        logits[token] = SURE
        writer.advance(logits)
        logits[token] = 0
        asked += 1
        if writer.wanted[0] != token:
            return asked, "refused"
        forced = list(writer.wanted[1:])
        written += 1


def count(engine: Engine, dialect: Dialect, example: Example, into: Count) -> None:
    turn = gold_message(example)
    schemas = {tool.name: tool.parameters for tool in example.tools}
    into.calls += 1
    into.as_given += all(
        json.dumps(call.arguments) == json.dumps(in_schema_order(call.arguments, schemas[call.name]))
        for call in turn.calls
    )
    end = max(engine.stop_ids & set(engine.encode(engine.eos_token)))
    try:
        gold = [*engine.encode(dialect.render_turn(turn, example.tools)), end]
        asked, verdict = told(engine, dialect, example, gold, "auto")
        required, again = told(engine, dialect, example, gold, "required")
    except SchemaError:
        into.unwritable += 1
        return
    except ToolfinchError as error:
        if not str(error).startswith(f"{dialect.name} cannot write"):
            raise
        into.unwritable += 1
        return
    # Text that a schema refuses may begin like text that it forces.
    tools = {tool.name: tool for tool in example.tools}
    fits = not any(violations(tools[call.name], call.arguments) for call in turn.calls)
    into.uncanonical += fits and "uncanonical" in (verdict, again)
    into.refused += verdict == "refused" or (verdict == "uncanonical" and not fits)
    if verdict == again == "written":
        into.written += 1
        into.tokens += len(gold)
        into.auto += asked
        into.required += required


def table(counts: dict[str, Count]) -> str:
    lines = [
        "| set | turns | tokens | asked, auto | asked, required | share | refused | unwritable | uncanonical | as given |"
    ]
    lines.append("|---|" + "---|" * 9)
    for name, one in counts.items():
        n = one.written
        lines.append(
            f"| {name} | {one.calls} | {one.tokens / n:.1f} | {one.auto / n:.1f} | {one.required / n:.1f} "
            f"| **{one.auto / one.tokens:.3f}** / {one.required / one.tokens:.3f} | {one.refused} | {one.unwritable} "
            f"| {one.uncanonical} | {one.as_given / one.calls:.1%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--dialect", default="hermes")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    engine = LlamaCppEngine(asked.model, context=2048, n_threads=1)
    counts = {name: Count() for name in asked.sets.split(",")}
    for row in read(installed()):
        if isinstance(row, Example) and row.scenario in counts:
            count(engine, dialects.get(asked.dialect), row, counts[row.scenario])
    if asked.json:
        print(msgspec.json.encode(counts).decode())
    else:
        print(table(counts))
    if "live_multiple" in counts:
        one = counts["live_multiple"]
        print(f"live_multiple: {one.auto / one.tokens:.3f} of one step a token; goal {GOAL}", file=sys.stderr)


if __name__ == "__main__":
    main()
