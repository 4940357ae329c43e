"""Pydantic AI: a capability that records an agent's model and tool calls, and a monitored model for requests without an
agent."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import (
    ApprovalRequired,
    CallDeferred,
    ModelAPIError,
    ModelRetry,
    ToolRetryError,
    UserError,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import KnownModelName, Model, ModelRequestParameters, StreamedResponse, infer_model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext, ToolDefinition

from slo_engine.monitoring.calls import LLMCall, WatchedToolCall
from slo_engine.monitoring.classify import mark_as_tool_failure
from slo_engine.monitoring.nearest import Watched
from slo_engine.monitoring.run import current_run, run_or_outside
from slo_engine.monitoring.usage import LLMUsage
from slo_engine.monitoring.usage.fields import number, of, word


class PydanticAIMonitor(AbstractCapability[Any]):
    """``Agent("openai:gpt-5-mini", capabilities=[PydanticAIMonitor()])``, and ``@monitor_agent`` around what runs it.

    Each attempt of a model is a call: those of a `FallbackModel`, and those that are made again since an answer did not
    fit. A tool that asks the model to try again has failed; what waits for an approval has not been called.
    """

    def get_wrapper_model(self, model: Model) -> Model | None:
        """The model of a request, monitored."""
        monitored = monitor_model(model)
        return None if monitored is model else monitored

    async def wrap_tool_execute(
        self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: Any, handler: Any
    ) -> Any:
        """A tool is called."""
        recorded = WatchedToolCall(call.tool_name, run=current_run())
        recorded.begin()
        recorded.update(input=args)
        recorded.activate()
        try:
            result = await handler(args)
        except (ApprovalRequired, CallDeferred):
            recorded.deactivate()
            recorded.discard()  # somebody else calls it, or it is called later
            raise
        except BaseException as error:
            recorded.deactivate()
            recorded.finish(_why(error))
            mark_as_tool_failure(error, call.tool_name)
            raise
        recorded.deactivate()
        recorded.update(output=result)
        recorded.finish()
        return result


def monitor_model(model: Model | KnownModelName | str) -> Model:
    """The model, or the one of that name, with its requests recorded; for `pydantic_ai.direct`, and for agents without
    a `PydanticAIMonitor`.

    What chooses among models or wraps one (`FallbackModel`, `ConcurrencyLimitedModel`) is returned itself, with
    monitored models inside.
    """
    model = infer_model(model)
    if isinstance(model, _MonitoredModel):
        return model
    if isinstance(model, FallbackModel):
        model.models = [monitor_model(each) for each in model.models]
        return model
    if isinstance(model, WrapperModel):
        model.wrapped = monitor_model(model.wrapped)
        return model
    return _MonitoredModel(model)


class _MonitoredModel(WrapperModel):
    """A model whose requests are recorded."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        call = _Request(self.model_name, messages)
        try:
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        except BaseException as error:
            call.failed(error, None)
            raise
        call.answered(response)
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        call = _Request(self.model_name, messages)
        stream: StreamedResponse | None = None
        try:
            async with self.wrapped.request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                call.streams()
                yield stream
        except BaseException as error:
            call.failed(error, stream)
            raise
        call.streamed(stream)


class _Request:
    """One request, from its beginning to its end. None of it raises."""

    def __init__(self, model: str, messages: Any) -> None:
        self._run = run_or_outside()
        self._call = _Call(self._run, model, None, messages)
        self._call.begin()
        self._began = time.perf_counter()
        self._watched = Watched(model)

    def answered(self, response: ModelResponse) -> None:
        self._watched.leave()
        self._end(lambda: _usage(response), None)

    def streams(self) -> None:
        """The answer begins to come; who reads it may ask another model meanwhile."""
        self._watched.leave()

    def streamed(self, stream: StreamedResponse, error: BaseException | None = None) -> None:
        """The answer has come, or as much of it as its reader has wanted."""
        self._end(lambda: self._usage_of_stream(stream), error)

    def failed(self, error: BaseException, stream: StreamedResponse | None) -> None:
        self._watched.leave()
        if stream is not None:
            self.streamed(stream, error)
        elif isinstance(error, Exception) and not isinstance(error, _NOTHING_CAME):
            self._end(lambda: LLMUsage(None), error)  # an answer that could not be read: nobody knows what it cost
        else:
            self._end(None, error)

    def _usage_of_stream(self, stream: StreamedResponse) -> LLMUsage:
        self._call.first_token_after(stream.time_to_first_chunk(self._began))
        return _usage(stream.get())

    def _end(self, usage: Callable[[], LLMUsage] | None, error: BaseException | None) -> None:
        if self._watched.is_counted:
            self._call.discard()
            return
        if usage is not None:
            try:
                self._call.record_usage(usage())
            except Exception as failure:  # noqa: BLE001 - see AgentRun.complain
                self._call.record_usage(LLMUsage(None))
                self._run.complain("a model's answer could not be read", failure)
        self._call.finish(error)


_NOTHING_CAME: Final = (ModelAPIError, UserError, TimeoutError)
"""Errors of requests without an answer."""


class _Call(LLMCall):
    def first_token_after(self, seconds: float | None) -> None:
        """The first token was here after so many seconds; None: there was none."""
        self._first_token = seconds


def _usage(response: ModelResponse) -> LLMUsage:
    usage = response.usage
    return LLMUsage(
        response.model_name,
        usage.input_tokens,
        usage.output_tokens,
        number(usage, "cache_read_tokens"),
        number(usage, "cache_write_tokens"),
        # The details are those of the provider; not all versions bring them to one name.
        number(usage, "output_reasoning_tokens") or number(of(usage, "details"), "reasoning_tokens", "thoughts_tokens"),
        cache_write_1h_tokens=number(usage, "cache_write_1h_tokens"),
        service_tier=word(response.provider_details, "service_tier"),
        call_type="tool_call" if response.tool_calls else None,
        output=response.text or response.tool_calls or None,
    )


def _why(error: BaseException) -> BaseException:
    """What a retry is asked for: the SDK turns a tool's timeout into one."""
    return next((each for each in _causes(error) if isinstance(each, TimeoutError)), error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    for _ in range(10):
        if not isinstance(each, ToolRetryError | ModelRetry | TimeoutError):
            return
        yield each
        each = each.__cause__ or each.__context__
