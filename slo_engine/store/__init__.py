"""What must outlive a crash: posted alerts, messages, deliveries, status history, causes of incidents."""

from slo_engine.store.backends import StoreError
from slo_engine.store.database import Database
from slo_engine.store.messages import StoredMessage

__all__ = ["Database", "StoreError", "StoredMessage"]
