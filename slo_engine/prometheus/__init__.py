"""The one door to the Prometheus HTTP API."""

from slo_engine.prometheus.client import Prometheus, PrometheusError, Result, Sample, finite

__all__ = ["Prometheus", "PrometheusError", "Result", "Sample", "finite"]
