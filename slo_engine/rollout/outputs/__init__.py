"""The forms in which rules are written. Each is one file: a class and its row in the table."""

from collections.abc import Mapping

from slo_engine.rollout.outputs.config_maps import ConfigMaps
from slo_engine.rollout.outputs.output import Output, Part
from slo_engine.rollout.outputs.prometheus_rules import PrometheusRules
from slo_engine.rollout.outputs.rule_files import RuleFiles

OUTPUTS: Mapping[str, Output] = {
    "files": RuleFiles(),
    "prometheusrule": PrometheusRules(),
    "configmap": ConfigMaps(),
}
"""By the name that ``--format`` takes."""

__all__ = ["OUTPUTS", "ConfigMaps", "Output", "Part", "PrometheusRules", "RuleFiles"]
