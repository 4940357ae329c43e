"""What Alertmanager posts, for tests."""

from __future__ import annotations

import json
from typing import Any

SUCCESS_LABELS = {
    "alertname": "SLOErrorBudgetBurn",
    "agent_type": "support_agent",
    "burn_rate": "5",
    "long_window": "1h",
    "owner": "ai-platform",
    "severity": "page",
    "short_window": "5m",
    "slo": "success",
    "slo_service": "agents",
}


def notification(
    *,
    status: str = "firing",
    labels: dict[str, str] | None = None,
    group_key: str = '{}:{alertname="SLOErrorBudgetBurn"}',
    fingerprint: str = "8a1f3c5e7b9d0f2a",
) -> dict[str, Any]:
    """One alert in one group, as Alertmanager 0.25 writes it."""
    own = SUCCESS_LABELS if labels is None else labels
    annotations = {"summary": "agents success support_agent: 22% of events fail over 1h"}
    ends = "0001-01-01T00:00:00Z" if status == "firing" else "2026-11-23T14:40:00.123456789Z"
    alert = {
        "status": status,
        "labels": own,
        "annotations": annotations,
        "startsAt": "2026-11-23T14:30:00.123456789Z",
        "endsAt": ends,
        "generatorURL": "http://prometheus/graph?g0.expr=1",
        "fingerprint": fingerprint,
    }
    return {
        "receiver": "slo-engine",
        "status": status,
        "alerts": [alert],
        "groupLabels": {"alertname": own.get("alertname", "")},
        "commonLabels": own,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager",
        "version": "4",
        "groupKey": group_key,
        "truncatedAlerts": 0,
    }


def body(**options: Any) -> bytes:
    """The same as bytes."""
    return json.dumps(notification(**options)).encode()
