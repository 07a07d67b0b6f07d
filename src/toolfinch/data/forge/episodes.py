"""What happens in a conversation: one function a kind of episode, each writing a few turns into a `Talk`.

An episode starts with the user and ends with the assistant's words. Each returns False, having written
nothing, where the offered tools do not allow it.
"""

from __future__ import annotations

from collections.abc import Callable

from toolfinch.data.forge import lexicon, realise, replies
from toolfinch.data.forge.domains import DOMAINS
from toolfinch.data.forge.invent import invent, style
from toolfinch.data.forge.names import between, coined, first_name, pick, topic
from toolfinch.data.forge.spec import Param, Spec
from toolfinch.data.forge.talk import Given, Talk
from toolfinch.data.forge.turns import (
    act_on,
    carry_out,
    fill,
    movable,
    outcome,
    question,
    settled,
    shared,
    which_row,
    wrapped,
)
from toolfinch.data.forge.values import Value, join
from toolfinch.data.forge.verbs import VERBS

Episode = Callable[[Talk], bool]


def single(talk: Talk) -> bool:
    """A complete request, the call, the answer, and perhaps what follows from it."""
    rng = talk.rng
    spec = pick(rng, talk.specs)
    given = talk.given(spec)
    text = realise.request(rng, spec, given, talk.persona)
    params = movable(given)
    if params and rng.random() < 0.06:
        param = pick(rng, params)
        text = realise.corrected(rng, text, param, talk.value(param.field), given) or text
    talk.hear(realise.polish(rng, text, talk.persona))
    if settled(talk, spec, given):
        carry_out(talk, spec, given, "single_tool")
    return True


def asking(talk: Talk) -> bool:
    """Required values are missing: the assistant asks for them, one by one or at once, then calls."""
    rng = talk.rng
    able = [s for s in talk.specs if any(p.required for p in s.params)]
    if not able:
        return False
    spec = pick(rng, able)
    given = talk.given(spec, optional=0.2)
    need = [p for p in spec.params if p.required]
    missing = [p for p in need if rng.random() < 0.5] or [pick(rng, need)]
    said = {p: v for p, v in given.items() if p not in missing}
    talk.hear(realise.polish(rng, realise.request(rng, spec, said, talk.persona), talk.persona))
    fill(talk, given, missing, "complex_multi_step")
    if settled(talk, spec, given):
        carry_out(talk, spec, given, "complex_multi_step")
    return True


def parallel(talk: Talk) -> bool:
    """Two or three calls at once: one tool with several values, or two tools in one breath."""
    rng = talk.rng
    if talk.confirms:
        return False
    if rng.random() < 0.5 and len(talk.specs) > 1:
        first = pick(rng, talk.specs)
        second = pick(rng, [s for s in talk.specs if s is not first])
        wanted = [(first, talk.given(first, optional=0.2)), (second, talk.given(second, optional=0.2))]
        parts = [realise.request(rng, s, g, talk.persona).rstrip(".") for s, g in wanted]
        link = pick(rng, (" and ", ". Also, ", " and also ", ". And ", ", and then ", " plus ", "; "))
        text = (pick(rng, (" And ", " Also ")) if parts[0].endswith("?") else link).join(parts)
    else:
        spec = pick(rng, talk.specs)
        given = talk.given(spec, optional=0.2)
        splits = movable(given)
        if not splits:
            return False
        param = pick(rng, splits)
        values = [given[param]]
        for _ in range(pick(rng, (1, 1, 1, 2))):
            value = talk.value(param.field)
            if all(value.arg != v.arg for v in values):
                values.append(value)
        if len(values) < 2:
            return False
        wanted = [(spec, {**given, param: value}) for value in values]
        # The fences close and open again, so that only the values are protected.
        said = join([f"{realise.FENCE}{v.say}{realise.FENCE}" for v in values])[1:-1]
        if len(values) == 2 and rng.random() < 0.3:
            said = f"both {said}"
        text = realise.request(rng, spec, {**given, param: Value(None, said)}, talk.persona)
    talk.hear(realise.polish(rng, text, talk.persona))
    calls = talk.call(wanted, "multi_tool_parallel")
    reports = []
    for (spec, given), call in zip(wanted, calls, strict=True):
        value, report, _ = outcome(talk, spec, given)
        talk.result(call, value)
        reports.append(report)
    talk.say(" ".join(reports), scenario="multi_tool_parallel")
    return True


def half(talk: Talk) -> bool:
    """Two wishes, one of which no tool fits: the one is carried out, the other declined."""
    rng = talk.rng
    spec = pick(rng, talk.specs)
    other = _missing_tool(talk)
    if other is None or (talk.confirms and spec.verb.writes):
        return False
    given = talk.given(spec, optional=0.2)
    parts = [
        realise.request(rng, spec, given, talk.persona).rstrip(".?"),
        realise.request(rng, other, talk.given(other, optional=0.1), talk.persona),
    ]
    if rng.random() < 0.3:
        parts = [parts[1].rstrip(".?"), parts[0]]
    text = pick(rng, (" and ", ". Also, ", " and also ", ". And ")).join(parts)
    talk.hear(realise.polish(rng, text, talk.persona))
    noun = other.action.noun
    sorry = pick(rng, lexicon.HALVES).replace("{v}", pick(rng, other.verb.say_own)).replace("{n}", noun)
    carry_out(talk, spec, given, "single_tool", follow=False, also=sorry)
    return True


def _links(talk: Talk) -> list[tuple[Spec, Spec, Param]]:
    """A search, a tool that acts on what it finds, and the parameter that names the find."""
    return [
        (s, a, p)
        for s in talk.specs
        if s.verb.shape == "search"
        for a in talk.specs
        if a.object is s.object and a.verb.shape != "search"
        for p in a.params
        if p.field.flag in "it" and not p.form and any(f is p.field for f in s.object.fields)
    ]


def chained(talk: Talk) -> bool:
    """A search and an action on what it found: in one request, or after the user has seen the rows."""
    rng = talk.rng
    links = _links(talk)
    if not links:
        return False
    look, act, link = pick(rng, links)
    found = talk.given(look)
    rows = talk.rows(look, between(rng, 1, 3), link.field)
    which, row = which_row(talk, look, rows)
    known = {**talk.given(act, optional=0.2), **shared(found, act)}
    rest = {p: v for p, v in known.items() if p is not link and p not in shared(found, act)}
    given = {**known, link: Value(row[link.field.names[0]], replies.show(row[link.field.names[0]]))}
    at_once = rng.random() < 0.45 and not talk.confirms
    text = realise.request(rng, look, found, talk.persona)
    then = act_on(talk, act, rest, which)
    if at_once:
        text = f"{text.rstrip('.?')}{pick(rng, (' and ', ', then ', ' and then ', '. Then '))}{then}"
    talk.hear(realise.polish(rng, text, talk.persona))
    [call] = talk.call([(look, found)], "multi_tool_sequential" if at_once else "single_tool")
    talk.result(call, wrapped(talk, look, rows))
    if not at_once:
        talk.say(replies.report_rows(rng, look, rows))
        talk.hear(realise.polish(rng, then, talk.persona))
    if at_once or settled(talk, act, given):
        carry_out(talk, act, given, "multi_tool_sequential")
    return True


def service(talk: Talk) -> bool:
    """A whole errand: a vague wish, questions, a search, an offer, details, and the action on the find."""
    rng = talk.rng
    links = _links(talk)
    if not links:
        return False
    look, act, link = pick(rng, links)
    found = talk.given(look, optional=0.25)
    missing = [p for p in found if p.required and rng.random() < 0.45]
    said = {p: v for p, v in found.items() if p not in missing}
    talk.hear(realise.polish(rng, realise.request(rng, look, said, talk.persona), talk.persona))
    fill(talk, found, missing, "complex_multi_step")
    [call] = talk.call([(look, found)], "complex_multi_step")
    rows = talk.rows(look, pick(rng, (1, 2, 2, 3, 3)), link.field)
    talk.result(call, wrapped(talk, look, rows))
    key = link.field.names[0]
    at = 0
    talk.say(replies.offer(rng, look, rows[0], len(rows), key), scenario="complex_multi_step")
    while at + 1 < len(rows) and rng.random() < 0.28:
        at += 1
        talk.hear(realise.polish(rng, pick(rng, lexicon.OTHERS), talk.persona, opening=False))
        talk.say(replies.offer(rng, look, rows[at], 1, key), "say", "no_tool_needed")
    if rng.random() < 0.4:
        question(talk, look, rows[at : at + 1], found)
    carried = shared(found, act)
    given = {
        **talk.given(act, optional=0.15),
        **carried,
        link: Value(rows[at][key], replies.show(rows[at][key])),
    }
    new = [p for p in given if p is not link and p not in carried]
    missing = [p for p in new if p.required and rng.random() < 0.5]
    rest = {p: given[p] for p in new if p not in missing}
    talk.hear(
        realise.polish(rng, act_on(talk, act, rest, pick(rng, ("it", "that one", "this one"))), talk.persona)
    )
    fill(talk, given, missing, "complex_multi_step")
    if settled(talk, act, given):
        carry_out(talk, act, given, "complex_multi_step")
    return True


def lookup(talk: Talk) -> bool:
    """A value that the user does not know but another tool returns: look it up first, then use it."""
    rng = talk.rng
    pairs = [
        (s, a, p)
        for s in talk.specs
        if s.identity is not None and not s.verb.writes and s.identity.field.flag == "t"
        for a in talk.specs
        if a is not s
        for p in a.params
        if p.field.kind in _LOOKED_UP and not p.form and p is not a.identity
    ]
    if not pairs or talk.confirms:
        return False
    look, act, param = pick(rng, pairs)
    asked = {p: v for p, v in talk.given(look, optional=0.0).items() if p is look.identity}
    given = talk.given(act, optional=0.15)
    rest = {p: v for p, v in given.items() if p is not param}
    row = talk.row([f for f in talk.row_fields(look, 2) if f.names[0] != param.field.names[0]])
    found = talk.value(param.field)
    row = (
        {**row, param.field.names[0]: found.arg}
        if rng.random() < 0.5
        else {param.field.names[0]: found.arg, **row}
    )
    text = realise.request(rng, act, rest, talk.persona)
    for name in asked.values():
        use = pick(rng, lexicon.LOOKUPS).replace("{l}", param.label).replace("{n}", look.action.noun)
        text = f"{text.rstrip('.?')}. {use.replace('{}', realise.fence(name.say))}"
    talk.hear(realise.polish(rng, text, talk.persona))
    [call] = talk.call([(look, asked)], "multi_tool_sequential")
    talk.result(call, row)
    carry_out(talk, act, {**rest, param: found}, "multi_tool_sequential")
    return True


_LOOKED_UP = frozenset(("code", "email", "phone", "address", "digits", "plate", "handle"))


def profile(talk: Talk) -> bool:
    """The system line knows something of the user: it is used without asking."""
    rng = talk.rng
    if any(m.role != "system" for m in talk.messages):
        return False
    able = [
        (s, p)
        for s in talk.specs
        for p in s.params
        if p.required and p.field.kind in _PERSONAL and not p.form
    ]
    if not able:
        return False
    spec, param = pick(rng, able)
    given = talk.given(spec, optional=0.2)
    value = given[param] = Value(given[param].arg, str(given[param].arg))
    fact = pick(rng, lexicon.PROFILES).replace("{l}", param.label).replace("{v}", value.say)
    talk.instruct(fact)
    said = {p: v for p, v in given.items() if p is not param}
    talk.hear(realise.polish(rng, realise.request(rng, spec, said, talk.persona), talk.persona))
    if settled(talk, spec, given):
        carry_out(talk, spec, given, "reasoning_heavy")
    return True


_PERSONAL = frozenset(("city", "code", "email", "phone", "address", "person", "plate", "digits", "handle"))


def _missing_tool(talk: Talk) -> Spec | None:
    """A tool that is not offered and that nothing offered could stand in for."""
    rng = talk.rng
    offered = {s.purpose for s in talk.specs}
    if rng.random() < 0.5:
        near = [
            (s.object, a)
            for s in talk.specs
            for a in s.object.actions
            if (a.noun, VERBS[a.verb].family) not in offered and a.noun == s.action.noun
        ]
        if near:
            obj, action = pick(rng, near)
            return invent(rng, obj, action, style(rng))
    domain = pick(rng, tuple(DOMAINS))
    if any(s.object.domain == domain for s in talk.specs):
        return None
    obj = pick(rng, DOMAINS[domain])
    return invent(rng, obj, pick(rng, obj.actions), style(rng))


def declining(talk: Talk) -> bool:
    """Nothing offered fits: a sibling action that is missing, or another subject altogether."""
    rng = talk.rng
    spec = _missing_tool(talk)
    if spec is None:
        return False
    text = realise.request(rng, spec, talk.given(spec, optional=0.25), talk.persona)
    talk.hear(realise.polish(rng, text, talk.persona))
    talk.say(replies.decline(rng, spec, talk.specs), "decline", "no_tool_needed")
    return True


def chatting(talk: Talk) -> bool:
    """Greetings, small talk, questions that need no tool, questions about the tools themselves."""
    rng = talk.rng
    roll = rng.random()
    if roll < 0.3:
        asked, said = pick(rng, lexicon.GREETINGS)
    elif roll < 0.45:
        asked, said = _about_tools(talk)
    else:
        asked, said = pick(rng, lexicon.CHAT)
        start = pick(rng, lexicon.WORDS)
        able = join([replies.capability(rng, s) for s in talk.specs[:3]])
        word = coined(rng)
        color = pick(rng, lexicon.COLORS)
        fills = {
            "{a}": pick(rng, lexicon.THINGS),
            "{j}": pick(rng, lexicon.ADJECTIVES),
            "{t}": topic(rng),
            "{x}": word,
            "{X}": word[::-1],
            "{w}": pick(rng, lexicon.WORDS),
            "{lw}": start,
            "{l}": start[0].upper(),
            "{p}": first_name(rng),
            "{c}": color,
            "{C}": color.capitalize(),
            "{caps}": f"I can {able}.",
        }
        for mark, filling in fills.items():
            asked, said = asked.replace(mark, filling), said.replace(mark, filling)
    talk.hear(realise.polish(rng, asked, talk.persona, opening=False))
    talk.say(said, "say", "no_tool_needed")
    return True


def _about_tools(talk: Talk) -> tuple[str, str]:
    """A question about what a tool needs, or a wish that it not be used."""
    rng = talk.rng
    spec = pick(rng, talk.specs)
    do, noun = spec.verb.say_own[0], spec.action.noun
    if rng.random() < 0.4:
        asked = pick(rng, lexicon.HOLDS).replace("{v}", do).replace("{n}", noun)
        return asked, pick(rng, lexicon.LEFT_ALONE)
    need = [p.label for p in spec.params if p.required]
    asked = pick(rng, lexicon.NEEDED).replace("{v}", do).replace("{n}", noun)
    return asked, f"I need the {join(need)}." if need else "Nothing, just ask."


def thanking(talk: Talk) -> None:
    """The user is done."""
    talk.hear(realise.polish(talk.rng, pick(talk.rng, lexicon.THANKS), talk.persona, opening=False))
    talk.say(pick(talk.rng, lexicon.WELCOMES), "say", "no_tool_needed")


def failing(talk: Talk) -> bool:
    """A tool fails: a passing fault is tried once more, a lasting one is reported, perhaps put right."""
    rng = talk.rng
    spec = pick(rng, talk.specs)
    given = talk.given(spec)
    talk.hear(realise.polish(rng, realise.request(rng, spec, given, talk.persona), talk.persona))
    if not settled(talk, spec, given):
        return True
    [call] = talk.call([(spec, given)], "single_tool")
    key = pick(rng, ("error", "message", "detail"))
    if rng.random() < 0.4:
        _passing(talk, spec, given, call.id, key)
        return True
    suspects = [p for p in movable(given) if p.field.kind in _SUSPECT]
    if suspects and rng.random() < 0.5:
        param = pick(rng, suspects)
        bad = replies.show(param.argument(given[param]))
        fault = pick(
            rng, (f"unknown {param.label}: {bad}", f"invalid {param.name}", f"no such {param.label}")
        )
        talk.fail(call.id, key, fault)
        told = pick(rng, lexicon.REJECTED).replace("{l}", param.label).replace("{v}", bad)
        talk.say(told, "ask" if told.endswith("?") else "say", "error_recovery")
        again = {**given, param: talk.value(param.field)}
        talk.hear(realise.answer(rng, [(param, again[param])], talk.persona))
        carry_out(talk, spec, again, "error_recovery", follow=False)
        return True
    fault, why = pick(rng, lexicon.LASTING)
    talk.fail(call.id, key, fault)
    told = pick(rng, lexicon.FAILED).replace("{e}", fault).replace("{w}", why)
    told = told.replace("{v}", pick(rng, spec.verb.say_own)).replace("{n}", spec.action.noun)
    talk.say(told, scenario="error_recovery")
    return True


_SUSPECT = frozenset(
    ["code", "city", "person", "first", "date", "email", "plate", "slug", "place", "digits", "title"]
)


def _passing(talk: Talk, spec: Spec, given: Given, call_id: str, key: str) -> None:
    """The same call once more; then it works, or the failure is reported."""
    rng = talk.rng
    fault, why = pick(rng, lexicon.PASSING)
    talk.fail(call_id, key, fault)
    [call] = talk.call([(spec, given)], "error_recovery")
    if rng.random() < 0.3:
        talk.fail(call.id, key, fault)
        talk.say(pick(rng, lexicon.GIVEN_UP).replace("{w}", why), scenario="error_recovery")
        return
    value, report, _ = outcome(talk, spec, given)
    talk.result(call, value)
    talk.say(report, scenario="error_recovery")


def again(talk: Talk) -> bool:
    """A look-up, then the same once more with one value changed."""
    rng = talk.rng
    able = [s for s in talk.specs if not s.verb.writes and s.params]
    if not able:
        return False
    spec = pick(rng, able)
    given = talk.given(spec)
    params = movable(given)
    if not params:
        return False
    talk.hear(realise.polish(rng, realise.request(rng, spec, given, talk.persona), talk.persona))
    carry_out(talk, spec, given, "single_tool", follow=False)
    for _ in range(pick(rng, (1, 1, 2))):
        param = pick(rng, params)
        value = talk.value(param.field)
        if value.arg == given[param].arg:
            break
        given = {**given, param: value}
        talk.hear(realise.variation(rng, param, given, talk.persona))
        carry_out(talk, spec, given, "complex_multi_step", follow=False)
    return True


EPISODES: tuple[tuple[Episode, int], ...] = (
    (single, 46),
    (asking, 10),
    (parallel, 11),
    (chained, 12),
    (service, 14),
    (lookup, 8),
    (profile, 3),
    (half, 3),
    (declining, 11),
    (chatting, 5),
    (failing, 8),
    (again, 6),
)
"""Each kind of episode and how often it is drawn; some draws find no fitting tools."""
