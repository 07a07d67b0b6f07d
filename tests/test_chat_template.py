"""Chat templates render as transformers renders them, and an error in one names its line."""

from __future__ import annotations

from typing import Any

import pytest

from toolfinch.dialects import chat_template, get
from toolfinch.errors import ToolfinchError
from toolfinch.message import Message, ToolCall, assistant, system, to_openai, tool, user
from toolfinch.tool import Tool
from toolfinch.tool import to_openai as tool_to_openai

# What a Hermes-style family does, with every feature of the environment in use.
TEMPLATE = """\
{%- set ns = namespace(seen=0) -%}
{{- bos_token }}
{%- if tools %}
<|system|>
{% for tool in tools %}
{{ tool | tojson }}
{% endfor %}
<|end|>
{% endif %}
{%- for message in messages %}
    {%- if message.role == 'system' and not loop.first %}
        {{- raise_exception('a system message after the first') }}
    {%- elif message.role == 'secret' %}
        {%- break %}
    {%- endif %}
    {%- set ns.seen = ns.seen + 1 %}
    {{- '<|' + message.role + '|>\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
        {{- message.content if message.content is defined else '' }}
        {%- for call in message.tool_calls or [] %}
            {%- if not loop.first or message.content %}{{ '\\n' }}{% endif %}
            {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|end|>\\n' }}
        {%- endgeneration %}
    {%- else %}
        {{- message.content + '<|end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>\\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{%- endif %}
{{- dict(seen=ns.seen) | tojson(indent=1) }}{{ eos_token }}
"""

WEATHER = Tool(
    "get_weather",
    "Weather in a <city> & \"more\", 'ü'",
    {"type": "object", "properties": {"city": {"type": "string", "enum": ["Åre", "Oslo"]}}},
)
CALL = ToolCall("get_weather", {"city": "Åre", "days": 2, "x": [None, True, {"a": "</b>"}]}, "c1")
CONVERSATIONS: list[list[Message]] = [
    [user("Hi")],
    [system("Be brief."), user("Weather in Åre?")],
    [user("Weather?"), assistant("", CALL), tool('{"t": 4}', "c1", "get_weather"), assistant("4 °C.")],
    [user("Twice"), assistant("Sure.", CALL, CALL), tool("", "c1"), tool("bad", "c2", is_error=True)],
]


def transformers_says(
    template: str, messages: list[Message], tools: list[Tool], *, eos_token: str | None, **kwargs: Any
) -> str:
    """The same rendering by transformers' own tokenizer."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a")),
        eos_token=eos_token,
    )
    text = tokenizer.apply_chat_template(
        [to_openai(message, arguments="object") for message in messages],
        tools=[tool_to_openai(t) for t in tools] or None,
        chat_template=template,
        tokenize=False,
        **kwargs,
    )
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("messages", CONVERSATIONS, ids=["one", "system", "call", "two calls"])
@pytest.mark.parametrize("tools", [[], [WEATHER, WEATHER]], ids=["no tools", "tools"])
@pytest.mark.parametrize("kwargs", [{}, {"enable_thinking": False}], ids=["", "no thinking"])
@pytest.mark.parametrize("prompt", [True, False], ids=["prompt", "whole"])
def test_bytes_are_those_of_transformers(
    messages: list[Message], tools: list[Tool], kwargs: dict[str, Any], prompt: bool
) -> None:
    """One space off, and every prompt is off what the model was trained on."""
    ours = chat_template.render(
        TEMPLATE, messages, tools, add_generation_prompt=prompt, eos_token="</s>", **kwargs
    )
    theirs = transformers_says(
        TEMPLATE, messages, tools, add_generation_prompt=prompt, eos_token="</s>", **kwargs
    )
    assert ours == theirs
    assert "Å" in ours or "Hi" in ours or "Twice" in ours


def test_without_transformers_the_environment_still_has_what_templates_use() -> None:
    """A filter or tag that is missing would only show with the first real model."""
    text = chat_template.render(
        TEMPLATE, CONVERSATIONS[2], [WEATHER], add_generation_prompt=True, bos_token="<s>"
    )
    assert text.startswith("<s>")
    assert '"description": "Weather in a <city> & \\"more\\", \'ü\'"' in text
    assert text.endswith('<|assistant|>\n{\n "seen": 4\n}')
    assert (
        chat_template.render("{{ strftime_now('%Y') | length }}", [], [], add_generation_prompt=False) == "4"
    )


def test_the_call_in_a_template_is_the_call_in_the_dialect() -> None:
    """The history that a model reads and what it is trained to write are one text."""
    turn = assistant("Sure.", CALL, CALL)
    text = chat_template.render(TEMPLATE, [turn], [], add_generation_prompt=False)
    assert f"<|assistant|>\n{get('hermes').render_turn(turn, [WEATHER])}<|end|>\n" in text


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("a\n{% if %}", "line 2: Expected an expression"),
        ("a\nb\n{{ raise_exception('no system role') }}", "line 3: no system role"),
        ("{{ messages[0].content + 1 }}", "line 1: can only concatenate"),
        ("{{ nothing.at.all }}", "line 1: 'nothing' is undefined"),
        ("\n{{ 1 / 0 }}", "line 2: division by zero"),
        ("{{ messages.append(1) }}", "line 1: .*unsafe|line 1: .*not safely callable"),
        ("{{ ''.__class__.__mro__ }}", "line 1: "),
        ("{% set n = namespace(_x=1) %}", "line 1: a namespace cannot hold '_x'"),
        ("{% set n = namespace() %}\n{% set n._x = 1 %}", "line 2: a namespace cannot hold '_x'"),
        ("{% generation %}", "line 1: "),
        ("{{ bos_token + 'x' }}", "line 1: 'bos_token' is undefined"),
    ],
)
def test_a_template_that_fails_says_where(template: str, says: str) -> None:
    """A template is somebody else's program; its error must not look like ours."""
    with pytest.raises(ToolfinchError, match=f"chat template, {says}"):
        chat_template.render(template, [user("Hi")], [], add_generation_prompt=True)


def test_generation_is_a_scope_of_its_own() -> None:
    """transformers makes a scope of it; a name set inside may not show outside."""
    template = "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}"
    ours = chat_template.render(template, [user("Hi")], [], add_generation_prompt=False)
    assert ours == "21"
    assert ours == transformers_says(template, [user("Hi")], [], eos_token=None)
