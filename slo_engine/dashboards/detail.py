"""One SLO: its budget as it goes down, how fast it burns and from where on that alerts, its events and its alerts."""

from __future__ import annotations

import math

from slo_engine.dashboards.model import Column, Dashboard, Lines, Query, Row, Stat, Table, Variable
from slo_engine.dashboards.records import (
    BUDGET_LEFT,
    BURNING,
    IDENTITY,
    burn_rate,
    counted,
    firing,
    remaining,
    thresholds,
    windows,
)
from slo_engine.definitions.labels import SERVICE, SEVERITY, SLO, TIER, WINDOW
from slo_engine.definitions.policies import ALPHA
from slo_engine.definitions.slo import SloSet
from slo_engine.recording.names import (
    ERROR_RATIO,
    ERRORS_INCREASE,
    ERRORS_SUM,
    IMPROBABILITY,
    OBJECTIVE,
    TOTAL_INCREASE,
    TOTAL_SUM,
)

DETAIL_UID = "slo-engine-slo"

_SLO = f'{SERVICE}="$service",{SLO}="$slo"'
_CHOSEN = f"{_SLO},${{group:raw}}"
_FIRING = firing(_CHOSEN)

_FIRST_TIER = 1000
"""Panels of the tiers: this and the minutes of the long window, so that another tier changes no id."""


def _of_group(expression: str) -> str:
    """With the labels of the group and the name of the SLO, which the legend shows: without a label it would show the
    expression."""
    return f"max without ({SERVICE}, {WINDOW}) ({expression})"


def _tier_panels(slos: SloSet) -> tuple[Lines, ...]:
    return tuple(
        Lines(
            id=_FIRST_TIER + minutes,
            title=f"Burn rate over {' and '.join(windows(slos, minutes))}",
            description="An alert fires while the burn rates over its long and its short window are both above the "
            "dashed line, and the errors are no accident.",
            queries=(
                Query(f"max without ({IDENTITY}) ({burn_rate(_CHOSEN, *windows(slos, minutes))})"),
                *(Query(limit, is_limit=True) for limit in limits.values()),
            ),
            decimals=2,
            nothing="this SLO has no alert over these windows",
        )
        for minutes, limits in thresholds(slos, _CHOSEN).items()
    )


_NUMBERS = Row(
    1,
    "Now",
    (
        Stat(
            id=2,
            title="Error budget left",
            description="1 is untouched, 0 exhausted, below it is overspent.",
            queries=(Query(_of_group(remaining(_CHOSEN))),),
            unit="percentunit",
            decimals=1,
            thresholds=BUDGET_LEFT,
            width=8,
        ),
        Stat(
            id=3,
            title="Objective",
            description="With the overrides of the group.",
            queries=(Query(_of_group(f"{OBJECTIVE}{{{_CHOSEN}}}")),),
            unit="percentunit",
            nothing="a budget of money",
            width=8,
        ),
        Stat(
            id=4,
            title="Burn rate over an hour",
            description="At 1 the budget lasts just as long as its window.",
            queries=(Query(_of_group(burn_rate(_CHOSEN, "1h"))),),
            decimals=2,
            thresholds=BURNING,
            width=8,
        ),
        Stat(
            id=5,
            title="Errors in the SLO window",
            description="Of an SLO on spend, the money.",
            queries=(Query(_of_group(f"{ERRORS_SUM}{{{_CHOSEN}}}")),),
            decimals=0,
            width=8,
        ),
        Stat(
            id=6,
            title="Events in the SLO window",
            description="All of them, good and bad.",
            queries=(Query(_of_group(f"{TOTAL_SUM}{{{_CHOSEN}}}")),),
            decimals=0,
            nothing="spend is not counted in events",
            width=8,
        ),
        Stat(
            id=7,
            title="Alerts firing",
            description="Pages and tickets.",
            queries=(Query(counted(_FIRING, _CHOSEN)),),
            thresholds=((None, "green"), (1, "red")),
            width=8,
        ),
    ),
)

_BURN_DOWN = Row(
    8,
    "Budget",
    (
        Lines(
            id=9,
            title="Burn-down",
            description="What is left of the error budget. It comes back as errors leave the SLO window.",
            queries=(Query(_of_group(remaining(_CHOSEN))),),
            unit="percentunit",
            least=None,
            most=1,
            thresholds=((None, "red"), (0, "transparent")),
            show_thresholds=True,
            since="30d",
            width=12,
        ),
        Lines(
            id=10,
            title="Burn-down in the chosen time",
            description="The same, as close as the time above says.",
            queries=(Query(_of_group(remaining(_CHOSEN))),),
            unit="percentunit",
            least=None,
            thresholds=((None, "red"), (0, "transparent")),
            show_thresholds=True,
            width=12,
        ),
    ),
)

_EVENTS = Row(
    11,
    "Events",
    (
        Lines(
            id=12,
            title="Events each minute",
            description="All events, good and bad.",
            queries=(Query(_of_group(f"avg_over_time({TOTAL_INCREASE}{{{_CHOSEN}}}[$__interval])")),),
            finest="1m",
            nothing="spend is not counted in events",
        ),
        Lines(
            id=13,
            title="Errors each minute",
            description="Of an SLO on spend, the money.",
            queries=(Query(_of_group(f"avg_over_time({ERRORS_INCREASE}{{{_CHOSEN}}}[$__interval])")),),
            finest="1m",
        ),
        Lines(
            id=14,
            title="How improbable the errors are",
            description="For a service that just meets its objective, errors like these have a probability of at most "
            "exp(-value). An alert asks for more than the line, which is 1 in 10,000; a tier may ask for more. There "
            "is no value while the errors are within the budget.",
            queries=(Query(f"max without ({IDENTITY}) ({IMPROBABILITY}{{{_CHOSEN}}})"),),
            thresholds=((None, "transparent"), (round(math.log(1 / ALPHA), 2), "red")),
            show_thresholds=True,
            least=None,
            logarithmic=True,
            nothing="the errors are within the budget",
        ),
    ),
)

_ALERTS = Row(
    15,
    "Alerts",
    (
        Table(
            id=16,
            title="Alerts firing",
            description="The tier, its windows and the burn rate at which it fires are labels of the alert.",
            queries=(Query(_FIRING),),
            columns=(Column("Value"),),
            first=(SEVERITY, "alertname", TIER),
            hidden=("alertstate", "Value", SERVICE, SLO),
            sort_by=SEVERITY,
            nothing="no alert fires",
            width=24,
            height=7,
        ),
    ),
)


def detail(slos: SloSet) -> Dashboard:
    """The dashboard, with the thresholds of these SLOs. An SLO that is not among them has none."""
    tiers = Row(_FIRST_TIER, "Burn rates against the thresholds of the policy, which are dashed", _tier_panels(slos))
    return Dashboard(
        uid=DETAIL_UID,
        title="SLO detail",
        description="The error budget, burn rates, events and alerts of one SLO.",
        variables=(
            Variable("service", "Service", f"label_values({ERROR_RATIO}, {SERVICE})"),
            Variable("slo", "SLO", f'label_values({ERROR_RATIO}{{{SERVICE}="$service"}}, {SLO})'),
            Variable(
                "group",
                "Group",
                # The labels that are left are those of the group: {agent_type="support_agent"} 1 1700000000000
                f"query_result(group without ({IDENTITY}, {WINDOW}) ({ERROR_RATIO}{{{_SLO}}}))",
                all_value=f'{SLO}=~".+"',
                regex="/{(.*)}/",
            ),
        ),
        rows=(_NUMBERS, _BURN_DOWN, tiers, _EVENTS, _ALERTS),
        alerts=_FIRING,
        since="now-24h",
        refresh="1m",
    )
