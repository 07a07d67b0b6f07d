"""`Skill`: a tool and everything that the synthesizer knows about asking for it.

Kinds of values, phrasings by section, a mock that answers, the ways it fails, and which other tools could
stand in for it. The built-in tools' skills are written by hand (`builtin_skills`), as are those of the tools
that are held out (`unseen_skills`); for any other tool `schema_skill.py` makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias

import msgspec

from toolfinch.data.synthesize.grammar import Section, World, phrases
from toolfinch.data.synthesize.mocks import BUILTIN_MOCKS, Made
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.samplers import sample
from toolfinch.tool import Tool
from toolfinch.toolbox import builtin_tools

Kind: TypeAlias = str | Callable[[Rand, World], tuple[Any, str]]
"""What an argument's values are: a kind of `samplers.py`, or a sampler of its own."""
Mock: TypeAlias = Callable[[dict[str, Any], Rand, World], Made]


class Skill(NamedTuple):
    tool: Tool
    kinds: Mapping[str, Kind]
    """By argument. Enumerations and flags that only templates set (`<units=celsius>`) are not in it."""
    sections: Mapping[str, Section]
    """`request` and `clause`; `multi`, `missing X`, `ask X`, `reply X` where there are; `answer`."""
    mock: Mock
    errors: tuple[str, ...]
    substitutes: frozenset[str] = frozenset()
    """Tools that could stand in: without this tool a request is declined only where none of them is offered."""
    corrections: Mapping[str, tuple[str, ...]] = {}
    """Arguments that an error may correct, and how it says so."""
    empty: tuple[str, ...] = ()
    """Results that say that there is nothing; the section `empty` tells it."""


class Traits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `skills.json` says of a tool; its phrasings are in `phrases/<world>/<tool>.txt`."""

    kinds: dict[str, str] = {}
    errors: tuple[str, ...] = ()
    substitutes: frozenset[str] = frozenset()
    corrections: dict[str, tuple[str, ...]] = {}
    empty: tuple[str, ...] = ()
    result: dict[str, str] = {}
    """Held-out tools: the result's fields and their kinds."""


def _traits(name: str) -> dict[str, Traits]:
    raw = files("toolfinch.data.synthesize").joinpath("phrases", name).read_bytes()
    return msgspec.json.decode(raw, type=dict[str, Traits])


@cache
def builtin_skills(world: World) -> dict[str, Skill]:
    """The fifteen built-in tools' skills, by tool name."""
    traits = _traits("skills.json")
    return {
        tool.name: Skill(
            tool,
            traits[tool.name].kinds,
            phrases(world, tool.name),
            BUILTIN_MOCKS[tool.name],
            traits[tool.name].errors,
            traits[tool.name].substitutes,
            traits[tool.name].corrections,
            traits[tool.name].empty,
        )
        for tool in builtin_tools()
    }


@lru_cache(maxsize=1)
def unseen_skills() -> dict[str, Skill]:
    """The held-out tools' skills: tools that no training conversation shows. Held-out phrasings only."""
    raw = files("toolfinch.data.synthesize").joinpath("phrases", "unseen_tools.json").read_bytes()
    traits = _traits("unseen_skills.json")
    return {
        tool.name: Skill(
            tool,
            traits[tool.name].kinds,
            phrases("heldout", tool.name),
            partial(fields, traits[tool.name].result),
            traits[tool.name].errors,
        )
        for tool in msgspec.json.decode(raw, type=list[Tool])
    }


def fields(result: Mapping[str, str], args: dict[str, Any], rand: Rand, world: World) -> Made:
    """A mock whose result has sampled fields, by name and kind."""
    payload = {name: sample(kind, rand, world)[0] for name, kind in result.items()}
    return payload, {name: str(value) for name, value in payload.items()}
