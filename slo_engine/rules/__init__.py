"""SLOs -> Prometheus recording and alert rules. Pure, but for writing and comparing the files."""

from slo_engine.rules.build import build
from slo_engine.rules.files import Drift, check, render, write
from slo_engine.rules.model import Alert, Record, RuleGroup

__all__ = ["Alert", "Drift", "Record", "RuleGroup", "build", "check", "render", "write"]
