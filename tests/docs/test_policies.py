"""docs/policies.md gives figures: they are those of the policies, and the mistakes are those that validate tells."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from slo_engine.definitions import Duration, examine, load
from slo_engine.definitions.policies import BUILT_IN, GOOGLE, PAGE_AT_5X, REACH, Policy, Tier
from slo_engine.definitions.targets import error_budget
from slo_engine.rules.inhibitions import inhibitions
from tests.definitions.writing import slo_file, write
from tests.docs.page import FOLDER, Table, page

PAGE = page("policies.md")
MONTH = Duration.parse("30d")


def table(first: str) -> Table:
    """The table with this first cell."""
    (found,) = [table for table in PAGE.tables() if table.head[0] == first]
    return found


def percent(text: str) -> float:
    return float(text.removesuffix("%"))


def share(tier: Tier, window: Duration) -> float:
    """Percent of the budget that is gone when the tier fires."""
    return 100 * tier.factor * tier.long.milliseconds / window.milliseconds


@pytest.mark.parametrize("policy", BUILT_IN.values(), ids=list(BUILT_IN))
def test_tiers_are_those_of_the_policy(policy: Policy) -> None:
    rows = next(table for table in PAGE.tables() if table.heading == policy.name).body

    assert list(rows) == [
        (str(tier), f"{tier.factor:g}", f"{share(tier, MONTH):.3g} %") for tier in policy.tiers_for(MONTH)
    ]


def test_factors_are_scaled_by_the_window_as_the_table_says() -> None:
    scaled = next(table for table in PAGE.tables() if table.head[1:2] == ("7d",))
    windows = [Duration.parse(text) for text in scaled.head[1:]]

    for index, row in enumerate(scaled.body):
        tiers = [GOOGLE.tiers_for(window)[index] for window in windows]
        assert row == (
            str(tiers[0]),
            *(f"{tier.factor:.4g}, {share(tier, window):.3g} %" for tier, window in zip(tiers, windows, strict=True)),
        )


def test_factors_are_adapted_to_the_objective_as_the_table_says() -> None:
    adapted = next(table for table in PAGE.tables() if table.head[1:2] == ("full outage burns",))
    assert adapted.head[2:] == tuple(map(str, GOOGLE.tiers))

    for objective, outage, *cells in adapted.body:
        budget = error_budget(percent(objective))
        factors = [GOOGLE.factor(tier, budget) for tier in GOOGLE.tiers]
        assert outage == f"{1 / budget:.4g}"
        assert cells == [f"{factor:.4g}: {100 * factor * budget:.4g} %" for factor in factors]


def spoken(minutes: float) -> str:
    if minutes < 60:
        return f"{minutes:.2g} min"
    return f"{minutes / 60:.2g} h"


def first_alert(policy: Policy, objective: float, errors: float) -> str:
    """The workbook's detection time of the tier that fires first."""
    budget = error_budget(objective)
    factors = [(tier, policy.factor(tier, budget)) for tier in policy.tiers]
    times = [
        (budget / errors * tier.long.seconds / 60 * factor, tier.severity)
        for tier, factor in factors
        if factor * budget < errors
    ]
    if not times:
        return "-"
    minutes, severity = min(times)
    return f"{severity} {spoken(minutes)}"


@pytest.mark.parametrize("policy", [GOOGLE, PAGE_AT_5X], ids=lambda policy: policy.name)
def test_detection_times_are_those_of_the_arithmetic(policy: Policy) -> None:
    times = table(f"{policy.name}: errors")

    for errors, *cells in times.body:
        ratio = percent(errors) / 100
        assert cells == [first_alert(policy, percent(objective), ratio) for objective in times.head[1:]]


def test_so_many_events_keep_one_failure_from_firing() -> None:
    for objective, pages, alerts in next(t for t in PAGE.tables() if t.heading == "Little traffic").body:
        budget = error_budget(percent(objective))

        def enough(tiers: list[Tier], budget: float = budget) -> str:
            return str(max(math.ceil(round(1 / (GOOGLE.factor(tier, budget) * budget), 6)) for tier in tiers))

        assert pages == enough([tier for tier in GOOGLE.tiers if tier.severity == "page"])
        assert alerts == enough(list(GOOGLE.tiers))


REFUSED = [block for block in PAGE.blocks("yaml") if block.startswith("version:")]
SAID = [block for block in PAGE.blocks("console") if block.startswith("$ slo-engine validate")]


@pytest.mark.parametrize(("text", "console"), list(zip(REFUSED, SAID, strict=True)))
def test_what_is_refused_is_refused_in_these_words(
    text: str, console: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("slos/answers.yaml"), text)

    assert console.splitlines()[1:-1] == [str(problem) for problem in examine([Path("slos")]).problems]


def test_a_tier_that_does_not_fit_may_be_left_out(tmp_path: Path) -> None:
    file = write(tmp_path / "slos.yaml", f"{REFUSED[1]}    alerting: {{disabled: [3d]}}\n")

    assert not examine([file]).problems


def test_a_policy_of_ones_own_loads_with_an_slo_that_names_it(tmp_path: Path) -> None:
    policy, alerting = (block for block in PAGE.blocks("yaml") if not block.startswith("version:"))
    file = write(tmp_path / "slos.yaml", slo_file() + f"    {alerting}" + policy)

    assert not examine([file]).problems


def test_inhibitions_are_those_that_the_command_prints() -> None:
    (shown,) = [block for block in PAGE.blocks("console") if "inhibit_rules:" in block]
    command, _, printed = shown.partition("\n")

    assert command == "$ slo-engine rules inhibitions slos"
    assert printed == inhibitions(load([FOLDER.parent / "slos"]))


def test_single_figures_in_the_text_are_right() -> None:
    assert f"an error ratio above {REACH:.0%} is lowered".replace("%", " %") in PAGE.text
    assert f"{14.4 * error_budget(93):.1%}".replace("%", " %") in PAGE.text
    assert f"gone in {30 * 24 / 14.4:g} hours" in PAGE.text
