"""Scenarios 11 to 13, 19 and 20: what is posted is malformed, huge, hostile or out of order, or its evidence fails."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest

from deploy.stack.stack import REPOSITORY
from tests.alerts.payloads import SUCCESS_LABELS
from tests.fault.alertmanagers import payload_of
from tests.fault.engines import Engines
from tests.fault.sinks import FakeSink, answering, hang, ok
from tests.fault.world import World, firing, incident, incidents, resolved, wait_until_told
from tests.postgres import Postgres
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=45)]

BUDGET_SECONDS = 1.0


class Shared:
    """One engine with LangFuse, a pager and a sink that redirects."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pager = world.sink("pager")
        self.other = world.sink("other")
        self.langfuse = world.sink("langfuse", answering(500))
        self.engines: Engines = world.engines(
            self.pager,
            settings={
                "slos": [str(REPOSITORY / "slos")],
                "langfuse": {"url": self.langfuse.url, "public_key": "pk-lf-x", "secret_key": "sk-lf-x"},
            },
        )

    def post(self, payload: Any) -> int:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.engines.first.post(body)

    def arrival(self, key: str, within: float = 15.0) -> Any:
        """The first payload of a group at the pager."""
        found = wait_for(key, lambda: [each for each in self.pager.taken if each.group == key], within=within)
        return found[0].payload


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, store: Postgres | None) -> Iterator[Shared]:
    with ExitStack() as stack:
        yield Shared(World(tmp_path_factory.mktemp("bodies"), stack, store))


@pytest.mark.parametrize("fault", ["hang", "500", "10 MB"])
def test_11_notification_leaves_within_the_budget_when_its_evidence_fails(shared: Shared, fault: str) -> None:
    behaviours = {"hang": hang, "500": answering(500), "10 MB": answering(200, b'{"data": ["' + b"x" * 10_000_000)}
    shared.langfuse.behave(behaviours[fault])
    one = incident("SLOErrorBudgetBurn", **{**SUCCESS_LABELS, "agent_type": f"agent {fault}"})
    group, states = firing(one, time.time())
    key = f"evidence {fault}"
    began = time.monotonic()
    assert shared.post(payload_of(group, states, groupKey=key)) == 200
    arrived = shared.arrival(key)
    assert time.monotonic() - began < BUDGET_SECONDS + 1.5
    missing = {each["source"]: each["reason"] for each in arrived["enrichment"]["missing"]}
    assert "langfuse" in missing
    assert "Without langfuse" in arrived["alerts"][0]["annotations"]["slo_engine_missing"]


def broken_label(number: int) -> bytes:
    payload = payload_of(*firing(incident("OneOfTwenty"), 1000.0), groupKey="one of twenty")
    good = payload["alerts"][0]
    alerts = [{**good, "fingerprint": f"{index:016x}"} for index in range(20)]
    alerts[number] = {**alerts[number], "labels": ["not", "an", "object"]}
    return json.dumps({**payload, "alerts": alerts}).encode()


GRAFANA_LEGACY = json.dumps(
    {
        "title": "[Alerting] Latency of the legacy agent",
        "ruleName": "Latency of the legacy agent",
        "state": "alerting",
        "message": "it is slow",
        "evalMatches": [{"value": 100, "metric": "latency", "tags": {}}],
    }
).encode()


def too_many() -> bytes:
    payload = payload_of(*firing(incident("TooMany"), 1000.0), groupKey="too many")
    return json.dumps(
        {**payload, "alerts": [{**payload["alerts"][0], "fingerprint": f"{n:016x}"} for n in range(10_001)]}
    ).encode()


@pytest.mark.parametrize(
    ("name", "body", "headers", "shown"),
    [
        ("empty", b"", {}, ""),
        ("no JSON", b'{"alerts": [', {}, ""),
        ("no UTF-8", b"\xff\xfe\xfd it burns \x80", {}, "it burns"),
        ("null alerts", b'{"alerts": null, "receiver": "the-null-one"}', {}, "the-null-one"),
        ("custom payload", b'{"text": "a template of ours burns"}', {}, "a template of ours burns"),
        ("deep", b"[" * 100_000, {}, ""),
        ("Grafana's legacy payload", GRAFANA_LEGACY, {}, "legacy agent"),
        ("gzip that it is not", b"\x1f\x8b no gzip", {"content-encoding": "gzip"}, ""),
    ],
)
def test_12_what_cannot_be_understood_is_acknowledged_counted_and_passed_on(
    shared: Shared, name: str, body: bytes, headers: dict[str, str], shown: str
) -> None:
    engine = shared.engines.first
    before, arrived = engine.metric("slo_engine_inbox_quarantined_total"), len(shared.pager.taken)
    assert engine.post(body, headers=headers) == 200
    unreadable = wait_for(
        "the notification",
        lambda: [
            request.body.decode()
            for request in shared.pager.requests[arrived:]
            if b"UnreadableNotification" in request.body
        ],
        within=15,
    )
    assert shown in unreadable[0]
    assert engine.metric("slo_engine_inbox_quarantined_total") == before + 1


def test_12_gzip_body_and_unknown_keys_are_understood(shared: Shared) -> None:
    payload = payload_of(*firing(incident("Zipped"), time.time()), groupKey="zipped", something={"new": [1]})
    body = gzip.compress(json.dumps(payload).encode())
    assert shared.engines.first.post(body, headers={"content-encoding": "gzip"}) == 200
    assert shared.arrival("zipped")["alerts"][0]["labels"]["alertname"] == "Zipped"


def test_12_notification_of_ten_thousand_alerts_is_passed_on(shared: Shared) -> None:
    assert shared.engines.first.post(too_many()) == 200
    wait_for("it", lambda: any(b"TooMany" in each.body for each in shared.pager.requests), within=60)


def test_12_nineteen_good_alerts_arrive_though_the_twentieth_is_broken(shared: Shared) -> None:
    assert shared.engines.first.post(broken_label(7)) == 200
    wait_for(
        "nineteen alerts",
        lambda: (
            {f"{index:016x}" for index in range(20) if index != 7}
            <= {state.fingerprint for each in shared.pager.taken for state in each.alerts}
        ),
        within=15,
    )


def test_13_five_megabytes_are_taken_and_a_hundred_are_refused_before_they_are_read(shared: Shared) -> None:
    engine = shared.engines.first
    payload = payload_of(*firing(incident("Large"), time.time()), groupKey="large")
    alerts = [
        {**payload["alerts"][0], "fingerprint": f"{n:016x}", "annotations": {"text": f"{n} " + "x" * 5000}}
        for n in range(1000)
    ]
    assert shared.post({**payload, "alerts": alerts}) == 200
    assert shared.arrival("large", within=30)["alerts"]
    before = engine.metric("slo_engine_webhook_requests_total", result="refused")
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=20)
    try:
        connection.putrequest("POST", "/webhooks/alertmanager")
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(100 * 1024 * 1024))
        connection.endheaders()
        answer = connection.getresponse()  # although the body was not sent
        assert answer.status == 413
        answer.read()
    finally:
        connection.close()
    assert engine.metric("slo_engine_webhook_requests_total", result="refused") == before + 1
    assert psutil.Process(engine.pid).memory_info().rss < 400 * 1024 * 1024


def test_13_hundred_megabytes_that_are_sent_anyway_read_the_413_and_no_reset(shared: Shared) -> None:
    engine = shared.engines.first
    assert engine.post(b"x" * 100 * 1024 * 1024, timeout=30) == 413
    assert psutil.Process(engine.pid).memory_info().rss < 400 * 1024 * 1024


def test_19_flaps_end_in_the_state_of_alertmanager_and_a_late_firing_wakes_nobody(shared: Shared) -> None:
    world, pager = shared.world, shared.pager
    now = time.time()
    some = incidents("flaps", 30)
    world.post(shared.engines, [step for each in some for step in (firing(each, now), resolved(each, now))])
    # The other member of the pair, whose flush began before: a firing after its end.
    world.post(shared.engines, [firing(each, now) for each in some[:15]])
    world.post(shared.engines, [firing(each, now + 5) for each in some[15:]])
    world.post(shared.engines, [resolved(each, now) for each in some[15:]])  # the end of the episode before
    verdict = world.settle(pager, within=30, quiet=2.0, group_prefix='{}:{alertname="flaps-')
    assert verdict.violations == []
    last = {each.group: each for each in pager.taken if each.group.startswith('{}:{alertname="flaps-')}
    states = {key: {state.status for state in each.alerts} for key, each in last.items()}
    assert {tuple(states[each.key]) for each in some[:15]} == {("resolved",)}
    assert {tuple(states[each.key]) for each in some[15:]} == {("firing",)}


def test_19_alert_that_changes_its_group_resolves_after_it_fired(shared: Shared) -> None:
    """A new routing tree: the same alert under another group key, while its first notification still waits."""
    world, pager = shared.world, shared.pager
    pager.behave(answering(503))
    one = incident("moves")
    now = time.time()
    world.post(shared.engines, [firing(one, now)])
    group, states = resolved(one, now)
    time.sleep(1.0)
    assert shared.post(payload_of(group, states, groupKey='{}/{team="new"}:{alertname="moves"}')) == 200
    pager.behave(ok)
    seen = wait_for("the end", lambda: moves(pager) if "resolved" in moves(pager) else None, within=30)
    time.sleep(2.0)
    assert seen in (["firing", "resolved"], ["resolved"])
    assert moves(pager) == seen


def moves(pager: FakeSink) -> list[str]:
    fingerprint = next(iter(incident("moves").alerts))
    return [state.status for each in pager.taken for state in each.alerts if state.fingerprint == fingerprint]


def test_20_hostile_labels_arrive_as_they_are_and_neither_run_nor_leak(shared: Shared) -> None:
    hostile = {
        "channel": "<!channel>",
        "script": "<script>alert(1)</script>",
        "template": "{{7*7}}${7*7}",
        "long": "x" * 100_000,
        "token": "Bearer sk-lf-0123456789abcdef0123456789abcdef",
        "direction": "a\u202eb",
    }
    one = incident("hostile", **hostile)
    group, states = firing(one, time.time())
    assert shared.post(payload_of(group, states, groupKey="hostile")) == 200
    labels = shared.arrival("hostile")["alerts"][0]["labels"]
    assert "49" not in labels["template"]
    assert "0123456789abcdef0123456789abcdef" not in json.dumps(labels)
    assert "0123456789abcdef0123456789abcdef" not in shared.engines.first.log()
    page = shared.engines.first.get("/")
    assert "<script>alert(1)" not in page
    assert "0123456789abcdef0123456789abcdef" not in page


def test_nothing_that_was_posted_is_a_traceback_in_the_log(shared: Shared) -> None:
    assert shared.engines.tracebacks() == []
    wait_until_told(shared.pager, incidents("flaps", 30), within=1)
