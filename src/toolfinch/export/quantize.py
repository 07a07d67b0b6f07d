"""K-quants: make a smaller GGUF file of a bf16 one, with llama.cpp's own quantizer.

Runs `llama_model_quantize` of llama-cpp-python. K-quants work on rows of a multiple of 256; where a row is
not, llama.cpp picks another type for that tensor (Q5_0, Q5_1, Q8_0), so a narrow model shrinks less.
Left out: importance matrices. Q8_0 needs none of this (`gguf.write_gguf`).
"""

from __future__ import annotations

import logging
from pathlib import Path

from toolfinch.errors import MissingDependency, ToolfinchError, UsageError

# Format -> llama_ftype (llama.h).
FILE_TYPES = {"q4_k_m": 15, "q5_k_m": 17, "q6_k": 18}


def quantize(source: Path, path: Path, kind: str) -> None:
    """Write `source` (a bf16, f16 or f32 GGUF file) to `path` as `kind`, a key of FILE_TYPES.

    MissingDependency without llama-cpp-python; ToolfinchError when llama.cpp refuses the file. The caller
    gives a temporary `path` and renames it.
    """
    if kind not in FILE_TYPES:
        raise UsageError(f"format {kind!r}: expected one of {', '.join(FILE_TYPES)}")
    try:
        import llama_cpp
    except ImportError as error:
        hint = "pip install 'toolfinch[gguf]', or choose q8_0, which needs no llama.cpp"
        raise MissingDependency(f"format {kind} needs llama-cpp-python", hint=hint) from error
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[kind]
    params.nthread = 0  # all cores
    logger = logging.getLogger("llama-cpp-python")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it prints a line a tensor, and its fallbacks as errors
    try:
        status = llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), params)
    finally:
        logger.setLevel(level)
    if status != 0:
        raise ToolfinchError(f"{source}: llama.cpp could not quantize it to {kind} (status {status})")
