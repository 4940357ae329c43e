"""``/slos/{service}/{slo}``: one SLO, or one of its groups: how its budget went, and what is behind it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Annotated, Any, Final, get_args
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from markupsafe import Markup

from slo_engine import amounts
from slo_engine.charts.lines import Band, Level, Line, over_time
from slo_engine.dashboards.detail import DETAIL_UID
from slo_engine.definitions.labels import SERVICE
from slo_engine.definitions.labels import SLO as SLO_LABEL
from slo_engine.definitions.policies import Severity
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.writing import write_out
from slo_engine.evidence.sources.memory import about
from slo_engine.prometheus import Prometheus, PrometheusError
from slo_engine.recording.names import ERROR_RATIO, TOTAL_STAGE
from slo_engine.rules import build
from slo_engine.rules.yaml_text import as_yaml
from slo_engine.status.model import SloStatus
from slo_engine.store import budgets as crossing_store
from slo_engine.store import causes
from slo_engine.web.asking import Asking
from slo_engine.web.budgets import rows
from slo_engine.web.budgets import sli as sli_of
from slo_engine.web.incidents import Told, is_link, subjects_of
from slo_engine.web.known_incidents import read_incidents, told_in_turn
from slo_engine.web.pages.rendering import drawn, page, trend_of
from slo_engine.web.past import WINDOWS, PastOfGroups, Points
from slo_engine.web.services import NeedsServices, Services

router = APIRouter()

_PAST: Final = PastOfGroups()

SPANS: Final[Mapping[str, int]] = {"6h": 6 * 3600, "1d": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
"""What the pictures show."""

STEPS: Final[Mapping[str, int]] = {"6h": 900, "1d": 900, "7d": 3600, "30d": 4 * 3600}
"""Seconds that each point of the traffic stands for: some of the five minutes in which it is recorded."""

_TRAFFIC: Final = Asking[Points]()

MOST_INCIDENTS: Final = 10
MOST_READ: Final = 500
"""Incidents that are looked through for those of an SLO."""

MOST_CROSSINGS: Final = 20
MOST_CAUSES: Final = 50
"""Of all incidents that are shown, before those of other SLOs are left out."""
MOST_GROUPS: Final = 200


@router.get("/slos/{service}/{slo}", include_in_schema=False)
def slo_page(
    request: Request,
    services: NeedsServices,
    service: str,
    slo: str,
    label: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006 - FastAPI's way
    span: str = "30d",
) -> Response:
    """Of one group where there is but one, or where ``label`` says which; else of all."""
    definition = services.slos.active.slos.find(service, slo)
    if definition is None:
        raise HTTPException(404, f"there is no SLO {slo!r} of {service!r}")
    span = span if span in SPANS else "30d"
    now = time.time()
    wanted = dict(each.partition("=")[::2] for each in label)
    of_slo = [each for each in services.board.statuses if (each.service, each.slo) == definition.key]
    statuses = [each for each in of_slo if wanted.items() <= each.group.items()]
    found = _incidents(services, definition, wanted, now)
    shown = rows(statuses, services.slos.active.slos, found)
    pictures = _pictures(services, definition, statuses[0], found, now, span) if len(statuses) == 1 else ()
    return page(
        request,
        services,
        "slo.html.j2",
        now=now,
        slo=definition,
        group=wanted,
        row=shown[0] if len(shown) == 1 else None,
        rows=shown[:MOST_GROUPS],
        left_out=max(0, len(shown) - MOST_GROUPS),
        trend=partial(trend_of, services.board.trends),
        pictures=pictures,
        span=span,
        spans=list(SPANS),
        incidents=found[:MOST_INCIDENTS],
        causes=_causes_in(services, definition, statuses, found),
        crossings=_crossings(services, definition, wanted, now),
        definition=definition_of(definition),
        recorded=rules_of(definition),
        links=_links(services, definition, wanted, found),
        runbook=_runbook(definition),
    )


def _incidents(services: Services, slo: Slo, group: Mapping[str, str], now: float) -> list[Told]:
    """The newest that are about the SLO and group."""
    newest = sorted(read_incidents(services), key=lambda each: -each.newest.id)[:MOST_READ]
    # Which of them are about this SLO their contents say, which are read by and by.
    meant = (each for each in told_in_turn(services, newest, now) if _is_about(each, slo, group))
    return list(islice(meant, MOST_INCIDENTS))


def recent_causes(services: Services, slo: Slo, statuses: Sequence[SloStatus]) -> Sequence[causes.RecentCause]:
    """Of the newest incidents, with what is known of each from earlier ones."""
    return _causes_in(services, slo, statuses, _incidents(services, slo, {}, time.time()))


def _causes_in(
    services: Services, slo: Slo, statuses: Sequence[SloStatus], found: Sequence[Told]
) -> Sequence[causes.RecentCause]:
    failed = [about(*slo.key, each.group) for each in statuses[:MOST_GROUPS]]
    threads = {each.incident.newest.thread for each in found}
    return services.database.read(lambda connection: causes.recent(connection, failed, threads, MOST_CAUSES))


def _is_about(incident: Told, slo: Slo, group: Mapping[str, str]) -> bool:
    for labels in incident.labels:
        if (labels.get(SERVICE), labels.get(SLO_LABEL)) == slo.key and all(
            labels.get(name) in (None, "", value) for name, value in group.items()
        ):
            return True
    return False


@dataclass(frozen=True)
class Picture:
    """One of the page."""

    name: str
    title: str
    drawn: Markup


def _pictures(
    services: Services, slo: Slo, status: SloStatus, found: Sequence[Told], now: float, span: str
) -> list[Picture]:
    since = now - SPANS[span]
    past = _PAST.of(services, status, SPANS[span])
    bands = [
        Band(each.since, each.until(now), f"{each.incident.severity or 'alert'}: {each.incident.newest.title}"[:200])
        for each in found
        if each.since is not None and each.until(now) > since
    ]
    made: list[Picture] = []

    def add(name: str, title: str, lines: Sequence[Line], said: Callable[[float], str], **options: Any) -> None:
        svg = over_time(title, lines, since, now, said, bands=bands, **options)
        made.append(Picture(name, title, drawn(svg)))

    add("budget", f"Error budget left of {status.window}", [Line("budget left", past["left"])], amounts.share)
    rates = [Line(name, past[name]) for name in WINDOWS if any(value is not None for _, value in past[name])]
    add("burn", "Burn rate", rates, lambda value: f"{value:.3g} x", levels=_thresholds(slo, rates))
    if status.budget is None:
        level = [Level(status.objective / 100, f"objective {status.objective:g} %")] if status.objective else []
        said = partial(sli_of, objective=status.objective)
        add("sli", "SLI over the last hour", [Line("SLI over 1h", past["sli"])], said, levels=level, from_zero=False)
        if traffic := _traffic(services, status, span, now):
            add("traffic", "Events an hour", [Line("events", traffic)], _amount)
    else:
        budget = [Level(status.budget.amount, f"budget {status.budget}")]
        title = f"Spent in {status.window}, {status.budget.currency}"
        add("sli", title, [Line("spent", past["spent"])], _amount, levels=budget)
    return made


def _amount(value: float) -> str:
    return f"{value:,.4g}"


def _traffic(services: Services, status: SloStatus, span: str, now: float) -> Points:
    """Events an hour, as the rules have recorded them; empty where Prometheus does not say."""
    if services.board.failure:
        return ()  # nobody waits at this page for a Prometheus that does not answer
    key = (id(services), status.service, status.slo, tuple(sorted(status.group.items())), span)
    return _TRAFFIC.of(key, partial(_asked_traffic, services.prometheus, status, span, now), ())


def _asked_traffic(prometheus: Prometheus | None, status: SloStatus, span: str, now: float) -> Points:
    if prometheus is None:
        return ()
    step = timedelta(seconds=STEPS[span])
    records = f"{TOTAL_STAGE}{_selector({SERVICE: status.service, SLO_LABEL: status.slo, **status.group})}"
    end = datetime.fromtimestamp(now // STEPS[span] * STEPS[span], UTC)
    query = f"sum(sum_over_time({records}[{STEPS[span]}s]))"
    try:
        found = prometheus.query_range(query, end - timedelta(seconds=SPANS[span]), end, step).series
    except PrometheusError:
        return ()  # the page has the other pictures, and says at its top that Prometheus is not there
    hours = step / timedelta(hours=1)
    known = {at: value for at, value in found[0].points if math.isfinite(value)} if found else {}
    steps = range(int(end.timestamp()) - SPANS[span], int(end.timestamp()) + 1, STEPS[span])
    return [(at, None if (value := known.get(at)) is None else value / hours) for at in steps] if known else ()


def _thresholds(slo: Slo, rates: Sequence[Line]) -> list[Level]:
    peak = max((value for line in rates for _, value in line.points if value is not None), default=0.0)
    factors = {slo.target.factor(slo.policy, tier): tier for tier in slo.tiers if slo.target.factor(slo.policy, tier)}
    # A threshold far above everything would press the lines flat; the lowest one is always worth to be seen.
    near = sorted(factors)[:1] + [each for each in sorted(factors)[1:] if each <= 2 * peak]
    return [Level(each, f"{factors[each].severity} {factors[each].long}: {each:.3g} x") for each in near]


def _crossings(services: Services, slo: Slo, group: Mapping[str, str], now: float) -> list[Any]:
    since = now - SPANS["30d"]
    found = services.database.read(lambda connection: crossing_store.crossings_between(connection, since, now))
    of_slo = [each for each in found if (each.service, each.slo) == slo.key and group.items() <= each.group.items()]
    return of_slo[::-1][:MOST_CROSSINGS]


def definition_of(slo: Slo) -> str:
    """As its file has it, with everything written out."""
    return "".join(write_out(SloSet((slo,))).values())


def rules_of(slo: Slo) -> str:
    """The rules that it makes, as YAML."""
    (groups,) = build(SloSet((slo,))).values()
    return as_yaml({"groups": [group.as_data() for group in groups]})


def _runbook(slo: Slo) -> str | None:
    found = (slo.alerting[severity].annotations.get("runbook_url") for severity in get_args(Severity))
    return next((url for url in found if is_link(url)), None)


def _links(services: Services, slo: Slo, group: Mapping[str, str], found: Sequence[Told]) -> Sequence[tuple[str, str]]:
    """Where else to look."""
    labels = {SERVICE: slo.service, SLO_LABEL: slo.name, **group}
    selector = _selector(labels)
    at = services.addresses
    links = []
    if "prometheus" in at:
        query = urlencode({"g0.expr": f"{ERROR_RATIO}{selector}", "g0.tab": "0", "g0.range_input": "1d"})
        links.append(("Prometheus", f"{at['prometheus']}/graph?{query}"))
    if "grafana" in at:
        # Grafana writes the values of this variable so: the labels as they stand in the selector of a query.
        shown = _selector(dict(sorted(group.items())))[1:-1] or "$__all"
        query = urlencode({"var-service": slo.service, "var-slo": slo.name, "var-group": shown})
        links.append(("Grafana", f"{at['grafana']}/d/{DETAIL_UID}?{query}"))
    if "alertmanager" in at:
        links.append(("Alertmanager", f"{at['alertmanager']}/#/alerts?filter={quote(selector)}"))
        links.append(("Silence", f"{at['alertmanager']}/#/silences/new?filter={quote(selector)}"))
    if traces := _newest_traces(slo, found) or at.get("langfuse"):
        links.append(("LangFuse", traces))
    return [(title, url) for title, url in links if is_link(url)]


def _selector(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()) + "}"


def _newest_traces(slo: Slo, found: Sequence[Told]) -> str | None:
    """Where LangFuse shows what was read for the newest incident of an SLO: only what it answers names its project."""
    subjects = (subject for told in found for subject in subjects_of(told.enrichment))
    of_slo = (each for each in subjects if (each.get("service"), each.get("slo")) == slo.key)
    urls = ((each.get("traces") or {}).get("url") for each in of_slo)
    return next((url for url in urls if is_link(url)), None)
