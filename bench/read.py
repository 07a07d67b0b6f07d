"""How fast logs of every format are read, and what memory it takes: CPU time and peak RSS, each in a process of its own.

    python bench/read.py [--formats NAME,…] [MB …]

A log of about that size is made of every format in a temporary folder: conversations of four requests, calls, results
and answers, with eight tools of 400 bytes; of Claude Code, Codex, MCP and the tracers the rows of ten sessions lie
interleaved; a tracer's sessions have a request for every turn of the model, each with all that was said before.
`conversations` streams a log, keeping nothing. Beside it stands what only decoding each line costs, in the same
process and by turns with it, and the ratio of the two. Left out: the disk, whose pages are warm.
"""

from __future__ import annotations

import argparse
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
    """With what else such lines hold: the client's state, the usage, and the result once more."""

    def one(session: int) -> list[Row]:
        lines: list[Row] = []
        for i, message in enumerate(blocks(chance)):
            line: Row = {"parentUuid": f"{session}-{i - 1}" if i else None, "isSidechain": False}
            line |= {"userType": "external", "cwd": "/home/user/project", "sessionId": f"s{session}"}
            line |= {
                "version": "2.1.0",
                "gitBranch": "main",
                "type": message["role"],
                "uuid": f"{session}-{i}",
            }
            line["timestamp"] = f"2026-02-01T10:00:{i:02}.000Z"
            if message["role"] == "assistant":
                usage = {"input_tokens": 7, "cache_read_input_tokens": 18_000, "output_tokens": 120}
                head = {
                    "id": f"msg_{session}-{i}",
                    "type": "message",
                    "model": "m",
                    "stop_reason": "tool_use",
                }
                line |= {"requestId": f"req_{session}-{i}", "message": {**head, **message, "usage": usage}}
            else:
                line["message"] = message
                if isinstance(message["content"], list):
                    line["toolUseResult"] = {"stdout": message["content"][0]["content"], "stderr": ""}
            lines.append(line)
        return lines

    return together(one, number)


def responses(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    """OpenAI Responses: the whole history in one input."""
    items = items_of(chance)
    listed = [{"type": "function", **tool} for tool in offered]
    request = {"model": "m", "instructions": words(chance, 30), "input": items[:-1], "tools": listed}
    response = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_770_000_000,
        "output": items[-1:],
    }
    return [{"session_id": f"s{number}", "request": request, "response": response}]


def items_of(chance: random.Random) -> list[Row]:
    items: list[Row] = []
    for i, (asked, arguments, result, answer) in enumerate(turns(chance)):
        call = {"call_id": f"c{i}", "name": f"tool_{i}", "arguments": json.dumps(arguments)}
        items += [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": asked}]},
            {"type": "function_call", **call},
            {"type": "function_call_output", "call_id": f"c{i}", "output": result},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": answer}]},
        ]
    return items


def trace(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    """Our own server's: a request for every turn of the model."""
    (whole,) = openai_chat(chance, number, offered)
    rows: list[Row] = []
    for i, message in enumerate(whole["messages"]):
        if message["role"] == "assistant":
            sent = {"messages": whole["messages"][:i], "tools": whole["tools"], "tool_choice": "auto"}
            reply = {
                "model": "m",
                "message": message,
                "finish_reason": "stop",
                "confidence": 0.9,
                "unread": [],
            }
            row = {"toolfinch_trace": 1, "time": "2026-02-01T10:00:00Z", "session": f"s{number}"}
            rows.append({**row, "sent": sent, "reply": reply})
    return rows


def together(one: Callable[[int], list[Row]], number: int) -> list[Row]:
    """Ten sessions, a row of each in turn."""
    made = [one(session) for session in range(number * 10, number * 10 + 10)]
    return [row for rows in zip(*made, strict=True) for row in rows]


def codex(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    """One session a log would be a file; here they follow one another."""
    when = {"timestamp": "2026-02-01T10:00:00.000Z"}
    meta = {"id": f"s{number}", "instructions": words(chance, 30), "dynamic_tools": offered}
    items = [{**when, "type": "response_item", "payload": item} for item in items_of(chance)]
    return [{**when, "type": "session_meta", "payload": meta}, *items]


def mcp(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    listed = [
        {"name": tool["name"], "description": tool["description"], "inputSchema": tool["parameters"]}
        for tool in offered
    ]

    def one(session: int) -> list[Row]:
        sent: list[Row] = [
            {"id": 0, "method": "initialize", "params": {}},
            {"id": 1, "method": "tools/list"},
            {"id": 1, "result": {"tools": listed}},
        ]
        for i, (_, arguments, result, _) in enumerate(turns(chance), start=2):
            sent.append(
                {"id": i, "method": "tools/call", "params": {"name": f"tool_{i}", "arguments": arguments}}
            )
            sent.append({"id": i, "result": {"content": [{"type": "text", "text": result}]}})
        when = {"time": "2026-02-01T10:00:00Z", "session_id": f"s{session}"}
        return [{**when, "message": {"jsonrpc": "2.0", **message}} for message in sent]

    return together(one, number)


def requests(chance: random.Random) -> Iterator[tuple[list[Row], Row]]:
    """What a model was sent for each of its turns, and the turn."""
    said: list[Row] = openai_chat(chance, 0, [])[0]["messages"]
    for i, message in enumerate(said):
        if message["role"] == "assistant":
            yield said[:i], message


def otel_genai(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    definitions = json.dumps([{"type": "function", **tool} for tool in offered])

    def one(session: int) -> list[Row]:
        rows: list[Row] = []
        for i, (sent, reply) in enumerate(requests(chance)):
            attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "m",
                "gen_ai.conversation.id": f"s{session}",
                "gen_ai.input.messages": json.dumps([in_parts(message) for message in sent]),
                "gen_ai.output.messages": json.dumps([in_parts(reply)]),
                "gen_ai.tool.definitions": definitions,
            }
            rows.append({**span(session, i), "attributes": attributes})
        return rows

    return together(one, number)


def in_parts(message: Row) -> Row:
    """A message of OpenTelemetry."""
    if message["role"] == "tool":
        part = {"type": "tool_call_response", "id": message["tool_call_id"], "response": message["content"]}
        return {"role": "tool", "parts": [part]}
    parts: list[Row] = [{"type": "text", "content": message["content"]}] if message["content"] else []
    for call in message.get("tool_calls", ()):
        arguments = json.loads(call["function"]["arguments"])
        parts.append(
            {"type": "tool_call", "id": call["id"], "name": call["function"]["name"], "arguments": arguments}
        )
    return {"role": message["role"], "parts": parts}


def span(session: int, i: int) -> Row:
    return {
        "name": "chat m",
        "context": {"trace_id": f"0x{session:032x}", "span_id": f"0x{session * 100 + i:016x}"},
        "start_time": f"2026-02-01T10:00:{i:02}.000000Z",
        "end_time": f"2026-02-01T10:00:{i:02}.500000Z",
        "status": {"status_code": "UNSET"},
    }


def openinference(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    tools = {f"llm.tools.{i}.tool.json_schema": json.dumps(tool) for i, tool in enumerate(offered)}

    def one(session: int) -> list[Row]:
        rows: list[Row] = []
        for i, (sent, reply) in enumerate(requests(chance)):
            attributes = {"openinference.span.kind": "LLM", "session.id": f"s{session}", **tools}
            for kind, messages in (("input", sent), ("output", [reply])):
                for j, message in enumerate(messages):
                    attributes |= flat(f"llm.{kind}_messages.{j}.message.", message)
            rows.append({**span(session, i), "attributes": attributes})
        return rows

    return together(one, number)


def flat(place: str, message: Row) -> Row:
    """A message of OpenInference."""
    found = {f"{place}{key}": message[key] for key in ("role", "content", "tool_call_id") if message.get(key)}
    for i, call in enumerate(message.get("tool_calls", ())):
        found[f"{place}tool_calls.{i}.tool_call.id"] = call["id"]
        for key, value in call["function"].items():
            found[f"{place}tool_calls.{i}.tool_call.function.{key}"] = value
    return found


def langfuse(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    tools = [{"type": "function", "function": tool} for tool in offered]

    def one(session: int) -> list[Row]:
        rows: list[Row] = []
        for i, (sent, reply) in enumerate(requests(chance)):
            row = {"id": f"o{session}-{i}", "trace_id": f"t{session}-{i}", "session_id": f"s{session}"}
            row |= {"type": "GENERATION", "name": "chat", "start_time": f"2026-02-01 10:00:{i:02}.000000"}
            given = json.dumps({"messages": sent, "tools": tools})
            rows.append({**row, "input": given, "output": json.dumps(reply), "level": "DEFAULT"})
        return rows

    return together(one, number)


def langsmith(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    tools = [{"type": "function", "function": tool} for tool in offered]

    def one(session: int) -> list[Row]:
        rows: list[Row] = []
        for i, (sent, reply) in enumerate(requests(chance)):
            row = {"id": f"r{session}-{i}", "trace_id": f"t{session}-{i}", "run_type": "llm", "name": "chat"}
            row |= {"start_time": f"2026-02-01T10:00:{i:02}.000000"}
            extra = {"metadata": {"thread_id": f"s{session}"}, "invocation_params": {"tools": tools}}
            outputs = {"generations": [[{"message": lc(reply)}]]}
            rows.append(
                {
                    **row,
                    "inputs": {"messages": [[lc(one) for one in sent]]},
                    "outputs": outputs,
                    "extra": extra,
                }
            )
        return rows

    return together(one, number)


def lc(message: Row) -> Row:
    """A message of LangChain."""
    kinds = {
        "system": "SystemMessage",
        "user": "HumanMessage",
        "assistant": "AIMessage",
        "tool": "ToolMessage",
    }
    fields: Row = {"content": message["content"] or "", "type": message["role"]}
    if "tool_call_id" in message:
        fields["tool_call_id"] = message["tool_call_id"]
    if "tool_calls" in message:
        fields["tool_calls"] = [
            {
                "type": "tool_call",
                "id": call["id"],
                "name": call["function"]["name"],
                "args": json.loads(call["function"]["arguments"]),
            }
            for call in message["tool_calls"]
        ]
    path = ["langchain", "schema", "messages", kinds[message["role"]]]
    return {"lc": 1, "type": "constructor", "id": path, "kwargs": fields}


def sharegpt(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    said: list[Row] = []
    for i, (asked, arguments, result, answer) in enumerate(turns(chance)):
        said += [
            {"from": "human", "value": asked},
            {"from": "function_call", "value": json.dumps({"name": f"tool_{i}", "arguments": arguments})},
            {"from": "observation", "value": result},
            {"from": "gpt", "value": answer},
        ]
    return [{"conversations": said, "system": words(chance, 30), "tools": json.dumps(offered)}]


def hermes(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    listed = json.dumps([{"type": "function", "function": tool} for tool in offered])
    system = f"You are a function calling AI model. <tools> {listed} </tools> Use <tool_call> </tool_call>"
    said: list[Row] = [{"from": "system", "value": system}]
    for i, (asked, arguments, result, answer) in enumerate(turns(chance)):
        call = json.dumps({"name": f"tool_{i}", "arguments": arguments})
        returned = f'{{"name": "tool_{i}", "content": {result}}}'
        said += [
            {"from": "human", "value": asked},
            {"from": "gpt", "value": f"<tool_call>\n{call}\n</tool_call>"},
            {"from": "tool", "value": f"<tool_response>\n{returned}\n</tool_response>"},
            {"from": "gpt", "value": answer},
        ]
    return [{"id": f"s{number}", "conversations": said}]


def glaive(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    tools = "\n\n".join(json.dumps(tool, indent=4) for tool in offered[:2])
    system = (
        f"SYSTEM: You are helpful with access to the following functions. Use them if required -\n{tools}"
    )
    chat = ""
    for i, (asked, arguments, result, answer) in enumerate(turns(chance)):
        call = f"""{{"name": "tool_{i % 2}", "arguments": '{json.dumps(arguments)}'}}"""
        chat += f"USER: {asked}\n\n\nASSISTANT: <functioncall> {call} <|endoftext|>\n\n\n"
        chat += f"FUNCTION RESPONSE: {result}\n\n\nASSISTANT: {answer} <|endoftext|>\n\n\n"
    return [{"system": system, "chat": chat}]


def xlam(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    tools = [
        {
            **tool,
            "parameters": {
                name: {"type": "str, optional", "description": part["description"], "default": ""}
                for name, part in tool["parameters"]["properties"].items()
            },
        }
        for tool in chance.sample(offered, 3)
    ]
    _, arguments, _, _ = next(turns(chance))
    answers = [{"name": tool["name"], "arguments": arguments} for tool in tools[:2]]
    query = words(chance, 20)
    return [{"id": number, "query": query, "tools": json.dumps(tools), "answers": json.dumps(answers)}]


def toolbench(chance: random.Random, number: int, offered: list[Row]) -> list[Row]:
    finish = {"name": "Finish", "description": "", "parameters": {"type": "object", "properties": {}}}
    listed = [{**tool, "parameters": {**tool["parameters"], "optional": []}} for tool in [*offered, finish]]
    said = [
        {"from": "system", "value": f"{words(chance, 60)} access to the following APIs: {listed}"},
        {"from": "user", "value": f"\n{words(chance, 20)}\nBegin!\n"},
    ]
    for i, (_, arguments, result, answer) in enumerate(turns(chance)):
        act = f"Action: tool_{i}\nAction Input: {json.dumps(arguments)}"
        said.append({"from": "assistant", "value": f"\nThought: {answer}\n{act}"})
        said.append({"from": "function", "value": json.dumps({"error": "", "response": result})})
    last = json.dumps({"return_type": "give_answer", "final_answer": words(chance, 25)})
    said.append({"from": "assistant", "value": f"\nThought: \nAction: Finish\nAction Input: {last}"})
    return [{"id": f"Step 9: {words(chance, 20)}", "conversations": said}]


MAKERS: dict[str, Callable[[random.Random, int, list[Row]], list[Row]]] = {
    "openai_chat": openai_chat,
    "toolfinch_trace": trace,
    "openai_responses": responses,
    "anthropic": anthropic,
    "mcp": mcp,
    "otel_genai": otel_genai,
    "openinference": openinference,
    "langfuse": langfuse,
    "langsmith": langsmith,
    "claude_code": claude_code,
    "codex": codex,
    "sharegpt": sharegpt,
    "hermes": hermes,
    "glaive": glaive,
    "xlam": xlam,
    "toolbench": toolbench,
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


def decode(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if msgspec.json.decode(line))


def stream(path: Path, format: str) -> int:
    return sum(1 for _ in log.conversations(path, format=format))


def cpu(read: Callable[[], int]) -> tuple[float, int]:
    began = time.process_time()
    count = read()
    return time.process_time() - began, count


def measure(format: str, path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    megabytes = path.stat().st_size / 1_000_000
    times = 3 if megabytes < 500 else 1
    decoding, reading = [], []
    count = 0
    for _ in range(times):
        took, count = cpu(lambda: stream(path, format))
        reading.append(took)
        decoding.append(cpu(lambda: decode(path))[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    plain, whole = megabytes / min(decoding), megabytes / min(reading)
    print(
        f"{format:<16} {megabytes:6,.0f} MB  {whole:4.0f} MB/s  decode {plain:4.0f} MB/s  {whole / plain:5.2f}"
        f"  peak {peak:4.0f} MB ({before:2.0f} before)  {count:,} conversations",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("megabytes", type=int, nargs="*", default=[30])
    parser.add_argument("--formats", default=",".join(MAKERS))
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure[0], Path(given.measure[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for format in given.formats.split(","):
            for size in given.megabytes:
                path = Path(folder) / "log.jsonl"
                write(path, format, size)
                subprocess.run([sys.executable, __file__, "--measure", format, str(path)], check=True)


if __name__ == "__main__":
    main()
