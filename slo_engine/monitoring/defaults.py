"""What is used where nothing is given: one set of metrics, tracing and prices for the process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from slo_engine.monitoring.forks import renew_after_fork
from slo_engine.monitoring.metrics import AgentMetrics

if TYPE_CHECKING:
    from slo_engine.monitoring.prices import Prices
    from slo_engine.monitoring.tracing import Tracing


class _Defaults:
    """Created when they are first asked for, which is where an agent is declared."""

    def __init__(self) -> None:
        self.metrics: AgentMetrics | None = None
        self.prices: Prices | None = None
        self.tracing: Tracing | None = None
        self.is_tracing_known = False
        self.lock = threading.RLock()
        renew_after_fork(self, "lock", threading.RLock)


_defaults = _Defaults()


def configure(
    *, metrics: AgentMetrics | None = None, tracing: Tracing | None = None, prices: Prices | None = None
) -> None:
    """Set what agents use that are given nothing else. Call it before the first agent is declared.

    ``metrics``: on another registry, or with other buckets. ``tracing``: a `LangFuseTracing` with other options than
    the environment's. ``prices``: with own ones. What is left out stays as it is.
    """
    with _defaults.lock:
        if metrics is not None:
            _defaults.metrics = metrics
        if prices is not None:
            _defaults.prices = prices
        if tracing is not None:
            _defaults.tracing = tracing
            _defaults.is_tracing_known = True


def flush_traces(timeout: float = 2.0) -> bool:
    """Wait until all traces are sent, ``timeout`` seconds at most. Whether they were; True when tracing is off.

    Done at exit by itself, but Python runs no exit handlers when a signal ends it: see docs/monitoring.md.
    """
    tracing = default_tracing()
    return tracing is None or tracing.flush(timeout)


def default_metrics() -> AgentMetrics:
    """Those of `configure`, else metrics on prometheus_client's default registry."""
    found = _defaults.metrics
    if found is None:
        with _defaults.lock:
            found = _defaults.metrics = _defaults.metrics or AgentMetrics()
    return found


def default_prices() -> Prices:
    """Those of `configure`, else the prices of genai-prices or the bundled ones."""
    found = _defaults.prices
    if found is None:
        from slo_engine.monitoring.prices import Prices

        with _defaults.lock:
            found = _defaults.prices = _defaults.prices or Prices()
    return found


def default_tracing() -> Tracing | None:
    """That of `configure`, else to the LangFuse that ``LANGFUSE_*`` names, else None."""
    if not _defaults.is_tracing_known:
        from slo_engine.monitoring.langfuse import tracing_from_environment

        with _defaults.lock:
            if not _defaults.is_tracing_known:
                _defaults.tracing = tracing_from_environment()
                _defaults.is_tracing_known = True
    return _defaults.tracing
