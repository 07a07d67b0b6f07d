"""Read logs, filter them, split them, and say what was dropped and why.

`toolfinch data inspect` only looks; `toolfinch data build` does what a recipe says, anonymizing and teachers included.

Example: toolfinch data examples/assistant/log.jsonl --tools examples/assistant/tools.json --out runs/mine/data
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    logs: Annotated[list[Path], typer.Argument(help="JSONL, gz or not, or a JSON list")],
    out: Annotated[Path, typer.Option(help="folder for train.jsonl, validation.jsonl, test.jsonl, card.md")],
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
    from toolfinch.cli.data_build import build
    from toolfinch.data.build_recipe import BuildRecipe, Split

    recipe = BuildRecipe(
        logs=tuple(map(str, logs)),
        tools=str(tools) if tools else None,
        format=format,
        max_tokens=max_tokens,
        base=base,
        dialect=dialect or None,
        split=Split(round(1 - validation - test, 9), validation, test, seed),
        strict=strict,
    )
    build(recipe, out, out.resolve().name)
    print(out)
