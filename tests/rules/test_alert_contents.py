"""Which alerts an SLO has, and what they say; in promtool."""

from __future__ import annotations

from pathlib import Path

from slo_engine.rollout import render
from tests.rules.histories import counter
from tests.rules.promtool import Notified, labelled, nothing, replay, slos_of
from tests.rules.shop import firing, first_fires, runs, slo_file


def test_disabled_tier_yields_no_alert(tmp_path: Path) -> None:
    rules = render(slos_of(tmp_path, slo_file("alerting: {ticket: {disabled: true}}")))["shop.yaml"]
    assert "severity: page" in rules
    assert "severity: ticket" not in rules
    assert "slo_window: 3d" in rules, "the window is still there to look at"


def test_alert_says_which_slo_burns_and_over_which_windows(tmp_path: Path) -> None:
    more = "alerting: {page: {labels: {team: ai}, annotations: {runbook_url: 'https://runbooks/runs'}}}"
    identity = {
        "agent_type": "chat",
        "slo_service": "shop",
        "slo": "runs",
        "owner": "sales",
        "tier": "1",
        "severity": "page",
        "long_window": "1h",
        "short_window": "5m",
        "burn_rate": "14.4",
        "slo_tier": "page-1h",
        "team": "ai",
    }
    page = {"alertname": "SLOErrorBudgetBurn", "alertstate": "firing", **identity}
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file(more)),
        runs((60, 20, 0.5)),
        labelled("1h", f"{firing(long_window='1h')} > bool 0", page),
        labelled(
            "1h",
            f"count without (agent_type) ({firing(long_window='3d')})",
            {key: value for key, value in page.items() if key not in ("agent_type", "team")}
            | {"severity": "ticket", "long_window": "3d", "short_window": "6h", "burn_rate": "1"}
            | {"slo_tier": "ticket-3d"},
        ),
    )


def test_page_carries_its_explanation_and_the_users_annotations(tmp_path: Path) -> None:
    annotated = "page: {annotations: {runbook_url: 'https://runbooks/runs'}}"
    more = f"alerting: {{policy: page-at-5x, {annotated}, ticket: {{disabled: true}}}}"
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file(more)),
        runs((60, 20, 0.5)),
        Notified(
            "1h",
            "SLOErrorBudgetBurn",
            {
                "agent_type": "chat",
                "slo_service": "shop",
                "slo": "runs",
                "owner": "sales",
                "tier": "1",
                "severity": "page",
                "long_window": "1h",
                "short_window": "5m",
                "burn_rate": "5",
                "slo_tier": "page-1h",
            },
            {
                "summary": "shop runs chat: 50% of events fail over 1h",
                "description": "The error budget burns more than 5 times faster than the objective allows, over the "
                "last 1h and still over the last 5m. After 1h of it, 0.69% of the budget of 30d is gone.",
                "runbook_url": "https://runbooks/runs",
            },
        ),
    )


def test_missing_data_alerts_where_it_is_asked_for(tmp_path: Path) -> None:
    text = slo_file("alerting: {absent: 10m}")
    gone = {key: history + " stale" for key, history in runs((60, 20, 0)).items()}
    replay(
        tmp_path,
        slos_of(tmp_path, text),
        gone,
        nothing("1h", 'ALERTS{alertname="SLODataAbsent"}'),
        *first_fires("2h", 60 + 10, 60 + 10 + 2, alertname="SLODataAbsent", slo="runs", severity="ticket"),
    )
    assert "SLODataAbsent" not in render(slos_of(tmp_path, slo_file()))["shop.yaml"]


def test_missing_data_alert_names_the_selector_even_if_it_looks_like_a_template(tmp_path: Path) -> None:
    text = slo_file("alerting: {absent: 10m}")
    replay(
        tmp_path,
        slos_of(tmp_path, text.replace("total: runs_total", """total: 'runs_total{route="/users/{{id}}/{{{x}"}'""")),
        {"up": counter((20, 0))},
        Notified(
            "20m",
            "SLODataAbsent",
            {
                "slo_service": "shop",
                "slo": "runs",
                "owner": "sales",
                "tier": "1",
                "severity": "ticket",
                "route": "/users/{{id}}/{{{x}",
            },
            {
                "summary": "shop runs: no data for 10m",
                "description": 'No series matches runs_total{route="/users/{{id}}/{{{x}"}: the agent is not scraped, '
                "or the metric has another name. Until it is back this objective is not watched.",
            },
        ),
    )
