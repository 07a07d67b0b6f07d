"""Exported files do what the model does, in llama.cpp itself, and what does not is refused with its name."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tiny_models
from toolfinch import artifact
from toolfinch.callers.llama_cpp_engine import LlamaCppEngine
from toolfinch.callers.transformers_engine import TransformersEngine
from toolfinch.decode.engine import logits_after
from toolfinch.dialects import get
from toolfinch.dialects.chat_template import render
from toolfinch.errors import MissingDependency, ParityError, ToolfinchError, UsageError
from toolfinch.example import Example, Expected
from toolfinch.export import card, parity, vocab
from toolfinch.export.bundle import export
from toolfinch.export.gguf import WRITTEN, load_config, read_tensors, read_vocab, restore, write_gguf
from toolfinch.export.layout import layout
from toolfinch.export.merge import merge
from toolfinch.export.quantize import FILE_TYPES, quantize
from toolfinch.message import Message, ToolCall, assistant, tool, user
from toolfinch.tool import Tool

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.filterwarnings("ignore")

FAMILIES = ("qwen3", "qwen3_5", "llama")
# One prompt shorter and one longer than the 64 tokens of a chunk of the linear attention.
PROMPTS = ("Set an alarm for 7:30.", "<|im_start|>user\nWhat's the weather in São Paulo? " * 8)

ALARM = Tool(
    "set_alarm",
    "Set an alarm.",
    {"type": "object", "properties": {"time": {"type": "string"}}, "required": ["time"]},
)
ASKED = {"Set an alarm for 7:30.": "7:30", "Hi there": "", "alarm 12:45 please": "12:45", "10:15!": "10:15"}
EXAMPLES = [
    Example(f"c{i}/0", (ALARM,), (user(text),), Expected("call" if time else "say"))
    for i, (text, time) in enumerate(ASKED.items())
]


def _gguf(folder: Path, kind: str = "bf16") -> Path:
    path = folder / f"{kind}.gguf"
    write_gguf(folder, path, kind, dialect="hermes", name="tiny")
    return path


def _cosine(folder: Path, gguf: Path) -> float:
    """The worst of the prompts, transformers against llama.cpp."""
    ours, theirs = TransformersEngine(folder, device="cpu"), LlamaCppEngine(gguf, context=512)
    ids = [ours.encode(text) for text in PROMPTS]
    return min(parity.cosine(logits_after(ours, i), logits_after(theirs, i)) for i in ids)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random model of every family; tests that change a folder copy it first."""
    root = tmp_path_factory.mktemp("models")
    return {family: tiny_models.tiny_model(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers EXAMPLES, with calls where a time is in them."""
    folder = tmp_path_factory.mktemp("taught")
    tiny_models.tiny_model(folder, "qwen3", spread=0.05, head_dim=64)
    hermes = get("hermes")
    pairs = []
    for example, time in zip(EXAMPLES, ASKED.values(), strict=True):
        call = assistant("", ToolCall("set_alarm", {"time": time})) if time else assistant("Hello.")
        prompt = render(tiny_models.TEMPLATE, example.messages, example.tools, add_generation_prompt=True)
        pairs.append((prompt, hermes.render_turn(call, example.tools) + "<|im_end|>"))
    return tiny_models.teach(folder, pairs)


@pytest.fixture
def without_llama_cpp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)


# --- weights


@pytest.mark.parametrize("family", FAMILIES)
def test_bf16_runs_in_llama_cpp_as_in_transformers(models: dict[str, Path], family: str) -> None:
    assert _cosine(models[family], _gguf(models[family])) >= 0.999


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama3 rope": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 500.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ),
    "tied llama": ("llama", {"tie_word_embeddings": True}),
    "untied qwen3": ("qwen3", {"tie_word_embeddings": False}),
    "as many value heads as key heads": ("qwen3_5", {"linear_num_value_heads": 2}),
    "three value heads a key head": ("qwen3_5", {"linear_num_value_heads": 6}),
    "full attention on every second layer": ("qwen3_5", {"full_attention_interval": 2}),
    "float32 checkpoint": ("qwen3", {"dtype": "float32"}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_run_in_llama_cpp_as_in_transformers(tmp_path: Path, variant: str) -> None:
    family, config = VARIANTS[variant]
    tiny_models.tiny_model(tmp_path, family, **config)  # type: ignore[arg-type]
    assert _cosine(tmp_path, _gguf(tmp_path)) >= 0.999


def test_a_vision_language_checkpoint_gives_its_text_model(models: dict[str, Path], tmp_path: Path) -> None:
    folder = tiny_models.with_vision(models["qwen3_5"], tmp_path / "vl")
    assert _cosine(folder, _gguf(folder)) >= 0.999
    restore(folder / "bf16.gguf", folder, tmp_path / "back")
    assert logits_after(TransformersEngine(tmp_path / "back", device="cpu"), [1, 2, 3]).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_tensor_matters(models: dict[str, Path], tmp_path: Path, family: str) -> None:
    """Without this the tests above prove little: a tensor that moves nothing could lie anywhere."""
    whole = _gguf(models[family])
    ours = TransformersEngine(models[family], device="cpu")
    ids = [ours.encode(text) for text in PROMPTS]
    wanted = [logits_after(ours, i) for i in ids]
    names = [
        name for name, _, _ in read_tensors(whole) if ".1." in name or ".3." in name or "blk" not in name
    ]
    for name in names:
        broken = shutil.copy(whole, tmp_path / "broken.gguf")
        tiny_models.corrupt_tensor(broken, name)
        theirs = LlamaCppEngine(broken, context=512)
        worst = min(parity.cosine(w, logits_after(theirs, i)) for w, i in zip(wanted, ids, strict=True))
        assert worst < 0.999, f"{name} can be zeroed and nothing shows"


@settings(max_examples=25, deadline=None)
@given(
    family=st.sampled_from(FAMILIES),
    heads=st.integers(1, 4),
    repeat=st.integers(1, 3),
    size=st.sampled_from([2, 4, 8]),
    seed=st.integers(0, 999),
)
def test_reading_back_undoes_writing(family: str, heads: int, repeat: int, size: int, seed: int) -> None:
    shape = {"num_attention_heads": heads * repeat, "num_key_value_heads": heads, "head_dim": 2 * size}
    if family == "qwen3_5":
        shape |= {"linear_num_key_heads": heads, "linear_num_value_heads": heads * repeat}
        shape |= {"linear_key_head_dim": size, "linear_value_head_dim": size}
    config = tiny_models.tiny_config(
        family, 64, hidden_size=8 * heads * repeat, intermediate_size=24, **shape
    )  # type: ignore[arg-type]
    random = np.random.default_rng(seed)
    for place in layout(config, Path("x")).places:
        tensor = random.normal(size=place.shape).astype(np.float32)
        stored = place.store(tensor)
        np.testing.assert_allclose(place.restore(stored), tensor, rtol=1e-5, atol=1e-6, err_msg=place.name)
        assert stored.size == tensor.size and stored.ndim == tensor.ndim - (place.drop_axis is not None)


def test_only_what_belongs_is_written(models: dict[str, Path]) -> None:
    """A count of prediction layers without their weights makes a file that llama.cpp cannot load."""
    from gguf import GGUFReader

    path = _gguf(models["qwen3_5"])
    fields = GGUFReader(path).fields
    assert not [key for key in fields if "nextn" in key]
    assert not [name for name, _, _ in read_tensors(path) if name == "output.weight" or "mtp" in name]
    assert artifact.gguf_text(path, artifact.DIALECT_KEY) == "hermes"
    assert fields["qwen35.full_attention_interval"].contents() == 4


def test_rows_that_q8_0_cannot_hold_stay_bf16(tmp_path: Path) -> None:
    tiny_models.tiny_model(tmp_path, hidden_size=80, intermediate_size=96)
    types = write_gguf(tmp_path, tmp_path / "x.gguf", "q8_0", dialect="hermes", name="x").types
    assert types["BF16"] and types["Q8_0"] and types["F32"]
    assert _cosine(tmp_path, tmp_path / "x.gguf") > 0.9


@pytest.mark.parametrize("kind", [*WRITTEN, *FILE_TYPES])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_format_loads_and_resembles_the_model(models: dict[str, Path], family: str, kind: str) -> None:
    """Random weights have no signal to keep: the bound is for a broken file, not for quality."""
    if kind in FILE_TYPES:
        path = models[family] / f"{kind}.gguf"
        quantize(_gguf(models[family]), path, kind)
    else:
        path = _gguf(models[family], kind)
    assert _cosine(models[family], path) > 0.8


# --- the tokenizer


@pytest.fixture(scope="module", params=["qwen2", "qwen35", "llama-bpe", "gpt-2"])
def tokenizers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any, Any]:
    """(transformers, llama.cpp, rebuilt from the file) with the same pre-tokenizer."""
    from transformers import AutoTokenizer

    folder = tiny_models.tiny_model(tmp_path_factory.mktemp("tokenizer"), pre=request.param)
    path = _gguf(folder)
    stored = read_vocab(path)
    assert stored.pre == request.param
    return AutoTokenizer.from_pretrained(folder), LlamaCppEngine(path, context=64), vocab.rebuild(stored)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=40))
def test_llama_cpp_reads_text_as_transformers_does(tokenizers: tuple[Any, Any, Any], text: str) -> None:
    transformers, llama_cpp, rebuilt = tokenizers
    text = unicodedata.normalize("NFC", text)
    ids = transformers(text, add_special_tokens=False).input_ids
    assert rebuilt.encode(text, add_special_tokens=False).ids == ids
    assert llama_cpp.encode(text) == ids


def test_special_tokens_and_ends(models: dict[str, Path]) -> None:
    stored = read_vocab(_gguf(models["llama"]))
    id_of = {token: i for i, token in enumerate(stored.tokens)}
    assert stored.add_bos and stored.special["bos"] == id_of["<|begin_of_text|>"]
    assert stored.special["eos"] == id_of["<|im_end|>"] and stored.special["eot"] == id_of["<|endoftext|>"]
    assert stored.types[id_of["<|im_end|>"]] == vocab.CONTROL
    assert stored.types[id_of["<tool_call>"]] == vocab.USER_DEFINED, "calls would be cut out of the text"
    qwen = read_vocab(_gguf(models["qwen3"]))
    assert not qwen.add_bos and qwen.nfc and not stored.nfc


def _edit(path: Path, *keys: str | int, value: Any) -> None:
    """Set a value deep in a JSON file."""
    raw = json.loads(path.read_text())
    at = raw
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    path.write_text(json.dumps(raw))


TOKENIZERS = {
    "unknown pre-tokenizer": ("pre_tokenizer", "pretokenizers", 0, "pattern", {"Regex": r"\w+"}),
    "ignore_merges": ("model", "ignore_merges", True),
    "normalizer": ("normalizer", {"type": "Lowercase"}),
    "not byte-level": ("pre_tokenizer", {"type": "Whitespace"}),
    "not a byte-level BPE": ("model", "type", "WordPiece"),
    "<|im_start|>": ("added_tokens", 1, "lstrip", True),
    "past the model's vocabulary": ("added_tokens", 1, "id", 9999),
}


@pytest.mark.parametrize("says", TOKENIZERS)
def test_a_tokenizer_that_would_be_read_wrongly_is_refused(
    models: dict[str, Path], tmp_path: Path, says: str
) -> None:
    folder = shutil.copytree(models["qwen3"], tmp_path / "m")
    *keys, value = TOKENIZERS[says]
    _edit(folder / "tokenizer.json", *keys, value=value)
    with pytest.raises(UsageError) as error:
        vocab.vocab(folder, 480)
    assert says in str(error.value) and "tokenizer.json" in str(error.value)


def test_a_model_without_an_end_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(models["qwen3"], tmp_path / "m")
    _edit(folder / "tokenizer_config.json", "eos_token", value=None)
    with pytest.raises(UsageError, match="no eos_token"):
        vocab.vocab(folder, 480)


# --- models that cannot be written


REFUSED = {
    "architecture 'gpt2'": {"model_type": "gpt2"},
    "does not know the architecture 'finch'": {"model_type": "finch"},
    "sliding-window": {"use_sliding_window": True},
    "hidden_act 'gelu'": {"hidden_act": "gelu"},
    "RoPE scaling 'yarn'": {
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 4.0,
            "original_max_position_embeddings": 256,
        }
    },
    "q_proj.weight is (128, 128), expected (256, 128)": {"head_dim": 64},
    "layers.4.input_layernorm.weight is missing": {"num_hidden_layers": 5},
    "layers.3.": {"num_hidden_layers": 3},
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_cannot_be_written_is_named(models: dict[str, Path], tmp_path: Path, says: str) -> None:
    folder = shutil.copytree(models["qwen3"], tmp_path / "m")
    config = tiny_models.read_config(folder)
    config.pop("layer_types", None)
    (folder / "config.json").write_text(json.dumps(config | REFUSED[says]))
    with pytest.raises(UsageError) as error:
        write_gguf(folder, tmp_path / "x.gguf", "bf16", dialect="hermes", name="x")
    assert says in str(error.value) and str(folder) in str(error.value)
    assert not (tmp_path / "x.gguf").exists()


@pytest.mark.parametrize(
    ("says", "changes"),
    [
        ("one size for both", {"linear_value_head_dim": 64}),
        (
            "every 2th layer",
            {"layer_types": ["linear_attention", "full_attention"] + ["linear_attention"] * 2},
        ),
    ],
)
def test_hybrids_that_llama_cpp_cannot_load_are_refused(says: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=says):
        layout(tiny_models.tiny_config("qwen3_5", 64, **changes), Path("x"))


def test_quantize_says_what_it_cannot_do(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF nonsense")
    with pytest.raises(ToolfinchError, match=r"x\.gguf: llama.cpp could not quantize"):
        quantize(tmp_path / "x.gguf", tmp_path / "y.gguf", "q4_k_m")
    with pytest.raises(UsageError, match="q9_z"):
        quantize(tmp_path / "x.gguf", tmp_path / "y.gguf", "q9_z")


# --- the whole export


@pytest.mark.slow
def test_export_ships_what_passes(taught: Path, tmp_path: Path) -> None:
    formats = ("q4_k_m", "safetensors", "bf16", "q8_0", "q5_k_m")
    made = export(taught, tmp_path / "bird", formats, EXAMPLES, dialect="hermes", max_tokens=48)
    assert artifact.verify(tmp_path / "bird") == made and made.formats() == formats
    assert artifact.find(tmp_path / "bird").path.name == "bird-q4_k_m.gguf"
    assert not [p for p in (tmp_path / "bird").iterdir() if "unverified" in p.name or p.name.startswith(".")]
    for check in made.parity:
        report = msgspec.json.decode((tmp_path / "bird" / check.report).read_bytes(), type=parity.Report)
        assert report.engine == parity.LLAMA_CPP and report.with_calls == 3, "nothing was compared"
    folder = TransformersEngine(tmp_path / "bird", device="cpu")
    assert (
        logits_after(folder, [1, 2]) == logits_after(TransformersEngine(taught, device="cpu"), [1, 2])
    ).all()


def test_k_quants_need_no_bf16_in_the_artifact(taught: Path, tmp_path: Path) -> None:
    made = export(taught, tmp_path / "bird", ("q4_k_m",), EXAMPLES[:1], dialect="hermes", max_tokens=8)
    assert made.formats() == ("q4_k_m",) and [p.suffix for p in (tmp_path / "bird").glob("*gguf*")] == [
        ".gguf"
    ]


def _converter(folder: Path, breaks: str) -> Path:
    """A converter script of llama.cpp's command line that writes our own file with one tensor zeroed."""
    script = folder / "convert_hf_to_gguf.py"
    paths = [str(Path(__file__).parent), str(Path(artifact.__file__).parents[1])]
    script.write_text(
        f"import sys; sys.path[:0] = {paths}\n"
        "from pathlib import Path\n"
        "import tiny_models\n"
        "from toolfinch.export.gguf import write_gguf\n"
        "model, path, kind = Path(sys.argv[1]), Path(sys.argv[3]), sys.argv[5]\n"
        "write_gguf(model, path, kind, dialect='hermes', name='x')\n"
        f"{breaks and f'tiny_models.corrupt_tensor(path, {breaks!r})'}\n"
    )
    return script


@pytest.mark.slow
def test_a_wrong_weight_ships_nothing_and_harms_nothing(taught: Path, tmp_path: Path) -> None:
    out = tmp_path / "bird"
    before = export(taught, out, ("bf16",), EXAMPLES, dialect="hermes", max_tokens=48)
    broken = _converter(tmp_path, "blk.2.ffn_down.weight")
    with pytest.raises(ParityError, match="bf16: worst cosine") as error:
        export(taught, out, ("bf16",), EXAMPLES, dialect="hermes", max_tokens=48, converter=broken)
    assert artifact.verify(out) == before, "the artifact that was there is gone"
    assert error.value.exit_code == 1 and "parity.unverified/bf16.md" in error.value.hint
    assert "FAILED" in (out / "parity.unverified" / "bf16.md").read_text()
    assert (out / "bird-bf16.gguf.unverified").is_file()


def test_a_converter_is_run_on_a_checkout(taught: Path, tmp_path: Path) -> None:
    _converter(tmp_path, "")
    export(
        taught, tmp_path / "bird", ("q8_0",), EXAMPLES[:1], dialect="hermes", max_tokens=8, converter=tmp_path
    )
    with pytest.raises(UsageError, match="no such converter"):
        export(
            taught,
            tmp_path / "other",
            ("q8_0",),
            EXAMPLES[:1],
            dialect="hermes",
            converter=tmp_path / "nowhere.py",
        )
    (tmp_path / "convert_hf_to_gguf.py").write_text("raise SystemExit('no such model')")
    with pytest.raises(ToolfinchError, match=r"failed on .*: no such model"):
        export(taught, tmp_path / "third", ("q8_0",), EXAMPLES[:1], dialect="hermes", converter=tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("without_llama_cpp")
def test_without_llama_cpp_the_file_is_read_back(taught: Path, tmp_path: Path) -> None:
    out = tmp_path / "bird"
    made = export(taught, out, ("bf16", "q8_0"), EXAMPLES, dialect="hermes", max_tokens=48)
    assert {check.engine for check in made.parity} == {parity.READER}
    assert "not how llama.cpp runs" in " ".join((out / "parity" / "q8_0.md").read_text().split())
    assert made.parity[0].cosine > 0.999999
    broken = _converter(tmp_path, "blk.0.attn_v.weight")
    with pytest.raises(ParityError):
        export(taught, out, ("bf16",), EXAMPLES, dialect="hermes", max_tokens=48, converter=broken)
    with pytest.raises(MissingDependency) as error:
        export(taught, out, ("q4_k_m",), EXAMPLES, dialect="hermes", max_tokens=8)
    assert "toolfinch[gguf]" in error.value.hint


def test_a_second_export_replaces_the_first(taught: Path, tmp_path: Path) -> None:
    out = tmp_path / "bird"
    export(taught, out, ("q8_0", "safetensors"), EXAMPLES[:1], dialect="hermes", max_tokens=8)
    export(taught, out, ("bf16",), EXAMPLES[:1], dialect="hermes", max_tokens=8)
    assert artifact.verify(out).formats() == ("bf16",)
    assert not (out / "bird-q8_0.gguf").exists() and not (out / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("says", "formats", "examples"),
    [("q3", ("q3",), EXAMPLES), ("each once", ("bf16", "bf16"), EXAMPLES), ("one example", ("bf16",), [])],
)
def test_export_refuses_what_it_cannot_do(
    taught: Path, tmp_path: Path, says: str, formats: tuple[str, ...], examples: list[Example]
) -> None:
    with pytest.raises(UsageError, match=says):
        export(taught, tmp_path / "bird", formats, examples, dialect="hermes")


def test_export_says_that_an_adapter_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"no config\.json") as error:
        export(tmp_path, tmp_path / "bird", ("bf16",), EXAMPLES, dialect="hermes")
    assert "merge" in error.value.hint and not (tmp_path / "bird").exists()


def test_a_model_without_a_template_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(models["qwen3"], tmp_path / "m")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(UsageError, match="no chat template"):
        export(folder, tmp_path / "bird", ("bf16",), EXAMPLES, dialect="hermes")


def test_an_example_that_the_template_refuses_is_named(models: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(models["qwen3"], tmp_path / "m")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no system turn') }}")
    with pytest.raises(UsageError, match=r"example c0/0.*no system turn"):
        export(folder, tmp_path / "bird", ("bf16",), EXAMPLES, dialect="hermes")


def test_an_example_that_is_too_long_is_named(taught: Path, tmp_path: Path) -> None:
    long = [msgspec.structs.replace(EXAMPLES[0], id="long/0", messages=(user("hi " * 900),))]
    with pytest.raises(UsageError, match="example long/0"):
        export(taught, tmp_path / "bird", ("bf16",), long, dialect="hermes")


def test_other_words_on_the_way_in_fail_parity(taught: Path) -> None:
    """A changed template, token or stop must fail even where every logit agrees."""
    asked = parity.questions(taught, EXAMPLES[:2], 4)
    wanted = parity.ask_model(taught, asked, get("hermes"))
    assert parity.compare(asked, wanted, wanted, "bf16").passed
    for field, value, says in (
        ("rendered", ("", ""), "rendered differently"),
        ("ids", ([1], [2]), "other token ids"),
        ("string_ids", tuple([0] for _ in asked.strings), "other token ids"),
        ("stop_ids", frozenset(), "end a turn"),
        ("logits", tuple(np.full_like(v, np.nan) for v in wanted.logits), "cosine"),
        ("logits", tuple(np.zeros_like(v) for v in wanted.logits), "cosine"),
    ):
        got = msgspec.structs.replace(wanted, **{field: value})
        report = parity.compare(asked, wanted, got, "bf16")
        assert not report.passed and says in " ".join(report.failures)
        assert msgspec.json.decode(msgspec.json.encode(report), type=parity.Report) == report


def test_calls_are_compared_by_value() -> None:
    from toolfinch.caller import Reply

    def reply(*calls: ToolCall) -> Reply:
        return Reply(Message("assistant", calls=calls))

    a, b = ToolCall("f", {"x": 1, "y": 2}, "id1"), ToolCall("f", {"y": 2, "x": 1}, "id2")
    assert parity.same_calls(reply(a), reply(b)) and parity.same_calls(reply(), reply())
    assert not parity.same_calls(reply(a), reply()) and not parity.same_calls(reply(a), reply(a, b))
    assert not parity.same_calls(reply(a), reply(ToolCall("f", {"x": 1.5, "y": 2})))


def test_prompts_with_calls_and_results_render_alike(models: dict[str, Path]) -> None:
    turns = (user("wake me"), assistant("", ToolCall("set_alarm", {"time": 'é"<'}, "1")), tool("ok", "1"))
    example = msgspec.structs.replace(EXAMPLES[0], messages=turns)
    asked = parity.questions(models["qwen3"], [example], 1)
    got = parity.ask_model(models["qwen3"], asked, get("hermes"))
    assert got.rendered == asked.prompts and "é" in asked.prompts[0]


# --- merging


def _adapter(base: Path, out: Path, **lora: Any) -> Path:
    """A LoRA adapter whose two halves are both random: a fresh one changes nothing."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **lora}
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    wrapped = get_peft_model(model, LoraConfig(**config))
    for name, weight in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.05)
    wrapped.save_pretrained(out)
    return out


@pytest.mark.parametrize("family", ["qwen3", "qwen3_5"])
def test_a_merged_model_is_its_base_and_adapter(models: dict[str, Path], tmp_path: Path, family: str) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapter = _adapter(models[family], tmp_path / "adapter")
    base = AutoModelForCausalLM.from_pretrained(models[family], dtype=torch.float32)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        plain = base(ids).logits[0, -1].numpy()
        wanted = PeftModel.from_pretrained(base, adapter)(ids).logits[0, -1].numpy()
    out = merge(adapter, tmp_path / "merged", dtype="float32")
    got = logits_after(TransformersEngine(out, device="cpu"), [5, 6, 7, 8])
    assert parity.cosine(wanted, got) > 0.99999 > parity.cosine(wanted, plain)
    merged, source = ((p / "generation_config.json").read_text() for p in (out, models[family]))
    assert json.loads(merged)["eos_token_id"] == json.loads(source)["eos_token_id"]
    assert vocab.chat_template(out) == tiny_models.TEMPLATE
    assert not list(tmp_path.glob(".merged*"))
    assert _cosine(out, _gguf(out)) > 0.999


def test_an_adapter_from_a_vision_language_model_is_merged(models: dict[str, Path], tmp_path: Path) -> None:
    """Its keys have another prefix; PEFT would warn, merge nothing, and save the base."""
    from safetensors.torch import load_file, save_file

    adapter = _adapter(models["qwen3_5"], tmp_path / "adapter")
    plain = merge(adapter, tmp_path / "plain")
    path = adapter / "adapter_model.safetensors"
    weights = {
        k.replace("model.model.", "model.model.language_model."): v for k, v in load_file(path).items()
    }
    save_file(weights, path)
    nested = merge(
        adapter, tmp_path / "nested", base=tiny_models.with_vision(models["qwen3_5"], tmp_path / "vl")
    )
    a, b = (logits_after(TransformersEngine(p, device="cpu"), [5, 6, 7]) for p in (plain, nested))
    assert (a == b).all()
    assert load_config(nested).model_type == "qwen3_5_text"


def test_merge_refuses_what_does_not_fit(models: dict[str, Path], tmp_path: Path) -> None:
    adapter = _adapter(models["qwen3"], tmp_path / "adapter", target_modules=["q_proj"])
    with pytest.raises(UsageError, match="already there"):
        merge(adapter, models["qwen3"])
    with pytest.raises(UsageError, match="not on disk"):
        merge(adapter, tmp_path / "out", base=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="does not fit"):
        merge(adapter, tmp_path / "out", base=models["qwen3_5"])
    tied = _adapter(models["qwen3"], tmp_path / "tied", modules_to_save=["lm_head"])
    with pytest.raises(UsageError, match="tied"):
        merge(tied, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- the card


def test_the_card_says_what_it_knows_and_what_it_does_not(tmp_path: Path) -> None:
    import yaml

    made = artifact.Artifact(
        "finch",
        "hermes",
        "qwen3",
        "0" * 64,
        (artifact.File("m.safetensors", "1" * 64, 2_000_000, "safetensors"), artifact.File("t", "2" * 64, 1)),
        artifact.Origin(base='a"b: c', license="apache-2.0"),
    )
    text = card.card(
        made, card.About(data="| kept | 3 |"), [card.Measure("exact", 0.5, 0.4, 0.6, 100, "q8_0")]
    )
    front = yaml.safe_load(text.split("---")[1])
    assert front["base_model"] == 'a"b: c' and front["license"] == "apache-2.0"
    assert "| safetensors | `m.safetensors` | 2.0 MB | the reference" in text
    assert "| exact | q8_0 | 0.500 | 0.400 – 0.600 | 100 |" in text
    assert "| kept | 3 |" in text and made.digest() in text and "1" * 64 in text
    assert text.count(card.UNSAID) == 2, "recipe and limits were not given"
    for title in ("Run it", "Formats", "Quality", "Data", "Training", "Limits and licence", "Provenance"):
        assert f"\n## {title}\n" in text
