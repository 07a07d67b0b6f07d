"""A toolbox that changes from release to release, and conversations logged under each: what drift repair is tried on.

Renames are drawn from words that people use for the same thing; the truth of each conversation is kept beside it.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import msgspec

from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, assistant, tool, user
from toolfinch.tool import Tool
from toolfinch.toolbox.builtin import builtin_tools

NAMES = {
    "web_search": ["search_web", "webSearch", "find_online", "internet_search"],
    "get_webpage": ["fetch_page", "getWebpage", "read_url", "open_link"],
    "execute_python": ["run_python", "python", "executePython", "code_interpreter"],
    "read_file": ["file_read", "readFile", "load_file", "cat"],
    "write_file": ["save_file", "writeFile", "file_write", "put_file"],
    "list_directory": ["ls", "list_files", "listDirectory", "show_folder"],
    "send_email": ["email_send", "sendEmail", "mail", "compose_mail"],
    "get_current_datetime": ["now", "current_time", "getCurrentDatetime", "clock"],
    "calculate": ["calc", "evaluate", "do_math", "calculator"],
    "translate": ["translate_text", "to_language", "translator", "translation"],
    "get_weather": ["weather", "weather_forecast", "fetch_weather", "getWeather"],
    "create_calendar_event": ["add_event", "schedule_event", "createCalendarEvent", "new_appointment"],
    "database_query": ["sql", "run_sql", "databaseQuery", "query_db"],
    "http_request": ["call_api", "httpRequest", "request", "curl"],
    "shell_command": ["bash", "run_shell", "shellCommand", "terminal"],
}
PARAMETERS = {
    "query": ["q", "searchQuery", "text_to_find"],
    "max_results": ["limit_to", "maxResults", "count"],
    "url": ["link", "address", "uri"],
    "path": ["file_path", "filename", "location_on_disk"],
    "timeout_seconds": ["timeout", "timeoutSeconds", "max_seconds"],
    "to": ["recipient", "email_to", "address"],
    "body": ["content_text", "message", "payload"],
    "location": ["city", "place", "where"],
    "units": ["unit", "temperature_unit", "scale"],
    "date": ["day", "event_date", "on"],
    "start_time": ["startTime", "start", "begins_at"],
    "target_language": ["to_lang", "targetLanguage", "into"],
    "source_language": ["from_lang", "sourceLanguage", "original"],
    "method": ["verb", "http_method", "kind"],
    "content": ["data", "text_content", "contents"],
    "limit": ["max_rows", "rows", "top"],
}
SAID = {
    "web_search": "Search the web; return titles, links and short snippets.",
    "read_file": "Read a text file and return the contents of it.",
    "translate": "Translate a text into another language.",
    "get_weather": "Get the current weather for a place.",
    "create_calendar_event": "Add a new event to the calendar.",
    "database_query": "Run a SQL query on the database and return its rows.",
}
OPTION = {"type": "boolean", "description": "Whether to log verbosely.", "default": False}


class Shape(NamedTuple):
    """One tool in one release, and how a call of today was written then."""

    tool: Tool
    names: dict[str, str]
    """Its parameters by today's names."""
    retyped: dict[str, str]
    """By today's names: "text" for numbers that were strings, "upper" for values in capitals."""
    extra: str
    """A parameter that there no longer is."""


def today() -> dict[str, Shape]:
    return {
        one.name: Shape(one, {name: name for name in one.parameters["properties"]}, {}, "")
        for one in builtin_tools()
    }


def earlier(rng: random.Random, shapes: dict[str, Shape], share: float = 0.4) -> dict[str, Shape]:
    """The release before: some tools had another name, parameter, type, option or wording."""
    made = dict(shapes)
    taken = {shape.tool.name for shape in shapes.values()}
    for name, shape in shapes.items():
        if rng.random() < share:
            other = rng.choice(NAMES[name])
            if other not in taken:
                taken.add(other)
                shape = shape._replace(tool=msgspec.structs.replace(shape.tool, name=other))
        if rng.random() < share:
            shape = _reworked(rng, name, shape)
        made[name] = shape
    return made


def _reworked(rng: random.Random, name: str, shape: Shape) -> Shape:
    schema = msgspec.json.decode(msgspec.json.encode(shape.tool.parameters))
    names, retyped, extra = dict(shape.names), dict(shape.retyped), shape.extra
    for today_, then in shape.names.items():
        part = schema["properties"][then]
        optional = then not in schema["required"]
        if optional and rng.random() < 0.1 and today_ not in retyped:
            del schema["properties"][then], names[today_]  # was added later
            continue
        if today_ in PARAMETERS and rng.random() < 0.4:
            other = rng.choice(PARAMETERS[today_])
            if other not in schema["properties"]:
                names[today_] = other
                schema["properties"] = {
                    other if key == then else key: value for key, value in schema["properties"].items()
                }
                schema["required"] = [other if key == then else key for key in schema["required"]]
        if today_ in retyped or rng.random() > 0.3:
            continue
        if part["type"] == "integer":
            retyped[today_] = "text"
            part["type"] = "string"
            for bound in ("minimum", "maximum"):
                part.pop(bound, None)
            if "default" in part:
                part["default"] = str(part["default"])
        elif "enum" in part and part["enum"][0].islower():
            retyped[today_] = "upper"
            part["enum"] = [value.upper() for value in part["enum"]]
            if "default" in part:
                part["default"] = part["default"].upper()
    if not extra and rng.random() < 0.2:
        extra = "verbose"
        schema["properties"][extra] = OPTION
    said = SAID.get(name, "") if rng.random() < 0.3 else ""
    tool_ = msgspec.structs.replace(shape.tool, parameters=schema, description=said or shape.tool.description)
    return Shape(tool_, names, retyped, extra)


class Logged(NamedTuple):
    one: Conversation
    truth: Conversation
    """As it would have been logged today."""
    lost: bool
    """It says something that cannot be said today."""


def logged(rng: random.Random, shapes: dict[str, Shape], id: str, time: str = "") -> Logged:
    """A conversation of a release in which two calls are made."""
    offered = rng.sample(sorted(shapes), rng.randint(3, 8))
    now = today()
    pairs: list[tuple[Message, ...]] = []
    lost = False
    for turn, name in enumerate(rng.sample(offered, 2)):
        shape = shapes[name]
        call = _call(rng, now[name].tool, set(shape.names))
        then = _then(call, shape)
        if shape.extra and rng.random() < 0.1:
            then[shape.extra] = rng.random() < 0.5
            lost = lost or then[shape.extra]
        old = ToolCall(shape.tool.name, then, f"c{turn}")
        new = ToolCall(name, call, f"c{turn}")
        pairs += [
            (user(f"do {turn}"),) * 2,
            (assistant("", old), assistant("", new)),
            (tool("done", f"c{turn}", shape.tool.name), tool("done", f"c{turn}", name)),
            (assistant("Done."),) * 2,
        ]
    marks = {1: Mark(later=(shapes[offered[0]].tool.name,))}, {1: Mark(later=(offered[0],))}
    tools = tuple(shapes[name].tool for name in offered), tuple(now[name].tool for name in offered)
    one, truth = (
        Conversation(id, tools[side], tuple(pair[side] for pair in pairs), marks=marks[side], time=time)
        for side in (0, 1)
    )
    return Logged(one, truth, lost)


def _call(rng: random.Random, tool_: Tool, known: set[str]) -> dict[str, Any]:
    schema = tool_.parameters
    call: dict[str, Any] = {}
    for name, part in schema["properties"].items():
        if name in known and (name in schema["required"] or rng.random() < 0.5):
            kind = part["type"]
            call[name] = (
                rng.choice(part["enum"])
                if "enum" in part
                else rng.randint(5, 14)
                if kind == "integer"
                else rng.random() < 0.5
                if kind == "boolean"
                else ["a", "b"]
                if kind == "array"
                else f"some {name} {rng.randint(1, 99)}"
            )
    return call


def _then(call: dict[str, Any], shape: Shape) -> dict[str, Any]:
    made = {}
    for name, value in call.items():
        how = shape.retyped.get(name)
        made[shape.names[name]] = str(value) if how == "text" else value.upper() if how == "upper" else value
    return made
