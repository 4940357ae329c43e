"""The alerts on money beside those on the budget, in promtool."""

from __future__ import annotations

from pathlib import Path

from tests.rules.histories import counter, late
from tests.rules.promtool import Notified, near, nothing, replay, slos_of, true
from tests.rules.shop import firing, first_fires, never

SPEND = """
version: slo-engine/v1
service: shop
slos:
  - name: spend
    window: 30d
    by: [agent_type]
    alerting: {page: {disabled: true}, ticket: {disabled: true}}
    sli:
      cost:
        spend: cost_usd_total
        budget: 4320 USD
"""
HOUR = f"{SPEND}        limits: {{hour: 12 USD}}\n"
REQUEST = f"{SPEND}        requests: requests_total\n        limits: {{request: 0.002 USD}}\n"
UNPRICED = f"{SPEND}        unpriced: unpriced_calls_total\n"

IDENTITY = {"agent_type": "chat", "slo_service": "shop", "slo": "spend", "severity": "ticket"}


def test_cost_of_an_hour_alerts_over_its_limit_and_no_sooner(tmp_path: Path) -> None:
    # "fast" passes 12 USD after 40 of 60 minutes; "models" is over it with two models together; "near" stays below.
    replay(
        tmp_path,
        slos_of(tmp_path, HOUR),
        {
            'cost_usd_total{agent_type="fast"}': counter((60, 0), (60, 0.3), (120, 0)),
            'cost_usd_total{agent_type="models",model="a"}': counter((60, 0), (60, 0.11), (120, 0)),
            'cost_usd_total{agent_type="models",model="b"}': counter((60, 0), (60, 0.11), (120, 0)),
            'cost_usd_total{agent_type="near"}': counter((60, 0), (180, 0.195)),
        },
        *first_fires("2h", 100, 106, alertname="SLOSpendPerHour", agent_type="fast"),
        true("2h5m", f"count({firing(alertname='SLOSpendPerHour')}) == bool 2"),
        never("4h", agent_type="near"),
        nothing("3h10m", firing()),
    )


def test_cost_of_an_hour_says_what_was_spent(tmp_path: Path) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, HOUR),
        {'cost_usd_total{agent_type="chat"}': counter((120, 0.25))},
        Notified(
            "2h",
            "SLOSpendPerHour",
            IDENTITY,
            {
                "summary": "shop spend chat: 15.00 USD spent within an hour",
                "description": "The limit is 12.00 USD an hour.",
            },
        ),
    )


def test_cost_of_a_request_is_the_mean_of_an_hour(tmp_path: Path) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, REQUEST),
        {
            'cost_usd_total{agent_type="chat"}': counter((180, 0.021)),
            'requests_total{agent_type="chat",status="ok"}': counter((120, 8), (60, 3)),
            'requests_total{agent_type="chat",status="error"}': counter((120, 4), (60, 3)),
            # Money without a request that ended: no mean, and above all no infinite one.
            'cost_usd_total{agent_type="unfinished"}': counter((180, 1)),
            'requests_total{agent_type="unfinished",status="ok"}': counter((180, 0)),
        },
        near("2h", "slo:sli_requests:increase1m{agent_type='chat'}", 12),
        never("2h"),
        Notified(
            "3h",
            "SLOCostPerRequest",
            IDENTITY,
            {
                "summary": "shop spend chat: a request costs 0.0035 USD on average",
                "description": "Over the last hour; the limit is 0.002 USD a request.",
            },
        ),
    )


def test_first_call_of_a_model_without_a_price_alerts(tmp_path: Path) -> None:
    replay(
        tmp_path,
        slos_of(tmp_path, UNPRICED),
        {
            'cost_usd_total{agent_type="chat"}': counter((300, 1)),
            'unpriced_calls_total{agent_type="chat",model="old"}': counter((30, 1), (270, 0)),
            'unpriced_calls_total{agent_type="chat",model="none"}': counter((300, 0)),
            'unpriced_calls_total{agent_type="chat",model="new"}': late(182, counter((118, 0), start=1)),
        },
        true("30m", f"count({firing(alertname='SLOSpendUnpriced', model='old')}) == bool 1"),
        nothing("3h", firing()),
        *first_fires("5h", 182, 187, alertname="SLOSpendUnpriced", model="new"),
        Notified(
            "3h30m",
            "SLOSpendUnpriced",
            {key: value for key, value in IDENTITY.items() if key != "agent_type"} | {"model": "new"},
            {
                "summary": "shop spend: the spend may be more than it shows; what calls of new cost is not known",
                "description": "1 calls within the last hour have no price or told no tokens (a stream without usage, "
                "say), so their cost is in no budget and no limit. Where "
                'sum(increase(cost_usd_total{model="new"}[1h])) is above 0, the model has a price: these calls lack '
                "tokens, or are of a tier or kind without one. Else look first whether it has a price.",
            },
        ),
        nothing("4h10m", firing()),
    )


def test_calls_of_before_a_gap_do_not_alert_again(tmp_path: Path) -> None:
    # The model has long had its price. Prometheus, or the way to the agent, was away for two hours.
    calls = f"{counter((30, 1), (90, 0))} stale _x118 30x120"
    replay(
        tmp_path,
        slos_of(tmp_path, UNPRICED),
        {
            'unpriced_calls_total{agent_type="chat",model="old"}': calls,
            'cost_usd_total{agent_type="chat"}': f"{counter((120, 1))} stale _x118 {counter((120, 1), start=120)}",
        },
        nothing("4h10m", firing()),
        nothing("5h", firing()),
    )
