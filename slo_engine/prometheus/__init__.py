"""The one door to the Prometheus HTTP API."""

from slo_engine.prometheus.client import (
    Exemplar,
    Prometheus,
    PrometheusError,
    RangeResult,
    Result,
    Sample,
    Series,
    finite,
)

__all__ = ["Exemplar", "Prometheus", "PrometheusError", "RangeResult", "Result", "Sample", "Series", "finite"]
