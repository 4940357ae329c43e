"""What Alertmanager posts: groups of ten alerts, about 8 KB each, every one with a number that the sink finds again."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

ALERTS = 10
MARK = b"bench-group-"
DIGITS = 7
"""``bench-group-0000042`` stands in the groupKey, and so in what the sink gets."""

_PLACE = "@" * DIGITS
"""Where the number stands in a template: in labels, and in fingerprints, by which alerts are told apart."""


def bodies(number: int, first: int = 0, *, page_every: int = 0) -> list[bytes]:
    """``number`` different notifications that fire now. ``page_every``: each so many-th is critical, the others are
    warnings; 0: all are critical."""
    templates = {severity: _template(severity) for severity in ("critical", "warning")}
    found = []
    for index in range(first, first + number):
        is_page = page_every == 0 or (index - first) % page_every == 0
        template = templates["critical" if is_page else "warning"]
        found.append(template.replace(_PLACE.encode(), str(index).zfill(DIGITS).encode()))
    return found


def number_in(body: bytes) -> int | None:
    """The number of the notification that a sink was sent."""
    at = body.find(MARK)
    digits = body[at + len(MARK) : at + len(MARK) + DIGITS]
    return int(digits) if at >= 0 and digits.isdigit() else None


def _template(severity: str) -> bytes:
    starts = datetime.fromtimestamp(time.time() - 60, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
    own = {
        "alertname": "SLOErrorBudgetBurn",
        "slo_service": "agents",
        "slo": "success",
        "owner": "ai-platform",
        "severity": severity,
        "long_window": "1h",
        "short_window": "5m",
        "burn_rate": "5",
        "cluster": "prod-eu-1",
        "group": f"bench-group-{_PLACE}",
    }
    common = {
        "description": "The error budget of the objective burns five times as fast as it lasts. See the runbook.",
        "runbook_url": "https://runbooks.example.com/slo/agents/success#error-budget-burn",
        "dashboard_url": "https://grafana.example.com/d/slo-agents?var-slo=success",
    }
    alerts = [
        {
            "status": "firing",
            "labels": {**own, "agent_type": "support_agent", "pod": f"support-agent-5d9c7b-{index}"},
            "annotations": {**common, "summary": f"agents success support_agent: {20 + index}% of runs fail over 1h"},
            "startsAt": starts,
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.com:9090/graph?g0.expr=slo%3Asli_error%3Aratio_rate1h+%3E+0.1&g0.tab=1",
            "fingerprint": f"8a1f3c5e{index}{_PLACE}",
        }
        for index in range(ALERTS)
    ]
    labels = {**own, "agent_type": "support_agent"}
    body = {
        "receiver": "slo-engine",
        "status": "firing",
        "alerts": alerts,
        "groupLabels": {"alertname": own["alertname"], "group": own["group"]},
        "commonLabels": labels,
        "commonAnnotations": common,
        "externalURL": "http://alertmanager.example.com:9093",
        "version": "4",
        "groupKey": f'{{}}/{{severity="{severity}"}}:{{alertname="SLOErrorBudgetBurn", group="{own["group"]}"}}',
        "truncatedAlerts": 0,
    }
    return json.dumps(body).encode()
