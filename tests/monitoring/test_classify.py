"""Which category an error is of, told without any provider's SDK; those with one are in test_examples."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.monitoring import ErrorCategory, ToolError, classify_error, register_error_category
from slo_engine.monitoring.classify import mark_as_llm_failure, mark_as_tool_failure, unregister_error_category
from tests.monitoring.world import World


def provider_error(
    name: str = "APIStatusError", module: str = "openai", text: str = "refused", **attributes: Any
) -> Exception:
    """An exception as a provider's SDK would raise it."""
    kind = type(name, (Exception,), {"__module__": module})
    error: Exception = kind(text)
    for key, value in attributes.items():
        setattr(error, key, value)
    return error


class Response:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (TimeoutError(), ErrorCategory.TIMEOUT),
        (asyncio.CancelledError(), ErrorCategory.CANCELLED),
        (KeyboardInterrupt(), ErrorCategory.CANCELLED),
        (SystemExit(2), ErrorCategory.CANCELLED),
        (ToolError(), ErrorCategory.TOOL_FAILURE),
        (PermissionError(), ErrorCategory.AUTH),
        (ValueError(), ErrorCategory.VALIDATION),
        (TypeError(), ErrorCategory.VALIDATION),
        (KeyError(), ErrorCategory.INTERNAL),
        (ZeroDivisionError(), ErrorCategory.INTERNAL),
        (provider_error("RateLimitError", status_code=429), ErrorCategory.RATE_LIMIT),
        (provider_error("ClientError", "google.genai.errors", code=429), ErrorCategory.RATE_LIMIT),
        (provider_error("AuthenticationError", "anthropic", status_code=401), ErrorCategory.AUTH),
        (provider_error("PermissionDeniedError", status_code=403), ErrorCategory.AUTH),
        (provider_error("ClientError", "google.genai.errors", "API key not valid.", code=400), ErrorCategory.AUTH),
        (provider_error("APITimeoutError", "anthropic"), ErrorCategory.TIMEOUT),
        (provider_error("ReadTimeout", "httpx"), ErrorCategory.TIMEOUT),
        (provider_error("InternalServerError", status_code=500), ErrorCategory.LLM_ERROR),
        (provider_error("OverloadedError", "anthropic", status_code=529), ErrorCategory.LLM_ERROR),
        (provider_error("APIConnectionError"), ErrorCategory.LLM_ERROR),
        (provider_error("BadRequestError", status_code=400), ErrorCategory.LLM_ERROR),
        (provider_error(status_code=400, code="context_length_exceeded"), ErrorCategory.CONTEXT_LENGTH),
        (
            provider_error("BadRequestError", "anthropic", "prompt is too long: 210000 tokens", status_code=400),
            ErrorCategory.CONTEXT_LENGTH,
        ),
        (provider_error(status_code=400, code="content_filter"), ErrorCategory.CONTENT_FILTER),
        (
            provider_error("BadRequestError", "litellm.exceptions", "content management policy", status_code=400),
            ErrorCategory.CONTENT_FILTER,
        ),
        (
            provider_error("ContextWindowExceededError", "litellm.exceptions", status_code=400),
            ErrorCategory.CONTEXT_LENGTH,
        ),
        (provider_error("HTTPStatusError", "httpx", response=Response(429)), ErrorCategory.RATE_LIMIT),
        (provider_error("HTTPStatusError", "httpx", response=Response(504)), ErrorCategory.TIMEOUT),
        (provider_error("HTTPStatusError", "httpx", response=Response(500)), ErrorCategory.INTERNAL),
        # A message that quotes a limit does not make a server's failure the caller's.
        (provider_error(status_code=500, text="maximum context length is 8192"), ErrorCategory.LLM_ERROR),
        (provider_error("ValidationError", "pydantic_core"), ErrorCategory.VALIDATION),
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}" if isinstance(value, BaseException) else value,
)
def test_an_error_is_of_the_category_that_its_type_and_status_say(error: BaseException, category: str) -> None:
    assert classify_error(error) == category


def test_a_subclass_is_of_its_parents_category() -> None:
    parent = type(provider_error("RateLimitError"))
    assert classify_error(type("OurRateLimit", (parent,), {"__module__": "ours"})("x")) == ErrorCategory.RATE_LIMIT


def test_an_error_that_says_nothing_is_of_its_causes_category() -> None:
    wrapped = RuntimeError("agent failed")
    wrapped.__cause__ = provider_error("RateLimitError", status_code=429)
    assert classify_error(wrapped) == ErrorCategory.RATE_LIMIT
    hidden = RuntimeError("agent failed")
    hidden.__context__ = TimeoutError()
    assert classify_error(hidden) == ErrorCategory.TIMEOUT
    hidden.__suppress_context__ = True
    assert classify_error(hidden) == ErrorCategory.INTERNAL


def test_a_cycle_of_causes_ends() -> None:
    first, second = RuntimeError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert classify_error(first) == ErrorCategory.INTERNAL


def test_what_came_out_of_a_tool_or_a_model_stays_of_it() -> None:
    tool, model = KeyError("x"), ConnectionError("x")
    mark_as_tool_failure(tool, "search")
    mark_as_llm_failure(model, "m")
    assert classify_error(tool) == ErrorCategory.TOOL_FAILURE
    assert classify_error(model) == ErrorCategory.LLM_ERROR


class QuotaError(Exception):
    """One of the user's own."""


@pytest.fixture
def own_categories() -> Iterator[None]:
    def says_no(error: BaseException) -> bool:
        if "break the rule" in str(error):
            raise ZeroDivisionError
        return "no such customer" in str(error)

    register_error_category(QuotaError, "quota")
    register_error_category(says_no, ErrorCategory.VALIDATION)
    yield
    unregister_error_category(QuotaError)
    unregister_error_category(says_no)


@pytest.mark.usefixtures("own_categories")
def test_own_categories_come_first_and_have_series_of_their_own() -> None:
    assert classify_error(QuotaError()) == "quota"
    assert classify_error(KeyError("no such customer")) == ErrorCategory.VALIDATION
    assert classify_error(KeyError("break the rule")) == ErrorCategory.INTERNAL
    world = World()
    world.metrics.declare_agent("agent")
    assert world.value("agent_errors_total", agent_type="agent", error_category="quota") == 0
    with pytest.raises(QuotaError), world.run():
        raise QuotaError
    assert world.value("agent_errors_total", agent_type="agent", error_category="quota") == 1


class HostileError(Exception):
    """Whatever is asked of it, it raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError

    @property
    def status_code(self) -> int:
        raise RuntimeError


def test_an_exception_that_cannot_be_looked_at_is_internal_and_harms_nobody() -> None:
    assert classify_error(HostileError()) == ErrorCategory.INTERNAL
    world = World(traced=True)
    with pytest.raises(HostileError), world.run() as run, run.tool("search"):
        raise HostileError
    assert world.runs("error") == 1


@given(
    name=st.text(min_size=1, max_size=20),
    module=st.sampled_from(["openai", "google.genai", "mine", ""]),
    text=st.text(max_size=200),
    attributes=st.dictionaries(
        st.sampled_from(["code", "status_code", "status", "type", "response", "reason"]),
        st.one_of(st.none(), st.integers(), st.text(max_size=20), st.booleans(), st.lists(st.integers(), max_size=2)),
    ),
)
def test_whatever_an_exception_says_it_is_of_some_category(
    name: str, module: str, text: str, attributes: dict[str, Any]
) -> None:
    assert classify_error(provider_error(name.replace("\0", "_"), module, text, **attributes)) in set(ErrorCategory)
