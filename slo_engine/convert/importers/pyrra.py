"""Pyrra: ``pyrra.dev/v1alpha1 ServiceLevelObjective``.

The format is described in github.com/pyrra-dev/pyrra, ``kubernetes/api/v1alpha1``; what its alerts are, in
``slo/rules.go`` (``Windows``) and ``slo/slo.go`` (``AbsentDuration``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from slo_engine.convert.importers import queries
from slo_engine.convert.importers.alert_texts import Alert, Words
from slo_engine.convert.importers.draft import (
    MINUTE,
    SEVERITIES,
    Draft,
    annotations_of,
    labels_of,
    named,
    plain_name,
    translation,
)
from slo_engine.convert.importers.source import MalformedError, Node
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import LONG_WINDOW, SHORT_WINDOW
from slo_engine.definitions.policies import Policy, Severity, Tier
from slo_engine.definitions.promql import Selector

_TIERS: tuple[tuple[Severity, int, int, float], ...] = (
    ("page", 60, 5, 14),
    ("page", 360, 30, 7),
    ("ticket", 1440, 120, 2),
    ("ticket", 5760, 360, 1),
)
"""Severity, minutes of the long and the short window, factor: for a window of 28 days, and scaled to others."""

_FOR = Decimal(2)
"""Minutes for which the fastest alert must hold, for a window of 28 days."""

_NAME = "ErrorBudgetBurn"
"""What its burn alerts are named where a file does not say: ``slo/slo.go``."""

_SEVERITIES: Mapping[Severity, tuple[str, str]] = {
    "page": ("fastBurn", "mediumBurn"),
    "ticket": ("slowBurn", "longTermBurn"),
}
"""Its four tiers as ``alerting.severities`` names them."""

_PREFIX = "pyrra.dev/"
_LEFT_OUT = {
    "partial_response_strategy": "it is for Thanos Ruler: set it where the rules are deployed",
    "performanceOverAccuracy": "long windows are always added up from recorded stages here, which is cheap",
    "ruleOutput": "it labels Pyrra's PrometheusRule objects: set labels where the rules are deployed",
}

WORDS = Words(
    renamed={"long": LONG_WINDOW, "short": SHORT_WINDOW},
    severity="severity",
    own="exhaustion",
    anywhere=r"\w+:(?:burnrate|increase)\d\w*|pyrra_\w+",
)
"""The labels and records of Pyrra: ``slo/rules.go``. The name of the SLO is ``slo`` there, too."""


def drafts(objects: Iterable[Node], service: str | None) -> Iterator[Draft]:
    """The SLOs of these objects. Pyrra has no services: they get this one, or are told apart by their namespaces."""
    for node in objects:
        node.ignore("apiVersion", "kind")
        node.leave_key("status", "the state of Pyrra's operator")
        yield _slo(node, service)


def _slo(node: Node, service: str | None) -> Draft:
    metadata, spec = node.at("metadata"), node.at("spec")
    draft = Draft(_service(metadata, service), named(metadata.at("name")), node)
    draft.labels = labels_of(metadata.find("labels"), _PREFIX, translation(WORDS))
    for key, ours in (("alerting", "alerting"), ("indicator", "sli"), ("target", "objective"), ("window", "window")):
        draft.comes_from(spec.find(key), ours)
    draft.comes_from(metadata.find("annotations"), "alerting")
    if (description := spec.find("description")) and description.text().strip():
        draft.fields["description"] = description.text().strip()
    draft.fields["objective"] = spec.at("target").number()
    window = _duration(spec.at("window"))
    draft.fields["window"] = str(window)
    for key, why in _LEFT_OUT.items():
        spec.leave_key(key, why)
    draft.indicate(spec.at("indicator"), _indicator)
    _alerting(draft, spec, window, metadata.find("annotations"))
    return draft


def _service(metadata: Node, service: str | None) -> str:
    namespace = metadata.find("namespace")
    if service is not None:
        if namespace:
            namespace.leave("the service was given with --service")
        return service
    if namespace is None:
        metadata.changed("Pyrra has no services, and here is no namespace: the service is `default`; --service sets it")
        return "default"
    name = plain_name(namespace.text(), "default")
    namespace.changed(f"Pyrra has no services: the namespace is the service, {name}; --service sets another one")
    return name


def _duration(node: Node) -> Duration:
    try:
        return Duration.parse(node.text())
    except ValueError:
        raise MalformedError(node.problem("must be a duration, such as 4w")) from None


def _alerting(draft: Draft, spec: Node, window: Duration, annotations: Node | None) -> None:
    alerting = spec.find("alerting")
    wanted = {"burnrates": True, "absent": True, "disabled": False}
    if alerting:
        for key, default in wanted.items():
            flag = alerting.find(key)
            wanted[key] = flag.flag() if flag else default
        alerting.leave_key("absentName", "the alert for missing data is SLODataAbsent here: change routes and silences")
    if wanted["disabled"] or not wanted["burnrates"]:
        draft.disable("page", "ticket")
        annotations_of(annotations, _PREFIX)
        if alerting:
            alerting.leave_key("name", "it has no burn alerts")
            alerting.leave_key("severities", "it has no burn alerts")
    else:
        _name_and_severities(draft, alerting)
        draft.write_severities()
        for severity in SEVERITIES:
            draft.annotate(severity, annotations_of(annotations, _PREFIX, _reading(draft, severity)))
        waits = "Pyrra's alerts wait (`for`, 2m to 3h at a window of 28 days); here both windows suffice"
        spec.changed(waits, "alerting")
        draft.follow(spec, _policy(window), window)
    if wanted["absent"] and not wanted["disabled"]:
        draft.alerting()["absent"] = str(_absent(draft.fields["objective"], window))
        spec.changed("Pyrra's alert for missing data is critical; here it is as urgent as a ticket", "alerting")


def _name_and_severities(draft: Draft, alerting: Node | None) -> None:
    draft.alerting()["name"] = _NAME
    draft.severities.update({"page": "critical", "ticket": "warning"})
    if alerting is None:
        return
    if name := alerting.find("name"):
        draft.call_alerts(name)
    if severities := alerting.find("severities"):
        severities.leave_key("absent", "the alert for missing data is as urgent as a ticket here")
    for severity, (faster, slower) in _SEVERITIES.items() if severities else ():
        assert severities is not None
        default = draft.severities[severity]
        if first := severities.find(faster):
            draft.call_severity(severity, first)
        second = severities.find(slower)
        if (second.text() if second else default) != (first.text() if first else default):
            shared = f"{faster} and {slower} are {severity} here, and share one severity: {draft.severities[severity]}"
            severities.changed(shared)


def _reading(draft: Draft, severity: Severity) -> Callable[[Node], str]:
    known, called = draft.refused is None, draft.severities[severity]
    by = tuple(draft.fields.get("by", ())) if known else None
    of_series = _labels_of_series(draft.fields["sli"]) if known else {}
    return translation(WORDS, Alert(called, called, by, {**of_series, **draft.labels}))


def _labels_of_series(sli: dict[str, Any]) -> dict[str, str]:
    """The labels that Pyrra's alerts have from the metric: those that its selector gives one value."""
    (kind,) = sli.values()
    try:
        found = queries.selector(kind.get("total") or kind.get("histogram") or kind.get("good"))
    except queries.CannotExpressError:
        return {}
    return {matcher.name: matcher.value for matcher in found.matchers if matcher.op == "="}


def _policy(window: Duration) -> Policy:
    tiers = (
        Tier(severity, Duration(_scaled(long, window)), Duration(_scaled(short, window)), factor)
        for severity, long, short, factor in _TIERS
        if _scaled(long, window) and _scaled(short, window)
    )
    return Policy(f"pyrra-{window}", tuple(tiers))


def _scaled(minutes: Decimal | int, window: Duration) -> int:
    """A length for 28 days scaled to another window, in milliseconds, rounded to the minute as Go rounds."""
    scaled = Decimal(minutes) * window.milliseconds / Duration.parse("28d").milliseconds
    return int(scaled.quantize(Decimal(1), ROUND_HALF_UP)) * MINUTE


def _absent(objective: float, window: Duration) -> Duration:
    """The time that a full outage takes to fire Pyrra's fastest alert: 14 x error budget x long window, and `for`."""
    _, long, _, factor = _TIERS[0]
    seconds = Decimal(str(factor)) * (1 - Decimal(str(objective)) / 100) * _scaled(long, window) / 1000
    milliseconds = int(seconds) * 1000 + _scaled(_FOR, window)
    minutes = int((Decimal(milliseconds) / MINUTE).quantize(Decimal(1), ROUND_HALF_UP))
    return Duration(max(1, minutes) * MINUTE)


def _indicator(node: Node) -> queries.Indicator:
    kind = next((kind for kind in _KINDS if node.holds(kind)), None)
    if kind is None:
        raise MalformedError(node.problem("must have one of ratio, latency, latencyNative and bool_gauge"))
    inside = node.at(kind)
    grouping = inside.find("grouping")
    by = tuple(label.text() for label in grouping.items()) if grouping else ()
    return queries.Indicator(_KINDS[kind](inside), by)


def _metric(node: Node) -> Selector:
    return queries.selector(node.at("metric").text())


def _ratio(node: Node) -> dict[str, Any]:
    sli, doubt = queries.counted([_metric(node.at("total"))], errors=_metric(node.at("errors")))
    if doubt:
        node.changed(doubt)
    return sli


def _latency(node: Node) -> dict[str, Any]:
    sli, _ = queries.counted([_metric(node.at("total"))], good=_metric(node.at("success")))
    return sli


def _latency_native(node: Node) -> dict[str, Any]:
    histogram, threshold = str(_metric(node.at("total"))), str(_duration(node.at("latency")))
    return {"latency": {"histogram": histogram, "threshold": threshold, "native": True}}


def _bool_gauge(node: Node) -> dict[str, Any]:
    node.changed("Pyrra weighs every sample; here a minute is bad once a series of the group is 0: aggregate several")
    return {"slices": {"good": str(_metric(node))}}


_KINDS: Mapping[str, Callable[[Node], dict[str, Any]]] = {
    "ratio": _ratio,
    "latency": _latency,
    "latencyNative": _latency_native,
    "bool_gauge": _bool_gauge,
}
