"""Sloth: ``prometheus/v1``, its Kubernetes form ``PrometheusServiceLevel``, and its catalogues of alert windows.

The format is described in github.com/slok/sloth, ``pkg/prometheus/api/v1`` and ``pkg/kubernetes/api/sloth/v1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from slo_engine.convert.importers import queries
from slo_engine.convert.importers.draft import SEVERITIES, Draft, annotations_of, labels_of, named
from slo_engine.convert.importers.source import MalformedError, Node
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.policies import Policy, Severity, Tier

_KUBERNETES = "sloth.slok.dev/v1"
_PERIOD = Duration.parse("30d")
"""Sloth's period where neither its flag nor a catalogue sets another one."""

_PLUGINS = "plugins change the rules that Sloth writes; the rules here are others: see whether one of its keys does it"
_NAME = (
    "alerts here are named SLOErrorBudgetBurn, and tell their SLO by the labels slo_service and slo: change routes and "
    "silences to these"
)


def drafts(objects: Iterable[Node], service: str | None) -> Iterator[Draft]:  # noqa: ARG001 - Sloth names its service
    """The SLOs of these objects. A catalogue of alert windows among them is that of all."""
    specs = []
    catalogue: _Catalogue | None = None
    for node in objects:
        node.ignore("version", "apiVersion", "kind")
        if node.value.get("kind") == "AlertWindows":
            if catalogue is not None:
                raise MalformedError(node.problem("is a second catalogue of alert windows: import with one at a time"))
            catalogue = _catalogue(node)
        elif node.value.get("apiVersion") == _KUBERNETES:
            node.leave_key("metadata", "it names the Kubernetes object: nothing here needs it")
            node.leave_key("status", "the state of Sloth's controller")
            specs.append((node.at("spec"), _IN_KUBERNETES))
        else:
            specs.append((node, _PLAIN))
    for spec, keys in specs:
        yield from _service(spec, keys, catalogue)


@dataclass(frozen=True)
class _Keys:
    """The two spellings of the format: Sloth passes over the one in the other's place."""

    errors: str
    total: str
    raw: str
    group_plugins: str
    tiers: Mapping[Severity, str]


_PLAIN = _Keys(
    "error_query", "total_query", "error_ratio_query", "slo_plugins", {"page": "page_alert", "ticket": "ticket_alert"}
)
_IN_KUBERNETES = _Keys(
    "errorQuery", "totalQuery", "errorRatioQuery", "sloPlugins", {"page": "pageAlert", "ticket": "ticketAlert"}
)


@dataclass(frozen=True)
class _Catalogue:
    """Alert windows of one's own, which Sloth is given beside the SLOs."""

    node: Node
    period: Duration
    policy: Policy


def _catalogue(node: Node) -> _Catalogue:
    node.leave_key("metadata", "it names the Kubernetes object: nothing here needs it")
    spec = node.at("spec")
    period = _duration(spec.at("sloPeriod"))
    tiers = []
    for severity in SEVERITIES:
        for speed in ("quick", "slow"):
            window = spec.at(severity).at(speed)
            long, short = _duration(window.at("longWindow")), _duration(window.at("shortWindow"))
            share = window.at("errorBudgetPercent").number() / 100
            # Sloth, internal/alert/window.go: the factor at which this share of the budget is spent in the long window.
            factor = float(f"{share * period.seconds / long.seconds:.4g}")
            tiers.append(Tier(severity, long, short, factor))
    return _Catalogue(node, period, Policy(f"sloth-{period}", tuple(tiers)))


def _duration(node: Node) -> Duration:
    try:
        return Duration.parse(node.text())
    except ValueError:
        raise MalformedError(node.problem("must be a duration, such as 30d")) from None


def _service(spec: Node, keys: _Keys, catalogue: _Catalogue | None) -> Iterator[Draft]:
    service = named(spec.at("service"), "service")
    labels = labels_of(spec.find("labels"))
    spec.leave_key(keys.group_plugins, _PLUGINS)
    slos = spec.find("slos")
    for node in slos.items() if slos else []:
        draft = Draft(service, named(node.at("name")), node, labels={**labels, **labels_of(node.find("labels"))})
        for key in ("alerting", "sli", "objective"):
            draft.comes_from(node.find(key), key)
        if description := node.find("description"):
            draft.fields["description"] = description.text().strip()
        draft.fields["objective"] = node.at("objective").number()
        draft.fields["window"] = str(catalogue.period if catalogue else _PERIOD)
        node.leave_key("plugins", _PLUGINS)
        if alerting := node.find("alerting"):
            _alerting(draft, alerting, keys)
        if catalogue:
            draft.comes_from(catalogue.node, "alerting")
            draft.follow(catalogue.node, catalogue.policy, catalogue.period)
        draft.indicate(node.at("sli"), partial(_indicator, keys=keys))
        yield draft


def _indicator(sli: Node, keys: _Keys) -> queries.Indicator:
    if events := sli.find("events"):
        return queries.events(events.at(keys.total).text(), errors=events.at(keys.errors).text())
    if raw := sli.find("raw"):
        return queries.ratio(raw.at(keys.raw).text(), of="errors")
    if plugin := sli.find("plugin"):
        name = plugin.at("id").text()
        raise queries.CannotExpressError(
            f"the queries are made by Sloth's plugin {name!r}: run `sloth generate`, and name the counters that it uses"
        )
    raise MalformedError(sli.problem("must have one of events, raw and plugin"))


def _alerting(draft: Draft, alerting: Node, keys: _Keys) -> None:
    alerting.leave_key("name", _NAME)
    labels, annotations = labels_of(alerting.find("labels")), annotations_of(alerting.find("annotations"))
    for severity in SEVERITIES:
        own = alerting.find(keys.tiers[severity])
        tier_labels = labels | labels_of(own.find("labels") if own else None)
        tier_annotations = annotations | annotations_of(own.find("annotations") if own else None)
        disabled = own.find("disable") if own else None
        if disabled and disabled.flag():
            draft.disable(severity)
        else:
            draft.tier_labels[severity] = tier_labels
            draft.annotate(severity, tier_annotations)
