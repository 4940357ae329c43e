"""The kinds of SLI. Each is one file: what it takes in YAML, and what it answers; and one row of the table."""

from collections.abc import Mapping

from slo_engine.definitions.kinds.cost import CostFormat, CostSli
from slo_engine.definitions.kinds.events import EventsFormat, EventsSli
from slo_engine.definitions.kinds.kind import KindFormat
from slo_engine.definitions.kinds.latency import LatencyFormat, LatencySli
from slo_engine.definitions.kinds.score import ScoreFormat, ScoreSli
from slo_engine.definitions.kinds.sli import Earlier, Sli
from slo_engine.definitions.kinds.slices import SlicesFormat, SlicesSli

KINDS: Mapping[str, type[KindFormat]] = {
    "events": EventsFormat,
    "latency": LatencyFormat,
    "slices": SlicesFormat,
    "score": ScoreFormat,
    "cost": CostFormat,
}
"""By the key that stands under ``sli``."""

__all__ = [
    "KINDS",
    "CostSli",
    "Earlier",
    "EventsSli",
    "KindFormat",
    "LatencySli",
    "ScoreSli",
    "Sli",
    "SlicesSli",
]
