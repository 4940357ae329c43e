"""A call that two monitors see, or that a cache answers, is counted once, or not at all."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import openai
import pytest
from agents import Agent, OpenAIProvider, RunConfig, Runner, function_tool, set_trace_processors
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # the other one is fetched
import litellm
from litellm.caching.caching import Cache

from slo_engine.monitoring import monitor_agent, monitor_tool
from slo_engine.monitoring.integrations.langchain import LangChainMonitor
from slo_engine.monitoring.integrations.litellm import LiteLLMMonitor
from slo_engine.monitoring.integrations.openai import monitor_openai
from slo_engine.monitoring.integrations.openai_agents import AgentsMonitor
from slo_engine.monitoring.nearest import Watched, count_here, count_tool_here
from slo_engine.monitoring.streams import settle_abandoned
from tests.monitoring.saying import Answer, Failing, Json, Saying, chat, chunks, response, response_events
from tests.monitoring.world import World
from tests.waiting import wait_for

# LiteLLM's own.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211")

MODEL = "gpt-5-mini"
PRICE = 0.00035


def counted(world: World) -> tuple[float, float, float]:
    """Calls, tokens of their input, and money."""
    spent = 0.0
    for metric in world.registry.collect():
        spent += sum(each.value for each in metric.samples if each.name == "llm_cost_usd_total")
    calls = world.value("llm_api_calls_total", model=MODEL, call_type="completion") or 0
    return calls, world.value("llm_tokens_used_total", model=MODEL, token_type="input") or 0, round(spent, 8)


def once(times: int = 1) -> tuple[float, float, float]:
    return times, 1000 * times, round(PRICE * times, 8)


# LangChain.


def langchain(provider: Saying, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(model=MODEL, base_url=f"{provider.url}/v1", api_key="k", max_retries=0, **options)


@tool
def search(query: str) -> str:
    """Search."""
    return query


def test_a_graph_inside_of_a_graph_each_with_a_monitor_counts_once() -> None:
    world = World()
    with Saying(chat()) as provider:
        model = langchain(provider)

        def leaf(state: MessagesState) -> Any:
            search.invoke("q")
            return {"messages": [model.invoke(state["messages"])]}

        inner = StateGraph(MessagesState).add_node("n", leaf).add_edge(START, "n").compile()

        @monitor_agent("researcher", metrics=world.metrics)
        def research() -> Any:
            return inner.invoke({"messages": [HumanMessage("q")]}, {"callbacks": [LangChainMonitor()]})

        def call_inner(state: MessagesState) -> Any:
            assert state["messages"]
            return {"messages": research()["messages"][-1:]}

        outer = StateGraph(MessagesState).add_node("n", call_inner).add_edge(START, "n").compile()
        with world.run("supervisor"):
            outer.invoke({"messages": [HumanMessage("q")]}, {"callbacks": [LangChainMonitor()]})
    assert counted(world) == once()
    assert world.value("llm_cost_usd_total", model=MODEL, agent_type="researcher") == pytest.approx(PRICE)
    assert world.value("agent_tool_calls_total", tool_name="search", status="success") == 1


def test_a_handler_at_the_model_and_at_the_call_count_once() -> None:
    world = World()
    with Saying(chat()) as provider, world.run():
        langchain(provider, callbacks=[LangChainMonitor()]).invoke("q", {"callbacks": [LangChainMonitor()]})
    assert counted(world) == once()


def test_what_langchains_cache_answers_is_no_call() -> None:
    world = World(traced=True)
    set_llm_cache(InMemoryCache())
    try:
        with Saying(chat()) as provider, world.run():
            model = langchain(provider)
            for _ in range(2):
                model.invoke("q", {"callbacks": [LangChainMonitor()]})
            assert len(provider.asked) == 1
    finally:
        set_llm_cache(None)
    assert counted(world) == once()
    assert [step.kind for step in world.trace.steps] == ["agent", "generation"]


@pytest.mark.parametrize("is_streamed", [False, True])
def test_langchain_around_a_monitored_client_counts_once(is_streamed: bool) -> None:
    world = World(traced=True)
    with Saying(chunks() if is_streamed else chat()) as provider, world.run():
        client = openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
        monitor_openai(provider.closing.enter_context(client))
        model = langchain(provider, client=client.chat.completions, root_client=client, stream_usage=True)
        if is_streamed:
            for _ in model.stream("q", {"callbacks": [LangChainMonitor()]}):
                pass
        else:
            model.invoke("q", {"callbacks": [LangChainMonitor()]})
    assert counted(world) == once()
    assert [step.kind for step in world.trace.steps] == ["agent", "generation"]


def test_what_a_consumer_asks_while_a_stream_goes_on_is_a_call_of_its_own() -> None:
    world = World()
    with Saying(chunks(), chat(), chat()) as provider, world.run():
        client = openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
        monitor_openai(provider.closing.enter_context(client))
        for chunk in langchain(provider, stream_usage=True).stream("q", {"callbacks": [LangChainMonitor()]}):
            if chunk.content:
                client.chat.completions.create(model=MODEL, messages=[])
    assert counted(world) == once(3)


def test_langchains_ways_of_calling_count_each_call_once() -> None:
    world = World()
    with Saying(chat()) as provider:
        model = langchain(provider)

        async def many() -> None:
            async with world.run():
                await model.abatch(["a", "b", "c"], {"callbacks": [LangChainMonitor()]})

        with world.run():
            model.batch(["a", "b", "c"], {"callbacks": [LangChainMonitor()]})
            model.with_retry().with_config(callbacks=[LangChainMonitor()]).invoke("q")
        asyncio.run(many())
        assert len(provider.asked) == 7
    assert counted(world) == once(7)


def test_a_watched_call_is_left_to_whoever_is_nearer_until_its_answer_begins() -> None:
    far = Watched("alias")
    over = Watched(None)
    over.leave()
    near = Watched("openai/gpt-5-mini")
    count_here("gpt-5-mini")
    assert (near.is_counted, over.is_counted, far.is_counted) == (True, False, True)
    near.leave()
    far.leave()
    later = Watched(None)
    later.leave()
    count_here("gpt-5-mini")
    assert not later.is_counted


def test_a_tool_is_left_to_the_one_of_its_name() -> None:
    outer = Watched("search", "tool")
    seen = []
    for name in ("look_up", "search"):
        count_tool_here(name)
        seen.append(outer.is_counted)
    outer.leave()
    assert seen == [False, True]


# The Agents SDK.


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("is_monitored", [False, True])
def test_an_agent_of_openais_on_a_monitored_client_counts_once(is_streamed: bool, is_monitored: bool) -> None:
    world = World(traced=True)
    set_trace_processors([AgentsMonitor()])

    async def main(provider: Saying) -> None:
        async with openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0) as client, world.run():
            model_provider = OpenAIProvider(openai_client=monitor_openai(client) if is_monitored else client)
            config = RunConfig(model_provider=model_provider)
            agent = Agent(name="s", model=MODEL)
            if is_streamed:
                async for _ in Runner.run_streamed(agent, "q", run_config=config).stream_events():
                    pass
            else:
                await Runner.run(agent, "q", run_config=config)

    answer: Answer = response_events() if is_streamed else response()
    with Saying(answer) as provider:
        asyncio.run(main(provider))
    assert counted(world) == once()
    assert [step.kind for step in world.trace.steps].count("generation") == 1


# LiteLLM.

Ask = Callable[[Json], Awaitable[Any]]


@pytest.fixture(scope="module", autouse=True)
def litellm_monitor() -> Iterator[None]:
    litellm.callbacks = [LiteLLMMonitor()]
    yield
    litellm.callbacks = []


async def _read(stream: Any) -> None:
    async for _ in stream:
        pass


async def _stream(options: Json) -> None:
    await _read(await litellm.acompletion(**options, stream=True, stream_options={"include_usage": True}))


async def _sync(options: Json) -> None:
    litellm.completion(**options)


async def _responses(options: Json) -> None:
    await litellm.aresponses(**{**options, "input": "q"})


async def _responses_stream(options: Json) -> None:
    await _read(await litellm.aresponses(**{**options, "input": "q"}, stream=True))


async def _sync_responses_stream(options: Json) -> None:
    for _ in litellm.responses(**{**options, "input": "q"}, stream=True):
        pass


@pytest.mark.parametrize(
    ("answer", "ask"),
    [
        (chat(), lambda options: litellm.acompletion(**options)),
        (chat(), _sync),
        (chunks(), _stream),
        (response(), _responses),
        (response_events(), _responses_stream),
        (response_events(), _sync_responses_stream),
    ],
    ids=["acompletion", "completion", "stream", "aresponses", "aresponses stream", "responses stream"],
)
def test_litellms_ways_of_calling_count_once(answer: Answer, ask: Ask) -> None:
    assert _litellm(World(), ask, answer) == once()


def test_what_litellms_cache_answers_is_no_call() -> None:
    async def twice(options: Json) -> None:
        for _ in range(2):
            await litellm.acompletion(**options, caching=True)
            await asyncio.sleep(0.3)  # LiteLLM fills its cache a moment later

    litellm.cache = Cache(type="local")  # type: ignore[arg-type]
    try:
        assert _litellm(World(), twice, chat()) == once()
    finally:
        litellm.cache = None


def test_a_stream_of_litellms_that_is_left_early_is_counted() -> None:
    async def ask(options: Json) -> None:
        async for _ in await litellm.acompletion(**options, stream=True):
            break

    world = World()
    assert _litellm(world, ask, chunks()) == (1, 0, 0)
    assert world.value("llm_unpriced_calls_total", model=MODEL) == 1


def test_a_call_of_litellms_that_fails_and_is_made_again_costs_once() -> None:
    async def ask(options: Json) -> None:
        await litellm.acompletion(**{**options, "num_retries": 2})

    calls, tokens, spent = _litellm(World(), ask, Failing(500, {"error": {"message": "x"}}), chat())
    assert calls in {1, 2}
    assert (tokens, spent) == once()[1:]


def _litellm(world: World, ask: Ask, *answers: Answer) -> tuple[float, float, float]:
    async def main(provider: Saying) -> None:
        async with world.run():
            await ask(
                {
                    "model": f"openai/{MODEL}",
                    "messages": [{"role": "user", "content": f"q {time.time_ns()}"}],
                    "api_base": f"{provider.url}/v1",
                    "api_key": "k",
                    "max_retries": 0,
                }
            )
        # LiteLLM tells the end of a call a moment later, from another thread; twice of some.
        await asyncio.to_thread(wait_for, "the end of the call", lambda: counted(world)[0], within=10.0)
        await asyncio.sleep(0.5)

    with Saying(*answers) as provider:
        asyncio.run(main(provider))
    return counted(world)


# Tools.


@tool("decorated")
@monitor_tool("decorated")
def decorated_tool(query: str) -> str:
    """Search."""
    look_up(query)
    return query


@monitor_tool("look_up")
def look_up(query: str) -> str:
    return query


def test_a_decorated_tool_of_langchains_is_counted_once_and_what_it_calls_too() -> None:
    world = World(traced=True)
    with world.run():
        decorated_tool.invoke("q", {"callbacks": [LangChainMonitor()]})
        search.invoke("q", {"callbacks": [LangChainMonitor()]})
    called = {
        name: world.value("agent_tool_calls_total", tool_name=name, status="success")
        for name in ("decorated", "look_up", "search")
    }
    assert called == {"decorated": 1, "look_up": 1, "search": 1}
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == 3
    assert sorted(step.name for step in world.trace.steps) == ["agent", "decorated", "look_up", "search"]
    spans = {step.span_id for step in world.trace.steps}
    assert all(step.parent_id in spans for step in world.trace.steps[1:])


def test_a_tool_that_fails_is_a_failure_once() -> None:
    @tool("broken")
    @monitor_tool("broken")
    def broken(query: str) -> str:
        """Break."""
        raise ValueError(query)

    world = World(traced=True)
    with suppress(ValueError), world.run():
        broken.invoke("q", {"callbacks": [LangChainMonitor()]})
    assert world.value("agent_tool_calls_total", tool_name="broken", status="failure") == 1
    assert [step.failed for step in world.trace.steps] == [True, True]


def test_a_decorated_tool_of_an_agent_of_openais_is_counted_once() -> None:
    world = World(traced=True)
    set_trace_processors([AgentsMonitor()])

    @function_tool
    @monitor_tool("weather")
    def weather(city: str) -> str:
        """Weather.

        Args:
            city: where
        """
        return city

    call = {
        "type": "function_call",
        "id": "f",
        "call_id": "c",
        "name": "weather",
        "arguments": '{"city": "x"}',
        "status": "completed",
    }

    async def main(provider: Saying) -> None:
        async with openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0) as client, world.run():
            config = RunConfig(model_provider=OpenAIProvider(openai_client=client))
            await Runner.run(Agent(name="s", model=MODEL, tools=[weather]), "q", run_config=config)

    with Saying({**response(), "output": [call]}, response()) as provider:
        asyncio.run(main(provider))
    assert world.value("agent_tool_calls_total", tool_name="weather", status="success") == 1
    assert [step.kind for step in world.trace.steps].count("tool") == 1
    assert world.value("llm_tokens_used_total", model=MODEL, token_type="input") == 2000


# Streams.


def test_a_stream_that_is_refused_costs_nothing_and_one_that_breaks_is_unpriced() -> None:
    def breaking(after: int) -> Iterator[Json]:
        yield from chunks("m")[:after]
        raise ConnectionError("away")

    world = World()
    with world.run() as run:
        for stream in (breaking(0), breaking(1)):
            with suppress(ConnectionError):
                list(run.record_llm_call(stream))
    assert world.value("llm_unpriced_calls_total", model="m") == 1
    assert not world.value("llm_unpriced_calls_total", model="unknown")


def test_a_stream_that_was_asked_for_a_while_ago_began_then() -> None:
    world = World(traced=True)
    with world.run() as run:
        list(run.record_llm_call(iter(chunks("m")), seconds=5.0))
    step = world.trace.steps[1]
    assert (step.end_ns - step.start_ns) / 1e9 == pytest.approx(5.0, abs=0.5)


# The same call told twice.


@pytest.mark.parametrize("is_streamed", [False, True])
def test_an_answer_of_a_monitored_client_that_is_told_again_is_counted_once(is_streamed: bool) -> None:
    world = World(traced=True)
    with Saying(chunks() if is_streamed else chat()) as provider, world.run() as run:
        client = openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
        chat_of = monitor_openai(provider.closing.enter_context(client)).chat.completions

        def ask() -> Any:
            return chat_of.create(model=MODEL, messages=[], stream=is_streamed)

        with run.llm_call(MODEL) as call:
            answer = call.record(ask())
            _ = list(answer) if is_streamed else answer
        answer = run.record_llm_call(ask())
        _ = list(answer) if is_streamed else answer
        with run.llm_call(MODEL):
            answer = ask()
            _ = list(answer) if is_streamed else answer
    assert counted(world) == once(3)
    assert [step.kind for step in world.trace.steps] == ["agent", "generation", "generation", "generation"]


def test_a_call_by_hand_around_another_one_of_a_client_is_a_call_of_its_own() -> None:
    world = World()
    with Saying(chat()) as provider, world.run() as run:
        client = openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
        monitor_openai(provider.closing.enter_context(client))
        with run.llm_call("ours") as call:
            client.chat.completions.create(model=MODEL, messages=[])
            call.record(chat("ours"))
    assert counted(world)[0] == 1
    assert world.value("llm_api_calls_total", model="ours", call_type="completion") == 1


def test_a_monitored_client_that_is_asked_before_litellm_tells_the_end_is_a_call_of_its_own() -> None:
    world = World()

    async def main(provider: Saying) -> None:
        client = openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
        monitor_openai(provider.closing.enter_context(client))
        async with world.run():
            messages = [{"role": "user", "content": "q"}]
            await litellm.acompletion(
                model=f"openai/{MODEL}", messages=messages, api_base=f"{provider.url}/v1", api_key="k", max_retries=0
            )
            client.chat.completions.create(model=MODEL, messages=[])
        await asyncio.sleep(1.0)  # LiteLLM tells the end of a call a moment later

    with Saying(chat()) as provider:
        asyncio.run(main(provider))
    assert counted(world) == once(2)


def test_calls_that_ended_in_another_context_are_not_held() -> None:
    def chain() -> int:
        found, each = 0, Watched(None)
        outer = each._outer
        while outer is not None:
            found, outer = found + 1, outer._outer
        contextvars.Context().run(each.leave)  # where it cannot be reset
        return found

    assert contextvars.Context().run(lambda: [chain() for _ in range(50)]) == [0] * 50


def test_a_call_of_langchains_that_is_cancelled_is_counted() -> None:
    world = World()

    async def main(url: str) -> None:
        model = ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key="k", max_retries=0)
        async with world.run():
            with suppress(TimeoutError):
                await asyncio.wait_for(model.ainvoke("q", {"callbacks": [LangChainMonitor()]}), 0.3)
            gc.collect()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(main(f"http://127.0.0.1:{silent.getsockname()[1]}"))
    gc.collect()
    settle_abandoned()
    assert world.value("llm_api_calls_total", model=MODEL, call_type="completion") == 1
