"""Write conversations from tool schemas alone, without a model: the built-in tools', or your own.

Example: toolfinch synthesize --tools examples/assistant/tools.json --n 500 --out runs/synthetic.jsonl
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolfinch.cli.progress import say


def run(
    out: Annotated[Path, typer.Option(help="the JSONL file to write (.gz compresses)")],
    n: Annotated[int, typer.Option(min=1, help="how many conversations")] = 1000,
    tools: Annotated[
        Path | None, typer.Option(help="your tools; without it, the fifteen built-in ones")
    ] = None,
    seed: Annotated[int, typer.Option(help="same seed, same conversations")] = 0,
) -> None:
    from toolfinch.data.dataset import write_dataset
    from toolfinch.data.readers.tools import read_tools
    from toolfinch.data.synthesize import from_schemas, synthesize

    out.parent.mkdir(parents=True, exist_ok=True)
    made = from_schemas(read_tools(tools), n, seed=seed) if tools else synthesize(n, seed=seed)
    say(f"{write_dataset(out, made)} conversations")
    print(out)
