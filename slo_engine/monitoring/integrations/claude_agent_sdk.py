"""The Claude Agent SDK: model and tool calls, read from the messages of the CLI that it drives.

The CLI tells each step of a model as it comes, and at the end of a turn what all of them have used and cost since it
was started: that is what is counted, shared out among the steps.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, Final, TypeVar

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeSDKClient,
    ConversationResetMessage,
    ResultError,
    ResultMessage,
    ServerToolUseBlock,
    SystemMessage,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from slo_engine.monitoring.calls import ToolCall
from slo_engine.monitoring.classify import ToolError, mark_as_llm_failure
from slo_engine.monitoring.run import AgentRun, run_or_outside
from slo_engine.monitoring.usage import LLMUsage, anthropic
from slo_engine.monitoring.usage.fields import number, of

M = TypeVar("M")

_MARK: Final = "__slo_engine_monitored__"
_SYNTHETIC: Final = "<synthetic>"
"""The model of messages that the CLI writes itself, as of an error of the API."""


async def monitor_messages(messages: AsyncIterable[M]) -> AsyncIterator[M]:
    """``async for message in monitor_messages(query(prompt=...)):``: what the messages say is recorded; they are passed
    on as they are."""
    told = _Told()
    ended: BaseException | None = None
    try:
        async for message in messages:
            told.take(message)
            yield message
    except BaseException as error:
        ended = error
        told.blame(error)
        raise
    finally:
        told.end(ended)
        if hasattr(messages, "aclose"):
            await messages.aclose()


def monitor_claude(client: ClaudeSDKClient) -> ClaudeSDKClient:
    """Record what a client's messages say, however they are received; returns it. The object alone is changed.

    A turn that ends in an error raises nothing, and is counted in ``agent_errors_total``.
    """
    if hasattr(client.receive_messages, _MARK):
        return client
    receive, connect, disconnect = client.receive_messages, client.connect, client.disconnect
    told = _Told()

    @functools.wraps(receive)
    async def received() -> AsyncIterator[Any]:
        async for message in receive():
            told.take(message)
            told.count_error_of(message)
            yield message

    @functools.wraps(connect)
    async def connected(*args: Any, **kwargs: Any) -> None:
        told.end(None)
        told.forget()
        await connect(*args, **kwargs)

    @functools.wraps(disconnect)
    async def disconnected() -> None:
        told.end(None)
        await disconnect()

    setattr(received, _MARK, True)
    client.receive_messages = received  # type: ignore[method-assign]
    client.connect = connected  # type: ignore[method-assign]
    client.disconnect = disconnected  # type: ignore[method-assign]
    return client


class _Step:
    """One call of a model, which the CLI tells in a message for each of its blocks."""

    def __init__(self, run: AgentRun, model: str) -> None:
        self.run = run
        self.model = model
        self.usage = LLMUsage(model)
        self.is_tool_call = False
        self.content: list[Any] = []


class _Told:
    """What a process of the CLI has told by now."""

    def __init__(self) -> None:
        self._steps: dict[Any, _Step] = {}
        """Since the last result, by their ids."""
        self._tools: dict[str, ToolCall] = {}
        self._model: str | None = None
        self.forget()

    def forget(self) -> None:
        """Another process, or another conversation: its totals begin at zero."""
        self._totals: dict[str, LLMUsage] = {}
        self._cost_usd = 0.0
        self._api_seconds = 0.0

    def take(self, message: Any) -> None:
        """The next message. Raises nothing."""
        run = run_or_outside()
        try:
            if isinstance(message, AssistantMessage):
                self._step(run, message)
                self._blocks(run, message.content)
            elif isinstance(message, UserMessage) and isinstance(message.content, list):
                self._blocks(run, message.content)
            elif isinstance(message, ResultMessage):
                self._result(run, message)
            elif isinstance(message, ConversationResetMessage):
                self.forget()
            elif isinstance(message, SystemMessage) and message.subtype == "init":
                self._model = of(message.data, "model") or self._model
        except Exception as error:  # noqa: BLE001 - see AgentRun.complain
            run.complain("a message of the Claude Agent SDK could not be recorded", error)

    def count_error_of(self, message: Any) -> None:
        """Of a result that tells of an error."""
        if isinstance(message, ResultMessage) and message.is_error:
            run_or_outside().count_error(_error(message))

    def blame(self, error: BaseException) -> None:
        """An error that the API has answered is one of the model, and of its status."""
        if isinstance(error, ResultError) and (status := of(error, "api_error_status")) is not None:
            mark_as_llm_failure(error, self._model or "claude")
            error.__dict__.setdefault("status_code", status)

    def end(self, error: BaseException | None) -> None:
        """Nothing more comes: what has no result yet is counted by what it said itself."""
        for call in self._tools.values():
            call.finish(error if isinstance(error, Exception) else ToolError("nobody has waited for its result"))
        self._tools.clear()
        for step in self._steps.values():
            _record(step, step.usage, None, None)
        self._steps.clear()

    def _step(self, run: AgentRun, message: AssistantMessage) -> None:
        if message.error is not None or message.model == _SYNTHETIC:
            if message.error is not None:
                run.record_llm_call(self._model or message.model, error=str(message.error))
            return
        self._model = message.model if message.parent_tool_use_id is None else self._model
        step = self._steps.setdefault(message.message_id or message.uuid or id(message), _Step(run, message.model))
        if message.usage is not None:
            step.usage = anthropic.read_usage(message.usage)
        step.content.extend(message.content)
        step.is_tool_call = step.is_tool_call or any(isinstance(each, ToolUseBlock) for each in message.content)

    def _blocks(self, run: AgentRun, blocks: list[Any]) -> None:
        for block in blocks:
            if isinstance(block, ToolUseBlock | ServerToolUseBlock):
                call = self._tools[block.id] = ToolCall(block.name, run=run)
                call.begin()
                call.update(input=block.input)
            elif isinstance(block, ToolResultBlock) or hasattr(block, "tool_use_id"):
                self._tool_result(block)

    def _tool_result(self, block: Any) -> None:
        call = self._tools.pop(block.tool_use_id, None)
        if call is None:
            return
        content = block.content
        has_failed = of(block, "is_error") or str(of(content, "type") or "").endswith("_error")
        call.update(output=content)
        call.finish(ToolError(str(content)) if has_failed else None)

    def _result(self, run: AgentRun, message: ResultMessage) -> None:
        """A turn is over: its steps, with what all of them have used."""
        steps, self._steps = list(self._steps.values()), {}
        used = self._used(message, steps)
        cost_usd = _since(message.total_cost_usd, self._cost_usd)
        self._cost_usd = message.total_cost_usd or self._cost_usd
        api_seconds = _since(message.duration_api_ms / 1e3, self._api_seconds)
        self._api_seconds = message.duration_api_ms / 1e3
        shares: list[tuple[_Step, LLMUsage]] = []
        for model, of_it in _by_model(used, steps).items():
            # The CLI asks small models for things of its own, and tells of no step.
            shares += _shared_out(used[model], of_it or [_Step(run, model)])
        if not used:
            shares = [(step, step.usage) for step in steps]
        told = sum(usage.cost_usd or 0.0 for _, usage in shares)
        for step, usage in shares:
            if cost_usd and told:
                usage.cost_usd = (usage.cost_usd or 0.0) * cost_usd / told
            elif cost_usd:
                usage.cost_usd = cost_usd / len(shares)
            _record(step, usage, usage.cost_usd or None, api_seconds / len(shares) if api_seconds else None)

    def _used(self, message: ResultMessage, steps: list[_Step]) -> dict[str, LLMUsage]:
        """By model, since the last result."""
        if not message.model_usage:
            model = steps[-1].model if steps else self._model or "claude"
            usage = anthropic.read_usage(message.usage) if message.usage else None
            return {model: usage} if usage is not None and (steps or usage.input_tokens or usage.output_tokens) else {}
        found: dict[str, LLMUsage] = {}
        for name, told in message.model_usage.items():
            total, before = _total(told), self._totals.get(name, LLMUsage(name))
            self._totals[name] = total
            if total.input_tokens < before.input_tokens:  # begun anew
                before = LLMUsage(name)
            usage = LLMUsage(
                name,
                total.input_tokens - before.input_tokens,
                total.output_tokens - before.output_tokens,
                total.cached_tokens - before.cached_tokens,
                total.cache_write_tokens - before.cache_write_tokens,
                0,
                (total.cost_usd or 0.0) - (before.cost_usd or 0.0),
            )
            if usage.input_tokens or usage.output_tokens:
                found[name.removesuffix("[1m]")] = usage
        return found


def _total(told: Mapping[str, Any]) -> LLMUsage:
    cached, written = number(told, "cacheReadInputTokens"), number(told, "cacheCreationInputTokens")
    return LLMUsage(
        None,
        number(told, "inputTokens") + cached + written,
        number(told, "outputTokens"),
        cached,
        written,
        cost_usd=float(told.get("costUSD") or 0.0),
    )


def _shared_out(whole: LLMUsage, steps: list[_Step]) -> list[tuple[_Step, LLMUsage]]:
    """To each step what it has said, and to the last one the rest: of its output a step knows only the beginning. The
    cost by the number of tokens."""
    names = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens")
    rest = {name: getattr(whole, name) for name in names}
    tokens = whole.input_tokens + whole.output_tokens
    shares = []
    for step in steps:
        share = LLMUsage(step.model, cache_write_1h_tokens=step.usage.cache_write_1h_tokens)
        share.service_tier = step.usage.service_tier
        for name in names:
            amount = rest[name] if step is steps[-1] else min(rest[name], getattr(step.usage, name))
            rest[name] -= amount
            setattr(share, name, amount)
        share.reasoning_tokens = min(step.usage.reasoning_tokens, share.output_tokens)
        share.cost_usd = (whole.cost_usd or 0.0) * (share.input_tokens + share.output_tokens) / (tokens or 1)
        shares.append((step, share))
    return shares


def _record(step: _Step, usage: LLMUsage, cost_usd: float | None, seconds: float | None) -> None:
    step.run.record_llm_call(
        step.model,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        service_tier=usage.service_tier,
        cost_usd=cost_usd,
        seconds=seconds,
        call_type="tool_call" if step.is_tool_call else None,
        output=step.content or None,
    )


def _since(total: float | None, before: float) -> float:
    """How much has come since; less than before: it began anew."""
    total = total or 0.0
    return total - before if total >= before else total


def _by_model(used: Mapping[str, LLMUsage], steps: list[_Step]) -> dict[str, list[_Step]]:
    """Whose steps they are: a usage is told under the name that was asked for, which may be an alias or have the name
    of a provider in it; a step under the name that answered."""
    found: dict[str, list[_Step]] = {model: [] for model in used}
    unknown: list[_Step] = []
    for step in steps if used else ():
        alike = [model for model in used if model in step.model or step.model in model]
        (found[max(alike, key=len)] if alike else unknown).append(step)
    if unknown:
        # The totals have all steps in them: those of no known name are of the model that has used most and has none.
        left = [model for model in used if not found[model]] or list(used)
        found[max(left, key=lambda model: used[model].input_tokens + used[model].output_tokens)] += unknown
    return found


def _error(message: ResultMessage) -> BaseException:
    error = RuntimeError("; ".join(message.errors or ()) or str(message.result or message.subtype))
    mark_as_llm_failure(error, "claude")
    if message.api_error_status is not None:
        error.__dict__["status_code"] = message.api_error_status
    return error
