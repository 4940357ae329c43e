"""The figures of a month on a real Prometheus, held to what was written into it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from deploy.stack.servers import Prometheus as Server
from slo_engine.connect import Connection
from slo_engine.definitions import SloSet, load
from slo_engine.prometheus import Prometheus, Result
from slo_engine.reports import Month, Report, make
from slo_engine.reports.model import Outcome
from tests.reports import world
from tests.rules.backfilled import backfill

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=40)]

ZONES = ("Europe/Berlin", "Asia/Kolkata", "America/New_York")
LATER = datetime(2026, 11, 2, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("month")
    backfill(folder, dict(world.series()))
    with Server(folder) as running:
        yield running


@pytest.fixture(scope="module")
def source(server: Server) -> Iterator[Prometheus]:
    door = Prometheus(Connection(server.url))
    yield door
    door.close()


@pytest.fixture(scope="module")
def reports(source: Prometheus) -> dict[str, Report]:
    return {zone: make(world.slos(), source, None, october(zone), LATER) for zone in ZONES}


def october(zone: str) -> Month:
    return Month(2026, 10, ZoneInfo(zone))


def outcome(report: Report, slo: str, group: str = "") -> Outcome:
    (found,) = (each for each in report.outcomes if (each.slo, ",".join(each.group.values())) == (slo, group))
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("agent", world.GROUPS)
def test_events_of_a_month_are_those_that_were_recorded_in_it(
    reports: dict[str, Report], zone: str, agent: str
) -> None:
    month, lives = october(zone), world.GROUPS[agent]
    found = outcome(reports[zone], "success", agent)
    assert found.events == world.within(lives.events, month.start, month.end)
    assert found.errors == world.within(lives.errors, month.start, month.end)
    whole = (month.end - month.start) / timedelta(minutes=1)
    assert found.coverage == pytest.approx(world.minutes(lives.events, month.start, month.end) / whole)


def test_days_are_those_of_the_zone_and_the_one_on_which_the_clock_goes_back_is_longer(
    reports: dict[str, Report],
) -> None:
    lives = world.GROUPS["support"]
    found = outcome(reports["Europe/Berlin"], "success", "support")
    assert [day.date for day in found.days] == [date(2026, 10, day) for day in range(1, 32)]
    assert {day.date.day: day.minutes for day in found.days if day.minutes != 1440} == {25: 1500}
    for day in found.days:
        start = datetime(2026, 10, day.date.day, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
        assert day.errors == world.within(lives.errors, start, start + timedelta(minutes=day.minutes))


def test_budget_is_that_of_the_events_of_the_month(reports: dict[str, Report]) -> None:
    for agent, allowed in {"support": 0.02, "billing": 0.02, "batch": 0.1, "young": 0.02}.items():
        found = outcome(reports["Europe/Berlin"], "success", agent)
        assert found.attained == pytest.approx(1 - found.errors / found.events)
        assert found.budget_remaining == pytest.approx(1 - found.errors / (allowed * found.events))
        assert found.met is (found.errors <= allowed * found.events)
    assert outcome(reports["Europe/Berlin"], "success", "billing").met is False
    assert outcome(reports["Europe/Berlin"], "success", "support").met is True


def test_worst_day_is_the_one_with_the_most_errors(reports: dict[str, Report]) -> None:
    found = outcome(reports["Europe/Berlin"], "success", "billing")
    assert found.worst_day is not None
    assert found.worst_day.date == date(2026, 10, 9)
    assert found.worst_day.share == pytest.approx(found.worst_day.errors / (0.02 * found.events))


def test_group_without_events_is_neither_met_nor_missed(reports: dict[str, Report]) -> None:
    found = outcome(reports["Europe/Berlin"], "success", "idle")
    assert (found.met, found.attained, found.budget_remaining) == (None, None, None)
    assert found.reason == "there were no events"


def test_slo_without_any_record_is_not_known(reports: dict[str, Report]) -> None:
    found = outcome(reports["Europe/Berlin"], "nothing")
    assert (found.met, found.coverage, found.reason) == (None, 0.0, "nothing is recorded")


@pytest.mark.parametrize("zone", ZONES)
def test_money_is_what_was_recorded_against_the_budget_of_the_month(reports: dict[str, Report], zone: str) -> None:
    month = october(zone)
    rolling = outcome(reports[zone], "spend", "support")
    spent = {model: world.within(own, month.start, month.end) for model, own in world.SPENT.items()}
    assert rolling.errors == pytest.approx(sum(spent.values()), rel=1e-9)
    assert rolling.allowance is not None
    # 600 USD are for 30 days; October has 31, and in Berlin an hour more.
    hours = 31 * 24 + (1 if zone == "Europe/Berlin" else 0)
    assert rolling.allowance.amount == pytest.approx(600 * hours / (30 * 24))
    assert rolling.budget_remaining == pytest.approx(1 - rolling.errors / rolling.allowance.amount)
    for model, amount in spent.items():
        own = outcome(reports[zone], "spend-by-model", model)
        assert own.errors == pytest.approx(amount, rel=1e-9)
        assert own.allowance is not None
        assert own.allowance.amount == 500
        assert own.met is True


def test_spend_with_calls_without_a_price_is_not_known_to_be_within_its_budget(reports: dict[str, Report]) -> None:
    found = outcome(reports["Europe/Berlin"], "spend", "support")
    assert found.errors < 600
    assert found.met is None
    assert found.reason == "calls of unknown cost: new-model"


@pytest.mark.parametrize("zone", ZONES)
def test_spend_by_model_is_what_each_was_recorded_with(reports: dict[str, Report], zone: str) -> None:
    month = october(zone)
    by_slo = {(each.outcome.slo, *each.outcome.group.values()): each for each in reports[zone].spend}
    for model in world.MODELS:
        truth = world.within(world.SPENT[model], month.start, month.end)
        exact = by_slo["spend-by-model", model]
        assert exact.is_exact
        assert {each.model: each.spent for each in exact.models} == {model: pytest.approx(truth, rel=1e-9)}
        about = {each.model: each for each in by_slo["spend", "support"].models}
        assert about[model].who == "support"
        assert about[model].spent == pytest.approx(truth, rel=0.01)
    assert not by_slo["spend", "support"].is_exact
    dearest = max(about["sonnet"].by_day.items(), key=lambda each: each[1])
    assert dearest[0] == date(2026, 10, 22)


def test_remarks_say_what_the_figures_do_not_see(reports: dict[str, Report]) -> None:
    said = reports["Europe/Berlin"].remarks
    assert "No SLO was recorded for 40min, on 20 October: nothing that happened then is in any figure." in said
    assert "Recorded since 12 October only: agents success young." in said
    assert (
        "agents success batch: no records for 3d 6h while others were recorded, on 14 October, 15 October, "
        "16 October, 17 October: it did not run, or was not scraped. What happened then is in none of its figures."
    ) in said
    assert (
        "agents success billing: the objective was 95 % until 11 October. "
        "The whole month is judged by that of now, 98 %."
    ) in said
    assert any(each.startswith("agents spend: calls of unknown cost (new-model)") for each in said)
    assert "Recorded, but in no SLO file any more: agents/gone." in said
    assert (
        "agents spend support: the budget was 450.00 USD until 19 October. "
        "The whole month is judged by that of now, 600.00 USD."
    ) in said
    assert not any("success support" in each or "calendar month" in each for each in said)
    assert len(said) == 8


def test_budget_of_another_zones_month_is_told(reports: dict[str, Report]) -> None:
    (said,) = (each for each in reports["Asia/Kolkata"].remarks if "calendar month" in each)
    assert said.startswith("agents spend-by-model: its budget is for the calendar month of Europe/Berlin;")


def test_running_month_is_reported_up_to_now(source: Prometheus) -> None:
    month, now = october("Europe/Berlin"), datetime(2026, 10, 14, 9, 41, 20, tzinfo=UTC)
    report = make(world.slos(), source, None, month, now)
    until = now.replace(second=0)
    assert (report.is_whole, report.until) == (False, until)
    for agent, lives in world.GROUPS.items():
        found = outcome(report, "success", agent)
        assert (found.events, found.errors) == tuple(
            world.within(values, month.start, until) for values in (lives.events, lives.errors)
        )
    assert outcome(report, "success", "support").coverage == pytest.approx(1.0)
    assert "so far" in report.verdict
    # The money is for the whole month.
    allowance = outcome(report, "spend", "support").allowance
    assert allowance is not None
    assert allowance.amount > 600


def test_number_of_queries_does_not_depend_on_the_number_of_slos(source: Prometheus) -> None:
    def asked(slos: SloSet) -> int:
        number = 0

        class Counting:
            def query(self, expr: str, at: datetime) -> Result:
                nonlocal number
                number += 1
                return source.query(expr, at)

        make(slos, Counting(), None, october("UTC"), datetime(2026, 10, 4, tzinfo=UTC))
        return number

    one = "- {name: spend, sli: {cost: {spend: a_usd, budget: 1 USD}}}"
    assert (
        asked(load(f"version: slo-engine/v1\nservice: agents\nslos: [{one[2:]}]")) == asked(world.slos()) == 3 * 6 + 1
    )


def test_two_series_of_one_group_are_left_out_and_told(tmp_path: Path) -> None:
    """Added up they might be counted twice; one of them alone might be half."""
    text = 'slo:sli_{}:increase1m{{slo_service="agents",slo="success",agent_type="support"{}}}'
    start, end = (int(datetime(2026, 10, day, tzinfo=UTC).timestamp()) for day in (1, 5))
    both = {
        text.format(name, replica): dict.fromkeys(range(begin + 60, end + 60, 60), value)
        for name, value in (("total", 10.0), ("errors", 0.0))
        for replica, begin in (("", start), (',replica="b"', start + 3 * 86_400))
    }
    backfill(tmp_path, both)
    with Server(tmp_path) as running:
        door = Prometheus(Connection(running.url))
        report = make(world.slos(), door, None, october("UTC"), datetime.fromtimestamp(end, UTC))
        door.close()
    found = outcome(report, "success", "support")
    assert found.events == 3 * 1440 * 10
    assert found.coverage == pytest.approx(3 / 4)
    assert any(each.startswith("agents success support: left out on 1 day,") for each in report.remarks)
