"""Read logs, filter them, split them, and say what was dropped and why. `toolfinch data inspect` only looks.

Example: toolfinch data examples/assistant/log.jsonl --tools examples/assistant/tools.json --out runs/mine/data
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolfinch.cli.progress import say


def run(
    logs: Annotated[list[Path], typer.Argument(help="JSONL, gz or not, or a JSON list")],
    out: Annotated[
        Path, typer.Option(help="folder for train.jsonl, validation.jsonl, test.jsonl, funnel.md")
    ],
    tools: Annotated[Path | None, typer.Option(help="the tools, where the log's rows bring none")] = None,
    format: Annotated[str, typer.Option(help="of the logs; without it, told by their first rows")] = "",
    max_tokens: Annotated[int, typer.Option(help="leave out longer conversations")] = 2048,
    base: Annotated[str, typer.Option(help="the model whose tokens are counted")] = "fledgling",
    dialect: Annotated[str, typer.Option(help="how it writes calls, if its folder does not say")] = "",
    validation: Annotated[float, typer.Option(help="share of the conversations")] = 0.1,
    test: Annotated[float, typer.Option(help="share of the conversations")] = 0.1,
    seed: Annotated[int, typer.Option(help="of the split")] = 0,
    strict: Annotated[bool, typer.Option(help="stop at the first row that cannot be read")] = False,
) -> None:
    build(
        logs,
        out,
        tools=tools,
        format=format,
        max_tokens=max_tokens,
        base=base,
        dialect=dialect,
        fractions={"train": round(1 - validation - test, 9), "validation": validation, "test": test},
        seed=seed,
        strict=strict,
    )
    print(out)


def build(
    logs: list[Path],
    out: Path,
    *,
    tools: Path | None,
    format: str = "",
    max_tokens: int = 2048,
    base: str = "fledgling",
    dialect: str = "",
    fractions: dict[str, float] | None = None,
    seed: int = 0,
    strict: bool = False,
) -> None:
    """Run the pipeline, print what each step kept, and write the dataset folder."""
    from toolfinch import artifact
    from toolfinch.data import convert
    from toolfinch.data.readers.tools import read_tools
    from toolfinch.data.split import FRACTIONS
    from toolfinch.example import Conversation, examples
    from toolfinch.models import base_folder
    from toolfinch.train.render import renderer_for

    folder = base_folder(base)
    renderer = renderer_for(str(folder), artifact.find(folder, dialect=dialect).dialect)

    def count(conversation: Conversation) -> int:
        return max((len(row.ids) for row in renderer.rows(examples(conversation))), default=0)

    offered = read_tools(tools) if tools else ()
    out.mkdir(parents=True, exist_ok=True)
    built = convert.build(
        logs,
        offered,
        fractions=fractions or FRACTIONS,
        seed=seed,
        max_tokens=max_tokens,
        count=count,
        format=format,
        strict=strict,
    )
    for report in built.reports:
        say(f"{report.source}: {report.format}, {report.rows} rows, {report.read} conversations read")
        for reason, (number, places) in report.reasons().items():
            say(f"  skipped {number}: {reason} ({', '.join(places)})")
        if report.orphan_results:
            say(f"  results that answer no call: {report.orphan_results}")
        for name, number in report.missing_schemas.items():
            say(f"  calls of {name}, which has no schema: {number}")
        for name, repairs in report.repaired.items():
            say(f"  repaired in the schema of {name}: {', '.join(repairs)}")
    for step in built.funnel.steps:
        dropped = ", ".join(f"{reason}: {number}" for reason, number in step.reasons.items())
        say(f"{step.name}: {step.rows_in} in, {step.rows_out} out" + (f" ({dropped})" if dropped else ""))
    files = convert.write(built, out, suffix=".jsonl")
    for side in built.splits.keys() - files:  # what an earlier run left could be trained on by now
        (out / f"{side}.jsonl").unlink(missing_ok=True)
    for side, path in files.items():
        conversations = built.splits[side]
        decisions = sum(1 for c in conversations for _ in examples(c))
        say(f"{path}: {len(conversations)} conversations, {decisions} decisions")
