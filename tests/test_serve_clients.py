"""Would break: a client library that people have already, pointed at this server without a change to it.

Each drives the same two turns with the packaged model: a question, a call, the tool's result, an answer. The server and
the model are real; the libraries are as they are installed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from toolfinch.callers.load import load
from toolfinch.serve.run import background

ASK = "Set a timer for 5 minutes"
PARAMETERS = {
    "type": "object",
    "properties": {"minutes": {"type": "integer", "description": "how long"}},
    "required": ["minutes"],
}
TOOL: Any = {
    "type": "function",
    "function": {"name": "set_timer", "description": "Set a timer", "parameters": PARAMETERS},
}
RESULT = "The timer is set"
# The packaged model is small, and may decline: whether it calls is not what is tested here.
MUST: Any = {"tools": [TOOL], "tool_choice": "required", "temperature": 0}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with background(load("fledgling")) as base:
        yield base


def is_the_call(name: str, arguments: Any) -> bool:
    arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return name == "set_timer" and isinstance(arguments["minutes"], int)


@pytest.mark.parametrize("stream", [False, True])
def test_openai_chat(url: str, stream: bool) -> None:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        messages: list[Any] = [{"role": "user", "content": ASK}]

        def ask(**how: Any) -> Any:
            if not stream:
                return client.chat.completions.create(model="fledgling", messages=messages, **how).choices[0]
            with client.chat.completions.stream(model="fledgling", messages=messages, **how) as events:
                for _ in events:
                    pass
                return events.get_final_completion().choices[0]

        said = ask(**MUST)
        assert said.finish_reason == "tool_calls"
        (call,) = said.message.tool_calls
        assert is_the_call(call.function.name, call.function.arguments)
        messages += [
            said.message.model_dump(exclude_none=True, exclude={"parsed"}),
            {"role": "tool", "tool_call_id": call.id, "content": RESULT},
        ]
        assert ask(tools=[TOOL], tool_choice="none", max_tokens=64).message.content


@pytest.mark.parametrize("stream", [False, True])
def test_openai_responses(url: str, stream: bool) -> None:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        items: list[Any] = [{"role": "user", "content": ASK}]
        tool: Any = {"type": "function", "strict": True, **TOOL["function"]}

        def ask(choice: Any) -> Any:
            how: Any = {"model": "fledgling", "input": items, "tools": [tool], "tool_choice": choice}
            if not stream:
                return client.responses.create(**how, max_output_tokens=64)
            with client.responses.stream(**how, max_output_tokens=64) as events:
                for event in events:
                    last = event
            return last.response

        said = ask("required")
        (call,) = (item for item in said.output if item.type == "function_call")
        assert is_the_call(call.name, call.arguments)
        items += [item.model_dump(exclude={"parsed_arguments"}) for item in said.output]
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": RESULT})
        assert ask("none").output_text


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_pydantic_ai(url: str, api: str, stream: bool) -> None:
    ai = pytest.importorskip("pydantic_ai")
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    kind: Any = OpenAIChatModel if api == "chat" else OpenAIResponsesModel
    model = kind("fledgling", provider=OpenAIProvider(base_url=url, api_key="none"))
    ran: list[int] = []
    agent = ai.Agent(model, model_settings={"temperature": 0.0, "max_tokens": 64})

    @agent.tool_plain
    def set_timer(minutes: int) -> str:
        """Set a timer."""
        ran.append(minutes)
        return RESULT

    async def talk() -> Any:
        if stream:
            async with agent.run_stream(ASK) as run:
                return await run.get_output(), run.all_messages()
        run = await agent.run(ASK)
        return run.output, run.all_messages()

    output, messages = asyncio.run(talk())
    assert ran, "the packaged model is asked for what it does call"
    assert output
    kinds = [part.part_kind for message in messages for part in message.parts]
    assert kinds[:2] == ["user-prompt", "tool-call"] and "tool-return" in kinds and kinds[-1] == "text"


@pytest.mark.filterwarnings("ignore:Item")
@pytest.mark.parametrize("stream", [False, True])
def test_litellm(url: str, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches one as it is imported
    litellm = pytest.importorskip("litellm")
    messages: list[Any] = [{"role": "user", "content": ASK}]

    def ask(**how: Any) -> Any:
        answer = litellm.completion(
            "openai/fledgling", messages=messages, base_url=url, api_key="none", stream=stream, **how
        )
        return (litellm.stream_chunk_builder(list(answer)) if stream else answer).choices[0]

    said = ask(**MUST)
    assert said.finish_reason == "tool_calls"
    (call,) = said.message.tool_calls
    assert is_the_call(call.function.name, call.function.arguments)
    messages += [
        said.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": RESULT},
    ]
    assert ask(tools=[TOOL], tool_choice="none", max_tokens=64).message.content


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_langchain(url: str, api: str, stream: bool) -> None:
    langchain = pytest.importorskip("langchain_openai")
    from langchain_core.messages import HumanMessage, ToolMessage

    model = langchain.ChatOpenAI(
        model="fledgling",
        base_url=url,
        api_key="none",
        temperature=0,
        max_tokens=64,
        max_retries=0,
        use_responses_api=api == "responses",
    )
    messages: list[Any] = [HumanMessage(ASK)]

    def ask(choice: str) -> Any:
        bound = model.bind_tools([TOOL], tool_choice=choice)
        if not stream:
            return bound.invoke(messages)
        first, *rest = bound.stream(messages)
        return sum(rest, first)

    said = ask("required")
    (call,) = said.tool_calls
    assert is_the_call(call["name"], call["args"])
    messages += [said, ToolMessage(RESULT, tool_call_id=call["id"])]
    assert ask("none").text


def test_an_answer_of_a_type(url: str) -> None:
    """`response_format` as the official client makes it of a class."""
    import pydantic

    class Timer(pydantic.BaseModel):
        minutes: int = pydantic.Field(ge=1, le=60)  # a small model could write digits without end
        loud: bool

    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        said = client.chat.completions.parse(
            model="fledgling", messages=[{"role": "user", "content": ASK}], response_format=Timer
        )
        assert isinstance(said.choices[0].message.parsed, Timer)
        other = client.responses.parse(model="fledgling", input=ASK, text_format=Timer)
        assert isinstance(other.output_parsed, Timer)
