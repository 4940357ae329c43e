"""Alertmanager webhook -> message with its evidence."""

from slo_engine.alerts.enrichment import Enrichment
from slo_engine.alerts.intake import Intake

__all__ = ["Enrichment", "Intake"]
