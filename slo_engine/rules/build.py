"""SLOs -> rule groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.recording.stages import LONG_INTERVAL, SHORT_INTERVAL, SHORT_LIMIT
from slo_engine.rules.alerts import absent_alert, burn_alerts, exhausted_alert, threshold_alert
from slo_engine.rules.model import RuleGroup
from slo_engine.rules.records import long_records, short_records
from slo_engine.rules.spend import long_spend_alerts, short_spend_alerts


def build(slos: SloSet) -> Mapping[str, tuple[RuleGroup, ...]]:
    """The rule groups of each service. Deterministic: the same SLOs give the same groups in the same order."""
    groups: dict[str, list[RuleGroup]] = {service: [] for service in slos.services}
    for slo in sorted(slos.slos, key=lambda slo: slo.key):
        groups[slo.service] += _groups(slo)
    thresholds = sorted(slos.thresholds, key=lambda threshold: threshold.alert)
    for service in slos.services:
        plain = tuple(threshold_alert(each) for each in thresholds if each.service == service)
        if plain:
            groups[service].append(RuleGroup(f"slo-engine:{service}:thresholds", None, plain))
    return {service: tuple(found) for service, found in groups.items()}


def _groups(slo: Slo) -> Iterator[RuleGroup]:
    # An alert stands in the group whose records it reads last: it never sees a ratio that is about to be replaced,
    # and a ratio that is recorded each five minutes never goes stale between two looks at it.
    burn = list(burn_alerts(slo))
    short = [alert for tier, alert in burn if tier.long <= SHORT_LIMIT and tier.long < slo.window]
    long = [alert for tier, alert in burn if tier.long > SHORT_LIMIT or tier.long == slo.window]
    name = f"slo-engine:{slo.service}:{slo.name}"
    yield RuleGroup(name, SHORT_INTERVAL, (*short_records(slo), *short, *short_spend_alerts(slo), *absent_alert(slo)))
    rest = (*exhausted_alert(slo), *long_spend_alerts(slo))
    yield RuleGroup(f"{name}:long", LONG_INTERVAL, (*long_records(slo), *long, *rest))
