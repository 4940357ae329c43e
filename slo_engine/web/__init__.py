"""HTTP: the webhook, the API, the page, health and metrics."""

from slo_engine.web.app import create_app
from slo_engine.web.services import Reloaded, Services

__all__ = ["Reloaded", "Services", "create_app"]
