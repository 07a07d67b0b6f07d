"""Would break: a reply that depends on who else asks, a prefix of another conversation, a cache that overflows, a wait for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alone import generate
from test_grammar import Wishful, _tool
from toolfinch import dialects
from toolfinch.caller import Decoding, Delta, Reply
from toolfinch.decode.batch import Batcher
from toolfinch.decode.engine import Engine, Logits, Part
from toolfinch.decode.prefix_store import Store
from toolfinch.decode.prefixes import Prefixes
from toolfinch.decode.writer import Writer
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.tool import read

HERMES = dialects.get("hermes")
TOOLS = (
    read({"name": "stop", "parameters": {"type": "object", "properties": {"now": {"type": "boolean"}}}}),
)


class Remembering(Wishful):
    """Its logits depend on every token that a slot holds, so that one wrong token changes what is written."""

    context = 300

    def __init__(self, *, slots: int, cells: int = 300, can_cut: bool = True) -> None:
        self.slots, self.cells, self.can_cut = slots, cells, can_cut
        super().__init__("")
        self.read = 0
        self.threads: set[int] = set()

    def forward(self, parts: Sequence[Part]) -> list[Logits | None]:
        self.threads.add(threading.get_ident())
        self.passes.append([len(part.ids) for part in parts])
        assert len({part.slot for part in parts}) == len(parts)
        out: list[Logits | None] = []
        for part in parts:
            assert len(part.ids), "a pass over nothing"
            self.read += len(part.ids)
            self._held[part.slot] += part.ids
            out.append(self._of(self._held[part.slot]) if part.wants_logits else None)
        assert max(map(len, self._held)) <= self.context
        return out

    @staticmethod
    def _of(ids: Sequence[int]) -> Logits:
        seed = hash(tuple(ids)) % 2**32
        logits = np.random.default_rng(seed).normal(0, 3, 256 + 3)
        logits[[256, 257]] += 3  # the end of the turn, and a call
        return logits.astype(np.float32)


def _alone(prompt: Sequence[int], how: Decoding) -> Reply:
    *_, reply = generate(Remembering(slots=1), HERMES, prompt, TOOLS, how)
    assert isinstance(reply, Reply)
    return reply


def _ask(batcher: Batcher, engine: Engine, prompt: Sequence[int], head: int, how: Decoding) -> Reply:
    *deltas, reply = batcher.stream(Writer(engine, HERMES, prompt, TOOLS, how), head)
    assert isinstance(reply, Reply)
    assert "".join(d.text for d in deltas if isinstance(d, Delta)) == reply.message.content
    assert tuple(d.call for d in deltas if isinstance(d, Delta) and d.call) == reply.message.calls
    return reply


conversations = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(97, 99), min_size=1, max_size=12), st.booleans()),
    min_size=1,
    max_size=10,
)
"""Which system message, what the user says, whether it has to be a call."""


@given(
    conversations,
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(300, 700),
    st.booleans(),
)
@settings(max_examples=60)
def test_a_reply_is_the_same_whoever_else_asks(
    asked: list[tuple[int, list[int], bool]], live: int, spare: int, cells: int, can_cut: bool
) -> None:
    """A copy of a prefix that is a token too long, a slot that two writers have, logits handed to the wrong one."""
    engine = Remembering(slots=live + spare, cells=cells, can_cut=can_cut)
    batcher = Batcher(engine, live=live)
    made = []
    for kind, said, must in asked:
        system = [ord("s")] * (20 + 30 * kind) + [kind]
        how = Decoding(max_tokens=30, tool_choice="required" if must else "auto", parallel=False)
        made.append(([*system, *said], len(system), how))
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda one: _ask(batcher, engine, *one), made))
    batcher.close()
    for (prompt, _, how), reply in zip(made, replies, strict=True):
        expected = _alone(prompt, how)
        assert (reply.raw, reply.stop, reply.message) == (expected.raw, expected.stop, expected.message)
        assert reply.usage.completion_tokens == expected.usage.completion_tokens
        assert reply.usage.cached_tokens < len(prompt) + (how.tool_choice == "required")
    assert len(engine.threads) <= 1  # none where no reply had a choice


@given(st.data(), st.integers(1, 5), st.integers(60, 160), st.booleans())
@settings(max_examples=150)
def test_slots_hold_what_they_are_said_to_hold(
    data: st.DataObject, slots: int, cells: int, can_cut: bool
) -> None:
    """The bookkeeping and the engine drift apart; more cells are promised than there are."""
    engine = Remembering(slots=slots, cells=cells, can_cut=can_cut)
    prefixes = Prefixes(engine)
    busy = []
    for _ in range(data.draw(st.integers(1, 25))):
        if busy and data.draw(st.booleans()):
            slot, room = busy.pop(data.draw(st.integers(0, len(busy) - 1)))
            for token in data.draw(st.lists(st.integers(0, 9), max_size=room)):
                engine.forward([Part(slot.number, [token])])
                prefixes.extend(slot, [token])
            prefixes.release(slot, broken=data.draw(st.integers(0, 9)) == 0)
        else:
            prompt = data.draw(st.sampled_from([b"aaaab", b"aaaac", b"aaaabdd", b"xyz"])) * data.draw(
                st.integers(1, 5)
            )
            head, room = data.draw(st.integers(0, len(prompt) - 1)), data.draw(st.integers(1, 25))
            slot = prefixes.acquire(list(prompt), head, room)
            if slot is None:
                assert busy, "it waits, and nothing is under way that it could wait for"
                continue
            assert slot.ids == list(prompt[: len(slot.ids)]) and len(slot.ids) < len(prompt)
            for part in (prompt[len(slot.ids) : head], prompt[max(head, len(slot.ids)) :]):
                if part:
                    engine.forward([Part(slot.number, list(part))])
                    prefixes.extend(slot, part)
                if len(slot.ids) == head > 0:
                    prefixes.keep(slot)
            busy.append((slot, room))
        held = {}
        for one in prefixes._slots:
            assert engine._held[one.number] == one.ids and len(one.cells) == len(one.ids)
            for cell, token, at in zip(one.cells, one.ids, range(len(one.ids)), strict=True):
                assert held.setdefault(cell, (token, at)) == (token, at)
        assert len(held) <= cells


@pytest.mark.parametrize("can_cut", [True, False])
def test_a_head_is_read_once_for_all_that_share_it(can_cut: bool) -> None:
    """Twenty tools read anew for every request are most of its time; a memory that cannot be cut needs a state of its own."""
    engine = Remembering(slots=3, cells=900, can_cut=can_cut)
    batcher = Batcher(engine, live=1)
    head = [1] * 200
    for number in range(20):
        reply = _ask(
            batcher, engine, [*head, 100 + number, 7], 200, Decoding(max_tokens=5, tool_choice="none")
        )
        assert reply.usage.cached_tokens == (200 if number else 0)
    assert engine.read <= 200 + 20 * 7
    batcher.close()


def test_a_conversation_goes_on_where_it_was() -> None:
    """Its own reply, read a second time as history."""
    engine = Remembering(slots=2, cells=900, can_cut=False)
    batcher = Batcher(engine, live=1)
    prompt = [1] * 50
    _ask(batcher, engine, prompt, 10, Decoding(max_tokens=20, tool_choice="none"))
    said = max(engine._held, key=len)[len(prompt) :]
    second = _ask(batcher, engine, [*prompt, *said, 5, 6], 10, Decoding(max_tokens=5, tool_choice="none"))
    assert said and second.usage.cached_tokens == len(prompt) + len(said)
    batcher.close()


def test_forced_tokens_take_no_pass() -> None:
    """Each token of a call's frame would be asked of the model."""
    engine = Remembering(slots=1)
    batcher = Batcher(engine)
    reply = _ask(batcher, engine, [1], 0, Decoding(tool_choice="=stop", parallel=False, max_tokens=90))
    assert reply.message.calls and reply.signals
    assert len(engine.passes) == reply.signals.sampled
    assert reply.signals.sampled + reply.signals.forced == reply.usage.completion_tokens
    assert reply.signals.sampled <= 4 < reply.signals.forced
    batcher.close()


def test_requests_under_way_share_passes_and_a_long_prompt_does_not_hold_them_up() -> None:
    """One after the other in all but name."""

    class Held(Remembering):
        """Its first pass waits until both have asked."""

        began, go = threading.Event(), threading.Event()

        def forward(self, parts: Sequence[Part]) -> list[Logits | None]:
            self.began.set()
            assert self.go.wait(20)
            return super().forward(parts)

    engine = Held(slots=2, cells=4000)
    engine.context = 2000
    batcher = Batcher(engine, live=2)
    how = Decoding(max_tokens=40, tool_choice="none")
    with ThreadPoolExecutor(2) as pool:
        short = pool.submit(_ask, batcher, engine, [3] * 5, 0, how)
        assert engine.began.wait(20)
        long = pool.submit(_ask, batcher, engine, [4] * 1500, 0, how)
        while not batcher._jobs.qsize():
            time.sleep(0.001)
        engine.go.set()
        assert short.result().raw == _alone([3] * 5, how).raw
        assert long.result().usage.prompt_tokens == 1500
    assert max(map(sum, engine.passes)) <= 512 + 1
    assert any(len(sizes) == 2 for sizes in engine.passes)
    batcher.close()


def test_what_does_not_fit_beside_the_others_waits_its_turn() -> None:
    """A cache that is full in the middle of a reply."""
    engine = Remembering(slots=4, cells=300)
    batcher = Batcher(engine, live=4)
    how = Decoding(max_tokens=60, tool_choice="none")
    made = [([number] * 150, 0, how) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda one: _ask(batcher, engine, *one), made))
    assert [one.raw for one in replies] == [_alone(prompt, how).raw for prompt, _, how in made]
    batcher.close()


def test_an_abandoned_reply_gives_its_place_up() -> None:
    """Clients that hang up would block the server for as long as their replies would have been."""
    engine = Remembering(slots=1)
    batcher = Batcher(engine)
    how = Decoding(max_tokens=200, tool_choice="none")
    items = batcher.stream(Writer(engine, HERMES, [1, 2], TOOLS, how), 0)
    next(items)
    items.close()  # type: ignore[attr-defined]
    before = len(engine.passes)
    assert _ask(batcher, engine, [5], 0, Decoding(max_tokens=1, tool_choice="none")).stop == "length"
    assert len(engine.passes) <= before + 3
    batcher.close()


def test_a_broken_pass_fails_its_replies_and_nobody_else() -> None:
    """One bad request ends the thread, and all that come after it wait for ever."""

    class Breaking(Remembering):
        def forward(self, parts: Sequence[Part]) -> list[Logits | None]:
            if any(13 in part.ids for part in parts):
                raise ToolfinchError("unlucky")
            return super().forward(parts)

    engine = Breaking(slots=2)
    batcher = Batcher(engine, live=2)
    how = Decoding(max_tokens=5, tool_choice="none")
    with pytest.raises(ToolfinchError, match="unlucky"):
        _ask(batcher, engine, [1, 2, 13], 0, how)
    assert _ask(batcher, engine, [1, 2, 3], 0, how).raw == _alone([1, 2, 3], how).raw
    batcher.close()
    with pytest.raises(ToolfinchError, match="closed"):
        _ask(batcher, engine, [1], 0, how)


def test_a_batcher_that_nobody_holds_ends_its_thread() -> None:
    """Every model that was ever loaded stays in memory."""
    engine = Remembering(slots=1)
    batcher = Batcher(engine)
    _ask(batcher, engine, [1], 0, Decoding(max_tokens=1, tool_choice="none"))
    thread = batcher._thread
    del batcher
    deadline = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not thread.is_alive()


def test_a_client_that_goes_while_there_is_nothing_to_show_is_seen_to_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Text comes as it is written; a call, a long prompt or a line before it show nothing until they are over."""
    monkeypatch.setattr("toolfinch.decode.batch._LOOK_S", 0.01)

    class Slow(Remembering):
        def forward(self, parts: Sequence[Part]) -> list[Logits | None]:
            time.sleep(0.02)
            return super().forward(parts)

    engine = Slow(slots=2)
    batcher = Batcher(engine, live=1)
    how = Decoding(max_tokens=250, tool_choice="required")
    long = (_tool("say", "x", x={"type": "string", "minLength": 200}),)
    first = batcher.stream(Writer(engine, HERMES, [1], long, how), 0)
    assert next(first) == Delta()
    second = batcher.stream(Writer(engine, HERMES, [2], long, how), 0)
    assert next(second) == Delta()
    second.close()  # type: ignore[attr-defined]
    first.close()  # type: ignore[attr-defined]
    assert _ask(batcher, engine, [5], 0, Decoding(max_tokens=1, tool_choice="none")).stop == "length"
    assert len(engine.passes) < 100
    batcher.close()


@pytest.mark.parametrize("place", ["dump", "copy", "cut"])
def test_nobody_waits_for_ever_for_an_engine_that_fails(place: str, tmp_path: Path) -> None:
    """What fails between two passes would end the thread that all replies come from."""

    class Failing(Remembering):
        def _fail(self, *_: Any) -> Any:
            raise ToolfinchError("unlucky")

    monkey = Failing(slots=2)
    batcher = Batcher(monkey, store=Store(tmp_path, "m", 1 << 20))
    setattr(monkey, place, monkey._fail)
    how = Decoding(max_tokens=5, tool_choice="none")
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(_ask, batcher, monkey, [1, 2, 3, number], 3, how) for number in range(3)]
        for one in asked:
            assert isinstance(one.exception(timeout=60), ToolfinchError)
    batcher.close()


def test_a_forced_start_that_its_grammar_refuses_fails_one_reply() -> None:
    """The error would come up in the thread that all replies come from."""
    engine = Remembering(slots=1)
    batcher = Batcher(engine)
    odd = dialects.Dialect(**{**vars(HERMES), "forced_start": lambda name: "<tool_call>odd"})
    how = Decoding(max_tokens=50, tool_choice="required")
    with pytest.raises(ToolfinchError, match="grammar"):
        list(batcher.stream(Writer(engine, odd, [1], TOOLS, how), 0))
    assert _ask(batcher, engine, [1], 0, Decoding(max_tokens=1, tool_choice="none")).stop == "length"
    batcher.close()


# --- prefixes on disk ----------------------------------------------------------------------------------


def test_a_prefix_survives_a_restart(tmp_path: Path) -> None:
    """The first request after a restart would read all tools again; or be given another model's state."""
    head = [1] * 100
    how = Decoding(max_tokens=5, tool_choice="none")
    cached = []
    for identity in ("model a", "model a", "model b"):
        engine = Remembering(slots=2)
        batcher = Batcher(engine, store=Store(tmp_path, identity, 1 << 20))
        reply = _ask(batcher, engine, [*head, 5], 100, how)
        assert reply.raw == _alone([*head, 5], how).raw
        cached.append(reply.usage.cached_tokens)
        batcher.close()
    assert cached == [0, 100, 0]


def test_a_state_that_cannot_be_loaded_takes_no_other_with_it(tmp_path: Path) -> None:
    """The slot given up for it was the one to go on from: positions are counted from a beginning that is not there."""
    engine = Remembering(slots=2)
    store = Store(tmp_path, "m", 1 << 20)
    prefixes = Prefixes(engine, store)
    for prompt in ([1, 1, 1, 1, 9, 9], [7, 7, 7]):
        slot = prefixes.acquire(prompt, 0, 5)
        assert slot is not None
        engine.forward([Part(slot.number, prompt)])
        prefixes.extend(slot, prompt)
        prefixes.release(slot)
    wanted = [1, 1, 1, 1, 2, 2, 2, 3]
    store.save(wanted[:6], b"x")
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"damaged")
    slot = prefixes.acquire(wanted, 6, 5)
    assert slot is not None and engine._held[slot.number] == slot.ids
    assert slot.ids == wanted[: len(slot.ids)]


def test_a_folder_that_went_away_keeps_nothing(tmp_path: Path) -> None:
    """A reply that fails, or a server that stops, for want of a copy."""
    store = Store(tmp_path / "states", "m", 1000)
    (tmp_path / "states").rmdir()
    store.save([1], b"state")
    assert store.load([1]) is None and not store.has([1])


@pytest.mark.parametrize("damage", [b"", b"x" * 10, None])
def test_a_damaged_state_counts_as_none(tmp_path: Path, damage: bytes | None) -> None:
    """A half-written file read into the model's memory."""
    store = Store(tmp_path, "m", 1 << 20)
    store.save([1, 2, 3], b"state")
    assert store.load([1, 2, 3]) == b"state" and store.load([1, 2]) is None
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"?" if damage is None else damage)
    assert store.load([1, 2, 3]) is None and not store.has([1, 2, 3])


def test_the_folder_is_bounded_and_private(tmp_path: Path) -> None:
    """A disk that fills up; a state holds the text that it was made of."""
    folder = tmp_path / "states"
    store = Store(folder, "m", 1000)
    for number in range(6):
        store.save([number], bytes(300))
        time.sleep(0.002)
        assert store.load([0]) or number > 2  # used again and again, so it stays while it can
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 1000
    assert store.has([5])
    store.save([9], bytes(2000))
    assert not store.has([9])
    assert folder.stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError, match="cannot be made"):
        Store(Path("/proc/nowhere"), "m", 1)


# --- real engines --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["qwen3", "qwen3_5"])
@pytest.mark.parametrize("form", ["folder", "gguf"])
def test_real_engines_keep_apart_what_they_read_together(kind: Any, form: str, tmp_path: Path) -> None:
    """A mask between sequences that is off by one; a recurrent state shared by two."""
    from tiny_models import tiny_model
    from toolfinch.callers.load import load
    from toolfinch.message import system, user

    pytest.importorskip("llama_cpp")
    path = tiny_model(tmp_path / "m", kind)
    if form == "gguf":
        from toolfinch.export.gguf import write_gguf

        write_gguf(path, tmp_path / "m.gguf", "f32", dialect="hermes", name="m")
        path = tmp_path / "m.gguf"
    how = Decoding(max_tokens=12, tool_choice="none", logprobs=0)
    alone = load(str(path), "hermes", n_threads=1)
    together = load(str(path), "hermes", n_threads=1, live=3)
    asked = [[system("Be brief. " * 10), user(text)] for text in ("one", "two", "three and more", "two")]
    expected = [alone.reply(messages, TOOLS, how) for messages in asked]
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda messages: together.reply(messages, TOOLS, how), asked))
    for reply, wanted in zip(replies, expected, strict=True):
        # A random model has near ties, and rounding depends on the pass: the first tokens have to agree.
        for one, other in list(zip(reply.logprobs, wanted.logprobs, strict=False))[:4]:
            assert one.text == other.text and one.logprob == pytest.approx(other.logprob, abs=0.05)
    assert together.reply(asked[0], TOOLS, how).usage.cached_tokens > 20


def test_a_model_whose_states_cannot_be_kept_says_so_at_the_start(tmp_path: Path) -> None:
    """Each request would fail as its prefix is to be kept."""
    from tiny_models import tiny_model
    from toolfinch.callers.load import load

    path = tiny_model(tmp_path / "m", "qwen3_5")
    with pytest.raises(UsageError, match="cannot be kept"):
        load(str(path), "hermes", prefixes=tmp_path / "states")
