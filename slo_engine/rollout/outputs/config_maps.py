"""``configmap``: ConfigMaps, each with one rule file, for a Prometheus that mounts them."""

from __future__ import annotations

from slo_engine.rollout.manifests import metadata_of
from slo_engine.rollout.outputs.output import Part
from slo_engine.rules.yaml_text import as_yaml, indented


class ConfigMaps:
    """ConfigMap. Kubernetes takes 1 MiB of data, names included."""

    most_bytes = 1_000_000
    has_metadata = True

    def written(self, part: Part) -> str:
        """The object."""
        head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata_of(part.object, part.metadata)}
        rules = f"groups:\n{''.join(part.groups)}"
        return f"{as_yaml(head)}data:\n  {part.file}.yaml: |\n{indented(rules, 2)}"
