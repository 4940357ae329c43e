"""SLO files -> SLO objects. Pure but for reading the files."""

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.files import Stream, find_files
from slo_engine.definitions.kinds import CostSli, EventsSli, LatencySli, ScoreSli, Sli, SlicesSli
from slo_engine.definitions.loading import Loaded, examine, load
from slo_engine.definitions.money import Budget
from slo_engine.definitions.policies import Policy, Tier
from slo_engine.definitions.problems import Problem, SloFileError
from slo_engine.definitions.slo import Slo, SloSet, Threshold, TierAlerting
from slo_engine.definitions.targets import Group, Override
from slo_engine.definitions.traces import TraceQuery

__all__ = [
    "Budget",
    "CostSli",
    "Duration",
    "EventsSli",
    "Group",
    "LatencySli",
    "Loaded",
    "Override",
    "Policy",
    "Problem",
    "ScoreSli",
    "Sli",
    "SlicesSli",
    "Slo",
    "SloFileError",
    "SloSet",
    "Stream",
    "Threshold",
    "Tier",
    "TierAlerting",
    "TraceQuery",
    "examine",
    "find_files",
    "load",
]
