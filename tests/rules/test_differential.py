"""Our alerts beside those of rules in Sloth's form, on a real Prometheus and one history with 20 incidents."""

from __future__ import annotations

import pytest

from benchmarks.rules.incidents import DAYS, INCIDENTS, Play, compared, measure, unfounded
from benchmarks.rules.progress import Progress

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=50)]

SEVERITIES = ("page", "ticket")


@pytest.fixture(scope="module")
def play() -> Play:
    return measure(INCIDENTS, DAYS, Progress())


@pytest.mark.parametrize("severity", SEVERITIES)
def test_our_alerts_fire_for_every_incident_that_sloths_fire_for(play: Play, severity: str) -> None:
    missed, _, fired_for = compared(play, INCIDENTS, severity)
    assert fired_for >= 15  # else the history would prove nothing
    assert missed == []


@pytest.mark.parametrize("severity", SEVERITIES)
def test_our_alerts_fire_no_later_than_two_evaluations_after_sloths(play: Play, severity: str) -> None:
    _, late, _ = compared(play, INCIDENTS, severity)
    assert late == []


def test_our_alerts_do_not_fire_where_the_truth_is_below_the_threshold(play: Play) -> None:
    assert unfounded(play.ours, play.truth) == []
    assert unfounded(play.sure, play.truth) == []


def test_two_bad_minutes_wake_nobody(play: Play) -> None:
    [short] = [incident for incident in INCIDENTS if incident.name == "2 min, all fail"]
    assert play.ours.first("page", short) is None
