"""All SLOs at once: which budget is spent, which one burns, what fires."""

from __future__ import annotations

from slo_engine.dashboards.detail import DETAIL_UID
from slo_engine.dashboards.model import Column, Dashboard, Lines, Query, Row, Stat, States, Table, Variable
from slo_engine.dashboards.records import BUDGET_LEFT, BURNING, IDENTITY, burn_rate, counted, firing, remaining
from slo_engine.definitions.labels import SERVICE, SEVERITY, SLO, WINDOW
from slo_engine.recording.names import ABSENT_ALERT, BUDGET_REMAINING, ERROR_RATIO, OBJECTIVE, TOTAL_SUM

_CHOSEN = f'{SERVICE}=~"$service"'
_FIRING = firing(f'{_CHOSEN},{SLO}=~".+"')

_SHOWN = f"var-service=${{__data.fields.{SERVICE}}}&var-slo=${{__data.fields.{SLO}}}"
_DETAIL_LINK = ("Show the SLO", f"/d/{DETAIL_UID}?{_SHOWN}&${{datasource:queryparam}}&${{__url_time_range}}")

_ONE_HOUR = "1h"

_NUMBERS = Row(
    1,
    "Now",
    (
        Stat(
            id=2,
            title="SLOs",
            description="SLOs that have data.",
            queries=(Query(f"count(count by ({IDENTITY}) ({ERROR_RATIO}{{{_CHOSEN}}}))"),),
            width=4,
        ),
        Stat(
            id=3,
            title="Alerts firing",
            description="Of the SLOs, pages and tickets.",
            queries=(Query(counted(_FIRING, _CHOSEN)),),
            thresholds=((None, "green"), (1, "red")),
            width=5,
        ),
        Stat(
            id=4,
            title="Budgets exhausted",
            description="Groups that have nothing left of their error budget.",
            queries=(Query(f"sum({BUDGET_REMAINING}{{{_CHOSEN}}} <= bool 0)"),),
            thresholds=((None, "green"), (1, "red")),
            width=5,
        ),
        Stat(
            id=5,
            title="Lowest budget",
            description="What is left of the error budget that has least.",
            queries=(Query(f"min({BUDGET_REMAINING}{{{_CHOSEN}}})"),),
            unit="percentunit",
            decimals=1,
            thresholds=BUDGET_LEFT,
            width=5,
        ),
        Stat(
            id=6,
            title="SLOs without data",
            description=f"Those whose alert {ABSENT_ALERT} fires: nobody watches these objectives.",
            queries=(Query(counted(firing(f'{_CHOSEN},alertname="{ABSENT_ALERT}"'), _CHOSEN)),),
            thresholds=((None, "green"), (1, "red")),
            width=5,
        ),
    ),
)

_ALL = Row(
    7,
    "Every SLO and group",
    (
        Table(
            id=8,
            title="Budgets",
            description="One line a group, the emptiest budget first. The SLO leads to its details.",
            queries=(
                Query(remaining(_CHOSEN)),
                Query(f"max without ({WINDOW}) ({burn_rate(_CHOSEN, _ONE_HOUR)})"),
                Query(f"{OBJECTIVE}{{{_CHOSEN}}}"),
                Query(f"max without ({WINDOW}) ({TOTAL_SUM}{{{_CHOSEN}}})"),
            ),
            columns=(
                Column("Budget left", "percentunit", 1, BUDGET_LEFT),
                Column("Burn rate 1h", "short", 2, BURNING),
                Column("Objective", "percentunit", 2),
                Column("Events in the window", "short"),
            ),
            first=(SERVICE, SLO),
            links={SLO: _DETAIL_LINK},
            sort_by="Budget left",
            width=24,
            height=12,
        ),
        Table(
            id=9,
            title="Alerts firing",
            description="Every alert of an SLO that fires now.",
            queries=(Query(_FIRING),),
            columns=(Column("Value"),),
            first=(SEVERITY, "alertname", SERVICE, SLO),
            hidden=("alertstate", "Value"),
            links={SLO: _DETAIL_LINK},
            sort_by=SEVERITY,
            nothing="no alert fires",
            width=24,
        ),
    ),
)

_HISTORY = Row(
    10,
    "Over time",
    (
        States(
            id=11,
            title="Error budgets",
            description="Of each SLO the group that has least left: red is exhausted, orange less than a quarter.",
            queries=(
                Query(f"min by ({IDENTITY}) ({BUDGET_REMAINING}{{{_CHOSEN}}})", f"{{{{{SERVICE}}}}} {{{{{SLO}}}}}"),
            ),
            unit="percentunit",
            decimals=0,
            thresholds=BUDGET_LEFT,
            width=24,
        ),
        Lines(
            id=12,
            title="Burn rate over an hour",
            description="Of each SLO the group that burns fastest. At 1 the budget lasts just as long as its window.",
            queries=(
                Query(f"max by ({IDENTITY}) ({burn_rate(_CHOSEN, _ONE_HOUR)})", f"{{{{{SERVICE}}}}} {{{{{SLO}}}}}"),
            ),
            thresholds=((None, "transparent"), (1, "orange")),
            show_thresholds=True,
            decimals=2,
            width=12,
        ),
        Lines(
            id=13,
            title="Alerts firing over time",
            description="By their name and severity.",
            queries=(
                Query(
                    f"count by (alertname, {SEVERITY}) ({_FIRING})\n"
                    f"  or label_replace(0 * count({ERROR_RATIO}{{{_CHOSEN}}}) unless on () {_FIRING}, "
                    '"alertname", "none", "", "")',
                    f"{{{{alertname}}}} {{{{{SEVERITY}}}}}",
                ),
            ),
            stacked=True,
            decimals=0,
            width=12,
        ),
    ),
)

OVERVIEW = Dashboard(
    uid="slo-engine-overview",
    title="SLO overview",
    description="The error budgets, burn rates and alerts of all SLOs.",
    variables=(Variable("service", "Service", f"label_values({ERROR_RATIO}, {SERVICE})", all_value=".+", multi=True),),
    rows=(_NUMBERS, _ALL, _HISTORY),
    alerts=_FIRING,
    since="now-24h",
    refresh="1m",
)
