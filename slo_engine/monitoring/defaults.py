"""What is used where nothing is given: one set of metrics, tracing and prices for the process.

Tracing that nobody has configured is created in `environment`, above this module: LangFuse's sender counts what it
loses with the default metrics, so it has to stand between the two.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

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


chosen: Final = _Defaults()
"""What `configure` was given, or what was created when it was first asked for."""


def configure(
    *, metrics: AgentMetrics | None = None, tracing: Tracing | None = None, prices: Prices | None = None
) -> None:
    """Set what agents use that are given nothing else. Call it before the first agent is declared.

    ``metrics``: on another registry, or with other buckets. ``tracing``: a `LangFuseTracing` with other options than
    the environment's. ``prices``: with own ones. What is left out stays as it is.
    """
    with chosen.lock:
        if metrics is not None:
            chosen.metrics = metrics
        if prices is not None:
            chosen.prices = prices
        if tracing is not None:
            chosen.tracing = tracing
            chosen.is_tracing_known = True


def default_metrics() -> AgentMetrics:
    """Those of `configure`, else metrics on prometheus_client's default registry."""
    found = chosen.metrics
    if found is None:
        with chosen.lock:
            found = chosen.metrics = chosen.metrics or AgentMetrics()
    return found


def default_prices() -> Prices:
    """Those of `configure`, else the prices of genai-prices or the bundled ones."""
    found = chosen.prices
    if found is None:
        from slo_engine.monitoring.prices import Prices

        with chosen.lock:
            found = chosen.prices = chosen.prices or Prices()
    return found
