"""The generation loop: the one way in which any local engine makes a reply.

Tokens are chosen (greedily, or sampled with a seed), turned into text, and read by the dialect's streaming
parser as they come, so a streamed reply and a whole one are the same reply by construction: `LocalCaller`
makes the whole one by draining the stream. Whoever stops iterating stops the work before the next token.

Two kinds of stop strings: the dialect's end the turn wherever they appear in the generated text; the
caller's are looked for in the words only, so a `\\n` meant for prose cannot cut a call in half.

From a call's trigger on `decode.grammar` masks the logits, unless `Decoding.constrain` is off. What is left
out: beams, several samples at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from toolfinch.caller import Decoding, Delta, Reply, Stop, Timings, Usage
from toolfinch.decode.decision import probability, trigger_id
from toolfinch.decode.engine import ContextError, Engine, Logits, Pieces
from toolfinch.decode.grammar import Constraint
from toolfinch.dialects import Dialect
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.message import Message, ToolCall
from toolfinch.tool import Tool


def generate(
    engine: Engine, dialect: Dialect, prompt: Sequence[int], tools: Sequence[Tool], decoding: Decoding
) -> Iterator[Delta | Reply]:
    """Deltas as the engine makes them, then the whole `Reply`.

    `prompt` is the rendered conversation up to where the assistant's turn begins. Raises ContextError where
    it leaves no room for a single token, UsageError for a tool choice that the tools cannot meet. A reply
    that reaches `max_tokens` or the end of the context stops with `length`.
    """
    began = time.perf_counter()
    choice = _choice(decoding, tools)
    if not prompt:
        raise UsageError("messages: the chat template made an empty prompt of them")
    if len(prompt) >= engine.context:
        raise ContextError(len(prompt), engine.context)
    limit = min(decoding.max_tokens, engine.context - len(prompt))
    forced = _forced_start(dialect, choice)
    written = engine.encode(forced) if forced else []
    if len(written) > limit:
        raise UsageError(f"max_tokens: the forced start of a call takes {len(written)}, the limit is {limit}")
    constraint = _constraint(engine, dialect, tools, choice) if decoding.constrain else None
    logits, cached = engine.start([*prompt, *written])
    prompt_done = time.perf_counter()

    trigger = trigger_id(engine, dialect.trigger)
    pick = _Sampler(decoding.temperature, decoding.seed)
    ends = engine.stop_ids | _single_tokens(engine, dialect.stops)
    pieces = Pieces(engine.decode, [*prompt, *written])
    one_call = not decoding.parallel or choice.startswith("=")
    reading = _Reading(dialect, tools, decoding.stop, one_call)
    p_call: float | None = None
    stop: Stop = "length"
    yield from reading.feed(forced)
    if constraint:
        for token in written:
            constraint.feed(token)

    for position in range(limit - len(written)):
        if position:
            logits = engine.step(written[-1])
        if constraint:
            logits = constraint.mask(logits)
        if choice == "none":
            token = _without(dialect.trigger, engine, written, logits, pick)
        elif choice == "auto" and position == 0 and trigger is not None:
            p_call = probability(logits, trigger)
            if decoding.temperature > 0:
                token = pick(logits)
            elif p_call >= 0.5:
                token = trigger
            else:
                token = pick(_banned(logits, trigger))
        else:
            token = pick(logits)
        written.append(token)
        if token in ends:
            stop = "stop"
            break
        if constraint:
            constraint.feed(token)
        yield from reading.feed(pieces.feed(token))
        if reading.done:
            stop = "stop"
            break
    yield from reading.finish(pieces.finish())

    done = time.perf_counter()
    yield Reply(
        Message("assistant", reading.content, tuple(reading.calls)),
        confidence=_confidence(p_call, called_first=written[:1] == [trigger], called=bool(reading.calls)),
        usage=Usage(len(prompt), len(written), min(cached, len(prompt))),
        timings=Timings(prompt_done - began, done - prompt_done, done - began),
        stop="tool_calls" if reading.calls and stop == "stop" else stop,
        raw=reading.raw,
        unread=reading.unread,
    )


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


def _constraint(engine: Engine, dialect: Dialect, tools: Sequence[Tool], choice: str) -> Constraint | None:
    """What holds the reply's calls to the tools that may be called; None where none may."""
    if choice == "none":
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


def _confidence(p_call: float | None, *, called_first: bool, called: bool) -> float | None:
    """The probability of what was decided at the first position; None where that decided nothing."""
    if p_call is None:
        return None
    if called_first:
        return p_call
    return None if called else 1 - p_call  # words first and a call later: decided elsewhere


def _single_tokens(engine: Engine, texts: Sequence[str]) -> frozenset[int]:
    encoded = [engine.encode(text) for text in texts]
    return frozenset(ids[0] for ids in encoded if len(ids) == 1)


def _banned(logits: Logits, token: int) -> Logits:
    out = logits.copy()
    out[token] = -np.inf
    return out


def _without(trigger: str, engine: Engine, written: Sequence[int], logits: Logits, pick: _Sampler) -> int:
    """The next token that does not complete the trigger, in whatever tokens the model may spell it."""
    while True:
        token = pick(logits)
        if not trigger or trigger not in engine.decode([*written[-len(trigger) :], token]):
            return token
        logits = _banned(logits, token)


class _Sampler:
    """Greedy at temperature 0; otherwise draws from softmax(logits / temperature), the same for a seed."""

    def __init__(self, temperature: float, seed: int) -> None:
        if temperature < 0:
            raise UsageError(f"temperature: expected 0 or more, got {temperature}")
        self._temperature = temperature
        self._random = np.random.default_rng(seed % 2**64)

    def __call__(self, logits: Logits) -> int:
        best = int(logits.argmax())
        if not np.isfinite(logits[best]):
            raise ToolfinchError(f"the model's logits are broken: the best of them is {logits[best]}")
        if self._temperature == 0:
            return best
        scaled = (logits.astype(np.float64) - logits[best]) / self._temperature
        cumulative = np.exp(scaled).cumsum()
        return int(np.searchsorted(cumulative, self._random.random() * cumulative[-1], side="right"))


class _Until:
    """Passes text up to the first of some strings, holding back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        text = self._held + text
        found = [at for at in map(text.find, self._stops) if at >= 0]
        if found:
            self.hit, self._held = True, ""
            return text[: min(found)]
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                self._held = text[-length:]
                return text[:-length]
        self._held = ""
        return text

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held


class _Reading:
    """The reply so far: generated text, through the turn's end and the dialect's parser, to the last word."""

    def __init__(self, dialect: Dialect, tools: Sequence[Tool], stop: Sequence[str], one_call: bool) -> None:
        self._parser = dialect.parser(tools)
        self._turn = _Until(dialect.stops)
        self._words = _Until(stop)
        self._one_call = one_call
        self.done = False
        self.raw = ""
        self.content = ""
        self.calls: list[ToolCall] = []
        self.unread: tuple[str, ...] = ()

    def feed(self, text: str) -> list[Delta]:
        self.raw += text
        out = self._take(self._parser.feed(self._turn.feed(text)))
        self.done = self.done or self._turn.hit
        return out

    def finish(self, tail: str) -> list[Delta]:
        """Read what is left; nothing more comes."""
        out = self.feed(tail)
        if not self._turn.hit:
            out += self._take(self._parser.feed(self._turn.flush()))
        out += self._take(self._parser.close())
        if not self._words.hit:
            out += self._say(self._words.flush())
        self.unread = self._parser.finish().unread
        return out

    def _take(self, deltas: Sequence[Delta]) -> list[Delta]:
        out: list[Delta] = []
        for delta in deltas:
            if self.done:
                break
            if delta.call is None:
                out += self._say(self._words.feed(delta.text))
                self.done = self._words.hit
            else:
                out += self._say(self._words.flush())
                out.append(delta)
                self.calls.append(delta.call)
                self.done = self._one_call
        return out

    def _say(self, text: str) -> list[Delta]:
        self.content += text
        return [Delta(text)] if text else []
