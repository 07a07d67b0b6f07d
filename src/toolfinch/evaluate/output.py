"""What `toolfinch eval` writes into its folder.

`report.json`, `report.md` and `report.html` are the report; `cases.jsonl` has one line for every case and
caller, which `compare` reads; `failures.jsonl` has the failing cases, to be read by a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolfinch.caller import Reply
from toolfinch.evaluate import judged, page, tables
from toolfinch.evaluate.cost import Prices
from toolfinch.evaluate.metrics import Result
from toolfinch.evaluate.page import Case
from toolfinch.evaluate.played import Outcome
from toolfinch.evaluate.report import Report, Run
from toolfinch.example import Example, Expected
from toolfinch.message import ToolCall, to_openai
from toolfinch.score import Failure


def write(report: Report, runs: Sequence[Run], out_dir: Path, prices: Prices | None = None) -> None:
    """Write every file, each whole or not at all."""
    cases = [case for run in runs for case in failing(run)]
    out_dir.mkdir(parents=True, exist_ok=True)
    files = {
        "report.json": to_json(report),
        "report.md": tables.markdown(report, prices).encode(),
        "report.html": page.render(tables.page(report, cases, prices)).encode(),
        "cases.jsonl": judged.encode(one for run in runs for one in _judged(run)),
        "failures.jsonl": b"".join(msgspec.json.encode(case) + b"\n" for case in cases),
    }
    for name, content in files.items():
        partial = out_dir / f"{name}.partial"
        partial.write_bytes(content)
        partial.replace(out_dir / name)


def to_json(report: Report) -> bytes:
    """Everything but the cases, which are in files of their own."""
    return msgspec.json.format(msgspec.json.encode(report)) + b"\n"


def failing(run: Run) -> Iterator[Case]:
    """Every case that is not right, in order."""
    for case in run.cases:
        if isinstance(case, Result) and case.failure:
            asked = case.example
            expected, got = _expected_text(asked.expected), _got_text(case.reply)
            yield _case(run, asked.id, case, case.failure, asked, expected, got)
        elif isinstance(case, Outcome) and case.failure:
            got = _got_text(case.replies[-1]) if case.replies else "no reply"
            yield _case(run, case.id, case, case.failure, case, case.expected, got)


def _case(
    run: Run,
    id: str,
    case: Result | Outcome,
    failure: Failure,
    asked: Example | Outcome,
    expected: str,
    got: str,
) -> Case:
    return Case(
        suite=run.suite,
        id=id,
        caller=run.caller,
        scenario=case.scenario,
        failure=failure.kind,
        why=failure.why,
        expected=expected,
        got=got,
        tools=tuple(tool.name for tool in asked.tools),
        messages=tuple(map(to_openai, asked.messages)),
    )


def _judged(run: Run) -> Iterator[judged.Judged]:
    for case in run.cases:
        if isinstance(case, Result):
            yield judged.of_result(run.suite, run.caller, case)
        else:
            yield judged.of_outcome(run.suite, run.caller, case)


def _expected_text(expected: Expected) -> str:
    if expected.kind != "call":
        return f"{expected.kind}: {expected.text}"
    lines = []
    for wanted in expected.calls:
        also = [f"{key} may be {_json(list(values))}" for key, values in wanted.accept.items()]
        also += [f"{key} may be left out" for key in wanted.optional]
        lines.append("; ".join([_call_text(wanted.call), *also]))
    return "\n".join(lines)


def _got_text(reply: Reply) -> str:
    if reply.stop in ("error", "context"):
        return f"error: {reply.error}"
    lines = [_call_text(call) for call in reply.message.calls]
    lines += [f"unread: {text}" for text in reply.unread]
    if reply.message.content or not lines:
        lines.append(f"says: {reply.message.content}")
    return "\n".join(lines)


def _call_text(call: ToolCall) -> str:
    return f"{call.name}({_json(call.arguments)})"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
