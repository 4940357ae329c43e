"""Google's client, monitored: each request that is billed is a call, whoever makes it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from deploy.stack.standin.app import StandIn
from slo_engine.monitoring.integrations.google import monitor_google
from tests.monitoring.provider import ANSWER, FakeProvider, Usage
from tests.monitoring.test_examples import AND_SHOW, Outcome
from tests.monitoring.world import World

MODEL = "gemini-2.5-flash"


class Answers:
    """A provider of embeddings, which says one thing after another."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        said = iter(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                body = json.dumps(next(said)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 - the server's name

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


USAGE = Usage(input=1000, cached=400, output=50, reasoning=20)
ASK: Any = {"model": MODEL, "contents": "What is the weather?"}

# What google-genai does with aiohttp when it opens its first async connection.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


FUNCTIONS: Any = types.GenerateContentConfig(tools=[weather])


@pytest.fixture
def world() -> World:
    return World(traced=True)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.usage = USAGE
        yield provider


def client_of(provider: FakeProvider, **options: Any) -> genai.Client:
    http = types.HttpOptions(base_url=provider.url, **options)
    return monitor_google(genai.Client(api_key="test", vertexai=False, http_options=http))


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[genai.Client]:
    with client_of(provider) as client:
        yield client


def calls(world: World, call_type: str = "completion", model: str = MODEL) -> float:
    return world.value("llm_api_calls_total", model=model, call_type=call_type) or 0.0


def counted(world: World, completions: int = 1, tool_calls: int = 0) -> None:
    assert (calls(world), calls(world, "tool_call")) == (completions, tool_calls)
    total = completions + tool_calls
    found = {
        kind: world.value("llm_tokens_used_total", model=MODEL, token_type=kind)
        for kind in ("input", "output", "cached", "reasoning")
    }
    assert found == {"input": 1000 * total, "output": 50 * total, "cached": 400 * total, "reasoning": 20 * total}
    assert world.value("llm_call_duration_seconds_count", model=MODEL) == total
    assert (world.value("llm_cost_usd_total", model=MODEL, agent_type="agent") or 0) > 0
    assert sum(step.kind == "generation" for step in world.trace.steps) == total


def asynchronously(provider: FakeProvider, world: World, ask: Any) -> Any:
    async def run() -> Any:
        client = client_of(provider).aio
        try:
            with world.run():
                return await ask(client)
        finally:
            await client.aclose()

    return asyncio.run(run())


def test_an_answer_is_counted(world: World, client: genai.Client) -> None:
    with world.run():
        assert client.models.generate_content(**ASK).text == ANSWER
    counted(world)


def test_a_stream_is_counted_when_it_ends(world: World, client: genai.Client) -> None:
    with world.run():
        assert "".join(chunk.text or "" for chunk in client.models.generate_content_stream(**ASK)) == ANSWER
    counted(world)
    assert world.value("llm_time_to_first_token_seconds_count", model=MODEL) == 1


def test_a_stream_that_is_left_early_counts_what_it_has_said(world: World, client: genai.Client) -> None:
    with world.run():
        for _ in client.models.generate_content_stream(**ASK):
            break
        gc.collect()
    assert calls(world) == 1
    assert world.value("llm_tokens_used_total", model=MODEL, token_type="input") == 1000


def test_an_async_answer_is_counted(world: World, provider: FakeProvider) -> None:
    async def ask(client: Any) -> Any:
        return (await client.models.generate_content(**ASK)).text

    assert asynchronously(provider, world, ask) == ANSWER
    counted(world)


def test_an_async_stream_is_counted(world: World, provider: FakeProvider) -> None:
    async def ask(client: Any) -> Any:
        return "".join([chunk.text or "" async for chunk in await client.models.generate_content_stream(**ASK)])

    assert asynchronously(provider, world, ask) == ANSWER
    counted(world)
    assert world.value("llm_time_to_first_token_seconds_count", model=MODEL) == 1


def test_an_async_stream_that_is_left_early_is_counted(world: World, provider: FakeProvider) -> None:
    async def ask(client: Any) -> None:
        async for _ in await client.models.generate_content_stream(**ASK):
            break
        gc.collect()
        await asyncio.sleep(0.1)  # the loop closes one generator after another

    asynchronously(provider, world, ask)
    assert calls(world) == 1
    assert world.value("llm_tokens_used_total", model=MODEL, token_type="input") == 1000


@pytest.mark.parametrize("streams", [False, True])
def test_functions_that_the_sdk_calls_make_a_call_each_time(
    world: World, provider: FakeProvider, client: genai.Client, streams: bool
) -> None:
    with world.run():
        if streams:
            list(client.models.generate_content_stream(**ASK, config=FUNCTIONS))
        else:
            client.models.generate_content(**ASK, config=FUNCTIONS)
    assert len(provider.requests) == 2
    counted(world, completions=1, tool_calls=1)


@pytest.mark.parametrize("streams", [False, True])
def test_async_functions_that_the_sdk_calls_make_a_call_each_time(
    world: World, provider: FakeProvider, streams: bool
) -> None:
    async def ask(client: Any) -> None:
        if streams:
            async for _ in await client.models.generate_content_stream(**ASK, config=FUNCTIONS):
                pass
        else:
            await client.models.generate_content(**ASK, config=FUNCTIONS)

    asynchronously(provider, world, ask)
    counted(world, completions=1, tool_calls=1)


def test_each_message_of_a_chat_is_counted(world: World, client: genai.Client) -> None:
    with world.run():
        chat = client.chats.create(model=MODEL)
        assert chat.send_message("Hello").text == ANSWER
        assert "".join(chunk.text or "" for chunk in chat.send_message_stream("And?")) == ANSWER
    counted(world, completions=2)


def test_each_message_of_an_async_chat_is_counted(world: World, provider: FakeProvider) -> None:
    async def ask(client: Any) -> None:
        chat = client.chats.create(model=MODEL)
        await chat.send_message("Hello")
        async for _ in await chat.send_message_stream("And?"):
            pass

    asynchronously(provider, world, ask)
    counted(world, completions=2)


@pytest.mark.parametrize(("failure", "category"), [(429, "rate_limit"), (500, "llm_error"), (401, "auth")])
@pytest.mark.parametrize("streams", [False, True])
def test_what_google_refuses_is_counted_by_its_category(
    world: World, provider: FakeProvider, client: genai.Client, streams: bool, failure: Any, category: str
) -> None:
    provider.fail_next(failure)
    with pytest.raises(errors.APIError), world.run():
        if streams:
            list(client.models.generate_content_stream(**ASK))
        else:
            client.models.generate_content(**ASK)
    assert calls(world) == 1
    assert world.value("llm_unpriced_calls_total", model=MODEL) == 0
    assert world.value("agent_errors_total", agent_type="agent", error_category=category) == 1


@pytest.mark.parametrize("streams", [False, True])
def test_what_google_refuses_an_async_client_costs_nothing(world: World, provider: FakeProvider, streams: bool) -> None:
    async def ask(client: Any) -> None:
        if streams:
            async for _ in await client.models.generate_content_stream(**ASK):
                pass
        else:
            await client.models.generate_content(**ASK)

    provider.fail_next(429)
    with pytest.raises(errors.APIError):
        asynchronously(provider, world, ask)
    assert calls(world) == 1
    assert world.value("llm_unpriced_calls_total", model=MODEL) == 0


def test_a_stream_that_breaks_off_is_paid_as_far_as_it_came(world: World, provider: FakeProvider) -> None:
    provider.delay_between_chunks = 600.0
    with client_of(provider, timeout=300) as client, pytest.raises(httpx2.TimeoutException), world.run():
        list(client.models.generate_content_stream(**ASK))
    assert calls(world) == 1
    assert world.value("llm_tokens_used_total", model=MODEL, token_type="input") == 1000
    assert world.runs("timeout") == 1


def test_embeddings_are_counted_and_unpriced_where_their_tokens_are_not_told(world: World) -> None:
    vectors = {"embeddings": [{"values": [0.25, -0.5]}]}
    with Answers(vectors | {"usageMetadata": {"promptTokenCount": 7}}, vectors) as answers:
        http = types.HttpOptions(base_url=answers.url)
        with (
            monitor_google(genai.Client(api_key="test", vertexai=False, http_options=http)) as client,
            world.run(),
        ):
            for _ in range(2):
                found = client.models.embed_content(model="gemini-embedding-001", contents="hi")
                assert found.embeddings
                assert found.embeddings[0].values == [0.25, -0.5]
    assert calls(world, "embedding", "gemini-embedding-001") == 2
    assert world.value("llm_tokens_used_total", model="gemini-embedding-001", token_type="input") == 7
    assert (world.value("llm_unpriced_calls_total", model="gemini-embedding-001") or 0) >= 1


def test_a_request_that_takes_too_long_is_a_timeout(world: World, provider: FakeProvider) -> None:
    provider.delay = 600.0
    with client_of(provider, timeout=200) as client, pytest.raises(httpx2.TimeoutException), world.run():
        client.models.generate_content(**ASK)
    assert calls(world) == 1
    assert world.runs("timeout") == 1


def test_a_client_that_is_monitored_twice_counts_once(world: World, client: genai.Client) -> None:
    monitor_google(monitor_google(client))
    with world.run():
        client.models.generate_content(**ASK)
    counted(world)


def test_another_client_is_left_alone(world: World, provider: FakeProvider, client: genai.Client) -> None:
    http = types.HttpOptions(base_url=provider.url)
    with genai.Client(api_key="test", vertexai=False, http_options=http) as other, world.run():
        other.models.generate_content(**ASK)
    assert calls(world) == 0


def test_the_example(provider: FakeProvider) -> None:
    root = Path(__file__).parent.parent.parent
    program = f"import runpy; runpy.run_path('examples/google_client.py', run_name='__main__')\n{AND_SHOW}"
    environment = {
        "PATH": "",
        "HOME": os.environ.get("HOME", "/"),
        "GOOGLE_API_KEY": "local",
        "GOOGLE_GEMINI_BASE_URL": provider.url,
        "PYTHONPATH": str(root),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    outcome = Outcome(done, StandIn("", ""))
    assert outcome.answer.strip() == ANSWER
    made = [outcome.value("llm_api_calls_total", model=MODEL, call_type=each) for each in ("tool_call", "completion")]
    assert made == [1, 1]
    assert outcome.value("llm_tokens_used_total", model=MODEL, token_type="input") == 2000
    assert outcome.value("agent_tool_calls_total", tool_name="search", status="success") == 1
    assert outcome.value("agent_requests_total", agent_type="support_agent", status="success") == 1
