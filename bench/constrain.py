"""What holding calls to their tools costs: milliseconds to compile, microseconds a token, and the ratio to a free run.

    python bench/constrain.py [MODEL] [EXAMPLES]

MODEL is anything that `toolfinch eval` takes from disk, by default the packaged one. Each example that expects a
call is asked free and constrained in turn, with one thread, and CPU time is compared, so that a busy machine
changes both alike. Examples are of `scenarios_200`. Left out: what the constraint does to accuracy, which is
`toolfinch eval` with and without `--free`.
"""

from __future__ import annotations

import statistics
import sys
import time

import msgspec

from toolfinch.caller import Decoding, Reply
from toolfinch.callers.load import load
from toolfinch.callers.local import LocalCaller
from toolfinch.decode.grammar import Constraint
from toolfinch.evaluate.suite import load as suite
from toolfinch.example import Example, gold_message
from toolfinch.tool import Tool


def compile_ms(caller: LocalCaller, tools: list[Tool], repeats: int = 20) -> float:
    """Median milliseconds from tools that were never seen to a constraint."""
    took = []
    for i in range(repeats):
        unseen = [msgspec.structs.replace(tool, description=f"{tool.description} {i}") for tool in tools]
        began = time.process_time()
        Constraint(caller.engine, caller.dialect, unseen, required=False)
        took.append(time.process_time() - began)
    return statistics.median(took) * 1e3


def mask_us(caller: LocalCaller, examples: list[Example]) -> float:
    """Mean microseconds that mask and feed take for one token of a gold call."""
    took, tokens = 0.0, 0
    size = caller.engine.lltokenizer.vocab_size
    for example in examples:
        constraint = Constraint(caller.engine, caller.dialect, example.tools, required=False)
        ids = caller.engine.encode(caller.dialect.render_turn(gold_message(example), example.tools))
        began = time.process_time()
        for token in ids:
            constraint.allowed(size)
            constraint.feed(token)
        took += time.process_time() - began
        tokens += len(ids)
    return took / tokens * 1e6


def reply_s(caller: LocalCaller, example: Example, *, constrain: bool) -> tuple[float, Reply]:
    """Seconds of CPU for one reply, its prompt cached."""
    how = Decoding(constrain=constrain, max_tokens=128)
    began = time.process_time()
    reply = caller.reply(example.messages, example.tools, how)
    return time.process_time() - began, reply


def main(model: str = "fledgling", count: str = "20") -> None:
    caller = load(model, n_threads=1)
    if not isinstance(caller, LocalCaller):
        sys.exit(f"{model}: not a model on disk")
    began = time.process_time()
    vocabulary = caller.engine.lltokenizer
    print(
        f"vocabulary of {vocabulary.vocab_size}: {(time.process_time() - began) * 1e3:.0f} ms, once a model"
    )

    calling = [example for example in suite("scenarios_200") if example.expected.calls]
    most = list(max(calling, key=lambda example: len(example.tools)).tools)
    for size in (1, 10, 15):
        print(f"compile {min(size, len(most)):2} tools: {compile_ms(caller, most[:size]):.1f} ms")
    examples = calling[:: max(1, len(calling) // int(count))][: int(count)]
    print(f"mask and feed: {mask_us(caller, examples):.0f} us a token")

    spent = {True: 0.0, False: 0.0}
    same = 0
    for example in examples:
        reply_s(caller, example, constrain=True)  # the prompt into the cache, the grammar into its own
        (free, a), (held, b) = (reply_s(caller, example, constrain=c) for c in (False, True))
        if a.raw == b.raw:  # others differ in length
            same += 1
            spent[False] += free
            spent[True] += held
    ratio = spent[True] / spent[False]
    print(f"constrained / free: {ratio:.3f} ({same} of {len(examples)} replies are the same and compared)")


if __name__ == "__main__":
    main(*sys.argv[1:])
