"""``simulate``: how soon a burn-rate policy would tell of an outage, and how easily it fires for nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from slo_engine import amounts
from slo_engine.backtest.detection import Traffic, threshold
from slo_engine.backtest.simulation import Simulated, SimulatedTier, outcome
from slo_engine.definitions.policies import BUILT_IN, Policy
from slo_engine.definitions.slo import Slo
from slo_engine.definitions.targets import error_budget
from slo_engine.web.assistants import queries
from slo_engine.web.assistants.answers import AskedWronglyError, Packed, digits, labels, name, query
from slo_engine.web.services import Services

ERROR_RATIOS = (1.0, 0.5, 0.1, 0.05, 0.02, 0.01)

FORMULAS = "SRE workbook, chapter 5 (https://sre.google/workbook/alerting-on-slos/)"


class SimulateArguments(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    service: Annotated[str, Field(description="The service of the SLO.")]
    slo: Annotated[str, Field(description="The name of the SLO.")]
    policy: Annotated[
        str | None, Field(description="A policy: google, agent, page-at-5x, or one that an SLO uses; else its own.")
    ] = None
    error_percent: Annotated[
        list[Annotated[float, Field(gt=0, le=100)]] | None,
        Field(min_length=1, max_length=8, description="Outages: the percentages of events that fail."),
    ] = None
    events_per_hour: Annotated[
        float | None, Field(gt=0, le=1e9, description="Traffic; else that of its busiest group over the SLO window.")
    ] = None


@dataclass(frozen=True)
class _Rate:
    """How many events there are in an hour, and who says so."""

    events_per_hour: float
    said_by: Mapping[str, Any]


def simulate(asked: SimulateArguments, services: Services) -> Packed:
    """Outages of some error ratios, then what single errors do at this traffic."""
    slos = services.slos.active.slos
    slo = slos.find(asked.service, asked.slo)
    if slo is None:
        known = ", ".join(sorted(f"{each.service} {each.name}" for each in slos.slos)[:20])
        raise AskedWronglyError(f"there is no SLO {asked.slo!r} of {asked.service!r}; there are: {known or 'none'}")
    objective = slo.target.objective
    if objective is None:
        raise AskedWronglyError(
            f"{slo.name!r} of {slo.service!r} is a budget of money: only SLOs with an objective are simulated"
        )
    policy = _policy(asked.policy, slo, {each.policy.name: each.policy for each in slos.slos})
    ratios = [each / 100 for each in asked.error_percent] if asked.error_percent else ERROR_RATIOS
    found = [outcome(policy, objective, ratio, slo.window) for ratio in ratios]
    rate = _rate(asked, services, slo)
    packed = (
        Packed()
        .put("slo", {"service": name(slo.service), "name": name(slo.name)})
        .put("objective_percent", objective)
        .put("window", str(slo.window))
        .put("policy", name(policy.name))
        .put("computed_by", f"formulas: {FORMULAS}; with_rules: slo-engine's rules, evaluated step by step")
        .put("command", f"slo-engine simulate -p {policy.name} --objective {objective:g} --window {slo.window}")
        .put("for", "an outage of one error ratio in steady traffic, after a healthy long window")
        .put_each("outages", map(_outage, found))
    )
    if rate is not None:
        traffic = Traffic(rate.events_per_hour, error_budget(objective), slo.window)
        packed.put("traffic", rate.said_by)
        packed.put("errors_allowed_in_window", traffic.errors_allowed)
        packed.put_each("false_alerts", _false_alerts(found[0].tiers, slo, traffic))
        packed.put(
            "chance_means",
            "probability that a service which just meets its objective has that many errors in one long window: the "
            "exact binomial tail",
        )
    return packed


def _policy(wanted: str | None, slo: Slo, used: Mapping[str, Policy]) -> Policy:
    known = {**BUILT_IN, **used}
    if wanted is None:
        return slo.policy
    if wanted not in known:
        raise AskedWronglyError(f"policy: there is no {wanted!r}; there are: {', '.join(sorted(known))}")
    return known[wanted]


def _rate(asked: SimulateArguments, services: Services, slo: Slo) -> _Rate | None:
    if asked.events_per_hour is not None:
        return _Rate(asked.events_per_hour, {"events_per_hour": asked.events_per_hour, "from": "the question"})
    if not slo.counts_events:
        return None
    own = [each for each in services.board.statuses if (each.service, each.slo) == slo.key and each.events]
    busiest = max(own, key=lambda each: each.events.total if each.events else 0.0, default=None)
    if busiest is None or busiest.events is None:
        return None
    over = busiest.data_over or slo.window
    rate = busiest.events.total / (over.seconds / 3600)
    if rate <= 0:
        return None
    return _Rate(
        rate,
        {
            "events_per_hour": digits(rate),
            "group": labels(busiest.group) or None,
            "events": digits(busiest.events.total),
            "over": str(over),
            "query": query(queries.events(busiest.as_json())),
        },
    )


def _outage(found: Simulated) -> Mapping[str, Any]:
    first = found.first
    data: dict[str, Any] = {
        "errors": amounts.share(found.error_ratio),
        "burn_rate": digits(found.burn_rate),
        "budget_gone_after": amounts.length(found.exhausted_seconds),
    }
    if first is None:
        return {**data, "fires": "nothing"}
    return {
        **data,
        "fires": f"{first.ideal.tier} x{first.ideal.factor:.4g}",
        "after": amounts.length(first.ideal.seconds),
        "with_rules": amounts.length(first.seconds),
        "budget_spent": amounts.share(first.ideal.budget_spent),
        "over_after": amounts.length(first.reset_seconds, "-"),
    }


def _false_alerts(tiers: Sequence[SimulatedTier], slo: Slo, traffic: Traffic) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for each in tiers:
        tier = each.ideal.tier
        events = traffic.events_per_hour * tier.long.seconds / 3600
        least = traffic.errors_to_fire(
            tier.long, threshold(each.ideal.factor, traffic.error_budget), slo.alpha_of(tier)
        )
        said: dict[str, Any] = {"tier": str(tier), "events": digits(events)}
        if least is None:
            found.append({**said, "fires_from": "never: of so few events nothing is sure"})
        else:
            chance = _tail(events, least, traffic.error_budget)
            found.append({**said, "fires_from_errors": least, "chance": float(f"{chance:.2g}")})
    return found


def _tail(events: float, least: int, probability: float) -> float:
    """P(X >= ``least``) for a binomial of so many events."""
    number = max(round(events), least)
    term = math.exp(
        math.lgamma(number + 1)
        - math.lgamma(least + 1)
        - math.lgamma(number - least + 1)
        + least * math.log(probability)
        + (number - least) * math.log1p(-probability)
    )
    total = 0.0
    for errors in range(least, number + 1):
        total += term
        if term < total * 1e-9:
            break
        term *= (number - errors) / (errors + 1) * probability / (1 - probability)
    return min(total, 1.0)
