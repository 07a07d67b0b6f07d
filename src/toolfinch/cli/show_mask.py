"""Print what a dataset trains the model to write: supervised tokens green, the rest plain.

Example: toolfinch show-mask runs/demo/data/train.jsonl --base fledgling
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer


def run(
    dataset: Annotated[Path, typer.Argument(help="a JSONL file that `toolfinch data` wrote")],
    base: Annotated[str, typer.Option(help="the base model whose tokens are shown")] = "fledgling",
    dialect: Annotated[str, typer.Option(help="how the base writes calls, if its folder does not say")] = "",
    template: Annotated[str, typer.Option(help="a chat template in place of the base's own")] = "",
    rows: Annotated[int, typer.Option(min=1, help="how many conversations")] = 1,
) -> None:
    from rich.console import Console
    from rich.text import Text

    from toolfinch import artifact
    from toolfinch.data.dataset import read_dataset
    from toolfinch.models import base_folder
    from toolfinch.train.corpus import render_rows
    from toolfinch.train.render import renderer_for

    folder = base_folder(base)
    renderer = renderer_for(str(folder), dialect or artifact.find(folder).dialect, template)
    console = Console(highlight=False, soft_wrap=True)
    for row in render_rows(itertools.islice(read_dataset(dataset), rows), renderer):
        text = Text()
        for supervised, run_of in itertools.groupby(zip(row.mask, row.ids, strict=True), key=lambda p: p[0]):
            piece = renderer.tokenizer.decode([token for _, token in run_of])
            text.append(piece, style="bold green" if supervised else "")
        console.print(text)
        console.print(
            f"{len(row.ids)} tokens, {sum(row.mask)} supervised, {len(row.example_ids)} decisions",
            style="dim",
        )
