"""Latency SLOs on native histograms, on a real Prometheus."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from slo_engine.definitions import Slo
from slo_engine.recording.base import base_records, raw_increases
from slo_engine.recording.names import ERRORS_INCREASE, TOTAL_INCREASE
from tests.e2e.engine import get
from tests.rules.promtool import slos_of
from tests.rules.remote_write import Native, Receiver

pytestmark = pytest.mark.stack

FILE = """
version: slo-engine/v1
service: shop
slos:
  - name: runs
    by: [agent_type]
    objective: 99
    sli: {latency: {histogram: 'run_seconds{env="prod"}', threshold: 16s, native: true}}
"""
NOW = 1_793_500_200
SCRAPES = range(NOW - 1800, NOW + 1, 30)

GROWTH = {
    # A scrape: bucket -> how many more. The threshold is the upper bound of bucket 4.
    ("chat", "a"): {2: 6, 4: 1, 5: 1},
    ("chat", "b"): {4: 5, 7: 3},
    ("fast", "a"): {-3: 2, 0: 6},
    ("slow", "a"): {5: 4, 9: 4},
    ("idle", "a"): {},
}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with Receiver(tmp_path_factory.mktemp("prometheus")) as server:
        for (agent, pod), growth in GROWTH.items():
            labels = {"agent_type": agent, "pod": pod, "env": "prod"}
            held = {3: 100, 6: 10} if agent == "idle" else dict.fromkeys(growth, 0)
            histories = [
                (at, Native({bucket: held.get(bucket, 0) + growth.get(bucket, 0) * n for bucket in held}))
                for n, at in enumerate(SCRAPES)
            ]
            server.write("run_seconds", labels, histories)
        server.write("run_seconds", {"agent_type": "other", "env": "test"}, [(NOW - 60, Native({1: 1}))])
        yield server


def value(server: Receiver, expr: str) -> dict[str, float]:
    found = get(f"{server.url}/api/v1/query?{urllib.parse.urlencode({'query': expr, 'time': NOW})}")
    assert found["status"] == "success", json.dumps(found)
    return {each["metric"].get("agent_type", ""): float(each["value"][1]) for each in found["data"]["result"]}


def slo_of(folder: Path, *changes: tuple[str, str]) -> Slo:
    text = FILE
    for old, new in changes:
        text = text.replace(old, new)
    (slo,) = slos_of(folder, text).slos
    return slo


def test_total_and_what_took_longer_are_counted_by_the_minute(tmp_path: Path, receiver: Receiver) -> None:
    raw = raw_increases(slo_of(tmp_path))
    assert raw.total is not None
    assert value(receiver, raw.total) == pytest.approx({"chat": 32, "fast": 16, "slow": 16, "idle": 0})
    assert value(receiver, raw.errors) == pytest.approx({"chat": 8, "fast": 0, "slow": 16, "idle": 0})


def test_rules_read_the_total_that_they_have_recorded(tmp_path: Path, receiver: Receiver) -> None:
    slo = slo_of(tmp_path)
    exprs = {name: expr for name, expr, _ in base_records(slo)}
    for agent, total in value(receiver, exprs[TOTAL_INCREASE]).items():
        labels = {"agent_type": agent, "slo": slo.name, "slo_service": slo.service}
        receiver.write(TOTAL_INCREASE, labels, [(NOW, total)])
    assert value(receiver, exprs[ERRORS_INCREASE]) == pytest.approx({"chat": 8, "fast": 0, "slow": 16, "idle": 0})


def test_all_groups_together_are_one(tmp_path: Path, receiver: Receiver) -> None:
    raw = raw_increases(slo_of(tmp_path, ("[agent_type]", "[]")))
    assert raw.total is not None
    assert value(receiver, raw.total) == pytest.approx({"": 64})
    assert value(receiver, raw.errors) == pytest.approx({"": 24})


@pytest.mark.parametrize(("threshold", "slow"), [("4s", 20), ("1024s", 0), ("20d", 0), ("12s", 8 + 12 / 2)])
def test_threshold_need_not_be_a_bound(tmp_path: Path, receiver: Receiver, threshold: str, slow: float) -> None:
    # Within a bucket the values are taken to lie evenly; half of those from 8 s to 16 s took no more than 12 s.
    raw = raw_increases(slo_of(tmp_path, ("threshold: 16s", f"threshold: {threshold}")))
    assert value(receiver, raw.errors)["chat"] == pytest.approx(slow)


def test_group_that_is_idle_has_no_errors_and_no_nan(tmp_path: Path, receiver: Receiver) -> None:
    raw = raw_increases(slo_of(tmp_path, ('env="prod"', 'env="prod",agent_type="idle"')))
    assert raw.total is not None
    assert value(receiver, raw.total) == {"idle": 0}
    assert value(receiver, raw.errors) == {"idle": 0}


def test_without_the_histogram_there_is_nothing(tmp_path: Path, receiver: Receiver) -> None:
    raw = raw_increases(slo_of(tmp_path, ('env="prod"', 'env="none"')))
    assert raw.total is not None
    assert value(receiver, raw.total) == {}
    assert value(receiver, raw.errors) == {}
