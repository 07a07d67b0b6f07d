"""The decision "call or not", taken as one event.

A dialect opens a call with a trigger (`<tool_call>`). Where that is a single token of the vocabulary, all
of the model's belief in calling sits on that one token, while its belief in answering with words is spread
over the many tokens with which words can begin. A plain argmax over tokens therefore favours the call: with
p(trigger) = 0.4 and the other 0.6 shared by twenty openings, argmax calls, though the model holds words to
be likelier. So greedy decoding compares the two events, not the tokens: it calls exactly where
p(trigger) >= 0.5 at the first position of the reply, and that probability, taken from the raw logits, is
the reply's confidence.

A trigger of several tokens has no such single probability (its first token may begin a word); there the
loop decodes token by token and gives no confidence. With a temperature above 0 the first token is sampled
like any other.
"""

from __future__ import annotations

import re

import numpy as np

from toolfinch.decode.engine import Engine, Logits


def trigger_id(engine: Engine, trigger: str) -> int | None:
    """The token that opens a call, or None where the trigger is not one token."""
    ids = engine.encode(trigger) if trigger else []
    return ids[0] if len(ids) == 1 else None


def opening(trigger: str) -> re.Pattern[str]:
    """Where in a whole reply the trigger stands. One that begins with a line break needs a line of its own, indented or
    not, and stands also where the reply begins; as the parser reads it."""
    begun = trigger.removeprefix("\n")
    return re.compile((r"(?:\A|\n)[ \t]*" if begun != trigger else "") + re.escape(begun))


def probability(logits: Logits, token: int) -> float:
    """softmax(logits)[token], in double precision."""
    wide = logits.astype(np.float64)
    wide -= wide.max()
    np.exp(wide, out=wide)
    return float(wide[token] / wide.sum())
