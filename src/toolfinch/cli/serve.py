"""Answer the OpenAI chat API from a model on this machine, until Ctrl-C.

Example: toolfinch serve fledgling --port 8000
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    model: Annotated[str, typer.Argument(help="a model folder, a GGUF file, or a packaged model's name")],
    host: Annotated[str, typer.Option(help="loopback unless told otherwise")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 8000,
    dialect: Annotated[str, typer.Option(help="how it writes calls, if the model does not say")] = "",
    trace: Annotated[
        Path | None,
        typer.Option(help="append every finished reply and its request to this file, for `toolfinch data`"),
    ] = None,
) -> None:
    from toolfinch.serve.run import serve

    serve(model, host, port, dialect=dialect or None, trace=trace)
