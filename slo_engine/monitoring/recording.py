"""What an agent's code tells of its run. None of it raises: wrong arguments are counted and told in the log."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar, overload

from slo_engine.monitoring.calls import LLMCall, ToolCall
from slo_engine.monitoring.classify import classify_error
from slo_engine.monitoring.nearest import is_remembered
from slo_engine.monitoring.quiet import complaints
from slo_engine.monitoring.scope import Run
from slo_engine.monitoring.streams import monitored_stream
from slo_engine.monitoring.usage import UNKNOWN_MODEL, LLMUsage, TokenDetails, is_stream, usage_of

T = TypeVar("T")
P = ParamSpec("P")


def forgiving(method: Callable[P, None]) -> Callable[P, None]:
    """A method that is called wrongly does nothing but say so: an agent does not fail for its monitoring."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - see AgentRun.complain
            complain = getattr(args[0], "complain", None) if args else None
            if complain is not None:
                complain(f"{method.__name__} was called wrongly", error)
            else:
                complaints.warn(f"{method.__name__} was called wrongly ({error}); the agent is not affected")

    return call


class Recording:
    """The methods that a run (`AgentRun`) and an agent's monitor (`AgentMonitor`) have in common."""

    _is_run = False
    """Whether it is the run that is told of: asking costs as much as a third of a counter's increment."""

    def _run(self) -> Run:
        """The run that is told of."""
        raise NotImplementedError

    def complain(self, what: str, error: BaseException) -> None:
        """Count a failure of the monitoring's own, and say so once a minute: the agent goes on."""
        self._run().complain(what, error)

    def tool(self, tool_name: str) -> ToolCall:
        """A tool call: ``with run.tool("web_search"):``, or a decorator. A failure when an exception leaves it."""
        return ToolCall(tool_name, self if self._is_run else self._run())  # type: ignore[arg-type]

    def llm_call(self, model: str | None = None, *, call_type: str = "completion", input: Any = None) -> LLMCall:  # noqa: A002 - LangFuse's name
        """One call of a model, timed: ``with run.llm_call("gpt-5-mini") as call: call.record(client.create(...))``."""
        run = self._run()
        return LLMCall(run, model or run.model, call_type, input)

    @overload
    def record_tool_call(
        self,
        tool_name: str,
        status: str = "success",
        *,
        seconds: float | None = None,
        input: Any = None,
        output: Any = None,
        error: BaseException | str | None = None,
    ) -> None: ...

    @overload
    def record_tool_call(
        self,
        tool_name: str,
        status: float,
        *,
        success: bool = True,
        input: Any = None,
        output: Any = None,
        error: BaseException | str | None = None,
    ) -> None: ...

    @overload
    def record_tool_call(
        self,
        tool_name: str,
        *,
        duration: float,
        success: bool = True,
        input: Any = None,
        output: Any = None,
        error: BaseException | str | None = None,
    ) -> None: ...

    def record_tool_call(
        self,
        tool_name: str = "unknown",
        status: Any = "success",
        *more: Any,
        seconds: float | None = None,
        input: Any = None,  # noqa: A002 - LangFuse's name
        output: Any = None,
        error: BaseException | str | None = None,
        **told: Any,
    ) -> None:
        """Count a tool call that is over: ``success``, ``failure`` or ``timeout``; or by its ``duration`` in seconds
        and whether it was a ``success``. ``error`` tells the trace why."""
        run: Run = self if self._is_run else self._run()  # type: ignore[assignment]
        try:
            if told or more or type(status) is not str:
                status, seconds = _tool_call_of(run, status, more, seconds, told)
            if run.traced is not None:
                run.traced.tool_call(tool_name, status, seconds, input, output, error)
            run.count_tool_call(tool_name, status)
        except Exception as failure:  # noqa: BLE001 - see AgentRun.complain
            run.complain("a tool call could not be recorded", failure)

    @overload
    def record_llm_call(
        self,
        model: str | None = None,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        reasoning_tokens: int = 0,
        service_tier: str | None = None,
        cost_usd: float | None = None,
        seconds: float | None = None,
        duration: float | None = None,
        time_to_first_token: float | None = None,
        call_type: str | None = None,
        input: Any = None,
        output: Any = None,
        error: BaseException | str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None: ...

    @overload
    def record_llm_call(
        self,
        model: T,
        *,
        cost_usd: float | None = None,
        seconds: float | None = None,
        time_to_first_token: float | None = None,
        call_type: str | None = None,
        input: Any = None,
        output: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> T: ...

    def record_llm_call(
        self,
        model: Any = None,
        *more: Any,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        reasoning_tokens: int = 0,
        service_tier: str | None = None,
        cost_usd: float | None = None,
        seconds: float | None = None,
        time_to_first_token: float | None = None,
        call_type: str | None = None,
        input: Any = None,  # noqa: A002 - LangFuse's name
        output: Any = None,
        error: BaseException | str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **told: Any,
    ) -> Any:
        """Count a call of a model: from numbers, or from what a provider's SDK answered.

        ``model``: its name, that of the monitor if none is given; or a response of OpenAI, Anthropic, Google, LiteLLM
        or another provider, which is returned as it is; or a stream of one of them, which is returned wrapped and
        recorded when it ends. ``input_tokens`` are all of the input, of which ``cached_tokens`` were read from and
        ``cache_write_tokens`` written to a cache (``cache_write_1h_tokens`` of these for an hour);
        ``reasoning_tokens`` are a part of ``output_tokens``. ``cost_usd`` None: from `Prices`; a model without a
        price is counted in ``llm_unpriced_calls_total``. Durations are seconds (``duration`` is another name of
        ``seconds``); of a stream, ``seconds`` are those that its call had taken when it was given here.
        """
        run: Run = self if self._is_run else self._run()  # type: ignore[assignment]
        given = model
        try:
            if more and isinstance(model, int | float):  # numbers alone: tokens and seconds in their order
                more, model = (model, *more), None
            if told or more:
                input_tokens, output_tokens, seconds = _llm_call_of(
                    run, more, input_tokens, output_tokens, seconds, told
                )
            if type(model) is not str:
                if model is None:
                    model = run.model or UNKNOWN_MODEL
                elif isinstance(model, str):
                    model = str.__str__(model)  # a member of an enumeration
                elif (input_tokens or output_tokens) and usage_of(model) is None and not is_stream(model):
                    model = run.model or UNKNOWN_MODEL  # an answer that says nothing, with numbers that do
                else:
                    return _record_answer(
                        run, model, cost_usd, seconds, time_to_first_token, call_type, input, output, metadata
                    )
            if error is not None and cost_usd is None and not (input_tokens or output_tokens):
                cost_usd = 0.0  # nothing came back, and nothing is paid: it is not a call of unknown price
            details = None
            if cached_tokens or cache_write_tokens or reasoning_tokens or service_tier is not None:
                details = TokenDetails(
                    cached_tokens, cache_write_tokens, reasoning_tokens, cache_write_1h_tokens, service_tier
                )
            cost_usd = run.count_llm_call(
                model,
                call_type or "completion",
                input_tokens,
                output_tokens,
                details,
                cost_usd,
                seconds,
                time_to_first_token,
            )
            if run.traced is not None:
                usage = LLMUsage(
                    model, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost_usd
                )
                run.traced.llm_call(usage, seconds, time_to_first_token, input, output, error, metadata)
        except Exception as failure:  # noqa: BLE001 - see AgentRun.complain
            run.complain("a model call could not be recorded", failure)
        return None if given is None or type(given) is str or isinstance(given, str) else given

    @forgiving
    def add_score(self, name: str, value: float | bool | str, comment: str | None = None) -> None:
        """Judge the run: numbers and yes/no count in ``agent_score`` and go to the trace, words go to the trace."""
        run = self._run()
        amount: float | str = str(value) if isinstance(value, str) else float(value)
        if isinstance(amount, float) and not run.count_score(str(name), amount):
            return
        if run.traced is not None:
            run.traced.add_score(str(name), amount, is_boolean=isinstance(value, bool), comment=comment)

    @forgiving
    def count_error(self, error: BaseException | str) -> None:
        """Count an error that the run survives, or that comes to light after it: an exception, or a category. Its trace
        is kept."""
        run = self._run()
        if run.traced is not None:
            run.traced.keep()
        run.count_category(category_of(error))

    @forgiving
    def update(
        self,
        *,
        input: Any = None,  # noqa: A002 - LangFuse's name
        output: Any = None,
        metadata: Mapping[str, Any] | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        tags: Sequence[str] = (),
        prompt: Any = None,
    ) -> None:
        """Say more about the run in its trace. ``prompt``: the one that its model calls use from here on, as LangFuse's
        SDK gives it, or its name, or name and version. Does nothing when tracing is off."""
        traced = self._run().traced
        if traced is not None:
            traced.update(input, output, metadata, user_id, session_id, tags, prompt)


def category_of(error: BaseException | str) -> str:
    """The category of an exception; a category is one."""
    return classify_error(error) if isinstance(error, BaseException) else str(error)


_STATUS_OF: Final = {True: "success", False: "failure"}


def _tool_call_of(
    run: Run, status: Any, more: Sequence[Any], seconds: float | None, told: dict[str, Any]
) -> tuple[str, float | None]:
    """Status and seconds of a call that was told by its duration and whether it was a success."""
    duration, success = told.pop("duration", None), told.pop("success", None)
    if isinstance(status, bool):
        success = status
    elif isinstance(status, int | float):
        duration = status
    elif isinstance(status, str):
        status = str.__str__(status)  # a member of an enumeration
        success = None if success is None or status != "success" else success
        if success is None:
            complain_of(run, "record_tool_call", told, more)
            return status, duration if seconds is None else seconds
    rest = list(more)
    if rest and isinstance(rest[0], bool) and success is None:
        success = rest.pop(0)
    complain_of(run, "record_tool_call", told, rest)
    return _STATUS_OF[success is not False], duration if seconds is None else seconds


def _llm_call_of(
    run: Run, more: Sequence[Any], input_tokens: int, output_tokens: int, seconds: float | None, told: dict[str, Any]
) -> tuple[int, int, float | None]:
    """Tokens and seconds of a call that was told in another order, or by other names."""
    rest = list(more)
    if rest and not input_tokens:
        input_tokens = rest.pop(0)
    if rest and not output_tokens:
        output_tokens = rest.pop(0)
    if rest and seconds is None:
        seconds = rest.pop(0)
    duration = told.pop("duration", None)
    complain_of(run, "record_llm_call", told, rest)
    return input_tokens, output_tokens, duration if seconds is None else seconds


def complain_of(run: Run, method: str, told: Mapping[str, Any], more: Sequence[Any]) -> None:
    """Arguments that a method does not know: what it does know of the call is recorded all the same."""
    if told or more:
        names = ", ".join([*map(str, told), *(f"a positional {type(each).__name__}" for each in more)])
        run.complain(f"{method} has no use for all of its arguments", TypeError(names))


def _record_answer(
    run: Run,
    answer: Any,
    cost_usd: float | None,
    seconds: float | None,
    time_to_first_token: float | None,
    call_type: str | None,
    input: Any,  # noqa: A002 - LangFuse's name
    output: Any,
    metadata: Mapping[str, Any] | None,
) -> Any:
    """What a provider's SDK answered: a stream, or all of it."""
    if is_remembered(answer):
        return answer  # of a monitored client
    if is_stream(answer):
        call = LLMCall(run, run.model, call_type, input)
        call.begin(seconds or 0.0, cost_usd, time_to_first_token)
        call.update(output=output, metadata=metadata)
        return monitored_stream(answer, call)
    usage = usage_of(answer) or LLMUsage(run.model)
    if cost_usd is not None:
        usage.cost_usd = cost_usd
    usage.cost_usd = run.count_llm_call(
        usage.name(),
        call_type or usage.call_type or "completion",
        usage.input_tokens,
        usage.output_tokens,
        usage.details(),
        usage.cost_usd,
        seconds,
        time_to_first_token,
    )
    if run.traced is not None:
        output = output if output is not None else usage.output
        run.traced.llm_call(usage, seconds, time_to_first_token, input, output, None, metadata)
    return answer
