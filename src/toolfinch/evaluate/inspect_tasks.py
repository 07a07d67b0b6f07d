"""The suites as tasks of Inspect, for its runner, its models and its viewer.

    inspect eval toolfinch/forty --model openai/gpt-5-nano
    inspect eval toolfinch/seal_tools -T data=FOLDER --model toolfinch/fledgling
    inspect view

A decision is one sample: the messages so far, one generation with the tools shown and none run, and
`toolfinch.score` on what came. A played case is one sample too: its suite plays it, and asks the model for
every reply. A sample whose endpoint failed has Inspect's own error and no score. Left out are the intervals
over conversations, the other figures of docs/metrics.md and the floors: these are in `toolfinch eval`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

# First, since it says what to install where Inspect is missing.
from toolfinch.evaluate.inspect_turns import in_one_line, reply_of, to_info, to_inspect

# isort: split
import anyio
import anyio.from_thread
import anyio.to_thread
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, ModelOutput, get_model
from inspect_ai.scorer import CORRECT, INCORRECT, Score, Scorer, Target, accuracy, grouped, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from toolfinch import dialects
from toolfinch.caller import Decoding, Reply
from toolfinch.errors import ToolfinchError
from toolfinch.evaluate import inspect_model, suite
from toolfinch.evaluate.played import Outcome
from toolfinch.example import Example
from toolfinch.message import Message, canonical
from toolfinch.score import score
from toolfinch.tool import Tool

__all__ = ["inspect_model", "task_of"]

_DEFAULT = Decoding()
CONFIG = GenerateConfig(temperature=_DEFAULT.temperature, max_tokens=_DEFAULT.max_tokens, seed=_DEFAULT.seed)
"""As `toolfinch eval` decodes; Inspect's own options go before it."""


def task_of(name: str, data: str = "", dialect: str = "") -> Task:
    """A suite as a task. `data` is the folder of one that is not in the package; `dialect` reads calls that an
    endpoint left in its text (`auto` tries all).

    Raises what `suite.open` and `dialects.get` do.
    """
    if dialect not in ("", "auto"):
        dialects.get(dialect)  # before a model is asked, not after
    found = _open(name, data)
    if found.module:
        samples = [
            Sample(id=case.id, input=f"{name}: {case.id}", metadata={"group": str(case.group)})
            for case in found.played
        ]
        work, judge = play_case(name, data, dialect), outcome_score()
    else:
        samples = [_sample(example) for example in found.examples]
        work, judge = decide(), decision_score(dialect)
    return Task(
        MemoryDataset(samples, name=name),
        solver=work,
        scorer=judge,
        name=name,
        config=CONFIG,
        fail_on_error=False,  # an endpoint's error is one sample's; the others go on
    )


@lru_cache(maxsize=4)  # a task and its solver share it
def _open(name: str, data: str) -> suite.Suite:
    return suite.open(name, Path(data) if data else None)


def _sample(example: Example) -> Sample:
    calls = [expected.call for expected in example.expected.calls]
    due = [f"{call.name} {canonical(call.arguments).decode()}" for call in calls]
    return Sample(
        id=example.id,
        input=to_inspect(example.messages),
        target=due or [f"{example.expected.kind}: {example.expected.text}".strip()],
        metadata={
            "scenario": example.scenario or "all",
            "group": example.conversation_id,
            "tags": list(example.tags),
            "example": msgspec.to_builtins(example),
        },
    )


@solver
def decide() -> Solver:
    """One generation, with the tools of the example and none of them run."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        example = _example(state)
        state.output = await _ask(example.messages, example.tools)
        state.messages.append(state.output.message)
        return state

    return solve


def _example(state: TaskState) -> Example:
    return msgspec.convert(state.metadata["example"], Example)


async def _ask(messages: Sequence[Message], tools: Sequence[Tool]) -> ModelOutput:
    """The model's turn. Raises RuntimeError for an output that is an error, as for one that the model raised."""
    output = await get_model().generate(to_inspect(messages), tools=[to_info(tool) for tool in tools])
    if output.error or not output.choices:
        raise RuntimeError(output.error or "the model gave no reply")
    return output


@scorer(metrics=[accuracy(), stderr(cluster="group"), grouped(accuracy(), "scenario", all=False)])
def decision_score(dialect: str = "") -> Scorer:
    """Correct where the reply is an exact match; why not is the explanation, the failure kind in the metadata."""

    async def judge(state: TaskState, target: Target) -> Score:
        example = _example(state)
        reply = reply_of(state.output, example.tools, dialect)
        scored = score(example, reply)
        return Score(
            value=CORRECT if scored.exact else INCORRECT,
            answer=_shown(reply),
            explanation=scored.failure.why if scored.failure else None,
            metadata={
                "failure": scored.failure.kind if scored.failure else None,
                "read_as": reply.read_as,
                "score": msgspec.to_builtins(scored),
            },
        )

    return judge


def _shown(reply: Reply) -> str:
    calls = [f"{call.name} {msgspec.json.encode(call.arguments).decode()}" for call in reply.message.calls]
    return "\n".join((*calls, *reply.unread)) or reply.message.content


class _Asking:
    """Inspect's model as a `ToolCaller`, in a thread that Inspect's event loop waits for."""

    name = "inspect"

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        # Decoding is Inspect's to say.
        output = anyio.from_thread.run(_ask, messages, tools)
        return reply_of(output, tools, self._dialect)


@solver
def play_case(name: str, data: str = "", dialect: str = "") -> Solver:
    """Let a suite play its case with the model."""
    found = _open(name, data)
    cases = {case.id: case for case in found.played}

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        case = cases[state.sample_id]
        # A limiter of its own: threads that wait for the model may not use up those that the model needs.
        outcome: Outcome = await anyio.to_thread.run_sync(
            found.module.play, _Asking(dialect), case, Decoding(), limiter=anyio.CapacityLimiter(1)
        )
        if outcome.failure and outcome.failure.kind == "endpoint_error":
            raise RuntimeError(outcome.failure.why)
        state.messages = to_inspect(outcome.messages)
        state.metadata["outcome"] = msgspec.to_builtins(
            {
                "scenario": outcome.scenario,
                "failure": outcome.failure,
                "expected": outcome.expected,
                "marks": outcome.marks,
            }
        )
        return state

    return solve


@scorer(metrics=[accuracy(), stderr(cluster="group")])
def outcome_score() -> Scorer:
    """Correct where the suite found no failure in the case that was played."""

    async def judge(state: TaskState, target: Target) -> Score:
        outcome = state.metadata["outcome"]
        failure = outcome["failure"] or {}
        return Score(
            value=INCORRECT if failure else CORRECT,
            explanation=failure.get("why"),
            metadata={**outcome, "failure": failure.get("kind")},
        )

    return judge


def _register(name: str) -> None:
    def make(data: str = "", dialect: str = "") -> Task:
        try:
            return task_of(name, data, dialect)
        except ToolfinchError as error:
            raise in_one_line(error) from error

    task(name=name)(make)


for _name in (*suite.BUILT_IN, *suite.PUBLIC, *suite.PLAYED):
    _register(_name)
