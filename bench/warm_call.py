"""How long a tool call takes whose tools were read before, beside llama-cpp-python; the first token; calls made together.

    python bench/warm_call.py MODEL.gguf [--parts call,first,together] [--examples 8] [--rounds 3] [--threads N] [--json]

MODEL is one of `bench/shapes.py`'s. What is written is BFCL's gold (`bench/steered.py`), so both sides write the same call, under
the tools' own schemas, as if the weights knew it.

- `call`: the same GGUF, threads and request with llama-cpp-python's `create_chat_completion`, held to a JSON schema of
  `{"name", "arguments"}` over the same tools, greedy. By turns, once with a new request to tools that were read (`tools
  known`) and once with the same request again (`prompt known`). A call whose text the peer's grammar refuses is left out.
- `first`: from the request to the first token with 20 tools: never read (cold), read before for another request (second), and
  read from disk by a new engine (restarted).
- `together`: eight requests with the same tools and other words, one after the other and at the same time.

Times are wall clock, medians over the rounds; a ratio is of their sums. With one thread the ratio of CPU time says the same on a
busy machine (with several it counts threads that wait). Left out: loading, and accuracy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from steered import Steered, steer
from steps import told
from toolfinch import dialects
from toolfinch.artifact import DIALECT_KEY
from toolfinch.caller import Decoding, Reply
from toolfinch.callers.local import LocalCaller
from toolfinch.decode.engine import END_OF_TURN, cores
from toolfinch.decode.prefix_store import Store
from toolfinch.evaluate.suites.bfcl import installed, read
from toolfinch.example import Example, gold_message
from toolfinch.message import Message, to_openai
from toolfinch.tool import Tool, in_schema_order
from toolfinch.tool import to_openai as tool_to_openai

CONTEXT = 8192
SLOTS = 10
TOGETHER = 8
GOALS = {"call": 0.5, "first": 0.1, "together": 2.0}


def caller_of(model: Path, threads: int, store: Store | None = None, cells: int = 0) -> LocalCaller:
    engine = Steered(model, context=CONTEXT, n_threads=threads, slots=SLOTS, cells=cells)
    dialect = dialects.get(engine.metadata[DIALECT_KEY])
    return LocalCaller(engine, dialect, engine.chat_template, model.stem, live=TOGETHER, store=store)


def asked(example: Example, number: int) -> tuple[Message, ...]:
    """The example's messages with other last words for each number from 0 to 9, and as many tokens for all."""
    *before, last = example.messages
    return (*before, msgspec.structs.replace(last, content=f"({number}) {last.content}"))


def want(caller: LocalCaller, example: Example, numbers: Sequence[int]) -> int:
    """Have the model write the gold call to these requests; how many tokens it has."""
    engine = caller.engine
    assert isinstance(engine, Steered)
    end = next(token for text in END_OF_TURN for token in engine.encode(text) if token in engine.stop_ids)
    gold = [*engine.encode(caller.dialect.render_turn(gold_message(example), example.tools)), end]
    prompts = [caller.prompt(asked(example, number), example.tools) for number in numbers]
    engine.wanted = {tuple(engine.encode(prompt)): gold for prompt in prompts}
    return len(gold)


def examples(caller: LocalCaller, count: int) -> list[Example]:
    """Of live_multiple, evenly over it: one call, and a prompt of at most 600 tokens."""
    rows = [row for row in read(installed()) if isinstance(row, Example) and row.scenario == "live_multiple"]
    step = len(rows) // count
    out = []
    for at in range(count):
        for example in rows[at * step : (at + 1) * step]:
            prompt = caller.engine.encode(caller.prompt(example.messages, example.tools))
            reply = example.expected.calls
            if len(prompt) <= 600 and len(reply) == 1 and _fits(caller, example):
                out.append(example)
                break
    return out


def _fits(caller: LocalCaller, example: Example) -> bool:
    engine, dialect = caller.engine, caller.dialect
    gold = engine.encode(dialect.render_turn(gold_message(example), example.tools))
    return told(engine, dialect, example, gold, "auto")[1] == "written"


class Peer:
    """llama-cpp-python's chat completion."""

    def __init__(self, model: Path, threads: int) -> None:
        import llama_cpp

        self.llama = llama_cpp.Llama(
            str(model), n_ctx=CONTEXT, n_threads=threads, n_threads_batch=threads, verbose=False
        )

    def prepare(self, example: Example) -> int:
        """Read the tools; how many tokens the gold call has."""
        (call,) = gold_message(example).calls
        schemas = {tool.name: tool.parameters for tool in example.tools}
        arguments = _required_first(call.arguments, schemas[call.name])
        text = json.dumps({"name": call.name, "arguments": arguments}, ensure_ascii=False)
        self.text = text
        gold = [*self.llama.tokenize(text.encode(), add_bos=False), self.llama.token_eos()]
        first = self._complete(example, 0, 1)
        steer(self.llama, first["usage"]["prompt_tokens"], gold)
        self.prompt_tokens = first["usage"]["prompt_tokens"]
        return len(gold)

    def wrote(self, example: Example, number: int) -> str:
        reply = self._complete(example, number, 512)
        text: str = reply["choices"][0]["message"]["content"]
        return text

    def _complete(self, example: Example, number: int, max_tokens: int) -> Any:
        one_of = [
            {
                "type": "object",
                "properties": {"name": {"const": tool.name}, "arguments": tool.parameters},
                "required": ["name", "arguments"],
            }
            for tool in example.tools
        ]
        return self.llama.create_chat_completion(
            messages=[to_openai(message) for message in asked(example, number)],
            tools=[tool_to_openai(tool) for tool in example.tools],
            response_format={"type": "json_object", "schema": {"anyOf": one_of}},
            temperature=0.0,
            max_tokens=max_tokens,
        )


def calls(model: Path, count: int, rounds: int, threads: int) -> dict[str, Any]:
    """Seconds of each side by what was known, and what was written."""
    caller, peer = caller_of(model, threads), Peer(model, threads)
    took: dict[str, dict[str, float]] = {
        known: dict.fromkeys(("ours", "theirs", "ours, CPU", "theirs, CPU"), 0.0)
        for known in ("tools known", "prompt known")
    }
    tokens = {"ours": 0, "asked": 0, "theirs": 0, "prompt": 0, "their prompt": 0}
    left_out = 0
    for example in examples(caller, count):
        want(caller, example, range(rounds + 1))
        reply = caller.reply(asked(example, 0), example.tools)
        theirs = peer.prepare(example)
        spent: dict[tuple[str, str], list[float]] = {}
        written = peer.text
        for number in range(1, rounds + 1):
            for known in took:
                sides = ("ours", "theirs") if number % 2 else ("theirs", "ours")
                for side in sides:
                    began, cpu = time.perf_counter(), time.process_time()
                    if side == "ours":
                        reply = caller.reply(asked(example, number), example.tools)
                    else:
                        written = peer.wrote(example, number)
                    spent.setdefault((known, side), []).append(time.perf_counter() - began)
                    spent.setdefault((known, f"{side}, CPU"), []).append(time.process_time() - cpu)
        if json.loads(written) != json.loads(peer.text) or reply.message.calls != gold_message(example).calls:
            left_out += 1
            continue
        assert reply.signals is not None
        tokens["ours"] += reply.usage.completion_tokens
        tokens["asked"] += reply.signals.sampled
        tokens["prompt"] += reply.usage.prompt_tokens
        tokens["theirs"] += theirs
        tokens["their prompt"] += peer.prompt_tokens
        for (known, side), seconds in spent.items():
            took[known][side] += statistics.median(seconds)
    ratios = {
        f"{known}{what}": sides[f"ours{what}"] / sides[f"theirs{what}"]
        for known, sides in took.items()
        for what in ("", ", CPU")
    }
    return {"seconds": took, "tokens": tokens, "left_out": left_out, "examples": count, "ratios": ratios}


def _required_first(value: Any, schema: Any) -> Any:
    """The order of keys that the peer's grammar wants."""
    value = in_schema_order(value, schema)
    if isinstance(value, list):
        return [_required_first(one, schema.get("items", {})) for one in value]
    if not isinstance(value, dict):
        return value
    parts, required = schema.get("properties", {}), schema.get("required", ())
    keys = sorted(value, key=lambda key: key not in required)
    return {key: _required_first(value[key], parts.get(key, {})) for key in keys}


def twenty(number: int) -> tuple[Tool, ...]:
    """Twenty tools of BFCL that no other number has."""
    tools: dict[str, Tool] = {}
    for row in read(installed()):
        if isinstance(row, Example) and row.scenario == "live_multiple":
            tools.update({tool.name: tool for tool in row.tools})
    return tuple(tools.values())[20 * number : 20 * (number + 1)]


def first(model: Path, rounds: int, threads: int) -> dict[str, Any]:
    """Seconds to the first token."""
    one = Decoding(max_tokens=1)

    def ask(caller: LocalCaller, tools: Sequence[Tool], words: str) -> tuple[float, Reply]:
        began = time.perf_counter()
        reply = caller.reply([Message("user", words)], tools, one)
        return time.perf_counter() - began, reply

    cold, second, restarted, prompt = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), model.name, 8 * 1024**3)
        caller = caller_of(model, threads, store)
        caller.engine.lltokenizer  # noqa: B018  (made once a model, not once a request)
        for number in range(rounds):
            tools = twenty(number)
            seconds, reply = ask(caller, tools, "Is it going to rain in Paris tomorrow?")
            cold.append(seconds)
            prompt.append(reply.usage.prompt_tokens)
            second.append(ask(caller, tools, "Play something quiet, please, and not too long.")[0])
        del caller
        for number in range(rounds):
            caller = caller_of(model, threads, store)
            caller.engine.lltokenizer  # noqa: B018
            restarted.append(ask(caller, twenty(number), "Book me a table for four.")[0])
            del caller
    middle = statistics.median(cold)
    return {
        "cold_s": cold,
        "second_s": second,
        "restarted_s": restarted,
        "prompt_tokens": prompt,
        "ratios": {
            "second": statistics.median(second) / middle,
            "restarted": statistics.median(restarted) / middle,
        },
    }


def together(model: Path, rounds: int, threads: int) -> dict[str, Any]:
    """Seconds for eight requests, one after the other and at once."""
    caller = caller_of(model, threads, cells=SLOTS * 1500)
    example = examples(caller, 1)[0]
    length = want(caller, example, range(TOGETHER + 1))
    caller.reply(asked(example, TOGETHER), example.tools)

    def ask(number: int) -> Reply:
        return caller.reply(asked(example, number), example.tools)

    def apart() -> Iterator[Reply]:
        return map(ask, range(TOGETHER))

    took: dict[str, list[float]] = {"apart": [], "together": []}
    with ThreadPoolExecutor(TOGETHER) as pool:
        for turn in range(rounds + 1):
            for name, replies in (("apart", apart), ("together", lambda: pool.map(ask, range(TOGETHER)))):
                began = time.perf_counter()
                for reply in replies():
                    assert reply.message.calls == gold_message(example).calls, reply
                if turn:  # the first reads the requests' words
                    took[name].append(time.perf_counter() - began)
    middles = {name: statistics.median(seconds) for name, seconds in took.items()}
    return {
        "seconds": took,
        "tokens": length,
        "ratios": {"throughput": middles["apart"] / middles["together"]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--parts", default="call,first,together")
    parser.add_argument("--examples", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3, help="at most 9")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    threads = given.threads or cores()
    out: dict[str, Any] = {}
    for part in given.parts.split(","):
        if part == "call":
            out[part] = calls(given.model, given.examples, given.rounds, threads)
        elif part == "first":
            out[part] = first(given.model, given.rounds, threads)
        else:
            out[part] = together(given.model, given.rounds, threads)
        if not given.json:
            print(f"{given.model.stem}, {threads} threads, {part} (goal {GOALS[part]}):")
            for key, value in out[part].items():
                print(f"  {key}: {value}")
    if given.json:
        print(json.dumps(out))


if __name__ == "__main__":
    main()
