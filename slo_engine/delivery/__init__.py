"""Outbox -> sinks."""

from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, Sink
from slo_engine.delivery.sinks import SINKS, WebhookSink, sink_of

__all__ = ["SINKS", "Delivered", "Misconfigured", "Outcome", "Refused", "Retry", "Sink", "WebhookSink", "sink_of"]
