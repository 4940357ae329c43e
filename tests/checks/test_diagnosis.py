"""What doctor finds, on a real Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.checks.diagnosis import diagnose
from slo_engine.checks.finding import Finding
from slo_engine.connect import Connection
from slo_engine.prometheus import Prometheus
from tests.rules.promtool import slos_of
from tests.waiting import wait_for

pytestmark = pytest.mark.stack

SLOS = """
version: slo-engine/v1
service: shop
defaults: {by: [agent_type], objective: 99}
slos:
  - name: runs
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
    alerting: {sure: false}
  - {name: busy, sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}}
  - {name: divided, by: [agnt_type], sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}}
  - name: never
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
    alerting: {min_events: 1000}
  - name: careful
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
    alerting: {min_events: 20}
  - {name: unloaded, sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}}
  - {name: misspelled, sli: {events: {total: rnus_total, errors: 'rnus_total{status="error"}'}}}
  - {name: latency, sli: {latency: {histogram: run_seconds, threshold: 15s}}}
  - {name: fast, sli: {latency: {histogram: run_seconds, threshold: 10s}}, alerting: {min_events: 20}}
"""

# What the rules would have recorded: six events an hour, or millions.
PAGE = """
runs_total{agent_type="chat",status="ok"} 7
run_seconds_bucket{agent_type="chat",le="1"} 1
run_seconds_bucket{agent_type="chat",le="10"} 2
run_seconds_bucket{agent_type="chat",le="+Inf"} 2
run_seconds_count{agent_type="chat"} 2
run_seconds_sum{agent_type="chat"} 8
""" + "\n".join(
    f'slo:sli_errors:increase1m{{slo_service="shop",slo="{slo}",agent_type="chat"}} 0\n'
    f'slo:sli_total:stage5m{{slo_service="shop",slo="{slo}",agent_type="chat"}} {events}\n'
    for slo, events in {
        "runs": 0.5,
        "busy": 1e6,
        "careful": 0.5,
        "never": 0.5,
        "latency": 1e6,
        "fast": 2,
        "misspelled": 1e6,
        "divided": 9,
    }.items()
)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Finding]]]:
    """By SLO."""

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    folder = tmp_path_factory.mktemp("doctor")
    with ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as exporter:
        threading.Thread(target=exporter.serve_forever, daemon=True).start()
        target = f"127.0.0.1:{exporter.server_port}"
        with (
            RealPrometheus(folder, targets={"agents": target}, scrape_interval="1s") as server,
            closing(Prometheus(Connection(server.url))) as door,
        ):
            wait_for("a scrape", lambda: door.query("runs_total", datetime.now(UTC)).samples, within=30)
            found: dict[str, list[Finding]] = {}
            for finding in diagnose(slos_of(folder, SLOS), door, datetime.now(UTC)):
                found.setdefault(finding.slo, []).append(finding)
            yield found
        exporter.shutdown()


def test_metric_that_is_not_there_is_named(findings: dict[str, list[Finding]]) -> None:
    [finding] = findings["misspelled"]

    assert finding.problem == "no-data"
    assert "no series matches rnus_total" in str(finding)


def test_threshold_that_is_no_bucket_is_told_with_the_buckets_there_are(findings: dict[str, list[Finding]]) -> None:
    [finding] = findings["latency"]

    assert finding.problem == "no-bucket"
    assert finding.message.endswith("its buckets are 1, 10, +Inf")


def test_slo_whose_rules_are_not_loaded_is_told(findings: dict[str, list[Finding]]) -> None:
    assert [finding.problem for finding in findings["unloaded"]] == ["no-rules"]


def test_agent_so_quiet_that_one_failure_pages_is_told_with_the_number_that_helps(
    findings: dict[str, list[Finding]],
) -> None:
    [finding] = findings["runs"]

    # 14.4 times 1 % is 14.4 %: of seven events one is less, of six it is more.
    assert finding.problem == "one-failure-pages"
    assert "for chat, with fewer than 7 events" in finding.message
    assert "remove `alerting.sure: false`, or set alerting.min_events to 7" in finding.message


def test_label_that_no_series_has_is_named(findings: dict[str, list[Finding]]) -> None:
    [finding] = findings["divided"]

    assert finding.problem == "no-label"
    assert finding.message.endswith("has the label agnt_type, which `by` names")


def test_more_events_wanted_than_there_ever_are_is_told(findings: dict[str, list[Finding]]) -> None:
    [finding] = findings["never"]

    # Three days have 432.
    assert finding.problem == "never-enough-events"
    assert "no group has 1000 events even in 3d" in finding.message


def test_busy_agent_careful_policy_and_right_bucket_are_fine(findings: dict[str, list[Finding]]) -> None:
    assert not findings.keys() & {"busy", "careful", "fast"}
