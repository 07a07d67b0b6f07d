"""The parts that episodes share: asking for what is missing, confirming, calling, answering, looking back.

Each writes turns into a `Talk`. What a tool returns is invented here too, with the words that report it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolfinch.data.forge import lexicon, realise, replies
from toolfinch.data.forge.domains import Field
from toolfinch.data.forge.names import between, pick
from toolfinch.data.forge.spec import Param, Spec
from toolfinch.data.forge.talk import Given, Row, Talk
from toolfinch.data.forge.values import Value


def movable(given: Given) -> list[Param]:
    """Parameters whose value can change alone and be said in passing: of two dates, one may hang on the
    other; whole texts and flags are not swapped for a like value."""
    dates = sum(p.field.kind == "date" for p in given)
    return [p for p in given if p.field.kind not in _FIXED and not (p.field.kind == "date" and dates > 1)]


_FIXED = frozenset(("bool", "text", "longtext", "list", "listn", "lines", "question"))


def fill(talk: Talk, given: Given, missing: list[Param], scenario: str) -> None:
    """Asks for the missing parameters, one by one or all at once; `given` has their values already."""
    rng = talk.rng
    one_by_one = rng.random() < 0.6
    while missing:
        now = missing[:1] if one_by_one else missing[:]
        talk.say(replies.ask(rng, now), "ask", scenario)
        answered = list(now)
        if len(missing) > len(now) and rng.random() < 0.15:
            answered.append(missing[len(now)])
        talk.hear(realise.answer(rng, [(p, given[p]) for p in answered], talk.persona))
        missing = [p for p in missing if p not in answered]


def settled(talk: Talk, spec: Spec, given: Given) -> bool:
    """Confirms a change where the rules ask for it; may change `given`; False where the user backs out."""
    if not talk.confirms or not spec.verb.writes:
        return True
    rng = talk.rng
    talk.say(replies.confirm(rng, spec, given), "ask", "complex_multi_step")
    roll = rng.random()
    if roll < 0.1:
        talk.hear(realise.polish(rng, pick(rng, lexicon.NO), talk.persona, opening=False))
        talk.say(pick(rng, lexicon.LEFT_ALONE), "say", "no_tool_needed")
        return False
    params = [p for p in movable(given) if p is not spec.identity]
    if roll < 0.28 and params:
        param = pick(rng, params)
        given[param] = talk.value(param.field)
        but = pick(rng, ("no, ", "not quite. ", "almost. ", "change that: ", ""))
        but += realise.clause(rng, param, given[param], named=realise.unclear(param, given))
        talk.hear(realise.polish(rng, but, talk.persona, opening=False))
        talk.say(replies.confirm(rng, spec, given), "ask", "complex_multi_step")
    talk.hear(realise.polish(rng, pick(rng, lexicon.YES), talk.persona, opening=False))
    return True


def carry_out(
    talk: Talk, spec: Spec, given: Given, scenario: str, *, follow: bool = True, also: str = ""
) -> None:
    """The call, its result, the answer (with `also` behind it), and perhaps questions it already answers."""
    [call] = talk.call([(spec, given)], scenario)
    value, report, rows = outcome(talk, spec, given)
    talk.result(call, value)
    talk.say(f"{report} {also}" if also else report, scenario=scenario)
    if follow and rows and talk.rng.random() < 0.18:
        for _ in range(pick(talk.rng, (1, 1, 2))):
            question(talk, spec, rows, given)


def outcome(talk: Talk, spec: Spec, given: Given) -> tuple[Any, str, list[Row]]:
    """What the tool returns, what the assistant says of it, and the rows that can be asked about."""
    rng = talk.rng
    shape = spec.verb.shape
    if shape == "search":
        count = pick(rng, (0, 1, 1, 2, 2, 2, 3))
        limit = next((v.arg for p, v in given.items() if p.field.names[0] == "limit"), count)
        rows = talk.rows(spec, min(count, limit))
        return wrapped(talk, spec, rows), replies.report_rows(rng, spec, rows), rows
    if shape == "ask":
        key, value = _fact(talk, spec)
        return {key: value}, replies.report_answer(rng, spec, replies.show(value)), []
    own = ""
    if spec.identity is not None and spec.identity in given:
        own = replies.show(spec.identity.argument(given[spec.identity]))
    if not spec.verb.writes:
        row = talk.row(talk.row_fields(spec, between(rng, 2, 4)))
        if rng.random() < 0.4:
            row = {"status": pick(rng, lexicon.STATES), **row}
        return row, replies.report_record(rng, spec, row, own), [row]
    ref = talk.reference() if shape == "create" and rng.random() < 0.6 else ""
    if not ref and rng.random() < 0.2:
        return {"success": True}, replies.report_done(rng, spec, own, ref), []
    value = {pick(rng, ("status", "result", "state")): pick(rng, ("ok", "success", spec.verb.done, "done"))}
    if ref:
        value[pick(rng, ("id", "reference", "ref", f"{spec.action.noun.split()[-1]}_id"))] = ref
    return value, replies.report_done(rng, spec, own, ref), []


def _fact(talk: Talk, spec: Spec) -> tuple[str, Any]:
    rng = talk.rng
    results = [f for f in spec.object.fields if f.flag == "r"]
    if results:
        field = pick(rng, results)
        return field.names[0], talk.value(field).arg
    number: float = between(rng, 1, 999)
    if spec.verb.key != "count" and rng.random() < 0.6:
        number = round(rng.random() * pick(rng, (10, 100, 2000)), pick(rng, (1, 2)))
    return pick(rng, ("result", "value", "answer", "result")), number


def wrapped(talk: Talk, spec: Spec, rows: list[Row]) -> Any:
    """Rows in one of the shapes in which services return them."""
    shape = pick(talk.rng, ("results", "list", "count", "noun"))
    if shape == "list":
        return rows
    if shape == "count":
        return {"count": len(rows), "items": rows}
    return {"results" if shape == "results" else spec.action.plural.replace(" ", "_"): rows}


_ORDINALS = (("first", 0), ("second", 1), ("last", -1), ("first", 0), ("third", 2))


def which_row(talk: Talk, look: Spec, rows: Sequence[Row]) -> tuple[str, Row]:
    """How to point at one of the rows, and the row."""
    rng = talk.rng
    if len(rows) == 1:
        return pick(rng, ("it", "it", "that one", "that")), rows[0]
    kinds = {f.names[0]: f.kind for f in look.object.fields}
    priced = [k for k in rows[0] if kinds.get(k) == "money"]
    if priced and rng.random() < 0.5:
        low = rng.random() < 0.75
        row = (min if low else max)(rows, key=lambda r: r[priced[0]])
        return f"the {'cheapest' if low else 'most expensive'} one", row
    word, at = pick(rng, _ORDINALS)
    if at >= len(rows):
        word, at = "last", -1
    one = pick(rng, (" one", " one", "", f" {look.action.noun}"))
    return f"the {word}{one}", rows[at]


def question(talk: Talk, spec: Spec, rows: Sequence[Row], given: Given) -> None:
    """A question about the rows: answered from them without a call, or honestly not."""
    rng = talk.rng
    if len(rows) > 1:
        which, row = which_row(talk, spec, rows)
        if rng.random() < 0.4:
            which = replies.show(next(iter(row.values())))
    else:
        which, row = pick(rng, ("it", "it", "that one")), rows[0]
    unknown = _untold(spec, row, given)
    if unknown and rng.random() < 0.17:
        label = unknown[int(rng.random() * len(unknown))].names[0].replace("_", " ")
        answer = pick(rng, lexicon.UNTOLD).replace("{l}", label)
    else:
        key = pick(rng, list(row)[1 if len(row) > 1 else 0 :])
        label = replies.plain(key)
        answer = pick(rng, ("The {l} is {v}.", "It's {v}.", "{v}.", "That is {v}.", "The {l}: {v}."))
        answer = answer.replace("{l}", label).replace("{v}", replies.show(row[key]))
    its = f"its {label}" if which == "it" else f"the {label} of {which}"
    talk.hear(realise.polish(rng, pick(rng, lexicon.ASIDES).replace("{}", its), talk.persona, opening=False))
    talk.say(answer, "say", "no_tool_needed")


def _untold(spec: Spec, row: Row, given: Given) -> list[Field]:
    said = {p.field.names[0] for p in given}
    return [
        f for f in spec.object.fields if f.flag in "rbs" and f.names[0] not in row and f.names[0] not in said
    ]


def act_on(talk: Talk, act: Spec, rest: Given, which: str) -> str:
    """Asks for an action on a row pointed at, with further details; fenced, for `polish`."""
    rng = talk.rng
    slots = [realise.phrase(rng, p, v).lstrip("<") for p, v in rest.items()]
    do = pick(rng, act.verb.say)
    head, _, particle = do.rpartition(" ")
    if (
        head
        and which in ("it", "that")
        and particle in ("up", "in", "out", "off", "on", "down", "away", "back")
    ):
        do, which = head, f"{which} {particle}"
    text = " ".join((do, which, *slots))
    return text if rng.random() < 0.6 else pick(rng, lexicon.PICKS).replace("{}", text)


def shared(found: Given, act: Spec) -> dict[Param, Value]:
    """Values of a search that hold for the action too: the same detail of the same object. What is made
    from a find takes all of them, any other action only what it cannot do without."""
    told = {id(p.field): v for p, v in found.items()}
    takes = [p for p in act.params if p.required or act.verb.shape == "create"]
    return {p: told[id(p.field)] for p in takes if id(p.field) in told}
