"""Skills for any tools, from their schemas alone.

A request is put together from what the description says that the tool does and from its parameters' names:
"cancel a booking with booking id K42X, reason: ...". Plainer than the hand-written phrasings, but every value
is gold by construction, and the scenarios are the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from toolfinch.data.synthesize.grammar import Choice, Part, Section, Set, Slot, Template, World
from toolfinch.data.synthesize.mocks import Made
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.samplers import sample
from toolfinch.data.synthesize.skill import Kind, Skill
from toolfinch.data.synthesize.value_kinds import kind_of, words_of
from toolfinch.errors import UsageError
from toolfinch.schema import validator
from toolfinch.tool import Tool

VERBS: tuple[tuple[str, ...], ...] = (
    ("get", "fetch", "look up", "show me", "retrieve", "return", "read", "check"),
    ("find", "search for", "look for", "search"),
    ("create", "make", "add", "set up"),
    ("delete", "remove", "get rid of"),
    ("update", "change", "edit", "modify"),
    ("list", "show me", "give me"),
    ("send", "deliver"),
    ("calculate", "compute", "work out"),
    ("book", "reserve"),
    ("cancel", "call off"),
)
"""Verbs that stand for each other. The first words are also what marks a tool that only reads."""
READS = frozenset(verb for group in (VERBS[0], VERBS[1], VERBS[5], VERBS[7]) for verb in group) | {"tell"}
PLAIN = frozenset(verb for group in VERBS for verb in group)
DOING = PLAIN | frozenset(
    """activate apply approve archive arrange ask assign block buy call change check choose clean close collect
    compare compose compress confirm connect convert copy count cut decline deploy detect disable dispatch download
    draw edit enable estimate evaluate execute export extract file fill filter find forward generate give
    identify import insert install invite issue join launch load lock log mark measure merge mount move mute open
    order pause pay place plan play post print process publish put query quote rate refund register reject rename
    renew rent repair replace reply report request reschedule reset resize restart restore resume retry review
    rotate run save scan schedule select sell set share show sign sort split start stop store submit subscribe sum
    summarize switch sync take tell test track transfer translate turn unblock unlock unsubscribe upload upgrade
    use validate verify view visit vote withdraw write""".split()
)
"""Words that an instruction can begin with."""
CUTS = re.compile(
    r"[.,;:(]| (?:for|of|in|by|from|to|into|with|using|and|that|which|given|on|at|as|about|based|when|if) "
)
ERRORS = (
    "service unavailable",
    "permission denied",
    "not found",
    "invalid request",
    "internal error",
    "timed out",
)


def schema_skill(tool: Tool, world: World) -> Skill:
    """A skill for a tool. Raises UsageError, naming the tool and the parameter, where no value can be made."""
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    required = set(tool.parameters.get("required", ()))
    rand = Rand(f"schema/{tool.name}")
    kinds: dict[str, Kind] = {}
    for name, schema in properties.items():
        try:
            kind = kind_of(name, schema if isinstance(schema, dict) else {})
            possible = _fits(tool, name, kind, world)
        except ValueError:  # a pattern that is not simple
            possible = False
        if possible:
            kinds[name] = kind
        elif name in required:
            raise UsageError(
                f"{tool.name}.{name}: no value can be made for this schema",
                hint="give the parameter `examples` or an `enum`",
            )
    must = [name for name in kinds if name in required]
    may = [name for name in kinds if name not in required]
    core, whole = _deed(tool)
    sections: dict[str, Section] = {
        "clause": _clauses(tool, core, whole, must, may, rand),
        "answer": _answers(core),
    }
    for name in must:
        words = words_of(name)
        rest = [other for other in must if other != name]
        sections[f"without {name}"] = _clauses(tool, core, whole, rest, [], rand)
        sections[f"missing {name}"] = _questions(sections[f"without {name}"])
        sections[f"ask {name}"] = (
            (f"What is the {words}?",),
            (f"Which {words}?",),
            (f"What {words} should I use?",),
        )
        sections[f"reply {name}"] = (
            (Slot(name),),
            (f"{words}: ", Slot(name)),
            (f"the {words} is ", Slot(name)),
            ("it's ", Slot(name)),
            (Slot(name), " please"),
        )
    if len(must) == 1 and isinstance(kinds[must[0]], str):
        many = Slot(must[0], many=True)
        sections["multi"] = tuple((f"{core} for each {words_of(must[0])}: ", many) for core in core[:3])
    return Skill(tool, kinds, sections, result_of(tool, core[0]), ERRORS)


def _fits(tool: Tool, name: str, kind: Kind, world: World) -> bool:
    """Whether a dozen sampled values are valid, alone in the tool's own schema."""
    schema = {**tool.parameters, "required": [name]}
    check = validator(Tool(tool.name, tool.description, schema))
    rand = Rand(f"fits/{tool.name}/{name}")
    for _ in range(12):
        value = (sample(kind, rand, world) if isinstance(kind, str) else kind(rand, world))[0]
        if not check.is_valid({name: value}):
            return False
    return True


def _deed(tool: Tool) -> tuple[tuple[str, ...], str]:
    """What a tool does, in a few words and several verbs; and as its description's first sentence says it."""
    named = words_of(tool.name)
    first = re.split(r"(?<=\w)\.\s|\n", tool.description.strip())[0].rstrip(". ") or named
    verb, _, rest = first.partition(" ")
    verb = _base(verb.lower())
    if verb not in DOING and _base(named.split()[0]) in PLAIN:
        verb, _, rest = named.partition(" ")
        verb = _base(verb)
    elif verb not in DOING:
        verb, rest = "get", first[:1].lower() + first[1:]
    whole = f"{verb} {rest}".strip()
    cut = CUTS.split(rest, maxsplit=1)[0].strip()
    short = cut if cut else words_of(tool.name).partition(" ")[2]
    same = next((group for group in VERBS if verb in group), (verb,))
    verbs = (verb, *(other for other in same if other != verb))
    return tuple(f"{v} {short}".strip() for v in verbs), whole if len(
        whole
    ) < 60 else f"{verb} {short}".strip()


def _base(verb: str) -> str:
    """`searches` is "search"; a word that is already plain stays."""
    if verb in DOING:
        return verb
    for ending, base in (("ches", "ch"), ("shes", "sh"), ("ies", "y"), ("s", "")):
        if verb.endswith(ending):
            return verb.removesuffix(ending) + base
    return verb


def _clauses(
    tool: Tool, core: Sequence[str], whole: str, must: Sequence[str], may: Sequence[str], rand: Rand
) -> Section:
    """A dozen instructions: what to do, then the parameters in changing order and words."""
    found: list[Template] = []
    for i in range(12):
        names = list(must)
        if i % 3 == 2:
            rand.shuffle(names)
        parts: list[Part] = [whole if i % 4 == 0 else core[i % len(core)]]
        style = rand.below(4)
        for name in names:
            parts += _fragment(tool, name, style, first=name == names[0])
        for name in may:
            if rand.chance(0.5):
                parts.append(Choice((tuple(_fragment(tool, name, rand.below(4))), (), ())))
        found.append(tuple(parts))
    return tuple(found)


def _fragment(tool: Tool, name: str, style: int, *, first: bool = False) -> list[Part]:
    """How one parameter is said."""
    schema = tool.parameters["properties"][name]
    words = words_of(name)
    if schema.get("type") == "boolean":
        return [Choice(((f", {words}", Set(name, True)), (f", not {words}", Set(name, False))))]
    if style == 0:
        return [f"{' with' if first else ','} {words} ", Slot(name)]
    if style == 1:
        return [f", {words}: ", Slot(name)]
    if style == 2:
        return [f" (the {words} is ", Slot(name), ")"]
    return [f"{' where' if first else ' and'} the {words} is ", Slot(name)]


def _questions(clauses: Section) -> Section:
    """Instructions that lack a parameter, as they stand and as questions."""
    return (
        *clauses,
        *(("can you ", *clause, "?") for clause in clauses[:4]),
        *(("please ", *c) for c in clauses[4:8]),
    )


def _answers(core: Sequence[str]) -> Section:
    if core[0].split()[0] in READS:
        return (('The result is "', Slot("r.text"), '".'), ('I got "', Slot("r.text"), '".'))
    return (("Done, the id is ", Slot("r.text"), "."), ("That is done (", Slot("r.text"), ")."))


def result_of(tool: Tool, deed: str) -> Any:
    """A mock for a tool: a value for one that reads, an id for one that does something."""
    reads = deed.split()[0] in READS

    def mock(args: dict[str, Any], rand: Rand, world: World) -> Made:
        kind = rand.pick(("rare", "number", "topic", "place", "code")) if reads else "code"
        text = str(sample(kind, rand, world)[0])
        key = rand.pick(("result", "value", "data")) if reads else rand.pick(("id", "reference"))
        return ({key: text} if rand.chance(0.7) else {"ok": True, key: text}), {"text": text}

    return mock
