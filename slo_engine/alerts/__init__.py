"""Alertmanager webhook -> message with its evidence."""

from slo_engine.alerts.workers import Enrichment, Intake

__all__ = ["Enrichment", "Intake"]
