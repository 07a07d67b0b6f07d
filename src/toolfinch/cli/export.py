"""Export a trained model: safetensors and GGUF, a parity report for each, a model card.

Example: toolfinch export runs/demo/specialist/model --out runs/demo/artifact --data runs/demo/data/test.jsonl
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolfinch.cli.progress import say

if TYPE_CHECKING:
    from toolfinch.artifact import Artifact


def run(
    model: Annotated[str, typer.Argument(help="a transformers folder, or a packaged model's name")],
    out: Annotated[Path, typer.Option(help="folder for the artifact")],
    data: Annotated[str, typer.Option(help="dataset whose prompts parity is measured on")] = "scenarios_200",
    formats: Annotated[
        str, typer.Option(help="comma-separated: safetensors, bf16, f16, f32, q8_0, q6_k, q5_k_m, q4_k_m")
    ] = "safetensors,bf16,q8_0",
    dialect: Annotated[str, typer.Option(help="how it writes calls, if its folder does not say")] = "",
    prompts: Annotated[int, typer.Option(min=1, help="how many prompts parity is measured on")] = 24,
    converter: Annotated[
        Path | None, typer.Option(help="a llama.cpp checkout, for architectures not written here")
    ] = None,
) -> None:
    from toolfinch.models import base_folder

    export_model(
        base_folder(model),
        out,
        [kind.strip() for kind in formats.split(",") if kind.strip()],
        data,
        prompts=prompts,
        dialect=dialect,
        converter=converter,
    )
    print(out)


def export_model(
    model: Path,
    out: Path,
    formats: list[str],
    data: str,
    *,
    prompts: int,
    dialect: str = "",
    name: str = "",
    converter: Path | None = None,
) -> Artifact:
    """Export with parity on prompts spread over a suite or dataset, and say what came of it."""
    from toolfinch import artifact
    from toolfinch.artifact import NO_ORIGIN
    from toolfinch.evaluate.suite import load
    from toolfinch.export.bundle import export

    found = artifact.find(model, dialect=dialect)
    examples = load(data)
    stride = max(1, len(examples) // prompts)  # spread over the file: its first rows are often alike
    made = export(
        model,
        out,
        formats,
        examples[::stride][:prompts],
        dialect=found.dialect,
        name=name,
        origin=found.artifact.origin if found.artifact else NO_ORIGIN,
        converter=converter,
    )
    for file in made.files:
        if file.format:
            say(f"{out / file.path}: {file.size / 1e6:.1f} MB")
    for check in made.parity:
        say(f"{check.format} against safetensors: cosine {check.cosine:.5f}, same calls {check.calls:.0%}")
    return made
