"""`make bench-causes`: incidents are what their plan says, and the judge counts what is wrong as a miss."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.causes import cost
from benchmarks.causes.__main__ import _measured
from benchmarks.causes.asking import ask
from benchmarks.causes.incidents import figures, seeds_of, tables
from benchmarks.causes.judging import by_chance, judge, likelihood
from benchmarks.causes.runs import PRODUCTION, UNTIL, World, shown, world
from benchmarks.causes.worlds import KINDS, Plan, dimensions_of, plan
from benchmarks.rules.progress import Progress

RUNS = 400
Said = dict[str, Any]


def small(seed: int) -> Plan:
    """The incident of a seed with fewer runs, all of which LangFuse has."""
    return replace(plan(seed), runs=RUNS, sample_rate=1.0)


@cache
def built(seed: int) -> World:
    return world(small(seed))


def first_of(kind: str, number: int = 0) -> int:
    return list(map(str, KINDS)).index(kind) + len(KINDS) * number


def cause(found: World, number: int = 0) -> Said:
    """A planted cause as the evidence should say it."""
    planted = found.plan.causes[number]
    what = "model gpt-5" if planted.failure.type == "GENERATION" else f"tool {planted.failure.step}"
    message = f"<n> {planted.failure.message.mark} <id>"
    return {"what": what, "message": message, "count": found.of(planted), "share": 0.9}


def trait(attributes: dict[str, str], *same: str) -> Said:
    text = ", ".join(f"{name} {value}" for name, value in attributes.items())
    return {"attributes": attributes, "text": text, "same_runs": list(same), "q_value": 1e-6}


def said(causes: Sequence[Said], traits: Sequence[Said] = (), answer: str = "90 % of failing runs: ...") -> Said:
    return {"traces": {"causes": list(causes)}, "contrast": {"traits": list(traits)}, "answer": answer}


def right(found: World) -> Said:
    """All that is true of an incident."""
    ranked = sorted(range(len(found.plan.causes)), key=lambda number: -found.of(found.plan.causes[number]))
    cells = [dict(each.cell) for each in found.plan.causes if each.cell]
    answer = "90 % of failing runs: ..." if ranked else "No clear cause: ..."
    return said([cause(found, number) for number in ranked], list(map(trait, cells)), answer)


def test_kinds_are_even_and_a_seed_is_always_the_same_incident() -> None:
    kinds = [plan(seed).kind for seed in range(8)]
    assert {kind: kinds.count(kind) for kind in KINDS} == dict.fromkeys(KINDS, 2)
    assert plan(17) == plan(17)
    assert built(5).rows == world(small(5)).rows


@pytest.mark.parametrize("kind", KINDS)
def test_failing_runs_of_a_cause_are_those_of_its_cell_and_end_with_its_step(kind: str) -> None:
    found = built(first_of(kind))
    steps = defaultdict(list)
    for row in found.rows:
        steps[row["traceId"]].append(row)
        assert row["startTime"] < shown(UNTIL)
    for run in found.failing:
        assert run.failure is not None
        errors = [row for row in steps[run.trace] if row["level"] == "ERROR"]
        assert any(row.get("isRootObservation") for row in errors)
        if run.failure.type == "TOOL":
            assert any(row["name"] == run.failure.step for row in errors)
        if run.cause is not None:
            assert run.cause.cell.items() <= run.attributes.items()
            assert any(run.cause.failure.message.mark in row["statusMessage"] for row in errors)
    assert bool(found.plan.causes) == any(run.cause for run in found.failing)


def test_what_is_sampled_says_so_and_errors_are_kept_whole() -> None:
    found = world(replace(plan(first_of("one")), runs=RUNS, sample_rate=0.1, caught_rate=0.05))
    roots = {row["traceId"]: row for row in found.rows if row.get("isRootObservation")}
    kept = [run for run in found.runs if run.is_kept]
    assert all(run.is_kept for run in found.runs if run.failure or run.caught)
    assert len(kept) < RUNS
    for run in kept:
        rate = roots[run.trace]["metadata"].get("slo_engine_sample_rate")
        assert rate == (None if run.failure or run.caught else 0.1)
        assert roots[run.trace]["environment"] == PRODUCTION


def test_in_a_confounded_incident_release_and_prompt_are_the_same_runs() -> None:
    found = built(first_of("confounded"))
    assert found.are_the_same(found.plan.causes[0].cell, found.plan.alias)
    assert not found.are_the_same(found.plan.causes[0].cell, {"model": found.runs[0].attributes["model"]})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_is_true_is_right(kind: str, number: int) -> None:
    found = built(first_of(kind, number))
    assert judge(found, right(found)).reasons == ()


@pytest.mark.parametrize("kind", ["one", "two", "confounded"])
def test_another_step_first_is_a_miss(kind: str) -> None:
    found = built(first_of(kind))
    wrong = {"what": "tool another", "message": "boom", "count": 9, "share": 0.9}
    verdict = judge(found, said([wrong, *right(found)["traces"]["causes"]], right(found)["contrast"]["traits"]))
    assert verdict.is_cause_first is False
    assert verdict.reasons[0].endswith("comes as number 2")


def test_right_step_with_another_message_is_a_miss() -> None:
    found = built(first_of("one"))
    assert judge(found, said([{**cause(found), "message": "boom"}])).is_cause_first is False


def test_nothing_said_of_an_incident_is_a_miss() -> None:
    verdict = judge(built(first_of("one")), {"traces": None, "contrast": None})
    assert (verdict.is_cause_first, verdict.is_attribute_named) == (False, False)


def test_one_of_two_causes_is_not_both() -> None:
    found = built(first_of("two"))
    verdict = judge(found, said(right(found)["traces"]["causes"][:1], right(found)["contrast"]["traits"]))
    assert (verdict.is_cause_first, verdict.are_both_named) == (True, False)


@pytest.mark.parametrize(
    "attributes", [{"channel": "fax"}, {}], ids=["another attribute", "the planted one and one more"]
)
def test_another_first_trait_is_a_miss(attributes: dict[str, str]) -> None:
    found = built(first_of("one"))
    planted = dict(found.plan.causes[0].cell)
    attributes = attributes or {**planted, "tag tier": "gold"}
    verdict = judge(found, said([cause(found)], [trait(attributes), trait(planted)]))
    assert verdict.is_attribute_named is False


def test_same_runs_count_where_they_are_the_same() -> None:
    found = built(first_of("confounded"))
    ((name, value),) = found.plan.causes[0].cell.items()
    alias = dict(found.plan.alias)
    assert judge(found, said([cause(found)], [trait(alias, f"{name} {value}")])).is_attribute_named is True
    assert judge(found, said([cause(found)], [trait(alias)])).is_attribute_named is False
    assert (
        judge(found, said([cause(found)], [trait({"channel": "web"}, f"{name} {value}")])).is_attribute_named is False
    )


def test_without_an_incident_a_trait_or_a_stated_cause_is_invented() -> None:
    found = built(first_of("none"))
    often = {"what": "tool a", "message": "boom", "count": 3, "share": 0.25}
    assert judge(found, said([often], answer="25 % of failing runs: tool a, boom.")).is_invented is True
    assert judge(found, said([often], answer="No clear cause: the most frequent is ...")).is_invented is False
    assert judge(found, said([{**often, "share": 0.1}])).is_invented is False
    assert judge(found, said([], [trait({"model": "gpt-5"})], "No clear cause")).is_invented is True


def test_where_everybody_fails_a_trait_is_counted_by_itself() -> None:
    bare = next(seed for seed in range(0, 200, len(KINDS)) if not dimensions_of(seed))
    found = built(bare)
    assert judge(found, right(found)).is_no_attribute_named is True
    verdict = judge(found, said([cause(found)], [trait({"channel": "web"})]))
    assert (verdict.is_no_attribute_named, verdict.is_attribute_named) == (False, None)


def test_planted_attribute_tells_the_runs_apart_better_than_another() -> None:
    found = built(first_of("one"))
    planted, other = found.plan.causes[0].cell, {"tag tier": found.runs[0].attributes["tag tier"]}
    assert likelihood(found, planted) > likelihood(found, other)
    assert by_chance(found, planted) < 1e-4 < by_chance(found, other)


def test_evidence_of_a_small_incident_is_read_through_the_real_door() -> None:
    found = built(first_of("one"))
    verdict = judge(found, asyncio.run(ask(found)))
    assert (verdict.is_cause_first, verdict.failing > 8) == (True, True)


def test_report_has_every_miss_and_holds_incidents_with_enough_failing_runs_to_the_limits() -> None:
    found = built(first_of("one"))
    missed = judge(found, said([]))
    few = replace(missed, failing=7)
    assert [figure.value for figure in figures([missed, few])] == [100.0, 0.0, 100.0]
    assert [figure.value for figure in figures([judge(found, right(found)), few])] == [0.0, 0.0, 0.0]
    shown_lines = "\n".join(tables([missed, few]))
    assert f"seed {found.plan.seed}, one" in shown_lines
    assert "no cause is named" in shown_lines


def test_limit_may_be_equalled() -> None:
    found = built(first_of("one"))
    good, bad = judge(found, right(found)), judge(found, said([]))
    assert all(figure.is_reached for figure in figures([good] * 9 + [bad]))
    assert not all(figure.is_reached for figure in figures([good] * 8 + [bad]))


def test_seeds_are_a_range_with_both_ends() -> None:
    assert seeds_of("3-5") == range(3, 6)
    assert seeds_of("7") == range(7, 8)
    with pytest.raises(ValueError, match="no seeds"):
        seeds_of("5-3")


def test_missing_data_are_said_and_fail_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _measured("rs", tmp_path / "none", Progress(), lambda _, found: str(found)) is None
    assert "no such folder: rs is not measured" in capsys.readouterr().out


def test_costs_are_measured_of_the_engine_alone() -> None:
    found = {figure.name: figure for figure in (*cost.page(30, 60), *cost.storm(2, 4))}
    assert found["a page: CPU time of the engine"].is_reached
    assert found["a page: peak of Python's memory (tracemalloc)"].is_reached
    assert found["a storm: questions of each source"].value >= 2
