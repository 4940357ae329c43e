"""The law of the base: it counts what ``increase`` sees, at least, and nothing that did not happen."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pytest

from benchmarks.rules.server import Prometheus
from benchmarks.rules.traffic import START
from deploy.stack.processes import program
from slo_engine.definitions.kinds import counter
from tests.rules.law import LENGTH, METRICS, breaches
from tests.rules.lives import MINUTE, life

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=25)]


def test_base_counts_what_increase_sees_and_nothing_that_did_not_happen(tmp_path: Path) -> None:
    found = list(breaches(tmp_path, range(120)))
    assert not found, "\n".join(map(str, found[:5]))


@pytest.mark.parametrize(
    "closeness",
    [
        {"_AT_HAND": "1m"},  # scrapes that fail
        {"_LONGEST_GAP": "1m"},  # a target that is back
        {"CELL": "30s", "CELL_SECONDS": 30, "_TWO_CELLS": "59s"},  # a restart within half a minute
    ],
    ids=lambda closeness: ",".join(closeness),
)
def test_law_is_broken_by_a_base_that_looks_less_closely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closeness: dict[str, object]
) -> None:
    for name, value in closeness.items():
        monkeypatch.setattr(counter, name, value)
    assert list(breaches(tmp_path, range(60)))


def test_what_the_histories_say_that_increase_sees_is_what_it_sees(tmp_path: Path) -> None:
    said = subprocess.run(
        [program("prometheus", "prometheus"), "--version"], capture_output=True, text=True, check=True
    )
    if "version 2." not in said.stdout + said.stderr:
        pytest.skip("Prometheus 3 extrapolates to the edges otherwise; what it sees between samples is the same")
    lives = [life(seed, START, LENGTH) for seed in range(20)]
    end = START + LENGTH
    compared = 0
    with Prometheus(tmp_path) as server:
        server.push([series for each in lives for series in each.written(METRICS[0])])
        answer = server.query(f"increase(runs_total[{LENGTH // MINUTE}m])", end)
        found = {tuple(each.labels[name] for name in ("life", "instance", "status")): each for each in answer.series}
        for each in lives:
            for (instance, outcome), samples in each.series.items():
                pairs = zip(samples.times, samples.values, strict=True)
                numbers = [(at, value) for at, value in pairs if not math.isnan(value)]
                is_whole = len(numbers) == len(samples.values)
                if outcome == "usd" or len(numbers) < 2 or not is_whole:
                    continue
                seen = samples.seen()
                stretched = seen * _stretch(numbers, seen, end)
                assert found[each.name, instance, outcome].values[0] == pytest.approx(stretched), each.told
                compared += 1
    assert compared > 5


def _stretch(numbers: list[tuple[int, float]], seen: float, end: int) -> float:
    """By how much ``increase`` extrapolates what it sees (promql/functions.go, extrapolatedRate)."""
    first, last = numbers[0][0], numbers[-1][0]
    sampled, average = last - first, (last - first) / (len(numbers) - 1)
    before: float = first - (end - LENGTH)
    after = end - last
    if seen > 0:
        before = min(before, sampled * numbers[0][1] / seen)
    near = average * 1.1
    return (sampled + sum(edge if edge < near else average / 2 for edge in (before, after))) / sampled
