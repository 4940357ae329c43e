"""One incident through every sink at once, from the settings to what arrives, over the real store and courier."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo_engine.delivery import SINKS, sink_of
from slo_engine.delivery.courier import Courier
from slo_engine.logs import JsonFormatter
from slo_engine.notifications import Evidence, Message, Missing
from slo_engine.settings import load_settings, secrets_of
from slo_engine.store import Database, messages, outbox
from tests.connect.certificates import Authority
from tests.delivery.fakes.incident import FIRING, REPEAT, RESOLVED, UPDATE
from tests.delivery.fakes.mail import PASSWORD, Mailbox, mail_server
from tests.delivery.fakes.messages import hostile
from tests.delivery.fakes.pagers import (
    ALERT_SOURCE,
    GENIE_KEY,
    INCIDENT_IO_TOKEN,
    ROUTING_KEY,
    IncidentIoService,
    OpsgenieService,
    PagerDutyService,
)
from tests.delivery.fakes.plain import Service, running
from tests.delivery.fakes.slack import CHANNEL, TOKEN, SlackHook, SlackService

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # within Apprise

WEBHOOK_SECRET = base64.b64encode(b"a secret of the generic webhook").decode()
TEAMS_PATH = "/workflows/5f0e9a/triggers/manual?sig=teams-signature-in-the-address"
APPRISE_TOKEN = "apprise-token-in-the-address"
GRAFANA_TOKEN = "glsa_grafana_service_account"

SECRETS = (
    *(TOKEN, SlackHook.path, ROUTING_KEY, GENIE_KEY, INCIDENT_IO_TOKEN, WEBHOOK_SECRET, PASSWORD, GRAFANA_TOKEN),
    *(TEAMS_PATH, "teams-signature-in-the-address", APPRISE_TOKEN),
    base64.b64encode(f"\0slo\0{PASSWORD}".encode()).decode(),
)


NOTHING_YET = Evidence("2026-11-23T17:04:02+00:00", 5.0, missing=(Missing("langfuse", "no answer within 5 s"),))


@dataclass
class World:
    """The other side of every sink."""

    slack: SlackService
    hook: SlackHook
    pagerduty: PagerDutyService
    opsgenie: OpsgenieService
    incident_io: IncidentIoService
    webhook: Service
    teams: Service
    grafana: Service
    apprise: Service
    mailbox: Mailbox
    settings: Path
    log: list[str] = field(default_factory=list)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ca = Authority(tmp_path)
    certificate = ca.certificate("localhost")
    with ExitStack() as stack:
        slack, hook = stack.enter_context(SlackService()), stack.enter_context(SlackHook())
        pagerduty, opsgenie = stack.enter_context(PagerDutyService()), stack.enter_context(OpsgenieService())
        incident_io = stack.enter_context(IncidentIoService())
        webhook, teams, grafana, apprise = Service(), Service(status=202), Service(answer='{"id": 41}'), Service()
        ports = [stack.enter_context(running(each)) for each in (webhook, teams, grafana, apprise)]
        mailbox = Mailbox()
        mail_port = stack.enter_context(mail_server(mailbox, certificate=certificate, login=True))
        sinks: list[dict[str, Any]] = [
            {"type": "webhook", "url": f"http://127.0.0.1:{ports[0]}/hook", "secret": WEBHOOK_SECRET},
            {"type": "console"},
            {"type": "slack", "url": f"{slack.address}/api", "token": TOKEN, "channel": CHANNEL},
            {"type": "slack_webhook", "url": f"{hook.address}{SlackHook.path}"},
            {"type": "pagerduty", "url": pagerduty.address, "routing_key": ROUTING_KEY},
            {"type": "opsgenie", "url": opsgenie.address, "token": GENIE_KEY},
            {
                "type": "incident_io",
                "url": incident_io.address,
                "token": INCIDENT_IO_TOKEN,
                "alert_source": ALERT_SOURCE,
            },
            {
                "type": "email",
                "host": "localhost",
                "port": mail_port,
                "ca_file": ca.ca_file,
                "username": "slo",
                "password": PASSWORD,
                "from": "slo@example.com",
                "to": ["oncall@example.com"],
            },
            {"type": "teams", "url": f"http://127.0.0.1:{ports[1]}{TEAMS_PATH}"},
            {"type": "apprise", "url": f"json://user:{APPRISE_TOKEN}@127.0.0.1:{ports[3]}/"},
            {"type": "grafana", "url": f"http://127.0.0.1:{ports[2]}", "token": GRAFANA_TOKEN},
        ]
        file = tmp_path / "settings.yaml"
        named = [{**each, "name": each["type"], "updates": True} for each in sinks]
        file.write_text(yaml.safe_dump({"sinks": named}))
        yield World(slack, hook, pagerduty, opsgenie, incident_io, webhook, teams, grafana, apprise, mailbox, file)


class Kept(logging.Handler):
    """What the engine's log would hold."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonFormatter(secrets))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def deliver(world: World, tmp_path: Path, told: Sequence[Message]) -> dict[str, list[str]]:
    """Send messages of one thread to all sinks, as the engine does. Returns the states of their deliveries."""
    settings = load_settings(world.settings)
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    kept = Kept(secrets_of(settings))
    root = logging.getLogger()
    before = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)

    async def run() -> None:
        sinks = {each.name: sink_of(each) for each in settings.sinks}
        courier = Courier(database, sinks)
        task = asyncio.create_task(courier.run())
        async with asyncio.timeout(60):
            while any(state == "pending" for _, state in database.read(outbox.counts)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        courier.stop()
        await task
        for sink in sinks.values():
            await sink.close()

    try:
        ids = []
        names = [sink.name for sink in settings.sinks]
        for each in told:
            new = messages.NewMessage(time.time(), "incident", each.kind, each.severity, each.title, each.content())
            ids.append(database.write(partial(messages.add_ready, new=new, sinks=names)))
        asyncio.run(run())
        sent = database.read(lambda connection: messages.deliveries(connection, ids))
    finally:
        root.removeHandler(kept)
        root.setLevel(before)
        database.close()
    world.log = kept.lines
    found: dict[str, list[str]] = {}
    for each_id in ids:
        for delivery in sent[each_id]:
            found.setdefault(delivery.sink, []).append(delivery.last_error or delivery.state)
    return found


def test_one_incident_through_every_sink_at_once(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = deliver(world, tmp_path, [replace(FIRING, evidence=NOTHING_YET), UPDATE, REPEAT, RESOLVED])
    assert states == {name: ["delivered"] * 4 for name in SINKS}
    received = {
        "webhook": [(body["status"], body["enrichment"]["update"]) for body in world.webhook.bodies],
        "console": [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if line[0] != " "],
        "slack": [(method, "thread_ts" in body) for method, body in world.slack.calls],
        "slack_webhook": [body["text"].split(" ")[0] for body in world.hook.bodies],
        "pagerduty": [body["event_action"] for body in world.pagerduty.bodies],
        "opsgenie": [request.path.partition("?")[0].rpartition("/")[2] for request in world.opsgenie.requests],
        "incident_io": [body["status"] for body in world.incident_io.bodies],
        "email": [(mail["Subject"][:10], mail["In-Reply-To"] is not None) for mail in world.mailbox.mails],
        "teams": [body["attachments"][0]["content"]["body"][0]["style"] for body in world.teams.bodies],
        "apprise": [body["type"] for body in world.apprise.bodies],
        "grafana": world.grafana.requests,
    }
    assert received == {
        "webhook": [("firing", False), ("firing", True), ("firing", False), ("resolved", False)],
        "console": ["Firing [page]", "Evidence [page]", "Firing [page]", "Resolved [page]"],
        "slack": [
            ("chat.postMessage", False),
            ("chat.update", False),
            ("chat.postMessage", True),  # the evidence, in the thread
            ("chat.update", False),  # a repeat changes the message alone
            ("chat.update", False),
            ("chat.postMessage", True),  # it is over
        ],
        "slack_webhook": ["\U0001f534", "\U0001f534", "\U0001f534", "\U0001f7e2"],
        "pagerduty": ["trigger", "trigger", "trigger", "resolve"],
        "opsgenie": ["alerts", "notes", "alerts", "close"],
        "incident_io": ["firing", "firing", "firing", "resolved"],
        "email": [("[page] age", False), ("Re: [page]", True), ("Re: [page]", True), ("Re: [page]", True)],
        "teams": ["attention", "attention", "attention", "good"],
        "apprise": ["failure", "failure", "failure", "success"],
        "grafana": [
            "POST /api/annotations",
            "PATCH /api/annotations/41",
            "PATCH /api/annotations/41",
            "PATCH /api/annotations/41",
        ],
    }
    assert len(world.slack.roots) == 1
    assert (world.pagerduty.opened, world.pagerduty.open) == (1, {})
    assert (len(world.opsgenie.closed), world.opsgenie.open) == (1, {})


def test_no_secret_is_in_any_log_at_debug_level(world: World, tmp_path: Path) -> None:
    deliver(world, tmp_path, [FIRING, RESOLVED])
    whole = "\n".join(world.log)
    assert "chat.postMessage" in whole  # the requests are logged
    assert [secret for secret in SECRETS if secret in whole] == []


def test_what_means_harm_is_delivered_by_every_sink(world: World, tmp_path: Path) -> None:
    evil = [hostile("firing"), hostile("update"), hostile("firing")]
    states = deliver(world, tmp_path, [json_safe(each) for each in evil])
    assert states == {name: ["delivered"] * 3 for name in SINKS}


def json_safe(message: Message) -> Message:
    """As the store gives it: half a letter is no text that can be written."""
    json.dumps(message.content())
    return message
