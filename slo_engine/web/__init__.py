"""HTTP: the webhook, the API, the page, health and metrics."""

from slo_engine.web.access import Access
from slo_engine.web.app import create_app
from slo_engine.web.authorization import Credentials, Doors
from slo_engine.web.connections import guarded_protocol
from slo_engine.web.services import Reloaded, Services

__all__ = ["Access", "Credentials", "Doors", "Reloaded", "Services", "create_app", "guarded_protocol"]
