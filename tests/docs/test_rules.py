"""docs/rules.md names every record and alert of the rules, and its example is what Prometheus makes of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from slo_engine.definitions import load
from slo_engine.definitions.labels import RESERVED_LABELS, SERVICE, SEVERITY, SLO
from slo_engine.recording.stages import SHORT_LIMIT, STAGE_LIMIT
from slo_engine.rules import AlertRule, RecordingRule, RuleGroup, build
from tests.definitions.writing import slo, slo_file, write
from tests.docs.page import names, page
from tests.rules.promtool import near, nothing, replay, slos_of

PAGE = page("rules.md")

EVERYTHING = slo_file(
    slo("events", "by: [agent_type]", "alerting: {exhausted: page, absent: 10m}"),
    """
  - name: spend
    alerting: {exhausted: ticket}
    sli:
      cost:
        spend: usd_total
        budget: 3000 USD
        month: Europe/Berlin
        requests: runs_total
        unpriced: unpriced_total
        limits: {hour: 10 USD, request: 1 USD, spike: {factor: 3, above: 5 USD}}
""",
)
"""Every record and every alert. What no kind of SLI but one has is in these two; the others have the same or less."""


@pytest.fixture
def groups(tmp_path: Path) -> list[RuleGroup]:
    return [group for each in build(load([write(tmp_path / "slos.yaml", EVERYTHING)])).values() for group in each]


def intervals(found: Iterable[str]) -> str:
    """As the page writes them."""
    return " ".join(sorted(set(found)))


def written(cell: str) -> str:
    return intervals(re.findall(r"\d+m\b(?! up)", cell) if "up to" not in cell else ["1m", "5m"])


def test_every_record_is_documented_with_its_labels_and_interval(groups: list[RuleGroup]) -> None:
    labels, each = defaultdict[str, set[str]](set), defaultdict[str, list[str]](list)
    for group in groups:
        for rule in group.rules:
            if isinstance(rule, RecordingRule):
                labels[rule.record] |= set(rule.labels) - {SERVICE, SLO}
                each[rule.record].append(str(group.interval))

    documented = {
        names(name)[0]: (set(names(more)) - {"slo_month"}, written(interval))
        for name, more, interval, *_ in PAGE.table("Records").body
    }

    assert documented == {name: (labels[name], intervals(each[name])) for name in labels}


def test_every_alert_is_documented_with_its_severity_and_interval(groups: list[RuleGroup]) -> None:
    found: Mapping[str, set[tuple[str, str]]] = defaultdict(set)
    for group in groups:
        for rule in group.rules:
            if isinstance(rule, AlertRule):
                found[rule.alert].add((rule.labels[SEVERITY], str(group.interval)))

    documented = {names(name)[0]: (severity, written(each)) for name, severity, each, _ in PAGE.table("Alerts").body}

    assert set(documented) == set(found)
    for alert, (severity, each) in documented.items():
        assert each == intervals(interval for _, interval in found[alert])
        # What a user chooses is written "that of ...".
        assert severity.startswith("that of") or {severity} == {seen for seen, _ in found[alert]}


def test_every_label_of_the_rules_is_documented() -> None:
    in_table = {name for row in PAGE.table("Labels").body for name in names(row[0])}
    after = PAGE.text.partition("No SLO can group by these")[2].partition("\n")[0]

    assert in_table | set(names(after)) == RESERVED_LABELS | {SERVICE, SLO}


def test_stages_are_read_up_to_the_windows_that_the_page_says() -> None:
    base, stage, _ = (row[2] for row in PAGE.table("Stages").body)

    assert base.startswith(f"up to {SHORT_LIMIT}")
    assert stage.startswith(f"up to {STAGE_LIMIT}")


EXAMPLE = """
version: slo-engine/v1
service: agents
slos:
  - name: success
    objective: 98
    sli: {events: {total: runs_total, errors: 'runs_total{status!="success"}'}}
"""


def test_prometheus_counts_the_example_as_the_page_does(tmp_path: Path) -> None:
    rows = PAGE.table("An example").body
    success, error = (" ".join("_" if row[column] == "-" else row[column] for row in rows) for column in (1, 2))
    series = {'runs_total{status="success"}': success, 'runs_total{status="error"}': error}
    expected = [
        nothing(f"{minute}m", record) if value == "-" else near(f"{minute}m", record, float(value))
        for minute, row in enumerate(rows)
        for record, value in (("slo:sli_total:increase1m", row[3]), ("slo:sli_errors:increase1m", row[4]))
    ]
    ratio = 'slo:sli_error:ratio{slo_window="5m"}'

    replay(
        tmp_path,
        slos_of(tmp_path, EXAMPLE),
        series,
        *expected,
        near("10m", ratio, 5 / 49),
        near("10m", f"{ratio} / 0.02", 5.1, share=0.01),
    )
