"""`Writer`: one reply as it is made, a token at a time, by whoever has the model.

    writer = Writer(engine, dialect, prompt, tools, decoding)
    deltas = writer.begin()                   # read writer.wanted in the model
    while not writer.done:
        deltas = writer.advance(logits)       # after all of writer.wanted was read
    deltas = writer.finish()

It never runs the model itself, so that one forward pass can serve many of them (`decode.batch`). Each time it is given
logits it chooses one token; the tokens that must follow it whatever the model says go along in `wanted`, and are read in the
same pass. Tokens are turned into text and read by the dialect's streaming parser as they come, so a streamed reply and
a whole one are the same reply by construction.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from toolfinch.caller import Decoding, Delta, Reply, Stop, Timings, TokenLogprob, Usage
from toolfinch.decode.decision import opening, probability, trigger_id
from toolfinch.decode.engine import ContextError, Engine, Logits, Pieces
from toolfinch.decode.grammar import Allowed, Constraint, Words
from toolfinch.decode.reading import Reading
from toolfinch.decode.sample import Sampler, logprobs
from toolfinch.decode.watch import Watch
from toolfinch.dialects import Dialect
from toolfinch.errors import UsageError
from toolfinch.message import Message, ToolCall
from toolfinch.schema import violations
from toolfinch.tool import Tool

_THINK, _END_THINK = "<think>", "</think>"


class Writer:
    """One reply. Not thread-safe."""

    def __init__(
        self,
        engine: Engine,
        dialect: Dialect,
        prompt: Sequence[int],
        tools: Sequence[Tool],
        decoding: Decoding,
    ) -> None:
        """`prompt` is the rendered conversation up to where the assistant's turn begins.

        Raises ContextError where it leaves no room for a single token, UsageError for a tool choice that the tools cannot
        meet, SchemaError for a tool, or a response schema, that replies cannot be held to.
        """
        self._began = time.perf_counter()
        self._engine, self._dialect, self._decoding = engine, dialect, decoding
        self._choice = _choice(decoding, tools)
        if not prompt:
            raise UsageError("messages: the chat template made an empty prompt of them")
        if len(prompt) >= engine.context:
            raise ContextError(len(prompt), engine.context)
        self.prompt_tokens = len(prompt)
        self.limit = min(decoding.max_tokens, engine.context - len(prompt))
        """Tokens of the reply, at most."""
        self._thinking = dialect.thinks and _opened(engine, prompt)
        self._opening = _forced_start(dialect, self._choice)
        self._written = engine.encode(self._opening) if self._opening else []
        if len(self._written) > self.limit:
            raise UsageError(
                f"max_tokens: the forced start of a call takes {len(self._written)}, the limit is {self.limit}"
            )
        # Behind thoughts that the prompt has opened, the call is forced when they are over.
        self._behind_thoughts: list[int] = []
        if self._thinking and self._opening:
            self._behind_thoughts, self._written = engine.encode("\n\n" + self._opening), []
            self._opening = ""
        self._forced = len(self._written)
        self.wanted: Sequence[int] = [*prompt, *self._written]
        """The tokens that the model has to read before `advance`."""
        self.done = False
        self.cached = 0
        """Of the prompt's tokens, those that did not have to be read."""

        self._trigger = trigger_id(engine, dialect.trigger)
        self._held = _held(engine, dialect, tools, self._choice, self._trigger, decoding)
        """What the next token is held to; nothing is, in thoughts."""
        self._words = (
            Words(engine, decoding.response_schema) if decoding.response_schema is not None else None
        )
        self._pick = Sampler(decoding.temperature, decoding.seed)
        self._ends = engine.stop_ids | _single_tokens(engine, dialect.stops)
        self._pieces = Pieces(engine.decode, self.wanted)
        one_call = not decoding.parallel or self._choice.startswith("=")
        offered = [tool for tool in tools if self._choice in ("auto", "required", f"={tool.name}")]
        self._offered = {tool.name: tool for tool in offered}
        # What is no call without the name of a tool is no call where none may be called.
        self._reading = Reading(
            dialect, () if self._choice == "none" else tools, decoding.stop, one_call, self._refuses
        )
        self._watch = Watch(dialect, tools)
        self._trigger_in = opening(dialect.trigger)
        if self._choice == "none":
            self._hold_words()
        self._undecided = self._choice == "auto" and self._trigger is not None
        self._may_think = dialect.thinks and not self._thinking
        self._p_call: float | None = None
        self._decided_to_call = False
        self._stop: Stop = "length"
        self._logprobs: list[TokenLogprob] = []
        self._read_at = 0.0
        self._ahead: list[int] = []
        """What follows the forced start whatever the model says."""
        if self._written and self._held is not None:
            for token in self._written:
                self._held.feed(token)
            self._ahead = self._held.forced()[: self.limit - len(self._written)]
            self.wanted = [*self.wanted, *self._ahead]

    def begin(self) -> list[Delta]:
        """What the reply begins with before the model is asked anything."""
        if self._thinking:
            self._reading.resume(_THINK)
        deltas = self._reading.feed(self._opening)
        self._watch.text(self._reading.raw, called=False)
        for token in self._written:
            self._note_forced(token)
        return deltas + self._follow(self._ahead)

    def advance(self, logits: Logits) -> list[Delta]:
        """Choose a token by the logits behind what was read, and take all that must follow it."""
        if not self._read_at:
            self._read_at = time.perf_counter()
        if len(self._written) >= self.limit:  # the forced start took all of it
            self.done = True
        if self.done:
            return []
        thought = self._thinking
        token = self._chosen(logits)
        follow: list[int] = []
        if thought and self._behind_thoughts and token in self._ends:
            # The thoughts end, and not the reply: a call has to come.
            token, *follow = [*self._engine.encode("\n" + _END_THINK), *self._behind_thoughts]
        deltas = self._take(token)
        if not self.done and not self._thinking and not follow:
            if thought and self._behind_thoughts:
                follow = self._behind_thoughts
            elif self._held is not None:
                follow = self._held.forced()
        self.wanted = [token, *follow]
        return deltas + self._follow(follow)

    def _follow(self, tokens: Sequence[int]) -> list[Delta]:
        """Tokens of the reply that could be no others."""
        deltas: list[Delta] = []
        for token in tokens:
            if not self.done:
                self._forced += 1
                self._note_forced(token)
                deltas += self._take(token)
        return deltas

    def finish(self) -> list[Delta]:
        """What was still held back. To be called once, when done."""
        return self._reading.finish(self._pieces.finish())

    def reply(self) -> Reply:
        """The whole, after `finish`."""
        done, reading = time.perf_counter(), self._reading
        calls = tuple(reading.calls)
        read_at = self._read_at or done
        signals = self._watch.signals(
            called=bool(calls),
            trigger=self._p_call,
            sampled=len(self._written) - self._forced,
            forced=self._forced,
        )
        return Reply(
            Message("assistant", reading.content, calls),
            confidence=_confidence(self._p_call, decided_to_call=self._decided_to_call, called=bool(calls)),
            usage=Usage(self.prompt_tokens, len(self._written), min(self.cached, self.prompt_tokens)),
            timings=Timings(read_at - self._began, done - read_at, done - self._began),
            stop="tool_calls" if calls and self._stop == "stop" else self._stop,
            raw=reading.raw,
            unread=reading.unread,
            signals=signals,
            logprobs=tuple(self._logprobs),
        )

    def _chosen(self, logits: Logits) -> int:
        allowed = self._held.allowed(len(logits)) if self._held and not self._thinking else None
        masked = self._only(logits, allowed)
        if self._thinking or self._watch.calling or isinstance(self._held, Words):
            token = self._pick(masked)
        elif self._undecided:
            token, allowed = self._decided(logits)
        elif self._choice == "none":
            token = self._without_trigger(masked)
        elif self._held is not None and self._trigger is not None:
            token = self._without_trigger(masked, but=self._trigger)
        else:
            token = self._pick(masked)
        self._watch.chosen(logits, allowed, token)
        if self._decoding.logprobs is not None:
            self._note(logits, allowed, token, self._decoding.logprobs)
        return token

    def _decided(self, logits: Logits) -> tuple[int, Allowed | None]:
        """The token of the decision whether to call, and which were allowed."""
        assert self._trigger is not None
        self._p_call = probability(logits, self._trigger)
        if self._decoding.temperature > 0:
            token = self._pick(logits)
        elif self._p_call >= 0.5:
            token = self._trigger
        else:
            token = self._pick(_banned(logits, self._trigger))
        # Thoughts may come first, once, and white space behind them.
        _, thought, said = self._reading.raw.rpartition(_END_THINK)
        said = (said + self._text_of(token)).strip()
        waits = not said if thought else self._decoding.think and _THINK.startswith(said)
        if self._may_think and said.startswith(_THINK):
            self._thinking = True
        elif not waits:
            self._undecided = False
            self._decided_to_call = token == self._trigger
            if self._words is not None and not self._decided_to_call:
                self._hold_words()
                allowed = self._words.allowed(len(logits))
                return self._pick(self._only(logits, allowed)), allowed
        return token, None

    def _hold_words(self) -> None:
        """No call comes any more: what does is the value of a schema, where there is one."""
        if self._words is not None:
            self._held = self._words
            self._reading.only_words()

    @staticmethod
    def _only(logits: Logits, allowed: Allowed | None) -> Logits:
        return logits if allowed is None else np.where(allowed, logits, np.float32(-np.inf))

    def _take(self, token: int) -> list[Delta]:
        """One more token of the reply."""
        self._written.append(token)
        if token in self._ends:
            self._stop, self.done = "stop", True
            return []
        if self._held and not self._thinking:
            self._held.feed(token)
        calls = self._reading.read
        deltas = self._reading.feed(self._pieces.feed(token))
        raw = self._reading.raw
        if self._thinking:
            self._watch.skip(raw)
            self._thinking = _END_THINK not in raw
            self._may_think = False
        else:
            self._watch.text(raw, called=self._reading.read > calls)
        if self._may_think:  # as the parser sees it: where the reply begins
            said = raw.lstrip()
            self._thinking = said.startswith(_THINK)
            self._may_think = _THINK.startswith(said)
        if self._reading.done:
            self._stop, self.done = "stop", True
        elif len(self._written) >= self.limit:
            self.done = True
        return deltas

    def _without_trigger(self, logits: Logits, but: int | None = None) -> int:
        """The next token that does not complete the trigger, in whatever tokens the model may spell it; `but` may."""
        while True:
            token = self._pick(logits)
            if token == but or not self._opens(token):
                return token
            logits = _banned(logits, token)

    def _opens(self, token: int) -> bool:
        """Whether a call begins with this token."""
        trigger = self._dialect.trigger
        if not trigger or trigger[-1] not in self._text_of(token):
            return False
        before = self._written[-2 * len(trigger) :]
        old, new = self._engine.decode(before), self._engine.decode([*before, token])
        return any(found.end() > len(old) for found in self._trigger_in.finditer(new))

    def _refuses(self, call: ToolCall) -> bool:
        """Whether a call that was read is none that may go out.

        Dialects read more than they write: what was not written behind the trigger was held to nothing.
        """
        if self._choice == "none":
            return True
        if not self._decoding.constrain:
            return False
        tool = self._offered.get(call.name)
        return tool is None or (not self._watch.calling and bool(violations(tool, call.arguments)))

    def _note(self, logits: Logits, allowed: Allowed | None, token: int, top: int) -> None:
        each = logprobs(logits)
        best = np.argsort(-each, kind="stable")[: top + 2].tolist()
        other = best[best[0] == token]
        removed = 0.0 if allowed is None else max(0.0, 1 - float(np.exp(each[allowed]).sum()))
        self._logprobs.append(
            TokenLogprob(
                self._text_of(token),
                float(each[token]),
                tuple((self._text_of(one), float(each[one])) for one in best[:top]),
                token,
                self._watch.part,
                margin=float(np.exp(each[token]) - np.exp(each[other])),
                removed=removed,
            )
        )

    def _note_forced(self, token: int) -> None:
        if self._decoding.logprobs is not None:
            self._logprobs.append(
                TokenLogprob(self._text_of(token), 0.0, (), token, self._watch.part, forced=True)
            )

    def _text_of(self, token: int) -> str:
        return self._engine.decode([token])


def _choice(decoding: Decoding, tools: Sequence[Tool]) -> str:
    """The tool choice, checked against the tools; without tools there is nothing to call."""
    choice, names = decoding.tool_choice, [tool.name for tool in tools]
    if choice.startswith("="):
        if choice[1:] not in names:
            offered = ", ".join(names) or "none"
            raise UsageError(f"tool_choice: no tool is named {choice[1:]!r} (offered: {offered})")
        return choice
    if choice not in ("auto", "none", "required"):
        raise UsageError(f"tool_choice: expected auto, none, required or =NAME, got {choice!r}")
    if choice == "required" and not tools:
        raise UsageError("tool_choice: required, but no tools were given")
    return choice if tools else "none"


def _held(
    engine: Engine,
    dialect: Dialect,
    tools: Sequence[Tool],
    choice: str,
    trigger: int | None,
    decoding: Decoding,
) -> Constraint | Words | None:
    """What holds the reply's calls to the tools that may be called; None where none may."""
    if choice == "none":
        return None
    if decoding.response_schema is not None and choice == "auto" and trigger is None:
        raise UsageError(
            f"response_format: a schema beside tools needs a dialect that opens calls with one token; {dialect.name} does not"
        )
    if not decoding.constrain:
        return None
    offered = [tool for tool in tools if choice in ("auto", "required", f"={tool.name}")]
    return Constraint(engine, dialect, offered, required=choice != "auto")


def _forced_start(dialect: Dialect, choice: str) -> str:
    """What the reply must begin with."""
    if choice == "required":
        return dialect.forced_start(None)
    if choice.startswith("="):
        return dialect.forced_start(choice[1:])
    return ""


def _opened(engine: Engine, prompt: Sequence[int]) -> bool:
    """Whether the chat template has opened the thoughts itself."""
    return engine.decode(prompt[-8:]).rstrip().endswith(_THINK)


def _confidence(p_call: float | None, *, decided_to_call: bool, called: bool) -> float | None:
    """The probability of what was decided; None where the decision decided nothing."""
    if p_call is None:
        return None
    if decided_to_call:
        return p_call
    return None if called else 1 - p_call  # words first and a call later: decided elsewhere


def _single_tokens(engine: Engine, texts: Sequence[str]) -> frozenset[int]:
    encoded = [engine.encode(text) for text in texts]
    return frozenset(ids[0] for ids in encoded if len(ids) == 1)


def _banned(logits: Logits, token: int) -> Logits:
    out = logits.copy()
    out[token] = -np.inf
    return out
