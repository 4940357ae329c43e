"""What holds for every SLO: Prometheus takes its rules, they find their groups, and file order does not matter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from slo_engine.definitions import load
from slo_engine.rollout import render, write
from tests.rules import promtool
from tests.rules.histories import counter
from tests.rules.promtool import Expectation, near

SlosOfAService = list[dict[str, Any]]

LABELS = ("agent_type", "tool_name", "region")

# Unpaired surrogates are no text; anything else may stand in a label.
hostile = st.one_of(
    st.sampled_from(
        ['"', "\\", "\\\\n", "\n", "a\nb\t", "'", "`", "{{ bad", "{{ $labels.x }}", "ü 漢 🙂", "\x85", "\u2028", ""]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
hostile_label = st.sampled_from(["a", "1e3", "ü", "{{ $labels.agent_type }}", "a: #", "\n"])
objectives = st.sampled_from([1.01, 50.0, 90.0, 93.06, 98.0, 99.9, 99.999]) | st.floats(1.001, 99.999)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


amounts = st.sampled_from(["0.01 USD", "0.0000001 USD", "3000 USD", "99999999 USD"])
numbers = st.sampled_from([0, 0.7, -1, 1e-7, 1_000_000, 1234567, 0.1 + 0.2]) | st.floats(-1e9, 1e9)
durations = st.sampled_from(["1ms", "500ms", "15s", "1234567ms", "2m", "20d"])
conditions = st.sampled_from(
    [
        "up == bool 1",
        "0.5 < bool up # half",
        "a / b < bool on (c) group_left (d) e",
        "(a > bool 1) * (b < bool 2)",
        "up",
    ]
)
some_annotations = st.dictionaries(
    st.sampled_from(["runbook_url", "note"]), st.sampled_from(["{{ $value }}", "ü: #", ""])
)


@st.composite
def sli(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """One valid SLI."""
    where = f"{{route={_literal(draw(hostile))}}}"
    match kind:
        case "latency":
            found = {"histogram": f"seconds{where}", "threshold": draw(durations), "native": draw(st.booleans())}
        case "score":
            found = {"histogram": f"scores{where}", "above": draw(numbers)}
        case "slices":
            found = {"good": draw(conditions)}
        case "cost":
            found = {"spend": f"cost_total{where}", "budget": draw(amounts)}
            limits: dict[str, Any] = {"hour": draw(amounts)} if draw(st.booleans()) else {}
            if draw(st.booleans()):
                found["requests"] = f"requests_total{where}"
                limits["request"] = draw(amounts)
            if draw(st.booleans()):
                limits["spike"] = {"factor": draw(st.floats(1.001, 1e6)), "above": draw(amounts)}
            if draw(st.booleans()):
                found["unpriced"] = f"unpriced_total{where}"
            if draw(st.booleans()):
                found["month"] = draw(st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Sydney"]))
            found["limits"] = limits
        case _:
            part = draw(
                st.sampled_from(
                    ['runs_total{status=~"(a|b)\\\\.c"}', f"failures_total{where}", 'failures_total{agent_type="a"}']
                )
            )
            found = {"total": f"runs_total{where}", kind: part, "series_expire": draw(st.booleans())}
            kind = "events"
    return {kind: found}


@st.composite
def slo(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """One valid SLO, as the mapping in a file."""
    by = draw(st.lists(st.sampled_from(LABELS), unique=True))
    kind = draw(st.sampled_from(["errors", "good", "latency", "score", "slices", "cost"]))
    found: dict[str, Any] = {"name": name, "by": by, "sli": draw(sli(kind))}
    short = False
    if "month" not in found["sli"].get("cost", {}):
        found["window"] = draw(st.sampled_from(["6h", "1d", "3d", "3d1m", "7d", "28d", "30d", "90d"]))
        short = found["window"] in ("6h", "1d")
    if kind != "cost":
        found["objective"] = draw(objectives)
    if by:
        matches = draw(st.lists(st.dictionaries(st.sampled_from(by), hostile, min_size=1), max_size=3))
        target, of = ("budget", amounts) if kind == "cost" else ("objective", objectives)
        found["overrides"] = [{"match": match, target: draw(of)} for match in matches]
    alerting: dict[str, Any] = {
        severity: {
            "disabled": draw(st.booleans()),
            "labels": {"team": draw(hostile_label)},
            "annotations": draw(some_annotations),
        }
        for severity in draw(st.lists(st.sampled_from(["page", "ticket"]), unique=True))
    }
    optional: dict[str, st.SearchStrategy[Any]] = {
        "absent": st.sampled_from(["5m", "1h"]),
        "keep_firing_for": st.sampled_from(["1s", "5m", "1d"]),
        "exhausted": st.sampled_from(["page", "ticket"]),
        "policy": st.just("google"),
    }
    if kind != "cost":
        optional["min_events"] = st.integers(0, 1000)
    for key, values in optional.items():
        if draw(st.booleans()):
            alerting[key] = draw(values)
    # The tiers that do not fit into a short window have to be switched off; of the others any may be.
    switched_off = draw(st.lists(st.sampled_from(["1h", "6h", "1d", "3d"]), unique=True))
    alerting["disabled"] = ["1d", "3d"] if short else switched_off
    return {**found, "alerting": alerting}


@st.composite
def services(draw: st.DrawFn) -> dict[str, SlosOfAService]:
    """Some services, each with some SLOs."""
    return {
        f"service-{number}": [draw(slo(f"slo-{index}")) for index in range(draw(st.integers(1, 4)))]
        for number in range(draw(st.integers(1, 4)))
    }


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _file(path: Path, service: str, **content: Any) -> Path:
    data = {"version": "slo-engine/v1", "service": service, **content}
    return promtool.dump(path, data)


@settings(max_examples=30, deadline=None)
@given(services(), hostile)
def test_prometheus_takes_the_rules_of_any_slo(declared: dict[str, SlosOfAService], owner: str) -> None:
    with _folder() as folder:
        slos = load([_file(folder / f"{name}.yaml", name, owner=owner, slos=slos) for name, slos in declared.items()])
        assert len(slos.slos) == sum(map(len, declared.values()))
        promtool.check(write(slos, folder / "rules").files)


@settings(max_examples=30, deadline=None)
@given(st.data(), st.lists(slo("slo"), min_size=2, max_size=6))
def test_rules_do_not_depend_on_the_order_of_the_files(data: st.DataObject, declared: SlosOfAService) -> None:
    with _folder() as folder:
        files = []
        for number, each in enumerate(declared):
            plain = {"alert": f"Alert{number}", "expr": f"up == {number}", "severity": "warning", "summary": "x"}
            content = {"slos": [{**each, "name": f"slo-{number}"}], "thresholds": [plain]}
            files.append(_file(folder / f"{number}.yaml", f"service-{number % 2}", **content))
        assert render(load(files)) == render(load(data.draw(st.permutations(files))))


@settings(max_examples=15, deadline=None)
@given(st.lists(hostile.filter(bool), min_size=1, max_size=8, unique=True))
def test_override_finds_its_group_whatever_its_label_holds(values: list[str]) -> None:
    def objective(value: str, wanted: float) -> Expectation:
        return near("10m", f"slo:objective:ratio{{agent_type={_literal(value)}}}", wanted)

    with _folder() as folder:
        overridden = {
            "name": "runs",
            "by": ["agent_type"],
            "objective": 99.0,
            "sli": {"events": {"total": "runs_total", "errors": 'runs_total{status="error"}'}},
            "overrides": [{"match": {"agent_type": value}, "objective": 90.0} for value in values],
        }
        other = "none of " + "".join(values)
        promtool.replay(
            folder,
            load([_file(folder / "slos.yaml", "shop", slos=[overridden])]),
            {f"runs_total{{agent_type={_literal(value)}}}": counter((10, 1)) for value in [*values, other]},
            *(objective(value, 0.9) for value in values),
            objective(other, 0.99),
        )
