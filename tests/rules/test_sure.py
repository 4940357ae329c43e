"""An alert fires when the errors are no accident, and an outage is told at once; in promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.definitions import Slo
from slo_engine.definitions.policies import BUILT_IN, improbability
from slo_engine.rules.alerts import burn_alerts
from tests.rules.histories import counter
from tests.rules.promtool import Expectation, labelled, near, nothing, replay, slos_of
from tests.rules.shop import firing, first_fires, runs

pytestmark = pytest.mark.takes(seconds=30)

FILE = """
version: slo-engine/v1
service: shop
defaults: {by: [agent_type], objective: %s, alerting: {policy: agent%s}}
slos:
  - {name: runs, sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}}
"""


def some(total: int, failed: int, agent_type: str) -> dict[str, str]:
    """An hour and a half, in which so many runs end at once, of which so many failed."""
    return {
        f'runs_total{{agent_type="{agent_type}",status="ok"}}': counter((60, 0), (1, total - failed), (30, 0)),
        f'runs_total{{agent_type="{agent_type}",status="error"}}': counter((60, 0), (1, failed), (30, 0)),
    }


@pytest.mark.parametrize(("sure", "fires"), [("", False), (", sure: false", True), (", alpha: 0.01", True)])
def test_two_failures_of_three_runs_are_an_accident_unless_told_otherwise(
    tmp_path: Path, sure: str, fires: bool
) -> None:
    alerts = firing(agent_type="chat", long_window="1h")
    expected = near("63m", f"count({alerts})", 1) if fires else nothing("63m", alerts)
    replay(tmp_path, slos_of(tmp_path, FILE % (98, sure)), some(3, 2, "chat"), expected)


def test_thirty_of_a_hundred_fire_at_once(tmp_path: Path) -> None:
    alerts = firing(agent_type="chat", long_window="1h")
    replay(tmp_path, slos_of(tmp_path, FILE % (98, "")), some(100, 30, "chat"), near("62m", f"count({alerts})", 1))


def test_recorded_improbability_is_that_of_the_arithmetic(tmp_path: Path) -> None:
    series: dict[str, str] = {}
    expected: list[Expectation] = []
    for total, failed in ((3, 2), (10, 10), (100, 30), (5000, 150), (7, 1)):
        agent = f"{failed}-of-{total}"
        series |= some(total, failed, agent)
        record = f'slo:sli_error:improbability{{agent_type="{agent}",slo_window="1h"}}'
        expected.append(near("62m", record, improbability(total, failed / total, 0.02), share=1e-6))
    # Within the budget nothing is improbable.
    series |= some(100, 2, "kept") | some(100, 0, "well")
    expected.append(nothing("62m", 'slo:sli_error:improbability{agent_type=~"kept|well"}'))
    replay(tmp_path, slos_of(tmp_path, FILE % (98, "")), series, *expected)


def test_override_is_held_to_its_own_objective(tmp_path: Path) -> None:
    text = FILE.replace("by: [agent_type]", "by: [agent_type]") % (98, "")
    text = text.rstrip().removesuffix("}") + ", overrides: [{match: {agent_type: batch}, objective: 80}]}\n"
    record = 'slo:sli_error:improbability{agent_type="batch",slo_window="1h"}'
    replay(
        tmp_path,
        slos_of(tmp_path, text),
        some(100, 30, "batch") | some(100, 30, "chat"),
        near("62m", record, improbability(100, 0.3, 0.2), share=1e-6),
        nothing("62m", firing(agent_type="batch", long_window="1h")),
        near("62m", f"count({firing(agent_type='chat', long_window='1h')})", 1),
    )


@pytest.mark.parametrize("objective", [80, 95, 99.9])
def test_full_outage_pages_within_ten_minutes(tmp_path: Path, objective: float) -> None:
    series = runs((400, 1, 0), (20, 1, 1))
    replay(
        tmp_path,
        slos_of(tmp_path, FILE % (objective, "")),
        series,
        *first_fires("7h", 400 + 2, 400 + 10, agent_type="chat", long_window="10m", short_window="3m"),
    )


def test_outage_tier_can_be_left_out_and_does_not_go_with_money(tmp_path: Path) -> None:
    def windows(slo: Slo) -> list[str]:
        return [alert.labels["long_window"] for _, alert in burn_alerts(slo)]

    text = FILE % (98, ", disabled: [10m]") + "  - {name: spend, sli: {cost: {spend: usd_total, budget: 10 USD}}}\n"
    text = text.replace("objective: 98, ", "").replace("name: runs, ", "name: runs, objective: 98, ")
    without, spend = slos_of(tmp_path, text).slos
    assert windows(without) == windows(spend) == ["1h", "6h", "1d", "3d"]
    assert not any("improbability" in alert.expr for _, alert in burn_alerts(spend))
    (every,) = slos_of(tmp_path, FILE % (98, "")).slos
    assert windows(every) == ["10m", "1h", "6h", "1d", "3d"]
    assert all("improbability" in alert.expr for _, alert in burn_alerts(every))


@pytest.mark.parametrize("objective", [80, 90, 95, 98, 99.9])
def test_outage_tier_asks_for_half_and_for_what_the_fast_tier_asks(tmp_path: Path, objective: float) -> None:
    (slo,) = slos_of(tmp_path, FILE % (objective, "")).slos
    outage, fast = (slo.target.factor(slo.policy, tier) * slo.target.error_budget for tier in slo.tiers[:2])
    assert outage == pytest.approx(max(0.5, fast))
    assert BUILT_IN["agent"].tiers[1:] == BUILT_IN["google"].tiers


def test_alerts_and_severities_are_called_as_a_team_is_used_to(tmp_path: Path) -> None:
    own = ", name: CheckoutErrors, severities: {page: critical, ticket: warning}"
    slos = slos_of(tmp_path, FILE % (98, own))
    replay(
        tmp_path,
        slos,
        runs((60, 20, 0.5)),
        labelled(
            "1h",
            'ALERTS{alertname="CheckoutErrors",long_window="1h"} > bool 0',
            {
                "alertname": "CheckoutErrors",
                "alertstate": "firing",
                "agent_type": "chat",
                "slo_service": "shop",
                "slo": "runs",
                "severity": "critical",
                "long_window": "1h",
                "short_window": "5m",
                "burn_rate": "14.4",
                "slo_tier": "page-1h",
            },
        ),
        nothing("1h", 'ALERTS{alertname="SLOErrorBudgetBurn"}'),
        nothing("1h", 'ALERTS{alertname="CheckoutErrors",severity!~"critical|warning"}'),
    )
