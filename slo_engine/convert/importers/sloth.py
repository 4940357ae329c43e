"""Sloth: ``prometheus/v1``, its Kubernetes form ``PrometheusServiceLevel``, and its catalogues of alert windows.

The format is described in github.com/slok/sloth, ``pkg/prometheus/api/v1`` and ``pkg/kubernetes/api/sloth/v1``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from slo_engine.convert.importers import queries
from slo_engine.convert.importers.alert_texts import Alert, Words
from slo_engine.convert.importers.draft import SEVERITIES, Draft, annotations_of, labels_of, named, translation
from slo_engine.convert.importers.source import MalformedError, Node
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import LONG_WINDOW, SERVICE, SLO
from slo_engine.definitions.policies import Policy, Severity, Tier

_KUBERNETES = "sloth.slok.dev/v1"
_PERIOD = Duration.parse("30d")
"""Sloth's period where neither its flag nor a catalogue sets another one."""

_PLUGINS = "plugins change the rules that Sloth writes; the rules here are others: see whether one of its keys does it"
WORDS = Words(
    renamed={"sloth_service": SERVICE, "sloth_slo": SLO, "sloth_window": LONG_WINDOW},
    severity="sloth_severity",
    joined={"sloth_id": (SERVICE, SLO)},
    own=r"sloth_\w+",
    anywhere=r"sloth_\w+|slo:\w+:\w+",
)
"""The labels of Sloth: ``pkg/common/conventions/slo.go``."""


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
            node.leave_key(
                "metadata",
                (
                    "it names the Kubernetes object: `rules generate --format prometheusrule --namespace ... --label "
                    "name=value` gives its namespace, and the labels that a ruleSelector asks for"
                ),
            )
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
    node.leave_key(
        "metadata",
        (
            "it names the Kubernetes object: `rules generate --format prometheusrule --namespace ... --label "
            "name=value` gives its namespace, and the labels that a ruleSelector asks for"
        ),
    )
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
    labels = labels_of(spec.find("labels"), read=translation(WORDS))
    spec.leave_key(keys.group_plugins, _PLUGINS)
    slos = spec.find("slos")
    for node in slos.items() if slos else []:
        own = labels_of(node.find("labels"), read=translation(WORDS))
        draft = Draft(service, named(node.at("name")), node, labels={**labels, **own})
        for key in ("alerting", "sli", "objective"):
            draft.comes_from(node.find(key), key)
        if description := node.find("description"):
            draft.fields["description"] = description.text().strip()
        draft.fields["objective"] = node.at("objective").number()
        draft.fields["window"] = str(catalogue.period if catalogue else _PERIOD)
        node.leave_key("plugins", _PLUGINS)
        draft.indicate(node.at("sli"), partial(_indicator, keys=keys))
        if alerting := node.find("alerting"):
            _alerting(draft, alerting, keys)
        if catalogue:
            draft.comes_from(catalogue.node, "alerting")
            draft.follow(catalogue.node, catalogue.policy, catalogue.period)
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
    for severity in SEVERITIES:
        own = alerting.find(keys.tiers[severity])
        of_both = [alerting, own] if own else [alerting]
        for each in of_both:
            if (labels_there := each.find("labels")) and (called := labels_there.find("severity")):
                draft.call_severity(severity, called)
        # Labels first: a text may ask for one.
        labels = _merged(labels_of(each.find("labels"), read=_reading(draft, severity, {})) for each in of_both)
        read = _reading(draft, severity, labels)
        annotations = _merged(annotations_of(each.find("annotations"), read=read) for each in of_both)
        disabled = own.find("disable") if own else None
        if disabled and disabled.flag():
            draft.disable(severity)
        else:
            draft.tier_labels[severity] = labels
            draft.annotate(severity, annotations)
    if name := alerting.find("name"):
        if draft.silent:
            name.leave("it has no burn alerts")
        else:
            draft.call_alerts(name)
    draft.write_severities()


def _reading(draft: Draft, severity: Severity, labels: Mapping[str, str]) -> Callable[[Node], str]:
    by = None if draft.refused is not None else tuple(draft.fields.get("by", ()))
    return translation(WORDS, Alert(draft.severities[severity], severity, by, {**draft.labels, **labels}))


def _merged(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {key: text for part in parts for key, text in part.items()}
