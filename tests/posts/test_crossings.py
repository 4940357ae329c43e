"""What is told of a budget: each crossing once, when it has held, and after quiet hours what is true then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.posts.crossings import Crossing, Rules, State, Subject, advanced, first_sight
from slo_engine.posts.policies import Step
from slo_engine.recording.names import ABSENT_ALERT
from slo_engine.status.model import Firing, SloStatus
from tests.posts.worlds import START, status

RULES = Rules()
SUBJECT = Subject("agents", "success", {"agent_type": "support"})
MINUTE = timedelta(minutes=1)
FREEZE = Step(0.0, 0.1, "no releases but fixes", freeze=True, tell=("mail",))
CARE = Step(0.25, 0.3, "reliability work goes first")


def told(
    lefts: Sequence[float | SloStatus | None],
    *,
    rules: Rules = RULES,
    steps: Sequence[Step] = (),
    quiet: range = range(0),
) -> list[tuple[int, str]]:
    """What is told of a budget whose status is given for each minute: (minute, what)."""
    return [
        (minute, f"{each.kind} {each.level}") for minute, each in run(lefts, rules=rules, steps=steps, quiet=quiet)[1]
    ]


def run(
    lefts: Sequence[float | SloStatus | None],
    *,
    rules: Rules = RULES,
    steps: Sequence[Step] = (),
    quiet: range = range(0),
) -> tuple[State, list[tuple[int, Crossing]]]:
    state: State | None = None
    found: list[tuple[int, Crossing]] = []
    for minute, left in enumerate(lefts):
        at = START + minute * MINUTE
        now = left if isinstance(left, SloStatus) else status(left, at)
        if state is None:
            state = first_sight(now, at, rules, steps)
            continue
        state, crossings = advanced(state, SUBJECT, now, at, rules, steps, is_quiet=minute in quiet)
        state = State.of_json(state.as_json())
        found += [(minute, each) for each in crossings]
    assert state is not None
    return state, found


def test_a_level_is_told_once_it_has_held_for_ten_minutes() -> None:
    assert told([0.9] * 5 + [0.45] * 30) == [(15, "fell 0.5")]


def test_a_fall_through_several_levels_is_told_as_the_lowest() -> None:
    assert told([0.9] * 5 + [0.05] * 30) == [(15, "fell 0.1")]
    assert told([0.9] * 5 + [-0.2] * 30) == [(15, "fell 0.0")]


def test_each_level_has_to_hold_for_itself() -> None:
    assert told([0.9] * 5 + [0.45] * 6 + [0.2] * 30) == [(15, "fell 0.5"), (21, "fell 0.25")]
    assert told([0.9] * 5 + [0.45] * 10 + [-0.05] + [0.45] * 30) == [(15, "fell 0.5")]


def test_nothing_has_held_over_a_gap() -> None:
    state, _ = run([0.9] * 5 + [0.45])
    at = START + timedelta(hours=3)
    state, found = advanced(state, SUBJECT, status(0.45, at), at, RULES, is_after_gap=True)
    assert found == ()
    _, found = advanced(state, SUBJECT, status(0.45, at), at + RULES.hold, RULES)
    assert [each.kind for each in found] == ["fell"]


def test_the_first_figures_of_a_budget_are_no_data_that_came_back() -> None:
    assert told([None] * 5 + [0.9] * 30 + [None] * 30) == [(45, "data_lost None")]


def test_a_budget_that_moves_around_a_level_is_told_once() -> None:
    around = [0.49, 0.51, 0.54, 0.48] * 60
    assert told([0.9, *[0.49] * 15, *around]) == [(11, "fell 0.5")]


def test_a_dip_that_does_not_hold_is_not_told() -> None:
    assert told([0.9] * 5 + [0.45] * 9 + [0.9] * 30) == []


def test_a_recovery_is_told_when_the_budget_is_clearly_above() -> None:
    lefts = [0.2] * 5 + [0.29] * 30 + [0.31] * 30
    assert told(lefts) == [(45, "recovered 0.25")]


def test_a_budget_at_exactly_zero_is_exhausted_and_one_just_above_is_not() -> None:
    assert told([0.3] * 2 + [0.0] * 30) == [(12, "fell 0.0")]
    assert told([0.3] * 2 + [1e-9] * 30) == [(12, "fell 0.1")]


def test_what_is_low_at_the_first_sight_is_no_news() -> None:
    near = status(0.2, START, exhausted_at=START + timedelta(hours=5))
    assert told([near] * 60, steps=[CARE]) == []
    assert told([None] * 60) == []
    assert told([-0.5] * 60, steps=[FREEZE]) == []


def test_a_young_budget_is_not_told() -> None:
    young = [status(-3.0, START + n * MINUTE, data_over="30m", is_full=False) for n in range(60)]
    assert told([status(1.0, START), *young]) == []
    estimate = [status(-3.0, START + n * MINUTE, measured_over="1h") for n in range(60)]
    assert told([status(1.0, START), *estimate]) == []


def test_an_exhaustion_within_three_days_is_told_once_though_the_forecast_moves() -> None:
    def soon(minute: int, days: float) -> SloStatus:
        at = START + minute * MINUTE
        return status(0.8, at, exhausted_at=at + timedelta(days=days))

    moving = [soon(minute, (2.5, 4.0, 2.9, 5.5)[minute % 4]) for minute in range(12, 100)]
    assert told([soon(0, 20), *[soon(minute, 2.5) for minute in range(1, 12)], *moving]) == [(11, "forecast None")]


def test_a_forecast_that_was_over_is_told_again() -> None:
    def soon(minute: int, days: float) -> SloStatus:
        at = START + minute * MINUTE
        return status(0.8, at, exhausted_at=at + timedelta(days=days))

    days = [20.0] * 5 + [2.0] * 20 + [20.0] * 20 + [2.0] * 20
    assert told([soon(minute, each) for minute, each in enumerate(days)]) == [
        (15, "forecast None"),
        (55, "forecast None"),
    ]


def test_data_that_are_lost_and_come_back_are_told() -> None:
    assert told([0.9] * 3 + [None] * 30 + [0.9] * 30) == [(13, "data_lost None"), (43, "data_back None")]


def test_a_group_that_is_not_evaluated_any_more_has_lost_its_data() -> None:
    state, _ = run([0.9, 0.9])
    at = START + 20 * MINUTE
    state, first = advanced(state, SUBJECT, None, at, RULES)
    assert first == ()
    _, second = advanced(state, SUBJECT, None, at + RULES.hold, RULES)
    assert [each.kind for each in second] == ["data_lost"]


def test_the_alert_on_absent_data_is_a_loss_of_data() -> None:
    absent = status(0.9, START, firing=[Firing(ABSENT_ALERT, "ticket", "", "")])
    assert told([0.9] * 2 + [absent] * 20) == [(12, "data_lost None")]


def test_in_quiet_hours_nothing_is_told_and_afterwards_what_is_true_then() -> None:
    fell = [0.9] * 5 + [0.45] * 60
    assert told(fell, quiet=range(5, 40)) == [(40, "fell 0.5")]
    and_recovered = [0.9] * 5 + [0.45] * 20 + [0.9] * 60
    assert told(and_recovered, quiet=range(5, 60)) == []
    lost = [0.9] * 5 + [None] * 60
    assert told(lost, quiet=range(5, 40)) == [(40, "data_lost None")]


def test_a_policy_is_in_force_in_quiet_hours_and_told_afterwards() -> None:
    lefts = [0.9] * 5 + [-0.1] * 30
    state, found = run(lefts, steps=[FREEZE], quiet=range(200))
    assert list(state.policies) == [FREEZE.identity]
    assert found == []
    state, found = run([*lefts, -0.1], steps=[FREEZE], quiet=range(35))
    assert [(minute, each.kind, each.tell) for minute, each in found] == [
        (35, "fell", ()),
        (35, "policy_began", ("mail",)),
    ]


def test_a_policy_ends_where_it_says() -> None:
    lefts = [0.5] * 2 + [-0.1] * 20 + [0.09] * 20 + [0.11] * 20
    found = [(minute, each) for minute, each in told(lefts, steps=[FREEZE]) if "policy" in each]
    assert found == [(12, "policy_began 0.0"), (52, "policy_ended 0.0")]


def test_a_policy_whose_text_was_changed_is_told_anew() -> None:
    state, _ = run([0.9] * 5 + [-0.1] * 30, steps=[FREEZE])
    other = Step(0.0, 0.1, "another text", freeze=True)
    at = START + 100 * MINUTE
    state, found = advanced(state, SUBJECT, status(-0.1, at), at, RULES, [other])
    assert list(state.policies) == [other.identity]  # releases are not let go in between
    assert [(each.kind, "another text" in each.text) for each in found] == [("policy_began", True)]


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=200),
    st.integers(0, 20),
    st.lists(st.booleans(), min_size=200, max_size=200),
)
def test_however_a_budget_moves_each_told_change_is_one_and_in_the_end_the_truth_is_told(
    lefts: list[float], hold: int, quiet: list[bool]
) -> None:
    rules = Rules(hold=hold * MINUTE)
    silent = [minute for minute, is_quiet in enumerate(quiet) if is_quiet]
    state: State | None = None
    level: float | None = None
    for minute, left in enumerate(lefts):
        at = START + minute * MINUTE
        if state is None:
            state = first_sight(status(left, at), at, rules, ())
            level = state.level
            continue
        state, found = advanced(state, SUBJECT, status(left, at), at, rules, is_quiet=minute in silent)
        assert not found or minute not in silent
        for each in found:
            if each.kind == "fell":
                assert each.level is not None
                assert level is None or each.level < level
                assert left < each.level or (left <= 0 and each.level == 0)
            else:
                assert each.kind == "recovered"
                assert each.level == level
                assert level is not None
                assert left >= level + rules.recovery
            level = state.level
        assert state.level == level  # nothing is noted as told that was not
    assert state is not None
    end = START + (len(lefts) + hold) * MINUTE
    for at in (end, end + rules.hold):
        state, _ = advanced(state, SUBJECT, status(lefts[-1], at), at, rules)
    truth = [each for each in rules.levels if lefts[-1] < each or (each == 0 and lefts[-1] <= 0)]
    if truth:
        assert state.level is not None
        assert state.level <= min(truth)
    if state.level is not None:
        assert lefts[-1] < state.level + rules.recovery


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (0.45, "fell below 50 %: 45.0 % left"),
        (0.0, "is exhausted"),
        (-0.2, "is exhausted, overspent by 20.0 %"),
    ],
)
def test_what_is_told_gives_the_figure(left: float, text: str) -> None:
    assert [each.text for _, each in run([0.9] * 2 + [left] * 20)[1]] == [text]
