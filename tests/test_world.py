"""The world behind invented conversations. Would break: an id that a create gave and no read finds, a deleted thing
that is still there, a result that differs from run to run, a failure that changes something, gold calls that cannot
be replayed."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolfinch.data.forge.forge import conversation as forged
from toolfinch.data.readers import log
from toolfinch.data.readers.tools import read_tools
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.teacher.domain import Domain, domain, draw, in_order, objects
from toolfinch.data.teacher.roles import Role, roles, singular
from toolfinch.data.teacher.world import FAILURES, World
from toolfinch.example import Conversation
from toolfinch.message import ToolCall, ToolResult, assistant, tool, user
from toolfinch.tool import Tool, read
from toolfinch.toolbox import builtin_tools

EXAMPLE = Path(__file__).parents[1] / "examples" / "assistant"


@cache
def shop() -> tuple[Tool, ...]:
    return read_tools(EXAMPLE / "tools.json")


@cache
def shop_log() -> tuple[Conversation, ...]:
    return tuple(log.conversations(EXAMPLE / "log.jsonl", shop()))


@cache
def known(name: str) -> Domain:
    if name == "shop with log":
        return domain(shop(), shop_log())
    return domain({"shop": shop(), "toolbox": builtin_tools()}.get(name) or forged(3, int(name[-1])).tools)


DOMAINS = ("shop", "shop with log", "toolbox", *(f"forge {i}" for i in range(6)))


def made(name: str, properties: dict[str, Any], *, risk: str = "destructive", about: str = "") -> Tool:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return read({"name": name, "description": about, "parameters": parameters, "x-risk": risk})


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("find_bikes", Role("search", "bike")),
        ("check_availability", Role("get", "bike", "bike_id")),
        ("price_quote", Role("answer")),
        ("opening_hours", Role("answer")),
        ("book_rental", Role("create", "booking", "", {"bike_id": "bike"})),
        ("get_booking", Role("get", "booking", "booking_id")),
        ("cancel_booking", Role("delete", "booking", "booking_id")),
        ("create_repair_ticket", Role("create", "ticket")),
        ("repair_status", Role("get", "ticket", "ticket_id")),
        ("send_sms", Role("create", "sms")),
    ],
)
def test_roles_of_the_example(name: str, role: Role) -> None:
    assert roles(shop()).of[name] == role


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ([made("order_status", {"order_id": TEXT})], [Role("get", "order", "order_id")]),
        ([made("mcp__shop__getOrder", {"id": TEXT})], [Role("get", "order", "id")]),
        ([made("listOrders", {"customer_id": TEXT}), made("getOrder", {"orderId": TEXT})],
         [Role("search", "order", "", {"customer_id": "customer"}), Role("get", "order", "orderId")]),
        ([made("read_file", {"path": TEXT}), made("write_file", {"path": TEXT, "content": TEXT})],
         [Role("get", "file", "path"), Role("update", "file", "path")]),
        ([made("read_file", {"path": TEXT})], [Role("answer")]),
        ([made("run_python", {"code": TEXT})], [Role("answer")]),
        # The name says order, the risk says that nothing is written.
        ([made("order_book", {"order_id": TEXT}, risk="read")], [Role("get", "order", "order_id")]),
        ([made("frobnicate", {"gadget_id": TEXT}, risk="write")], [Role("update", "gadget", "gadget_id")]),
        ([made("frobnicate", {"gadget_id": TEXT})], [Role("answer", refs={"gadget_id": "gadget"})]),
        # A phone number and a post code name no record.
        ([made("get_weather", {"postal_code": TEXT})], [Role("answer")]),
        ([made("call_number", {"phone_number": TEXT}, risk="read")], [Role("answer")]),
    ],
)  # fmt: skip
def test_roles(tools: list[Tool], expected: list[Role]) -> None:
    found = roles(tools).of
    assert [found[t.name] for t in tools] == [
        msgspec.structs.replace(r, refs=found[t.name].refs if r.deed == "answer" else r.refs)
        for t, r in zip(tools, expected, strict=True)
    ]


def test_singular() -> None:
    words = {"bookings": "booking", "addresses": "address", "bus": "bus", "news": "news", "cities": "city"}
    assert {word: singular(word) for word in words} == words


# --- laws

NOUNS = ("order", "ticket", "invoice", "parcel", "policy", "address")
PLURAL = {"policy": "policies", "address": "addresses"}
CREATE = ("create", "add", "open", "register")
UPDATE = ("update", "edit", "modify")
DELETE = ("delete", "cancel", "remove")
families = st.tuples(
    st.sampled_from(NOUNS),
    st.sampled_from(CREATE),
    st.sampled_from(UPDATE),
    st.sampled_from(DELETE),
    st.sampled_from(("{}_id", "id", "{}Id", "{}_number")),
    st.sampled_from(
        ({}, {"pattern": "^[A-Z]{2}-[0-9]{4}$"}, {"type": "integer", "minimum": 1, "maximum": 9999})
    ),
    st.sampled_from(("{}_{}", "shop.{}_{}", "mcp__x__{}_{}")),
)


def family(drawn: tuple[Any, ...]) -> tuple[Domain, dict[str, str], str]:
    noun, create, update, delete, key, schema, style = drawn
    key = key.format(noun)
    identity = {key: {**TEXT, **schema}}
    names = {deed: style.format(verb, noun) for deed, verb in
             (("create", create), ("get", "get"), ("update", update), ("delete", delete))}  # fmt: skip
    names["search"] = style.format("list", PLURAL.get(noun, f"{noun}s"))
    color = {"color": {"type": "string", "enum": ["red", "blue", "green"]}}
    tools = [
        made(names["create"], color),
        made(names["get"], identity),
        made(names["update"], {**identity, **color}),
        made(names["delete"], identity),
        made(names["search"], color),
    ]
    return domain(tools), names, key


def decoded(result: ToolResult) -> Any:
    return msgspec.json.decode(result.content)


@settings(max_examples=40, deadline=None)
@given(drawn=families, seed=st.text(max_size=5))
def test_what_is_created_is_found_changed_and_gone(drawn: tuple[Any, ...], seed: str) -> None:
    known, names, key = family(drawn)
    world = World(known, seed)
    empty = world.state()

    def run(deed: str, **args: Any) -> ToolResult:
        return world.run(ToolCall(names[deed], args))

    created = run("create", color="red")
    assert not created.is_error and world.state() != empty
    id = decoded(created)[key]
    assert decoded(run("get", **{key: id}))["color"] == "red"
    assert id in [row[key] for row in next(v for v in _lists(decoded(run("search", color="red"))))]
    before = world.state()
    assert not run("update", **{key: id}, color="blue").is_error and world.state() != before
    assert decoded(run("get", **{key: id}))["color"] == "blue"
    assert id not in [row.get(key) for row in objects(decoded(run("search", color="red")))]
    other = decoded(run("create", color="red"))[key]
    assert other != id
    assert not run("delete", **{key: id}).is_error
    for deed, more in (("get", {}), ("update", {"color": "green"}), ("delete", {})):
        gone = run(deed, **{key: id}, **more)
        assert gone.is_error and "not found" in gone.content
    assert decoded(run("get", **{key: other}))["color"] == "red"


def _lists(value: Any) -> Any:
    yield from [value] if isinstance(value, list) else [v for v in value.values() if isinstance(v, list)]


@settings(max_examples=20, deadline=None)
@given(drawn=families, seed=st.text(max_size=5))
def test_an_unknown_id_is_an_error_and_changes_nothing(drawn: tuple[Any, ...], seed: str) -> None:
    known, names, key = family(drawn)
    world = World(known, seed)
    there = {str(record[key]) for record in world.records(drawn[0])}
    kind = known.skills[names["get"]].kinds[key]
    strange = next(v for i in range(99) if str(v := draw(kind, Rand(f"strange {i}"))[0]) not in there)
    before = world.state()
    for deed, more in (("get", {}), ("update", {"color": "red"}), ("delete", {})):
        assert world.run(ToolCall(names[deed], {key: strange, **more})).is_error
    assert world.state() == before
    for record in world.records(drawn[0]):
        assert not world.run(ToolCall(names["get"], {key: record[key]})).is_error


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(DOMAINS),
    seed=st.integers(0, 3),
    picks=st.lists(st.integers(0, 10_000), min_size=1, max_size=10),
    failures=st.dictionaries(st.integers(0, 9), st.sampled_from(FAILURES), max_size=2),
)
def test_any_calls_replay(name: str, seed: int, picks: list[int], failures: dict[int, Any]) -> None:
    """The same calls in a new world bring the same; a read brings the same again, and changes nothing."""
    known, key = World(known_ := _known(name), str(seed), failures), str(seed)
    written: list[tuple[ToolCall, ToolResult]] = []
    ids: list[Any] = []
    for number, pick in enumerate(picks):
        call = _call(known_, known, Rand(pick), ids, number)
        before = known.state()
        result = known.run(call)
        assert result.call_id == call.id and result.name == call.name and result.content
        role = known_.roles.of[call.name]
        if result.is_error or role.deed in ("get", "search", "answer") or number in failures:
            assert known.state() == before
        ids += [v for item in objects(_payload(result)) for v in item.values() if isinstance(v, (str, int))]
        written.append((call, result))
    again = World(known_, key, failures)
    assert [again.run(call) for call, _ in written] == [result for _, result in written]
    assert again.state() == known.state()
    for call, _ in written:
        role = known_.roles.of[call.name]
        if role.deed in ("get", "search", "answer") and len(written) > max(failures, default=0):
            first = again.run(call)
            assert again.run(call) == first


def _known(name: str) -> Domain:
    return known(name)


def _payload(result: ToolResult) -> Any:
    try:
        return msgspec.json.decode(result.content)
    except msgspec.DecodeError:
        return result.content


def _call(known: Domain, world: World, rand: Rand, ids: list[Any], number: int) -> ToolCall:
    """Any valid call, often with a value that a result has shown."""
    name = rand.pick(sorted(known.tools))
    required = known.tools[name].parameters.get("required", ())
    role = known.roles.of[name]
    args: dict[str, Any] = {}
    for key, kind in known.skills[name].kinds.items():
        if key in required or rand.chance(0.3):
            args[key] = draw(kind, rand)[0]
            there = world.records(role.kind if key == role.key else role.refs.get(key, ""))
            if there and rand.chance(0.7):
                args[key] = next(iter(rand.pick(there).values()))
            elif ids and rand.chance(0.3):
                args[key] = rand.pick(ids)
    return ToolCall(name, args, f"call_{number}")


# --- failures, shapes, edges


@pytest.mark.parametrize("failure", FAILURES)
def test_a_planned_failure_happens_once_and_writes_nothing(failure: Any) -> None:
    world = World(known("shop"), "s", {0: failure})
    empty = world.state()
    call = ToolCall("create_repair_ticket", {
        "service": "brakes", "bike": "red", "drop_off_date": "2025-04-10", "phone": "555-0160"
    })  # fmt: skip
    first = world.run(call)
    assert world.state() == empty
    assert first.is_error == (failure != "empty")
    assert not world.run(call).is_error and world.state() != empty


def test_an_empty_search_keeps_the_logs_shape() -> None:
    call = ToolCall("find_bikes", {"type": "city", "from_date": "2025-04-10", "to_date": "2025-04-11"})
    assert World(known("shop with log"), "s", {0: "empty"}).run(call).content == '{"bikes":[]}'


@pytest.mark.parametrize("seed", ["a", "b", "c"])
def test_results_have_the_shapes_of_the_log(seed: str) -> None:
    world = World(known("shop with log"), seed)
    bike = world.records("bike")[0]
    assert bike["bike_id"] in {item.get("bike_id") for one in shop_log() for m in one.messages if m.result
                               for item in objects(_payload(m.result))}  # fmt: skip
    book = ToolCall("book_rental", {
        "bike_id": bike["bike_id"], "from_date": "2025-04-10", "to_date": "2025-04-11",
        "customer": {"name": "Noor Dornfink", "phone": "555-0126"},
    })  # fmt: skip
    booked = decoded(world.run(book))
    assert set(booked) == {"booking_id", "status", "total"}
    shown = decoded(world.run(ToolCall("get_booking", {"booking_id": booked["booking_id"]})))
    logged = {frozenset(item) for item in known("shop with log").shapes["get_booking"]}
    assert frozenset(shown) in logged
    assert (shown["bike_id"], shown["from_date"]) == (bike["bike_id"], "2025-04-10")
    assert shown.get("model", bike["model"]) == bike["model"]  # of the bike that was booked
    hours = decoded(world.run(ToolCall("opening_hours", {"date": "2025-04-07"})))
    assert hours["date"] == "2025-04-07" and hours.get("weekday", "Monday") == "Monday"


def test_the_order_of_the_log_does_not_show() -> None:
    backwards = domain(shop(), tuple(reversed(shop_log())))
    assert backwards.shapes == known("shop with log").shapes and backwards.said == known("shop with log").said
    a, b = (World(d, "s") for d in (backwards, known("shop with log")))
    assert a.first == b.first


def test_failed_results_of_a_log_are_no_shape() -> None:
    call = ToolCall("get_booking", {"booking_id": "B-10442"}, "c")
    rows = [
        Conversation(str(i), shop(), (user("x"), assistant("", call), tool(text, "c", is_error=bad)))
        for i, (text, bad) in enumerate(
            [('{"booking_id":"B-10442","note":"a"}', True), ('{"error":"gone"}', False), ("null", False),
             ('{"rows":[]}', False), ("Error: down", False), ('{"ok":false,"message":"no"}', False)]
        )
    ]  # fmt: skip
    assert domain(shop(), rows).shapes == {}


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (ToolCall("nothing_like_it", {}), "there is no tool nothing_like_it"),
        (ToolCall("get_booking", {}), "invalid arguments: booking_id: missing"),
        (ToolCall("get_booking", {"booking_id": "B-00000"}), "booking B-00000 not found"),
        (ToolCall("book_rental", {"bike_id": "KW-000", "from_date": "2025-04-10", "to_date": "2025-04-11",
                                  "customer": {"name": "A", "phone": "555-0126"}}), "bike KW-000 not found"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_an_error(call: ToolCall, why: str) -> None:
    world = World(known("shop"), "edges")
    empty = world.state()
    result = world.run(call)
    assert result.is_error and why in result.content and world.state() == empty


@pytest.mark.parametrize("expression", ["9^9^9", "9**999999", "(((", "1/0", "9 " * 200, "2^(9)"])
def test_a_hopeless_expression_is_an_error(expression: str) -> None:
    """9 to the power of 387,420,489 takes hours."""
    assert World(known("toolbox"), "s").run(ToolCall("calculate", {"expression": expression})).is_error


def test_the_toolbox_calculates_and_remembers_files() -> None:
    world = World(known("toolbox"), "s")
    assert "56" in world.run(ToolCall("calculate", {"expression": "7 * 8"})).content
    read = ToolCall("read_file", {"path": "a.txt"})
    assert not world.run(read).is_error  # any file is there until somebody says otherwise
    world.run(ToolCall("write_file", {"path": "a.txt", "content": "Dorvekaton"}))
    assert "Dorvekaton" in world.run(read).content


def test_ids_that_run_out_are_an_error() -> None:
    tools = [made("get_slot", {"slot_id": {"type": "string", "pattern": "^[A-B]$"}}), made("create_slot", {})]
    world = World(domain(tools), "s")
    assert len(world.records("slot")) == 2
    assert "no further slot" in world.run(ToolCall("create_slot", {})).content


def test_dates_stand_in_order() -> None:
    given = {"from": "2025-03-09", "name": "x", "to": "2025-03-01", "min_price": 9, "max_price": 3}
    out = in_order(given, Rand("s"))
    assert out["from"] == "2025-03-01" < out["to"] and (out["min_price"], out["max_price"]) == (3, 9)
    assert in_order({"day": "2025-03-09", "n": 1}, Rand("s")) == {"day": "2025-03-09", "n": 1}


def test_the_same_in_another_process() -> None:
    """Salted hashes or an unsorted set would give another world on every start."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_world import known\nfrom toolfinch.data.teacher.world import World\n"
        "print([World(known(n), 'p').first for n in ('shop with log', 'forge 0')])"
    )
    here = Path(__file__).parents[1]
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True,
                       env={**os.environ, "PYTHONHASHSEED": salt}).stdout
        for salt in ("1", "2")
    ]  # fmt: skip
    assert runs[0] == runs[1] and "KW-" in runs[0]


def test_a_log_that_calls_every_id_id() -> None:
    """The parameter is `order_id`, the results say `id`: a new order's must not be an old one's."""
    tools = [
        made("create_order", {"item": TEXT}),
        made("get_order", {"order_id": TEXT}),
        made("list_orders", {}),
        made("update_order", {"order_id": TEXT, "item": TEXT}),
    ]
    said = [
        ("create_order", {"item": "lamp"}, '{"order":{"id":"o-1","item":"lamp"},"ok":true}'),
        ("get_order", {"order_id": "o-1"}, '{"id":"o-1","item":"lamp","state":"open"}'),
        ("list_orders", {}, '{"orders":[{"id":"o-1","item":"lamp"}],"total":1}'),
    ]
    rows = [
        Conversation(
            name, tuple(tools), (user("x"), assistant("", ToolCall(name, args, "c")), tool(text, "c"))
        )
        for name, args, text in said
    ]
    world = World(domain(tools, rows), "s")
    created = decoded(world.run(ToolCall("create_order", {"item": "desk"})))
    id = created["order"]["id"]
    assert created == {"order": {"id": id, "item": "desk"}, "ok": True} and id != "o-1"
    assert decoded(world.run(ToolCall("get_order", {"order_id": id}))) == {
        "id": id,
        "item": "desk",
        "state": "open",
    }
    listed = decoded(world.run(ToolCall("list_orders", {})))
    assert listed["orders"][0] == {"id": id, "item": "desk"} and listed["total"] == len(listed["orders"])
    world.run(ToolCall("update_order", {"order_id": id, "item": "chair"}))
    assert decoded(world.run(ToolCall("get_order", {"order_id": id})))["item"] == "chair"
