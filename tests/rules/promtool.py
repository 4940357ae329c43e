"""Generated rules before the real ``promtool``: does Prometheus take them, and what do they record and fire?

Four things of promtool 2.42 shape this module. It evaluates every group at every step, whatever its ``interval``; so
the copy of the rules that is tested records slower groups only at the times that Prometheus would. Its scrapes take no
time and fall on the minutes of its evaluations; so the copy does not wait for them, unless it is told to. And it
compares values to the last bit; so an expectation is a PromQL comparison with a tolerance, which promtool finds to be
1. It is slow; so the copy has the rules that the expectations look at, and those that these read, and no others.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.stack.processes import program
from slo_engine.definitions import SloSet, load
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.kinds.counter import DELAY, GONE_FOR
from slo_engine.rollout import render
from tests.rules.looked_at import looked_at

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Expectation:
    """``expr`` at a time gives these samples, all of value 1; ``reads`` is what to show when it does not."""

    at: str
    expr: str
    samples: tuple[Labels, ...]
    reads: str


@dataclass(frozen=True)
class Notified:
    """At a time, this alert fires with these labels and annotations, and with no others."""

    at: str
    alert: str
    labels: Labels
    annotations: Mapping[str, str]


def near(at: str, expr: str, value: float, *, share: float = 1e-6) -> Expectation:
    """``expr`` gives one sample, no farther from ``value`` than this share of it (of 1 around zero)."""
    allowed = share * (abs(value) or 1)
    # scalar() makes NaN of no sample and of several, and no NaN is near anything.
    return Expectation(at, f"abs(vector(scalar({expr})) - {value!r}) < bool {allowed!r}", ({},), expr)


def true(at: str, expr: str) -> Expectation:
    """``expr``, a comparison with ``bool``, holds."""
    return Expectation(at, f"vector(scalar({expr}))", ({},), expr)


def nothing(at: str, expr: str) -> Expectation:
    """``expr`` gives no sample."""
    return Expectation(at, expr, (), expr)


def labelled(at: str, expr: str, *labels: Labels) -> Expectation:
    """``expr`` gives samples of value 1 with just these labels."""
    return Expectation(at, expr, labels, expr)


def slos_of(folder: Path, text: str, name: str = "slos.yaml") -> SloSet:
    """Load the text of one SLO file."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return load([file])


def check(files: Iterable[Path]) -> None:
    """Prometheus would load these rule files."""
    _run("check", "rules", *map(str, files))


def replay(
    folder: Path,
    slos: SloSet,
    series: Mapping[str, str],
    *expected: Expectation | Notified,
    scrapes_each: str = "1m",
    waits: bool = False,
    missed: tuple[int, int] | None = None,
) -> None:
    """Let the rules of ``slos`` see a history (series -> promtool's value notation) from time 0, and compare.
    ``waits``: they look as late as in Prometheus, so ``scrapes_each`` had better be as short as their delay.
    ``missed``: from this minute to that one, both included, Prometheus evaluates nothing."""
    found = compare(folder, slos, series, {"": expected}, scrapes_each=scrapes_each, waits=waits, missed=missed)
    assert not found[""], found[""]


def compare(
    folder: Path,
    slos: SloSet,
    series: Mapping[str, str],
    expected: Mapping[str, Sequence[Expectation | Notified]],
    *,
    scrapes_each: str = "1m",
    waits: bool = False,
    missed: tuple[int, int] | None = None,
) -> dict[str, str]:
    """As :func:`replay`, in one run for several tests: name -> where it is not as this one expects, or nothing."""
    groups = [group for text in render(slos).values() for group in yaml.safe_load(text)["groups"]]
    for group in groups:
        if not waits:
            _wait_for_no_scrape(group)
        _record_at_the_interval(group)
        if missed:
            _record_nothing(group, *missed)
    every = [each for some in expected.values() for each in some]
    values = [each for each in every if isinstance(each, Expectation)]
    notified = [each for each in every if isinstance(each, Notified)]
    groups = looked_at(groups, [each.expr for each in values], [each.alert for each in notified])
    rules = dump(folder / "tested.yaml", {"groups": groups})
    case: dict[str, Any] = {
        "interval": scrapes_each,
        "input_series": [{"series": name, "values": history} for name, history in series.items()],
        "promql_expr_test": [_expr_test(each) for each in values],
        "alert_rule_test": [_alert_test(each) for each in notified],
    }
    test = {
        "rule_files": [rules.name],
        "evaluation_interval": "1m",
        # Without an order promtool takes a random one; here the long windows read the base of the same minute.
        "group_eval_order": [group["name"] for group in groups],
        "tests": [case],
    }
    done = _promtool("test", "rules", str(dump(folder / "test.yaml", test)))
    if done.returncode == 0:
        return dict.fromkeys(expected, "")
    # promtool shows a value only when it is wrong.
    case["promql_expr_test"] = [{"expr": each.reads, "eval_time": each.at, "exp_samples": []} for each in values]
    found = _promtool("test", "rules", str(dump(folder / "found.yaml", test)))
    said = f"{done.stdout}{done.stderr}\n\nwhat the expressions read give:\n{found.stdout}{found.stderr}"
    wrong = _named(done.stderr, expected)
    return {name: said if name in wrong else "" for name in expected}


def _named(said: str, expected: Mapping[str, Sequence[Expectation | Notified]]) -> set[str]:
    """Of whose expectations promtool complains: of all, where it complains of anything else."""
    complaints = re.findall(r"^ +((?:expr|alertname): .*), time: .*$", said, re.MULTILINE)
    whose = [
        {name for name, some in expected.items() if complaint in map(_complaint, some)} for complaint in complaints
    ]
    return set[str]().union(*whose) if whose and all(whose) else set(expected)


def _complaint(expected: Expectation | Notified) -> str:
    if isinstance(expected, Notified):
        return f"alertname: {expected.alert}"
    return f"expr: {json.dumps(expected.expr, ensure_ascii=False)}"


def _wait_for_no_scrape(group: dict[str, Any]) -> None:
    for rule in group["rules"]:
        expr = rule["expr"].replace(f" offset -{DELAY}", "").replace(f" offset {DELAY}", "")
        rule["expr"] = expr.replace(f" offset {GONE_FOR}{DELAY}", f" offset {GONE_FOR}")


def _record_at_the_interval(group: dict[str, Any]) -> None:
    seconds = Duration.parse(group.get("interval", "1m")).seconds
    for rule in group["rules"]:
        if "record" in rule and seconds > 60:
            rule["expr"] = f"({rule['expr']}) and on () (vector(time()) % {seconds:g} == 0)"


def _record_nothing(group: dict[str, Any], first: int, last: int) -> None:
    for rule in group["rules"]:
        if "record" in rule:
            rule["expr"] = f"({rule['expr']}) unless on () (vector(time()) >= {first * 60} <= {last * 60})"


def _expr_test(expected: Expectation) -> dict[str, object]:
    samples = [{"labels": _series(labels), "value": 1} for labels in expected.samples]
    return {"expr": expected.expr, "eval_time": expected.at, "exp_samples": samples}


def _alert_test(expected: Notified) -> dict[str, object]:
    alert = {"exp_labels": dict(expected.labels), "exp_annotations": dict(expected.annotations)}
    return {"eval_time": expected.at, "alertname": expected.alert, "exp_alerts": [alert]}


def _series(labels: Labels) -> str:
    name = labels.get("__name__", "")
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items() if key != "__name__") + "}"


class _Quoting(yaml.SafeDumper):
    """Quotes all text, so that none turns into a number, and no line break of YAML into a space."""


_Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def dump(file: Path, data: object) -> Path:
    """Write YAML that holds any text."""
    file.write_text(yaml.dump(data, Dumper=_Quoting, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return file


def _run(*arguments: str) -> None:
    done = _promtool(*arguments)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    # A garbage collector that waits longer: promtool reads every expression anew each minute.
    lazy = {**os.environ, "GOGC": "400"}
    return subprocess.run(
        [program("promtool", "prometheus"), *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=400,
        env=lazy,
    )
