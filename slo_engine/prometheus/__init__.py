"""The one door to the Prometheus HTTP API."""

from slo_engine.prometheus.client import (
    Prometheus,
    PrometheusError,
    RangeResult,
    Result,
    Sample,
    Series,
    finite,
)

__all__ = ["Prometheus", "PrometheusError", "RangeResult", "Result", "Sample", "Series", "finite"]
