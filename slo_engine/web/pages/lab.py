"""``/lab``: what a policy would do: to an outage of one error ratio, and to the history that Prometheus holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from slo_engine import amounts
from slo_engine.backtest.detection import Traffic, threshold
from slo_engine.backtest.raw_history import HistoryError, fetch
from slo_engine.backtest.replay import Candidate, ReplayPlan, replay
from slo_engine.backtest.simulation import Simulated, simulate
from slo_engine.charts import detection as detection_chart
from slo_engine.charts import replay as replay_chart
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.policies import ALPHA, BUILT_IN, Policy
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.targets import error_budget
from slo_engine.prometheus import PrometheusError
from slo_engine.recording.base import raw_increases
from slo_engine.web.pages.rendering import drawn, page
from slo_engine.web.services import NeedsServices, Services

router = APIRouter()

WINDOWS: Final = ("7d", "28d", "30d", "90d")
ERROR_RATIOS: Final = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
SIGNIFICANT: Final = 0.02
DAYS: Final = (1, 7, 30)

_REPLAYING: Final = threading.Lock()
"""One at a time: it is work of a minute, in a process that has more urgent work."""


@router.get("/lab", include_in_schema=False)
def lab_page(
    request: Request,
    services: NeedsServices,
    policy: Annotated[str, Query(max_length=100)] = "google",
    objective: Annotated[float, Query(gt=0, lt=100)] = 99.0,
    window: str = "30d",
    events: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """An outage of one error ratio."""
    return _page(request, services, policy, objective, window, _number(events))


@router.get("/lab/replay", include_in_schema=False)
def replay_page(
    request: Request,
    services: NeedsServices,
    slo: Annotated[str, Query(max_length=300)],
    policy: Annotated[str, Query(max_length=100)] = "google",
    days: int = 7,
) -> Response:
    """The history."""
    days = days if days in DAYS else 7
    chosen = next((each for each in services.slos.active.slos.slos if "/".join(each.key) == slo), None)
    known = _policies(services.slos.active.slos)
    replayed: dict[str, Any] = {"slo": slo, "days": days}
    if chosen is None or policy not in known:
        replayed["replay_problem"] = f"there is no SLO {slo!r}" if chosen is None else f"there is no policy {policy!r}"
    elif services.prometheus is None:
        replayed["replay_problem"] = "no Prometheus is known"
    elif not _REPLAYING.acquire(blocking=False):
        replayed["replay_problem"] = "another replay goes on: try again when it is done"
    else:
        try:
            replayed |= _replayed(services, chosen, known[policy], days)
        except (PrometheusError, HistoryError) as error:
            replayed["replay_problem"] = str(error)
        finally:
            _REPLAYING.release()
    percent = chosen.target.objective if chosen is not None else None
    return _page(request, services, policy, percent or 99.0, "30d", None, **replayed)


def _page(
    request: Request,
    services: Services,
    policy: str,
    objective: float,
    window: str,
    events: float | None,
    **replayed: Any,
) -> Response:
    known = _policies(services.slos.active.slos)
    window = window if window in WINDOWS else "30d"
    values: dict[str, Any] = {"picture": "", "outcomes": (), "traffic": ()}
    problem = None
    if policy in known:
        found = list(simulate([known[policy]], [objective], ERROR_RATIOS, Duration.parse(window)))
        values = {
            "picture": drawn(detection_chart.draw(found)),
            "outcomes": [_row(each) for each in found],
            "traffic": _traffic(found[0], events) if events else (),
        }
    else:
        problem = f"there is no policy {policy!r}; there are: {', '.join(known)}"
    defaults = {"replayed": "", "replay_problem": None, "verdicts": (), "slo": None, "days": 7}
    return page(
        request,
        services,
        "lab.html.j2",
        policies=list(known),
        policy=policy,
        objective=objective,
        windows=WINDOWS,
        window=window,
        events=events,
        problem=problem,
        slos=["/".join(each.key) for each in services.slos.active.slos.slos],
        **{**defaults, **values, **replayed},
    )


def _policies(slos: SloSet) -> Mapping[str, Policy]:
    own = {slo.policy.name: slo.policy for slo in slos.slos}
    return dict(sorted({**BUILT_IN, **own}.items()))


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 < found < 1e12 else None


def _row(outcome: Simulated) -> list[tuple[str, str]]:
    tier = outcome.first
    return [
        ("Errors", amounts.share(outcome.error_ratio)),
        ("Burn rate", f"{outcome.burn_rate:.4g}"),
        ("Fires first", f"{tier.ideal.tier} x{tier.ideal.factor:.4g}" if tier else "nothing"),
        ("After", amounts.length(tier.seconds) if tier else "never"),
        ("Budget spent by then", amounts.share(tier.budget_spent) if tier else "-"),
        ("Over after", amounts.length(tier.reset_seconds, "-") if tier else "-"),
        ("Budget gone after", amounts.length(outcome.exhausted_seconds)),
    ]


def _traffic(outcome: Simulated, events: float) -> Sequence[str]:
    traffic = Traffic(events, error_budget(outcome.objective), outcome.window)
    one = amounts.share(traffic.share_of_one_error)
    said = [f"{traffic.errors_allowed} may fail in {outcome.window}, and each failure spends {one} of the budget."]
    for each in outcome.tiers:
        limit = threshold(each.ideal.factor, error_budget(outcome.objective))
        least = traffic.errors_to_fire(each.ideal.tier.long, limit, min(ALPHA, each.ideal.tier.alpha or ALPHA))
        of = events * each.ideal.tier.long.seconds / 3600
        said.append(
            f"{each.ideal.tier} fires from {least} of {of:g} failures on."
            if least is not None
            else f"{each.ideal.tier} does not fire: of {of:g} events nothing is sure."
        )
    return said


def _replayed(services: Services, slo: Slo, policy: Policy, days: int) -> dict[str, Any]:
    assert services.prometheus is not None
    end = int(time.time() // 60 * 60)
    start = end - days * 86_400
    kept = slo.keep_firing_for
    plan = ReplayPlan((Candidate(policy, None),), start, end, None, SIGNIFICANT, kept.seconds if kept else 0.0)
    longest = max(tier.long.seconds for tier in policy.tiers)
    since = datetime.fromtimestamp(start - min(longest, slo.window.seconds), UTC)
    histories = fetch(services.prometheus, raw_increases(slo), slo.by, since, datetime.fromtimestamp(end, UTC))
    found = replay(slo, histories, plan)
    if not found.groups:
        return {"replay_problem": "Prometheus holds no events of this SLO in that time"}
    verdicts = [
        f"{severity}: {score.alerts} {'alert' if score.alerts == 1 else 'alerts'}, precision "
        f"{amounts.share(score.precision)}, recall {amounts.share(score.recall)}"
        for each in found.replays
        for severity, score in each.scores.items()
        if severity != "all"
    ]
    return {"replayed": drawn(replay_chart.draw(found, histories)), "verdicts": verdicts}
