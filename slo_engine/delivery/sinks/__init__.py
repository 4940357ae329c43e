"""The sinks. Each is one file: its settings, its class, and its row in the table."""

from __future__ import annotations

from collections.abc import Mapping

from slo_engine.delivery.sink import Sink, SinkSettings, SinkType
from slo_engine.delivery.sinks.apprise import AppriseSink, AppriseSinkSettings
from slo_engine.delivery.sinks.console import ConsoleSink, ConsoleSinkSettings
from slo_engine.delivery.sinks.email import EmailSink, EmailSinkSettings
from slo_engine.delivery.sinks.grafana import GrafanaSink, GrafanaSinkSettings
from slo_engine.delivery.sinks.incident_io import IncidentIoSink, IncidentIoSinkSettings
from slo_engine.delivery.sinks.opsgenie import OpsgenieSink, OpsgenieSinkSettings
from slo_engine.delivery.sinks.pagerduty import PagerDutySink, PagerDutySinkSettings
from slo_engine.delivery.sinks.slack import SlackSink, SlackSinkSettings
from slo_engine.delivery.sinks.slack_webhook import SlackWebhookSink, SlackWebhookSinkSettings
from slo_engine.delivery.sinks.teams import TeamsSink, TeamsSinkSettings
from slo_engine.delivery.sinks.webhook import WebhookSink, WebhookSinkSettings

SINKS: Mapping[str, SinkType] = {
    "webhook": SinkType(WebhookSinkSettings, WebhookSink.of),
    "slack": SinkType(SlackSinkSettings, SlackSink.of),
    "slack_webhook": SinkType(SlackWebhookSinkSettings, SlackWebhookSink.of),
    "pagerduty": SinkType(PagerDutySinkSettings, PagerDutySink.of),
    "opsgenie": SinkType(OpsgenieSinkSettings, OpsgenieSink.of),
    "incident_io": SinkType(IncidentIoSinkSettings, IncidentIoSink.of),
    "teams": SinkType(TeamsSinkSettings, TeamsSink.of),
    "email": SinkType(EmailSinkSettings, EmailSink.of),
    "apprise": SinkType(AppriseSinkSettings, AppriseSink.of),
    "grafana": SinkType(GrafanaSinkSettings, GrafanaSink.of),
    "console": SinkType(ConsoleSinkSettings, ConsoleSink.of),
}
"""By the value of ``type`` in the settings."""


def sink_of(settings: SinkSettings) -> Sink:
    """The sink that an item of ``sinks`` asks for. Raises SloEngineError where it cannot be used."""
    return next(row.make(settings) for row in SINKS.values() if type(settings) is row.settings)


__all__ = ["SINKS", "ConsoleSink", "WebhookSink", "sink_of"]
