"""``prometheusrule``: objects for the Prometheus operator (monitoring.coreos.com/v1)."""

from __future__ import annotations

from slo_engine.rollout.manifests import metadata_of
from slo_engine.rollout.outputs.output import Part
from slo_engine.rules.yaml_text import as_yaml, indented


class PrometheusRules:
    """PrometheusRule. The operator refuses a rule file of more than 512 KiB, as it writes it (half of what a ConfigMap
    holds: maxConfigMapDataSize in prometheus-operator), and etcd an object of more than 1.5 MiB."""

    most_bytes = 400 * 1024
    has_metadata = True

    def written(self, part: Part) -> str:
        """The object."""
        head = {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": metadata_of(part.object, part.metadata),
        }
        return f"{as_yaml(head)}spec:\n  groups:\n{indented(''.join(part.groups), 1)}"
