"""How fast a log is read, and what memory it takes: MB/s of CPU time and peak RSS, each in a process of its own.

    python bench/read.py [MB] [LARGER_MB]

Logs of about that size are made in a temporary folder: OpenAI chat and Anthropic rows, which are a session each,
and Claude Code lines, of which sessions lie interleaved. `conversations` streams them, keeping nothing; beside it
stands what only decoding each line costs, with the standard library and with msgspec. Left out: the disk, whose
pages are warm.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.data.readers import log

WORDS = [
    f"{a}{b}" for a in ("ka", "mo", "ri", "ste", "lu", "an") for b in ("ber", "ton", "lin", "do", "rey", "sk")
]
Row = dict[str, Any]


def words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, k=count))


def tools(chance: random.Random) -> list[Row]:
    """Eight, of about 400 bytes each."""
    return [
        {
            "name": f"tool_{i}",
            "description": words(chance, 15),
            "parameters": {
                "type": "object",
                "properties": {
                    f"p{j}": {"type": "string", "description": words(chance, 6)} for j in range(4)
                },
            },
        }
        for i in range(8)
    ]


def turns(chance: random.Random) -> Iterator[tuple[str, Row, str, str]]:
    """Four times a request, a call's arguments, its result, and an answer."""
    for _ in range(4):
        result = [{"id": i, "name": words(chance, 2), "price": chance.random()} for i in range(4)]
        arguments = {"p0": words(chance, 2), "p1": words(chance, 1)}
        yield words(chance, 20), arguments, json.dumps(result), words(chance, 25)


def openai_chat(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    messages: list[Row] = [{"role": "system", "content": words(chance, 30)}]
    for i, (asked, arguments, result, answer) in enumerate(turns(chance)):
        call = {"name": f"tool_{i}", "arguments": json.dumps(arguments)}
        messages += [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": None, "tool_calls": [{"id": f"c{i}", "function": call}]},
            {"role": "tool", "tool_call_id": f"c{i}", "content": result},
            {"role": "assistant", "content": answer},
        ]
    listed = [{"type": "function", "function": tool} for tool in offered]
    return [{"session_id": f"s{number}", "messages": messages, "tools": listed}]


def blocks(chance: random.Random) -> list[Row]:
    """Anthropic messages."""
    messages: list[Row] = []
    for i, (asked, arguments, result, answer) in enumerate(turns(chance)):
        use = {"type": "tool_use", "id": f"c{i}", "name": f"tool_{i}", "input": arguments}
        messages += [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"c{i}", "content": result}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ]
    return messages


def anthropic(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    listed = [{**tool, "input_schema": tool["parameters"]} for tool in offered]
    for tool in listed:
        del tool["parameters"]
    system = words(chance, 30)
    return [{"session_id": f"s{number}", "system": system, "messages": blocks(chance), "tools": listed}]


def claude_code(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    """Ten sessions, a line of each in turn."""
    made: list[list[Row]] = []
    for session in range(number * 10, number * 10 + 10):
        lines: list[Row] = []
        for i, message in enumerate(blocks(chance)):
            line = {"type": message["role"], "uuid": f"{session}-{i}", "sessionId": f"s{session}"}
            line |= {
                "parentUuid": f"{session}-{i - 1}" if i else None,
                "cwd": "/home/user",
                "version": "2.1.0",
            }
            lines.append({**line, "isSidechain": False, "message": {"id": f"m{session}-{i}", **message}})
        made.append(lines)
    return [line for together in zip(*made, strict=True) for line in together]


MAKERS: dict[str, Callable[[random.Random, int, list[Row]], list[Row]]] = {
    "openai_chat": openai_chat,
    "anthropic": anthropic,
    "claude_code": claude_code,
}


def write(path: Path, format: str, megabytes: int) -> None:
    chance = random.Random(7)
    offered = tools(chance)
    number = size = 0
    with path.open("wb") as file:
        while size < megabytes * 1_000_000:
            size += sum(
                file.write(msgspec.json.encode(row) + b"\n")
                for row in MAKERS[format](chance, number, offered)
            )
            number += 1


def stdlib(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if json.loads(line))


def decode(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if msgspec.json.decode(line))


def stream(path: Path) -> int:
    return sum(1 for _ in log.conversations(path))


WAYS: dict[str, Callable[[Path], int]] = {"json.loads": stdlib, "msgspec": decode, "conversations": stream}


def measure(way: str, path: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    began = time.process_time()
    count = WAYS[way](Path(path))
    took = time.process_time() - began
    megabytes = Path(path).stat().st_size / 1_000_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(
        f"  {way:<14} {megabytes / took:6.0f} MB/s   peak {peak:4.0f} MB, {before:3.0f} before   {count:,} found"
    )


def main(*sizes: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for format in MAKERS:
            for size in sizes or ("100",):
                path = Path(folder) / "log.jsonl"
                write(path, format, int(size))
                print(f"{format}, {path.stat().st_size / 1_000_000:,.0f} MB", flush=True)
                for way in WAYS:
                    subprocess.run([sys.executable, __file__, "--measure", way, str(path)], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
