"""What is wrong with the rules that are in use: in a running Prometheus, or in the manifests of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import yaml

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.slo import SloSet
from slo_engine.errors import SloEngineError
from slo_engine.rollout.comparison import (
    OUR_GROUPS,
    NotARuleGroupError,
    PlainGroup,
    PlainRule,
    differences,
    read_group,
)
from slo_engine.rules.build import build

DifferenceKind = Literal["missing", "changed", "stale", "twice", "failing", "slow"]


class NotPrometheusRulesError(SloEngineError):
    """An answer or a manifest that holds no rules in a form that we know."""


@dataclass(frozen=True)
class RuleDifference:
    """One thing that is not as the SLO files say, and what to do about it. ``group`` is a rule group's name; ``where``
    is the file or object that holds it, empty where there is none."""

    problem: DifferenceKind
    group: str
    message: str
    advice: str
    where: str = ""

    @property
    def is_of_loading(self) -> bool:
        """Whether loading the rules again could settle it."""
        return self.problem in ("missing", "changed", "stale")

    def __str__(self) -> str:
        at = f" ({self.where})" if self.where else ""
        return f"{self.group}{at}: {self.message}: {self.advice}"

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        return asdict(self)


@dataclass(frozen=True)
class Advice:
    """How rules get to where they are evaluated."""

    bring: str
    """When they are not there, or others."""
    load: str
    """When there are too many."""


@dataclass(frozen=True)
class Placed:
    """A group, and the file or object that it comes from."""

    where: str
    group: PlainGroup


@dataclass(frozen=True)
class LoadedRules:
    """What a Prometheus has loaded: its groups, what it says of their health, and how many rules it has not evaluated
    yet, of which nothing can be said."""

    groups: tuple[Placed, ...]
    failures: tuple[RuleDifference, ...]
    pending: int


def wanted_groups(slos: SloSet) -> list[PlainGroup]:
    """The groups that the SLO files give."""
    return [read_group(group.as_data()) for groups in build(slos).values() for group in groups]


def compared(wanted: Sequence[PlainGroup], found: Iterable[Placed], advice: Advice) -> list[RuleDifference]:
    """Missing, changed, doubled and stale groups. Groups that are not ours do not count."""
    places: dict[str, list[Placed]] = {}
    for placed in _as_written(wanted, [each for each in found if each.group.is_ours]):
        places.setdefault(placed.group.name, []).append(placed)
    findings = [finding for group in wanted for finding in _of_wanted(group, places.get(group.name, ()), advice)]
    names = {group.name for group in wanted}
    findings += [
        RuleDifference(
            "stale", name, "none of the SLO files gives this group", f"remove it, and {advice.load}", placed.where
        )
        for name in sorted(places.keys() - names)
        for placed in places[name]
    ]
    return findings


def _as_written(wanted: Sequence[PlainGroup], found: Sequence[Placed]) -> list[Placed]:
    """Without the labels that all rules have and that nobody writes: Thanos says of each rule also the external labels
    of the Prometheus that it comes from."""
    written = {name for group in wanted for rule in group.rules for name in rule.labels}
    rules = [rule for placed in found for rule in placed.group.rules]
    common = set.intersection(*(set(rule.labels.items()) for rule in rules)) if rules else set()
    external = {name for name, _ in common if name not in written}
    if not external:
        return list(found)
    return [replace(placed, group=_without(placed.group, external)) for placed in found]


def _without(group: PlainGroup, labels: Set[str]) -> PlainGroup:
    rules = (
        replace(rule, labels={name: value for name, value in rule.labels.items() if name not in labels})
        for rule in group.rules
    )
    return replace(group, rules=tuple(rules))


def _of_wanted(group: PlainGroup, places: Sequence[Placed], advice: Advice) -> Iterator[RuleDifference]:
    if not places:
        yield RuleDifference("missing", group.name, "is not there", advice.bring)
    if len(places) > 1:
        all_places = ", ".join(sorted(placed.where for placed in places))
        message = f"is there {len(places)} times ({all_places}), so its rules are evaluated more than once"
        yield RuleDifference("twice", group.name, message, f"keep one of them, and {advice.load}")
    for placed in places:
        for difference in differences(group, placed.group):
            yield RuleDifference("changed", group.name, difference, advice.bring, placed.where)


def read_loaded(data: Sequence[Mapping[str, Any]]) -> LoadedRules:
    """The ``groups`` of Prometheus' ``GET /api/v1/rules``. Raises NotPrometheusRulesError.

    https://prometheus.io/docs/prometheus/latest/querying/api/#rules
    """
    try:
        return _loaded(data)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotPrometheusRulesError(
            f"the list of loaded rules has a form that is not Prometheus' ({type(error).__name__}: {error})"
        ) from None


def _loaded(data: Sequence[Mapping[str, Any]]) -> LoadedRules:
    groups, failures, pending = [], [], 0
    for loaded in data:
        if not str(loaded["name"]).startswith(OUR_GROUPS):
            continue  # of another tool, and of whatever form
        group = PlainGroup(
            loaded["name"], round(loaded["interval"] * 1000), tuple(_loaded_rule(rule) for rule in loaded["rules"])
        )
        groups.append(Placed(loaded["file"], group))
        pending += sum(rule["health"] == "unknown" for rule in loaded["rules"])
        failures += [
            RuleDifference(
                "failing",
                group.name,
                f"{plain} fails: {rule.get('lastError') or 'Prometheus gives no reason'}",
                "change the SLO or the metrics that it reads until this expression can be evaluated",
                loaded["file"],
            )
            for plain, rule in zip(group.rules, loaded["rules"], strict=True)
            if rule["health"] not in ("ok", "unknown")
        ]
        taken = float(loaded.get("evaluationTime") or 0)
        if taken > loaded["interval"]:
            every = Duration(round(loaded["interval"] * 1000))
            failures.append(
                RuleDifference(
                    "slow",
                    group.name,
                    f"one evaluation takes {taken:.3g} s, and the next one is due after {every}: some are left out",
                    "group by fewer labels, or give Prometheus more processors",
                    loaded["file"],
                )
            )
    return LoadedRules(tuple(groups), tuple(failures), pending)


def _loaded_rule(data: Mapping[str, Any]) -> PlainRule:
    return PlainRule(
        "alert" if data["type"] == "alerting" else "record",
        data["name"],
        data["query"],
        dict(data.get("labels") or {}),
        dict(data.get("annotations") or {}),
        round(float(data.get("duration") or 0) * 1000),
        round(float(data.get("keepFiringFor") or 0) * 1000),
    )


def read_manifests(where: str, text: str) -> Iterator[Placed]:
    """The rule groups in PrometheusRules and ConfigMaps, lists of them included, as `kubectl get -o yaml` prints them.
    Raises NotPrometheusRulesError for what is not a manifest."""
    try:
        for document in yaml.load_all(text, Loader=yaml.CSafeLoader):
            yield from _placed(where, document)
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise NotPrometheusRulesError(
            f"{where} is not a Kubernetes manifest ({reason}): give what `kubectl get prometheusrules -o yaml` prints"
        ) from None
    except NotARuleGroupError as error:
        raise NotPrometheusRulesError(f"{where}: {error}") from None


def _placed(where: str, data: Any) -> Iterator[Placed]:
    if data is None:
        return
    kind = data["kind"]
    metadata = data.get("metadata") or {}
    named = f"{where}: {kind} {metadata.get('namespace', 'default')}/{metadata.get('name', '?')}"
    if kind == "PrometheusRule":
        yield from (Placed(named, read_group(group)) for group in (data.get("spec") or {}).get("groups") or ())
    elif kind == "ConfigMap":
        for key, text in sorted((data.get("data") or {}).items()):
            yield from _in_config_map(f"{named} {key}", text)
    elif kind.endswith("List"):
        for item in data.get("items") or ():
            # The items of a typed list may leave out their kind.
            yield from _placed(where, {"kind": kind.removesuffix("List"), **item})


def _in_config_map(where: str, text: str) -> Iterator[Placed]:
    # A ConfigMap may hold anything: what is not a rule file is not ours.
    try:
        data = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return
    groups = data.get("groups") if isinstance(data, dict) else None
    for group in groups if isinstance(groups, list) else ():
        if isinstance(group, dict) and "rules" in group:
            yield Placed(where, read_group(group))
