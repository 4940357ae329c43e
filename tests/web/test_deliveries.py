"""Dead letters and what waits for sinks that are gone: in the API, on the page, on /readyz, in the log."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from slo_engine import telemetry
from slo_engine.delivery.orphans import OrphanWatch
from slo_engine.store import outbox
from slo_engine.store.deliveries import Orphans
from slo_engine.web.deliveries import MAX_BODY_BYTES
from tests.alerts.payloads import notification
from tests.store.claims import claim
from tests.web.site import Site
from tests.web.test_page import articles, text

API = "/api/v1/deliveries"
RESEND = f"{API}/resend"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def bury(site: Site, error: str = "HTTP 401: token rejected") -> None:
    for claimed in claim(site.database):
        site.database.write(partial(outbox.bury, claimed=claimed, error=error))


def add(site: Site, key: str = "a", sink: str = "sink") -> None:
    site.add(notification(group_key=key), time.time() - 7200, sinks=[sink])


def counts(site: Site) -> dict[tuple[str, str], int]:
    return site.database.read(outbox.counts)


def test_dead_letters_are_listed_and_shown_with_what_they_say(site: Site) -> None:
    add(site)
    bury(site)
    add(site, "b", "other")
    listed = site.ask("GET", API).json()
    (dead,) = listed["deliveries"]
    assert (listed["total"], dead["id"], dead["state"]) == (1, 1, "dead")
    assert dead["last_error"] == "HTTP 401: token rejected"
    assert site.ask("GET", API, params={"state": "all", "limit": 1}).json()["total"] == 2
    waiting = site.ask("GET", API, params={"state": "waiting", "sink": "other"}).json()["deliveries"]
    assert [each["id"] for each in waiting] == [2]
    shown = site.ask("GET", f"{API}/1").json()
    assert shown["message"]["groupKey"] == "a"
    assert site.ask("GET", f"{API}/3").status_code == 404
    assert site.ask("GET", f"{API}/{2**63}").status_code == 422


def test_dead_letters_are_sent_again(site: Site) -> None:
    add(site)
    bury(site)
    sent = site.ask("POST", RESEND, json={"ids": [1, 7]})
    assert (sent.status_code, sent.json()) == (
        200,
        {"resent": 1, "ids": [1], "skipped": [{"id": 7, "reason": "there is no such delivery"}]},
    )
    assert counts(site) == {("sink", "pending"): 1}
    assert site.ask("POST", RESEND, json={"all": True}).json()["resent"] == 0


def test_what_waits_for_a_sink_that_is_gone_is_sent_to_another(site: Site) -> None:
    add(site, sink="gone")
    asked = {"sink": "gone", "state": "waiting", "to": "other", "until": "2100-01-01T00:00:00Z"}
    assert site.ask("POST", RESEND, json=asked).json()["ids"] == [1]
    assert counts(site) == {("other", "pending"): 1}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "name ids, or say which"),
        ({"ids": [1], "all": True}, "name ids, or say which"),
        ({"ids": []}, "ids"),
        ({"ids": [2**63]}, "ids.0"),
        ({"all": True, "to": "nobody"}, "there is no sink 'nobody'"),
        ({"all": True, "state": "delivered"}, "state"),
        ({"all": True, "since": "yesterday"}, "since"),
        ({"everything": True}, "everything"),
        ([], "body"),
    ],
)
def test_request_that_cannot_be_meant_changes_nothing(site: Site, asked: Any, told: str) -> None:
    add(site)
    bury(site)
    answer = site.ask("POST", RESEND, json=asked)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert counts(site) == {("sink", "dead"): 1}


def test_large_body_is_refused(site: Site) -> None:
    answer = site.ask("POST", RESEND, content=b" " * (MAX_BODY_BYTES + 1), headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_only_who_shows_the_token_sends_again_and_is_told_so_before_anything_else(tmp_path: Path) -> None:
    site = Site(tmp_path, token="t0ken")
    add(site)
    bury(site)
    assert site.ask("POST", RESEND, content=b"no json").status_code == 401
    assert site.ask("POST", RESEND, json={"all": True}, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert counts(site) == {("sink", "dead"): 1}
    headers = {"authorization": "Bearer t0ken"}
    assert site.ask("POST", RESEND, json={"all": True}, headers=headers).json()["resent"] == 1


@pytest.mark.parametrize("path", [RESEND, "/-/reload"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site", "origin": "http://engine"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://elsewhere"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://engine"}, 403),
        ({"sec-fetch-site": "none"}, 200),
        ({}, 200),
    ],
)
def test_page_in_a_browser_can_do_nothing(site: Site, path: str, headers: dict[str, str], status: int) -> None:
    assert site.ask("POST", path, json={"all": True}, headers=headers).status_code == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_body_that_a_form_can_send_is_refused(site: Site, kind: str) -> None:
    assert site.ask("POST", RESEND, content=b'{"all": true}', headers={"content-type": kind}).status_code == 415


def test_api_describes_what_it_takes_and_gives(site: Site) -> None:
    described = site.ask("GET", "/api/v1/openapi.json").json()
    resend = described["paths"][RESEND]["post"]
    assert "ids" in resend["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"200", "401", "403", "413", "415", "422"} <= set(resend["responses"])
    assert {"Delivery", "DeliveryDetails", "Deliveries", "Resent"} <= set(described["components"]["schemas"])


def test_page_shows_dead_letters_with_reason_age_and_the_command(site: Site) -> None:
    assert "Not delivered" not in site.page()
    for number in range(7):
        add(site, str(number))
    bury(site, "HTTP 403: <script>alert(1)</script>")
    page = site.page()
    cards = [text(each) for each in articles(page) if "undelivered" in each]
    assert len(cards) == 5
    assert "dead letter after 1 attempt: HTTP 403: <script>" in cards[0]
    assert "2h ago" in cards[0]
    assert "slo-engine deliveries resend 7" in cards[0]
    assert page.count("<script") == 1  # our own
    assert "2 earlier dead letters" in page
    assert 'href="#undelivered">7 notifications not delivered' in page


def test_page_and_readyz_tell_of_what_waits_for_a_sink_that_is_gone(site: Site) -> None:
    add(site, sink="gone")
    add(site, "b", sink="gone")
    assert site.ask("GET", "/readyz").json()["sinks"] == {"state": "ok"}
    site.orphans.look()
    ready = site.ask("GET", "/readyz")
    command = "slo-engine deliveries resend --sink gone --state waiting --to <sink>"
    assert ready.status_code == 200
    assert ready.json()["sinks"]["orphans"] == {"gone": {"waiting": 2, "send_to_another": command}}
    (card,) = [text(each) for each in articles(site.page()) if "undelivered" in each]
    assert "2 notifications wait for a sink that is not in the settings" in card
    assert "for 2h" in card
    assert command in card


def test_dead_letter_of_a_sink_that_is_gone_is_shown_with_a_command_that_works(site: Site) -> None:
    add(site, sink="gone")
    bury(site)
    assert "slo-engine deliveries resend 1 --to &lt;sink&gt;" in site.page()


def test_sink_that_is_gone_is_told_once_in_the_log_and_counted_until_nothing_waits(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    def gauges() -> dict[str, float]:
        (family,) = telemetry.OUTBOX_ORPHANS.collect()
        return {sample.labels["sink"]: sample.value for sample in family.samples}

    add(site, sink="gone")
    watch = OrphanWatch(site.database, ["sink"])
    with caplog.at_level(logging.WARNING):
        watch.look()
        watch.look()
    (record,) = caplog.records
    assert "(1 of them) for sink gone, which is not in the settings" in record.getMessage()
    assert "`slo-engine deliveries resend --sink gone --state waiting --to <sink>`" in record.getMessage()
    (found,) = watch.found
    assert found == Orphans("gone", 1, found.oldest)
    assert gauges() == {"gone": 1.0}
    site.ask("POST", RESEND, json={"sink": "gone", "state": "waiting", "to": "other"})
    OrphanWatch(site.database, ["sink", "other"]).look()
    assert gauges() == {}
