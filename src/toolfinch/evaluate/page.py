"""The report as one page of HTML: no script, no file beside it, everything escaped by the template engine.

`Grid` and `Case`, the tables and the failing cases, are all that it shows; `report` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from toolfinch.score import FailureKind


class Grid(msgspec.Struct, frozen=True):
    """A table as text."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Case(msgspec.Struct, frozen=True):
    """A failing case, to be read."""

    id: str
    caller: str
    scenario: str
    failure: FailureKind
    why: str
    expected: str
    got: str
    tools: tuple[str, ...]
    """The names of the tools that were offered."""
    messages: tuple[dict[str, Any], ...]
    """The prompt, as OpenAI messages."""


_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 2rem; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #ccc; padding: .25rem .75rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
dt { font-weight: 600; } dd { margin: 0 0 .3rem 1rem; overflow-wrap: anywhere; }
details { margin: .3rem 0; } details > * { margin-left: 1rem; } summary { margin: 0; cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; padding: .5rem; margin: .2rem; }
</style>
<h1>{{ title }}</h1>
<dl>{% for name, value in facts %}<dt>{{ name }}</dt><dd>{{ value }}</dd>{% endfor %}</dl>
{% for grid in grids %}
<h2>{{ grid.title }}</h2>
<table>
<tr>{% for cell in grid.header %}<th>{{ cell }}</th>{% endfor %}</tr>
{% for row in grid.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>
{% endfor %}
<h2>Failing cases ({{ cases|length }})</h2>
{% for case in cases %}
<details><summary>{{ case.caller }} · {{ case.id }} · {{ case.failure }}: {{ case.why }}</summary>
<dl>
<dt>Scenario</dt><dd>{{ case.scenario or "none" }}</dd>
<dt>Tools</dt><dd>{{ case.tools|join(", ") }}</dd>
<dt>Prompt</dt><dd>{% for message in case.messages %}<pre>{{ message.role }}: {{ message.content or "" }}
{%- for call in message.tool_calls or [] %}
{{ call.function.name }}({{ call.function.arguments }}){% endfor %}</pre>{% endfor %}</dd>
<dt>Expected</dt><dd><pre>{{ case.expected }}</pre></dd>
<dt>Got</dt><dd><pre>{{ case.got }}</pre></dd>
</dl></details>
{% endfor %}
</html>
"""


def render(title: str, facts: Sequence[tuple[str, str]], grids: Sequence[Grid], cases: Sequence[Case]) -> str:
    """The page; every value is escaped (`autoescape`), none is marked safe."""
    import jinja2

    page = jinja2.Environment(autoescape=True, undefined=jinja2.ChainableUndefined).from_string(_PAGE)
    return page.render(title=title, facts=facts, grids=grids, cases=cases)
