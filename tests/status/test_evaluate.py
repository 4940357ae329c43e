"""The arithmetic of error budgets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions import Duration, Slo, SloSet, load
from slo_engine.prometheus import RangeResult, Result, Sample, Series
from slo_engine.recording.names import (
    ERROR_RATIO,
    ERRORS_INCREASE,
    ERRORS_SUM,
    TOTAL_INCREASE,
    TOTAL_SUM,
    UNPRICED_ALERT,
)
from slo_engine.status.beginnings import Beginnings
from slo_engine.status.evaluate import GroupRecords, evaluate, exhausted_at, status_of
from slo_engine.status.model import Events, SloStatus

SLOS = load([Path(__file__).parent.parent.parent / "slos" / "agents.yaml"])
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MONTH = Duration.parse("30d")


class Records:
    """Answers the queries from lists of samples, and counts them. ``oldest``: the value is when the group began."""

    def __init__(self, records: list[Series] | None = None, **samples: list[Sample]) -> None:
        self._samples = samples
        self._records = records or []
        self.queries: list[str] = []

    def query(self, expr: str, at: datetime) -> Result:
        self.queries.append(expr)
        kinds = {ERROR_RATIO: "ratios", "ALERTS": "alerts", "min_over_time": "oldest"}
        kind = next(kind for name, kind in kinds.items() if expr.startswith(name))
        return Result(tuple(self._samples.get(kind, [])), ())

    def samples(self, expr: str, at: datetime) -> RangeResult:
        self.queries.append(expr)
        assert expr.endswith("[10m]")
        return RangeResult(tuple(self._records), ())


def record(name: str, *points: tuple[float, float], **labels: str) -> Series:
    """A recorded series: (minutes before now, value)."""
    times = tuple((NOW.timestamp() - 60 * ago, value) for ago, value in points)
    return Series({"__name__": name, **sample(0.0, **labels).labels}, times)


def total(value: float, **labels: str) -> Series:
    return record(TOTAL_SUM, (0, value), slo_window="30d", **labels)


def errors(value: float, **labels: str) -> Series:
    return record(ERRORS_SUM, (0, value), slo_window="30d", **labels)


def sample(value: float, slo: str = "success", agent: str = "support_agent", **labels: str) -> Sample:
    return Sample({"slo_service": "agents", "slo": slo, "agent_type": agent, **labels}, value)


def slo(name: str) -> Slo:
    found = SLOS.find("agents", name)
    assert found is not None
    return found


def status(recorded: GroupRecords, name: str = "success", agent: str = "support_agent") -> SloStatus:
    return status_of(slo(name), {"agent_type": agent}, recorded, NOW)


def test_budget_is_what_the_window_has_not_spent() -> None:
    found = status(GroupRecords(ratios={"1h": 0.04}, total=10_000.0, errors=50.0))
    assert found.error_ratio == {"1h": 0.04, "30d": 0.005}
    assert found.burn_rate == pytest.approx({"1h": 2.0, "30d": 0.25})
    assert found.error_budget_remaining == pytest.approx(0.75)
    assert found.measured_over == "30d"


def test_an_override_has_its_own_objective() -> None:
    found = status(GroupRecords(total=1000.0, errors=25.0), agent="batch_agent")
    assert found.objective == 95.0
    assert found.error_budget_remaining == pytest.approx(0.5)


def test_a_quiet_agent_has_an_untouched_budget_and_never_a_nan() -> None:
    found = status(GroupRecords(total=0.0, errors=0.0))
    assert found.error_budget_remaining == 1.0
    assert found.error_ratio == {"30d": 0.0}
    assert found.exhausted_at is None


def test_before_the_slo_window_is_recorded_the_longest_window_stands_in_and_is_named() -> None:
    found = status(GroupRecords(ratios={"5m": 0.5, "1h": 0.1, "6h": 0.01}))
    assert found.error_budget_remaining == pytest.approx(0.5)
    assert found.measured_over == "6h"
    assert found.events is None


def test_money_spent_over_a_part_of_the_window_has_spent_that_part_of_the_budget() -> None:
    # 25 USD in 6 h, where 3000 USD in 30 d allow 25: a burn rate of 1, and 1/120 of the budget.
    found = status(GroupRecords(ratios={"6h": 1.0}), "spend")
    assert found.burn_rate["6h"] == 1.0
    assert found.error_budget_remaining == pytest.approx(1 - 25 / 3000)
    assert found.objective is None


def test_money_over_the_whole_window_is_measured_against_the_budget() -> None:
    found = status(GroupRecords(errors=750.0), "spend")
    assert found.error_budget_remaining == pytest.approx(0.75)
    assert found.events is not None
    assert (found.events.total, found.events.errors) == (3000.0, 750.0)


def test_a_total_next_to_nothing_is_no_infinite_burn_rate() -> None:
    found = status(GroupRecords(ratios={"1h": 0.5}, total=1e-302, errors=40_872.0))
    assert found.measured_over == "1h"
    json.dumps(found.as_json(), allow_nan=False)


def test_no_data_is_no_number() -> None:
    found = status(GroupRecords())
    assert (found.error_budget_remaining, found.measured_over, found.events) == (None, None, None)


@pytest.mark.parametrize(
    ("remaining", "burn_rate", "expected"),
    [
        (0.5, 1.0, NOW + timedelta(days=15)),
        (1.0, 14.4, NOW + timedelta(days=30) / 14.4),
        (0.0, 3.0, NOW),
        (-2.0, 0.0, NOW),
        (0.5, 0.0, None),
        (0.5, None, None),
        (None, 1.0, None),
        (1.0, 0.0001, None),
        (0.7, 0.6, None),  # what was spent first is out of the window before the rest is spent
        (0.7, 0.8, NOW + timedelta(days=30) * 0.7 / 0.8),
    ],
)
def test_forecast_continues_the_burn_rate(
    remaining: float | None, burn_rate: float | None, expected: datetime | None
) -> None:
    found = exhausted_at(remaining, burn_rate, MONTH, NOW)
    assert found == pytest.approx(expected, abs=timedelta(seconds=1)) if expected else found is None


def test_as_many_queries_whatever_the_number_of_slos_and_those_for_the_past_once_an_hour() -> None:
    one, all_of_them = Records([total(1.0)]), Records([total(1.0), total(1.0, agent="other")])
    evaluate(SloSet((slo("success"),)), one, NOW)
    evaluate(SLOS, all_of_them, NOW)
    assert len(one.queries) == len(all_of_them.queries) == 7
    oldest = [sample((NOW - timedelta(days=3)).timestamp())]
    again, known = Records([total(1.0)], oldest=oldest), Beginnings()
    for minute in range(62):
        evaluate(SLOS, again, NOW + timedelta(minutes=minute), known)
    assert len(again.queries) == 62 * 3 + 2 * 4


def test_alert_about_the_whole_slo_shows_at_each_of_its_groups() -> None:
    absent = {"alertname": "SLODataAbsent", "slo_service": "agents", "slo": "success", "severity": "ticket"}
    source = Records([total(1.0), total(1.0, agent="other")], alerts=[Sample(absent, 1.0)])
    found = [each for each in evaluate(SLOS, source, NOW) if each.slo == "success"]
    assert [[firing.remark for firing in each.firing] for each in found] == [["ticket SLODataAbsent"]] * 2


def test_alert_without_any_data_shows_at_the_slo() -> None:
    absent = {"alertname": "SLODataAbsent", "slo_service": "agents", "slo": "success", "severity": "ticket"}
    [found] = [each for each in evaluate(SLOS, Records(alerts=[Sample(absent, 1.0)]), NOW) if each.slo == "success"]
    assert [firing.remark for firing in found.firing] == ["ticket SLODataAbsent"]


def test_no_slo_asks_nothing() -> None:
    source = Records()
    assert evaluate(SloSet(), source, NOW) == []
    assert source.queries == []


def test_samples_find_their_slo_and_group_and_strangers_are_left_alone() -> None:
    source = Records(
        [total(100.0), errors(1.0), errors(7.0, slo="unknown")],
        ratios=[sample(0.1, slo_window="1h"), sample(0.2, agent="other", slo_window="1h"), sample(1.0, slo="unknown")],
        alerts=[sample(1.0, alertname="SLOErrorBudgetBurn", severity="page", long_window="1h", short_window="5m")],
    )
    found = {(each.slo, each.group_text): each for each in evaluate(SLOS, source, NOW)}
    assert set(found) == {
        ("answers", ""),
        ("latency", ""),
        ("spend", ""),
        ("tool-calls", ""),
        ("success", "support_agent"),
        ("success", "other"),
    }
    failing = found["success", "support_agent"]
    assert failing.error_budget_remaining == pytest.approx(0.5)
    assert [(each.severity, each.long_window) for each in failing.firing] == [("page", "1h")]
    assert found["success", "other"].firing == ()


def test_nan_and_infinity_from_prometheus_are_no_facts() -> None:
    source = Records(ratios=[sample(float("nan"), slo_window="1h"), sample(float("inf"), slo_window="5m")])
    found = [each for each in evaluate(SLOS, source, NOW) if each.slo == "success"]
    assert found[0].error_ratio == {}


def only(source: Records) -> SloStatus:
    (found,) = evaluate(SloSet((slo("success"),)), source, NOW)
    return found


def test_minutes_since_the_record_are_counted_once_and_those_in_it_are_not() -> None:
    # The outage was over when the sum was recorded: it is in the sum, and in nothing that has come since.
    minutes = [(ago, 100.0) for ago in range(9, -1, -1)]
    burst = [(ago, 100.0 if ago == 4 else 0.0) for ago in range(9, -1, -1)]
    records = [
        record(TOTAL_SUM, (8.5, 500.0), (3.5, 1000.0), slo_window="30d"),
        record(ERRORS_SUM, (8.5, 0.0), (3.5, 100.0), slo_window="30d"),
        record(TOTAL_INCREASE, *minutes),
        record(ERRORS_INCREASE, *burst),
    ]
    found = only(Records(records))
    assert found.events == Events(1400.0, 100.0)
    assert found.error_budget_remaining == pytest.approx(1 - 100 / 1400 / 0.02)
    assert not found.is_estimate


def test_sums_over_other_windows_are_not_the_budget() -> None:
    others = [record(name, (0, 9.0), slo_window="6h") for name in (TOTAL_SUM, ERRORS_SUM)]
    assert only(Records([*others, total(1000.0), errors(5.0), *others])).events == Events(1000.0, 5.0)


@pytest.mark.parametrize(
    ("began", "data_over", "is_full", "said"),
    [
        (timedelta(seconds=30), "1m", False, "over 60 s of data"),
        (timedelta(minutes=5), "5m", False, "over 5 min of data"),
        (timedelta(days=3), "3d", False, "over 3 d of data"),
        (timedelta(days=29, hours=10), "29d10h", False, "over 29.4 d of data"),
        (timedelta(days=29, hours=20), "30d", True, ""),
        (timedelta(days=31), "30d", True, ""),
    ],
)
def test_status_says_over_how_much_data_until_the_window_is_full(
    began: timedelta, data_over: str, is_full: bool, said: str
) -> None:
    found = status(GroupRecords(total=1000.0, errors=1.0, since=NOW - began))
    assert found.as_json()["data_over"] == data_over
    assert (found.is_window_full, found.measured, found.is_estimate) == (is_full, said, False)


def test_budget_that_is_not_recorded_is_an_estimate_from_the_longest_window_that_is() -> None:
    ratios = {"5m": 0.5, "1h": 0.1, "6h": 0.1}
    young = status(GroupRecords(ratios=ratios, since=NOW - timedelta(minutes=4)))
    assert (young.is_estimate, young.measured) == (True, "estimated from 4 min of data")
    # The rules of the long windows fail: what is old is not looked at.
    late = status(GroupRecords(ratios=ratios, since=NOW - timedelta(days=90)))
    assert (late.is_estimate, late.measured, late.is_window_full) == (True, "estimated from 6 h of data", False)


def test_status_without_data_says_nothing_of_its_length() -> None:
    found = status(GroupRecords(since=NOW))
    assert (found.data_over, found.is_window_full, found.is_estimate, found.measured) == (None, None, False, "")


def test_group_is_as_old_as_its_oldest_record_and_no_other_group_is() -> None:
    day = timedelta(days=1).total_seconds()
    source = Records(
        [total(1000.0), errors(5.0), total(10.0, agent="new"), errors(1.0, agent="new")],
        oldest=[sample(NOW.timestamp() - 400 * day), sample(NOW.timestamp() - 3 * day, agent="new")],
    )
    found = {each.group_text: each for each in evaluate(SloSet((slo("success"),)), source, NOW)}
    assert found["support_agent"].measured == ""
    assert found["new"].measured == "over 3 d of data"


def test_group_seen_from_its_first_minute_on_stays_known_to_the_minute() -> None:
    known = Beginnings()

    def at(minutes: float, oldest: float | None) -> SloStatus:
        now = NOW + timedelta(minutes=minutes)
        found = [] if oldest is None else [sample((NOW + timedelta(minutes=oldest)).timestamp())]
        base = record(ERRORS_INCREASE, (-minutes, 1.0))
        source = Records([total(10.0), errors(1.0), base], oldest=found)
        (status,) = evaluate(SloSet((slo("success"),)), source, now, known)
        return status

    assert at(0, None).measured == "over 60 s of data"
    # An hour later the buckets tell less exactly.
    assert at(90, 60).measured == "over 91 min of data"
    # Another database: the old past is gone.
    assert at(600, 590).measured == "over 10 min of data"


@given(
    st.dictionaries(st.sampled_from(["5m", "1h", "6h", "3d"]), st.floats(0, 1)),
    st.none() | st.floats(0, 1e9),
    st.none() | st.floats(0, 1e9),
)
def test_whatever_is_recorded_gives_json_with_finite_numbers(
    ratios: dict[str, float], total: float | None, errors: float | None
) -> None:
    found = status(GroupRecords(ratios, total, errors))
    text = json.dumps(found.as_json(), allow_nan=False)
    assert json.loads(text)["service"] == "agents"
    if found.error_budget_remaining is not None:
        assert found.error_budget_remaining <= 1


def test_spend_says_when_it_cannot_be_trusted() -> None:
    source = Records(
        [errors(10.0, slo="spend")],
        alerts=[
            Sample({"alertname": UNPRICED_ALERT, "slo_service": "agents", "slo": "spend", "model": name}, 1.0)
            for name in ("z-1", "a-2")
        ],
    )
    found = {each.slo: each for each in evaluate(SLOS, source, NOW)}
    assert found["spend"].unpriced_models == ("a-2", "z-1")
    assert found["spend"].as_json()["unpriced_models"] == ["a-2", "z-1"]
    assert found["success"].unpriced_models == ()
