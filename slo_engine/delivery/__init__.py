"""Outbox -> sinks."""

from slo_engine.delivery.courier import Courier
from slo_engine.delivery.sink import Delivered, Outcome, Refused, Retry, Sink
from slo_engine.delivery.webhook import WebhookSink

__all__ = ["Courier", "Delivered", "Outcome", "Refused", "Retry", "Sink", "WebhookSink"]
