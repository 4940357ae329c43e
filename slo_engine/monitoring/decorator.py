"""The two decorators: every call of a function is a run of an agent, or a call of a tool."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from slo_engine.monitoring.calls import ToolCall
from slo_engine.monitoring.defaults import default_metrics, default_prices
from slo_engine.monitoring.environment import default_tracing
from slo_engine.monitoring.functions import decorator
from slo_engine.monitoring.metrics import AgentMetrics
from slo_engine.monitoring.run import AgentRun
from slo_engine.monitoring.tracing import Tracing

if TYPE_CHECKING:
    from slo_engine.monitoring.prices import Prices

F = TypeVar("F", bound=Callable[..., Any])


def monitor_agent(
    agent_type: str,
    *,
    tools: Sequence[str] = (),
    models: Sequence[str] = (),
    capture_input: bool = True,
    capture_output: bool = True,
    metrics: AgentMetrics | None = None,
    tracing: Tracing | None = None,
    prices: Prices | None = None,
) -> Callable[[F], F]:
    """Make every call of a function a run of ``agent_type``: plain, coroutine, generator or async generator functions,
    methods, classmethods and staticmethods (above or below those decorators).

    Signature, kind, result and exceptions stay as they are; `send`, `throw`, `close` and return values of generators
    go through. A generator's run lasts from its first item to its end; a consumer that stops early makes it a
    success. ``tools`` and ``models`` that are named here have series at 0 from the start. The ``capture_...``: whether
    arguments and results go to the trace (scrubbed). The others: see `AgentMonitor`.
    """
    if not isinstance(agent_type, str):
        raise TypeError('write @monitor_agent("name of the agent"), with parentheses and a name')
    # All that is slow is done here, once: the LangFuse SDK, price tables, series at 0.
    (metrics or default_metrics()).declare_agent(agent_type, tools=tools, models=models)
    if tracing is None:
        default_tracing()
    if prices is None:
        default_prices()

    open_run = functools.partial(AgentRun, agent_type, metrics=metrics, tracing=tracing, prices=prices)
    return decorator(open_run, capture_input=capture_input, capture_output=capture_output)


def monitor_tool(
    tool_name: str, *, capture_input: bool = True, capture_output: bool = True, metrics: AgentMetrics | None = None
) -> Callable[[F], F]:
    """Make every call of a function a call of the tool ``tool_name``, in whichever run is current when it is called.

    ``metrics``: where it is counted outside of any run; in one it is counted with the run.
    """
    if not isinstance(tool_name, str):
        raise TypeError('write @monitor_tool("name of the tool"), with parentheses and a name')
    (metrics or default_metrics()).declare_tool(tool_name)

    return decorator(
        functools.partial(ToolCall, tool_name, metrics=metrics),
        capture_input=capture_input,
        capture_output=capture_output,
    )
