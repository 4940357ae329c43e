"""From raw counters through the real rules to the report: the month has the events that happened in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from benchmarks.rules.evaluation import Evaluation
from benchmarks.rules.ruleset import Rule, RuleSet
from benchmarks.rules.server import Prometheus as Server
from benchmarks.rules.wire import Series
from slo_engine.connect import Connection
from slo_engine.definitions import load
from slo_engine.prometheus import Prometheus
from slo_engine.reports import Month, Report, make
from slo_engine.rules import RecordingRule, build
from tests.reports.test_figures import outcome

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=30)]

SLOS = load(
    """
version: slo-engine/v1
service: agents
defaults: {by: [agent_type]}
slos:
  - {name: success, objective: 95,
     sli: {events: {total: agent_requests_total, errors: 'agent_requests_total{status="error"}'}}}
  - {name: spend, sli: {cost: {spend: llm_cost_usd_total, budget: 10 USD}}}
"""
)

SCRAPES = 15_000
MIDNIGHT = int(datetime(2026, 10, 31, 18, 30, tzinfo=UTC).timestamp() * 1000)
"""Where November begins in India."""

START, END = MIDNIGHT - 3 * 3_600_000, MIDNIGHT + 6 * 3_600_000

QUIET = 120_000
"""Around midnight nothing happens: an event is in the records of up to a minute and a half later."""


def growing(labels: dict[str, str], events: dict[int, float], *, begins: int = START, restarts: int = END) -> Series:
    """A counter with these events (time -> how many), which begins at 0 and is 0 again after a restart."""
    times, values, counted = [], [], 0.0
    waiting = sorted(events.items())
    for time in range(begins, END + 1, SCRAPES):
        while waiting and waiting[0][0] <= time:
            at, number = waiting.pop(0)
            counted = number if at > restarts >= at - SCRAPES else counted + number
        times.append(time + 4_000)
        values.append(counted)
    return Series(labels, np.array(times, dtype=np.int64), np.array(values))


def happening(every: int, number: float, *, begins: int = START) -> dict[int, float]:
    return {
        time: number
        for time in range(begins + every, END - QUIET, every)
        if not MIDNIGHT - QUIET <= time <= MIDNIGHT + QUIET
    }


OK, FAILED = happening(30_000, 3.0), happening(420_000, 2.0)
YOUNG = happening(60_000, 1.0, begins=MIDNIGHT + 2 * 3_600_000)
DEAR, CHEAP = happening(60_000, 0.02), happening(60_000, 0.001)


def in_the_month(events: dict[int, float]) -> float:
    return sum(number for time, number in events.items() if MIDNIGHT < time <= END)


def raw() -> Sequence[Series]:
    def requests(agent: str, status: str) -> dict[str, str]:
        return {"__name__": "agent_requests_total", "agent_type": agent, "status": status}

    def cost(model: str) -> dict[str, str]:
        return {"__name__": "llm_cost_usd_total", "agent_type": "support", "model": model}

    young = MIDNIGHT + 2 * 3_600_000
    return (
        growing(requests("support", "ok"), OK, restarts=MIDNIGHT + 3_600_000),
        growing(requests("support", "error"), FAILED),
        growing(requests("young", "ok"), YOUNG, begins=young),
        growing(cost("opus"), DEAR),
        growing(cost("haiku"), CHEAP),
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    with Server(tmp_path_factory.mktemp("rules")) as server:
        server.push(raw())
        rules = _rules()
        Evaluation(server, rules).run(range(len(rules.rules)), START, END)
        door = Prometheus(Connection(server.url))
        month = Month(2026, 11, ZoneInfo("Asia/Kolkata"))
        yield make(SLOS, door, None, month, datetime.fromtimestamp(END / 1000, UTC))
        door.close()


def _rules() -> RuleSet:
    """All records; each group at an offset, as Prometheus has it."""
    found = []
    for groups in build(SLOS).values():
        for group in groups:
            assert group.interval is not None
            interval = group.interval.milliseconds
            found += [Rule(rule, interval, 23_000) for rule in group.rules if isinstance(rule, RecordingRule)]
    return RuleSet("ours", tuple(found))


def test_events_and_errors_are_those_that_happened_in_the_month(report: Report) -> None:
    found = outcome(report, "success", "support")
    assert found.events == in_the_month(OK) + in_the_month(FAILED)
    assert found.errors == in_the_month(FAILED)
    assert found.coverage > 0.995


def test_group_that_begins_in_the_month_has_all_its_events(report: Report) -> None:
    found = outcome(report, "success", "young")
    assert found.events == in_the_month(YOUNG)
    assert found.met is True
    assert found.coverage == pytest.approx(4 / 6, abs=0.01)


def test_money_and_what_it_was_spent_on_are_those_of_the_month(report: Report) -> None:
    (spending,) = report.spend
    assert spending.outcome.errors == pytest.approx(in_the_month(DEAR) + in_the_month(CHEAP), rel=1e-6)
    by_model = {each.model: each.spent for each in spending.models}
    assert by_model["opus"] == pytest.approx(in_the_month(DEAR), rel=0.02)
    assert by_model["haiku"] == pytest.approx(in_the_month(CHEAP), rel=0.02)
