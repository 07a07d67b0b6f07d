"""`World`: a stateful mock of any tools, the same on every machine for the same seed.

What reads gives records of one shape, what creates gives an id that later reads find, what changes and removes
is seen by later reads, an unknown id is an error. A call gives what it gave before unless something was written
in between. Failures come only where they are planned: by the number of the call. A tool whose role cannot be told
gives what follows from its arguments alone.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from toolfinch.data.forge.verbs import VERBS
from toolfinch.data.synthesize.mocks import encode
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.recover import HINTS, TRANSIENT, fail
from toolfinch.data.synthesize.request import Asking
from toolfinch.data.synthesize.samplers import WEEKDAYS
from toolfinch.data.synthesize.value_kinds import words_of
from toolfinch.data.teacher.domain import BOUNDS, LIMITS, Domain, day_of, draw, in_order, objects
from toolfinch.data.teacher.roles import Role
from toolfinch.message import ToolCall, ToolResult, canonical
from toolfinch.schema import violations
from toolfinch.tool import shown

Failure = Literal["timeout", "rate limit", "unavailable", "retry", "not found", "empty"]
FAILURES: tuple[Failure, ...] = get_args(Failure)
_SAYS: dict[Failure, str] = {
    "timeout": TRANSIENT[0],
    "unavailable": TRANSIENT[1],
    "rate limit": TRANSIENT[2],
    "retry": f"{TRANSIENT[4]}, {HINTS[0]}",
    "not found": "not found",
}
_POWER = re.compile(r"(?:\*\*|\^)\s*(\d*)")
RECORDS = 6
"""Things of a kind that are there from the beginning."""
ROWS = 4
"""The most of these in one result of a search."""

Record = dict[str, Any]


class World:
    """The state behind some tools."""

    def __init__(self, domain: Domain, seed: str, failures: Mapping[int, Failure] | None = None) -> None:
        self.domain = domain
        self.seed = seed
        self.failures: dict[int, Failure] = dict(failures or {})
        """By the number of the call, from 0."""
        self.runs = 0
        self.first = {kind: self._beginning(kind) for kind in domain.roles.ids}
        self.changed: dict[str, dict[str, Record | None]] = {}
        """Records by kind and key since then; None: removed."""
        self.touched: dict[str, list[str]] = {}
        """Details that were changed, by `kind/key`: a read shows them whatever its shape."""

    def run(self, call: ToolCall) -> ToolResult:
        """What the tool answers; only a call that succeeds changes anything."""
        number = self.runs
        self.runs += 1
        tool = self.domain.tools.get(call.name)
        if tool is None:
            return self._error(call, f"there is no tool {shown(call.name)}")
        if wrong := violations(tool, call.arguments):
            return self._error(call, f"invalid arguments: {wrong[0]}")
        failure = self.failures.get(number)
        if failure == "empty":
            return ToolResult(encode(self._rows(call, [])), call.id, call.name)
        if failure is not None:
            return self._error(call, _SAYS[failure])
        role = self.domain.roles.of[call.name]
        for name, kind in role.refs.items():
            if name in call.arguments and self.find(kind, call.arguments[name]) is None:
                return self._missing(call, kind, call.arguments[name])
        return self._done(call, role)

    def state(self) -> str:
        """A digest of everything that was written, the same for the same state however it came about."""
        return hashlib.sha256(canonical(self.changed)).hexdigest()[:16]

    def records(self, kind: str) -> list[Record]:
        """The things of a kind that can be looked up; of those without an id, the ones that were written."""
        now: dict[str, Record | None] = {**self.first.get(kind, {}), **self.changed.get(kind, {})}
        return [record for record in now.values() if record is not None]

    def find(self, kind: str, key: Any) -> Record | None:
        """A record; one without an id is there as soon as somebody names it."""
        changed = self.changed.get(kind, {})
        if str(key) in changed:
            return changed[str(key)]
        if kind in self.domain.roles.ids:
            return self.first[kind].get(str(key))
        return self._made(kind, key, f"{self.seed}/{kind}/{key}")

    # --- what tools do

    def _done(self, call: ToolCall, role: Role) -> ToolResult:
        args = call.arguments
        key = args.get(role.key, "")
        if role.deed == "answer":
            return self._answer(call)
        if role.deed == "search":
            return ToolResult(encode(self._rows(call, self._matching(call, role))), call.id, call.name)
        if role.deed == "create":
            return self._create(call, role)
        record = self.find(role.kind, key)
        if record is None and (role.deed != "update" or role.kind in self.domain.roles.ids):
            return self._missing(call, role.kind, key)
        record = record or {}
        name = self.domain.keys[role.kind]
        identity = {name: record.get(name, key)} if role.key else {}
        if role.deed == "get":
            payload = self._shaped(call, f"{role.kind}/{key}", record, role) or record
        elif role.deed == "delete":
            self.changed.setdefault(role.kind, {})[str(key)] = None
            status = {**identity, "status": self._participle(call, role)}
            payload = self._shaped(call, "", identity, role) or status
        else:
            said = {name: value for name, value in args.items() if name != role.key}
            said = said or {"status": self._participle(call, role)}
            self.changed.setdefault(role.kind, {})[str(key)] = {**record, **said}
            touched = self.touched.setdefault(f"{role.kind}/{key}", [])
            touched += [name for name in said if name not in touched]
            payload = self._shaped(call, "", {**identity, **said}, role) or {**identity, **said}
        return ToolResult(encode(payload), call.id, call.name)

    def _create(self, call: ToolCall, role: Role) -> ToolResult:
        name = self.domain.keys[role.kind]
        key = call.arguments[role.key] if role.key in call.arguments else self._new_key(role.kind)
        if key is None:
            return self._error(call, f"no further {role.kind} can be made")
        payload = self._shaped(call, str(key), {**call.arguments, name: key}, role)
        if payload is None:
            payload = {name: key, "status": self._participle(call, role)}
        told = _home(payload, name)
        plain = {k: v for k, v in told.items() if k != "id" and not isinstance(v, (dict, list))}
        record = {**plain, **call.arguments}
        self.changed.setdefault(role.kind, {})[str(key)] = {**record, name: key}
        return ToolResult(encode(payload), call.id, call.name)

    def _answer(self, call: ToolCall) -> ToolResult:
        """What follows from the arguments alone."""
        rand = Rand(f"{self.seed}/{call.name}/{canonical(call.arguments).decode()}")
        if shapes := self.domain.shapes.get(call.name):
            payload = _laid_over(copy.deepcopy(rand.pick(shapes)), call.arguments)
        elif (too_hard := _too_hard(call)) is not None:
            return self._error(call, too_hard)
        else:
            try:
                payload, _ = self.domain.skills[call.name].mock(call.arguments, rand, "train")
            except (ValueError, SyntaxError, ArithmeticError):  # a calculator that is given no arithmetic
                return self._error(call, "invalid request")
        return ToolResult(encode(payload), call.id, call.name)

    def _matching(self, call: ToolCall, role: Role) -> list[Record]:
        """The things that a search finds: everything written that fits, and some of what was there before."""
        fits = [r for r in self.records(role.kind) if all(_fits(r, n, v) for n, v in call.arguments.items())]
        name = self.domain.keys[role.kind]
        mine = [r for r in fits if str(r.get(name)) in self.changed.get(role.kind, {})]
        rest = [r for r in fits if r not in mine]
        rand = Rand(f"{self.seed}/{call.name}/{canonical(call.arguments).decode()}")
        most = next((v for n, v in call.arguments.items() if n.lower() in LIMITS and type(v) is int), None)
        rows = mine + rand.sample(rest, rand.between(1, ROWS))
        return rows if most is None else rows[: max(0, most)]

    # --- how it is said

    def _shaped(self, call: ToolCall, about: str, values: Mapping[str, Any], role: Role) -> Any:
        """One of the log's results with values laid over it; None where the log has none."""
        shapes = self.domain.shapes.get(call.name)
        if not shapes:
            return None
        payload = copy.deepcopy(Rand(f"{self.seed}/{call.name}/{about}").pick(shapes))
        named = role.deed != "get" or role.kind in self.domain.roles.ids
        key = self.domain.keys[role.kind] if named else ""
        known = {**self._around(role, values), **call.arguments, **values}
        return _laid_over(payload, known, key, self.touched.get(about, ()))

    def _around(self, role: Role, values: Mapping[str, Any]) -> Record:
        """What is known of the other things that a record names: a booking shows its bike's model."""
        known: Record = {}
        for kind, name in self.domain.roles.ids.items():
            if kind != role.kind and name in values:
                known.update(self.find(kind, values[name]) or {})
        known.pop("status", None)
        return known

    def _rows(self, call: ToolCall, rows: list[Record]) -> Any:
        """A search's result. In a log's shape its first list of objects holds the rows, and a count is theirs."""
        role = self.domain.roles.of[call.name]
        key = self.domain.keys.get(role.kind, "")
        for shape in self.domain.shapes.get(call.name, ())[:1]:
            payload = copy.deepcopy(shape)
            if isinstance(payload, list):
                return [_row(payload[0], row, key) for row in rows]
            for item in objects(payload):
                for name, value in item.items():
                    if isinstance(value, list) and value and isinstance(value[0], dict):
                        item.update(
                            {k: len(rows) for k, v in item.items() if v == len(value) and _is_count(k)}
                        )
                        item[name] = [_row(value[0], row, key) for row in rows]
                        return payload
        style = Rand(f"{self.seed}/{call.name}/rows").below(3)
        return rows if style == 0 else {"results" if style == 1 else f"{role.kind or 'item'}s": rows}

    def _participle(self, call: ToolCall, role: Role) -> str:
        """`booked` for `book_rental`; "deleted" where the name has no such verb."""
        for word in words_of(call.name).split():
            verb = VERBS.get(word)
            if verb is not None and verb.writes and (verb.family == "remove") == (role.deed == "delete"):
                return verb.done
        return {"create": "created", "delete": "deleted"}.get(role.deed, "updated")

    def _missing(self, call: ToolCall, kind: str, key: Any) -> ToolResult:
        return self._error(call, f"{kind} {key} not found")

    def _error(self, call: ToolCall, message: str) -> ToolResult:
        result = fail(message, Asking(Rand(f"{self.seed}/errors"), "train", {}, {}))
        return ToolResult(result.content, call.id, call.name, is_error=True)

    # --- what there is

    def _beginning(self, kind: str) -> dict[str, Record]:
        """What is there before anybody does anything: the log's own things, unless tools make such things."""
        rand = Rand(f"{self.seed}/{kind}")
        known = self.domain.known.get(kind, ())
        name = self.domain.keys[kind]
        found: dict[str, Record] = {}
        if known and not self.domain.created(kind):
            found = {str(record[name]): dict(record) for record in rand.sample(known, RECORDS)}
        for number in range(RECORDS * 5):
            if len(found) == RECORDS:
                break
            key = self._key(kind, Rand(f"{self.seed}/{kind}/{number}"))
            found.setdefault(str(key), self._made(kind, key, f"{self.seed}/{kind}/{number}/made"))
        return found

    def _made(self, kind: str, key: Any, seed: str) -> Record:
        rand = Rand(seed)
        name = self.domain.keys[kind]
        known = self.domain.known.get(kind, ())
        if known:
            return {**rand.pick(known), name: key}
        made = {field: draw(maker, rand)[0] for field, maker in self.domain.fields[kind].items()}
        return {**({name: key} if key != "" else {}), **in_order(made, rand)}

    def _new_key(self, kind: str) -> Any:
        number = len(self.changed.get(kind, {}))
        taken = {*self.first.get(kind, {}), *self.changed.get(kind, {})}
        for attempt in range(50):
            key = self._key(kind, Rand(f"{self.seed}/{kind}/new/{number}/{attempt}"))
            if str(key) not in taken:
                return key
        return None

    def _key(self, kind: str, rand: Rand) -> Any:
        """An id as the tools that take it want it."""
        for tool, role in self.domain.roles.of.items():
            for name in (role.key if role.kind == kind else "", *role.refs):
                maker = self.domain.skills[tool].kinds.get(name)
                if maker is not None and (name == role.key or role.refs[name] == kind):
                    return draw(maker, rand)[0]
        return draw("code", rand)[0]


def _laid_over(payload: Any, values: Mapping[str, Any], key: str = "", must: Sequence[str] = ()) -> Any:
    """A logged result in which what is known stands.

    key: the record's id, which is in it whatever it is called there. must: details that are in it, too.
    """
    if not isinstance(payload, dict):
        return payload
    home = _home(payload, key)
    for item in (payload, home):
        for name in item:
            if name in values and isinstance(values[name], (dict, list)) == isinstance(
                item[name], (dict, list)
            ):
                item[name] = values[name]
    if key in values:
        home["id" if key not in home and "id" in home else key] = values[key]
    home.update({name: values[name] for name in must if name in values})
    for item in (payload, home):
        days = [day for value in item.values() if (day := day_of(value)) is not None]
        for name, value in item.items():
            if len(days) == 1 and value in WEEKDAYS:  # or the result would contradict itself
                item[name] = WEEKDAYS[days[0].weekday()]
    return payload


def _home(payload: Any, key: str) -> Record:
    """The object of a result that is about the record: the one with its id."""
    found = [item for name in (key, "id") for item in objects(payload) if name in item]
    return found[0] if found else payload if isinstance(payload, dict) else {}


def _row(shape: Any, row: Record, key: str) -> Any:
    """A record with the details that the log's rows have."""
    if not isinstance(shape, dict):
        return row
    named = {"id": row[key]} if key not in shape and key in row else {}
    return {name: {**row, **named}.get(name, value) for name, value in shape.items()}


def _is_count(name: str) -> bool:
    return bool({"count", "total", "found", "matches"} & set(words_of(name).split()))


def _fits(record: Record, name: str, value: Any) -> bool:
    """Whether a record is what one argument of a search asks for, as far as it can be told."""
    if name not in record or set(words_of(name).split()) & BOUNDS:
        return True
    if isinstance(value, str) and isinstance(record[name], str):
        return value.casefold() in record[name].casefold()
    return bool(record[name] == value) or isinstance(value, (list, dict))


def _too_hard(call: ToolCall) -> str | None:
    """Why an expression is not worked out: nobody waits for 9^9^9."""
    text = call.arguments.get("expression")
    if not isinstance(text, str):
        return None
    powers = _POWER.findall(text)
    small = all(exponent and len(exponent) <= 2 for exponent in powers) and len(powers) <= 1
    return None if small and len(text) <= 100 else "the expression is too large"
