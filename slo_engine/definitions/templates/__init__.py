"""Ready SLIs on the metrics of others: one file for each exporter. A new exporter is a file and a line here."""

from collections.abc import Mapping
from typing import Any

from slo_engine.definitions.templates import litellm, otel_genai, vllm
from slo_engine.definitions.templates.template import LatencyParameters, Parameters, Template

TEMPLATES: Mapping[str, Template[Any]] = {
    template.name: template for exporter in (litellm, otel_genai, vllm) for template in exporter.TEMPLATES
}
"""All templates by name, such as ``litellm/availability``."""

NOT_TOLD: Mapping[str, str] = vllm.NOT_TOLD
"""What people ask for and no metric tells, and what to do about it."""

__all__ = ["NOT_TOLD", "TEMPLATES", "LatencyParameters", "Parameters", "Template"]
