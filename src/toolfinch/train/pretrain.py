"""Train the embedded base model from nothing, on a CPU or one GPU.

`toolfinch pretrain RECIPE --out DIR` makes the tokenizer, the corpus and the model, each stage once; a run
that was stopped goes on from its last checkpoint. The model is a plain Qwen3 (QK-norm, tied embeddings), so
every engine that runs Qwen3 runs it.

Weights are kept in float32 and computed in bfloat16, which is how they are served. Matrices are trained
with Muon, the rest with AdamW; the learning rate warms up, stays, and falls to zero over the last part.
Left out: more than one device (a base of this size needs none).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from toolfinch.train.corpus import Corpus, batches


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The network."""

    hidden: int = 256
    layers: int = 6
    feed_forward: int = 768
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    context: int = 8192
    rope_theta: float = 100_000.0


class Optimisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the network is trained."""

    tokens: int = 30_000_000
    """Tokens to read in all, padding left out."""
    batch_tokens: int = 8192
    learning_rate: float = 3e-3
    warmup: float = 0.02
    """Share of `tokens` over which the rate rises."""
    decay: float = 0.35
    """Share of `tokens` over which it falls to zero."""
    weight_decay: float = 0.05
    prompt_share: float = 0.15
    """Share of the tokens outside the assistant's turns that are targets too (drawn anew each time)."""
    prompt_weight: float = 0.2
    """Weight of their mean loss beside the mean loss of the assistant's tokens."""
    seed: int = 0
    checkpoint_minutes: float = 5.0


def new_model(shape: Shape, vocab_size: int, stop_id: int, pad_id: int) -> Any:
    """A freshly initialised Qwen3 model in float32."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=vocab_size,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.context,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=stop_id,
        pad_token_id=pad_id,
    )
    return Qwen3ForCausalLM(config)


def rate_at(progress: float, options: Optimisation) -> float:
    """The learning rate as a share of its top, `progress` in [0, 1]: warm-up, plateau, linear fall."""
    if progress < options.warmup:
        return max(progress / options.warmup, 0.01)
    return min(1.0, max((1 - progress) / options.decay, 0.0))


def pretrain(
    model: Any,
    corpus: Corpus,
    options: Optimisation,
    folder: Path,
    say: Callable[[str], None],
    probe: Callable[[Any], dict[str, float]] | None = None,
) -> None:
    """Train `model` (float32) in place; checkpoints and `log.jsonl` go to `folder`.

    What `probe` measures at every checkpoint goes to `copying.jsonl`. Resumes from `folder/checkpoint.pt` where there is one. The step is not compiled: on a CPU that gained
    nothing once rows differ in length.
    """
    import torch
    from torch.nn.functional import cross_entropy

    folder.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    # The float32 model is the master; `worker` computes in bfloat16 and is refreshed after each step.
    worker = type(model)(model.config).to(device=device, dtype=torch.bfloat16)
    worker.model.rotary_emb.inv_freq = model.model.rotary_emb.inv_freq  # not to be rounded
    masters = dict(model.named_parameters())
    workers = dict(worker.named_parameters())
    matrices = [p for n, p in masters.items() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in masters.items() if p.ndim != 2 or "embed" in n]
    optimizers: list[Any] = [
        torch.optim.Muon(matrices, lr=1.0, weight_decay=options.weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1.0, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    state = {"tokens": 0, "step": 0, "epoch": 0, "batch": 0, "seconds": 0.0}
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, saved_state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(saved_state)
        state = saved["state"]
        say(f"resumed at {state['tokens'] / 1e6:.1f}M tokens")

    def refresh() -> None:
        with torch.no_grad():
            for name, parameter in workers.items():
                parameter.copy_(masters[name])

    def save() -> None:
        partial = folder / "checkpoint.partial.pt"
        torch.save(
            {
                "model": model.state_dict(),
                "optimizers": [o.state_dict() for o in optimizers],
                "state": dict(state),
            },
            partial,
        )
        partial.replace(checkpoint)
        if probe is not None:
            line = {"step": state["step"], "tokens": state["tokens"], **probe(worker)}
            with (folder / "copying.jsonl").open("a") as measured:
                measured.write(json.dumps(line) + "\n")
            say(", ".join(f"{name} {value}" for name, value in line.items()))

    hidden = model.config.hidden_size

    def forward(ids: Any, picked: Any, targets: Any, weights: Any) -> tuple[Any, Any]:
        states = worker.model(input_ids=ids, use_cache=False).last_hidden_state
        logits = worker.lm_head(states.reshape(-1, hidden)[picked]).float()
        losses = cross_entropy(logits, targets, reduction="none")
        return (losses * weights).sum(), losses

    refresh()
    started, last_save, last_say = time.monotonic() - state["seconds"], time.monotonic(), 0.0
    recent: list[float] = []
    with (folder / "log.jsonl").open("a") as log:
        while state["tokens"] < options.tokens:
            epoch = int(state["epoch"])
            for index, (ids, mask) in enumerate(batches(corpus, options.batch_tokens, options.seed, epoch)):
                if index < state["batch"]:
                    continue
                rng = np.random.default_rng([options.seed, epoch, index])
                picked, weights = _targets(mask, options, rng)
                flat = ids.reshape(-1)
                as_tensor = torch.from_numpy
                loss, losses = forward(
                    as_tensor(ids).to(device),
                    as_tensor(picked).to(device),
                    as_tensor(flat[picked + 1]).to(device),
                    as_tensor(weights).to(device),
                )
                loss.backward()
                rate = options.learning_rate * rate_at(state["tokens"] / options.tokens, options)
                with torch.no_grad():
                    for name, parameter in workers.items():
                        if parameter.grad is not None:
                            masters[name].grad = parameter.grad.float()
                            parameter.grad = None
                torch.nn.utils.clip_grad_norm_(masters.values(), 1.0)
                for optimizer in optimizers:
                    for group in optimizer.param_groups:
                        group["lr"] = rate
                    optimizer.step()
                refresh()
                supervised = mask.reshape(-1)[picked + 1] == 1
                recent.append(float(losses.detach()[torch.from_numpy(supervised).to(device)].mean()))
                state["tokens"] += int((mask >= 0).sum())
                state["step"] += 1
                state["batch"] = index + 1
                now = time.monotonic()
                state["seconds"] = now - started
                if now - last_say > 15:
                    line = {
                        "step": state["step"],
                        "tokens": state["tokens"],
                        "loss": round(sum(recent) / len(recent), 4),
                        "rate": round(rate, 6),
                        "seconds": round(state["seconds"]),
                    }
                    log.write(json.dumps(line) + "\n")
                    log.flush()
                    say(
                        f"{state['tokens'] / 1e6:.2f}M of {options.tokens / 1e6:.0f}M tokens, "
                        f"loss {line['loss']:.3f}, {state['tokens'] / state['seconds']:.0f} tokens/s"
                    )
                    recent, last_say = [], now
                if now - last_save > options.checkpoint_minutes * 60:
                    save()
                    last_save = now
                if state["tokens"] >= options.tokens:
                    break
            else:
                state["epoch"] += 1
                state["batch"] = 0
    save()


def _targets(mask: Any, options: Optimisation, rng: np.random.Generator) -> tuple[Any, Any]:
    """Flat positions whose NEXT token is a target, and the weight of each (both means sum to their share)."""
    nxt = np.full(mask.shape, -1, np.float32)
    nxt[:, :-1] = mask[:, 1:]
    nxt = nxt.reshape(-1)
    own = nxt == 1
    prompt = (nxt == 0) & (rng.random(len(nxt)) < options.prompt_share)
    picked = np.flatnonzero(own | prompt)
    weights = np.where(
        own[picked], 1.0 / max(own.sum(), 1), options.prompt_weight / max(int(prompt.sum()), 1)
    )
    return picked, weights.astype(np.float32)
