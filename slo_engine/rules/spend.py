"""The alerts that only money needs: the cost of an hour, of a request, a sudden rise, and calls of unknown cost."""

from __future__ import annotations

from collections.abc import Iterator

from slo_engine.definitions.labels import WEEK
from slo_engine.definitions.money import CENTS_COUNT, Budget
from slo_engine.definitions.slo import Slo
from slo_engine.recording.base import recorded, watched
from slo_engine.recording.names import (
    COST_PER_REQUEST_ALERT,
    ERRORS_INCREASE,
    ERRORS_STAGE,
    REQUESTS_INCREASE,
    SPEND_PER_HOUR_ALERT,
    SPEND_SPIKE_ALERT,
    UNPRICED_ALERT,
)
from slo_engine.recording.stages import HOUR_LENGTH, LONG_INTERVAL
from slo_engine.rules.alerts import alert_of, group_text
from slo_engine.rules.model import AlertRule
from slo_engine.rules.sums import just_short_of, sum_over

_WEEKS = range(1, 5)
_HOUR_OF_STAGE = just_short_of(HOUR_LENGTH, LONG_INTERVAL)


def short_spend_alerts(slo: Slo) -> Iterator[AlertRule]:
    """Every minute: spend per hour, and per request."""
    limits = slo.target.limits
    spent = sum_over(slo, ERRORS_INCREASE, HOUR_LENGTH)
    if limit := limits.hour:
        yield alert_of(
            slo,
            SPEND_PER_HOUR_ALERT,
            "ticket",
            f"{spent} > {limit.amount:.12g}",
            {
                "summary": f"{slo.service} {slo.name}{group_text(slo)}: {_value(limit)} spent within an hour",
                "description": f"The limit is {limit} an hour.",
            },
        )
    if limit := limits.request:
        yield alert_of(
            slo,
            COST_PER_REQUEST_ALERT,
            "ticket",
            f"{spent} / ({sum_over(slo, REQUESTS_INCREASE, HOUR_LENGTH)} > 0) > {limit.amount:.12g}",
            {
                "summary": f"{slo.service} {slo.name}{group_text(slo)}: a request costs {_value(limit)} on average",
                "description": f"Over the last hour; the limit is {limit} a request.",
            },
        )


def long_spend_alerts(slo: Slo) -> Iterator[AlertRule]:
    """Every five minutes: a spike, and calls of unknown cost."""
    if spike := slo.target.limits.spike:
        hour = f"sum_over_time({recorded(slo, ERRORS_STAGE)}[{_HOUR_OF_STAGE}]"
        weeks = " or ".join(f'label_replace({hour} offset {week}w), "{WEEK}", "{week}", "", "")' for week in _WEEKS)
        yield alert_of(
            slo,
            SPEND_SPIKE_ALERT,
            "ticket",
            f"{hour}) > {spike.factor:.12g} * avg without ({WEEK}) ({weeks}) and {hour}) > {spike.above.amount:.12g}",
            {
                "summary": f"{slo.service} {slo.name}{group_text(slo)}: {_value(spike.above)} spent within an hour, "
                "far more than usual",
                "description": f"More than {spike.factor:g} times what the same hour cost on average in the last four "
                "weeks (in as many of them as there are records).",
            },
        )
    if calls := slo.target.unpriced:
        # The first call of a model makes its series, which increase() cannot see; but after a gap in which nothing was
        # scraped every series looks new.
        raised = f"({calls} unless {calls} offset 1h and on () {watched(slo)} offset 1h) or increase({calls}[1h])"
        yield alert_of(
            slo,
            UNPRICED_ALERT,
            "ticket",
            f"sum by (model) ({raised}) > 0",
            {
                "summary": f"{slo.service} {slo.name}: the spend may be more than it shows; what calls of "
                "{{ $labels.model }} cost is not known",
                # The counter does not say which of the two it is; the spend of the model's other calls does.
                "description": "{{ $value | humanize }} calls within the last hour have no price or told no tokens (a "
                "stream without usage, say), so their cost is in no budget and no limit. Where "
                f'sum(increase({watched(slo).metric}{{model="{{{{ $labels.model }}}}"}}[1h])) is above 0, the model '
                "has a price: these calls lack tokens, or are of a tier or kind without one. Else look first whether "
                "it has a price.",
            },
        )


def _value(limit: Budget) -> str:
    """What was spent, with as many digits as the limit that it exceeds needs."""
    digits = ".2f" if limit.amount >= CENTS_COUNT else ".3g"
    return f'{{{{ printf "%{digits}" $value }}}} {limit.currency}'
