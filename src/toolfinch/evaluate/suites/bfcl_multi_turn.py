"""BFCL v4, several turns: a user's requests one after another, with tools that keep state.

Source: https://github.com/ShishirPatil/gorilla, Apache-2.0, the wheel `bfcl-eval`. Files, from the installed
wheel's `data` or the folder given: `BFCL_v4_multi_turn_<category>.json`, the same in `possible_answer`, and
`multi_turn_func_doc`. Four categories of 200 cases: `base`; `miss_func` (a tool that is needed comes a turn
later); `miss_param` (a value that is needed comes a turn later); `long_context` (much longer results). The four
cases with one number are variants of each other and one group.

A case is played as BFCL plays it with models that call functions natively: calls are made in BFCL's classes
(`bfcl_world`), results go back, a reply without a call (or with one that cannot be read) ends the turn, and
more than 20 replies with calls in a turn end the case. BFCL's own checker says what is right: after every
turn with gold calls the state is gold's, and every result of gold came at some time. What is ours is the name
of the failure. As in BFCL, a tool that is not offered yet works when called, and `excluded_function` of the
data has no effect. Unlike BFCL, a name that is none of the case's tools is never evaluated.

Left out: BFCL's prompt for models without native calls, and the order of calls, which it does not check.
"""

from __future__ import annotations

import atexit
import itertools
from collections.abc import Sequence

import msgspec

from toolfinch.caller import Decoding, Reply, ToolCaller
from toolfinch.evaluate.played import Outcome
from toolfinch.evaluate.suites.bfcl_turns import Case, Turn, load
from toolfinch.evaluate.suites.bfcl_world import REFUSED, Verdict, World, WorldError, written
from toolfinch.example import Example, Expected, ExpectedCall
from toolfinch.message import Message, ToolCall, assistant, tool
from toolfinch.score import Failure, score
from toolfinch.tool import Tool

__all__ = ["gold", "load", "play"]

STEPS = 20
"""BFCL's limit: one more reply with calls in a turn ends the case."""

_WORLD = World()
atexit.register(_WORLD.close)


def play(caller: ToolCaller, case: Case, decoding: Decoding = Decoding(), world: World = _WORLD) -> Outcome:
    """Run a caller through a case and have BFCL judge it.

    Threads may play at once. Where BFCL's classes crash or hang, the case ends as `endpoint_error`, like one
    whose reply stopped with an error: there is no verdict on either.
    """
    game = _Game(caller, case, decoding, world)
    verdict = None
    try:
        if all(game.turn(turn) for turn in case.turns):
            steps = [taken.steps for taken in game.taken]
            verdict = world.check(case.setting, steps, [turn.gold for turn in case.turns])
        cut = _cut(game.replies[-1])
    except WorldError as error:
        cut = Failure("endpoint_error", str(error))
    return Outcome(
        id=case.id,
        scenario=case.scenario,
        group=case.group,
        tools=case.turns[-1].tools,
        messages=tuple(game.messages),
        replies=tuple(game.replies),
        failure=cut or _failure(case, game, verdict),
        expected="\n".join(
            f"turn {n}: {', '.join(t.gold) or 'no call'}" for n, t in enumerate(case.turns, 1)
        ),
        marks={} if cut else _marks(case, game, verdict),
        tags=case.setting.involved_classes,
    )


def gold(case: Case) -> ToolCaller:
    """A caller that makes the gold calls of a turn in one reply: two cases have more of them than `STEPS`."""
    return _Gold(case)


class _Gold:
    name = "gold"

    def __init__(self, case: Case) -> None:
        self._case = case

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        turn = sum(message.role == "user" for message in messages) - 1
        answered = messages[-1].role == "tool"
        return Reply(assistant() if answered else assistant("", *self._case.turns[turn].calls))


def _cut(last: Reply) -> Failure | None:
    """Why a case has no further replies."""
    if last.stop == "error":
        return Failure("endpoint_error", last.error or "no reply")
    if last.stop == "context":
        return Failure("context_exceeded", last.error or "the conversation does not fit the model's context")
    return None


class _Taken(msgspec.Struct, frozen=True):
    """A turn as it went."""

    before: tuple[Message, ...]
    """The conversation up to the user's message."""
    results: tuple[Message, ...]
    """What the tools gave in it."""
    calls: tuple[ToolCall, ...]
    steps: tuple[tuple[str, ...], ...]
    """The calls as BFCL got them, by reply."""
    last: Reply


class _Game:
    """A case while it is played."""

    def __init__(self, caller: ToolCaller, case: Case, decoding: Decoding, world: World) -> None:
        self.caller, self.case, self.decoding, self.world = caller, case, decoding, world
        self.tools = {tool.name for turn in case.turns for tool in turn.tools}
        self.messages: list[Message] = []
        self.replies: list[Reply] = []
        self.taken: list[_Taken] = []

    def turn(self, turn: Turn) -> bool:
        """Play a turn up to a reply that makes no call. False: the case is over before its last turn."""
        self.messages += turn.messages
        before = tuple(self.messages)
        calls: list[ToolCall] = []
        steps: list[tuple[str, ...]] = []
        while len(steps) <= STEPS:
            reply = self.caller.reply(tuple(self.messages), turn.tools, self.decoding)
            self.replies.append(reply)
            if _cut(reply):
                return False
            made = self._calls(reply)
            self.messages.append(msgspec.structs.replace(reply.message, calls=made))
            if not made:
                break
            calls += made
            steps.append(self._step(made, steps))
        results = tuple(message for message in self.messages[len(before) :] if message.role == "tool")
        self.taken.append(_Taken(before, results, tuple(calls), tuple(steps), reply))
        return len(steps) <= STEPS or len(self.taken) == len(self.case.turns)

    def _calls(self, reply: Reply) -> tuple[ToolCall, ...]:
        if reply.unread:  # as in BFCL, none of its calls is made then
            return ()
        return tuple(
            msgspec.structs.replace(call, id=call.id or f"call_{len(self.replies)}_{i}")
            for i, call in enumerate(reply.message.calls)
        )

    def _step(self, calls: Sequence[ToolCall], steps: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """Make the calls of one reply and tell their results; the calls as BFCL gets them."""
        texts, refusals = [], []
        for call in calls:
            text, refusal = REFUSED, ""
            try:
                if call.name not in self.tools:
                    raise ValueError(f"name {call.name!r} is not defined")
                text = written(call.name, call.arguments)
            except ValueError as error:
                refusal = f"Error during execution: {error}"
            texts.append(text)
            refusals.append(refusal)
        turns = [*(taken.steps for taken in self.taken), [*steps, texts]]
        results = self.world.run(self.case.setting, turns)
        for call, result, refusal in zip(calls, results, refusals, strict=True):
            self.messages.append(tool(refusal or result, call.id, call.name))
        return tuple(texts)


def _marks(case: Case, game: _Game, verdict: Verdict | None) -> dict[str, bool]:
    marks = {"within_steps": verdict is not None}
    if verdict:
        names = {"no_calls": "called_each_turn", "state": "state_right", "results": "results_right"}
        for wrong, name in names.items():
            marks[name] = wrong != verdict.wrong
            if wrong == verdict.wrong:  # the checker goes no further
                break
    waited = [not taken.calls for turn, taken in zip(case.turns, game.taken, strict=False) if not turn.gold]
    return marks | ({"waited": all(waited)} if waited else {})


_FOUND = {
    "no_calls": "no call in a turn that needs one",
    "state": "the state is not gold's",
    "results": "a result of gold never came",
}


def _failure(case: Case, game: _Game, verdict: Verdict | None) -> Failure | None:
    """The name of what went wrong: the checker says after which turn, the calls up to there say how."""
    if verdict is None:
        last, found = len(game.taken) - 1, f"more than {STEPS} replies with calls in a turn"
    elif verdict.turn is None:
        return None
    else:
        last, found = verdict.turn, _FOUND[verdict.wrong]
        if verdict.where:
            found += f" ({', '.join(verdict.where)})"
    for n, taken in enumerate(game.taken[: last + 1], 1):
        if taken.last.unread:
            return Failure("malformed", f"turn {n}: could not be read: {taken.last.unread[0][:80]!r}")
    faults = {n: fault for n in range(last, -1, -1) if (fault := _fault(case, n, game.taken[n]))}
    # What was done too early is seen by the checker only at the next turn that has gold calls.
    waiting = itertools.takewhile(lambda n: not case.turns[n].calls, range(last - 1, -1, -1))
    early = [n for n in waiting if n in faults and faults[n].kind == "premature_call"]
    for n in (*early, *faults):
        return Failure(faults[n].kind, f"turn {n + 1}: {faults[n].why}; {found}")
    # Equal as JSON and not to BFCL: 3 and 3.0, or a default that was written out.
    return Failure("wrong_value", f"turn {last + 1}: {found}")


def _fault(case: Case, n: int, taken: _Taken) -> Failure | None:
    """How the calls of a turn differ from gold's; what BFCL checks is their effect, so a turn with a fault may pass."""
    turn = case.turns[n]
    if not turn.calls:
        names = dict.fromkeys(call.name for call in taken.calls)
        due = next((later.calls for later in case.turns[n + 1 :] if later.calls), ())
        if early := names.keys() & {call.name for call in due}:
            return Failure("premature_call", f"called before it could be: {', '.join(sorted(early))}")
        return Failure("stray_call", f"nothing could be done, called {', '.join(names)}") if names else None
    expected = Expected("call", tuple(map(ExpectedCall, turn.calls)))
    example = Example(case.id, turn.tools, (*taken.before, *taken.results), expected)
    found = score(example, Reply(assistant(taken.last.message.content, *taken.calls)))
    if found.failure and found.failure.kind == "missed_call" and any(call.accurate for call in found.calls):
        return Failure("gave_up_early", found.failure.why)
    order = [turn.calls[call.gold] for call in found.calls if call.gold is not None]
    if found.exact and not all(map(ToolCall.same, order, turn.calls)):
        return Failure("wrong_order", f"expected {', '.join(turn.gold)}, in this order")
    return found.failure
