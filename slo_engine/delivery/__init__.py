"""Outbox -> sinks."""

from slo_engine.delivery.sink import Delivered, Delivery, Outcome, Refused, Retry, Sink
from slo_engine.delivery.webhook import WebhookSink
from slo_engine.delivery.worker import Courier

__all__ = ["Courier", "Delivered", "Delivery", "Outcome", "Refused", "Retry", "Sink", "WebhookSink"]
