"""What the copy of the rules for promtool may leave out: nothing that an expectation depends on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.looked_at import looked_at

WINDOW = {"slo_window": "1h"}
GROUPS: list[dict[str, Any]] = [
    {"name": "short", "rules": [{"record": "base", "expr": "rate(raw[1m])"}, {"record": "other", "expr": "raw"}]},
    {
        "name": "long",
        "rules": [
            {"record": "ratio", "expr": "sum_over_time((base > 0)[1h:1m])", "labels": WINDOW},
            {"record": "ratio", "expr": "other", "labels": {"slo_window": "1d"}},
            {"alert": "Burns", "expr": "ratio{slo_window='1h'} > 1", "labels": {"severity": "page", "team": "{{ x }}"}},
            {"alert": "Burns", "expr": "ratio{slo_window='1d'} > 1", "labels": {"severity": "ticket"}},
        ],
    },
]


def names(exprs: list[str], alerts: list[str]) -> list[str]:
    kept = looked_at(GROUPS, exprs, alerts)
    assert all(group["rules"] for group in kept)
    return [
        "".join([rule.get("record") or rule["alert"], *(rule.get("labels") or {}).values()])
        for group in kept
        for rule in group["rules"]
    ]


SHORT = ["base", "ratio1h"]


@pytest.mark.parametrize(
    ("expr", "kept"),
    [
        ("base", ["base"]),
        ("raw", []),
        ("ratio{slo_window='1h'}", SHORT),
        ("scalar(max(ratio{slo_window=~'1h|x'}))", ["base", "other", "ratio1h", "ratio1d"]),
        ("1 - topk(1, abs(-(ratio{slo_window='1h'} offset 5m)))", SHORT),
        ("topk(scalar(base), raw)", ["base"]),
        ("ALERTS{severity='page'}", [*SHORT, "Burnspage{{ x }}"]),
        ("ALERTS{team='a'}", ["base", "other", "ratio1h", "ratio1d", "Burnspage{{ x }}", "Burnsticket"]),
        ("ALERTS_FOR_STATE{alertname='Other'}", []),
        ("{__name__=~'b.*'}", ["base", "other", "ratio1h", "ratio1d", "Burnspage{{ x }}", "Burnsticket"]),
    ],
)
def test_rules_stay_that_make_what_is_read_straight_or_through_others(expr: str, kept: list[str]) -> None:
    assert names([expr], []) == kept


def test_all_rules_of_an_alert_stay_whose_notification_is_looked_at() -> None:
    assert names([], ["Burns"]) == ["base", "other", "ratio1h", "ratio1d", "Burnspage{{ x }}", "Burnsticket"]
