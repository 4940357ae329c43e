"""Outbox -> sinks."""

from slo_engine.delivery.courier import Courier
from slo_engine.delivery.sink import Delivered, Delivery, Outcome, Refused, Retry, Sink
from slo_engine.delivery.webhook import WebhookSink

__all__ = ["Courier", "Delivered", "Delivery", "Outcome", "Refused", "Retry", "Sink", "WebhookSink"]
