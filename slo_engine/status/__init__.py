"""SLO x Prometheus -> error budget, burn rate, forecast; and its history."""

from slo_engine.status.board import StatusBoard
from slo_engine.status.evaluate import QuerySource, evaluate
from slo_engine.status.model import Events, Firing, SloStatus

__all__ = ["Events", "Firing", "QuerySource", "SloStatus", "StatusBoard", "evaluate"]
