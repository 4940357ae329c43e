"""The table of error budgets: what burns comes first, since when, and no row contradicts itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from slo_engine.definitions import load
from slo_engine.definitions.slo import SloSet
from slo_engine.status.model import Firing, SloStatus
from slo_engine.store.messages import MessageHead
from slo_engine.web.budgets import rows
from slo_engine.web.incidents import FiringAlert, Incident, Told
from tests.web.site import ABSENT, PAGE, TICKET, status

SOON = datetime(2026, 11, 28, tzinfo=UTC)
NOTHING: dict[str, float] = {}
SUPPORT = {"agent_type": "support_agent"}


def fires(labels: dict[str, str] | None = None, since: float | None = 100.0, firing: Firing = PAGE) -> FiringAlert:
    own = {"slo_service": "agents", "slo": "success", "alertname": firing.alert, "severity": firing.severity}
    windows = {"long_window": firing.long_window, "short_window": firing.short_window}
    return FiringAlert({**own, **windows, **(SUPPORT if labels is None else labels)}, since)


def incident(*alerts: FiringAlert, key: str = "msg_1") -> Told:
    first = MessageHead(1, key, 0.0, "thread", "firing", "page", "title", "ready")
    return Told(Incident((first,), True), "firing", 1.0, None, {}, None, (), alerts, ())


def names(*statuses: SloStatus, slos: SloSet | None = None) -> list[str]:
    return [row.status.slo for row in rows(statuses, slos or SloSet(), [])]


def test_pages_come_first_then_tickets_then_what_burns_then_the_least_budget_and_no_data_last() -> None:
    assert names(
        status("no data", left=None),
        status("untouched", left=1.0, burn={"1h": 0.0}),
        status("low", left=0.1, burn={"1h": 0.9}),
        status("burns", left=0.9, burn={"1h": 1.5}),
        status("burns fast", left=0.9, burn={"1h": 12.0}),
        status("exhausted", left=-1.0, burn={"1h": 0.0}),
        status("ticket", left=0.9, burn={"1h": 2.0}, firing=[TICKET]),
        status("ticket that burns", left=0.9, burn={"1h": 3.0}, firing=[TICKET]),
        status("ticket with less", left=0.1, burn={"1h": 2.0}, firing=[TICKET]),
        status("page", left=0.9, burn={"1h": 5.0}, firing=[PAGE, TICKET]),
        status("page that burns", left=0.9, burn={"1h": 50.0}, firing=[PAGE]),
    ) == [
        *("page that burns", "page", "ticket that burns", "ticket with less", "ticket"),
        *("burns fast", "burns", "exhausted", "low", "untouched", "no data"),
    ]


def test_what_is_alike_keeps_the_order_of_its_name() -> None:
    groups = [{"agent_type": name} for name in "bca"]
    found = rows([status(group=group, burn={"1h": 0.0}) for group in groups], SloSet(), [])
    assert [row.status.group["agent_type"] for row in found] == ["a", "b", "c"]


def test_a_page_is_known_by_the_severity_that_the_slo_file_gives_it(tmp_path: Path) -> None:
    (tmp_path / "slos.yaml").write_text(
        "version: slo-engine/v1\nservice: agents\nslos:\n  - name: success\n    objective: 98\n"
        "    alerting: {severities: {page: critical}}\n"
        "    sli: {events: {total: runs_total, errors: 'runs_total{status=\"error\"}'}}\n"
    )
    critical = Firing("SLOErrorBudgetBurn", "critical", "1h", "5m")
    given = (status("a", burn={"1h": 9.0}, firing=[TICKET]), status("b", burn={"1h": 2.0}, firing=[critical]))
    assert names(*given) == ["a", "b"]
    assert names(*given, slos=load([tmp_path / "slos.yaml"])) == ["b", "a"]


@pytest.mark.parametrize(
    ("told", "since", "anchor"),
    [
        pytest.param([incident(fires())], 100.0, "msg_1", id="its alert says when it began"),
        pytest.param([], None, None, id="no notification, no time"),
        pytest.param([incident(fires(since=None))], None, "msg_1", id="the alert does not say"),
        pytest.param([incident(fires(), fires(since=None))], None, "msg_1", id="one of two does not say"),
        pytest.param([incident(fires(), fires(since=50.0))], 50.0, "msg_1", id="the first of two"),
        pytest.param([incident(fires({"agent_type": "other"}))], None, None, id="of another group"),
        pytest.param([incident(fires({}))], 100.0, "msg_1", id="about the SLO as a whole"),
        pytest.param([incident(fires({**SUPPORT, "slo": "latency"}))], None, None, id="of another SLO"),
        pytest.param([incident(fires(firing=TICKET))], None, None, id="another alert of the group"),
    ],
)
def test_an_alert_fires_since_the_time_that_its_notification_says(
    told: list[Told], since: float | None, anchor: str | None
) -> None:
    (row,) = rows([status(burn={"1h": 9.0}, firing=[PAGE])], SloSet(), told)
    assert [(badge.text, badge.since, badge.anchor) for badge in row.badges] == [("page 1h/5m", since, anchor)]


def test_an_alert_that_prometheus_does_not_see_firing_is_not_shown() -> None:
    (row,) = rows([status(burn={"1h": 0.0})], SloSet(), [incident(fires())])
    assert row.badges == ()


@pytest.mark.parametrize(
    ("given", "rates", "without", "exhausts"),
    [
        pytest.param({"left": 0.5, "burn": {"1h": 0.1}}, 1, "", "not at this rate", id="within its budget"),
        pytest.param(
            {"left": 0.5, "burn": {"1h": 2.0}, "exhausted_at": SOON}, 1, "", "2026-11-28 00:00 UTC", id="burns"
        ),
        pytest.param({"left": -0.5, "burn": {"1h": 2.0}, "exhausted_at": SOON}, 1, "", "exhausted", id="exhausted"),
        pytest.param({"left": None}, 0, "", "", id="no data"),
        pytest.param({"left": None, "burn": {"1h": 2.0}, "exhausted_at": SOON}, 0, "", "", id="no data, whatever else"),
        pytest.param({"left": None, "firing": [ABSENT]}, 0, "", "", id="no data, and an alert says so"),
        pytest.param({"left": 0.5, "burn": NOTHING}, 0, "no recent events", "", id="idle: no rate, no forecast"),
        pytest.param({"left": 0.5, "burn": {"6h": 1.0}}, 1, "", "", id="no rate that a forecast continues"),
        pytest.param(
            {"left": 0.5, "burn": {"1h": 2.0}, "exhausted_at": SOON, "firing": [ABSENT]},
            *(0, "no data now", ""),
            id="data are absent: what was recorded before says nothing of now",
        ),
        pytest.param({"left": 0.0, "burn": NOTHING, "firing": [ABSENT]}, 0, "no data now", "exhausted", id="spent"),
        pytest.param(
            {"left": 0.5, "burn": {"5m": 0.0, "1h": 0.1}, "firing": [ABSENT]},
            *(2, "", "not at this rate"),
            id="data are back, and the alert lasts a little longer",
        ),
    ],
)
def test_a_row_says_a_burn_rate_and_a_forecast_only_where_there_are_data(
    given: dict[str, Any], rates: int, without: str, exhausts: str
) -> None:
    (row,) = rows([status(**given)], SloSet(), [])
    assert (len(row.rates), row.without_rates, row.exhausts) == (rates, without, exhausts)
