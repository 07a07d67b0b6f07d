"""The two built-in suites: `scenarios_200` over the seven scenarios, `unseen_tools_100` over tools never trained on.

Both are drawn from the held-out world, one measured decision a conversation, and were written once into
`evaluate/suites`; the files are what is frozen, not this code. To draw them again (other numbers than before,
no longer comparable): python -m toolfinch.data.synthesize.frozen FOLDER
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from toolfinch.data.dataset import read_dataset, write_dataset
from toolfinch.data.synthesize import ANY_WRITERS, WRITERS, Writer, conversation
from toolfinch.data.synthesize.grammar import World
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.request import Asking
from toolfinch.data.synthesize.skill import Skill, builtin_skills, unseen_skills
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message

QUOTA = {
    "single_tool": 29,
    "multi_tool_parallel": 29,
    "multi_tool_sequential": 29,
    "no_tool_needed": 29,
    "error_recovery": 28,
    "reasoning_heavy": 28,
    "complex_multi_step": 28,
}
UNSEEN_QUOTA = {
    "single_tool": 20,
    "multi_tool_parallel": 20,
    "no_tool_needed": 20,
    "error_recovery": 20,
    "reasoning_heavy": 20,
}
CANDIDATES = 8
"""Drawn for each place; the one whose decision is rarest so far is taken."""


def scenarios_200() -> list[Conversation]:
    """The committed suite over the fifteen built-in tools."""
    return _committed("scenarios_200")


def unseen_tools_100() -> list[Conversation]:
    """The committed suite over the held-out tools."""
    return _committed("unseen_tools_100")


def _committed(name: str) -> list[Conversation]:
    with as_file(files("toolfinch.evaluate").joinpath("suites", f"{name}.jsonl")) as path:
        return list(read_dataset(path))


def draw(
    name: str,
    skills: Mapping[str, Skill],
    writers: Mapping[str, Writer],
    quota: Mapping[str, int],
    tags: tuple[str, ...] = (),
    world: World = "heldout",
) -> list[Conversation]:
    """A suite, balanced over decisions within each scenario, without two equal last requests."""
    taken: list[Conversation] = []
    asked: set[str] = set()
    for scenario, places in quota.items():
        seen: Counter[str] = Counter()
        for place in range(places):
            found: dict[str, Conversation] = {}
            for i in range(CANDIDATES):
                asking = Asking(Rand(f"{name}/{scenario}/{place}/{i}"), world, skills, skills)
                drawn = conversation(
                    f"{name}-{scenario}-{place:02d}",
                    asking,
                    writers,
                    {scenario: 1.0},
                    (1, 1),
                    source=name,
                    tags=tags,
                )
                cut = measured(drawn, scenario, place)
                if _last_request(cut) not in asked:
                    found.setdefault(_decision(cut), cut)
            best = min(found, key=lambda decision: seen[decision])
            seen[best] += 1
            asked.add(_last_request(found[best]))
            taken.append(found[best])
    return taken


def measured(drawn: Conversation, scenario: str, place: int) -> Conversation:
    """The conversation up to its measured decision, every earlier assistant turn marked `skip`."""
    turns = [i for i, message in enumerate(drawn.messages) if message.role == "assistant"]
    calls = [i for i in turns if drawn.messages[i].calls]
    if scenario == "error_recovery":
        failed = [i for i, message in enumerate(drawn.messages) if _nothing(message)]
        at = next((i for i in turns if failed and i > failed[0]), turns[-1])
    elif scenario in ("multi_tool_sequential", "reasoning_heavy"):
        at = calls[-1]
    elif scenario == "complex_multi_step":
        at = turns[-1] if place % 4 == 3 else calls[1 + place % (len(calls) - 1)]
    else:
        at = turns[0]
    marks = {i: Mark(skip=True) for i in turns if i < at}
    marks[at] = Mark(drawn.marks[at].kind, drawn.marks[at].accept, drawn.marks[at].optional)
    return Conversation(
        drawn.id, drawn.tools, drawn.messages[: at + 1], scenario, drawn.source, drawn.tags, marks
    )


def _nothing(message: Message) -> bool:
    return message.result is not None and (message.result.is_error or len(message.content) < 40)


def _decision(cut: Conversation) -> str:
    """What is decided: the tools called, or words and the tool that they follow."""
    last = len(cut.messages) - 1
    before = cut.messages[last - 1].result
    after = before.name if before else ""
    return f"{cut.marks[last].kind} {after} {sorted(call.name for call in cut.messages[-1].calls)}"


def _last_request(cut: Conversation) -> str:
    return next(message.content for message in reversed(cut.messages) if message.role == "user")


def main(folder: Path) -> None:
    """The two suites, and `train_200`: as many decisions of the same kinds in the training wordings.

    What a model gets on `train_200` and not on `scenarios_200` it has learned by heart. It is not committed.
    """
    # The draw and its ids go by the suite's first name: it is frozen.
    builtin = draw("frozen_200", builtin_skills("heldout"), WRITERS, QUOTA)
    unseen = draw("unseen_tools_100", unseen_skills(), ANY_WRITERS, UNSEEN_QUOTA, ("unseen_tools",))
    known = draw("train_200", builtin_skills("train"), WRITERS, QUOTA, world="train")
    for name, suite in (("scenarios_200", builtin), ("unseen_tools_100", unseen), ("train_200", known)):
        print(folder / f"{name}.jsonl", write_dataset(folder / f"{name}.jsonl", suite))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
