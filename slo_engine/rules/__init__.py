"""SLOs -> Prometheus recording and alert rules. Pure, but for writing and comparing the files."""

from slo_engine.rules.build import build
from slo_engine.rules.files import Drift, check, write
from slo_engine.rules.layout import Layout, render
from slo_engine.rules.manifests import Metadata
from slo_engine.rules.model import Alert, Record, RuleGroup

__all__ = ["Alert", "Drift", "Layout", "Metadata", "Record", "RuleGroup", "build", "check", "render", "write"]
