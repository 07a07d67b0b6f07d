"""The gate: whether a reply goes out as it is, by its calibrated probability and what it could do.

`decide` gives the verdict, `ask_text` and `decline_text` are what is said instead of calls that are held back. All
are pure. Handing a request to a bigger model is `escalate`; thresholds come from `evaluate/calibrate.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from toolfinch.caller import Reply, Signals, Verdict
from toolfinch.decode.calibration import Calibration, class_of, p_right
from toolfinch.decode.copied import values
from toolfinch.dialects import strict_json
from toolfinch.errors import ToolfinchError
from toolfinch.message import Message
from toolfinch.tool import Tool, shown

DECLINE = "I am not sure that any of the tools I have fits this, so I have done nothing. Please say it in other words."
_SHOWN = 400
"""Characters of a call's arguments that are shown to whoever is asked about it."""


def decide(reply: Reply, tools: Sequence[Tool], calibration: Calibration, *, bigger: bool = False) -> Verdict:
    """The verdict on a reply of the model that the calibration is of. `bigger`: a bigger model may be asked.

    A reply is accepted where its probability reaches the threshold of its class. What was written as a call and
    cannot be read is never accepted. What is not accepted is escalated; without a bigger model, calls are held
    back: it declines where the decision to call is the least sure thing in them, and asks where the name or a
    value is, or where all is sure and yet nothing of the class may be accepted. Words are then accepted as they
    are, since they do nothing, and nothing better is at hand.

    Raises ToolfinchError for a reply without signals: a gate that cannot judge must not let pass.
    """
    if reply.signals is None:
        raise ToolfinchError(
            "the gate got a reply without signals; it can judge only a model on this machine"
        )
    p = p_right(calibration, reply.signals)
    risk = class_of(reply, tools)
    limit = calibration.limit(risk)
    least = limit.threshold
    verdict = Verdict("accept", p, least, risk)
    if least is not None and p >= least and not reply.unread:
        return verdict
    if bigger:
        return msgspec.structs.replace(verdict, action="escalate")
    if reply.unread:
        return msgspec.structs.replace(verdict, action="decline")
    if risk == "words":
        return verdict
    return msgspec.structs.replace(
        verdict, action="decline" if _decision_unsure(reply.signals, limit.target) else "ask"
    )


def _decision_unsure(signals: Signals, target: float) -> bool:
    """Whether the decision to call is less sure than everything in the call, and than the target asks for.

    A margin m is read as the probability that it would leave to one other token, (1 - m) / 2.
    """
    if signals.trigger is None:
        return False
    margins = [m for m in (signals.name, signals.value_min) if m is not None]
    return 1 - signals.trigger > max([target, *((1 - m) / 2 for m in margins)])


def ask_text(reply: Reply, messages: Sequence[Message]) -> str:
    """The question in place of calls: what would be called with what, and which values nobody said."""
    calls = reply.message.calls
    wanted = "; ".join(f"{shown(call.name)}({_arguments(call.arguments)})" for call in calls)
    unsaid = dict.fromkeys(
        f"{key} of {shown(call.name)}" for call, key, said in values(calls, messages) if not said
    )
    doubt = f" I found no mention of the value for {' or '.join(unsaid)}." if unsaid else ""
    return f"I am not sure that this is what you want, so I have not done it yet: {wanted}.{doubt} Shall I do it?"


def held_back(reply: Reply, verdict: Verdict, messages: Sequence[Message]) -> Reply:
    """What goes out for a verdict other than `escalate`: the reply, or words in place of its calls."""
    reply = msgspec.structs.replace(reply, p_right=verdict.p_right, verdict=verdict)
    if verdict.action == "accept":
        return reply
    text = ask_text(reply, messages) if verdict.action == "ask" else DECLINE
    # Log-probabilities and raw text are of what was held back.
    return msgspec.structs.replace(
        reply, message=Message("assistant", text), stop="stop", unread=(), logprobs=(), raw=""
    )


def _arguments(arguments: dict[str, Any]) -> str:
    text = ", ".join(f"{key}={strict_json.dumps(value)}" for key, value in arguments.items())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
