"""Loading models and endpoints, and what they answer: each failure is one line that names the path."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from test_serve import Failing, Replay
from toolfinch import artifact
from toolfinch.caller import Decoding
from toolfinch.callers.load import load
from toolfinch.callers.local import LocalCaller
from toolfinch.callers.openai import OpenAICaller
from toolfinch.callers.transformers_engine import TransformersEngine
from toolfinch.decode.engine import logits_after
from toolfinch.errors import MissingDependency, UsageError
from toolfinch.message import ToolCall, ToolResult, assistant, system, tool, user
from toolfinch.serve.run import background
from toolfinch.tool import Tool

TOOLS = (Tool("set_alarm", "Set an alarm", {"type": "object", "properties": {"at": {"type": "string"}}}),)
MESSAGES = [
    system("Be brief."),
    user("Set an alarm, café 東京"),
    assistant("", ToolCall("set_alarm", {"at": "07:30"}, "c1")),
    tool("ok", "c1", "set_alarm"),
    user("and again"),
]


def _edit(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        raw = json.loads((folder / name).read_text())
        change(raw)
        (folder / name).write_text(json.dumps(raw))

    return edit


def _cut(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return cut


def _more_layers(config: dict[str, Any]) -> None:
    config["num_hidden_layers"] = 6
    config.pop("layer_types", None)


DAMAGE: list[tuple[str, Callable[[Path], None], str]] = [
    ("no config", lambda f: (f / "config.json").unlink(), "no config.json"),
    ("no weights", lambda f: (f / "model.safetensors").unlink(), r"no weights|\*\.safetensors"),
    ("no tokenizer", lambda f: (f / "tokenizer.json").unlink(), "no tokenizer.json"),
    ("no template", lambda f: (f / "chat_template.jinja").unlink(), "no chat template"),
    ("config cut", _cut("config.json"), "cannot be loaded"),
    ("tokenizer cut", _cut("tokenizer.json"), "cannot be loaded"),
    ("weights cut", _cut("model.safetensors"), "cannot be loaded"),
    ("unknown family", _edit("config.json", lambda c: c.update(model_type="nope")), "cannot be loaded"),
    ("other shape", _edit("config.json", lambda c: c.update(hidden_size=64)), "cannot be loaded"),
    ("missing layers", _edit("config.json", _more_layers), "22 of the model's weights are missing"),
]


@pytest.mark.parametrize(("damage", "says"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE])
def test_a_damaged_model_folder_is_named(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    """A traceback from deep inside; or, for missing weights, random numbers served as a model."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    damage(copy)
    with pytest.raises(UsageError, match=f"(?s)copy.*({says})") as refused:
        load(str(copy), "hermes")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[: len(b) // 2], lambda b: b[:3000], lambda b: b.replace(b"qwen3", b"qwenX")],
    ids=["half", "head only", "unknown family"],
)
def test_a_damaged_gguf_is_named(gguf: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """llama.cpp answers with a null pointer and no reason."""
    path = tmp_path / "bad.gguf"
    path.write_bytes(damage(gguf.read_bytes()))
    with pytest.raises(UsageError, match=r"bad\.gguf"):
        load(str(path), "hermes")


def test_what_is_not_a_model_is_named(folder: Path, tmp_path: Path) -> None:
    """A wrong path or dialect is the commonest mistake there is."""
    (tmp_path / "notes.txt").write_text("no model in here, just text")
    for spec, dialect, says in [
        (str(tmp_path / "nowhere"), "hermes", "no such file or folder"),
        (str(tmp_path / "notes.txt"), "hermes", "GGUF"),
        (str(folder), "klingon", "'klingon'"),
        (str(folder), None, "dialect"),
        ("http://127.0.0.1:1/v1", None, "http://127.0.0.1:1/v1"),
    ]:
        with pytest.raises(UsageError, match=says):
            load(spec, dialect)


def test_an_artifact_knows_its_name_dialect_and_formats(folder: Path, gguf: Path, tmp_path: Path) -> None:
    """Served under another dialect than it was trained in, a model calls nothing."""
    home = tmp_path / "home"
    shutil.copytree(folder, home)
    shutil.copy(gguf, home / "tiny.gguf")
    files = (
        artifact.describe(home, "model.safetensors", "safetensors"),
        artifact.describe(home, "tiny.gguf", "f32"),
    )
    artifact.write(artifact.Artifact("finch", "hermes", "qwen3", "", files), home)
    first, second = load(str(home)), load(str(home), format="f32", n_threads=1)
    assert first.name == second.name == "finch"
    assert isinstance(first, LocalCaller) and isinstance(second, LocalCaller)
    assert isinstance(first.engine, TransformersEngine)
    assert not isinstance(second.engine, TransformersEngine)
    assert first.dialect.name == second.dialect.name == "hermes"


@pytest.mark.parametrize("choice", ["auto", "none", "required", "=set_alarm"])
def test_both_engines_say_the_same(folder: Path, gguf: Path, choice: str) -> None:
    """Template, special tokens or bytes that differ between engines: trained on one, served on another."""
    ours, theirs = load(str(folder), "hermes"), load(str(gguf), n_threads=1)
    # Not many free tokens: a random model has near ties, and llama.cpp's cache is float16.
    free = choice in ("auto", "none")
    how = Decoding(max_tokens=8 if free else 32, tool_choice=choice, parallel=free, logprobs=2)
    a, b = ours.reply(MESSAGES, TOOLS, how), theirs.reply(MESSAGES, TOOLS, how)
    assert a.raw == b.raw and a.usage == b.usage and a.stop == b.stop
    assert [one.text for one in a.logprobs] == [one.text for one in b.logprobs]
    for one, other in zip(a.logprobs, b.logprobs, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=0.05)
    assert a.confidence == (None if choice != "auto" else pytest.approx(b.confidence, abs=1e-2))


def test_the_prompt_is_what_transformers_renders(folder: Path) -> None:
    """The served format must be the trained format, token for token, with thinking off."""
    from transformers import AutoTokenizer

    caller = load(str(folder), "hermes")
    assert isinstance(caller, LocalCaller)
    caller.template += "{{ enable_thinking }}"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": "hi <|im_end|>"}]
    expected = tokenizer.apply_chat_template(
        chat, chat_template=caller.template, add_generation_prompt=True, enable_thinking=False, tokenize=False
    )
    text = caller.prompt([user("hi <|im_end|>")], ())
    assert text == expected and text.endswith("False")
    assert caller.engine.encode(text) == tokenizer.encode(expected, add_special_tokens=False)


def test_a_template_that_refuses_is_the_users_mistake(folder: Path) -> None:
    """Templates raise on conversations that they cannot write; for a server that is no crash."""
    caller = load(str(folder), "hermes")
    assert isinstance(caller, LocalCaller)
    caller.template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(UsageError, match="roles must alternate"):
        caller.reply(MESSAGES, ())
    caller.template = "{{ '' }}"
    with pytest.raises(UsageError, match="empty prompt"):
        caller.reply(MESSAGES, ())


@pytest.mark.parametrize("device", ["toaster", "cuda:99"])
def test_a_device_that_is_not_there_is_named(folder: Path, device: str) -> None:
    """torch fails with an assertion after the weights are loaded."""
    with pytest.raises(UsageError, match=device):
        load(str(folder), "hermes", device=device)


def test_a_small_model_leaves_torch_its_threads(folder: Path) -> None:
    """A step takes one thread; training in the same process must not be left with it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        load(str(folder), "hermes").reply([user("hello")], TOOLS)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_threads_share_one_engine_safely(folder: Path) -> None:
    """Two requests that write into one cache answer each other's questions."""
    caller = load(str(folder), "hermes")
    asked = [[user(f"question {i} " * (i + 1))] for i in range(6)]
    how = Decoding(max_tokens=15)
    alone = [caller.reply(messages, TOOLS, how).raw for messages in asked]
    together: dict[int, str] = {}

    def ask(i: int) -> None:
        together[i] = caller.reply(asked[i], TOOLS, how).raw

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[i] for i in range(6)] == alone


def test_an_abandoned_stream_frees_the_engine(folder: Path) -> None:
    """A client that goes away in the middle would lock everyone out."""
    caller = load(str(folder), "hermes")
    assert isinstance(caller, LocalCaller)
    stream = caller.stream(MESSAGES, TOOLS)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert caller.reply(MESSAGES, TOOLS, Decoding(max_tokens=3)).stop == "length"


def test_an_endpoint_gives_the_same_turn_as_the_caller_behind_it() -> None:
    """What the evaluation measures through a server must be what the model said."""
    turn = assistant("On it.", ToolCall("set_alarm", {"at": "07:30"}), ToolCall("set_alarm", {}))
    here = Replay(turn)
    with background(here) as url:
        there = load(url)
        assert there.name == f"{url}#replay"
        how = Decoding(max_tokens=7, temperature=0.5, seed=3, tool_choice="=set_alarm", stop=("x",))
        a, b = here.reply(MESSAGES, TOOLS, how), there.reply(MESSAGES, TOOLS, how)
    assert b.message.content == a.message.content
    assert [call.same(gold) for call, gold in zip(b.message.calls, turn.calls, strict=True)] == [True, True]
    assert (b.confidence, b.usage, b.stop) == (a.confidence, a.usage, a.stop)
    (_, tools, direct), (messages, sent_tools, sent) = here.asked
    assert direct == sent and tuple(tools) == tuple(sent_tools)
    assert list(messages) == MESSAGES


def test_an_endpoint_is_sent_no_key_of_our_own() -> None:
    """A strict one refuses the request, and every case of a failed tool would be an endpoint error."""
    here = Replay(assistant("It failed."))
    failed = [*MESSAGES[:3], tool("no such time", "c1", "set_alarm", is_error=True)]
    with background(here) as url:
        load(url).reply(failed, TOOLS)
    ((messages, _, _),) = here.asked
    assert messages[-1].result == ToolResult("no such time", "c1", "set_alarm")


def test_errors_of_an_endpoint_are_outcomes() -> None:
    """One refused row would end a long evaluation, or pass for "no call"."""
    with background(Failing("upstream is\ndown")) as url:
        caller = OpenAICaller(url, "failing", retries=0)
        reply = caller.reply(MESSAGES, TOOLS)
        assert (reply.stop, reply.message) == ("error", assistant())
        assert "upstream is down" in reply.error and "\n" not in reply.error
        assert "'other' is not served" in OpenAICaller(url, "other", retries=0).reply(MESSAGES, TOOLS).error
    assert "cannot connect: Connection refused" in caller.reply(MESSAGES, TOOLS).error


@contextmanager
def _listing(body: Any) -> Iterator[str]:
    """A bare server on a socket that answers one request."""

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            content = json.dumps(body).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + content)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(10)


@pytest.mark.parametrize("served", [[], ["a", "b"]])
def test_an_endpoint_must_serve_one_model_or_be_told_which(served: list[str]) -> None:
    """The first of several would be measured by accident."""
    listing = {"object": "list", "data": [{"id": name, "object": "model"} for name in served]}
    with _listing(listing) as url, pytest.raises(UsageError, match=", ".join(served) or "none"):
        load(url)


@pytest.mark.parametrize("listing", [{}, [], {"data": "abc"}, {"data": [{}]}], ids=json.dumps)
def test_a_listing_that_cannot_be_read_is_named(listing: Any) -> None:
    """A web page at that address would be a traceback from inside the client."""
    with _listing(listing) as url, pytest.raises(UsageError, match=f"{url}.*list"):
        load(url)


@pytest.mark.parametrize(
    ("library", "spec"),
    [("aiohttp", "http://127.0.0.1:1/v1#m"), ("transformers", "folder"), ("llama_cpp", "gguf")],
)
def test_a_missing_library_is_named_with_the_extra_that_brings_it(
    library: str, spec: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ImportError from deep inside does not say what to install."""
    spec = str(request.getfixturevalue(spec)) if spec in ("folder", "gguf") else spec
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependency) as missing:
        load(spec, "hermes")
    assert "toolfinch[" in missing.value.hint


def test_llama_cpp_compiled_with_amx_is_not_let_near_it(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GCC compiles those kernels so that the first prompt ends the process."""
    import llama_cpp

    from toolfinch.callers.llama_cpp_engine import LlamaCppEngine

    seen: list[bool] = []
    load_file = llama_cpp.llama_model_load_from_file
    for says in (True, False):
        info = b"AVX2 = 1 | AMX_INT8 = 1 | " if says else b"AVX2 = 1 | "
        monkeypatch.setattr(llama_cpp, "llama_print_system_info", lambda info=info: info)
        monkeypatch.setattr(
            llama_cpp,
            "llama_model_load_from_file",
            lambda path, params: [seen.append(params.use_extra_bufts), load_file(path, params)][1],
        )
        engine = LlamaCppEngine(gguf)
        assert seen.pop() is not says
        assert len(logits_after(engine, [1, 2])) > 2


def test_llama_cpp_reads_decomposed_text_as_the_tokenizer_does(folder: Path, gguf: Path) -> None:
    """llama.cpp does not normalise: without our help a decomposed é is another word than it was trained on."""
    from toolfinch.callers.llama_cpp_engine import LlamaCppEngine
    from toolfinch.callers.transformers_engine import TransformersEngine

    decomposed = "cafe\u0301 A\u030angstro\u0308m \u1100\u1161"
    assert LlamaCppEngine(gguf).encode(decomposed) == TransformersEngine(folder).encode(decomposed)
