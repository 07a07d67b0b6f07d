"""`toolfinch/…` as a model of Inspect: our own callers, through its runner and into its logs.

    inspect eval toolfinch/forty --model toolfinch/fledgling

Behind `toolfinch/` stands what `toolfinch eval` takes: a packaged model, an artifact's folder, a GGUF file,
`never` or `bm25`; `-M dialect=…`, `-M format=…`, `-M context=…` are its options. An endpoint has a provider of
Inspect's own.
"""

from __future__ import annotations

from typing import Any

# First, since it says what to install where Inspect is missing.
from toolfinch.evaluate.inspect_turns import from_info, from_inspect, in_one_line, inspect_calls

# isort: split
import anyio.to_thread
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    modelapi,
)
from inspect_ai.tool import ToolCall as InspectCall
from inspect_ai.tool import ToolChoice, ToolFunction, ToolInfo

from toolfinch.caller import Decoding, Reply
from toolfinch.callers.load import load
from toolfinch.errors import ToolfinchError
from toolfinch.evaluate.run import ask
from toolfinch.example import Example, Expected


@modelapi(name="toolfinch")
class ToolfinchModel(ModelAPI):
    """A `ToolCaller` as an Inspect model."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),
        **options: Any,
    ) -> None:
        """`options` are those of `callers.load`. Raises PrerequisiteError where there is no such model."""
        super().__init__(model_name, base_url, api_key, [], config)
        try:
            self._caller = load(model_name, **options)
        except ToolfinchError as error:
            raise in_one_line(error) from error

    def max_connections(self) -> int:
        return 1  # an engine makes one reply at a time

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """One reply. Raises RuntimeError where the engine gave none, which is the sample's error."""
        request = Example("", tuple(map(from_info, tools)), tuple(map(from_inspect, input)), Expected("say"))
        reply = await anyio.to_thread.run_sync(ask, self._caller, request, decoding_of(tool_choice, config))
        if reply.stop == "error":
            raise RuntimeError(reply.error)
        return output_of(self.model_name, reply, len(input))


def decoding_of(choice: ToolChoice, config: GenerateConfig) -> Decoding:
    """Inspect's settings; what it does not say is as `toolfinch eval` has it."""
    default = Decoding()
    named = {"any": "required", "auto": "auto", "none": "none"}
    return Decoding(
        max_tokens=config.max_tokens or default.max_tokens,
        temperature=config.temperature or default.temperature,
        seed=config.seed or default.seed,
        tool_choice=f"={choice.name}" if isinstance(choice, ToolFunction) else named[choice],
        parallel=config.parallel_tool_calls is not False,
        stop=tuple(config.stop_seqs or ()),
    )


def output_of(model: str, reply: Reply, turn: int) -> ModelOutput:
    """A reply for Inspect. What could not be read of it is a call with an error, so that it stays in sight."""
    calls = inspect_calls(reply.message.calls, turn)
    calls += [
        InspectCall(id=f"unread_{turn}_{i}", function="unread", arguments={}, parse_error=text)
        for i, text in enumerate(reply.unread)
    ]
    said = reply.error if reply.stop == "context" else reply.message.content
    stop = {"length": "max_tokens", "context": "model_length", "tool_calls": "tool_calls"}
    usage = reply.usage
    return ModelOutput(
        model=model,
        choices=[
            ChatCompletionChoice.model_validate(
                {
                    "message": ChatMessageAssistant(content=said, tool_calls=calls or None, model=model),
                    "stop_reason": stop.get(reply.stop, "stop"),
                }
            )
        ],
        usage=ModelUsage(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
        ),
        metadata={"confidence": reply.confidence} if reply.confidence is not None else None,
    )
