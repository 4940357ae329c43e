"""What must outlive a crash: posted alerts, pages, deliveries, status history."""

from slo_engine.store.database import Database, StoreError

__all__ = ["Database", "StoreError"]
