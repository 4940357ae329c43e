"""The generated unit tests of the rules: they pass, and they fail when a rule is not what the arithmetic says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deploy.stack.stack import REPOSITORY
from slo_engine.definitions import load
from slo_engine.rollout import write
from slo_engine.rollout.files import write_files
from slo_engine.rollout.promtool import Verdict, run_tests
from slo_engine.rules.unit_tests import unit_tests
from tests.rules.promtool import slos_of

pytestmark = pytest.mark.takes(seconds=70)

HEADER = "{version: slo-engine/v1, service: shop, defaults: {objective: 99, alerting: {policy: quick}}, slos: [%s], "
POLICY = "policies: [{name: quick, tiers: [{severity: page, long: 1h, short: 5m, factor: 5}]}]}"
RUNS = "{name: runs, sli: {events: {total: runs_total, errors: 'runs_total{status=\"error\"}'}}}"

KINDS = {
    "events": RUNS,
    "divided": RUNS.replace("sli:", "by: [agent_type], sli:"),
    "one group": '{name: r, by: [a], sli: {events: {total: \'r_total{a="x"}\', errors: \'r_total{a="x",s="e"}\'}}}',
    "some groups": "{name: r, by: [a], sli: {events: {total: 'r_total{a=~\"x|y\"}', errors: 'e_total{a=~\"x|y\"}'}}}",
    "good events": "{name: runs, by: [a], sli: {events: {total: runs_total, good: 'runs_total{status=~\"ok|2..\"}'}}}",
    "two metrics": "{name: runs, sli: {events: {total: runs_total, errors: 'failures_total{code!~\"4.*\"}'}}}",
    "latency": "{name: slow, by: [a], sli: {latency: {histogram: run_seconds, threshold: 15s}}}",
    "score": "{name: answers, by: [a], sli: {score: {histogram: agent_score, above: 0.6}}}",
    "cost": "{name: spend, by: [a], sli: {cost: {spend: usd_total, budget: 3000 USD}}}",
    "month": "{name: spend, sli: {cost: {spend: usd_total, budget: 3000 USD, month: Europe/Berlin}}}",
    "absent": RUNS[:-1] + ", alerting: {absent: 10m}}",
}


def generated(folder: Path, text: str) -> list[Path]:
    """The rules and the tests of an SLO file; the tests are returned."""
    slos = slos_of(folder, text)
    write(slos, folder / "rules")
    return write_files(unit_tests(slos), folder / "rules" / "tests").files


def run_all(files: list[Path]) -> list[Verdict]:
    """What promtool says of each."""
    return [run_tests(file) for file in files]


@pytest.mark.parametrize("slo", KINDS.values(), ids=KINDS.keys())
def test_generated_tests_of_every_kind_pass(slo: str, tmp_path: Path) -> None:
    files = generated(tmp_path, HEADER % slo + POLICY)

    assert [file.name for file in files] == ["shop.hours.yaml"]
    assert "ALERTS" in files[0].read_text()
    for run in run_all(files):
        assert run.passed, run.said


@pytest.mark.parametrize("file", sorted((REPOSITORY / "rules" / "tests").glob("*.yaml")), ids=lambda file: file.stem)
def test_tests_of_the_default_rules_pass(file: Path) -> None:
    run = run_tests(file)

    assert run.passed, run.said


def test_default_rules_have_tests_for_hours_and_for_days() -> None:
    files = unit_tests(load([REPOSITORY / "slos"]))

    slos = {
        "agents": {"answers", "latency", "spend", "success", "tool-calls"},
        "slo-engine": {"accepted-webhooks", "delivery"},
    }
    assert sorted(files) == [f"{service}.{speed}.yaml" for service in sorted(slos) for speed in ("days", "hours")]
    for file, text in files.items():
        names = [name for test in yaml.safe_load(text)["tests"] for name in test["name"].split("; ")]
        assert {name.partition(":")[0] for name in names} == slos[file.partition(".")[0]]


BROKEN = {
    "a threshold twice as high": ("5 * 0.01", "10 * 0.01"),
    "a threshold half as high": ("5 * 0.01", "2.5 * 0.01"),
    "a window that forgets": ("[59m59s999ms]", "[29m59s999ms]"),
    "errors that are filled with the total": ("0 * slo:sli_total:increase1m", "1 * slo:sli_total:increase1m"),
    "all for errors": ('status="error"', 'status=~".*"'),
}


def test_generated_tests_fail_for_a_stage_that_holds_four_minutes_at_some_offsets(tmp_path: Path) -> None:
    # promtool evaluates no group later than another: the tests ask what the stage asks, later.
    (file,) = generated(tmp_path, HEADER % KINDS["divided"] + POLICY)
    text = file.read_text()
    assert "[4m59s999ms]" in text
    file.write_text(text.replace("[4m59s999ms]", "[4m30s]"))

    assert not run_tests(file).passed


@pytest.mark.parametrize(("right", "wrong"), BROKEN.values(), ids=BROKEN.keys())
def test_generated_tests_fail_when_a_rule_is_wrong(right: str, wrong: str, tmp_path: Path) -> None:
    files = generated(tmp_path, HEADER % KINDS["divided"] + POLICY)
    rules = tmp_path / "rules" / "shop.yaml"
    text = rules.read_text()
    assert right in text
    rules.write_text(text.replace(right, wrong))

    assert not all(run.passed for run in run_all(files))


def test_slo_for_which_no_series_can_be_made_up_is_named(tmp_path: Path) -> None:
    slices = "{name: up, sli: {slices: {good: 'min(up) == bool 1'}}}"

    [file] = generated(tmp_path, HEADER % f"{RUNS}, {slices}" + POLICY)

    assert "# Not tested: up, for which no raw series can be made up." in file.read_text().splitlines()
