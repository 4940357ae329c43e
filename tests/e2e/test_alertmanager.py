"""A real Alertmanager before the engine: firing, resolved, and the token it has to show."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.servers import Alertmanager
from tests.alerts.payloads import SUCCESS_LABELS
from tests.e2e.engine import machine
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack]


def tell(alertmanager: Alertmanager, *, ends_in: timedelta) -> None:
    """Tell Alertmanager of the alert, as Prometheus does."""
    now = datetime.now(UTC)
    alert = {
        "labels": SUCCESS_LABELS,
        "annotations": {"summary": "it burns"},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now + ends_in).isoformat(),
    }
    request = urllib.request.Request(
        f"{alertmanager.url}/api/v2/alerts",
        data=json.dumps([alert]).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 200


def test_firing_and_resolved_reach_the_sink_in_order_through_a_real_alertmanager(tmp_path: Path) -> None:
    with machine(tmp_path, settings={"webhook": {"token": "t0ken-of-the-test"}}) as parts:
        parts.start_receiver()
        parts.start_langfuse()
        parts.start_engine()
        with Alertmanager(
            tmp_path / "alertmanager",
            webhook=f"{parts.engine_url}/webhooks/alertmanager",
            group_wait="1s",
            group_interval="3s",
            token="t0ken-of-the-test",
        ) as alertmanager:
            tell(alertmanager, ends_in=timedelta(hours=1))
            wait_for("the firing page", parts.received, within=20)
            tell(alertmanager, ends_in=timedelta(seconds=-1))

            def both() -> list[dict[str, Any]] | None:
                pages = parts.received()
                return pages if len(pages) == 2 else None

            firing, resolved = (page["message"] for page in wait_for("the resolved page", both, within=30))
        assert "t0ken-of-the-test" not in parts.log()
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert firing["groupKey"] == resolved["groupKey"]
    assert firing["enrichment"]["subjects"][0]["slo"] == "success"
    assert resolved["alerts"][0]["annotations"] == {"summary": "it burns"}
    assert resolved["enrichment"]["subjects"] == []
