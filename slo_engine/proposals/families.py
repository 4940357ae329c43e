"""The metrics that are looked for: one row for each, by what its SLO is called.

Those of our own library, of HTTP and gRPC servers as their usual exporters name them, and of every template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slo_engine.definitions import Duration, Sli
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.templates import TEMPLATES, Template
from slo_engine.proposals.scout import Scout

SliData = dict[str, Any]

SLOW = 0.95
"""A threshold is the bucket that has this share of the past."""

SPARE = 1.25
"""A budget is what was spent until now, times this."""


@dataclass(frozen=True)
class Draft:
    """An ``sli`` as it stands in an SLO file, and what is to be said of the numbers in it."""

    sli: SliData
    remark: str = ""


@dataclass(frozen=True)
class Family:
    """Metrics that an SLO can be made of. Of several rows with the same name the first whose metric is there counts."""

    name: str
    description: str
    """May hold ``{threshold}``."""
    metric: str
    """Of whose series one must be there."""
    by: Sequence[str]
    """Labels that name who is served, the first that there is; none: one group."""
    objective: float | None
    """In percent, where more was met until now; None: a budget of money."""
    draft: Callable[[Scout], Draft | None]
    """None where the metric cannot serve: it has no status, say, or no bucket."""


def _failing(metric: str, *statuses: Matcher) -> Callable[[Scout], Draft | None]:
    """Events whose status says that they failed: the first of ``statuses`` whose label there is."""
    total = Selector(metric)

    def draft(scout: Scout) -> Draft | None:
        label = scout.label_of(total, [each.name for each in statuses])
        status = next((each for each in statuses if each.name == label), None)
        if status is None:
            return None
        return Draft({"events": {"total": metric, "errors": str(Selector(metric, (status,)))}})

    return draft


def _within(histogram: str) -> Callable[[Scout], Draft | None]:
    """Events that took no longer than a bucket near the slowest of them."""

    def draft(scout: Scout) -> Draft | None:
        threshold, remark = _threshold(scout, Selector(f"{histogram}_bucket"))
        return Draft({"latency": {"histogram": histogram, "threshold": str(threshold)}}, remark) if threshold else None

    return draft


def _spending(metric: str, unpriced: str, by: Sequence[str]) -> Callable[[Scout], Draft | None]:
    def draft(scout: Scout) -> Draft | None:
        budget, remark = _budget(scout, Selector(metric), by)
        more = {"unpriced": unpriced} if scout.names([unpriced]) else {}
        return Draft({"cost": {"spend": metric, "budget": budget, **more}}, remark)

    return draft


def _threshold(scout: Scout, buckets: Selector) -> tuple[Duration | None, str]:
    bucket = scout.bucket(buckets, SLOW)
    if bucket is None:
        return None, ""
    threshold = Duration(round(bucket.bound * 1000))
    if bucket.share is None:
        return threshold, "There was no traffic to go by: a bucket of the histogram, the one in the middle."
    return threshold, f"A bucket of the histogram: {100 * bucket.share:.1f} % of what was measured took no longer."


def _budget(scout: Scout, spend: Selector, by: Sequence[str]) -> tuple[str, str]:
    label, span = scout.label_of(spend, by), scout.span(spend)
    groups = scout.growth(spend, (label,) if label else (), span) if span else {}
    most = max(groups.values(), default=0.0)
    if not span or most <= 0:
        return "100 USD", "Too little was spent yet to go by: write what may be spent."
    month = most / span.seconds * Duration.parse("30d").seconds
    who = f"For each {label}: the one that spends most" if label else "All together"
    said = f"{who} would spend {month:,.2f} USD in 30 days, by the last {span}; the budget is a quarter more."
    return f"{_rounded_up(month * SPARE)} USD", said


def _rounded_up(amount: float) -> str:
    """To two digits, in words of an SLO file."""
    for digits in range(-4, 10):
        step = 10.0**digits
        if amount / step <= 100:
            return f"{-(-amount // step) * step:.{max(0, -digits)}f}"
    return f"{amount:.0f}"


SERVER_ERROR = "5.."
"""5xx, which some exporters write for all of them, too."""

GRPC_ERRORS = "Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"
"""The codes that are the server's fault: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/"""


def _status(*labels: str) -> tuple[Matcher, ...]:
    return tuple(Matcher(label, "=~", SERVER_ERROR) for label in labels)


_OURS = (
    Family(
        "success",
        "Agent runs end without an error.",
        "agent_requests_total",
        ("agent_type",),
        98,
        _failing("agent_requests_total", Matcher("status", "!=", "success")),
    ),
    Family(
        "latency",
        "Agent runs end within {threshold}.",
        "agent_request_duration_seconds_bucket",
        ("agent_type",),
        95,
        _within("agent_request_duration_seconds"),
    ),
    Family(
        "tool-calls",
        "Tool calls end without an error.",
        "agent_tool_calls_total",
        ("tool_name",),
        99,
        _failing("agent_tool_calls_total", Matcher("status", "!=", "success")),
    ),
    Family(
        "spend",
        "Money spent on model calls stays within the budget.",
        "llm_cost_usd_total",
        ("agent_type",),
        None,
        _spending("llm_cost_usd_total", "llm_unpriced_calls_total", ("agent_type",)),
    ),
)

_SERVED = ("service_name", "service", "app", "application", "job")


def _server(
    name: str, what: str, metrics: Mapping[str, tuple[Matcher, ...]], histograms: Sequence[str]
) -> Iterator[Family]:
    for metric, statuses in metrics.items():
        description = f"{what} are answered without a server error."
        yield Family(f"{name}-success", description, metric, _SERVED, 99.5, _failing(metric, *statuses))
    for histogram in histograms:
        description = f"{what} are answered within {{threshold}}."
        yield Family(f"{name}-latency", description, f"{histogram}_bucket", _SERVED, 95, _within(histogram))


_SERVERS = (
    *_server(
        "http",
        "HTTP requests",
        {
            "http_requests_total": _status("code", "status", "status_code"),
            "http_server_request_duration_seconds_count": _status("http_response_status_code", "http_status_code"),
            "http_server_requests_seconds_count": _status("status"),
            "http_request_duration_seconds_count": _status("code", "status", "status_code"),
        },
        ("http_request_duration_seconds", "http_server_request_duration_seconds", "http_server_requests_seconds"),
    ),
    *_server(
        "grpc",
        "gRPC calls",
        {"grpc_server_handled_total": (Matcher("grpc_code", "=~", GRPC_ERRORS),)},
        ("grpc_server_handling_seconds",),
    ),
)


_PLACEHOLDERS: Mapping[tuple[str, ...], Mapping[str, Any]] = {
    (): {},
    ("threshold",): {"threshold": "1s", "own_buckets": True},
    ("budget",): {"budget": "1 USD"},
}
"""Parameters with which a template says which metric it is on, by those that must be written."""


def _of_template(template: Template[Any]) -> Family:
    sli: Sli = template.sli(template.parameters.model_validate(_PLACEHOLDERS[template.required]))
    watched, buckets = sli.watched, sli.buckets
    assert watched is not None

    def draft(scout: Scout) -> Draft | None:
        data: SliData = {"template": template.name}
        if buckets is not None:
            threshold, remark = _threshold(scout, buckets)
            if threshold is None:
                return None
            data["threshold"] = str(threshold)
            return Draft(data if _is_taken(template, data) else data | {"own_buckets": True}, remark)
        if template.required:
            budget, remark = _budget(scout, watched, template.by)
            return Draft(data | {"budget": budget}, remark)
        return Draft(data)

    objective = None if sli.target_key == "budget" else 95 if buckets is not None else 99
    metric = watched.metric if buckets is None else buckets.metric
    return Family(template.name.replace("/", "-"), template.description, metric, template.by, objective, draft)


def _is_taken(template: Template[Any], data: SliData) -> bool:
    parameters = {key: value for key, value in data.items() if key != "template"}
    try:
        template.sli(template.parameters.model_validate(parameters))
    except ValueError:  # pydantic's, of a threshold that most have no bucket for
        return False
    return True


FAMILIES = (*_OURS, *map(_of_template, TEMPLATES.values()), *_SERVERS)
"""In the order in which they stand in the file."""
