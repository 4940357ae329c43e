"""PagerDuty's Events API v2, Opsgenie's alert API and an HTTP alert source of incident.io, held to ``contracts/``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from tests.delivery.fakes.service import CONTRACTS, Reply, Request, Service, as_json

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
GENIE_KEY = "3f1c2a9e-genie-key-7d5b"
INCIDENT_IO_TOKEN = "incident-io-source-token"
ALERT_SOURCE = "01GW2G3V0S59R238FAHPDS1R66"

LARGEST = 512 * 1024


@cache
def contract(name: str) -> Validator:
    return Draft202012Validator(json.loads((CONTRACTS / f"{name}.json").read_text()))


def problems(name: str, body: Any) -> list[str]:
    """What is wrong with a request."""
    return [f"{error.json_path}: {error.message[:200]}" for error in contract(name).iter_errors(body)]


class PagerDutyService(Service):
    """``open``: the alerts that are open, by ``dedup_key``."""

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, Mapping[str, Any]] = {}
        self.opened = 0
        self.changes: list[Mapping[str, Any]] = []

    def answer(self, request: Request) -> Reply:
        contracts = {"/v2/enqueue": "pagerduty_alert", "/v2/change/enqueue": "pagerduty_change"}
        if request.path not in contracts:
            return Reply(404)
        if request.size > LARGEST:
            return Reply(413)
        wrong = problems(contracts[request.path], request.body)
        if not wrong and request.body["routing_key"] != ROUTING_KEY:
            wrong = ["'routing_key' is invalid"]
        if wrong:
            return as_json(400, status="invalid event", message="Event object is invalid", errors=wrong)
        if request.path == "/v2/change/enqueue":
            self.changes.append(request.body)
            return as_json(202, status="success", message="Change event processed")
        self._note(request.body)
        return as_json(202, status="success", message="Event processed", dedup_key=request.body["dedup_key"])

    def _note(self, event: Mapping[str, Any]) -> None:
        key = event["dedup_key"]
        if event["event_action"] == "trigger":
            self.opened += key not in self.open
            self.open[key] = event
        elif event["event_action"] == "resolve":
            self.open.pop(key, None)


class OpsgenieService(Service):
    """``open``: the alerts that are open, by alias; ``notes``: what was added to them."""

    def __init__(self, prefix: str = "") -> None:
        super().__init__()
        self.prefix = prefix
        self.open: dict[str, Mapping[str, Any]] = {}
        self.notes: list[tuple[str, str]] = []
        self.closed: list[str] = []

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"GenieKey {GENIE_KEY}":
            return as_json(401, message="Could not authenticate", took=0.0, requestId="r")
        parts = urlsplit(request.path)
        path = parts.path.removeprefix(self.prefix)
        is_new = path == "/v2/alerts"
        wrong = problems("opsgenie_create" if is_new else "opsgenie_note", request.body)
        if is_new and not wrong and sum(len(k) + len(v) for k, v in request.body["details"].items()) > 8000:
            wrong = ["details: more than 8,000 characters"]
        if wrong:
            return as_json(422, message="Request body is not processable. Please check the errors.", errors=wrong)
        if is_new:
            self.open[request.body["alias"]] = request.body
        elif parse_qs(parts.query) != {"identifierType": ["alias"]}:
            return as_json(404, message="Alert does not exist")
        else:
            alias, action = path.removeprefix("/v2/alerts/").split("/")
            self._change(unquote(alias), action, request.body["note"])
        return as_json(202, result="Request will be processed", took=0.01, requestId="43a29c5c-3dbf-4fa4-9c26")

    def _change(self, alias: str, action: str, note: str) -> None:
        # What is not open is told later, when the request is worked on: it is answered by 202 all the same.
        if action == "close" and self.open.pop(alias, None) is not None:
            self.closed.append(alias)
        if action == "notes" and alias in self.open:
            self.notes.append((alias, note))


class IncidentIoService(Service):
    """``alerts``: the newest event of each."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: dict[str, Mapping[str, Any]] = {}

    def answer(self, request: Request) -> Reply:
        if request.path != f"/v2/alert_events/http/{ALERT_SOURCE}":
            return as_json(404, type="not_found", status=404, errors=[{"code": "not_found", "message": "not found"}])
        if request.headers.get("authorization") != f"Bearer {INCIDENT_IO_TOKEN}":
            return as_json(401, type="authentication_error", status=401, errors=[{"code": "invalid_token"}])
        if request.size > LARGEST:
            return Reply(413)
        wrong = [*_as_errors(problems("incident_io_event", request.body))]
        if wrong:
            return as_json(422, type="validation_error", status=422, errors=wrong)
        key = request.body["deduplication_key"]
        self.alerts[key] = request.body
        return as_json(202, status="success", message="Event accepted for processing", deduplication_key=key)


def _as_errors(wrong: list[str]) -> Iterator[Mapping[str, Any]]:
    for each in wrong:
        field, _, message = each.partition(": ")
        yield {"code": "invalid_value", "message": message, "source": {"field": field}}
