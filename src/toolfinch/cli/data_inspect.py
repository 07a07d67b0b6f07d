"""Show what is in logs, before anything is spent: sessions, tools, results, repetitions, lengths, personal data.

Example: toolfinch data inspect examples/assistant/log.jsonl --tools examples/assistant/tools.json
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from toolfinch.data.inspect import Inspection

SHOWN = 8
"""Tools and reasons in a line; `--json` has all."""


def run(
    logs: Annotated[list[Path], typer.Argument(help="JSONL, gz or not, or a JSON list")],
    tools: Annotated[Path | None, typer.Option(help="the tools, where the log's rows bring none")] = None,
    format: Annotated[str, typer.Option(help="of the logs; without it, told by their first rows")] = "",
    json: Annotated[bool, typer.Option("--json", help="print everything as a JSON list")] = False,
) -> None:
    import msgspec
    from rich.console import Console

    from toolfinch.data.inspect import inspect
    from toolfinch.data.readers.tools import read_tools

    offered = read_tools(tools) if tools else ()
    found = []
    for path in dict.fromkeys(logs):
        with Console(stderr=True).status(f"reading {path.name}"):
            found.append(inspect(path, offered, format=format))
        if not json:
            print(f"{path}: {found[-1].format}")
            lines = as_lines(found[-1])
            width = max(len(name) for name, _ in lines)
            print("\n".join(f"  {name:<{width}}  {text}" for name, text in lines), end="\n\n", flush=True)
    if json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())


def as_lines(found: Inspection) -> list[tuple[str, str]]:
    """What there is to say, each line with its heading."""
    results, tokens = found.results, found.tokens
    counted = "all" if tokens.counted == found.sessions else f"{tokens.counted} drawn, and the longest"
    refused = f"; {tokens.refused} refused by its template" if tokens.refused else ""
    missing = sum(found.without_schema.values())
    return [
        ("rows", f"{found.rows:,}, {found.sessions:,} sessions"),
        ("messages", ", ".join(f"{role} {n:,}" for role, n in found.roles.items())),
        ("decisions", f"{found.turns:,} assistant turns, {found.calls:,} calls"),
        ("tools", f"{len(found.offered):,} offered, {len(found.used):,} used"),
        ("  used", _counted(found.used) or "none"),
        ("  never used", _listed(found.never_used) or "none"),
        (
            "  without schema",
            f"{missing:,} calls: {_counted(found.without_schema)}" if found.without_schema else "none",
        ),
        ("  repaired", _listed(list(found.repaired)) or "none"),
        ("results", f"{results.all:,}, {found.orphan_results:,} of them to no call"),
        ("  failed", f"{_share(results.failed, results.all)}, {results.marked:,} of them marked in the log"),
        ("  empty", _share(results.empty, results.all)),
        ("repeated", f"{found.copies:,} rows are copies, {found.prefixes:,} are begun by a longer one"),
        ("  same words", f"{found.same_words:,} sessions, under another id"),
        (
            "tokens",
            f"p50 {tokens.p50:,}, p95 {tokens.p95:,}, max {tokens.max:,} ({tokens.tokenizer}; {counted}{refused})",
        ),
        ("skipped", f"{sum(found.skipped.values()):,} rows" if found.skipped else "none"),
        *((f"  {n:,}", reason) for reason, n in [*found.skipped.items()][:SHOWN]),
        ("personal", "likely, by their form; names are not looked for" if found.personal else "none by form"),
        *(
            (f"  {kind}", f"{one.mentions:,} in {one.sessions:,} sessions")
            for kind, one in found.personal.items()
        ),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else "0"


def _counted(by_name: dict[str, int]) -> str:
    return _listed([f"{name} {n:,}" for name, n in by_name.items()])


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
