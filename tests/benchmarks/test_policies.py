"""`make bench-policies`: the same decisions as `replay`, counted as a person is paged."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from benchmarks.policies.cells import Cell, cell
from benchmarks.policies.firing import Seen, episodes, every, first
from benchmarks.policies.forms import AGENT, BOUND, FORMS, TEXTBOOK, Form
from benchmarks.policies.picture import draw
from benchmarks.policies.report import figures, tables
from benchmarks.policies.traffic import MINUTES_OF_A_DAY, Traffic, full_outage, steady
from slo_engine.backtest.firing import Condition, firing
from slo_engine.backtest.windows import History, Windows
from slo_engine.definitions import Duration

LEAD, DAYS = 4, 6


def looks_of_replay(condition: Condition, traffic: Traffic) -> set[int]:
    """When `replay` has a tier fire over the same history."""
    total, errors = (np.diff(each).astype(float).tolist() for each in (traffic.events, traffic.errors))
    windows = Windows(History(0, total, errors), Duration.parse("30d"))
    found = set()
    for stretch in firing(windows, condition):
        found |= set(range(stretch.begin, len(total) if stretch.end is None else stretch.end, every(condition)))
    return {look - traffic.lead for look in found if look >= traffic.lead}


@pytest.mark.parametrize(("per_hour", "budget"), [(3, 0.02), (10, 0.1), (60, 0.001), (300, 0.2)])
@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.name)
def test_tiers_fire_when_replay_says(form: Form, per_hour: int, budget: float) -> None:
    # Four times the budget: something fires.
    traffic = steady(7, per_hour, 4 * budget, DAYS, LEAD)
    found = {condition: set(Seen(traffic).fires(condition).tolist()) for condition in form.conditions(budget)}
    assert found == {condition: looks_of_replay(condition, traffic) for condition in found}
    assert any(found.values())


def test_page_is_an_episode_of_whatever_tier() -> None:
    looks = [np.array([1, 2, 3, 20]), np.array([3, 4, 5, 9])]
    assert episodes(looks, 1) == 3  # 1 to 5, 9, 20
    assert episodes([np.array([0, 5, 10, 20])], 5) == 2
    assert episodes([np.array([], dtype=np.int64)], 1) == 0
    assert first(looks) == 2
    assert first([np.array([], dtype=np.int64)]) == math.inf


def test_share_of_errors_is_the_one_that_was_asked_for_and_an_outage_is_one() -> None:
    traffic = steady(1, 300, 0.05, 30, 3)
    events, errors = traffic.events[-1], traffic.errors[-1]
    assert events == pytest.approx(300 * 24 * 33, rel=0.01)
    assert errors / events == pytest.approx(0.05, rel=0.03)
    outage = full_outage(1, 0, 60, 2, 1)
    before, after = outage.errors[MINUTES_OF_A_DAY], outage.errors[-1]
    assert before == 0
    assert after == outage.events[-1] - outage.events[MINUTES_OF_A_DAY] > 0


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    return [cell(objective, per_hour, 2, 60) for objective in (95.0, 98.0) for per_hour in (3, 60)]


def test_bound_pages_less_for_nothing_and_the_outage_tier_sooner(cells: list[Cell]) -> None:
    quiet, busy = cells[2:]
    assert quiet.pages[TEXTBOOK.name] > 15 > 0.5 > quiet.pages[BOUND.name]
    assert quiet.tickets[TEXTBOOK.name] > 10 > 0.5 > quiet.tickets[BOUND.name]
    # Of an hour of 60 runs 28.8 % fail after 17 minutes.
    assert busy.minutes(TEXTBOOK.name) == pytest.approx(18, abs=2)
    assert busy.minutes(BOUND.name) == busy.minutes(TEXTBOOK.name)
    assert busy.minutes(AGENT.name) <= 8
    assert set(busy.later) == {"page 1h/5m", "page 6h/30m"}


def test_report_says_what_is_reached(cells: list[Cell]) -> None:
    told = {figure.name: figure for figure in figures(cells)}
    assert told["full outage from 60 runs/h on, median"].is_reached
    assert told["pages for nothing, bound and outage tier"].value < 0.5
    shown = "\n".join(tables(cells))
    for form in FORMS:
        assert f"{form}: pages for nothing a month" in shown
    root = ET.fromstring(draw(cells))
    assert root.get("role") == "img"
