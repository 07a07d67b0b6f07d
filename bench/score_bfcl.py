"""What scoring BFCL's single-turn answers costs, and the ratio to BFCL's own checker in the same run.

    python bench/score_bfcl.py [FOLDER]

Needs `bfcl-eval`; FOLDER is its data where it is not the installed one. Timed, in CPU time: the gold answer of
every example, first with cold caches (the tools' schemas are compiled) and then warm; and the same with every
second answer wrong, since ours also says what kind of failure it is and BFCL's does not. Left out: reading the
suite, and whether the two agree, which is tests/test_bfcl.py.
"""

from __future__ import annotations

import collections
import importlib
import json
import statistics
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.caller import Reply
from toolfinch.evaluate import suite
from toolfinch.evaluate.suites import bfcl
from toolfinch.example import Example, gold_message
from toolfinch.message import Message, ToolCall, assistant
from toolfinch.score import score

Answers = Sequence[tuple[Example, Message]]


def main(folder: str = "") -> None:
    data = Path(folder) if folder else bfcl.installed()
    began = time.process_time()
    examples = suite.open("bfcl", data).examples
    print(f"read {len(examples)} examples: {time.process_time() - began:.2f} s")
    checker = bfcls_own(data)
    gold = [(example, gold_message(example)) for example in examples]
    half = [(e, message if i % 2 else spoiled(message)) for i, (e, message) in enumerate(gold)]
    print(f"gold, cold: {seconds(ours, gold):.3f} s")
    for name, answers in (("gold", gold), ("every second one wrong", half)):
        took = [(seconds(ours, answers), seconds(checker, answers)) for _ in range(5)]
        mine, theirs = (statistics.median(one) for one in zip(*took, strict=True))
        print(f"{name}: {mine:.3f} s, BFCL's checker {theirs:.3f} s, ratio {mine / theirs:.1f}")


def seconds(check: Callable[[Example, Message], Any], answers: Answers) -> float:
    """CPU seconds for all answers."""
    began = time.process_time()
    for example, message in answers:
        check(example, message)
    return time.process_time() - began


def ours(example: Example, message: Message) -> bool:
    return score(example, Reply(message)).exact


def spoiled(message: Message) -> Message:
    """With another value in the first call; words where there is no argument to change."""
    if not message.calls or not message.calls[0].arguments:
        return assistant("I have found 17 of them.")
    first, *others = message.calls
    key = next(iter(first.arguments))
    call = ToolCall(first.name, {**first.arguments, key: f"{first.arguments[key]} x"})
    return msgspec.structs.replace(message, calls=(call, *others))


def bfcls_own(data: Path) -> Callable[[Example, Message], bool]:
    """BFCL's checker of calls; where it has no list of answers, whether there is a call."""
    config: Any = types.ModuleType("model_config")  # the real one imports every vendor's client
    keeps_dots = types.SimpleNamespace(underscore_to_dot=False)
    config.MODEL_CONFIG_MAPPING = collections.defaultdict(lambda: keeps_dots)
    sys.modules["bfcl_eval.constants.model_config"] = config
    check = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker").ast_checker
    python = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON
    functions = {row["id"]: row["function"] for row in rows(data)}
    answers = {row["id"]: row["ground_truth"] for row in rows(data / "possible_answer")}

    def accepts(example: Example, message: Message) -> bool:
        id = example.conversation_id
        if id not in answers:
            return bool(message.calls) is (example.expected.kind == "call")
        calls = [{call.name: call.arguments} for call in message.calls]
        return bool(check(functions[id], calls, answers[id], python, example.scenario, "any")["valid"])

    return accepts


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    for category in bfcl.LISTED:
        for line in (folder / f"BFCL_v4_{category}.json").read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
