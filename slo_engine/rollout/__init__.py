"""Rules -> files, manifests, a ruler, a running Prometheus; and how far these have drifted from the SLO files."""

from slo_engine.rollout.files import Drift, check, write
from slo_engine.rollout.layout import Layout, render
from slo_engine.rollout.manifests import Metadata

__all__ = ["Drift", "Layout", "Metadata", "check", "render", "write"]
