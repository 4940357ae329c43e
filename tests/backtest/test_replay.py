"""Policies over synthetic histories: when alerts fire, what they are for, what is missed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.backtest.incidents import Incident
from slo_engine.backtest.objectives import met
from slo_engine.backtest.replay import Backtest, Candidate, FiredAlert, Replay, ReplayPlan, is_for, replay
from slo_engine.backtest.windows import History, Windows
from slo_engine.definitions import Duration, Slo, TierAlerting
from slo_engine.definitions.policies import GOOGLE, Policy, Severity
from slo_engine.definitions.targets import Objective
from tests.rules.promtool import slos_of
from tests.rules.shop import slo_file

START = 1_700_000_100 // 300 * 300
DAY = 1440
PAGE_1H = Policy("page-1h", (GOOGLE.tiers[0],))
NAN = math.nan
Groups = dict[tuple[str, ...], History]


@pytest.fixture
def slo(tmp_path: Path) -> Slo:
    (found,) = slos_of(tmp_path, slo_file()).slos
    return found


def history(*stretches: tuple[int, float, float], lead: int = 0) -> History:
    """For so many minutes, so many runs a minute, of which this share fails; NaN runs: a gap."""
    total, errors = [], []
    for minutes, runs, failing in stretches:
        total += [runs] * minutes
        errors += [runs * failing] * minutes
    return History(START - lead * 60, total, errors)


def plan(minutes: int, *policies: Policy, begin: int = 0, **more: object) -> ReplayPlan:
    candidates = tuple(Candidate(policy) for policy in policies or (PAGE_1H,))
    return ReplayPlan(candidates, START + begin * 60, START + (minutes - 1) * 60, **more)  # type: ignore[arg-type]


def only(findings: Backtest) -> Replay:
    (found,) = findings.replays
    return found


def minutes(alert: FiredAlert) -> tuple[float, float | None]:
    over = None if alert.reset_at is None else (alert.reset_at - START) / 60
    return ((alert.fired_at - START) / 60, over)


def test_an_outage_is_paged_and_over_when_the_workbook_says_give_or_take_the_base(slo: Slo) -> None:
    # 99 %: the page asks for 14.4 % over 1 h. A full outage has it after 8.6 minutes.
    found = only(replay(slo, {("chat",): history((DAY, 100, 0), (60, 100, 1), (DAY, 100, 0))}, plan(2 * DAY + 60)))
    (alert,) = found.alerts
    fired, over = minutes(alert)
    # The first minute of the outage is the record of minute DAY; one that goes on for n minutes is seen n - 1 later.
    assert fired == DAY + 9 - 1
    assert over == DAY + 60 + 5 - 1
    assert (alert.cut, alert.events) == (False, (0,))
    (event,) = found.events
    assert event.detected_after == alert.fired_at - event.incident.start
    # The stretch is the hour itself, and what it spent is an hour of errors of what the budget of 30 days allows.
    assert (event.incident.start - START, event.incident.end - START) == ((DAY - 1) * 60, (DAY + 59) * 60)
    assert event.budget_spent == pytest.approx(6000 / (0.01 * 100 * 30 * DAY), rel=1e-3)
    assert event.budget_spent_by_then == pytest.approx((fired - DAY + 1) * 100 / (0.01 * 100 * 30 * DAY), rel=1e-6)
    assert found.scores["page"].precision == found.scores["page"].recall == 1.0
    assert found.scores["ticket"].precision is None
    assert found.scores["ticket"].recall == 0.0


def test_quiet_nights_weigh_what_their_traffic_is(slo: Slo) -> None:
    # Half of a night's few runs fail: much by the minute, nothing by the budget.
    nights = [(960, 1000, 0), (480, 0.1, 0.5)] * 5
    found = replay(slo, {("chat",): history(*nights)}, plan(5 * DAY, significant=0.02))
    assert [(event.incident.start, event.budget_spent) for event in only(found).events] == []
    assert only(found).alerts  # the ratio is high all the same, so the page fires ...
    assert only(found).scores["page"].precision == 0.0  # ... for nothing
    (group,) = found.groups
    assert group.met is not None
    assert group.met.overall == pytest.approx(1 - 480 * 0.05 / (960 * 1000 + 480 * 0.1))
    held_back = replay(replace(slo, min_events=20), {("chat",): history(*nights)}, plan(5 * DAY))
    assert len(only(held_back).alerts) < len(only(found).alerts)


def test_gaps_and_nan_are_gaps_and_not_zeros(slo: Slo) -> None:
    with_gap = history((DAY, 100, 0), (DAY, NAN, 0), (DAY, 100, 0))
    findings = replay(slo, {("chat",): with_gap}, plan(3 * DAY, GOOGLE))
    (group,) = findings.groups
    assert group.coverage == pytest.approx(2 / 3, abs=0.01)
    assert only(findings).alerts == ()
    assert group.met is not None
    assert (group.met.overall, group.met.errors) == (1.0, 0.0)
    windows = Windows(with_gap, slo.window)
    inside = DAY + 12 * 60
    assert math.isnan(windows.ratio(Duration.parse("1h")).at(inside))
    assert windows.ratio(Duration.parse("1d")).at(inside) == 0.0


def test_only_tiers_that_the_slo_wants_are_tried(slo: Slo) -> None:
    failing: Groups = {("chat",): history((DAY, 100, 0), (120, 100, 1), (DAY, 100, 0))}

    def fired(slo: Slo) -> set[str]:
        found = only(replay(slo, failing, plan(2 * DAY + 120, GOOGLE)))
        return {f"{alert.tier.severity} {alert.tier.long}" for alert in found.alerts}

    assert fired(slo) == {"page 1h", "page 6h", "ticket 1d", "ticket 3d"}
    assert fired(replace(slo, disabled=(Duration.parse("6h"),))) == {"page 1h", "ticket 1d", "ticket 3d"}
    quiet: dict[Severity, TierAlerting] = {"page": TierAlerting(), "ticket": TierAlerting(disabled=True)}
    assert fired(replace(slo, alerting=quiet)) == {"page 1h", "page 6h"}


def test_factors_are_those_of_the_slo_window(slo: Slo) -> None:
    week = replace(slo, window=Duration.parse("7d"))
    (alert,) = only(
        replay(
            week,
            {("chat",): history((DAY, 100, 0), (60, 100, 1), (DAY, 100, 0))},
            plan(2 * DAY + 60, Policy("page-1h", (GOOGLE.tiers[0],), adaptive=True)),
        )
    ).alerts
    assert alert.factor == pytest.approx(14.4 * 7 / 30)
    assert minutes(alert)[0] == DAY + 3 - 1  # 3.36 % of an hour


def test_an_objective_under_a_quarter_is_no_cause_for_an_alert_while_it_is_kept(slo: Slo) -> None:
    loose = replace(slo, target=Objective(10))
    kept = only(replay(loose, {("chat",): history((5 * DAY, 100, 0.89))}, plan(5 * DAY, GOOGLE)))
    missed = only(replay(loose, {("chat",): history((5 * DAY, 100, 0.91))}, plan(5 * DAY, GOOGLE)))
    assert kept.alerts == ()
    assert {alert.factor for alert in missed.alerts} == {1.0}


def test_an_idle_group_has_no_ratio_and_no_alert(slo: Slo) -> None:
    findings = replay(slo, {("idle",): history((DAY, 0, 0))}, plan(DAY, GOOGLE))
    assert only(findings).alerts == ()
    assert findings.groups[0].met is None
    assert findings.groups[0].coverage == 1.0


def test_leftovers_of_large_sums_are_not_taken_for_traffic(slo: Slo) -> None:
    # A prefix sum of 1e9 + 0.1 loses digits: what is left of it over an idle hour is not 0, and was once a ratio.
    findings = replay(slo, {("chat",): history((DAY, 1e9 + 0.1, 0.1 / 3), (DAY, 0, 0))}, plan(2 * DAY, GOOGLE))
    ratios = Windows(history((DAY, 1e9 + 0.1, 0.1 / 3), (DAY, 0, 0)), slo.window).ratio(Duration.parse("1h")).values
    assert all(math.isnan(ratio) for ratio in ratios[DAY + 70 :])
    assert all(minutes(alert)[0] < DAY + 70 for alert in only(findings).alerts)


def test_overlapping_incidents_are_two_events_of_one_alert(slo: Slo) -> None:
    incidents = tuple(
        Incident(name, START + (DAY + begin) * 60, START + (DAY + end) * 60, {})
        for name, begin, end in [("provider down", 0, 60), ("bad deploy", 30, 90)]
    )
    failing: Groups = {("chat",): history((DAY, 100, 0), (90, 100, 1), (300, 100, 0))}
    found = only(replay(slo, failing, plan(DAY + 390, incidents=incidents)))
    (alert,) = found.alerts
    assert alert.events == (0, 1)
    assert [event.detected_after for event in found.events] == [alert.fired_at - incidents[0].start, 0]
    score = found.scores["page"]
    assert (score.alerts, score.significant, score.events, score.detected) == (1, 1, 2, 2)


@pytest.mark.parametrize(
    ("fired", "over", "wanted"),
    [(-60, 0, False), (-60, 60, True), (30, 90, True), (3600 + 360, None, True), (3600 + 420, 9000, False)],
)
def test_an_alert_is_for_an_incident_while_its_short_window_sees_it(fired: int, over: int | None, wanted: bool) -> None:
    tier = PAGE_1H.tiers[0]  # its short window is 5 minutes, and the base sees a minute 10 s after its end
    reset = None if over is None else START + over
    alert = FiredAlert({"agent_type": "chat"}, tier, 14.4, START + fired, reset, False, None, ())
    assert is_for(alert, Incident("", START, START + 3600, {"agent_type": "chat"})) is wanted


def test_an_incident_of_another_group_is_missed_and_the_alert_is_for_nothing(slo: Slo) -> None:
    incident = Incident("", START + DAY * 60, START + (DAY + 60) * 60, {"agent_type": "batch"})
    groups: Groups = {
        ("batch",): history((DAY + 360, 100, 0)),
        ("chat",): history((DAY, 100, 0), (60, 100, 1), (300, 100, 0)),
    }
    score = only(replay(slo, groups, plan(DAY + 360, incidents=(incident,)))).scores["page"]
    assert (score.precision, score.recall) == (0.0, 0.0)


def test_an_incident_without_a_group_is_detected_by_any_group(slo: Slo) -> None:
    incident = Incident("", START + DAY * 60, START + (DAY + 60) * 60, {})
    groups: Groups = {
        ("batch",): history((DAY + 360, 100, 0)),
        ("chat",): history((DAY, 100, 0), (60, 100, 1), (300, 100, 0)),
    }
    found = only(replay(slo, groups, plan(DAY + 360, incidents=(incident,))))
    assert (found.scores["page"].precision, found.scores["page"].recall) == (1.0, 1.0)
    assert found.events[0].budget_spent == pytest.approx(60 * 100 / (0.01 * 100 * 30 * DAY), rel=0.1)


def test_an_incident_cut_by_the_start_of_the_history_has_no_detection_time(slo: Slo) -> None:
    cut: Groups = {("chat",): history((120, 100, 1), (DAY, 100, 0))}
    incident = Incident("", START - 3600, START + 120 * 60, {})
    found = only(replay(slo, cut, plan(DAY + 120, incidents=(incident,))))
    (alert,), (event,) = found.alerts, found.events
    assert alert.cut
    assert event.cut
    assert (event.detected_by, event.detected_after, event.budget_spent_by_then) == (alert, None, None)
    assert found.scores["page"].recall == 1.0


def test_an_incident_cut_by_the_end_is_detected_and_its_alert_still_fires(slo: Slo) -> None:
    findings = replay(slo, {("chat",): history((DAY, 100, 0), (60, 100, 1))}, plan(DAY + 60))
    (alert,), (event,) = only(findings).alerts, only(findings).events
    assert alert.reset_at is None
    assert event.detected_by == alert


def test_what_fired_and_was_over_before_the_history_counts_is_left_out(slo: Slo) -> None:
    lead = history((60, 100, 1), (DAY, 100, 0), (DAY, 100, 0), lead=DAY + 60)
    assert only(replay(slo, {("chat",): lead}, plan(DAY))).alerts == ()


def test_incidents_outside_the_history_or_without_data_are_not_held_against_the_policy(slo: Slo) -> None:
    outside = Incident("before", START - 7200, START - 3600, {})
    unseen = Incident("while Prometheus was down", START + 700 * 60, START + 800 * 60, {})
    findings = replay(
        slo,
        {("chat",): history((600, 100, 0), (300, NAN, 0), (600, 100, 0))},
        plan(1500, incidents=(outside, unseen)),
    )
    assert findings.outside == (outside,)
    (event,) = only(findings).events
    assert not event.seen
    assert only(findings).scores["page"].recall is None


def test_keep_firing_for_makes_one_alert_of_a_flapping_one(slo: Slo) -> None:
    flapping: Groups = {("chat",): history((DAY, 100, 0), *[(20, 100, 1), (10, 100, 0)] * 4, (300, 100, 0))}
    loose = only(replay(slo, flapping, plan(DAY + 420)))
    kept = only(replay(slo, flapping, plan(DAY + 420, kept=900.0)))
    assert (len(loose.alerts), len(kept.alerts)) == (4, 1)
    # One that would be over at the evaluation at which it begins anew goes on.
    ended, begins = loose.alerts[0].reset_at, loose.alerts[1].fired_at
    assert ended is not None
    counts = [len(only(replay(slo, flapping, plan(DAY + 420, kept=begins - ended - less))).alerts) for less in (0, 60)]
    assert counts == [1, 4]
    over, kept_over = minutes(loose.alerts[-1])[1], minutes(kept.alerts[-1])[1]
    assert over is not None
    assert kept_over == over + 15


@pytest.mark.parametrize(("pause", "events"), [(55, 1), (70, 2)])
def test_stretches_of_errors_with_a_short_pause_are_one_event(slo: Slo, pause: int, events: int) -> None:
    twice = history((DAY, 100, 0), (60, 100, 1), (pause, 100, 0), (60, 100, 1), (DAY, 100, 0))
    found = only(replay(slo, {("chat",): twice}, plan(2 * DAY + 120 + pause, significant=0.1)))
    # Each hour spends 13.9 % of the budget by itself.
    assert len(found.events) == events


@pytest.mark.parametrize("failing", [1.0, 0.1, 0.015])
def test_a_stretch_begins_and_ends_with_its_errors_however_few(slo: Slo, failing: float) -> None:
    found = history((DAY, 100, 0), (600, 100, failing), (DAY, 100, 0.005))
    (event,) = only(replay(slo, {("chat",): found}, plan(2 * DAY + 600))).events
    begin, end = ((at - START) / 60 for at in (event.incident.start, event.incident.end))
    assert (begin, end) == (DAY - 1, DAY + 599)


def test_a_stretch_below_the_share_that_counts_is_no_event(slo: Slo) -> None:
    short = history((DAY, 100, 0), (60, 100, 1), (DAY, 100, 0))
    found = [only(replay(slo, {("chat",): short}, plan(2 * DAY + 60, significant=share))) for share in (0.13, 0.14)]
    assert [len(each.events) for each in found] == [1, 0]


def test_a_lower_objective_pages_later_and_less(slo: Slo) -> None:
    candidates = tuple(Candidate(GOOGLE, objective) for objective in (99.9, 99, 95))
    stretches = history((DAY, 100, 0), (120, 100, 0.3), (DAY, 100, 0))
    found = replay(slo, {("chat",): stretches}, replace(plan(2 * DAY + 120), candidates=candidates))
    first = [min((alert.fired_at for alert in each.alerts), default=None) for each in found.replays]
    assert first[0] is not None
    assert first[1] is not None
    assert first[0] < first[1]
    assert [len(each.alerts) for each in found.replays] == sorted(len(each.alerts) for each in found.replays)[::-1]


def test_overrides_hold_each_group_to_its_own_objective(tmp_path: Path) -> None:
    text = slo_file("overrides: [{match: {agent_type: batch}, objective: 90}]")
    (own,) = slos_of(tmp_path, text).slos
    failing = history((DAY, 100, 0), (120, 100, 0.3), (DAY, 100, 0))
    found = only(replay(own, {("batch",): failing, ("chat",): failing}, plan(2 * DAY + 120)))
    assert [alert.group["agent_type"] for alert in found.alerts] == ["chat"]


def test_spend_burns_its_money(tmp_path: Path) -> None:
    spend = slo_file().replace(
        "sli: {events: {total: runs_total, errors: 'runs_total{status=\"error\"}'}}",
        "sli: {cost: {spend: usd_total, budget: 4320 USD}}",
    )
    spend = spend.replace(", objective: 99}", "}")
    (slo,) = slos_of(tmp_path, spend).slos
    # 4,320 USD in 30 days are 0.1 USD a minute; 20 times that pages, whatever the number of calls.
    money = [0.05] * DAY + [2.0] * 60 + [0.05] * 300
    found = only(replay(slo, {("chat",): History(START, None, money)}, plan(DAY + 360)))
    (alert,), (event,) = found.alerts, found.events
    assert alert.factor == 14.4
    # 20 times for m minutes of an hour, and half of it all for the rest, is 14.4 times after 42.8 minutes.
    assert minutes(alert)[0] == DAY + 43 - 1
    assert event.budget_spent == pytest.approx(60 * 2 / 4320, rel=1e-3)


@pytest.mark.parametrize(
    ("failing", "objective"), [(0.0, 99.999), (0.0004, 99.95), (0.0051, 99), (0.06, 92), (0.6, None)]
)
def test_the_objective_that_was_met_is_rounded_down_to_one_that_people_write(
    failing: float, objective: float | None
) -> None:
    found = met(history((3 * DAY, 100, failing)), 0, Duration.parse("1d"))
    assert found is not None
    assert found.objective == objective
    if objective is not None:
        assert found.margin == pytest.approx(1 - failing / (1 - objective / 100), abs=1e-6)


def test_the_worst_window_decides_and_not_the_mean() -> None:
    found = met(history((5 * DAY, 100, 0), (DAY, 100, 0.04), (5 * DAY, 100, 0)), 0, Duration.parse("1d"))
    assert found is not None
    assert found.objective == 95
    assert found.worst == pytest.approx(0.96, abs=1e-3)
    assert found.overall == pytest.approx(1 - 0.04 / 11, abs=1e-3)
    assert found.windows == 10 * 288 + 1


def test_an_objective_is_not_suggested_whose_budget_is_less_than_one_event() -> None:
    found = met(history((3 * DAY, 0.1, 0)), 0, Duration.parse("1d"))
    assert found is not None
    assert found.objective == 99  # of 144 runs a day: 99.5 would allow 0.7 errors


@given(
    st.lists(
        st.tuples(st.sampled_from([NAN, 0.0, 1.0, 3.0, 1e9]), st.sampled_from([NAN, 0.0, 0.5, 1.0])),
        min_size=6,
        max_size=60,
    ),
    st.sampled_from(["5m", "12m", "1h", "7h", "7h2m", "7h3m"]),
)
def test_windows_are_the_sums_of_their_records(records: list[tuple[float, float]], window: str) -> None:
    records = records * 12
    total, errors = [record[0] for record in records], [record[1] * record[0] for record in records]
    over = Duration.parse(window)
    found = Windows(History(START, total, errors), Duration.parse("30d")).ratio(over)
    for step, value in enumerate(found.values):
        at = step * found.every
        # A range is half a step short, and what it finds has summed the minutes since the record before it.
        oldest = at - over.milliseconds / 60_000 + found.every / 2
        reach = min((i for i in range(at, -found.every * 200, -found.every) if i > oldest), default=at) - found.every
        taken = range(max(0, reach + 1), at + 1)
        lost = [errors[i] for i in taken if not math.isnan(errors[i])]
        seen = math.fsum(total[i] for i in taken if not math.isnan(total[i]))
        if not lost or not seen > 0:
            assert math.isnan(value)
        else:
            assert value == pytest.approx(math.fsum(lost) / seen, rel=1e-6, abs=1e-12)
