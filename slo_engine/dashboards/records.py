"""PromQL on what the rules record, for SLOs of any group: the labels that it keeps are those of the group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from slo_engine.dashboards.model import Thresholds
from slo_engine.definitions.labels import SERVICE, SLO, TIER, WINDOW
from slo_engine.definitions.policies import REACH, Tier
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.recording.names import BUDGET_REMAINING, ERROR_RATIO, OBJECTIVE

IDENTITY = f"{SERVICE}, {SLO}"
"""The labels that name an SLO, in an aggregation."""

BUDGET_LEFT: Thresholds = ((None, "red"), (0.000001, "orange"), (0.25, "green"))
"""Exhausted, nearly, and well."""

BURNING: Thresholds = ((None, "green"), (1, "orange"), (6, "red"))
"""At 1 the budget lasts just as long as its window; from 6 on most policies page."""


def remaining(matchers: str) -> str:
    """What is left of the error budget of each group."""
    return f"max without ({WINDOW}) ({BUDGET_REMAINING}{{{matchers}}})"


def burn_rate(matchers: str, *over: str) -> str:
    """How many times faster than allowed the budget burns over these windows. The ratio of spend is that already, and
    has no objective."""
    ratio = f'{ERROR_RATIO}{{{matchers},{WINDOW}=~"{"|".join(over)}"}}'
    objective = f"{OBJECTIVE}{{{matchers}}}"
    return (
        f"{ratio} / ignoring ({WINDOW}) group_left () (1 - {objective})\n"
        f"  or ({ratio} unless ignoring ({WINDOW}) {objective})"
    )


def firing(matchers: str) -> str:
    """The series of alerts that fire. There are none when none does: see :func:`counted`."""
    return f'ALERTS{{alertstate="firing",{matchers}}}'


def counted(series: str, where: str) -> str:
    """How many of these series there are: 0 where there is none, and nothing at all where the rules record nothing."""
    return f"count({series}) or 0 * count({ERROR_RATIO}{{{where}}})"


def thresholds(slos: SloSet, matchers: str) -> Mapping[int, Mapping[str, str]]:
    """Of each long window, in minutes: tier -> the burn rates at which it fires, one for each group that is chosen."""
    found: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (tier, service, *_), alike in _alike(slos).items():
        names = "|".join(slo.name.replace(".", "[.]") for slo in alike)
        own = f'{matchers},{SERVICE}="{service}",{SLO}=~"{names}"'
        found[_minutes(tier)][f"{tier.severity}-{tier.long}"].append(_threshold(alike[0], tier, own))
    return {
        minutes: {
            name: f'label_replace(max without ({IDENTITY}) ({" or ".join(parts)}), "{TIER}", "{name}", "", "")'
            for name, parts in sorted(tiers.items())
        }
        for minutes, tiers in sorted(found.items())
    }


def windows(slos: SloSet, minutes: int) -> tuple[str, ...]:
    """The long window of this length, and the short ones that belong to it."""
    tiers = [(slo, tier) for slo, tier in _tiers(slos) if _minutes(tier) == minutes]
    long = {_name(slo, tier) for slo, tier in tiers}
    return (*sorted(long), *sorted({str(tier.short) for _, tier in tiers} - long))


def _alike(slos: SloSet) -> Mapping[tuple[Tier, str, bool, bool, str], list[Slo]]:
    """SLOs of a service whose tiers fire at the same burn rate, or at one that is reckoned in the same way."""
    found: dict[tuple[Tier, str, bool, bool, str], list[Slo]] = defaultdict(list)
    for slo, tier in _tiers(slos):
        found[tier, slo.service, slo.policy.adaptive, slo.counts_events, _name(slo, tier)].append(slo)
    return found


def _tiers(slos: SloSet) -> Iterator[tuple[Slo, Tier]]:
    return ((slo, tier) for slo in slos.slos for tier in slo.tiers)


def _threshold(slo: Slo, tier: Tier, matchers: str) -> str:
    """As `Policy.factor` has it, for the objective of each group."""
    if not slo.counts_events:
        ratio = f'{ERROR_RATIO}{{{matchers},{WINDOW}="{_name(slo, tier)}"}}'
        return f"0 * max without ({WINDOW}) ({ratio}) + {tier.factor:.12g}"
    budget = f"(1 - {OBJECTIVE}{{{matchers}}})"
    ratio = f"{tier.factor:.12g} * {budget}"
    if slo.policy.adaptive:
        ratio = f"clamp_max({ratio}, {REACH:g})"
    if tier.above:
        ratio = f"clamp_min({ratio}, {tier.above:g})"
    return f"clamp_min({ratio} / {budget}, 1)" if slo.policy.adaptive else f"{ratio} / {budget}"


def _minutes(tier: Tier) -> int:
    return int(tier.long.seconds // 60)


def _name(slo: Slo, tier: Tier) -> str:
    return slo.window_name if tier.long == slo.window else str(tier.long)
