"""BFCL's own classes and checker, in a process of their own.

`World` is this side: it starts `python -m toolfinch.evaluate.suites.bfcl_world`, asks it one JSON line at a time
and starts it anew after a crash or a hang. Every request carries the whole case so far and is answered from
fresh instances, so nothing of one case is there for the next, and threads can share one process.

BFCL evaluates calls as Python text. That text is written here, by `written`, from a name and JSON values, and
never taken from a reply. Behind that stands a second wall: once BFCL is loaded, the process refuses itself
files to write, other processes and the network. Left out: limits on memory.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import keyword
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from toolfinch.errors import MissingDependency, ToolfinchError

INSTALL = "pip install --no-deps bfcl-eval==2026.3.23 mpmath"
SECONDS = 30.0
"""What one request may take; the slowest gold case needs well under one."""

Turns = Sequence[Sequence[Sequence[str]]]
"""Calls as `written`, by step (one reply) and turn (one message of the user)."""


class Setting(msgspec.Struct, frozen=True):
    """What BFCL needs to build a case's instances."""

    id: str
    """Its category is read from it: `multi_turn_long_context_3`."""
    involved_classes: tuple[str, ...]
    initial_config: msgspec.Raw


class Verdict(msgspec.Struct, frozen=True):
    """What BFCL's checker says of a whole case."""

    turn: int | None
    """The first turn after which it is wrong; None: all is right."""
    wrong: Literal["", "no_calls", "state", "results"] = ""
    """No calls in a turn that needs some; another state than gold's; a result of gold that never came."""
    where: tuple[str, ...] = ()
    """The first attributes whose state differs, or the first results that never came."""


class WorldError(ToolfinchError):
    """BFCL's classes or checker crashed, hung or raised."""


def written(name: str, arguments: Mapping[str, Any]) -> str:
    """A call as BFCL evaluates it, `name(key=value)`, of nothing but JSON values.

    Raises ValueError where the name or a key is no Python identifier, or a value is not JSON.
    """
    for word in (name, *arguments):
        if not word.isidentifier() or keyword.iskeyword(word):
            raise ValueError(f"{word!r} is not a name")
    try:
        values = msgspec.json.decode(msgspec.json.encode(arguments))
    except (TypeError, ValueError, RecursionError) as error:  # half of a surrogate pair, nesting without end
        raise ValueError(f"the arguments are not JSON: {error}") from error
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in values.items())})"


REFUSED = ""
"""Stands for a call that was not written: evaluating it gives an error and does nothing."""


class World:
    """The process, started when it is first asked. Requests of several threads wait for one another."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def run(self, setting: Setting, turns: Turns) -> list[str]:
        """Make all calls in order; the results of the last step's. Raises WorldError."""
        return msgspec.convert(self._ask({"setting": setting, "turns": turns}), list[str])

    def check(self, setting: Setting, turns: Turns, gold: Sequence[Sequence[str]]) -> Verdict:
        """BFCL's verdict on the calls of all turns. Raises WorldError."""
        return msgspec.convert(self._ask({"setting": setting, "turns": turns, "gold": gold}), Verdict)

    def close(self) -> None:
        """End the process for good: a request under way fails at once, and so do those that wait for it."""
        self._closed = True
        if process := self._process:
            process.kill()
        with self._lock:
            self._end()

    def _ask(self, request: Any) -> Any:
        with self._lock:
            if self._process is None and not self._closed:
                self._start()
            if self._closed:
                raise WorldError("the process of BFCL's classes was ended")
            return self._exchange(msgspec.json.encode(request) + b"\n")

    def _start(self) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (`_end` closes it)
        # A fixed hash seed and time zone: some results print sets and local times.
        environment = {
            "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
            "PYTHONHASHSEED": "0",
            "TZ": "UTC",
        }
        environment |= {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-B", "-m", __name__, str(2 * self.seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            start_new_session=True,  # Ctrl-C is for us
        )
        try:
            self._exchange(b"")
        except WorldError as error:  # it would meet every case
            raise MissingDependency(f"BFCL cannot be started: {error}", hint=INSTALL) from error

    def _exchange(self, line: bytes) -> Any:
        process = self._process
        assert process and process.stdin and process.stdout
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self.seconds, stop)
        timer.daemon = True  # after Ctrl-C, nobody waits for it
        timer.start()
        try:
            process.stdin.write(line)
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        except BaseException:  # Ctrl-C: an answer that nobody reads would be taken for the next request's
            process.kill()
            self._end()
            raise
        finally:
            timer.cancel()
        if answer.endswith(b"\n") and not late.is_set():
            return json.loads(answer)  # NaN and Infinity come as Python writes them
        code, said = self._end()
        if late.is_set():
            raise WorldError(f"BFCL's classes gave no answer within {self.seconds:g} s")
        raise WorldError(f"the process of BFCL's classes ended with code {code}: {said or 'it said nothing'}")

    def _end(self) -> tuple[int, str]:
        """The exit code, and the last line that was said on stderr."""
        process, stderr = self._process, self._stderr
        self._process = self._stderr = None
        if not process or not stderr:
            return 0, ""
        assert process.stdin and process.stdout
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        stderr.seek(0)
        said = stderr.read().decode(errors="replace").strip()
        stderr.close()
        return code, said.rpartition("\n")[2][-500:]


def main() -> None:
    """The other side: a line that says it is ready, then one answer for each request, until stdin ends.

    What BFCL's code raises ends the process; its last line on stderr is what the other side tells. A request that
    takes longer than the seconds given ends it too, since the other side may have been killed.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what BFCL prints is no answer
    checker = importlib.import_module("bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker")
    utils = importlib.import_module("bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils")

    def answer(request: dict[str, Any]) -> Any:
        setting, turns = request["setting"], request["turns"]
        _forget(utils)
        if "gold" in request:
            return _judge(checker, utils, setting, turns, request["gold"])
        results: list[str] = []
        for steps in turns:
            for calls in steps:
                results, _ = utils.execute_multi_turn_func_call(
                    func_call_list=calls,
                    initial_config=setting["initial_config"],
                    involved_classes=setting["involved_classes"],
                    model_name="model",
                    test_entry_id=setting["id"],
                    long_context="long_context" in setting["id"],
                )
        return results

    print(json.dumps("ready"), file=answers, flush=True)
    sys.addaudithook(_refuse)
    for line in sys.stdin.buffer:
        faulthandler.dump_traceback_later(float(sys.argv[1]), exit=True)
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
        faulthandler.cancel_dump_traceback_later()


_WRONG = {
    "multi_turn:empty_turn_model_response": "no_calls",
    "multi_turn:instance_state_mismatch": "state",
    "multi_turn:execution_response_mismatch": "results",
}


def _judge(checker: Any, utils: Any, setting: dict[str, Any], turns: Any, gold: Any) -> dict[str, Any]:
    def found(upto: int) -> dict[str, Any]:
        _forget(utils)
        verdict: dict[str, Any] = checker.multi_turn_checker(turns, gold[:upto], setting, "", "model")
        return verdict

    if found(len(gold))["valid"]:
        return {"turn": None}
    # The checker stops at the first wrong turn without always saying which, so it is given one more each time.
    upto, verdict = next((n, v) for n in range(1, len(gold) + 1) if not (v := found(n))["valid"])
    details = verdict["details"]
    where = [*details.get("differences", ()), *details.get("missing_items", ())]
    return {"turn": upto - 1, "wrong": _WRONG[verdict["error_type"]], "where": [w[:200] for w in where[:3]]}


def _forget(utils: Any) -> None:
    """BFCL keeps its instances as globals of this module."""
    for name in [name for name in vars(utils) if name.endswith("_instance")]:
        delattr(utils, name)


_ALLOWED = ("os.listdir", "os.scandir")  # what an import does
_FORBIDDEN = ("os.", "shutil.", "subprocess.", "socket.", "ctypes.", "pty.", "signal.")


def _refuse(event: str, details: tuple[Any, ...]) -> None:
    """An audit hook (`sys.addaudithook`, PEP 578)."""
    writes = event == "open" and (details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if writes or (event.startswith(_FORBIDDEN) and event not in _ALLOWED):
        raise PermissionError(f"BFCL's classes may not do this: {event}")


if __name__ == "__main__":
    main()
