"""A month in one file: objectives met, budgets, incidents with their causes, spend."""

from slo_engine.reports.gather import ReadStore, make
from slo_engine.reports.model import Report
from slo_engine.reports.month import Month, ReportError
from slo_engine.reports.rendering import as_html, as_markdown, summary

__all__ = ["Month", "ReadStore", "Report", "ReportError", "as_html", "as_markdown", "make", "summary"]
