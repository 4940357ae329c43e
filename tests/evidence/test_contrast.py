from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

import pytest

from slo_engine.evidence.contrast import Contrast, explain
from slo_engine.evidence.crosstab import Attributes, Cell

VALUES = {
    "channel": 4,
    "environment": 2,
    "hour": 24,
    "language": 5,
    "model": 3,
    "plan": 3,
    "prompt_version": 4,
    "region": 4,
    "release": 3,
    "session": 1_000_000,
    "tool": 6,
    "user": 2_000,
}
"""How many values each of twelve attributes has. Low numbers are more frequent, as in real traffic."""

Rate = Callable[[Mapping[str, str]], float]
"""Attributes -> how likely such a run fails."""


def _runs(
    count: int, rate: Rate, *, seed: int = 1, adjust: Callable[[dict[str, str]], None] | None = None
) -> list[Cell]:
    chance = random.Random(seed)
    runs = []
    for _ in range(count):
        attributes = {name: f"{name}-{int(chance.random() ** 1.6 * size)}" for name, size in VALUES.items()}
        if adjust is not None:
            adjust(attributes)
        runs.append(_run(attributes, failing=chance.random() < rate(attributes)))
    return runs


def _run(attributes: Attributes, *, failing: bool) -> Cell:
    return Cell(attributes, 1, 0, 0.0) if failing else Cell(attributes, 0, 1, 1.0)


def _sampled(runs: list[Cell], kept: float, *, seed: int = 1) -> list[Cell]:
    """All failing runs, and this share of the healthy ones, each of which stands for more."""
    chance = random.Random(seed)
    return [
        cell if cell.failing else Cell(cell.attributes, 0, cell.healthy, cell.healthy_weight / kept)
        for cell in runs
        if cell.failing or chance.random() < kept
    ]


def _named(found: Contrast) -> list[dict[str, str]]:
    return [dict(trait.attributes) for trait in found.traits]


def _usual(_: Mapping[str, str]) -> float:
    return 0.03


def _with_prompt(attributes: Mapping[str, str]) -> float:
    return 0.6 if attributes["prompt_version"] == "prompt_version-3" else 0.02


def _with_prompt_and_model(attributes: Mapping[str, str]) -> float:
    is_hit = attributes["prompt_version"] == "prompt_version-1" and attributes["model"] == "model-1"
    return 0.6 if is_hit else 0.02


def _with_either(attributes: Mapping[str, str]) -> float:
    is_hit = attributes["prompt_version"] == "prompt_version-3" or attributes["tool"] == "tool-4"
    return 0.6 if is_hit else 0.02


def test_one_attribute_is_named_with_its_shares_and_rates() -> None:
    runs = _runs(4_000, _with_prompt)
    (trait,) = explain(runs).traits
    assert dict(trait.attributes) == {"prompt_version": "prompt_version-3"}
    inside = [cell for cell in runs if cell.attributes["prompt_version"] == "prompt_version-3"]
    failing, failing_inside = sum(cell.failing for cell in runs), sum(cell.failing for cell in inside)
    assert trait.failing_share == pytest.approx(failing_inside / failing)
    assert trait.healthy_share == pytest.approx((len(inside) - failing_inside) / (len(runs) - failing))
    assert trait.failure_rate == pytest.approx(failing_inside / len(inside))
    assert trait.failure_rate_elsewhere == pytest.approx((failing - failing_inside) / (len(runs) - len(inside)))
    assert trait.q_value < 1e-6
    assert trait.confounded_with == ()


def test_it_says_how_much_was_compared() -> None:
    runs = _sampled(_runs(4_000, _with_prompt), 0.15)
    found = explain(runs)
    assert found.failing == sum(cell.failing for cell in runs)
    assert found.healthy == sum(cell.healthy for cell in runs)
    assert found.healthy_weight == pytest.approx(found.healthy / 0.15)


def test_two_attributes_are_named_when_neither_alone_is_to_blame() -> None:
    assert _named(explain(_runs(6_000, _with_prompt_and_model))) == [
        {"model": "model-1", "prompt_version": "prompt_version-1"}
    ]


def test_three_attributes_are_named_when_it_takes_three() -> None:
    def rate(attributes: Mapping[str, str]) -> float:
        cause = {"model": "model-1", "prompt_version": "prompt_version-1", "region": "region-0"}
        return 0.7 if cause.items() <= attributes.items() else 0.02

    (trait,) = explain(_runs(12_000, rate)).traits
    assert dict(trait.attributes) == {
        "model": "model-1",
        "prompt_version": "prompt_version-1",
        "region": "region-0",
    }


def test_the_wider_attribute_is_named_when_all_its_parts_fail_though_one_fails_more() -> None:
    def rate(attributes: Mapping[str, str]) -> float:
        if attributes["prompt_version"] != "prompt_version-1":
            return 0.02
        return 0.8 if attributes["model"] == "model-0" else 0.2

    assert _named(explain(_runs(6_000, rate))) == [{"prompt_version": "prompt_version-1"}]


def test_the_narrower_attributes_are_named_when_only_one_other_part_fails_too() -> None:
    new = [("search", 400, 100), ("fetch", 70, 30), *((tool, 2, 98) for tool in ("ask", "list", "move", "plot"))]
    cells = [Cell({"prompt_version": "v12", "tool": tool}, bad, good, good) for tool, bad, good in new]
    cells += [Cell({"prompt_version": "v11", "tool": tool}, 20, 980, 980.0) for tool, _, _ in new]
    assert _named(explain(cells))[0] == {"prompt_version": "v12", "tool": "search"}


def test_two_causes_at_once_are_both_named_each_with_all_of_its_runs() -> None:
    runs = _runs(6_000, _with_either)
    found = explain(runs)
    assert sorted(_named(found), key=str) == [{"prompt_version": "prompt_version-3"}, {"tool": "tool-4"}]
    for trait in found.traits:
        inside = sum(cell.failing for cell in runs if trait.attributes.items() <= cell.attributes.items())
        assert trait.failing_share == inside / found.failing


def test_what_fails_hardly_more_often_is_no_cause_however_many_runs_show_it() -> None:
    cells = [Cell({"model": "a"}, 3_000, 50_000, 50_000.0), Cell({"model": "b"}, 2_000, 60_000, 60_000.0)]
    assert explain(cells).traits == ()


def test_what_came_together_is_one_cause_with_two_names() -> None:
    def released(attributes: dict[str, str]) -> None:
        attributes["release"] = "2.0" if attributes["prompt_version"] == "prompt_version-3" else "1.9"

    (trait,) = explain(_runs(4_000, _with_prompt, adjust=released)).traits
    assert dict(trait.attributes) == {"prompt_version": "prompt_version-3"}
    assert [dict(other) for other in trait.confounded_with] == [{"release": "2.0"}]


def test_what_came_together_is_one_cause_also_when_a_few_runs_differ() -> None:
    chance = random.Random(5)

    def released(attributes: dict[str, str]) -> None:
        is_new = (attributes["prompt_version"] == "prompt_version-3") != (chance.random() < 0.002)
        attributes["release"] = "2.0" if is_new else "1.9"

    (trait,) = explain(_runs(4_000, _with_prompt, adjust=released)).traits
    names = [dict(trait.attributes), *(dict(other) for other in trait.confounded_with)]
    assert sorted(names, key=str) == [{"prompt_version": "prompt_version-3"}, {"release": "2.0"}]


def test_an_older_release_that_had_the_prompt_too_tells_them_apart() -> None:
    def released(attributes: dict[str, str]) -> None:
        if attributes["prompt_version"] == "prompt_version-3":
            attributes["release"] = "release-2"

    (trait,) = explain(_runs(4_000, _with_prompt, adjust=released)).traits
    assert dict(trait.attributes) == {"prompt_version": "prompt_version-3"}
    assert trait.confounded_with == ()


def test_without_a_cause_nothing_is_named_in_most_worlds() -> None:
    named = [seed for seed in range(200) if explain(_runs(800, lambda _: 0.05, seed=seed)).traits]
    assert len(named) <= 4, f"worlds with a false cause: {named}"


def test_without_a_cause_nothing_is_named_when_half_of_all_runs_fail() -> None:
    named = [seed for seed in range(40) if explain(_runs(400, lambda _: 0.5, seed=seed)).traits]
    assert len(named) <= 1, f"worlds with a false cause: {named}"


@pytest.mark.parametrize("rate", [_with_prompt, _with_prompt_and_model, _with_either])
@pytest.mark.parametrize("kept", [0.15, 0.1])
def test_a_sample_of_the_healthy_runs_gives_the_same_answer(rate: Rate, kept: float) -> None:
    runs = _runs(8_000, rate)
    whole, sample = explain(runs), explain(_sampled(runs, kept))
    assert sorted(_named(sample), key=str) == sorted(_named(whole), key=str)
    by_name = {str(trait.attributes): trait for trait in whole.traits}
    for trait in sample.traits:
        true = by_name[str(trait.attributes)]
        assert trait.failing_share == true.failing_share
        assert trait.healthy_share == pytest.approx(true.healthy_share, abs=0.05)
        assert trait.failure_rate == pytest.approx(true.failure_rate, rel=0.1)
        assert trait.failure_rate_elsewhere == pytest.approx(true.failure_rate_elsewhere, rel=0.1)


def test_a_tenant_whose_healthy_runs_are_kept_less_often_is_no_cause() -> None:
    def tenant(attributes: dict[str, str]) -> None:
        attributes["tenant"] = "large" if attributes["hour"] < "hour-12" else "small"

    runs = _runs(8_000, lambda _: 0.1, adjust=tenant)
    large = _sampled([cell for cell in runs if cell.attributes["tenant"] == "large"], 0.05)
    small = [cell for cell in runs if cell.attributes["tenant"] == "small"]
    assert explain([*large, *small]).traits == ()


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_few_failing_runs_prove_nothing(failing: int) -> None:
    new = {"prompt_version": "v12"}
    cells = [Cell(new, failing, 0, 0.0), Cell({"prompt_version": "v11"}, 0, 500, 500.0)]
    assert explain(cells).traits == ()


@pytest.mark.parametrize("cells", [[], [Cell({"model": "m"}, 50, 0, 0.0)], [Cell({"model": "m"}, 0, 50, 50.0)]])
def test_a_world_without_either_kind_of_run_has_no_contrast(cells: list[Cell]) -> None:
    assert explain(cells).traits == ()


def test_what_all_runs_share_is_no_answer() -> None:
    def shared(attributes: dict[str, str]) -> None:
        attributes["environment"] = "production"

    runs = _runs(4_000, _with_prompt, adjust=shared)
    for trait in explain(runs).traits:
        assert "environment" not in trait.attributes
        assert all("environment" not in other for other in trait.confounded_with)


def test_one_user_with_most_of_the_failing_runs_is_named() -> None:
    def busy(attributes: dict[str, str]) -> None:
        if attributes["hour"] == "hour-3" and attributes["channel"] == "channel-0":
            attributes["user"] = "ann"

    def rate(attributes: Mapping[str, str]) -> float:
        return 0.9 if attributes["user"] == "ann" else 0.005

    named = _named(explain(_runs(4_000, rate, adjust=busy)))
    assert named == [{"user": "ann"}]


def test_a_combination_that_was_rare_before_does_not_bring_back_what_failed_before() -> None:
    def at_night(attributes: dict[str, str]) -> None:
        attributes["hour"] = "night" if attributes["channel"] == "channel-0" else "day"

    before = _runs(4_000, _with_prompt, seed=2)
    assert explain(_runs(4_000, _with_prompt, adjust=at_night), before=before).traits == ()


def test_what_failed_as_much_before_explains_nothing_new() -> None:
    before = _runs(6_000, _with_prompt, seed=2)
    assert explain(_runs(4_000, _with_prompt), before=before).traits == ()


def test_what_failed_before_does_not_hide_what_is_new() -> None:
    before = _runs(6_000, _with_prompt, seed=2)
    assert _named(explain(_runs(6_000, _with_either), before=before)) == [{"tool": "tool-4"}]


def test_what_always_fails_more_is_no_cause_when_all_fail_more() -> None:
    before = _runs(8_000, lambda attributes: _with_prompt(attributes) / 6, seed=2)
    now = _runs(4_000, lambda attributes: _with_prompt(attributes) / 2)
    assert _named(explain(now)) == [{"prompt_version": "prompt_version-3"}]
    assert explain(now, before=before).traits == ()


def test_a_version_that_was_not_there_before_is_new() -> None:
    before = [cell for cell in _runs(6_000, _usual, seed=2) if cell.attributes["prompt_version"] != "prompt_version-3"]
    named = _named(explain(_runs(4_000, _with_prompt), before=before))
    assert named == [{"prompt_version": "prompt_version-3"}]


def test_a_few_runs_from_before_cannot_acquit() -> None:
    before = _runs(12, _usual, seed=2)
    named = _named(explain(_runs(4_000, _with_prompt), before=before))
    assert named == [{"prompt_version": "prompt_version-3"}]


def test_the_order_of_the_cells_does_not_matter() -> None:
    runs, before = _sampled(_runs(4_000, _with_either), 0.15), _runs(4_000, _usual, seed=2)
    first = explain(runs, before=before)
    random.Random(7).shuffle(runs)
    random.Random(8).shuffle(before)
    assert explain(runs, before=before) == first


def test_runs_may_come_one_by_one_or_as_cells() -> None:
    runs = _runs(3_000, _with_prompt)
    kept = ("prompt_version", "model", "tool")
    single = [
        Cell({name: cell.attributes[name] for name in kept}, cell.failing, cell.healthy, cell.healthy_weight)
        for cell in runs
    ]
    merged: dict[tuple[str, ...], list[Cell]] = {}
    for cell in single:
        merged.setdefault(tuple(cell.attributes.values()), []).append(cell)
    cells = [
        Cell(
            alike[0].attributes,
            sum(cell.failing for cell in alike),
            sum(cell.healthy for cell in alike),
            sum(cell.healthy_weight for cell in alike),
        )
        for alike in merged.values()
    ]
    assert explain(cells) == explain(single)


def test_runs_without_the_attribute_are_healthy_runs_like_others() -> None:
    cells = [
        Cell({"tool": "search"}, 60, 20, 20.0),
        Cell({}, 3, 900, 900.0),
        Cell({"tool": "calculator"}, 2, 80, 80.0),
    ]
    assert _named(explain(cells)) == [{"tool": "search"}]


def _seconds(cells: list[Cell]) -> float:
    started = time.process_time()
    explain(cells)
    return time.process_time() - started


def test_many_runs_with_high_cardinality_are_explained_within_seconds() -> None:
    runs = _runs(25_000, lambda attributes: 0.35 if attributes["model"] == "model-0" else 0.1)
    assert _seconds(runs) < 3


def test_a_hundred_attributes_are_explained_within_seconds() -> None:
    chance = random.Random(1)
    cells = [
        _run({f"a{number}": str(chance.randrange(4)) for number in range(100)}, failing=chance.random() < 0.3)
        for _ in range(2_000)
    ]
    assert _seconds(cells) < 6


def test_attributes_that_all_come_together_are_explained_within_seconds() -> None:
    cells = [
        _run({f"a{number}": str(run % 2) for number in range(60)}, failing=run % 2 == 0 and run % 3 == 0)
        for run in range(3_000)
    ]
    assert _seconds(cells) < 6


def test_many_attributes_that_are_all_a_little_suspect_are_explained_within_seconds() -> None:
    chance = random.Random(1)
    cells = []
    for _ in range(2_000):
        failing = chance.random() < 0.3
        attributes = {f"a{number}": str(chance.random() < (0.7 if failing else 0.6)) for number in range(150)}
        cells.append(_run(attributes, failing=failing))
    assert _seconds(cells) < 6


def test_huge_counts_stay_exact_and_fast() -> None:
    cells = [
        Cell({"model": str(number % 7), "tool": str(number % 11)}, 100 + 90_000 * (number % 7 == 3), 100_000, 100_000.0)
        for number in range(77)
    ]
    assert _named(explain(cells)) == [{"model": "3"}]
    assert _seconds(cells) < 3
