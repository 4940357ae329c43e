"""Alertmanager webhook -> page with its evidence."""

from slo_engine.alerts.evidence import Gatherer, StatusSource, TraceSource
from slo_engine.alerts.workers import Enrichment, Intake

__all__ = ["Enrichment", "Gatherer", "Intake", "StatusSource", "TraceSource"]
