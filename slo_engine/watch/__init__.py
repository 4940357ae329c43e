"""Who watches the watcher: whether alerts still come, whether one was not sent, whether anybody would notice."""

from slo_engine.watch.heartbeat import Heartbeat
from slo_engine.watch.own_alerts import Teller
from slo_engine.watch.reconciliation import Reconciliation
from slo_engine.watch.watchdog import Watchdog

__all__ = ["Heartbeat", "Reconciliation", "Teller", "Watchdog"]
