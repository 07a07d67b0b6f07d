"""Draws blueprints without a model: what is called, with which values, and what each call brings, round by round.

Every call runs in the world as it is drawn, so a later one can take what an earlier one brought: the id that a
booking got, a row that a search found. The same seed draws the same blueprint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from toolfinch.data.synthesize.puzzles import DESCRIBED
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.value_kinds import words_of
from toolfinch.data.teacher.blueprint import LONG, Blueprint, Round, Step
from toolfinch.data.teacher.domain import BOUNDS, Domain, day_of, draw, in_order, objects
from toolfinch.data.teacher.links import decoded, last_shown, links, may_give
from toolfinch.data.teacher.roles import VERBS, Role
from toolfinch.data.teacher.world import Failure, World
from toolfinch.message import ToolCall
from toolfinch.schema import violations
from toolfinch.tool import Tool

MOST_TOOLS = 15
"""Tools offered at once."""
OPTIONAL = 0.3
"""Share of the optional arguments that are given."""
_VERBS = frozenset().union(*VERBS.values())
THEN = "; then, with the first thing that gives: "
MIX: tuple[tuple[str, float], ...] = (
    ("single_tool", 4.0),
    ("multi_tool_sequential", 2.0),
    ("multi_tool_parallel", 1.0),
    ("no_tool_needed", 1.5),
    ("error_recovery", 1.0),
)
"""What the rounds after the first are."""


class Arguments(NamedTuple):
    """A call's arguments, and how the user comes by them."""

    values: dict[str, Any]
    copied: tuple[str, ...]
    said: dict[str, str]


def draw_blueprint(domain: Domain, id: str, seed: str, scenario: str, rounds: int) -> Blueprint | None:
    """A blueprint of a scenario and a number of rounds; None where the tools do not allow the scenario."""
    for attempt in range(20):
        drawing = _Drawing(domain, f"{seed}/{attempt}")
        if drawing.fill(scenario, rounds):
            return drawing.blueprint(id, scenario)
    return None


def offer(domain: Domain, rand: Rand) -> list[str]:
    """The names of the tools that one conversation offers: all, or 15 of them, those that work on the same things
    together."""
    chosen: dict[str, None] = {}
    names = sorted(domain.tools)
    for name in rand.sample(names, len(names)):
        kind = domain.roles.of[name].kind
        mates = [
            n for n in names if kind and kind in (domain.roles.of[n].kind, *domain.roles.of[n].refs.values())
        ]
        if len(chosen) < MOST_TOOLS:
            chosen.update(dict.fromkeys((name, *mates)))
    return rand.sample([*chosen][:MOST_TOOLS], MOST_TOOLS)


class _Drawing:
    """A blueprint under way, and the world that its calls run in."""

    def __init__(self, domain: Domain, seed: str) -> None:
        self.domain = domain
        self.seed = seed
        self.rand = Rand(f"{seed}/drawing")
        self.world = World(domain, seed)
        self.tools = self._offered()
        self.rounds: list[Round] = []
        self.may_ask = False
        self.results: list[tuple[str, Any]] = []
        """Of calls that succeeded: the tool's name and the decoded result."""
        self.made: list[ToolCall] = []

    def _offered(self) -> dict[str, Tool]:
        """What is offered; half of the time without one tool that nothing could stand in for, to be asked for."""
        names = offer(self.domain, self.rand)
        self.absent = ""
        lonely = [name for name in names if len(names) > 2 and not self._could_stand_in(name, names)]
        if lonely and self.rand.chance(0.5):
            self.absent = self.rand.pick(lonely)
        return {name: self.domain.tools[name] for name in names if name != self.absent}

    def _could_stand_in(self, name: str, names: list[str]) -> bool:
        """Whether another tool may do what this one does: it is of the same kind, or shares a noun with it."""
        role = self.domain.roles.of[name]
        nouns = set(words_of(name).split()) - _VERBS
        for other in names:
            theirs = self.domain.roles.of[other]
            same = bool(role.kind) and theirs.kind == role.kind
            if other != name and (same or nouns & set(words_of(other).split())):
                return True
        return False

    def fill(self, scenario: str, rounds: int) -> bool:
        """Draw all rounds; False where the first one, which has to be of the scenario, does not come about."""
        mixed = rounds >= LONG or scenario == "complex_multi_step"
        first = _Drawing._mixed if mixed else _WRITERS[scenario]
        if scenario == "complex_multi_step" and rounds == 1:
            first = _Drawing.chain_of_three
        while self.left(rounds) > 0:
            self.may_ask = self.left(rounds) > 1
            writer = _Drawing._mixed if self.rounds else first
            one = next((made for _ in range(12) if (made := writer(self)) is not None), None)
            if one is None:
                return False
            self.rounds.append(one)
        return not mixed or len([step for one in self.rounds for step in one.steps]) > 1

    def left(self, rounds: int) -> int:
        """How many more times the user speaks."""
        return rounds - sum(one.turns for one in self.rounds)

    def blueprint(self, id: str, scenario: str) -> Blueprint:
        return Blueprint(
            id=id,
            seed=self.seed,
            scenario=scenario,
            tools=tuple(self.tools.values()),
            goal="; then ".join(one.intent for one in self.rounds if one.kind != "chat"),
            rounds=tuple(self.rounds),
            state=self.world.state(),
            failures=self.world.failures,
        )

    # --- rounds

    def _mixed(self) -> Round | None:
        return _WRITERS[self.rand.weighted(MIX)](self)

    def single(self) -> Round | None:
        """One call, for which a value may have to be asked for."""
        name = self._any_tool()
        args = self.arguments(name)
        if args is None:
            return None
        required = self.tools[name].parameters.get("required", ())
        can = [n for n in required if n not in args.copied and not self._is_known(args.values[n])]
        ask = (self.rand.pick(can),) if can and self.may_ask and self.rand.chance(0.3) else ()
        return self._round("single_tool", [[(name, args)]], ask)

    def _is_known(self, value: Any) -> bool:
        """Whether a value need not be asked for: it was said or shown before, or is yes or no."""
        shown = [v for _, result in self.results for item in objects(result) for v in item.values()]
        given = [v for call in self.made for v in call.arguments.values()]
        return isinstance(value, bool) or any(str(value) == str(other) for other in (*shown, *given))

    def parallel(self) -> Round | None:
        """Two or three calls that do not need each other."""
        count = self.rand.pick((2, 2, 3))
        wanted: list[tuple[str, Arguments]] = []
        same = self.rand.chance(0.4) or len(self.tools) < count
        name = self._any_tool()
        for _ in range(count * 3):
            args = self.arguments(name)
            call = ToolCall(name, args.values) if args else None
            if args and call and not any(call.same(ToolCall(n, a.values)) for n, a in wanted):
                wanted.append((name, args))
            if len(wanted) == count:
                break
            name = name if same else self._any_tool([n for n, _ in wanted])
        return self._round("multi_tool_parallel", [wanted]) if len(wanted) > 1 else None

    def sequential(self) -> Round | None:
        return self._chain(2)

    def chain_of_three(self) -> Round | None:
        return self._chain(3)

    def _chain(self, length: int) -> Round | None:
        """Calls of which each takes a value from what the one before brought."""
        starts = [
            n
            for n in self.tools
            if any(may_give(self.domain, n, other) for other in self.tools if other != n)
        ]
        name = self.rand.pick(starts or list(self.tools))
        args = self.arguments(name)
        if args is None:
            return None
        before = dict(args.values)
        steps = [[(name, args)]]
        marked = self._begin()
        step = self._run(steps[0])
        for number in range(1, length):
            linked = [
                (n, v)
                for n in self.tools
                if n != name
                for v in links(self.domain, n, self.made[-1], step.results[0])
            ]
            if not linked:
                self._undo(marked)
                return None
            name, link = self.rand.pick(linked)
            more = self.arguments(name, {k: v for k, v in before.items() if k not in link}, link)
            if more is None:
                self._undo(marked)
                return None
            surfaces = {
                n: t for n, t in args.said.items() if n in more.values and more.values[n] == before[n]
            }
            more = more._replace(said={**surfaces, **more.said})
            before.update(more.values)
            steps.append([(name, more)])
            if number < length - 1:
                step = self._run(steps[-1])
        self._undo(marked)
        return self._round("multi_tool_sequential" if length == 2 else "complex_multi_step", steps)

    def failing(self) -> Round | None:
        """A call that fails or finds nothing: it is made again where the error asks for that, else reported."""
        name = self._any_tool()
        role = self.domain.roles.of[name]
        args = self.arguments(name)
        if args is None:
            return None
        searches = role.deed == "search" or words_of(name).split()[0] in VERBS["search"]
        named = role.kind in self.domain.roles.ids and role.key in args.values and role.deed != "create"
        ways: list[Failure | Literal["unknown"]] = ["timeout", "rate limit", "unavailable"]
        if self.tools[name].idempotent or role.deed in ("search", "get", "answer"):
            ways += ["retry", "retry"]
        ways += ["empty", "empty"] if searches else []
        ways += ["unknown", "unknown"] if named else []
        way = self.rand.pick(ways)
        if way == "unknown":
            return self._unknown(name, role, args)
        again = way == "retry"
        return self._round("error_recovery", [[(name, args)]] * (2 if again else 1), failure=way)

    def _unknown(self, name: str, role: Role, args: Arguments) -> Round | None:
        """The user names something that there is not."""
        key = draw(self.domain.skills[name].kinds[role.key], self.rand)[0]
        values = {**args.values, role.key: key}
        if self.world.find(role.kind, key) is not None or violations(self.tools[name], values):
            return None
        wrong = Arguments(values, tuple(n for n in args.copied if n != role.key), args.said)
        return self._round("error_recovery", [[(name, wrong)]])

    def reasoned(self) -> Round | None:
        """One call of which a value is described or corrected, so that it has to be worked out."""
        name = self._any_tool()
        args = self.arguments(name)
        if args is None:
            return None
        told = [n for n in args.values if n not in args.copied and isinstance(args.values[n], (str, int))]
        told = [n for n in told if not isinstance(args.values[n], bool)]
        if not told:
            return None
        which = self.rand.pick(told)
        kind = self.domain.skills[name].kinds[which]
        if not isinstance(kind, str) and isinstance(args.values[which], int):
            kind = "count"
        if isinstance(kind, str) and kind in DESCRIBED and self.rand.chance(0.7):
            value, said = DESCRIBED[kind](self.rand, "train")
        else:
            value, wrong = args.values[which], draw(self.domain.skills[name].kinds[which], self.rand)[0]
            role = self.domain.roles.of[name]
            if wrong == value or which == role.key or which in role.refs or len(str(value)) > 30:
                return None
            said = f"{wrong}, no sorry, {value}"
        values = {**args.values, which: value}
        days = [value for value in values.values() if day_of(value) is not None]
        if violations(self.tools[name], values) or (kind == "date" and len(days) > 1):
            return None
        return self._round("reasoning_heavy", [[(name, Arguments(values, args.copied, {which: said}))]])

    def idle(self) -> Round | None:
        """Nothing to call: no tool fits, or a word in between, or a question that a result has answered."""
        if self.rand.chance(0.65) or not self.rounds:
            if self.absent and self.rand.chance(0.6) and not any(r.kind == "decline" for r in self.rounds):
                skill = self.domain.skills[self.absent]
                about = skill.tool.description or words_of(self.absent)
                return Round("decline", "no_tool_needed", about)
            return Round("decline", "no_tool_needed", self.rand.pick(OUTSIDE))
        if self.rounds[-1].kind == "chat":
            return None
        return Round("chat", "no_tool_needed", self.rand.pick(RECALLS if self.results else SMALL_TALK))

    def _round(
        self,
        scenario: str,
        wanted: list[list[tuple[str, Arguments]]],
        ask: tuple[str, ...] = (),
        failure: Failure | None = None,
    ) -> Round | None:
        """Run the calls, the first of them with a failure. None where one was made before, or fails unplanned."""
        calls = [ToolCall(name, args.values) for step in wanted for name, args in step]
        fresh = calls[:1] if failure == "retry" else calls
        if any(call.same(old) for i, call in enumerate(fresh) for old in (*self.made, *fresh[:i])):
            return None
        marked = self._begin()
        if failure is not None:
            self.world.failures[self.world.runs] = failure
        steps = [self._run(step) for step in wanted]
        bad = [result.is_error for step in steps for result in step.results]
        if scenario != "error_recovery" and any(bad):
            self._undo(marked)
            return None
        abouts = [dict.fromkeys(self._about(name) for name, _ in step) for step in wanted]
        intent = THEN.join(
            "; also: ".join(about) for about in abouts if about != abouts[0] or about is abouts[0]
        )
        return Round("act", scenario, intent, tuple(steps), ask)

    def _about(self, name: str) -> str:
        return self.tools[name].description.partition(". ")[0].strip().rstrip(".") or words_of(name)

    def _run(self, wanted: list[tuple[str, Arguments]]) -> Step:
        calls = [
            ToolCall(name, args.values, f"call_{self.world.runs + i}")
            for i, (name, args) in enumerate(wanted)
        ]
        results = [self.world.run(call) for call in calls]
        for call, result in zip(calls, results, strict=True):
            self.made.append(call)
            if not result.is_error:
                self.results.append((call.name, decoded(result)))
        copied = tuple(args.copied for _, args in wanted)
        return Step(tuple(calls), tuple(results), copied, tuple(args.said for _, args in wanted))

    def _begin(self) -> tuple[int, int]:
        return len(self.made), len(self.results)

    def _undo(self, marked: tuple[int, int]) -> None:
        """As it was before calls that are not part of a round after all: they all run again in a new world."""
        del self.made[marked[0] :]
        del self.results[marked[1] :]
        failures = {n: way for n, way in self.world.failures.items() if n < len(self.made)}
        self.world = World(self.domain, self.seed, failures)
        for call in self.made:
            self.world.run(call)

    # --- arguments

    def _any_tool(self, but: list[str] | None = None) -> str:
        names = [name for name in self.tools if name not in (but or ())]
        return self.rand.pick(names or list(self.tools))

    def arguments(
        self, name: str, shared: Mapping[str, Any] | None = None, linked: Mapping[str, Any] | None = None
    ) -> Arguments | None:
        """Values for a call. None where the world has no record that could be named, or none that fit.

        shared: what other calls of the same round are given, by the argument's name.
        linked: what comes from a result.
        """
        tool, role, linked = self.tools[name], self.domain.roles.of[name], dict(linked or {})
        required = tool.parameters.get("required", ())
        kinds = self.domain.skills[name].kinds
        chosen = [n for n in kinds if n in required or n in linked or self.rand.chance(OPTIONAL)]
        pattern = self.rand.pick(self.world.records(role.kind) or [{}]) if role.deed == "search" else {}
        values: dict[str, Any] = {}
        copied = [*linked]
        said: dict[str, str] = {}
        for n in chosen:
            kind = role.kind if n == role.key else role.refs.get(n, "")
            if n in linked:
                values[n] = linked[n]
            elif kind and (n != role.key or role.deed != "create" or kind not in self.domain.roles.ids):
                if (record := self._record(kind, n)) is not None:
                    values[n] = record[0]
                    copied += [n] if record[1] else []
                elif n in required:
                    return None
            elif shared and n in shared:
                values[n] = shared[n]
            elif n in pattern and not set(words_of(n).split()) & BOUNDS:
                values[n] = pattern[n]
            elif (logged := self.domain.said.get(name, {}).get(n)) and (
                day_of(logged[0]) is not None or self.rand.chance(0.5)
            ):
                values[n] = self.rand.pick(logged)  # a day always: the log's are the ones that make sense
            else:
                values[n], surface = draw(kinds[n], self.rand)
                if isinstance(values[n], (str, int, float)) and surface != str(values[n]):
                    said[n] = surface
        ordered = values if shared or linked else in_order(values, self.rand)
        days = [day for value in ordered.values() if (day := day_of(value)) is not None]
        if days != sorted(days):
            return None
        said = {n: surface for n, surface in said.items() if ordered[n] == values[n]}
        if violations(tool, ordered):
            return None
        return Arguments(ordered, tuple(copied), said)

    def _record(self, kind: str, name: str) -> tuple[Any, bool] | None:
        """The key of a record that can be named, and whether a result of this conversation has shown it."""
        key = self.domain.keys[kind]
        there = [record[key] for record in self.world.records(kind) if key in record]
        if kind not in self.domain.roles.ids:
            if there and self.rand.chance(0.7):
                return self.rand.pick(there), False
            tools = [(t, r) for t, r in self.domain.roles.of.items() if r.key == name and r.kind == kind]
            kinds = self.domain.skills[tools[0][0]].kinds if tools else {}
            return (draw(kinds[name], self.rand)[0], False) if name in kinds else None
        if (
            shown := last_shown(there, [result for _, result in self.results])
        ) is not None and self.rand.chance(0.6):
            return shown, True
        return (self.rand.pick(there), False) if there else None


OUTSIDE = (
    "something close to what the assistant does, but that none of the listed functions can do",
    "an action in the same business that none of the listed functions covers",
    "help with something that needs a service the assistant has no access to",
)
RECALLS = (
    "asks again for a value that an earlier result in this conversation has already given",
    "asks to sum up in one sentence what has been done so far",
    "thanks and says that this is what was needed",
)
SMALL_TALK = (
    "greets and asks what the assistant can help with",
    "says hello and makes a remark that needs no action",
)
_WRITERS: dict[str, Callable[[_Drawing], Round | None]] = {
    "single_tool": _Drawing.single,
    "multi_tool_parallel": _Drawing.parallel,
    "multi_tool_sequential": _Drawing.sequential,
    "no_tool_needed": _Drawing.idle,
    "error_recovery": _Drawing.failing,
    "reasoning_heavy": _Drawing.reasoned,
}
