"""`load`: from what the user typed to something that calls tools."""

from __future__ import annotations

from pathlib import Path

from toolfinch import artifact, dialects, models
from toolfinch.caller import ToolCaller
from toolfinch.callers.local import LocalCaller
from toolfinch.decode.engine import Engine
from toolfinch.decode.prefix_store import Store
from toolfinch.errors import UsageError

_STORE_BYTES = 4 << 30


def load(
    spec: str,
    dialect: str | None = None,
    *,
    format: str = "",
    device: str = "",
    context: int = 8192,
    n_threads: int = 0,
    timeout_s: float = 120.0,
    retries: int = 4,
    live: int = 1,
    prefixes: Path | None = None,
) -> ToolCaller:
    """A model as a `ToolCaller`. `spec` is one of

    - an artifact's folder, a transformers folder, a GGUF file, or a packaged model's name;
    - `http://host:8000/v1#model`, an OpenAI-compatible endpoint (without `#model`: the only one it serves);
    - `never`, `ask` or `bm25`, the floors that every model is compared with.

    `dialect` is the artifact's own unless given; for an endpoint it is how calls are read that were left in
    its text, with `auto` for any. `format` picks one of an artifact's several. `device` is for transformers,
    `context` (tokens) and `n_threads` (0: all cores) are for a GGUF file, `timeout_s` is for one reply of an
    endpoint, with so many `retries`. `live` is how many replies a model on this machine makes at once; `prefixes` is a folder in which it keeps the
    states of prompts' beginnings. Raises UsageError, naming the path, where there is no such model or it cannot be loaded.
    """
    if spec.startswith(("http://", "https://")):
        from toolfinch.callers.openai import OpenAICaller

        url, _, model = spec.partition("#")
        return OpenAICaller(url, model, dialect=dialect or "", timeout_s=timeout_s, retries=retries)
    if spec in ("never", "ask", "bm25"):
        from toolfinch.callers.floors import AlwaysAsk, Bm25Pick, NeverCall

        floors: dict[str, type[ToolCaller]] = {"never": NeverCall, "ask": AlwaysAsk, "bm25": Bm25Pick}
        return floors[spec]()

    folder = models.HERE / spec if spec in models.packaged() else Path(spec)
    if not folder.exists():
        raise UsageError(
            f"{spec}: no such file or folder",
            hint=f"packaged: {', '.join(models.packaged())}; floors: never, ask, bm25",
        )
    found = artifact.find(folder, dialect=dialect or "", format=format)
    written = dialects.get(found.dialect)  # before the weights: a wrong name should not take a minute
    path = found.path.resolve()
    name = found.artifact.name if found.artifact else path.stem if found.kind == "gguf" else path.name
    slots = 2 * live  # beside the replies under way, beginnings of prompts are kept
    engine: Engine
    if found.kind == "gguf":
        from toolfinch.callers.llama_cpp_engine import LlamaCppEngine

        engine = LlamaCppEngine(found.path, context=context, n_threads=n_threads, slots=slots)
    else:
        from toolfinch.callers.transformers_engine import TransformersEngine

        engine = TransformersEngine(found.path, device=device, slots=slots)
        if prefixes is not None and not engine.can_cut:
            raise UsageError(
                f"{found.path}: the states of this kind of model cannot be kept in {prefixes}",
                hint="serve it without kept prefixes, or as a GGUF file",
            )
    store = None if prefixes is None else Store(prefixes, _identity(found.path), _STORE_BYTES)
    return LocalCaller(engine, written, engine.chat_template, name, live=live, store=store)


def _identity(path: Path) -> str:
    """Of the weights and the library that reads them: a state is good for both alone."""
    from importlib.metadata import version

    library = "llama_cpp_python" if path.is_file() else "transformers"
    return f"{library} {version(library)} {artifact.identity(path)}"
