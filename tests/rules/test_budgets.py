"""What the recording rules say about objectives, error budgets and money, overrides included."""

from __future__ import annotations

from pathlib import Path

from tests.rules.histories import counter
from tests.rules.promtool import near, nothing, replay, slos_of

OVERRIDDEN = """
version: slo-engine/v1
service: shop
defaults: {window: 7d}
slos:
  - name: runs
    by: [agent_type, tenant]
    objective: 99
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
    overrides:
      - {match: {tenant: gold}, objective: 99.5}
      - {match: {agent_type: batch}, objective: 90}
      - {match: {agent_type: batch, tenant: lead}, objective: 95}
"""

SPEND = """
version: slo-engine/v1
service: shop
defaults: {window: 30d, by: [agent_type]}
slos:
  - name: spend
    # 0.1 USD a minute
    sli: {cost: {spend: cost_usd_total, budget: 4320 USD}}
    overrides:
      - {match: {agent_type: research}, budget: 43200 USD}
      - {match: {agent_type: research}, budget: 1 USD}
"""


def _failing(agent_type: str, tenant: str, percent: float) -> dict[str, str]:
    group = f'agent_type="{agent_type}",tenant="{tenant}"'
    return {
        f'runs_total{{{group},status="ok"}}': counter((60, 100 - percent)),
        f'runs_total{{{group},status="error"}}': counter((60, percent)),
    }


def test_first_override_that_matches_sets_the_objective(tmp_path: Path) -> None:
    series = {
        **_failing("chat", "silver", 1),
        **_failing("chat", "gold", 1),
        **_failing("batch", "silver", 1),
        **_failing("batch", "gold", 1),
        **_failing("batch", "lead", 1),
    }
    wanted = {
        ("chat", "silver"): 0.99,
        ("chat", "gold"): 0.995,
        ("batch", "silver"): 0.9,
        ("batch", "gold"): 0.995,
        ("batch", "lead"): 0.9,
    }
    replay(
        tmp_path,
        slos_of(tmp_path, OVERRIDDEN),
        series,
        *(
            near("1h", f'slo:objective:ratio{{agent_type="{agent_type}",tenant="{tenant}"}}', objective)
            for (agent_type, tenant), objective in wanted.items()
        ),
        near("1h", "count(slo:objective:ratio)", len(wanted)),
    )


def test_budget_remaining_is_that_of_the_group_own_objective(tmp_path: Path) -> None:
    series = {**_failing("chat", "silver", 2), **_failing("batch", "silver", 2), **_failing("chat", "gold", 0.125)}
    remaining = "slo:error_budget_remaining:ratio"
    replay(
        tmp_path,
        slos_of(tmp_path, OVERRIDDEN),
        series,
        near("1h", f'{remaining}{{agent_type="chat",tenant="silver"}}', -1),
        near("1h", f'{remaining}{{agent_type="batch"}}', 0.8),
        near("1h", f'{remaining}{{tenant="gold"}}', 0.75),
        near("1h", f"count({remaining})", 3),
    )


def test_agent_that_is_gone_keeps_its_objective_while_its_budget_shows(tmp_path: Path) -> None:
    series = {key: history + " stale" for key, history in _failing("batch", "silver", 2).items()}
    replay(
        tmp_path,
        slos_of(tmp_path, OVERRIDDEN),
        series,
        nothing("6h", "slo:sli_total:increase1m"),
        near("6h", "slo:objective:ratio", 0.9),
        near("6h", "slo:error_budget_remaining:ratio", 0.8),
    )


def test_spend_is_a_share_of_what_the_budget_allows_for_each_window(tmp_path: Path) -> None:
    # Twice the budget, from two models on two instances. Two hours of it fill the windows up to 2 h, and no longer one.
    series = {
        f'cost_usd_total{{agent_type="chat",model="{model}",pod="{pod}"}}': counter((120, 0.05))
        for model in ("large", "small")
        for pod in ("a", "b")
    }
    share = 'slo:sli_error:ratio{{slo_window="{}"}}'.format
    replay(
        tmp_path,
        slos_of(tmp_path, SPEND),
        series,
        near("2h", share("5m"), 2),
        # From the base, whose first and last records count a little: Prometheus 2 takes both ends of a range.
        near("2h", share("30m"), 2, share=0.04),
        near("2h", share("1h"), 2, share=0.02),
        near("2h", share("6h"), 2 / 3, share=0.02),
        near("2h", share("1d"), 2 / 12),
        near("2h", share("3d"), 2 / 36),
        near("2h", share("30d"), 2 / 360),
        near("2h", "slo:sli_errors:sum", 24),
        near("2h", "slo:error_budget_remaining:ratio", 1 - 2 / 360),
    )


def test_spend_has_the_budget_of_the_first_override_that_matches(tmp_path: Path) -> None:
    series = {
        'cost_usd_total{agent_type="chat"}': counter((120, 0.2)),
        'cost_usd_total{agent_type="research"}': counter((120, 0.2)),
    }
    share = 'slo:sli_error:ratio{{agent_type="{}",slo_window="{}"}}'.format
    replay(
        tmp_path,
        slos_of(tmp_path, SPEND),
        series,
        near("2h", share("chat", "1h"), 2, share=0.02),
        near("2h", share("research", "1h"), 0.2, share=0.02),
        near("2h", share("chat", "1d"), 2 / 12),
        near("2h", share("research", "1d"), 0.2 / 12),
        near("2h", 'slo:error_budget_remaining:ratio{agent_type="chat"}', 1 - 2 / 360),
        near("2h", 'slo:error_budget_remaining:ratio{agent_type="research"}', 1 - 0.2 / 360),
        near("2h", 'count(slo:sli_error:ratio{slo_window="30d"})', 2),
    )


def test_agent_that_spends_nothing_keeps_its_whole_budget(tmp_path: Path) -> None:
    series = {'cost_usd_total{agent_type="chat"}': counter((120, 0))}
    replay(
        tmp_path,
        slos_of(tmp_path, SPEND),
        series,
        near("2h", "slo:error_budget_remaining:ratio", 1),
        near("2h", "sum(slo:sli_error:ratio)", 0),
    )
