"""The HTTP side, on the real application with a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from slo_engine.prometheus import PrometheusError, RangeResult, Result, Sample, Series
from slo_engine.store import history, inbox
from slo_engine.web.webhook import MAX_BODY_BYTES
from tests.alerts.payloads import body, notification
from tests.web.site import Site

WEBHOOK = "/webhooks/alertmanager"


class Young:
    """Has recorded one group for five minutes, and another for one, of which there is no sum yet."""

    def query(self, expr: str, at: datetime) -> Result:
        ratio = Sample({**_success("b"), "slo_window": "6h"}, 0.01)
        return Result((ratio,) if expr.startswith("slo:sli_error:ratio") else (), ())

    def samples(self, expr: str, at: datetime) -> RangeResult:
        now = at.timestamp()
        totals, errors = ({**_success("a"), "__name__": f"slo:sli_{what}:sum"} for what in ("total", "errors"))
        base = "slo:sli_errors:increase1m"
        return RangeResult(
            (
                Series({**totals, "slo_window": "30d"}, ((now, 100.0),)),
                Series({**errors, "slo_window": "30d"}, ((now, 1.0),)),
                Series({**_success("a"), "__name__": base}, ((now - 240, 1.0), (now, 0.0))),
                Series({**_success("b"), "__name__": base}, ((now - 60, 1.0),)),
            ),
            (),
        )


def _success(agent: str) -> dict[str, str]:
    return {"slo_service": "agents", "slo": "success", "agent_type": agent}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_posted_body_is_committed_before_the_answer_and_the_intake_is_told(site: Site) -> None:
    answer = site.ask("POST", WEBHOOK, content=body())
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    assert site.stored() == [body()]
    assert site.told == 1


@pytest.mark.parametrize("posted", [b"", b"no json", b"\xff\x00", b"[]"])
def test_whatever_a_body_holds_it_is_stored_as_it_is(site: Site, posted: bytes) -> None:
    assert site.ask("POST", WEBHOOK, content=posted).status_code == 200
    assert site.stored() == [posted]


def test_a_large_notification_is_taken(site: Site) -> None:
    large = b"x" * 6_000_000
    assert site.ask("POST", WEBHOOK, content=large).status_code == 200
    assert site.stored() == [large]


def test_a_body_above_the_cap_is_refused_by_its_declared_length_and_without_one(site: Site) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1_000_000 + 2):
            yield b"x" * 1_000_000

    declared = site.ask("POST", WEBHOOK, content=b"x", headers={"content-length": str(MAX_BODY_BYTES + 1)})
    assert declared.status_code == 413
    assert site.ask("POST", WEBHOOK, content=endless()).status_code == 413
    assert site.stored() == []


def test_a_store_that_cannot_commit_answers_503_so_that_alertmanager_tries_again(site: Site) -> None:
    used = site.database.read(lambda found: int(found.execute(text("PRAGMA page_count")).scalar_one()))
    site.database.write(lambda found: found.execute(text(f"PRAGMA max_page_count = {used + 1}")).scalar())
    answer = site.ask("POST", WEBHOOK, content=b"x" * 1_000_000)
    assert answer.status_code == 503
    assert site.ask("GET", "/readyz").status_code == 503
    site.database.write(lambda found: found.execute(text("PRAGMA max_page_count = 1000000")).scalar())
    assert site.ask("POST", WEBHOOK, content=b"x" * 1_000_000).status_code == 200
    assert site.ask("GET", "/readyz").status_code == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Basic dG9rZW4=", 401), ("Bearer t0ken", 200), ("bearer t0ken", 200)],
)
def test_with_a_token_only_who_shows_it_is_let_in(tmp_path: Path, header: str | None, status: int) -> None:
    site = Site(tmp_path, token="t0ken")
    headers = {"authorization": header} if header else {}
    assert site.ask("POST", WEBHOOK, content=body(), headers=headers).status_code == status
    assert len(site.stored()) == (1 if status == 200 else 0)


@pytest.mark.parametrize("path", ["/webhooks", "/webhooks/alertmanagers"])
def test_a_wrong_address_is_not_redirected_because_that_would_lose_the_body(site: Site, path: str) -> None:
    assert site.ask("POST", path, content=body()).status_code == 404


def test_a_slash_at_the_end_of_the_address_loses_nothing(site: Site) -> None:
    assert site.ask("POST", WEBHOOK + "/", content=body()).status_code == 200
    assert site.stored() == [body()]


def test_ready_only_when_the_store_and_the_clock_run(site: Site) -> None:
    assert site.ask("GET", "/readyz").json()["ready"] is True
    site.clock_runs = False
    stopped = site.ask("GET", "/readyz")
    assert (stopped.status_code, stopped.json()["checks"]["clock"]) == (503, "the clock does not run")
    site.clock_runs = True
    site.database.close()
    closed = site.ask("GET", "/readyz")
    assert (closed.status_code, closed.json()["checks"]["store"]) == (503, "the store is closed")
    assert site.ask("GET", "/healthz").status_code == 200


def test_mistakes_in_slo_files_are_told_but_do_not_make_the_engine_unready(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: slo-engine/v2\n")
    site = Site(tmp_path, slos=tmp_path / "bad.yaml")
    answer = site.ask("GET", "/readyz")
    assert answer.status_code == 200
    assert "bad.yaml:1:10: version" in answer.json()["slo_files"]["problems"][0]
    assert "bad.yaml:1:10: version" in site.ask("GET", "/").text


def test_notifications_are_listed_with_their_evidence_and_deliveries(site: Site) -> None:
    site.add_message({**notification(), "enrichment": {"version": "1"}})
    site.add_message(notification(), finished=False)
    listed = site.ask("GET", "/api/v1/alerts").json()["notifications"]
    assert [each["state"] for each in listed] == ["gathering", "ready"]
    assert listed[1]["deliveries"] == [
        {"sink": "sink", "state": "pending", "attempts": 0, "last_error": None, "receipt": None}
    ]
    assert listed[1]["message"]["enrichment"] == {"version": "1"}


def test_history_of_an_slo_is_served_and_an_unknown_one_is_404(site: Site) -> None:
    now = datetime.now(UTC).timestamp()
    row = history.StatusRow(now, "agents", "success", {}, 0.5, {"error_budget_remaining": 0.5})
    site.database.write(lambda found: history.append(found, [row]))
    assert site.ask("GET", "/api/v1/slos/agents/success/history").json()["history"] == [row.status]
    assert site.ask("GET", "/api/v1/slos/agents/nothing/history").status_code == 404


def test_page_and_api_say_over_how_much_data_a_young_budget_is_measured(tmp_path: Path) -> None:
    site = Site(tmp_path, prometheus=Young())
    site.board.refresh()
    page = site.ask("GET", "/").text
    assert "over 5 min of data" in page
    assert "estimated from 2 min of data" in page
    told = {each["group"].get("agent_type"): each for each in site.ask("GET", "/api/v1/slos").json()["slos"]}
    wanted = ("data_over", "is_window_full", "is_estimate")
    assert [told["a"][key] for key in wanted] == ["5m", False, False]
    assert [told["b"][key] for key in wanted] == ["2m", False, True]


def test_notification_is_shown_with_the_data_of_its_budget_also_when_it_was_kept_before_that_was_said(
    site: Site,
) -> None:
    status = {"window": "30d", "error_budget_remaining": 0.25, "exhausted_at": None}
    young = {**status, "data_over": "5m", "is_window_full": False, "is_estimate": False}
    about: dict[str, Any] = {"service": "agents", "slo": "success", "group": {}, "traces": None}
    subjects = [{**about, "status": status}, {**about, "status": young}]
    site.add_message({**notification(), "enrichment": {"seconds": 0.1, "missing": [], "subjects": subjects}})
    page = site.ask("GET", "/").text
    assert "25.0 % left." in page
    assert "25.0 % left (over 5 min of data)." in page


def test_hostile_texts_are_shown_and_never_run(site: Site) -> None:
    attack = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}'
    evil = "javascript:alert(1)"
    cause = {
        "what": attack,
        "message": attack,
        "count": 1,
        "share": 1.0,
        "traces": [{"id": attack, "url": evil, "seen_at": "2026-11-23T12:00:00+00:00"}],
    }
    traces = {"from": "2026-11-23T12:00:00+00:00", "to": "2026-11-23T12:00:00+00:00", "failed": 1, "partial": False}
    about = {"service": attack, "slo": attack, "group": {"a": attack}, "status": None}
    subject = {**about, "traces": {**traces, "causes": [cause]}}
    enrichment = {"seconds": 0.1, "missing": [{"source": attack, "reason": attack}], "subjects": [subject]}
    site.add_message({**notification(), "enrichment": enrichment})
    posted = site.database.write(lambda found: inbox.accept(found, attack.encode(), 1.0))
    site.database.write(lambda found: inbox.quarantine(found, posted, attack))
    with pytest.raises(PrometheusError):
        site.board.refresh()
    answer = site.ask("GET", "/")
    assert answer.status_code == 200
    assert answer.text.count("<script") == 1  # our own
    assert "<img" not in answer.text
    assert "<b>refused" not in answer.text
    assert evil not in answer.text
    assert "{{7*7}}" in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_api_of_a_store_that_cannot_be_read_says_so(site: Site) -> None:
    site.database.write(lambda found: found.execute(text("DROP TABLE outbox")))
    site.add_message(notification(), finished=False)
    answer = site.ask("GET", "/api/v1/alerts")
    assert (answer.status_code, "the store cannot be read" in answer.json()["detail"]) == (503, True)


def test_metrics_are_served_in_the_format_that_is_asked_for(site: Site) -> None:
    plain = site.ask("GET", "/metrics")
    assert "slo_engine_build_info" in plain.text
    assert "_created" not in plain.text
    openmetrics = site.ask("GET", "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.text.endswith("# EOF\n")


@pytest.mark.parametrize("version", ["\u00ff", "a.b", "9" * 5000])
def test_metrics_are_served_to_who_asks_for_a_version_that_is_none(site: Site, version: str) -> None:
    accept = f"application/openmetrics-text; version={version}".encode("latin-1")
    answer = site.ask("GET", "/metrics", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


def test_the_api_describes_itself(site: Site) -> None:
    described = site.ask("GET", "/api/v1/openapi.json").json()
    assert {"/webhooks/alertmanager", "/api/v1/slos", "/api/v1/alerts"} <= set(described["paths"])
