"""The alerts about the engine (slos/engine.yaml): each fires for an engine that has what it tells of; all are silent
for a healthy one, and where no engine is scraped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from promql_parser import VectorSelector, parse

from slo_engine import telemetry
from slo_engine.definitions import SloSet, load
from slo_engine.definitions.slo import Threshold
from tests.rules.histories import counter, steady
from tests.rules.promtool import Expectation, compare, labelled, nothing

ROOT = Path(__file__).parents[2]
ENGINE = load([ROOT / "slos" / "engine.yaml"])
PLAIN = SloSet(thresholds=ENGINE.thresholds)
SHOWN = [each for each in PLAIN.thresholds if each.alert != "Watchdog"]

BEFORE, MINUTES = 60, 120
"""For an hour all is well."""


def metrics_of(threshold: Threshold) -> set[str]:
    """The names of the metrics that an alert asks for."""
    found: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, VectorSelector):
            found.add(str(node.name))
        for name in ("expr", "lhs", "rhs", "args", "vector_selector"):
            child = getattr(node, name, None)
            for each in child if isinstance(child, list) else [child]:
                if each is not None and not isinstance(each, str):
                    walk(each)

    walk(parse(str(threshold.expr)))
    return found


def then(before: float, after: float) -> str:
    """A gauge that changes after an hour."""
    return f"{before:g}x{BEFORE - 1} {after:g}x{MINUTES - BEFORE}"


def grows(after: float) -> str:
    """A counter that stands still for an hour, and then grows by so much a minute."""
    return counter((BEFORE, 0), (MINUTES - BEFORE, after))


def once() -> str:
    """A counter that grows by one after an hour."""
    return f"0x{BEFORE - 1} 1x{MINUTES - BEFORE}"


# Alert -> series of an engine that has what it tells of, and how it is labelled.
SICK: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "SloEngineDown": ({"slo_engine_build_info": f"1x{BEFORE} _x{MINUTES - BEFORE}"}, {}),
    "SloEngineDeadLetters": ({'slo_engine_dead_letters_total{sink="pager"}': once()}, {"sink": "pager"}),
    "SloEngineDeliveryDelayed": (
        {'slo_engine_oldest_waiting_seconds{step="delivery",sink="pager"}': f"0x{BEFORE - 1} 0+60x{MINUTES - BEFORE}"},
        {"step": "delivery", "sink": "pager"},
    ),
    "SloEngineBacklog": ({'slo_engine_waiting_messages{step="inbox"}': then(10, 1001)}, {"step": "inbox"}),
    "SloEngineSinkHeld": ({'slo_engine_sink_held{sink="pager"}': then(0, 1)}, {"sink": "pager"}),
    "SloEngineSinkMisconfigured": (
        {'slo_engine_delivery_attempts_total{sink="pager",result="misconfigured"}': once()},
        {"sink": "pager"},
    ),
    "SloEngineSinkGone": ({'slo_engine_outbox_orphans{sink="old"}': then(0, 3)}, {"sink": "old"}),
    "SloEngineUnreadable": ({"slo_engine_inbox_quarantined_total": once()}, {}),
    "SloEngineWebhookRefused": ({'slo_engine_webhook_requests_total{result="refused"}': grows(1)}, {}),
    "SloEngineEvidenceFailing": (
        {
            'slo_engine_messages_total{evidence="complete"}': grows(1),
            'slo_engine_messages_total{evidence="partial"}': grows(2),
            'slo_engine_messages_total{evidence="failed"}': grows(0),
        },
        {},
    ),
    "SloEngineClockSilent": ({'slo_engine_evaluations_total{result="success"}': counter((BEFORE, 1), (60, 0))}, {}),
    "SloEngineStatusStale": (
        {"slo_engine_last_evaluation_timestamp_seconds": f"0+60x{BEFORE - 1} 3540x{MINUTES - BEFORE}"},
        {},
    ),
    "SloEngineClockEvents": (
        {'slo_engine_clock_events_total{task="status",event="still_running"}': grows(1)},
        {"task": "status", "event": "still_running"},
    ),
    "SloEngineRulesDrift": (
        {'slo_engine_rules_rolled_out{destination="folder"}': then(1, 0)},
        {"destination": "folder"},
    ),
    "SloEngineSloFilesRejected": ({"slo_engine_slo_files_problems": then(0, 2)}, {}),
    "SloEngineWatchdogSilent": ({"slo_engine_watchdog_silent": then(0, 1)}, {}),
    "SloEngineAlertsMissing": ({"slo_engine_reconciled_alerts_total": once()}, {}),
    "SloEngineAlertmanagerUnreachable": (
        {'slo_engine_alertmanager_up{alertmanager="1"}': then(1, 0)},
        {"alertmanager": "1"},
    ),
    "SloEngineHeartbeatFailing": (
        {
            'slo_engine_heartbeats_total{result="sent"}': counter((BEFORE, 1), (60, 0)),
            'slo_engine_heartbeats_total{result="failed"}': grows(1),
        },
        {},
    ),
}

# Of an engine that works, with a failure here and there that is none of anybody's business.
HEALTHY = {
    "slo_engine_build_info": steady(1, MINUTES),
    'slo_engine_dead_letters_total{sink="pager"}': counter((MINUTES, 0)),
    'slo_engine_oldest_waiting_seconds{step="inbox"}': steady(1, MINUTES),
    'slo_engine_oldest_waiting_seconds{step="delivery",sink="pager"}': f"0x50 100 160 200 0x{MINUTES - 53}",
    'slo_engine_waiting_messages{step="inbox"}': f"5x50 5000x3 5x{MINUTES - 54}",
    'slo_engine_outbox_messages{sink="pager",state="pending"}': steady(3, MINUTES),
    'slo_engine_outbox_messages{sink="pager",state="delivered"}': steady(50_000, MINUTES),
    'slo_engine_outbox_orphans{sink="old"}': steady(0, MINUTES),
    'slo_engine_delivery_attempts_total{sink="pager",result="retry"}': counter((MINUTES, 1)),
    'slo_engine_delivery_attempts_total{sink="pager",result="misconfigured"}': counter((MINUTES, 0)),
    'slo_engine_sink_held{sink="pager"}': f"0x50 1x3 0x{MINUTES - 54}",
    "slo_engine_inbox_quarantined_total": counter((MINUTES, 0)),
    'slo_engine_webhook_requests_total{result="accepted"}': counter((MINUTES, 1)),
    'slo_engine_webhook_requests_total{result="refused"}': counter((MINUTES, 0)),
    'slo_engine_messages_total{evidence="complete"}': counter((MINUTES, 1)),
    'slo_engine_messages_total{evidence="partial"}': counter((MINUTES, 0.2)),
    'slo_engine_messages_total{evidence="failed"}': counter((MINUTES, 0)),
    'slo_engine_evaluations_total{result="success"}': counter((MINUTES, 1)),
    'slo_engine_evaluations_total{result="failure"}': counter((MINUTES, 0)),
    "slo_engine_last_evaluation_timestamp_seconds": f"0+60x{MINUTES}",
    'slo_engine_clock_events_total{task="status",event="still_running"}': counter((50, 0), (2, 1), (68, 0)),
    'slo_engine_rules_rolled_out{destination="folder"}': f"0x3 1x{MINUTES - 4}",
    "slo_engine_slo_files_problems": f"0x50 3x5 0x{MINUTES - 56}",
    "slo_engine_watchdog_silent": steady(0, MINUTES),
    "slo_engine_reconciled_alerts_total": counter((MINUTES, 0)),
    'slo_engine_alertmanager_up{alertmanager="1"}': f"1x50 0x3 1x{MINUTES - 54}",
    'slo_engine_heartbeats_total{result="sent"}': counter((MINUTES, 1)),
    'slo_engine_heartbeats_total{result="failed"}': counter((50, 0), (3, 1), (67, 0)),
    'slo_engine_heartbeats_total{result="withheld"}': counter((MINUTES, 0)),
}


def of_job(job: str, series: dict[str, str]) -> dict[str, str]:
    """The series as Prometheus has them from one job."""
    target = f'job="{job}",instance="{job}:8090"'
    return {
        f"{name[:-1]},{target}}}" if name.endswith("}") else f"{name}{{{target}}}": history
        for name, history in series.items()
    }


def firing(alert: str, severity: str, job: str, labels: dict[str, str]) -> Expectation:
    found = {"alertname": alert, "alertstate": "firing", "job": job, "severity": severity, "slo_service": "slo-engine"}
    return labelled("1h50m", f'ALERTS{{alertname="{alert}",alertstate="firing"}} > bool 0', {**found, **labels})


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One run of promtool for all alerts: each has an engine, that is a job, of its own that is sick."""
    series = of_job("fine", HEALTHY)
    for alert, (sick, _) in SICK.items():
        series |= of_job(alert, sick)
    severities = {each.alert: each.severity for each in PLAIN.thresholds}
    expected: dict[str, list[Expectation]] = {
        alert: [
            firing(alert, severities[alert], alert, labels),
            nothing("59m", f'ALERTS{{job="{alert}"}}'),
        ]
        for alert, (_, labels) in SICK.items()
    }
    expected["healthy"] = [nothing("2h", 'count_over_time(ALERTS{job="fine",alertstate="firing"}[2h])')]
    expected["Watchdog"] = [
        labelled(
            "0m",
            'ALERTS{alertname="Watchdog"} > bool 0',
            {"alertname": "Watchdog", "alertstate": "firing", "severity": "none", "slo_service": "slo-engine"},
        )
    ]
    return compare(tmp_path_factory.mktemp("alerts"), PLAIN, series, expected)


@pytest.mark.parametrize("alert", [*SICK, "Watchdog", "healthy"])
def test_an_alert_fires_for_the_engine_that_is_sick_and_for_no_other(alert: str, compared: dict[str, str]) -> None:
    assert not compared[alert], compared[alert]


def test_without_an_engine_only_the_watchdog_fires(tmp_path: Path) -> None:
    found = compare(
        tmp_path,
        PLAIN,
        {"up": steady(1, MINUTES)},
        {"": [nothing("2h", 'count_over_time(ALERTS{alertname!="Watchdog"}[2h])')]},
    )
    assert not found[""], found[""]


def test_every_alert_is_tried() -> None:
    assert {each.alert for each in SHOWN} == set(SICK)


@pytest.mark.parametrize("threshold", PLAIN.thresholds, ids=lambda each: each.alert)
def test_every_alert_asks_for_metrics_of_the_engine(threshold: Threshold) -> None:
    known = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in telemetry.REGISTRY.collect()
    }
    assert metrics_of(threshold) <= known
    assert threshold.alert == "Watchdog" or metrics_of(threshold)


@pytest.mark.parametrize("threshold", PLAIN.thresholds, ids=lambda each: each.alert)
def test_every_alert_says_what_happens_and_has_a_runbook(threshold: Threshold) -> None:
    assert threshold.annotations["summary"]
    assert threshold.annotations["description"]
    file, _, section = threshold.annotations["runbook_url"].partition("#")
    text = (ROOT / file).read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert section in [heading.lower().replace(" ", "-") for heading in headings]
    assert f"`{threshold.alert}`" in text
