"""`Teacher`: one OpenAI-compatible endpoint that is asked, paid and remembered.

A question that the ledger has an answer to costs nothing. Any other is reserved for, written down, sent, and tried
again as long as that may help: what was refused (too many requests, an endpoint that restarts) several times, with
growing waits; what may have been paid for (no answer in time, a connection that broke off, a web page instead of a
completion) once. A completion is never asked for twice, however useless it is.

Whatever leaves and whatever comes passes `check`, the leak gate's.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import Annotated, Any

import msgspec

from toolfinch.caller import Decoding, Reply, Usage
from toolfinch.callers import openai
from toolfinch.callers.http import NoAnswer
from toolfinch.data.teacher import student
from toolfinch.data.teacher.ledger import Known, Ledger, Stopped
from toolfinch.data.teacher.pace import Pace
from toolfinch.data.teacher.question import Answer, Question
from toolfinch.data.teacher.usable import use, validator
from toolfinch.errors import EndpointGone, ToolfinchError, UsageError
from toolfinch.message import Message, ToolCall, to_openai, user
from toolfinch.tool import to_openai as tool_to_openai

Check = Callable[[Any], str]
"""Why JSON data may not leave this machine, or may not be used; "" where it may. Names no value."""

TRIES = 7
"""Of a request that is refused for the moment; the waits between them add up to about half a minute."""
LOST_TRIES = 2
"""Of a request whose answer was lost: each may have been paid for."""
BACKOFF_S = 0.5
LONGEST_WAIT_S = 30.0
PATIENCE_S = 600.0
"""An endpoint that asks to be left alone for longer ends the run; another one goes on from there."""
GONE_AFTER = 5
"""So many requests in a row, each with all its tries, that got nothing from an endpoint end a run."""
REFUSED_AFTER = 20
"""As many that it refused one by one end it, where it never took any."""

_BUSY = (429, 503, 529)
_STOPS = {401: "its key", 402: "its account", 404: "its URL and model", 405: "its URL"}
"""What every request would meet, and what to look at."""
_PERHAPS_PAID = ("time", "broken_off", "unreadable")
_WHY = {
    "unreachable": "cannot be reached",
    "broken_off": "the connection broke off",
    "time": "no answer in time",
    "unreadable": "no completion",
}

Price = Annotated[float, msgspec.Meta(ge=0)]


class TeacherSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A teacher as a recipe names it."""

    url: str
    """The base URL of an OpenAI-compatible API, such as `http://127.0.0.1:8000/v1`."""
    model: Annotated[str, msgspec.Meta(min_length=1)]
    """As the endpoint calls it. Answers are remembered by it: two teachers cannot have the same."""
    api_key_env: str = ""
    """The environment variable that holds the endpoint's key; empty where it needs none."""
    price_in: Price = 0.0
    """For a million tokens of prompt, in the currency of the budget."""
    price_out: Price = 0.0
    """For a million tokens that it writes."""
    dialect: str = "auto"
    """How calls are read that the endpoint leaves in its text."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 16
    """The most requests at once; how many there are is found by trying."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 120.0
    """For one answer."""


class Teacher:
    """One endpoint. Safe to share between threads."""

    def __init__(self, spec: TeacherSpec, ledger: Ledger, *, check: Check, students: Collection[str]) -> None:
        """Nothing is sent before the first question that the ledger has no answer to.

        `students`: the names of models that are to learn. Raises UsageError for a teacher that is one of them, a key
        that is not in the environment, and a dialect that there is not.
        """
        self.name = spec.model
        self.asked = 0
        self.remembered = 0
        self._spec = spec
        self._ledger = ledger
        self._check = check
        self._students = frozenset[str]().union(*map(student.names, students))
        self._refuse_student(spec.model)
        self._reads = openai.reads(spec.dialect)
        self._api_key = "none"
        if spec.api_key_env:
            self._api_key = os.environ.get(spec.api_key_env, "")
            if not self._api_key:
                raise UsageError(
                    f"teacher {self.name}: the environment variable {spec.api_key_env} holds no key"
                )
        self._price = f"{spec.price_in:g} in, {spec.price_out:g} out, a million tokens"
        self._pace = Pace(spec.concurrency)
        self._caller: openai.OpenAICaller | None = None
        self._connecting = threading.Lock()
        self._lock = threading.Lock()
        self._asking: dict[str, Future[Answer]] = {}
        self._in_a_row = 0
        self._ever = False  # a completion came
        self._hidden = 0  # tokens of prompt that the endpoint adds and counts

    def answer(self, question: Question, stopped: threading.Event) -> Answer:
        """What the teacher says, from the ledger or for money. An answer that is of no use says why.

        Raises SchemaError for a question whose schema is none, UsageError for an endpoint that is not there or
        refuses whatever is sent, EndpointGone for one that answers nothing any more, BudgetSpent, ToolfinchError
        where the gate lets the question not leave or the ledger cannot be written, and Stopped once `stopped` is set.
        """
        key = key_of(self.name, question)
        while True:
            if stopped.is_set():
                raise Stopped(f"{self.name}: stopped")
            with self._lock:
                first = self._asking.get(key)
                mine: Future[Answer] = Future()
                if first is None:
                    self._asking[key] = mine
            if first is None:
                break
            try:  # the same question is under way: one payment for both
                answer = first.result()
            except Stopped:
                continue
            return self._count(msgspec.structs.replace(answer, remembered=True))
        try:
            known = self._ledger.known(key)
            answer = self._remembered(question, known) if known else self._pay(question, key, stopped)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(answer)
        finally:
            with self._lock:
                del self._asking[key]
        return self._count(answer)

    def _count(self, answer: Answer) -> Answer:
        with self._lock:
            self.asked += 1
            self.remembered += answer.remembered
        return answer

    def _pay(self, question: Question, key: str, stopped: threading.Event) -> Answer:
        if question.schema is not None:
            validator(question.schema, question.purpose)
        caller = self._connected()
        sent = openai.request(
            self.name,
            with_ids(_messages(question)),
            question.tools,
            Decoding(
                max_tokens=question.max_tokens,
                temperature=question.temperature,
                seed=question.sample,
                tool_choice=question.tool_choice,
            ),
            question.schema,
        )
        if why := self._check(sent):
            raise ToolfinchError(f"teacher {self.name}: a request ({question.purpose}) may not leave: {why}")
        # A token is at least one byte of what is sent: seldom too little, often four times too much.
        size = len(msgspec.json.encode(sent))
        most = self._cost(Usage(size + self._hidden, question.max_tokens))
        tries = lost = 0
        with self._pace.place(stopped):
            while True:
                row = self._ledger.intend(
                    key,
                    purpose=question.purpose,
                    teacher=self.name,
                    price=self._price,
                    most=most,
                    stopped=stopped,
                )
                sent_at = time.monotonic()
                try:
                    body = caller.send(sent)
                    reply = self._read(body, question)
                    kept = openai.bare(body)
                except NoAnswer as trouble:
                    perhaps_paid = trouble.trouble in _PERHAPS_PAID or trouble.status in (408, 504)
                    lost += perhaps_paid
                    tries += not perhaps_paid
                    why = f"HTTP {trouble.status}" if trouble.status else _WHY[trouble.trouble]
                    (self._ledger.lost if perhaps_paid else self._ledger.failed)(row, why)
                    self._look(trouble, sent_at)
                    again = lost < LOST_TRIES if perhaps_paid else trouble.passing and tries < TRIES
                    if not again:
                        self._count_failure(trouble)
                        return Answer(self.name, error=why)
                    self._pace.rest(_backoff(tries + lost, key), stopped)
                else:
                    self._pace.well()
                    with self._lock:
                        self._in_a_row, self._ever = 0, True
                        self._hidden = max(self._hidden, reply.usage.prompt_tokens - size)
                    return self._keep(question, row, kept, reply, most)

    def _keep(self, question: Question, row: int, kept: bytes, reply: Reply, most: float) -> Answer:
        # An endpoint that does not count is taken to have counted all that it could.
        paid = self._cost(reply.usage) if reply.usage != Usage() else most
        try:
            why = self._check(_content(reply))
            message, value, error = (None, None, f"may not be used: {why}") if why else use(question, reply)
        except BaseException:  # a gate that cannot run: nothing passes
            self._ledger.lost(row, "not checked")
            raise
        self._ledger.done(row, None if why else kept, reply.usage, paid, error)
        return Answer(self.name, message, value, error, reply.usage, paid)

    def _remembered(self, question: Question, known: Known) -> Answer:
        if known.answer is None:
            message, value, error = None, None, known.error
        else:
            reply = self._read(known.answer, question)
            why = self._check(_content(reply))
            message, value, error = (None, None, f"may not be used: {why}") if why else use(question, reply)
        return Answer(self.name, message, value, error, known.usage, known.paid, remembered=True)

    def _read(self, body: bytes, question: Question) -> Reply:
        tools = question.tools if question.schema is None else ()  # JSON that was asked for is no call
        return openai.read(body, tools, self._reads, self._spec.url)

    def _cost(self, usage: Usage) -> float:
        spec = self._spec
        return (usage.prompt_tokens * spec.price_in + usage.completion_tokens * spec.price_out) / 1e6

    def _connected(self) -> openai.OpenAICaller:
        with self._connecting:
            if self._caller is None:
                spec = self._spec
                caller = openai.OpenAICaller(
                    spec.url,
                    spec.model,
                    dialect=spec.dialect,
                    timeout_s=spec.timeout_s,
                    retries=0,
                    api_key=self._api_key,
                )
                if len(caller.served) == 1:  # such an endpoint may not care which model is asked for
                    self._refuse_student(caller.served[0])
                self._caller = caller
            return self._caller

    def _refuse_student(self, model: str) -> None:
        if student.plain(model) in self._students:
            raise UsageError(
                f"teacher {self.name}: {self._spec.url} serves {model}, which is the student",
                hint="its own answers would teach it its own mistakes; ask another model",
            )

    def _look(self, trouble: NoAnswer, sent_at: float) -> None:
        """What a request that came to nothing says about the endpoint. Raises what ends the run."""
        if trouble.status in _STOPS:
            raise UsageError(
                f"teacher {self.name}: {trouble}", hint=f"look at {_STOPS[trouble.status]} in the recipe"
            )
        if trouble.wait_s is not None and trouble.wait_s > PATIENCE_S:
            raise EndpointGone(
                f"teacher {self.name}: {self._spec.url} asks to be left alone for {trouble.wait_s:.0f} s",
                hint="run again then: every answer that came is kept",
            )
        if trouble.status in _BUSY or trouble.trouble == "time":
            self._pace.badly(sent_at, trouble.wait_s or 0.0)

    def _count_failure(self, trouble: NoAnswer) -> None:
        """One more request that came to nothing. Raises EndpointGone for the last of several in a row."""
        of_this_request = trouble.status in (400, 413, 422)
        with self._lock:
            if not of_this_request or not self._ever:
                self._in_a_row += 1
            count = self._in_a_row
        if count >= (REFUSED_AFTER if of_this_request else GONE_AFTER):
            raise EndpointGone(
                f"teacher {self.name}: {count} requests in a row came to nothing; the last: {trouble}",
                hint="run again when it is there: every answer that came is kept",
            )


def key_of(model: str, question: Question) -> str:
    """A hash of everything that an answer depends on."""
    # The order of a schema's properties is part of the prompt, so keys are not sorted.
    asked = (
        model,
        question.purpose,
        [to_openai(message) for message in question.messages],
        [tool_to_openai(tool) for tool in question.tools],
        question.schema,
        question.tool_choice,
        question.temperature,
        question.max_tokens,
        question.sample,
    )
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def with_ids(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with an id for every call, as endpoints want it; results get that of the call that they answer."""
    out: list[Message] = []
    waiting: list[ToolCall] = []
    for index, message in enumerate(messages):
        if message.calls:
            waiting = [
                call if call.id else msgspec.structs.replace(call, id=f"call_{index}_{place}")
                for place, call in enumerate(message.calls)
            ]
            message = msgspec.structs.replace(message, calls=tuple(waiting))
        elif (result := message.result) is not None:
            for place, call in enumerate(waiting):
                if call.id == result.call_id or (not result.call_id and result.name in ("", call.name)):
                    named = msgspec.structs.replace(result, call_id=call.id)
                    message = msgspec.structs.replace(message, result=named)
                    del waiting[place]
                    break
        out.append(message)
    return tuple(out)


_FORM = "Answer with one JSON value that fits this JSON Schema, and with nothing else:\n"


def _messages(question: Question) -> tuple[Message, ...]:
    """With the schema in words, which not every endpoint shows to its model or holds it to."""
    if question.schema is None:
        return question.messages
    form = _FORM + msgspec.json.encode(question.schema).decode()
    *before, last = question.messages
    if last.role != "user":
        return (*question.messages, user(form))
    return (*before, msgspec.structs.replace(last, content=f"{last.content}\n\n{form}"))


def _content(reply: Reply) -> Any:
    """Everything that is kept of a reply, as JSON data: as it came, and its calls as they are read."""
    return [msgspec.json.decode(reply.raw), msgspec.to_builtins(reply.message)]


def _backoff(tries: int, key: str) -> float:
    """Seconds before the next try, longer each time; requests that failed together do not come back together."""
    spread = 0.5 + 0.5 * int(hashlib.sha256(f"{key} {tries}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return min(BACKOFF_S * 2.0 ** (tries - 1), LONGEST_WAIT_S) * spread
