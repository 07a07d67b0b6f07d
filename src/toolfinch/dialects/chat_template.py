"""Rendering a Jinja chat template, byte for byte as transformers does, without transformers.

The environment and its functions are those of `transformers.utils.chat_template_utils` 5.23: sandboxed, since
templates come with downloaded models, with `tojson` that does not escape HTML, `raise_exception`,
`strftime_now`, loop controls, and the `{% generation %}` tag, which is accepted and marks nothing here.
Left out: images and other content that is not text, documents, and continuing the last message.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox
import jinja2.utils
import msgspec

from toolfinch import message as message_module
from toolfinch.dialects.dialect import ordered
from toolfinch.errors import ToolfinchError
from toolfinch.message import Message
from toolfinch.tool import Tool, to_openai


def render(
    template: str,
    messages: Sequence[Message],
    tools: Sequence[Tool],
    *,
    add_generation_prompt: bool,
    bos_token: str = "",
    eos_token: str = "",
    **kwargs: Any,
) -> str:
    """The prompt's text. Arguments of calls are passed as objects in the order of their schemas, tools in the OpenAI shape.

    `kwargs` are the template's own switches, such as `enable_thinking`. As in transformers a special token
    that is not given, tools where there are none, and content that is empty beside calls are undefined or
    none for the template, not "". Raises ToolfinchError with the template's line for an error in it, and for
    a conversation that it refuses.
    """
    given = []
    for message in messages:
        if message.calls:
            message = msgspec.structs.replace(message, calls=tuple(ordered(message.calls, tools)))
        raw = message_module.to_openai(message, arguments="object")
        given.append({key: value for key, value in raw.items() if value is not None})
    tokens = {"bos_token": bos_token, "eos_token": eos_token}
    try:
        return _compiled(template).render(
            **{
                **{name: token for name, token in tokens.items() if token},
                "messages": given,
                "tools": [to_openai(tool) for tool in tools] or None,
                "documents": None,
                "add_generation_prompt": add_generation_prompt,
                **kwargs,
            }
        )
    # A template is a program: beside Jinja's own errors it can fail as any expression can.
    except (
        jinja2.TemplateError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
    ) as error:
        raise ToolfinchError(f"chat template{_line(error)}: {error}") from error


def _line(error: Exception) -> str:
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f", line {error.lineno}"
    # Jinja rewrites tracebacks so that a template's frames carry its own line numbers.
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == "<template>"]
    return f", line {lines[-1]}" if lines else ""


@lru_cache(maxsize=32)
def _compiled(template: str) -> jinja2.Template:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    environment.globals["dict"] = _Dict()
    environment.globals["namespace"] = _Namespace
    return environment.from_string(template)


class _Generation(jinja2.ext.Extension):
    """`{% generation %}`: a scope of its own, as in transformers, and nothing more."""

    tags = {"generation"}  # noqa: RUF012  (the base class's own form)

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


def _raise_exception(reason: str) -> NoReturn:
    raise jinja2.TemplateError(reason)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


class _Dict:
    """`dict`, without the attributes of the class."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args, **kwargs)


class _Namespace(jinja2.utils.Namespace):
    """`namespace`, without names that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        # Jinja's own signature: `namespace(self=1)` is allowed.
        self, given = args[0], dict(*args[1:], **kwargs)
        for name in given:
            _check_name(name)
        jinja2.utils.Namespace.__init__(self, given)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a namespace cannot hold {name!r}")
