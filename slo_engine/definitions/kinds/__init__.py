"""The kinds of SLI. Each is one file: what it takes in YAML, and what it answers in PromQL."""

from slo_engine.definitions.kinds.cost import CostFormat, CostSli
from slo_engine.definitions.kinds.events import EventsFormat, EventsSli
from slo_engine.definitions.kinds.latency import LatencyFormat, LatencySli
from slo_engine.definitions.kinds.score import ScoreFormat, ScoreSli
from slo_engine.definitions.kinds.sli import Earlier, Sli
from slo_engine.definitions.kinds.slices import SlicesFormat, SlicesSli

__all__ = [
    "CostFormat",
    "CostSli",
    "Earlier",
    "EventsFormat",
    "EventsSli",
    "LatencyFormat",
    "LatencySli",
    "ScoreFormat",
    "ScoreSli",
    "Sli",
    "SlicesFormat",
    "SlicesSli",
]
