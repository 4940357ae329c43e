"""The queries of the dashboards, as Grafana would send them."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slo_engine.dashboards import Datasource, render
from slo_engine.definitions.slo import SloSet
from tests.e2e.engine import get

SOURCE = Datasource("prometheus", "http://prometheus:9090", "http://langfuse/trace/{trace_id}")

CHOSEN: Mapping[str, str] = {
    "service": "agents",
    "slo": "success",
    "group": 'slo=~".+"',
    **dict.fromkeys(("job", "instance", "agent_type", "model", "tool_name"), ".+"),
}
"""The variables, as they are when a dashboard is opened."""


@dataclass(frozen=True)
class PanelQuery:
    """A query of a panel, or of the marks in all panels (which have the title ``Alerts``)."""

    dashboard: str
    panel: str
    expr: str
    instant: bool
    exemplars: bool = False

    @property
    def name(self) -> str:
        """As it is called in a failure, and in the table of those that may have no data."""
        return f"{self.dashboard}: {self.panel}"

    def asked(self, prometheus: str) -> list[dict[str, Any]]:
        """The series that it gives over the last ten minutes, or now. Fails the test where Prometheus refuses it, or a
        value is no number."""
        now = time.time()
        times = {"time": now} if self.instant else {"start": now - 600, "end": now, "step": 15}
        path = "query" if self.instant else "query_range"
        answer = get(f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode({'query': self.expr, **times})}")
        assert answer["status"] == "success", f"{self.name}: {answer.get('error')}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        values = {value for each in found for _, value in each.get("values", [each.get("value")])}
        assert not values & {"NaN", "+Inf", "-Inf"}, self.name
        return found


def dashboards(slos: SloSet) -> list[dict[str, Any]]:
    """What is written for Grafana, read again."""
    files = render(slos, SOURCE)
    return [json.loads(text) for name, text in files.items() if name.endswith(".json")]


def panel_queries(dashboard: Mapping[str, Any], chosen: Mapping[str, str] = CHOSEN) -> Iterator[PanelQuery]:
    """Every query of a dashboard, with these values of its variables."""
    title = dashboard["title"]
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expr = filled_in(target["expr"], chosen)
            yield PanelQuery(title, panel["title"], expr, target["instant"], target["exemplar"])
    for annotation in dashboard["annotations"]["list"]:
        yield PanelQuery(title, "Alerts", filled_in(annotation["target"]["expr"], chosen), instant=False)


def filled_in(text: str, chosen: Mapping[str, str]) -> str:
    """With the variables replaced. Longer names first, for ``$slo`` is the beginning of none but could be."""
    own = {"__rate_interval": "1m", "__interval": "1m", **chosen}
    for name in sorted(own, key=len, reverse=True):
        text = text.replace(f"${{{name}:raw}}", own[name]).replace(f"${name}", own[name])
    return text
