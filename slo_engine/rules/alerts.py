"""The alerts of an SLO: one for each tier of its policy, and one for missing data where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from slo_engine.rules.model import Alert
from slo_engine.rules.records import burning_budget, events_total, window_ratio_selector
from slo_engine.spec.duration import Duration
from slo_engine.spec.names import (
    ABSENT_ALERT,
    BURN_ALERT,
    BURN_RATE,
    LONG_WINDOW,
    SERVICE,
    SEVERITY,
    SHORT_WINDOW,
    SLO,
    SPEND_ALERT,
    WINDOW,
)
from slo_engine.spec.policies import REACH, Tier
from slo_engine.spec.slo import CostSli, EventsSli, LatencySli, Slo, Threshold, error_budget


def burn_alerts(slo: Slo) -> Iterator[tuple[Tier, Alert]]:
    """One alert for each tier: the burn rate exceeds its factor over the long window, and still does over the short
    one. The windows, the factor and the severity are labels, so that the page says which window burns."""
    for tier in slo.tiers:
        added = slo.alerting[tier.severity]
        factor = _factor(slo, tier)
        labels = {
            **_identity(slo),
            **added.labels,
            SEVERITY: tier.severity,
            LONG_WINDOW: str(tier.long),
            SHORT_WINDOW: str(tier.short),
            BURN_RATE: f"{factor:.4g}",
        }
        yield (
            tier,
            Alert(
                SPEND_ALERT if isinstance(slo.sli, CostSli) else BURN_ALERT,
                _burns(slo, tier),
                labels,
                {**_explained(slo, tier, factor), **added.annotations},
            ),
        )


def absent_alert(slo: Slo) -> Iterator[Alert]:
    """The alert for an SLI whose counter is not there at all, when ``alerting.absent`` asks for it."""
    if slo.absent is None:
        return
    match slo.sli:
        case EventsSli(total, _, _):
            counter = total
        case LatencySli(histogram, _):
            counter = histogram.with_suffix("_count")
        case CostSli(spend, _):
            counter = spend
    added = slo.alerting["ticket"]
    yield Alert(
        ABSENT_ALERT,
        f"absent_over_time({counter}[{slo.absent}])",
        {**_identity(slo), **added.labels, SEVERITY: "ticket"},
        {
            "summary": f"{slo.service} {slo.name}: no data for {slo.absent}",
            "description": f"No series matches {_verbatim(str(counter))}: the agent is not scraped, or the metric has "
            "another name. Until it is back this objective is not watched.",
            **added.annotations,
        },
    )


def threshold_alert(threshold: Threshold) -> Alert:
    """A plain alert, as its author wrote it."""
    return Alert(
        threshold.alert,
        threshold.expr,
        {**threshold.labels, SERVICE: threshold.service, SEVERITY: threshold.severity},
        threshold.annotations,
        threshold.duration,
    )


def _verbatim(text: str) -> str:
    """Text that an alert shows as it is, though it may look like a template: ``{route="/users/{{id}}"}``."""
    return text.replace("{{", '{{ "{{" }}')


def _identity(slo: Slo) -> dict[str, str]:
    owner = {"owner": _verbatim(slo.owner)} if slo.owner else {}
    return {**slo.labels, **owner, SERVICE: slo.service, SLO: slo.name}


def _factor(slo: Slo, tier: Tier) -> float:
    if isinstance(slo.sli, CostSli):
        return tier.factor  # spend has no ceiling: every factor can be reached
    return slo.policy.factor(tier, error_budget(slo.objective))


def _burns(slo: Slo, tier: Tier) -> str:
    both = " and ".join(f"{_ratio(slo, window)} > {_threshold(slo, tier)}" for window in (tier.long, tier.short))
    if slo.min_events and not isinstance(slo.sli, CostSli):
        both += f" and {events_total(slo, tier.long)} >= {slo.min_events}"
    return both


def _ratio(slo: Slo, window: Duration) -> str:
    # Without the window label the pair matches one to one, and the alert carries only what identifies it.
    return f"max without ({WINDOW}) ({window_ratio_selector(slo, window)})"


def _threshold(slo: Slo, tier: Tier) -> str:
    if slo.overrides and slo.policy.adaptive and not isinstance(slo.sli, CostSli):
        return f"clamp_max({tier.factor:g} * {burning_budget(slo)}, {REACH:g})"
    return f"{_factor(slo, tier):.12g} * {burning_budget(slo)}"


def _explained(slo: Slo, tier: Tier, factor: float) -> dict[str, str]:
    group = "".join(f" {{{{ $labels.{label} }}}}" for label in slo.by)
    share = factor * tier.long.milliseconds / slo.window.milliseconds
    adapted = ""
    if factor < tier.factor:
        adapted = (
            f" The factor is {factor:.4g} instead of {tier.factor:g}, which an objective of {slo.objective:g} % puts "
            "out of reach."
        )
    if isinstance(slo.sli, CostSli):
        return {
            "summary": f"{slo.service} {slo.name}{group}: spends {{{{ $value | humanize }}}} times its budget "
            f"over {tier.long}",
            "description": f"Spend over the last {tier.long} and {tier.short} is more than {factor:.4g} times what the "
            f"budget allows. After {tier.long} of it, {share:.2%} of the budget of {slo.window} is gone.",
        }
    what = "of events are slow" if isinstance(slo.sli, LatencySli) else "of events fail"
    return {
        "summary": f"{slo.service} {slo.name}{group}: {{{{ $value | humanizePercentage }}}} {what} over {tier.long}",
        "description": f"The error budget burns more than {factor:.4g} times faster than the objective allows, over "
        f"the last {tier.long} and still over the last {tier.short}. After {tier.long} of it, {share:.2%} of the "
        f"budget of {slo.window} is gone.{adapted}",
    }
