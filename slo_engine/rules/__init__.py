"""SLOs -> Prometheus recording and alert rules, and their unit tests. Pure."""

from slo_engine.rules.build import build
from slo_engine.rules.model import Alert, Record, RuleGroup

__all__ = ["Alert", "Record", "RuleGroup", "build"]
