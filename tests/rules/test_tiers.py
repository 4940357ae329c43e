"""Tiers of a policy in alerts: scaled by the SLO window, lowered for an objective, switched off, kept firing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions import Duration, SloSet
from slo_engine.definitions.loading import examine
from slo_engine.definitions.policies import GOOGLE, REACH
from slo_engine.rollout import render
from slo_engine.rules import build
from slo_engine.rules.model import AlertRule
from tests.rules.promtool import Notified, near, nothing, replay, slos_of, true
from tests.rules.shop import firing, first_fires, never, runs, slo_file

pytestmark = pytest.mark.takes(seconds=25)

BUDGET_SHARE = {"1h": 0.02, "6h": 0.05, "1d": 0.1, "3d": 0.1}
"""The part of the error budget that each tier of the google policy stands for."""


def alerts(slos: SloSet) -> dict[str, AlertRule]:
    """By the long window."""
    rules = [rule for groups in build(slos).values() for group in groups for rule in group.rules]
    return {rule.labels["long_window"]: rule for rule in rules if isinstance(rule, AlertRule)}


@pytest.mark.parametrize("days", [7, 14, 28, 30, 90])
def test_google_factor_is_the_budget_share_scaled_by_the_window_and_never_below_1(days: int) -> None:
    window = Duration.parse(f"{days}d")
    for tier in GOOGLE.tiers_for(window):
        share = BUDGET_SHARE[str(tier.long)] * window.milliseconds / tier.long.milliseconds
        assert tier.factor == pytest.approx(max(1, share), rel=1e-12)


@given(days=st.integers(1, 365), objective=st.floats(1.01, 99.999))
def test_every_tier_is_reached_by_a_full_outage_and_by_no_kept_objective(days: int, objective: float) -> None:
    budget = 1 - objective / 100
    for tier in GOOGLE.tiers_for(Duration.parse(f"{days}d")):
        factor = GOOGLE.factor(tier, budget)
        assert factor >= 1
        assert factor * budget <= max(REACH, budget) * (1 + 1e-9) < 1


@pytest.mark.parametrize("objective", [1.01, 20, 50, 90, 99.9, 99.999])
@pytest.mark.parametrize("overridden", [False, True])
def test_full_outage_fires_every_page_whatever_the_objective(
    tmp_path: Path, objective: float, overridden: bool
) -> None:
    own = f"objective: {objective:g}"
    other = f"overrides: [{{match: {{agent_type: chat}}, objective: {objective:g}}}]"
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file(other if overridden else own, "window: 90d")),
        runs((360, 20, 1)),
        true("6h", f"count({firing(severity='page', agent_type='chat')}) == bool 2"),
        true("6h", f"count({firing(agent_type='chat')}) == bool 4"),
    )


@pytest.mark.parametrize(("objective", "failing"), [(1.01, 0.97), (20, 0.78), (50, 0.48)])
@pytest.mark.parametrize("overridden", [False, True])
def test_kept_objective_fires_nothing_however_low_it_is(
    tmp_path: Path, objective: float, failing: float, overridden: bool
) -> None:
    own = f"objective: {objective:g}"
    other = f"overrides: [{{match: {{agent_type: chat}}, objective: {objective:g}}}]"
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file(other if overridden else own)),
        runs((360, 100, failing)),
        never("6h"),
    )


def test_scaled_and_lowered_factor_is_explained(tmp_path: Path) -> None:
    # 14.4 for 30 d is 43.2 for 90 d; at 97 % that is 130 % of errors, and 75 % is 25 times the budget.
    more = ("objective: 97", "window: 90d", "alerting: {disabled: [6h, 1d, 3d]}")
    identity = {"agent_type": "chat", "slo_service": "shop", "slo": "runs", "owner": "sales", "tier": "1"}
    identity |= {"slo_tier": "page-1h"}
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file(*more)),
        runs((60, 20, 1)),
        Notified(
            "1h",
            "SLOErrorBudgetBurn",
            {**identity, "severity": "page", "long_window": "1h", "short_window": "5m", "burn_rate": "25"},
            {
                "summary": "shop runs chat: 100% of events fail over 1h",
                "description": "The error budget burns more than 25 times faster than the objective allows, over the "
                "last 1h and still over the last 5m. After 1h of it, 1.16% of the budget of 90d is gone. The factor is "
                "25 instead of 43.2, which an objective of 97 % puts out of reach.",
            },
        ),
    )


def test_scaled_factor_is_no_lowered_one(tmp_path: Path) -> None:
    found = alerts(slos_of(tmp_path, slo_file("window: 7d")))
    assert {long: alert.labels["burn_rate"] for long, alert in found.items()} == {
        "1h": "3.36",
        "6h": "1.4",
        "1d": "1",
        "3d": "1",
    }
    assert "2.00% of the budget of 7d is gone." in found["1h"].annotations["description"]
    assert "instead of" not in found["1h"].annotations["description"]


def test_built_in_policy_written_out_as_it_is_changes_nothing(tmp_path: Path) -> None:
    text = slo_file("alerting: {policy: page-at-5x}")
    without = text.partition("policies:")[0]
    assert "factor: 5}" in text
    assert render(slos_of(tmp_path, text)) == render(slos_of(tmp_path, without))


@pytest.mark.parametrize(
    "change", [("factor: 5}", "factor: 6}"), ("short: 5m", "short: 6m"), ("page-at-5x\n", "google\n")]
)
def test_built_in_policy_cannot_be_changed(tmp_path: Path, change: tuple[str, str]) -> None:
    file = tmp_path / "slos.yaml"
    file.write_text(slo_file().replace(*change), encoding="utf-8")
    (problem,) = examine([file]).problems
    assert "exists already: take another name" in problem.message


def test_tier_that_is_switched_off_has_no_alert_and_keeps_its_windows(tmp_path: Path) -> None:
    slos = slos_of(tmp_path, slo_file("alerting: {disabled: [1h, 3d], page: {labels: {team: ai}}}"))
    assert set(alerts(slos)) == {"6h", "1d"}
    replay(
        tmp_path,
        slos,
        runs((180, 20, 1)),
        never("3h", long_window="1h"),
        true("3h", f"count({firing(team='ai')}) == bool 1"),
        near("3h", 'slo:sli_error:ratio{slo_window="1h"}', 1),
        near("3h", 'slo:sli_error:ratio{slo_window="3d"}', 1),
    )


def test_alert_is_kept_firing_where_it_is_asked_for(tmp_path: Path) -> None:
    text = slo_file("alerting: {keep_firing_for: 20m, exhausted: ticket, absent: 10m}")
    rules = [
        rule
        for group in yaml.safe_load(render(slos_of(tmp_path, text))["shop.yaml"])["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert len(rules) == 6
    assert {rule["keep_firing_for"] for rule in rules} == {"20m"}
    replay(
        tmp_path,
        slos_of(tmp_path, text),
        runs((360, 20, 0), (20, 20, 1), (100, 20, 0)),
        true("6h20m", f"count({firing(long_window='1h')}) == bool 1"),
        true("6h40m", f"count({firing(long_window='1h')}) == bool 1"),
        nothing("6h47m", firing(long_window="1h")),
    )


@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_budget_that_is_used_up_alerts_until_there_is_some_again(tmp_path: Path, severity: str) -> None:
    # 1 % of what has been: 25 failures use up the budget of 2,500 runs. Of a window of two hours.
    more = f"alerting: {{exhausted: {severity}, min_events: 100, disabled: [6h, 1d, 3d]}}"
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file("window: 2h", more)),
        {
            **runs((120, 20, 0), (2, 20, 1), (300, 20, 0)),
            **runs((420, 0.5, 1), agent_type="few"),
            **runs((420, 100, 0.0095), agent_type="close"),
        },
        *first_fires("7h", 121, 126, alertname="SLOErrorBudgetExhausted", agent_type="chat", severity=severity),
        true("4h", f"count({firing(alertname='SLOErrorBudgetExhausted', agent_type='chat')}) == bool 1"),
        nothing("4h10m", firing(alertname="SLOErrorBudgetExhausted", agent_type="chat")),
        never("7h", agent_type="few", alertname="SLOErrorBudgetExhausted"),
        never("7h", agent_type="close", alertname="SLOErrorBudgetExhausted"),
    )


def test_budget_that_is_used_up_says_what_is_left(tmp_path: Path) -> None:
    more = "alerting: {exhausted: page, disabled: [1h, 6h, 1d, 3d]}"
    identity = {"agent_type": "chat", "slo_service": "shop", "slo": "runs", "owner": "sales", "tier": "1"}
    replay(
        tmp_path,
        slos_of(tmp_path, slo_file(more)),
        runs((60, 20, 0.05)),
        Notified(
            "1h",
            "SLOErrorBudgetExhausted",
            {**identity, "severity": "page"},
            {
                "summary": "shop runs chat: the budget of 30d is exhausted",
                "description": "Of the budget for the last 30d -400% is left. The objective is missed; the alert ends "
                "when enough of what used the budget has left the window.",
            },
        ),
    )
