"""Rule groups that mean the same are the same, however they are written; and what differs is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.stack.servers import Prometheus
from slo_engine.rollout.comparison import NotARuleGroupError, differences, formatted, read_group
from tests.e2e.engine import get

# What people write, in forms that Prometheus prints in another way.
EXPRESSIONS = r"""
a offset 5m > 1
a offset -5m
a @ start()
rate(a[90m])
increase(a[1w]) + increase(a[1d12h]) + increase(a[1500ms])
a{b="\n\"\\"}
a{b='single "x"'}
a{b=`raw`}
a{b="é😀"}
{__name__="a:b"}
{__name__=~"a.*",x!="",y!~"z|w"}
sum(a) without (b)
sum without () (a)
SUM(a) BY (x) AND b
quantile by (x) (0.9, a)
a and on () b
a / ignoring (x) group_right (y) b
a > bool on (x) group_left () b
-(a + b) ^ 2 % 3
0x1f + 1e-9 * a * 1000000 + .5
vector(NaN) or Inf * a or -Inf * a
max_over_time(rate(a[5m])[1h:])
max_over_time(a[1h:30s] offset 1d)
label_replace(a, "x", "$1", "y", "(.*)")
count_values("v", a)
((a)) unless a{} or a{b="c",}
1 - -a # comment
clamp(a, -1, +1) atan2 b
""".strip().splitlines()

GROUP = """
name: slo-engine:shop:runs
interval: 90m
rules:
- {record: a, expr: sum by (x) (b), labels: {slo: runs, window: 5m}}
- {record: a, expr: sum by (x) (c), labels: {slo: runs, window: 1h}}
- {alert: B, expr: a > 1, for: 60m, labels: {severity: page}, annotations: {summary: Too much}}
"""


@pytest.mark.stack
def test_expressions_are_the_same_in_the_form_that_prometheus_prints(tmp_path: Path) -> None:
    rules = [{"record": "r", "expr": expr, "labels": {"n": str(n)}} for n, expr in enumerate(EXPRESSIONS)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": "1h", "rules": rules}]}))
    with Prometheus(tmp_path / "prometheus", rules=[file]) as server:
        printed = [rule["query"] for rule in get(f"{server.url}/api/v1/rules")["data"]["groups"][0]["rules"]]
    assert sum(ours != theirs for ours, theirs in zip(EXPRESSIONS, printed, strict=True)) > 10
    assert [formatted(expr) for expr in printed] == [formatted(expr) for expr in EXPRESSIONS]


def found(change: Callable[[Any], object]) -> list[str]:
    """What differs after a change."""
    changed = yaml.safe_load(GROUP)
    change(changed)
    return list(differences(read_group(yaml.safe_load(GROUP)), read_group(changed)))


def test_spelling_makes_no_difference() -> None:
    def respell(group: Any) -> None:
        group["interval"] = "1h30m"
        group["rules"][0]["expr"] = "sum(b)by(x)"
        group["rules"][2] |= {"for": "1h", "keep_firing_for": "0s"}
        group |= {"limit": 0, "partial_response_strategy": ""}

    assert found(respell) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda group: group.update(interval="1m"), ["interval is 1m, not 1h30m"]),
        (lambda group: group.pop("interval"), ["interval is not set, not 1h30m"]),
        (lambda group: group.update(limit=3), ["limit is set, and slo-engine does not set it"]),
        (
            lambda group: group["rules"].reverse(),
            ["the rules stand in another order, and each reads what those before"],
        ),
        (lambda group: group["rules"].pop(1), ['record a{slo="runs", window="1h"} is missing']),
        (lambda group: group["rules"].append({"record": "z", "expr": "1"}), ["record z{} is not in the SLO files"]),
        (lambda group: group["rules"].append(group["rules"][0]), ['record a{slo="runs", window="5m"} is not in']),
        (lambda group: group["rules"][0].update(expr="b"), ["expr is `b`, not `sum by (x) (b)`"]),
        (lambda group: group["rules"][2].update({"for": "2h"}), ["for is 2h, not 1h"]),
        (lambda group: group["rules"][2].pop("for"), ["for is 0s, not 1h"]),
        (lambda group: group["rules"][2].update(keep_firing_for="5m"), ["keep_firing_for is 5m, not 0s"]),
        (lambda group: group["rules"][2].update(labels={}), ["labels are {}"]),
        (lambda group: group["rules"][2]["annotations"].clear(), ["annotation summary is not set, not 'Too much'"]),
    ],
)
def test_each_difference_is_named(change: Callable[[Any], object], said: list[str]) -> None:
    named = found(change)
    assert len(named) == len(said)
    assert all(part in whole for part, whole in zip(said, named, strict=True))


@pytest.mark.parametrize("data", [None, 1, "text", [], {}, {"name": "a", "rules": 1}, {"name": "a", "rules": [{}]}])
def test_what_is_no_group_is_told(data: Any) -> None:
    with pytest.raises(NotARuleGroupError):
        read_group(data)
