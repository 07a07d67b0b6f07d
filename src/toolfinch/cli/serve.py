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
    format: Annotated[str, typer.Option(help="one of an artifact's several, as q4_k_m")] = "",
    context: Annotated[int, typer.Option(help="tokens of one conversation, for a GGUF file")] = 8192,
    threads: Annotated[int, typer.Option(help="for a GGUF file; 0: all cores")] = 0,
    parallel: Annotated[int, typer.Option(help="replies that a model on this machine makes at once")] = 4,
    prefix_cache: Annotated[
        Path | None, typer.Option(help="keep the states of tools and system messages in this folder")
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="let out only what the model's calibration vouches for")
    ] = False,
    escalate_to: Annotated[
        str, typer.Option(help="URL#model of a bigger model, for what the gate does not accept")
    ] = "",
    tools_k: Annotated[int, typer.Option(help="show the model so many of a request's tools; 0: all")] = 0,
    catalogue: Annotated[
        list[str] | None,
        typer.Option(help="tools to choose from: a JSON or OpenAPI file, an MCP server's URL, mcp:COMMAND"),
    ] = None,
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
    from toolfinch.serve.stack import Stack

    numbers = (
        ("queue", queue, 0),
        ("timeout", timeout, 0.001),
        ("max-tools", max_tools, 0),
        ("max-body", max_body, 0.001),
        ("grace", grace, 0),
        ("context", context, 2),
        ("threads", threads, 0),
        ("parallel", parallel, 1),
        ("tools-k", tools_k, 0),
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
    serve(
        model,
        host,
        port,
        dialect=dialect or None,
        format=format,
        context=context,
        n_threads=threads,
        live=parallel,
        prefixes=prefix_cache,
        stack=Stack(gate, escalate_to, tools_k, tuple(catalogue or ())),
        trace=trace,
        api_keys=api_key_file,
        limits=limits,
    )
