"""OpenSLO: ``openslo/v1`` and ``openslo/v1alpha``, whose objects stand in one another, or are referred to by name.

The format is described in github.com/OpenSLO/OpenSLO, ``README.md`` (v1alpha: its state of 2022).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import partial

from slo_engine.convert.importers import queries
from slo_engine.convert.importers.draft import Draft, labels_of, named, plain_name
from slo_engine.convert.importers.openslo_alerts import follow_policies
from slo_engine.convert.importers.openslo_objects import Objects, UnresolvedError
from slo_engine.convert.importers.source import MalformedError, Node
from slo_engine.definitions.duration import Duration

_DAYS = {"d": 1, "w": 7, "M": 30, "Q": 90, "Y": 365}
_UNITS = {"Minute": "m", "Hour": "h", "Day": "d", "Week": "w", "Month": "M", "Quarter": "Q", "Year": "Y"}
_OPERATORS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_COMPARED = ("op", "value", "timeSliceTarget", "timeSliceWindow")
"""What an objective says of its SLI: of one that is shown as it stands, nothing need be said."""

_PROMETHEUS = ("prometheus", "promql", "thanos", "mimir", "cortex", "victoria", "sloth")
"""What sources that speak PromQL call themselves."""

_OBJECTS = {
    "DataSource": "the engine's settings name its Prometheus: see prometheus.url",
    "AlertNotificationTarget": "where alerts go is up to the routes of Alertmanager and the sinks of the engine",
}
"""Kinds that say nothing about an SLO."""


def drafts(objects: Iterable[Node], service: str | None) -> Iterator[Draft]:
    """The SLOs of these objects, each objective one of its own."""
    known = Objects(objects)
    for node in known.of_kind("SLO"):
        yield from _slo(node, known, service)
    for kind, why in _OBJECTS.items():
        for node in known.of_kind(kind):
            node.leave(why)
    for node in known.of_kind("Service"):
        _leave_service(node)
    for kind in ("SLI", "AlertPolicy", "AlertCondition"):
        for node in known.of_kind(kind):
            if not node.was_read:
                node.leave("no SLO of these files refers to it")


def _leave_service(node: Node) -> None:
    """Its name is all that is needed, and SLOs name it themselves."""
    node.ignore("apiVersion", "kind")
    metadata, spec = node.find("metadata"), node.find("spec")
    if metadata:
        metadata.ignore("name")
        metadata.leave_key("displayName", "a service has one name here")
    if spec:
        spec.leave_key("description", "a service has no description here: those of its SLOs are shown")


def _slo(node: Node, known: Objects, service: str | None) -> Iterator[Draft]:
    node.ignore("apiVersion", "kind")
    metadata, spec = node.at("metadata"), node.at("spec")
    name, of_service = named(metadata.at("name")), _service(node, spec, service)
    labels = labels_of(metadata.find("labels"))
    metadata.leave_key("annotations", "annotations of the object: write those that alerts should carry under alerting")
    description = _description(metadata, spec)
    window, method = _window(spec), spec.find("budgetingMethod")
    objectives = spec.at("objectives").items()
    if not objectives:
        raise MalformedError(spec.at("objectives").problem("must hold an objective"))
    for index, objective in enumerate(objectives):
        display = objective.find("displayName")
        suffix = plain_name(display.text(), str(index + 1)) if display else str(index + 1)
        draft = Draft(of_service, name if len(objectives) == 1 else f"{name}-{suffix}", node, labels=dict(labels))
        if len(objectives) > 1 and index == 0:
            spec.at("objectives").changed("each objective is an SLO of its own here")
        for each, key in ((objective, "objective"), (spec.find("timeWindow"), "window")):
            draft.comes_from(each, key)
        draft.comes_from(spec.find("timeWindows"), "window")
        draft.comes_from(spec.find("indicator"), "sli")
        draft.comes_from(spec.find("alertPolicies"), "alerting")
        if description:
            draft.fields["description"] = description
        draft.fields["objective"] = _target(objective)
        draft.fields["window"] = window
        follow_policies(draft, spec, known, Duration.parse(window))
        try:
            indicator = known.referred(objective, "indicator", "SLI") or known.referred(spec, "indicator", "SLI")
        except UnresolvedError as error:
            _refuse(draft, objective, error)
        else:
            _indicate(draft, objective, indicator, method)
        yield draft


def _service(node: Node, spec: Node, service: str | None) -> str:
    written = spec.find("service")
    if written:
        return named(written, "service")
    if service is None:
        node.changed("it names no service: it is `default`; --service sets another one")
    return service or "default"


def _description(metadata: Node, spec: Node) -> str:
    display, description = metadata.find("displayName"), spec.find("description")
    if description and description.text().strip():
        if display:
            display.leave("an SLO has one description here: add it there")
        return description.text().strip()
    return display.text() if display else ""


def _target(objective: Node) -> float:
    percent, share = objective.find("targetPercent"), objective.find("target")
    if percent:
        return percent.number()
    if share:
        return float(Decimal(str(share.number())) * 100)
    raise MalformedError(objective.problem("must have target or targetPercent"))


def _window(spec: Node) -> str:
    windows = spec.find("timeWindow") or spec.find("timeWindows")
    if windows is None:
        spec.changed("it has no time window: 30 days here")
        return "30d"
    first = next(iter(windows.items()), None)
    if first is None:
        raise MalformedError(windows.problem("must hold one time window"))
    rolling = first.find("isRolling")
    if (rolling is not None and not rolling.flag()) or first.holds("calendar"):
        first.changed("budgets do not begin anew with the calendar here: a rolling window of the same length")
        first.leave_key("calendar", "windows here are rolling ones")
    if duration := first.find("duration"):
        return _length(duration, duration.text())
    unit = first.at("unit")
    letter = _UNITS.get(unit.text().capitalize().removesuffix("s"))
    if letter is None:
        raise MalformedError(unit.problem(f"must be one of {', '.join(_UNITS)}"))
    return _length(first, f"{first.at('count').number():g}{letter}")


def _length(node: Node, text: str) -> str:
    """OpenSLO's shorthand for a length: one number, one letter; months and longer have no exact length."""
    number, letter = text[:-1], text[-1:]
    if letter in _DAYS and number.isdecimal() and int(number) > 0:
        if letter in "MQY":
            node.changed(f"a window of {_DAYS[letter] * int(number)} days, for there are no months here")
        text = f"{_DAYS[letter] * int(number)}d"
    try:
        return str(Duration.parse(text))
    except ValueError:
        raise MalformedError(node.problem("must be a duration of one number and one of m, h, d, w, M, Q, Y")) from None


def _indicate(draft: Draft, objective: Node, indicator: Node | None, method: Node | None) -> None:
    draft.comes_from(indicator, "sli")
    inside = _inside(indicator)
    at = objective if objective.holds("ratioMetrics", "ratioMetric") else inside
    if at is None:
        raise MalformedError(objective.problem("must have an indicator, here or in its SLO"))
    objective.leave_key("compositeWeight", "each objective is an SLO of its own here; nothing adds them up")
    draft.indicate(at, partial(_sli, objective=objective, method=method.text() if method else "Occurrences"))
    if draft.refused is not None:
        objective.ignore(*_COMPARED)


def _refuse(draft: Draft, objective: Node, error: UnresolvedError) -> None:
    reference = error.reference
    draft.refuse(reference, error)
    draft.sli_source = {reference.path[-1]: reference.value}
    objective.ignore(*_COMPARED)


def _inside(indicator: Node | None) -> Node | None:
    """What an SLI holds: under its spec (v1) or at once (v1alpha)."""
    if indicator is None or not indicator.holds("spec"):
        return indicator
    indicator.ignore("apiVersion", "kind")
    if metadata := indicator.find("metadata"):
        metadata.ignore("name")
        metadata.leave_key("displayName", "an SLI has no name of its own here")
    spec = indicator.at("spec")
    spec.leave_key("description", "an SLI has no description of its own here: add it to that of its SLO")
    return spec


def _sli(at: Node, objective: Node, method: str) -> queries.Indicator:
    for key in ("ratioMetric", "ratioMetrics"):
        if metric := at.find(key):
            return _ratio(metric, objective, method)
    if metric := at.find("thresholdMetric"):
        return _threshold(metric, objective, method)
    raise MalformedError(at.problem("must have ratioMetric or thresholdMetric"))


def _ratio(metric: Node, objective: Node, method: str) -> queries.Indicator:
    counter = metric.find("counter") or metric.find("incremental")
    counted = counter.flag() if counter else None
    for key in ("op", "value"):
        if given := objective.find(key):
            given.leave("compares the values of a thresholdMetric; a ratio is held to its target")
    if raw := metric.find("raw"):
        kind = metric.at("rawType").text()
        return queries.ratio(_query(raw), of="good" if kind == "success" else "errors")
    if counted is False:
        raise queries.CannotExpressError(
            "its metrics are not counters (counter: false): name the counters that they are made from"
        )
    total = _query(metric.at("total"))
    bad, good = metric.find("bad"), metric.find("good")
    if bad is None and good is None:
        raise MalformedError(metric.problem("must have good, bad or raw"))
    if method == "Timeslices":
        return _slices(total, bad, good, objective)
    if method != "Occurrences":
        objective.changed(f"{method} weighs every slice alike; here every event counts alike")
        objective.leave_key("timeSliceWindow", "there are no slices in this kind of SLI")
    found = queries.events(total, errors=_query(bad)) if bad else queries.events(total, good=_query(metric.at("good")))
    # OpenSLO knows no placeholder for the window: a range that is written out means nothing.
    meant = {queries.FIXED_RANGE, queries.TAKEN_FOR_COUNTERS} if counted else {queries.FIXED_RANGE}
    return queries.Indicator(found.sli, found.by, tuple(said for said in found.changed if said not in meant))


def _slices(total: str, bad: Node | None, good: Node | None, objective: Node) -> queries.Indicator:
    least = objective.at("timeSliceTarget").number()
    _slice_window(objective)
    if good is not None:
        return queries.slices(total, least, good=_query(good))
    assert bad is not None  # the caller has seen to it
    return queries.slices(total, least, errors=_query(bad))


def _slice_window(objective: Node) -> None:
    if (window := objective.find("timeSliceWindow")) and window.text() not in ("1m", "1"):
        window.changed(f"slices here are a minute long, not {window.text()}")


def _threshold(metric: Node, objective: Node, method: str) -> queries.Indicator:
    query = _query(metric)
    operator = objective.at("op")
    if operator.text() not in _OPERATORS:
        raise MalformedError(operator.problem(f"must be one of {', '.join(_OPERATORS)}"))
    found = queries.comparison(query, _OPERATORS[operator.text()], objective.at("value").number())
    if method == "Occurrences":
        metric.changed("every value counts alike there; here a minute is good or bad")
    else:
        objective.leave_key("timeSliceTarget", "a minute holds one value here: it is good or bad")
        _slice_window(objective)
    return found


def _query(metric: Node) -> str:
    """The query of a metric of v1 (``metricSource.spec.query``) or v1alpha (``query``)."""
    source = metric.find("metricSource")
    if source is None:
        kinds, query = [metric.find("source")], metric.at("query")
        metric.leave_key("metadata", "the query is taken as it stands: write out what its metadata would fill in")
        metric.ignore("queryType")
    else:
        if reference := source.find("metricSourceRef"):
            reference.leave("the engine asks the Prometheus of its settings")
        kinds, query = [source.find("type")], source.at("spec").at("query")
    for kind in kinds:
        if kind and not any(name in kind.text().lower() for name in _PROMETHEUS):
            raise queries.CannotExpressError(f"its source is {kind.text()}: SLIs come from Prometheus alone")
    return query.text()
