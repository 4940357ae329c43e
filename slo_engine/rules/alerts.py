"""The alerts of an SLO: one for each tier of its policy, for a budget that is exhausted, and for missing data."""

from __future__ import annotations

import math
from collections.abc import Iterator

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import BURN_RATE, LONG_WINDOW, SERVICE, SEVERITY, SHORT_WINDOW, SLO, TIER, WINDOW
from slo_engine.definitions.policies import REACH, Severity, Tier
from slo_engine.definitions.slo import Slo, Threshold
from slo_engine.definitions.targets import error_budget
from slo_engine.recording.base import recorded, watched
from slo_engine.recording.names import (
    ABSENT_ALERT,
    BUDGET_REMAINING,
    BURN_ALERTS,
    EXHAUSTED_ALERTS,
    IMPROBABILITY,
    TOTAL_INCREASE,
)
from slo_engine.rules.model import AlertRule
from slo_engine.rules.records import burning_budget, window_ratio_selector
from slo_engine.rules.sums import sum_over


def burn_alerts(slo: Slo) -> Iterator[tuple[Tier, AlertRule]]:
    """One alert for each tier: the burn rate exceeds its factor over the long window, and still does over the short
    one. The windows, the factor and the severity are labels, so that the page says which window burns."""
    for tier in slo.tiers:
        factor = _factor(slo, tier)
        windows = {
            LONG_WINDOW: str(tier.long),
            SHORT_WINDOW: str(tier.short),
            BURN_RATE: f"{factor:.4g}",
            TIER: f"{tier.severity}-{tier.long}",
        }
        yield (
            tier,
            alert_of(
                slo,
                slo.alert or BURN_ALERTS[slo.target.key],
                tier.severity,
                _burns(slo, tier),
                _explained(slo, tier, factor),
                windows,
            ),
        )


def exhausted_alert(slo: Slo) -> Iterator[AlertRule]:
    """The alert for a budget of which nothing is left, when ``alerting.exhausted`` asks for it."""
    if slo.exhausted is None:
        return
    whole = f"{recorded(slo, BUDGET_REMAINING)}"
    expr = f"max without ({WINDOW}) ({whole}) <= 0"
    if slo.min_events:
        expr += f" and {sum_over(slo, TOTAL_INCREASE, slo.window)} > {slo.min_events - 0.5:g}"
    period = "this month" if slo.window_name == "month" else f"the last {slo.window}"
    yield alert_of(
        slo,
        EXHAUSTED_ALERTS[slo.target.key],
        slo.exhausted,
        expr,
        {
            "summary": f"{slo.service} {slo.name}{group_text(slo)}: the budget of {slo.window_name} is exhausted",
            "description": f"Of the budget for {period} {{{{ $value | humanizePercentage }}}} is left. The objective "
            "is missed; the alert ends when enough of what used the budget has left the window.",
        },
    )


def absent_alert(slo: Slo) -> Iterator[AlertRule]:
    """The alert for an SLI that is not known at all, when ``alerting.absent`` asks for it."""
    if slo.absent is None:
        return
    yield alert_of(
        slo,
        ABSENT_ALERT,
        "ticket",
        f"absent_over_time({watched(slo)}[{slo.absent}])",
        {
            "summary": f"{slo.service} {slo.name}: no data for {slo.absent}",
            "description": f"No series matches {_verbatim(str(watched(slo)))}: the agent is not scraped, or the metric "
            "has another name. Until it is back this objective is not watched.",
        },
    )


def threshold_alert(threshold: Threshold) -> AlertRule:
    """A plain alert, as its author wrote it."""
    return AlertRule(
        threshold.alert,
        threshold.expr,
        {**threshold.labels, SERVICE: threshold.service, SEVERITY: threshold.severity},
        threshold.annotations,
        threshold.duration,
    )


def alert_of(
    slo: Slo,
    name: str,
    severity: Severity,
    expr: str,
    annotations: dict[str, str],
    labels: dict[str, str] | None = None,
) -> AlertRule:
    """An alert with what identifies the SLO, and what its author adds to all alerts of this severity."""
    added = slo.alerting[severity]
    owner = {"owner": _verbatim(slo.owner)} if slo.owner else {}
    identity = {**slo.labels, **owner, SERVICE: slo.service, SLO: slo.name}
    return AlertRule(
        name,
        expr,
        {**identity, **added.labels, SEVERITY: added.severity or severity, **(labels or {})},
        {**annotations, **added.annotations},
        keep_firing_for=slo.keep_firing_for,
    )


def group_text(slo: Slo) -> str:
    """The group of an alert, in its summary."""
    return "".join(f" {{{{ $labels.{label} }}}}" for label in slo.by)


def _verbatim(text: str) -> str:
    """Text that an alert shows as it is, though it may look like a template: ``{route="/users/{{id}}"}``."""
    return text.replace("{{", '{{ "{{" }}')


def threshold_of(slo: Slo, tier: Tier) -> float:
    """The error ratio at which a tier fires for the objective of the SLO itself; for spend, the burn rate."""
    return _factor(slo, tier) * slo.target.error_budget


def _factor(slo: Slo, tier: Tier) -> float:
    return slo.target.factor(slo.policy, tier)


def _burns(slo: Slo, tier: Tier) -> str:
    threshold = _threshold(slo, tier)
    both = f"{_ratio(slo, tier.long)} > {threshold}"
    if slo.target.overrides:
        both += f" and {_ratio(slo, tier.short)} > {threshold}"
    else:
        short = window_ratio_selector(slo, _name(slo, tier.short))
        both += f" and ignoring ({WINDOW}) ({short} > {threshold})"
    if (alpha := slo.alpha_of(tier)) is not None:
        sure = recorded(slo, IMPROBABILITY).where(WINDOW, _name(slo, tier.long))
        both += f" and ignoring ({WINDOW}) ({sure} > {math.log(1 / alpha):.4g})"
    if slo.min_events:
        both += f" and {sum_over(slo, TOTAL_INCREASE, tier.long)} > {slo.min_events - 0.5:g}"
    return both


def _ratio(slo: Slo, window: Duration) -> str:
    # Without the window label the pair matches one to one, and the alert carries only what identifies it.
    return f"max without ({WINDOW}) ({window_ratio_selector(slo, _name(slo, window))})"


def _name(slo: Slo, window: Duration) -> str:
    return slo.window_name if window == slo.window else str(window)


def _threshold(slo: Slo, tier: Tier) -> str:
    if slo.target.overrides and slo.policy.adaptive and slo.target.objective is not None:
        budget = burning_budget(slo)
        lowered = f"clamp_max({tier.factor:.12g} * {budget}, {REACH:g})"
        if tier.above:
            lowered = f"clamp_min({lowered}, {tier.above:g})"
        # Under an objective of 25 % that would fire although the objective is kept.
        low = any(error_budget(objective) > REACH for _, objective in slo.target.amounts())
        return f"({lowered} > {budget} or {budget})" if low else lowered
    return f"{_factor(slo, tier):.12g} * {burning_budget(slo)}"


def _explained(slo: Slo, tier: Tier, factor: float) -> dict[str, str]:
    share = factor * tier.long.milliseconds / slo.window.milliseconds
    adapted = ""
    if factor < tier.factor:
        adapted = (
            f" The factor is {factor:.4g} instead of {tier.factor:.4g}, which an objective of "
            f"{slo.target.objective:g} % puts out of reach."
        )
    if slo.target.budget is not None:
        return {
            "summary": f"{slo.service} {slo.name}{group_text(slo)}: spends {{{{ $value | humanize }}}} times its "
            f"budget over {tier.long}",
            "description": f"Spend over the last {tier.long} and {tier.short} is more than {factor:.4g} times what the "
            f"budget allows. After {tier.long} of it, {share:.2%} of the budget of {slo.window_name} is gone.",
        }
    return {
        "summary": f"{slo.service} {slo.name}{group_text(slo)}: {{{{ $value | humanizePercentage }}}} "
        f"{slo.sli.failing} over {tier.long}",
        "description": f"The error budget burns more than {factor:.4g} times faster than the objective allows, over "
        f"the last {tier.long} and still over the last {tier.short}. After {tier.long} of it, {share:.2%} of the "
        f"budget of {slo.window} is gone.{adapted}",
    }
