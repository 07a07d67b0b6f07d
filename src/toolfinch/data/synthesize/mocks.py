"""What the built-in tools answer in a synthesized conversation: small, plausible JSON, made up.

Each mock returns the payload and the facts in it: what the assistant's answer and a later call may copy. The
payload's shape varies, so that a model reads results instead of remembering them. The only real computation
is arithmetic.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from toolfinch.data.synthesize.grammar import World
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.samplers import MONTHS, WEEKDAYS, a_day, code, rare, sample, words


class Result(NamedTuple):
    """A tool's answer, as the JSON text that the model reads, and the facts in it."""

    content: str
    facts: dict[str, str]
    is_error: bool = False


def encode(payload: Any) -> str:
    return payload if isinstance(payload, str) else msgspec.json.encode(payload).decode()


Made = tuple[Any, dict[str, str]]


def _text(rand: Rand, world: World) -> str:
    return str(sample(rand.pick(("text", "body", "note")), rand, world)[0])


def get_weather(args: dict[str, Any], rand: Rand, world: World) -> Made:
    units = args.get("units", "celsius")
    degrees = rand.between(-12, 38)
    if units == "fahrenheit":
        degrees = degrees * 9 // 5 + 32
    sky = rand.pick(words(world)["sky"])
    facts = {"temperature": str(degrees), "sky": sky}
    if "days" in args:
        count = min(args["days"], 3)
        days = [{"day": 1, "temperature": degrees, "conditions": sky}]
        for i in range(1, count):
            days.append(
                {
                    "day": i + 1,
                    "temperature": degrees + rand.between(-4, 4),
                    "conditions": rand.pick(words(world)["sky"]),
                }
            )
        return {"location": args["location"], "forecast": days}, facts
    if rand.chance(0.5):
        return {
            "location": args["location"],
            "temperature": degrees,
            "units": units,
            "conditions": sky,
        }, facts
    return {
        "place": args["location"],
        "now": {"temp": degrees, "sky": sky, "humidity": rand.between(20, 95)},
    }, facts


def web_search(args: dict[str, Any], rand: Rand, world: World) -> Made:
    hits = []
    for _ in range(min(args.get("max_results", 3), rand.pick((1, 2, 2, 3)))):
        hits.append({"title": _title(args["query"], rand, world), "url": sample("url", rand, world)[0]})
    facts = {"title": hits[0]["title"], "url": hits[0]["url"]}
    return (hits if rand.chance(0.4) else {"results": hits}), facts


def _title(query: str, rand: Rand, world: World) -> str:
    name = rand.pick((query, str(sample("topic", rand, world)[0])))
    return rand.pick((name, f"{name} - {rare(rand, world)}", f"All about {name}", f"{name}: a guide"))


def get_webpage(args: dict[str, Any], rand: Rand, world: World) -> Made:
    text = _text(rand, world)
    shape = rand.below(3)
    if shape == 0:
        return {"url": args["url"], "text": text}, {"text": text}
    if shape == 1:
        return {"title": rare(rand, world), "content": text}, {"text": text}
    return text, {"text": text}


def read_file(args: dict[str, Any], rand: Rand, world: World) -> Made:
    text = _text(rand, world)
    shape = rand.below(3)
    if shape == 0:
        return {"content": text}, {"text": text}
    if shape == 1:
        return {"path": args["path"], "content": text, "lines": 1}, {"text": text}
    return text, {"text": text}


def write_file(args: dict[str, Any], rand: Rand, world: World) -> Made:
    size = len(args["content"].encode())
    if rand.chance(0.5):
        return {"ok": True, "bytes": size}, {"bytes": str(size)}
    return {"path": args["path"], "bytes_written": size}, {"bytes": str(size)}


def list_directory(args: dict[str, Any], rand: Rand, world: World) -> Made:
    pools = words(world)
    names: list[str] = []
    ending = args.get("pattern", "").rpartition(".")[2]
    for _ in range(rand.between(1, 4)):
        stem = rand.pick(pools["stem"]) if rand.chance(0.6) else rare(rand, world).lower()
        name = f"{stem}.{ending or rand.pick(pools['ext'])}"
        if name not in names:
            names.append(name)
    facts = {
        "names": ", ".join(names),
        "count": str(len(names)),
        "path": f"{args['path'].rstrip('/')}/{names[0]}",
    }
    shape = rand.below(3)
    if shape == 0:
        return names, facts
    if shape == 1:
        return {"files": names}, facts
    return {"entries": [{"name": n, "size": rand.between(10, 9000)} for n in names]}, facts


def send_email(args: dict[str, Any], rand: Rand, world: World) -> Made:
    name = code(rand, world)
    return rand.pick(({"status": "sent", "id": name}, {"ok": True, "message_id": name})), {"id": name}


def get_current_datetime(args: dict[str, Any], rand: Rand, world: World) -> Made:
    day = a_day(rand, world)
    clock = f"{rand.below(24):02d}:{rand.below(60):02d}"
    facts = {"date": day.isoformat(), "time": clock}
    shape = rand.below(3)
    if shape == 0:
        return {"datetime": f"{day.isoformat()}T{clock}:00", "weekday": WEEKDAYS[day.weekday()]}, facts
    if shape == 1:
        return {"date": day.isoformat(), "time": clock, "timezone": args.get("timezone", "local")}, facts
    return (
        f"{WEEKDAYS[day.weekday()]}, {day.day} {MONTHS[day.month - 1]} {day.year}, {day.isoformat()} {clock}",
        facts,
    )


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def evaluate(expression: str) -> str:
    """The value of an arithmetic expression, to four decimals. Raises ValueError for anything else."""
    value = round(_value(ast.parse(expression.replace("^", "**"), mode="eval").body), 4)
    return str(int(value)) if value == int(value) else str(value)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return float(_OPERATORS[type(node.op)](_value(node.left), _value(node.right)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sqrt":
        return float(_value(node.args[0]) ** 0.5)
    raise ValueError(f"not arithmetic: {ast.dump(node)}")


def calculate(args: dict[str, Any], rand: Rand, world: World) -> Made:
    value = evaluate(args["expression"])
    shape = rand.below(3)
    if shape == 0:
        return {"result": msgspec.json.decode(value)}, {"value": value}
    if shape == 1:
        return {"expression": args["expression"], "value": msgspec.json.decode(value)}, {"value": value}
    return value, {"value": value}


def translate(args: dict[str, Any], rand: Rand, world: World) -> Made:
    count = min(6, max(1, len(args["text"].split())))
    text = " ".join(rare(rand, world) if i == 0 else rare(rand, world).lower() for i in range(count))
    if rand.chance(0.5):
        return {"translation": text}, {"translation": text}
    return {"text": text, "language": args["target_language"]}, {"translation": text}


def create_calendar_event(args: dict[str, Any], rand: Rand, world: World) -> Made:
    name = code(rand, world)
    return rand.pick(({"id": name, "status": "confirmed"}, {"created": True, "event_id": name})), {"id": name}


def database_query(args: dict[str, Any], rand: Rand, world: World) -> Made:
    first = args["query"].split(None, 1)[0].upper()
    if first != "SELECT":
        count = str(rand.between(1, 20))
        return {"rows_affected": int(count)}, {"rows": f"{count} rows changed"}
    if any(f"{name}(" in args["query"] for name in ("COUNT", "AVG", "SUM", "MIN", "MAX")):
        count = str(rand.between(1, 9000))
        return {"rows": [[int(count)]]}, {"rows": count}
    pools = words(world)
    column = rand.pick(pools["column"])
    values = [rand.pick((rare(rand, world), str(rand.between(1, 999)))) for _ in range(rand.between(1, 3))]
    facts = {"rows": ", ".join(values)}
    return {"rows": [{column: value} for value in values]}, facts


def http_request(args: dict[str, Any], rand: Rand, world: World) -> Made:
    status = 200 if args["method"] in ("GET", "PATCH", "PUT") else rand.pick((200, 201, 204))
    name = code(rand, world)
    text = f"id {name}"
    if rand.chance(0.5):
        return {"status": status, "body": text}, {"status": str(status), "text": text, "id": name}
    return {"status_code": status, "response": text}, {"status": str(status), "text": text, "id": name}


def output(args: dict[str, Any], rand: Rand, world: World) -> Made:
    """What a program prints: not what this one would print, so that the answer has to be read."""
    text = rand.pick((str(rand.between(0, 99999)), rare(rand, world), code(rand, world), _text(rand, world)))
    shape = rand.below(3)
    if shape == 0:
        return {"stdout": text, "exit_code": 0}, {"output": text}
    if shape == 1:
        return {"output": text}, {"output": text}
    return text, {"output": text}


BUILTIN_MOCKS: dict[str, Callable[[dict[str, Any], Rand, World], Made]] = {
    "get_weather": get_weather,
    "web_search": web_search,
    "get_webpage": get_webpage,
    "read_file": read_file,
    "write_file": write_file,
    "list_directory": list_directory,
    "send_email": send_email,
    "get_current_datetime": get_current_datetime,
    "calculate": calculate,
    "translate": translate,
    "create_calendar_event": create_calendar_event,
    "database_query": database_query,
    "http_request": http_request,
    "execute_python": output,
    "shell_command": output,
}
