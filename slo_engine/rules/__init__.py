"""SLOs -> Prometheus recording and alert rules, and their unit tests. Pure."""

from slo_engine.rules.build import build
from slo_engine.rules.model import AlertRule, RecordingRule, RuleGroup

__all__ = ["AlertRule", "RecordingRule", "RuleGroup", "build"]
