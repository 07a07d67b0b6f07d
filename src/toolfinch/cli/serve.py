"""Answer the OpenAI chat and responses APIs from a model on this machine, until Ctrl-C.

Example: toolfinch serve fledgling --port 8000
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolfinch.errors import UsageError


def run(
    model: Annotated[
        str,
        typer.Argument(
            help="a model folder, a GGUF file, a packaged model's name, or an endpoint's URL#model"
        ),
    ],
    host: Annotated[str, typer.Option(help="loopback unless told otherwise")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 8000,
    dialect: Annotated[str, typer.Option(help="how it writes calls, if the model does not say")] = "",
    trace: Annotated[
        Path | None,
        typer.Option(help="append every finished reply and its request to this file, for `toolfinch data`"),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            help="let in only who sends one of its keys, one a line; else TOOLFINCH_API_KEYS, if set"
        ),
    ] = None,
    queue: Annotated[int, typer.Option(help="requests that may wait for a turn; one more is a 429")] = 64,
    timeout: Annotated[float, typer.Option(help="seconds that a request may take; then 504")] = 300.0,
    max_tools: Annotated[int, typer.Option(help="tools that a request may have; more is a 413")] = 2048,
    max_body: Annotated[float, typer.Option(help="megabytes that a request may have; more is a 413")] = 8.0,
    grace: Annotated[float, typer.Option(help="seconds that requests under way are given at the end")] = 30.0,
) -> None:
    from toolfinch.serve.limits import Limits
    from toolfinch.serve.run import serve

    numbers = (
        ("queue", queue, 0),
        ("timeout", timeout, 0.001),
        ("max-tools", max_tools, 0),
        ("max-body", max_body, 0.001),
        ("grace", grace, 0),
    )
    for name, value, least in numbers:
        if not value >= least:
            raise UsageError(f"--{name} {value:g}: expected {least:g} or more")
    limits = Limits(
        body_bytes=int(max_body * (1 << 20)),
        tools=max_tools,
        queue=queue,
        request_s=timeout,
        grace_s=grace,
    )
    serve(model, host, port, dialect=dialect or None, trace=trace, api_keys=api_key_file, limits=limits)
