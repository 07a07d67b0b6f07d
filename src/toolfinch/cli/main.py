"""The command line: `toolfinch VERB …`. Each verb is a module of this package, imported when it is used.

A user's mistake prints one line and a hint and exits 2, a failure exits 1; `--debug` adds the traceback.
"""

from __future__ import annotations

import importlib
import sys
import traceback

from toolfinch import __version__
from toolfinch.errors import ToolfinchError

VERBS = {
    "demo": "run the whole main job on the example assistant",
    "data": "from logs to a dataset, and what was dropped and why; also `data inspect` and `data build`",
    "synthesize": "write conversations from tool schemas alone, without a model",
    "train": "fine-tune a base model on a dataset (LoRA)",
    "eval": "measure callers side by side, every figure with its interval",
    "calibrate": "learn from held-out examples how far a model's replies can be trusted",
    "compare": "say whether one caller is better than another on the same cases, or that one cannot tell",
    "validate": "prove that a suite's own answers score full marks and constant ones their floor",
    "export": "merge, convert to GGUF, quantize, prove parity, write the card",
    "serve": "answer the OpenAI chat API from a model on this machine",
    "diagnose": "show what a model made of one request, token by token",
    "show-mask": "print what a dataset trains the model to write, in colour",
    "pretrain": "train the embedded base model from nothing",
}

PARTS = {"data": ("inspect", "build")}
"""Verbs of two words, by the first: `toolfinch data inspect` is the module `data_inspect`."""

HELP = f"""toolfinch {__version__}: makes small language models that call tools, and runs them.

Usage: toolfinch VERB [OPTIONS]      toolfinch VERB --help

Verbs:
{{verbs}}

Options:
  --debug    show the traceback of an error
  --version  print the version

Example: toolfinch demo
"""


def main(argv: list[str] | None = None) -> None:
    """The console script; always ends in SystemExit when the exit code is not 0."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        width = max(map(len, VERBS))
        print(HELP.format(verbs="\n".join(f"  {v:<{width}}  {text}" for v, text in VERBS.items())))
        return
    verb = arguments[0]
    if verb == "--version":
        print(__version__)
        return
    if verb not in VERBS:
        print(f"error: no such verb: {verb}", file=sys.stderr)
        print(f"hint: one of {', '.join(VERBS)}", file=sys.stderr)
        raise SystemExit(2)
    try:
        run_verb(verb, arguments[1:])
    except (ToolfinchError, OSError) as error:
        if debug:
            traceback.print_exc()
        print(f"error: {line_of(error)}", file=sys.stderr)
        if isinstance(error, ToolfinchError) and error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        raise SystemExit(error.exit_code if isinstance(error, ToolfinchError) else 1) from None
    except KeyboardInterrupt:
        print(f"\n{verb}: stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except SystemExit as stop:
        if stop.code == 130:  # typer's word for Ctrl-C
            print(f"\n{verb}: stopped", file=sys.stderr)
        raise


def line_of(error: ToolfinchError | OSError) -> str:
    """What to tell the user: for an error of the system the path and what is wrong, without its number."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def run_verb(verb: str, arguments: list[str]) -> None:
    """Import the verb's module and hand it its arguments."""
    import typer

    if arguments and arguments[0] in PARTS.get(verb, ()):
        verb, arguments = f"{verb} {arguments[0]}", arguments[1:]
    module = importlib.import_module(f"toolfinch.cli.{verb.replace('-', '_').replace(' ', '_')}")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=module.__doc__)(module.run)
    app(args=arguments, prog_name=f"toolfinch {verb}", standalone_mode=True)
